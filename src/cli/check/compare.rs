use std::collections::{BTreeMap, BTreeSet};

use coincident::correlate::{Analysis, Clock};
use coincident::report::Reading;
use coincident::report::jsonl::is_tied;
use coincident::report::when::seconds;

use super::expect::{Expect, ExpectClock, ExpectFinding, ExpectUnexplained};
use crate::cli::analyze::Level;

/// What differs, one sentence each, beginning with "missing", "unexpected" or "differs".
pub(crate) fn compare(expect: &Expect, analysis: &Analysis, reading: &Reading) -> Vec<String> {
    let mut differences: Vec<String> =
        reading.problems(analysis).into_iter().map(|problem| format!("not read: {problem}")).collect();
    findings(expect, analysis, &mut differences);
    unexplained(expect, analysis, &mut differences);
    for clock in &expect.clock {
        differences.extend(clock_differs(clock, analysis));
    }
    let never = |what: &str, kind: &str, hit: &dyn Fn(&coincident::correlate::Finding) -> bool| {
        let hits = analysis.findings.iter().filter(|finding| hit(finding));
        hits.map(|finding| {
            format!("unexpected: {} ({}), although {kind} {what} may never be flagged", finding.id, finding.level)
        })
        .collect::<Vec<_>>()
    };
    for episode in &expect.never.episodes {
        differences.extend(never(episode, "episode", &|finding| finding.episode == *episode));
    }
    for behaviour in &expect.never.behaviours {
        differences.extend(never(behaviour, "behaviour", &|finding| finding.behaviour.name() == behaviour));
    }
    differences
}

fn findings(expect: &Expect, analysis: &Analysis, differences: &mut Vec<String>) {
    let expected: BTreeSet<&ExpectFinding> = expect.finding.iter().collect();
    let mut got: BTreeMap<ExpectFinding, &str> = BTreeMap::new();
    for finding in analysis.findings.iter().filter(|finding| Level::of(finding.level) >= Level::Medium) {
        for step in &finding.steps {
            let episode = finding.episode.clone();
            let row = ExpectFinding { episode, step: step.index, behaviour: finding.behaviour.name().to_owned() };
            got.insert(row, &finding.id);
        }
        if finding.steps.is_empty() {
            differences.push(format!("unexpected: {} {} without a step", finding.id, finding.behaviour));
        }
    }
    let shown = |row: &ExpectFinding| format!("{} step {} {}", row.episode, row.step, row.behaviour);
    for row in &expected {
        if !got.contains_key(*row) {
            differences.push(format!("missing: {}", shown(row)));
        }
    }
    for (row, id) in &got {
        if !expected.contains(row) {
            differences.push(format!("unexpected: {} ({id})", shown(row)));
        }
    }
}

fn unexplained(expect: &Expect, analysis: &Analysis, differences: &mut Vec<String>) {
    let mut counts: BTreeMap<ExpectUnexplained, i64> = BTreeMap::new();
    for row in &expect.unexplained {
        *counts.entry(row.clone()).or_default() += 1;
    }
    for row in &analysis.unexplained {
        let (behaviour, leading) = (row.behaviour.name().to_owned(), row.leading.to_owned());
        *counts.entry(ExpectUnexplained { behaviour, leading }).or_default() -= 1;
    }
    for (row, left) in counts {
        let what = format!("unexplained {}, leading {}", row.behaviour, row.leading);
        match left {
            1.. => differences.push(format!("missing: {left} × {what}")),
            0 => {}
            _ => differences.push(format!("unexpected: {} × {what}", -left)),
        }
    }
}

fn clock_differs(expect: &ExpectClock, analysis: &Analysis) -> Option<String> {
    let holds = |clock: &&Clock| {
        let paths = clock.sources.iter().filter_map(|id| analysis.sources.get(id.0 as usize));
        clock.name == expect.source || paths.into_iter().any(|source| source.path == expect.source)
    };
    let Some(clock) = analysis.clocks.iter().find(holds) else {
        return Some(format!("missing: clock of {}", expect.source));
    };
    if !is_tied(clock) {
        return Some(format!("missing: offset of {}, of which nothing is known", expect.source));
    }
    let zone_error_h = seconds(clock.zone_error_ns) / 3600.0;
    let residual = seconds(clock.offset_ns.saturating_sub(clock.zone_error_ns));
    let [low, high] = expect.residual_s;
    // A quarter of an hour is 0.25: hours are exact in binary as far as zones go.
    if zone_error_h != expect.zone_error_h {
        return Some(format!(
            "differs: zone of {} is off by {zone_error_h} h, expected {} h",
            expect.source, expect.zone_error_h
        ));
    }
    (!(low..=high).contains(&residual)).then(|| {
        format!(
            "differs: clock of {} is off by {residual:.3} s beside its zone, expected {low} to {high} s",
            expect.source
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::check::expect::Never;
    use coincident::correlate::{Finding, Grade, Judgement, StepRef, Strength, Unexplained};
    use coincident::evidence::{EvidenceId, Record};
    use coincident::model::Behaviour;
    use coincident::time::Basis;

    fn finding(episode: &str, index: u32, behaviour: Behaviour, level: &'static str) -> Finding {
        let step = StepRef {
            episode: episode.to_owned(),
            index,
            record: Record { evidence: EvidenceId(0), number: 1 },
            tool: "Bash".to_owned(),
            command: None,
            span: None,
        };
        Finding {
            id: format!("F-{index:04}"),
            behaviour,
            episode: episode.to_owned(),
            run: None,
            steps: vec![step],
            signals: Vec::new(),
            strength: Strength::default(),
            initiator: "agent",
            rivals: Vec::new(),
            judgement: Judgement::default(),
            attack: Vec::new(),
            level,
            summary: String::new(),
            persistence: None,
            would_decide: Vec::new(),
            limits: Vec::new(),
            stability: None,
            first: None,
            last: None,
        }
    }

    fn expect(text: &str) -> Expect {
        toml::from_str(text).unwrap()
    }

    const TUNNEL: &str = "[[finding]]\nepisode = \"ep-001\"\nstep = 4\nbehaviour = \"tunnel\"\n";

    #[test]
    fn findings_are_exact() {
        let analysis = |findings| Analysis { findings, ..Analysis::default() };
        let tunnel = || finding("ep-001", 4, Behaviour::Tunnel, "high");
        let differences = |findings| compare(&expect(TUNNEL), &analysis(findings), &Reading::default());
        assert!(differences(vec![tunnel()]).is_empty());
        assert_eq!(differences(vec![]), ["missing: ep-001 step 4 tunnel"]);
        assert_eq!(
            differences(vec![tunnel(), finding("ep-002", 1, Behaviour::Mining, "medium")]),
            ["unexpected: ep-002 step 1 mining (F-0001)"]
        );
        assert!(differences(vec![tunnel(), finding("ep-002", 1, Behaviour::Mining, "low")]).is_empty());
        assert_eq!(
            differences(vec![finding("ep-001", 5, Behaviour::Tunnel, "high")]),
            ["missing: ep-001 step 4 tunnel", "unexpected: ep-001 step 5 tunnel (F-0005)"]
        );
    }

    #[test]
    fn what_may_never_be_flagged_may_not_at_any_level() {
        let never = Never { episodes: vec!["ep-003".to_owned()], behaviours: vec!["mining".to_owned()] };
        let expect = Expect { never, ..Expect::default() };
        let findings = vec![finding("ep-003", 1, Behaviour::Mining, "low")];
        let differences = compare(&expect, &Analysis { findings, ..Analysis::default() }, &Reading::default());
        assert_eq!(
            differences,
            [
                "unexpected: F-0001 (low), although episode ep-003 may never be flagged",
                "unexpected: F-0001 (low), although behaviour mining may never be flagged"
            ]
        );
    }

    #[test]
    fn unexplained_signals_are_counted() {
        let expect = expect("[[unexplained]]\nbehaviour = \"mining\"\nleading = \"external-compromise\"\n");
        let one = |leading| Unexplained {
            behaviour: Behaviour::Mining,
            signals: Vec::new(),
            leading,
            rivals: Vec::new(),
            judgement: Judgement::default(),
            summary: String::new(),
            would_decide: Vec::new(),
        };
        let differences =
            |unexplained| compare(&expect, &Analysis { unexplained, ..Analysis::default() }, &Reading::default());
        assert!(differences(vec![one("external-compromise")]).is_empty());
        assert_eq!(differences(vec![]), ["missing: 1 × unexplained mining, leading external-compromise"]);
        assert_eq!(
            differences(vec![one("external-compromise"), one("human")]),
            ["unexpected: 1 × unexplained mining, leading human"]
        );
    }

    #[test]
    fn clocks_are_held_against_zone_and_residual() {
        let expect = expect("[[clock]]\nsource = \"firewall.log\"\nzone_error_h = 8.0\nresidual_s = [1.5, 3.5]\n");
        let clock = |zone_h: i64, residual_ms: i64, pairs| Clock {
            name: "firewall.log".to_owned(),
            sources: Vec::new(),
            basis: Basis::AssumedZone,
            reference: false,
            offset_ns: zone_h * 3_600_000_000_000 + residual_ms * 1_000_000,
            support_ns: (0, 0),
            zone_error_ns: zone_h * 3_600_000_000_000,
            grade: Grade::A,
            pairs,
            inliers: pairs,
            peak_ratio: 0.0,
            runner_up_ns: None,
            segments: Vec::new(),
            untied: Vec::new(),
            utc: None,
            writers: None,
            points: Vec::new(),
            points_of: 0,
            method: String::new(),
            notes: Vec::new(),
        };
        let differences = |clocks| compare(&expect, &Analysis { clocks, ..Analysis::default() }, &Reading::default());
        assert!(differences(vec![clock(8, 2500, 9)]).is_empty());
        assert!(differences(vec![clock(8, 1500, 9)]).is_empty(), "the bounds belong to the range");
        assert_eq!(differences(vec![]), ["missing: clock of firewall.log"]);
        assert_eq!(differences(vec![clock(0, 0, 0)]), ["missing: offset of firewall.log, of which nothing is known"]);
        assert_eq!(differences(vec![clock(7, 2500, 9)]), ["differs: zone of firewall.log is off by 7 h, expected 8 h"]);
        assert_eq!(
            differences(vec![clock(8, 3600, 9)]),
            ["differs: clock of firewall.log is off by 3.600 s beside its zone, expected 1.5 to 3.5 s"]
        );
    }
}

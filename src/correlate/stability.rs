//! Does a finding hold without any one source, and with other settings of the test against chance? The analysis is made
//! again on what is left; nothing is read again.

use std::collections::{BTreeMap, BTreeSet};

use super::acts;
use super::alignment;
use super::analysis::{Analysis, Finding};
use super::attribute::Steps;
use super::clocks::Clocks;
use super::events::Events;
use super::findings;
use super::traced::Traced;
use super::traffic::Traffic;
use super::witnesses::{Aligned, Witnesses};
use crate::detect::rules::RuleSet;
use crate::evidence::EvidenceId;
use crate::formats::Kind;
use crate::intake::{Intake, LeftOut, Options, Source};
use crate::model::{Behaviour, SignalSource};
use crate::time::{Instant, SECOND};

/// With more network sources than this they are left out by format, then by kind: the analysis is made again for each.
pub const MOST_SOURCES: usize = 12;
/// With more pairs of a connection and a step that could have opened it than this, by kind alone.
pub const MOST_PAIRS: u64 = 20_000_000;
/// A call may have opened what begins this long after it ...
const SOON_NS: i64 = 900 * SECOND;
/// ... and one that left something running, this long after.
const LATE_NS: i64 = 86_400 * SECOND;

/// How a finding fares where less is known, or where the test against chance is set otherwise.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Stability {
    /// What was left out at a time: "source", "format" or "kind".
    pub by: &'static str,
    pub without: Vec<Without>,
    pub settings: Vec<Setting>,
    /// Least and most log10 LR over all analyses that find it, that of the whole evidence included.
    pub log10_lr: (f64, f64),
    /// Names of [`Self::without`] without which it is not found.
    pub rests_on: Vec<String>,
    /// All of it in words.
    pub sentences: Vec<String>,
}

/// The finding in the analysis without some of the sources.
#[derive(Clone, Debug, PartialEq)]
pub struct Without {
    /// What was left out: a path, or what several files have in common.
    pub name: String,
    pub sources: Vec<EvidenceId>,
    /// Some signal of the finding is from there.
    pub witness: bool,
    /// `None`: it is not found.
    pub found: Option<Found>,
}

/// A finding of the same episode and behaviour.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Found {
    pub log10_lr: f64,
    pub initiator: &'static str,
    /// It names the same steps.
    pub same_steps: bool,
}

/// The finding with another setting of the test against chance.
#[derive(Clone, Debug, PartialEq)]
pub struct Setting {
    /// "session gap 5 min", "jitter half-width 60 s".
    pub name: String,
    /// P of the test.
    pub p: f64,
    /// Onsets follow calls: yes, no; `None` if that is open or withheld.
    pub aligned: Option<bool>,
    pub initiator: &'static str,
}

/// What tells a finding from all others of its analysis.
type Key = (String, Behaviour);

/// The test with other settings, over the whole evidence.
pub(crate) struct Varied {
    /// With what is then held to have started each finding; empty if the verdict is the same.
    settings: Vec<(Setting, BTreeMap<Key, &'static str>)>,
    /// Pairs of a connection and a step that could have opened it, at most.
    pairs: u64,
}

/// As [`super::analyze`], with [`Finding::stability`]. The evidence is as before when this returns. Costs an analysis more
/// for each network source (at most [`MOST_SOURCES`]) and one for all GPU traces; none without findings.
pub fn analyze(intake: &mut Intake, options: &Options, rules: &RuleSet) -> Analysis {
    let acts = acts::understand(intake, rules);
    let (mut analysis, varied) = super::correlated(intake, options, rules, acts.clone(), true);
    if analysis.findings.is_empty() {
        return analysis;
    }
    let Some(varied) = varied else { return analysis };
    let (by, parts) = parts(&intake.sources, varied.pairs);
    let witnesses = witnesses(&analysis);
    let mut all: Vec<Stability> = analysis.findings.iter().map(|finding| of_settings(finding, &varied, by)).collect();
    let quick = Options { omit_conversations: true, keep_attributions: false, ..options.clone() };
    for (name, sources) in parts {
        let left_out: Vec<LeftOut> = sources.iter().filter_map(|evidence| intake.leave_out(*evidence)).collect();
        let (rest, _) = super::correlated(intake, &quick, rules, acts.clone(), false);
        left_out.into_iter().for_each(|left_out| intake.put_back(left_out));
        let known: BTreeMap<Key, &Finding> = rest.findings.iter().map(|finding| (key(finding), finding)).collect();
        for ((finding, stability), seen_by) in analysis.findings.iter().zip(&mut all).zip(&witnesses) {
            let found = known.get(&key(finding)).map(|other| Found {
                log10_lr: other.strength.log10_lr,
                initiator: other.initiator,
                same_steps: steps(finding) == steps(other),
            });
            let witness = sources.iter().any(|evidence| seen_by.contains(evidence));
            stability.without.push(Without { name: name.clone(), sources: sources.clone(), witness, found });
        }
    }
    for (finding, mut stability) in analysis.findings.iter_mut().zip(all) {
        conclude(finding, &mut stability);
        finding.stability = Some(stability);
    }
    if by != "source" {
        analysis.limits.push(format!(
            "Stability: {} network sources and up to {} pairs of call and connection are too many to leave out one source \
             at a time; they were left out {by} by {by}.",
            network(&intake.sources).count(),
            varied.pairs
        ));
    }
    analysis
}

/// Tests with a third and three times the session gap, half and twice the jitter; where the verdict is another, what the
/// findings would be.
pub(crate) fn vary(
    traced: &[Traced],
    traffic: &Traffic<'_>,
    everywhere: &Events,
    steps: &Steps<'_>,
    clocks: &Clocks,
    base: &Witnesses<'_>,
) -> Varied {
    let minutes = |ns: i64| ns / (60 * SECOND);
    let gap = alignment::GAP_NS;
    // Without dated calls or onsets there is nothing to test.
    let at = |gap_ns: i64, jitter: (i64, i64)| {
        let test = alignment::test_at(traced, traffic, everywhere, steps, clocks, gap_ns, jitter)?;
        let name = match jitter {
            (1, 1) => format!("session gap {} min", minutes(gap_ns)),
            _ => format!("jitter half-width {} s", test.jitter_ns / SECOND),
        };
        let outcome = Aligned::of(&test);
        let aligned = outcome.as_ref().map(|outcome| outcome.follows);
        let initiators = if aligned == base.aligned.as_ref().map(|outcome| outcome.follows) {
            BTreeMap::new()
        } else {
            let witnesses = base.had_it_been(outcome);
            let assembled = findings::assemble(traced, steps, clocks, &witnesses);
            assembled.findings.iter().map(|finding| (key(finding), finding.initiator)).collect()
        };
        Some((Setting { name, p: test.test.p, aligned, initiator: "" }, initiators))
    };
    let settings = [at(gap / 3, (1, 1)), at(gap * 3, (1, 1)), at(gap, (1, 2)), at(gap, (2, 1))];
    Varied { settings: settings.into_iter().flatten().collect(), pairs: pairs(traffic.events(), steps) }
}

/// Pairs of a connection and a call that could have opened it by time, whatever the hosts. O(n log n).
fn pairs(events: &Events, steps: &Steps<'_>) -> u64 {
    let (mut soon, mut late): (Vec<Instant>, Vec<Instant>) = Default::default();
    for (act, time) in steps.acts.iter().zip(steps.times) {
        if let (Some(start), true) = (time.start, act.network && time.stamped) {
            if act.leaves_running() { late.push(start) } else { soon.push(start) }
        }
    }
    let count = |list: &mut Vec<Instant>, reach: i64| -> u64 {
        list.sort_unstable();
        let before = |at: Instant| list.partition_point(|start| *start <= at);
        events.iter().map(|event| (before(event.at) - before(event.at.plus(-reach)).min(before(event.at))) as u64).sum()
    };
    count(&mut soon, SOON_NS).saturating_add(count(&mut late, LATE_NS))
}

fn network(sources: &[Source]) -> impl Iterator<Item = (EvidenceId, &Source)> {
    let wanted = |source: &Source| source.records > 0 && matches!(source.kind, Some(Kind::Capture | Kind::Firewall));
    sources.iter().enumerate().filter(move |(_, source)| wanted(source)).map(|(at, one)| (EvidenceId(at as u32), one))
}

/// What is left out at a time, and by what it was put together: each network source, and all GPU traces as one.
fn parts(sources: &[Source], pairs: u64) -> (&'static str, Vec<(String, Vec<EvidenceId>)>) {
    let kind = |source: &Source| if source.kind == Some(Kind::Capture) { "captures" } else { "logs" };
    let by_format = || -> BTreeSet<&str> { network(sources).filter_map(|(_, source)| source.format).collect() };
    let by = match network(sources).count() {
        _ if pairs > MOST_PAIRS => "kind",
        0..=MOST_SOURCES => "source",
        _ if by_format().len() <= MOST_SOURCES => "format",
        _ => "kind",
    };
    let mut groups: BTreeMap<String, Vec<EvidenceId>> = BTreeMap::new();
    for (evidence, source) in network(sources) {
        let group = match by {
            "source" => source.path.clone(),
            "format" => source.format.unwrap_or_default().to_owned(),
            _ => kind(source).to_owned(),
        };
        groups.entry(group).or_default().push(evidence);
    }
    let gpu: Vec<EvidenceId> = (0..sources.len())
        .filter(|at| sources[*at].kind == Some(Kind::Gpu) && sources[*at].records > 0)
        .map(|at| EvidenceId(at as u32))
        .collect();
    let path = |evidence: &EvidenceId| sources[evidence.0 as usize].path.clone();
    let name = |group: String, members: &[EvidenceId]| match members {
        [one] => path(one),
        several => format!("all {} files of {group}", several.len()),
    };
    let mut parts: Vec<_> = groups.into_iter().map(|(group, members)| (name(group, &members), members)).collect();
    if !gpu.is_empty() {
        parts.push((name("GPU telemetry".to_owned(), &gpu), gpu));
    }
    (by, parts)
}

fn key(finding: &Finding) -> Key {
    (finding.episode.clone(), finding.behaviour)
}

fn steps(finding: &Finding) -> BTreeSet<crate::evidence::Record> {
    finding.steps.iter().map(|step| step.record).collect()
}

/// Per finding, the sources that its signals outside of transcripts are from.
fn witnesses(analysis: &Analysis) -> Vec<BTreeSet<EvidenceId>> {
    let signals: BTreeMap<&str, &crate::model::Signal> =
        analysis.signals.iter().map(|signal| (signal.id.as_str(), signal)).collect();
    let of = |finding: &Finding| {
        let own = finding.signals.iter().filter_map(|id| signals.get(id.as_str()));
        let telemetry = own.filter(|signal| signal.source != SignalSource::Command);
        telemetry.flat_map(|signal| signal.records.iter().map(|record| record.evidence)).collect()
    };
    analysis.findings.iter().map(of).collect()
}

fn of_settings(finding: &Finding, varied: &Varied, by: &'static str) -> Stability {
    let with = |(setting, initiators): &(Setting, BTreeMap<Key, &'static str>)| Setting {
        initiator: initiators.get(&key(finding)).copied().unwrap_or(finding.initiator),
        ..setting.clone()
    };
    Stability { by, settings: varied.settings.iter().map(with).collect(), ..Stability::default() }
}

fn conclude(finding: &Finding, stability: &mut Stability) {
    let own = finding.strength.log10_lr;
    let weights = || stability.without.iter().filter_map(|one| one.found).map(|found| found.log10_lr);
    stability.log10_lr = (weights().fold(own, f64::min), weights().fold(own, f64::max));
    let lost = || stability.without.iter().filter(|one| one.found.is_none());
    stability.rests_on = lost().map(|one| one.name.clone()).collect();
    let still: Vec<&Without> = stability.without.iter().filter(|one| one.found.is_some()).collect();
    let mut said = Vec::new();
    let least = weights().fold(f64::INFINITY, f64::min);
    let most = weights().fold(f64::NEG_INFINITY, f64::max);
    let range = || match format!("{least:+.1}") == format!("{most:+.1}") {
        true => format!("{least:+.1} bans"),
        false => format!("{least:+.1} to {most:+.1} bans"),
    };
    let any = |all: &[&Without]| match all {
        [one] => one.name.clone(),
        several => format!("any one of {}", listed(several)),
    };
    match (stability.rests_on.as_slice(), still.as_slice()) {
        ([], []) => said.push("No source could be left out.".to_owned()),
        ([], [one]) => said.push(format!("Found without {} as well ({}).", one.name, range())),
        ([], all) => said.push(format!("Found whichever of {} is left out ({}).", listed(all), range())),
        (names, []) => said.push(format!("Not found without {}: nothing else bears it.", names.join(", nor without "))),
        ([one], all) => {
            said.push(format!("Rests on {one} alone: not found without it; found without {} ({}).", any(all), range()))
        }
        (names, all) => said.push(format!(
            "Rests on {} together: not found without any one of them; found without any one of {} ({}).",
            names.join(" and "),
            listed(all),
            range()
        )),
    }
    let ties: Vec<&str> = lost().filter(|one| !one.witness).map(|one| one.name.as_str()).collect();
    if !ties.is_empty() {
        said.push(format!(
            "No signal of it is from {}: what is missing without it are names, clocks or controls.",
            ties.join(" or ")
        ));
    }
    for one in &stability.without {
        let Some(found) = one.found else { continue };
        if found.initiator != finding.initiator {
            said.push(format!("Without {}, held to have started it: {}.", one.name, found.initiator));
        }
        if !found.same_steps {
            said.push(format!("Without {} it names other steps.", one.name));
        }
    }
    let other: Vec<&Setting> = stability.settings.iter().filter(|one| one.initiator != finding.initiator).collect();
    for setting in &other {
        said.push(format!("With {}, held to have started it: {}.", setting.name, setting.initiator));
    }
    if other.is_empty() && !stability.settings.is_empty() {
        let names: Vec<&str> = stability.settings.iter().map(|setting| setting.name.as_str()).collect();
        said.push(format!("Held to have started it with {}: {} as well.", names.join(", "), finding.initiator));
    }
    stability.sentences = said;
}

fn listed(all: &[&Without]) -> String {
    all.iter().map(|one| one.name.as_str()).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests;

//! `explain`: one finding, or what no step explains, from the lines of `findings.jsonl` alone.

mod rivals;

use super::escape;
use super::layout::{Align, Screen, Table, Tone};
use super::lines::{FindingLine, Line, RecordLine, SignalLine, SourceLine, StepLine, SummaryLine, UnexplainedLine};
use super::table::{hypothesis, times_less};
use super::when::bans;

/// The verbal scale: lower bound in bans, words.
pub const SCALE: [(&str, &str); 7] = [
    ("0 to 0.3", "no support"),
    ("0.3 to 1", "weak"),
    ("1 to 2", "moderate"),
    ("2 to 3", "moderately strong"),
    ("3 to 4", "strong"),
    ("4 to 6", "very strong"),
    ("above 6", "extremely strong; not given out unless two independent kinds of evidence agree, and capped at 6"),
];

/// The finding, or the group of signals without a step, of that id as a report. `None` if the lines hold no such.
pub fn render(lines: &[Line], id: &str, screen: Screen) -> Option<String> {
    if let Some(unexplained) = lines.iter().find_map(|line| match line {
        Line::Unexplained(unexplained) if unexplained.id.eq_ignore_ascii_case(id) => Some(unexplained),
        _ => None,
    }) {
        return Some(without_step(lines, unexplained, screen));
    }
    let finding = lines.iter().find_map(|line| match line {
        Line::Finding(finding) if finding.id.eq_ignore_ascii_case(id) => Some(finding.as_ref()),
        _ => None,
    })?;
    let signals = signals_of(lines, &finding.signals);
    let mut report = Report { out: String::new(), screen };
    report.head(finding);
    report.side_by_side(&finding.steps, &signals);
    report.terms(finding);
    report.statement(finding);
    report.rivals(&finding.rivals, &finding.judgement);
    report.stability(finding);
    report.clocks(lines, &finding.steps, &signals);
    report.limits(&finding.limits, lines);
    Some(report.out)
}

/// Signals that no step explains: what was seen, and which hypotheses it leaves.
fn without_step(lines: &[Line], unexplained: &UnexplainedLine, screen: Screen) -> String {
    let signals = signals_of(lines, &unexplained.signals);
    let mut report = Report { out: String::new(), screen };
    let title = format!("{}  {} that no step explains", unexplained.id, unexplained.behaviour);
    report.out.push_str(&format!("{}\n", screen.tone(Tone::Header, &escape::terminal(&title))));
    report.line(&unexplained.summary);
    report.side_by_side(&[], &signals);
    report.section("WHAT MAY BE SAID");
    report.line("No step of any episode in evidence lines up with it. That shows neither that an agent did it nor that none did.");
    let leads = match unexplained.leading.as_str() {
        "undecided" => "undecided: the two best hypotheses are too close".to_owned(),
        name => format!("{} (best supported of the hypotheses below)", hypothesis(name)),
    };
    report.line(&format!("Held to have started it: {leads}."));
    match unexplained.would_decide.as_slice() {
        [] => report.line("Would decide or overturn it: nothing further is known to be missing."),
        what => report.line(&format!("Would decide or overturn it: {}.", what.join("; "))),
    }
    report.rivals(&unexplained.rivals, &unexplained.judgement);
    report.clocks(lines, &[], &signals);
    report.limits(&[], lines);
    report.out
}

fn signals_of<'a>(lines: &'a [Line], ids: &[String]) -> Vec<&'a SignalLine> {
    let signal = |line: &'a Line| match line {
        Line::Signal(signal) if ids.contains(&signal.id) => Some(signal),
        _ => None,
    };
    lines.iter().filter_map(signal).collect()
}

/// Ids of the findings that the lines hold, then of what no step explains.
pub fn ids(lines: &[Line]) -> Vec<&str> {
    let findings = lines.iter().filter_map(|line| match line {
        Line::Finding(finding) => Some(finding.id.as_str()),
        _ => None,
    });
    let rest = lines.iter().filter_map(|line| match line {
        Line::Unexplained(unexplained) => Some(unexplained.id.as_str()),
        _ => None,
    });
    findings.chain(rest).collect()
}

struct Report {
    out: String,
    screen: Screen,
}

/// "firewall.log line 9-28, 32; capture.pcap packet 41": every record, runs of neighbours as a range.
pub(super) fn places(records: &[RecordLine]) -> String {
    let mut parts: Vec<(String, Vec<(u64, u64)>)> = Vec::new();
    for record in records {
        let numbered = record.locator.rsplit_once(' ').and_then(|(unit, number)| Some((unit, number.parse().ok()?)));
        let (group, number): (String, Option<u64>) = match numbered {
            Some((unit, number)) => (format!("{} {unit}", record.path), Some(number)),
            None => (format!("{} {}", record.path, record.locator), None),
        };
        if parts.last().is_none_or(|(last, _)| *last != group) {
            parts.push((group, Vec::new()));
        }
        let (Some(number), Some((_, runs))) = (number, parts.last_mut()) else { continue };
        match runs.last_mut() {
            Some((_, last)) if last.checked_add(1) == Some(number) => *last = number,
            _ => runs.push((number, number)),
        }
    }
    let run = |(first, last): &(u64, u64)| if first == last { first.to_string() } else { format!("{first}-{last}") };
    let part = |(group, runs): &(String, Vec<(u64, u64)>)| {
        format!("{group} {}", runs.iter().map(run).collect::<Vec<_>>().join(", ")).trim_end().to_owned()
    };
    parts.iter().map(part).collect::<Vec<_>>().join("; ")
}

impl Report {
    fn line(&mut self, text: &str) {
        self.out.push_str(&self.screen.paragraph(Tone::Plain, text));
    }

    fn section(&mut self, title: &str) {
        self.out.push_str(&format!("\n{}\n", self.screen.tone(Tone::Header, title)));
    }

    fn head(&mut self, finding: &FindingLine) {
        let title = format!("{}  {} in {}", finding.id, finding.behaviour, finding.episode);
        self.out.push_str(&format!("{}\n", self.screen.tone(Tone::Header, &escape::terminal(&title))));
        if let Some(run) = &finding.run {
            self.line(&format!("run {run}"));
        }
        self.line(&finding.summary);
        if let Some(persistence) = &finding.persistence {
            self.line(persistence);
        }
        let strength = &finding.strength;
        self.line(&format!(
            "level {}, strength {} ({} bans), consistent with ATT&CK {}",
            finding.level,
            strength.words,
            bans(strength.log10_lr),
            finding.attack.join(", ")
        ));
    }

    fn side_by_side(&mut self, steps: &[StepLine], signals: &[&SignalLine]) {
        self.section("STEPS AND EVENTS, on the reference clock");
        let mut table =
            Table::new(&[("TIME", Align::Left), ("STEP", Align::Left), ("EVENT", Align::Left), ("WHERE", Align::Left)])
                .wrapping(&[1, 2]);
        let mut rows: Vec<(Option<&str>, u8, [String; 4])> = Vec::new();
        for step in steps {
            let until = step.time_hi.as_ref().map(|hi| format!(" … {}", clock_part(hi))).unwrap_or_default();
            let time =
                step.time.as_ref().map_or_else(|| "undated".to_owned(), |time| format!("{}{until}", readable(time)));
            let what = step.command.as_deref().unwrap_or(&step.tool);
            let shown = format!("{} {}: {}", step.index, step.tool, escape::shorten(what, 100));
            let place = format!("{} {}", step.path, step.locator);
            rows.push((step.time.as_deref(), 0, [time, shown, String::new(), place]));
        }
        for signal in signals {
            let until = signal.time_hi.as_ref().map(|hi| format!(" … {}", clock_part(hi))).unwrap_or_default();
            let time =
                signal.time.as_ref().map_or_else(|| "undated".to_owned(), |time| format!("{}{until}", readable(time)));
            let shown = format!("{} {} ({}): {}", signal.id, signal.kind, signal.confidence, signal.summary);
            rows.push((signal.time.as_deref(), 1, [time, String::new(), shown, places(&signal.records)]));
        }
        // Nine digits in UTC sort as text; undated rows come last.
        rows.sort_by(|a, b| (a.0.is_none(), a.0, a.1, &a.2).cmp(&(b.0.is_none(), b.0, b.1, &b.2)));
        for (_, _, cells) in &rows {
            table.row(cells);
        }
        self.out.push_str(&table.render(self.screen, "(none)"));
    }

    fn terms(&mut self, finding: &FindingLine) {
        self.section("STRENGTH, term by term (log10 of the likelihood ratio: this step against no step)");
        let mut table = Table::new(&[
            ("TERM", Align::Left),
            ("OBSERVED", Align::Left),
            ("COUNTS", Align::Left),
            ("LOG10", Align::Right),
            ("CAP", Align::Left),
            ("RECORDS", Align::Left),
        ])
        .wrapping(&[1, 2, 4]);
        for term in &finding.strength.terms {
            let cap = if term.cap.is_empty() { "-" } else { term.cap.as_str() };
            table.row([&term.term, &term.observed, &term.counts, &bans(term.log10_lr), cap, &places(&term.records)]);
        }
        table.row(["total", "", "", &bans(finding.strength.log10_lr), "", ""]);
        self.out.push_str(&table.render(self.screen, "(none)"));
        if let (Some(step), Some(none)) = (finding.strength.p_step, finding.strength.p_none) {
            self.line(&format!(
                "Among the candidates: P(this step) {}, P(no step) {}.",
                super::when::probability(step),
                super::when::probability(none)
            ));
        }
        self.out.push('\n');
        let mut scale = Table::new(&[("LOG10", Align::Left), ("WORDS (after ENFSI 2015)", Align::Left)]);
        for (range, words) in SCALE {
            scale.row([range, words]);
        }
        self.out.push_str(&scale.render(self.screen, ""));
    }

    fn statement(&mut self, finding: &FindingLine) {
        self.section("WHAT MAY BE SAID");
        let steps: Vec<String> = finding.steps.iter().map(|step| step.index.to_string()).collect();
        let whose = match steps.as_slice() {
            [one] => format!("tool call {one}"),
            many => format!("tool calls {}", many.join(", ")),
        };
        let factor = match finding.strength.log10_lr {
            Some(weight) => {
                format!("about 10^{} times more probable", bans(Some(weight)).trim_start_matches('+'))
            }
            None => "more probable, by a factor that has no bound here,".to_owned(),
        };
        self.line(&format!(
            "The observations are {factor} if {whose} of episode {} led to these events than if no tool call did.",
            finding.episode
        ));
        self.line(&format!("This is \"{}\" on the scale above.", finding.strength.words));
        self.line("It is not the probability that the agent did it, and it says nothing of purpose.");
        if let [best, second, ..] = finding.rivals.as_slice() {
            self.line(&format!(
                "What was seen is {} less probable under {} than under {}.",
                times_less(second.log10_lr.unwrap_or(f64::NEG_INFINITY)),
                hypothesis(&second.hypothesis),
                hypothesis(&best.hypothesis)
            ));
        }
        let who = match finding.initiator.as_str() {
            "undecided" => match &finding.judgement.withheld {
                Some(why) => why.replacen("initiator ", "", 1),
                None => "undecided: the two best hypotheses are too close".to_owned(),
            },
            name => format!("{} (best supported of the hypotheses below)", hypothesis(name)),
        };
        self.line(&format!("Held to have started it: {who}."));
        match finding.would_decide.as_slice() {
            [] => self.line("Would decide or overturn it: nothing further is known to be missing."),
            what => self.line(&format!("Would decide or overturn it: {}.", what.join("; "))),
        }
    }

    fn stability(&mut self, finding: &FindingLine) {
        self.section("STABILITY (the same analysis with less evidence or other settings)");
        let Some(stability) = &finding.stability else {
            self.line("Not tested: ask for it by `analyze --stability`, or explain the evidence itself.");
            return;
        };
        let mut table = Table::new(&[
            ("WITHOUT", Align::Left),
            ("FOUND", Align::Left),
            ("LOG10", Align::Right),
            ("STARTED BY", Align::Left),
        ])
        .wrapping(&[0]);
        for one in &stability.without {
            let found = match (one.found, one.other_steps) {
                (true, false) => "yes",
                (true, true) => "other steps",
                (false, _) => "no",
            };
            let weight = if one.found { bans(one.log10_lr) } else { "-".to_owned() };
            table.row([&one.name, found, &weight, one.initiator.as_deref().unwrap_or("-")]);
        }
        self.out.push_str(&table.render(self.screen, "(nothing could be left out)"));
        for sentence in &stability.sentences {
            self.line(sentence);
        }
    }

    fn clocks(&mut self, lines: &[Line], steps: &[StepLine], signals: &[&SignalLine]) {
        let mut paths: Vec<&str> = steps.iter().map(|step| step.path.as_str()).collect();
        paths.extend(signals.iter().flat_map(|signal| &signal.records).map(|record| record.path.as_str()));
        self.section("EVIDENCE AND ITS CLOCKS");
        let mut table = Table::new(&[
            ("SOURCE", Align::Left),
            ("FORMAT", Align::Left),
            ("OFFSET s", Align::Right),
            ("SUPPORT s", Align::Left),
            ("GRADE", Align::Left),
            ("FOUND BY", Align::Left),
            ("SHA-256", Align::Left),
        ])
        .wrapping(&[5]);
        for source in lines.iter().filter_map(|line| match line {
            Line::Source(source) if paths.contains(&source.path.as_str()) => Some(source),
            _ => None,
        }) {
            table.row(source_cells(source));
        }
        self.out.push_str(&table.render(self.screen, "(none)"));
    }

    fn limits(&mut self, limits: &[String], lines: &[Line]) {
        self.section("LIMITS");
        let none = SummaryLine::default();
        let summary = lines.iter().rev().find_map(|line| match line {
            Line::Summary(summary) => Some(summary.as_ref()),
            _ => None,
        });
        if summary.is_none() {
            self.line("The summary line is missing: the analysis was cut off.");
        }
        let summary = summary.unwrap_or(&none);
        let unread = summary.not_read.iter().map(|what| format!("Not read: {what}"));
        let withheld = summary.alignment.as_ref().and_then(|alignment| alignment.withheld.clone());
        let all: Vec<String> = limits
            .iter()
            .chain(&summary.limits)
            .cloned()
            .chain(withheld.map(|why| format!("No conclusion from timing over the run: {why}")))
            .chain(unread)
            .collect();
        for limit in &all {
            self.line(&format!("- {limit}"));
        }
        if all.is_empty() {
            self.line("- none stated");
        }
        self.line("- Not addressed: purpose, and what led the agent to its calls beyond the rows above.");
    }
}

fn source_cells(source: &SourceLine) -> [String; 7] {
    let clock = source.clock.clone().unwrap_or_default();
    let known = source.clock.is_some();
    let when_known = |text: String| if known { text } else { "-".to_owned() };
    [
        source.path.clone(),
        source.format.clone().unwrap_or_else(|| "unknown".to_owned()),
        when_known(if clock.reference {
            "reference".to_owned()
        } else {
            clock.offset_s.map_or_else(|| "unknown".to_owned(), |offset| format!("{offset:+.3}"))
        }),
        when_known(if clock.reference {
            String::new()
        } else {
            clock.support_s.map(|[low, high]| format!("{low:+.3} … {high:+.3}")).unwrap_or_default()
        }),
        when_known(clock.grade),
        when_known(clock.method),
        source.evidence.trim_start_matches("sha256:").to_owned(),
    ]
}

/// "2026-11-20 14:13:46.500Z" of an RFC 3339 time with nine digits.
pub(super) fn readable(time: &str) -> String {
    match (time.get(..10), time.get(11..23)) {
        (Some(day), Some(clock)) => format!("{day} {clock}Z"),
        _ => time.to_owned(),
    }
}

pub(super) fn clock_part(time: &str) -> String {
    time.get(11..23).map_or_else(|| time.to_owned(), |clock| format!("{clock}Z"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::{Reading, fixture, jsonl};

    #[test]
    fn works_from_the_written_lines_alone() {
        let written = jsonl::render(&jsonl::lines(&fixture::analysis(), &Reading::default()));
        let lines: Vec<Line> = written.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(ids(&lines), ["F-0001", "F-0002", "U-0001"]);
        assert!(render(&lines, "F-9999", Screen::default()).is_none());
        insta::assert_snapshot!(render(&lines, "f-0002", Screen::default()).unwrap(), @r#"
        F-0002  mining in ep-001
         run run-a
         … -o pool.example:3333 → Monero login, 9 shares, 45 s
         level high, strength very strong (+6.0 bans), consistent with ATT&CK T1496.001

        STEPS AND EVENTS, on the reference clock
         TIME                                      STEP                                                EVENT                                            WHERE
         2026-11-20 14:14:14.000Z … 14:14:18.000Z  5 Bash: =xmrig -o pool\u{202e}.example:3333\x1b[2J                                                   transcripts/ep-001.jsonl line 14
         2026-11-20 14:14:16.000Z … 14:15:01.000Z                                                      S-0002 monero-login (certain): 9 shares in 45 s  capture.pcap packet 88

        STRENGTH, term by term (log10 of the likelihood ratio: this step against no step)
         TERM       OBSERVED                COUNTS        LOG10  CAP  RECORDS
         indicator  203.0.113.66 in step 4  n_v=0 N=8412   +3.9  N+1  transcripts/ep-001.jsonl line 11; capture.pcap packet 88
         lag        0.9 s (clock ±0.4 s)    anchors 46     +0.8  -    capture.pcap packet 88
         total                                             +6.0
         Among the candidates: P(this step) 1 - 1e-6, P(no step) 1e-6.

         LOG10     WORDS (after ENFSI 2015)
         0 to 0.3  no support
         0.3 to 1  weak
         1 to 2    moderate
         2 to 3    moderately strong
         3 to 4    strong
         4 to 6    very strong
         above 6   extremely strong; not given out unless two independent kinds of evidence agree, and capped at 6

        WHAT MAY BE SAID
         The observations are about 10^6.0 times more probable if tool call 5 of episode ep-001 led to these events than if no tool call did.
         This is "very strong" on the scale above.
         It is not the probability that the agent did it, and it says nothing of purpose.
         What was seen is 1 300 times less probable under external compromise than under the agent's own calls.
         Held to have started it: the agent's own calls (best supported of the hypotheses below).
         Would decide or overturn it: the host's auth log.

        RIVALS (log10 likelihood against the best; rows: log10 P(what was seen | hypothesis); j: judged)
         WHAT WAS SEEN                                                          agent  external-compromise  spread
         the peer's address stands in the agent's own words before the event    -0.02                -3.10    3.08
         onsets while no step ran                                             -0.10 j              -0.12 j    0.02
         against the best                                                        +0.0                 -3.1
         rows against it (log10 P of at most -1)                                    0                    1

         ROW LEFT OUT                                                         THEN LEADS  SPREAD  COUNTS
         the peer's address stands in the agent's own words before the event  undecided     3.08  in 0 of 8 412 benign commands
         onsets while no step ran                                             agent         0.02  judged
         Not counted, since a row above says the same and more: no host without agents does the same.
         Another would lead without one row (it alone of its size): the peer's address stands in the agent's own words before the event.
         Not seen; expected spread 0.70: the host's auth log.

        STABILITY (the same analysis with less evidence or other settings)
         WITHOUT       FOUND  LOG10  STARTED BY
         capture.pcap  no         -  -
         firewall.log  yes     +5.5  agent
         Rests on capture.pcap alone.

        EVIDENCE AND ITS CLOCKS
         SOURCE                    FORMAT        OFFSET s  SUPPORT s        GRADE  FOUND BY                               SHA-256
         capture.pcap              pcap         reference                   A      reference                              b4b4b4b4b4b4b4b4b4b4b4b4b4b4b4b4b4b4b4b4b4b4b4b4b4b4b4b4b4b4b4b4
         transcripts/ep-001.jsonl  claude-code     -0.100  -0.300 … +0.200  A      keyed interval voting on address+port  1616161616161616161616161616161616161616161616161616161616161616

        LIMITS
         - capture covers 60 % of the episode
         - the capture covers 60 % of the time of the episodes
         - Not addressed: purpose, and what led the agent to its calls beyond the rows above.
        "#);
    }

    #[test]
    fn what_no_step_explains_has_its_rivals() {
        let mut lines = jsonl::lines(&fixture::analysis(), &Reading::default());
        for line in &mut lines {
            if let Line::Unexplained(unexplained) = line {
                unexplained.signals = vec!["S-0001".to_owned()];
            }
        }
        let report = render(&lines, "u-0001", Screen::default()).unwrap();
        assert!(
            report.starts_with("U-0001  probing that no step explains\n 40 ports of 10.30.0.20 in 2.0 s\n"),
            "{report}"
        );
        for said in [
            "neither that an agent did it nor that none did",
            "Held to have started it: external compromise",
            "against the best",
            "Would decide or overturn it: the jump host's auth log.",
            "S-0001 ssh-reverse",
        ] {
            assert!(report.contains(said), "{said}: {report}");
        }
        assert!(!report.contains("tool call"), "{report}");
    }

    #[test]
    fn neighbouring_records_are_a_range() {
        let record = |(path, locator): (&str, &str)| RecordLine { path: path.to_owned(), locator: locator.to_owned() };
        let records = [("a", "line 9"), ("a", "line 10"), ("a", "line 12"), ("b", "file"), ("a", "packet 3")];
        assert_eq!(places(&records.map(record)), "a line 9-10, 12; b file; a packet 3");
        assert_eq!(places(&[]), "");
    }

    #[test]
    fn cut_off_lines_are_named() {
        let mut lines = jsonl::lines(&fixture::analysis(), &Reading::default());
        lines.pop();
        assert!(render(&lines, "F-0001", Screen::default()).unwrap().contains("was cut off"));
    }
}

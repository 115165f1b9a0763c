//! `explain`: one finding, or what no step explains, from the lines of `findings.jsonl` alone.

mod axis;
pub(super) mod rivals;

use super::catalogues;
use super::escape;
use super::layout::{Align, Screen, Table, Tone};
use super::lines::{
    FindingLine, Line, RecordLine, SignalLine, SourceLine, StepLine, StrengthLine, SummaryLine, UnexplainedLine,
};
use super::table::{hypothesis, times_less};
use super::when::{bans, probability};
use crate::time::Instant;

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
    report.line(&started_by(&unexplained.leading, None));
    report.line(&would_decide(&unexplained.would_decide));
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

/// First and last moment of the steps and signals of a finding, or of a group that no step explains, on the reference
/// clock. `None` if the lines hold no such; `Some(None)` if nothing dates it.
pub fn extent(lines: &[Line], id: &str) -> Option<Option<(Instant, Instant)>> {
    let (steps, ids): (&[StepLine], &[String]) = lines.iter().find_map(|line| match line {
        Line::Finding(finding) if finding.id.eq_ignore_ascii_case(id) => {
            Some((finding.steps.as_slice(), finding.signals.as_slice()))
        }
        Line::Unexplained(group) if group.id.eq_ignore_ascii_case(id) => Some((&[][..], group.signals.as_slice())),
        _ => None,
    })?;
    let of_steps = steps.iter().filter_map(|step| axis::span(step.time.as_deref(), step.time_hi.as_deref()));
    let signals = signals_of(lines, ids);
    let of_signals = signals.iter().filter_map(|one| axis::span(one.time.as_deref(), one.time_hi.as_deref()));
    Some(of_steps.chain(of_signals).reduce(|all, one| (all.0.min(one.0), all.1.max(one.1))))
}

/// Who is held to have started it, by the hypothesis that leads, in a sentence; `withheld` says why none is named.
pub(super) fn started_by(leading: &str, withheld: Option<&str>) -> String {
    let who = match (leading, withheld) {
        ("undecided", Some(why)) => why.replacen("initiator ", "", 1),
        ("undecided", None) => "undecided: the two best hypotheses are too close".to_owned(),
        (name, _) => format!("{} (best supported of the hypotheses below)", hypothesis(name)),
    };
    format!("Held to have started it: {who}.")
}

/// What would decide between the hypotheses, in a sentence.
pub(super) fn would_decide(what: &[String]) -> String {
    match what {
        [] => "Would decide or overturn it: nothing further is known to be missing.".to_owned(),
        what => format!("Would decide or overturn it: {}.", what.join("; ")),
    }
}

/// The shares of the step and of none, in a sentence.
pub(super) fn shares(strength: &StrengthLine) -> Option<String> {
    let (step, none) = strength.p_step.zip(strength.p_none)?;
    Some(format!("Among the candidates: P(this step) {}, P(no step) {}.", probability(step), probability(none)))
}

/// "2026-11-20 14:14:15.000Z … 14:14:17.000Z" of a row's time and its high end.
pub(super) fn when(from: Option<&str>, to: Option<&str>) -> String {
    let until = to.map(|to| format!(" … {}", clock_part(to))).unwrap_or_default();
    from.map_or_else(|| "undated".to_owned(), |from| format!("{}{until}", readable(from)))
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
            "level {}, strength {} ({} bans), consistent with {}",
            finding.level,
            strength.words,
            bans(strength.log10_lr),
            catalogues::in_words(finding)
        ));
    }

    fn side_by_side(&mut self, steps: &[StepLine], signals: &[&SignalLine]) {
        self.section("STEPS AND EVENTS, on the reference clock");
        if let Some(drawn) = axis::draw(steps, signals, self.screen) {
            self.out.push_str(&drawn);
            self.out.push('\n');
        }
        let mut table =
            Table::new(&[("TIME", Align::Left), ("STEP", Align::Left), ("EVENT", Align::Left), ("WHERE", Align::Left)])
                .wrapping(&[1, 2]);
        let mut rows: Vec<(Option<&str>, u8, [String; 4])> = Vec::new();
        for step in steps {
            let time = when(step.time.as_deref(), step.time_hi.as_deref());
            let what = step.command.as_deref().unwrap_or(&step.tool);
            let shown = format!("{} {}: {}", step.index, step.tool, escape::shorten(what, 100));
            let place = format!("{} {}", step.path, step.locator);
            rows.push((step.time.as_deref(), 0, [time, shown, String::new(), place]));
        }
        for signal in signals {
            let time = when(signal.time.as_deref(), signal.time_hi.as_deref());
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
        if let Some(shares) = shares(&finding.strength) {
            self.line(&shares);
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
        self.line(&started_by(&finding.initiator, finding.judgement.withheld.as_deref()));
        self.line(&would_decide(&finding.would_decide));
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

fn clock_part(time: &str) -> String {
    time.get(11..23).map_or_else(|| time.to_owned(), |clock| format!("{clock}Z"))
}

#[cfg(test)]
mod tests;

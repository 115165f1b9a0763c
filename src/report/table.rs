//! `analyze` on a terminal: the first screen a responder sees.

use std::collections::{BTreeMap, BTreeSet};

use super::jsonl::flagged;
use super::layout::{Align, Table, Tone};
use super::sources::clock_cell;
use super::when::{duration, probability, thousands};
use super::{DisplayZone, Reading, Screen, csv, escape};
use crate::correlate::{Alignment, AlignmentTest, Analysis, Clock, Finding, Rival};
use crate::evidence::EvidenceId;
use crate::intake::{Source, Unread};
use crate::time::Instant;

/// How the table is shown.
#[derive(Clone, Debug, Default)]
pub struct TableOptions {
    pub zone: DisplayZone,
    pub screen: Screen,
    /// Uncovered steps, anomalies and rows in full.
    pub verbose: bool,
    /// The output directory, for the last line.
    pub output: Option<String>,
}

/// Lists longer than this say how many more there are, unless verbose.
const LISTED: usize = 10;
/// Reasons why records were not used, named per source.
const REASONS: usize = 3;

/// The report as it is written, line by line.
struct Page {
    text: String,
    screen: Screen,
}

impl Page {
    fn line(&mut self, text: &str) {
        self.toned(Tone::Plain, text);
    }

    fn toned(&mut self, tone: Tone, text: &str) {
        self.text.push_str(&self.screen.paragraph(tone, text));
    }

    fn blank(&mut self) {
        self.text.push('\n');
    }
}

/// The report.
pub fn render(analysis: &Analysis, reading: &Reading, options: &TableOptions) -> String {
    let mut page = Page { text: headline(analysis, options.zone), screen: options.screen };
    page.blank();
    page.text.push_str(&sources(analysis, options));
    not_read(analysis, reading, &mut page);
    page.blank();
    page.text.push_str(&findings(analysis, options.screen));
    if !analysis.findings.is_empty() {
        page.toned(
            Tone::Faint,
            "Strength: log10 of how much more probable the observations are with the step than without it; scale in explain.",
        );
    }
    page.blank();
    chance(analysis, options, &mut page);
    rates(analysis, &mut page);
    unexplained(analysis, options, &mut page);
    uncovered(analysis, options, &mut page);
    anomalies(analysis, options, &mut page);
    rivals(analysis, &mut page);
    for limit in &analysis.limits {
        page.line(&format!("Limit: {limit}"));
    }
    if let Some(strongest) = strongest(&analysis.findings) {
        let next = match &options.output {
            Some(directory) => format!("Next: coincident explain {directory} {}", strongest.id),
            None => format!("Next: coincident analyze … -o out/, then coincident explain out/ {}", strongest.id),
        };
        page.line(&next);
    }
    page.text
}

fn counted(number: usize, one: &str, many: &str) -> String {
    format!("{} {}", thousands(number as u64), if number == 1 { one } else { many })
}

fn headline(analysis: &Analysis, zone: DisplayZone) -> String {
    let rows = groups(analysis).len();
    let mut text =
        format!("{}, {}", counted(rows, "source", "sources"), counted(analysis.sources.len(), "file", "files"));
    if let Some((first, last)) = extent(analysis) {
        text.push_str(&format!(", {}", zone.range(first, last)));
    }
    text.push('\n');
    text
}

/// First and last dated moment of all sources on the reference clock.
fn extent(analysis: &Analysis) -> Option<(Instant, Instant)> {
    let mut extent: Option<(Instant, Instant)> = None;
    for (at, source) in analysis.sources.iter().enumerate() {
        let (Some(first), Some(last)) = (source.first, source.last) else { continue };
        if source.basis.is_some_and(|basis| !basis.is_dated()) {
            continue;
        }
        let offset = super::jsonl::clock_of(analysis, at).map_or(0, |clock| clock.offset_ns).saturating_neg();
        let (first, last) = (first.plus(offset), last.plus(offset));
        extent = Some(extent.map_or((first, last), |(from, to)| (from.min(first), to.max(last))));
    }
    extent
}

/// The rows of the table of sources: clocks with their files, then files without a clock.
fn groups(analysis: &Analysis) -> Vec<(&str, Vec<&Source>, Option<&Clock>)> {
    let at = |id: &EvidenceId| analysis.sources.get(id.0 as usize);
    let mut rows: Vec<(&str, Vec<&Source>, Option<&Clock>)> = analysis
        .clocks
        .iter()
        .map(|clock| (clock.name.as_str(), clock.sources.iter().filter_map(at).collect(), Some(clock)))
        .collect();
    for (at, source) in analysis.sources.iter().enumerate() {
        if super::jsonl::clock_of(analysis, at).is_none() {
            rows.push((source.path.as_str(), vec![source], None));
        }
    }
    rows
}

fn sources(analysis: &Analysis, options: &TableOptions) -> String {
    let reference = analysis.clocks.iter().find(|clock| clock.reference);
    let clock_header = reference.map_or("CLOCK".to_owned(), |clock| format!("CLOCK against {}", clock.name));
    let mut table = Table::new(&[
        ("SOURCE", Align::Left),
        ("FORMAT", Align::Left),
        ("RECORDS", Align::Right),
        ("UNREAD", Align::Right),
        (&clock_header, Align::Left),
    ])
    .wrapping(&[1]);
    for (name, files, clock) in groups(analysis) {
        let mut formats: BTreeMap<String, usize> = BTreeMap::new();
        for file in &files {
            let format = match (file.format, file.compression) {
                (None, _) => "unknown".to_owned(),
                (Some(format), "") => format.to_owned(),
                (Some(format), compression) => format!("{format}, {compression}"),
            };
            *formats.entry(format).or_default() += 1;
        }
        let formats: Vec<String> = formats
            .into_iter()
            .map(|(format, files)| if files == 1 { format } else { format!("{format} × {files}") })
            .collect();
        let sum = |of: fn(&Source) -> u64| files.iter().fold(0_u64, |sum, file| sum.saturating_add(of(file)));
        let unread = sum(|file| file.unread);
        let tone = if unread > 0 { Tone::Warning } else { Tone::Plain };
        table.toned([
            (name.to_owned(), Tone::Plain),
            (formats.join("; "), Tone::Plain),
            (thousands(sum(|file| file.records)), Tone::Plain),
            (thousands(unread), tone),
            (clock.map(|clock| clock_cell(clock, options.verbose)).unwrap_or_default(), Tone::Plain),
        ]);
    }
    table.render(options.screen, "(no evidence)")
}

/// What was not read, and which records of what was read were not used.
fn not_read(analysis: &Analysis, reading: &Reading, page: &mut Page) {
    let problems = reading.problems(analysis);
    let unread = analysis.sources.iter().filter(|source| source.unread > 0);
    let unread: Vec<String> = unread.map(unread_words).collect();
    if !problems.is_empty() || !unread.is_empty() {
        page.blank();
    }
    for problem in problems {
        page.toned(Tone::Warning, &format!("Not read: {problem}"));
    }
    for unread in unread {
        page.toned(Tone::Warning, &unread);
    }
}

/// "Unread: firewall.log, 2 of 28: no IPTABLES fields × 2 (first line 7)".
fn unread_words(source: &Source) -> String {
    let one = |unread: &Unread| {
        let first = super::jsonl::locator(source.record_unit, unread.first_record);
        format!("{} × {} (first: {first})", unread.reason, thousands(unread.count))
    };
    let mut reasons: Vec<String> = source.unread_reasons.iter().take(REASONS).map(one).collect();
    if source.unread_reasons.len() > REASONS {
        reasons.push(format!("{} more reasons, see probe", source.unread_reasons.len() - REASONS));
    }
    format!("Unread: {}, {} records: {}", source.path, thousands(source.unread), reasons.join("; "))
}

/// "+6.0", "-3.1".
fn signed(bans: f64) -> String {
    if bans.is_finite() { format!("{bans:+.1}") } else { "unbounded".to_owned() }
}

fn findings(analysis: &Analysis, screen: Screen) -> String {
    let mut table = Table::new(&[
        ("ID", Align::Left),
        ("EPISODE", Align::Left),
        ("STEP", Align::Right),
        ("BEHAVIOUR", Align::Left),
        ("STRENGTH", Align::Left),
        ("WHAT LINES UP", Align::Left),
    ])
    .wrapping(&[4]);
    let mut findings: Vec<&Finding> = analysis.findings.iter().collect();
    findings.sort_by_key(|finding| match finding.level {
        "low" => 2,
        "medium" => 1,
        _ => 0,
    });
    for finding in findings {
        let tone = match finding.level {
            "high" => Tone::Alarm,
            "medium" => Tone::Warning,
            _ => Tone::Faint,
        };
        table.toned([
            (finding.id.clone(), Tone::Plain),
            (finding.episode.clone(), Tone::Plain),
            (steps(finding), Tone::Plain),
            (finding.behaviour.name().to_owned(), Tone::Plain),
            (format!("{} ({})", finding.strength.words, signed(finding.strength.log10_lr)), tone),
            (finding.summary.clone(), Tone::Plain),
        ]);
    }
    table.render(screen, "(no step lines up with any event)")
}

/// "3", "3-5", "3, 7": the steps of a finding, neighbours as a range.
fn steps(finding: &Finding) -> String {
    let indices: BTreeSet<u32> = finding.steps.iter().map(|step| step.index).collect();
    let mut ranges: Vec<(u32, u32)> = Vec::new();
    for index in indices {
        match ranges.last_mut() {
            Some((_, last)) if last.checked_add(1) == Some(index) => *last = index,
            _ => ranges.push((index, index)),
        }
    }
    let shown = |(first, last): (u32, u32)| if first == last { first.to_string() } else { format!("{first}-{last}") };
    ranges.into_iter().map(shown).collect::<Vec<_>>().join(", ")
}

fn chance(analysis: &Analysis, options: &TableOptions, page: &mut Page) {
    let episodes = analysis.episodes.len();
    let mut text = format!("{} of {}.", flagged(analysis), counted(episodes, "episode", "episodes"));
    let Some(alignment) = &analysis.alignment else {
        text.push_str(" No test against chance: it needs dated tool calls and dated onsets.");
        return page.line(&text);
    };
    match &alignment.withheld {
        Some(why) => text.push_str(&format!(" No conclusion from timing: {why}.")),
        None => {
            let test = &alignment.test;
            text.push_str(&format!(
                " By chance {:.1} of {} would fall in a tool call's window; {} {} (P = {}, {}). Windows cover {:.0} % of the time.",
                test.expected,
                counted(test.onsets, "onset", "onsets"),
                test.in_window,
                if test.in_window == 1 { "does" } else { "do" },
                probability(test.p),
                controls(alignment),
                alignment.duty_cycle * 100.0
            ));
        }
    }
    page.line(&text);
    if options.verbose {
        test_in_full(alignment, page);
        for sentence in &alignment.sentences {
            page.line(&format!("  {sentence}"));
        }
    }
}

/// What the test rests on: windows, duty cycle, jitter, other gaps, each control.
fn test_in_full(alignment: &Alignment, page: &mut Page) {
    let (before, after) = alignment.window_ns;
    page.line(&format!(
        "  windows from {} before to {} after a call, {:.1} % of the covered time; jitter ± {}",
        duration(before.unsigned_abs()),
        duration(after.unsigned_abs()),
        alignment.duty_cycle * 100.0,
        duration(alignment.jitter_ns.unsigned_abs())
    ));
    let gaps = alignment.at_gaps.iter().map(|(gap, test)| (gap.as_str(), test));
    let controls = [
        ("positive control", alignment.positive_control.as_ref()),
        ("negative exposure", alignment.negative_exposure.as_ref()),
        ("negative outcome", alignment.negative_outcome.as_ref()),
    ];
    let controls = controls.into_iter().filter_map(|(name, test)| Some((name, test?)));
    for (name, test) in gaps.chain(controls) {
        page.line(&format!(
            "  {name}: {} of {} in window, {:.1} by chance, P = {}",
            test.in_window,
            test.onsets,
            test.expected,
            probability(test.p)
        ));
    }
}

/// Whether the controls hold: what must line up does (P < 0.05), what must not does not.
fn controls(alignment: &Alignment) -> String {
    type Judge = fn(&AlignmentTest) -> bool;
    let aligned: Judge = |test| test.p < 0.05;
    let not_aligned: Judge = |test| test.p >= 0.05;
    let controls = [
        ("positive control", &alignment.positive_control, aligned),
        ("negative exposure", &alignment.negative_exposure, not_aligned),
        ("negative outcome", &alignment.negative_outcome, not_aligned),
    ];
    let tested: Vec<_> =
        controls.iter().filter_map(|(name, test, holds)| Some((name, test.as_ref()?, holds))).collect();
    let failed: Vec<String> = tested
        .iter()
        .filter(|(_, test, holds)| !holds(test))
        .map(|(name, test, _)| format!("{name} fails with P = {}", probability(test.p)))
        .collect();
    let missing: Vec<&str> = controls.iter().filter(|(_, test, _)| test.is_none()).map(|(name, _, _)| *name).collect();
    let mut text = match (tested.is_empty(), failed.is_empty()) {
        (true, _) => return "no control could be run".to_owned(),
        (false, true) => "controls hold".to_owned(),
        (false, false) => failed.join(", "),
    };
    if !missing.is_empty() {
        text.push_str(&format!("; not run: {}", missing.join(", ")));
    }
    text
}

fn rates(analysis: &Analysis, page: &mut Page) {
    let of = |group: &str| -> Vec<_> {
        analysis.rates.iter().filter(|rate| rate.group == group && rate.behaviour.is_none()).collect()
    };
    let (configs, runs) = (of("reward-config"), of("run"));
    let several = runs.len() > 1;
    let shown = |rates: &[&crate::correlate::ConfigRate]| {
        let one = |rate: &&crate::correlate::ConfigRate| {
            let interval = if several {
                format!(" (95 % {:.2} … {:.2})", rate.interval.0, rate.interval.1)
            } else {
                String::new()
            };
            let episodes = counted(rate.episodes as usize, "episode", "episodes");
            format!("{} {} of {episodes}{interval}", rate.name, rate.flagged)
        };
        let mut parts: Vec<String> = rates.iter().take(1).map(one).collect();
        parts.extend(rates.iter().skip(1).map(|rate| one(rate).replace(" episodes", "").replace(" episode", "")));
        parts.join(", ")
    };
    if !configs.is_empty() {
        let inference = if several { "" } else { " One run: no inference over configurations is possible." };
        page.line(&format!("reward config  {}.{inference}", shown(&configs)));
    }
    if several {
        page.line(&format!("run  {}.", shown(&runs)));
        if let Ok(frame) = csv::recurrence_frame(analysis) {
            page.line(&format!("{} with findings; see recurrence.csv for behaviours per run.", recurrent(&frame)));
        }
    }
}

/// "2 of 3 runs": rows of the recurrence by run.
fn recurrent(frame: &polars::prelude::DataFrame) -> String {
    let column = |name: &str| frame.column(name).ok();
    let mut runs: BTreeMap<String, i64> = BTreeMap::new();
    if let (Some(names), Some(flagged)) = (column("run"), column("flagged"))
        && let (Ok(names), Ok(flagged)) = (names.str(), flagged.i64())
    {
        for (name, flagged) in names.iter().zip(flagged.iter()) {
            *runs.entry(name.unwrap_or_default().to_owned()).or_default() += flagged.unwrap_or_default();
        }
    }
    let with = runs.values().filter(|flagged| **flagged > 0).count();
    format!("{with} of {}", counted(runs.len(), "run", "runs"))
}

fn unexplained(analysis: &Analysis, options: &TableOptions, page: &mut Page) {
    if analysis.unexplained.is_empty() {
        return page.line("Not explained by any step: nothing.");
    }
    page.line(&format!("Not explained by any step: {}.", analysis.unexplained.len()));
    let shown = if options.verbose { usize::MAX } else { LISTED };
    for unexplained in analysis.unexplained.iter().take(shown) {
        let decide = match unexplained.would_decide.as_slice() {
            [] => String::new(),
            what => format!("; would decide: {}", what.join(", ")),
        };
        let text = format!(
            "  {}  {}  leading: {}{decide}",
            unexplained.behaviour.name(),
            unexplained.summary,
            hypothesis(unexplained.leading)
        );
        page.line(&text);
    }
    more(analysis.unexplained.len(), shown, page);
}

fn more(all: usize, shown: usize, page: &mut Page) {
    if all > shown {
        page.line(&format!("  … and {} more with --verbose, or in --format jsonl", all - shown));
    }
}

fn uncovered(analysis: &Analysis, options: &TableOptions, page: &mut Page) {
    if analysis.uncovered.is_empty() {
        return page.line("Steps without coverage: none.");
    }
    page.line(&format!("Steps without coverage: {}.", analysis.uncovered.len()));
    let shown = if options.verbose { usize::MAX } else { LISTED };
    for uncovered in analysis.uncovered.iter().take(shown) {
        let command = uncovered.step.command.as_deref().unwrap_or(&uncovered.step.tool);
        let text = format!(
            "  {} step {}  {}  {}: {}",
            uncovered.step.episode,
            uncovered.step.index,
            uncovered.behaviour.name(),
            uncovered.coverage,
            escape::shorten(command, 80)
        );
        page.line(&text);
    }
    more(analysis.uncovered.len(), shown, page);
}

fn anomalies(analysis: &Analysis, options: &TableOptions, page: &mut Page) {
    if analysis.anomalies.is_empty() {
        return;
    }
    let mut kinds: BTreeMap<(&str, &str), u64> = BTreeMap::new();
    let path = |id: EvidenceId| analysis.sources.get(id.0 as usize).map_or("", |source| source.path.as_str());
    for anomaly in &analysis.anomalies {
        let count = kinds.entry((path(anomaly.evidence), anomaly.anomaly.kind.name())).or_default();
        *count = (*count).max(anomaly.of).max(1);
    }
    let list: Vec<String> =
        kinds.iter().map(|((path, kind), count)| format!("{path} {kind} × {}", thousands(*count))).collect();
    page.line(&format!("Odd in the evidence: {}.", list.join(", ")));
    if options.verbose {
        for anomaly in &analysis.anomalies {
            let unit = analysis.sources.get(anomaly.evidence.0 as usize).map_or("record", |source| source.record_unit);
            let place = super::jsonl::locator(unit, anomaly.anomaly.record);
            let what = format!("{} {place}: {}", path(anomaly.evidence), anomaly.anomaly.detail);
            page.line(&format!("  {what}"));
        }
    }
}

fn strongest(findings: &[Finding]) -> Option<&Finding> {
    let stronger = |a: &&Finding, b: &&Finding| a.strength.log10_lr.total_cmp(&b.strength.log10_lr);
    // Of equals the last in the report would win; the first is meant.
    findings.iter().rev().max_by(stronger)
}

/// A hypothesis in words.
pub fn hypothesis(name: &str) -> &str {
    match name {
        "agent" => "the agent's own calls",
        "steered-by-content" => "an agent steered by content it read",
        "third-party-code" => "third-party code that a call ran",
        "replayed-prefix" => "a replayed prefix",
        "external-compromise" => "external compromise",
        "misconfiguration" => "misconfiguration or a benign job",
        "other-tenant" => "another tenant",
        "harness" => "the harness",
        "human" => "a human with access",
        other => other,
    }
}

/// How many times less probable the observations are: "1 300 times", with two significant digits.
pub fn times_less(bans: f64) -> String {
    if !bans.is_finite() || bans <= -9.0 {
        return "more than a thousand million times".to_owned();
    }
    let ratio = 10f64.powf(-bans);
    if ratio < 10.0 {
        return format!("{ratio:.1} times");
    }
    let digit = 10f64.powf(ratio.log10().floor() - 1.0);
    format!("{} times", thousands(((ratio / digit).round() * digit).round() as u64))
}

fn rivals(analysis: &Analysis, page: &mut Page) {
    // One sentence per pair of leading hypotheses: the closest call among the findings speaks for all.
    let mut pairs: BTreeMap<(&str, &str), (&Rival, &Finding, usize)> = BTreeMap::new();
    for finding in &analysis.findings {
        if let [best, second, ..] = finding.rivals.as_slice() {
            let entry = pairs.entry((best.hypothesis.name(), second.hypothesis.name())).or_insert((second, finding, 0));
            entry.2 += 1;
            if second.log10_lr > entry.0.log10_lr {
                (entry.0, entry.1) = (second, finding);
            }
        }
    }
    for ((best, second), (rival, finding, number)) in pairs {
        let decide = match finding.would_decide.as_slice() {
            [] => String::new(),
            what => format!("; would decide: {}", what.join(", ")),
        };
        let (whose, least) =
            if number == 1 { (finding.id.clone(), "") } else { (format!("{number} findings"), "at least ") };
        let text = format!(
            "Rivals of {whose}: what was seen is {least}{} less probable under {} than under {}{decide}.",
            times_less(rival.log10_lr),
            hypothesis(second),
            hypothesis(best)
        );
        page.line(&text);
    }
}

#[cfg(test)]
mod tests;

//! `analyze` on a terminal: the first screen a responder sees.

mod chance;

use std::collections::{BTreeMap, BTreeSet};

use super::layout::{Align, Table, Tone};
use super::sources::clock_cell;
use super::when::{bans, thousands};
use super::{DisplayZone, Reading, Screen, escape};
use crate::correlate::{Analysis, Clock, Finding, Rival};
use crate::evidence::{AnomalyKind, EvidenceId};
use crate::intake::{EvidenceAnomaly, Source, Unread};
use crate::time::{Basis, Instant};

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
    chance::chance(analysis, options, &mut page);
    chance::rates(analysis, &mut page);
    chance::recurrence(analysis, options, &mut page);
    chance::preceding(analysis, options, &mut page);
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
pub(super) fn extent(analysis: &Analysis) -> Option<(Instant, Instant)> {
    let mut extent: Option<(Instant, Instant)> = None;
    for (at, source) in analysis.sources.iter().enumerate() {
        let (Some(first), Some(last)) = (source.first, source.last) else { continue };
        if source.basis.is_some_and(|basis| !basis.is_dated()) {
            continue;
        }
        let correction = super::jsonl::clock_of(analysis, at).map(Clock::correction).unwrap_or_default();
        let (first, last) = (correction.to_reference(first), correction.to_reference(last));
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
    let undated = analysis.sources.iter().filter(|source| source.basis == Some(Basis::UnknownYear));
    let undated: Vec<&str> = undated.map(|source| source.path.as_str()).collect();
    if !problems.is_empty() || !unread.is_empty() || !undated.is_empty() {
        page.blank();
    }
    for problem in problems {
        page.toned(Tone::Warning, &format!("Not read: {problem}"));
    }
    for unread in unread {
        page.toned(Tone::Warning, &unread);
    }
    for path in undated {
        let what = "its stamps have no year and nothing beside it tells one, so nothing in it could be dated";
        page.toned(Tone::Warning, &format!("Undated: {path}: {what}; name the year with --year '{path}=YYYY'"));
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
    let records = counted(usize::try_from(source.unread).unwrap_or(usize::MAX), "record", "records");
    format!("Unread: {}, {records}: {}", source.path, reasons.join("; "))
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
            (format!("{} ({})", finding.strength.words, bans(Some(finding.strength.log10_lr))), tone),
            (lines_up(finding), Tone::Plain),
        ]);
    }
    table.render(screen, "(no step lines up with any event)")
}

/// What lines up, and where it is met again.
fn lines_up(finding: &Finding) -> String {
    match &finding.persistence {
        Some(persistence) => format!("{}; {persistence}", finding.summary),
        None => finding.summary.clone(),
    }
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

fn unexplained(analysis: &Analysis, options: &TableOptions, page: &mut Page) {
    if analysis.unexplained.is_empty() {
        return page.line("Not explained by any step: nothing.");
    }
    page.line(&format!("Not explained by any step: {}.", analysis.unexplained.len()));
    let shown = if options.verbose { usize::MAX } else { LISTED };
    for (at, unexplained) in analysis.unexplained.iter().enumerate().take(shown) {
        let text = format!(
            "  {}  {}  {}{}  leading: {}",
            super::jsonl::unexplained_id(at),
            unexplained.behaviour.name(),
            between(&unexplained.signals, analysis),
            unexplained.summary,
            hypothesis(unexplained.leading)
        );
        page.line(&text);
    }
    more(analysis.unexplained.len(), shown, page);
    let mut decide: Vec<&str> = Vec::new();
    for what in analysis.unexplained.iter().flat_map(|unexplained| &unexplained.would_decide) {
        if !decide.contains(&what.as_str()) {
            decide.push(what);
        }
    }
    if !decide.is_empty() {
        page.line(&format!("  would decide: {}", decide.join(", ")));
    }
}

/// Who with whom, by the first of the signals that tells: "10.0.0.1 → 192.0.2.1:22  ".
fn between(signals: &[String], analysis: &Analysis) -> String {
    let flow = signals
        .iter()
        .filter_map(|id| analysis.signals.iter().find(|signal| signal.id == *id)?.flow)
        .find(|flow| flow.src.is_some() || flow.dst.is_some());
    let Some(flow) = flow else { return String::new() };
    let src = flow.src.map_or_else(|| "?".to_owned(), |src| src.to_string());
    let dst = match (flow.dst, flow.dst_port) {
        (Some(dst), Some(port)) => std::net::SocketAddr::new(dst, port).to_string(),
        (Some(dst), None) => dst.to_string(),
        (None, _) => "several".to_owned(),
    };
    format!("{src} → {dst}  ")
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
    let mut kinds: BTreeMap<(&str, &str), u64> = BTreeMap::new();
    let path = |id: EvidenceId| analysis.sources.get(id.0 as usize).map_or("", |source| source.path.as_str());
    // Files of no known format and stamps without a year are told above already.
    let told = |anomaly: &EvidenceAnomaly| {
        let source = analysis.sources.get(anomaly.evidence.0 as usize);
        !options.verbose
            && match anomaly.anomaly.kind {
                AnomalyKind::Unsupported => source.is_some_and(|source| source.format.is_none()),
                AnomalyKind::UndatedTimes => source.is_some_and(|source| source.basis == Some(Basis::UnknownYear)),
                _ => false,
            }
    };
    for anomaly in analysis.anomalies.iter().filter(|anomaly| !told(anomaly)) {
        let count = kinds.entry((path(anomaly.evidence), anomaly.anomaly.kind.name())).or_default();
        *count = (*count).max(anomaly.of).max(1);
    }
    if kinds.is_empty() {
        return;
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
        let rests = match finding.judgement.overturned_without.as_slice() {
            [one] => {
                let row = finding.judgement.rows.iter().find(|row| row.id == *one);
                row.map_or_else(String::new, |row| format!("; without one row ({}) another would lead", row.observable))
            }
            _ => String::new(),
        };
        let (whose, least) =
            if number == 1 { (finding.id.clone(), "") } else { (format!("{number} findings"), "at least ") };
        let text = format!(
            "Rivals of {whose}: what was seen is {least}{} less probable under {} than under {}{rests}{decide}.",
            times_less(rival.log10_lr),
            hypothesis(second),
            hypothesis(best)
        );
        page.line(&text);
    }
    let mut withheld: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for finding in &analysis.findings {
        if let Some(why) = &finding.judgement.withheld {
            withheld.entry(why).or_default().push(&finding.id);
        }
    }
    for (why, ids) in withheld {
        page.line(&format!("{}: {why}.", ids.join(", ")));
    }
}

#[cfg(test)]
mod tests;

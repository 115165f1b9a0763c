//! `probe` and `clocks`: what each file is and why, and how well its clock is known.

use super::jsonl::{is_tied, source_line};
use super::layout::{Align, Table, Tone};
use super::when::{rfc3339, seconds, signed_duration, thousands};
use super::{DisplayZone, Screen, source_problem};
use crate::correlate::drift::ClockSegment;
use crate::correlate::{Clock, Grade};
use crate::intake::Source;
use crate::time::SECOND;

/// What is said of a clock in one cell: "-0.6 s (-0.9 … -0.2), B; year 2026 from the capture". `verbose` adds what the
/// offset says already, in other words, and checks against other clocks.
pub fn clock_cell(clock: &Clock, verbose: bool) -> String {
    let mut notes = clock.notes.iter().filter(|note| verbose || matters(note)).map(|note| named(note, clock));
    let grade = clock.grade.name();
    let mut parts = vec![if clock.reference {
        "reference".to_owned()
    } else if !is_tied(clock) {
        format!("{}, {grade}", notes.next().unwrap_or_else(|| "unknown".to_owned()))
    } else {
        let residual = clock.offset_ns.saturating_sub(clock.zone_error_ns);
        let zone = match clock.zone_error_ns {
            0 => String::new(),
            error => format!("zone off by {}; ", signed_duration(error)),
        };
        let (low, high) = clock.support_ns;
        let (low, high) = (low.saturating_sub(clock.zone_error_ns), high.saturating_sub(clock.zone_error_ns));
        let declared = if clock.method == "declared" { "declared " } else { "" };
        format!("{zone}{declared}{}, {grade}", measured(residual, low, high))
    }];
    parts.extend(notes);
    parts.join("; ")
}

/// Whether a note says more than the offset beside it.
fn matters(note: &str) -> bool {
    let repeats = note.starts_with("clock off by ") || note.starts_with("zone label wrong by ");
    let checks = [" server times ", " the times in jobs ", " times that tools printed "];
    !repeats && !checks.iter().any(|check| note.contains(check))
}

/// The note, with the offset that makes a clock ambiguous by its value.
fn named(note: &str, clock: &Clock) -> String {
    match clock.runner_up_ns {
        Some(other) if note.starts_with("ambiguous: ") => {
            note.replacen("another offset", &format!("an offset of {}", signed_duration(other)), 1)
        }
        _ => note.to_owned(),
    }
}

/// "-0.6 s (-0.9 … -0.2)": an offset with its range, to the digits that the range leaves meaning to.
fn measured(offset: i64, low: i64, high: i64) -> String {
    if offset.unsigned_abs() >= 60 * SECOND as u64 {
        let range = format!(" ({} … {})", signed_duration(low), signed_duration(high));
        return format!("{}{}", signed_duration(offset), if low == high { "" } else { &range });
    }
    if low == high {
        return signed_duration(offset);
    }
    let digits = match high.saturating_sub(low) / 2 {
        200_000_000.. => 1,
        20_000_000.. => 2,
        _ => 3,
    };
    let shown = |ns: i64| {
        let text = format!("{:.digits$}", seconds(ns));
        // A minus in front of nothing but zeros says nothing.
        if text.bytes().any(|byte| matches!(byte, b'1'..=b'9')) { text } else { text.replace('-', "") }
    };
    let sign = if offset > 0 && shown(offset).bytes().any(|byte| matches!(byte, b'1'..=b'9')) { "+" } else { "" };
    format!("{sign}{} s ({} … {})", shown(offset), shown(low), shown(high))
}

/// `probe` as a table: every file, then what was not read and why.
pub fn probe_table(sources: &[Source], zone: DisplayZone, screen: Screen, verbose: bool) -> String {
    let mut table = Table::new(&[
        ("PATH", Align::Left),
        ("FORMAT", Align::Left),
        ("RECORDS", Align::Right),
        ("UNREAD", Align::Right),
        ("FIRST", Align::Left),
        ("LAST", Align::Left),
        ("TIME", Align::Left),
        ("SHA-256", Align::Left),
        ("WHY", Align::Left),
    ]);
    for source in sources {
        let moment = |at: Option<crate::time::Instant>| at.map(|at| zone.seconds(at)).unwrap_or_default();
        let dated = source.basis.is_none_or(|basis| basis.is_dated());
        let why = match &source.runner_up {
            Some(second) => format!("{}; second: {second}", source.reason),
            None => source.reason.clone(),
        };
        let hash = if verbose { source.sha256.as_str() } else { source.sha256.get(..12).unwrap_or_default() };
        let format = match (source.format, source.compression) {
            (None, _) => "unknown".to_owned(),
            (Some(format), "") => format.to_owned(),
            (Some(format), compression) => format!("{format}, {compression}"),
        };
        let problem = source_problem(source).is_some();
        let cells = [
            source.path.clone(),
            format,
            thousands(source.records),
            thousands(source.unread),
            if dated { moment(source.first) } else { String::new() },
            if dated { moment(source.last) } else { String::new() },
            source.basis.map(|basis| basis.name().to_owned()).unwrap_or_default(),
            hash.to_owned(),
            why,
        ];
        let tone = if problem { Tone::Warning } else { Tone::Plain };
        table.toned(cells.into_iter().map(|cell| (cell, tone)));
    }
    let mut out = table.render(screen, "(no files)");
    let mut unread = Table::new(&[
        ("PATH", Align::Left),
        ("UNREAD", Align::Right),
        ("FIRST", Align::Left),
        ("REASON", Align::Left),
        ("BEGINNING", Align::Left),
    ]);
    let mut any = false;
    for source in sources {
        for reason in &source.unread_reasons {
            any = true;
            unread.row([
                source.path.as_str(),
                &thousands(reason.count),
                &super::jsonl::locator(source.record_unit, reason.first_record),
                &reason.reason,
                &super::escape::shorten(&reason.example, 60),
            ]);
        }
    }
    if any {
        out.push('\n');
        out.push_str(&unread.render(screen, ""));
    }
    out
}

/// Columns of `probe` as CSV.
pub(super) const PROBE_COLUMNS: [&str; 14] = [
    "path",
    "format",
    "kind",
    "compression",
    "bytes",
    "records",
    "unread",
    "first",
    "last",
    "time_basis",
    "sha256",
    "reason",
    "runner_up",
    "failure",
];

/// `probe` as CSV.
pub fn probe_csv(sources: &[Source]) -> Vec<u8> {
    let mut out = super::row::csv_line(PROBE_COLUMNS);
    for source in sources {
        let text = |text: &str| super::escape::csv_cell(text).into_owned();
        let cells = [
            text(&source.path),
            source.format.unwrap_or_default().to_owned(),
            source.kind.map(|kind| kind.name().to_owned()).unwrap_or_default(),
            source.compression.to_owned(),
            source.bytes.to_string(),
            source.records.to_string(),
            source.unread.to_string(),
            source.first.map(rfc3339).unwrap_or_default(),
            source.last.map(rfc3339).unwrap_or_default(),
            source.basis.map(|basis| basis.name().to_owned()).unwrap_or_default(),
            source.sha256.clone(),
            text(&source.reason),
            text(source.runner_up.as_deref().unwrap_or_default()),
            text(source.failure.as_deref().unwrap_or_default()),
        ];
        out.extend(super::row::csv_line(cells.iter().map(String::as_str)));
    }
    out
}

/// `probe` as lines of type `source`.
pub fn probe_jsonl(sources: &[Source]) -> String {
    sources.iter().map(|source| super::jsonl::to_line(&super::lines::Line::Source(source_line(source, None)))).collect()
}

/// `clocks` as a table, with what each grade allows.
pub fn clocks_table(clocks: &[Clock], sources: &[Source], screen: Screen) -> String {
    let mut table = Table::new(&[
        ("SOURCE", Align::Left),
        ("FILES", Align::Right),
        ("TIME", Align::Left),
        ("OFFSET (source minus reference)", Align::Left),
        ("GRADE", Align::Left),
        ("PAIRS", Align::Right),
        ("AGREE", Align::Right),
        ("DRIFT", Align::Left),
        ("RUNNER-UP", Align::Left),
        ("FOUND BY", Align::Left),
        ("NOTES", Align::Left),
    ])
    .wrapping(&[3, 8, 9, 10]);
    for clock in clocks {
        let offset = if clock.reference { "reference".to_owned() } else { offset_cell(clock) };
        let runner_up = clock.runner_up_ns.map(|ns| {
            let support = super::when::probability(clock.peak_ratio);
            format!("{} ({support} of the best)", signed_duration(ns))
        });
        let tone = if clock.grade <= Grade::B { Tone::Plain } else { Tone::Warning };
        let cells = [
            clock.name.clone(),
            clock.sources.len().to_string(),
            clock.basis.name().to_owned(),
            offset,
            clock.grade.name().to_owned(),
            thousands(clock.pairs as u64),
            thousands(clock.inliers as u64),
            drift_cell(clock),
            runner_up.unwrap_or_default(),
            clock.method.clone(),
            clock.notes.join("; "),
        ];
        table.toned(cells.into_iter().map(|cell| (cell, tone)));
    }
    let mut out = table.render(screen, "(no clocks)");
    let without: Vec<&str> = sources
        .iter()
        .enumerate()
        .filter(|(at, _)| !clocks.iter().any(|clock| clock.sources.iter().any(|id| id.0 as usize == *at)))
        .map(|(_, source)| source.path.as_str())
        .collect();
    if !without.is_empty() {
        out.push_str(&format!("\n Without a clock: {}.\n", super::escape::terminal(&without.join(", "))));
    }
    for clock in clocks {
        let plot = super::plot::offsets(clock, screen);
        if !plot.is_empty() {
            out.push('\n');
            out.push_str(&plot);
        }
    }
    out.push_str("\n Conclusions from timing need grade A or B; of grade C no more than a zone or a bound is known, grade D is as stated.\n");
    out
}

/// "+40.2 ppm (38.1 … 42.0)" of the segment with most pairs, and how many segments there are if not one.
fn drift_cell(clock: &Clock) -> String {
    let Some(main) = main_segment(clock) else { return String::new() };
    let ppm = |ppb: i64| ppb as f64 / 1e3;
    let (low, high) = main.region.drift_ppb();
    let drift = format!("{:+.1} ppm ({:.1} … {:.1})", ppm(main.line.drift_ppb), ppm(low), ppm(high));
    match clock.segments.len() {
        1 => drift,
        several => format!("{drift}; {several} segments"),
    }
}

/// The segment with most agreeing pairs, the last of several.
pub fn main_segment(clock: &Clock) -> Option<&ClockSegment> {
    clock.segments.iter().max_by_key(|segment| segment.vote.inliers)
}

fn offset_cell(clock: &Clock) -> String {
    if !is_tied(clock) {
        return "unknown".to_owned();
    }
    let (low, high) = clock.support_ns;
    let zone = match clock.zone_error_ns {
        0 => String::new(),
        error => format!("; of it {} of zone", signed_duration(error)),
    };
    format!("{} ({} … {}){zone}", signed_duration(clock.offset_ns), signed_duration(low), signed_duration(high))
}

/// `clocks` as CSV: the table `clocks.csv` of `analyze`.
///
/// # Errors
/// As [`super::columns::Table::csv`].
pub fn clocks_csv(clocks: Vec<Clock>, sources: Vec<Source>) -> polars::prelude::PolarsResult<Vec<u8>> {
    super::csv::clocks(&crate::correlate::Analysis { clocks, sources, ..Default::default() }).csv()
}

/// `clocks` as lines of type `source`.
pub fn clocks_jsonl(clocks: &[Clock], sources: &[Source]) -> String {
    let clock_of = |at: usize| clocks.iter().find(|clock| clock.sources.iter().any(|id| id.0 as usize == at));
    sources
        .iter()
        .enumerate()
        .map(|(at, source)| super::jsonl::to_line(&super::lines::Line::Source(source_line(source, clock_of(at)))))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::fixture;

    #[test]
    fn clock_cells() {
        let analysis = fixture::analysis();
        let cells: Vec<String> = analysis.clocks.iter().map(|clock| clock_cell(clock, false)).collect();
        assert_eq!(
            cells,
            [
                "reference",
                "-0.6 s (-0.9 … -0.2), B; year 2026 from the capture",
                "zone assumed UTC, D",
                "-0.1 s (-0.3 … 0.2), A"
            ]
        );
        let ms = |ms: i64| ms * 1_000_000;
        assert_eq!(measured(ms(-13), ms(-108), ms(82)), "-0.01 s (-0.11 … 0.08)");
        assert_eq!(measured(ms(2), ms(-20), ms(20)), "0.00 s (-0.02 … 0.02)");
        assert_eq!(measured(ms(47_183), ms(47_100), ms(47_200)), "+47.18 s (47.10 … 47.20)");
        assert_eq!(
            measured(ms(1_234_000), ms(1_233_000), ms(1_235_000)),
            "+20 min 34.0 s (+20 min 33.0 s … +20 min 35.0 s)"
        );
        let mut zoned = analysis.clocks[1].clone();
        zoned.zone_error_ns = 8 * 3600 * SECOND;
        zoned.offset_ns += zoned.zone_error_ns;
        zoned.support_ns = (zoned.support_ns.0 + zoned.zone_error_ns, zoned.support_ns.1 + zoned.zone_error_ns);
        zoned.notes.clear();
        assert_eq!(clock_cell(&zoned, false), "zone off by +8 h; -0.6 s (-0.9 … -0.2), B");
        let zone = "zone label wrong by +08:00, clock off by -0.600 s (or: clock off by +28799.400 s)";
        zoned.notes = vec![
            "year 2026 declared".to_owned(),
            zone.to_owned(),
            "ambiguous: another offset has 82 % of the support; no timing conclusions".to_owned(),
            "+0.5 s against 49 server times (HTTP Date, whole seconds)".to_owned(),
        ];
        zoned.runner_up_ns = Some(32 * SECOND);
        let short = clock_cell(&zoned, false);
        assert_eq!(
            short,
            "zone off by +8 h; -0.6 s (-0.9 … -0.2), B; year 2026 declared; ambiguous: an offset of +32.0 s has 82 % of \
             the support; no timing conclusions"
        );
        let long = clock_cell(&zoned, true);
        assert!(long.contains(zone) && long.contains("49 server times"), "{long}");
    }

    #[test]
    fn probe_says_what_was_not_read() {
        let mut sources = fixture::analysis().sources;
        sources.push(Source { reason: String::new(), ..fixture::source("notes.bin", None, None, 3) });
        let table = probe_table(&sources, DisplayZone::default(), Screen::default(), false);
        let notes = table.lines().find(|line| line.contains("notes.bin")).unwrap();
        assert!(notes.contains("unknown"), "{table}");
        assert!(table.contains("no IPTABLES fields"), "{table}");
    }
}

//! The files with their digests, and the clock of each.

use super::Told;
use super::markup::{Cell, figure, paragraph, path, percent, table, text, words};
use crate::correlate::Clock;
use crate::report::explain::readable;
use crate::report::lines::{ClockLine, SourceLine};
use crate::report::when::{signed_duration, thousands};

/// So many clocks are drawn, those with most pairs first.
const DRAWN: usize = 12;
/// Pairs drawn of one.
const PAIRS: usize = 256;
/// The field shows at least so much beside the line, up and down, in nanoseconds.
const LEAST_NS: i128 = 500_000_000;

/// Every clock, and a drawing of those that pairs tell of.
pub(super) fn clocks(told: &Told<'_>) -> String {
    let row = |clock: &Clock| {
        let range = |(low, high): (i64, i64)| format!("{} … {}", signed_duration(low), signed_duration(high));
        let (offset, support) = match (clock.reference, clock.pairs) {
            (true, _) => ("reference".to_owned(), String::new()),
            (false, 0) if clock.offset_ns == 0 && clock.support_ns == (0, 0) => (String::new(), String::new()),
            _ => (signed_duration(clock.offset_ns), range(clock.support_ns)),
        };
        vec![
            path(&clock.name),
            Cell::Words(format!("<b>{}</b>", clock.grade.name())),
            figure(&offset),
            figure(&support),
            figure(&if clock.pairs == 0 { String::new() } else { format!("{} of {}", clock.inliers, clock.pairs) }),
            words(&clock.method),
            words(&clock.notes.join("; ")),
        ]
    };
    let rows: Vec<Vec<Cell>> = told.analysis.clocks.iter().map(row).collect();
    let heads = ["Clock", "Grade", "Source minus reference", "Support", "Pairs that agree", "Found by", "Notes"];
    let mut html = table("Clocks against the reference", &heads, &rows, "No source has a clock.");
    let mut drawn: Vec<&Clock> = told.analysis.clocks.iter().filter(|clock| !clock.points.is_empty()).collect();
    drawn.sort_by_key(|clock| std::cmp::Reverse(clock.pairs));
    let left = drawn.len().saturating_sub(DRAWN);
    html.push_str("<div class=\"plots\">\n");
    html.extend(drawn.iter().take(DRAWN).map(|clock| plot(told, clock)));
    html.push_str("</div>\n");
    if left > 0 {
        html.push_str(&paragraph(&format!("{left} more clocks are not drawn; clocks.csv has all.")));
    }
    html
}

/// What each pair allows, and the line that was found.
fn plot(told: &Told<'_>, clock: &Clock) -> String {
    let (Some(first), Some(last)) = (clock.points.first(), clock.points.last()) else { return String::new() };
    let (from, length) = (i128::from(first.at_ns), (i128::from(last.at_ns) - i128::from(first.at_ns)).max(1));
    let correction = clock.correction();
    let step = clock.points.len().div_ceil(PAIRS).max(1);
    let shown: Vec<_> = clock.points.iter().step_by(step).collect();
    let line: Vec<(i64, i64)> =
        shown.iter().map(|one| (one.at_ns, correction.offset_on_reference_ns(one.at_ns))).collect();
    let support = (i128::from(clock.support_ns.1) - i128::from(clock.support_ns.0)).max(LEAST_NS);
    let low = line.iter().map(|(_, offset)| i128::from(*offset)).min().unwrap_or(0) - support;
    let high = line.iter().map(|(_, offset)| i128::from(*offset)).max().unwrap_or(0) + support;
    let x = |at: i64| percent((i128::from(at) - from) as f64 / length as f64 * 0.96 + 0.02);
    let y =
        |offset: i64| percent(1.0 - (i128::from(offset).clamp(low, high) - low) as f64 / (high - low).max(1) as f64);
    let pairs: String = shown
        .iter()
        .map(|one| {
            let class = if one.agrees { "agrees" } else { "differs" };
            format!(
                "<line class=\"{class}\" x1=\"{x}\" x2=\"{x}\" y1=\"{}\" y2=\"{}\"/>",
                y(one.lo_ns),
                y(one.hi_ns),
                x = x(one.at_ns)
            )
        })
        .collect();
    let course: String = line
        .windows(2)
        .filter_map(|pair| match pair {
            [a, b] => Some(format!(
                "<line class=\"course\" x1=\"{}\" y1=\"{}\" x2=\"{}\" y2=\"{}\"/>",
                x(a.0),
                y(a.1),
                x(b.0),
                y(b.1)
            )),
            _ => None,
        })
        .collect();
    let moment = |ns: i64| told.zone.seconds(crate::time::Instant(ns));
    let ends = |ns: i128| signed_duration(ns.clamp(i128::from(i64::MIN), i128::from(i64::MAX)) as i64);
    format!(
        "<figure>\n<svg class=\"offsets\" width=\"100%\" height=\"120\" role=\"img\" aria-label=\"{name}: what each pair allows for the offset\">{pairs}{course}</svg>\n\
         <figcaption>{name}: {low} (bottom) to {high} (top), {from} to {to}; {drawn} of {all} pairs drawn.</figcaption>\n</figure>\n",
        name = text(&clock.name),
        low = text(&ends(low)),
        high = text(&ends(high)),
        from = text(&moment(first.at_ns)),
        to = text(&moment(last.at_ns)),
        drawn = shown.len(),
        all = clock.points_of,
    )
}

/// The manifest of what was read.
pub(super) fn sources(told: &Told<'_>) -> String {
    let clock = |clock: &Option<ClockLine>| clock.as_ref().map_or_else(String::new, |clock| clock.grade.clone());
    let row = |source: &&SourceLine| {
        let reasons: Vec<String> =
            source.unread_reasons.iter().map(|one| format!("{} × {}", one.reason, one.count)).collect();
        vec![
            path(&source.path),
            words(source.format.as_deref().unwrap_or("unknown")),
            figure(&thousands(source.records)),
            Cell::Words(format!(
                "<span class=\"figure\">{}</span> {}",
                thousands(source.unread),
                text(&reasons.join("; "))
            )),
            figure(&source.first.as_deref().map(readable).unwrap_or_default()),
            figure(&source.last.as_deref().map(readable).unwrap_or_default()),
            words(&clock(&source.clock)),
            figure(&thousands(source.bytes)),
            Cell::Words(format!("<code>{}</code>", text(source.evidence.trim_start_matches("sha256:")))),
            words(source.failure.as_deref().unwrap_or("")),
        ]
    };
    let rows: Vec<Vec<Cell>> = told.sources.iter().map(row).collect();
    let heads = [
        "File",
        "Format",
        "Records",
        "Unread",
        "First, on its own clock",
        "Last",
        "Clock",
        "Bytes",
        "SHA-256",
        "Failure",
    ];
    table("Files of evidence", &heads, &rows, "No file was read.")
}

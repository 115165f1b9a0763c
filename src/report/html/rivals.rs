//! The matrix of what was seen and the hypotheses that compete for it.

use super::markup::{Cell, figure, list, table, text, words};
use crate::report::explain::rivals::{cell, observables, shown};
use crate::report::lines::{JudgementLine, RivalLine};
use crate::report::table::hypothesis;
use crate::report::when::bans;

/// Shades from "goes well with it" to "hardly goes with it", by log10 P.
fn shade(log10_p: f64) -> &'static str {
    match log10_p {
        p if p > -0.3 => "p0",
        p if p > -0.7 => "p1",
        p if p > -1.0 => "p2",
        p if p > -2.0 => "p3",
        _ => "p4",
    }
}

/// The matrix, with a sum below.
pub(super) fn matrix(rivals: &[RivalLine]) -> String {
    let mut rows: Vec<Vec<Cell>> = Vec::new();
    for observable in observables(rivals) {
        let mut row = vec![Cell::Head(text(observable))];
        for rival in rivals {
            row.push(cell(rival, observable).map_or_else(
                || figure(""),
                |(p, judged)| {
                    let number = if p.is_finite() { format!("{p:.2}") } else { "none".to_owned() };
                    let judged = if judged { " <abbr title=\"judged by a person\">j</abbr>" } else { "" };
                    Cell::Figure(format!("<span class=\"{}\">{number}{judged}</span>", shade(p)))
                },
            ));
        }
        rows.push(row);
    }
    let against_best = rivals.iter().map(|rival| Cell::Figure(format!("<b>{}</b>", bans(rival.log10_lr))));
    rows.push(std::iter::once(Cell::Head("against the best".to_owned())).chain(against_best).collect());
    let against = rivals.iter().map(|rival| figure(&rival.inconsistent.to_string()));
    rows.push(std::iter::once(Cell::Head("rows against it".to_owned())).chain(against).collect());
    let heads: Vec<&str> =
        std::iter::once("What was seen").chain(rivals.iter().map(|rival| hypothesis(&rival.hypothesis))).collect();
    table(
        "log10 of the probability of what was seen under each hypothesis; j: judged, not counted",
        &heads,
        &rows,
        "Nothing to weigh.",
    )
}

/// What the ranking rests on.
pub(super) fn judgement(judgement: &JudgementLine) -> String {
    if judgement.rows.is_empty() {
        return String::new();
    }
    let rows: Vec<Vec<Cell>> = judgement
        .rows
        .iter()
        .filter(|row| !row.not_counted)
        .map(|row| {
            vec![
                Cell::Head(text(&row.observable)),
                words(hypothesis(&row.leader_without)),
                figure(&row.spread.map_or_else(|| "unbounded".to_owned(), |spread| format!("{spread:.2}"))),
                words(if row.counts.is_empty() { "judged" } else { &row.counts }),
            ]
        })
        .collect();
    let heads = ["Without this row", "leads", "Spread", "Counts"];
    let mut html = table("What the ranking rests on", &heads, &rows, "");
    let overturned: Vec<&str> = judgement.overturned_without.iter().map(|id| shown(judgement, id)).collect();
    let mut sentences = vec![match overturned.as_slice() {
        [] => "The leader stays the same whatever rows are left out.".to_owned(),
        rows => format!("Another would lead only without: {}.", rows.join("; ")),
    }];
    let not_counted = judgement.rows.iter().filter(|row| row.not_counted);
    sentences.extend(
        not_counted.map(|row| format!("Not counted, since another row says the same and more: {}.", row.observable)),
    );
    sentences.extend(judgement.missing.iter().map(|row| match row.expected_spread {
        Some(spread) => format!("Not seen, expected spread {spread:.2}: {}.", row.source),
        None => format!("Not seen: {}.", row.source),
    }));
    html.push_str(&list(sentences));
    html
}

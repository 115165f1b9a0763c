//! The rivals of a finding, or of what no step explains: what was seen, and how well each goes with it.

use super::{Report, bans};
use crate::report::layout::{Align, Table, Tone};
use crate::report::lines::{JudgementLine, RivalLine};

impl Report {
    pub(super) fn rivals(&mut self, rivals: &[RivalLine], judgement: &JudgementLine) {
        self.section(
            "RIVALS (log10 likelihood against the best; rows: log10 P(what was seen | hypothesis); j: judged)",
        );
        let names: Vec<String> = rivals.iter().map(|rival| rival.hypothesis.clone()).collect();
        let mut columns = vec![("WHAT WAS SEEN", Align::Left)];
        columns.extend(names.iter().map(|name| (name.as_str(), Align::Right)));
        columns.push(("spread", Align::Right));
        let mut table = Table::new(&columns).wrapping(&[0]);
        for observable in observables(rivals) {
            let cells: Vec<Option<(f64, bool)>> = rivals.iter().map(|rival| cell(rival, observable)).collect();
            let known = cells.iter().flatten().map(|(p, _)| *p);
            let spread = known.clone().fold(f64::NEG_INFINITY, f64::max) - known.fold(f64::INFINITY, f64::min);
            // Rows that hardly tell the hypotheses apart are greyed (correlation: diagnosticity below 0.3).
            let tone = if spread < 0.3 { Tone::Faint } else { Tone::Plain };
            let mut row = vec![(observable.to_owned(), tone)];
            row.extend(cells.iter().map(|cell| {
                (
                    cell.map_or_else(
                        || "-".to_owned(),
                        |(p, judged)| {
                            let mark = if judged { " j" } else { "" };
                            if p.is_finite() { format!("{p:.2}{mark}") } else { format!("-inf{mark}") }
                        },
                    ),
                    tone,
                )
            }));
            row.push((if spread.is_finite() { format!("{spread:.2}") } else { String::new() }, tone));
            table.toned(row);
        }
        let mut total = vec![("against the best".to_owned(), Tone::Header)];
        total.extend(rivals.iter().map(|rival| (bans(rival.log10_lr), Tone::Header)));
        table.toned(total);
        let mut against = vec![("rows against it (log10 P of at most -1)".to_owned(), Tone::Plain)];
        against.extend(rivals.iter().map(|rival| (rival.inconsistent.to_string(), Tone::Plain)));
        table.toned(against);
        self.out.push_str(&table.render(self.screen, "(none)"));
        self.judgement(judgement);
    }

    /// What the ranking rests on.
    fn judgement(&mut self, judgement: &JudgementLine) {
        if judgement.rows.is_empty() {
            return;
        }
        self.out.push('\n');
        let mut table = Table::new(&[
            ("ROW LEFT OUT", Align::Left),
            ("THEN LEADS", Align::Left),
            ("SPREAD", Align::Right),
            ("COUNTS", Align::Left),
        ])
        .wrapping(&[0, 3]);
        for row in judgement.rows.iter().filter(|row| !row.not_counted) {
            let spread = row.spread.map_or_else(|| "unbounded".to_owned(), |spread| format!("{spread:.2}"));
            let counts = if row.counts.is_empty() { "judged" } else { row.counts.as_str() };
            table.row([row.observable.as_str(), &row.leader_without, &spread, counts]);
        }
        self.out.push_str(&table.render(self.screen, "(none)"));
        for row in judgement.rows.iter().filter(|row| row.not_counted) {
            self.line(&format!("Not counted, since a row above says the same and more: {}.", row.observable));
        }
        let sets = match judgement.overturning_sets {
            0 | 1 => "it alone of its size".to_owned(),
            sets => format!("one of {sets} sets of that size"),
        };
        match judgement.overturned_without.as_slice() {
            [] => self.line("The leader stays the same whatever rows are left out."),
            [one] => self.line(&format!("Another would lead without one row ({sets}): {}.", shown(judgement, one))),
            many => {
                let rows: Vec<&str> = many.iter().map(|id| shown(judgement, id)).collect();
                self.line(&format!(
                    "Another would lead only without {} rows ({sets}): {}.",
                    many.len(),
                    rows.join("; ")
                ));
            }
        }
        for row in &judgement.missing {
            if let Some(spread) = row.expected_spread {
                self.line(&format!("Not seen; expected spread {spread:.2}: {}.", row.source));
            }
        }
    }
}

/// What was seen, each once, in the order of the rows.
pub(in crate::report) fn observables(rivals: &[RivalLine]) -> Vec<&str> {
    let mut observables: Vec<&str> = Vec::new();
    for row in rivals.iter().flat_map(|rival| &rival.rows) {
        if !observables.contains(&row.observable.as_str()) {
            observables.push(&row.observable);
        }
    }
    observables
}

/// log10 P of what was seen under a hypothesis, and whether that is judged.
pub(in crate::report) fn cell(rival: &RivalLine, observable: &str) -> Option<(f64, bool)> {
    let row = rival.rows.iter().find(|row| row.observable == observable)?;
    Some((row.log10_p.unwrap_or(f64::NEG_INFINITY), row.judged))
}

/// What a row showed, by its short name.
pub(in crate::report) fn shown<'a>(judgement: &'a JudgementLine, id: &'a str) -> &'a str {
    judgement.rows.iter().find(|row| row.row == id).map_or(id, |row| row.observable.as_str())
}

//! What an analysis found, in the terms of `expect.toml`.

use coincident::correlate::Analysis;
use coincident::report::when::rfc3339;
use coincident::time::Instant;

use super::expect::{FindingEntry, UnexplainedEntry};
use crate::cli::analyze::Level;

/// A finding at one of its steps.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Row {
    pub(super) id: String,
    pub(super) episode: String,
    pub(super) step: Option<u32>,
    pub(super) behaviour: &'static str,
    pub(super) level: &'static str,
    pub(super) initiator: &'static str,
    pub(super) first: Option<Instant>,
}

/// All findings, each once per step.
pub(super) fn rows(analysis: &Analysis) -> Vec<Row> {
    let mut rows: Vec<Row> = Vec::new();
    for finding in &analysis.findings {
        let mut steps: Vec<Option<u32>> = finding.steps.iter().map(|step| Some(step.index)).collect();
        if steps.is_empty() {
            steps.push(None);
        }
        for step in steps {
            let row = Row {
                id: finding.id.clone(),
                episode: finding.episode.clone(),
                step,
                behaviour: finding.behaviour.name(),
                level: finding.level,
                initiator: finding.initiator,
                first: finding.first,
            };
            // Two findings of one behaviour at one step are one thing to expect; the first is the stronger.
            if !rows.iter().any(|other| other.place() == row.place()) {
                rows.push(row);
            }
        }
    }
    rows
}

impl Row {
    fn place(&self) -> (&str, Option<u32>, &str) {
        (&self.episode, self.step, self.behaviour)
    }

    /// Of a level that somebody has to look at.
    pub(super) fn counts(&self) -> bool {
        Level::of(self.level) >= Level::Medium
    }

    /// "ep-001 step 4 tunnel (F-0002)", with what else the entry it is held against names.
    pub(super) fn shown(&self, beside: Option<&FindingEntry>) -> String {
        let step = self.step.map_or_else(|| "without a step".to_owned(), |step| format!("step {step}"));
        let mut text = format!("{} {step} {}", self.episode, self.behaviour);
        if beside.is_some_and(|entry| entry.level.is_some()) {
            text.push_str(&format!(", level {}", self.level));
        }
        if beside.is_some_and(|entry| entry.initiator.is_some()) {
            text.push_str(&format!(", initiator {}", self.initiator));
        }
        if beside.is_some_and(|entry| entry.time.is_some()) {
            text.push_str(&format!(", at {}", self.first.map_or_else(|| "no known time".to_owned(), rfc3339)));
        }
        format!("{text} ({})", self.id)
    }
}

impl FindingEntry {
    /// Whether the entry is about this finding.
    pub(super) fn matches(&self, row: &Row) -> bool {
        let on_time = |(time, within): (Instant, i64)| {
            row.first.is_some_and(|first| first.since(time).unsigned_abs() <= within.unsigned_abs())
        };
        (self.level.is_some() || row.counts())
            && self.likeness(row) == 3
            && self.level.as_deref().is_none_or(|level| level == row.level)
            && self.initiator.as_deref().is_none_or(|initiator| initiator == row.initiator)
            && self.time.is_none_or(on_time)
    }

    /// How many of episode, step and behaviour are as the entry has them.
    pub(super) fn likeness(&self, row: &Row) -> usize {
        usize::from(self.episode.as_ref().is_none_or(|episode| *episode == row.episode))
            + usize::from(self.step.is_none_or(|step| row.step == Some(step)))
            + usize::from(self.behaviour.as_deref().is_none_or(|behaviour| behaviour == row.behaviour))
    }

    /// "ep-001 step 4 tunnel", "at least 2 of ep-001 tunnel".
    pub(super) fn shown(&self) -> String {
        let mut text = self.episode.clone().unwrap_or_else(|| "any episode".to_owned());
        if let Some(step) = self.step {
            text.push_str(&format!(" step {step}"));
        }
        text.push_str(&format!(" {}", self.behaviour.as_deref().unwrap_or("any behaviour")));
        if let Some(level) = &self.level {
            text.push_str(&format!(", level {level}"));
        }
        if let Some(initiator) = &self.initiator {
            text.push_str(&format!(", initiator {initiator}"));
        }
        if let Some((time, within)) = self.time {
            text.push_str(&format!(", at {} ±{} s", rfc3339(time), coincident::report::when::seconds(within)));
        }
        if self.bounds.plain { text } else { format!("{} of {text}", self.bounds.words()) }
    }
}

/// Behaviour and leading hypothesis of every group that no step explains.
pub(super) fn groups(analysis: &Analysis) -> Vec<(&'static str, &'static str)> {
    analysis.unexplained.iter().map(|group| (group.behaviour.name(), group.leading)).collect()
}

impl UnexplainedEntry {
    pub(super) fn matches(&self, (behaviour, leading): (&str, &str)) -> bool {
        self.behaviour.as_deref().is_none_or(|named| named == behaviour)
            && self.leading.as_deref().is_none_or(|named| named == leading)
    }

    pub(super) fn shown(&self) -> String {
        let behaviour = self.behaviour.as_deref().unwrap_or("any behaviour");
        unexplained_words(behaviour, self.leading.as_deref().unwrap_or("any"))
    }
}

pub(super) fn unexplained_words(behaviour: &str, leading: &str) -> String {
    format!("unexplained {behaviour}, leading {leading}")
}

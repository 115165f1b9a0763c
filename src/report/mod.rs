//! Results to bytes: pure functions, one file per output format.

pub mod attack_flow;
pub mod case;
mod catalogues;
pub mod columns;
pub mod csv;
pub mod custody;
mod details;
pub mod dictionary;
pub mod escape;
pub mod evaluation;
pub mod explain;
pub mod html;
mod ids;
pub mod jsonl;
pub mod junit;
pub mod layout;
pub mod lines;
pub mod manifest;
pub mod observation;
pub mod parquet;
pub mod plot;
pub mod redact;
pub mod row;
pub mod rules;
pub mod sarif;
pub mod sources;
pub mod stix;
pub mod table;
pub mod timeline;
mod timesketch;
pub mod when;

#[cfg(test)]
pub(crate) mod fixture;

pub use layout::Screen;
pub use when::DisplayZone;

use crate::correlate::Analysis;
use crate::intake::Source;

/// How reading the evidence went, beside what is said of each source.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reading {
    /// Paths that could not be listed, as messages.
    pub walk_errors: Vec<String>,
}

impl Reading {
    /// Everything that was not read, one sentence each; empty if all was.
    pub fn problems(&self, analysis: &Analysis) -> Vec<String> {
        let sources = analysis.sources.iter().filter_map(source_problem);
        self.walk_errors.iter().cloned().chain(sources).collect()
    }

    /// "complete", "partial" or "error": the status of the summary.
    pub fn status(&self, analysis: &Analysis) -> &'static str {
        if !analysis.sources.iter().any(|source| source.format.is_some()) {
            "error"
        } else if self.problems(analysis).is_empty() {
            "complete"
        } else {
            "partial"
        }
    }
}

/// Why a source was not read, or not to its end. `None` if it was; an empty file has nothing to be read.
pub fn source_problem(source: &Source) -> Option<String> {
    if let Some(failure) = &source.failure {
        return Some(format!("{}: {failure}", source.path));
    }
    if source.format.is_none() && source.bytes > 0 {
        let reason = if source.reason.is_empty() { "no known format" } else { &source.reason };
        return Some(format!(
            "{}: {reason}; if it is evidence, name its format with --input-format '{}=ID'",
            source.path, source.path
        ));
    }
    None
}

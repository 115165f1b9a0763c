//! Evidence in: every file through its reader into conversations, facts, GPU series and episodes.

mod case;
mod source;

use std::path::PathBuf;

use crate::evidence::EvidenceFile;
use crate::formats::Sink;
use crate::model::{Episode, Step};

pub use case::{CaseError, CaseFile, EgressRule, GpuFacts, Host, Pattern, Run, SourceDeclaration, TimeParts};
pub use source::{Source, Unread};

/// How evidence is to be read.
#[derive(Clone, Debug, Default)]
pub struct Options {
    pub case: CaseFile,
    /// `--format PATTERN=ID`, in the order given; the first that matches the shown name wins.
    pub formats: Vec<(String, String)>,
}

/// The evidence after one pass.
#[derive(Debug, Default)]
pub struct Intake {
    pub files: Vec<EvidenceFile>,
    pub sources: Vec<Source>,
    /// Paths that could not be listed, as messages.
    pub walk_errors: Vec<String>,
    pub episodes: Vec<Episode>,
    /// Calls joined with their results, `index` set.
    pub steps: Vec<Step>,
}

/// Finds and reads all evidence below `paths`.
pub fn take_in(_paths: &[PathBuf], _options: &Options) -> Intake {
    Intake::default()
}

/// Reads all evidence of an intake once more, each file into a sink of its own (`make` gets the index of the
/// source), and gives the sinks back in the order of the sources. For the timeline.
pub fn replay(
    _intake: &Intake,
    _options: &Options,
    _make: &(dyn Fn(usize) -> Box<dyn Sink> + Sync),
) -> Vec<Box<dyn Sink>> {
    Vec::new()
}

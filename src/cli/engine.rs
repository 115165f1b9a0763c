//! The seam to the library: everything that the verbs ask of it, in one place.

use std::path::PathBuf;

use coincident::correlate::{self, Analysis, Clock};
use coincident::detect::rules::RuleSet;
use coincident::formats::Sink;
use coincident::intake::{self, Intake, Options};
use coincident::report::Reading;

/// Finds and reads all evidence.
pub(crate) fn take_in(paths: &[PathBuf], options: &Options) -> Intake {
    intake::take_in(paths, options)
}

/// What lines up with what, and how reading went.
pub(crate) fn analyze(intake: Intake, options: &Options) -> (Analysis, Reading) {
    let reading = Reading { walk_errors: intake.walk_errors.clone() };
    (correlate::analyze(&intake, options, &RuleSet::embedded()), reading)
}

/// The clocks of all sources.
pub(crate) fn clocks(intake: &Intake) -> Vec<Clock> {
    correlate::clocks(intake, &RuleSet::embedded())
}

/// Reads all evidence once more, each file into a sink of its own.
pub(crate) fn replay(intake: &Intake, make: &(dyn Fn(usize) -> Box<dyn Sink> + Sync)) -> Vec<Box<dyn Sink>> {
    intake::replay(intake, make)
}

/// A rule in force, as `rules list` shows it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Rule {
    pub(crate) id: String,
    pub(crate) title: String,
    pub(crate) behaviour: String,
    pub(crate) level: String,
    /// What it looks at: the log source of a Sigma rule, or the detector's name.
    pub(crate) source: String,
}

/// The rules in force. WIRE: from the rule set of `detect`.
pub(crate) fn rules_in_force() -> Vec<Rule> {
    Vec::new()
}

/// The version of the rule set, for the manifest. WIRE: from the rule set of `detect`.
pub(crate) fn rules_version() -> String {
    env!("CARGO_PKG_VERSION").to_owned()
}

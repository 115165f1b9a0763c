//! The seam to the library: everything that the verbs ask of it, in one place.

use std::path::{Path, PathBuf};

use coincident::correlate::{self, Analysis, Clock};
use coincident::detect::rules::{LintLevel, RuleSet};
use coincident::formats::Sink;
use coincident::intake::{self, Intake, Options};
use coincident::report::Reading;
use coincident::report::redact::Names;
use coincident::report::rules;

use super::exit::Stop;
use super::output::Voice;

/// The rules in force, built once per process.
pub(crate) struct InForce {
    pub(crate) set: RuleSet,
    /// Where they were read from; `None` for those that come with the program.
    pub(crate) path: Option<PathBuf>,
}

impl InForce {
    pub(crate) fn embedded() -> Self {
        InForce { set: RuleSet::embedded(), path: None }
    }

    /// The rules of a directory. Without any rule or list in it the path is a mistake.
    pub(crate) fn load(path: &Path) -> Result<Self, Stop> {
        let shown = path.display();
        let set = RuleSet::from_dir(path)
            .map_err(|error| Stop::usage(format!("{shown}: {error}; give a directory of Sigma rules")))?;
        let own_lists = set.indicators != RuleSet::embedded().indicators;
        if set.rules.is_empty() && set.lint().is_empty() && !own_lists {
            return Err(Stop::usage(format!("{shown}: no rules (.yml, .yaml) and no lists (indicators/*.csv) here")));
        }
        Ok(InForce { set, path: Some(path.to_path_buf()) })
    }

    /// Says how much of the directory is not in force because something is wrong with it.
    pub(crate) fn tell_refused(&self, voice: Voice) {
        let refused = self.set.lint().iter().filter(|message| message.level == LintLevel::Error).count();
        if refused > 0 {
            voice.insist(&format!("{refused} rules, rows or files are not in force; `coincident rules lint` says why"));
        }
        let aside = rules::set_aside(&self.set);
        if !aside.is_empty() {
            voice.say(&format!("rules set aside: {aside}; `coincident rules lint` names them"));
        }
    }
}

/// Finds and reads all evidence.
pub(crate) fn take_in(paths: &[PathBuf], options: &Options) -> Intake {
    intake::take_in(paths, options)
}

/// What lines up with what, and how reading went.
pub(crate) fn analyze(intake: Intake, options: &Options, rules: &InForce, voice: Voice) -> (Analysis, Reading) {
    analyze_kept(&intake, options, rules, voice)
}

/// The same of evidence that is needed once more.
pub(crate) fn analyze_kept(intake: &Intake, options: &Options, rules: &InForce, voice: Voice) -> (Analysis, Reading) {
    let analysis = correlate::analyze(intake, options, &rules.set);
    finish(analysis, intake, options, voice)
}

/// The same, and what each finding rests on.
pub(crate) fn analyze_stability(
    mut intake: Intake,
    options: &Options,
    rules: &InForce,
    voice: Voice,
) -> (Analysis, Reading) {
    let analysis = correlate::stability::analyze(&mut intake, options, &rules.set);
    finish(analysis, &intake, options, voice)
}

fn finish(mut analysis: Analysis, intake: &Intake, options: &Options, voice: Voice) -> (Analysis, Reading) {
    let mut reading = Reading { walk_errors: intake.walk_errors.clone() };
    reading.walk_errors.extend(options.memory.failure().map(str::to_owned));
    if voice.show_secrets {
        Names::of(&intake.facts).reveal(&mut analysis);
    }
    (analysis, reading)
}

/// The clocks of all sources.
pub(crate) fn clocks(intake: &Intake, options: &Options, rules: &InForce) -> Vec<Clock> {
    correlate::clocks(intake, &options.case, &rules.set)
}

/// Reads all evidence once more, each file into a sink of its own.
pub(crate) fn replay(intake: &Intake, make: &(dyn Fn(usize) -> Box<dyn Sink> + Sync)) -> Vec<Box<dyn Sink>> {
    intake::replay(intake, make)
}

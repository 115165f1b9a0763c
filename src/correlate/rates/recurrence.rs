//! Whether a behaviour is that of some runs, or of some checkpoints of the policy.

use std::collections::{BTreeMap, BTreeSet};

use super::{LEVEL, Told};
use crate::correlate::analysis::{EpisodeRow, Finding, Recurrence};
use crate::intake::CaseFile;
use crate::model::Behaviour;
use crate::stats::dispersion::dispersion;
use crate::stats::trend::{Dosed, poisson_trend};

const DRAWS: u64 = 20_000;

/// Episodes of one run, or of one run at one checkpoint.
#[derive(Default)]
struct Unit<'t, 'e> {
    members: Vec<&'t Told<'e>>,
}

impl Unit<'_, '_> {
    fn onsets(&self, behaviour: Option<Behaviour>) -> u64 {
        self.members.iter().map(|one| one.steps(behaviour).len() as u64).sum()
    }

    fn hours(&self) -> Option<f64> {
        self.members.iter().map(|one| one.hours()).sum::<Option<f64>>().filter(|hours| *hours > 0.0)
    }
}

/// Both questions, of any behaviour first, then of each that was found. Empty without findings, of runs if there is but one, of
/// checkpoints if the case declares none.
pub(crate) fn recurrence(episodes: &[EpisodeRow], findings: &[Finding], case: &CaseFile) -> Vec<Recurrence> {
    let (told, behaviours) = super::told(episodes, findings);
    if findings.is_empty() {
        return Vec::new();
    }
    let mut runs: BTreeMap<&str, Unit<'_, '_>> = BTreeMap::new();
    let mut checkpoints: BTreeMap<(&str, u64), Unit<'_, '_>> = BTreeMap::new();
    for one in &told {
        let Some(run) = one.row.run.as_deref() else { continue };
        runs.entry(run).or_default().members.push(one);
        let path = one.row.path.split_once('#').map_or(one.row.path.as_str(), |(path, _)| path);
        if let Some(checkpoint) = case.run_of(path).and_then(|run| run.checkpoint) {
            checkpoints.entry((run, checkpoint)).or_default().members.push(one);
        }
    }
    let mut all = Vec::new();
    if runs.len() > 1 {
        let units: Vec<&Unit<'_, '_>> = runs.values().collect();
        all.extend(behaviours.iter().map(|behaviour| over_runs(&units, *behaviour)));
    }
    if !checkpoints.is_empty() {
        all.extend(behaviours.iter().map(|behaviour| over_checkpoints(&checkpoints, *behaviour)));
    }
    all
}

/// Hours of each unit if all are known, else its episodes.
fn exposures(units: &[&Unit<'_, '_>]) -> (&'static str, Vec<f64>) {
    match units.iter().map(|unit| unit.hours()).collect::<Option<Vec<f64>>>() {
        Some(hours) => ("hours", hours),
        None => ("episodes", units.iter().map(|unit| unit.members.len() as f64).collect()),
    }
}

fn over_runs(units: &[&Unit<'_, '_>], behaviour: Option<Behaviour>) -> Recurrence {
    let onsets: Vec<u64> = units.iter().map(|unit| unit.onsets(behaviour)).collect();
    let (exposure, exposures) = exposures(units);
    let blank = blank("dispersion over runs", behaviour, &onsets, exposure);
    let Some(test) = dispersion(&onsets, &exposures, DRAWS, 1) else {
        return Recurrence { words: "not asked: no step is named".to_owned(), ..blank };
    };
    if test.smallest > LEVEL {
        let words = format!(
            "not asked: no outcome of {} over {} runs gives a P below {:.2}",
            counted(blank.onsets, "onset"),
            units.len(),
            test.smallest
        );
        return Recurrence { smallest: Some(test.smallest), words, ..blank };
    }
    let words = match (test.uneven <= LEVEL, test.even <= LEVEL) {
        (true, _) => "some runs do it more than others, beyond chance",
        (_, true) => "runs are more alike than chance makes them",
        _ => "runs differ no more than chance makes them",
    };
    Recurrence {
        value: Some(test.index),
        p: Some(test.uneven),
        smallest: Some(test.smallest),
        words: words.to_owned(),
        ..blank
    }
}

fn over_checkpoints(units: &BTreeMap<(&str, u64), Unit<'_, '_>>, behaviour: Option<Behaviour>) -> Recurrence {
    let all: Vec<&Unit<'_, '_>> = units.values().collect();
    let onsets: Vec<u64> = all.iter().map(|unit| unit.onsets(behaviour)).collect();
    let (exposure, exposures) = exposures(&all);
    let blank = blank("trend over checkpoints", behaviour, &onsets, exposure);
    let runs: BTreeSet<&str> = units.keys().map(|(run, _)| *run).collect();
    // Runs with one checkpoint each are dealt among each other; a run with several is a stratum of its own.
    let single = runs.len() == units.len();
    let stratum = |run: &str| if single { 0 } else { runs.iter().position(|known| *known == run).unwrap_or(0) };
    let dosed: Vec<Dosed> = units
        .keys()
        .zip(onsets.iter().zip(&exposures))
        .map(|((run, checkpoint), (events, exposure))| Dosed {
            events: *events,
            exposure: *exposure,
            dose: *checkpoint as f64,
            stratum: stratum(run),
        })
        .collect();
    let Some(test) = poisson_trend(&dosed, DRAWS, 1) else {
        let words = "not asked: it takes two checkpoints and an onset".to_owned();
        return Recurrence { words, ..blank };
    };
    if test.smallest > LEVEL {
        let words = format!(
            "not asked: no outcome of {} with {} gives a P below {:.2}",
            counted(blank.units, if single { "run" } else { "checkpoint" }),
            counted(blank.onsets, "onset"),
            test.smallest
        );
        return Recurrence { smallest: Some(test.smallest), words, ..blank };
    }
    let words = match (test.p <= LEVEL, test.ratio) {
        (false, _) => "the rate neither rises nor falls with the checkpoint beyond chance",
        (true, Some(ratio)) if ratio < 1.0 => "the rate falls with the checkpoint, beyond chance",
        (true, Some(_)) => "the rate rises with the checkpoint, beyond chance",
        (true, None) => "the rate changes with the checkpoint, beyond chance; by how much has no bound",
    };
    Recurrence {
        value: test.ratio,
        p: Some(test.p),
        smallest: Some(test.smallest),
        phi: test.phi,
        words: words.to_owned(),
        ..blank
    }
}

fn blank(question: &'static str, behaviour: Option<Behaviour>, onsets: &[u64], exposure: &'static str) -> Recurrence {
    Recurrence {
        question,
        behaviour,
        units: u32::try_from(onsets.len()).unwrap_or(u32::MAX),
        onsets: u32::try_from(onsets.iter().sum::<u64>()).unwrap_or(u32::MAX),
        exposure,
        value: None,
        p: None,
        smallest: None,
        phi: None,
        words: String::new(),
    }
}

fn counted(number: u32, what: &str) -> String {
    if number == 1 { format!("1 {what}") } else { format!("{number} {what}s") }
}

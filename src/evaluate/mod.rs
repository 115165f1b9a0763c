//! How well findings match what happened, over worlds of which the truth is known.

mod judge;
mod measures;
mod plan;

use std::path::{Path, PathBuf};

use rayon::prelude::*;
use thiserror::Error;

pub use measures::{Bar, Curves, Evaluation, Measure};
pub use plan::{Cell, Question, cells};

use crate::correlate;
use crate::detect::rules::RuleSet;
use crate::intake::{self, CaseError, CaseFile, Options};
use crate::simulate::{self, Truth};
use judge::{Judged, judge};

/// Why a world could not be judged.
#[derive(Debug, Error)]
pub enum EvaluateError {
    #[error(
        "{path}: {source}; a world is a directory with evidence/ and truth.json, as `coincident simulate` writes it"
    )]
    Read { path: PathBuf, source: std::io::Error },
    #[error("{path}: {source}; give worlds of this version of `coincident simulate`")]
    Truth { path: PathBuf, source: serde_json::Error },
    #[error(transparent)]
    Case(#[from] CaseError),
    #[error("no room for the evidence of a world: {0}")]
    Write(std::io::Error),
}

/// Simulates the worlds of each cell, analyses them as any evidence, and measures. Worlds lie in a directory of their own
/// below `scratch` while they are read. The outcome depends on cells, seed and rules alone.
///
/// # Errors
/// When a world cannot be written or read back.
pub fn simulated(cells: &[Cell], seed: u64, rules: &RuleSet, scratch: &Path) -> Result<Evaluation, EvaluateError> {
    let mut judged = Vec::with_capacity(cells.len());
    for (at, cell) in cells.iter().enumerate() {
        let one = |number: u32| -> Result<Judged, EvaluateError> {
            let recipe = cell.recipe_of(number);
            let world = simulate::world(&recipe, seed, (at as u64) << 32 | u64::from(number));
            let directory =
                tempfile::Builder::new().prefix("world-").tempdir_in(scratch).map_err(EvaluateError::Write)?;
            world.write(directory.path()).map_err(EvaluateError::Write)?;
            one(directory.path(), rules)
        };
        let worlds: Result<Vec<Judged>, EvaluateError> = (0..cell.worlds).into_par_iter().map(one).collect();
        judged.push((cell.clone(), worlds?));
    }
    Ok(measures::measure(&judged))
}

/// Measures over worlds that lie in directories, all as one cell of each family.
///
/// # Errors
/// When a directory is not a world.
pub fn recorded(directories: &[PathBuf], rules: &RuleSet) -> Result<Evaluation, EvaluateError> {
    let worlds: Result<Vec<Judged>, EvaluateError> =
        directories.par_iter().map(|directory| one(directory, rules)).collect();
    Ok(measures::measure(&plan::by_family(worlds?)))
}

fn one(directory: &Path, rules: &RuleSet) -> Result<Judged, EvaluateError> {
    let truth_path = directory.join("truth.json");
    let read =
        |path: &Path| std::fs::read(path).map_err(|source| EvaluateError::Read { path: path.to_path_buf(), source });
    let truth: Truth = serde_json::from_slice(&read(&truth_path)?)
        .map_err(|source| EvaluateError::Truth { path: truth_path.clone(), source })?;
    let evidence = directory.join("evidence");
    let case_path = evidence.join("case.toml");
    let case = if case_path.is_file() { CaseFile::load(&case_path)? } else { CaseFile::default() };
    let options = Options { case, omit_conversations: true, keep_attributions: true, ..Options::default() };
    let intake = intake::take_in(&[evidence], &options);
    Ok(judge(&truth, &correlate::analyze(&intake, &options, rules)))
}

//! Worlds with known truth, in the real formats: what a firewall, a capture, nvidia-smi, sshd and agents' harnesses write
//! while agents work and somebody mines, tunnels or probes. They measure how well findings match what happened.
//!
//! A world depends on its recipe, its seed and its number alone. Lags, durations and rates are those of the studies of
//! event association that the method rests on: a call leads to its connection after a lognormal lag (median 0.8 s), honest
//! work goes on at the same time, and hosts talk by themselves.

mod acts;
mod capture;
mod logs;
mod recipe;
mod story;
mod transcripts;
mod translated;
mod truth;
mod work;

use std::io;
use std::path::Path;

pub use recipe::{Clocks, Family, FirewallForm, Launch, Missing, Recipe, TranscriptForm, Wording};
pub use truth::{TrueClock, TrueConnection, TrueEpisode, Truth};

use crate::stats::random::Random;
use crate::time::{Instant, SECOND};
use story::Story;

/// 2026-11-20T00:00:00Z, the earliest beginning of a world.
const EARLIEST: i64 = 1_795_132_800 * SECOND;

/// Evidence and truth.
#[derive(Clone, Debug)]
pub struct World {
    /// `<family>-<number>`.
    pub name: String,
    /// Paths below `evidence/` and contents, in order of path.
    pub files: Vec<(String, Vec<u8>)>,
    pub truth: Truth,
}

/// Makes a world.
pub fn world(recipe: &Recipe, seed: u64, number: u64) -> World {
    let mut random = Random::stream(seed, number);
    let began = Instant(EARLIEST + random.below(240 * 3600 * 1000) as i64 * (SECOND / 1000));
    let mut story = Story::default();
    work::rollouts(recipe, &mut story, &mut random);
    acts::lay(recipe, &mut story, &mut random);
    work::background(recipe, &mut story, &mut random);
    work::forget(recipe, &mut story, &mut random);
    let end = story::seconds(f64::from(recipe.seconds));
    story.flows.retain(|flow| flow.at >= 0 && flow.at < end);
    for flow in &mut story.flows {
        flow.lasts = flow.lasts.min(end - flow.at);
    }
    let name = format!("{}-{number:04}", recipe.family.name());
    let truth = Truth::of(&name, seed, recipe, &story, began);
    let mut files: Vec<(String, Vec<u8>)> = Vec::new();
    let mut add = |path: &str, content: Vec<u8>| {
        if !content.is_empty() {
            files.push((path.to_owned(), content));
        }
    };
    if !recipe.missing.capture {
        add("capture.pcap", capture::write(recipe, &story, began, &mut random));
    }
    if !recipe.missing.firewall {
        add("firewall.log", logs::firewall(recipe, &story, began).into_bytes());
    }
    add("auth.log", logs::auth(&story, began).into_bytes());
    if !recipe.missing.gpu {
        let (samples, processes) = logs::gpu(recipe, &story, began);
        add("gpu.csv", samples.into_bytes());
        add("gpu-processes.csv", processes.into_bytes());
    }
    if !recipe.missing.case_file {
        add("case.toml", logs::case_file(recipe).into_bytes());
    }
    for episode in story.episodes.iter().filter(|one| !(recipe.missing.guilty_transcript && one.guilty)) {
        let (file, content) = transcripts::write(recipe, episode, began);
        add(&format!("transcripts/{}/{file}", episode.run), content.into_bytes());
    }
    files.sort();
    World { name, files, truth }
}

impl World {
    /// Writes `evidence/` and `truth.json` into a directory, which is made if need be.
    ///
    /// # Errors
    /// When a directory or file cannot be made.
    pub fn write(&self, directory: &Path) -> io::Result<()> {
        for (path, content) in &self.files {
            let path = directory.join("evidence").join(path);
            std::fs::create_dir_all(path.parent().unwrap_or(directory))?;
            std::fs::write(path, content)?;
        }
        let mut truth = serde_json::to_vec_pretty(&self.truth)?;
        truth.push(b'\n');
        std::fs::write(directory.join("truth.json"), truth)
    }
}

#[cfg(test)]
mod tests;

//! How often behaviours are found, and what comes before them.

use crate::model::Behaviour;

/// How often a behaviour (or any) was found in a run, a reward configuration or under a model.
#[derive(Clone, Debug, PartialEq)]
pub struct ConfigRate {
    /// "run", "reward-config" or "model".
    pub group: &'static str,
    pub name: String,
    /// `None` for any.
    pub behaviour: Option<Behaviour>,
    pub flagged: u32,
    pub episodes: u32,
    /// Exact 95 % Clopper-Pearson interval of the share.
    pub interval: (f64, f64),
    /// Distinct steps that findings name.
    pub onsets: u32,
    /// From first to last call, summed over the episodes; `None` if one of them has no times.
    pub hours: Option<f64>,
    /// Exact 95 % Garwood interval of onsets per hour of sandbox time; `None` without hours.
    pub per_hour: Option<(f64, f64)>,
    /// Median, over the flagged episodes, of the index of the first step that a finding names ...
    pub first_step: Option<f64>,
    /// ... and of how far into the episode its first event was, in seconds.
    pub first_after_s: Option<f64>,
    /// Episodes of which no transcript is in evidence; `None` if the case does not say how many there were.
    pub missing: Option<u32>,
    /// Ends of the share of all episodes, those without transcript included: none of them flagged, and all of them, with the
    /// lower and the upper end of the exact 95 % intervals. `None` if nothing is known to be missing.
    pub worst: Option<Worst>,
}

/// What missing transcripts can make of a share.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Worst {
    /// If none of the missing episodes is flagged, and if all are.
    pub none: f64,
    pub all: f64,
    /// Lower end of the interval of the one, upper end of that of the other.
    pub interval: (f64, f64),
}

/// Whether runs differ more than chance lets them, or a rate changes with the checkpoint of the policy.
#[derive(Clone, Debug, PartialEq)]
pub struct Recurrence {
    /// "dispersion over runs" or "trend over checkpoints".
    pub question: &'static str,
    /// `None` for any.
    pub behaviour: Option<Behaviour>,
    /// Runs, or pairs of a run and a checkpoint.
    pub units: u32,
    pub onsets: u32,
    /// What onsets are held against: "hours" of sandbox time, or "episodes" where some have no times.
    pub exposure: &'static str,
    /// Variance over mean; or the rate at the last checkpoint over that at the first. `None` if it has no bound or was refused.
    pub value: Option<f64>,
    /// `None` if it was refused.
    pub p: Option<f64>,
    /// The least P that so many units and onsets can reach; `None` if nothing could be asked.
    pub smallest: Option<f64>,
    /// Of a trend: variance of the counts over that of Poisson counts.
    pub phi: Option<f64>,
    /// What it says, or why it was refused.
    pub words: String,
}

/// What comes before a behaviour more often than in other episodes of the same run. It is not shown to lead to it.
#[derive(Clone, Debug, PartialEq)]
pub struct Preceding {
    pub behaviour: Behaviour,
    /// "tool NAME", "program NAME" or "a call that failed".
    pub what: String,
    /// Episodes with the behaviour in which it comes before, of all with it ...
    pub before: u64,
    pub of: u64,
    /// ... and those without that have it at all, of all without.
    pub others_with: u64,
    pub others: u64,
    /// Exact, one-sided, and adjusted over all that was tested before this behaviour.
    pub p: f64,
    pub adjusted: f64,
}

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

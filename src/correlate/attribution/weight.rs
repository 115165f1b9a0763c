use std::fmt;

use super::{Background, LagModel};
use crate::stats::scale::{MOST_BANS, log10_ratio};

/// The bound that applied to a weight.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cap {
    /// So many commands or files to compare with, plus one.
    References(u64),
    /// So many anchors, plus one.
    Anchors(u64),
    /// So many onsets, plus one.
    Onsets(u64),
    /// Six bans in total.
    Total,
}

impl fmt::Display for Cap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Cap::References(n) => write!(f, "{n} references + 1"),
            Cap::Anchors(n) => write!(f, "{n} anchors + 1"),
            Cap::Onsets(n) => write!(f, "{n} onsets + 1"),
            Cap::Total => f.write_str("6 bans in total"),
        }
    }
}

/// A weight of evidence in bans (log10 of a likelihood ratio).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Weight {
    pub log10: f64,
    /// Before the cap; may be infinite.
    pub uncapped: f64,
    /// The bound that applied, if one did.
    pub cap: Option<Cap>,
}

impl Weight {
    /// Says nothing.
    pub const NONE: Weight = Weight { log10: 0.0, uncapped: 0.0, cap: None };

    fn free(log10: f64) -> Weight {
        Weight { log10, uncapped: log10, cap: None }
    }

    pub(super) fn within(log10: f64, bans: f64, cap: Cap) -> Weight {
        let bounded = log10.clamp(-bans, bans);
        Weight { log10: bounded, uncapped: log10, cap: (bounded != log10).then_some(cap) }
    }
}

/// (k + 1/2) / (n + 1), with `k` at most `n`: a share that is never 0 or 1.
pub(super) fn share(k: u64, n: u64) -> f64 {
    (k.min(n) as f64 + 0.5) / (n as f64 + 1.0)
}

fn plus_one_bans(n: u64) -> f64 {
    (n as f64 + 1.0).log10()
}

/// The indicator of the event stands literally in the step: `p_ind / q_v`.
///
/// `n_v` of `n` reference commands (not linked to the event, replayed prefixes counted once) have it; `literal` of
/// `controls` positive controls of the class name their destination literally. Capped at `n + 1`, and never below 0
/// bans: a token that is everywhere says nothing, but does not speak against the step.
pub fn lr_indicator(n_v: u64, n: u64, literal: u64, controls: u64) -> Weight {
    let log10 = log10_ratio(share(literal, controls), share(n_v, n)).max(0.0);
    Weight::within(log10, plus_one_bans(n), Cap::References(n))
}

/// The step does not have the indicator: `(1 - p_ind) / (1 - q)`, a mild minus, never a veto. `coincidence_rate` is
/// the mean q over indicators, within [0, 1).
pub fn lr_no_indicator(coincidence_rate: f64, literal: u64, controls: u64) -> Weight {
    let q = if coincidence_rate.is_nan() { 0.0 } else { coincidence_rate.clamp(0.0, 1.0) };
    // Above p_ind the absence of a token that is nearly everywhere would count for the step.
    Weight::free(log10_ratio(1.0 - share(literal, controls), 1.0 - q).min(0.0))
}

/// What the finest identity that both sides have says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Identity {
    /// The event comes from where the step ran.
    Same,
    /// The event comes from elsewhere, by a mapping that is otherwise good.
    Different,
    /// Behind an address that is shared, or not known.
    Unknown,
}

/// The event's source against the step's: `(1 - eps) / share` if the same, `eps / (1 - share)` if different.
///
/// `from_there` of `onsets` onsets come from that identity (the event included); `eps = (mistaken + 1/2) / (anchors + 1)`
/// is how often the mapping is wrong. Capped by the number of onsets that the share is known from, and by the anchors
/// on the other side.
pub fn lr_identity(identity: Identity, from_there: u64, onsets: u64, mistaken: u64, anchors: u64) -> Weight {
    let eps = share(mistaken, anchors);
    let part = if onsets == 0 { 1.0 } else { from_there.min(onsets) as f64 / onsets as f64 };
    match identity {
        Identity::Unknown => Weight::NONE,
        // A match does not speak against the step, however little the mapping is tried.
        Identity::Same => {
            Weight::within(log10_ratio(1.0 - eps, part).max(0.0), plus_one_bans(onsets), Cap::Onsets(onsets))
        }
        Identity::Different => {
            Weight::within(log10_ratio(eps, 1.0 - part).min(0.0), plus_one_bans(anchors), Cap::Anchors(anchors))
        }
    }
}

/// The lag between step and event: `f / g`, both averaged over what the clocks allow, capped at `anchors + 1` both ways.
/// Whether the event began within the call is to be joined to it ([`super::Containment`]): that is no term of its own.
pub fn lr_lag(lag_ns: (i64, i64), model: &LagModel, background: &Background, anchors: u64) -> Weight {
    let (lo, hi) = lag_ns;
    let log10 = log10_ratio(model.mean_density(lo, hi), background.mean_density(lo, hi));
    Weight::within(log10, plus_one_bans(anchors), Cap::Anchors(anchors))
}

/// The event outlives a call that has a launcher (nohup, setsid, tmux, cron, ...): P(persists | launcher) over
/// P(persists), from anchors. Capped by the anchors with a launcher.
pub fn lr_persistence(persist_launched: u64, launched: u64, persist: u64, anchors: u64) -> Weight {
    let log10 = log10_ratio(share(persist_launched, launched), share(persist, anchors));
    Weight::within(log10, plus_one_bans(launched), Cap::Anchors(launched))
}

/// The step could reach the network, its host was captured completely, and nothing was seen: `1 - p_flow`, where
/// `with_flow` of `controls` positive controls have a flow.
pub fn lr_absence(with_flow: u64, controls: u64) -> Weight {
    Weight::free((1.0 - share(with_flow, controls)).log10())
}

/// The sum of weights, held within six bans either way.
pub fn total(weights: &[Weight]) -> Weight {
    let sum: f64 = weights.iter().map(|w| w.log10).sum();
    let uncapped = if sum.is_nan() { 0.0 } else { sum };
    Weight::within(uncapped, MOST_BANS, Cap::Total)
}

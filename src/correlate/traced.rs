//! A signal together with the step that it lines up with.

use super::attribute::{Attributed, Attribution};
use crate::model::{Behaviour, Confidence, Signal, SignalSource};

/// A step and an event belong together from this weight on, in bans ...
pub(crate) const LEAST: f64 = 1.0;
/// ... from this weight where they share nothing but time and place, in bans ...
pub(crate) const LEAST_BY_TIME: f64 = 2.0;
/// ... and if the step takes at least this share of the event among all candidates.
pub(crate) const LEAST_SHARE: f64 = 0.5;
/// ... or from this weight on, with that share, where the onsets of the case as a whole follow calls more often than chance.
pub(crate) const LEAST_WHERE_ALIGNED: f64 = 0.0;

/// A signal with the step that it is attributed to, if any.
#[derive(Clone, Debug)]
pub(crate) struct Traced {
    /// On the reference clock.
    pub(crate) signal: Signal,
    pub(crate) attribution: Attribution,
    /// Its clock lets it be compared with steps.
    pub(crate) timed: bool,
}

impl Traced {
    /// The step that it lines up with, if one does well enough. `aligned`: a timing test over all onsets, whose controls hold,
    /// says that they follow calls.
    pub(crate) fn lines_up(&self, aligned: bool) -> Option<&Attributed> {
        if self.signal.confidence < Confidence::Strong {
            return None;
        }
        let best = self.attribution.best.as_ref()?;
        // "It coincided" is worth little at the rate at which agents make calls: without a shared name it takes more.
        let least = if best.shared.is_empty() { LEAST_BY_TIME } else { LEAST };
        let alone = best.strength.log10_lr >= least && best.strength.p_step >= LEAST_SHARE;
        // One coincidence is weak, and says so in its strength; all of them together are what the test is for.
        let together = aligned
            && self.signal.source == SignalSource::Network
            && best.strength.log10_lr >= LEAST_WHERE_ALIGNED
            && best.strength.p_step >= LEAST_SHARE;
        let enough = alone || together;
        // What the firewall refused says little by its time alone: the command must have named it.
        let named = self.signal.behaviour != Behaviour::EgressViolation || !best.shared.is_empty();
        // A poll of a GPU is too coarse to line up by time alone, and a machine runs programs of many.
        let by_name = matches!(self.signal.source, SignalSource::Gpu | SignalSource::Host);
        let seen = !by_name || !best.shared.is_empty();
        (enough && named && seen).then_some(best)
    }
}

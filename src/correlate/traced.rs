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

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::correlate::analysis::Strength;
    use crate::correlate::tokens::Token;

    /// Whether it lines up, with and without onsets that follow calls as a whole.
    fn both(source: SignalSource, behaviour: Behaviour, named: bool, log10_lr: f64, p_step: f64) -> [bool; 2] {
        let shared = named.then(|| Token::Name("pool.example".to_owned()));
        let best = Attributed {
            step: 7,
            strength: Strength { log10_lr, p_step, ..Strength::default() },
            shared: shared.into_iter().collect::<BTreeSet<Token>>(),
        };
        let signal = Signal { confidence: Confidence::Strong, ..Signal::new(behaviour, source) };
        let traced = Traced { signal, attribution: Attribution { best: Some(best) }, timed: true };
        [true, false].map(|aligned| traced.lines_up(aligned).is_some_and(|best| best.step == 7))
    }

    #[test]
    fn a_name_in_common_is_worth_a_ban_and_time_alone_takes_two() {
        use Behaviour::{EgressViolation, Mining};
        use SignalSource::{Command, Gpu, Host, Network};
        for (source, behaviour, named, log10_lr, p_step, expected) in [
            (Network, Mining, true, 1.0, 0.5, [true, true]),
            (Network, Mining, true, 0.9, 0.5, [true, false]),
            (Network, Mining, true, 9.0, 0.4, [false, false]),
            (Network, Mining, false, 2.0, 0.5, [true, true]),
            (Network, Mining, false, 1.9, 0.5, [true, false]),
            // Where onsets as a whole follow calls, what does not speak against it is enough.
            (Network, Mining, false, 0.0, 0.5, [true, false]),
            (Network, Mining, false, -0.1, 0.5, [false, false]),
            (Network, Mining, false, 0.0, 0.4, [false, false]),
            // What the test is of are connections.
            (Command, Mining, true, 0.9, 0.5, [false, false]),
            (Command, Mining, true, 1.0, 0.5, [true, true]),
            // What was refused, a GPU and a program have to be named.
            (Network, EgressViolation, false, 9.0, 0.9, [false, false]),
            (Network, EgressViolation, true, 1.0, 0.5, [true, true]),
            (Gpu, Mining, false, 9.0, 0.9, [false, false]),
            (Gpu, Mining, true, 1.0, 0.5, [true, true]),
            (Host, Mining, false, 9.0, 0.9, [false, false]),
            (Host, Mining, true, 1.0, 0.5, [true, true]),
        ] {
            let found = both(source, behaviour, named, log10_lr, p_step);
            assert_eq!(found, expected, "{source:?} {behaviour:?} {named} {log10_lr} {p_step}");
        }
    }

    #[test]
    fn a_lead_lines_up_with_nothing() {
        for (confidence, expected) in
            [(Confidence::Weak, false), (Confidence::Strong, true), (Confidence::Certain, true)]
        {
            let strength = Strength { log10_lr: 9.0, p_step: 1.0, ..Strength::default() };
            let best = Attributed { step: 0, strength, shared: BTreeSet::new() };
            let signal = Signal { confidence, ..Signal::new(Behaviour::Mining, SignalSource::Network) };
            let mut traced = Traced { signal, attribution: Attribution { best: Some(best) }, timed: true };
            assert_eq!(traced.lines_up(true).is_some(), expected, "{confidence:?}");
            traced.attribution.best = None;
            assert!(traced.lines_up(true).is_none(), "no step");
        }
    }
}

//! Likelihoods of observables from counts of the case, in place of judged classes.
//!
//! Each gives P(what was seen | hypothesis) in the order of [`RivalId::ALL`]; where the case cannot tell it for a
//! hypothesis, the class stays.

use super::super::analysis::RivalId;
use super::{MM, PP};
use crate::stats::sellke_bound;

pub(super) const HYPOTHESES: usize = RivalId::ALL.len();

/// Fewer benign calls or commands than these leave a share to judgement.
const FEWEST_CALLS: u64 = 5;
const FEWEST_COMMANDS: u64 = 10;

/// Likelihoods by counts.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Counted {
    /// `None` where the class stays.
    pub(super) p: [Option<f64>; HYPOTHESES],
    pub(super) words: String,
}

/// By whose doing: the calls as the agent's policy gave them (its own, steered, replayed), what goes on regardless of
/// calls, and what the case's counts do not reach.
fn by_doing(calls: Option<f64>, regardless: Option<f64>, harness: Option<f64>) -> [Option<f64>; HYPOTHESES] {
    RivalId::ALL.map(|hypothesis| match hypothesis {
        RivalId::Agent | RivalId::SteeredByContent | RivalId::ReplayedPrefix => calls,
        RivalId::ThirdPartyCode => None,
        RivalId::Harness => harness,
        RivalId::ExternalCompromise | RivalId::Misconfiguration | RivalId::OtherTenant | RivalId::Human => regardless,
    })
}

/// (k + 1/2) / (n + 1): a share that is never 0 or 1.
fn share(k: u64, n: u64) -> f64 {
    (k.min(n) as f64 + 0.5) / (n as f64 + 1.0)
}

/// How often a command names a peer: because it is what it calls, or by coincidence.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Naming {
    /// Benign commands that have the rarest literal that step and event share; `None` where no step shares one.
    pub(crate) with: Option<u64>,
    pub(crate) commands: u64,
    /// Mean share of benign commands that have any one literal.
    pub(crate) coincidence: f64,
    /// Benign calls during which a connection began, and those of them that name its peer.
    pub(crate) calls: u64,
    pub(crate) literal: u64,
}

impl Naming {
    /// `p_ind` for calls, `q` for all else. A literal that is everywhere says nothing, but never speaks against the step.
    pub(super) fn counted(&self, seen: bool) -> Option<Counted> {
        if self.calls < FEWEST_CALLS || self.commands < FEWEST_COMMANDS {
            return None;
        }
        let p_ind = share(self.literal, self.calls);
        let (q, of) = match (seen, self.with) {
            (true, Some(with)) => (share(with, self.commands), format!("in {with}")),
            // Some command of many names it: how likely that is by coincidence depends on what else they do.
            (true, None) => return None,
            (false, _) => (self.coincidence, "no literal".to_owned()),
        };
        let q = q.clamp(0.0, p_ind);
        let words = format!(
            "{of} of {} benign commands; {} of {} benign calls name theirs",
            self.commands, self.literal, self.calls
        );
        let of = |p: f64| if seen { p } else { 1.0 - p };
        Some(Counted { p: by_doing(Some(of(p_ind)), Some(of(q)), Some(of(q))), words })
    }
}

/// Connections to the peer while no call ran, of all.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Idle {
    pub(crate) outside: u64,
    pub(crate) connections: u64,
    /// Share of the time observed in which no call ran.
    pub(crate) share: f64,
}

impl Idle {
    /// Poisson probabilities of the count outside. What goes on regardless of calls falls outside in proportion to the
    /// time; what calls do leaves only a background there, taken as half a connection over all the time since none seen
    /// is not none possible. Connections of one program are not independent: no probability is taken to be smaller than
    /// the smallest class, nor than so many connections can show.
    pub(super) fn counted(&self, _seen: bool) -> Option<Counted> {
        if self.connections == 0 || !(0.0..=1.0).contains(&self.share) {
            return None;
        }
        let least = MM.max(0.5 / (self.connections as f64 + 1.0));
        let of = |connections: f64| relative_poisson(self.outside, connections * self.share).max(least);
        let words = format!(
            "{} of {} connections while no call ran, {:.0} % of the time",
            self.outside,
            self.connections,
            self.share * 100.0
        );
        Some(Counted { p: by_doing(Some(of(0.5)), Some(of(self.connections as f64)), None), words })
    }
}

/// Poisson probability of `k` under `mean`, relative to that under the mean that fits best (k itself): 1 for a perfect
/// fit, comparable between counts of any size.
fn relative_poisson(k: u64, mean: f64) -> f64 {
    let k = k as f64;
    if k == 0.0 {
        (-mean).exp()
    } else if mean > 0.0 {
        (k - mean + k * (mean / k).ln()).exp()
    } else {
        0.0
    }
}

/// Other reward configurations or models of the case, and those of them under which the same command was given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Repeats {
    pub(crate) with: u64,
    pub(crate) others: u64,
}

impl Repeats {
    /// How often unrelated policies come upon one command is not known from the few of a case: the classes stay, and the
    /// counts are shown.
    pub(super) fn counted(&self) -> Counted {
        let words = format!("under {} of {} other reward configurations or models", self.with, self.others);
        Counted { p: [None; HYPOTHESES], words }
    }
}

/// How often hosts without agents reach what agents' hosts reach, this peer left out.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Strangers {
    pub(crate) peers: u64,
    pub(crate) shared: u64,
}

impl Strangers {
    /// Of what agents do, hosts without them do the same as often as for any peer. Whether a rival would touch other
    /// hosts at all is left to judgement.
    pub(super) fn counted(&self, seen: bool) -> Option<Counted> {
        if self.peers < FEWEST_CALLS {
            return None;
        }
        let both = share(self.shared, self.peers);
        let words = format!(
            "{} of {} other peers of agents' hosts are also reached by hosts without agents",
            self.shared, self.peers
        );
        Some(Counted { p: by_doing(Some(if seen { both } else { 1.0 - both }), None, None), words })
    }
}

/// The alignment test over all onsets.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Followed {
    pub(crate) p: f64,
    pub(crate) onsets: usize,
}

impl Followed {
    /// The P value as the most it can be worth (Sellke, Bayarri & Berger), and never more than onsets + 1. That onsets do
    /// not follow calls is left to judgement: it depends on the power of the test.
    pub(super) fn counted(&self, seen: bool) -> Option<Counted> {
        if !seen || !(0.0..=1.0).contains(&self.p) {
            return None;
        }
        let most = self.onsets as f64 + 1.0;
        let worth = sellke_bound(self.p).unwrap_or(most).clamp(1.0, most);
        let mut p = by_doing(Some(PP), Some(PP / worth), None);
        // Code that a call runs follows the call as well.
        for (cell, hypothesis) in p.iter_mut().zip(RivalId::ALL) {
            if hypothesis == RivalId::ThirdPartyCode {
                *cell = Some(PP);
            }
        }
        let words = format!("P = {:.1e} over {} onsets, worth at most a factor of {worth:.3}", self.p, self.onsets);
        Some(Counted { p, words })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn near(got: Option<f64>, want: f64) {
        assert!(got.is_some_and(|got| (got / want - 1.0).abs() < 1e-3), "{got:?} against {want}");
    }

    /// Agent, third-party code, external compromise, harness.
    fn some(counted: &Counted) -> [Option<f64>; 4] {
        [counted.p[0], counted.p[2], counted.p[4], counted.p[7]]
    }

    #[test]
    fn a_literal_is_worth_its_rarity() {
        let naming = Naming { with: Some(0), commands: 99, coincidence: 0.015, calls: 19, literal: 17 };
        let [agent, third, external, harness] = some(&naming.counted(true).unwrap());
        // By hand: (17 + .5) / (19 + 1) = .875; .5 / 100 = .005.
        near(agent, 0.875);
        near(external, 0.005);
        assert_eq!((third, harness), (None, external));
        let [agent, _, external, _] = some(&naming.counted(false).unwrap());
        near(agent, 0.125);
        near(external, 0.985);
        // One in nearly every command does not speak against the step.
        let [agent, _, external, _] = some(&Naming { with: Some(99), ..naming }.counted(true).unwrap());
        assert_eq!(agent, external);
        assert_eq!(Naming { calls: 4, ..naming }.counted(true), None);
        assert_eq!(Naming { with: None, ..naming }.counted(true), None, "that anyone wrote it is judged");
    }

    #[test]
    fn idle_connections_are_poisson() {
        let of = |outside, connections, share| {
            let idle = Idle { outside, connections, share };
            let counted = idle.counted(outside > 0).unwrap();
            assert_eq!((counted.p[2], counted.p[7]), (None, None));
            (counted.p[0], counted.p[4])
        };
        // None of 9 outside, though 80 % of the time is: e^-.4 = .6703 against e^-7.2 = 7e-4, held at .5/10 = .05.
        let (agent, external) = of(0, 9, 0.8);
        near(agent, 0.6703);
        near(external, 0.05);
        // All 4 outside of 80 %: under 3.2, e^(4-3.2) (3.2/4)^4 = 2.2255 * .4096 = .9116; under .4, e^3.6 .1^4 = .00366,
        // held at .5/5 = .1.
        let (agent, external) = of(4, 4, 0.8);
        near(agent, 0.1);
        near(external, 0.9116);
        // Many: held at the smallest class.
        near(of(500, 1000, 0.5).0, 0.02);
        near(of(500, 1000, 0.5).1, 1.0);
        // Calls all the time: nothing could have fallen outside, so nothing is said.
        assert_eq!(of(0, 9, 0.0), (Some(1.0), Some(1.0)));
    }

    #[test]
    fn a_p_value_is_worth_at_most_its_bound() {
        let of = |p, onsets| some(&Followed { p, onsets }.counted(true).unwrap());
        // Appendix: P = .01 is worth 7.988, .95 / 7.988 = .11893.
        let [agent, third, external, harness] = of(0.01, 20);
        assert_eq!((agent, third, harness), (Some(0.95), Some(0.95), None));
        near(external, 0.118_93);
        // 53.26 of P = .001, held at 9 + 1 by nine onsets: .095. A tail of zero likewise.
        near(of(0.001, 9)[2], 0.095);
        near(of(0.0, 9)[2], 0.095);
        assert_eq!(Followed { p: 0.5, onsets: 9 }.counted(false), None);
    }

    #[test]
    fn what_everybody_reaches_says_little_of_hosts_without_agents() {
        let agent = |peers, shared, seen| Strangers { peers, shared }.counted(seen).map(|counted| counted.p[0]);
        // (0 + .5) / (24 + 1) = .02; (20 + .5) / 25 = .82.
        near(agent(24, 0, true).flatten(), 0.02);
        near(agent(24, 20, true).flatten(), 0.82);
        near(agent(24, 20, false).flatten(), 0.18);
        assert_eq!(agent(4, 0, true), None);
    }

    #[test]
    fn few_counts_leave_a_share_to_judgement() {
        let naming = Naming { with: Some(0), commands: 10, coincidence: 0.1, calls: 5, literal: 5 };
        assert!(naming.counted(true).is_some() && naming.counted(false).is_some());
        assert_eq!(Naming { commands: 9, ..naming }.counted(true), None);
        assert_eq!(Naming { calls: 4, ..naming }.counted(false), None);
        assert!(Strangers { peers: 5, shared: 0 }.counted(true).is_some());
        let idle = Idle { outside: 1, connections: 3, share: 0.5 };
        assert!(idle.counted(true).is_some());
        assert_eq!(Idle { outside: 0, connections: 0, ..idle }.counted(false), None);
        for share in [-0.1, 1.1, f64::NAN] {
            assert_eq!(Idle { share, ..idle }.counted(true), None);
        }
        assert_eq!(Followed { p: f64::NAN, onsets: 9 }.counted(true), None);
    }
}

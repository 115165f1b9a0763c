use super::weight::{Cap, Weight, share};
use crate::stats::scale::log10_ratio;
use crate::time::SECOND;

/// Whether a connection began while the call still ran, given how long after the start it began.
///
/// Part of the lag's own weight, never a term beside it: P(inside | caused) against P(inside | this lag, unrelated), which is
/// the share of calls that last longer than the lag. A second into a call hardly any has ended, and it says nothing; a
/// minute into one that still runs says much.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Containment {
    /// How long benign calls that could reach the network took, in nanoseconds, ascending.
    lasted: Vec<i64>,
    /// Connections that a benign call names and that began soon after its start, and those of them inside of it.
    anchors: u64,
    inside: u64,
}

impl Containment {
    /// From lengths of calls in nanoseconds, and from `inside` of `anchors` connections that began within their call.
    pub fn new(mut lasted_ns: Vec<i64>, inside: u64, anchors: u64) -> Self {
        lasted_ns.sort_unstable();
        Containment { lasted: lasted_ns, anchors, inside: inside.min(anchors) }
    }

    /// The weight of having begun inside (or after the end), at a lag of so many nanoseconds. Capped at `anchors + 1`.
    pub fn weight(&self, lag_ns: i64, inside: bool) -> Weight {
        if self.anchors == 0 || self.lasted.is_empty() {
            return Weight::NONE;
        }
        let longer = self.lasted.len() - self.lasted.partition_point(|lasted| *lasted <= lag_ns.max(0));
        let caused = share(self.inside, self.anchors);
        let unrelated = share(longer as u64, self.lasted.len() as u64);
        let log10 = match inside {
            true => log10_ratio(caused, unrelated),
            false => log10_ratio(1.0 - caused, 1.0 - unrelated),
        };
        Weight::by_anchors(log10, self.anchors)
    }

    /// How far after a call's start a connection is looked for that it may have opened, in nanoseconds: the reach of
    /// [`Self::new`]'s anchors.
    pub const SOON_NS: i64 = 120 * SECOND;
}

impl Weight {
    fn by_anchors(log10: f64, anchors: u64) -> Weight {
        Weight::within(log10, (anchors as f64 + 1.0).log10(), Cap::Anchors(anchors))
    }

    /// Two weights of one term: their sum, bounded as one.
    pub fn joined(self, other: Weight, anchors: u64) -> Weight {
        Weight::by_anchors(self.uncapped + other.uncapped, anchors)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // Calls of 1 to 9 s, 18 of 19 connections inside: P(inside | caused) = 18.5/20 = 0.925. At 4.5 s five of nine last
    // longer: 5.5/10. Inside log10(0.925/0.55) = 0.22577, outside log10(0.075/0.45) = -0.77815. At 100 s none does: 0.5/10,
    // log10(0.925/0.05) = 1.26717, under the cap log10(20) = 1.30103.
    #[test]
    fn a_call_that_still_runs_says_more_the_later_it_is() {
        let model = Containment::new((1..10).map(|s| s * SECOND).collect(), 18, 19);
        let log10 = |lag_s: f64, inside| model.weight((lag_s * 1e9) as i64, inside).log10;
        assert!((log10(4.5, true) - 0.225_77).abs() < 1e-5);
        assert!((log10(4.5, false) + 0.778_15).abs() < 1e-5);
        assert!((log10(100.0, true) - 1.267_17).abs() < 1e-5);
        assert_eq!(Containment::default().weight(SECOND, true), Weight::NONE);
    }
}

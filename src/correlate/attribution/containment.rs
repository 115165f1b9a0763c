use super::LagModel;
use super::weight::{Cap, Weight, share};
use crate::stats::scale::log10_ratio;
use crate::time::SECOND;

/// Whether a connection began while the call still ran, given how long after the start it began.
///
/// Part of the lag's own weight, never a term beside it: P(inside | caused, lag) against P(inside | unrelated, lag). An
/// unrelated moment that finds a call the latest of its episode finds it running as often as calls last longer than the lag,
/// among those after which no other had begun by then. Of what the call caused, only the part that the lag model does not
/// put down to its heavy tail is tied to the call at all.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Containment {
    /// How long benign calls that could reach the network took, and how long until the next call of the episode, in
    /// nanoseconds, each ascending.
    lasted: Vec<i64>,
    until_next: Vec<i64>,
    /// Connections that a benign call names and that began soon after its start, and those of them inside of it.
    anchors: u64,
    inside: u64,
}

impl Containment {
    /// How far after a call's start a connection is looked for that it may have opened, in nanoseconds: the reach of
    /// [`Self::new`]'s anchors.
    pub const SOON_NS: i64 = 120 * SECOND;

    /// From calls as (how long it took, how long until the next of the episode, at least as long), in nanoseconds, and from
    /// `inside` of `anchors` connections that began within their call.
    pub fn new(calls_ns: &[(i64, i64)], inside: u64, anchors: u64) -> Self {
        let mut lasted: Vec<i64> = calls_ns.iter().map(|(lasted, _)| *lasted).collect();
        let mut until_next: Vec<i64> = calls_ns.iter().map(|(lasted, next)| *next.max(lasted)).collect();
        lasted.sort_unstable();
        until_next.sort_unstable();
        Containment { lasted, until_next, anchors, inside: inside.min(anchors) }
    }

    /// The weight of having begun inside (or after the end but before the next call), at a lag of so many nanoseconds, where
    /// lags follow `model`. Capped at `anchors + 1`.
    pub fn weight(&self, lag_ns: i64, inside: bool, model: &LagModel) -> Weight {
        if self.anchors == 0 || self.lasted.is_empty() {
            return Weight::NONE;
        }
        let beyond =
            |ascending: &[i64]| (ascending.len() - ascending.partition_point(|one| *one <= lag_ns.max(0))) as u64;
        let (running, latest) = (share(self.inside, self.anchors), beyond(&self.until_next));
        let unrelated = share(beyond(&self.lasted), latest);
        let lag_s = lag_ns.max(0) as f64 / SECOND as f64;
        let (main, all) = ((1.0 - model.tail_share) * model.main.density(lag_s), model.density(lag_s));
        let tied = if all > 0.0 { main / all } else { 0.0 };
        let caused = tied * running + (1.0 - tied) * unrelated;
        let log10 = match inside {
            true => log10_ratio(caused, unrelated),
            false => log10_ratio(1.0 - caused, 1.0 - unrelated),
        };
        Weight::by_anchors(log10, self.anchors)
    }
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
    use crate::stats::LogNormal;

    // Calls of 1 to 9 s, each 10 s before the next, 18 of 19 connections inside: P(inside | caused, main) = 18.5/20 = 0.925.
    // At 4.5 s five of nine run and nine are the latest: 5.5/10 = 0.55. Without a tail: inside log10(0.925/0.55) = 0.22577,
    // outside log10(0.075/0.45) = -0.77815.
    #[test]
    fn a_call_that_still_runs_speaks_for_it() {
        let calls: Vec<(i64, i64)> = (1..10).map(|s| (s * SECOND, 10 * SECOND)).collect();
        let containment = Containment::new(&calls, 18, 19);
        let main = LogNormal { m: 0.0, s: 1.0 };
        let untailed = LagModel { main, tail_share: 0.0, tail_mean_s: 120.0 };
        let log10 = |inside| containment.weight(4 * SECOND + SECOND / 2, inside, &untailed).log10;
        assert!((log10(true) - 0.225_77).abs() < 1e-5);
        assert!((log10(false) + 0.778_15).abs() < 1e-5);
        // What the tail alone explains says nothing of the call.
        let tail_alone = LagModel { tail_share: 1.0, ..untailed };
        assert!(containment.weight(SECOND, false, &tail_alone).log10.abs() < 1e-12);
        assert_eq!(Containment::default().weight(SECOND, true, &untailed), Weight::NONE);
    }

    // The same calls at 4.5 s, half of the lags in a tail of 120 s. By hand: main e^(-ln(4.5)^2/2)/(4.5 sqrt(2 pi)) = .028606, tail
    // e^(-4.5/120)/120 = .0080266: .78089 is tied to the call, .78089 * .925 + .21911 * .55 = .84283. Inside log10(.84283/.55),
    // outside log10(.15717/.45).
    #[test]
    fn what_the_tail_explains_is_not_tied_to_the_call() {
        let calls: Vec<(i64, i64)> = (1..10).map(|s| (s * SECOND, 10 * SECOND)).collect();
        let containment = Containment::new(&calls, 18, 19);
        let model = LagModel { main: LogNormal { m: 0.0, s: 1.0 }, tail_share: 0.5, tail_mean_s: 120.0 };
        let log10 = |inside| containment.weight(4 * SECOND + SECOND / 2, inside, &model).log10;
        assert!((log10(true) - 0.185379).abs() < 1e-5, "{}", log10(true));
        assert!((log10(false) + 0.456852).abs() < 1e-5, "{}", log10(false));
        // A lag that the model holds to be impossible ties nothing.
        let untailed = LagModel { tail_share: 0.0, ..model };
        assert_eq!(containment.weight(0, true, &untailed).log10, 0.0);
    }

    #[test]
    fn without_calls_or_anchors_nothing_is_said() {
        let model = LagModel::assumed();
        assert_eq!(Containment::new(&[(SECOND, SECOND)], 0, 0).weight(SECOND / 2, true, &model), Weight::NONE);
        assert_eq!(Containment::new(&[], 9, 9).weight(SECOND / 2, true, &model), Weight::NONE);
    }

    // By hand: two and three bans are five, of which nine anchors bear log10(9 + 1).
    #[test]
    fn what_is_joined_is_bounded_as_one() {
        let bans = |log10| Weight { log10: 1.0, uncapped: log10, cap: None };
        assert_eq!(bans(2.0).joined(bans(3.0), 9), Weight { log10: 1.0, uncapped: 5.0, cap: Some(Cap::Anchors(9)) });
        assert_eq!(bans(0.5).joined(bans(0.25), 9), Weight { log10: 0.75, uncapped: 0.75, cap: None });
    }
}

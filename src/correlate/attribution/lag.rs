use crate::stats::LogNormal;
use crate::time::SECOND;

/// Below this width an interval of lags is as good as a point, and a difference of two shares has no digits.
const POINT_NS: i128 = 1_000_000;

fn seconds(ns: i64) -> f64 {
    ns as f64 / SECOND as f64
}

/// Mean density per second over a closed interval, from a density and a cumulative share of lags in seconds.
fn mean(lo_ns: i64, hi_ns: i64, density: impl Fn(f64) -> f64, cumulative: impl Fn(f64) -> f64) -> f64 {
    let (lo_ns, hi_ns) = (lo_ns.min(hi_ns), lo_ns.max(hi_ns));
    let width = i128::from(hi_ns) - i128::from(lo_ns);
    if width <= POINT_NS {
        return density(seconds(lo_ns) + width as f64 / 2.0 / SECOND as f64);
    }
    (cumulative(seconds(hi_ns)) - cumulative(seconds(lo_ns))).max(0.0) / (width as f64 / SECOND as f64)
}

/// How long after a step what it caused begins: `(1 - pi) LogNormal + pi Exp`.
///
/// Without the heavy tail stated strengths are worse than none: one lag that the lognormal thinks impossible costs more
/// than all others gain.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LagModel {
    /// Of the lag in seconds.
    pub main: LogNormal,
    /// Share pi of lags that follow the tail (launchers), within [0, 1].
    pub tail_share: f64,
    /// Mean of the tail in seconds, > 0.
    pub tail_mean_s: f64,
}

impl LagModel {
    /// pi where nothing is known about launchers.
    pub const TAIL_SHARE: f64 = 0.10;
    /// Mean of the tail in seconds.
    pub const TAIL_MEAN_S: f64 = 120.0;

    /// From lags of anchors (links that are known otherwise), in nanoseconds: median of the logarithm and 1.4826 times
    /// the median absolute deviation, but at least 0.5. Lags of 0 or less count as one millisecond.
    /// `None` without anchors.
    pub fn from_anchors(lags_ns: &[i64]) -> Option<LagModel> {
        let logs = lags_ns.iter().map(|lag| seconds((*lag).max(SECOND / 1000)).ln());
        let logs: Vec<f64> = logs.collect();
        let m = median(logs.clone())?;
        let spread = median(logs.iter().map(|x| (x - m).abs()).collect())?;
        let main = LogNormal { m, s: (1.4826 * spread).max(0.5) };
        Some(LagModel { main, tail_share: Self::TAIL_SHARE, tail_mean_s: Self::TAIL_MEAN_S })
    }

    /// Where no anchors exist: median 0.8 s, sigma 1 (shell to SYN in the simulations). To be called assumed.
    pub fn assumed() -> LagModel {
        let main = LogNormal { m: 0.8_f64.ln(), s: 1.0 };
        LagModel { main, tail_share: Self::TAIL_SHARE, tail_mean_s: Self::TAIL_MEAN_S }
    }

    /// For a step that left something running for about `life_s` seconds (at least 1): what it brings about begins soon
    /// in half of the cases, and at any time of that life in the others.
    pub fn of_launcher(&self, life_s: f64) -> LagModel {
        LagModel { tail_share: 0.5, tail_mean_s: life_s.max(1.0), ..*self }
    }

    /// Density per second at a lag in seconds; 0 for negative lags.
    pub fn density(&self, lag_s: f64) -> f64 {
        if lag_s < 0.0 {
            return 0.0;
        }
        let tail = (-lag_s / self.tail_mean_s).exp() / self.tail_mean_s;
        (1.0 - self.tail_share) * self.main.density(lag_s) + self.tail_share * tail
    }

    /// P(lag <= this many seconds).
    pub fn cumulative(&self, lag_s: f64) -> f64 {
        if lag_s < 0.0 {
            return 0.0;
        }
        let tail = -(-lag_s / self.tail_mean_s).exp_m1();
        (1.0 - self.tail_share) * self.main.cumulative(lag_s) + self.tail_share * tail
    }

    /// Density per second with the lag anywhere in an interval of nanoseconds (what the clocks allow). An interval
    /// that reaches below 0 counts with the part above; one wholly below has density 0.
    pub fn mean_density(&self, lo_ns: i64, hi_ns: i64) -> f64 {
        mean(lo_ns, hi_ns, |x| self.density(x), |x| self.cumulative(x))
    }
}

/// Lower and upper middle averaged. `None` if empty.
fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    let upper = values.get(values.len() / 2)?;
    let lower = values.get((values.len() - 1) / 2)?;
    Some((lower + upper) / 2.0)
}

/// How long before an unrelated moment the nearest step began, under all circular shifts.
#[derive(Clone, Debug, PartialEq)]
pub struct Recurrence {
    /// Gaps between neighbouring steps in seconds, ascending, and sums of the ones before.
    gaps: Vec<f64>,
    sums: Vec<f64>,
    around: f64,
}

impl Recurrence {
    /// From the starts of steps within an observed time of the given length, in nanoseconds. The density at lag d is
    /// the number of gaps longer than d over the length: exactly what moving the events around the circle gives, with
    /// no histogram and no draws. `None` without steps, or if they span more than the observed time.
    pub fn of(starts_ns: &[i64], observed_ns: i64) -> Option<Recurrence> {
        let mut starts = starts_ns.to_vec();
        starts.sort_unstable();
        let (first, last) = (*starts.first()?, *starts.last()?);
        let seam = i128::from(observed_ns) - (i128::from(last) - i128::from(first));
        if observed_ns <= 0 || seam < 0 {
            return None;
        }
        let inner = starts.iter().zip(starts.iter().skip(1)).map(|(a, b)| i128::from(*b) - i128::from(*a));
        let mut gaps: Vec<i128> = inner.chain([seam]).filter(|gap| *gap > 0).collect();
        gaps.sort_unstable();
        let gaps: Vec<f64> = gaps.iter().map(|gap| *gap as f64 / SECOND as f64).collect();
        let sums = gaps
            .iter()
            .scan(0.0, |sum, gap| {
                let before = *sum;
                *sum += gap;
                Some(before)
            })
            .collect();
        Some(Recurrence { gaps, sums, around: seconds(observed_ns) })
    }

    fn density(&self, lag_s: f64) -> f64 {
        if lag_s < 0.0 {
            return 0.0;
        }
        let longer = self.gaps.len() - self.gaps.partition_point(|gap| *gap <= lag_s);
        longer as f64 / self.around
    }

    fn cumulative(&self, lag_s: f64) -> f64 {
        if lag_s <= 0.0 {
            return 0.0;
        }
        let shorter = self.gaps.partition_point(|gap| *gap <= lag_s);
        let Some(before) = self.sums.get(shorter) else { return 1.0 };
        (before + (self.gaps.len() - shorter) as f64 * lag_s) / self.around
    }
}

/// The density of lags between a step and an event that have nothing to do with each other.
#[derive(Clone, Debug, PartialEq)]
pub enum Background {
    /// To the *nearest* step before, measured.
    Recurrence(Recurrence),
    /// To the *nearest* step before, for steps at random with this rate: `rate exp(-rate d)`.
    Exponential { rate_per_s: f64 },
    /// To *any* step before, of which there are so many per second. For steps that are not the nearest: against the
    /// other two a long lag to an earlier step would look like evidence.
    Flat { rate_per_s: f64 },
}

impl Background {
    /// Density per second with the lag anywhere in an interval of nanoseconds.
    pub fn mean_density(&self, lo_ns: i64, hi_ns: i64) -> f64 {
        match self {
            Background::Recurrence(r) => mean(lo_ns, hi_ns, |x| r.density(x), |x| r.cumulative(x)),
            Background::Exponential { rate_per_s: rate } => {
                let density = |x: f64| if x < 0.0 { 0.0 } else { rate * (-rate * x).exp() };
                mean(lo_ns, hi_ns, density, |x: f64| -(-rate * x.max(0.0)).exp_m1())
            }
            Background::Flat { rate_per_s: rate } => {
                let density = |x: f64| if x < 0.0 { 0.0 } else { *rate };
                mean(lo_ns, hi_ns, density, |x: f64| rate * x.max(0.0))
            }
        }
    }
}

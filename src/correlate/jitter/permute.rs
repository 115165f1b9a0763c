use crate::stats::phipson_smyth;
use crate::stats::random::Random;

/// A step of an episode for the permutation of labels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct LabelledStep {
    /// Start of the step in nanoseconds.
    pub start_ns: i64,
    /// Whether it executes something that can reach the network (as opposed to reading or editing).
    pub exec: bool,
}

/// One episode for the permutation of labels.
#[derive(Clone, Copy, Debug)]
pub struct LabelledEpisode<'a> {
    pub steps: &'a [LabelledStep],
    pub onsets: &'a [i64],
}

/// Steps of each kind that the test needs to be worth anything.
const FEWEST: usize = 8;

/// P that at least as many onsets lie within `[start - before, start + after]` of a step of the executing kind, if the
/// labels are permuted among the steps of each episode. Asks whether the *kind* of step matters and keeps the whole
/// structure in time. Monte Carlo from the seeded generator, P by Phipson & Smyth.
///
/// `None` with fewer than eight steps of either kind, without onsets or without draws.
pub fn permute_step_labels(
    episodes: &[LabelledEpisode<'_>],
    before_ns: i64,
    after_ns: i64,
    draws: u64,
    seed: u64,
) -> Option<f64> {
    let kind = |exec: bool| episodes.iter().flat_map(|e| e.steps).filter(|s| s.exec == exec).count();
    if kind(true) < FEWEST || kind(false) < FEWEST || draws == 0 || episodes.iter().all(|e| e.onsets.is_empty()) {
        return None;
    }
    let mut tables = Vec::with_capacity(episodes.len());
    for episode in episodes {
        let mut steps = episode.steps.to_vec();
        steps.sort_unstable();
        // The steps whose windows hold an onset are neighbours: those that start in [at - after, at + before].
        let covering = |at: &i64| {
            let (lo, hi) = (at.saturating_sub(after_ns), at.saturating_add(before_ns));
            (steps.partition_point(|s| s.start_ns < lo), steps.partition_point(|s| s.start_ns <= hi))
        };
        let covered: Vec<(usize, usize)> = episode.onsets.iter().map(covering).filter(|(from, to)| from < to).collect();
        tables.push((steps.iter().map(|s| s.exec).collect::<Vec<bool>>(), covered));
    }
    let count = |labels: &[bool], covered: &[(usize, usize)]| {
        let near_exec = |range: &&(usize, usize)| labels.get(range.0..range.1).is_some_and(|l| l.contains(&true));
        covered.iter().filter(near_exec).count()
    };
    let seen: usize = tables.iter().map(|(labels, covered)| count(labels, covered)).sum();
    let mut random = Random::new(seed);
    let mut as_extreme = 0;
    for _ in 0..draws {
        let mut total = 0;
        for (labels, covered) in &mut tables {
            random.shuffle(labels);
            total += count(labels, covered);
        }
        as_extreme += u64::from(total >= seen);
    }
    Some(phipson_smyth(as_extreme, draws))
}

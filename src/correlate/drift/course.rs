use super::{FEWEST_GAINED, HILL_NS, Line, Region, best_line, levelled};
use crate::correlate::Grade;
use crate::correlate::vote::{self, Ballot, CONTESTED_RATIO, Pair, Vote};
use crate::stats::random::Random;

/// Lines that are looked for: the clock may go back and forth between them.
const MOST_LINES: usize = 6;

/// What a change of line costs, in half pairs: there and back again costs [`FEWEST_GAINED`] pairs.
const CHANGE: i64 = FEWEST_GAINED as i64;
/// Orders that a parting in time is compared with: a chance of one in two hundred to see one where there is none.
const SHUFFLES: u64 = 199;
/// More sights than this are thinned evenly for that comparison.
const MOST_SHUFFLED: usize = 2048;

/// How a clock ran over a stretch of time in which nobody set it.
#[derive(Clone, Debug, PartialEq)]
pub struct ClockSegment {
    /// On the reference clock, in nanoseconds: from the first to the last pair that agrees.
    pub from_ns: i64,
    pub to_ns: i64,
    pub line: Line,
    /// All lines that the agreeing pairs allow.
    pub region: Region,
    /// The vote on the offset in the middle of the segment, with the drift taken off.
    pub vote: Vote,
}

impl ClockSegment {
    /// The least and the greatest offset at a moment of the reference: what the agreeing pairs allow, and what 0.8 of
    /// them do.
    pub fn support_at(&self, reference_ns: i64) -> (i64, i64) {
        let (low, high) = self.region.offsets_at(reference_ns);
        let here = self.line.offset_at(reference_ns);
        let apart = |edge: i64| here.saturating_add(edge.saturating_sub(self.line.offset_ns));
        (low.min(apart(self.vote.support_ns.0)), high.max(apart(self.vote.support_ns.1)))
    }
}

/// A clock as pairs tell it.
#[derive(Clone, Debug, PartialEq)]
pub struct Fit {
    /// In order of time; at least one.
    pub segments: Vec<ClockSegment>,
    /// Keys that agree with the segment of their time, of all that were offered.
    pub inliers: usize,
    pub keys: usize,
    /// What most of the keys that do not agree with their segment agree on instead, if at least three do. It does not
    /// part from the segments in time: two clocks in one source, or traffic that follows calls at some distance.
    pub beside: Option<Beside>,
}

/// An offset beside the one that was chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Beside {
    /// In the middle of the time of its pairs, in nanoseconds.
    pub offset_ns: i64,
    pub keys: usize,
}

impl Fit {
    /// The segment with most agreeing pairs.
    pub fn main(&self) -> Option<&ClockSegment> {
        self.segments.iter().rev().max_by_key(|segment| segment.vote.inliers)
    }

    /// The vote of the main segment with the counts of all, and the worst ratio of runner-up to best.
    pub fn vote(&self) -> Option<Vote> {
        let main = self.main()?;
        let worst = self.segments.iter().max_by(|a, b| a.vote.peak_ratio.total_cmp(&b.vote.peak_ratio))?;
        Some(Vote {
            keys: self.keys,
            inliers: self.inliers,
            peak_ratio: worst.vote.peak_ratio,
            runner_up: worst.vote.runner_up,
            ..main.vote.clone()
        })
    }

    /// The least and the greatest offset in the middle of the main segment.
    pub fn support_ns(&self) -> Option<(i64, i64)> {
        self.main().map(|main| main.support_at(main.line.at_ns))
    }

    /// The same with the uncertainty of what it was measured against added, in nanoseconds either way.
    pub fn widened(mut self, slack_ns: i64) -> Fit {
        for segment in &mut self.segments {
            let (low, high) = segment.vote.support_ns;
            segment.vote.support_ns = (low.saturating_sub(slack_ns), high.saturating_add(slack_ns));
        }
        self
    }

    /// Whether so many other keys agree on another offset that the chosen one is not to be relied on.
    pub fn is_divided(&self) -> bool {
        self.beside.is_some_and(|beside| beside.keys as f64 > CONTESTED_RATIO * self.inliers as f64)
    }

    /// The worst of the segments: what is said of the clock must hold whenever it is used.
    pub fn grade(&self) -> Grade {
        let worst = self.segments.iter().map(|segment| segment.vote.grade()).max().unwrap_or(Grade::D);
        if self.is_divided() { worst.max(Grade::C) } else { worst }
    }
}

/// Finds how the clock ran. `None` if no pair has a vote.
pub fn fit(pairs: &[Pair]) -> Option<Fit> {
    let ballots = vote::ballots(pairs);
    let keys = ballots.chunk_by(|a, b| a.key == b.key).count();
    let lines = lines(&ballots)?;
    let stretches = stretches(&ballots, &lines);
    let mut segments: Vec<ClockSegment> =
        stretches.into_iter().filter_map(|(from, to)| segment(&ballots, from, to)).collect();
    if segments.is_empty() {
        segments.extend(segment(&ballots, i64::MIN, i64::MAX));
    }
    merge(&mut segments, &ballots);
    let inliers = segments.iter().map(|segment| segment.vote.inliers).sum();
    let beside = beside(&segments, &ballots);
    (!segments.is_empty()).then_some(Fit { segments, inliers, keys, beside })
}

fn beside(segments: &[ClockSegment], ballots: &[Ballot]) -> Option<Beside> {
    let mut rest = ballots.to_vec();
    for segment in segments {
        let agrees = |ballot: &Ballot| {
            let within = segments.len() == 1 || (segment.from_ns <= ballot.at && ballot.at <= segment.to_ns);
            within && ballot.holds(segment.line.offset_at(ballot.at))
        };
        rest = keys_without(&rest, agrees);
    }
    let line = best_line(&rest, middle_of(&rest))?;
    let keys = |ballots: &[Ballot]| ballots.chunk_by(|a, b| a.key == b.key).count();
    let agree = keys(&rest).saturating_sub(keys(&without(&rest, &line)));
    (agree >= FEWEST_GAINED).then_some(Beside { offset_ns: line.offset_ns, keys: agree })
}

fn middle_of(ballots: &[Ballot]) -> i64 {
    let first = ballots.iter().map(|ballot| ballot.at).min().unwrap_or(0);
    let last = ballots.iter().map(|ballot| ballot.at).max().unwrap_or(0);
    vote::middle(first, last)
}

/// Lines that pairs agree on, the best first; each from the keys that agree with none before it.
fn lines(ballots: &[Ballot]) -> Option<Vec<Line>> {
    let at_ns = middle_of(ballots);
    let mut lines = vec![best_line(ballots, at_ns)?];
    let mut rest = ballots.to_vec();
    while lines.len() < MOST_LINES {
        let Some(line) = lines.last() else { break };
        rest = without(&rest, line);
        let Some(line) = best_line(&rest, at_ns) else { break };
        let agree = rest.len().saturating_sub(without(&rest, &line).len());
        if agree < FEWEST_GAINED {
            break;
        }
        lines.push(line);
    }
    Some(lines)
}

/// Ballots of the keys that do not agree with a line.
fn without(ballots: &[Ballot], line: &Line) -> Vec<Ballot> {
    keys_without(ballots, |ballot| ballot.holds(line.offset_at(ballot.at)))
}

/// Ballots of the keys that have none of a kind.
fn keys_without(ballots: &[Ballot], of_kind: impl Fn(&Ballot) -> bool) -> Vec<Ballot> {
    ballots.chunk_by(|a, b| a.key == b.key).filter(|of| !of.iter().any(&of_kind)).flatten().copied().collect()
}

/// A key seen on a line or several (bits), on the reference clock.
type Sight = (i64, u64, u8);

fn sights(ballots: &[Ballot], lines: &[Line]) -> Vec<Sight> {
    let mut seen: Vec<Sight> = Vec::new();
    for of_key in ballots.chunk_by(|a, b| a.key == b.key) {
        let mut counted = 0_u8;
        for ballot in of_key {
            let holds = |line: &Line| ballot.holds(line.offset_at(ballot.at));
            let on = lines.iter().enumerate().filter(|(_, line)| holds(line)).fold(0_u8, |on, (at, _)| on | 1 << at);
            // A key agrees with a line once.
            if on & !counted != 0 {
                seen.push((ballot.at, ballot.key, on & !counted));
                counted |= on;
            }
        }
    }
    seen.sort_unstable();
    seen
}

/// The stretches of time in which the pairs follow one line each, as first and last agreeing pair. One stretch where
/// the same pairs in any other order would follow lines as well: then the lines do not part in time.
fn stretches(ballots: &[Ballot], lines: &[Line]) -> Vec<(i64, i64)> {
    const ALL: (i64, i64) = (i64::MIN, i64::MAX);
    let seen = sights(ballots, lines);
    let mut runs: Vec<(u8, Vec<Sight>)> = Vec::new();
    for (sight, line) in seen.iter().zip(path(&seen, lines.len()).1) {
        match runs.last_mut().filter(|last| last.0 == line) {
            Some(last) => last.1.push(*sight),
            None => runs.push((line, vec![*sight])),
        }
    }
    let on = |sights: &[Sight], line: u8| sights.iter().filter(|sight| sight.2 >> line & 1 == 1).count();
    // A stretch must gain by its own line over that of the stretch before and after it.
    let mut at = 0;
    while runs.len() > 1 && at < runs.len() {
        let own = on(&runs[at].1, runs[at].0);
        let beside = [at.checked_sub(1), Some(at + 1)].into_iter().flatten().filter(|beside| *beside < runs.len());
        let short = beside.map(|beside| runs[beside].0).find(|line| own < on(&runs[at].1, *line) + FEWEST_GAINED);
        match short {
            None => at += 1,
            Some(line) => {
                runs[at].0 = line;
                let mut joined: Vec<(u8, Vec<Sight>)> = Vec::new();
                for (line, sights) in runs {
                    match joined.last_mut().filter(|last| last.0 == line) {
                        Some(last) => last.1.extend(sights),
                        None => joined.push((line, sights)),
                    }
                }
                (runs, at) = (joined, 0);
            }
        }
    }
    if runs.len() < 2 || !parts_in_time(&seen, lines.len()) {
        return vec![ALL];
    }
    let ends = |(line, sights): (u8, Vec<Sight>)| {
        let mut on = sights.iter().filter(|sight| sight.2 >> line & 1 == 1).map(|sight| sight.0);
        let first = on.next()?;
        Some((first, on.next_back().unwrap_or(first)))
    };
    runs.into_iter().filter_map(ends).collect()
}

/// The course through the lines that most sights are on, where a change of line costs [`CHANGE`] (Viterbi): its score,
/// and the line of every sight. Two points per sight.
fn path(seen: &[Sight], lines: usize) -> (i64, Vec<u8>) {
    let lines = lines.min(MOST_LINES);
    let mut score = [0_i64; MOST_LINES];
    let mut came_from: Vec<[u8; MOST_LINES]> = Vec::with_capacity(seen.len());
    for (_, _, on) in seen {
        let (best, top) = best_of(&score[..lines]);
        let mut from = [0_u8; MOST_LINES];
        for (line, (score, from)) in score.iter_mut().zip(&mut from).enumerate().take(lines) {
            *from = if *score >= top - CHANGE { line as u8 } else { best as u8 };
            *score = (*score).max(top - CHANGE) + 2 * i64::from(on >> line & 1);
        }
        came_from.push(from);
    }
    let (best, top) = best_of(&score[..lines]);
    let mut line = best as u8;
    let mut course: Vec<u8> = Vec::with_capacity(seen.len());
    for from in came_from.iter().rev() {
        course.push(line);
        line = from.get(usize::from(line)).copied().unwrap_or(0);
    }
    course.reverse();
    (top, course)
}

/// Whether sights in their order follow lines better than in any of [`SHUFFLES`] other orders.
fn parts_in_time(seen: &[Sight], lines: usize) -> bool {
    let step = seen.len().div_ceil(MOST_SHUFFLED).max(1);
    let mut some: Vec<Sight> = seen.iter().copied().step_by(step).collect();
    let (found, _) = path(&some, lines);
    let mut random = Random::new(SHUFFLES);
    (0..SHUFFLES).all(|_| {
        random.shuffle(&mut some);
        path(&some, lines).0 < found
    })
}

fn best_of(score: &[i64]) -> (usize, i64) {
    let best = (0..score.len()).rev().max_by_key(|line| score[*line]).unwrap_or(0);
    (best, score.get(best).copied().unwrap_or(0))
}

fn segment(ballots: &[Ballot], from: i64, to: i64) -> Option<ClockSegment> {
    let within: Vec<Ballot> = ballots.iter().filter(|ballot| from <= ballot.at && ballot.at <= to).copied().collect();
    let line = best_line(&within, middle_of(&within))?;
    let slope = (line.drift_ppb, line.drift_ppb);
    let vote = vote::count(&levelled(&within, line.at_ns, slope))?;
    let line = Line { offset_ns: vote.best.middle_ns, ..line };
    let agreeing = || within.iter().filter(|ballot| ballot.holds(line.offset_at(ballot.at)));
    Some(ClockSegment {
        from_ns: agreeing().map(|ballot| ballot.at).min()?,
        to_ns: agreeing().map(|ballot| ballot.at).max()?,
        line,
        region: Region::around(line, &within),
        vote,
    })
}

/// Neighbours that one line can have made are one segment.
fn merge(segments: &mut Vec<ClockSegment>, ballots: &[Ballot]) {
    let mut at = 1;
    while at < segments.len() {
        let (before, after) = (&segments[at - 1], &segments[at]);
        let between = vote::middle(before.to_ns, after.from_ns);
        let (a, b) = (before.support_at(between), after.support_at(between));
        let apart = before.line.offset_at(between).abs_diff(after.line.offset_at(between)) > HILL_NS as u64;
        if apart || a.1 < b.0 || b.1 < a.0 {
            at += 1;
            continue;
        }
        match segment(ballots, before.from_ns, after.to_ns) {
            Some(joined) => {
                segments[at - 1] = joined;
                segments.remove(at);
            }
            None => at += 1,
        }
    }
}

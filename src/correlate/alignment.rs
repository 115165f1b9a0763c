//! Is the alignment of events with tool calls better than chance? The jitter test on onsets, with the controls that
//! must hold before anything is concluded.

use std::collections::{BTreeMap, BTreeSet};

use super::analysis::{Alignment, AlignmentTest};
use super::attribute::Steps;
use super::clocks::Clocks;
use super::events::{Event, Events};
use super::jitter::{self, Range, Stratum};
use super::tokens;
use super::traced::Traced;
use super::traffic::Traffic;
use crate::model::{Behaviour, Confidence, Flow, SignalSource};
use crate::time::{Instant, SECOND};

/// Session gap: connections to one peer with shorter pauses are one onset, in nanoseconds.
pub(crate) const GAP_NS: i64 = 900 * SECOND;
/// Controls collapse at a shorter gap: each call of a mirror is an event of its own, in nanoseconds.
const CONTROL_GAP_NS: i64 = 5 * SECOND;
/// A positive control must come out at this level, a negative one must not.
const LEVEL: f64 = 0.05;
/// Controls with fewer onsets say nothing.
const FEWEST: usize = 3;

/// The test and its controls; `None` if there is nothing to test (no dated steps, or no onsets).
///
/// `traffic` are the connections of the agents' hosts, `everywhere` those of all.
pub(crate) fn test(
    traced: &[Traced],
    traffic: &Traffic<'_>,
    everywhere: &Events,
    steps: &Steps<'_>,
    clocks: &Clocks,
) -> Option<Alignment> {
    test_at(traced, traffic, everywhere, steps, clocks, GAP_NS, (1, 1))
}

/// The same with another session gap, and with the half-width of the jitter times a fraction.
pub(crate) fn test_at(
    traced: &[Traced],
    traffic: &Traffic<'_>,
    everywhere: &Events,
    steps: &Steps<'_>,
    clocks: &Clocks,
    gap_ns: i64,
    (times, over): (i64, i64),
) -> Option<Alignment> {
    let strata = strata(steps);
    if strata.is_empty() {
        return None;
    }
    let events = traffic.events();
    let slack = slack_ns(steps, events);
    let lags = control_lags(steps, traffic);
    let tail = percentile_95(&lags).unwrap_or(5 * SECOND).max(SECOND);
    let jitter_ns = jitter::jitter_half_width(tail).saturating_mul(times) / over.max(1);
    let exposed = windows(steps, slack, tail, true);
    let tested = tested(traced, events, clocks);
    let run = |onsets: &[Instant], windows: &[Range]| -> AlignmentTest {
        let onsets: Vec<i64> = onsets.iter().map(|at| at.0).collect();
        let stratum = |observed| Stratum { observed, windows, onsets: &onsets };
        let strata: Vec<Stratum<'_>> = strata.iter().map(|range| stratum(std::slice::from_ref(range))).collect();
        let outcome = jitter::jitter_test(&strata, jitter_ns);
        AlignmentTest {
            onsets: outcome.onsets.len(),
            in_window: outcome.in_window,
            expected: outcome.expected,
            p: outcome.p.tail.p,
        }
    };
    let main = run(&collapse(&tested, gap_ns), &exposed);
    if main.onsets == 0 {
        return None;
    }
    let at_gaps = [(GAP_NS / 3, "gap 5 min"), (GAP_NS, "gap 15 min"), (GAP_NS * 3, "gap 45 min")]
        .into_iter()
        .map(|(gap, name)| (name.to_owned(), run(&collapse(&tested, gap), &exposed)))
        .collect();
    let positive_control =
        Some(run(&collapse(&benign(steps, events), CONTROL_GAP_NS), &exposed)).filter(|control| control.onsets > 0);
    let negative_exposure =
        Some(run(&collapse(&tested, gap_ns), &windows(steps, slack, tail, false))).filter(|control| control.onsets > 0);
    let (of_others, every) = not_theirs(steps, everywhere, CONTROLS);
    let negative_outcome = Some(run(&of_others, &exposed)).filter(|control| control.onsets > 0);
    let withheld = withheld(steps, clocks, &positive_control, &negative_outcome);
    let duty_cycle = duty_cycle(&exposed, &strata);
    let controls = [
        ("positive control", &positive_control, 1),
        ("negative exposure", &negative_exposure, 1),
        ("negative outcome", &negative_outcome, every),
    ];
    let sentences = sentences(&main, duty_cycle, controls, &withheld);
    Some(Alignment {
        test: main,
        at_gaps,
        positive_control,
        negative_exposure,
        negative_outcome,
        jitter_ns,
        window_ns: (slack, slack.saturating_add(tail)),
        duty_cycle,
        withheld,
        sentences,
    })
}

/// Whether onsets follow tool calls; `None` where too few onsets leave it open. One onset is no sample.
pub(crate) fn verdict(alignment: &Alignment) -> Option<bool> {
    let test = &alignment.test;
    if test.onsets < 2 {
        return None;
    }
    match test.p {
        p if p <= LEVEL => Some(true),
        // All there are lie in windows, and still the test cannot tell: that is no evidence against.
        p if p > 0.2 && test.in_window < test.onsets => Some(false),
        _ => None,
    }
}

/// One stratum per run, from the first call to the last result of its episodes. Episodes without a run are one.
fn strata(steps: &Steps<'_>) -> Vec<Range> {
    let runs: BTreeMap<&str, Option<&str>> =
        steps.intake.episodes.iter().map(|episode| (episode.id.as_str(), episode.run.as_deref())).collect();
    let mut ranges: BTreeMap<Option<&str>, (i64, i64)> = BTreeMap::new();
    for (step, time) in steps.intake.steps.iter().zip(steps.times).filter(|(_, time)| time.stamped) {
        let run = runs.get(&*step.episode).copied().flatten();
        for at in [time.start, time.end].into_iter().flatten() {
            let range = ranges.entry(run).or_insert((at.0, at.0));
            *range = (range.0.min(at.0), range.1.max(at.0));
        }
    }
    let mut strata: Vec<Range> = ranges.into_values().filter(|(lo, hi)| hi > lo).collect();
    // Runs that overlap on the clock cannot be told apart by time: they are one stratum.
    strata.sort_unstable();
    let mut merged: Vec<Range> = Vec::new();
    for (lo, hi) in strata {
        match merged.last_mut() {
            Some(last) if lo <= last.1 => last.1 = last.1.max(hi),
            _ => merged.push((lo, hi)),
        }
    }
    merged
}

fn slack_ns(steps: &Steps<'_>, events: &Events) -> i64 {
    let calls = steps.times.iter().filter(|time| time.stamped).map(|time| time.slack_ns).max().unwrap_or(0);
    let network = events.iter().map(|event| event.slack_ns).min().unwrap_or(0);
    calls.saturating_add(network)
}

/// Lags of benign calls to the connections that they name.
fn control_lags(steps: &Steps<'_>, traffic: &Traffic<'_>) -> Vec<i64> {
    let mut lags = Vec::new();
    let widest = traffic.events().iter().map(|event| event.slack_ns).max().unwrap_or(0);
    for at in 0..steps.acts.len() {
        let time = steps.times[at];
        if let (Some(start), Some(end), true) = (time.start, time.end, is_control(steps, at)) {
            // The first of the call that it names has the shortest lag.
            let latest = end.plus(widest.saturating_add(time.slack_ns));
            let mut named = traffic.named(steps.acts[at].tokens(), start, latest).into_iter();
            lags.extend(named.find(|event| within(steps, at, event)).map(|event| event.at.since(start)));
        }
    }
    lags.sort_unstable();
    lags
}

fn is_control(steps: &Steps<'_>, at: usize) -> bool {
    let act = &steps.acts[at];
    steps.times[at].stamped && act.network && !act.is_suspect() && !act.tokens().is_empty()
}

fn within(steps: &Steps<'_>, at: usize, event: &Event<'_>) -> bool {
    let time = steps.times[at];
    let slack = event.slack_ns.saturating_add(time.slack_ns);
    let inside = match (time.start, time.end) {
        (Some(start), Some(end)) => event.at >= start.plus(-slack) && event.at <= end.plus(slack),
        _ => false,
    };
    inside && event.timed && tokens::any_shared(steps.acts[at].tokens(), event.tokens)
}

fn percentile_95(sorted: &[i64]) -> Option<i64> {
    let last = sorted.len().checked_sub(1)?;
    sorted.get((last * 95).div_ceil(100)).copied()
}

/// Exposure windows, disjoint and ascending: around network-capable calls, or around the others.
fn windows(steps: &Steps<'_>, slack: i64, tail: i64, network: bool) -> Vec<Range> {
    let starts: Vec<Range> = steps
        .times
        .iter()
        .zip(steps.acts)
        .filter(|(time, act)| time.stamped && act.network == network)
        .filter_map(|(time, _)| time.start.map(|start| (start.0, start.0)))
        .collect();
    jitter::exposure_windows(&starts, slack, slack.saturating_add(tail))
}

/// Connections under test, by peer: those of strong signals of mining, tunnels and probing. Each peer in the one
/// source that dates it best, so that nothing counts twice.
fn tested(traced: &[Traced], events: &Events, clocks: &Clocks) -> BTreeMap<Flow, Vec<Instant>> {
    let mut peers: BTreeSet<Flow> = BTreeSet::new();
    let mut sources = Sources::default();
    for one in traced {
        let signal = &one.signal;
        let wanted = matches!(signal.behaviour, Behaviour::Mining | Behaviour::Tunnel | Behaviour::Probing);
        if !wanted || signal.confidence < Confidence::Strong || signal.source != SignalSource::Network || !one.timed {
            continue;
        }
        if signal.targets.is_empty() {
            peers.extend(signal.flow.filter(|flow| flow.dst.is_some()).map(|flow| Flow { src_port: None, ..flow }));
        } else if let (Some(span), Some(record)) = (signal.span, signal.records.first()) {
            // A sweep is one onset, however many hosts and ports it tries and however many sources saw it.
            let key = Flow { src: signal.flow.and_then(|flow| flow.src), ..Flow::default() };
            let half = clocks.half_unit_ns(record.evidence);
            let slack_ns = clocks.slack_on_reference_ns(record.evidence, span.lo).saturating_add(half);
            sources.add(key, record.evidence, slack_ns, span.lo.plus(half));
        }
    }
    for event in events.iter().filter(|event| event.timed && peers.contains(&event.peers())) {
        sources.add(event.peers(), event.evidence, event.slack_ns, event.at);
    }
    sources.best()
}

/// Moments per peer and source, and how far off each source may be.
#[derive(Default)]
struct Sources {
    moments: BTreeMap<Flow, BTreeMap<(i64, crate::evidence::EvidenceId), Vec<Instant>>>,
}

impl Sources {
    fn add(&mut self, peer: Flow, evidence: crate::evidence::EvidenceId, slack_ns: i64, at: Instant) {
        self.moments.entry(peer).or_default().entry((slack_ns, evidence)).or_default().push(at);
    }

    /// Per peer, the moments by the source that dates it best.
    fn best(self) -> BTreeMap<Flow, Vec<Instant>> {
        let first = |sources: BTreeMap<_, Vec<Instant>>| sources.into_values().next().unwrap_or_default();
        self.moments.into_iter().map(|(peer, sources)| (peer, first(sources))).collect()
    }
}

/// Connections that benign calls name: they must line up, or clock or join are broken.
fn benign(steps: &Steps<'_>, events: &Events) -> BTreeMap<Flow, Vec<Instant>> {
    let mut written = BTreeSet::new();
    for at in (0..steps.acts.len()).filter(|at| is_control(steps, *at)) {
        written.extend(steps.acts[at].tokens().iter().cloned());
    }
    let mut sources = Sources::default();
    for event in events.iter().filter(|event| event.timed && tokens::any_shared(&written, event.tokens)) {
        sources.add(event.peers(), event.evidence, event.slack_ns, event.at);
    }
    sources.best()
}

/// Onsets that no agent can have caused, in order of time: of connections from hosts without agents, peer by peer as
/// [`collapse`] has it. Evenly thinned, so that `most` at most are left; and how many stand behind each. A whole network has
/// millions, and a hundred thousand say as much.
fn not_theirs(steps: &Steps<'_>, events: &Events, most: usize) -> (Vec<Instant>, usize) {
    let identity = steps.identity;
    let mut onsets = Thinned::new(most);
    if identity.knows_agents() {
        let mut open = Recent::default();
        for event in events.iter().filter(|event| event.timed) {
            let theirs = event.src.is_some_and(|src| identity.is_agent_at(src, event.at));
            if !theirs
                && event.src.is_some_and(crate::model::is_private)
                && event.dst.is_some_and(|dst| !identity.is_agent_at(dst, event.at))
                && open.begins(event.peers(), event.at)
            {
                onsets.push(event.at);
            }
        }
    }
    (onsets.kept, onsets.every)
}

/// Onsets of a control that are tested, at most.
const CONTROLS: usize = 100_000;

/// When peers were last met, as far back as that matters: a network has millions of them.
#[derive(Default)]
struct Recent {
    /// Of those met at `since` or later.
    now: BTreeMap<Flow, Instant>,
    /// Of those met in the stretch before it, which began more than the gap before it.
    before: BTreeMap<Flow, Instant>,
    since: Option<Instant>,
}

impl Recent {
    /// Whether the peer was not met within [`CONTROL_GAP_NS`] before `at`. Asked in order of time.
    fn begins(&mut self, peer: Flow, at: Instant) -> bool {
        let since = *self.since.get_or_insert(at);
        if at.since(since) > CONTROL_GAP_NS {
            self.before = std::mem::take(&mut self.now);
            self.since = Some(at);
        }
        let last = self.now.insert(peer, at).or_else(|| self.before.get(&peer).copied());
        last.is_none_or(|last| at.since(last) > CONTROL_GAP_NS)
    }
}

/// Every n-th of moments that come one by one, n a power of two, so that no more are left than wanted.
struct Thinned {
    kept: Vec<Instant>,
    every: usize,
    seen: usize,
    most: usize,
}

impl Thinned {
    fn new(most: usize) -> Self {
        Thinned { kept: Vec::new(), every: 1, seen: 0, most: most.max(1) }
    }

    fn push(&mut self, at: Instant) {
        if self.seen.is_multiple_of(self.every) {
            if self.kept.len() == self.most {
                let mut place = 0;
                self.kept.retain(|_| {
                    place += 1;
                    place % 2 == 1
                });
                self.every *= 2;
            }
            if self.seen.is_multiple_of(self.every) {
                self.kept.push(at);
            }
        }
        self.seen += 1;
    }
}

/// First moments of stretches without a pause longer than the gap, over all peers, sorted.
fn collapse(by_peer: &BTreeMap<Flow, Vec<Instant>>, gap_ns: i64) -> Vec<Instant> {
    let mut onsets = Vec::new();
    for starts in by_peer.values() {
        let mut starts = starts.clone();
        starts.sort_unstable();
        let mut last: Option<Instant> = None;
        for at in starts {
            if last.is_none_or(|last| at.since(last) > gap_ns) {
                onsets.push(at);
            }
            last = Some(at);
        }
    }
    onsets.sort_unstable();
    onsets
}

fn duty_cycle(windows: &[Range], strata: &[Range]) -> f64 {
    let length = |lo: &i64, hi: &i64| (i128::from(*hi) - i128::from(*lo)).max(0);
    let total: i128 = strata.iter().map(|(lo, hi)| length(lo, hi)).sum();
    let covered: i128 =
        strata.iter().flat_map(|(from, to)| windows.iter().map(move |(lo, hi)| length(lo.max(from), hi.min(to)))).sum();
    if total > 0 { covered as f64 / total as f64 } else { 0.0 }
}

fn withheld(
    steps: &Steps<'_>,
    clocks: &Clocks,
    positive: &Option<AlignmentTest>,
    negative: &Option<AlignmentTest>,
) -> Option<String> {
    if !super::timing_holds(steps.intake, clocks) {
        return Some("the clocks are not good enough (A or B needed) for conclusions from timing".to_owned());
    }
    match positive {
        Some(control) if control.onsets >= FEWEST && control.p > LEVEL => {
            return Some("the positive control fails: benign calls do not line up with their own traffic".to_owned());
        }
        Some(control) if control.onsets >= FEWEST => {}
        _ => return Some("no positive control: too few benign calls name a destination".to_owned()),
    }
    match negative {
        Some(control) if control.onsets >= FEWEST && control.p <= LEVEL => {
            Some("a negative control fails: traffic that no agent opened lines up with tool calls as well".to_owned())
        }
        _ => None,
    }
}

fn sentences(
    test: &AlignmentTest,
    duty_cycle: f64,
    controls: [(&str, &Option<AlignmentTest>, usize); 3],
    withheld: &Option<String>,
) -> Vec<String> {
    let mut all = Vec::new();
    if let Some(why) = withheld {
        all.push(format!("Timing conclusions are withheld: {why}."));
    }
    all.push(format!(
        "By chance {:.1} of {} onsets would fall in a tool call's window; {} do (P = {:.1e}). Tool calls cover {:.0} % \
         of the time.",
        test.expected,
        test.onsets,
        test.in_window,
        test.p,
        duty_cycle * 100.0
    ));
    for (name, control, every) in controls {
        all.push(match control {
            Some(control) if control.onsets > 0 => {
                let taken = if every > 1 { format!(" (one in {every} was taken)") } else { String::new() };
                format!(
                    "{name}: {} of {}{taken} in a window, P = {:.2e}.",
                    control.in_window, control.onsets, control.p
                )
            }
            _ => format!("{name}: none in this evidence."),
        });
    }
    all
}

#[cfg(test)]
mod tests;

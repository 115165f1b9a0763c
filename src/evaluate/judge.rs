//! What an analysis made of one world, held against the truth.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr};

use crate::correlate::{Analysis, Clock, ConnectionStep, Grade};
use crate::formats::Kind;
use crate::simulate::{TrueConnection, Truth};

/// From this strength on a finding misleads where no step did anything: log10 LR.
pub(super) const MISLEADING: f64 = 2.0;
/// What counts: the acts that worlds hold.
const BEHAVIOURS: [&str; 3] = ["mining", "tunnel", "probing"];
/// A timing test is taken to say "better than chance" from here on.
const LEVEL: f64 = 0.05;

/// One connection: who opened it, and what was said of it.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Attributed {
    /// A step opened it, and nobody asked for that.
    pub(super) is_act: bool,
    pub(super) by_step: bool,
    /// The step that does best is the one that did it.
    pub(super) step_right: bool,
    /// The likeliest of all answers, "no step" among them, is right.
    pub(super) answer_right: bool,
    /// The share of that answer.
    pub(super) p: f64,
    /// Strength of the best step.
    pub(super) log10_lr: f64,
}

/// One clock: how far off what was found is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct FoundClock {
    pub(super) error_s: f64,
    pub(super) covered: bool,
    pub(super) pairs: usize,
    /// Whether hours of a wrong zone were found; `None` if the zone is right.
    pub(super) zone_right: Option<bool>,
    pub(super) grade: Grade,
}

/// One world.
#[derive(Clone, Debug, Default)]
pub(super) struct Judged {
    pub(super) family: String,
    /// The timing test says "better than chance" and its controls hold; `None` if nothing was to be tested.
    pub(super) better_than_chance: Option<bool>,
    /// Onsets that the timing test had, where it was not withheld.
    pub(super) onsets: Option<usize>,
    /// Why conclusions from timing were withheld.
    pub(super) withheld: bool,
    /// The strongest finding, in bans.
    pub(super) strongest: Option<f64>,
    /// A finding of level high says that an agent began it.
    pub(super) agent_blamed: bool,
    pub(super) initiators: BTreeMap<String, u64>,
    pub(super) true_positives: u64,
    pub(super) false_positives: u64,
    pub(super) false_negatives: u64,
    pub(super) connections: Vec<Attributed>,
    pub(super) clocks: Vec<FoundClock>,
}

type Ends = (Ipv4Addr, u16, Ipv4Addr, u16);

/// Holds an analysis against the truth. Connections are told apart by their ends.
pub(super) fn judge(truth: &Truth, analysis: &Analysis) -> Judged {
    let findings = &analysis.findings;
    let kept: BTreeSet<&str> =
        truth.episodes.iter().filter(|one| one.transcript_kept).map(|one| one.episode.as_str()).collect();
    let happened: BTreeSet<(&str, &str)> = truth
        .episodes
        .iter()
        .filter(|one| one.transcript_kept)
        .flat_map(|one| one.behaviours.iter().map(|behaviour| (one.episode.as_str(), behaviour.as_str())))
        .collect();
    let found: BTreeSet<(&str, &str)> = findings
        .iter()
        .map(|finding| (finding.episode.as_str(), finding.behaviour.name()))
        .filter(|(episode, behaviour)| kept.contains(episode) && BEHAVIOURS.contains(behaviour))
        .collect();
    let mut initiators = BTreeMap::new();
    for finding in findings {
        *initiators.entry(finding.initiator.to_owned()).or_insert(0) += 1;
    }
    let alignment = analysis.alignment.as_ref();
    let holds = |one: &&crate::correlate::Alignment| one.withheld.is_none();
    Judged {
        family: truth.family.clone(),
        better_than_chance: alignment.filter(holds).map(|one| one.test.p <= LEVEL),
        onsets: alignment.filter(holds).map(|one| one.test.onsets),
        withheld: alignment.is_some_and(|one| one.withheld.is_some()),
        strongest: findings.iter().map(|finding| finding.strength.log10_lr).max_by(f64::total_cmp),
        agent_blamed: findings.iter().any(|finding| finding.initiator == "agent" && finding.level == "high"),
        initiators,
        true_positives: found.intersection(&happened).count() as u64,
        false_positives: found.difference(&happened).count() as u64,
        false_negatives: happened.difference(&found).count() as u64,
        connections: connections(truth, analysis),
        clocks: clocks(truth, analysis),
    }
}

/// Each connection once, as the source that dates best saw it; of an act with many the first.
fn connections(truth: &Truth, analysis: &Analysis) -> Vec<Attributed> {
    let mut seen: BTreeMap<Ends, &ConnectionStep> = BTreeMap::new();
    let is_capture = |one: &ConnectionStep| {
        analysis.sources.get(one.evidence.0 as usize).and_then(|s| s.kind) == Some(Kind::Capture)
    };
    for one in &analysis.attributions {
        let Some(ends) = ends(one) else { continue };
        let known = seen.entry(ends).or_insert(one);
        if is_capture(one) && !is_capture(known) {
            *known = one;
        }
    }
    let mut acts = BTreeSet::new();
    let mut all = Vec::new();
    for connection in &truth.connections {
        let key = (connection.src, connection.src_port, connection.dst, connection.dst_port);
        let Some(found) = seen.get(&key) else { continue };
        let is_act = connection.behaviour.is_some() && connection.step.is_some();
        if is_act && !acts.insert((&connection.episode, connection.step)) {
            continue;
        }
        all.push(attributed(connection, found, is_act));
    }
    all
}

fn ends(one: &ConnectionStep) -> Option<Ends> {
    match (one.src?, one.src_port?, one.dst?, one.dst_port?) {
        (IpAddr::V4(src), src_port, IpAddr::V4(dst), dst_port) => Some((src, src_port, dst, dst_port)),
        _ => None,
    }
}

fn attributed(connection: &TrueConnection, found: &ConnectionStep, is_act: bool) -> Attributed {
    let true_step = connection.episode.as_deref().zip(connection.step);
    let said = found.step.as_ref().map(|(episode, step)| (episode.as_str(), *step));
    let step_right = said.is_some() && said == true_step;
    let says_step = found.p_step > found.p_none;
    Attributed {
        is_act,
        by_step: true_step.is_some(),
        step_right,
        answer_right: if says_step { step_right } else { true_step.is_none() },
        p: found.p_step.max(found.p_none),
        log10_lr: found.log10_lr,
    }
}

fn clocks(truth: &Truth, analysis: &Analysis) -> Vec<FoundClock> {
    let mut all = Vec::new();
    for true_clock in &truth.clocks {
        let of_path = |clock: &&Clock| {
            let paths = clock.sources.iter().filter_map(|id| analysis.sources.get(id.0 as usize));
            paths.map(|source| source.path.as_str()).any(|path| path.starts_with(&true_clock.path))
        };
        let Some(clock) = analysis.clocks.iter().filter(|clock| !clock.reference).find(of_path) else { continue };
        let (first, last) = span(truth);
        let drifted = true_clock.ppm * 1e-6 * ((last - first) as f64 / 2e9);
        let offset = true_clock.offset_s + drifted;
        let error_s = (clock.offset_ns as f64 / 1e9 - offset).abs();
        let (lo, hi) = (clock.support_ns.0 as f64 / 1e9, clock.support_ns.1 as f64 / 1e9);
        // A drifting clock is where it is at some moment of the evidence.
        let slack = drifted.abs() + 1e-3;
        let zone_found = clock.zone_error_ns == i64::from(true_clock.zone_h) * 3_600_000_000_000;
        all.push(FoundClock {
            error_s,
            covered: lo - slack <= offset && offset <= hi + slack,
            pairs: clock.pairs,
            zone_right: (true_clock.zone_h != 0).then_some(zone_found),
            grade: clock.grade,
        });
    }
    all
}

fn span(truth: &Truth) -> (i64, i64) {
    let times = || truth.connections.iter().map(|one| one.at_ns);
    (times().min().unwrap_or(truth.began_ns), times().max().unwrap_or(truth.began_ns))
}

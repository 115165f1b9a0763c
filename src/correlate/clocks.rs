//! The clock of every source against one reference, by keyed interval voting on what two sources must have seen of
//! the same event. The events under test are left out wherever enough others are there.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use super::acts::Act;
use super::analysis::{Clock, Grade};
use super::names::Names;
use super::tokens::{self, Token};
use super::vote::{self, Pair, Vote};
use super::zone;
use crate::evidence::EvidenceId;
use crate::formats::Kind;
use crate::intake::{Intake, Source};
use crate::model::Protocol;
use crate::time::{Basis, Instant, SECOND, YearSource};

/// A firewall writes its line, and a capture its packet, within this of each other, in nanoseconds.
const SAME_PACKET_NS: i64 = 20_000_000;
/// A call whose end is not recorded is taken to last at most this long when clocks are compared.
const OPEN_CALL_NS: i64 = 600 * SECOND;
/// A token that makes more pairs than this says nothing.
const PAIRS_PER_TOKEN: usize = 200;
/// Fewer agreeing pairs than this leave a clock without a measured offset.
const FEWEST: usize = 3;

/// All clocks, and which evidence goes by which.
#[derive(Clone, Debug, Default)]
pub(crate) struct Clocks {
    pub(crate) rows: Vec<Clock>,
    of: Vec<usize>,
    /// Per row: what the stamps of connections are cut to, in nanoseconds.
    resolutions: Vec<i64>,
}

impl Clocks {
    fn of(&self, evidence: EvidenceId) -> Option<&Clock> {
        self.of.get(evidence.0 as usize).and_then(|row| self.rows.get(*row))
    }

    /// A moment of the source on the reference clock.
    pub(crate) fn align(&self, evidence: EvidenceId, at: Instant) -> Instant {
        self.of(evidence).map_or(at, |clock| at.plus(clock.offset_ns.saturating_neg()))
    }

    /// How far off an aligned moment may be either way, in nanoseconds.
    pub(crate) fn slack_ns(&self, evidence: EvidenceId) -> i64 {
        self.of(evidence).map_or(0, |clock| clock.support_ns.1.saturating_sub(clock.support_ns.0).max(0) / 2)
    }

    /// A moment stamped by the source as the middle of what the stamp covers, on the reference clock, and how far off
    /// that may be either way: half the resolution and the clock's own uncertainty.
    pub(crate) fn align_stamp(&self, evidence: EvidenceId, at: Instant) -> (Instant, i64) {
        let row = self.of.get(evidence.0 as usize).copied().unwrap_or(usize::MAX);
        let half = self.resolutions.get(row).map_or(0, |resolution| resolution / 2);
        (self.align(evidence, at).plus(half), self.slack_ns(evidence).saturating_add(half))
    }

    /// The grade of the source's clock.
    pub(crate) fn grade(&self, evidence: EvidenceId) -> Grade {
        self.of(evidence).map_or(Grade::D, |clock| clock.grade)
    }

    /// Whether an undated clock (since boot, year unknown) was tied to the reference by what both saw.
    pub(crate) fn is_tied(&self, evidence: EvidenceId) -> bool {
        self.of(evidence).is_some_and(|clock| clock.grade <= Grade::B)
    }
}

/// A group of files that share a clock.
struct Group {
    name: String,
    kind: Kind,
    members: Vec<EvidenceId>,
    basis: Basis,
}

/// Finds all clocks. `acts[i]` belongs to `intake.steps[i]`.
pub(crate) fn find(intake: &Intake, acts: &[Act], names: &Names) -> Clocks {
    let groups = groups(intake);
    let Some(reference) = reference(&groups, &intake.sources) else { return Clocks::default() };
    let mut clocks = Clocks { rows: Vec::new(), of: vec![usize::MAX; intake.sources.len()], resolutions: Vec::new() };
    for (row, group) in groups.iter().enumerate() {
        for member in &group.members {
            if let Some(of) = clocks.of.get_mut(member.0 as usize) {
                *of = row;
            }
        }
        clocks.rows.push(assumed(group, intake, row == reference));
    }
    let (sightings, resolutions): (Vec<Sightings>, Vec<i64>) = sightings(intake, &clocks.of, groups.len(), names);
    clocks.resolutions = resolutions;
    // Packet logs against the capture first, then transcripts against whatever network source is tied, then network
    // sources against transcripts: each pass leans on what the passes before it have tied.
    let mut tied = BTreeSet::from([reference]);
    for _ in 0..3 {
        for row in (0..groups.len()).filter(|row| *row != reference) {
            if tied.contains(&row) || clocks.rows[row].method == "declared" {
                continue;
            }
            let mut pairs = Vec::new();
            let mut method = String::new();
            for other in std::iter::once(reference).chain(tied.iter().copied().filter(|row| *row != reference)) {
                let offset = clocks.rows[other].offset_ns;
                let (found, how) = match (groups[row].kind, groups[other].kind) {
                    (Kind::Firewall | Kind::Capture, Kind::Firewall | Kind::Capture) => (
                        same_packets(&sightings[row].all, &sightings[other].all, offset),
                        "the same connection in both",
                    ),
                    (Kind::Transcript, Kind::Firewall | Kind::Capture) => {
                        let calls = Calls { intake, acts, group: &groups[row] };
                        (calls.against(&sightings[other], offset), "commands and the connections they name")
                    }
                    (Kind::Firewall | Kind::Capture, Kind::Transcript) => {
                        let calls = Calls { intake, acts, group: &groups[other] };
                        let pairs = calls.against(&sightings[row], 0);
                        (negated(pairs, offset), "commands and the connections they name")
                    }
                    _ => continue,
                };
                // The reference itself is taken unless another tied source shows far more of the same.
                let better = if pairs.is_empty() { !found.is_empty() } else { found.len() > 2 * pairs.len() };
                if better {
                    (pairs, method) = (found, format!("{how} ({})", clocks.rows[other].name));
                }
            }
            if let Some(vote) = vote::vote(&pairs).filter(|vote| vote.inliers >= FEWEST) {
                settle(&mut clocks.rows[row], &vote, &method);
                if clocks.rows[row].grade <= Grade::B {
                    tied.insert(row);
                }
            }
        }
    }
    note_server_times(&mut clocks, intake);
    clocks
}

/// Transcripts share a clock per host they ran on, or per format where the host is not known; without a capture to
/// compare hosts against, all that state UTC offsets are one. Everything else has one per file, but GPU files one per
/// directory (two queries of the same tool on the same machine).
fn groups(intake: &Intake) -> Vec<Group> {
    let sources = &intake.sources;
    let hosts: BTreeMap<&str, &str> =
        intake.episodes.iter().filter_map(|episode| Some((episode.path(), episode.host.as_deref()?))).collect();
    let captured = sources.iter().any(|source| source.kind == Some(Kind::Capture) && source.records > 0);
    let mut groups: BTreeMap<(Kind, String), Vec<EvidenceId>> = BTreeMap::new();
    for (index, source) in sources.iter().enumerate() {
        let Some(kind) = source.kind.filter(|_| source.records > 0) else { continue };
        let key = match kind {
            Kind::Transcript if !captured && source.basis == Some(Basis::ExplicitOffset) => String::new(),
            Kind::Transcript => {
                let host = hosts.get(source.path.as_str()).copied();
                host.or(source.format).unwrap_or_default().to_owned()
            }
            Kind::Gpu => source.path.rsplit_once('/').map_or(String::new(), |(folder, _)| folder.to_owned()),
            Kind::Firewall | Kind::Capture => source.path.clone(),
        };
        groups.entry((kind, key)).or_default().push(EvidenceId(index as u32));
    }
    groups
        .into_iter()
        .map(|((kind, key), members)| {
            let paths: Vec<&str> = members.iter().map(|id| sources[id.0 as usize].path.as_str()).collect();
            let name = match (paths.as_slice(), kind) {
                ([one], _) => (*one).to_owned(),
                (several, Kind::Transcript) => {
                    format!("{} {key} × {}", common_folder(several), several.len()).replace("  ", " ")
                }
                (several, _) => format!("{} × {}", several[0], several.len()),
            };
            let basis = members.iter().filter_map(|id| sources[id.0 as usize].basis).max().unwrap_or(Basis::OrderOnly);
            Group { name: name.trim().to_owned(), kind, members, basis }
        })
        .collect()
}

fn common_folder(paths: &[&str]) -> String {
    let mut common: Vec<&str> = paths[0].split('/').collect();
    common.pop();
    for path in paths {
        let shared = common.iter().zip(path.split('/')).take_while(|(a, b)| **a == *b).count();
        common.truncate(shared);
    }
    if common.is_empty() { String::new() } else { format!("{}/", common.join("/")) }
}

/// The capture with most packets; else the source with an explicit offset and most records; else any dated one.
fn reference(groups: &[Group], sources: &[Source]) -> Option<usize> {
    let records = |group: &Group| group.members.iter().map(|id| sources[id.0 as usize].records).sum::<u64>();
    let best = |wanted: &dyn Fn(&Group) -> bool| {
        (0..groups.len())
            .filter(|row| wanted(&groups[*row]))
            .max_by_key(|row| (records(&groups[*row]), usize::MAX - row))
    };
    best(&|group| group.kind == Kind::Capture && group.basis.is_dated())
        .or_else(|| best(&|group| group.basis == Basis::ExplicitOffset))
        .or_else(|| best(&|group| group.basis.is_dated()))
        .or_else(|| best(&|_| true))
}

/// A clock before anything was compared.
fn assumed(group: &Group, intake: &Intake, reference: bool) -> Clock {
    let source = &intake.sources[group.members[0].0 as usize];
    let declared = source.declared_zone || source.declared_offset_ns != 0;
    let (grade, method) = match (reference, declared, group.basis) {
        (true, ..) => (Grade::A, "reference"),
        (_, true, _) => (Grade::B, "declared"),
        (_, _, Basis::ExplicitOffset) => (Grade::C, "as stated"),
        (_, _, Basis::OrderOnly) => (Grade::D, "order only"),
        _ => (Grade::D, "assumed"),
    };
    let mut notes = Vec::new();
    match group.basis {
        Basis::AssumedZone => notes.push("zone assumed UTC".to_owned()),
        Basis::AssumedYear => {
            let year = source.first.map(|first| chrono::Datelike::year(&first.to_utc()));
            let from = match source.year {
                YearSource::Declared(_) => "declared",
                _ => "from the dated sources beside it",
            };
            notes.push(format!("year {} {from}", year.map_or_else(String::new, |year| year.to_string())));
        }
        Basis::UnknownYear => notes.push("year unknown: declare it with --year".to_owned()),
        Basis::BootRelative => notes.push("seconds since boot".to_owned()),
        Basis::OrderOnly => notes.push("no times: order only".to_owned()),
        _ => {}
    }
    Clock {
        name: group.name.clone(),
        sources: group.members.clone(),
        basis: group.basis,
        reference,
        offset_ns: 0,
        support_ns: (0, 0),
        zone_error_ns: 0,
        grade,
        pairs: 0,
        inliers: 0,
        peak_ratio: 0.0,
        runner_up_ns: None,
        method: method.to_owned(),
        notes,
    }
}

/// A connection as a source saw it begin.
struct Sighting {
    src: Option<IpAddr>,
    src_port: Option<u16>,
    dst: Option<IpAddr>,
    dst_port: Option<u16>,
    protocol: Option<Protocol>,
    lo: i64,
    hi: i64,
}

/// The connections of a group.
#[derive(Default)]
struct Sightings {
    all: Vec<Sighting>,
    /// By token, as places in `all`: of more than [`PAIRS_PER_TOKEN`] one more is kept, so that it shows.
    by_token: BTreeMap<Token, Vec<usize>>,
    /// The keys of `by_token`.
    shown: BTreeSet<Token>,
}

/// The connections of every group, and the resolution of their stamps in nanoseconds (1 if there are none).
fn sightings(intake: &Intake, group_of: &[usize], groups: usize, names: &Names) -> (Vec<Sightings>, Vec<i64>) {
    let mut found: Vec<Sightings> = (0..groups).map(|_| Sightings::default()).collect();
    if groups == 1 {
        // Nothing to compare with: the resolution is all that is asked for.
        let segments = intake.conversations.iter().flat_map(|conversation| &conversation.segments);
        let starts = segments.flat_map(|segment| &segment.starts).map(|start| start.at.0);
        return (found, vec![resolution_of(starts)]);
    }
    for conversation in &intake.conversations {
        let key = conversation.key;
        let group = group_of.get(key.evidence.0 as usize).and_then(|group| found.get_mut(*group));
        let Some(Sightings { all, by_token, .. }) = group else { continue };
        let from = all.len();
        for start in conversation.segments.iter().flat_map(|segment| &segment.starts) {
            all.push(Sighting {
                src: key.src,
                src_port: Some(start.src_port),
                dst: key.dst,
                dst_port: key.dst_port,
                protocol: key.protocol,
                lo: start.at.0,
                hi: start.at.0,
            });
        }
        if from < all.len() {
            for token in names.tokens(key.dst, key.dst_port) {
                let hits = by_token.entry(token).or_default();
                hits.extend((from..all.len()).take((PAIRS_PER_TOKEN + 1).saturating_sub(hits.len())));
            }
        }
    }
    let resolutions = found.iter_mut().map(|Sightings { all, by_token, shown }| {
        *shown = by_token.keys().cloned().collect();
        let resolution = resolution_of(all.iter().map(|one| one.lo));
        for one in all.iter_mut() {
            one.hi = one.lo.saturating_add(resolution - 1);
        }
        resolution
    });
    let resolutions = resolutions.collect();
    (found, resolutions)
}

/// What stamps are cut to, read off the stamps themselves, in nanoseconds; 1 if there are none.
fn resolution_of(mut stamps: impl Iterator<Item = i64> + Clone) -> i64 {
    let divides = |unit: &i64| stamps.clone().all(|stamp| stamp % unit == 0);
    let resolution = [SECOND, 1_000_000, 1_000].into_iter().find(divides).unwrap_or(1);
    if stamps.next().is_some() { resolution } else { 1 }
}

/// Pairs of one connection in two packet sources: same addresses, ports and protocol.
fn same_packets(ours: &[Sighting], theirs: &[Sighting], their_offset_ns: i64) -> Vec<Pair> {
    type Tuple = (Option<IpAddr>, Option<u16>, Option<IpAddr>, Option<u16>, Option<Protocol>);
    let tuple = |one: &Sighting| -> Tuple { (one.src, one.src_port, one.dst, one.dst_port, one.protocol) };
    let mut by_tuple: BTreeMap<Tuple, Vec<&Sighting>> = BTreeMap::new();
    for one in theirs {
        by_tuple.entry(tuple(one)).or_default().push(one);
    }
    let mut keys: BTreeMap<Tuple, u64> = BTreeMap::new();
    let mut pairs = Vec::new();
    for one in ours {
        let next = keys.len() as u64;
        let key = *keys.entry(tuple(one)).or_insert(next);
        for other in by_tuple.get(&tuple(one)).into_iter().flatten().take(PAIRS_PER_TOKEN) {
            pairs.push(Pair {
                lo_ns: one.lo.saturating_sub(other.hi).saturating_add(their_offset_ns).saturating_sub(SAME_PACKET_NS),
                hi_ns: one.hi.saturating_sub(other.lo).saturating_add(their_offset_ns).saturating_add(SAME_PACKET_NS),
                weight: 1.0,
                key,
            });
        }
    }
    pairs
}

fn negated(pairs: Vec<Pair>, offset_ns: i64) -> Vec<Pair> {
    pairs
        .into_iter()
        .map(|pair| Pair {
            lo_ns: pair.hi_ns.saturating_neg().saturating_add(offset_ns),
            hi_ns: pair.lo_ns.saturating_neg().saturating_add(offset_ns),
            ..pair
        })
        .collect()
}

/// The tool calls of a group of transcripts.
struct Calls<'a> {
    intake: &'a Intake,
    acts: &'a [Act],
    group: &'a Group,
}

impl Calls<'_> {
    /// Pairs of a call and a connection that it names: the call was recorded before the connection began, and the
    /// connection began before the call's result was recorded. Offsets are transcript minus reference. Benign calls
    /// alone where there are enough; a clock tuned on the events under test would find what it was tuned to.
    fn against(&self, sightings: &Sightings, their_offset_ns: i64) -> Vec<Pair> {
        let benign = self.pairs(sightings, their_offset_ns, true);
        let distinct: BTreeSet<u64> = benign.iter().map(|pair| pair.key).collect();
        if distinct.len() >= 5 { benign } else { self.pairs(sightings, their_offset_ns, false) }
    }

    fn pairs(&self, sightings: &Sightings, their_offset_ns: i64, benign_only: bool) -> Vec<Pair> {
        let Sightings { all, by_token, shown } = sightings;
        let mut written: BTreeMap<Token, usize> = BTreeMap::new();
        let mut steps = 0;
        for act in self.acts {
            steps += 1;
            for token in tokens::shared(&act.tokens, shown) {
                *written.entry(token).or_insert(0) += 1;
            }
        }
        let mut pairs = Vec::new();
        for (index, (step, act)) in self.intake.steps.iter().zip(self.acts).enumerate() {
            let ours = self.group.members.contains(&step.record.evidence);
            if !ours || !act.network || step.not_executed || (benign_only && act.is_suspect()) {
                continue;
            }
            let Some(start) = step.start.filter(|start| start.span.basis <= Basis::AssumedZone) else { continue };
            // What a launcher leaves behind may begin long after the call has ended.
            let end = step
                .end
                .filter(|_| !act.leaves_running())
                .map_or_else(|| start.span.hi.plus(OPEN_CALL_NS), |end| end.span.hi);
            // The rarest token decides; a name and its address are not two witnesses.
            let rarest = tokens::shared(&act.tokens, shown)
                .into_iter()
                .filter(|token| by_token.get(token).is_some_and(|hits| hits.len() <= PAIRS_PER_TOKEN))
                .min_by_key(|token| (written.get(token).copied().unwrap_or(0), token.clone()));
            let Some(token) = rarest else { continue };
            let count = written.get(&token).copied().unwrap_or(0);
            let weight = vote::rarity(count as u64, steps);
            for hit in by_token.get(&token).into_iter().flatten() {
                let seen = &all[*hit];
                pairs.push(Pair {
                    lo_ns: start.span.lo.0.saturating_sub(seen.hi).saturating_add(their_offset_ns),
                    hi_ns: end.0.saturating_sub(seen.lo).saturating_add(their_offset_ns),
                    weight,
                    key: index as u64,
                });
            }
        }
        pairs
    }
}

fn settle(clock: &mut Clock, vote: &Vote, method: &str) {
    let zone = zone::decide(vote);
    clock.offset_ns = zone.offset_ns;
    clock.zone_error_ns = zone.zone_error_ns;
    clock.support_ns = vote.support_ns;
    clock.pairs = vote.keys;
    clock.inliers = vote.inliers;
    clock.peak_ratio = vote.peak_ratio;
    clock.runner_up_ns = vote.runner_up.map(|rival| rival.middle_ns);
    clock.method = format!("interval voting: {method}");
    clock.grade = vote.grade();
    clock.notes.retain(|note| note != "zone assumed UTC");
    clock.notes.push(zone.note);
    if vote.is_ambiguous() {
        clock.notes.push(format!(
            "ambiguous: another offset has {:.0} % of the support; no timing conclusions",
            vote.peak_ratio * 100.0
        ));
    }
}

/// Servers tell their own time in HTTP `Date`: the middle difference pins the capture's clock to the outside.
fn note_server_times(clocks: &mut Clocks, intake: &Intake) {
    let mut by_clock: BTreeMap<usize, Vec<i64>> = BTreeMap::new();
    for anchor in &intake.facts.anchors {
        if let Some(row) = clocks.of.get(anchor.record.evidence.0 as usize).filter(|row| **row != usize::MAX) {
            by_clock.entry(*row).or_default().push(anchor.seen.since(anchor.told));
        }
    }
    for (row, mut differences) in by_clock {
        differences.sort_unstable();
        let middle = differences[differences.len() / 2] as f64 / SECOND as f64;
        clocks.rows[row]
            .notes
            .push(format!("{middle:+.1} s against {} server times (HTTP Date, whole seconds)", differences.len()));
    }
}

#[cfg(test)]
mod tests;

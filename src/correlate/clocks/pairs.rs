//! Pairs of records, one of each of two sources, that are of one event if they are of any.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{Hash, Hasher};
use std::net::IpAddr;

use ipnet::IpNet;

use super::groups::Group;
use crate::correlate::acts::Act;
use crate::correlate::names::Names;
use crate::correlate::tokens::{self, Token, Written};
use crate::correlate::vote::{self, Pair};
use crate::evidence::EvidenceId;
use crate::intake::Intake;
use crate::model::{Conversation, Flow};
use crate::stats::hash::{Fnv, mix};
use crate::time::{Basis, Instant, SECOND};

/// A firewall writes its line, and a capture its packet, within this of each other, in nanoseconds.
const SAME_PACKET_NS: i64 = 20_000_000;
/// A call whose end is not recorded is taken to last at most this long when clocks are compared.
pub(super) const OPEN_CALL_NS: i64 = 600 * SECOND;
/// A token that makes more pairs than this says nothing.
const PAIRS_PER_TOKEN: usize = 200;

/// A record of ours and one of theirs, each as the earliest and the latest moment, on its own clock, at which it may
/// have stood for what both saw.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Meeting {
    pub(super) ours: (i64, i64),
    pub(super) theirs: (i64, i64),
    pub(super) weight: f64,
    pub(super) key: u64,
}

impl Meeting {
    /// Seen from the other side.
    pub(super) fn turned(self) -> Meeting {
        Meeting { ours: self.theirs, theirs: self.ours, ..self }
    }

    /// What it allows for our clock minus the reference, with theirs brought onto the reference.
    pub(super) fn pair(&self, to_reference: impl Fn(i64) -> i64) -> Pair {
        let (first, last) = (to_reference(self.theirs.0), to_reference(self.theirs.1));
        Pair {
            lo_ns: self.ours.0.saturating_sub(last),
            hi_ns: self.ours.1.saturating_sub(first),
            at_ns: first,
            weight: self.weight,
            key: self.key,
        }
    }
}

/// A connection as a source saw it begin.
pub(super) struct Sighting {
    flow: Flow,
    lo: i64,
    hi: i64,
}

impl Sighting {
    fn new(flow: Flow, at: Instant) -> Self {
        Sighting { flow, lo: at.0, hi: at.0 }
    }

    /// The connections of a conversation.
    fn all(conversation: &Conversation) -> impl Iterator<Item = Sighting> {
        let flow = conversation.key.flow();
        let starts = conversation.segments.iter().flat_map(|segment| &segment.starts);
        starts.map(move |start| Sighting::new(Flow { src_port: Some(start.src_port), ..flow }, start.at))
    }
}

/// Peer, its port, and the first sequence number of the opener.
type Sequence = (Option<IpAddr>, Option<u16>, u32);

/// The connections of a group.
#[derive(Default)]
pub(super) struct Sightings {
    pub(super) all: Vec<Sighting>,
    /// The same connections beyond address translation, where a record states it.
    pub(super) beyond: Vec<Sighting>,
    /// Connections by their peer and the opener's first sequence number.
    sequences: BTreeMap<Sequence, Vec<(i64, i64)>>,
    /// By token that some call wrote, and by opener, as places in `all`: of more than [`PAIRS_PER_TOKEN`] one more is
    /// kept, so that it shows.
    by_token: BTreeMap<Token, BTreeMap<Option<IpAddr>, Vec<usize>>>,
    /// The keys of `by_token`.
    shown: BTreeSet<Token>,
    /// Who opened any of those.
    sources: BTreeSet<Option<IpAddr>>,
    /// By token, in how many calls it stands that the connections bear out.
    written: BTreeMap<Token, usize>,
}

/// The connections of every group, and the resolution of their stamps in nanoseconds (1 if there are none).
pub(super) fn sightings(
    intake: &Intake,
    group_of: &[Option<usize>],
    groups: usize,
    names: &Names,
    acts: &[Act],
) -> (Vec<Sightings>, Vec<i64>) {
    let mut found: Vec<Sightings> = (0..groups).map(|_| Sightings::default()).collect();
    let mut resolutions = vec![Resolution::default(); groups];
    let group_of = |evidence: EvidenceId| group_of.get(evidence.0 as usize).copied().flatten();
    let mut sizes = vec![0_usize; groups];
    for conversation in intake.conversations.iter() {
        let Some(group) = group_of(conversation.key.evidence) else { continue };
        for start in conversation.segments.iter().flat_map(|segment| &segment.starts) {
            sizes[group] += 1;
            resolutions[group].take(start.at.0);
        }
    }
    let resolutions: Vec<i64> = resolutions.iter().map(Resolution::get).collect();
    if groups == 1 {
        // Nothing to compare with: the resolution is all that is asked for.
        return (found, resolutions);
    }
    // A log may hold any number of connections that no other source saw: of the largest group those are kept that may meet
    // another's, and those that a call names.
    let largest = (0..groups).max_by_key(|group| (sizes[*group], std::cmp::Reverse(*group)));
    let elsewhere = elsewhere(intake, &|evidence| group_of(evidence).filter(|group| Some(*group) != largest).is_some());
    // A log may show any number of peers that no call names.
    let wanted = Written::of(acts.iter().map(|act| act.tokens()));
    for conversation in intake.conversations.iter() {
        let key = conversation.key;
        let Some(group) = group_of(key.evidence) else { continue };
        let Sightings { all, by_token, .. } = &mut found[group];
        let stranger = key.dst.is_none_or(|dst| !names.has(dst) && wanted.is_stranger(dst, key.dst_port));
        let from = all.len();
        let meets = |one: &Sighting| Some(group) != largest || elsewhere.binary_search(&hash(one.flow)).is_ok();
        all.extend(Sighting::all(&conversation).filter(|one| !stranger || meets(one)));
        if from < all.len() && !stranger {
            for token in names.tokens(key.dst, key.dst_port).into_iter().filter(|token| wanted.asks_for(token)) {
                let hits = by_token.entry(token).or_default().entry(key.src).or_default();
                hits.extend((from..all.len()).take((PAIRS_PER_TOKEN + 1).saturating_sub(hits.len())));
            }
        }
    }
    for crossing in &intake.facts.crossings {
        let Some(group) = group_of(crossing.record.evidence) else { continue };
        let Sightings { beyond, .. } = &mut found[group];
        beyond.push(Sighting::new(crossing.flow, crossing.at));
    }
    for fact in &intake.facts.sequences {
        let Some(group) = group_of(fact.record.evidence) else { continue };
        let Sightings { sequences, .. } = &mut found[group];
        let key = (fact.flow.dst, fact.flow.dst_port, fact.sequence);
        sequences.entry(key).or_default().push((fact.at.0, fact.at.0));
    }
    for (Sightings { all, beyond, sequences, by_token, shown, written, sources }, resolution) in
        found.iter_mut().zip(&resolutions)
    {
        *shown = by_token.keys().cloned().collect();
        *sources = by_token.values().flat_map(BTreeMap::keys).copied().collect();
        for token in acts.iter().filter(|_| !shown.is_empty()).flat_map(|act| tokens::shared(act.tokens(), shown)) {
            *written.entry(token).or_insert(0) += 1;
        }
        for one in all.iter_mut().chain(beyond) {
            one.hi = one.lo.saturating_add(resolution - 1);
        }
        for (lo, hi) in sequences.values_mut().flatten() {
            *hi = lo.saturating_add(resolution - 1);
        }
    }
    (found, resolutions)
}

/// Hashes of the connections of some evidence, also of those beyond address translation; sorted.
fn elsewhere(intake: &Intake, wanted: &dyn Fn(EvidenceId) -> bool) -> Vec<u64> {
    let evidence = (0..intake.sources.len()).filter_map(|at| u32::try_from(at).ok()).map(EvidenceId);
    let ranges = evidence.filter(|evidence| wanted(*evidence)).map(|evidence| intake.conversations_of(evidence));
    let mut hashes: Vec<u64> = intake.facts.crossings.iter().map(|crossing| hash(crossing.flow)).collect();
    for conversation in ranges.flat_map(|range| intake.conversations.within(range)) {
        hashes.extend(Sighting::all(&conversation).map(|one| hash(one.flow)));
    }
    hashes.sort_unstable();
    hashes.dedup();
    hashes
}

fn hash(flow: Flow) -> u64 {
    let mut hasher = Fnv::default();
    flow.hash(&mut hasher);
    mix(hasher.finish())
}

/// What stamps are cut to, read off the stamps themselves.
#[derive(Clone)]
struct Resolution {
    any: bool,
    /// Units in nanoseconds that divide all so far, the coarsest first.
    dividing: Vec<i64>,
}

impl Default for Resolution {
    fn default() -> Self {
        Resolution { any: false, dividing: vec![SECOND, 1_000_000, 1_000] }
    }
}

impl Resolution {
    fn take(&mut self, stamp: i64) {
        self.any = true;
        if self.dividing.first().is_some_and(|unit| stamp % unit != 0) {
            self.dividing.retain(|unit| stamp % unit == 0);
        }
    }

    /// In nanoseconds; 1 if there are no stamps.
    fn get(&self) -> i64 {
        self.dividing.first().copied().filter(|_| self.any).unwrap_or(1)
    }
}

/// Meetings of one connection in two packet sources: the same peer and first sequence number, where both have it of
/// enough connections (a number of 32 bits is that of one connection, whatever translates addresses between the two);
/// else same addresses, ports and protocol, as one of them has it or as it states it to be beyond address translation.
pub(super) fn same_connections(ours: &Sightings, theirs: &Sightings) -> Vec<Meeting> {
    let exact = same_sequences(ours, theirs);
    if exact.len() >= FEWEST_EXACT {
        return exact;
    }
    let mut meetings = same_packets(&ours.all, &theirs.all);
    for (ours, theirs) in [(&ours.beyond, &theirs.all), (&ours.all, &theirs.beyond)] {
        let after = meetings.iter().map(|meeting| meeting.key + 1).max().unwrap_or(0);
        let more = same_packets(ours, theirs).into_iter();
        meetings.extend(more.map(|meeting| Meeting { key: meeting.key + after, ..meeting }));
    }
    meetings
}

/// From as many on, exact pairs stand alone.
const FEWEST_EXACT: usize = 5;

fn same_sequences(ours: &Sightings, theirs: &Sightings) -> Vec<Meeting> {
    let mut meetings = Vec::new();
    for (key, (sequence, sights)) in (0_u64..).zip(&ours.sequences) {
        // One sight on each side: a number that comes again is that of a retransmission or of a record of its end.
        let (Some(ours), Some(theirs)) = (sights.first(), theirs.sequences.get(sequence).and_then(|all| all.first()))
        else {
            continue;
        };
        let ours = (ours.0.saturating_sub(SAME_PACKET_NS), ours.1.saturating_add(SAME_PACKET_NS));
        meetings.push(Meeting { ours, theirs: *theirs, weight: 1.0, key });
    }
    meetings
}

fn same_packets(ours: &[Sighting], theirs: &[Sighting]) -> Vec<Meeting> {
    let mut by_tuple: BTreeMap<Flow, Vec<&Sighting>> = BTreeMap::new();
    for one in theirs {
        by_tuple.entry(one.flow).or_default().push(one);
    }
    let mut keys: BTreeMap<Flow, u64> = BTreeMap::new();
    let mut meetings = Vec::new();
    for one in ours {
        let next = keys.len() as u64;
        let key = *keys.entry(one.flow).or_insert(next);
        for other in by_tuple.get(&one.flow).into_iter().flatten().take(PAIRS_PER_TOKEN) {
            let ours = (one.lo.saturating_sub(SAME_PACKET_NS), one.hi.saturating_add(SAME_PACKET_NS));
            meetings.push(Meeting { ours, theirs: (other.lo, other.hi), weight: 1.0, key });
        }
    }
    meetings
}

/// The tool calls of a group of transcripts.
pub(super) struct Calls<'a> {
    pub(super) intake: &'a Intake,
    pub(super) acts: &'a [Act],
    pub(super) group: &'a Group,
    /// Places of steps by the evidence that they stand in, ascending.
    pub(super) places: &'a BTreeMap<EvidenceId, Vec<usize>>,
}

impl Calls<'_> {
    /// Meetings of a call and a connection that it names: the call was recorded before the connection began, and the
    /// connection began before the call's result was recorded. Benign calls alone where there are enough; a clock tuned
    /// on the events under test would find what it was tuned to.
    pub(super) fn against(&self, sightings: &Sightings) -> Vec<Meeting> {
        let benign = self.meetings(sightings, true);
        let distinct: BTreeSet<u64> = benign.iter().map(|meeting| meeting.key).collect();
        if distinct.len() >= 5 { benign } else { self.meetings(sightings, false) }
    }

    fn meetings(&self, sightings: &Sightings, benign_only: bool) -> Vec<Meeting> {
        let Sightings { all, shown, written, .. } = sightings;
        let steps = self.acts.len() as u64;
        let own = self.group.members.iter().filter_map(|member| self.places.get(member));
        let mut own: Vec<usize> = own.flatten().copied().collect();
        own.sort_unstable();
        let openers = sightings.openers(&self.group.addresses);
        let mut meetings = Vec::new();
        for index in own {
            let (Some(step), Some(act)) = (self.intake.steps.get(index), self.acts.get(index)) else { continue };
            if !act.network || step.not_executed || (benign_only && act.is_suspect()) {
                continue;
            }
            let Some(start) = step.start.filter(|start| start.span.basis <= Basis::AssumedZone) else { continue };
            // What a launcher leaves behind may begin long after the call has ended.
            let end = step
                .end
                .filter(|_| !act.leaves_running())
                .map_or_else(|| start.span.hi.plus(OPEN_CALL_NS), |end| end.span.hi);
            // The rarest token decides; a name and its address are not two witnesses.
            let rarest = tokens::shared(act.tokens(), shown)
                .into_iter()
                .filter_map(|token| {
                    Some((written.get(&token).copied().unwrap_or(0), sightings.hits(&token, &openers)?, token))
                })
                .min_by(|(a, _, x), (b, _, y)| a.cmp(b).then_with(|| x.cmp(y)));
            let Some((count, hits, _)) = rarest else { continue };
            let weight = vote::rarity(count as u64, steps);
            for seen in hits.into_iter().filter_map(|hit| all.get(hit)) {
                meetings.push(Meeting {
                    ours: (start.span.lo.0, end.0),
                    theirs: (seen.lo, seen.hi),
                    weight,
                    key: index as u64,
                });
            }
        }
        meetings
    }
}

/// Whose connections may be those of a call.
enum Openers {
    Anyone,
    These(Vec<Option<IpAddr>>),
}

impl Sightings {
    /// Those of the addresses that opened anything here that a call names. Anyone if none did: the source may stand
    /// beyond address translation.
    fn openers(&self, addresses: &[IpNet]) -> Openers {
        let within =
            |src: &&Option<IpAddr>| src.is_some_and(|src| addresses.iter().any(|network| network.contains(&src)));
        let own: BTreeSet<Option<IpAddr>> = match addresses {
            [] => BTreeSet::new(),
            _ => self.sources.iter().filter(within).copied().collect(),
        };
        if own.is_empty() { Openers::Anyone } else { Openers::These(own.into_iter().collect()) }
    }

    /// Connections that show the token, as places in `all`. `None` if there are none, or so many that it says nothing.
    fn hits(&self, token: &Token, openers: &Openers) -> Option<Vec<usize>> {
        let by_opener = self.by_token.get(token)?;
        let hits: Vec<usize> = match openers {
            Openers::Anyone => by_opener.values().flatten().take(PAIRS_PER_TOKEN + 1).copied().collect(),
            Openers::These(own) => own.iter().filter_map(|src| by_opener.get(src)).flatten().copied().collect(),
        };
        (1..=PAIRS_PER_TOKEN).contains(&hits.len()).then_some(hits)
    }
}

#[cfg(test)]
mod tests;

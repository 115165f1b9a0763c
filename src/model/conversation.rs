use std::net::IpAddr;
use std::num::NonZeroU64;

use serde::{Deserialize, Serialize};
use smallvec::SmallVec;

use super::{Flow, Protocol};
use crate::evidence::EvidenceId;
use crate::time::{Basis, Instant};

/// What the observations of a conversation share.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ConversationKey {
    pub evidence: EvidenceId,
    pub src: Option<IpAddr>,
    pub dst: Option<IpAddr>,
    pub dst_port: Option<u16>,
    pub protocol: Option<Protocol>,
}

impl ConversationKey {
    /// Sorts as the key does, by integers.
    pub fn order(&self) -> impl Ord + use<> {
        let address = |address: Option<IpAddr>| match address {
            None => (0_u8, 0),
            Some(IpAddr::V4(v4)) => (1, u128::from(u32::from(v4))),
            Some(IpAddr::V6(v6)) => (2, u128::from(v6)),
        };
        (self.evidence, address(self.src), address(self.dst), self.dst_port, self.protocol)
    }

    /// Opener, peer, port and protocol.
    pub fn flow(&self) -> Flow {
        Flow { src: self.src, src_port: None, dst: self.dst, dst_port: self.dst_port, protocol: self.protocol }
    }
}

/// All observations of one (opener, peer, port, protocol) in one evidence, as segments with quiet between them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Conversation {
    pub key: ConversationKey,
    /// Disjoint, ascending, further apart than the session gap. Most conversations have one.
    pub segments: Segments,
}

/// A stretch of a conversation without a pause longer than the session gap. Its `first` is an onset.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Segment {
    pub first: Instant,
    pub last: Instant,
    /// Loosest basis among the observations.
    pub basis: Basis,
    /// Number of the earliest and of the latest record.
    pub first_record: u64,
    pub last_record: u64,
    pub observations: u64,
    pub allowed: u64,
    pub denied: u64,
    pub answered: u64,
    /// Connections that were denied, refused or never answered, where the record tells.
    pub failed: u64,
    /// Sums over the records that state them; `None` if none does.
    pub bytes_out: Sum,
    pub bytes_in: Sum,
    pub packets_out: Sum,
    pub packets_in: Sum,
    /// Connections by source port: the earliest [`Segment::STARTS_KEPT`] of them.
    pub starts: SmallVec<[Connection; 1]>,
    /// There were more connections than [`Segment::STARTS_KEPT`].
    pub starts_omitted: bool,
    /// Which source ports were met, by their last seven bits: one that is not among them needs no search.
    pub(crate) ports_met: [u64; 2],
    /// Firewall rules or log prefixes.
    pub rules: Rules,
}

/// The segments of a conversation; one of them takes no memory of its own.
pub type Segments = SmallVec<[Segment; 1]>;

impl Segment {
    /// Bound on the connections kept one by one.
    pub const STARTS_KEPT: usize = 64;

    /// A stretch without anything in it yet.
    pub fn empty(first: Instant, last: Instant, basis: Basis, record: u64) -> Self {
        Segment {
            first,
            last,
            basis,
            first_record: record,
            last_record: record,
            observations: 0,
            allowed: 0,
            denied: 0,
            answered: 0,
            failed: 0,
            bytes_out: Sum::default(),
            bytes_in: Sum::default(),
            packets_out: Sum::default(),
            packets_in: Sum::default(),
            starts: SmallVec::new(),
            starts_omitted: false,
            ports_met: [0; 2],
            rules: Rules::default(),
        }
    }
}

/// A sum over records that need not state what is summed: unknown until one does. Stops at 2^64 − 2.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sum {
    /// One more than the sum, so that a segment of many stays small.
    above: Option<NonZeroU64>,
}

impl Sum {
    /// The sum, if any record stated one.
    pub fn get(self) -> Option<u64> {
        self.above.map(|above| above.get() - 1)
    }

    /// Adds what a record states.
    pub fn add(&mut self, more: Option<u64>) {
        if let Some(more) = more {
            self.above = NonZeroU64::new(self.get().unwrap_or(0).saturating_add(more).saturating_add(1));
        }
    }
}

/// Names with how often each was named, sorted. Nothing takes no memory of its own.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[expect(clippy::box_collection, reason = "most segments have none, and there are millions of segments")]
pub struct Rules(Option<Box<Vec<(String, u64)>>>);

impl Rules {
    /// All of them.
    pub fn as_slice(&self) -> &[(String, u64)] {
        self.0.as_ref().map_or(&[], |rules| rules.as_slice())
    }

    /// Counts `more` sights of a name. A segment names one rule or two: a sorted list is a tenth of a map.
    pub fn count(&mut self, rule: &str, more: u64) {
        let rules = self.0.get_or_insert_default();
        match rules.binary_search_by(|(known, _)| known.as_str().cmp(rule)) {
            Ok(at) => {
                if let Some((_, count)) = rules.get_mut(at) {
                    *count = count.saturating_add(more);
                }
            }
            Err(at) => {
                rules.reserve_exact(1);
                rules.insert(at, (rule.to_owned(), more));
            }
        }
    }
}

/// The first sight of one source port within a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Connection {
    pub at: Instant,
    pub src_port: u16,
    pub record: u64,
    /// Its end, as far as the record of its beginning tells (a capture knows, a log line does not).
    pub last: Instant,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_sort_as_keys_do() {
        let addresses: Vec<Option<IpAddr>> = [None, Some("9.0.0.1"), Some("10.0.0.0"), Some("::1"), Some("2001:db8::")]
            .into_iter()
            .map(|text| text.map(|text| text.parse().unwrap()))
            .collect();
        let mut keys = Vec::new();
        for (src, dst) in addresses.iter().flat_map(|src| addresses.iter().map(move |dst| (*src, *dst))) {
            for dst_port in [None, Some(0), Some(443)] {
                keys.push(ConversationKey {
                    evidence: EvidenceId(0),
                    src,
                    dst,
                    dst_port,
                    protocol: Some(Protocol::TCP),
                });
            }
        }
        for one in &keys {
            for other in &keys {
                assert_eq!(one.order().cmp(&other.order()), one.cmp(other), "{one:?} {other:?}");
            }
        }
    }
}

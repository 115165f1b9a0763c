use std::net::IpAddr;

use super::{Flow, Protocol};
use crate::evidence::EvidenceId;
use crate::time::{Basis, Instant};

/// What the observations of a conversation share.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConversationKey {
    pub evidence: EvidenceId,
    pub src: Option<IpAddr>,
    pub dst: Option<IpAddr>,
    pub dst_port: Option<u16>,
    pub protocol: Option<Protocol>,
}

impl ConversationKey {
    /// Opener, peer, port and protocol.
    pub fn flow(&self) -> Flow {
        Flow { src: self.src, src_port: None, dst: self.dst, dst_port: self.dst_port, protocol: self.protocol }
    }
}

/// All observations of one (opener, peer, port, protocol) in one evidence, as segments with quiet between them.
#[derive(Clone, Debug, PartialEq)]
pub struct Conversation {
    pub key: ConversationKey,
    /// Disjoint, ascending, further apart than the session gap.
    pub segments: Vec<Segment>,
}

/// A stretch of a conversation without a pause longer than the session gap. Its `first` is an onset.
#[derive(Clone, Debug, PartialEq)]
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
    pub bytes_out: Option<u64>,
    pub bytes_in: Option<u64>,
    pub packets_out: Option<u64>,
    pub packets_in: Option<u64>,
    /// Connections by source port: the earliest [`Segment::STARTS_KEPT`] of them.
    pub starts: Vec<Connection>,
    /// There were more connections than [`Segment::STARTS_KEPT`].
    pub starts_omitted: bool,
    /// Firewall rules or log prefixes with how often each was named, sorted by name.
    pub rules: Vec<(String, u64)>,
}

impl Segment {
    /// Bound on the connections kept one by one.
    pub const STARTS_KEPT: usize = 64;
}

/// The first sight of one source port within a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Connection {
    pub at: Instant,
    pub src_port: u16,
    pub record: u64,
    /// Its end, as far as the record of its beginning tells (a capture knows, a log line does not).
    pub last: Instant,
}

//! Connections as events on the reference clock.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;

use super::acts::Act;
use super::clocks::Clocks;
use super::names::Names;
use super::tokens::{Token, Written};
use crate::evidence::{EvidenceId, Record};
use crate::intake::Intake;
use crate::model::{ConversationKey, Flow, Protocol};
use crate::time::Instant;

/// Something that a step may have set off.
#[derive(Clone, Debug)]
pub(crate) struct Event {
    pub(crate) evidence: EvidenceId,
    /// When it began, on the reference clock, and how far off that may be either way, in nanoseconds.
    pub(crate) at: Instant,
    pub(crate) slack_ns: i64,
    /// Last moment of the connection, as far as its first record tells.
    pub(crate) until: Instant,
    pub(crate) src: Option<IpAddr>,
    pub(crate) src_port: Option<u16>,
    pub(crate) dst: Option<IpAddr>,
    pub(crate) dst_port: Option<u16>,
    pub(crate) protocol: Option<Protocol>,
    pub(crate) record: Record,
    /// By what commands have named it, and the port of a peer without a name; shared by all connections of which these
    /// are the same.
    pub(crate) tokens: Arc<BTreeSet<Token>>,
    /// Index into [`Intake::conversations`] and its segment; `None` for what is not a connection.
    pub(crate) segment: Option<(usize, usize)>,
    /// The time of it can be compared with steps at all.
    pub(crate) timed: bool,
    /// The firewall or the peer let it through, as far as known.
    pub(crate) failed: bool,
}

impl Event {
    /// Opener, peer, port and protocol.
    pub(crate) fn peers(&self) -> Flow {
        Flow { src: self.src, src_port: None, dst: self.dst, dst_port: self.dst_port, protocol: self.protocol }
    }
}

/// Every connection start of every conversation that `wanted` lets through, sorted by time.
pub(crate) fn events(
    intake: &Intake,
    clocks: &Clocks,
    names: &Names,
    acts: &[Act],
    wanted: &dyn Fn(&ConversationKey) -> bool,
) -> Vec<Event> {
    let mut events = Vec::new();
    let written = Written::of(acts.iter().map(|act| &act.tokens));
    let counts = |token: &Token| matches!(token, Token::UnresolvedPort(_)) || written.asks_for(token);
    let mut known: BTreeMap<BTreeSet<Token>, Arc<BTreeSet<Token>>> = BTreeMap::new();
    let mut strangers: BTreeMap<Option<u16>, Arc<BTreeSet<Token>>> = BTreeMap::new();
    for (index, conversation) in intake.conversations.iter().enumerate() {
        let key = conversation.key;
        if !wanted(&key) {
            continue;
        }
        let tokens = Arc::clone(match key.dst {
            Some(dst) if !names.has(dst) && written.is_stranger(dst, key.dst_port) => {
                let port = || key.dst_port.map(Token::UnresolvedPort);
                strangers.entry(key.dst_port).or_insert_with(|| Arc::new(port().into_iter().collect()))
            }
            _ => {
                let shown: BTreeSet<Token> = names.shown(key.dst, key.dst_port).into_iter().filter(counts).collect();
                known.entry(shown.clone()).or_insert_with(|| Arc::new(shown))
            }
        });
        for (part, segment) in conversation.segments.iter().enumerate() {
            let event = |at, src_port, number, last| {
                let (at, slack_ns) = clocks.align_stamp(key.evidence, at);
                Event {
                    evidence: key.evidence,
                    at,
                    slack_ns,
                    until: clocks.align(key.evidence, last).max(at),
                    src: key.src,
                    src_port,
                    dst: key.dst,
                    dst_port: key.dst_port,
                    protocol: key.protocol,
                    record: Record { evidence: key.evidence, number },
                    tokens: Arc::clone(&tokens),
                    segment: Some((index, part)),
                    timed: segment.basis.is_dated() || clocks.is_tied(key.evidence, segment.first),
                    failed: segment.failed > 0 && segment.allowed == 0 && segment.answered == 0,
                }
            };
            if segment.starts.is_empty() {
                events.push(event(segment.first, None, segment.first_record, segment.last));
            }
            for start in &segment.starts {
                events.push(event(start.at, Some(start.src_port), start.record, start.last));
            }
        }
    }
    events.sort_by_key(|event| (event.at, event.record, event.src_port));
    events
}

//! KCP, a reliable transport over UDP (<https://github.com/skywind3000/kcp>), as kcptun, frp and games use it when they
//! do not encrypt it.
//!
//! A datagram is a chain of segments: conversation, command, fragment, window, time, number, next number expected and
//! length, all little-endian, then data. An acknowledgement brings back number and time of what it acknowledges.

use super::datagram::DatagramReader;
use super::sight::Sight;
use super::{Emit, Packet, side};
use crate::model::{Flow, Mark, Tunnel, TunnelClass};
use crate::time::Instant;

const PUSH: u8 = 81;
const ACK: u8 = 82;
const WINDOW_TELL: u8 = 84;
/// Bound on the pushed segments of a side that wait for their acknowledgement.
const PUSHED_KEPT: usize = 32;
/// Datagrams that are looked at closely.
const CLOSELY: u64 = 64;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Segment {
    conversation: u32,
    command: u8,
    time: u32,
    number: u32,
}

/// The first segment, and what follows it.
fn segment(bytes: &[u8]) -> Option<(Segment, &[u8])> {
    let word = |at: usize| bytes.get(at..)?.first_chunk().map(|word| u32::from_le_bytes(*word));
    let command = *bytes.get(4)?;
    let fragment = *bytes.get(5)?;
    let length = usize::try_from(word(20)?).ok()?;
    let fits = match command {
        PUSH => length > 0,
        ACK..=WINDOW_TELL => length == 0 && fragment == 0,
        _ => false,
    };
    let segment = Segment { conversation: word(0)?, command, time: word(8)?, number: word(12)? };
    if !fits || segment.conversation == 0 {
        return None;
    }
    Some((segment, bytes.get(24..)?.get(length..)?))
}

/// The segments of a datagram, if it is nothing but segments of one conversation.
fn segments(bytes: &[u8]) -> Option<Vec<Segment>> {
    let (first, mut rest) = segment(bytes)?;
    let mut all = vec![first];
    while !rest.is_empty() {
        let (next, after) = segment(rest)?;
        if next.conversation != first.conversation {
            return None;
        }
        all.push(next);
        rest = after;
    }
    Some(all)
}

pub(super) fn sniff(bytes: &[u8], _flow: Flow) -> bool {
    bytes.get(4).is_some_and(|command| (PUSH..=WINDOW_TELL).contains(command)) && segments(bytes).is_some()
}

pub(super) fn reader(flow: Flow) -> Box<dyn DatagramReader> {
    Box::new(Kcp { flow, ..Kcp::default() })
}

#[derive(Default)]
struct Kcp {
    flow: Flow,
    conversation: u32,
    /// Number and time of what each side pushed last.
    pushed: [Vec<(u32, u32)>; 2],
    datagrams: [u64; 2],
    acknowledged: u64,
    strange: u64,
    sight: Sight,
}

impl Kcp {
    fn mark(&self) -> Option<Mark> {
        let [one, other] = self.datagrams;
        match (self.acknowledged, one.min(other), one.max(other)) {
            (1.., _, _) => Some(Mark::Exchange),
            (_, 2.., _) | (_, _, 4..) => Some(Mark::OneSide),
            (_, _, 2..) => Some(Mark::Shape),
            _ => None,
        }
    }
}

impl DatagramReader for Kcp {
    fn datagram(&mut self, packet: Packet, bytes: &[u8], _emit: &mut Emit<'_>) {
        if self.sight.packets() >= CLOSELY && self.acknowledged > 0 {
            return self.sight.count(packet);
        }
        let found = segments(bytes).unwrap_or_default();
        let Some(first) = found.first() else {
            self.strange += 1;
            return;
        };
        if self.sight.packets() == 0 {
            self.conversation = first.conversation;
        } else if self.conversation != first.conversation {
            self.strange += 1;
            return;
        }
        self.sight.count(packet);
        if self.sight.packets() <= 2 {
            self.sight.prove(packet);
        }
        self.datagrams[packet.side()] += 1;
        for segment in &found {
            let key = (segment.number, segment.time);
            match segment.command {
                PUSH => {
                    let pushed = &mut self.pushed[packet.side()];
                    if pushed.len() >= PUSHED_KEPT {
                        pushed.remove(0);
                    }
                    pushed.push(key);
                }
                ACK if self.pushed[side(!packet.from_opener)].contains(&key) => {
                    self.acknowledged += 1;
                    self.sight.prove(packet);
                }
                _ => {}
            }
        }
    }

    fn is_done(&self) -> bool {
        false
    }

    fn is_refuted(&self) -> bool {
        self.acknowledged == 0 && self.strange > self.sight.packets().saturating_add(2)
    }

    fn finish(self: Box<Self>, last: Instant, emit: &mut Emit<'_>) {
        let Some(mark) = self.mark() else { return };
        let note = match self.acknowledged {
            0 => format!("segments of conversation {}", self.conversation),
            _ => format!("segments of conversation {} that the other side acknowledges", self.conversation),
        };
        let tunnel =
            Tunnel { protocol: "kcp", class: TunnelClass::Proxy, mark, note: note.into(), ..Tunnel::default() };
        self.sight.report(self.flow, tunnel, last, emit);
    }
}

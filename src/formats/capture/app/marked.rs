//! Programs that are told by the first bytes of either side, in a grammar that nothing else has.

use std::borrow::Cow;

use super::greeting::{Fit, Greeting};
use super::sight::Sight;
use super::{Emit, Packet, Reader, side};
use crate::model::{Flow, Mark, Tunnel, TunnelClass};
use crate::time::Instant;

/// Bytes of a direction that are kept.
const HEAD_KEPT: usize = 2048;

/// How a program is told.
#[derive(Debug)]
pub(super) struct Service {
    pub(super) protocol: &'static str,
    pub(super) class: TunnelClass,
    /// What the first bytes of the side that was recognised are.
    pub(super) begins: fn(&[u8]) -> Fit,
    /// What the other side answers.
    pub(super) answers: fn(&[u8]) -> Fit,
    pub(super) note: &'static str,
}

/// Looks at the beginning of both directions.
pub(super) struct MarkedReader {
    flow: Flow,
    service: &'static Service,
    first: Option<Packet>,
    answer: Option<Packet>,
    begun_by_opener: bool,
    heads: [Vec<u8>; 2],
    done: [bool; 2],
    fits: [bool; 2],
}

impl MarkedReader {
    pub(super) fn boxed(greeting: Greeting, service: &'static Service) -> Box<dyn Reader> {
        Box::new(MarkedReader {
            flow: greeting.flow,
            service,
            first: None,
            answer: None,
            begun_by_opener: greeting.from_opener,
            heads: Default::default(),
            done: [false; 2],
            fits: [false; 2],
        })
    }
}

impl Reader for MarkedReader {
    fn data(&mut self, packet: Packet, bytes: &[u8], _emit: &mut Emit<'_>) {
        let at = packet.side();
        if self.done[at] {
            return;
        }
        let begins = packet.from_opener == self.begun_by_opener;
        let slot = if begins { &mut self.first } else { &mut self.answer };
        slot.get_or_insert(packet);
        let head = &mut self.heads[at];
        let room = HEAD_KEPT.saturating_sub(head.len()).min(bytes.len());
        head.extend_from_slice(bytes.get(..room).unwrap_or_default());
        let fit = if begins { (self.service.begins)(head) } else { (self.service.answers)(head) };
        self.fits[at] = fit == Fit::Yes;
        if fit != Fit::More || head.len() >= HEAD_KEPT {
            self.done[at] = true;
            self.heads[at] = Vec::new();
        }
    }

    fn gap(&mut self, from_opener: bool, _bytes: u64) {
        self.done[side(from_opener)] = true;
    }

    fn is_done(&self, from_opener: bool) -> bool {
        self.done[side(from_opener)]
    }

    fn finish(self: Box<Self>, last: Instant, emit: &mut Emit<'_>) {
        let begun = side(self.begun_by_opener);
        let Some(first) = self.first.filter(|_| self.fits[begun]) else { return };
        let answer = self.answer.filter(|_| self.fits[1 - begun]);
        let mut sight = Sight::default();
        for packet in std::iter::once(first).chain(answer) {
            sight.count(packet);
            sight.prove(packet);
        }
        let tunnel = Tunnel {
            protocol: self.service.protocol,
            class: self.service.class,
            mark: if answer.is_some() { Mark::Exchange } else { Mark::OneSide },
            note: Cow::Borrowed(self.service.note),
            ..Tunnel::default()
        };
        sight.report(self.flow, tunnel, last, emit);
    }
}

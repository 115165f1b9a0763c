//! OpenVPN over UDP: a datagram is a packet.

use super::super::datagram::DatagramReader;
use super::super::{Emit, Packet};
use super::is_telling;
use super::session::Session;
use crate::model::Flow;
use crate::time::Instant;

pub(in super::super) fn sniff(bytes: &[u8], _flow: Flow) -> bool {
    is_telling(bytes)
}

pub(in super::super) fn reader(flow: Flow) -> Box<dyn DatagramReader> {
    Box::new(Datagrams(Session::new(flow)))
}

struct Datagrams(Session);

impl DatagramReader for Datagrams {
    fn datagram(&mut self, packet: Packet, bytes: &[u8], _emit: &mut Emit<'_>) {
        self.0.message(packet, bytes);
    }

    fn is_done(&self) -> bool {
        false
    }

    fn is_refuted(&self) -> bool {
        self.0.is_refuted()
    }

    fn finish(self: Box<Self>, last: Instant, emit: &mut Emit<'_>) {
        self.0.finish(last, emit);
    }
}

//! What reads a protocol over UDP.

use super::{Emit, Packet};
use crate::time::Instant;

/// Reads one protocol in both directions of a UDP conversation.
pub(super) trait DatagramReader: Send {
    /// The next datagram.
    fn datagram(&mut self, packet: Packet, bytes: &[u8], emit: &mut Emit<'_>);
    /// Nothing further can matter. Once true it stays true.
    fn is_done(&self) -> bool;
    /// What came since shows that it is another protocol: the reader is dropped, and others are asked.
    fn is_refuted(&self) -> bool {
        false
    }
    /// The conversation or the capture has ended.
    fn finish(self: Box<Self>, last: Instant, emit: &mut Emit<'_>);
}

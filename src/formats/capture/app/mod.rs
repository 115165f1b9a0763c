//! The protocols inside of flows, told by content, never by port alone.

use crate::model::{Flow, Observation};
use crate::time::Instant;

/// Where application readers put what they read.
pub(crate) type Emit<'a> = dyn FnMut(&Observation<'_>) + 'a;

/// Reads the protocols of one TCP conversation from its two reassembled byte streams. Bounded memory per flow.
#[derive(Default)]
pub(crate) struct TcpReaders {}

impl TcpReaders {
    /// A reader for a conversation; `from_start` tells whether its first bytes are in the capture (SYN seen).
    pub(crate) fn new(_flow: Flow, _from_start: bool) -> Self {
        TcpReaders {}
    }

    /// The next bytes of one direction, in stream order, each byte once. Called once per TCP segment that brings new
    /// bytes, so that segment lengths survive; `record` and `at` are the packet's.
    pub(crate) fn data(&mut self, _from_opener: bool, _bytes: &[u8], _at: Instant, _record: u64, _emit: &mut Emit<'_>) {
    }

    /// `bytes` bytes of one direction are missing from the capture; what follows does not join.
    pub(crate) fn gap(&mut self, _from_opener: bool, _bytes: u64) {}

    /// Nothing further in this direction can matter: the flow table may stop reassembling it.
    pub(crate) fn is_done(&self, _from_opener: bool) -> bool {
        true
    }

    /// The conversation or the capture has ended: reports what is reported once per flow.
    pub(crate) fn finish(self, _last: Instant, _emit: &mut Emit<'_>) {}
}

/// Reads one UDP payload.
pub(crate) fn read_datagram(
    _flow: Flow,
    _from_opener: bool,
    _bytes: &[u8],
    _at: Instant,
    _record: u64,
    _emit: &mut Emit<'_>,
) {
}

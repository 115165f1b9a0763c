//! What a conversation has shown of a carrying protocol, kept while it is read.

use super::{Emit, Packet};
use crate::model::{Detail, Flow, Tunnel};
use crate::time::Instant;

/// Bound on the records of proof kept for a conversation.
const PROOF_KEPT: usize = 8;

/// Packets that carry the mark, the first of them, and those that prove it.
#[derive(Debug, Default)]
pub(super) struct Sight {
    first: Option<Packet>,
    packets: u64,
    proof: Vec<u64>,
}

impl Sight {
    /// A packet that carries the mark.
    pub(super) fn count(&mut self, packet: Packet) {
        self.first.get_or_insert(packet);
        self.packets = self.packets.saturating_add(1);
    }

    /// A packet that is cited.
    pub(super) fn prove(&mut self, packet: Packet) {
        if self.proof.len() < PROOF_KEPT && !self.proof.contains(&packet.record) {
            self.proof.push(packet.record);
        }
    }

    /// How many packets carried the mark.
    pub(super) fn packets(&self) -> u64 {
        self.packets
    }

    /// Reports what was seen; `tunnel` says what it was.
    pub(super) fn report(self, flow: Flow, tunnel: Tunnel, last: Instant, emit: &mut Emit<'_>) {
        let Some(first) = self.first else { return };
        let last = Some(last.max(first.at));
        let mut proof = self.proof;
        proof.sort_unstable();
        let tunnel = Tunnel { packets: self.packets, last, proof, ..tunnel };
        emit(&first.observation(flow, Detail::Tunnel(tunnel)));
    }
}

/// Whether bytes look like the output of a cipher: few zeros and few repetitions. Random bytes fail this less than once
/// in a million.
pub(super) fn looks_random(bytes: &[u8; 16]) -> bool {
    let zeros = bytes.iter().filter(|byte| **byte == 0).count();
    let distinct = bytes.iter().enumerate().filter(|(at, byte)| !bytes.iter().take(*at).any(|b| b == *byte)).count();
    zeros <= 3 && distinct >= 9
}

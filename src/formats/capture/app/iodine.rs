//! iodine's raw mode: its tunnel beside the DNS, on the same port, where the way allows it.

use super::datagram::DatagramReader;
use super::{Emit, Packet};
use crate::model::{Detail, Flow, Mark, Tunnel, TunnelClass};
use crate::time::Instant;

/// Records of proof kept.
const PROOF: usize = 4;
/// Messages of one side that make it a tunnel.
const FEWEST: u64 = 3;

/// The header of raw mode (`encoding.h` of iodine): 10 d1 9e, then the command (login 1, data 2, ping 3) in the upper
/// and the user in the lower half of a byte. What data carries is compressed by zlib.
pub(super) fn sniff(bytes: &[u8], _flow: Flow) -> bool {
    match bytes {
        [0x10, 0xd1, 0x9e, 0x10..=0x1f, rest @ ..] => rest.len() == 16 || rest.is_empty(),
        [0x10, 0xd1, 0x9e, 0x20..=0x2f, 0x78, ..] => true,
        [0x10, 0xd1, 0x9e, 0x30..=0x3f] => true,
        _ => false,
    }
}

pub(super) fn reader(flow: Flow) -> Box<dyn DatagramReader> {
    Box::new(Raw { flow, first: None, messages: [0; 2], proof: Vec::new() })
}

struct Raw {
    flow: Flow,
    first: Option<Packet>,
    messages: [u64; 2],
    proof: Vec<u64>,
}

impl DatagramReader for Raw {
    fn datagram(&mut self, packet: Packet, bytes: &[u8], _emit: &mut Emit<'_>) {
        if !sniff(bytes, self.flow) {
            return;
        }
        self.first.get_or_insert(packet);
        self.messages[packet.side()] += 1;
        if self.proof.len() < PROOF {
            self.proof.push(packet.record);
        }
    }

    fn is_done(&self) -> bool {
        false
    }

    fn finish(self: Box<Self>, last: Instant, emit: &mut Emit<'_>) {
        let Some(first) = self.first else { return };
        let [ours, theirs] = self.messages;
        if ours.max(theirs) < FEWEST && ours.min(theirs) == 0 {
            return;
        }
        let tunnel = Tunnel {
            protocol: "iodine",
            class: TunnelClass::Covert,
            mark: if ours > 0 && theirs > 0 { Mark::Exchange } else { Mark::OneSide },
            packets: ours + theirs,
            note: "the header of its raw mode".into(),
            last: Some(last),
            proof: self.proof,
            ..Tunnel::default()
        };
        emit(&first.observation(self.flow, Detail::Tunnel(tunnel)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The beginnings of datagrams of a public capture of iodine in raw mode.
    #[test]
    fn its_header_and_nothing_else() {
        let data = [0x10, 0xd1, 0x9e, 0x20, 0x78, 0xda, 0x63, 0x60];
        assert!(sniff(&data, Flow::default()));
        assert!(sniff(&[0x10, 0xd1, 0x9e, 0x30], Flow::default()));
        assert!(!sniff(&[0x10, 0xd1, 0x9e, 0x40, 0x78], Flow::default()));
        assert!(!sniff(&[0x10, 0xd1, 0x9e, 0x30, 0], Flow::default()));
        for cut in 0..4 {
            assert!(!sniff(&data[..cut], Flow::default()), "{cut}");
        }
    }

    #[test]
    fn both_sides_are_an_exchange() {
        let mut seen = Vec::new();
        let mut reader = reader(Flow::default());
        for record in 1..4 {
            let packet = Packet { from_opener: record % 2 == 1, at: Instant(0), record };
            reader.datagram(packet, &[0x10, 0xd1, 0x9e, 0x30], &mut |_| {});
        }
        reader.finish(Instant(9), &mut |observation| seen.push(observation.to_static()));
        let Some(Detail::Tunnel(tunnel)) = seen.first().map(|observation| &observation.detail) else {
            panic!("a tunnel")
        };
        assert_eq!((tunnel.protocol, tunnel.mark, tunnel.packets), ("iodine", Mark::Exchange, 3));
    }
}

//! Ethereum's node discovery, version 4 (devp2p, discv4.md), over UDP: hash, signature, type, data.
//!
//! The first 32 bytes are the Keccak-256 hash of the rest, so that a datagram that verifies is nothing else.

use std::collections::BTreeSet;

use tiny_keccak::{Hasher, Keccak};

use super::datagram::DatagramReader;
use super::{Emit, Packet};
use crate::model::{Detail, Flow, Mark, Mining};
use crate::time::Instant;

/// Datagrams of a conversation that are verified.
const READ: u32 = 64;
const HASH: usize = 32;
const SIGNATURE: usize = 65;

/// Whether a datagram is one of node discovery.
pub(super) fn sniff(bytes: &[u8], _flow: Flow) -> bool {
    message(bytes).is_some()
}

/// A reader for a conversation that has shown one.
pub(super) fn reader(flow: Flow) -> Box<dyn DatagramReader> {
    Box::new(Discovery { flow, spoke: [None; 2], read: 0, messages: BTreeSet::new() })
}

/// The name of the message, if everything about it fits.
fn message(bytes: &[u8]) -> Option<&'static str> {
    // A packet is at most 1280 bytes; its signature ends in a recovery id, its data is a list.
    let (&id, &kind, &list) =
        (bytes.get(HASH + SIGNATURE - 1)?, bytes.get(HASH + SIGNATURE)?, bytes.get(HASH + SIGNATURE + 1)?);
    let name = match kind {
        1 => "ping",
        2 => "pong",
        3 => "find-node",
        4 => "neighbors",
        5 => "enr-request",
        6 => "enr-response",
        _ => return None,
    };
    if id > 1 || list < 0xc0 || bytes.len() > 1280 {
        return None;
    }
    let (hash, rest) = bytes.split_at_checked(HASH)?;
    let mut keccak = Keccak::v256();
    keccak.update(rest);
    let mut own = [0; HASH];
    keccak.finalize(&mut own);
    (own == *hash).then_some(name)
}

struct Discovery {
    flow: Flow,
    /// First packet of each direction.
    spoke: [Option<Packet>; 2],
    read: u32,
    messages: BTreeSet<&'static str>,
}

impl DatagramReader for Discovery {
    fn datagram(&mut self, packet: Packet, bytes: &[u8], _emit: &mut Emit<'_>) {
        self.read = self.read.saturating_add(1);
        let Some(name) = message(bytes) else { return };
        self.messages.insert(name);
        if let Some(spoke) = self.spoke.get_mut(packet.side()) {
            spoke.get_or_insert(packet);
        }
    }

    fn is_done(&self) -> bool {
        self.read >= READ
    }

    fn finish(self: Box<Self>, last: Instant, emit: &mut Emit<'_>) {
        let mut packets: Vec<Packet> = self.spoke.into_iter().flatten().collect();
        packets.sort_unstable_by_key(|packet| packet.record);
        let Some(first) = packets.first() else { return };
        let mining = Mining {
            dialect: "ethereum-discovery".to_owned(),
            mark: if packets.len() == 2 { Mark::Exchange } else { Mark::OneSide },
            methods: self.messages.into_iter().map(str::to_owned).collect(),
            first: Some(first.at),
            last: Some(last.max(first.at)),
            proof: packets.iter().map(|packet| packet.record).collect(),
            ..Mining::default()
        };
        emit(&first.observation(self.flow, Detail::Mining(mining)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Observation;

    /// EIP-8, test vectors: a ping of version 4 with additional list elements, and a pong with random data behind it.
    const PING: &str = "e9614ccfd9fc3e74360018522d30e1419a143407ffcce748de3e22116b7e8dc92ff74788c0b6663a\
        aa3d67d641936511c8f8d6ad8698b820a7cf9e1be7155e9a241f556658c55428ec0563514365799a\
        4be2be5a685a80971ddcfa80cb422cdd0101ec04cb847f000001820cfa8215a8d790000000000000\
        000000000000000000018208ae820d058443b9a3550102";

    fn hex(text: &str) -> Vec<u8> {
        (0..text.len() / 2).map(|at| u8::from_str_radix(&text[2 * at..2 * at + 2], 16).unwrap()).collect()
    }

    fn read(datagrams: &[(bool, Vec<u8>)]) -> Vec<Observation<'static>> {
        let mut reader = reader(Flow::default());
        let mut seen = Vec::new();
        for (record, (from_opener, bytes)) in (1..).zip(datagrams) {
            let packet = Packet { from_opener: *from_opener, at: Instant(record), record: record.cast_unsigned() };
            reader.datagram(packet, bytes, &mut |o| seen.push(o.to_static()));
        }
        reader.finish(Instant(9), &mut |o| seen.push(o.to_static()));
        seen
    }

    #[test]
    fn the_ping_of_eip_8() {
        let ping = hex(PING);
        assert!(sniff(&ping, Flow::default()));
        let seen = read(&[(true, ping.clone()), (false, ping.clone()), (true, vec![0; 200])]);
        let [Observation { record: 1, detail: Detail::Mining(mining), .. }] = seen.as_slice() else {
            panic!("{seen:?}")
        };
        assert_eq!((mining.dialect.as_str(), mining.mark), ("ethereum-discovery", Mark::Exchange));
        assert_eq!((mining.methods.join(" "), mining.proof.as_slice()), ("ping".to_owned(), &[1, 2][..]));
        let seen = read(&[(true, ping)]);
        assert!(matches!(&seen[0].detail, Detail::Mining(Mining { mark: Mark::OneSide, .. })));
    }

    #[test]
    fn one_changed_bit_or_a_cut_is_nothing() {
        let ping = hex(PING);
        for length in 0..ping.len() {
            assert!(!sniff(&ping[..length], Flow::default()), "{length}");
        }
        for at in 0..ping.len() {
            let mut changed = ping.clone();
            changed[at] ^= 1;
            assert!(!sniff(&changed, Flow::default()), "{at}");
        }
        assert!(read(&[(true, vec![1; 1500])]).is_empty());
    }
}

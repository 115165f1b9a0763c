//! Tor inside of TLS, told by the sizes of its records where the certificate is encrypted (TLS 1.3).
//!
//! A relay connection begins with a VERSIONS cell of the client and goes on in cells of 514 bytes (tor-spec, sections
//! "Negotiating versions" and "Cell packet format"), one or several in a record.

use std::borrow::Cow;

use super::super::Packet;
use crate::model::{Mark, Tunnel, TunnelClass};
use crate::time::Instant;

const CELL: usize = 514;
/// Bytes that encryption adds to a record: TLS 1.3 with any cipher, TLS 1.2 with AES-GCM and with ChaCha20.
const ADDED: [usize; 3] = [17, 24, 16];
/// Records of a side that are looked at.
const RECORDS_READ: u32 = 48;
/// Records of whole cells that both sides together must have.
const FEWEST: u64 = 3;
const PROOF_KEPT: usize = 4;

/// Whether a record holds whole cells and nothing else.
fn holds_cells(length: usize) -> bool {
    ADDED.iter().any(|added| length.checked_sub(*added).is_some_and(|inside| inside > 0 && inside % CELL == 0))
}

/// A VERSIONS cell: circuit id, command, length, two bytes for each of one to five versions.
fn holds_versions(length: usize) -> bool {
    ADDED.iter().any(|added| length.checked_sub(*added).is_some_and(|inside| matches!(inside, 7 | 9 | 11 | 13 | 15)))
}

/// Follows the records of both directions by their headers.
pub(super) struct Cells {
    start: Packet,
    /// The ciphers offered are Tor's own list.
    known_client: bool,
    client: Side,
    server: Side,
    /// The client sent what may be VERSIONS.
    versions: bool,
    proof: Vec<u64>,
}

#[derive(Default)]
struct Side {
    /// Bytes of the record at hand still to come.
    left: usize,
    /// A header that a segment cut.
    header: Vec<u8>,
    read: u32,
    cells: u64,
    lost: bool,
}

impl Cells {
    pub(super) fn new(start: Packet, known_client: bool) -> Self {
        Cells {
            start,
            known_client,
            client: Side::default(),
            server: Side::default(),
            versions: false,
            proof: Vec::new(),
        }
    }

    pub(super) fn data(&mut self, packet: Packet, from_client: bool, mut bytes: &[u8]) {
        let side = if from_client { &mut self.client } else { &mut self.server };
        while !bytes.is_empty() && side.read < RECORDS_READ {
            if side.left > 0 {
                let (_, later) = bytes.split_at(side.left.min(bytes.len()));
                side.left -= side.left.min(bytes.len());
                bytes = later;
                continue;
            }
            let (now, later) = bytes.split_at((5 - side.header.len().min(5)).min(bytes.len()));
            side.header.extend_from_slice(now);
            bytes = later;
            let [kind, major, _, high, low] = side.header[..] else { continue };
            side.header.clear();
            // Out of step, as behind the hello in its own segment: a later segment begins with a record.
            if !(0x14..=0x17).contains(&kind) || major != 3 {
                return;
            }
            let length = usize::from(u16::from_be_bytes([high, low]));
            side.left = length;
            if kind != 0x17 {
                continue;
            }
            side.read += 1;
            if from_client && holds_versions(length) {
                self.versions = true;
            } else if self.versions && holds_cells(length) {
                side.cells += 1;
                if self.proof.len() < PROOF_KEPT {
                    self.proof.push(packet.record);
                }
            }
        }
    }

    pub(super) fn gap(&mut self, from_client: bool) {
        let side = if from_client { &mut self.client } else { &mut self.server };
        side.lost = true;
        side.read = RECORDS_READ;
    }

    pub(super) fn is_done(&self) -> bool {
        self.client.read >= RECORDS_READ && self.server.read >= RECORDS_READ
    }

    pub(super) fn finish(self, last: Instant) -> Option<(Packet, Tunnel)> {
        let records = self.client.cells + self.server.cells;
        let by_size = self.versions && self.client.cells > 0 && self.server.cells > 0 && records >= FEWEST;
        if !by_size && !self.known_client {
            return None;
        }
        let note = if by_size {
            format!("a name of random letters, then {records} records that are whole cells of {CELL} bytes")
        } else {
            "a name of random letters and the ciphers that Tor offers".to_owned()
        };
        let mut proof = self.proof;
        proof.insert(0, self.start.record);
        let tunnel = Tunnel {
            protocol: "tor",
            class: TunnelClass::Vpn,
            mark: if by_size { Mark::OneSide } else { Mark::Shape },
            packets: records.max(1),
            note: Cow::Owned(note),
            last: Some(last.max(self.start.at)),
            proof,
            ..Tunnel::default()
        };
        Some((self.start, tunnel))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(length: usize) -> Vec<u8> {
        let mut record = vec![0x17, 3, 3];
        record.extend(u16::try_from(length).unwrap().to_be_bytes());
        record.resize(5 + length, 0xaa);
        record
    }

    /// Sizes by the specification: VERSIONS of three versions is 11 bytes, two cells are 1028, one is 514; TLS 1.3 adds
    /// 17 (RFC 8446 section 5.4 and its AEAD tags).
    #[test]
    fn versions_then_whole_cells() {
        let follow = |client: &[usize], server: &[usize]| {
            let mut cells = Cells::new(Packet::default(), false);
            for (lengths, from_client) in [(client, true), (server, false)] {
                let bytes: Vec<u8> = lengths.iter().flat_map(|length| record(*length)).collect();
                for segment in bytes.chunks(700) {
                    cells.data(Packet::default(), from_client, segment);
                }
            }
            cells.finish(Instant(0)).map(|(_, tunnel)| (tunnel.mark, tunnel.packets))
        };
        assert_eq!(follow(&[53, 28, 1045, 531], &[74, 2053, 531]), Some((Mark::OneSide, 3)));
        assert_eq!(follow(&[53, 1045, 531], &[531, 531]), None, "no VERSIONS");
        assert_eq!(follow(&[53, 28, 1045, 531], &[74, 2053]), None, "no cells from the server");
        assert_eq!(follow(&[53, 28, 1043, 529], &[74, 2053, 531]), None, "sizes that are no cells");
    }
}

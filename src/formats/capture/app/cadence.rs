//! The cadence of a pool protocol under TLS: requests of one size that get answers of one size, messages that the
//! server sends unasked, nothing large, for minutes.
//!
//! Sizes and times alone, so that what fits is a lead and no more. Most connections stop fitting with their first
//! answer and are followed no further.

use super::Packet;
use crate::model::{Mark, Mining};
use crate::time::{Instant, SECOND};

/// Bytes of either side before sizes count: certificates and tickets (RFC 8446 section 4).
const SETTLING: u32 = 12 * 1024;
/// No job or share is larger under encryption.
const RECORD_MAX: u16 = 2048;
/// Fewest minutes, requests and unasked messages for anything to be said.
const SHORTEST: i64 = 180 * SECOND;
const REQUESTS: u16 = 5;
const PUSHES: u16 = 4;
/// An answer comes within this time; what comes later comes unasked.
const ANSWERED: i64 = 2 * SECOND;
/// Requests and answers whose sizes are within this many bytes are of one kind: numbers in them grow.
const BAND: u16 = 16;
/// Sizes told apart; what belongs to none of them counts in the total alone.
const BANDS: usize = 6;

/// Counts by size.
#[derive(Clone, Copy, Debug, Default)]
struct Bands {
    bands: [(u16, u16); BANDS],
    total: u16,
}

impl Bands {
    fn add(&mut self, size: u16) {
        self.total = self.total.saturating_add(1);
        let near = |band: &&mut (u16, u16)| band.1 == 0 || band.0.abs_diff(size) <= BAND;
        if let Some(band) = self.bands.iter_mut().find(near) {
            if band.1 == 0 {
                band.0 = size;
            }
            band.1 = band.1.saturating_add(1);
        }
    }

    /// The two most frequent sizes, if four in five of all are near one of them: shares, and signs of life.
    fn few_sizes(&self) -> Option<[(u16, u16); 2]> {
        let mut bands = self.bands;
        bands.sort_unstable_by_key(|(size, count)| std::cmp::Reverse((*count, *size)));
        let [first, second, ..] = bands;
        let near = u32::from(first.1) + u32::from(second.1);
        (near > 0 && near * 5 >= u32::from(self.total) * 4).then_some([first, second])
    }
}

/// The records of one direction.
#[derive(Clone, Copy, Debug, Default)]
struct Records {
    header: [u8; 5],
    /// Bytes of the header at hand.
    filled: u8,
    /// Bytes of the record's body still to come.
    left: u16,
    bytes: u32,
}

/// Follows one TLS connection after its hellos.
#[derive(Debug, Default)]
pub(super) struct Cadence {
    client_is_opener: bool,
    sides: [Records; 2],
    requests: Bands,
    answers: Bands,
    /// Sizes of messages that the server sent unasked: jobs.
    pushes: u16,
    /// When the client asked last, and whether it has been answered.
    asked: Option<(Instant, bool)>,
    first: Option<Packet>,
    last: Option<Instant>,
    records: u32,
    proof: [u64; 2],
    over: bool,
}

impl Cadence {
    /// For a connection whose client is known.
    pub(super) fn new(client_is_opener: bool) -> Self {
        Cadence { client_is_opener, ..Cadence::default() }
    }

    /// The next bytes of one direction.
    pub(super) fn data(&mut self, packet: Packet, mut bytes: &[u8]) {
        let from_client = packet.from_opener == self.client_is_opener;
        while !self.over && !bytes.is_empty() {
            let Some(side) = self.sides.get_mut(usize::from(!from_client)) else { return };
            if side.left > 0 {
                let passed = usize::from(side.left).min(bytes.len());
                side.left = u16::try_from(usize::from(side.left) - passed).unwrap_or(0);
                bytes = bytes.get(passed..).unwrap_or_default();
                continue;
            }
            let (Some((&byte, rest)), Some(slot)) =
                (bytes.split_first(), side.header.get_mut(usize::from(side.filled)))
            else {
                return;
            };
            *slot = byte;
            side.filled += 1;
            bytes = rest;
            if usize::from(side.filled) < side.header.len() {
                continue;
            }
            let [kind, major, _, high, low] = side.header;
            let length = u16::from_be_bytes([high, low]);
            side.filled = 0;
            side.left = length;
            let settled = side.bytes;
            side.bytes = side.bytes.saturating_add(u32::from(length));
            if !(0x14..=0x18).contains(&kind) || major != 3 || (settled > SETTLING && length > RECORD_MAX) {
                self.over = true;
                return;
            }
            if kind == 0x17 {
                self.record(packet, from_client, length);
            }
        }
    }

    fn record(&mut self, packet: Packet, from_client: bool, length: u16) {
        let first = *self.first.get_or_insert(packet);
        self.last = Some(packet.at);
        self.records = self.records.saturating_add(1);
        // Two a second over the first minutes: a conversation of people or programs, no pool.
        if self.records > 240 && packet.at.since(first.at) / SECOND < i64::from(self.records) / 2 {
            self.over = true;
        }
        if from_client {
            // A login and a subscription are longer or shorter than shares; so are pings.
            self.requests.add(length);
            self.asked = Some((packet.at, false));
            self.proof = [packet.record, self.proof[1]];
            return;
        }
        match &mut self.asked {
            Some((at, answered)) if !*answered && packet.at.since(*at) <= ANSWERED => {
                *answered = true;
                self.answers.add(length);
            }
            _ if (120..=RECORD_MAX).contains(&length) => {
                self.pushes = self.pushes.saturating_add(1);
                self.proof = [self.proof[0], packet.record];
            }
            _ => {}
        }
    }

    /// Nothing further can matter.
    pub(super) fn is_done(&self) -> bool {
        self.over
    }

    /// What fits, with its first packet.
    pub(super) fn finish(self) -> Option<(Packet, Mining)> {
        let (first, last) = (self.first.filter(|_| !self.over)?, self.last?);
        let lasted = last.since(first.at);
        // A share in JSON with its authentication, or an Equihash solution; a verdict of a few words.
        let is_share = |size: u16| (110..=420).contains(&size) || (1300..=1600).contains(&size);
        let mut requests = self.requests.few_sizes()?.into_iter().filter(|(size, _)| is_share(*size));
        let (_, requests) = requests.next()?;
        let [(answer, _), _] = self.answers.few_sizes()?;
        let minutes = (lasted / (60 * SECOND)).max(1);
        let by_minute = i64::from(self.records) / minutes;
        let fits = lasted >= SHORTEST
            && requests >= REQUESTS
            && self.pushes >= PUSHES
            && (50..=160).contains(&answer)
            && (1..=90).contains(&by_minute)
            // Nearly every request is answered.
            && u32::from(self.answers.total) * 5 >= u32::from(self.requests.total) * 4;
        fits.then(|| {
            let mut proof = self.proof.to_vec();
            proof.push(first.record);
            proof.sort_unstable();
            proof.dedup();
            let mining = Mining {
                dialect: "tls-pool-shape".to_owned(),
                mark: Mark::Shape,
                jobs: u64::from(self.pushes),
                shares: u64::from(requests),
                first: Some(first.at),
                last: Some(last),
                proof,
                ..Mining::default()
            };
            (first, mining)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(kind: u8, length: u16) -> Vec<u8> {
        let mut bytes = vec![kind, 3, 3];
        bytes.extend(length.to_be_bytes());
        bytes.resize(5 + usize::from(length), 0xa5);
        bytes
    }

    /// (second, from the client, length of the record)
    fn follow(turns: &[(i64, bool, u16)]) -> Option<Mining> {
        let mut cadence = Cadence::new(true);
        for (number, (second, from_client, length)) in (1..).zip(turns) {
            let packet = Packet { from_opener: *from_client, at: Instant(second * SECOND), record: number };
            // Cut in two, as segments may.
            let bytes = record(0x17, *length);
            let (one, two) = bytes.split_at(3);
            cadence.data(packet, one);
            cadence.data(packet, two);
        }
        cadence.finish().map(|(_, mining)| mining)
    }

    /// Sizes of XMRig's messages (xmrig-proxy, doc/STRATUM.md: a share of 230 bytes, a verdict of 64, a job of 450)
    /// with 22 bytes of TLS 1.3 each, a share every 20 s, a job a minute.
    fn miner() -> Vec<(i64, bool, u16)> {
        let mut turns = vec![(0, true, 58), (0, false, 2400), (1, true, 330), (1, false, 560)];
        for share in 0..15 {
            let at = 20 * share + 10;
            turns.extend([(at, true, 250 + u16::from(share > 8)), (at, false, 86)]);
            if share % 3 == 2 {
                turns.push((at + 7, false, 472));
            }
        }
        turns
    }

    #[test]
    fn a_miner_fits() {
        let seen = follow(&miner()).unwrap();
        assert_eq!((seen.mark, seen.jobs, seen.shares), (Mark::Shape, 5, 15));
    }

    #[test]
    fn others_do_not() {
        let without = |keep: &dyn Fn(&(i64, bool, u16)) -> bool| miner().into_iter().filter(keep).collect::<Vec<_>>();
        // Too short, nothing unasked, no answers, an answer of a page, lines of any length.
        assert_eq!(follow(&without(&|turn| turn.0 < 170)), None);
        assert_eq!(follow(&without(&|turn| turn.2 != 472)), None);
        assert_eq!(follow(&without(&|turn| turn.2 != 86)), None);
        let mut page = miner();
        page.push((300, false, 14_000));
        page.push((301, false, 14_000));
        assert_eq!(follow(&page), None);
        let chat: Vec<_> = (0..60).map(|at| (at * 6, at % 2 == 0, 60 + (at * 37 % 300) as u16)).collect();
        assert_eq!(follow(&chat), None);
        let pings: Vec<_> = (0..60).flat_map(|at| [(at * 10, true, 31), (at * 10, false, 31)]).collect();
        assert_eq!(follow(&pings), None);
        assert_eq!(follow(&[]), None);
    }

    #[test]
    fn any_bytes() {
        let mut cadence = Cadence::new(true);
        let packet = Packet { from_opener: true, at: Instant(i64::MAX), record: u64::MAX };
        cadence.data(packet, &[0xff; 100]);
        assert!(cadence.is_done());
        let mut cadence = Cadence::new(false);
        cadence.data(packet, &record(0x17, u16::MAX)[..40]);
        cadence.data(Packet { at: Instant(i64::MIN), ..packet }, &[0; 10]);
        assert!(!cadence.is_done() && cadence.finish().is_none());
    }
}

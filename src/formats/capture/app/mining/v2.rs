//! Stratum V2 in the clear (sv2-spec, 03-Protocol-Overview, 05-Mining-Protocol, 08-Message-Types): binary messages with
//! a header of six bytes. Local links between miner and proxy leave the encryption out.

use super::worth::{Share, Worth};
use crate::formats::capture::app::greeting::{Binary, Fit, Greeting};
use crate::formats::capture::app::{Emit, Packet, Reader, side};
use crate::model::{Detail, Flow, Mark, Mining, Secret};
use crate::time::Instant;

/// Bound on a message that is looked into; longer ones (transactions) are passed over.
const MESSAGE_MAX: usize = 16 * 1024;
const HEADER: usize = 6;

pub(in super::super) const PLAIN: Binary = Binary { name: "stratum-v2", sniff, reader };

fn sniff(bytes: &[u8], _greeting: Greeting) -> Fit {
    // Extension 0, message 0, a length whose highest byte is 0, one of three protocols, version 2.
    match bytes {
        [0, 0, 0, _, _, 0, 0..=2, 2, 0, ..] => {}
        [0] | [0, 0] | [0, 0, 0] | [0, 0, 0, _] | [0, 0, 0, _, _] => return Fit::More,
        [0, 0, 0, _, _, 0] | [0, 0, 0, _, _, 0, 0..=2] | [0, 0, 0, _, _, 0, 0..=2, 2] => return Fit::More,
        _ => return Fit::No,
    }
    match bytes.get(..HEADER).and_then(length) {
        Some(length) if bytes.len() < HEADER + length && length < 2048 => Fit::More,
        Some(length) => match bytes.get(HEADER..HEADER + length).and_then(Setup::parse) {
            Some(_) => Fit::Yes,
            None => Fit::No,
        },
        None => Fit::No,
    }
}

fn reader(greeting: Greeting) -> Box<dyn Reader> {
    let mut worth = Worth::default();
    // The protocol is Bitcoin's.
    worth.shaped("sha256d", None);
    Box::new(PlainReader {
        flow: greeting.flow,
        miner: side(greeting.from_opener),
        sides: Default::default(),
        mining: Mining::default(),
        worth,
        spoke: [None; 2],
        last: Instant(0),
    })
}

/// The length that a header states.
fn length(header: &[u8]) -> Option<usize> {
    match header {
        [_, _, _, low, middle, high] => usize::try_from(u32::from_le_bytes([*low, *middle, *high, 0])).ok(),
        _ => None,
    }
}

/// What `SetupConnection` says of the miner.
struct Setup {
    agent: String,
}

impl Setup {
    /// Protocol, versions, flags, host, port, vendor, hardware, firmware, device: they fill the message.
    fn parse(body: &[u8]) -> Option<Self> {
        let (&[protocol, low, 0, high, 0], rest) = body.split_first_chunk::<5>()? else { return None };
        if protocol > 2 || low > high || high > 16 {
            return None;
        }
        let mut fields = Fields(rest);
        fields.take(4)?;
        fields.text()?;
        fields.take(2)?;
        let names = [fields.text()?, fields.text()?, fields.text()?];
        fields.text()?;
        let agent: Vec<&str> = names.into_iter().filter(|name| !name.is_empty()).collect();
        fields.0.is_empty().then(|| Setup { agent: agent.join(" ") })
    }
}

/// Fields of a message, one after another.
struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (field, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(field)
    }

    fn number(&mut self) -> Option<u32> {
        self.take(4)?.first_chunk().map(|bytes| u32::from_le_bytes(*bytes))
    }

    /// STR0_255.
    fn text(&mut self) -> Option<&'a str> {
        let length = usize::from(*self.take(1)?.first()?);
        std::str::from_utf8(self.take(length)?).ok()
    }

    /// The tries that a U256 target stands for: 32 bytes, least byte first.
    fn tries(&mut self) -> Option<f64> {
        let value = self.take(32)?.iter().rev().fold(0.0, |value, byte| value * 256.0 + f64::from(*byte));
        (value > 0.0).then(|| 2_f64.powi(256) / value)
    }
}

/// One direction: the message at hand.
#[derive(Default)]
struct Half {
    buffer: Vec<u8>,
    /// Bytes of a message that are passed over.
    skip: usize,
    lost: bool,
}

struct PlainReader {
    flow: Flow,
    /// Index of the side that set the connection up.
    miner: usize,
    sides: [Half; 2],
    mining: Mining,
    worth: Worth,
    spoke: [Option<Packet>; 2],
    last: Instant,
}

impl PlainReader {
    fn message(&mut self, packet: Packet, kind: u8, body: &[u8]) {
        let known = match kind {
            0x00 => Setup::parse(body).map(|setup| {
                self.mining.agent = Some(setup.agent).filter(|agent| !agent.is_empty());
                "SetupConnection"
            }),
            0x01 => (body.len() == 6).then_some("SetupConnection.Success"),
            0x02 => Some("SetupConnection.Error"),
            0x10 | 0x13 => self.opens(body),
            0x11 | 0x14 => self.target(body, 8).map(|()| "OpenMiningChannel.Success"),
            0x12 => Some("OpenMiningChannel.Error"),
            0x15 | 0x1f => {
                self.mining.jobs = self.mining.jobs.saturating_add(1);
                Some(if kind == 0x15 { "NewMiningJob" } else { "NewExtendedMiningJob" })
            }
            0x1a | 0x1b => {
                self.mining.shares = self.mining.shares.saturating_add(1);
                self.worth.submitted();
                Some(if kind == 0x1a { "SubmitSharesStandard" } else { "SubmitSharesExtended" })
            }
            0x1c => self.accepts(body),
            0x1d => self.rejects(body),
            0x20 => Some("SetNewPrevHash"),
            0x21 => self.target(body, 4).map(|()| "SetTarget"),
            0x04 => self.sends_on(body),
            _ => None,
        };
        let Some(name) = known else { return };
        if !self.mining.methods.iter().any(|method| method == name) {
            self.mining.methods.push(name.to_owned());
            self.mining.proof.push(packet.record);
        }
        if let Some(spoke) = self.spoke.get_mut(packet.side()) {
            spoke.get_or_insert(packet);
        }
        self.last = packet.at;
    }

    fn opens(&mut self, body: &[u8]) -> Option<&'static str> {
        let mut fields = Fields(body);
        fields.take(4)?;
        let identity = fields.text()?;
        if self.mining.login.is_none() && !identity.is_empty() {
            self.mining.login = Some(Secret::new(identity));
        }
        Some("OpenMiningChannel")
    }

    fn target(&mut self, body: &[u8], at: usize) -> Option<()> {
        let tries = Fields(body.get(at..)?).tries();
        self.worth.tries(tries);
        Some(())
    }

    /// Several shares are acknowledged at once: channel, last number, how many.
    fn accepts(&mut self, body: &[u8]) -> Option<&'static str> {
        let mut fields = Fields(body.get(8..)?);
        let count = fields.number()?;
        self.mining.accepted = self.mining.accepted.saturating_add(u64::from(count));
        let share = self.worth.share;
        (share != Share::Unknown).then(|| (0..count.min(4096)).for_each(|_| self.worth.accepted(share)));
        Some("SubmitShares.Success")
    }

    fn rejects(&mut self, body: &[u8]) -> Option<&'static str> {
        self.mining.reject(Fields(body.get(8..)?).text()?);
        Some("SubmitShares.Error")
    }

    fn sends_on(&mut self, body: &[u8]) -> Option<&'static str> {
        let mut fields = Fields(body);
        let host = fields.text()?;
        let port = fields.take(2)?.first_chunk().map(|bytes| u16::from_le_bytes(*bytes))?;
        self.mining.redirect = Some(format!("{host}:{port}"));
        Some("Reconnect")
    }
}

impl Reader for PlainReader {
    fn data(&mut self, packet: Packet, mut bytes: &[u8], _emit: &mut Emit<'_>) {
        while !bytes.is_empty() {
            let Some(half) = self.sides.get_mut(packet.side()) else { return };
            if half.lost {
                return;
            }
            if half.skip > 0 {
                let passed = half.skip.min(bytes.len());
                half.skip -= passed;
                bytes = bytes.get(passed..).unwrap_or_default();
                continue;
            }
            let stated = half.buffer.get(..HEADER).and_then(length);
            let wanted = stated.map_or(HEADER, |length| HEADER + length) - half.buffer.len();
            let (now, later) = bytes.split_at(wanted.min(bytes.len()));
            half.buffer.extend_from_slice(now);
            bytes = later;
            match half.buffer.get(..HEADER).and_then(length) {
                Some(length) if length > MESSAGE_MAX => {
                    half.skip = length;
                    half.buffer.clear();
                }
                Some(length) if half.buffer.len() == HEADER + length => {
                    let message = std::mem::take(&mut half.buffer);
                    let kind = message.get(2).copied().unwrap_or_default();
                    self.message(packet, kind, message.get(HEADER..).unwrap_or_default());
                }
                _ => {}
            }
        }
    }

    fn gap(&mut self, from_opener: bool, _bytes: u64) {
        // Messages carry no mark by which to find the next one.
        if let Some(half) = self.sides.get_mut(side(from_opener)) {
            *half = Half { lost: true, ..Half::default() };
        }
    }

    fn is_done(&self, from_opener: bool) -> bool {
        self.sides.get(side(from_opener)).is_some_and(|half| half.lost)
    }

    fn finish(self: Box<Self>, _last: Instant, emit: &mut Emit<'_>) {
        let Some(first) = self.spoke.get(self.miner).copied().flatten() else { return };
        let work = self.worth.work(self.mining.accepted.saturating_add(self.mining.rejected));
        let mut mining = Mining {
            dialect: "stratum-v2".to_owned(),
            mark: if self.spoke.iter().all(Option::is_some) { Mark::Exchange } else { Mark::OneSide },
            algorithm: self.worth.algorithm,
            difficulty: self.worth.difficulty,
            work,
            first: Some(first.at),
            last: Some(self.last.max(first.at)),
            ..self.mining
        };
        mining.methods.sort_unstable();
        mining.proof.sort_unstable();
        mining.proof.dedup();
        emit(&first.observation(self.flow, Detail::Mining(mining)));
    }
}

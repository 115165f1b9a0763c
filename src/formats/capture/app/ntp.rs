//! NTP (RFC 5905, and 1305 before it): what a server's clock shows. A second clock beside that of the capture, with
//! fractions of a second.

use super::datagram::DatagramReader;
use super::{Emit, Packet};
use crate::model::{Detail, Flow, Ntp};
use crate::time::{Instant, SECOND};

const PORT: u16 = 123;
const LENGTH: usize = 48;
const CLIENT: u8 = 3;
const SERVER: u8 = 4;
/// Leap indicator of a clock that is not set.
const NOT_SET: u8 = 3;
/// From 1900 to 1970.
const TO_UNIX: i64 = 2_208_988_800;
/// Between the arrival of a question and its answer, at most.
const ANSWERED_WITHIN: i64 = 5 * SECOND;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Header {
    leap: u8,
    mode: u8,
    stratum: u8,
    originate: u64,
    receive: u64,
    transmit: u64,
}

fn header(bytes: &[u8]) -> Option<Header> {
    let &first = bytes.get(..LENGTH)?.first()?;
    let time = |at: usize| bytes.get(at..)?.first_chunk().map(|time| u64::from_be_bytes(*time));
    let header = Header {
        leap: first >> 6,
        mode: first & 7,
        stratum: *bytes.get(1)?,
        originate: time(24)?,
        receive: time(32)?,
        transmit: time(40)?,
    };
    (1..=4).contains(&(first >> 3 & 7)).then_some(header)
}

/// Seconds since 1900 in the upper half, fractions in the lower. Times with the top bit clear are of the era that
/// begins in 2036 (RFC 4330 section 3).
fn instant(time: u64) -> Option<Instant> {
    let seconds = i64::try_from(time >> 32).ok()?;
    let era = if time >> 63 == 0 { 1 << 32 } else { 0 };
    let nanoseconds = i64::try_from(((time & 0xffff_ffff) * 1_000_000_000) >> 32).ok()?;
    Instant::from_parts(seconds + era - TO_UNIX, nanoseconds)
}

/// Four modes and five versions in a byte are little to be told by: the port has to agree.
pub(super) fn sniff(bytes: &[u8], flow: Flow) -> bool {
    (flow.src_port == Some(PORT) || flow.dst_port == Some(PORT))
        && header(bytes).is_some_and(|header| matches!(header.mode, CLIENT | SERVER))
}

pub(super) fn reader(flow: Flow) -> Box<dyn DatagramReader> {
    Box::new(Exchange { flow, asked: 0 })
}

struct Exchange {
    flow: Flow,
    /// The time that the client wrote into its question, which the answer brings back.
    asked: u64,
}

impl DatagramReader for Exchange {
    fn datagram(&mut self, packet: Packet, bytes: &[u8], emit: &mut Emit<'_>) {
        let Some(header) = header(bytes) else { return };
        match header.mode {
            CLIENT if packet.from_opener => self.asked = header.transmit,
            SERVER if !packet.from_opener && header.originate == self.asked && self.asked != 0 => {
                self.asked = 0;
                let (Some(received), Some(told)) = (instant(header.receive), instant(header.transmit)) else { return };
                let is_set = header.leap != NOT_SET && (1..=15).contains(&header.stratum) && header.transmit != 0;
                if is_set && (0..ANSWERED_WITHIN).contains(&told.since(received)) {
                    let ntp = Ntp { told, seen: packet.at, stratum: header.stratum };
                    emit(&packet.observation(self.flow, Detail::Ntp(ntp)));
                }
            }
            _ => {}
        }
    }

    fn is_done(&self) -> bool {
        false
    }

    fn finish(self: Box<Self>, _last: Instant, _emit: &mut Emit<'_>) {}
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 5905 figure 4: the beginning of 1970 and of 1972, and the last day of the first era.
    #[test]
    fn times_of_the_published_table() {
        assert_eq!(instant(2_208_988_800 << 32), Some(Instant(0)));
        assert_eq!(instant(2_272_060_800 << 32), Instant::from_parts(63_072_000, 0));
        assert_eq!(instant(4_294_944_000 << 32), Instant::from_parts(2_085_955_200, 0));
        // Half a second, and the first second of the second era: 2036-02-07T06:28:16Z.
        assert_eq!(instant(2_208_988_800 << 32 | 1 << 31), Some(Instant(500_000_000)));
        assert_eq!(instant(0), Instant::from_parts(2_085_978_496, 0));
    }

    fn message(mode: u8, stratum: u8, times: [u64; 3]) -> Vec<u8> {
        let mut bytes = vec![4 << 3 | mode, stratum, 6, 0xec];
        bytes.resize(24, 0);
        bytes.extend(times.iter().flat_map(|time| time.to_be_bytes()));
        bytes
    }

    #[test]
    fn only_an_answer_to_a_question_that_was_seen_counts() {
        let flow = Flow { src_port: Some(40_000), dst_port: Some(PORT), ..Flow::default() };
        let now = 3_900_000_000 << 32;
        let read = |turns: &[(bool, Vec<u8>)]| {
            let mut seen = Vec::new();
            let mut reader = reader(flow);
            for (record, (from_opener, bytes)) in (1..).zip(turns) {
                assert!(sniff(bytes, flow));
                let packet = Packet { from_opener: *from_opener, at: Instant(9), record };
                reader.datagram(packet, bytes, &mut |o| seen.push((o.record, o.detail.kind())));
            }
            seen
        };
        let question = (true, message(CLIENT, 0, [0, 0, 77]));
        let answer = (false, message(SERVER, 2, [77, now, now + 1]));
        assert_eq!(read(&[question.clone(), answer.clone()]), [(2, "ntp")]);
        assert_eq!(read(&[question.clone(), answer.clone(), answer.clone()]), [(2, "ntp")]);
        assert_eq!(read(&[answer]), []);
        let unset = (false, message(SERVER, 16, [77, now, now + 1]));
        let late = (false, message(SERVER, 2, [77, now, now + (6 << 32)]));
        let turned = (true, message(SERVER, 2, [77, now, now]));
        for wrong in [unset, late, turned] {
            assert_eq!(read(&[question.clone(), wrong]), []);
        }
        for length in 0..LENGTH {
            assert!(!sniff(&question.1[..length], flow));
        }
    }
}

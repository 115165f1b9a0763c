//! The protocols over UDP, told by content. A protocol costs a module and a line in [`PROTOCOLS`].

use super::datagram::DatagramReader;
use super::{Emit, Packet, discovery, dns, dtls, iodine, kcp, ntp, openvpn, overlay, quic, wireguard};
use crate::model::{Detail, Flow};
use crate::time::Instant;

/// How a protocol is told, and what reads it.
pub(super) struct Protocol {
    /// Whether this datagram belongs to it. Reached by every datagram at the beginning of every conversation, so that
    /// it must be quick to say no and hard to mislead.
    pub(super) sniff: fn(&[u8], Flow) -> bool,
    pub(super) reader: fn(Flow) -> Box<dyn DatagramReader>,
}

/// In the order in which they are asked.
static PROTOCOLS: &[Protocol] = &[
    Protocol { sniff: discovery::sniff, reader: discovery::reader },
    Protocol { sniff: iodine::sniff, reader: iodine::reader },
    Protocol { sniff: quic::sniff, reader: quic::reader },
    Protocol { sniff: dtls::sniff, reader: dtls::reader },
    Protocol { sniff: wireguard::sniff, reader: wireguard::reader },
    Protocol { sniff: openvpn::datagram::sniff, reader: openvpn::datagram::reader },
    Protocol { sniff: kcp::sniff, reader: kcp::reader },
    Protocol { sniff: ntp::sniff, reader: ntp::reader },
    Protocol { sniff: overlay::sniff, reader: overlay::reader },
];

/// Datagrams of a conversation that are looked at before it is left alone.
const TRIES: u8 = 8;

/// Messages by which the ends of a call look for a path to each other (RFC 8489 section 5: two zero bits, the length of
/// what follows, a magic number). They come before what the call is about, and count for nothing.
fn is_stun(bytes: &[u8]) -> bool {
    matches!(bytes, [kind, _, hi, lo, 0x21, 0x12, 0xa4, 0x42, rest @ ..]
        if *kind < 0x40 && rest.len() == usize::from(u16::from_be_bytes([*hi, *lo])) + 12)
}

/// The readers of one UDP conversation.
#[derive(Default)]
pub(crate) struct UdpReaders {
    tries: u8,
    reader: Option<Box<dyn DatagramReader>>,
}

impl UdpReaders {
    /// The next datagram.
    pub(crate) fn datagram(
        &mut self,
        flow: Flow,
        from_opener: bool,
        bytes: &[u8],
        at: Instant,
        record: u64,
        emit: &mut Emit<'_>,
    ) {
        let packet = Packet { from_opener, at, record };
        if let Some(reader) = &mut self.reader {
            if !reader.is_done() {
                reader.datagram(packet, bytes, emit);
                if reader.is_refuted() {
                    self.reader = None;
                }
            }
            return;
        }
        if is_stun(bytes) {
            return;
        }
        let family = dns::Family::of(flow);
        let given_up = self.tries >= TRIES;
        if given_up && family == dns::Family::Elsewhere {
            return;
        }
        if let Some(dns) = dns::read(bytes, family) {
            emit(&packet.observation(flow, Detail::Dns(dns)));
            return;
        }
        if given_up {
            return;
        }
        self.tries += 1;
        if let Some(protocol) = PROTOCOLS.iter().find(|protocol| (protocol.sniff)(bytes, flow)) {
            let mut reader = (protocol.reader)(flow);
            reader.datagram(packet, bytes, emit);
            self.reader = Some(reader);
        }
    }

    /// The conversation or the capture has ended: reports what is reported once per conversation.
    pub(crate) fn finish(self, last: Instant, emit: &mut Emit<'_>) {
        if let Some(reader) = self.reader {
            reader.finish(last, emit);
        }
    }
}

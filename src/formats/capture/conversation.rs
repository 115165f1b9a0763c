//! One conversation: counts, TCP state, and the streams that feed the application readers.

use std::borrow::Cow;

use super::app::{Emit, TcpReaders, UdpReaders};
use super::echo::Echoes;
use super::key::Key;
use super::packets::{Output, Stamp, Weight};
use super::stream::{Receive, Stream, Taken};
use super::transport::{ACK, FIN, IcmpType, RST, SYN, Segment};
use crate::evidence::AnomalyKind;
use crate::model::{Connection, Detail, Flow, Observation, Protocol};
use crate::time::{Instant, SECOND};

/// What one side of a TCP conversation has done.
#[derive(Debug, Default)]
struct Side {
    weight: Weight,
    flags: u8,
    has_data: bool,
    /// Sequence number of its SYN.
    initial: Option<u32>,
    /// Sequence number of its first byte, once known.
    begins: Option<u32>,
    /// Highest sequence number after its bytes.
    seen_to: Option<u32>,
}

/// What is read of a TCP conversation, from its first byte on.
struct Content {
    /// The opener's first.
    streams: [Stream; 2],
    readers: TcpReaders,
}

/// Whether the bytes of a TCP conversation are read.
enum Reading {
    NotYet,
    /// Boxed: most conversations of a sweep have none.
    Now(Box<Content>),
    /// They turned out to be nothing that matters.
    Over,
}

/// Index of a side's stream.
fn index(of_opener: bool) -> usize {
    usize::from(!of_opener)
}

impl Side {
    fn has(&self, flags: u8) -> bool {
        self.flags & flags != 0
    }

    fn is_silent(&self) -> bool {
        self.weight.packets == 0
    }
}

/// A conversation as far as it has been seen.
pub(super) struct Conversation {
    pub(super) key: Key,
    /// The lower end of the key opened it.
    opener_is_low: bool,
    pub(super) first: Stamp,
    last: Stamp,
    opener: Side,
    responder: Side,
    /// A SYN or SYN-ACK told who opened.
    opener_known: bool,
    /// A SYN with another number came while the conversation was open: its SYN-ACK would prove a new one.
    late_syn: Option<u32>,
    /// First ICMP message of it, or that came back for it.
    icmp: Option<IcmpType>,
    echoes: Option<Box<Echoes>>,
    content: Reading,
    datagrams: UdpReaders,
    /// Every packet had a time.
    timed: bool,
}

const QUIET: i64 = 60 * SECOND;
const IDLE_SHORT: i64 = 120 * SECOND;
pub(super) const IDLE_LONG: i64 = 900 * SECOND;
/// A packet after a long silence belongs to the old connection if its sequence number is this near.
const CONTINUES_WITHIN: u32 = 16 << 20;
/// IANA's dynamic ports begin at 49152; Linux takes its own from 32768 on.
const EPHEMERAL: u16 = 32_768;

/// Whether the ports alone say that the receiver of the first packet opened the conversation: the capture began
/// midway. Clear is a system port (below 1024) at the sender against a higher one, or an ephemeral port at the
/// receiver alone.
fn receiver_opened(src_port: Option<u16>, dst_port: Option<u16>) -> bool {
    let (Some(src), Some(dst)) = (src_port, dst_port) else { return false };
    match (src < 1024, dst < 1024) {
        (true, false) => true,
        (false, true) => false,
        _ => src < EPHEMERAL && dst >= EPHEMERAL,
    }
}

impl Conversation {
    /// Begins with a packet from the low or high end of the key.
    pub(super) fn new(key: Key, from_low: bool, first: Stamp, about: Begin) -> Self {
        let (src, dst) = if from_low { (key.low(), key.high()) } else { (key.high(), key.low()) };
        let (by_sender, opener_known) = match about {
            Begin::Tcp(flags) if flags & (SYN | RST) == SYN => (flags & ACK == 0, true),
            // A datagram from a system port is an answer only if it goes to an ephemeral one.
            Begin::Udp => {
                let answer = receiver_opened(src.1, dst.1) && dst.1.is_some_and(|port| port >= EPHEMERAL);
                (!answer, false)
            }
            // A probe (FIN, Xmas, NULL): TCP acknowledges in every segment but its SYN (RFC 9293 section 3.1).
            Begin::Tcp(flags) if flags & (ACK | RST) == 0 => (true, false),
            Begin::Tcp(_) => (!receiver_opened(src.1, dst.1), false),
            Begin::Icmp(icmp) => (!icmp.is_reply(), false),
            Begin::Other => (!receiver_opened(src.1, dst.1), false),
        };
        Conversation {
            key,
            opener_is_low: by_sender == from_low,
            first,
            last: first,
            opener: Side::default(),
            responder: Side::default(),
            opener_known,
            late_syn: None,
            icmp: None,
            echoes: None,
            content: Reading::NotYet,
            datagrams: UdpReaders::default(),
            timed: true,
        }
    }

    fn flow(&self) -> Flow {
        let (low, high) = (self.key.low(), self.key.high());
        let (src, dst) = if self.opener_is_low { (low, high) } else { (high, low) };
        Flow {
            src: Some(src.0),
            src_port: src.1,
            dst: Some(dst.0),
            dst_port: dst.1,
            protocol: Some(Protocol(self.key.protocol())),
        }
    }

    fn side(&mut self, from_opener: bool) -> &mut Side {
        if from_opener { &mut self.opener } else { &mut self.responder }
    }

    fn is_tcp(&self) -> bool {
        self.key.protocol() == Protocol::TCP.0
    }

    /// Reset, or closed by both sides as far as they were seen.
    fn is_closed(&self) -> bool {
        let fin = |side: &Side| side.has(FIN) || side.is_silent();
        (self.opener.has(RST) || self.responder.has(RST))
            || ((self.opener.has(FIN) || self.responder.has(FIN)) && fin(&self.opener) && fin(&self.responder))
    }

    /// TCP with traffic beyond the first packets, and not closed.
    pub(super) fn is_open_tcp(&self) -> bool {
        self.is_tcp() && !self.is_closed() && !self.is_attempt()
    }

    /// A SYN without an answer.
    fn is_attempt(&self) -> bool {
        self.opener.has(SYN) && self.responder.is_silent() && !self.opener.has_data
    }

    /// When it expires if nothing more comes.
    pub(super) fn deadline(&self) -> Instant {
        self.last.clock.plus(if self.is_open_tcp() { IDLE_LONG } else { IDLE_SHORT })
    }

    /// When it is to be looked at first.
    pub(super) fn first_deadline(&self) -> Instant {
        self.first.clock.plus(IDLE_SHORT)
    }

    /// Whether a packet of the same addresses and ports belongs to another conversation that begins with it.
    pub(super) fn is_over(&self, from_low: bool, segment: Option<&Segment<'_>>, stamp: Stamp) -> bool {
        let quiet = stamp.clock.since(self.last.clock);
        let Some(segment) = segment.filter(|_| self.is_tcp()) else {
            return stamp.clock > self.deadline();
        };
        let side = if from_low == self.opener_is_low { &self.opener } else { &self.responder };
        if segment.flags & (SYN | RST) == SYN {
            let is_new = side.initial.is_some_and(|initial| initial != segment.sequence);
            let is_unexpected = side.initial.is_none() && !side.is_silent();
            let ended = self.is_closed() || quiet >= QUIET;
            if segment.flags & ACK == 0 {
                // Before its first byte was seen, a SYN may just have been captured late.
                let is_late = is_unexpected && side.seen_to.is_some_and(|seen| is_near(seen, segment.sequence));
                let is_second_role = side.initial.is_none() && side.is_silent() && ended;
                return (is_new && ended) || (is_unexpected && !is_late) || is_second_role;
            }
            let proves = self.late_syn.is_some_and(|initial| initial.wrapping_add(1) == segment.acknowledged);
            return (is_new || is_unexpected) && (ended || proves);
        }
        // An open connection may be silent for hours; only a packet that does not go on from it starts another.
        stamp.clock > self.deadline()
            && (!self.is_open_tcp() || !side.seen_to.is_some_and(|seen| is_near(seen, segment.sequence)))
    }

    /// Counts a packet (or the fragments of one) from one of the ends.
    pub(super) fn count(&mut self, from_low: bool, weight: Weight, stamp: Stamp) -> bool {
        let from_opener = from_low == self.opener_is_low;
        self.side(from_opener).weight.add(weight);
        if stamp.clock >= self.last.clock {
            self.last = stamp;
        }
        self.timed &= stamp.span.is_some();
        from_opener
    }

    /// Bytes that wait behind holes.
    pub(super) fn held(&self) -> usize {
        match &self.content {
            Reading::Now(content) => content.streams.iter().map(Stream::held).sum(),
            Reading::NotYet | Reading::Over => 0,
        }
    }

    /// Reads a TCP segment of this conversation, counted before.
    pub(super) fn segment(&mut self, from_opener: bool, segment: &Segment<'_>, stamp: Stamp, out: &mut Output<'_>) {
        let mut from_opener = from_opener;
        let mut data_at = segment.sequence;
        if segment.flags & (SYN | RST) == SYN {
            let is_opener = segment.flags & ACK == 0;
            if is_opener != from_opener && !self.opener_known && matches!(self.content, Reading::NotYet) {
                // The first packets came out of order and the ports misled.
                self.opener_is_low = !self.opener_is_low;
                std::mem::swap(&mut self.opener, &mut self.responder);
                from_opener = is_opener;
            }
            self.opener_known = true;
            data_at = segment.sequence.wrapping_add(1);
            self.handshake(from_opener, segment);
        }
        let side = if from_opener { &mut self.opener } else { &mut self.responder };
        side.flags |= segment.flags;
        let end = data_at.wrapping_add(segment.length);
        // Resets carry arbitrary numbers and keep-alives lie one byte back: neither moves the end back.
        if segment.flags & RST == 0 && side.seen_to.is_none_or(|seen| end.wrapping_sub(seen).cast_signed() > 0) {
            side.seen_to = Some(end);
        }
        if segment.length == 0 {
            return;
        }
        side.has_data = true;
        let begins = side.begins;
        // What follows a reset in its own segment is a message for people (RFC 9293 section 3.5.3).
        if segment.flags & RST != 0 {
            return;
        }
        let from_start = self.opener.has(SYN) || self.responder.has(SYN);
        if matches!(self.content, Reading::NotYet) {
            let readers = TcpReaders::new(self.flow(), from_start);
            self.content = Reading::Now(Box::new(Content { streams: Default::default(), readers }));
        }
        let Reading::Now(content) = &mut self.content else { return };
        let Content { streams, readers } = content.as_mut();
        let stream = &mut streams[index(from_opener)];
        if let Some(first) = begins {
            stream.begin(first);
        }
        let taken = out.emit(stamp.span, |emit| {
            let mut to = ToReaders { readers, from_opener, emit };
            stream.segment(data_at, segment.length, segment.data, stamp, &mut to)
        });
        if content.readers.is_over() {
            self.content = Reading::Over;
        }
        note(taken, stamp.record, out);
    }

    fn handshake(&mut self, from_opener: bool, segment: &Segment<'_>) {
        let first = segment.sequence.wrapping_add(1);
        let established = self.opener.has_data || self.responder.has_data;
        let side = if from_opener { &mut self.opener } else { &mut self.responder };
        match side.initial {
            Some(initial) if initial == segment.sequence => {}
            Some(_) if established => {
                if segment.flags & ACK == 0 {
                    self.late_syn = Some(segment.sequence);
                }
                return;
            }
            Some(_) => {
                side.seen_to = None;
                side.begins = Some(first);
            }
            None => drop(side.begins.get_or_insert(first)),
        }
        side.initial = Some(segment.sequence);
        if segment.flags & ACK != 0 {
            // The answer tells where the other side's stream begins, even if its SYN was not captured.
            let acknowledged = segment.acknowledged;
            self.side(!from_opener).begins.get_or_insert(acknowledged);
        }
    }

    /// Reads a datagram of this conversation, counted before.
    pub(super) fn datagram(&mut self, from_opener: bool, payload: &[u8], stamp: Stamp, out: &mut Output<'_>) {
        let flow = self.flow();
        let readers = &mut self.datagrams;
        out.emit(stamp.span, |emit| {
            readers.datagram(flow, from_opener, payload, stamp.clock, stamp.record, emit);
        });
    }

    /// An ICMP message of this conversation, or one that came back for it.
    pub(super) fn icmp(&mut self, icmp: IcmpType) {
        self.icmp.get_or_insert(icmp);
    }

    /// An echo request or reply of this conversation.
    pub(super) fn echo(&mut self, from_opener: bool, is_reply: bool, id: u32, data: &[u8], stamp: Stamp) {
        self.echoes.get_or_insert_default().message(from_opener, is_reply, id, data, stamp);
    }

    /// Gives up on the holes in front of what waits.
    pub(super) fn flush(&mut self, record: u64, out: &mut Output<'_>) {
        let Reading::Now(content) = &mut self.content else { return };
        let Content { streams, readers } = content.as_mut();
        let mut taken = Taken::default();
        let like = self.last.span.filter(|_| self.timed);
        out.emit(like, |emit| {
            for (from_opener, stream) in [true, false].into_iter().zip(streams) {
                let mut to = ToReaders { readers, from_opener, emit };
                taken.missing = taken.missing.saturating_add(stream.flush(&mut to).missing);
            }
        });
        note(taken, record, out);
    }

    /// Reports the conversation and ends its readers.
    pub(super) fn finish(mut self, out: &mut Output<'_>) {
        self.flush(self.last.record, out);
        let answered = match (self.responder.is_silent(), self.is_tcp()) {
            (false, _) => Some(true),
            // One side alone was captured: its acknowledgements do not prove what they acknowledge, a reset of what came
            // before the capture asks for no answer, and a header cut before its flags does not tell what it asks.
            (true, true) if self.opener.has(ACK) || self.opener.seen_to.is_none() => None,
            (true, _) => Some(false),
        };
        let connection = Connection {
            bytes_out: Some(self.opener.weight.bytes),
            bytes_in: Some(self.responder.weight.bytes),
            packets_out: Some(self.opener.weight.packets),
            packets_in: Some(self.responder.weight.packets),
            last: self.last.span.map(|span| span.lo),
            state: self.state().map(Cow::Borrowed),
            answered,
            tcp_sequence: self.opener.initial,
            ..Connection::default()
        };
        out.sink.observation(&Observation {
            record: self.first.record,
            span: self.first.span,
            host: None,
            flow: Some(self.flow()),
            detail: Detail::Connection(connection),
        });
        if let Some((first, tunnel)) = self.echoes.take().and_then(|echoes| echoes.finish()) {
            let (record, span, flow) = (first.record, first.span, Some(self.flow()));
            out.sink.observation(&Observation { record, span, host: None, flow, detail: Detail::Tunnel(tunnel) });
        }
        let (like, last) = (self.last.span.filter(|_| self.timed), self.last.clock);
        let (content, datagrams) = (self.content, self.datagrams);
        out.emit(like, |emit| {
            if let Reading::Now(content) = content {
                content.readers.finish(last, emit);
            }
            datagrams.finish(last, emit);
        });
    }

    /// TCP: the connection states of Zeek (`conn_state` of conn.log). ICMP: the first message. Otherwise the ICMP
    /// error that came back, if one did.
    fn state(&self) -> Option<&'static str> {
        if !self.is_tcp() {
            return self.icmp.map(IcmpType::name);
        }
        let (opener, responder) = (&self.opener, &self.responder);
        let (attempted, accepted) = (opener.has(SYN), responder.has(SYN));
        let whole = attempted && accepted;
        Some(if responder.has(RST) {
            match (attempted, accepted) {
                (true, false) => "REJ",
                _ if opener.is_silent() => "RSTRH",
                _ => "RSTR",
            }
        } else if opener.has(RST) {
            if responder.is_silent() { "RSTOS0" } else { "RSTO" }
        } else {
            match (opener.has(FIN), responder.has(FIN)) {
                (true, true) => "SF",
                (true, false) if responder.is_silent() => "SH",
                (true, false) => "S2",
                (false, true) if opener.is_silent() => "SHR",
                (false, true) => "S3",
                (false, false) if whole => "S1",
                (false, false) if attempted && responder.is_silent() => "S0",
                (false, false) => "OTH",
            }
        })
    }
}

fn is_near(a: u32, b: u32) -> bool {
    a.wrapping_sub(b).cast_signed().unsigned_abs() <= CONTINUES_WITHIN
}

fn note(taken: Taken, record: u64, out: &mut Output<'_>) {
    if taken.missing > 0 {
        out.tally.add(AnomalyKind::Gap, record, "TCP bytes missing from the capture", taken.missing);
    }
    if taken.differs {
        out.tally.note(
            AnomalyKind::Duplicate,
            record,
            "a TCP segment overlaps an earlier one with other bytes, the first copy is used",
        );
    }
}

/// What the first packet of a conversation says about who opened it.
#[derive(Clone, Copy, Debug)]
pub(super) enum Begin {
    Tcp(u8),
    Udp,
    Icmp(IcmpType),
    Other,
}

struct ToReaders<'a, 'b> {
    readers: &'a mut TcpReaders,
    from_opener: bool,
    emit: &'a mut Emit<'b>,
}

impl Receive for ToReaders<'_, '_> {
    fn data(&mut self, bytes: &[u8], stamp: Stamp) {
        self.readers.data(self.from_opener, bytes, stamp.clock, stamp.record, self.emit);
    }

    fn gap(&mut self, bytes: u64) {
        self.readers.gap(self.from_opener, bytes);
    }

    fn is_done(&self) -> bool {
        self.readers.is_done(self.from_opener)
    }
}

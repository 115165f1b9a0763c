//! Connection tracking of Linux: `conntrack -E` and `-L` in every output mode but XML, and `/proc/net/nf_conntrack`.

use std::borrow::Cow;
use std::io;
use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};

use super::bytes::{address, after_spaces, number, port, text, trim, word};
use super::syslog;
use crate::evidence::{Anomaly, AnomalyKind, Head, Input};
use crate::formats::{Format, Kind, LineReader, Match, Sink, read_lines};
use crate::model::{Connection, Detail, Flow, Observation, Protocol};
use crate::time::{Instant, SECOND, Span, TimeContext};

/// The format.
pub struct Conntrack;

impl Format for Conntrack {
    fn id(&self) -> &'static str {
        "conntrack"
    }

    fn kind(&self) -> Kind {
        Kind::Firewall
    }

    fn title(&self) -> &'static str {
        "conntrack -E and -L (plain, -o timestamp, extended, id, ktimestamp in any combination), /proc/net/nf_conntrack"
    }

    fn record_unit(&self) -> &'static str {
        "line"
    }

    fn probe(&self, head: &Head) -> Match {
        let end = if head.whole { head.bytes.len() } else { memchr::memrchr(b'\n', &head.bytes).unwrap_or(0) };
        let (mut lines, mut entries) = (0_usize, 0_usize);
        for line in head.bytes.get(..end).unwrap_or_default().split(|byte| *byte == b'\n') {
            if !trim(line).is_empty() {
                lines += 1;
                entries += usize::from(
                    entry(line).is_some_and(|entry| entry.original.flow_known() && entry.reply.flow_known()),
                );
            }
        }
        let reason = format!("{entries} of its first {lines} lines are conntrack entries (two tuples of src= dst=)");
        match entries {
            0 => Match::No,
            _ if entries * 10 >= lines * 9 => Match::Certain(reason),
            _ if entries * 2 >= lines => Match::Likely(70, reason),
            _ => Match::No,
        }
    }

    fn read(&self, input: &mut Input, time: &TimeContext, sink: &mut dyn Sink) -> io::Result<()> {
        let reader = Reader { time: *time, undated: AtomicU64::new(0) };
        let outcome = read_lines(input, &reader, sink);
        let undated = reader.undated.load(Ordering::Relaxed);
        if undated > 0 {
            sink.anomaly(Anomaly {
                record: 0,
                kind: AnomalyKind::UndatedTimes,
                detail: format!("{undated} entries have no time; record with conntrack -E -o timestamp"),
            });
        }
        outcome
    }
}

struct Reader {
    time: TimeContext,
    /// A sum, so that the order of lines does not matter.
    undated: AtomicU64,
}

impl LineReader for Reader {
    fn line(&self, line: &[u8], number: u64, sink: &mut dyn Sink) {
        let bare = entry(line);
        let (entry, peeled) = match bare {
            Some(entry) => (entry, None),
            None => {
                // Piped into logger(1), or kept by journald.
                let peeled = syslog::peel(line);
                match entry(peeled.message) {
                    Some(entry) if peeled.stamp.is_some() => (entry, Some(peeled)),
                    _ => {
                        let own = line.starts_with(b"conntrack v");
                        let reason = if own { "message of the conntrack program" } else { "no conntrack entry" };
                        return sink.unread(number, reason, line);
                    }
                }
            }
        };
        sink.record();
        let mut anomaly = |kind, detail| sink.anomaly(Anomaly { record: number, kind, detail });
        if let Some(field) = entry.impossible {
            anomaly(AnomalyKind::ImpossibleValue, format!("{field} has no readable value; left unknown"));
        }
        if entry.reply.src.is_none() || entry.reply.dst.is_none() {
            anomaly(
                AnomalyKind::TruncatedRecord,
                "the entry ends before its reply tuple; address translation and answer are unknown".to_owned(),
            );
        }
        let (span, last) = self.times(&entry, peeled.and_then(|peeled| peeled.stamp));
        if span.is_none() {
            self.undated.fetch_add(1, Ordering::Relaxed);
        }
        sink.observation(&Observation {
            record: number,
            span,
            host: peeled.and_then(|peeled| peeled.host).map(text),
            flow: Some(entry.flow()),
            detail: Detail::Connection(entry.connection(last)),
        });
    }
}

/// Events reach the program that prints them within this time, in nanoseconds.
const REPORTED_WITHIN: i64 = 50_000_000;

impl Reader {
    /// When the connection began, as far as the entry tells, and its last moment.
    ///
    /// `-o timestamp` is the instant of the event. The end of a connection of known age (`delta-time`) tells when it
    /// began: the age is the difference of two times that were each cut to whole seconds, so the beginning lies in one
    /// certain second, or in the one before where the report of the end may have crossed into a new second. The event is
    /// then its last moment. Without an event time the kernel's local `start` and `stop` count.
    fn times(&self, entry: &Entry<'_>, header: Option<syslog::Stamp>) -> (Option<Span>, Option<Instant>) {
        let event = match (entry.stamp, header) {
            (Some((at, resolution)), _) => Some(self.time.epoch(at, resolution)),
            (None, Some(stamp)) => stamp.span(&self.time),
            (None, None) => None,
        };
        let kernel = |stamp: Option<syslog::Stamp>| stamp.and_then(|stamp| stamp.span(&self.time));
        let (start, stop) = (kernel(entry.start), kernel(entry.stop));
        match (event, entry.age) {
            (Some(event), Some(age)) if entry.event == Some("DESTROY") => {
                let age = i64::try_from(age).ok().and_then(|age| age.checked_mul(SECOND)).unwrap_or(i64::MAX);
                let fraction = event.lo.0.rem_euclid(SECOND);
                let second = event.lo.plus(-fraction).plus(age.saturating_neg());
                let lo = if fraction < REPORTED_WITHIN { second.plus(-SECOND) } else { second };
                let hi = second.plus(SECOND - 1).min(event.hi);
                (Some(Span { lo, hi, basis: event.basis }), Some(event.hi))
            }
            (Some(event), _) => (Some(event), None),
            (None, _) => (start.or(stop), stop.map(|stop| stop.hi)),
        }
    }
}

/// One direction of an entry.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Tuple {
    src: Option<IpAddr>,
    dst: Option<IpAddr>,
    src_port: Option<u16>,
    dst_port: Option<u16>,
    packets: Option<u64>,
    bytes: Option<u64>,
}

impl Tuple {
    fn flow_known(&self) -> bool {
        self.src.is_some() && self.dst.is_some()
    }
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Entry<'a> {
    stamp: Option<(Instant, i64)>,
    event: Option<&'static str>,
    protocol: Option<Protocol>,
    state: Option<&'a [u8]>,
    original: Tuple,
    reply: Tuple,
    unreplied: bool,
    start: Option<syslog::Stamp>,
    stop: Option<syslog::Stamp>,
    /// `delta-time`, seconds.
    age: Option<u64>,
    impossible: Option<&'static str>,
}

/// Reads `[time] [EVENT] [ipv4 2] PROTOCOL NUMBER [TIMEOUT] [STATE] tuple [UNREPLIED] tuple ...`.
fn entry(line: &[u8]) -> Option<Entry<'_>> {
    let mut entry = Entry::default();
    let mut rest = after_spaces(line);
    if let Some((stamp, after)) = event_time(rest) {
        entry.stamp = Some(stamp);
        rest = after_spaces(after);
    }
    for event in ["NEW", "UPDATE", "DESTROY"] {
        let inner = rest.strip_prefix(b"[").and_then(|rest| rest.strip_prefix(event.as_bytes()));
        if let Some(after) = inner.and_then(|rest| rest.strip_prefix(b"]")) {
            entry.event = Some(event);
            rest = after_spaces(after);
            break;
        }
    }
    let (family, after) = word(rest);
    if matches!(family, b"ipv4" | b"ipv6") {
        let (number_of_family, after) = word(after_spaces(after));
        number(number_of_family)?;
        rest = after_spaces(after);
    }
    let (name, after) = word(rest);
    let (protocol, after) = word(after_spaces(after));
    let protocol = Protocol(u8::try_from(number(protocol)?).ok()?);
    // The name goes with the number: nothing else begins so.
    if name != b"unknown" && Protocol::parse(std::str::from_utf8(name).ok()?) != Some(protocol) {
        return None;
    }
    entry.protocol = Some(protocol);
    rest = after_spaces(after);
    let (timeout, after) = word(rest);
    if number(timeout).is_some() {
        rest = after_spaces(after);
    }
    let (state, after) = word(rest);
    if !state.is_empty() && state.iter().all(|byte| byte.is_ascii_uppercase() || matches!(byte, b'_' | b'0'..=b'9')) {
        entry.state = Some(state);
        rest = after;
    }
    entry.read(rest);
    entry.original.src.is_some().then_some(entry)
}

impl<'a> Entry<'a> {
    fn read(&mut self, mut rest: &'a [u8]) {
        let mut sources = 0;
        loop {
            rest = after_spaces(rest);
            if rest.is_empty() {
                return;
            }
            if let Some(stamp) = rest.strip_prefix(b"[start=") {
                (self.start, rest) = kernel_time(stamp);
                continue;
            }
            if let Some(stamp) = rest.strip_prefix(b"[stop=") {
                (self.stop, rest) = kernel_time(stamp);
                continue;
            }
            let (token, after) = word(rest);
            rest = after;
            if token == b"[UNREPLIED]" {
                self.unreplied = true;
                continue;
            }
            let Some(equals) = memchr::memchr(b'=', token) else { continue };
            let (name, value) = (token.get(..equals).unwrap_or_default(), token.get(equals + 1..).unwrap_or_default());
            sources += u32::from(name == b"src");
            let tuple = match sources {
                0 => {
                    // "timeout=" and "stream_timeout=" of GRE stand before the tuples.
                    continue;
                }
                1 => &mut self.original,
                _ => &mut self.reply,
            };
            let read = match name {
                b"src" => set(&mut tuple.src, address(value), "src"),
                b"dst" => set(&mut tuple.dst, address(value), "dst"),
                b"sport" => set(&mut tuple.src_port, port(value), "sport"),
                b"dport" => set(&mut tuple.dst_port, port(value), "dport"),
                b"packets" => set(&mut tuple.packets, number(value), "packets"),
                b"bytes" => set(&mut tuple.bytes, number(value), "bytes"),
                b"delta-time" => set(&mut self.age, number(value), "delta-time"),
                _ => None,
            };
            self.impossible = self.impossible.or(read);
        }
    }

    /// The original direction: its source opened the connection.
    fn flow(&self) -> Flow {
        Flow {
            src: self.original.src,
            src_port: self.original.src_port,
            dst: self.original.dst,
            dst_port: self.original.dst_port,
            protocol: self.protocol,
        }
    }

    /// Without translation the reply tuple mirrors the original one; where it does not, it has the translated ends.
    fn connection(&self, last: Option<Instant>) -> Connection<'a> {
        let (original, reply) = (&self.original, &self.reply);
        let complete = reply.flow_known() && reply.src_port.is_some() == original.dst_port.is_some();
        let translated = |address: Option<IpAddr>, number: Option<u16>, was: (Option<IpAddr>, Option<u16>)| {
            ((address, number) != was).then_some(address.zip(number)).flatten()
        };
        let (nat_src, nat_dst) = if complete {
            (
                translated(reply.dst, reply.dst_port, (original.src, original.src_port)),
                translated(reply.src, reply.src_port, (original.dst, original.dst_port)),
            )
        } else {
            (None, None)
        };
        let state = match (self.event, self.state) {
            (Some(event), Some(state)) => Some(Cow::Owned(format!("{event},{}", text(state)))),
            (Some(event), None) => Some(Cow::Borrowed(event)),
            (None, state) => state.map(text),
        };
        Connection {
            bytes_out: original.bytes,
            bytes_in: reply.bytes,
            packets_out: original.packets,
            packets_in: reply.packets,
            last,
            nat_src,
            nat_dst,
            state,
            answered: reply.flow_known().then_some(!self.unreplied),
            ..Connection::default()
        }
    }
}

/// The first value counts; a name is given back if the value cannot be read.
fn set<T>(slot: &mut Option<T>, value: Option<T>, name: &'static str) -> Option<&'static str> {
    if slot.is_some() {
        return None;
    }
    *slot = value;
    if slot.is_none() { Some(name) } else { None }
}

/// `[1795185286.090029]`. Old versions print the microseconds left-aligned and padded with spaces, without leading zeros.
fn event_time(text: &[u8]) -> Option<((Instant, i64), &[u8])> {
    let rest = text.strip_prefix(b"[")?;
    let close = rest.iter().take(32).position(|byte| *byte == b']')?;
    let (inside, after) = (rest.get(..close)?, rest.get(close + 1..)?);
    let dot = memchr::memchr(b'.', inside)?;
    let seconds = i64::try_from(number(trim(inside.get(..dot)?))?).ok()?;
    let fraction = inside.get(dot + 1..)?;
    let digits = trim(fraction);
    let microseconds = i64::try_from(number(digits)?).ok().filter(|value| *value < 1_000_000)?;
    Some(((Instant::from_parts(seconds, microseconds.checked_mul(1000)?)?, 1000), after))
}

/// `Fri Nov 20 14:34:54 2026]`: local time of the machine, whole seconds; what follows the bracket.
fn kernel_time(text: &[u8]) -> (Option<syslog::Stamp>, &[u8]) {
    match memchr::memchr(b']', text) {
        Some(close) => {
            let stamp = text.get(..close).and_then(syslog::weekday).map(|(stamp, _)| stamp);
            (stamp, text.get(close + 1..).unwrap_or_default())
        }
        None => (None, &[]),
    }
}

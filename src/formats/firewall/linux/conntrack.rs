//! Connection tracking of Linux: `conntrack -E` and `-L` in every output mode, and `/proc/net/nf_conntrack`.

mod xml;

use std::borrow::Cow;
use std::net::IpAddr;

use crate::evidence::AnomalyKind;
use crate::formats::firewall::bytes::{address, after_spaces, has, number, port, text, trim, word};
use crate::formats::firewall::dialect::{Dialect, Out, Outcome};
use crate::formats::firewall::record::Record;
use crate::formats::firewall::syslog;
use crate::model::{Connection, Detail, Flow, Protocol};
use crate::time::{Instant, SECOND, Span, TimeContext};

/// The format.
pub(crate) struct Conntrack;

impl Dialect for Conntrack {
    fn id(&self) -> &'static str {
        "conntrack"
    }

    fn title(&self) -> &'static str {
        "conntrack -E and -L (plain, -o timestamp, extended, id, ktimestamp in any combination, xml), /proc/net/nf_conntrack"
    }

    fn signature(&self) -> &'static str {
        "conntrack entries (two tuples of src= dst=)"
    }

    fn claims(&self, record: &Record<'_>) -> bool {
        if record.line.first() == Some(&b'<') && (xml::is_frame(record.line) || record.line.starts_with(b"<flow")) {
            return xml::is_frame(record.line) || entry_of(record).is_some();
        }
        let cheap = has!(record.line, b"src=") && record.json.is_none();
        (cheap && entry_of(record).is_some()) || record.line.starts_with(b"conntrack v")
    }

    fn read<'r>(&self, record: &'r Record<'r>, out: &mut Out<'_>) -> Outcome {
        if xml::is_frame(record.line) {
            return Ok(());
        }
        let Some((entry, headed)) = entry_of(record) else {
            return Err("a message of the conntrack program".into());
        };
        if let Some(field) = entry.impossible {
            out.anomaly(AnomalyKind::ImpossibleValue, format!("{field} has no readable value; left unknown"));
        }
        if record.line.starts_with(b"<flow") && !record.line.trim_ascii_end().ends_with(b"</flow>") {
            out.anomaly(AnomalyKind::TruncatedRecord, "the element is not closed; what follows is unknown".to_owned());
        } else if entry.reply.src.is_none() || entry.reply.dst.is_none() {
            let detail = "the entry ends before its reply tuple; address translation and answer are unknown".to_owned();
            out.anomaly(AnomalyKind::TruncatedRecord, detail);
        }
        let header = if headed { record.peeled.stamp } else { None };
        let (span, last) = times(out.context(), &entry, header);
        if span.is_none() {
            out.span(None);
        }
        let host = record.peeled.host.filter(|_| headed).map(text);
        out.observe(span, host, Some(entry.flow()), Detail::Connection(entry.connection(last)));
        Ok(())
    }
}

/// The entry of a line, and whether it stands behind a header (piped into logger(1), or kept by journald).
fn entry_of<'r>(record: &Record<'r>) -> Option<(Entry<'r>, bool)> {
    match xml::entry(record.line).or_else(|| entry(record.line)) {
        Some(entry) => Some((entry, false)),
        None => entry(record.peeled.message).filter(|_| record.peeled.stamp.is_some()).map(|entry| (entry, true)),
    }
}

/// Events reach the program that prints them within this time, in nanoseconds.
const REPORTED_WITHIN: i64 = 50_000_000;

/// When the connection began, as far as the entry tells, and its last moment.
///
/// `-o timestamp` is the instant of the event. The end of a connection of known age (`delta-time`) tells when it
/// began: the age is the difference of two times that were each cut to whole seconds, so the beginning lies in one
/// certain second, or in the one before where the report of the end may have crossed into a new second. The event is
/// then its last moment. Without an event time the kernel's local `start` and `stop` count.
fn times(time: &TimeContext, entry: &Entry<'_>, header: Option<syslog::Stamp>) -> (Option<Span>, Option<Instant>) {
    let event = match (entry.stamp, header.or(entry.when)) {
        (Some((at, resolution)), _) => Some(time.epoch(at, resolution)),
        (None, Some(stamp)) => stamp.span(time),
        (None, None) => None,
    };
    let kernel = |stamp: Option<syslog::Stamp>| stamp.and_then(|stamp| stamp.span(time));
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
    /// Local time of the event.
    when: Option<syslog::Stamp>,
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
            ((address, number) != was).then_some(address.map(|address| (address, number))).flatten()
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

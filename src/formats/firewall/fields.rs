//! What records name, whatever they call it: a reader maps the names of its format to [`Field`]s and the values become
//! one observation.

use std::borrow::Cow;
use std::net::IpAddr;

use foldhash::fast::FixedState;
use hashbrown::HashMap;
use serde_json_borrow::Value;

use super::action;
use super::bytes::{address, find, number, port, split_once, text as lossy};
use super::notation::json;
use super::record::Record;
use super::syslog::{Stamp, Zone};
use crate::model::{Action, Connection, Direction, Flow, Protocol};
use crate::time::SECOND;

/// A piece of an observation. Opener is who began the connection (`source` in ECS, client or initiator elsewhere).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Field {
    /// Address of the opener; a value that is none is passed over (host names).
    SrcIp,
    SrcPort,
    /// `address:port`, `address/port`, `address(port)`, `address port` of the opener; what follows is passed over.
    Src,
    DstIp,
    DstPort,
    Dst,
    /// By name or number.
    Protocol,
    /// In words that are common to firewalls ([`action::verdict`]); others are left to the reader.
    Action,
    Direction,
    /// What the opener sent, and what it got.
    BytesOut,
    BytesIn,
    PacketsOut,
    PacketsIn,
    /// When the connection began; when it ended; when the record was made, which may be either or neither.
    Start,
    End,
    Time,
    /// Seconds, with or without a fraction, or `h:mm:ss`.
    Duration,
    DurationMs,
    /// Of local times in the same record: an offset from UTC or an abbreviation that means one.
    Zone,
    Rule,
    InInterface,
    OutInterface,
    InZone,
    OutZone,
    NatSrcIp,
    NatSrcPort,
    NatDstIp,
    NatDstPort,
    User,
    /// The device that wrote the record.
    Device,
    Application,
    /// Host name of the peer, or a URL that names it.
    Domain,
    Session,
    TcpSequence,
    Process,
    Pid,
    State,
    /// A category that the device puts the peer or the content into.
    Category,
    /// Name of an attack, signature or threat: the record is an alert.
    Threat,
    /// The device's own words.
    Message,
}

/// Names of a format and what they mean.
pub(crate) struct Names(HashMap<&'static [u8], Field, FixedState>);

impl Names {
    /// Of several tables; the first that holds a name counts.
    pub(crate) fn new(tables: &[&[(&'static str, Field)]]) -> Self {
        let mut names = HashMap::with_hasher(FixedState::with_seed(0));
        for (name, field) in tables.iter().flat_map(|table| table.iter()) {
            names.entry(name.as_bytes()).or_insert(*field);
        }
        Names(names)
    }

    /// What a name means. Exact, case and all.
    pub(crate) fn get(&self, name: &[u8]) -> Option<Field> {
        self.0.get(name).copied()
    }
}

/// The fields of one record. What comes first counts; what is empty or stands for nothing counts not at all.
#[derive(Clone, Debug, Default)]
pub(crate) struct Fields<'a> {
    pub(crate) flow: Flow,
    pub(crate) connection: Connection<'a>,
    pub(crate) device: Option<Cow<'a, str>>,
    pub(crate) start: Option<Stamp>,
    pub(crate) end: Option<Stamp>,
    pub(crate) time: Option<Stamp>,
    pub(crate) duration_ns: Option<i64>,
    pub(crate) zone: Option<Zone>,
    nat_src: (Option<IpAddr>, Option<u16>),
    nat_dst: (Option<IpAddr>, Option<u16>),
    pub(crate) category: Option<Cow<'a, str>>,
    pub(crate) threat: Option<Cow<'a, str>>,
    pub(crate) message: Option<Cow<'a, str>>,
    /// The value of [`Field::Action`] as it stands.
    pub(crate) action_word: Option<Cow<'a, [u8]>>,
    /// A field whose value cannot be.
    pub(crate) impossible: Option<Field>,
}

/// Values that stand for nothing.
fn is_absent(value: &[u8]) -> bool {
    match value.len() {
        0 => true,
        1 => value == b"-",
        3 => value.eq_ignore_ascii_case(b"n/a") || value.eq_ignore_ascii_case(b"nil"),
        4 => value.eq_ignore_ascii_case(b"null") || value.eq_ignore_ascii_case(b"none"),
        _ => false,
    }
}

impl<'a> Fields<'a> {
    /// Takes every pair whose name is known.
    pub(crate) fn take<N: AsRef<[u8]>>(&mut self, names: &Names, pairs: impl Iterator<Item = (N, Cow<'a, [u8]>)>) {
        for (name, value) in pairs {
            if let Some(field) = names.get(name.as_ref()) {
                self.set(field, value);
            }
        }
    }

    /// Takes what a record has under known names: the cells of its row, or else the leaves of its object.
    pub(crate) fn take_record(&mut self, names: &Names, record: &'a Record<'a>) {
        if let Some((table, row)) = record.row {
            table.take(row, self);
        } else if let Some(object) = record.json {
            self.take_leaves(names, object);
        }
    }

    /// Takes the leaves of an object whose dotted paths are known.
    pub(crate) fn take_leaves(&mut self, names: &Names, object: &'a Value<'a>) {
        json::leaves(object, &mut |path, value| {
            if let Some(field) = names.get(path) {
                self.set(field, value);
            }
        });
    }

    /// A field from what lies in the record.
    pub(crate) fn put(&mut self, field: Field, value: &'a [u8]) {
        self.set(field, Cow::Borrowed(value));
    }

    /// Sets a field, unless it is known or the value stands for nothing. A value that cannot be is kept as
    /// [`Fields::impossible`].
    pub(crate) fn set(&mut self, field: Field, value: Cow<'a, [u8]>) {
        let trimmed = value.trim_ascii();
        if is_absent(trimmed) {
            return;
        }
        let fits = match field {
            Field::SrcIp => keep(&mut self.flow.src, address(trimmed)),
            Field::DstIp => keep(&mut self.flow.dst, address(trimmed)),
            Field::SrcPort => keep(&mut self.flow.src_port, port(trimmed)),
            Field::DstPort => keep(&mut self.flow.dst_port, port(trimmed)),
            Field::Src => end(&mut self.flow.src, &mut self.flow.src_port, trimmed),
            Field::Dst => end(&mut self.flow.dst, &mut self.flow.dst_port, trimmed),
            Field::NatSrcIp => keep(&mut self.nat_src.0, address(trimmed)),
            Field::NatSrcPort => keep(&mut self.nat_src.1, port(trimmed)),
            Field::NatDstIp => keep(&mut self.nat_dst.0, address(trimmed)),
            Field::NatDstPort => keep(&mut self.nat_dst.1, port(trimmed)),
            Field::Protocol => keep(&mut self.flow.protocol, protocol(trimmed)),
            Field::BytesOut => keep(&mut self.connection.bytes_out, count(trimmed)),
            Field::BytesIn => keep(&mut self.connection.bytes_in, count(trimmed)),
            Field::PacketsOut => keep(&mut self.connection.packets_out, count(trimmed)),
            Field::PacketsIn => keep(&mut self.connection.packets_in, count(trimmed)),
            Field::Start => keep(&mut self.start, Stamp::read(trimmed)),
            Field::End => keep(&mut self.end, Stamp::read(trimmed)),
            Field::Time => keep(&mut self.time, Stamp::read(trimmed)),
            Field::Duration => keep(&mut self.duration_ns, duration(trimmed)),
            Field::DurationMs => keep(&mut self.duration_ns, duration(trimmed).map(|seconds| seconds / 1000)),
            Field::Zone => keep(&mut self.zone, Zone::read(trimmed)),
            Field::TcpSequence => {
                keep(&mut self.connection.tcp_sequence, number(trimmed).and_then(|n| u32::try_from(n).ok()))
            }
            Field::Pid => keep(&mut self.connection.pid, number(trimmed).and_then(|n| u32::try_from(n).ok())),
            Field::Direction => {
                // Other words are about other things than the way.
                keep(&mut self.connection.direction, direction(trimmed));
                true
            }
            Field::Action => {
                if self.connection.action.is_none() {
                    self.connection.action = action::verdict(trimmed);
                }
                if self.action_word.is_none() {
                    self.action_word = Some(value);
                }
                true
            }
            Field::Domain => {
                let name = host_of(&value);
                keep(&mut self.connection.domain, name)
            }
            Field::Rule => text(&mut self.connection.rule, value),
            Field::InInterface => text(&mut self.connection.in_interface, value),
            Field::OutInterface => text(&mut self.connection.out_interface, value),
            Field::InZone => text(&mut self.connection.in_zone, value),
            Field::OutZone => text(&mut self.connection.out_zone, value),
            Field::User => text(&mut self.connection.user, value),
            Field::Device => text(&mut self.device, value),
            Field::Application => text(&mut self.connection.application, value),
            Field::Session => text(&mut self.connection.session, value),
            Field::Process => text(&mut self.connection.process, value),
            Field::State => text(&mut self.connection.state, value),
            Field::Category => text(&mut self.category, value),
            Field::Threat => text(&mut self.threat, value),
            Field::Message => text(&mut self.message, value),
        };
        // Where an address is expected, devices also write the names of hosts, and where a name is, an address or the first
        // word of one, which is no fault of theirs.
        let named = matches!(
            field,
            Field::SrcIp | Field::DstIp | Field::Src | Field::Dst | Field::NatSrcIp | Field::NatDstIp | Field::Domain
        );
        if !fits && !named && self.impossible.is_none() {
            self.impossible = Some(field);
        }
    }

    /// Whether nothing says who talked to whom.
    pub(crate) fn is_empty(&self) -> bool {
        self.flow.src.is_none() && self.flow.dst.is_none()
    }

    /// Turns the connection round: what the record names as its source did not open it.
    pub(crate) fn turn(&mut self) {
        let Fields { flow, connection, nat_src, nat_dst, .. } = self;
        std::mem::swap(&mut flow.src, &mut flow.dst);
        std::mem::swap(&mut flow.src_port, &mut flow.dst_port);
        std::mem::swap(&mut connection.bytes_out, &mut connection.bytes_in);
        std::mem::swap(&mut connection.packets_out, &mut connection.packets_in);
        std::mem::swap(nat_src, nat_dst);
    }

    /// The connection, with address translation where it changes anything.
    pub(crate) fn connection(&mut self) -> Connection<'a> {
        let mut connection = std::mem::take(&mut self.connection);
        let translated = |(ip, port): (Option<IpAddr>, Option<u16>), own: Option<IpAddr>, own_port: Option<u16>| {
            let ip = ip.filter(|ip| !ip.is_unspecified())?;
            let port = port.filter(|port| *port != 0);
            (Some(ip) != own || port.is_some_and(|port| Some(port) != own_port)).then_some((ip, port))
        };
        let Flow { src, src_port, dst, dst_port, .. } = self.flow;
        connection.nat_src = connection.nat_src.or_else(|| translated(self.nat_src, src, src_port));
        connection.nat_dst = connection.nat_dst.or_else(|| translated(self.nat_dst, dst, dst_port));
        connection
    }

    /// What the device calls the record's subject, for the eye that looks for names of behaviours.
    pub(super) fn words(&self) -> [Option<&str>; 4] {
        [
            self.threat.as_deref(),
            self.category.as_deref(),
            self.connection.application.as_deref(),
            self.message.as_deref().filter(|_| self.threat.is_some()),
        ]
    }

    /// Drops the ports of protocols that have none: records of flows have zeros there, or the type and code of ICMP.
    pub(crate) fn drop_portless(&mut self) {
        let ports = [Protocol::TCP, Protocol::UDP, Protocol(33), Protocol(132), Protocol(136)];
        if self.flow.protocol.is_some_and(|protocol| !ports.contains(&protocol)) {
            (self.flow.src_port, self.flow.dst_port) = (None, None);
        }
    }

    /// The action, if the reader knows a word that others do not.
    pub(crate) fn decide(&mut self, action: Option<Action>) {
        if self.connection.action.is_none() {
            self.connection.action = action;
        }
    }
}

/// Whether the value could be read; a known one stays.
fn keep<T>(slot: &mut Option<T>, value: Option<T>) -> bool {
    let fits = value.is_some();
    if slot.is_none() {
        *slot = value;
    }
    fits
}

fn text<'a>(slot: &mut Option<Cow<'a, str>>, value: Cow<'a, [u8]>) -> bool {
    if slot.is_none() {
        *slot = Some(text_of(value));
    }
    true
}

/// As text, with replacement characters where it is not UTF-8, without blanks around it.
pub(crate) fn text_of(value: Cow<'_, [u8]>) -> Cow<'_, str> {
    match value {
        Cow::Borrowed(bytes) => lossy(bytes.trim_ascii()),
        Cow::Owned(bytes) => Cow::Owned(lossy(bytes.trim_ascii()).into_owned()),
    }
}

/// By number or name.
pub(crate) fn protocol(value: &[u8]) -> Option<Protocol> {
    match value {
        b"TCP" | b"tcp" | b"6" => Some(Protocol::TCP),
        b"UDP" | b"udp" | b"17" => Some(Protocol::UDP),
        b"ICMP" | b"icmp" | b"1" => Some(Protocol::ICMP),
        _ => {
            let text = std::str::from_utf8(value).ok()?;
            // "tcp/https", "udp/53": what follows is the service.
            Protocol::parse(text).or_else(|| Protocol::parse(text.split_once('/')?.0))
        }
    }
}

/// A count; "1,234" and "59.0" are written by some.
fn count(value: &[u8]) -> Option<u64> {
    number(value).or_else(|| {
        let whole = value.split(|byte| *byte == b'.').next()?;
        if whole.contains(&b',') {
            let digits: Vec<u8> = whole.iter().copied().filter(|byte| *byte != b',').collect();
            return number(&digits);
        }
        number(whole)
    })
}

/// Seconds with a fraction or without, `h:mm:ss`, `1d2h3m4s` with or without blanks: nanoseconds.
pub(crate) fn duration(value: &[u8]) -> Option<i64> {
    let seconds = |text: &[u8]| -> Option<i64> {
        let (whole, fraction) = split_once(text, b".").unwrap_or((text, b""));
        let digits = fraction.get(..fraction.len().min(9))?;
        let scale = 10_i64.checked_pow(9 - u32::try_from(digits.len()).ok()?)?;
        let fraction = if digits.is_empty() { 0 } else { i64::try_from(number(digits)?).ok()?.checked_mul(scale)? };
        i64::try_from(number(whole)?).ok()?.checked_mul(SECOND)?.checked_add(fraction)
    };
    if value.contains(&b':') {
        let mut sum: i64 = 0;
        for part in value.split(|byte| *byte == b':') {
            sum = sum.checked_mul(60)?.checked_add(seconds(part.trim_ascii())?)?;
        }
        return Some(sum);
    }
    if value.iter().any(u8::is_ascii_alphabetic) && !value.contains(&b'e') && !value.contains(&b'E') {
        let mut sum: i64 = 0;
        let mut rest = value;
        while !rest.is_empty() {
            let digits = rest.iter().take_while(|byte| byte.is_ascii_digit() || **byte == b'.').count();
            let (amount, after) = rest.split_at_checked(digits)?;
            let amount = seconds(amount)?;
            let letters = after.iter().take_while(|byte| byte.is_ascii_alphabetic()).count();
            let (unit, after) = after.split_at_checked(letters)?;
            sum = sum.checked_add(match unit {
                b"d" | b"day" | b"days" => amount.checked_mul(86_400)?,
                b"h" | b"hour" | b"hours" => amount.checked_mul(3_600)?,
                b"m" | b"min" | b"minutes" => amount.checked_mul(60)?,
                b"s" | b"sec" | b"secs" | b"second" | b"seconds" => amount,
                b"ms" => amount / 1_000,
                _ => return None,
            })?;
            rest = after.trim_ascii_start();
        }
        return Some(sum);
    }
    seconds(value).or_else(|| {
        // "1e-05", as floats are written.
        let float: f64 = std::str::from_utf8(value).ok()?.parse().ok()?;
        (float.is_finite() && (0.0..9e9).contains(&float)).then_some((float * 1e9) as i64)
    })
}

/// Which way, in the words of firewalls.
pub(crate) fn direction(value: &[u8]) -> Option<Direction> {
    let is = |words: &[&str]| words.iter().any(|word| value.eq_ignore_ascii_case(word.as_bytes()));
    if is(&["in", "inbound", "ingress", "incoming", "receive", "i"]) {
        Some(Direction::Inbound)
    } else if is(&["out", "outbound", "egress", "outgoing", "send", "o"]) {
        Some(Direction::Outbound)
    } else if is(&["forward", "forwarded", "through", "transit"]) {
        Some(Direction::Forwarded)
    } else {
        None
    }
}

/// `address`, and a port after `:`, `/`, `(`, `,`, `#` or a blank; `[v6]:port`. What follows the port is passed over.
pub(crate) fn endpoint(value: &[u8]) -> Option<(IpAddr, Option<u16>)> {
    if let Some(ip) = address(value) {
        return Some((ip, None));
    }
    let digits = |rest: &[u8]| {
        let length = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
        rest.get(..length).and_then(port)
    };
    if let Some(inside) = value.strip_prefix(b"[") {
        let (ip, rest) = split_once(inside, b"]")?;
        return Some((address(ip)?, rest.get(1..).and_then(digits)));
    }
    let at = value.iter().position(|byte| matches!(byte, b'/' | b'(' | b',' | b'#' | b' '));
    if let Some(at) = at
        && let Some(ip) = address(value.get(..at)?)
    {
        return Some((ip, value.get(at + 1..).and_then(digits)));
    }
    // Eight groups and a port, as Meraki writes them without brackets.
    if let Some(at) = memchr::memrchr(b':', value)
        && let Some(ip) = address(value.get(..at)?)
        && ip.is_ipv6()
    {
        return Some((ip, value.get(at + 1..).and_then(digits)));
    }
    let (ip, rest) = split_once(value, b":")?;
    Some((address(ip)?, digits(rest)))
}

fn end(ip: &mut Option<IpAddr>, port: &mut Option<u16>, value: &[u8]) -> bool {
    let Some((found, found_port)) = endpoint(value) else { return false };
    if ip.is_none() {
        *ip = Some(found);
        if port.is_none() {
            *port = found_port;
        }
    }
    true
}

/// The host of a URL or of `name:port`; anything without a letter in it is none (addresses).
fn host_of<'a>(value: &Cow<'a, [u8]>) -> Option<Cow<'a, str>> {
    let own = |bytes: &[u8]| -> Option<(usize, usize)> {
        let begin = find!(bytes, b"://").map_or(0, |at| at + 3);
        let rest = bytes.get(begin..)?;
        let rest_end = rest.iter().position(|byte| matches!(byte, b'/' | b'?' | b'#' | b' ')).unwrap_or(rest.len());
        let authority = rest.get(..rest_end)?;
        let after_user = memchr::memrchr(b'@', authority).map_or(0, |at| at + 1);
        let host = authority.get(after_user..)?;
        let length = memchr::memchr(b':', host).unwrap_or(host.len());
        Some((begin + after_user, begin + after_user + length))
    };
    let (from, to) = own(value)?;
    let host = match value {
        Cow::Borrowed(bytes) => lossy(bytes.get(from..to)?),
        Cow::Owned(bytes) => Cow::Owned(lossy(bytes.get(from..to)?).into_owned()),
    };
    (host.contains('.') && host.bytes().any(|byte| byte.is_ascii_alphabetic())).then_some(host)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations() {
        let second = SECOND;
        for (text, expected) in [
            ("30", Some(30 * second)),
            ("0:00:30", Some(30 * second)),
            ("1:02:03", Some(3723 * second)),
            ("1h 2m", Some(3720 * second)),
            ("2d3h", Some(183_600 * second)),
            ("0.25", Some(second / 4)),
            ("1.5s", Some(1_500_000_000)),
            ("250ms", Some(second / 4)),
            ("1e-05", Some(10_000)),
            ("x", None),
            ("-1", None),
        ] {
            assert_eq!(duration(text.as_bytes()), expected, "{text}");
        }
    }

    #[test]
    fn ends() {
        let at = |text: &str| endpoint(text.as_bytes()).map(|(ip, port)| (ip.to_string(), port));
        let expect = |ip: &str, port: Option<u16>| Some((ip.to_owned(), port));
        assert_eq!(at("10.0.0.1:443"), expect("10.0.0.1", Some(443)));
        assert_eq!(at("10.0.0.1/443"), expect("10.0.0.1", Some(443)));
        assert_eq!(at("10.0.0.1(443)"), expect("10.0.0.1", Some(443)));
        assert_eq!(at("10.0.0.1:443:X1:host"), expect("10.0.0.1", Some(443)));
        assert_eq!(at("10.0.0.1::X1"), expect("10.0.0.1", None));
        assert_eq!(at("2001:db8::1"), expect("2001:db8::1", None));
        assert_eq!(at("[2001:db8::1]:443"), expect("2001:db8::1", Some(443)));
        assert_eq!(at("2001:db8::1/443"), expect("2001:db8::1", Some(443)));
        assert_eq!(at("2001:db8:1:2:3:4:5:6:443"), expect("2001:db8:1:2:3:4:5:6", Some(443)));
        assert_eq!(at("name:443"), None);
    }

    #[test]
    fn hosts_of_urls() {
        let host = |text: &'static str| host_of(&Cow::Borrowed(text.as_bytes())).map(Cow::into_owned);
        assert_eq!(host("https://user:pw@pool.example.com:3333/x?y").as_deref(), Some("pool.example.com"));
        assert_eq!(host("pool.example.com").as_deref(), Some("pool.example.com"));
        assert_eq!(host("pool.example.com:443/").as_deref(), Some("pool.example.com"));
        assert_eq!(host("192.0.2.1:443"), None);
        assert_eq!(host("/index.html"), None);
    }
}

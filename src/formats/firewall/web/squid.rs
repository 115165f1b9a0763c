//! Logs of web proxies: Squid's native format and the ones of web servers (common, combined), Cisco Secure Web Appliance,
//! Olfeo, Blue Coat in `name=value` (<https://wiki.squid-cache.org/Features/LogFormat>).

use std::sync::LazyLock;

use crate::formats::firewall::bytes::{address, find, has, number, split_once, text};
use crate::formats::firewall::dialect::{Dialect, Out, Outcome};
use crate::formats::firewall::fields::Field::*;
use crate::formats::firewall::fields::{Field, Fields, Names};
use crate::formats::firewall::notation::pairs::{SPACED, pairs};
use crate::formats::firewall::record::Record;
use crate::formats::firewall::syslog::Stamp;
use crate::model::{Action as Verdict, Protocol as Transport};

/// The format.
pub(crate) struct Squid;

/// Fields of the extended log format as Blue Coat writes them in syslog.
const EXTENDED: &[(&str, Field)] = &[
    ("c-ip", SrcIp),
    ("c-port", SrcPort),
    ("r-ip", DstIp),
    ("s-supplier-ip", DstIp),
    ("cs-uri-port", DstPort),
    ("cs-bytes", BytesOut),
    ("sc-bytes", BytesIn),
    ("cs-host", Domain),
    ("cs-username", User),
    ("cs-categories", Category),
    ("sc-filter-result", Action),
    ("time-taken", DurationMs),
    ("x-virus-id", Threat),
];

static NAMES: LazyLock<Names> = LazyLock::new(|| Names::new(&[EXTENDED]));

impl Dialect for Squid {
    fn id(&self) -> &'static str {
        "squid"
    }

    fn title(&self) -> &'static str {
        "Web proxies: Squid (native, common, combined), Cisco Secure Web Appliance, Olfeo, Blue Coat name=value"
    }

    fn signature(&self) -> &'static str {
        "requests of proxies (client, TCP_MISS/200, CONNECT name:443)"
    }

    fn claims(&self, record: &Record<'_>) -> bool {
        record.json.is_none()
            && (native(record.line).is_some() || common(record.line).is_some() || is_extended(record.line))
    }

    fn read<'r>(&self, record: &'r Record<'r>, out: &mut Out<'_>) -> Outcome {
        let mut fields = Fields::default();
        if let Some(entry) = native(record.line) {
            of_native(&entry, &mut fields);
        } else if let Some(entry) = common(record.line) {
            of_common(&entry, &mut fields);
        } else {
            for (name, value) in pairs(record.line, SPACED) {
                if let Some(field) = NAMES.get(name) {
                    fields.set(field, value);
                }
            }
            fields.decide(fields.action_word.as_deref().and_then(|word| match word {
                b"OBSERVED" | b"PROXIED" => Some(Verdict::Allow),
                _ => None,
            }));
            fields.end = record.peeled.stamp;
            fields.flow.protocol = Some(Transport::TCP);
        }
        // A bare line begins with its time: what follows is how long it took, and no host.
        if record.peeled.program.is_none() {
            return out.connection(fields, &Record::new(record.line));
        }
        out.connection(fields, record)
    }
}

fn is_extended(line: &[u8]) -> bool {
    has!(line, b" c-ip=") && has!(line, b" cs-host=")
}

/// Words of a line in the native format, from the time on.
struct Native<'a> {
    stamp: Stamp,
    elapsed: &'a [u8],
    client: &'a [u8],
    result: &'a [u8],
    bytes: &'a [u8],
    method: &'a [u8],
    url: &'a [u8],
    user: &'a [u8],
    hierarchy: &'a [u8],
}

/// `epoch.ms elapsed client RESULT/status bytes METHOD url user HIERARCHY/peer type`, behind any header.
fn native(line: &[u8]) -> Option<Native<'_>> {
    // Result codes begin with the transport.
    let at = find!(line, b" TCP_")
        .or_else(|| find!(line, b" UDP_"))
        .or_else(|| find!(line, b" NONE"))
        .or_else(|| find!(line, b" TAG_"))?;
    let mut before = line.get(..at)?.rsplit(|byte| *byte == b' ').filter(|word| !word.is_empty());
    let (client, elapsed, time) = (before.next()?, before.next()?, before.next()?);
    if !time.contains(&b'.') || number(elapsed.strip_prefix(b"-").unwrap_or(elapsed)).is_none() {
        return None;
    }
    let stamp = Stamp::read(time)?;
    let mut words = line.get(at + 1..)?.split(|byte| *byte == b' ').filter(|word| !word.is_empty());
    let (result, bytes, method, url) = (words.next()?, words.next()?, words.next()?, words.next()?);
    let (user, hierarchy) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    (result.contains(&b'/') && number(bytes).is_some()).then_some(Native {
        stamp,
        elapsed,
        client,
        result,
        bytes,
        method,
        url,
        user,
        hierarchy,
    })
}

fn of_native<'a>(entry: &Native<'a>, fields: &mut Fields<'a>) {
    // Written when the request is done.
    fields.end = Some(entry.stamp);
    fields.put(DurationMs, entry.elapsed);
    fields.impossible = None;
    fields.put(SrcIp, entry.client.split(|byte| *byte == b'/').next().unwrap_or_default());
    fields.put(BytesIn, entry.bytes);
    fields.put(User, entry.user);
    fields.put(State, entry.result);
    target(entry.method, entry.url, fields);
    let peer = entry.hierarchy.rsplit(|byte| *byte == b'/').next().unwrap_or_default();
    if address(peer).is_some() {
        fields.put(DstIp, peer);
    }
    let denied = [&b"DENIED"[..], b"BLOCK"].iter().any(|word| memchr::memmem::find(entry.result, word).is_some());
    fields.decide(Some(if denied { Verdict::Deny } else { Verdict::Allow }));
    fields.flow.protocol = Some(if entry.result.starts_with(b"UDP_") { Transport::UDP } else { Transport::TCP });
}

/// Words of a line in the formats of web servers.
struct Common<'a> {
    client: &'a [u8],
    user: &'a [u8],
    time: &'a [u8],
    method: &'a [u8],
    url: &'a [u8],
    status: &'a [u8],
    bytes: &'a [u8],
}

/// `client ident user [time] "METHOD url HTTP/1.1" status bytes`, of a proxy: the URL names a host.
fn common(line: &[u8]) -> Option<Common<'_>> {
    let (before, rest) = split_once(line, b" [")?;
    let (time, rest) = split_once(rest, b"] \"")?;
    let (request, rest) = split_once(rest, b"\" ")?;
    let mut words = before.rsplit(|byte| *byte == b' ').filter(|word| !word.is_empty());
    let (user, _, client) = (words.next()?, words.next()?, words.next()?);
    address(client)?;
    let mut words = request.split(|byte| *byte == b' ');
    let (method, url) = (words.next()?, words.next()?);
    let of_proxy = method == b"CONNECT" || has!(url, b"://");
    let mut words = rest.split(|byte| *byte == b' ');
    let (status, bytes) = (words.next()?, words.next().unwrap_or_default());
    number(status)?;
    of_proxy.then_some(Common { client, user, time, method, url, status, bytes })
}

fn of_common<'a>(entry: &Common<'a>, fields: &mut Fields<'a>) {
    fields.end = Stamp::read(entry.time).or_else(|| day_or_month_first(entry.time));
    fields.put(SrcIp, entry.client);
    fields.put(User, entry.user);
    fields.put(State, entry.status);
    fields.put(BytesIn, entry.bytes);
    fields.impossible = None;
    target(entry.method, entry.url, fields);
    fields.decide(Some(if matches!(entry.status, b"403" | b"407") { Verdict::Deny } else { Verdict::Allow }));
}

/// `15/04/2024 12:50:04`; with a second number above 12 the first one is the month. Of others the order cannot be told.
fn day_or_month_first(time: &[u8]) -> Option<Stamp> {
    let part = |from: usize, to: usize| u32::try_from(number(time.get(from..to)?)?).ok();
    if time.get(2) != Some(&b'/') || time.get(5) != Some(&b'/') {
        return None;
    }
    let (first, second, year) = (part(0, 2)?, part(3, 5)?, part(6, 10)?);
    let (day, month) = match (first, second) {
        (13.., _) => (first, second),
        (_, 13..) => (second, first),
        _ if first == second => (first, second),
        _ => return None,
    };
    let date = chrono::NaiveDate::from_ymd_opt(i32::try_from(year).ok()?, month, day)?;
    let (time, resolution_ns, _) = crate::formats::firewall::syslog::clock(time.get(11..)?)?;
    Some(Stamp::Local { at: date.and_time(time), resolution_ns })
}

/// Where a request goes: `name:443` of CONNECT, or a URL with a port or the usual one of its scheme.
fn target<'a>(method: &[u8], url: &'a [u8], fields: &mut Fields<'a>) {
    fields.put(Domain, url);
    let (scheme, rest) = split_once(url, b"://").unwrap_or((b"", url));
    let authority = rest.split(|byte| matches!(byte, b'/' | b'?')).next().unwrap_or_default();
    let authority = crate::formats::firewall::bytes::rsplit_once(authority, b"@").map_or(authority, |(_, host)| host);
    let (host, port) = match crate::formats::firewall::bytes::rsplit_once(authority, b":") {
        Some((host, port)) if number(port).is_some() && !host.ends_with(b":") => (host, port),
        _ => (authority, &b""[..]),
    };
    let host = host.strip_prefix(b"[").and_then(|host| host.strip_suffix(b"]")).unwrap_or(host);
    if address(host).is_some() {
        fields.put(DstIp, host);
    }
    let usual: &[u8] = match scheme {
        b"http" => b"80",
        b"https" => b"443",
        b"ftp" => b"21",
        _ if method == b"CONNECT" => b"443",
        _ => b"",
    };
    fields.put(DstPort, if port.is_empty() { usual } else { port });
    if fields.connection.application.is_none() {
        fields.connection.application =
            Some(text(if method == b"CONNECT" { b"CONNECT" } else { b"http" }).into_owned().into());
    }
}

//! Addresses, names, ports and URLs in a piece of text.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::ops::Range;

use ipnet::{IpNet, Ipv4Net, Ipv4Subnets};

use super::hosts::{is_labels, is_name, is_plain_name, split_host_port};
use super::literals::LiteralKind;

/// What a text contains, with places relative to it.
pub(super) struct Found {
    pub(super) kind: LiteralKind,
    pub(super) port: Option<u16>,
    pub(super) range: Range<usize>,
}

/// Default ports of the URL schemes that have one (IANA, RFC 9110, 4253, 959, 6455).
fn scheme_port(scheme: &str) -> Option<u16> {
    match scheme {
        "http" | "ws" => Some(80),
        "https" | "wss" => Some(443),
        "ssh" | "sftp" => Some(22),
        "ftp" => Some(21),
        "git" => Some(9418),
        "redis" => Some(6379),
        "postgres" | "postgresql" => Some(5432),
        "mysql" => Some(3306),
        _ => None,
    }
}

/// Everything in a text that stands by itself. `code` is program text: bare names count only inside quotes.
pub(super) fn scan(text: &str, code: bool) -> Vec<Found> {
    let mut out = Vec::new();
    let mut taken: Vec<Range<usize>> = Vec::new();
    urls(text, &mut out, &mut taken);
    devices(text, &mut out, &mut taken);
    tokens(text, code, &taken, &mut out);
    ipv6(text, &taken, &mut out);
    out
}

/// A text that stands where a host is expected: `host`, `host:port`, `[v6]:port`, `user@host`, an address or network.
pub(super) fn endpoint(text: &str) -> Option<(LiteralKind, Option<u16>)> {
    let text = text.rsplit_once('@').map_or(text, |(_, host)| host);
    if let Ok(network) = text.parse::<IpNet>() {
        return Some((LiteralKind::Network(network), None));
    }
    if let Ok(address) = text.parse::<IpAddr>() {
        return Some((LiteralKind::Address(address), None));
    }
    let (host, port) = split_host_port(text.split('/').next().unwrap_or(text));
    if let Ok(address) = host.parse::<IpAddr>() {
        return Some((LiteralKind::Address(address), port));
    }
    is_labels(host).then(|| (LiteralKind::Host(host.to_ascii_lowercase()), port))
}

fn urls(text: &str, out: &mut Vec<Found>, taken: &mut Vec<Range<usize>>) {
    let mut from = 0;
    while let Some(mark) = text.get(from..).and_then(|rest| rest.find("://")).map(|at| at + from) {
        from = mark + 3;
        let head = text.get(..mark).unwrap_or("");
        let floor = taken.last().map_or(0, |range| range.end);
        let length = head
            .bytes()
            .rev()
            .take(mark - floor.min(mark))
            .take_while(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.'))
            .count();
        let start = mark - length;
        let scheme = text.get(start..mark).unwrap_or("").to_ascii_lowercase();
        if !scheme.bytes().next().is_some_and(|first| first.is_ascii_lowercase()) {
            continue;
        }
        let tail = text.get(from..).unwrap_or("");
        let length = tail.find(|c: char| c.is_whitespace() || "'\"<>|;\\`)},".contains(c)).unwrap_or(tail.len());
        let end = from + length;
        let rest = text.get(from..end).unwrap_or("");
        let authority = rest.split(['/', '?', '#']).next().unwrap_or("");
        let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
        taken.push(start..end);
        from = end;
        let Some((kind, port)) = endpoint(host) else { continue };
        let url = text.get(start..end).unwrap_or("").trim_end_matches(['.', ':']);
        let at = end - rest.len() + authority.len() - host.len();
        let port = port.or(scheme_port(&scheme));
        out.push(Found { kind: LiteralKind::Url(url.to_owned()), port, range: start..start + url.len() });
        out.push(Found { kind, port, range: at..at + host.len() });
    }
}

/// `/dev/tcp/HOST/PORT` and `/dev/udp/HOST/PORT` of bash.
fn devices(text: &str, out: &mut Vec<Found>, taken: &mut Vec<Range<usize>>) {
    for mark in ["/dev/tcp/", "/dev/udp/"] {
        for (at, _) in text.match_indices(mark) {
            let tail = text.get(at + mark.len()..).unwrap_or("");
            let end = tail.find(|c: char| c.is_whitespace() || "'\";)|&<>`".contains(c)).unwrap_or(tail.len());
            let (host, port) = tail.get(..end).unwrap_or("").split_once('/').unwrap_or(("", ""));
            let range = at..at + mark.len() + end;
            if let Some((kind, _)) = endpoint(host) {
                out.push(Found { kind, port: port.parse().ok(), range: range.clone() });
            }
            taken.push(range);
        }
    }
    taken.sort_by_key(|range| range.start);
}

fn port_after(text: &str, end: usize) -> Option<u16> {
    let rest = text.get(end..)?.strip_prefix(':')?;
    let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
    let after = rest.get(digits..)?.chars().next();
    let ends = !after.is_some_and(|c| c.is_ascii_alphanumeric() || c == '.' || c == ':');
    rest.get(..digits)?.parse().ok().filter(|port| ends && *port > 0)
}

/// `', 8080` behind a quoted host in program text.
fn port_argument(text: &str, end: usize) -> Option<u16> {
    let rest = text.get(end..)?.strip_prefix(['"', '\''])?.trim_start().strip_prefix(',')?.trim_start();
    let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
    rest.get(..digits)?.parse().ok().filter(|port| *port > 0)
}

fn tokens(text: &str, code: bool, taken: &[Range<usize>], out: &mut Vec<Found>) {
    let part = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
    let bytes = text.as_bytes();
    let mut masks = taken.iter().peekable();
    let mut at = 0;
    while at < bytes.len() {
        while masks.peek().is_some_and(|mask| mask.end <= at) {
            masks.next();
        }
        if let Some(mask) = masks.peek().filter(|mask| mask.contains(&at)) {
            at = mask.end;
            continue;
        }
        let length = bytes.get(at..).unwrap_or(&[]).iter().take_while(|byte| part(**byte)).count();
        if length == 0 {
            at += 1;
            continue;
        }
        let end = at + length;
        // Cutting at ASCII bytes keeps to character boundaries.
        let token = text.get(at..end).unwrap_or("");
        let before = at.checked_sub(1).and_then(|at| bytes.get(at)).copied();
        let after = bytes.get(end).copied();
        token_of(text, token, at..end, before, after, code, out);
        at = end;
    }
}

fn token_of(
    text: &str,
    token: &str,
    range: Range<usize>,
    before: Option<u8>,
    after: Option<u8>,
    code: bool,
    out: &mut Vec<Found>,
) {
    let trimmed = token.trim_end_matches(['.', '-']);
    let end = range.start + trimmed.len();
    let quoted = matches!(before, Some(b'\'' | b'"'));
    if let Ok(address) = trimmed.parse::<Ipv4Addr>() {
        let path = before == Some(b'/') && !text.get(..range.start).unwrap_or("").ends_with("//");
        let version = text.get(..range.start).unwrap_or("").ends_with("==") || path;
        if version {
            return;
        }
        if after == Some(b'/') && end == range.end {
            let rest = text.get(end + 1..).unwrap_or("");
            let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
            let bits = rest.get(..digits).and_then(|bits| bits.parse().ok());
            if let Some(net) = bits.and_then(|bits| Ipv4Net::new(address, bits).ok()) {
                let kind = LiteralKind::Network(IpNet::V4(net));
                out.push(Found { kind, port: None, range: range.start..end + 1 + digits });
                return;
            }
        }
        let port = port_after(text, end).or_else(|| if code { port_argument(text, end) } else { None });
        out.push(Found { kind: LiteralKind::Address(address.into()), port, range: range.start..end });
        return;
    }
    if let Some(networks) = address_range(trimmed).filter(|_| before != Some(b'/')) {
        let network = |net| Found { kind: LiteralKind::Network(IpNet::V4(net)), port: None, range: range.start..end };
        out.extend(networks.into_iter().map(network));
        return;
    }
    // `10.30.0.` in front of a placeholder of the program text: `{i}`, `%d`, `" + str(i)`.
    if code && token.ends_with('.') && matches!(after, Some(b'{' | b'%' | b'"' | b'\'' | b'$')) {
        let octets: Option<Vec<u8>> = trimmed.split('.').map(|part| part.parse().ok()).collect();
        if let Some(octets) = octets.filter(|octets| (2..=3).contains(&octets.len())) {
            let mut all = [0_u8; 4];
            all.iter_mut().zip(&octets).for_each(|(slot, octet)| *slot = *octet);
            if let Ok(net) = Ipv4Net::new(all.into(), (octets.len() * 8) as u8) {
                out.push(Found { kind: LiteralKind::Prefix(net), port: None, range: range.start..end });
            }
        }
        return;
    }
    if token.starts_with('.') || before == Some(b'/') || !trimmed.contains('.') {
        return;
    }
    let port = port_after(text, end);
    let closes = matches!(bytes_at(text, end), Some(b'\'' | b'"'));
    let stands = if code { quoted && (closes || port.is_some()) } else { after != Some(b'(') };
    let good = match port {
        Some(_) => is_name(trimmed) && (is_plain_name(trimmed) || trimmed.matches('.').count() >= 2),
        None => is_plain_name(trimmed),
    };
    if stands && good {
        let port = port.or_else(|| if code { port_argument(text, end) } else { None });
        out.push(Found { kind: LiteralKind::Host(trimmed.to_ascii_lowercase()), port, range: range.start..end });
    }
}

/// Ranges as scanners take them, as the fewest networks: `10.30.0.20-22` and `10.30.0-3.1-254` of nmap,
/// `10.30.0.20-10.30.0.22` of masscan. `None` for anything else, and for more than 256 networks.
fn address_range(text: &str) -> Option<Vec<Ipv4Net>> {
    let (first, last) = text.split_once('-')?;
    if let (Ok(first), Ok(last)) = (first.parse::<Ipv4Addr>(), last.parse::<Ipv4Addr>()) {
        return (first <= last).then(|| Ipv4Subnets::new(first, last, 0).collect());
    }
    let octets: Vec<(u8, u8)> = text
        .split('.')
        .map(|part| match part.split_once('-') {
            Some((low, high)) => Some((low.parse().ok()?, high.parse().ok()?)),
            None => part.parse().ok().map(|only| (only, only)),
        })
        .collect::<Option<_>>()?;
    let [a, b, c, (low, high)] = octets.try_into().ok()?;
    let mut networks = Vec::new();
    for (a, b, c) in (a.0..=a.1).flat_map(|a| (b.0..=b.1).flat_map(move |b| (c.0..=c.1).map(move |c| (a, b, c)))) {
        let [first, last] = [low, high].map(|octet| Ipv4Addr::new(a, b, c, octet));
        networks.extend((first <= last).then(|| Ipv4Subnets::new(first, last, 0)).into_iter().flatten());
        if networks.len() > 256 {
            return None;
        }
    }
    (!networks.is_empty()).then_some(networks)
}

fn bytes_at(text: &str, at: usize) -> Option<u8> {
    text.as_bytes().get(at).copied()
}

/// IPv6 addresses, in brackets with a port or bare. `a::b` of a programming language is not one: the first group has to
/// be that of global unicast, unique local, link-local or multicast space, or it is the loopback address.
fn ipv6(text: &str, taken: &[Range<usize>], out: &mut Vec<Found>) {
    let part = |byte: u8| byte.is_ascii_hexdigit() || byte == b':' || byte == b'.';
    let bytes = text.as_bytes();
    let mut at = 0;
    while at < bytes.len() {
        let length = bytes.get(at..).unwrap_or(&[]).iter().take_while(|byte| part(**byte)).count();
        if length == 0 {
            at += 1;
            continue;
        }
        let end = at + length;
        let token = text.get(at..end).unwrap_or("");
        let letter = |byte: Option<u8>| byte.is_some_and(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
        let alone = !letter(at.checked_sub(1).and_then(|at| bytes_at(text, at))) && !letter(bytes_at(text, end));
        let masked = taken.iter().any(|mask| mask.contains(&at));
        if alone
            && !masked
            && token.matches(':').count() >= 2
            && let Ok(address) = token.trim_end_matches('.').parse::<Ipv6Addr>()
        {
            let first = address.segments()[0];
            let known = (0x2000..0x4000).contains(&first) || first >= 0xfc00 || address == Ipv6Addr::LOCALHOST;
            if known && (token.len() > 5 || address == Ipv6Addr::LOCALHOST) {
                let bits: Option<u8> = text.get(end..).and_then(|rest| rest.strip_prefix('/')).and_then(|rest| {
                    let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
                    rest.get(..digits)?.parse().ok()
                });
                let kind = match bits.and_then(|bits| ipnet::Ipv6Net::new(address, bits).ok()) {
                    Some(net) => LiteralKind::Network(IpNet::V6(net)),
                    None => LiteralKind::Address(address.into()),
                };
                let port = if bytes_at(text, end) == Some(b']') { port_after(text, end + 1) } else { None };
                out.push(Found { kind, port, range: at..end });
            }
        }
        at = end;
    }
}

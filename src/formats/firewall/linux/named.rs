//! Queries and answers that BIND's named logs: the categories `queries`, `query-errors`, `responses`, `rpz`, `security`
//! and `xfer-out` (BIND 9 Administrator Reference Manual, "logging Block Grammar").

use std::borrow::Cow;
use std::net::IpAddr;

use crate::formats::firewall::bytes::{address, find, has, port, split_once, text, word};
use crate::formats::firewall::dialect::{Dialect, Out, Outcome};
use crate::formats::firewall::record::Record;
use crate::formats::firewall::syslog::Stamp;
use crate::formats::firewall::verdict;
use crate::model::{Action, Alert, Detail, Dns, Flow, Protocol};

/// The format.
pub(crate) struct Bind;

impl Dialect for Bind {
    fn id(&self) -> &'static str {
        "dns-bind"
    }

    fn title(&self) -> &'static str {
        "BIND named queries, answers, refusals and policy rewrites (own files, syslog)"
    }

    fn signature(&self) -> &'static str {
        "messages of named (client ADDRESS#PORT ... query:)"
    }

    fn claims(&self, record: &Record<'_>) -> bool {
        record.json.is_none()
            && (record.peeled.is_program(b"named")
                || is_own(record.line)
                || client(record.line).is_some()
                || asked(record.line).is_some()
                || transfer(record.line).is_some())
    }

    fn read<'r>(&self, record: &'r Record<'r>, out: &mut Out<'_>) -> Outcome {
        let Some(client) = client(record.line) else {
            // What named itself asks of others.
            let Some((flow, dns)) = asked(record.line).or_else(|| transfer(record.line)) else {
                return Err("a message that is not about a query".into());
            };
            let span = out.span(record.peeled.stamp.or_else(|| own_time(record.line)));
            let host = record.peeled.host.filter(|_| record.peeled.stamp.is_some()).map(text);
            out.observe(span, host, Some(flow), Detail::Dns(dns));
            return Ok(());
        };
        let Some(event) = event(client.message) else {
            return Err("a message about a client without a query".into());
        };
        let flow = Flow {
            src: Some(client.address),
            src_port: client.port,
            dst: event.server,
            dst_port: None,
            protocol: event.protocol,
        };
        let span = out.span(record.peeled.stamp.or_else(|| own_time(record.line)));
        let host = || record.peeled.host.filter(|_| record.peeled.stamp.is_some()).map(text);
        out.observe(span, host(), Some(flow), Detail::Dns(event.dns));
        if let Some(alert) = event.alert {
            out.observe(span, host(), Some(flow), Detail::Alert(alert));
        }
        Ok(())
    }
}

/// `20-Nov-2026 14:34:46.123 ` at the beginning: local time.
fn own_time(line: &[u8]) -> Option<Stamp> {
    let end = line.iter().take(32).enumerate().filter(|(_, byte)| **byte == b' ').nth(1)?.0;
    Stamp::read(line.get(..end)?)
}

/// Whether a line is of a file of named: `20-Nov-2026 14:34:46.123 category: level: `.
fn is_own(line: &[u8]) -> bool {
    if line.get(2) != Some(&b'-') || line.get(6) != Some(&b'-') {
        return false;
    }
    let mut words = line.split(|byte| *byte == b' ').skip(2);
    let category = words.next().is_some_and(|word| word.ends_with(b":"));
    let level = words
        .next()
        .is_some_and(|word| matches!(word, b"info:" | b"notice:" | b"warning:" | b"error:" | b"critical:" | b"debug"));
    category && level && own_time(line).is_some()
}

struct Client<'a> {
    address: IpAddr,
    port: Option<u16>,
    message: &'a [u8],
}

/// `client [@0x7f00] 10.0.0.1#5353[/key name] [(query name)]: message`.
fn client(line: &[u8]) -> Option<Client<'_>> {
    if !has!(line, b"client ") {
        return None;
    }
    memchr::memmem::find_iter(line, b"client ").find_map(|at| {
        if at > 0 && line.get(at - 1) != Some(&b' ') {
            return None;
        }
        let mut rest = line.get(at + b"client ".len()..)?;
        if rest.starts_with(b"@0x") {
            rest = word(rest).1;
        }
        let (ip, after) = split_once(rest, b"#")?;
        let digits = after.iter().take_while(|byte| byte.is_ascii_digit()).count();
        let (number, rest) = after.split_at_checked(digits)?;
        let (_, message) = split_once(rest, b": ")?;
        Some(Client { address: address(ip)?, port: port(number), message })
    })
}

fn question(name: &[u8], kind: &[u8]) -> Dns {
    let name = name.strip_suffix(b".").filter(|name| !name.is_empty()).unwrap_or(name);
    Dns { query: text(name).into_owned(), record_type: text(kind).into_owned(), ..Dns::default() }
}

/// `timed out resolving 'name/A/IN': 192.0.2.53#53`, `lame server resolving 'name' (in 'zone'?): 192.0.2.53#53`: the
/// server that was asked.
fn asked(line: &[u8]) -> Option<(Flow, Dns)> {
    let at = find!(line, b" resolving '")?;
    let (name, rest) = split_once(line.get(at + b" resolving '".len()..)?, b"'")?;
    let (name, kind) = name_and_type(name).unwrap_or((name, b""));
    let (ip, port) = server(split_once(rest, b": ")?.1)?;
    Some((Flow { dst: Some(ip), dst_port: Some(port), ..Flow::default() }, question(name, kind)))
}

/// `transfer of 'zone/IN' from 192.0.2.9#53: connected using 192.0.2.53#4242`: who began it.
fn transfer(line: &[u8]) -> Option<(Flow, Dns)> {
    let at = find!(line, b"transfer of '")?;
    let (zone, rest) = split_once(line.get(at + b"transfer of '".len()..)?, b"' from ")?;
    let (from, rest) = split_once(rest, b": connected using ")?;
    let ((dst, dst_port), (src, src_port)) = (server(from)?, server(rest)?);
    let flow = Flow {
        src: Some(src),
        src_port: Some(src_port),
        dst: Some(dst),
        dst_port: Some(dst_port),
        protocol: Some(Protocol::TCP),
    };
    Some((flow, question(zone.split(|byte| *byte == b'/').next()?, b"AXFR")))
}

/// `192.0.2.53#53` and what follows it.
fn server(text: &[u8]) -> Option<(IpAddr, u16)> {
    let (ip, rest) = split_once(text, b"#")?;
    let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
    Some((address(ip)?, port(rest.get(..digits)?)?))
}

struct Event<'a> {
    dns: Dns,
    server: Option<IpAddr>,
    protocol: Option<Protocol>,
    alert: Option<Alert<'a>>,
}

fn event(message: &[u8]) -> Option<Event<'_>> {
    let mut message = message;
    if let Some(rest) = message.strip_prefix(b"view ") {
        message = split_once(rest, b": ")?.1;
    }
    let alone = |dns: Dns| Event { dns, server: None, protocol: None, alert: None };
    let (verb, rest) = word(message);
    if matches!(verb, b"query:" | b"response:" | b"answer:") {
        let (name, rest) = word(rest);
        let (class, rest) = word(rest);
        let (kind, rest) = word(rest);
        if !matches!(class, b"IN" | b"CH" | b"HS" | b"ANY" | b"NONE") || kind.is_empty() {
            return None;
        }
        let mut event = alone(question(name, kind));
        event.dns.response = verb != b"query:";
        let mut rest = rest;
        if verb == b"response:" {
            let (code, after) = word(rest);
            event.dns.response_code = Some(text(code).into_owned());
            rest = after;
        }
        let (flags, after) = word(rest);
        if matches!(flags.first(), Some(b'+' | b'-')) {
            event.protocol = Some(if flags.contains(&b'T') { Protocol::TCP } else { Protocol::UDP });
            let server = split_once(after, b")").map(|(server, _)| server);
            event.server = server.and_then(|server| address(server.strip_prefix(b"(")?));
        }
        if let Some((_, answer)) = split_once(after, b"-> ") {
            let mut words = answer.split(|byte| *byte == b' ');
            event.dns.response_code = words.next().map(|code| text(code).into_owned());
            event.dns.addresses = words.filter_map(address).collect();
        }
        return Some(event);
    }
    // "query (cache) 'name/A/IN' denied", "query 'name/A/IN' denied", "transfer of 'zone/IN': AXFR started".
    let quoted = |rest| split_once(rest, b"'").and_then(|(_, rest)| split_once(rest, b"'"));
    if verb == b"query" && has!(rest, b"denied") {
        let (name, kind) = name_and_type(quoted(rest)?.0)?;
        let mut dns = question(name, kind);
        dns.response = true;
        dns.response_code = Some("REFUSED".to_owned());
        return Some(alone(dns));
    }
    // "query failed (SERVFAIL) for name/IN/A at query.c:7852".
    if let Some(rest) = message.strip_prefix(b"query failed (") {
        let (code, rest) = split_once(rest, b") for ")?;
        let mut parts = word(rest).0.rsplitn(3, |byte| *byte == b'/');
        let (kind, _, name) = (parts.next()?, parts.next()?, parts.next()?);
        let mut dns = question(name, kind);
        dns.response = true;
        dns.response_code = Some(text(code).into_owned());
        return Some(alone(dns));
    }
    // "rpz QNAME NXDOMAIN rewrite name/A/IN via name.zone", "disabled rpz ..." where it is only logged.
    let (disabled, policy) = match message.strip_prefix(b"disabled ") {
        Some(rest) => (true, rest),
        None => (false, message),
    };
    if let Some(policy) = policy.strip_prefix(b"rpz ") {
        let (_, after) = word(policy);
        let (action, after) = word(after);
        let after = after.strip_prefix(b"rewrite ")?;
        let (name, kind) = name_and_type(word(after).0)?;
        let mut event = alone(question(name, kind));
        let passes = disabled || action.eq_ignore_ascii_case(b"PASSTHRU");
        let message = text(message);
        event.alert = Some(Alert {
            category: Cow::Borrowed("dns-policy"),
            behaviour: verdict::behaviour(&message),
            message,
            user: None,
            action: Some(if passes { Action::Allow } else { Action::Deny }),
            ..Alert::default()
        });
        return Some(event);
    }
    if let Some(rest) = message.strip_prefix(b"transfer of '") {
        let (zone, rest) = split_once(rest, b"': ")?;
        let (kind, rest) = word(rest);
        if !rest.starts_with(b"started") {
            return None;
        }
        let mut event = alone(question(zone.split(|byte| *byte == b'/').next()?, kind));
        event.protocol = Some(Protocol::TCP);
        return Some(event);
    }
    None
}

/// `name/A/IN`, or `name/A`.
fn name_and_type(words: &[u8]) -> Option<(&[u8], &[u8])> {
    let words = words.strip_suffix(b"/IN").or(words.strip_suffix(b"/CH")).unwrap_or(words);
    let slash = memchr::memrchr(b'/', words)?;
    Some((words.get(..slash)?, words.get(slash + 1..)?))
}

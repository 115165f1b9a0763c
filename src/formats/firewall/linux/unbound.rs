//! Queries and answers that Unbound logs (`log-queries`, `log-replies`, `log-local-actions`, `rpz-log` of unbound.conf(5)).

use std::borrow::Cow;

use crate::formats::firewall::bytes::{address, has, number, split_once, text, word};
use crate::formats::firewall::dialect::{Dialect, Out, Outcome};
use crate::formats::firewall::record::Record;
use crate::formats::firewall::syslog::Stamp;
use crate::formats::firewall::verdict;
use crate::model::{Action, Alert, Detail, Dns, Flow};

/// The format.
pub(crate) struct Unbound;

impl Dialect for Unbound {
    fn id(&self) -> &'static str {
        "dns-unbound"
    }

    fn title(&self) -> &'static str {
        "Unbound queries, replies, local actions and policy rewrites (own files, syslog)"
    }

    fn signature(&self) -> &'static str {
        "messages of unbound ([pid:thread] info: ADDRESS NAME TYPE CLASS)"
    }

    fn claims(&self, record: &Record<'_>) -> bool {
        record.json.is_none() && message(record.line).is_some()
    }

    fn read<'r>(&self, record: &'r Record<'r>, out: &mut Out<'_>) -> Outcome {
        let Some(event) = message(record.line).and_then(event) else {
            return Err("a message without a query".into());
        };
        let span = out.span(record.peeled.stamp.or_else(|| own_time(record.line)));
        // In its own files the program stands where others have the host.
        let host = || record.peeled.host.filter(|host| !host.starts_with(b"unbound[")).map(text);
        out.observe(span, host(), Some(event.flow), Detail::Dns(event.dns));
        if let Some(alert) = event.alert {
            out.observe(span, host(), Some(event.flow), Detail::Alert(alert));
        }
        Ok(())
    }
}

/// `[1795185286] unbound[17265:0] info: ...`: seconds since 1970.
fn own_time(line: &[u8]) -> Option<Stamp> {
    let (seconds, rest) = split_once(line.strip_prefix(b"[")?, b"]")?;
    rest.starts_with(b" unbound").then(|| Stamp::read(seconds))?
}

/// What follows `[pid:thread] level: `, of the levels under which queries are logged and all others.
fn message(line: &[u8]) -> Option<&[u8]> {
    const LEVELS: [&[u8]; 8] = [b"info", b"query", b"reply", b"error", b"notice", b"warning", b"debug", b"fatal error"];
    if !has!(line, b"] ") {
        return None;
    }
    memchr::memmem::find_iter(line, b"] ").find_map(|at| {
        let (before, after) = line.split_at_checked(at)?;
        let open = memchr::memrchr(b'[', before)?;
        let (pid, thread) = split_once(before.get(open + 1..)?, b":")?;
        number(pid).filter(|_| !thread.is_empty() && thread.iter().all(u8::is_ascii_hexdigit))?;
        let (level, message) = split_once(after.get(2..)?, b": ")?;
        LEVELS.contains(&level).then_some(message)
    })
}

struct Event<'a> {
    dns: Dns,
    flow: Flow,
    alert: Option<Alert<'a>>,
}

fn event(message: &[u8]) -> Option<Event<'_>> {
    // "zone. action address@port name. A IN", "rpz: applied [label] zone. rpz-nxdomain address@port name. A IN".
    let words = || message.split(|byte| *byte == b' ').filter(|word| !word.is_empty());
    let acted = words().take(6).position(|word| word.contains(&b'@') && at(word).is_some());
    let (place, first) = match acted {
        Some(place) => (place, words().nth(place)?),
        None => (0, word(message).0),
    };
    let (src, src_port) = if acted.is_some() { at(first)? } else { (address(first)?, None) };
    let mut rest = words().skip(place + 1);
    let (name, kind, class) = (rest.next()?, rest.next()?, rest.next()?);
    if !matches!(class, b"IN" | b"CH" | b"HS" | b"ANY" | b"NONE") {
        return None;
    }
    let code = rest.next().filter(|_| acted.is_none());
    let dns = Dns {
        query: text(name.strip_suffix(b".").filter(|name| !name.is_empty()).unwrap_or(name)).into_owned(),
        record_type: text(kind).into_owned(),
        response: code.is_some(),
        response_code: code.map(|code| text(code).into_owned()),
        ..Dns::default()
    };
    let alert = place.checked_sub(1).filter(|_| acted.is_some()).and_then(|before| {
        let action = verdict_of(words().nth(before)?)?;
        let message = text(message);
        let behaviour = verdict::behaviour(&message);
        Some(Alert {
            category: Cow::Borrowed("dns-policy"),
            behaviour,
            message,
            user: None,
            action: Some(action),
            ..Alert::default()
        })
    });
    let flow = Flow { src: Some(src), src_port, ..Flow::default() };
    Some(Event { dns, flow, alert })
}

/// `address@port`.
fn at(word: &[u8]) -> Option<(std::net::IpAddr, Option<u16>)> {
    let (ip, port) = split_once(word, b"@")?;
    Some((address(ip)?, crate::formats::firewall::bytes::port(port)))
}

/// What a type of `local-zone` or a policy of a response policy zone does; `None` if it only watches.
fn verdict_of(action: &[u8]) -> Option<Action> {
    let denied: [&[u8]; 19] = [
        b"deny",
        b"refuse",
        b"static",
        b"redirect",
        b"inform_deny",
        b"inform_redirect",
        b"always_refuse",
        b"always_nxdomain",
        b"always_nodata",
        b"always_deny",
        b"always_null",
        b"block_a",
        b"rpz-nxdomain",
        b"rpz-nodata",
        b"rpz-drop",
        b"rpz-local-data",
        b"rpz-cname-override",
        b"rpz-tcp-only",
        b"nxdomain",
    ];
    denied.contains(&action).then_some(Action::Deny)
}

//! MikroTik RouterOS firewall log: `prefix forward: in:ether1 out:ether2, src-mac ..., proto TCP (SYN),
//! 192.0.2.1:5000->203.0.113.1:80, NAT (...)->..., len 52` (RouterOS manual, "Firewall", action=log).

use crate::formats::firewall::action::action;
use crate::formats::firewall::bytes::{find, has, split_once, text};
use crate::formats::firewall::dialect::{Dialect, Out, Outcome};
use crate::formats::firewall::fields::Field::*;
use crate::formats::firewall::fields::Fields;
use crate::formats::firewall::record::Record;
use crate::model::Direction as Way;

/// The format.
pub(crate) struct MikroTik;

impl Dialect for MikroTik {
    fn id(&self) -> &'static str {
        "mikrotik"
    }

    fn title(&self) -> &'static str {
        "MikroTik RouterOS firewall log (rules with log=yes or action=log, address translation)"
    }

    fn signature(&self) -> &'static str {
        "RouterOS packets (forward: in:... out:..., proto TCP (SYN), a:p->b:p, len)"
    }

    fn claims(&self, record: &Record<'_>) -> bool {
        let line = record.line;
        record.json.is_none()
            && has!(line, b": in:")
            && has!(line, b" out:")
            && has!(line, b"proto ")
            && has!(line, b"->")
    }

    fn read<'r>(&self, record: &'r Record<'r>, out: &mut Out<'_>) -> Outcome {
        let mut fields = Fields::default();
        let line = record.line;
        let Some(at) = find!(line, b": in:") else { return Err("a packet without interfaces".into()) };
        let (head, rest) = (line.get(..at).unwrap_or_default(), line.get(at + 2..).unwrap_or_default());
        // The word before the colon is the chain, what stands before it the prefix of the rule.
        let mut words = head.rsplit(|byte| *byte == b' ');
        let chain = words.next().unwrap_or_default();
        fields.connection.direction = match chain {
            b"input" => Some(Way::Inbound),
            b"output" => Some(Way::Outbound),
            b"forward" => Some(Way::Forwarded),
            _ => None,
        };
        let prefix = words.next().filter(|word| !word.contains(&b',') && record.peeled.host != Some(*word));
        if let Some(prefix) = prefix.filter(|prefix| action(prefix).is_some()) {
            fields.decide(action(prefix));
            fields.connection.rule = Some(text(prefix));
        }
        for part in rest.split(|byte| *byte == b',') {
            let part = part.trim_ascii();
            if let Some(ends) = part.strip_prefix(b"in:") {
                let (inner, outer) = split_once(ends, b" out:").unwrap_or((ends, b""));
                interface(&mut fields, InInterface, inner);
                interface(&mut fields, OutInterface, outer);
            } else if let Some(proto) = part.strip_prefix(b"proto ").or_else(|| after_proto(part)) {
                let (name, flags) = split_once(proto, b" ").unwrap_or((proto, b""));
                fields.put(Protocol, name);
                let flags = flags
                    .strip_prefix(b"(")
                    .and_then(|flags| split_once(flags, b")"))
                    .map_or(&b""[..], |found| found.0);
                if !flags.starts_with(b"type ") {
                    fields.put(State, flags);
                }
            } else if let Some(nat) = part.strip_prefix(b"NAT ") {
                translation(&mut fields, nat);
            } else if let Some(length) = part.strip_prefix(b"len ") {
                fields.put(BytesOut, length);
            } else if let Some((src, dst)) = split_once(part, b"->") {
                fields.put(Src, src);
                fields.put(Dst, dst);
            }
        }
        if fields.is_empty() {
            return Err("a packet without addresses".into());
        }
        fields.connection.packets_out = Some(1);
        out.connection(fields, record)
    }
}

/// `connection-state:new src-mac 00:... proto TCP`: older releases put no comma before it.
fn after_proto(part: &[u8]) -> Option<&[u8]> {
    split_once(part, b" proto ").map(|(_, rest)| rest)
}

/// `(unknown 0)` and `(none)` stand for none.
fn interface<'r>(fields: &mut Fields<'r>, field: crate::formats::firewall::fields::Field, name: &'r [u8]) {
    let name = name.split(|byte| *byte == b' ').next().unwrap_or_default();
    if !name.starts_with(b"(") {
        fields.put(field, name);
    }
}

/// `(192.0.2.1:5000->198.51.100.9:5000)->203.0.113.1:80` translates the source, `192.0.2.1:5000->(a->b)` the destination.
fn translation<'r>(fields: &mut Fields<'r>, nat: &'r [u8]) {
    let (inside, source) = if let Some(rest) = nat.strip_prefix(b"(") {
        (split_once(rest, b")").map(|(inside, _)| inside), true)
    } else {
        (split_once(nat, b"->(").and_then(|(_, rest)| split_once(rest, b")")).map(|(inside, _)| inside), false)
    };
    let Some((_, after)) = inside.and_then(|inside| split_once(inside, b"->")) else { return };
    let Some((ip, port)) = crate::formats::firewall::fields::endpoint(after) else { return };
    let connection = &mut fields.connection;
    if source {
        connection.nat_src = Some((ip, port));
    } else {
        connection.nat_dst = Some((ip, port));
    }
}

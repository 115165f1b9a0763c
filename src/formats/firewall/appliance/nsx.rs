//! VMware NSX distributed and gateway firewall: packet log of the host (`dfwpktlogs`) and of edges (`FIREWALL-PKTLOG`)
//! (NSX documentation, "Firewall Packet Logs").

use crate::formats::firewall::action::verdict;
use crate::formats::firewall::bytes::{find, has, number, split_once};
use crate::formats::firewall::dialect::{Dialect, Out, Outcome};
use crate::formats::firewall::fields::Field::*;
use crate::formats::firewall::fields::Fields;
use crate::formats::firewall::record::Record;
use crate::formats::firewall::syslog::Peeled;

/// The format.
pub(crate) struct Nsx;

impl Dialect for Nsx {
    fn id(&self) -> &'static str {
        "vmware-nsx"
    }

    fn title(&self) -> &'static str {
        "VMware NSX firewall packet log (dfwpktlogs of hosts, FIREWALL-PKTLOG of edges)"
    }

    fn signature(&self) -> &'static str {
        "NSX packets (INET match PASS ..., INET TERM PASS ...)"
    }

    fn claims(&self, record: &Record<'_>) -> bool {
        text_of(record.line).is_some()
    }

    fn read<'r>(&self, record: &'r Record<'r>, out: &mut Out<'_>) -> Outcome {
        let Some(text) = text_of(record.line) else { return Err("a line without a packet".into()) };
        let mut fields = Fields::default();
        let mut words = text.split(|byte| *byte == b' ').filter(|word| !word.is_empty());
        let ended = words.next() == Some(b"TERM");
        let word = words.next().unwrap_or_default();
        fields.put(Action, word);
        fields.decide(verdict(word));
        let rest: Vec<&[u8]> = words.take(24).collect();
        let Some(arrow) = rest.iter().position(|word| has!(word, b"->")) else {
            return Err("a packet without addresses".into());
        };
        // "domain-c7/1001 IN 60 TCP" or "5096 OUT TCP RST": the way, with the rule before it.
        let way = rest.iter().take(arrow).position(|word| matches!(*word, b"IN" | b"OUT"));
        if let Some(way) = way {
            fields.put(Direction, rest.get(way).copied().unwrap_or_default());
            fields.put(Rule, way.checked_sub(1).and_then(|at| rest.get(at)).copied().unwrap_or_default());
            let mut between = rest.get(way + 1..arrow).unwrap_or_default().iter().copied();
            let mut next = between.next().unwrap_or_default();
            if number(next).is_some() {
                if !ended {
                    fields.put(BytesOut, next);
                    fields.connection.packets_out = Some(1);
                }
                next = between.next().unwrap_or_default();
            }
            // "PROTO 47": by number where it has no name here.
            if next == b"PROTO" {
                next = between.next().unwrap_or_default();
            }
            fields.put(Protocol, next);
            fields.put(State, between.next().unwrap_or_default());
        }
        if let Some((src, dst)) = rest.get(arrow).and_then(|word| split_once(word, b"->")) {
            fields.put(Src, src);
            fields.put(Dst, dst);
        }
        let mut tail = rest.iter().skip(arrow + 1).copied();
        if ended {
            let mut counts = |out_field, in_field| {
                if let Some((sent, got)) = tail.next().and_then(|word| split_once(word, b"/")) {
                    fields.put(out_field, sent);
                    fields.put(in_field, got);
                }
            };
            counts(PacketsOut, PacketsIn);
            counts(BytesOut, BytesIn);
        } else if let Some(flags) = tail.next() {
            fields.put(State, flags);
        }
        if fields.is_empty() {
            return Err("a packet without addresses".into());
        }
        // "2026-11-20T14:34:46.123Z 58734 INET match": files of hosts name the filter where headers name a host.
        let numbered = record.peeled.host.is_some_and(|host| number(host).is_some());
        let peeled = Peeled { host: record.peeled.host.filter(|_| !numbered), ..record.peeled };
        out.connection(fields, &Record { peeled, ..*record })
    }
}

/// Why a packet was logged ("Firewall Packet Logs": reason codes), and `TERM` for the end of a session.
const REASONS: [&[u8]; 15] = [
    b"match",
    b"reason-match",
    b"TERM",
    b"bad-offset",
    b"fragment",
    b"short",
    b"normalize",
    b"memory",
    b"bad-timestamp",
    b"congestion",
    b"ip-option",
    b"proto-cksum",
    b"state-mismatch",
    b"state-insert",
    b"state-limit",
];

/// What follows `INET ` or `INET6 `.
fn text_of(line: &[u8]) -> Option<&[u8]> {
    if !has!(line, b"INET") {
        return None;
    }
    let at = find!(line, b" INET")?;
    let rest = line.get(at + 5..)?;
    let rest = rest.strip_prefix(b"6").unwrap_or(rest).strip_prefix(b" ")?;
    let (reason, _) = split_once(rest, b" ")?;
    (REASONS.contains(&reason) && has!(rest, b"->")).then_some(rest)
}

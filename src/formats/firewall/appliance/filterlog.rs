//! The packet filter of the BSDs: filterlog of pfSense and OPNsense ("Raw Filter Log Format", pfSense documentation) and
//! the text that tcpdump prints of OpenBSD's and FreeBSD's pflog.

use crate::formats::firewall::bytes::{address, find, has, number, split_once};
use crate::formats::firewall::dialect::{Dialect, Out, Outcome};
use crate::formats::firewall::fields::Field::*;
use crate::formats::firewall::fields::Fields;
use crate::formats::firewall::record::Record;
use crate::formats::firewall::syslog::Peeled;
use crate::model::Action as Verdict;

/// The format.
pub(crate) struct Filterlog;

impl Dialect for Filterlog {
    fn id(&self) -> &'static str {
        "filterlog"
    }

    fn title(&self) -> &'static str {
        "BSD packet filter (filterlog of pfSense and OPNsense, pflog as tcpdump prints it)"
    }

    fn signature(&self) -> &'static str {
        "filterlog columns (interface, reason, pass or block, in or out, 4 or 6) or pflog lines (rule 1/(match))"
    }

    fn claims(&self, record: &Record<'_>) -> bool {
        record.json.is_none() && (columns(record).is_some() || pflog(record.line).is_some())
    }

    fn read<'r>(&self, record: &'r Record<'r>, out: &mut Out<'_>) -> Outcome {
        let mut fields = Fields::default();
        match columns(record) {
            Some(row) => of_columns(row, &mut fields),
            None => {
                // tcpdump puts no host between time and rule.
                of_pflog(pflog(record.line).unwrap_or_default(), &mut fields);
                let peeled = Peeled { host: record.peeled.host.filter(|host| *host != b"rule"), ..record.peeled };
                let Record { line, json, row, cef, leef, .. } = *record;
                return out.connection(fields, &Record { line, peeled, json, row, cef, leef });
            }
        }
        out.connection(fields, record)
    }
}

/// The columns, if these are some: `rule,subrule,anchor,tracker,interface,reason,action,direction,version,...`.
fn columns<'a>(record: &Record<'a>) -> Option<&'a [u8]> {
    let text = record.peeled.message;
    let mut cells = text.split(|byte| *byte == b',');
    let rule = cells.next()?;
    if !rule.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let mut rest = cells.skip(5);
    let action = rest.next()?;
    let way = rest.next()?;
    let version = rest.next()?;
    let known =
        matches!(action, b"pass" | b"block" | b"reject" | b"nat" | b"rdr" | b"binat" | b"match" | b"scrub" | b"unkn");
    let way = matches!(way, b"in" | b"out" | b"in/out" | b"unkn");
    (known && way && matches!(version, b"4" | b"6" | b"ipv4" | b"ipv6" | b"")).then_some(text)
}

fn of_columns<'a>(text: &'a [u8], fields: &mut Fields<'a>) {
    let cells: smallvec::SmallVec<[&[u8]; 32]> = text.split(|byte| *byte == b',').collect();
    let cell = |place: usize| cells.get(place).copied().unwrap_or_default();
    // pfSense numbers what stays the same over changes of the rules ("tracker"), OPNsense gives its hash.
    let tracker = if cell(3).is_empty() || cell(3) == b"0" { cell(0) } else { cell(3) };
    fields.put(Rule, tracker);
    let way = cell(7);
    fields.put(if way == b"out" { OutInterface } else { InInterface }, cell(4));
    fields.put(Action, cell(6));
    fields.put(Direction, way);
    // The protocol stands by number and name in IPv4, by name and number in IPv6, before length and addresses.
    let v6 = matches!(cell(8), b"6" | b"ipv6");
    let expected = if v6 { 15 } else { 18 };
    let is_pair = |place: &usize| address(cell(*place)).is_some() && address(cell(*place + 1)).is_some();
    let Some(addresses) = Some(expected).filter(is_pair).or_else(|| (9..cells.len()).find(is_pair)) else { return };
    for place in [addresses - 3, addresses - 2] {
        if number(cell(place)).is_none() {
            fields.put(Protocol, cell(place));
        }
    }
    let by_number = if v6 { addresses - 2 } else { addresses - 3 };
    fields.put(Protocol, cell(by_number));
    fields.put(BytesOut, cell(addresses - 1));
    fields.put(SrcIp, cell(addresses));
    fields.put(DstIp, cell(addresses + 1));
    let after = addresses + 2;
    let fragment = !v6 && !matches!(cell(13), b"0" | b"");
    if fields.flow.protocol.is_some_and(|protocol| matches!(protocol.0, 6 | 17 | 132)) && !fragment {
        fields.put(SrcPort, cell(after));
        fields.put(DstPort, cell(after + 1));
    }
    if fields.flow.protocol.is_some_and(|protocol| protocol.0 == 6) && !fragment {
        fields.put(State, cell(after + 3));
        // With data it is `first:last`.
        let sequence = cell(after + 4);
        fields.put(TcpSequence, sequence.split(|byte| *byte == b':').next().unwrap_or_default());
    }
    // What was cut off or is written in other places is not impossible.
    fields.impossible =
        fields.impossible.filter(|field| !matches!(field, Protocol | BytesOut | SrcPort | DstPort | TcpSequence));
}

/// `rule 3/(match) [uid 0, pid 1] block in on em0: 192.0.2.1.1024 > 198.51.100.1.22: S ...`: from "rule" on.
fn pflog(line: &[u8]) -> Option<&[u8]> {
    let at = find!(line, b"rule ")?;
    let text = line.get(at..)?;
    let (before, _) = split_once(text, b" on ")?;
    let words = [&b" pass "[..], b" block ", b" match ", b" nat ", b" rdr "];
    let said = words.iter().any(|word| memchr::memmem::find(before, word).is_some());
    (said && has!(text, b" > ") && has!(before, b"/")).then_some(text)
}

fn of_pflog<'a>(text: &'a [u8], fields: &mut Fields<'a>) {
    let Some((before, after)) = split_once(text, b" on ") else { return };
    let mut words = before.split(|byte| *byte == b' ').filter(|word| !word.is_empty());
    let rule = words.nth(1).unwrap_or_default();
    fields.put(Rule, rule.split(|byte| *byte == b'/').next().unwrap_or_default());
    let mut way: &[u8] = b"";
    for word in words {
        match word {
            b"pass" | b"match" | b"nat" | b"rdr" => fields.decide(Some(Verdict::Allow)),
            b"block" => fields.decide(Some(Verdict::Deny)),
            b"in" | b"out" => way = word,
            _ => {}
        }
    }
    fields.put(Direction, way);
    let Some((interface, packet)) = split_once(after, b": ") else { return };
    fields.put(if way == b"out" { OutInterface } else { InInterface }, interface);
    let Some((left, right)) = split_once(packet, b" > ") else { return };
    let source = left.rsplit(|byte| *byte == b' ').next().unwrap_or_default();
    let (peer, said) = split_once(right, b": ").unwrap_or((right.strip_suffix(b":").unwrap_or(right), b""));
    for (end, ip, port) in [(source, SrcIp, SrcPort), (peer, DstIp, DstPort)] {
        let end = end.strip_suffix(b":").unwrap_or(end);
        match crate::formats::firewall::bytes::rsplit_once(end, b".") {
            // `192.0.2.1.1024`; an address of IPv4 without port has three dots.
            Some((host, number)) if address(host).is_some() => {
                fields.put(ip, host);
                fields.put(port, number);
            }
            _ => fields.put(ip, end),
        }
    }
    let has = |word: &[u8]| memchr::memmem::find(said, word).is_some();
    let protocol: &[u8] = if has(b"icmp6") {
        b"icmpv6"
    } else if has(b"icmp") {
        b"icmp"
    } else if has(b"udp") || has(b"UDP") {
        b"udp"
    } else if has(b"Flags [") || has(b" win ") || has(b"tcp") || said.starts_with(b"S ") {
        b"tcp"
    } else {
        b""
    };
    fields.put(Protocol, protocol);
    fields.impossible = None;
}

//! Names of a zone that carry data: tunnels and exfiltration through the DNS.

use crate::intake::{Facts, TunnelFact, ZoneCount, ZoneFact};
use crate::model::{Mark, Signal, Tunnel, TunnelClass};

/// Distinct names under one zone, with bytes beneath it, for what no tool's grammar tells: a tunnel with answers that
/// carry, and data that leaves in questions alone. RITA's steps are 100, 500, 800 and 1,000 subdomains.
const TUNNEL_NAMES: u64 = 30;
const TUNNEL_NAME_BYTES: u64 = 40;
const EXFILTRATION_NAMES: u64 = 100;
const EXFILTRATION_NAME_BYTES: u64 = 80;
/// Mean bytes of answer data in the generic tunnel, and in a tool's exchange.
const ANSWER_BYTES: u64 = 16;
const TOOL_ANSWER_BYTES: u64 = 4;
/// Messages in a tool's grammar: two of dns2tcp's, which are words; five of dnscat2's, of which one name of 64 is by
/// chance; ten of type NULL, which nothing else asks for in numbers.
const DNS2TCP_MESSAGES: u64 = 2;
const DNSCAT_MESSAGES: u64 = 5;
const NULL_MESSAGES: u64 = 10;

/// Zones that encode by design: what is asked of them is a hash, a token or an address, and it is answered with a
/// verdict. Their names are long, many, distinct and innocent.
const ENCODING_BY_DESIGN: [&str; 21] = [
    "abuse.ch",
    "barracudacentral.org",
    "brightcloud.com",
    "cymru.com",
    "dnsbl.org",
    "dnswl.org",
    "e5.sk",
    "esetcloud.com",
    "eset.com",
    "f-secure.com",
    "fsapi.com",
    "mailshell.net",
    "mcafee.com",
    "senderbase.org",
    "sophosxl.com",
    "sophosxl.net",
    "spamhaus.net",
    "spamhaus.org",
    "surbl.org",
    "trendmicro.com",
    "uribl.com",
];

/// One signal for each client and zone whose names carry data.
pub fn carriers(facts: &Facts) -> Vec<Signal> {
    facts.zones.iter().filter_map(tunnel).map(|fact| super::tunnel::signal(&fact)).collect()
}

/// Whether `some` of the messages are at least so many fifths of them.
fn share(some: u64, fifths: u64, count: &ZoneCount) -> bool {
    some.saturating_mul(5) >= count.messages.saturating_mul(fifths) && some > 0
}

fn tunnel(fact: &ZoneFact) -> Option<TunnelFact> {
    // A capture of one side has questions or answers alone; where it has both, they say the same.
    let count = if fact.queries.messages >= fact.responses.messages { &fact.queries } else { &fact.responses };
    let names = fact.names.count();
    let mean = count.name_bytes / count.messages.max(1);
    let answer = fact.answer_bytes / fact.responses.messages.max(1);
    let by_design = ENCODING_BY_DESIGN.contains(&fact.zone.as_str());
    let tool = |seen: bool, protocol| {
        let mark = if answer >= TOOL_ANSWER_BYTES { Mark::Exchange } else { Mark::OneSide };
        seen.then_some((protocol, mark))
    };
    let is_encoded = |fifths| share(count.encoded, fifths, count);
    let (protocol, mark) =
        tool(count.dns2tcp >= DNS2TCP_MESSAGES && share(count.text + count.key, 4, count), "dns2tcp")
            .or_else(|| tool(count.dnscat >= DNSCAT_MESSAGES && share(count.dnscat, 4, count), "dnscat2"))
            .or_else(|| {
                tool(count.null >= NULL_MESSAGES && names >= NULL_MESSAGES && share(count.null, 4, count), "iodine")
            })
            .or_else(|| tool(count.iodine > 0 && names >= NULL_MESSAGES, "iodine"))
            .or_else(|| {
                let carries = share(count.carriers(), 3, count) && answer >= ANSWER_BYTES;
                let tunnel = names >= TUNNEL_NAMES && mean >= TUNNEL_NAME_BYTES && is_encoded(4) && carries;
                let leaves = names >= EXFILTRATION_NAMES && mean >= EXFILTRATION_NAME_BYTES && is_encoded(4);
                ((tunnel || leaves) && !by_design).then_some(("dns", Mark::OneSide))
            })
            .or_else(|| (names >= EXFILTRATION_NAMES && is_encoded(3) && !by_design).then_some(("dns", Mark::Shape)))?;
    let types = [
        ("NULL", count.null),
        ("TXT", count.text),
        ("CNAME, MX or SRV", count.names),
        ("KEY", count.key),
        ("address", count.address),
    ];
    let types: Vec<String> = types
        .iter()
        .filter(|(_, messages)| *messages > 0)
        .map(|(name, messages)| format!("{messages} {name}"))
        .collect();
    let about = if fact.names.is_exact() { "" } else { "about " };
    let note = format!(
        "{about}{names} distinct names of {mean} bytes under {}, {} of {} like data; {}; {answer} bytes an answer",
        fact.zone,
        count.encoded,
        count.messages,
        types.join(", "),
    );
    let tunnel = Tunnel {
        protocol,
        class: TunnelClass::Covert,
        mark,
        packets: fact.queries.messages + fact.responses.messages,
        note: note.into(),
        last: fact.last,
        proof: fact.proof.clone(),
        ..Tunnel::default()
    };
    let span = fact.first.map(|span| span.until(fact.last));
    let targets = if fact.zone.contains('.') { vec![fact.zone.clone()] } else { Vec::new() };
    Some(TunnelFact { flow: fact.flow, tunnel, targets, span, record: fact.record, count: 1 })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::EvidenceId;
    use crate::intake::testing;
    use crate::model::{Confidence, Detail, Dns, Flow, Observation, Protocol};

    /// What a client asks of a server, and is answered with `answer_bytes` of data.
    fn seen(names: impl Iterator<Item = String>, record_type: &str, answer_bytes: u32) -> Vec<Signal> {
        let mut sink = testing::fold(EvidenceId(0));
        let flow = Flow {
            src: Some([10, 0, 0, 1].into()),
            src_port: Some(40_000),
            dst: Some([192, 0, 2, 53].into()),
            dst_port: Some(53),
            protocol: Some(Protocol::UDP),
        };
        for (n, query) in names.enumerate() {
            for response in [false, true] {
                let answer_bytes = if response { answer_bytes } else { 0 };
                let record_type = record_type.to_owned();
                let dns = Dns { query: query.clone(), record_type, response, answer_bytes, ..Dns::default() };
                let record = n as u64 * 2 + u64::from(response) + 1;
                sink.observation(&Observation {
                    record,
                    span: None,
                    host: None,
                    flow: Some(flow),
                    detail: Detail::Dns(dns),
                });
            }
        }
        carriers(&testing::facts(sink))
    }

    fn hex(n: u32, length: usize) -> String {
        let mut state = n.wrapping_mul(2_654_435_761) | 1;
        let digits = (0..length).map(|_| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            char::from_digit(state >> 28, 16).unwrap_or('0')
        });
        digits.collect()
    }

    fn kinds(signals: &[Signal]) -> Vec<(&str, Confidence)> {
        signals.iter().map(|signal| (signal.kind.as_str(), signal.confidence)).collect()
    }

    #[test]
    fn tools_are_told_by_their_grammar() {
        let dnscat = |n: u32| format!("{}01fdf5{}", hex(n, 4), hex(n, 40));
        let under = |n: u32| format!("{}.example.org", dnscat(n));
        assert_eq!(kinds(&seen((0..20).map(under), "TXT", 30)), [("dnscat2", Confidence::Certain)]);
        assert_eq!(kinds(&seen((0..20).map(under), "A", 0)), [("dnscat2", Confidence::Strong)]);
        let bare = |n: u32| format!("dnscat.{}", dnscat(n));
        assert_eq!(kinds(&seen((0..20).map(bare), "CNAME", 30)), [("dnscat2", Confidence::Certain)]);
        let iodine = |n: u32| format!("0{}.t.example.org", hex(n, 40));
        assert_eq!(kinds(&seen((0..20).map(iodine), "NULL", 100)), [("iodine", Confidence::Certain)]);
        let dns2tcp = |n: u32| format!("{}.=connect.example.org", hex(n, 12));
        assert_eq!(kinds(&seen((0..4).map(dns2tcp), "KEY", 40)), [("dns2tcp", Confidence::Certain)]);
    }

    #[test]
    fn data_without_a_known_grammar_needs_numbers_and_length() {
        let long = |n: u32| format!("f{}.{}.example.org", hex(n, 55), hex(n ^ 77, 56));
        assert_eq!(kinds(&seen((0..150).map(long), "A", 0)), [("dns", Confidence::Strong)]);
        assert!(seen((0..60).map(long), "A", 0).is_empty(), "sixty are not yet many");
        assert_eq!(kinds(&seen((0..60).map(long), "TXT", 100)), [("dns", Confidence::Strong)]);
        let tokens = |n: u32| format!("{}.example.org", hex(n, 32));
        assert_eq!(kinds(&seen((0..150).map(tokens), "A", 0)), [("dns", Confidence::Weak)]);
    }

    #[test]
    fn what_names_do_every_day_is_nothing() {
        let reputation = |n: u32| format!("f{}.{}.sophosxl.net", hex(n, 55), hex(n ^ 77, 56));
        assert!(seen((0..2000).map(reputation), "TXT", 60).is_empty());
        let blocklist = |n: u32| format!("{}.{}.{}.{}.zen.example.org", n % 256, n % 199, n % 251, n % 101);
        assert!(seen((0..5000).map(blocklist), "A", 0).is_empty());
        let hosts = |n: u32| format!("r{n}---sn-q4f7sn7l.googlevideo.com");
        assert!(seen((0..5000).map(hosts), "A", 0).is_empty());
        let reverse = |n: u32| format!("{}.{}.{}.10.in-addr.arpa", n % 256, n % 199, n % 101);
        assert!(seen((0..5000).map(reverse), "PTR", 30).is_empty());
        let keys = |n: u32| format!("k{n}._domainkey.example.org");
        assert!(seen((0..40).map(keys), "TXT", 400).is_empty());
    }
}

//! Readers of evidence on bytes in memory.

use coincident::detect::command::{CommandLine, is_network_capable, literals, name_resolutions, wallets};
use coincident::evidence::{EvidenceId, Head, Input};
use coincident::formats::{Collector, Format, registry};
use coincident::intake::{CaseFile, Pattern, duration};
use coincident::report::timeline::Condition;
use coincident::report::when::{parse_rfc3339, rfc3339};
use coincident::time::{TimeContext, YearSource};

use super::bytes::Bytes;
use super::wrap;

/// Holds what was read of the same bytes twice against each other.
pub(crate) fn hold_same(one: &Collector, two: &Collector, what: &str) {
    // As text only where they differ: a value that is not a number is unlike itself, and printing takes longer than reading.
    if one != two {
        assert_eq!(format!("{one:?}"), format!("{two:?}"), "{what} read the same bytes differently");
    }
}

/// Reads bytes twice with one format: the same must come of it, and no span may end before it begins.
pub(crate) fn read_twice(format: &dyn Format, bytes: &[u8], time: &TimeContext) -> Collector {
    let read = || {
        let mut input = Input::from_bytes("fuzz", bytes.to_vec(), EvidenceId(0));
        let mut found = Collector::default();
        format.read(&mut input, time, &mut found).expect("memory can be read");
        found
    };
    let found = read();
    hold_same(&found, &read(), format.id());
    if let Some(link) = link_of(bytes).filter(|_| format.id() == "pcap" && found.records > 0) {
        // Links that carry IP and nothing else (RAW, IPV4, IPV6): a packet is told of, or what is wrong with it is.
        let told = found.observations.len() + found.anomalies.len() + found.unread.len();
        assert!(told > 0 || ![12, 14, 101, 228, 229].contains(&link), "packets of link {link} vanished");
    }
    for span in found.observations.iter().filter_map(|observation| observation.span) {
        assert!(span.lo <= span.hi, "{}: {span:?} ends before it begins", format.id());
    }
    found
}

/// The link type of a classic pcap.
fn link_of(file: &[u8]) -> Option<u32> {
    let word = *file.get(20..)?.first_chunk::<4>()?;
    let little = matches!(file.first(), Some(0xd4 | 0x4d | 0x34));
    Some((if little { u32::from_le_bytes(word) } else { u32::from_be_bytes(word) }) & 0xffff)
}

/// Every reader on any bytes. The first line, if it begins with 0xff, names a format; without such a line the first byte
/// chooses one by its place in the registry. A name that is none leaves the choice to what probing likes best.
pub fn formats(data: &[u8]) {
    let Some((first, mut bytes)) = data.split_first() else { return };
    let all = &registry::FORMATS;
    let mut format = all.get(usize::from(*first) % all.len()).copied();
    if *first == 0xff {
        let end = bytes.iter().position(|byte| *byte == b'\n').unwrap_or(bytes.len());
        format = std::str::from_utf8(&bytes[..end]).ok().and_then(registry::by_id);
        bytes = bytes.get(end + 1..).unwrap_or_default();
    }
    // All formats look at every head, also those that another one will read.
    let candidates = registry::probe(&Head::from_bytes("fuzz", bytes));
    assert!(candidates.windows(2).all(|pair| pair[0].matched.rank() >= pair[1].matched.rank()));
    let best = || candidates.first().and_then(|best| registry::by_id(best.format));
    if let Some(format) = format.or_else(best) {
        read_twice(format, bytes, &TimeContext::default());
    }
}

/// The protocol readers on any conversation, in the form told at the top of `wrap.rs`.
pub fn conversations(data: &[u8]) {
    let Some(file) = wrap::capture(data) else { return };
    let format = registry::by_id("pcap").expect("it is registered");
    read_twice(format, &file, &TimeContext::default());
}

/// The parser of shell command lines, and what is asked of its outcome, on any text.
pub fn command(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let line = CommandLine::parse(&text);
    assert_eq!(line, CommandLine::parse(&text));
    // What is shown of a command can be read again. Of the first: each of two thousand may unroll to two thousand.
    for command in line.commands.iter().take(64) {
        let _ = (command.name(), command.launcher(), command.ssh());
        let _ = CommandLine::parse(&command.line());
    }
    let _ = (is_network_capable(&line), literals(&line, &text), name_resolutions(&text));
    for (_, place) in wallets(&text) {
        assert!(text.get(place).is_some());
    }
}

/// Two parsers of JSON stand in the program: both take the same texts and see the same values in them. Of a key that comes
/// twice one keeps the first and the other the last, which is left out here.
pub fn json(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let borrowed = serde_json::from_str::<serde_json_borrow::Value<'_>>(text);
    let owned = serde_json::from_str::<serde_json::Value>(text);
    match (borrowed, owned) {
        (Ok(borrowed), Ok(owned)) => assert_eq!(of_borrowed(&borrowed), owned, "{text}"),
        (borrowed, owned) => assert_eq!(borrowed.is_ok(), owned.is_ok(), "{text}: {borrowed:?} {owned:?}"),
    }
}

fn of_borrowed(value: &serde_json_borrow::Value<'_>) -> serde_json::Value {
    use serde_json_borrow::Value;
    match value {
        Value::Null => serde_json::Value::Null,
        Value::Bool(value) => (*value).into(),
        Value::Number(number) => match (number.as_u64(), number.as_i64(), number.as_f64()) {
            (Some(value), ..) => value.into(),
            (_, Some(value), _) => value.into(),
            (_, _, value) => value.into(),
        },
        Value::Str(text) => text.as_ref().into(),
        Value::Array(items) => items.iter().map(of_borrowed).collect(),
        Value::Object(object) => object
            .iter()
            .map(|(key, value)| (key.to_string(), of_borrowed(value)))
            .collect::<serde_json::Map<_, _>>()
            .into(),
    }
}

/// Lines of logs whose only doubt is the stamp, which stands where `@` is.
const STAMPED: [(&str, &str); 15] = [
    (
        "iptables",
        "@ fw kernel: DROP IN= OUT=eth0 SRC=10.0.0.1 DST=203.0.113.9 LEN=60 TTL=64 PROTO=TCP SPT=40000 DPT=443 SYN",
    ),
    (
        "suricata",
        r#"{"timestamp":"@","event_type":"flow","src_ip":"10.0.0.1","src_port":1,"dest_ip":"203.0.113.9","dest_port":443,"proto":"TCP","flow":{"start":"@"}}"#,
    ),
    ("nvidia-smi-gpu", "timestamp, index, utilization.gpu [%], memory.used [MiB]\n@, 0, 28 %, 61234 MiB"),
    (
        "claude-code",
        r#"{"type":"user","sessionId":"s","uuid":"u","message":{"role":"user","content":"x"},"timestamp":"@"}"#,
    ),
    ("cef", "@ host CEF:0|V|P|1|100|n|5|rt=@ src=10.0.0.1 dst=203.0.113.9 dpt=443 proto=TCP act=deny start=@ end=@"),
    ("leef", "@ host LEEF:2.0|V|P|1|e|^|devTime=@^src=10.0.0.1^dst=203.0.113.9^dstPort=443^proto=TCP"),
    (
        "zeek",
        r#"{"ts":"@","uid":"C","id.orig_h":"10.0.0.1","id.orig_p":1,"id.resp_h":"203.0.113.9","id.resp_p":443,"proto":"tcp","duration":1.5,"conn_state":"SF"}"#,
    ),
    ("squid", "@    90 10.0.0.1 TCP_TUNNEL/200 5000 CONNECT a.example:443 - HIER_DIRECT/203.0.113.9 -"),
    (
        "fortigate",
        "date=@ time=@ eventtime=@ devname=\"f\" type=\"traffic\" srcip=10.0.0.1 dstip=203.0.113.9 dstport=443 proto=6 action=\"deny\" duration=9",
    ),
    ("auditd", "type=EXECVE msg=audit(@:12): argc=1 a0=\"ls\""),
    (
        "conntrack",
        "[@]\t    [NEW] ipv4     2 tcp      6 30 src=10.0.0.1 dst=203.0.113.9 sport=4 dport=53 [UNREPLIED] src=203.0.113.9 dst=10.0.0.1 sport=53 dport=4",
    ),
    (
        "windows-firewall",
        "#Version: 1.5\n#Time Format: Local\n#Fields: date time action protocol src-ip dst-ip src-port dst-port size tcpflags tcpsyn tcpack tcpwin icmptype icmpcode info path\n@ ALLOW TCP 10.0.0.1 203.0.113.9 1 443 0 - 0 0 0 - - - SEND",
    ),
    ("script", "Script started on @ [TERM=\"xterm\"]\n$ ls\n\nScript done on @ [COMMAND_EXIT_CODE=\"0\"]"),
    ("shell-history", "#@\nls\n: @:0;id"),
    (
        "cisco-asa",
        "@ fw : %ASA-6-302013: Built outbound TCP connection 1 for outside:203.0.113.9/443 (203.0.113.9/443) to inside:10.0.0.1/5 (10.0.0.1/5)",
    ),
];

/// Every way in which a time is written: stamps in logs under any declared zone, year and offset; lengths, patterns, conditions
/// and moments of the command line. What is printed of a moment is read back as the same.
pub fn time(data: &[u8]) {
    let mut bytes = Bytes::new(data);
    let (format, line) = bytes.of(&STAMPED);
    let settings = bytes.u8();
    let zones = ["UTC", "Europe/Berlin", "Asia/Kathmandu", "America/New_York", "Pacific/Apia", "+14:00", "-12:00"];
    let text = String::from_utf8_lossy(bytes.rest()).replace(['\n', '\0'], " ");
    let mut parts = text.split('|');
    let stamp = parts.next().unwrap_or_default();
    let mut case = CaseFile::default();
    let zone = format!("*={}", zones[usize::from(settings & 15) % zones.len()]);
    let _ = case.declare(&[zone], &[], &[]);
    // Each declaration is held against every source: more of them are no more kinds.
    for part in parts.take(32) {
        let _ = case.declare(&[format!("*={part}")], &[], &[]);
        let _ = case.declare(&[], &[format!("*={part}")], &[]);
        let _ = case.declare(&[], &[], &[format!("*={part}")]);
        let _ = (Pattern::new(part).map(|pattern| pattern.matches(stamp)), Condition::parse(part));
        if let Ok(length) = duration(part) {
            assert!(length >= 0, "{part}: a length below nothing");
        }
    }
    if let Some(at) = parse_rfc3339(stamp) {
        assert_eq!(parse_rfc3339(&rfc3339(at)), Some(at), "{stamp}");
    }
    let year = match settings >> 4 {
        0..4 => YearSource::Unknown,
        _ => YearSource::NearestTo(coincident::time::Instant(1_795_184_026_000_000_000)),
    };
    let context = match settings & 0x80 {
        0 => TimeContext { year, ..TimeContext::default() },
        _ => case.time_context_for("fuzz").context(year),
    };
    let log = format!("{}\n", line.replace('@', stamp));
    read_twice(registry::by_id(format).expect("it is registered"), log.as_bytes(), &context);
}

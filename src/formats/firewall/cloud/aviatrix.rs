//! Aviatrix gateways and controllers ("Aviatrix Log Formats"): packets and sessions of the Distributed Cloud Firewall, of
//! its inspection of TLS, names that egress filters decided on, and sessions of VPN users.

use std::borrow::Cow;
use std::sync::LazyLock;

use crate::formats::firewall::bytes::{find, has};
use crate::formats::firewall::dialect::{Dialect, Out, Outcome};
use crate::formats::firewall::fields::Field::*;
use crate::formats::firewall::fields::{Field, Fields, Names};
use crate::formats::firewall::notation::pairs::{COMMAS, SPACED, pairs};
use crate::formats::firewall::opener;
use crate::formats::firewall::record::Record;
use crate::model;

/// The format.
pub(crate) struct Aviatrix;

const PACKET: &[(&str, Field)] = &[
    ("SRC_IP", SrcIp),
    ("SRC_PORT", SrcPort),
    ("SPT", SrcPort),
    ("DST_IP", DstIp),
    ("DST_PORT", DstPort),
    ("DPT", DstPort),
    ("PROTO", Protocol),
    ("ACT", Action),
    ("ACTION", Action),
    ("POLICY", Rule),
    ("SESSION_ID", Session),
    ("IP_SZ", BytesOut),
];

const NAME: &[(&str, Field)] = &[("S_IP", SrcIp), ("D_IP", DstIp), ("hostname", Domain), ("Rule", Rule)];

const VPN: &[(&str, Field)] =
    &[("User", User), ("Status", State), ("GatewayIP", DstIp), ("PublicIP", SrcIp), ("Login", Start), ("Logout", End)];

const PROXY: &[(&str, Field)] = &[
    ("src", SrcIp),
    ("src_port", SrcPort),
    ("dest", DstIp),
    ("dest_port", DstPort),
    ("proto", Protocol),
    ("action", Action),
    ("decided_by", Rule),
    ("sni_hostname", Domain),
    ("url", Domain),
    ("session_id", Session),
    ("session_start", Start),
    ("timestamp", Time),
    ("request_bytes", BytesOut),
    ("response_bytes", BytesIn),
    ("reason", State),
];

static PACKETS: LazyLock<Names> = LazyLock::new(|| Names::new(&[PACKET]));
static FILTER: LazyLock<Names> = LazyLock::new(|| Names::new(&[NAME]));
static USERS: LazyLock<Names> = LazyLock::new(|| Names::new(&[VPN]));
static SESSIONS: LazyLock<Names> = LazyLock::new(|| Names::new(&[PROXY]));

/// What a record is about.
enum Kind {
    Packet,
    Name,
    Vpn,
    /// Without a connection; what it is about.
    Other(&'static str),
}

/// Tags of records, after `Aviatrix`. Those of kernel lines (`AviatrixRule`, `AviatrixUser`) are netfilter's.
const TAGS: [(&[u8], Kind); 15] = [
    (b"GwMicrosegPacket", Kind::Packet),
    (b"FQDNRule", Kind::Name),
    (b"VPNSession", Kind::Vpn),
    (b"CMD", Kind::Other("a command to the controller")),
    (b"API", Kind::Other("a command to the controller")),
    (b"GwNetStats", Kind::Other("statistics of a gateway")),
    (b"GwSysStats", Kind::Other("statistics of a gateway")),
    (b"TunnelStatusChange", Kind::Other("the state of a tunnel between gateways")),
    (b"GatewayStatusChanged", Kind::Other("the state of a gateway")),
    (b"LicenseVPNUsers", Kind::Other("a count of VPN users")),
    (b"LicsenseVPNUsers", Kind::Other("a count of VPN users")),
    (b"VPNVersion", Kind::Other("the version of a VPN client")),
    (b"BGP", Kind::Other("a warning about routes")),
    (b"GuardDuty", Kind::Other("an address that a gateway was told to block")),
    (b"FireNet", Kind::Other("the state of a firewall behind a gateway")),
];

impl Dialect for Aviatrix {
    fn id(&self) -> &'static str {
        "aviatrix"
    }

    fn title(&self) -> &'static str {
        "Aviatrix gateways (Distributed Cloud Firewall packets, sessions and TLS inspection, FQDN filters, VPN sessions)"
    }

    fn signature(&self) -> &'static str {
        "Aviatrix records (AviatrixGwMicrosegPacket: ... SRC_IP=, AviatrixFQDNRule, traffic_server sessions)"
    }

    fn claims(&self, record: &Record<'_>) -> bool {
        match record.json {
            Some(_) => record.has("session_stage") && record.has("dest") && record.has("enforced"),
            None => tagged(record.line).is_some(),
        }
    }

    fn read<'r>(&self, record: &'r Record<'r>, out: &mut Out<'_>) -> Outcome {
        let mut fields = Fields::default();
        if record.json.is_some() {
            session(&mut fields, record);
        } else {
            let Some((kind, before, text)) = tagged(record.line) else { return Err("a record without a tag".into()) };
            match kind {
                Kind::Packet => packet(&mut fields, before, text),
                Kind::Name => name(&mut fields, text),
                Kind::Vpn => {
                    fields.take(&USERS, pairs(text.strip_prefix(b":").unwrap_or(text), COMMAS));
                    fields.connection.application = Some("vpn".into());
                }
                Kind::Other(what) => return Err(Cow::Borrowed(what)),
            }
        }
        if fields.is_empty() {
            return Err("an event without an address".into());
        }
        out.connection(fields, record)
    }
}

/// The kind of a record, what stands before its tag and what follows it.
fn tagged(line: &[u8]) -> Option<(&'static Kind, &[u8], &[u8])> {
    if let Some(at) = find!(line, b"Aviatrix") {
        let rest = line.get(at + 8..)?;
        let (tag, kind) = TAGS.iter().find(|(tag, _)| rest.starts_with(tag))?;
        let text = rest.get(tag.len()..)?;
        // "AviatrixFQDNRule3[CRIT]nfq_...": filters are numbered.
        let numbered = text.iter().take_while(|byte| byte.is_ascii_alphanumeric()).count();
        return matches!(text.get(numbered), Some(b':' | b'[')).then_some((kind, line.get(..at)?, text));
    }
    // Releases from 8.2 on also tag packets so.
    let at = find!(line, b" microseg: POLICY=")?;
    has!(line, b" SRC_IP=").then_some((&Kind::Packet, line.get(..at)?, line.get(at..)?))
}

fn packet<'r>(fields: &mut Fields<'r>, before: &'r [u8], text: &'r [u8]) {
    // "2026/02/15 16:23:54 AviatrixGwMicrosegPacket": the gateway's own time has the year that the header lacks.
    if let Some(own) = before.trim_ascii_end().last_chunk::<19>() {
        fields.time = crate::formats::firewall::syslog::Stamp::read(own).filter(|_| own.get(4) == Some(&b'/'));
    }
    fields.take(&PACKETS, pairs(text, SPACED));
    fields.connection.packets_out = fields.connection.bytes_out.map(|_| 1);
    if has!(text, b"SESSION_EVENT=1") {
        // The counts of a session that ended do not say which way; the size is that of its last packet.
        fields.connection.bytes_out = None;
        fields.connection.packets_out = None;
        fields.connection.state = Some("session ended".into());
    } else if has!(text, b"SESSION_EVENT=0") {
        fields.connection.state = Some("session began".into());
    }
    if has!(text, b"ENFORCED=false") {
        unenforced(fields);
    }
    opener::turn_answer(fields, None);
}

/// A policy that only watches lets everything pass.
fn unenforced(fields: &mut Fields<'_>) {
    if fields.connection.action == Some(model::Action::Deny) {
        fields.connection.action = Some(model::Action::Allow);
        fields.connection.state = Some("denied, not enforced".into());
    }
}

/// `nfq_ssl_handle_client_hello() L#291  Gateway=g S_IP=... D_IP=... hostname=... state=MATCHED Rule=...`.
fn name<'r>(fields: &mut Fields<'r>, text: &'r [u8]) {
    let mut matched = false;
    let mut dropped = false;
    for (name, value) in pairs(text, SPACED) {
        match name {
            b"state" => matched = value.as_ref() == b"MATCHED",
            b"drop_reason" => dropped = !value.is_empty(),
            _ => {
                if let Some(field) = FILTER.get(name) {
                    fields.set(field, value);
                }
            }
        }
    }
    // What is no match is dropped by a list of what is allowed, and passes one of what is denied: the reason tells.
    fields.decide(match (dropped, matched) {
        (true, _) => Some(model::Action::Deny),
        (false, true) => Some(model::Action::Allow),
        (false, false) => None,
    });
    if has!(text, b"_ssl_") {
        fields.connection.application = Some("tls".into());
        fields.flow.protocol = Some(model::Protocol::TCP);
    }
}

/// A session of the proxy that inspects TLS (`traffic_server`); counts and duration come with its last record.
fn session<'r>(fields: &mut Fields<'r>, record: &'r Record<'r>) {
    fields.take_record(&SESSIONS, record);
    // Nanoseconds.
    fields.duration_ns = record
        .text("session_time")
        .and_then(|time| crate::formats::firewall::bytes::number(&time))
        .and_then(|time| i64::try_from(time).ok());
    let reason = record.text("reason").unwrap_or_default();
    if let Some(signature) = record.text("sid") {
        let (reason, signature) = (String::from_utf8_lossy(&reason), String::from_utf8_lossy(&signature));
        fields.threat = Some(format!("{reason}: signature {signature}").into());
    }
    // Timeouts are not what a policy asks for.
    let policy = has!(reason.as_ref(), b"POLICY");
    if policy && record.text("enforced").as_deref() == Some(b"false") {
        unenforced(fields);
    }
}

//! SonicOS logs of SonicWall firewalls: enhanced syslog (`id=firewall sn= time= fw= pri= c= m= ...`) and CEF as ArcSight
//! format ("SonicOS Log Events Reference Guide", tables "Syslog Tags" and "ArcSight CEF Fields").

use std::borrow::Cow;
use std::sync::LazyLock;

use crate::formats::firewall::action::action;
use crate::formats::firewall::bytes::has;
use crate::formats::firewall::dialect::{Dialect, Out, Outcome};
use crate::formats::firewall::fields::Field::*;
use crate::formats::firewall::fields::{Field, Fields, Names, text_of};
use crate::formats::firewall::generic::cef;
use crate::formats::firewall::notation::pairs::{SPACED, pairs};
use crate::formats::firewall::record::Record;
use crate::model::Action as Verdict;

/// The format.
pub(crate) struct SonicWall;

const TAGS: &[(&str, Field)] = &[
    ("src", Src),
    ("srcV6", Src),
    ("dst", Dst),
    ("dstV6", Dst),
    ("natSrc", NatSrcIp),
    ("natDst", NatDstIp),
    ("proto", Protocol),
    ("time", Time),
    ("sent", BytesOut),
    ("rcvd", BytesIn),
    ("spkt", PacketsOut),
    ("rpkt", PacketsIn),
    ("cdur", DurationMs),
    ("rule", Rule),
    ("usr", User),
    ("user", User),
    ("dstname", Domain),
    ("appName", Application),
    ("appcat", Category),
    ("Category", Category),
    ("ipscat", Category),
    ("website-category", Category),
    ("srcZone", InZone),
    ("dstZone", OutZone),
    ("fw_action", Action),
    ("sess", Session),
    ("msg", Message),
    ("fw", Device),
];

/// What SonicOS puts into CEF otherwise than the dictionary has it: the number of an application, a rule, a user.
const EXTENSION: &[(&str, Field)] = &[
    ("appName", Application),
    ("appcat", Category),
    ("ipscat", Category),
    ("susr", User),
    ("cs1", Rule),
    ("snpt", NatSrcPort),
    ("dnpt", NatDstPort),
    ("fw_action", Action),
    ("cdur", DurationMs),
    ("srcZone", InZone),
    ("dstZone", OutZone),
];

static NAMES: LazyLock<Names> = LazyLock::new(|| Names::new(&[TAGS]));
static CEF: LazyLock<Names> = LazyLock::new(|| Names::new(&[EXTENSION, cef::DICTIONARY]));

impl Dialect for SonicWall {
    fn id(&self) -> &'static str {
        "sonicwall"
    }

    fn title(&self) -> &'static str {
        "SonicWall SonicOS (enhanced syslog, ArcSight CEF)"
    }

    fn signature(&self) -> &'static str {
        "SonicOS tags (id=firewall, sn=, fw=, m=)"
    }

    fn claims(&self, record: &Record<'_>) -> bool {
        if let Some(header) = &record.cef {
            return header.is("sonicwall", "");
        }
        let line = record.line;
        record.json.is_none() && has!(line, b" sn=") && has!(line, b" fw=") && has!(line, b" m=") && has!(line, b"id=")
    }

    fn read<'r>(&self, record: &'r Record<'r>, out: &mut Out<'_>) -> Outcome {
        let mut fields = Fields::default();
        let mut id = None;
        let mut attack = false;
        if let Some(header) = &record.cef {
            id = Some(Cow::Borrowed(header.class));
            cef::take(header.extension, &CEF, &mut fields);
            // The number of the application stands in its place.
            if fields.connection.application.as_ref().is_some_and(|app| app.bytes().all(|byte| byte.is_ascii_digit())) {
                fields.connection.application = None;
            }
            if fields.message.is_none() && !header.name.is_empty() {
                fields.message = Some(text_of(Cow::Borrowed(header.name)));
            }
        } else {
            for (name, value) in pairs(record.line, SPACED) {
                match name {
                    b"m" => id = id.or(Some(value)),
                    // Category 32: attacks.
                    b"c" => attack = value.as_ref() == b"32",
                    b"src" | b"dst" | b"natSrc" | b"natDst" => end(name, value, &mut fields),
                    _ => {
                        if let Some(field) = NAMES.get(name) {
                            fields.set(field, value);
                        }
                    }
                }
            }
        }
        if fields.is_empty() {
            return Err("an event without an address".into());
        }
        let meant = verdict(id.as_deref().unwrap_or_default());
        let said = fields.message.as_deref().and_then(|message| action(message.as_bytes()));
        fields.decide(meant.or(said));
        if attack || id.as_deref().is_some_and(|id| ATTACKS.contains(&id)) {
            fields.threat = fields.message.clone();
        }
        out.connection(fields, record)
    }
}

/// `address:port:interface:name`; every part may be missing.
fn end<'r>(name: &[u8], value: Cow<'r, [u8]>, fields: &mut Fields<'r>) {
    if let (b"natSrc" | b"natDst", Cow::Borrowed(bytes)) = (name, &value) {
        let (ip, port) = if name == b"natSrc" { (NatSrcIp, NatSrcPort) } else { (NatDstIp, NatDstPort) };
        let mut parts = bytes.split(|byte| *byte == b':');
        fields.put(ip, parts.next().unwrap_or_default());
        fields.put(port, parts.next().unwrap_or_default());
        return;
    }
    let (end, interface) = if name == b"src" { (Src, InInterface) } else { (Dst, OutInterface) };
    if let Cow::Borrowed(bytes) = value {
        // Parts of an IPv6 address are not counted: it stands under a name of its own.
        fields.put(interface, bytes.split(|byte| *byte == b':').nth(2).unwrap_or_default());
        if bytes.first() == Some(&b':') {
            let port = if name == b"src" { SrcPort } else { DstPort };
            fields.put(port, bytes.split(|byte| *byte == b':').nth(1).unwrap_or_default());
            return;
        }
    }
    fields.set(end, value);
}

/// IPS detection and prevention, anti-spyware, gateway antivirus, botnet (Log Events Reference Guide).
const ATTACKS: [&[u8]; 9] = [b"608", b"609", b"794", b"795", b"809", b"1198", b"1199", b"1200", b"1201"];

/// What the number of a message says of the connection: 97 a web site was visited, 98 opened, 537 closed; 36 to 38
/// TCP, UDP, ICMP packet dropped, 41 unknown protocol dropped, 173, 174 and 175 dropped because of policy.
fn verdict(id: &[u8]) -> Option<Verdict> {
    match id {
        b"97" | b"98" | b"537" => Some(Verdict::Allow),
        b"36" | b"37" | b"38" | b"41" | b"173" | b"174" | b"175" => Some(Verdict::Deny),
        _ => None,
    }
}

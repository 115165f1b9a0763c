//! F5 BIG-IP logs: AFM, ASM and PSM as CEF or name=value, and messages of TMM, APM and iRules that name both ends
//! ("BIG-IP Systems: Implementations, Event Messages and Attack Types").

use std::sync::LazyLock;

use crate::formats::firewall::action::verdict;
use crate::formats::firewall::bytes::{find, has, split_once, text};
use crate::formats::firewall::dialect::{Dialect, Out, Outcome};
use crate::formats::firewall::fields::Field::*;
use crate::formats::firewall::fields::{Field, Fields, Names, endpoint};
use crate::formats::firewall::generic::cef;
use crate::formats::firewall::notation::pairs::{COMMAS, SPACED, pairs};
use crate::formats::firewall::record::Record;
use crate::model::{Action as Verdict, Alert, Detail};

/// The format.
pub(crate) struct F5;

const TAGS: &[(&str, Field)] = &[
    ("src_ip", SrcIp),
    ("source_ip", SrcIp),
    ("client_ip", SrcIp),
    ("ip_client", SrcIp),
    ("src_port", SrcPort),
    ("source_port", SrcPort),
    ("client_port", SrcPort),
    ("dest_ip", DstIp),
    ("vip", DstIp),
    ("lb_server", Dst),
    ("dest_port", DstPort),
    ("ip_protocol", Protocol),
    ("protocol", Application),
    ("action", Action),
    ("request_status", Action),
    ("date_time", Time),
    ("acl_rule_name", Rule),
    ("policy_name", Rule),
    ("source_user", User),
    ("translated_source_ip", NatSrcIp),
    ("translated_source_port", NatSrcPort),
    ("translated_dest_ip", NatDstIp),
    ("translated_dest_port", NatDstPort),
    ("src_zone", InZone),
    ("vlan", InInterface),
    ("hostname", Device),
    ("unit_hostname", Device),
    ("flow_id", Session),
    ("http_host", Domain),
    ("host", Domain),
    ("attack_type", Category),
    ("sig_names", Threat),
];

const EXTENSION: &[(&str, Field)] =
    &[("acl_rule_name", Rule), ("policy_name", Rule), ("vlan", InInterface), ("attack_type", Category)];

static NAMES: LazyLock<Names> = LazyLock::new(|| Names::new(&[TAGS]));
static CEF: LazyLock<Names> = LazyLock::new(|| Names::new(&[EXTENSION, cef::DICTIONARY]));

impl Dialect for F5 {
    fn id(&self) -> &'static str {
        "f5"
    }

    fn title(&self) -> &'static str {
        "F5 BIG-IP (AFM, ASM and PSM as CEF or name=value; TMM, APM and iRule messages with both ends)"
    }

    fn signature(&self) -> &'static str {
        "F5 records (CEF of F5, acl_policy_name=, message numbers like 01260013:4:)"
    }

    fn claims(&self, record: &Record<'_>) -> bool {
        if let Some(header) = &record.cef {
            return header.vendor == b"F5";
        }
        record.json.is_none() && record.leef.is_none() && kind(record.line).is_some()
    }

    fn read<'r>(&self, record: &'r Record<'r>, out: &mut Out<'_>) -> Outcome {
        let mut fields = Fields::default();
        let line = record.line;
        if let Some(header) = &record.cef {
            cef::take(header.extension, &CEF, &mut fields);
            // Names of attacks are numbers of signatures or words; those of requests are not attacks.
            if matches!(header.class, [b'0'..=b'9', ..]) && header.is("", "ASM") {
                fields.put(Threat, header.name);
            }
        } else {
            match kind(line) {
                Some(Kind::Pairs) => {
                    let style = if has!(line, b",src_ip=") || has!(line, b"\",") { COMMAS } else { SPACED };
                    fields.take(&NAMES, pairs(line, style));
                }
                Some(Kind::Prose) => prose(line, &mut fields),
                _ => message(line, &mut fields),
            }
        }
        if fields.is_empty() {
            return administrator(fields, record, out);
        }
        out.connection(fields, record)
    }
}

/// `sshd(pam_audit): user=alice(alice) partition=[All] level=Administrator tty=ssh host=192.0.2.1 attempts=1 start=...`,
/// `User=alice tty=(unknown) host=192.0.2.1 failed to login after 1 attempts`.
fn administrator<'r>(mut fields: Fields<'r>, record: &'r Record<'r>, out: &mut Out<'_>) -> Outcome {
    let said = split_once(record.line, b"(pam_audit): ").map(|(_, said)| said).unwrap_or_default();
    let after = |mark: &[u8]| split_once(said, mark)?.1.split(|byte| matches!(byte, b' ' | b'(' | b',')).next();
    fields.put(SrcIp, after(b" host=").unwrap_or_default());
    if fields.is_empty() {
        return Err("a message without both ends of a connection".into());
    }
    out.complete(&mut fields, record);
    let span = out.times(&mut fields);
    let alert = Alert {
        category: if has!(said, b" failed") { "login-failed".into() } else { "login".into() },
        message: text(said),
        user: after(b"ser=").map(text),
        action: None,
        behaviour: None,
        ..Alert::default()
    };
    out.observe(span, fields.device.take(), Some(fields.flow), Detail::Alert(alert));
    Ok(())
}

enum Kind {
    Pairs,
    Prose,
    Message,
}

fn kind(line: &[u8]) -> Option<Kind> {
    if has!(line, b"acl_policy_name=")
        || has!(line, b"f5_irule=")
        || has!(line, b"f5_asm=")
        || has!(line, b"violation_rating=")
    {
        return Some(Kind::Pairs);
    }
    if has!(line, b"client_ip=") && has!(line, b"Rule /") {
        return Some(Kind::Pairs);
    }
    if has!(line, b"[SECEV]") {
        return Some(Kind::Prose);
    }
    let own = has!(line, b"Rule /") || numbered(line);
    own.then_some(Kind::Message)
}

/// `01260013:4: `: the number of a message in eight hexadecimal digits, and its level.
fn numbered(line: &[u8]) -> bool {
    memchr::memchr_iter(b':', line).take(12).any(|at| {
        let number = at.checked_sub(8).and_then(|from| line.get(from..at));
        let digits = number.is_some_and(|number| number.starts_with(b"01") && number.iter().all(u8::is_ascii_hexdigit));
        digits && matches!(line.get(at + 1..at + 3), Some([b'0'..=b'7', b':']))
    })
}

/// `source ip: 192.0.2.1, xff ip: ..., source port: 34066, destination ip: ..., destination port: 443,`.
fn prose<'r>(line: &'r [u8], fields: &mut Fields<'r>) {
    let marks: [(&[u8], Field); 4] = [
        (b"source ip: ", SrcIp),
        (b"source port: ", SrcPort),
        (b"destination ip: ", DstIp),
        (b"destination port: ", DstPort),
    ];
    for (mark, field) in marks {
        if let Some((_, rest)) = split_once(line, mark) {
            fields.put(field, rest.split(|byte| *byte == b',').next().unwrap_or_default());
        }
    }
    if let Some((_, rest)) = split_once(line, b"Request violations: ") {
        fields.put(Threat, rest.split(|byte| *byte == b'.').next().unwrap_or_default());
    }
}

/// `[word] a:p -> b:p`, and `a:p: HTTP: 200 response to from b:p` of an iRule.
fn message<'r>(line: &'r [u8], fields: &mut Fields<'r>) {
    if let Some(at) = find!(line, b" -> ") {
        let before = line.get(..at).unwrap_or_default();
        let after = line.get(at + 4..).unwrap_or_default();
        let mut words = before.rsplit(|byte| *byte == b' ');
        let src = words.next().unwrap_or_default();
        let dst = after.split(|byte| *byte == b' ').next().unwrap_or_default();
        if endpoint(src).is_none() || endpoint(dst).is_none() {
            return;
        }
        fields.put(Src, src);
        fields.put(Dst, dst);
        if let Some(word) = words.next().filter(|word| matches!(*word, b"tcp" | b"TCP" | b"udp" | b"UDP" | b"icmp")) {
            fields.put(Protocol, word);
        }
        if let Some((head, rule)) = split_once(before, b" ACL: ") {
            fields.decide(verdict(head.rsplit(|byte| *byte == b' ').next().unwrap_or_default()));
            fields.put(Rule, rule.split(|byte| *byte == b' ').next().unwrap_or_default());
        }
        return;
    }
    // `New session from client IP 192.0.2.1 (ST=.../CC=...) at VIP 198.51.100.1 Listener /Common/name`.
    if let Some((_, rest)) = split_once(line, b" from client IP ")
        && let Some((client, rest)) = split_once(rest, b" at VIP ")
    {
        let first = |text: &'r [u8]| text.split(|byte| *byte == b' ').next().unwrap_or_default();
        fields.put(SrcIp, first(client));
        fields.put(DstIp, first(rest));
        return;
    }
    let Some((before, rest)) = split_once(line, b" response to from ") else { return };
    let client = before
        .split(|byte| *byte == b' ')
        .rev()
        .find_map(|word| word.strip_suffix(b":").filter(|word| endpoint(word).is_some()));
    if let Some(client) = client {
        // Of a response: the client opened it.
        fields.put(Src, client);
        fields.put(Dst, rest.split(|byte| *byte == b' ').next().unwrap_or_default());
        fields.decide(Some(Verdict::Allow));
    }
}

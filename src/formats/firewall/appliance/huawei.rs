//! Huawei USG and Eudemon logs: session, policy and content records of VRP (`%%01SECLOG/6/SESSION_TEARDOWN(l):...`;
//! "HUAWEI USG6000 Log Reference").

use std::sync::LazyLock;

use crate::formats::firewall::bytes::{has, split_once};
use crate::formats::firewall::dialect::{Dialect, Out, Outcome};
use crate::formats::firewall::fields::Field::*;
use crate::formats::firewall::fields::{Field, Fields, Names};
use crate::formats::firewall::notation::pairs::{COMMAS, pairs};
use crate::formats::firewall::record::Record;
use crate::model::Action as Verdict;

/// The format.
pub(crate) struct Huawei;

const TAGS: &[(&str, Field)] = &[
    // Of attacks.
    ("src", Src),
    ("dst", Dst),
    ("proto", Protocol),
    ("receive interface", InInterface),
    ("begin time", Start),
    ("end time", End),
    ("SourceIP", SrcIp),
    ("SrcIp", SrcIp),
    ("source-ip", SrcIp),
    ("SourcePort", SrcPort),
    ("SrcPort", SrcPort),
    ("source-port", SrcPort),
    ("DestinationIP", DstIp),
    ("DstIp", DstIp),
    ("destination-ip", DstIp),
    ("DestinationPort", DstPort),
    ("DstPort", DstPort),
    ("destination-port", DstPort),
    ("Protocol", Protocol),
    ("protocol", Protocol),
    ("SourceNatIP", NatSrcIp),
    ("SourceNatPort", NatSrcPort),
    ("DestinationNatIP", NatDstIp),
    ("DestinationNatPort", NatDstPort),
    ("BeginTime", Start),
    ("EndTime", End),
    ("SendPkts", PacketsOut),
    ("SendBytes", BytesOut),
    ("RcvPkts", PacketsIn),
    ("RcvBytes", BytesIn),
    ("SourceZone", InZone),
    ("SrcZone", InZone),
    ("source-zone", InZone),
    ("DestinationZone", OutZone),
    ("DstZone", OutZone),
    ("destination-zone", OutZone),
    ("PolicyName", Rule),
    ("Policy", Rule),
    ("rule-name", Rule),
    ("UserName", User),
    ("User", User),
    ("Application", Application),
    ("AppName", Application),
    ("application-name", Application),
    ("Category", Category),
    ("Host", Domain),
    ("SignName", Threat),
    ("VirusName", Threat),
    ("AttackType", Threat),
    ("Action", Action),
];

static NAMES: LazyLock<Names> = LazyLock::new(|| Names::new(&[TAGS]));

impl Dialect for Huawei {
    fn id(&self) -> &'static str {
        "huawei-usg"
    }

    fn title(&self) -> &'static str {
        "Huawei USG and Eudemon firewalls (VRP: session, policy, URL, IPS and antivirus records)"
    }

    fn signature(&self) -> &'static str {
        "VRP records (%%01MODULE/level/MNEMONIC) with SourceIP= or source-ip="
    }

    fn claims(&self, record: &Record<'_>) -> bool {
        let line = record.line;
        has!(line, b"%%") && mnemonic(line).is_some()
    }

    fn read<'r>(&self, record: &'r Record<'r>, out: &mut Out<'_>) -> Outcome {
        let Some((mnemonic, text)) = mnemonic(record.line) else { return Err("a record without a mnemonic".into()) };
        let mut fields = Fields::default();
        // "(SyslogId=1, ..., Action=Alert)" or "IPVer=4,...,PolicyName=x."
        let text = text.trim_ascii();
        let text = text.strip_suffix(b")").or(text.strip_suffix(b".")).unwrap_or(text);
        fields.take(&NAMES, pairs(text, COMMAS));
        fields.connection.user = fields.connection.user.take().filter(|user| user != "unknown");
        if fields.is_empty() {
            return Err("an event without an address".into());
        }
        let ends = |word: &[u8]| memchr::memmem::find(mnemonic, word).is_some();
        fields.decide(if ends(b"DENY") {
            Some(Verdict::Deny)
        } else if ends(b"PERMIT") || ends(b"SESSION_") {
            Some(Verdict::Allow)
        } else {
            None
        });
        out.connection(fields, record)
    }
}

/// `SESSION_TEARDOWN` of `%%01SECLOG/6/SESSION_TEARDOWN(l):`, and what follows.
fn mnemonic(line: &[u8]) -> Option<(&[u8], &[u8])> {
    let (_, after) = split_once(line, b"%%")?;
    let (head, text) = split_once(after, b":")?;
    let mut parts = head.split(|byte| *byte == b'/');
    let (module, level, name) = (parts.next()?, parts.next()?, parts.next()?);
    let numbered = module.first_chunk::<2>()?.iter().all(u8::is_ascii_digit);
    (numbered && level.len() == 1).then_some((name, text))
}

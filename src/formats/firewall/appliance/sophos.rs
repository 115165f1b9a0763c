//! Sophos firewalls: SFOS (XG, XGS) in its device standard and central reporting forms ("Sophos Firewall Log Reference"),
//! and UTM 9 (`id= severity= sys= sub= name= action=`, "Sophos UTM log files").

use std::sync::LazyLock;

use crate::formats::firewall::bytes::has;
use crate::formats::firewall::dialect::{Dialect, Out, Outcome};
use crate::formats::firewall::fields::Field::*;
use crate::formats::firewall::fields::{Field, Fields, Names};
use crate::formats::firewall::notation::pairs::{SPACED, pairs};
use crate::formats::firewall::record::Record;
use crate::formats::firewall::syslog::Stamp;
use crate::model::Action as Verdict;

/// The format.
pub(crate) struct Sophos;

const TAGS: &[(&str, Field)] = &[
    ("src_ip", SrcIp),
    ("sourceip", SrcIp),
    ("src_port", SrcPort),
    ("dst_ip", DstIp),
    ("destinationip", DstIp),
    ("dst_port", DstPort),
    ("protocol", Protocol),
    ("status", Action),
    ("log_subtype", Action),
    ("timestamp", Time),
    ("timezone", Zone),
    ("duration", Duration),
    ("sent_bytes", BytesOut),
    ("bytes_sent", BytesOut),
    ("recv_bytes", BytesIn),
    ("bytes_received", BytesIn),
    ("sent_pkts", PacketsOut),
    ("packets_sent", PacketsOut),
    ("recv_pkts", PacketsIn),
    ("packets_received", PacketsIn),
    ("in_interface", InInterface),
    ("out_interface", OutInterface),
    ("src_zone", InZone),
    ("srczone", InZone),
    ("dst_zone", OutZone),
    ("dstzone", OutZone),
    ("tran_src_ip", NatSrcIp),
    ("src_trans_ip", NatSrcIp),
    ("tran_src_port", NatSrcPort),
    ("src_trans_port", NatSrcPort),
    ("tran_dst_ip", NatDstIp),
    ("dst_trans_ip", NatDstIp),
    ("tran_dst_port", NatDstPort),
    ("dst_trans_port", NatDstPort),
    ("fw_rule_name", Rule),
    ("fw_rule_id", Rule),
    ("user_name", User),
    ("login_user", User),
    ("user", User),
    ("device_name", Device),
    ("device_serial_id", Device),
    ("application", Application),
    ("application_name", Application),
    ("app_name", Application),
    ("application_category", Category),
    ("app_category", Category),
    ("category", Category),
    ("domain", Domain),
    ("url", Domain),
    ("con_id", Session),
    ("connid", Session),
    ("threatname", Threat),
    ("threat", Threat),
    ("signature_msg", Threat),
    ("virus", Threat),
    ("malware", Threat),
    ("message", Message),
];

const UTM: &[(&str, Field)] = &[
    ("srcip", SrcIp),
    ("srcport", SrcPort),
    ("dstip", DstIp),
    ("localip", DstIp),
    ("dstport", DstPort),
    ("port", DstPort),
    ("proto", Protocol),
    ("action", Action),
    ("fwrule", Rule),
    ("filteraction", Rule),
    ("initf", InInterface),
    ("outitf", OutInterface),
    ("tcpflags", State),
    ("user", User),
    ("url", Domain),
    ("server", Domain),
    ("categoryname", Category),
    ("application", Application),
    ("name", Message),
];

static NAMES: LazyLock<Names> = LazyLock::new(|| Names::new(&[TAGS]));
static UTM_NAMES: LazyLock<Names> = LazyLock::new(|| Names::new(&[UTM]));

impl Dialect for Sophos {
    fn id(&self) -> &'static str {
        "sophos"
    }

    fn title(&self) -> &'static str {
        "Sophos Firewall (SFOS: XG and XGS, device standard and central reporting) and Sophos UTM 9 (packet filter, IPS, web)"
    }

    fn signature(&self) -> &'static str {
        "Sophos fields (log_type=, log_component=, device_id=; or sys=, sub=, srcip= of UTM)"
    }

    fn claims(&self, record: &Record<'_>) -> bool {
        record.json.is_none() && record.cef.is_none() && kind(record.line).is_some()
    }

    fn read<'r>(&self, record: &'r Record<'r>, out: &mut Out<'_>) -> Outcome {
        let mut fields = Fields::default();
        match kind(record.line) {
            Some(Kind::Sfos) => sfos(record, &mut fields),
            _ => utm(record, &mut fields),
        }
        if fields.is_empty() {
            return Err("an event without an address".into());
        }
        out.connection(fields, record)
    }
}

enum Kind {
    Sfos,
    Utm,
}

fn kind(line: &[u8]) -> Option<Kind> {
    if has!(line, b"log_component=")
        && has!(line, b"log_type=")
        && (has!(line, b"device_id=") || has!(line, b"device_serial_id="))
    {
        return Some(Kind::Sfos);
    }
    let utm = has!(line, b"id=\"")
        && ((has!(line, b" sys=\"") && has!(line, b" sub=\""))
            || (has!(line, b" srcip=\"") && has!(line, b" localip=\"")));
    utm.then_some(Kind::Utm)
}

fn sfos<'r>(record: &'r Record<'r>, fields: &mut Fields<'r>) {
    let (mut date, mut time) = (None, None);
    let mut word = None;
    for (name, value) in pairs(record.line, SPACED) {
        match name {
            b"date" => date = Some(value),
            b"time" => time = Some(value),
            // 0 stands for no rule; a name of the zone that has several meanings is left to who declares one.
            b"fw_rule_id" if *value == *b"0" => {}
            b"timezone" if crate::formats::firewall::syslog::Zone::read(&value).is_none() => {}
            _ => {
                if name == b"log_subtype" {
                    word = Some(value.clone());
                }
                if let Some(field) = NAMES.get(name) {
                    fields.set(field, value);
                }
            }
        }
    }
    if let (None, Some(date), Some(time)) = (fields.time, date, time) {
        fields.time = Stamp::joined(&date, &time);
    }
    let verdict = |word: &[u8]| match word {
        b"Clean" | b"Cleaned" | b"Detected" | b"Detect" => Some(Verdict::Allow),
        b"Virus" => Some(Verdict::Deny),
        other => crate::formats::firewall::action::verdict(other),
    };
    fields.decide(word.as_deref().and_then(verdict));
}

fn utm<'r>(record: &'r Record<'r>, fields: &mut Fields<'r>) {
    let (mut ips, mut reason) = (false, None);
    for (name, value) in pairs(record.line, SPACED) {
        match name {
            b"sub" => ips = *value == *b"ips",
            b"reason" => reason = Some(value),
            _ => {
                if let Some(field) = UTM_NAMES.get(name) {
                    fields.set(field, value);
                }
            }
        }
    }
    if let (true, Some(reason)) = (ips, reason) {
        fields.set(Threat, reason);
    }
}

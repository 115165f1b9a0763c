//! FortiOS logs of FortiGate and FortiProxy: `name=value`, CEF, LEEF, JSON, and what FortiAnalyzer forwards
//! (FortiOS Log Message Reference, "Log field format").

use std::borrow::Cow;
use std::sync::LazyLock;

use crate::formats::firewall::bytes;
use crate::formats::firewall::bytes::{find, has};
use crate::formats::firewall::dialect::{Dialect, Out, Outcome};
use crate::formats::firewall::fields::Field::*;
use crate::formats::firewall::fields::{Field, Fields, Names};
use crate::formats::firewall::generic::{cef, leef};
use crate::formats::firewall::notation::json;
use crate::formats::firewall::notation::pairs::{COMMAS, SPACED, pairs};
use crate::formats::firewall::record::Record;
use crate::formats::firewall::syslog::Stamp;
use crate::model::{Action as Verdict, Dns};

/// The format.
pub(crate) struct FortiGate;

const FORTIOS: &[(&str, Field)] = &[
    ("srcip", SrcIp),
    ("srcport", SrcPort),
    ("dstip", DstIp),
    ("dstport", DstPort),
    // Ends of a VPN: see `Vpn`.
    ("remip", SrcIp),
    ("remport", SrcPort),
    ("locip", DstIp),
    ("locport", DstPort),
    // Who asked FortiAuthenticator to be let in.
    ("userip", SrcIp),
    ("proto", Protocol),
    ("action", Action),
    ("utmaction", Action),
    ("eventtime", Time),
    ("tz", Zone),
    ("duration", Duration),
    ("sentbyte", BytesOut),
    ("rcvdbyte", BytesIn),
    ("sentpkt", PacketsOut),
    ("rcvdpkt", PacketsIn),
    ("srcintf", InInterface),
    ("dstintf", OutInterface),
    ("policyid", Rule),
    ("transip", NatSrcIp),
    ("transport", NatSrcPort),
    ("tranip", NatDstIp),
    ("tranport", NatDstPort),
    ("user", User),
    ("unauthuser", User),
    ("devname", Device),
    ("app", Application),
    ("service", Application),
    ("appcat", Category),
    ("catdesc", Category),
    ("hostname", Domain),
    ("sessionid", Session),
    ("attack", Threat),
    ("virus", Threat),
    ("virusname", Threat),
    ("msg", Message),
];

/// Names before FortiOS 5.
const OLD: &[(&str, Field)] = &[
    ("src", SrcIp),
    ("src_port", SrcPort),
    ("dst", DstIp),
    ("dst_port", DstPort),
    ("status", Action),
    ("sent", BytesOut),
    ("rcvd", BytesIn),
    ("sent_pkt", PacketsOut),
    ("rcvd_pkt", PacketsIn),
    ("src_int", InInterface),
    ("dst_int", OutInterface),
    ("tran_ip", NatSrcIp),
    ("tran_port", NatSrcPort),
    ("app_cat", Category),
];

static NAMES: LazyLock<Names> = LazyLock::new(|| Names::new(&[FORTIOS]));
static OLD_NAMES: LazyLock<Names> = LazyLock::new(|| Names::new(&[OLD, FORTIOS]));
static LEEF: LazyLock<Names> = LazyLock::new(|| Names::new(&[FORTIOS, leef::DICTIONARY]));
static CEF: LazyLock<Names> = LazyLock::new(|| Names::new(&[FORTIOS, cef::DICTIONARY]));

impl Dialect for FortiGate {
    fn id(&self) -> &'static str {
        "fortigate"
    }

    fn title(&self) -> &'static str {
        "Fortinet FortiGate and FortiProxy (FortiOS name=value, CSV, CEF, LEEF, JSON; as forwarded by FortiAnalyzer)"
    }

    fn signature(&self) -> &'static str {
        "FortiOS fields (devname= or devid=, logid=, type=, subtype=)"
    }

    fn claims(&self, record: &Record<'_>) -> bool {
        if let Some(header) = &record.cef {
            return header.is("forti", "");
        }
        if let Some(header) = &record.leef {
            return header.is("forti");
        }
        if record.json.is_some() {
            return record.has("logid") && record.has("type") && (record.has("devid") || record.has("vd"));
        }
        let line = record.line;
        has!(line, b"type=")
            && (has!(line, b"logid=") && (has!(line, b"devid=") || has!(line, b"devname=") || has!(line, b"vd="))
                || has!(line, b"log_id=") && has!(line, b"device_id=") && !has!(line, b"log_component="))
    }

    fn read<'r>(&self, record: &'r Record<'r>, out: &mut Out<'_>) -> Outcome {
        let mut reading = Reading::default();
        if let Some(header) = &record.cef {
            // Fields without a place in the dictionary keep their names behind a prefix; FortiAnalyzer leaves it out.
            for (name, value) in crate::formats::firewall::notation::cef::pairs(header.extension) {
                let own = name.strip_prefix(b"FTNTFGT").or(name.strip_prefix(b"FortinetFortiGate"));
                match (own, name) {
                    (Some(own), _) => reading.take(own, value, &NAMES),
                    // When the record was made, in the device's own time.
                    (None, b"start" | b"rt" | b"end") => reading.clock = reading.clock.or_else(|| Stamp::read(&value)),
                    (None, name) => reading.take(name, value, &CEF),
                }
            }
        } else if let Some(header) = &record.leef {
            for (name, value) in header.pairs() {
                reading.take(name, value, &LEEF);
            }
        } else if let Some(object) = record.json {
            json::leaves(object, &mut |path, value| {
                let name = path.rsplit(|byte| *byte == b'.').next().unwrap_or(path);
                reading.take(name, value, &NAMES);
            });
        } else {
            let commas =
                has!(record.line, b",logid=") || has!(record.line, b",log_id=") || is_comma_separated(record.line);
            let old = has!(record.line, b"device_id=");
            let names = if old { &OLD_NAMES } else { &NAMES };
            for (name, value) in pairs(record.line, if commas { COMMAS } else { SPACED }) {
                reading.take(name, value, names);
            }
        }
        let (fields, lookup) = reading.finish();
        if fields.is_empty() {
            return Err("an event without an address".into());
        }
        if let Some(lookup) = lookup {
            return out.lookup(fields, record, lookup);
        }
        out.connection(fields, record)
    }
}

/// `devname="x",devid="y"`: a comma follows the value of the first pair.
fn is_comma_separated(line: &[u8]) -> bool {
    let Some(at) = find!(line, b"devid=") else { return false };
    let value = line.get(at + 6..).unwrap_or_default();
    value.iter().find(|byte| matches!(byte, b' ' | b',')) == Some(&b',')
}

/// What one record says, field by field.
#[derive(Default)]
struct Reading<'r> {
    fields: Fields<'r>,
    date: Option<Cow<'r, [u8]>>,
    time: Option<Cow<'r, [u8]>>,
    clock: Option<Stamp>,
    lookup: Dns,
    is_lookup: bool,
    /// This side began the tunnel.
    initiator: bool,
    is_vpn: bool,
    admin: Option<Cow<'r, [u8]>>,
}

impl<'r> Reading<'r> {
    fn take(&mut self, name: &[u8], value: Cow<'r, [u8]>, names: &Names) {
        match name {
            b"date" => self.date = self.date.take().or(Some(value)),
            b"time" => self.time = self.time.take().or(Some(value)),
            // FortiAnalyzer counts the first in its own local time: last of all.
            b"timestamp" | b"itime" => self.clock = self.clock.or_else(|| Stamp::read(&value)),
            b"qname" => {
                // FortiOS puts the name into brackets where it is not plain.
                let name = bytes::text(value.trim_ascii());
                self.lookup.query = name.trim_matches(|letter| matches!(letter, '[' | ']')).to_owned();
                self.is_lookup = !self.lookup.query.is_empty();
            }
            b"qtype" => self.lookup.record_type = bytes::text(&value).into_owned(),
            b"ipaddr" if self.is_lookup => {
                let answers =
                    value.split(|byte| *byte == b',').filter_map(|answer| bytes::address(answer.trim_ascii()));
                self.lookup.addresses.extend(answers);
            }
            b"eventtype" => self.lookup.response = *value == *b"dns-response",
            // Which side began: `init` of phase 1, `role` of both phases.
            b"role" => self.initiator |= *value == *b"initiator",
            b"init" => self.initiator |= *value == *b"local",
            b"ui" => self.admin = Some(value),
            b"policyid" if *value == *b"0" => {}
            _ => {
                self.is_vpn |= name == b"locip";
                if let Some(field) = names.get(name) {
                    self.fields.set(field, value);
                }
            }
        }
    }

    fn finish(mut self) -> (Fields<'r>, Option<Dns>) {
        let fields = &mut self.fields;
        // The local time counts only where FortiOS gives none since 1970.
        if let (None, Some(date), Some(time)) = (fields.time, &self.date, &self.time) {
            fields.time = Stamp::joined(date, time);
        }
        fields.time = fields.time.or(self.clock);
        let word = fields.action_word.clone();
        // `https(192.0.2.1)`: where an administrator came from, to log in or to change something.
        if let (None, None, Some(admin)) = (fields.flow.src, fields.flow.dst, &self.admin)
            && let Some((_, rest)) = bytes::split_once(admin, b"(")
        {
            fields.flow.src = rest.strip_suffix(b")").and_then(bytes::address);
        }
        if self.is_vpn && self.initiator {
            fields.turn();
        }
        // Signatures name the ends of the packet that matched: an answer comes from a service.
        let service = |port: Option<u16>| port.is_some_and(|port| port < 1024);
        let any = |port: Option<u16>| port.is_some_and(|port| port >= 1024);
        if fields.threat.is_some() && service(fields.flow.src_port) && any(fields.flow.dst_port) {
            fields.turn();
        }
        fields.decide(allowed(word.as_ref()));
        let lookup = self.is_lookup.then_some(self.lookup);
        (self.fields, lookup)
    }
}

/// Words that say how an allowed session ended or began.
fn allowed(word: Option<&Cow<'_, [u8]>>) -> Option<Verdict> {
    let allowed: [&[u8]; 9] =
        [b"close", b"timeout", b"server-rst", b"client-rst", b"ip-conn", b"start", b"dns", b"passthrough", b"exempt"];
    let word: &[u8] = word?;
    allowed.contains(&word).then_some(Verdict::Allow)
}

//! Zscaler Internet Access as its Nanolog Streaming Service writes it: firewall, web, DNS and tunnel records ("NSS Feed
//! Output Format", names of the fields of the default feeds).

use std::net::IpAddr;
use std::sync::LazyLock;

use crate::formats::firewall::bytes::{address, text};
use crate::formats::firewall::dialect::{Dialect, Out, Outcome};
use crate::formats::firewall::fields::Field::*;
use crate::formats::firewall::fields::{Field, Fields, Names};
use crate::formats::firewall::notation::pairs::{SPACIOUS, Style, pairs};
use crate::formats::firewall::record::Record;
use crate::formats::firewall::syslog::Stamp;
use crate::model::{Detail, Dns};

/// The format.
pub(crate) struct Zscaler;

const FEEDS: &[(&str, Field)] = &[
    // Firewall: client and server side of the proxy.
    ("csip", SrcIp),
    ("csport", SrcPort),
    ("sdip", DstIp),
    ("sdport", DstPort),
    ("cdip", DstIp),
    ("cdport", DstPort),
    ("ssip", NatSrcIp),
    ("ssport", NatSrcPort),
    ("proto", Protocol),
    ("outbytes", BytesOut),
    ("inbytes", BytesIn),
    ("durationms", DurationMs),
    ("duration", Duration),
    ("rulelabel", Rule),
    ("nwapp", Application),
    ("ipcat", Category),
    // Web.
    ("ClientIP", SrcIp),
    ("clientip", SrcIp),
    ("cip", SrcIp),
    ("clientpublicIP", NatSrcIp),
    ("serverip", DstIp),
    ("sip", DstIp),
    ("requestsize", BytesOut),
    ("responsesize", BytesIn),
    ("url", Domain),
    ("hostname", Domain),
    ("host", Domain),
    ("appname", Application),
    ("urlcategory", Category),
    ("threatname", Threat),
    // DNS.
    ("clt_sip", SrcIp),
    ("srv_dip", DstIp),
    ("srv_dport", DstPort),
    ("dns_req", Domain),
    ("reqaction", Action),
    ("reqrulelabel", Rule),
    // Tunnels.
    ("sourceip", SrcIp),
    ("destinationip", DstIp),
    ("sourceport", SrcPort),
    ("destinationport", DstPort),
    ("txbytes", BytesOut),
    ("rxbytes", BytesIn),
    // All.
    ("action", Action),
    ("user", User),
    ("login", User),
    ("datetime", Time),
    ("time", Time),
    ("tz", Zone),
];

static NAMES: LazyLock<Names> = LazyLock::new(|| Names::new(&[FEEDS]));

impl Dialect for Zscaler {
    fn id(&self) -> &'static str {
        "zscaler"
    }

    fn title(&self) -> &'static str {
        "Zscaler Internet Access NSS feeds (firewall, web, DNS, tunnel; JSON and name=value)"
    }

    fn signature(&self) -> &'static str {
        "names of NSS feeds (sourcetype zscalernss-, or vendor Zscaler with reason and event_id)"
    }

    fn claims(&self, record: &Record<'_>) -> bool {
        if record.json.is_some() {
            let source = record.text("sourcetype");
            return source.is_some_and(|source| source.starts_with(b"zscaler"))
                || record.text("vendor").is_some_and(|vendor| &*vendor == b"Zscaler");
        }
        let has = |word: &[u8]| memchr::memmem::find(record.line, word).is_some();
        record.cef.is_none()
            && record.leef.is_none()
            && (has(b"vendor=Zscaler") || has(b"vendor=\"Zscaler\"") || has(b"sourcetype=zscalernss"))
    }

    fn read<'r>(&self, record: &'r Record<'r>, out: &mut Out<'_>) -> Outcome {
        let mut fields = Fields::default();
        let mut dns = None;
        if let Some(object) = record.json {
            // Behind the proxy, not before it.
            fields.set(DstIp, super::within(object, "event", "sdip").unwrap_or_default());
            super::take(object, &NAMES, &mut fields);
            dns = super::within(object, "event", "dns_req").map(|query| Dns {
                query: text(&query).into_owned(),
                record_type: super::within(object, "event", "dns_reqtype")
                    .map(|kind| text(&kind).into_owned())
                    .unwrap_or_default(),
                response: true,
                ..answer(&super::within(object, "event", "dns_resp").unwrap_or_default())
            });
        } else {
            let tabs = memchr::memchr(b'\t', record.line).is_some();
            let style = if tabs { Style { separator: b'\t', equals: b'=', spacious: false } } else { SPACIOUS };
            for (name, value) in pairs(record.line, style) {
                if let Some(field) = NAMES.get(name) {
                    fields.set(field, value);
                }
            }
            // Feeds in this form begin with the time.
            let begin = record
                .line
                .get(..19)
                .and_then(Stamp::read)
                .or_else(|| Stamp::read(record.line.get(..24)?.trim_ascii()));
            fields.time = fields.time.or(begin);
        }
        if fields.is_empty() {
            return Err("a record without an address".into());
        }
        if let Some(dns) = dns {
            out.complete(&mut fields, record);
            let span = out.times(&mut fields);
            out.observe(span, fields.device.clone(), Some(fields.flow), Detail::Dns(dns));
        }
        out.connection(fields, record)
    }
}

/// What the resolver answered: an address, a name, or the word for a code.
fn answer(said: &[u8]) -> Dns {
    let addresses: Vec<IpAddr> = said.split(|byte| matches!(byte, b';' | b',' | b' ')).filter_map(address).collect();
    let code = (addresses.is_empty() && !said.is_empty()).then(|| text(said).into_owned());
    Dns { addresses, response_code: code, ..Dns::default() }
}

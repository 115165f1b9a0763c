//! Linux netfilter LOG lines, in any of the logs that carry them.

use crate::evidence::AnomalyKind;
use crate::formats::firewall::action::action;
use crate::formats::firewall::bytes;
use crate::formats::firewall::dialect::{Dialect, Out, Outcome};
use crate::formats::firewall::record::Record;
use crate::formats::firewall::syslog::Peeled;
use crate::model::Detail;

use super::netfilter::{self, Packet};

/// The format.
pub(crate) struct Iptables;

impl Dialect for Iptables {
    fn id(&self) -> &'static str {
        "iptables"
    }

    fn title(&self) -> &'static str {
        "Linux netfilter LOG lines (iptables, nftables, UFW, firewalld, Shorewall, OpenWrt, UniFi, VyOS, Proxmox VE, ulogd \
         LOGEMU) in syslog (RFC 3164, RFC 5424, ISO times), dmesg, journalctl text or JSON"
    }

    fn signature(&self) -> &'static str {
        "netfilter LOG lines (IN= OUT= SRC= DST= PROTO=)"
    }

    fn claims(&self, record: &Record<'_>) -> bool {
        record.json.is_none() && packet_of(&record.peeled).is_some()
    }

    fn read<'r>(&self, record: &'r Record<'r>, out: &mut Out<'_>) -> Outcome {
        let peeled = &record.peeled;
        let Some(packet) = packet_of(peeled).filter(|packet| !packet.is_empty()) else {
            return Err("netfilter fields without an address".into());
        };
        let span = out.span(packet.stamp.or(peeled.stamp));
        if let Some(field) = packet.impossible.filter(|field| packet.cut != Some(*field)) {
            out.anomaly(AnomalyKind::ImpossibleValue, format!("{field} has no readable value; left unknown"));
        }
        if let Some(field) = packet.cut {
            let detail = format!("the line ends in {field}, whose value may be cut; fields after it are unknown");
            out.anomaly(AnomalyKind::TruncatedRecord, detail);
        } else if packet.lost_head() {
            let detail = "the line lost its beginning; addresses are unknown".to_owned();
            out.anomaly(AnomalyKind::TruncatedRecord, detail);
        }
        let host = peeled.host.filter(|_| !is_prefix(peeled)).map(bytes::text);
        out.observe(span, host, Some(packet.flow()), Detail::Connection(packet.connection()));
        Ok(())
    }
}

/// A tag with a process id, or the kernel's, is no part of the prefix; any other "word:" is. So is the first word after
/// the time if it names an action: headers may lack both host and tag ("Nov 20 14:34:46 DROP IN=eth0 ...").
fn packet_of<'a>(peeled: &Peeled<'a>) -> Option<Packet<'a>> {
    let whole = peeled.program.is_some() && !peeled.has_pid && !peeled.is_program(b"kernel");
    let mut text = if whole { peeled.body } else { peeled.message };
    if is_prefix(peeled) {
        text = peeled.headed;
    }
    netfilter::packet(text)
}

fn is_prefix(peeled: &Peeled<'_>) -> bool {
    let untagged = peeled.program.is_none() || (!peeled.has_pid && !peeled.is_program(b"kernel"));
    untagged && !peeled.headed.is_empty() && peeled.host.is_some_and(|host| action(host).is_some())
}

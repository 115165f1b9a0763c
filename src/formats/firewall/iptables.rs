//! Linux netfilter LOG lines, in any of the logs that carry them.

use std::io;

use super::hostlog::{self, Census};
use crate::evidence::{Head, Input};
use crate::formats::{Format, Kind, Match, Sink};
use crate::time::TimeContext;

/// The format.
pub struct Iptables;

impl Format for Iptables {
    fn id(&self) -> &'static str {
        "iptables"
    }

    fn kind(&self) -> Kind {
        Kind::Firewall
    }

    fn title(&self) -> &'static str {
        "Linux netfilter LOG lines (iptables, nftables, UFW, firewalld, Shorewall, OpenWrt, UniFi, VyOS, Proxmox VE, ulogd \
         LOGEMU) in syslog (RFC 3164, RFC 5424, ISO times), dmesg, journalctl text or JSON; sshd lines between them too"
    }

    fn record_unit(&self) -> &'static str {
        "line"
    }

    fn probe(&self, head: &Head) -> Match {
        let census = Census::of(head);
        let Census { lines, packets, logins, .. } = census;
        if packets > 0 && packets >= logins {
            let reason =
                format!("{packets} of its first {lines} lines are netfilter LOG lines (IN= OUT= SRC= DST= PROTO=)");
            if (packets + logins) * 2 >= lines {
                return Match::Certain(reason);
            }
            if census.is_log() {
                return Match::Likely(80, reason);
            }
        } else if packets == 0 && logins == 0 && census.programs > 0 && census.is_log() {
            return Match::Likely(
                5,
                format!(
                    "the log of a Linux machine; none of its first {lines} lines is a netfilter LOG line or a login"
                ),
            );
        }
        Match::No
    }

    fn read(&self, input: &mut Input, time: &TimeContext, sink: &mut dyn Sink) -> io::Result<()> {
        hostlog::read(input, time, sink)
    }
}

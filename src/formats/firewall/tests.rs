//! Whole files: samples with expectations, and samples of other projects.

use super::testing::{self, as_json, corpus};
use crate::time::TimeContext;

#[test]
fn dump() {
    let Some(folder) = corpus("firewall") else { return };
    for (id, name) in [
        ("iptables", "iptables/wazuh/iptables.ini"),
        ("iptables", "ulogd/generated-here/nflog.logemu.log"),
        ("iptables", "iptables/sc4s-ubiquiti_unifi.samples.log"),
        ("conntrack", "conntrack/generated-here/conntrack-E.extended-id.log"),
        ("conntrack", "conntrack/generated-here/conntrack-E.ktimestamp.log"),
        ("conntrack", "conntrack/generated-here/conntrack-L.extended.txt"),
        ("conntrack", "conntrack/generated-here/proc_net_nf_conntrack.txt"),
        ("sshd", "sshd-auth/wazuh-sshd.log"),
        ("sshd", "linux-syslog/plaso/syslog_ssh.log"),
        ("iptables", "linux-syslog/logstash-syslog.log"),
    ] {
        println!("=== {name}");
        let read = testing::read(id, &std::fs::read(folder.join(name)).unwrap(), &TimeContext::default());
        for value in testing::all_as_json(&read) {
            println!("{value}");
        }
    }
    let _ = as_json;
}

#[test]
fn dump_choices() {
    let Some(folder) = corpus("") else { return };
    for (name, choice) in testing::choices(&folder) {
        println!("{name} {choice:?}");
    }
}

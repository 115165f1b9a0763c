//! Logs whose records are numbered, with numbers taken out; loggers that stop.

use crate::formats::firewall::testing::read;
use crate::time::TimeContext;

fn told(id: &str, text: &str) -> Vec<(u64, &'static str, String)> {
    let mut found = read(id, text.as_bytes(), &TimeContext::default());
    found.anomalies.sort();
    found.anomalies.into_iter().map(|one| (one.record, one.kind.name(), one.detail)).collect()
}

/// Thirty records, but the 11th to 13th; what stands after them is at the line where the 14th would be without them.
fn without_three(line: impl Fn(u64) -> String) -> String {
    (1..=30).filter(|number| !(11..=13).contains(number)).map(line).collect()
}

#[test]
fn numbers_taken_out_of_each_log_that_has_them() {
    let cisco = |n: u64| {
        format!(
            "<189>{n}: rtr1: {:06}: *Nov 20 14:34:46.123: %SEC-6-IPACCESSLOGP: list 1 denied tcp 10.0.0.5(51000) -> \
             203.0.113.66(3333), 1 packet\n",
            n + 400
        )
    };
    let relayed =
        |n: u64| format!("Nov 20 14:34:{n:02} rtr1 {n}: %SYS-5-CONFIG_I: Configured from console by vty2 (10.0.0.9)\n");
    let panos = |n: u64| {
        format!(
            "<14>Nov 20 14:34:46 fw1 1,2026/11/20 14:34:46,007000000000001,TRAFFIC,deny,2561,2026/11/20 14:34:46,10.0.0.5,\
             203.0.113.66,0.0.0.0,0.0.0.0,\"DENY, ALL\",,,not-applicable,vsys1,T,U,ethernet1/1,ethernet1/2,Forward,2026/11/20 \
             14:34:46,4212,1,51001,3333,0,0,0x0,tcp,deny,74,74,0,1,2026/11/20 14:34:46,0,any,,{n},0x0,10.0.0.0,US,,1,0\n"
        )
    };
    let goflow = |n: u64| {
        format!(
            r#"{{"type":"NETFLOW_V9","time_received_ns":1795185300000000000,"sequence_num":{n},"sampler_address":"192.0.2.1","time_flow_start_ns":1795185286090000000,"bytes":1180,"packets":11,"src_addr":"10.77.0.2","dst_addr":"203.0.113.7","proto":"TCP","src_port":58564,"dst_port":22}}"#
        ) + "\n"
    };
    let auditd = |n: u64| {
        format!("type=USER_LOGIN msg=audit(1795185286.123:{n}): pid=1 uid=0 msg='op=login acct=\"a\" res=failed'\n")
    };
    let of_node = |n: u64| format!("node=h1 {}", auditd(n));
    for (id, text, between) in [
        ("cisco-ios", without_three(cisco), "of rtr1 are missing between 410 and 414"),
        ("cisco-ios", without_three(relayed), "of rtr1 are missing between 10 and 14"),
        ("panos", without_three(panos), "of 007000000000001,TRAFFIC are missing between 10 and 14"),
        ("netflow", without_three(goflow), "of 192.0.2.1 are missing between 10 and 14"),
        ("auditd", without_three(auditd), "of the audit system are missing between 10 and 14"),
        ("auditd", without_three(of_node), "of h1 are missing between 10 and 14"),
    ] {
        let gaps: Vec<_> = told(id, &text).into_iter().filter(|(_, kind, _)| *kind == "sequence-gap").collect();
        assert_eq!(gaps.len(), 1, "{id}: {gaps:?}");
        assert!(gaps[0].2.starts_with("3 numbers of") && gaps[0].2.contains(between), "{id}: {}", gaps[0].2);
        assert_eq!(gaps[0].0, 11, "{id}");
        // Nothing is missing of the second half alone.
        let half: String = text.split_inclusive('\n').skip(10).map(str::to_owned).collect();
        assert!(told(id, &half).iter().all(|(_, kind, _)| *kind != "sequence-gap"), "{id}");
    }
}

#[test]
fn records_of_one_event_share_its_number_wherever_they_stand() {
    let text: String = (1..=30)
        .flat_map(|n| [n, n + 1, n])
        .map(|n| format!("type=CWD msg=audit(1795185286.123:{n}): cwd=\"/\"\n"))
        .collect();
    assert_eq!(told("auditd", &text), []);
}

#[test]
fn the_trail_says_itself_that_it_stops() {
    let text = "type=DAEMON_START msg=audit(1795185286.123:5426): op=start ver=3.0.7 auid=0 res=success\n\
                type=CONFIG_CHANGE msg=audit(1795185287.123:11): op=set audit_enabled=0 old=1 auid=0 ses=1 res=1\n\
                type=CONFIG_CHANGE msg=audit(1795185287.124:12): op=set audit_enabled=1 old=0 auid=0 ses=1 res=1\n\
                type=DAEMON_END msg=audit(1795185288.123:5427): op=terminate auid=0 pid=1 res=success\n";
    let found: Vec<(u64, &str)> = told("auditd", text).into_iter().map(|(line, kind, _)| (line, kind)).collect();
    assert_eq!(found, [(1, "logging-stopped"), (2, "logging-stopped"), (4, "logging-stopped")]);
}

#[test]
fn a_logger_that_stops_within_a_log() {
    let text = "Nov 20 14:34:46 h sshd[9]: Failed password for root from 203.0.113.9 port 40000 ssh2\n\
                Nov 20 14:34:47 h rsyslogd: [origin software=\"rsyslogd\" swVersion=\"8\"] exiting on signal 15.\n\
                Nov 20 14:40:47 h sshd[9]: Failed password for root from 203.0.113.9 port 40000 ssh2";
    let found: Vec<(u64, &str)> = told("sshd", text).into_iter().map(|(line, kind, _)| (line, kind)).collect();
    assert_eq!(found, [(2, "logging-stopped"), (3, "truncated-record")]);
}

#[test]
fn packets_that_a_router_could_not_log() {
    let text =
        "Nov 20 2026 14:34:46 UTC: %SEC-6-IPACCESSLOGRL: access-list logging rate-limited or missed 42 packets\n";
    let found = told("cisco-ios", text);
    assert!(found.len() == 1 && found[0].1 == "gap" && found[0].2.starts_with("42 packets"), "{found:?}");
}

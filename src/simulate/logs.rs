//! A story as the lines that a firewall, sshd and nvidia-smi write of it.

use chrono::{DateTime, Utc};

use super::recipe::{FirewallForm, Recipe};
use super::story::{Flow, Moment, Speech, Story, seconds};
use super::translated::{OUTSIDE, Side};
use super::work::address;
use crate::time::Instant;

fn utc(at: i64) -> DateTime<Utc> {
    DateTime::from_timestamp_nanos(at)
}

/// What the firewall's clock shows then.
fn by_firewall(recipe: &Recipe, began: Instant, at: Moment) -> i64 {
    began.0 + at + seconds(recipe.clocks.firewall_s)
}

/// The firewall's log.
pub(super) fn firewall(recipe: &Recipe, story: &Story, began: Instant) -> String {
    let mut flows: Vec<Flow> = story.flows.iter().map(|flow| recipe.seen(flow, Side::Firewall)).collect();
    flows.sort_by_key(|flow| (flow.at, flow.src_port));
    let mut log = String::new();
    for (number, flow) in flows.iter().enumerate() {
        let at = by_firewall(recipe, began, flow.at);
        let refused = flow.speech == Speech::Refused;
        match recipe.firewall {
            FirewallForm::Netfilter => {
                let local = utc(at + i64::from(recipe.clocks.firewall_zone_h) * 3_600_000_000_000);
                let inbound = !flow.src.is_private();
                let prefix = match (inbound, refused) {
                    (true, _) => "INBOUND",
                    (false, true) => "INTERNAL-DENY",
                    (false, false) => "EGRESS-ALLOW",
                };
                let (from, to) = if inbound { ("wan0", "br-in") } else { ("br-in", "wan0") };
                log.push_str(&format!(
                    "{} fw-edge kernel: [{:>12.6}] {prefix}: IN={from} OUT={to} SRC={} DST={} LEN=60 TOS=0x00 PREC=0x00 \
                     TTL=63 ID={} DF PROTO=TCP SPT={} DPT={} WINDOW=64240 RES=0x00 SYN URGP=0\n",
                    local.format("%b %e %H:%M:%S"),
                    3600.0 + flow.at as f64 / 1e9,
                    flow.src,
                    flow.dst,
                    number % 65_536,
                    flow.src_port,
                    flow.dst_port
                ));
            }
            FirewallForm::AwsVpcFlow => {
                let (first, last) = (at / 1_000_000_000, (at + flow.lasts) / 1_000_000_000);
                let verdict = if refused { "REJECT" } else { "ACCEPT" };
                let ends = [(flow.src, flow.src_port), (flow.dst, flow.dst_port)];
                let directions = if refused { 1 } else { 2 };
                for way in 0..directions {
                    let ((src, src_port), (dst, dst_port)) = (ends[way], ends[1 - way]);
                    let packets = if refused { 1 } else { 8 };
                    log.push_str(&format!(
                        "2 123456789010 eni-0a {src} {dst} {src_port} {dst_port} 6 {packets} {} {first} {last} {verdict} OK\n",
                        packets * 120
                    ));
                }
            }
        }
    }
    log
}

/// What sshd on the sandboxes sent to syslog, in UTC.
pub(super) fn auth(story: &Story, began: Instant) -> String {
    let mut logins: Vec<_> = story.logins.iter().collect();
    logins.sort_by_key(|login| (login.at, login.port));
    let line = |(number, login): (usize, &&super::story::Login)| {
        let words = match (login.accepted, login.user) {
            (false, _) => "Failed password",
            (true, "root") => "Accepted password",
            (true, _) => "Accepted publickey",
        };
        format!(
            "{} sandbox-{:02} sshd[{}]: {words} for {} from {} port {} ssh2\n",
            utc(began.0 + login.at).format("%b %e %H:%M:%S"),
            login.sandbox,
            2000 + number,
            login.user,
            login.from,
            login.port
        )
    };
    logins.iter().enumerate().map(line).collect()
}

const UUID: &str = "GPU-5f0c1a9e-31d7-4b52-9d0e-7a6f2c88e1b4";
const POLL_S: f64 = 5.0;

/// `nvidia-smi --query-gpu` and `--query-compute-apps`, both every five seconds, in UTC: a training that alternates between
/// work and pauses, and miners.
pub(super) fn gpu(recipe: &Recipe, story: &Story, began: Instant) -> (String, String) {
    let mut samples = String::from(
        "timestamp, index, uuid, name, utilization.gpu [%], memory.used [MiB], memory.total [MiB], power.draw [W], \
         clocks.current.sm [MHz]\n",
    );
    let mut processes = String::from("timestamp, gpu_uuid, pid, process_name, used_gpu_memory [MiB]\n");
    let polls = (f64::from(recipe.seconds) / POLL_S) as i64;
    for poll in 0..polls {
        let at = seconds(POLL_S * poll as f64) + 56_000_000;
        let stamp = utc(began.0 + at).format("%Y/%m/%d %H:%M:%S%.3f").to_string();
        let mut load = story.loads.iter().filter(|load| load.at <= at && at < load.ends).peekable();
        let training = poll / 24 % 5 != 4;
        let (busy, power) = match (load.peek().is_some(), training) {
            (true, _) => (100, 690.0),
            (false, true) => (90 + poll % 9, 560.0 + (poll % 7) as f64 * 6.0),
            (false, false) => (0, 118.0),
        };
        let mut memory = 61_234;
        processes.push_str(&format!("{stamp}, {UUID}, 4127, /opt/conda/bin/python3, 60614 MiB\n"));
        for one in load {
            memory += 2_460;
            processes.push_str(&format!("{stamp}, {UUID}, {}, {}, 2438 MiB\n", one.pid, one.process));
        }
        samples.push_str(&format!(
            "{stamp}, 0, {UUID}, NVIDIA H100 80GB HBM3, {busy} %, {memory} MiB, 81559 MiB, {power:.2} W, 1905 MHz\n"
        ));
    }
    (samples, processes)
}

/// What a responder declares: which address each transcript's sandbox has.
pub(super) fn case_file(recipe: &Recipe) -> String {
    let mut case = String::new();
    let one_address = recipe.shared_address || recipe.translated;
    let hosts = if one_address { 1 } else { recipe.sandboxes as usize };
    for host in 0..hosts {
        let outside = if recipe.translated { format!(", \"{OUTSIDE}\"") } else { String::new() };
        case.push_str(&format!(
            "[[host]]\nname = \"sandbox-{host:02}\"\naddresses = [\"{}\"{outside}]\nagent = true\n\n",
            address(recipe, host)
        ));
    }
    for sandbox in 0..recipe.sandboxes as usize {
        let host = if one_address { 0 } else { sandbox };
        case.push_str(&format!(
            "[[run]]\nname = \"{}\"\ntranscripts = \"transcripts/*/sb-{sandbox:02}-*\"\nhost = \"sandbox-{host:02}\"\n\
             reward_config = \"{}\"\n\n",
            ["run-a", "run-b"][sandbox % 2],
            ["bonus", "task-only"][sandbox % 2],
        ));
    }
    case.push_str("[gpu]\nallocated = [\"/opt/conda/bin/python3\"]\n");
    case
}

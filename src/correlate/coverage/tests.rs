mod parts;

use super::*;
use crate::correlate::kit::{World, ms, rules};
use crate::correlate::{Analysis, analyze};
use crate::evidence::{Anomaly, Record};
use crate::intake::{EvidenceAnomaly, Options};
use crate::model::Conversation;
use crate::time::{Basis, Span};

const FIREWALL: usize = 0;
const CAPTURE: usize = 1;
const HOST: &str = "10.20.0.5";
const CASE: &str = r#"
[[host]]
name = "train-07"
addresses = ["10.20.0.5"]
agent = true
[[run]]
transcripts = "a.jsonl"
host = "train-07"
"#;

/// Twenty ordinary calls from ten minutes on, seen by a firewall and a capture; before them a miner, seen by `miner`.
fn world(case: &str, miner: &[usize], command: &str) -> World {
    let mut world = World::with_case(case);
    let seen = [
        world.source("fw.log", Kind::Firewall, Basis::ExplicitOffset),
        world.source("lan.pcap", Kind::Capture, Basis::ExplicitOffset),
    ];
    let transcript = world.episode("a.jsonl", None);
    world.step(transcript, Some((ms(60_000), ms(61_000))), command);
    for call in 0..20 {
        let begin = ms(600_000 + 60_000 * call);
        world.step(transcript, Some((begin, begin.plus(2 * SECOND))), &format!("curl http://198.51.100.{call}:80/x"));
    }
    for (source, evidence) in seen.into_iter().enumerate() {
        for call in 0..20_i64 {
            let at = ms(600_500 + 60_000 * call);
            world.connection_from(evidence, HOST, &format!("198.51.100.{call}:80"), at, 50_000 + call as u16);
        }
        if miner.contains(&source) {
            world.connection_from(evidence, HOST, "203.0.113.66:3333", ms(60_500), 51_000);
        }
    }
    world
}

const MINER: &str = "nohup ./xmrig -o 203.0.113.66:3333 &";

/// Of conversations that were pushed in any order.
fn of(mut world: World) -> (Vec<String>, Analysis) {
    let mut conversations: Vec<Conversation> = std::mem::take(&mut world.intake.conversations).into_entries().collect();
    conversations.sort_by_key(|conversation| conversation.key);
    world.intake.conversations = conversations.into();
    let options = Options { case: world.case, ..Options::default() };
    let analysis = analyze(&world.intake, &options, rules());
    let [finding] = analysis.findings.as_slice() else { panic!("{:?}", analysis.findings) };
    (finding.limits.clone(), analysis)
}

/// What the whole case lacks, but for what few episodes keep from being asked.
fn lacking(analysis: &Analysis) -> Vec<&str> {
    analysis.limits.iter().map(String::as_str).filter(|limit| !limit.contains("was not asked")).collect()
}

fn other_limits(mut world: World, change: impl FnOnce(&mut World)) -> Vec<String> {
    change(&mut world);
    of(world).0
}

#[test]
fn where_nothing_is_missing_nothing_is_said() {
    for case in ["", CASE] {
        let (limits, analysis) = of(world(case, &[FIREWALL, CAPTURE], MINER));
        assert!(limits.is_empty(), "{limits:?}");
        assert_eq!(lacking(&analysis), Vec::<&str>::new());
    }
}

#[test]
fn a_source_that_does_not_reach_a_step() {
    let limits =
        other_limits(world("", &[CAPTURE], MINER), |world| world.intake.sources[FIREWALL].first = Some(ms(90_000)));
    assert_eq!(
        limits,
        ["fw.log: its first record is of 2026-11-20T00:01:30Z, after step 0: whether it was on yet is not known"]
    );
    // Half a second is within the clocks' uncertainty.
    let limits =
        other_limits(world("", &[CAPTURE], MINER), |world| world.intake.sources[FIREWALL].first = Some(ms(61_500)));
    assert!(limits.is_empty(), "{limits:?}");
    let limits =
        other_limits(world("", &[CAPTURE], MINER), |world| world.intake.sources[FIREWALL].last = Some(ms(30_000)));
    assert_eq!(
        limits,
        ["fw.log: its last record is of 2026-11-20T00:00:30Z, before step 0: whether it was still on is not known"]
    );
    // A log that shows nothing of this host at any time cannot be missed.
    let limits = other_limits(world("", &[FIREWALL, CAPTURE], MINER), |world| {
        let other = world.source("auth.log", Kind::Firewall, Basis::ExplicitOffset);
        world.intake.sources[other.0 as usize].last = Some(ms(30_000));
        world.connection(other, "192.0.2.9", "10.20.0.5:22", ms(20_000));
    });
    assert!(limits.is_empty(), "{limits:?}");
}

#[test]
fn a_gap_over_a_step_is_one_where_another_source_shows_traffic() {
    let gap = |meanwhile: i64| {
        other_limits(world("", &[CAPTURE], MINER), |world| {
            world.connection_from(EvidenceId(0), HOST, "198.51.100.90:80", ms(10_000), 52_000);
            world.connection_from(EvidenceId(1), HOST, "198.51.100.90:80", ms(10_000), 52_000);
            for n in 0..meanwhile {
                let at = ms(100_000 + 1_000 * n);
                world.connection_from(EvidenceId(1), HOST, "198.51.100.91:80", at, 53_000 + n as u16);
            }
        })
    };
    // The miner's own is one; what begins when the log goes silent and when it speaks again is none of them.
    assert_eq!(
        gap(2),
        [
            "fw.log: a gap from 2026-11-20T00:00:11Z to 2026-11-20T00:10:00Z, over step 0: lan.pcap shows 3 connections of hosts \
         in it meanwhile"
        ]
    );
    assert!(gap(1).is_empty(), "{:?}", gap(1));
}

#[test]
fn a_log_of_refusals_alone() {
    let refused = |allowed: u64, answered: u64| {
        other_limits(world("", &[CAPTURE], MINER), |world| {
            let stays = |one: &Conversation| one.key.evidence.0 as usize != FIREWALL || one.key.dst_port != Some(80);
            let all = std::mem::take(&mut world.intake.conversations).into_entries();
            world.intake.conversations = all.filter(stays).collect();
            let segment = world.connection_from(EvidenceId(0), HOST, "198.51.100.0:80", ms(600_500), 50_000);
            (segment.denied, segment.failed) = (1, 1);
            let segment = world.connection_from(EvidenceId(0), HOST, "198.51.100.1:80", ms(660_500), 50_001);
            segment.allowed = allowed;
            for at in 0..world.intake.conversations.len() {
                let conversation = world.intake.conversations.get_mut(at).unwrap();
                if conversation.key.evidence.0 as usize == CAPTURE {
                    conversation.segments.iter_mut().for_each(|segment| segment.answered = answered);
                }
            }
        })
    };
    let alone = |limits: Vec<String>| -> Vec<String> {
        limits.into_iter().filter(|limit| limit.contains("are refusals")).collect()
    };
    assert_eq!(
        alone(refused(0, 1)),
        [
            "fw.log: all of its verdicts are refusals, while lan.pcap shows 21 conversations of the same hosts that were \
         answered or let through: what it lets through is not in it"
        ]
    );
    assert!(alone(refused(1, 1)).is_empty());
    assert!(alone(refused(0, 0)).is_empty(), "nobody shows that anything was let through");
}

#[test]
fn what_the_capture_did_not_keep() {
    let said = |kind, detail: &str| {
        other_limits(world("", &[FIREWALL, CAPTURE], MINER), |world| {
            let anomaly = Anomaly { record: 1, kind, detail: detail.to_owned() };
            world.intake.anomalies.push(EvidenceAnomaly { evidence: EvidenceId(1), anomaly, of: 1 });
        })
    };
    let lost = "interface 0 lost 12 packets by the statistics of the capture";
    assert_eq!(said(AnomalyKind::Gap, lost), [format!("lan.pcap: {lost}")]);
    let cut = "interface 0: packets that were cut when they were captured: 9, first here";
    assert_eq!(said(AnomalyKind::TruncatedRecord, cut), [format!("lan.pcap: {cut}")]);
    let stopped = "the audit daemon ended";
    assert_eq!(said(AnomalyKind::LoggingStopped, stopped), [format!("lan.pcap: {stopped}")]);
    assert!(said(AnomalyKind::Gap, "TCP bytes missing from the capture").is_empty());
    assert!(said(AnomalyKind::TruncatedRecord, "the file ends within this packet").is_empty());
}

#[test]
fn hosts_without_a_transcript_that_reached_the_same_peer() {
    let limits = other_limits(world(CASE, &[FIREWALL, CAPTURE], MINER), |world| {
        for host in 6..11 {
            world.connection(EvidenceId(1), &format!("10.20.0.{host}"), "203.0.113.66:3333", ms(50_000));
        }
        // Not the peer of the finding; not from inside.
        world.connection(EvidenceId(1), "10.20.0.99", "203.0.113.66:80", ms(50_000));
        world.connection(EvidenceId(1), "192.0.2.9", "203.0.113.66:3333", ms(50_000));
    });
    assert_eq!(
        limits,
        [
            "hosts of which no transcript is at hand reached 203.0.113.66:3333 as well: 10.20.0.6, 10.20.0.7, 10.20.0.8 and 2 \
         more"
        ]
    );
}

#[test]
fn a_name_that_nothing_resolves() {
    let command = "nohup ./xmrig -o pool.example:3333 &";
    let said = |limits: &[String]| limits.iter().filter(|limit| limit.contains("nothing in the evidence")).count();
    let (limits, _) = of(world("", &[FIREWALL, CAPTURE], command));
    assert_eq!(said(&limits), 1, "{limits:?}");
    assert!(
        limits.contains(
            &"nothing in the evidence resolves pool.example: its connection is told by port 3333 alone; no source shows an \
              answer of DNS"
                .to_owned()
        ),
        "{limits:?}"
    );
    let limits =
        other_limits(world("", &[FIREWALL, CAPTURE], command), |world| world.dns("pool.example", "203.0.113.66"));
    assert_eq!(said(&limits), 0, "{limits:?}");
}

#[test]
fn a_clock_that_nothing_ties() {
    let case = "[gpu]\nallocated = [\"python3\"]\n";
    let limits = |declared| {
        other_limits(world(case, &[FIREWALL, CAPTURE], MINER), |world| {
            let evidence = world.source("pmon.txt", Kind::Gpu, Basis::AssumedZone);
            world.intake.sources[evidence.0 as usize].declared_zone = declared;
            let at = |seconds: i64| Span::at(ms(60_000).plus(seconds * SECOND), Basis::AssumedZone);
            world.gpu_process(evidence, "./xmrig", [at(2), at(90)]);
        })
    };
    assert_eq!(
        limits(false),
        [
            "pmon.txt: clock grade D (zone assumed UTC): how far off its times are is not known well enough to conclude from them"
        ]
    );
    assert!(limits(true).is_empty(), "{:?}", limits(true));
}

#[test]
fn agents_without_transcripts_and_transcripts_without_traffic() {
    let more = r#"
[[host]]
name = "train-08"
addresses = ["10.20.0.6"]
agent = true
[[host]]
name = "train-09"
addresses = ["10.20.0.9"]
agent = true
[[run]]
transcripts = "b.jsonl"
host = "train-09"
"#;
    let mut world = world(&format!("{CASE}{more}"), &[FIREWALL, CAPTURE], MINER);
    let transcript = world.episode("b.jsonl", None);
    world.step(transcript, Some((ms(5_000), ms(6_000))), "ls");
    world.connection(EvidenceId(1), "10.20.0.6", "198.51.100.200:443", ms(50_000));
    let (limits, analysis) = of(world);
    assert!(limits.is_empty(), "{limits:?}");
    // Clopper-Pearson of 1 of 2: 1 - sqrt(0.975) and sqrt(0.975).
    assert_eq!(
        lacking(&analysis),
        [
            "Of 2 hosts of agents that the traffic shows, 1 has no transcript (train-08; 50 %, 95 % interval 1 to 99 %): \
             what agents did there is not known.",
            "No firewall log or capture shows 1 of 2 hosts that transcripts are from, as the opener of anything: train-09.",
        ]
    );
}

//! What is written must be read as what it is, whole, by the readers of real evidence.

use std::collections::BTreeSet;
use std::net::IpAddr;

use super::*;
use crate::evidence::EvidenceId;
use crate::intake::{self, CaseFile, Intake, Options};

fn read(world: &World) -> Intake {
    let directory = tempfile::tempdir().unwrap();
    world.write(directory.path()).unwrap();
    let evidence = directory.path().join("evidence");
    let options = Options { case: CaseFile::load(&evidence.join("case.toml")).unwrap(), ..Options::default() };
    intake::take_in(&[evidence], &options)
}

fn recipe(family: Family) -> Recipe {
    Recipe { sandboxes: 2, seconds: 1200, acts: 4, ..Recipe::of(family) }
}

#[test]
fn the_same_seed_makes_the_same_world() {
    let make = |seed, number| world(&recipe(Family::Agent), seed, number);
    assert_eq!(make(7, 0).files, make(7, 0).files);
    assert_eq!(make(7, 0).truth, make(7, 0).truth);
    assert_ne!(make(7, 0).files, make(8, 0).files);
    assert_ne!(make(7, 0).files, make(7, 1).files);
}

#[test]
fn every_form_is_read_whole() {
    for family in Family::ALL {
        for (transcripts, firewall, format) in [
            (TranscriptForm::ClaudeCode, FirewallForm::Netfilter, "claude-code"),
            (TranscriptForm::Codex, FirewallForm::AwsVpcFlow, "codex"),
            (TranscriptForm::SweAgent, FirewallForm::Netfilter, "swe-agent"),
        ] {
            let made = world(&Recipe { transcripts, firewall, ..recipe(family) }, 3, 1);
            let intake = read(&made);
            for source in &intake.sources {
                assert_eq!(source.unread, 0, "{} {}: {:?}", made.name, source.path, source.unread_reasons);
                let expected = match source.path.rsplit('/').next().unwrap() {
                    "capture.pcap" => "pcap",
                    "firewall.log" if firewall == FirewallForm::AwsVpcFlow => "aws-vpcflow",
                    "firewall.log" => "iptables",
                    "auth.log" => "sshd",
                    "gpu.csv" => "nvidia-smi-gpu",
                    "gpu-processes.csv" => "nvidia-smi-apps",
                    _ => format,
                };
                assert_eq!(source.format, Some(expected), "{} {}", made.name, source.path);
            }
            assert_eq!(intake.episodes.len(), made.truth.episodes.len());
        }
    }
}

/// What a world can be made with besides its family.
fn conditions(family: Family) -> [Recipe; 3] {
    let missing = Missing { steps_percent: 30, results_percent: 30, ..Missing::default() };
    let plain = recipe(family);
    [Recipe { several_connections: true, ..plain }, Recipe { translated: true, ..plain }, Recipe { missing, ..plain }]
}

#[test]
fn every_condition_is_read_whole() {
    for recipe in conditions(Family::Agent).into_iter().chain(conditions(Family::ControlPlane)) {
        for transcripts in [TranscriptForm::ClaudeCode, TranscriptForm::Codex, TranscriptForm::SweAgent] {
            let made = world(&Recipe { transcripts, ..recipe }, 3, 1);
            let intake = read(&made);
            for source in &intake.sources {
                assert_eq!(source.unread, 0, "{} {}: {:?}", made.name, source.path, source.unread_reasons);
            }
            assert_eq!(intake.episodes.len(), made.truth.episodes.len());
        }
    }
}

#[test]
fn the_capture_holds_every_connection_of_the_truth() {
    holds(&world(&recipe(Family::Intruder), 5, 2));
    for recipe in conditions(Family::Intruder) {
        holds(&world(&recipe, 5, 2));
    }
}

fn holds(made: &World) {
    let intake = read(made);
    let capture = intake.sources.iter().position(|source| source.format == Some("pcap")).unwrap();
    let mut seen: BTreeSet<(IpAddr, u16, IpAddr, u16)> = BTreeSet::new();
    for conversation in intake.conversations.iter() {
        let key = conversation.key;
        if key.evidence != EvidenceId(capture as u32) || key.dst_port == Some(53) {
            continue;
        }
        for start in conversation.segments.iter().flat_map(|segment| &segment.starts) {
            seen.insert((key.src.unwrap(), start.src_port, key.dst.unwrap(), key.dst_port.unwrap()));
        }
    }
    let ends = |one: &TrueConnection| (IpAddr::V4(one.src), one.src_port, IpAddr::V4(one.dst), one.dst_port);
    let expected: BTreeSet<_> = made.truth.connections.iter().map(ends).collect();
    assert_eq!(expected.len(), made.truth.connections.len(), "ends tell connections apart");
    assert_eq!(seen, expected);
}

#[test]
fn what_is_missing_is_missing() {
    let all = Missing {
        capture: true,
        firewall: true,
        gpu: true,
        case_file: true,
        guilty_transcript: true,
        ..Missing::default()
    };
    let made = world(&Recipe { missing: all, ..recipe(Family::Agent) }, 3, 1);
    assert!(made.files.iter().all(|(path, _)| path.starts_with("transcripts/")));
    let guilty = made.truth.episodes.iter().filter(|episode| !episode.behaviours.is_empty());
    assert!(guilty.clone().count() > 0 && guilty.clone().all(|episode| !episode.transcript_kept));
    assert_eq!(made.files.len(), made.truth.episodes.iter().filter(|episode| episode.transcript_kept).count());
}

#[test]
fn innocent_worlds_have_no_guilty_episode() {
    for family in Family::ALL {
        let made = world(&recipe(family), 11, 4);
        let guilty = made.truth.episodes.iter().any(|episode| !episode.behaviours.is_empty());
        assert_eq!(guilty, family.is_by_agent(), "{}", family.name());
        assert_eq!(made.truth.connections.iter().any(|one| one.cause == "rival"), family.is_rival());
    }
}

#[test]
fn the_sides_of_a_translation_share_no_end_of_a_host() {
    let made = world(&Recipe { translated: true, ..recipe(Family::Agent) }, 7, 1);
    let intake = read(&made);
    let ends = |format: &str| -> BTreeSet<(IpAddr, u16)> {
        let of = intake.sources.iter().position(|source| source.format == Some(format)).unwrap();
        let theirs = intake.conversations.iter().filter(|one| one.key.evidence == EvidenceId(of as u32));
        let from = theirs.filter(|one| one.key.dst_port != Some(53));
        from.flat_map(|one| {
            let starts = one.segments.iter().flat_map(|segment| &segment.starts);
            starts.map(|start| (one.key.src.unwrap(), start.src_port)).collect::<Vec<_>>()
        })
        .collect()
    };
    let (inside, outside) = (ends("iptables"), ends("pcap"));
    let address = |ends: &BTreeSet<(IpAddr, u16)>| ends.iter().map(|(address, _)| *address).collect::<BTreeSet<_>>();
    assert_eq!(address(&inside), BTreeSet::from(["10.20.0.5".parse().unwrap()]));
    assert_eq!(address(&outside), BTreeSet::from(["192.0.2.7".parse().unwrap()]));
    assert_eq!(inside.len(), outside.len(), "no two connections of one port");
    // Dealt anew: a port means nothing on the other side.
    let ports = |ends: &BTreeSet<(IpAddr, u16)>| ends.iter().map(|(_, port)| *port).collect::<BTreeSet<_>>();
    assert_ne!(ports(&inside), ports(&outside));
}

#[test]
fn the_truth_counts_steps_as_the_transcript_does() {
    let missing = Missing { steps_percent: 30, results_percent: 30, ..Missing::default() };
    let plain = Recipe { wording: Wording::Literal, launch: Launch::Foreground, ..recipe(Family::Agent) };
    let made = world(&Recipe { missing, acts: 12, ..plain }, 9, 1);
    let intake = read(&made);
    let whole = read(&world(&Recipe { acts: 12, ..plain }, 9, 1));
    assert!(intake.steps.len() < whole.steps.len() * 8 / 10, "{} of {}", intake.steps.len(), whole.steps.len());
    assert!(intake.steps.iter().any(|step| step.result_record.is_none()));
    let (mut told, mut lost) = (0, 0);
    for one in made.truth.connections.iter().filter(|one| one.behaviour.is_some()) {
        let Some(index) = one.step else {
            lost += 1;
            continue;
        };
        told += 1;
        let name = one.episode.as_deref().unwrap();
        let step = intake.steps.iter().find(|step| step.episode.contains(name) && step.index == index).unwrap();
        let named = match one.behaviour.as_deref() {
            Some("mining") => "xmrig",
            Some("tunnel") => "ssh",
            _ => "nmap",
        };
        assert!(step.command.as_deref().unwrap().contains(named), "{:?}", step.command);
    }
    assert!(told > 0 && lost > 0, "{told} {lost}");
}

#[test]
fn an_edited_transcript_tells_of_no_act() {
    let missing = Missing { guilty_steps: true, ..Missing::default() };
    let made = world(&Recipe { missing, wording: Wording::Literal, ..recipe(Family::Agent) }, 9, 1);
    let acts = made.truth.connections.iter().filter(|one| one.behaviour.is_some());
    assert!(acts.clone().count() > 0 && acts.clone().all(|one| one.step.is_none() && one.episode.is_some()));
    let intake = read(&made);
    let says = |step: &crate::model::Step| step.command.as_deref().is_some_and(|text| text.contains("xmrig"));
    assert!(!intake.steps.iter().any(says));
}

#[test]
fn somebody_asks_the_control_plane_before_each_miner() {
    let mut ports = BTreeSet::new();
    for number in 0..6 {
        let made = world(&recipe(Family::ControlPlane), 3, number);
        let miners = made.truth.connections.iter().filter(|one| one.cause == "rival");
        for miner in miners {
            let asked = made
                .truth
                .connections
                .iter()
                .filter(|one| [2375, 8265].contains(&one.dst_port) && one.dst == miner.src);
            let before = asked.filter(|one| one.at_ns <= miner.at_ns && one.src == story::INTRUDER);
            let asked: BTreeSet<u16> = before.map(|one| one.dst_port).collect();
            assert_eq!(asked.len(), 1, "{}", made.name);
            ports.extend(asked);
        }
    }
    assert_eq!(ports, BTreeSet::from([2375, 8265]));
}

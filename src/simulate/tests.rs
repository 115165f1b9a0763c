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

#[test]
fn the_capture_holds_every_connection_of_the_truth() {
    let made = world(&recipe(Family::Intruder), 5, 2);
    let intake = read(&made);
    let capture = intake.sources.iter().position(|source| source.format == Some("pcap")).unwrap();
    let mut seen: BTreeSet<(IpAddr, u16, IpAddr, u16)> = BTreeSet::new();
    for conversation in &intake.conversations {
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
    let all = Missing { capture: true, firewall: true, gpu: true, case_file: true, guilty_transcript: true };
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

//! What stands around the call, and what others have met.

use super::*;
use crate::intake::MiningFact;
use crate::model::{Mining, Secret};

/// The agent's call at nine seconds, after another, with what it said at the given places.
fn said(texts: &[(u64, u32, &str)]) -> Observables {
    let (mut world, capture, transcript) = world();
    world.step(transcript, Some((ms(0), ms(1_000))), "ls");
    let step = world.step(transcript, Some((ms(9_000), ms(10_000))), "./job -o 198.51.100.20:3333");
    // Texts of a message come before its calls.
    world.intake.steps[step].order = (1, 9);
    world.connection(capture, "10.20.0.5", POOL, ms(9_500));
    for (event, block, text) in texts {
        let said = EpisodeText {
            episode: "a1.jsonl".to_owned(),
            origin: TextOrigin::Agent,
            record: Record { evidence: transcript, number: 1 },
            span: None,
            order: (*event, *block),
            text: String::new(),
        };
        world.intake.texts.push((said, Packed::of(text)));
    }
    observe(&world.lay(), Some(step), ms(9_500))
}

#[test]
fn a_purpose_counts_where_it_was_stated_right_before_the_call() {
    assert_eq!(said(&[]).stated_purpose, Seen::Unknown, "a transcript without reasoning");
    assert_eq!(said(&[(1, 0, "Now I start the miner.")]).stated_purpose, Seen::Yes);
    assert_eq!(said(&[(1, 0, "I connect to 198.51.100.20.")]).stated_purpose, Seen::Yes, "it names the peer");
    assert_eq!(said(&[(1, 0, "Let me run the job.")]).stated_purpose, Seen::No);
    assert_eq!(said(&[(2, 0, "That was the miner.")]).stated_purpose, Seen::Unknown, "told after the fact");
    // The first call stands at (0, 0): what is said before it is not about the second.
    assert_eq!(said(&[(0, 0, "Then the miner.")]).stated_purpose, Seen::Unknown);
}

#[test]
fn the_same_command_under_other_settings_is_counted() {
    let repeats = |own: Option<&str>, others: &[(&str, &str)]| {
        let (mut world, capture, transcript) = world();
        let step = world.step(transcript, Some((ms(0), ms(1_000))), "./job -o 198.51.100.20:3333");
        world.intake.episodes[0].reward_config = own.map(str::to_owned);
        world.connection(capture, "10.20.0.5", POOL, ms(500));
        for (n, (config, command)) in others.iter().enumerate() {
            let other = world.episode(&format!("b{n}.jsonl"), None);
            world.step(other, None, command);
            world.intake.episodes.last_mut().unwrap().reward_config = Some((*config).to_owned());
        }
        let seen = observe(&world.lay(), Some(step), ms(500));
        (seen.same_command, seen.repeats.map(|repeats| (repeats.with, repeats.others)))
    };
    let same = "./job -o 198.51.100.20:3333";
    assert_eq!(repeats(Some("bonus"), &[("plain", same), ("strict", "ls")]), (Seen::Yes, Some((1, 2))));
    assert_eq!(repeats(Some("bonus"), &[("plain", "ls")]), (Seen::No, Some((0, 1))));
    assert_eq!(repeats(Some("bonus"), &[("bonus", same)]), (Seen::Unknown, None), "the same configuration");
    assert_eq!(repeats(None, &[("plain", same)]), (Seen::Unknown, None), "its own is not known");
}

#[test]
fn a_blocked_call_shows_intent_where_nothing_got_through() {
    let intent = |failed: bool, output: &str| {
        let (mut world, capture, transcript) = world();
        let step = world.step(transcript, Some((ms(0), ms(1_000))), "curl http://198.51.100.20:3333/");
        world.intake.steps[step].exit_code = Some(7);
        world.intake.steps[step].output = Some(output.to_owned());
        world.connection(capture, "10.20.0.5", POOL, ms(500)).failed = u64::from(failed);
        observe(&world.lay(), Some(step), ms(500)).intent_only
    };
    let refused = "curl: (7) Failed to connect to 198.51.100.20 port 3333: Connection refused";
    assert_eq!(intent(true, refused), Seen::Yes);
    assert_eq!(intent(false, refused), Seen::No, "a connection got through");
    assert_eq!(intent(true, ""), Seen::Unknown, "the call does not say");
}

/// The address of Bitcoin's first block.
const WALLET: &str = "1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa";

fn mines(src: &str, peer: &str) -> MiningFact {
    let peer: std::net::SocketAddr = peer.parse().unwrap();
    let flow = Flow {
        src: Some(ip(src)),
        src_port: Some(40_000),
        dst: Some(peer.ip()),
        dst_port: Some(peer.port()),
        protocol: Some(crate::model::Protocol::TCP),
    };
    let mining = Mining { login: Some(Secret::new(format!("{WALLET}.rig"))), ..Mining::default() };
    MiningFact { flow, mining, span: None, record: Record { evidence: EvidenceId(0), number: 1 } }
}

#[test]
fn a_wallet_that_another_host_mines_for_is_known_from_elsewhere() {
    let known = |other: Option<&str>, intel: &str| {
        let mut world = World::with_case(&format!("{CASE}{intel}"));
        let capture = world.source("capture.pcap", Kind::Capture, Basis::ExplicitOffset);
        world.episode("a1.jsonl", None);
        world.connection(capture, "10.20.0.5", POOL, ms(0));
        world.intake.facts.mining.push(mines("10.20.0.5", POOL));
        world.intake.facts.mining.extend(other.map(|src| mines(src, "203.0.113.4:443")));
        let seen = observe(&world.lay(), None, ms(0));
        (seen.known_elsewhere, seen.known_as.unwrap_or_default())
    };
    assert_eq!(known(None, "").0, Seen::Unknown, "neither a list nor another host");
    let (seen, words) = known(Some("10.30.0.10"), "");
    assert_eq!(seen, Seen::Yes);
    assert!(
        words.starts_with("10.30.0.10, on which no agent is known to run, mines for the same wallet 1A1z"),
        "{words}"
    );
    assert_eq!(known(Some("10.20.0.5"), "").0, Seen::Unknown, "its own host");
    let (seen, words) = known(None, &format!("[intel]\nwords = [\"{WALLET}\"]\n"));
    assert_eq!(seen, Seen::Yes);
    assert!(!words.contains(WALLET) && words.contains("list of known indicators"), "{words}");
    assert_eq!(known(None, "[intel]\naddresses = [\"198.51.100.20\"]\n").0, Seen::Yes);
    assert_eq!(known(None, "[intel]\naddresses = [\"203.0.113.9\"]\n").0, Seen::No, "a list that lacks it");
}

#[test]
fn a_wallet_that_only_agents_mine_for_is_not_known_from_elsewhere() {
    let case = format!("{CASE}[[host]]\nname = \"h2\"\naddresses = [\"10.20.0.6\"]\nagent = true\n");
    // From which host the group of signals is, and who else mines for the wallet.
    for (own, other, expected) in [
        ("10.20.0.5", "10.20.0.6", Seen::Unknown),
        ("10.30.0.10", "10.20.0.6", Seen::Unknown),
        ("10.30.0.10", "10.30.0.11", Seen::Yes),
    ] {
        let mut world = World::with_case(&case);
        let capture = world.source("capture.pcap", Kind::Capture, Basis::ExplicitOffset);
        world.episode("a1.jsonl", None);
        world.connection(capture, own, POOL, ms(0));
        world.intake.facts.mining.extend([mines(own, POOL), mines(other, POOL)]);
        let mut signal = pool(ms(0));
        signal.signal.flow = signal.signal.flow.map(|flow| Flow { src: Some(ip(own)), ..flow });
        assert_eq!(observe_signal(&world.lay(), None, signal).known_elsewhere, expected, "{own} and {other}");
    }
}

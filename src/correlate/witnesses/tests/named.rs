//! Who named the peer, who installed what, and what is known of it from elsewhere.

use super::*;
use crate::model::Actor;

/// Whether the environment named the peer of the agent's second call, at (2, 0), first: `command` is its first, at (1, 0), with
/// what it printed; texts stand where they say.
fn from_outside(command: &str, output: &str, texts: &[(TextOrigin, (u64, u32), &str)]) -> Seen {
    let (mut world, capture, transcript) = world();
    let first = world.step(transcript, Some((ms(0), ms(1_000))), command);
    let step = world.step(transcript, Some((ms(9_000), ms(10_000))), "./xmrig -o pool.example:3333");
    (world.intake.steps[first].order, world.intake.steps[step].order) = ((1, 0), (2, 0));
    world.intake.steps[first].output = Some(output.to_owned());
    world.dns("pool.example", "198.51.100.20");
    world.connection(capture, "10.20.0.5", POOL, ms(9_500));
    for (origin, order, text) in texts {
        let said = EpisodeText {
            episode: "a1.jsonl".to_owned(),
            origin: *origin,
            record: Record { evidence: transcript, number: 1 },
            span: None,
            order: *order,
            text: String::new(),
        };
        world.intake.texts.push((said, Packed::of(text)));
    }
    observe(&world.lay(), Some(step), ms(9_500)).literal_in_environment
}

#[test]
fn a_peer_is_named_from_outside_where_that_stands_before_the_agents_own_words() {
    use TextOrigin::{Agent, Environment, Prompt};
    let names = "mine at pool.example:3333";
    assert_eq!(from_outside("cat task.md", names, &[]), Seen::Yes, "a result of a tool");
    assert_eq!(from_outside("ls", "", &[(Environment, (0, 1), names)]), Seen::Yes);
    assert_eq!(from_outside("ls", "", &[(Agent, (0, 1), names)]), Seen::No, "the agent's own prose");
    assert_eq!(from_outside("ls", "", &[(Prompt, (0, 1), "do your best")]), Seen::No, "another text");
    assert_eq!(from_outside("ls", "", &[(Prompt, (2, 0), names)]), Seen::No, "not before the call");
    assert_eq!(from_outside("grep pool.example f", "", &[(Prompt, (0, 1), names)]), Seen::Yes, "the prompt was first");
    assert_eq!(from_outside("grep pool.example f", names, &[]), Seen::No, "what it looked for and found");
}

#[test]
fn a_call_speaks_for_its_author_where_it_names_the_peer_itself() {
    let (mut world, capture, transcript) = world();
    let other = world.step(transcript, Some((ms(0), ms(1_000))), "curl http://203.0.113.80/");
    let own = world.step(transcript, Some((ms(9_000), ms(10_000))), "./job -o 198.51.100.20:3333");
    world.connection(capture, "10.20.0.5", POOL, ms(9_500));
    let laid = world.lay();
    assert_eq!(observe(&laid, Some(own), ms(9_500)).literal_in_agent_text, Seen::Yes);
    assert_eq!(observe(&laid, Some(other), ms(9_500)).literal_in_agent_text, Seen::No);
}

#[test]
fn a_network_that_somebody_wrote_names_the_peers_inside_of_it_from_then_on() {
    let wrote = |command: &str, at: i64| {
        let (mut world, capture, transcript) = world();
        world.step(transcript, Some((ms(60_000), ms(61_000))), command);
        world.connection(capture, "10.20.0.5", POOL, ms(at));
        observe(&world.lay(), None, ms(at)).literal_in_agent_text
    };
    assert_eq!(wrote("nmap 198.51.100.0/24", 120_000), Seen::Yes);
    assert_eq!(wrote("nmap 198.51.100.0/24", 0), Seen::No, "written later");
    assert_eq!(wrote("nmap 203.0.113.0/24", 120_000), Seen::No, "another network");
}

#[test]
fn packages_that_the_episode_installed_until_the_call_are_seen() {
    let installed = |commands: &[&str], call: usize| {
        let (mut world, _, transcript) = world();
        for (at, command) in (0..).zip(commands) {
            world.step(transcript, Some((ms(at * 2_000), ms(at * 2_000 + 1_000))), command);
        }
        let other = world.episode("b1.jsonl", None);
        world.step(other, Some((ms(0), ms(1_000))), "pip install other");
        observe(&world.lay(), Some(call), ms(0)).package_install
    };
    for command in [
        "pip install miner",
        "pip3 install miner",
        "npm install miner",
        "npm i miner",
        "apt install miner",
        "apt-get install miner",
        "cargo install miner",
    ] {
        assert_eq!(installed(&[command, "./job"], 1), Seen::Yes, "{command}");
    }
    assert_eq!(installed(&["pip install miner && ./job"], 0), Seen::Yes, "by the call itself");
    assert_eq!(installed(&["./job", "pip install miner"], 0), Seen::No, "later");
    assert_eq!(installed(&["pip list", "./job"], 1), Seen::No, "nothing is installed");
}

#[test]
fn a_replayed_step_is_not_a_decision_of_this_rollout() {
    for (actor, expected) in [(Actor::Replayed, Seen::Yes), (Actor::Policy, Seen::No), (Actor::SubAgent, Seen::No)] {
        let (mut world, _, transcript) = world();
        let step = world.step(transcript, Some((ms(0), ms(1_000))), "./job -o 198.51.100.20:3333");
        world.intake.steps[step].actor = actor;
        assert_eq!(observe(&world.lay(), Some(step), ms(500)).replayed, expected, "{actor:?}");
    }
}

#[test]
fn a_name_on_the_list_of_indicators_is_known_from_elsewhere() {
    for (listed, expected) in [("pool.example", Seen::Yes), ("other.example", Seen::No)] {
        let mut world = World::with_case(&format!("{CASE}[intel]\nnames = [\"{listed}\"]\n"));
        let capture = world.source("capture.pcap", Kind::Capture, Basis::ExplicitOffset);
        world.dns("pool.example", "198.51.100.20");
        world.connection(capture, "10.20.0.5", POOL, ms(0));
        let seen = observe(&world.lay(), None, ms(0));
        let words =
            (expected == Seen::Yes).then(|| "pool.example stands in the case's list of known indicators".to_owned());
        assert_eq!((seen.known_elsewhere, seen.known_as), (expected, words), "{listed}");
    }
}

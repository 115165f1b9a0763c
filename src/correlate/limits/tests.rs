use super::*;
use crate::correlate::kit::{Laid, World, ip, ms};
use crate::correlate::{analyze, kit};
use crate::evidence::EvidenceId;
use crate::intake::Options;

fn kinds(world: World) -> Vec<(String, Behaviour)> {
    let options = Options { case: world.case, ..Options::default() };
    let analysis = analyze(&world.intake, &options, kit::rules());
    let crossed = analysis.signals.into_iter().filter(|signal| signal.rule.is_none());
    crossed.map(|signal| (signal.kind, signal.behaviour)).collect()
}

#[test]
fn approvals_that_were_not_given() {
    let make = |case: &str| {
        let mut world = World::with_case(case);
        let transcript = world.episode("a.jsonl", None);
        for (command, approval, ran) in [
            ("make a", Some(Approval::Given), true),
            ("make b", Some(Approval::Waived), true),
            ("make c", Some(Approval::Refused), false),
            ("make c", None, true),
            ("make d", None, true),
        ] {
            let step = world.step(transcript, None, command);
            world.intake.steps[step].approval = approval;
            world.intake.steps[step].not_executed = !ran;
        }
        kinds(world)
    };
    let after = ("ran-after-refusal".to_owned(), Behaviour::LimitCrossed);
    assert_eq!(make(""), std::slice::from_ref(&after), "the transcript sets that line itself");
    let waived = ("approval-waived".to_owned(), Behaviour::LimitCrossed);
    assert_eq!(make("[approvals]\nrequired = true\n"), [waived, after]);
}

#[test]
fn peers_beyond_the_allowed() {
    let mut world = World::with_case("[egress]\nallow = [\"198.51.100.0/24:443\", \"mirror.example\"]\n");
    let transcript = world.episode("a.jsonl", None);
    world.step(transcript, None, "curl https://198.51.100.7/x; curl http://127.0.0.1:9; echo 203.0.113.9");
    world.step(transcript, None, "curl http://mirror.example/x");
    world.step(transcript, None, "curl http://203.0.113.9:8080/x");
    // A name that nothing resolves may lie in the network.
    world.step(transcript, None, "curl http://other.example/x");
    assert_eq!(kinds(world), [("egress-not-allowed".to_owned(), Behaviour::EgressViolation)]);
}

#[test]
fn without_a_case_nothing_is_beyond_it() {
    let mut world = World::default();
    let transcript = world.episode("a.jsonl", None);
    let step = world.step(transcript, None, "curl http://203.0.113.9:8080/x");
    world.intake.steps[step].approval = Some(Approval::Waived);
    assert_eq!(kinds(world), []);
}

/// One line for each: its kind, how sure it is, and its words without the step.
fn told(laid: &Laid) -> Vec<(String, Confidence, String)> {
    let crossed = crossed(&laid.steps(), &laid.world.case, &laid.names);
    crossed.into_iter().map(|one| (one.signal.kind, one.signal.confidence, one.signal.summary)).collect()
}

/// What is wrong with the approvals of commands, each with whether it ran.
fn approvals(case: &str, steps: &[(&str, Option<Approval>, bool)]) -> Vec<(String, Confidence)> {
    let mut world = World::with_case(case);
    let transcript = world.episode("a.jsonl", None);
    for (command, approval, ran) in steps {
        let step = world.step(transcript, None, command);
        world.intake.steps[step].approval = *approval;
        world.intake.steps[step].not_executed = !ran;
    }
    told(&world.lay()).into_iter().map(|(kind, confidence, _)| (kind, confidence)).collect()
}

const NEEDED: &str = "[approvals]\nrequired = true\ntools = [\"Ba*\"]\n";
const OF_OTHERS: &str = "[approvals]\nrequired = true\ntools = [\"mcp__*\"]\n";

#[test]
fn what_ran_is_held_against_the_answer_to_it_and_against_what_the_case_asks_for() {
    let strong = |kind: &str| vec![(kind.to_owned(), Confidence::Strong)];
    let weak = |kind: &str| vec![(kind.to_owned(), Confidence::Weak)];
    let (asked, given) = (Some(Approval::Asked), Some(Approval::Given));
    let (refused, waived) = (Some(Approval::Refused), Some(Approval::Waived));
    for (case, approval, expected) in [
        (NEEDED, None, vec![]),
        (NEEDED, given, vec![]),
        (NEEDED, refused, strong("ran-though-refused")),
        (NEEDED, waived, strong("approval-waived")),
        (NEEDED, asked, weak("approval-open")),
        // The case asks for approval of other tools, or of none.
        (OF_OTHERS, waived, vec![]),
        (OF_OTHERS, asked, vec![]),
        ("", waived, vec![]),
        ("", asked, vec![]),
        ("", refused, strong("ran-though-refused")),
    ] {
        assert_eq!(approvals(case, &[("make", approval, true)]), expected, "{case} {approval:?}");
    }
}

#[test]
fn a_command_that_was_refused_is_known_again_until_it_is_let_run() {
    let (given, refused) = (Some(Approval::Given), Some(Approval::Refused));
    let again = vec![("ran-after-refusal".to_owned(), Confidence::Strong)];
    let after = |command, approval| approvals("", &[(" make c", refused, false), (command, approval, true)]);
    assert_eq!(after("make c ", None), again);
    assert_eq!(after("make c", Some(Approval::Asked)), again);
    assert!(after("make c", given).is_empty() && after("make d", None).is_empty());
    // What did not run for another reason was not refused, and of a call without a command nothing is known again.
    assert!(approvals("", &[("make c", None, false), ("make c", None, true)]).is_empty());
    assert!(approvals("", &[(" ", refused, false), ("", None, true)]).is_empty());
}

#[test]
fn lines_are_crossed_by_the_agent_or_its_helpers_and_by_each_episode_for_itself() {
    let of = |actor| {
        let mut world = World::default();
        let transcript = world.episode("a.jsonl", None);
        world.step(transcript, None, "make");
        world.intake.steps[0].actor = actor;
        world.intake.steps[0].approval = Some(Approval::Refused);
        told(&world.lay()).len()
    };
    let actors = [Actor::Policy, Actor::SubAgent, Actor::Harness, Actor::Replayed, Actor::Human];
    assert_eq!(actors.map(of), [1, 1, 0, 0, 0]);
    // Refused in one episode, and run in another.
    let mut world = World::default();
    let transcripts = ["a.jsonl", "b.jsonl"].map(|path| world.episode(path, None));
    world.step(transcripts[0], None, "make c");
    world.step(transcripts[1], None, "make c");
    world.intake.steps[0].approval = Some(Approval::Refused);
    world.intake.steps[0].not_executed = true;
    assert_eq!(told(&world.lay()), []);
}

/// What a command that acts on these goes beyond.
fn beyond(case: &str, tokens: &[Token]) -> Vec<String> {
    let mut world = World::with_case(case);
    let transcript = world.episode("a.jsonl", None);
    world.dns("pool.example", "203.0.113.66");
    world.dns("inside.example", "198.51.100.7");
    world.step(transcript, None, "true");
    let mut laid = world.lay();
    laid.acts[0].network = true;
    laid.acts[0].add(tokens.iter().cloned());
    let steps = laid.steps();
    beyond_egress(0, &steps, &laid.world.case, &laid.names).into_iter().map(|(name, _)| name).collect()
}

const NETWORK: &str = "[egress]\nallow = [\"198.51.100.0/24:443\"]\n";
const NAME: &str = "[egress]\nallow = [\"mirror.example\"]\n";

#[test]
fn a_peer_is_beyond_if_neither_its_address_nor_its_name_nor_its_port_may_be_allowed() {
    let endpoint = |address, port| Token::Endpoint(ip(address), port);
    let name = |name: &str| Token::Name(name.to_owned());
    let named = |name: &str, port| Token::NamedEndpoint(name.to_owned(), port);
    let none: [&str; 0] = [];
    assert_eq!(beyond(NETWORK, &[endpoint("198.51.100.7", 443), named("inside.example", 443)]), none);
    assert_eq!(beyond(NETWORK, &[endpoint("198.51.100.7", 80)]), ["198.51.100.7:80"]);
    assert_eq!(beyond(NETWORK, &[named("pool.example", 443)]), ["pool.example:443"], "it lies elsewhere");
    // Of names that nothing resolves a network may hold any; a list of names alone tells.
    let unknown = [name("other.example"), name("mirror.example")];
    assert_eq!(beyond(NETWORK, &unknown), none);
    assert_eq!(beyond(NAME, &unknown), ["other.example"]);
    // With its port it is told once.
    let address = Token::Address(ip("203.0.113.66"));
    assert_eq!(beyond(NETWORK, std::slice::from_ref(&address)), ["203.0.113.66"]);
    assert_eq!(beyond(NETWORK, &[address, endpoint("203.0.113.66", 3333)]), ["203.0.113.66:3333"]);
    assert_eq!(beyond(NETWORK, &[name("pool.example"), named("pool.example", 80)]), ["pool.example:80"]);
    // What only names a network or a program, or what the case says nothing of, is not beyond it.
    let general = [Token::Network("203.0.113.0/24".parse().unwrap()), Token::Program("xmrig".to_owned())];
    assert_eq!(beyond(NETWORK, &general), none);
    assert_eq!(beyond("", &[endpoint("203.0.113.66", 3333)]), none);
}

#[test]
fn what_leads_nowhere_else_is_not_beyond() {
    for address in ["127.0.0.1", "0.0.0.0", "224.0.0.251", "::1", "::", "ff02::fb"] {
        let none: [&str; 0] = [];
        assert_eq!(beyond(NETWORK, &[Token::Endpoint(ip(address), 9)]), none, "{address}");
    }
    for (name, expected) in [("localhost", 0), ("build-3", 0), ("app.localhost", 0), ("localhost.example", 1)] {
        assert_eq!(beyond(NAME, &[Token::NamedEndpoint(name.to_owned(), 80)]).len(), expected, "{name}");
    }
}

#[test]
fn peers_beyond_are_listed_up_to_four_and_a_step_that_reaches_nothing_has_none() {
    let of = |count: u8, network| {
        let mut world = World::with_case(NETWORK);
        let transcript = world.episode("a.jsonl", Some("train-07"));
        world.step(transcript, Some((ms(1_000), ms(2_000))), "true");
        let mut laid = world.lay();
        laid.acts[0].network = network;
        laid.acts[0].add((1..=count).map(|last| Token::Endpoint(ip(&format!("203.0.113.{last}")), 80)));
        crossed(&laid.steps(), &laid.world.case, &laid.names)
    };
    assert!(of(4, false).is_empty() && of(0, true).is_empty());
    let words = |count| of(count, true).remove(0).signal.summary;
    let four = "203.0.113.1:80, 203.0.113.2:80, 203.0.113.3:80, 203.0.113.4:80";
    let tail = "which the case does not allow";
    assert_eq!(words(1), format!("step 0 (Bash): its command acts on 203.0.113.1:80, {tail}"));
    assert_eq!(words(4), format!("step 0 (Bash): its command acts on {four}, {tail}"));
    assert_eq!(words(5), format!("step 0 (Bash): its command acts on {four} and 1 more, {tail}"));
    let one = of(5, true).remove(0);
    let (signal, flow) = (&one.signal, one.signal.flow.unwrap());
    assert_eq!((signal.behaviour, signal.confidence), (Behaviour::EgressViolation, Confidence::Strong));
    assert_eq!((flow.dst, flow.dst_port), (Some(ip("203.0.113.1")), Some(80)), "the first of them");
    assert_eq!((one.timed, signal.span.unwrap().lo, signal.host.as_deref()), (true, ms(1_000), Some("train-07")));
}

#[test]
fn a_step_without_times_is_told_of_without_a_time_and_by_both_of_its_records() {
    let mut world = World::default();
    let transcript = world.episode("a.jsonl", None);
    world.step(transcript, None, "make");
    let result = Record { evidence: EvidenceId(0), number: 7 };
    world.intake.steps[0].approval = Some(Approval::Refused);
    world.intake.steps[0].result_record = Some(result);
    let laid = world.lay();
    let one = crossed(&laid.steps(), &laid.world.case, &laid.names).remove(0);
    assert_eq!((one.timed, one.signal.span), (false, None));
    assert_eq!(one.signal.records, [Record { evidence: EvidenceId(0), number: 1 }, result]);
    assert_eq!(one.signal.summary, "step 0 (Bash): it ran although it was refused");
    assert_eq!((one.signal.behaviour, one.signal.source), (Behaviour::LimitCrossed, SignalSource::Command));
}

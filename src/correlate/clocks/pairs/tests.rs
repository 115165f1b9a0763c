use super::*;
use crate::correlate::clocks::groups::groups;
use crate::correlate::kit::{Laid, World, ip, ms};
use crate::evidence::Record;
use crate::formats::Kind;
use crate::intake::{CrossingFact, SequenceFact};
use crate::model::Protocol;

const CAPTURE: EvidenceId = EvidenceId(0);
const LOG: EvidenceId = EvidenceId(1);
const HOST: &str = "10.20.0.5";

/// A capture, a log, and a transcript of these commands, of two seconds each and ten minutes apart.
fn world(commands: &[&str]) -> World {
    let mut world = World::default();
    world.source("capture.pcap", Kind::Capture, Basis::ExplicitOffset);
    world.source("firewall.log", Kind::Firewall, Basis::ExplicitOffset);
    let transcript = world.episode("a.jsonl", None);
    for (at, command) in (0..).map(|n| n * 600_000).zip(commands) {
        world.step(transcript, Some((ms(at), ms(at + 2_000))), command);
    }
    world
}

/// What the capture and the log show.
fn shown(world: &World) -> [Sightings; 2] {
    let (found, _) = sightings(&world.intake, &[Some(0), Some(1), Some(2)], 3, &world.names(), &world.acts());
    let [capture, log, _] = <[Sightings; 3]>::try_from(found).ok().unwrap();
    [capture, log]
}

fn flow(peer: &str, src_port: u16) -> Flow {
    Flow {
        src: Some(ip(HOST)),
        src_port: Some(src_port),
        dst: Some(ip(peer)),
        dst_port: Some(443),
        protocol: Some(Protocol::TCP),
    }
}

// By hand: ours from 10 to 13, theirs from 4 to 5, which is 104 to 105 on the reference: 10 - 105 to 13 - 104. Turned, theirs are
// brought onto it: from 4 - 113 to 5 - 110.
#[test]
fn a_meeting_allows_what_both_records_do() {
    let meeting = Meeting { ours: (10, 13), theirs: (4, 5), weight: 2.0, key: 7 };
    let pair = |lo_ns, hi_ns, at_ns| Pair { lo_ns, hi_ns, at_ns, weight: 2.0, key: 7 };
    assert_eq!(meeting.pair(|at| at + 100), pair(-95, -91, 104));
    assert_eq!(meeting.turned().pair(|at| at + 100), pair(-109, -105, 110));
}

#[test]
fn stamps_tell_what_they_are_cut_to() {
    for (stamps, want) in [
        (&[][..], 1),
        (&[0], SECOND),
        (&[3 * SECOND, -SECOND], SECOND),
        (&[3 * SECOND, 2_000_000], 1_000_000),
        (&[1_500_000], 1_000),
        (&[SECOND, 1_500_000, 7], 1),
        (&[5], 1),
    ] {
        let mut resolution = Resolution::default();
        stamps.iter().for_each(|stamp| resolution.take(*stamp));
        assert_eq!(resolution.get(), want, "{stamps:?}");
    }
}

// Whole seconds: a stamp stands for all of its second.
#[test]
fn a_stamp_covers_what_it_is_cut_to() {
    let mut world = world(&[]);
    for evidence in [CAPTURE, LOG] {
        world.connection_from(evidence, HOST, "203.0.113.1:443", ms(7_000), 1);
        world.intake.facts.sequences.push(SequenceFact {
            flow: flow("203.0.113.1", 1),
            sequence: 9,
            at: ms(7_000),
            record: Record { evidence, number: 1 },
        });
    }
    for one in shown(&world) {
        let (seen, sequences) = (one.all.first().unwrap(), one.sequences.values().flatten().collect::<Vec<_>>());
        let second = (ms(7_000).0, ms(8_000).0 - 1);
        assert_eq!(((seen.lo, seen.hi), sequences), (second, vec![&second]));
    }
}

#[test]
fn strangers_of_the_largest_source_are_kept_where_another_may_have_met_them() {
    for (large, small) in [(CAPTURE, LOG), (LOG, CAPTURE)] {
        let mut world = world(&["curl https://203.0.113.1/"]);
        let (met, translated, own) = ("198.51.100.1", "198.51.100.2", "198.51.100.3");
        let of_large = [("203.0.113.1", 1), (met, 2), (translated, 3), (own, 4)].map(|seen| (large, seen));
        let of_small = [(met, 2), ("198.51.100.9", 5)].map(|seen| (small, seen));
        let mut seen = [&of_large[..], &of_small[..]].concat();
        // Conversations stand in order of their sources.
        seen.sort_by_key(|(evidence, _)| *evidence);
        for (evidence, (peer, port)) in seen {
            world.connection_from(evidence, HOST, &format!("{peer}:443"), ms(0), port);
        }
        world.intake.facts.crossings.push(CrossingFact {
            flow: flow(translated, 3),
            at: ms(0),
            record: Record { evidence: small, number: 1 },
        });
        let found = shown(&world);
        let peers = |evidence: EvidenceId| -> Vec<Option<IpAddr>> {
            found[evidence.0 as usize].all.iter().map(|one| one.flow.dst).collect()
        };
        assert_eq!(peers(large), ["203.0.113.1", met, translated].map(|peer| Some(ip(peer))));
        assert_eq!(peers(small), [met, "198.51.100.9"].map(|peer| Some(ip(peer))));
    }
}

#[test]
fn a_token_of_more_than_two_hundred_connections_says_nothing() {
    let hits = |openers: &[(&str, u16)], own: Openers| {
        let mut world = world(&["curl https://203.0.113.1/", "curl https://203.0.113.1/", "curl https://203.0.113.2/"]);
        for (opener, count) in openers {
            for n in 0..*count {
                world.connection_from(LOG, opener, "203.0.113.1:443", ms(i64::from(n) * 1_000), 40_000 + n);
            }
        }
        let [_, log] = shown(&world);
        let token = Token::Address(ip("203.0.113.1"));
        assert_eq!(log.written.get(&token), Some(&2), "in two calls");
        assert_eq!(log.written.get(&Token::Address(ip("203.0.113.2"))), None, "not shown");
        log.hits(&token, &own).map(|hits| hits.len())
    };
    assert_eq!(hits(&[(HOST, 200)], Openers::Anyone), Some(200));
    assert_eq!(hits(&[(HOST, 201)], Openers::Anyone), None);
    let two = [(HOST, 150), ("10.20.0.6", 51)];
    assert_eq!(hits(&two, Openers::Anyone), None);
    assert_eq!(hits(&two, Openers::These(vec![Some(ip(HOST))])), Some(150));
    assert_eq!(hits(&two, Openers::These(vec![Some(ip("10.20.0.7"))])), None);
}

#[test]
fn connections_are_those_of_the_declared_host_if_it_opened_any() {
    let [log, _] = {
        let mut world = world(&["curl https://203.0.113.1/"]);
        for (opener, port) in [(HOST, 1), ("10.20.0.6", 2)] {
            world.connection_from(LOG, opener, "203.0.113.1:443", ms(0), port);
        }
        let [capture, log] = shown(&world);
        [log, capture]
    };
    let openers = |networks: &[&str]| {
        let addresses: Vec<IpNet> = networks.iter().map(|network| network.parse().unwrap()).collect();
        match log.openers(&addresses) {
            Openers::Anyone => None,
            Openers::These(own) => Some(own),
        }
    };
    assert_eq!(openers(&["10.20.0.5/32"]), Some(vec![Some(ip(HOST))]));
    assert_eq!(openers(&["10.20.0.0/24"]), Some(vec![Some(ip(HOST)), Some(ip("10.20.0.6"))]));
    assert_eq!(openers(&["10.30.0.0/24"]), None, "what is seen may be an address of the way");
    assert_eq!(openers(&[]), None);
}

/// The meetings of calls and connections a second into each, as place of the step and seconds of the call from the start of its own.
fn met(commands: &[&str], change: impl Fn(&mut World)) -> Vec<(u64, i64, i64)> {
    let mut world = world(commands);
    for n in 0..commands.len() {
        let (peer, at) = (format!("203.0.113.{}:443", n + 1), ms(n as i64 * 600_000 + 1_000));
        world.connection(LOG, HOST, &peer, at);
    }
    change(&mut world);
    let [_, log] = shown(&world);
    let Laid { world, acts, .. } = world.lay();
    let groups = groups(&world.intake, &world.case);
    let group = groups.iter().find(|group| group.kind == Kind::Transcript).unwrap();
    let places = BTreeMap::from([(EvidenceId(2), (0..commands.len()).collect())]);
    let calls = Calls { intake: &world.intake, acts: &acts, group, places: &places };
    let second = |meeting: &Meeting, at: i64| (at - ms(meeting.key as i64 * 600_000).0) / SECOND;
    let own = |one: &Meeting| (one.key, second(one, one.ours.0), second(one, one.ours.1));
    calls.against(&log).iter().map(own).collect()
}

#[test]
fn calls_that_ran_and_reach_the_network_meet_what_they_name() {
    let commands = [
        "curl https://203.0.113.1/",
        "curl https://203.0.113.2/",
        "echo https://203.0.113.3/",
        "./xmrig -o 203.0.113.4:443 -u wallet",
        "curl https://203.0.113.5/",
        "nohup curl https://203.0.113.6/ &",
        "curl https://203.0.113.7/",
    ];
    let change = |world: &mut World| {
        let steps = &mut world.intake.steps;
        steps[1].not_executed = true;
        steps[4].end = None;
        steps[6].start.as_mut().unwrap().span.basis = Basis::AssumedYear;
    };
    // Ten minutes where nobody knows how long, or where something was left running.
    assert_eq!(met(&commands, change), [(0, 0, 2), (3, 0, 2), (4, 0, 600), (5, 0, 600)]);
    // Five that are under no suspicion are enough without the one that is.
    let keys: Vec<u64> = met(&commands, |_| ()).iter().map(|(key, ..)| *key).collect();
    assert_eq!(keys, [0, 1, 4, 5, 6]);
}

#[test]
fn what_is_joined_beyond_translation_counts_beside_what_is_joined_without() {
    let seen = |ports: &[u16]| -> Vec<Sighting> {
        ports.iter().map(|port| Sighting::new(flow("203.0.113.1", *port), ms(i64::from(*port)))).collect()
    };
    let ours = Sightings { all: seen(&[1, 3]), beyond: seen(&[2]), ..Sightings::default() };
    let theirs = Sightings { all: seen(&[1, 2]), beyond: seen(&[3]), ..Sightings::default() };
    let meetings = same_connections(&ours, &theirs);
    let ports: Vec<i64> = meetings.iter().map(|meeting| (meeting.theirs.0 - ms(0).0) / 1_000_000).collect();
    assert_eq!(ports, [1, 2, 3]);
    let keys: BTreeSet<u64> = meetings.iter().map(|meeting| meeting.key).collect();
    assert_eq!(keys.len(), 3, "each is an event of its own");
    // A packet and the line of a firewall lie within 20 ms.
    assert_eq!(meetings[0].ours, (ms(1).0 - 20_000_000, ms(1).0 + 20_000_000));
}

use super::*;
use crate::correlate::kit::{World, ms};
use crate::formats::Kind;
use crate::time::Basis;

/// A thousand connections, several at a time, to ten peers of which two are named.
fn world() -> World {
    let mut world = World::default();
    let capture = world.source("fw.log", Kind::Firewall, Basis::ExplicitOffset);
    let transcript = world.episode("a.jsonl", Some("10.20.0.5"));
    world.step(transcript, Some((ms(0), ms(1_000))), "curl http://203.0.113.1/; curl http://203.0.113.2/");
    for n in 0..1_000_i64 {
        let peer = format!("203.0.113.{}:{}", n % 10, [80, 443][n as usize % 2]);
        world.connection(capture, "10.20.0.5", &peer, ms(n / 3 * 7_000));
    }
    world
}

fn listed(events: &Events) -> Vec<String> {
    events.iter().map(|event| format!("{event:?}")).collect()
}

#[test]
fn within_little_memory_they_lie_aside_and_are_the_same() {
    let laid = world().lay();
    let memory = Arc::new(Memory::of(1_000));
    let found = |memory| events(&laid.world.intake, &laid.clocks, &laid.names, &laid.acts, &|_| true, memory);
    let (aside, here) = (found(&memory), &laid.events);
    assert!(memory.shelved() > 10_000, "{}", memory.shelved());
    assert_eq!(listed(&aside), listed(here));
    assert_eq!((aside.extent(), aside.len()), (here.extent(), 1_000));
    for moment in [-1, 0, 1, 6_999, 7_000, 7_001, 1_400_000, 2_331_000, 9_000_000].map(ms) {
        // As the definition has it: how many began before.
        let before = here.iter().filter(|event| event.at < moment).count();
        assert_eq!((aside.place_of(moment), here.place_of(moment)), (before, before));
        let hour = moment.plus(3_600_000_000_000);
        let within = here.iter().filter(|event| event.at >= moment && event.at <= hour).count();
        assert_eq!(aside.between(moment, hour).count(), within);
    }
    let web = |event: &Event<'_>| event.dst_port == Some(80);
    assert_eq!(listed(&aside.filtered(&memory, web)), listed(&here.filtered(&Arc::default(), web)));
    let places = |events: &Events| events.map(|at, event| web(event).then_some((at, event.number)));
    assert_eq!(places(&aside), places(here));
    assert_eq!(places(&aside).len(), 500);
}

#[test]
fn what_shows_the_same_has_one_number() {
    let laid = world().lay();
    let events = &laid.events;
    let numbers: BTreeSet<u32> = events.iter().map(|event| event.shows).collect();
    // Two peers that the call names, on two ports between them; of all others the port is all that is shown.
    assert_eq!(numbers.len(), events.shown().len());
    let first = events.get(0).unwrap();
    let others = events.beside(vec![
        (*first, first.tokens.clone()),
        (*first, BTreeSet::from([Token::Name("new.example".to_owned())])),
    ]);
    let numbers: Vec<u32> = others.iter().map(|event| event.shows).collect();
    assert_eq!(numbers, [first.shows, events.shown().len() as u32]);
    assert_eq!(others.shown().len(), events.shown().len() + 1);
}

/// Connections of which each segment says how many of it failed, were allowed and answered.
fn with_outcomes(outcomes: &[(u64, u64, u64)]) -> Events {
    let mut world = World::default();
    let firewall = world.source("fw.log", Kind::Firewall, Basis::ExplicitOffset);
    for (n, (failed, allowed, answered)) in (0_i64..).zip(outcomes) {
        let segment = world.connection(firewall, "10.20.0.5", "203.0.113.1:443", ms(n * 1_000));
        (segment.failed, segment.allowed, segment.answered) = (*failed, *allowed, *answered);
    }
    world.lay().events
}

#[test]
fn a_connection_failed_if_none_of_its_kind_was_let_through_or_answered() {
    let outcomes = [(0, 0, 0), (1, 0, 0), (2, 0, 0), (1, 1, 0), (1, 0, 1), (0, 1, 1)];
    let failed: Vec<bool> = with_outcomes(&outcomes).iter().map(|event| event.failed).collect();
    assert_eq!(failed, [false, true, true, false, false, false]);
}

#[test]
fn only_a_dated_clock_or_one_that_is_tied_gives_times_to_compare() {
    let timed = |basis| {
        let mut world = World::default();
        let log = world.source("fw.log", Kind::Firewall, basis);
        // Dated, and of other traffic: nothing ties the log to it.
        let capture = world.source("lan.pcap", Kind::Capture, Basis::ExplicitOffset);
        world.connection(log, "10.20.0.5", "203.0.113.1:443", ms(0));
        world.connection(capture, "10.20.0.6", "203.0.113.2:80", ms(0));
        let events = world.lay().events;
        events.iter().find(|event| event.dst_port == Some(443)).unwrap().timed
    };
    assert!(timed(Basis::ExplicitOffset) && timed(Basis::AssumedZone));
    assert!(!timed(Basis::UnknownYear) && !timed(Basis::BootRelative));
}

#[test]
fn an_event_shows_what_commands_could_have_called_it() {
    let mut world = World::default();
    let firewall = world.source("fw.log", Kind::Firewall, Basis::ExplicitOffset);
    let transcript = world.episode("a.jsonl", None);
    world.step(transcript, None, "curl https://203.0.113.1/ https://named.example/");
    world.dns("named.example", "203.0.113.2");
    world.dns("unheard-of.example", "203.0.113.3");
    for (n, last) in [1, 2, 3, 4].into_iter().enumerate() {
        world.connection(firewall, "10.20.0.5", &format!("203.0.113.{last}:443"), ms(n as i64 * 1_000));
    }
    let laid = world.lay();
    let shown =
        |place: usize| -> Vec<String> { laid.events.get(place).unwrap().tokens.iter().map(Token::to_string).collect() };
    let stranger = "port 443 of a name that nothing resolves".to_owned();
    // An address that is written may have a name as well that nothing resolves; a peer with a name has no other.
    assert!(shown(0).contains(&"203.0.113.1".to_owned()) && shown(0).contains(&stranger), "{:?}", shown(0));
    assert!(shown(1).contains(&"named.example".to_owned()) && !shown(1).contains(&stranger), "{:?}", shown(1));
    assert!(shown(2).is_empty(), "no command has its name: {:?}", shown(2));
    assert_eq!(shown(3), [stranger]);
    // Who opened what, whatever the port it came from.
    let flow = laid.events.get(3).unwrap().peers();
    assert_eq!((flow.src, flow.src_port), (Some("10.20.0.5".parse().unwrap()), None));
    assert_eq!((flow.dst, flow.dst_port), (Some("203.0.113.4".parse().unwrap()), Some(443)));
}

#[test]
fn only_what_is_wanted_becomes_an_event() {
    let laid = world().lay();
    let wanted = |key: &ConversationKey| key.dst_port == Some(443);
    let found = events(&laid.world.intake, &laid.clocks, &laid.names, &laid.acts, &wanted, &Arc::default());
    assert_eq!(found.len(), 500);
    assert!(found.iter().all(|event| event.dst_port == Some(443)));
    let web = laid.events.filtered(&Arc::default(), |event| event.dst_port == Some(80));
    assert_eq!(web.len(), 500);
    assert!(web.iter().all(|event| event.dst_port == Some(80)));
}

#[test]
fn a_moment_is_found_at_the_first_of_the_events_that_share_it() {
    let events = world().lay().events;
    // Three begin at a time, also where the search begins anew.
    for place in [0, 1, 2, 3, 509, 510, 511, 512, 513, 998, 999] {
        let moment = events.get(place).unwrap().at;
        assert_eq!(events.place_of(moment), place / 3 * 3, "{place}");
    }
    let (first, last) = (events.get(0).unwrap().at, events.get(999).unwrap().at);
    assert_eq!(events.extent(), Some((first, last)));
    assert!(last.since(first) > 2_000 * crate::time::SECOND);
    assert_eq!(Events::default().extent(), None);
}

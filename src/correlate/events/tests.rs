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

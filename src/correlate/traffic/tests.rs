use super::*;
use crate::correlate::events::Row;
use crate::correlate::kit::{ip, ms, row};

fn event(src: Option<&str>, dst: &str, at: i64, timed: bool) -> (Row, BTreeSet<Token>) {
    let row = Row { number: at as u64, timed, ..row(src, dst, ms(at)) };
    (row, BTreeSet::from([Token::Address(ip(dst))]))
}

fn writes(token: Token) -> Act {
    let mut act = Act::default();
    act.add([token]);
    act
}

fn at(found: &[Event<'_>]) -> Vec<i64> {
    found.iter().map(|event| event.at.since(ms(0)) / 1_000_000).collect()
}

// One event per second: by turns of the host, of its other network, of a stranger, of nobody known.
#[test]
fn a_host_has_what_its_addresses_opened_and_what_nobody_is_known_to_have() {
    let events = Events::of(vec![
        event(Some("10.0.0.5"), "203.0.113.1", 0, true),
        event(Some("10.9.0.77"), "203.0.113.1", 1_000, true),
        event(Some("10.0.0.6"), "203.0.113.1", 2_000, true),
        event(None, "203.0.113.1", 3_000, true),
        event(Some("10.0.0.5"), "203.0.113.1", 4_000, true),
    ]);
    let traffic = Traffic::new(&events, &[]);
    let addresses = ["10.0.0.5/32", "10.9.0.0/24", "10.9.0.77/32"].map(|network| network.parse().unwrap()).to_vec();
    let mut place = Place::default();
    place.addresses = addresses;
    assert_eq!(at(&traffic.of_place(Some(&place), ms(0), ms(9_000))), [0, 1_000, 3_000, 4_000]);
    assert_eq!(at(&traffic.of_place(Some(&place), ms(1_000), ms(3_000))), [1_000, 3_000], "both ends count");
    assert_eq!(at(&traffic.of_place(Some(&place), ms(3_001), ms(2_000))), [0_i64; 0], "ends that crossed");
    assert_eq!(at(&traffic.of_place(None, ms(500), ms(3_000))), [1_000, 2_000, 3_000]);
    assert_eq!(at(&traffic.of_place(Some(&Place::default()), ms(4_000), ms(4_000))), [4_000]);
}

#[test]
fn what_calls_write_is_found_by_address_and_by_network_once_each() {
    let events = Events::of(vec![
        event(None, "203.0.113.1", 0, true),
        event(None, "203.0.113.200", 1_000, true),
        event(None, "198.51.100.1", 2_000, true),
        event(None, "203.0.113.1", 3_000, false),
        event(None, "203.0.113.1", 4_000, true),
    ]);
    let (address, network) = ("203.0.113.1".parse().unwrap(), "203.0.113.0/24".parse().unwrap());
    let acts = [writes(Token::Address(address)), writes(Token::Network(network))];
    let traffic = Traffic::new(&events, &acts);
    let named = |tokens: &[Token]| at(&traffic.named(&tokens.iter().cloned().collect(), ms(0), ms(9_000)));
    assert_eq!(named(&[Token::Address(address)]), [0, 4_000], "what has no time cannot be placed");
    assert_eq!(named(&[Token::Network(network)]), [0, 1_000, 4_000]);
    assert_eq!(named(&[Token::Address(address), Token::Network(network)]), [0, 1_000, 4_000]);
    assert_eq!(named(&[]), [0_i64; 0]);
}

#[test]
fn what_shows_a_token_that_some_command_wrote_is_listed_by_its_place() {
    let events = Events::of(vec![
        event(None, "198.51.100.1", 0, true),
        event(None, "203.0.113.1", 1_000, true),
        event(None, "203.0.113.1", 2_000, false),
        event(None, "203.0.113.1", 3_000, true),
    ]);
    let written = Token::Address("203.0.113.1".parse().unwrap());
    let acts = [writes(written.clone())];
    let traffic = Traffic::new(&events, &acts);
    assert_eq!(traffic.showing(&written), Some([1, 3].as_slice()));
    assert_eq!(traffic.showing(&Token::Address("198.51.100.1".parse().unwrap())), None, "nobody wrote it");
}

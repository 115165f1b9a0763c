//! Control packets as the protocol's description lays them out, with noise where a digest or a cipher's output stands.

use super::*;

const CLIENT: [u8; 8] = *b"\x51client\x01";
const SERVER: [u8; 8] = *b"\x9dserver\x02";
/// 2023-11-14 22:13:20 UTC.
const NOW: u32 = 1_700_000_000;

/// Acknowledged numbers, the other side's session id, and the packet's own number, if it has one.
fn acks(count: u8, peer: &[u8; 8], own: Option<u32>) -> Vec<u8> {
    let mut bytes = vec![count];
    for number in 0..u32::from(count) {
        bytes.extend(number.to_be_bytes());
    }
    if count > 0 {
        bytes.extend(peer);
    }
    bytes.extend(own.map(u32::to_be_bytes).into_iter().flatten());
    bytes
}

fn plain(opcode: u8, session: &[u8; 8], rest: &[u8]) -> Vec<u8> {
    [&[opcode << 3][..], session, rest].concat()
}

fn replay(number: u32) -> Vec<u8> {
    [number.to_be_bytes(), NOW.to_be_bytes()].concat()
}

fn auth(opcode: u8, session: &[u8; 8], digest: usize, number: u32, rest: &[u8]) -> Vec<u8> {
    [&[opcode << 3][..], session, &noise(u64::from(number), digest), &replay(number), rest].concat()
}

fn crypt(opcode: u8, session: &[u8; 8], number: u32, inside: usize) -> Vec<u8> {
    [&[opcode << 3][..], session, &replay(number), &noise(u64::from(number), 32 + inside)].concat()
}

fn plain_turns() -> Vec<Turn> {
    vec![
        (true, plain(7, &CLIENT, &acks(0, &SERVER, Some(0)))),
        (false, plain(8, &SERVER, &acks(1, &CLIENT, Some(0)))),
        (true, plain(5, &CLIENT, &acks(1, &SERVER, None))),
        (true, plain(4, &CLIENT, &[acks(0, &SERVER, Some(1)), b"\x16\x03\x01\x00\x8c\x01".to_vec()].concat())),
        (true, [&[0x48, 0, 0, 1][..], &noise(3, 80)].concat()),
    ]
}

fn framed(turns: &[Turn]) -> Vec<Turn> {
    let frame = |bytes: &Vec<u8>| [&(bytes.len() as u16).to_be_bytes()[..], bytes].concat();
    turns.iter().map(|(from_opener, bytes)| (*from_opener, frame(bytes))).collect()
}

#[test]
fn session_ids_that_come_back_are_an_exchange() {
    let turns = plain_turns();
    let seen = tunnels(&read_datagrams(&turns));
    assert_eq!((seen[0].protocol, seen[0].mark, seen[0].packets), ("openvpn", Mark::Exchange, 5));
    assert_eq!(seen[0].note, "control channel, session ids acknowledge each other; 1 data packets");
    cut_datagrams(&turns);
    for digest in [16, 20, 28, 32, 48, 64] {
        let turns = [
            (true, auth(7, &CLIENT, digest, 1, &acks(0, &SERVER, Some(0)))),
            (false, auth(8, &SERVER, digest, 1, &acks(1, &CLIENT, Some(0)))),
        ];
        let seen = tunnels(&read_datagrams(&turns));
        assert_eq!(seen[0].mark, Mark::Exchange, "{digest}");
        let bits = format!("tls-auth, {} bit", digest * 8);
        assert!(seen[0].note.contains(&bits), "{}", seen[0].note);
        cut_datagrams(&turns);
    }
}

#[test]
fn encrypted_control_channels() {
    let turns = [
        (true, crypt(7, &CLIENT, 1, 5)),
        (false, crypt(8, &SERVER, 1, 17)),
        (true, crypt(5, &CLIENT, 2, 13)),
        (true, crypt(4, &CLIENT, 3, 300)),
    ];
    assert_eq!(only_tunnel(&read_datagrams(&turns)), ("openvpn", Mark::Exchange));
    cut_datagrams(&turns);
    // Version 2: a wrapped key of 300 bytes that says so at its end; later servers set flags in the number.
    let mut second = [crypt(10, &CLIENT, 0x0f00_0001, 5), noise(9, 298), 300_u16.to_be_bytes().to_vec()].concat();
    let turns = [(true, second.clone()), (false, crypt(8, &SERVER, 0x0f00_0001, 23))];
    assert_eq!(only_tunnel(&read_datagrams(&turns)), ("openvpn", Mark::Exchange));
    // Another length than it says.
    second.truncate(second.len() - 3);
    assert_eq!(read_datagrams(&[(true, second)]), []);
}

#[test]
fn over_tcp_however_it_is_cut() {
    let turns = framed(&plain_turns());
    assert_eq!(only_tunnel(&read(443, &turns)), ("openvpn", Mark::Exchange));
    assert_eq!(only_tunnel(&read_cut(443, &turns, &[1])), ("openvpn", Mark::Exchange));
    assert_eq!(only_tunnel(&read_cut(443, &turns, &[3, 20])), ("openvpn", Mark::Exchange));
    let crypt = framed(&[(true, crypt(7, &CLIENT, 1, 5)), (false, crypt(8, &SERVER, 1, 17))]);
    assert_eq!(only_tunnel(&read_cut(443, &crypt, &[7])), ("openvpn", Mark::Exchange));
}

#[test]
fn resets_that_nobody_answers() {
    let knock = (true, auth(7, &CLIENT, 20, 1, &acks(0, &SERVER, Some(0))));
    assert_eq!(
        only_tunnel(&read_datagrams_at(i64::from(NOW), std::slice::from_ref(&knock))),
        ("openvpn", Mark::OneSide)
    );
    // Its clock is a lifetime away.
    assert_eq!(only_tunnel(&read_datagrams_at(0, &[knock])), ("openvpn", Mark::Shape));
    let plain = (true, plain(7, &CLIENT, &acks(0, &SERVER, Some(0))));
    assert_eq!(only_tunnel(&read_datagrams(std::slice::from_ref(&plain))), ("openvpn", Mark::Shape));
    assert_eq!(only_tunnel(&read_datagrams(&[plain.clone(), plain])), ("openvpn", Mark::OneSide));
}

proptest! {
    #[test]
    fn noise_is_refused(first in prop::sample::select(vec![0x38_u8, 0x40, 0x50, 0x20, 0x28]), seed in 1_u64..100_000, length in 1_usize..200) {
        let mut bytes = noise(seed, length);
        bytes[0] = first;
        let turns = [(true, bytes.clone()), (false, bytes)];
        prop_assert_eq!(read_datagrams(&turns), []);
        prop_assert_eq!(read(1194, &framed(&turns)), []);
    }
}

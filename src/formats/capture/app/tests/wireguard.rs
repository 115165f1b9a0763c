//! Messages as the protocol's page lays them out, with noise where a cipher's output stands.

use super::*;

fn initiation(sender: u32, seed: u64) -> Vec<u8> {
    [&[1, 0, 0, 0][..], &sender.to_le_bytes(), &noise(seed, 32 + 48 + 28 + 16), &[0; 16]].concat()
}

fn response(sender: u32, receiver: u32) -> Vec<u8> {
    let indices = [sender.to_le_bytes(), receiver.to_le_bytes()].concat();
    [&[2, 0, 0, 0][..], &indices, &noise(2, 32 + 16 + 16), &[0; 16]].concat()
}

fn data(receiver: u32, counter: u64, content: usize) -> Vec<u8> {
    let tail = noise(counter + 7, content + 16);
    [&[4, 0, 0, 0][..], &receiver.to_le_bytes(), &counter.to_le_bytes(), &tail].concat()
}

#[test]
fn a_handshake_whose_indices_answer_is_an_exchange() {
    let turns =
        [(true, initiation(77, 1)), (false, response(88, 77)), (true, data(88, 0, 0)), (false, data(77, 0, 96))];
    let seen = tunnels(&read_datagrams(&turns));
    assert_eq!((seen[0].protocol, seen[0].mark, seen[0].packets), ("wireguard", Mark::Exchange, 4));
    assert_eq!(seen[0].proof, [1, 2, 3, 4]);
    assert_eq!(seen[0].note, "handshake, indices answer each other; 2 data messages");
    cut_datagrams(&turns);
}

#[test]
fn one_side_alone_and_counters_from_the_middle() {
    let knocks = [(true, initiation(5, 1)), (true, initiation(6, 2))];
    assert_eq!(only_tunnel(&read_datagrams(&knocks)), ("wireguard", Mark::OneSide));
    let middle: Vec<Turn> = (40..46).map(|n| (n % 2 == 0, data(if n % 2 == 0 { 3 } else { 9 }, n, 16))).collect();
    assert_eq!(only_tunnel(&read_datagrams(&middle)), ("wireguard", Mark::OneSide));
    let one_way: Vec<Turn> = (40..44).map(|n| (true, data(3, n, 16))).collect();
    assert_eq!(only_tunnel(&read_datagrams(&one_way)), ("wireguard", Mark::Shape));
    assert_eq!(read_datagrams(&middle[..2]), []);
}

#[test]
fn warp_has_something_in_the_reserved_bytes() {
    let mut turns = vec![(true, initiation(77, 1)), (false, response(88, 77)), (true, data(88, 0, 64))];
    for (_, bytes) in &mut turns {
        bytes[1..4].copy_from_slice(&[0x12, 0x34, 0x56]);
    }
    assert_eq!(only_tunnel(&read_datagrams(&turns)), ("cloudflare-warp", Mark::Exchange));
}

#[test]
fn tailscale_looks_for_paths() {
    let ping = |seed| [&b"TS\xf0\x9f\x92\xac"[..], &noise(seed, 32 + 24 + 16 + 46)].concat();
    let turns = [(true, ping(1)), (false, ping(2)), (true, initiation(77, 1)), (false, response(88, 77))];
    assert_eq!(only_tunnel(&read_datagrams(&turns)), ("tailscale", Mark::Exchange));
    assert_eq!(only_tunnel(&read_datagrams(&turns[..1])), ("tailscale", Mark::OneSide));
    cut_datagrams(&turns[..2]);
}

/// Counters in structures of zeros, as games have them, and sizes that do not fit.
#[test]
fn what_looks_alike_is_refused() {
    let game: Vec<Turn> = (0..40_u64)
        .map(|n| (n % 2 == 0, [&[4, 0, 0, 0][..], &[9, 0, 0, 0], &n.to_le_bytes(), &[0; 48]].concat()))
        .collect();
    assert_eq!(read_datagrams(&game), []);
    let mut unpadded: Vec<Turn> = (0..40).map(|n| (n % 2 == 0, data(3, n, 16))).collect();
    unpadded.iter_mut().for_each(|(_, bytes)| bytes.truncate(45));
    assert_eq!(read_datagrams(&unpadded), []);
    let jumping: Vec<Turn> = (0..40).map(|n| (true, data(3, (n * 0x3_7654_3211) % (1 << 40), 16))).collect();
    assert_eq!(read_datagrams(&jumping), []);
}

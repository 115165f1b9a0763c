//! Networks laid over others, their messages built as their sources lay them out.

use super::*;

#[test]
fn kcp_segments_are_acknowledged_by_number_and_time() {
    let segment = |command: u8, time: u32, number: u32, data: &[u8]| {
        let head = [&7_u32.to_le_bytes()[..], &[command, 0, 0, 1], &time.to_le_bytes(), &number.to_le_bytes()].concat();
        [&head[..], &0_u32.to_le_bytes(), &(data.len() as u32).to_le_bytes(), data].concat()
    };
    let both = [segment(82, 500, 0, b""), segment(81, 600, 0, b"answer")].concat();
    let turns = [(true, segment(81, 500, 0, b"question")), (false, both), (true, segment(82, 600, 0, b""))];
    let seen = tunnels(&read_datagrams(&turns));
    assert_eq!((seen[0].protocol, seen[0].mark, seen[0].packets), ("kcp", Mark::Exchange, 3));
    cut_datagrams(&turns);
    let one_way: Vec<Turn> = (0..5).map(|n| (true, segment(81, 500 + n, n, b"data"))).collect();
    assert_eq!(only_tunnel(&read_datagrams(&one_way)), ("kcp", Mark::OneSide));
    // A length beyond the end, a command that there is not, another conversation behind the first.
    let long = [segment(81, 1, 1, b"data"), vec![0; 3]].concat();
    let other = [segment(81, 1, 1, b"data"), [&[9][..], &segment(81, 1, 2, b"data")[1..]].concat()].concat();
    for bytes in [long, segment(85, 1, 1, b""), other] {
        assert_eq!(read_datagrams(&[(true, bytes.clone()), (false, bytes)]), []);
    }
}

#[test]
fn zerotier_nodes_say_hello_in_the_clear() {
    let (one, other) = ([0x11, 2, 3, 4, 5], [0x22, 7, 8, 9, 10]);
    let head = |to: [u8; 5], from: [u8; 5], flags: u8| [&noise(1, 8)[..], &to, &from, &[flags], &noise(2, 8)].concat();
    let identity = [&one[..], &[0], &noise(3, 64), &[0]].concat();
    let hello = [&head(other, one, 0)[..], &[1, 12, 1, 10, 0, 6], &[0, 0, 1, 0x8a, 0, 0, 0, 0], &identity].concat();
    let answer = [head(one, other, 0x08), noise(4, 60)].concat();
    let turns = [(true, hello.clone()), (false, answer)];
    let seen = tunnels(&read_datagrams(&turns));
    assert_eq!((seen[0].protocol, seen[0].mark), ("zerotier", Mark::Exchange));
    assert_eq!(seen[0].note, "hello of node 1102030405 to node 220708090a, which answers");
    cut_datagrams(&turns);
    assert_eq!(only_tunnel(&read_datagrams(&turns[..1])), ("zerotier", Mark::OneSide));
    // An identity of somebody else.
    let mut stolen = hello;
    stolen[41] ^= 1;
    assert_eq!(read_datagrams(&[(true, stolen)]), []);
}

#[test]
fn nebula_handshakes_and_n2n_communities() {
    let nebula = |kind: u8, index: u32, counter: u64| {
        [&[kind, 0, 0, 0][..], &index.to_be_bytes(), &counter.to_be_bytes(), &noise(counter + 1, 120)].concat()
    };
    let turns = [(true, nebula(0x10, 0, 1)), (false, nebula(0x10, 5, 2)), (true, nebula(0x11, 9, 3))];
    assert_eq!(only_tunnel(&read_datagrams(&turns)), ("nebula", Mark::Exchange));
    assert_eq!(only_tunnel(&read_datagrams(&turns[..1])), ("nebula", Mark::OneSide));
    let n2n = |kind: u8, name: &[u8]| {
        let mut community = name.to_vec();
        community.resize(20, 0);
        [&[3, 2, 0, kind][..], &community, &noise(8, 30)].concat()
    };
    let turns = [(true, n2n(5, b"office")), (false, n2n(0x27, b"office"))];
    let seen = tunnels(&read_datagrams(&turns));
    assert_eq!((seen[0].protocol, seen[0].mark, &*seen[0].note), ("n2n", Mark::Exchange, "community \"office\""));
    assert_eq!(only_tunnel(&read_datagrams(&turns[..1])), ("n2n", Mark::Shape));
    cut_datagrams(&turns);
    assert_eq!(read_datagrams(&[(true, n2n(5, b"of\0ice")), (true, n2n(5, b""))]), []);
}

#[test]
fn softether_asks_which_way_out() {
    let turns = [(true, b"IP=192.0.2.7,PORT=5004".to_vec()), (false, b"A".to_vec())];
    assert_eq!(only_tunnel(&read_datagrams(&turns)), ("softether", Mark::Exchange));
    assert_eq!(read_datagrams(&[(true, b"IP=the address,PORT=5004".to_vec())]), []);
    let pack = [&[0, 0, 0, 2, 0, 0, 0, 7][..], b"opcode", &[0, 0, 0, 2, 0, 0, 0, 1, 0, 0, 0, 9], b"get_token"].concat();
    assert_eq!(only_tunnel(&read_datagrams(&[(true, pack.clone()), (false, pack)])), ("softether", Mark::Exchange));
}

/// RFC 2637 sections 2.1 and 2.2.
#[test]
fn pptp_control_connections() {
    let message = |kind: u8| {
        let head = [&[0, 156, 0, 1, 0x1a, 0x2b, 0x3c, 0x4d, 0, kind, 0, 0, 1, 0][..], &[0; 142]].concat();
        assert_eq!(head.len(), 156);
        head
    };
    let turns = [(true, message(1)), (false, message(2))];
    assert_eq!(only_tunnel(&read(1723, &turns)), ("pptp", Mark::Exchange));
    assert_eq!(only_tunnel(&read_cut(1723, &turns, &[1])), ("pptp", Mark::Exchange));
    assert_eq!(only_tunnel(&read(1723, &turns[..1])), ("pptp", Mark::OneSide));
    let mut wrong = message(1);
    wrong[7] = 0;
    assert_eq!(read(1723, &[(true, wrong)]), []);
}

#[test]
fn tinc_vtun_and_yggdrasil_greet() {
    let turns = [client("0 alpha 17.7\n"), server("0 beta 17\n1 94 64 0 0 5B0CAF\n")];
    let seen = tunnels(&read(655, &turns));
    assert_eq!(
        (seen[0].protocol, seen[0].mark, &*seen[0].note),
        ("tinc", Mark::Exchange, "meta connection, nodes alpha and beta")
    );
    assert_eq!(only_tunnel(&read_cut(655, &turns, &[1])), ("tinc", Mark::Exchange));
    assert_eq!(only_tunnel(&read(655, &turns[..1])), ("tinc", Mark::Shape));
    assert_eq!(read(655, &[client("0 items found\n"), server("0 17 18\n")]), []);
    let turns = [server("VTUN server ver 3.X 01/01/2013\n"), client("HOST: lion\n")];
    assert_eq!(only_tunnel(&read(5000, &turns)), ("vtun", Mark::Exchange));
    let meta = [&b"meta"[..], &[0, 12, 0, 0, 0, 2, 0, 0, 0, 1, 0, 2, 0, 5]].concat();
    assert_eq!(only_tunnel(&read(9001, &[(true, meta.clone()), (false, meta)])), ("yggdrasil", Mark::Exchange));
    assert_eq!(read(9001, &[client("metadata of a file"), server("metal")]), []);
}

proptest! {
    #[test]
    fn noise_is_no_network(seed in 1_u64..100_000, length in 1_usize..300, first in 0_u8..=255) {
        let mut bytes = noise(seed, length);
        bytes[0] = first;
        let turns = [(true, bytes.clone()), (false, bytes)];
        prop_assert_eq!(tunnels(&read_datagrams(&turns)), vec![]);
        prop_assert_eq!(tunnels(&read(9, &turns)), vec![]);
    }
}

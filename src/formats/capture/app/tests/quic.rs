//! QUIC and DTLS: the published packet, and hellos laid out by hand.

use super::*;

/// RFC 9001 appendix A.2: a client's first packet, protected.
const INITIAL: &str = "
    c000000001088394c8f03e5157080000449e7b9aec34d1b1c98dd7689fb8ec11
    d242b123dc9bd8bab936b47d92ec356c0bab7df5976d27cd449f63300099f399
    1c260ec4c60d17b31f8429157bb35a1282a643a8d2262cad67500cadb8e7378c
    8eb7539ec4d4905fed1bee1fc8aafba17c750e2c7ace01e6005f80fcb7df6212
    30c83711b39343fa028cea7f7fb5ff89eac2308249a02252155e2347b63d58c5
    457afd84d05dfffdb20392844ae812154682e9cf012f9021a6f0be17ddd0c208
    4dce25ff9b06cde535d0f920a2db1bf362c23e596d11a4f5a6cf3948838a3aec
    4e15daf8500a6ef69ec4e3feb6b1d98e610ac8b7ec3faf6ad760b7bad1db4ba3
    485e8a94dc250ae3fdb41ed15fb6a8e5eba0fc3dd60bc8e30c5c4287e53805db
    059ae0648db2f64264ed5e39be2e20d82df566da8dd5998ccabdae053060ae6c
    7b4378e846d29f37ed7b4ea9ec5d82e7961b7f25a9323851f681d582363aa5f8
    9937f5a67258bf63ad6f1a0b1d96dbd4faddfcefc5266ba6611722395c906556
    be52afe3f565636ad1b17d508b73d8743eeb524be22b3dcbc2c7468d54119c74
    68449a13d8e3b95811a198f3491de3e7fe942b330407abf82a4ed7c1b311663a
    c69890f4157015853d91e923037c227a33cdd5ec281ca3f79c44546b9d90ca00
    f064c99e3dd97911d39fe9c5d0b23a229a234cb36186c4819e8b9c5927726632
    291d6a418211cc2962e20fe47feb3edf330f2c603a9d48c0fcb5699dbfe58964
    25c5bac4aee82e57a85aaf4e2513e4f05796b07ba2ee47d80506f8d2c25e50fd
    14de71e6c418559302f939b0e1abd576f279c4b2e0feb85c1f28ff18f58891ff
    ef132eef2fa09346aee33c28eb130ff28f5b766953334113211996d20011a198
    e3fc433f9f2541010ae17c1bf202580f6047472fb36857fe843b19f5984009dd
    c324044e847a4f4a0ab34f719595de37252d6235365e9b84392b061085349d73
    203a4a13e96f5432ec0fd4a1ee65accdd5e3904df54c1da510b0ff20dcc0c77f
    cb2c0e0eb605cb0504db87632cf3d8b4dae6e705769d1de354270123cb11450e
    fc60ac47683d7b8d0f811365565fd98c4c8eb936bcab8d069fc33bd801b03ade
    a2e1fbc5aa463d08ca19896d2bf59a071b851e6c239052172f296bfb5e724047
    90a2181014f3b94a4e97d117b438130368cc39dbb2d198065ae3986547926cd2
    162f40a29f0c3c8745c0f50fba3852e566d44575c29d39a03f0cda721984b6f4
    40591f355e12d439ff150aab7613499dbd49adabc8676eef023b15b65bfc5ca0
    6948109f23f350db82123535eb8a7433bdabcb909271a6ecbcb58b936a88cd4e
    8f2e6ff5800175f113253d8fa9ca8885c2f552e657dc603f252e1a8e308f76f0
    be79e2fb8f5d5fbbe2e30ecadd220723c8c0aea8078cdfcb3868263ff8f09400
    54da48781893a7e49ad5aff4af300cd804a6b6279ab3ff3afb64491c85194aab
    760d58a606654f9f4400e8b38591356fbf6425aca26dc85244259ff2b19c41b9
    f96f3ca9ec1dde434da7d2d392b905ddf3d1f9af93d1af5950bd493f5aa731b4
    056df31bd267b6b90a079831aaf579be0a39013137aac6d404f518cfd4684064
    7e78bfe706ca4cf5e9c5453e9f7cfd2b8b4c8d169a44e55c88d4a9a7f9474241
    e221af44860018ab0856972e194cd934";

fn initial() -> Vec<u8> {
    let digits: Vec<char> = INITIAL.chars().filter(|c| !c.is_whitespace()).collect();
    digits.chunks(2).map(|pair| u8::from_str_radix(&pair.iter().collect::<String>(), 16).unwrap()).collect()
}

fn hellos(seen: &[Observation<'_>]) -> Vec<Tls> {
    let tls = |o: &Observation<'_>| if let Detail::Tls(tls) = &o.detail { Some(tls.clone()) } else { None };
    seen.iter().filter_map(tls).collect()
}

#[test]
fn the_packet_of_rfc_9001() {
    let packet = initial();
    assert_eq!(packet.len(), 1200);
    let found = hellos(&read_datagrams(&[(true, packet.clone()), (true, packet.clone())]));
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].server_name.as_deref(), Some("example.com"));
    assert_eq!((found[0].alpn.as_slice(), found[0].version.as_deref()), (&["alpn".to_owned()][..], Some("1.3")));
    // One bit is another packet, and none.
    for bit in [0, 40, 150, 5000, 9599] {
        let mut wrong = packet.clone();
        wrong[bit / 8] ^= 1 << (bit % 8);
        assert_eq!(read_datagrams(&[(true, wrong)]), []);
    }
    for length in (0..1200).step_by(7) {
        assert_eq!(read_datagrams(&[(true, packet[..length].to_vec())]), []);
    }
}

/// A ClientHello of DTLS 1.2 (RFC 6347 section 4.2.1) with a cookie and a server name (RFC 6066 section 3).
fn dtls_hello(version: [u8; 2], session: &[u8], cookie: &[u8]) -> Vec<u8> {
    let name = b"vpn.example.org";
    let length = name.len() as u8;
    let sni = [&[0, 0, 0, length + 5, 0, length + 3, 0, 0, length][..], name].concat();
    let ids = [&[session.len() as u8][..], session, &[cookie.len() as u8], cookie].concat();
    let tail = [&[0, 2, 0xc0, 0x2b, 1, 0, 0, sni.len() as u8][..], &sni].concat();
    [&version[..], &noise(1, 32), &ids, &tail].concat()
}

fn handshake(kind: u8, sequence: u8, whole: usize, from: usize, fragment: &[u8]) -> Vec<u8> {
    let (whole, from, here) = (whole as u8, from as u8, fragment.len() as u8);
    [&[kind, 0, 0, whole, 0, sequence, 0, 0, from, 0, 0, here][..], fragment].concat()
}

fn record(kind: u8, version: [u8; 2], epoch: u8, number: u8, body: &[u8]) -> Vec<u8> {
    [&[kind][..], &version, &[0, epoch, 0, 0, 0, 0, 0, number, 0, body.len() as u8], body].concat()
}

#[test]
fn hellos_of_dtls_in_fragments_and_with_cookies() {
    let v12 = [0xfe, 0xfd];
    let hello = dtls_hello(v12, &[], &[9; 20]);
    let whole = record(22, [0xfe, 0xff], 0, 0, &handshake(1, 1, hello.len(), 0, &hello));
    let cut: Vec<Turn> = [(0, 30), (30, hello.len())]
        .map(|(from, to)| (true, record(22, v12, 0, 1, &handshake(1, 0, hello.len(), from, &hello[from..to]))))
        .to_vec();
    for turns in [vec![(true, whole)], cut] {
        let found = hellos(&read_datagrams(&turns));
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].server_name.as_deref(), Some("vpn.example.org"));
        cut_datagrams(&turns);
    }
}

#[test]
fn anyconnect_speaks_a_version_of_its_own() {
    let draft = [1, 0];
    let hello = dtls_hello(draft, &[7; 32], &[]);
    // A ServerHello: version, random, session id, cipher, compression (RFC 5246 section 7.4.1.3).
    let answer = [&draft[..], &noise(2, 32), &[32], &[7; 32], &[0xc0, 0x2b, 0]].concat();
    let turns = [
        (true, record(22, draft, 0, 0, &handshake(1, 0, hello.len(), 0, &hello))),
        (false, record(22, draft, 0, 0, &handshake(2, 0, answer.len(), 0, &answer))),
        (true, record(23, draft, 1, 1, &noise(3, 60))),
    ];
    let seen = tunnels(&read_datagrams(&turns));
    assert_eq!((seen[0].protocol, seen[0].mark, seen[0].packets), ("anyconnect", Mark::Exchange, 3));
    assert_eq!(seen[0].note, "DTLS in the version of drafts, session resumed from TLS; 1 data records");
    cut_datagrams(&turns);
    let data: Vec<Turn> = (1..7).map(|n| (n % 2 == 0, record(23, draft, 1, n, &noise(3, 60)))).collect();
    assert_eq!(only_tunnel(&read_datagrams(&data)), ("anyconnect", Mark::OneSide));
    assert_eq!(only_tunnel(&read_datagrams(&data[..2])), ("anyconnect", Mark::Shape));
    // DTLS 1.2 is nobody's in particular.
    let plain: Vec<Turn> = (1..7).map(|n| (n % 2 == 0, record(23, [0xfe, 0xfd], 1, n, &noise(3, 60)))).collect();
    assert_eq!(read_datagrams(&plain), []);
}

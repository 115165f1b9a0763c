use super::*;
use crate::model::Observation;

type Turn<'a> = (bool, &'a [u8]);

fn read(turns: &[Turn<'_>]) -> Vec<Observation<'static>> {
    let mut readers = TcpReaders::new(Flow::default(), true);
    let mut seen = Vec::new();
    for (number, (from_opener, bytes)) in (1..).zip(turns) {
        readers.data(*from_opener, bytes, Instant(0), number, &mut |o| seen.push(o.to_static()));
    }
    readers.finish(Instant(0), &mut |o| seen.push(o.to_static()));
    seen
}

fn tunnel(seen: &[Observation<'_>]) -> Option<Tunnel> {
    seen.iter().find_map(|o| match &o.detail {
        Detail::Tunnel(tunnel) => Some(tunnel.clone()),
        _ => None,
    })
}

/// RFC 1928: methods, choice, request for example.org:80 by name, reply with 10.0.0.2:80.
const NAMED: [Turn<'static>; 4] = [
    (true, &[5, 1, 0]),
    (false, &[5, 0]),
    (true, b"\x05\x01\x00\x03\x0bexample.org\x00\x50"),
    (false, &[5, 0, 0, 1, 10, 0, 0, 2, 0, 80]),
];

#[test]
fn a_target_by_name_and_what_goes_through() {
    let request = (true, &b"GET / HTTP/1.1\r\nHost: example.org\r\n\r\n"[..]);
    let seen = read(&[NAMED[0], NAMED[1], NAMED[2], NAMED[3], request]);
    let tunnel = tunnel(&seen).expect("a proxy");
    assert_eq!((tunnel.protocol, tunnel.mark, tunnel.reversed), ("socks5", Mark::Exchange, false));
    assert_eq!((tunnel.target.as_deref(), tunnel.inside), (Some("example.org:80"), Some("http")));
    assert_eq!((tunnel.note.as_ref(), tunnel.proof), ("asked to connect, granted", vec![1, 2, 3, 4]));
    assert!(seen.iter().any(|o| matches!(&o.detail, Detail::Http(http) if http.target == "/")));
}

#[test]
fn the_accepting_side_may_ask() {
    let turned: Vec<Turn<'_>> = NAMED.iter().map(|(from_opener, bytes)| (!from_opener, *bytes)).collect();
    let seen = read(&[&[(true, &b"NZ\x8d\x08\x87\x4e"[..])][..], &turned].concat());
    let tunnel = tunnel(&seen).expect("a proxy");
    assert_eq!(
        (tunnel.mark, tunnel.reversed, tunnel.target.as_deref()),
        (Mark::Exchange, true, Some("example.org:80"))
    );
}

/// RFC 1929 section 2: user bob, password alice; a refusal by the rules (RFC 1928 section 6, code 2).
#[test]
fn passwords_and_refusals() {
    let seen = read(&[
        (true, &[5, 3, 0, 1, 2]),
        (false, &[5, 2]),
        (true, b"\x01\x03bob\x05alice"),
        (false, &[1, 0]),
        (true, &[5, 1, 0, 1, 192, 168, 0, 2, 0, 22]),
        (false, &[5, 2, 0, 1, 0, 0, 0, 0, 0, 0]),
    ]);
    let tunnel = tunnel(&seen).expect("a proxy");
    assert_eq!(tunnel.note, "asked to connect with a password, refused with code 2");
    assert_eq!(tunnel.target.as_deref(), Some("192.168.0.2:22"));
}

/// openssh.com/txt/socks4.protocol and socks4a.protocol: an address, then a name under 0.0.0.1; granted is 90.
#[test]
fn version_4_and_4a() {
    let granted = (false, &[0, 90, 0, 0, 0, 0, 0, 0][..]);
    let seen = read(&[(true, &[4, 1, 0, 80, 93, 184, 216, 119, 0]), granted, (true, b"SSH-2.0-x\r\n")]);
    let first = tunnel(&seen).expect("a proxy");
    assert_eq!((first.protocol, first.target.as_deref()), ("socks4", Some("93.184.216.119:80")));
    assert_eq!((first.mark, first.inside), (Mark::Exchange, Some("ssh")));
    let seen = read(&[(true, b"\x04\x01\x01\xbb\x00\x00\x00\x01user\x00example.com\x00"), granted]);
    assert_eq!(tunnel(&seen).and_then(|tunnel| tunnel.target).as_deref(), Some("example.com:443"));
}

#[test]
fn a_client_that_does_not_wait_and_one_whose_greeting_is_missing() {
    let all = [NAMED[0].1, NAMED[2].1].concat();
    let answers = [NAMED[1].1, NAMED[3].1].concat();
    let found = tunnel(&read(&[(true, &all), (false, &answers)])).expect("a proxy");
    assert_eq!((found.mark, found.target.as_deref()), (Mark::Exchange, Some("example.org:80")));
    let late = tunnel(&read(&[NAMED[2], NAMED[3]])).expect("a proxy");
    assert_eq!(late.mark, Mark::Exchange);
    let alone = tunnel(&read(&[NAMED[2]])).expect("a request");
    assert_eq!(alone.mark, Mark::OneSide);
    let number = tunnel(&read(&[(true, &[5, 1, 0, 1, 192, 0, 2, 1, 0, 80])])).expect("a request");
    assert_eq!(number.mark, Mark::Shape, "ten bytes with an address look like much else");
}

#[test]
fn other_protocols_are_not_taken_for_it() {
    let greeting_alone = read(&[(true, &[5, 1, 0])]);
    assert_eq!(tunnel(&greeting_alone), None);
    let answered_otherwise = read(&[(true, &[5, 1, 0]), (false, b"SSH-2.0-x\r\n"), (true, b"SSH-2.0-y\r\n")]);
    assert_eq!(tunnel(&answered_otherwise), None);
    assert!(answered_otherwise.iter().any(|o| matches!(o.detail, Detail::Ssh(_))), "{answered_otherwise:?}");
    for bytes in [&[5, 0][..], &[5, 2, 0, 0], &[5, 1, 0xff], &[5, 1, 0, 9, 9, 9], &[4, 1, 0, 0, 1, 2, 3, 4, 0], &[4, 9]]
    {
        assert_eq!(
            tunnel(&read(&[(true, bytes), (false, &[5, 0]), (true, &[5, 1]), (false, &[5, 0])])),
            None,
            "{bytes:?}"
        );
    }
}

#[test]
fn every_cut_and_damage_is_survived() {
    let turns: Vec<(bool, Vec<u8>)> = NAMED.iter().map(|(from_opener, bytes)| (*from_opener, bytes.to_vec())).collect();
    let whole = tunnel(&read(&NAMED));
    for size in 1..8 {
        let cut: Vec<Turn<'_>> =
            turns.iter().flat_map(|(from_opener, bytes)| bytes.chunks(size).map(|part| (*from_opener, part))).collect();
        let found = tunnel(&read(&cut)).expect("a proxy");
        assert_eq!((found.mark, found.target), (Mark::Exchange, whole.as_ref().and_then(|whole| whole.target.clone())));
    }
    for turn in 0..turns.len() {
        for at in 0..turns[turn].1.len() {
            for value in [0, 1, 4, 5, 0x7f, 0xff] {
                let mut damaged = turns.clone();
                damaged[turn].1[at] = value;
                let damaged: Vec<Turn<'_>> = damaged.iter().map(|(side, bytes)| (*side, bytes.as_slice())).collect();
                read(&damaged);
            }
        }
    }
}

use super::*;
use std::net::IpAddr;

/// A question for A www.Example.com, recursion wanted.
fn query() -> Vec<u8> {
    [&hex("1234 0100 0001 0000 0000 0000")[..], b"\x03www\x07Example\x03com\x00", &hex("0001 0001")].concat()
}

/// Its answer: an alias with a compressed target (RFC 1035 section 4.1.4: c010 points at offset 16, "Example.com"),
/// then A and AAAA of the alias by a pointer to that target (offset 45).
fn answer() -> Vec<u8> {
    [
        &hex("1234 8180 0001 0003 0000 0000")[..],
        b"\x03www\x07Example\x03com\x00",
        &hex("0001 0001"),
        &hex("c00c 0005 0001 0000003c 0006"),
        b"\x03cdn\xc0\x10",
        &hex("c02d 0001 0001 0000003c 0004 c0000201"),
        &hex("c02d 001c 0001 0000003c 0010 20010db8000000000000000000000001"),
    ]
    .concat()
}

pub(super) fn over_tcp() -> Vec<Turn> {
    let framed = |message: Vec<u8>| [&u16::try_from(message.len()).unwrap().to_be_bytes()[..], &message].concat();
    vec![(true, framed(query())), (false, [framed(answer()), framed(answer())].concat())]
}

fn datagram(port: u16, bytes: &[u8]) -> Option<Dns> {
    let mut seen = None;
    UdpReaders::default().datagram(flow(port), true, bytes, Instant(0), 1, &mut |o| match &o.detail {
        Detail::Dns(dns) => seen = Some(dns.clone()),
        other => panic!("{other:?}"),
    });
    seen
}

#[test]
fn questions_and_answers() {
    let asked = Dns { query: "www.example.com".to_owned(), record_type: "A".to_owned(), ..Dns::default() };
    assert_eq!(datagram(53, &query()), Some(asked.clone()));
    let addresses: Vec<IpAddr> = ["192.0.2.1", "2001:db8::1"].iter().map(|a| a.parse().unwrap()).collect();
    let answered = Dns {
        response: true,
        response_code: Some("NOERROR".to_owned()),
        addresses,
        aliases: vec!["cdn.example.com".to_owned()],
        // cdn (1 + 3) and a pointer (2).
        answer_bytes: 6,
        ..asked.clone()
    };
    assert_eq!(datagram(53, &answer()), Some(answered.clone()));
    // A strict library reads the same message the same way.
    let message = answer();
    let theirs = simple_dns::Packet::parse(&message).unwrap();
    assert_eq!(theirs.questions[0].qname.to_string().to_lowercase(), answered.query);
    assert_eq!(theirs.answers.len(), 3);
    assert_eq!(theirs.answers[1].name.to_string().to_lowercase(), answered.aliases[0]);
    // On another port a whole message is taken, one with a byte too many or too few is not.
    assert_eq!(datagram(9999, &query()), Some(asked.clone()));
    assert_eq!(datagram(9999, &answer()), Some(answered));
    assert_eq!(datagram(9999, &[query(), vec![0]].concat()), None);
    assert_eq!(datagram(9999, &answer()[..90]), None);
    // On its own port a cut answer still says what it says.
    let cut = datagram(53, &answer()[..answer().len() - 4]).unwrap();
    assert_eq!((cut.addresses.len(), cut.aliases.len()), (1, 1));
    assert_eq!(datagram(5353, &query()).unwrap().record_type, "mdns:A");
    assert_eq!(datagram(5355, &query()).unwrap().record_type, "llmnr:A");
}

#[test]
fn hostile_names() {
    let header = hex("0000 0100 0001 0000 0000 0000");
    // A pointer to itself, a pointer forwards, a label that runs out, the two reserved label types.
    for name in ["c00c 0001 0001", "c0ff 0001 0001", "3f61", "8061 0001 0001", "4061 0001 0001"] {
        assert_eq!(datagram(53, &[header.clone(), hex(name)].concat()), None, "{name}");
    }
    let odd = [header, b"\x05a.b\\\x01\x00".to_vec(), hex("0010 0001")].concat();
    assert_eq!(datagram(53, &odd).unwrap().query, r"a\.b\\\001");
}

#[test]
fn messages_over_tcp() {
    let seen = read(53, &over_tcp());
    let kinds: Vec<_> =
        seen.iter().map(|o| (o.record, matches!(&o.detail, Detail::Dns(dns) if dns.response))).collect();
    assert_eq!(kinds, [(1, false), (2, true), (2, true)]);
    assert_eq!(read(9953, &over_tcp()).len(), 3);
}

use super::super::TcpReaders;
use super::*;
use crate::model::Observation;

/// A record (RFC 5246 section 6.2.1) of type and body.
fn record(kind: u8, body: &[u8]) -> Vec<u8> {
    [&[kind, 3, 3][..], &u16::try_from(body.len()).unwrap().to_be_bytes(), body].concat()
}

/// A handshake message of type and body.
fn message(kind: u8, body: &[u8]) -> Vec<u8> {
    [&[kind, 0][..], &u16::try_from(body.len()).unwrap().to_be_bytes(), body].concat()
}

/// A hello with one cipher and no extensions, of either side: they differ in their lists.
fn client_hello() -> Vec<u8> {
    let body = [&[3, 3][..], &[1; 32], &[0, 0, 2, 0xc0, 0x2f, 1, 0]].concat();
    record(HANDSHAKE, &message(1, &body))
}

fn server_hello() -> Vec<u8> {
    [&[3, 3][..], &[2; 32], &[0, 0xc0, 0x2f, 0]].concat()
}

/// CN=a in a certificate of the least that the walk needs.
fn certificate() -> Vec<u8> {
    fn element(tag: u8, content: &[u8]) -> Vec<u8> {
        [&[tag, u8::try_from(content.len()).unwrap()][..], content].concat()
    }
    let pair = element(0x30, &[&element(6, &[0x55, 4, 3])[..], &element(0x13, b"a")].concat());
    let name = element(0x30, &element(0x31, &pair));
    let empty = element(0x30, &[]);
    let signed = [&[2, 1, 1][..], &empty, &name, &empty, &name].concat();
    element(0x30, &element(0x30, &signed))
}

fn read(turns: &[(bool, Vec<u8>)]) -> Vec<Observation<'static>> {
    let mut readers = TcpReaders::new(Flow::default(), true);
    let mut seen = Vec::new();
    for (number, (from_opener, bytes)) in (1..).zip(turns) {
        readers.data(*from_opener, bytes, Instant(0), number, &mut |o| seen.push(o.to_static()));
    }
    readers.finish(Instant(0), &mut |o| seen.push(o.to_static()));
    seen
}

fn only(seen: &[Observation<'_>]) -> (u64, Tls) {
    match seen {
        [Observation { record, detail: Detail::Tls(tls), .. }] => (*record, tls.clone()),
        other => panic!("not one handshake: {other:?}"),
    }
}

#[test]
fn both_sides_are_one_observation() {
    let leaf = certificate();
    let length = u8::try_from(leaf.len()).unwrap();
    let chain = [&[0, 0, length + 3, 0, 0, length][..], &leaf].concat();
    let flight = [message(2, &server_hello()), message(11, &chain), message(14, &[])].concat();
    let turns = [(true, client_hello()), (false, record(HANDSHAKE, &flight)), (true, record(CHANGE_CIPHER_SPEC, &[1]))];
    let (number, tls) = only(&read(&turns));
    assert_eq!((number, tls.version.as_deref(), tls.chosen_version.as_deref()), (1, Some("1.2"), Some("1.2")));
    assert_eq!(tls.cipher.as_deref(), Some("TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256"));
    assert_eq!(tls.certificate.and_then(|found| found.subject).as_deref(), Some("a"));
    // However the bytes are cut into segments, it is the same.
    let whole = only(&read(&turns)).1;
    for size in 1..40 {
        let cut: Vec<_> = turns
            .iter()
            .flat_map(|(from_opener, bytes)| bytes.chunks(size).map(|part| (*from_opener, part.to_vec())))
            .collect();
        assert_eq!(only(&read(&cut)).1, whole, "segments of {size}");
    }
}

#[test]
fn a_side_alone_counts() {
    let turns = [(false, record(HANDSHAKE, &message(2, &server_hello()))), (false, record(CHANGE_CIPHER_SPEC, &[1]))];
    let (number, tls) = only(&read(&turns));
    assert_eq!((number, tls.version, tls.chosen_version.as_deref()), (1, None, Some("1.2")));
    let answered = [(true, client_hello()), (false, b"HTTP/1.1 400 Bad Request\r\n\r\n".to_vec())];
    assert_eq!(only(&read(&answered)).1.chosen_version, None);
    let letter = [
        (true, vec![0, 0, 0, 8, 4, 0xd2, 0x16, 0x2f]),
        (false, b"S".to_vec()),
        (true, client_hello()),
        (false, record(HANDSHAKE, &message(2, &server_hello()))),
    ];
    assert_eq!(only(&read(&letter)).1.chosen_version.as_deref(), Some("1.2"));
    let warned = [
        (true, client_hello()),
        (false, [record(ALERT, &[1, 112]), record(HANDSHAKE, &message(2, &server_hello()))].concat()),
    ];
    assert_eq!(only(&read(&warned)).1.chosen_version.as_deref(), Some("1.2"));
}

#[test]
fn nothing_is_wanted_once_it_is_encrypted() {
    let mut readers = TcpReaders::new(Flow::default(), true);
    let is_read =
        |readers: &TcpReaders, from_opener| readers.reader.as_ref().is_some_and(|reader| reader.is_done(from_opener));
    let mut seen = 0;
    readers.data(true, &client_hello(), Instant(0), 1, &mut |_| seen += 1);
    assert!(!is_read(&readers, true) && !is_read(&readers, false));
    let flight = [record(HANDSHAKE, &message(2, &server_hello())), record(CHANGE_CIPHER_SPEC, &[1])].concat();
    readers.data(false, &flight, Instant(0), 2, &mut |_| seen += 1);
    assert!(!is_read(&readers, true) && is_read(&readers, false));
    readers.data(true, &record(CHANGE_CIPHER_SPEC, &[1]), Instant(0), 3, &mut |_| seen += 1);
    assert!(is_read(&readers, true) && is_read(&readers, false));
    assert_eq!(seen, 1);
}

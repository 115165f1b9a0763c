use super::*;

fn length(width: usize, body: &[u8]) -> Vec<u8> {
    let length = body.len().to_be_bytes();
    [&length[length.len() - width..], body].concat()
}

fn list(words: &[u16]) -> Vec<u8> {
    words.iter().flat_map(|word| word.to_be_bytes()).collect()
}

fn extension(kind: u16, body: &[u8]) -> Vec<u8> {
    [&kind.to_be_bytes()[..], &length(2, body)].concat()
}

/// The body of a ClientHello by RFC 8446 section 4.1.2.
fn body(version: u16, ciphers: &[u16], extensions: Option<&[Vec<u8>]>) -> Vec<u8> {
    let mut body = version.to_be_bytes().to_vec();
    body.extend([7; 32]);
    body.push(0);
    body.extend(length(2, &list(ciphers)));
    body.extend([1, 0]);
    body.extend(extensions.map(|list| length(2, &list.concat())).unwrap_or_default());
    body
}

fn tls(body: &[u8]) -> Tls {
    client(body, false, Transport::Tcp).expect("a hello").tls
}

/// The two examples of <https://github.com/salesforce/ja3>, and what tshark 4.0.17 gives for a ServerHello of version 771,
/// cipher 49199 and these extensions.
#[test]
fn ja3_of_its_makers() {
    let extensions = [
        extension(0, &length(2, &[&[0][..], &length(2, b"a.example")].concat())),
        extension(10, &length(2, &list(&[23, 24, 25]))),
        extension(11, &length(1, &[0])),
    ];
    let first = body(769, &[47, 53, 5, 10, 49161, 49162, 49171, 49172, 50, 56, 19, 4], Some(&extensions));
    assert_eq!(tls(&first).ja3.as_deref(), Some("ada70206e40642a3e4461f35503241d5"));
    let second = body(769, &[4, 5, 10, 9, 100, 98, 3, 6, 19, 18, 99], None);
    assert_eq!(tls(&second).ja3.as_deref(), Some("de350869b8c85de67a350c8d186f11e6"));
    let mut server_hello = vec![3, 3];
    server_hello.extend([7; 32]);
    server_hello.extend([0, 0xc0, 0x2f, 0]);
    let kinds: Vec<u8> = [65281, 0, 11, 35, 5, 16, 23].iter().flat_map(|kind| extension(*kind, &[])).collect();
    server_hello.extend(length(2, &kinds));
    let mut seen = Tls::default();
    assert_eq!(server(&server_hello, &mut seen), Some(false));
    assert_eq!(seen.ja3s.as_deref(), Some("16c0b3e6a7b8173c16d944cfeaeee9cf"));
    assert_eq!(seen.cipher.as_deref(), Some("TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256"));
    assert_eq!(seen.chosen_version.as_deref(), Some("1.2"));
}

/// The worked example of `technical_details/JA4.md`, and its raw form (JA4_r): ciphers and extensions are sorted there,
/// so that any order gives it.
#[test]
fn ja4_of_its_makers() {
    let ciphers = [
        0x1301, 0x2a2a, 0x1302, 0x1303, 0xc02b, 0xc02f, 0xc02c, 0xc030, 0xcca9, 0xcca8, 0xc013, 0xc014, 0x009c, 0x009d,
        0x002f, 0x0035,
    ];
    let algorithms = [0x0403, 0x0804, 0x0401, 0x0503, 0x0805, 0x0501, 0x0806, 0x0601];
    let mut extensions = vec![
        extension(0x1a1a, &[]),
        extension(0, &length(2, &[&[0][..], &length(2, b"a.example")].concat())),
        extension(0x0d, &length(2, &list(&algorithms))),
        extension(0x10, &length(2, &[length(1, b"h2"), length(1, b"http/1.1")].concat())),
        extension(0x2b, &length(1, &list(&[0x3a3a, 0x0304, 0x0303]))),
    ];
    for kind in [0x05, 0x0a, 0x0b, 0x12, 0x15, 0x17, 0x1b, 0x23, 0x2d, 0x33, 0x4469, 0xff01] {
        extensions.push(extension(kind, &[]));
    }
    let hello = body(0x0303, &ciphers, Some(&extensions));
    let seen = tls(&hello);
    assert_eq!(seen.ja4.as_deref(), Some("t13d1516h2_8daaf6152771_e5627efa2ab1"));
    assert_eq!((seen.server_name.as_deref(), seen.version.as_deref()), (Some("a.example"), Some("1.3")));
    assert_eq!(seen.alpn, ["h2", "http/1.1"]);
    let quic = client(&hello, false, Transport::Quic).and_then(|hello| hello.tls.ja4);
    assert_eq!(quic.as_deref(), Some("q13d1516h2_8daaf6152771_e5627efa2ab1"));
}

/// The cases that the same page lists.
#[test]
fn ends_of_protocol_names() {
    for (name, expected) in [
        (&b"h2"[..], "h2"),
        (b"http/1.1", "h1"),
        (&[0xab], "ab"),
        (&[0xab, 0xcd], "ad"),
        (&[0x30, 0xab], "3b"),
        (&[0x30, 0x31, 0xab, 0xcd], "3d"),
        (&[0x30, 0xab, 0xcd, 0x31], "01"),
        (b"a", "aa"),
    ] {
        assert_eq!(ends(name), expected, "{name:?}");
    }
}

/// RFC 5246 appendix E.2: message of 9 + 6 + 0 + 16 bytes, version 3.1, two kinds of cipher, of which one is of TLS.
#[test]
fn a_hello_in_the_form_of_ssl_2() {
    let mut hello = vec![0x80, 31, 1, 3, 1, 0, 6, 0, 0, 0, 16, 0, 0, 0x2f, 1, 0, 0x80];
    hello.extend([9; 16]);
    let (found, whole) = sslv2_client(&hello).expect("a hello");
    assert_eq!((found.tls.version.as_deref(), whole), (Some("1.0"), 33));
    assert_eq!(found.ciphers, [0x2f]);
    for length in 0..hello.len() {
        assert_eq!(sslv2_client(&hello[..length]), None);
    }
    hello[1] = 32;
    assert_eq!(sslv2_length(&hello), None);
}

#[test]
fn damage_makes_no_panic() {
    let extensions = [extension(16, &length(2, &length(1, b"h2"))), extension(43, &length(1, &list(&[0x0304])))];
    let hello = body(0x0303, &[0x1301], Some(&extensions));
    for cut in 0..hello.len() {
        let _ = client(&hello[..cut], false, Transport::Tcp);
        let _ = server(&hello[..cut], &mut Tls::default());
        for value in [0, 0x7f, 0xff] {
            let mut damaged = hello.clone();
            damaged[cut] = value;
            let _ = client(&damaged, true, Transport::Tcp);
            let _ = server(&damaged, &mut Tls::default());
        }
    }
}

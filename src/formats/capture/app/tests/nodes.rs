//! Conversations between nodes of coin networks, and servers that answer HTTP with another protocol.

use super::*;

/// A message as the developer reference lays it out: magic, command, length, checksum, payload.
fn bitcoin(command: &str, payload: &[u8]) -> Vec<u8> {
    let mut name = [0; 12];
    name[..command.len()].copy_from_slice(command.as_bytes());
    let length = u32::try_from(payload.len()).unwrap();
    [&[0xf9, 0xbe, 0xb4, 0xd9][..], &name, &length.to_le_bytes(), &[1, 2, 3, 4], payload].concat()
}

fn version(agent: &str) -> Vec<u8> {
    // Version, services, time; two addresses with services; nonce; agent with its length; height; relay.
    let payload = [&[0; 20][..], &[0; 52], &[0; 8], &[agent.len() as u8], agent.as_bytes(), &[0; 5]].concat();
    bitcoin("version", &payload)
}

fn levin(command: u32, flags: u32) -> Vec<u8> {
    let signature = [0x01, 0x21, 0x01, 0x01, 0x01, 0x01, 0x01, 0x01];
    let head = [&signature[..], &4_u64.to_le_bytes(), &[1], &command.to_le_bytes(), &0_u32.to_le_bytes()].concat();
    [&head[..], &flags.to_le_bytes(), &1_u32.to_le_bytes(), &[9; 4]].concat()
}

fn rlpx(size: u16) -> Vec<u8> {
    let mut bytes = size.to_be_bytes().to_vec();
    bytes.push(4);
    bytes.resize(usize::from(size) + 2, 0xa5);
    bytes
}

#[test]
fn bitcoin_nodes() {
    let turns = [
        (true, version("/Satoshi:27.0.0/")),
        (false, version("/Satoshi:26.0.0/")),
        (true, bitcoin("verack", b"")),
        (true, bitcoin("getheaders", &[0; 69])),
    ];
    let seen = mining(&read(18_444, &turns));
    assert_eq!((seen.dialect.as_str(), seen.agent.as_deref()), ("bitcoin-p2p", Some("/Satoshi:27.0.0/")));
    assert_eq!(seen.methods, ["getheaders", "verack", "version"]);
    assert_eq!((seen.proof, seen.first), (vec![1, 2], Some(Instant(SECOND))));
    // From the middle, by the magic number alone.
    let middle = [(false, bitcoin("inv", &[0; 37])), (true, bitcoin("getdata", &[0; 37]))];
    assert_eq!(mining(&read(8333, &middle)).methods, ["getdata", "inv"]);
}

#[test]
fn levin_and_rlpx_nodes() {
    let seen = mining(&read(18_080, &[(true, levin(1001, 1)), (false, levin(1001, 2)), (true, levin(2002, 1))]));
    assert_eq!(
        (seen.dialect.as_str(), seen.methods.join(" ")),
        ("cryptonote-p2p", "handshake new-transactions".into())
    );
    let seen = mining(&read(30_303, &[(true, rlpx(493)), (false, rlpx(446)), (true, vec![7; 32])]));
    assert_eq!(seen.dialect, "ethereum-p2p");
}

/// A greeting that nobody returns, the word in prose, and messages that only look alike.
#[test]
fn what_is_no_node() {
    let not: [Vec<Turn>; 6] = [
        vec![(true, version("/scanner:1/"))],
        vec![(true, version("/scanner:1/")), server("HTTP/1.1 400 Bad Request\r\n\r\n")],
        vec![(true, rlpx(493)), (false, vec![0x15, 3, 1, 0, 2, 2, 10])],
        // Another magic number is believed with a greeting only.
        vec![(true, [b"abcdinv\0\0\0\0\0\0\0\0\0\0\0\0\0\0".as_slice()].concat()), (false, bitcoin("inv", b""))],
        // A version message of two bytes.
        vec![(true, bitcoin("version", b"ab")), (false, vec![1])],
        vec![(true, rlpx(60)), (false, rlpx(60))],
    ];
    for turns in not {
        let seen = read(9000, &turns);
        let speaks = seen.iter().any(|o| matches!(&o.detail, Detail::Mining(_)));
        assert!(!speaks, "{turns:?}");
    }
}

#[test]
fn an_ssh_server_asked_for_a_page_is_named() {
    let turns = [client("GET / HTTP/1.1\r\nHost: a\r\n\r\n"), server("SSH-2.0-OpenSSH_9.2\r\n")];
    let seen = read(8022, &turns);
    let banner = seen.iter().find_map(|o| match &o.detail {
        Detail::Ssh(ssh) => ssh.acceptor_banner.clone(),
        _ => None,
    });
    assert_eq!(banner.as_deref(), Some("SSH-2.0-OpenSSH_9.2"));
}

use super::ssh_kex::KexInit;
use super::*;

/// A packet in the clear (RFC 4253 section 6): length, padding length, payload, at least four bytes of padding to a
/// multiple of eight.
fn packet(payload: &[u8]) -> Vec<u8> {
    let padding = 4 + (8 - (5 + payload.len() + 4) % 8) % 8;
    let length = u32::try_from(1 + payload.len() + padding).unwrap();
    [&length.to_be_bytes()[..], &[u8::try_from(padding).unwrap()], payload, &vec![0; padding]].concat()
}

fn kex_init(kex: &str, cipher: &str, mac: &str, compression: &str) -> Vec<u8> {
    kex_init_each_way(kex, [cipher, cipher], mac, compression)
}

/// The ciphers to the server and to the client differ.
fn kex_init_each_way(kex: &str, ciphers: [&str; 2], mac: &str, compression: &str) -> Vec<u8> {
    let [to_server, to_client] = ciphers;
    let mut payload = vec![20];
    payload.extend([7; 16]);
    for list in [kex, "ssh-ed25519", to_server, to_client, mac, mac, compression, compression, "", ""] {
        payload.extend(u32::try_from(list.len()).unwrap().to_be_bytes());
        payload.extend(list.as_bytes());
    }
    payload.extend([0; 5]);
    payload
}

/// An encrypted packet whose length goes in the clear: `length` and as many bytes, and a tag of 16.
fn gcm(length: u32) -> Vec<u8> {
    [&length.to_be_bytes()[..], &vec![0xee; length as usize + 16]].concat()
}

fn handshake(cipher: &str, mac: &str, server_first: bool) -> Vec<Turn> {
    let (init, reply) = if server_first { (31, 30) } else { (30, 31) };
    let kex = "curve25519-sha256,ext-info-c";
    vec![
        client("SSH-2.0-OpenSSH_9.2p1\r\n"),
        server("Welcome.\r\nSSH-2.0-dropbear_2022.83\r\n"),
        (true, packet(&kex_init(kex, cipher, mac, "none"))),
        (false, packet(&kex_init("curve25519-sha256", cipher, mac, "none"))),
        (true, packet(&[init, 0, 0, 0])),
        (false, [packet(&[reply, 0, 0, 0]), packet(&[21])].concat()),
        (true, packet(&[21])),
    ]
}

pub(super) fn exact_session() -> Vec<Turn> {
    let mut turns = handshake("aes128-gcm@openssh.com", "hmac-sha1", false);
    // The client's NEWKEYS shares a segment with its first encrypted packets.
    turns[6].1.extend([gcm(32), gcm(48)].concat());
    turns.push((false, [gcm(16), gcm(64)].concat()));
    turns
}

#[test]
fn packets_are_split_where_their_length_is_in_the_clear() {
    let session = ssh(&read(443, &exact_session()));
    assert_eq!(session.opener_banner.as_deref(), Some("SSH-2.0-OpenSSH_9.2p1"));
    assert_eq!(session.acceptor_banner.as_deref(), Some("SSH-2.0-dropbear_2022.83"));
    assert_eq!(session.cipher_to_server.as_deref(), Some("aes128-gcm@openssh.com"));
    assert_eq!((session.mac_to_server.as_deref(), session.compression.as_deref()), (None, Some("none")));
    assert!(session.exact_out && session.exact_in && session.from_start && !session.gaps && !session.role_inverted);
    let messages: Vec<_> = session.messages.iter().map(|m| (m.from_opener, m.length, m.record)).collect();
    // 4 bytes of length and 16 of tag around each.
    assert_eq!(messages, [(true, 52, 7), (true, 68, 7), (false, 36, 8), (false, 84, 8)]);
}

#[test]
fn segments_stay_whole_where_the_length_is_hidden() {
    let mut turns = handshake("chacha20-poly1305@openssh.com", "hmac-sha1", false);
    turns.extend([(false, vec![1; 44]), (true, vec![2; 112]), (true, vec![3; 36])]);
    let session = ssh(&read(22, &turns));
    assert!(!session.exact_out && !session.exact_in);
    let messages: Vec<_> = session.messages.iter().map(|m| (m.from_opener, m.length, m.record)).collect();
    assert_eq!(messages, [(false, 44, 8), (true, 112, 9), (true, 36, 10)]);
}

#[test]
fn each_direction_has_its_own_cipher() {
    let mut turns = handshake("aes128-gcm@openssh.com", "hmac-sha1", false);
    let ciphers = ["aes128-gcm@openssh.com", "chacha20-poly1305@openssh.com"];
    for turn in [2, 3] {
        turns[turn].1 = packet(&kex_init_each_way("curve25519-sha256", ciphers, "hmac-sha1", "none"));
    }
    turns.extend([(true, [gcm(32), gcm(16)].concat()), (false, vec![1; 72])]);
    let session = ssh(&read(22, &turns));
    assert_eq!((session.exact_out, session.exact_in), (true, false));
    assert_eq!(session.messages.iter().map(|m| m.length).collect::<Vec<_>>(), [52, 36, 72]);
}

#[test]
fn roles_come_from_the_key_exchange() {
    assert!(ssh(&read(22, &handshake("aes128-ctr", "hmac-sha1", true))).role_inverted);
    assert!(!ssh(&read(22, &handshake("aes128-ctr", "hmac-sha1", false))).role_inverted);
    // One way only: the opener's half, in which it answers the exchange.
    let half: Vec<Turn> = handshake("aes128-ctr", "hmac-sha1", true).into_iter().filter(|turn| turn.0).collect();
    let session = ssh(&read(22, &half));
    assert!(session.role_inverted);
    assert_eq!((session.cipher_to_server, session.acceptor_banner), (None, None));
    // Server banners alone (a port scan) are a session too.
    let banner = ssh(&read(22, &[server("SSH-1.99-Cisco-1.25\n")]));
    assert_eq!(banner.acceptor_banner.as_deref(), Some("SSH-1.99-Cisco-1.25"));
}

#[test]
fn gaps_inside_and_across_packets() {
    let mut readers = TcpReaders::new(flow(22), true);
    let mut seen = Vec::new();
    for (from_opener, bytes) in handshake("aes128-gcm@openssh.com", "hmac-sha1", false) {
        readers.data(from_opener, &bytes, Instant(0), 1, &mut |_| {});
    }
    let data = |readers: &mut TcpReaders, bytes: &[u8]| readers.data(true, bytes, Instant(0), 2, &mut |_| {});
    // 40 of 52 bytes missing inside of one packet: its end is known. Then a gap of unknown place: wait for a segment
    // that is whole packets.
    data(&mut readers, &gcm(32)[..10]);
    readers.gap(true, 40);
    data(&mut readers, &[&gcm(32)[50..], &gcm(48)[..]].concat());
    readers.gap(true, 100);
    data(&mut readers, &[9; 33]);
    data(&mut readers, &[gcm(16), gcm(32)].concat());
    readers.finish(Instant(0), &mut |o| seen.push(o.to_static()));
    let session = ssh(&seen);
    assert!(session.gaps);
    assert_eq!(session.messages.iter().map(|m| m.length).collect::<Vec<_>>(), [52, 68, 36, 52]);
}

#[test]
fn messages_beyond_the_bound_are_counted() {
    let mut turns = handshake("chacha20-poly1305@openssh.com", "hmac-sha1", false);
    turns.extend((0..Ssh::MESSAGES_KEPT + 3).map(|_| (true, vec![0; 36])));
    let session = ssh(&read(22, &turns));
    assert_eq!((session.messages.len(), session.messages_omitted), (Ssh::MESSAGES_KEPT, 3));
}

/// Beyond the bound, what may be a channel that the server opens (under chacha20-poly1305 92 bytes, confirmed with 44)
/// is kept with the fourteen messages that follow.
#[test]
fn later_channels_are_kept() {
    let mut turns = handshake("chacha20-poly1305@openssh.com", "hmac-sha1", false);
    turns.extend((0..Ssh::MESSAGES_KEPT).map(|_| (true, vec![0; 36])));
    turns.extend([(false, vec![0; 92]), (true, vec![0; 36]), (false, vec![0; 92]), (true, vec![0; 44])]);
    turns.extend((0..20).map(|_| (false, vec![0; 60])));
    let session = ssh(&read(22, &turns));
    let later: Vec<_> = session.messages[Ssh::MESSAGES_KEPT..].iter().map(|m| m.length).collect();
    assert_eq!(later, [&[92, 44][..], &[60; 14][..]].concat());
    // 24 came: sixteen are kept.
    assert_eq!(session.messages_omitted, 8);
    turns.extend((0..Ssh::LATER_KEPT).flat_map(|_| [(false, vec![0; 92]), (true, vec![0; 44])]));
    let session = ssh(&read(22, &turns));
    assert!(session.messages.len() <= Ssh::MESSAGES_KEPT + Ssh::LATER_KEPT + 1);
    let later = u64::try_from(session.messages.len() - Ssh::MESSAGES_KEPT).unwrap();
    assert_eq!(session.messages_omitted + later, 24 + 2 * Ssh::LATER_KEPT as u64);
}

/// A transfer is one message a run.
#[test]
fn bulk_is_one_message() {
    let mut turns = handshake("chacha20-poly1305@openssh.com", "hmac-sha1", false);
    turns.extend((0..10_000).map(|_| (true, vec![0; 1448])));
    turns.extend([(false, vec![0; 36]), (true, vec![0; 1448])]);
    let session = ssh(&read(22, &turns));
    assert_eq!(session.messages.iter().map(|m| m.length).collect::<Vec<_>>(), [14_480_000, 36, 1448]);
    assert_eq!(session.messages_omitted, 0);
}

/// The lists of OpenSSH 7.7p1 (Ubuntu) and the fingerprint that salesforce/hassh publishes for it.
#[test]
fn published_hassh() {
    let kex = "curve25519-sha256,curve25519-sha256@libssh.org,ecdh-sha2-nistp256,ecdh-sha2-nistp384,\
               ecdh-sha2-nistp521,diffie-hellman-group-exchange-sha256,diffie-hellman-group16-sha512,\
               diffie-hellman-group18-sha512,diffie-hellman-group-exchange-sha1,diffie-hellman-group14-sha256,\
               diffie-hellman-group14-sha1,ext-info-c";
    let cipher = "chacha20-poly1305@openssh.com,aes128-ctr,aes192-ctr,aes256-ctr,aes128-gcm@openssh.com,\
                  aes256-gcm@openssh.com";
    let mac = "umac-64-etm@openssh.com,umac-128-etm@openssh.com,hmac-sha2-256-etm@openssh.com,\
               hmac-sha2-512-etm@openssh.com,hmac-sha1-etm@openssh.com,umac-64@openssh.com,umac-128@openssh.com,\
               hmac-sha2-256,hmac-sha2-512,hmac-sha1";
    let init = KexInit::parse(&kex_init(kex, cipher, mac, "none,zlib@openssh.com,zlib")).unwrap();
    assert_eq!(init.hassh(), "06046964c022c6407d15a27b12a6a4fb");
}

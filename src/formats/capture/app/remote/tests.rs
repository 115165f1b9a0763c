use super::super::TcpReaders;
use super::*;
use crate::model::{Detail, Flow, Mark};
use crate::time::Instant;

/// What a conversation of two segments, the opener's first, is told to be.
fn told(first: &[u8], second: &[u8]) -> Option<(&'static str, Mark)> {
    let mut readers = TcpReaders::new(Flow::default(), true);
    let mut seen = Vec::new();
    readers.data(true, first, Instant(0), 1, &mut |o| seen.push(o.to_static()));
    readers.data(false, second, Instant(0), 2, &mut |o| seen.push(o.to_static()));
    readers.finish(Instant(0), &mut |o| seen.push(o.to_static()));
    seen.iter().find_map(|o| match &o.detail {
        Detail::Tunnel(tunnel) => Some((tunnel.protocol, tunnel.mark)),
        _ => None,
    })
}

/// Framed by hand: lengths 3 and 2 in `17 24`; length 1 behind 24 bytes of header in `11 30`.
fn teamviewer_turns() -> (Vec<u8>, Vec<u8>) {
    let client = vec![0x17, 0x24, 0x0a, 3, 0, 1, 2, 3, 0x17, 0x24, 0x28, 2, 0, 9, 9];
    let mut server = vec![0x11, 0x30, 0x36, 0, 1, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0x1b, 0, 0, 0, 24, 0, 0, 0];
    server.push(7);
    (client, server)
}

#[test]
fn both_sides_make_it_certain() {
    let (client, server) = teamviewer_turns();
    assert_eq!(told(&client, &server), Some(("teamviewer", Mark::Exchange)));
    assert_eq!(told(&client, b"no"), Some(("teamviewer", Mark::OneSide)));
    assert_eq!(told(b"NXSH-8.10.1\n", b"NXD-8.10.1\n"), Some(("nomachine", Mark::Exchange)));
    // Sums by hand: 08 is 8; 02 01 00 00 | 05 is 0x102 + 5.
    let ask = [1, 0, 0, 0, 1, 0, 0, 0, 8, 8];
    let answer = [1, 0, 0, 0, 5, 0, 0, 1, 7, 2, 1, 0, 0, 5];
    assert_eq!(told(&ask, &answer), Some(("radmin", Mark::Exchange)));
    // A NAT test with serial 1: five bytes, shifted by two; its answer has a port.
    let ask = [5 << 2, 0xa2, 1, 2, 0x08, 1];
    let answer = [7 << 2, 0xaa, 1, 4, 0x08, 0xc0, 0xbb, 3];
    assert_eq!(told(&ask, &answer), Some(("rustdesk", Mark::Exchange)));
}

#[test]
fn the_repeater_speaks_first() {
    let mut readers = TcpReaders::new(Flow::default(), true);
    let mut seen = Vec::new();
    readers.data(false, b"RFB 000.000\n", Instant(0), 1, &mut |o| seen.push(o.to_static()));
    let mut name = b"ID:1234".to_vec();
    name.resize(250, 0);
    readers.data(true, &name, Instant(0), 2, &mut |o| seen.push(o.to_static()));
    readers.finish(Instant(0), &mut |o| seen.push(o.to_static()));
    assert!(matches!(&seen[..], [o] if matches!(&o.detail, Detail::Tunnel(tunnel) if tunnel.mark == Mark::Exchange)));
    assert_eq!(told(b"", b"RFB 003.008\n"), None, "an ordinary server");
}

#[test]
fn what_does_not_fit_is_nothing() {
    for bytes in [
        &[0x17, 0x24, 0x0a, 3, 0, 1, 2, 3, 4][..],
        &[0x17, 0x24, 0x0a, 0, 0],
        &[0x11, 0x30, 0x36, 0, 1, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0x1b, 0, 0, 0, 25, 0, 0, 0, 7],
        &[1, 0, 0, 0, 1, 0, 0, 0, 9, 8],
        &[1, 0, 0, 0, 1, 0, 0, 0, 0, 0],
        b"NXSH-\n",
        b"NXDOMAIN-8.1\n",
        &[5 << 2, 0xa2, 1, 3, 0x08, 1],
        &[6 << 2, 0xa2, 1, 2, 0x08, 1],
    ] {
        assert_eq!(told(bytes, bytes), None, "{bytes:?}");
    }
}

#[test]
fn cuts_and_noise_make_no_panic() {
    let (client, server) = teamviewer_turns();
    for whole in [&client, &server] {
        for length in 0..whole.len() {
            told(&whole[..length], &whole[..length]);
        }
    }
    let noise: Vec<u8> = (0..4000_u32).map(|n| u8::try_from(n.wrapping_mul(2_654_435_761) >> 24).unwrap()).collect();
    for length in [1, 9, 24, 250, 4000] {
        for service in [teamviewer, radmin, nomachine, rustdesk, repeater, repeater_client, hamachi, ultrasurf] {
            assert_ne!(service(&noise[..length]), Fit::Yes);
        }
    }
}

//! Stratum V2, from its specification (stratum-mining/sv2-spec): no public capture is known.

use super::*;
use crate::model::{Mark, Secret};

/// 03-Protocol-Overview: extension type, message type, length of three bytes, all least byte first; bit 15 of the
/// extension type says that a channel number comes first.
fn message(kind: u8, is_for_channel: bool, body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(body.len()).unwrap().to_le_bytes();
    [&[0, if is_for_channel { 0x80 } else { 0 }, kind][..], &length[..3], body].concat()
}

fn text(text: &str) -> Vec<u8> {
    [&[u8::try_from(text.len()).unwrap()], text.as_bytes()].concat()
}

fn setup() -> Vec<u8> {
    let texts = [text("Bitmain"), text("S9i 13.5"), text("braiins-os-2018-09-22-1-hash"), text("some-device-uuid")];
    message(
        0x00,
        false,
        &[&[0, 2, 0, 2, 0, 0, 0, 0, 0][..], &text("pool.example"), &34254_u16.to_le_bytes(), &texts.concat()].concat(),
    )
}

/// The target 2^224: every share takes 2^32 tries.
fn target() -> [u8; 32] {
    let mut target = [0; 32];
    target[28] = 1;
    target
}

fn session() -> Vec<Turn> {
    let number = |value: u32| value.to_le_bytes();
    let open = [&number(1)[..], &text("wallet.worker1"), &[0; 4], &[0xff; 32]].concat();
    let opened = [&number(1)[..], &number(2), &target(), &text("ab"), &number(0)].concat();
    let job = [&number(2)[..], &number(1), &[0], &number(0x2000_0000), &[7; 32]].concat();
    let share = [number(2), number(0), number(1), number(0xdead_beef), number(0x6623_0597), number(0)].concat();
    let accepted = [&number(2)[..], &number(1), &number(2), &[0; 8]].concat();
    let rejected = [&number(2)[..], &number(2), &text("stale-share")].concat();
    vec![
        (true, setup()),
        (false, message(0x01, false, &[2, 0, 0, 0, 0, 0])),
        (true, message(0x10, false, &open)),
        (false, [message(0x11, false, &opened), message(0x15, true, &job)].concat()),
        (true, message(0x1a, true, &share)),
        (true, message(0x1a, true, &share)),
        (true, message(0x1a, true, &share)),
        (false, message(0x1c, true, &accepted)),
        (false, message(0x1d, true, &rejected)),
    ]
}

#[test]
fn in_the_clear() {
    let seen = mining(&read(34_254, &session()));
    assert_eq!((seen.dialect.as_str(), seen.mark), ("stratum-v2", Mark::Exchange));
    assert_eq!((seen.jobs, seen.shares, seen.accepted, seen.rejected), (1, 3, 2, 1));
    assert_eq!(seen.reasons, [("stale-share".to_owned(), 1)]);
    assert_eq!(seen.login, Some(Secret::new("wallet.worker1")));
    assert_eq!(seen.agent.as_deref(), Some("Bitmain S9i 13.5 braiins-os-2018-09-22-1-hash"));
    assert_eq!(seen.work.unwrap().hashes, 2.0 * 4_294_967_296.0);
    // Cut anywhere, the same.
    let whole = read_cut(34_254, &session(), &[usize::MAX]);
    assert_eq!(read_cut(34_254, &session(), &[1, 5, 3]), whole);
}

#[test]
fn nothing_that_is_cut_or_changed_is_a_setup() {
    let setup = setup();
    for length in 0..setup.len() {
        assert_eq!(read(1, &[(true, setup[..length].to_vec())]), [], "{length}");
    }
    for at in 3..9 {
        let mut changed = setup.clone();
        changed[at] = changed[at].wrapping_add(3);
        assert_eq!(read(1, &[(true, changed)]), [], "{at}");
    }
}

/// The sizes that the specification gives, header and authentication included.
fn encrypted(sizes: &[usize]) -> Vec<Turn> {
    let noise = |turn: usize, size: usize| (0..size).map(|at| (at * 151 + turn * 31 + 128) as u8).collect::<Vec<u8>>();
    sizes.iter().enumerate().map(|(turn, size)| (turn % 2 == 0, noise(turn, *size))).collect()
}

#[test]
fn under_noise() {
    // SetupConnection as above: 9 + 13 + 2 + 8 + 9 + 29 + 17 = 87 bytes; OpenStandardMiningChannel: 4 + 15 + 4 + 32.
    let sizes = [64, 64 + 80 + 90, 38 + 87, 38 + 6, 38 + 55, 38 + 47];
    assert_eq!(setup().len(), 6 + 87);
    let seen = mining(&read(3336, &encrypted(&sizes)));
    assert_eq!((seen.dialect.as_str(), seen.mark), ("stratum-v2-noise", Mark::OneSide));
    let seen = mining(&read(3336, &encrypted(&sizes[..4])));
    assert_eq!(seen.mark, Mark::Shape);
    for (turn, size) in [(0, 65), (1, 233), (1, 235), (2, 53), (3, 45), (3, 43)] {
        let mut other = sizes;
        other[turn] = size;
        assert_eq!(read(3336, &encrypted(&other)), [], "{other:?}");
    }
    assert_eq!(read(3336, &encrypted(&sizes[..3])), []);
}

/// A first message of 64 bytes takes nothing from who speaks afterwards.
#[test]
fn what_begins_with_64_bytes_and_goes_on_otherwise() {
    let mut turns = encrypted(&[64]);
    turns.push((false, b"SSH-2.0-OpenSSH_9.2\r\n".to_vec()));
    assert_eq!(ssh(&read(22, &turns)).acceptor_banner.as_deref(), Some("SSH-2.0-OpenSSH_9.2"));
}

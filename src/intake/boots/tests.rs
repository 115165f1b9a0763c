use std::path::PathBuf;

use crate::intake::{Intake, Options, take_in};
use crate::time::{Basis, Instant, SECOND};

/// Netfilter lines at these seconds since boot, from these source ports on, as the only file of a folder.
fn read(seconds: &[u32]) -> Intake {
    let folder = tempfile::tempdir().unwrap();
    let line = |(second, port): (&u32, u32)| {
        format!(
            "[{second:>5}.250000] EGRESS IN=lan0 OUT=wan0 SRC=10.20.0.5 DST=203.0.113.66 LEN=60 TTL=63 ID=1 PROTO=TCP \
             SPT={port} DPT=443 WINDOW=64240 SYN URGP=0\n"
        )
    };
    let text: String = seconds.iter().zip(40_000..).map(line).collect();
    std::fs::write(folder.path().join("dmesg.log"), text).unwrap();
    take_in(&[PathBuf::from(folder.path())], &Options::default())
}

#[test]
fn boots_are_laid_apart_and_never_share_a_conversation() {
    let intake = read(&[100, 160, 12, 70]);
    let source = &intake.sources[0];
    assert_eq!((source.basis, source.unread), (Some(Basis::BootRelative), 0));
    // The second boot is laid two days after the first: on the day after the one that follows its last second.
    let day = 86_400 * SECOND;
    assert_eq!(source.boots, [Instant(0), Instant(2 * day)]);
    let segments = &intake.conversations.first().unwrap().segments;
    let spans: Vec<_> = segments.iter().map(|one| (one.first.0, one.last.0, one.observations)).collect();
    let at = |second: i64| second * SECOND + 250_000_000;
    assert_eq!(spans, [(at(100), at(160), 2), (2 * day + at(12), 2 * day + at(70), 2)]);
    // One boot is laid where it was.
    let intake = read(&[100, 160, 170]);
    let first = intake.conversations.first().unwrap().segments[0].first;
    assert_eq!((intake.sources[0].boots.len(), first.0), (0, at(100)));
}

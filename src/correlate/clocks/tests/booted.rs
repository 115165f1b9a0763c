//! Boots of one file, without the rest of the comparison.

use super::*;

const DAY: i64 = 86_400 * SECOND;

/// Of a group with so many files, the first of which has boots laid at these moments.
fn boots(files: u32, laid_at: &[i64]) -> Boots {
    let mut world = World::default();
    world.source("dmesg.log", Kind::Firewall, Basis::BootRelative);
    world.intake.sources[0].boots = laid_at.iter().copied().map(Instant).collect();
    let group = Group {
        name: "dmesg.log".to_owned(),
        kind: Kind::Firewall,
        members: (0..files).map(EvidenceId).collect(),
        basis: Basis::BootRelative,
        addresses: Vec::new(),
    };
    Boots::of(&group, &world.intake)
}

/// What the log shows, and how far it is ahead there, to two nanoseconds.
fn met(shown: &[(i64, i64)]) -> (Vec<Meeting>, Vec<Pair>) {
    let one = |(key, (shown, ahead)): (u64, &(i64, i64))| {
        let at = shown - ahead;
        let pair = Pair { lo_ns: ahead - 1, hi_ns: ahead + 1, at_ns: at, weight: 1.0, key };
        (Meeting { ours: (*shown, *shown), theirs: (at, at), weight: 1.0, key }, pair)
    };
    (0..).zip(shown).map(one).unzip()
}

#[test]
fn only_a_file_by_itself_counts_from_several_boots() {
    assert!(!boots(1, &[0, DAY]).is_one());
    assert!(boots(1, &[0]).is_one() && boots(1, &[]).is_one());
    assert!(boots(2, &[0, DAY]).is_one());
}

#[test]
fn a_boot_begins_where_it_is_laid_and_is_tied_by_three_pairs_of_its_own() {
    let mut boots = boots(1, &[0, DAY, 2 * DAY, 3 * DAY]);
    // Booted on days 0, 2, 4 and 6 of the reference.
    let (first, second, third, fourth) = (0, -DAY, -2 * DAY, -3 * DAY);
    let minute = 60 * SECOND;
    let (meetings, pairs) = met(&[
        (0, first),
        (minute, first),
        (DAY - 1, first),
        (DAY, second),
        (2 * DAY - 1, second),
        (2 * DAY, third),
        (2 * DAY + minute, third),
        (3 * DAY - 1, third),
        (3 * DAY, fourth),
        (3 * DAY + minute, fourth),
        (3 * DAY + 2 * minute, fourth),
        (4 * DAY, fourth),
    ]);
    let fit = boots.fit(&meetings, &pairs).unwrap();
    // Two pairs tie nothing: 3 + 3 + 4 are left.
    let offsets: Vec<i64> = fit.segments.iter().map(|segment| segment.line.offset_ns).collect();
    assert_eq!((offsets, fit.inliers, fit.keys), (vec![first, third, fourth], 10, 10));
    assert_eq!(boots.untied(), [(Instant(DAY), Instant(2 * DAY - 1))]);
    assert_eq!(boots.told(), "4 boots, each with an offset of its own; 3 of them are tied");
}

#[test]
fn boots_that_nothing_ties_reach_to_the_next_and_the_last_has_no_end() {
    let mut boots = boots(1, &[0, DAY]);
    let (meetings, pairs) = met(&[(0, 5), (SECOND, 5)]);
    assert_eq!(boots.fit(&meetings, &pairs), None);
    assert_eq!(boots.untied(), [(Instant(0), Instant(DAY - 1)), (Instant(DAY), Instant(i64::MAX))]);
    assert_eq!(boots.told(), "2 boots, each with an offset of its own; 0 of them are tied");
}

use std::sync::Arc;

use super::*;
use crate::correlate::kit::{World, ms};
use crate::time::{Anchor, Instant, SECOND, YearScan};

#[test]
fn files_are_named_by_the_folder_that_they_share() {
    for (paths, folder) in [
        (&["a/b/1", "a/b/2"][..], "a/b/"),
        (&["a/b/1", "a/c/1", "a/b/2"], "a/"),
        (&["a/b/1", "c/b/1"], ""),
        (&["a/b/1", "a/b/c/1"], "a/b/"),
        (&["1", "2"], ""),
    ] {
        assert_eq!(common_folder(paths), folder, "{paths:?}");
    }
}

#[test]
fn a_clock_is_named_by_its_file_or_by_how_many_share_it() {
    let mut world = World::default();
    world.source("fw/a.log", Kind::Firewall, Basis::AssumedZone);
    for path in ["h1/gpu.csv", "h1/apps.csv"] {
        world.source(path, Kind::Gpu, Basis::AssumedZone);
    }
    for path in ["runs/1.jsonl", "runs/2.jsonl"] {
        world.episode(path, Some("h1"));
    }
    let names =
        |world: &World| groups(&world.intake, &world.case).into_iter().map(|group| group.name).collect::<Vec<_>>();
    assert_eq!(names(&world), ["fw/a.log", "h1/gpu.csv × 2", "runs/ × 2"]);
    world.source("capture.pcap", Kind::Capture, Basis::ExplicitOffset);
    assert_eq!(names(&world), ["fw/a.log", "capture.pcap", "h1/gpu.csv × 2", "runs/ h1 × 2"]);
    // Without a host it is the format that they share; what was not read has no clock.
    world.intake.episodes.iter_mut().for_each(|episode| episode.host = None);
    world.intake.sources[0].records = 0;
    assert_eq!(names(&world), ["capture.pcap", "h1/gpu.csv × 2", "runs/ made-up × 2"]);
}

/// The place of the reference among sources of that kind, basis and number of records, some of which are off UTC by their own
/// account.
fn chosen(sources: &[(Kind, Basis, u64)], off: &[usize]) -> Option<usize> {
    let mut world = World::default();
    let one = |(place, (kind, basis, records)): (usize, &(Kind, Basis, u64))| {
        let evidence = world.source(&format!("{place}"), *kind, *basis);
        world.intake.sources[place].records = *records;
        Group { name: String::new(), kind: *kind, members: vec![evidence], basis: *basis, addresses: Vec::new() }
    };
    let groups: Vec<Group> = sources.iter().enumerate().map(one).collect();
    reference(&groups, &world.intake.sources, &off.iter().copied().collect())
}

#[test]
fn the_reference_is_dated_and_right_by_its_own_account_where_any_is() {
    use Basis::{AssumedZone, BootRelative, ExplicitOffset, OrderOnly};
    use Kind::{Capture, Firewall, Transcript};
    for (sources, off, want) in [
        (&[][..], &[][..], None),
        // Of equals the first.
        (&[(Capture, ExplicitOffset, 5), (Capture, ExplicitOffset, 5)], &[], Some(0)),
        (&[(Capture, ExplicitOffset, 5), (Capture, ExplicitOffset, 6)], &[], Some(1)),
        // A capture with any date is before a log that states its offset; one without is not.
        (&[(Firewall, ExplicitOffset, 9), (Capture, AssumedZone, 1)], &[], Some(1)),
        (&[(Firewall, ExplicitOffset, 1), (Capture, BootRelative, 9)], &[], Some(0)),
        (&[(Firewall, AssumedZone, 1), (Capture, BootRelative, 9)], &[], Some(0)),
        (&[(Firewall, OrderOnly, 1), (Capture, BootRelative, 9)], &[], Some(1)),
        // What is off by its own account comes last, if it states its offset.
        (&[(Transcript, ExplicitOffset, 9), (Firewall, ExplicitOffset, 1)], &[0], Some(1)),
        (&[(Transcript, ExplicitOffset, 9), (Firewall, ExplicitOffset, 1)], &[0, 1], Some(0)),
        (&[(Firewall, AssumedZone, 1), (Transcript, AssumedZone, 9)], &[1], Some(1)),
        (&[(Firewall, AssumedZone, 9), (Transcript, ExplicitOffset, 1)], &[1], Some(1)),
    ] {
        assert_eq!(chosen(sources, off), want, "{sources:?} {off:?}");
    }
}

/// Grade, method and notes of a clock with that basis, before anything was compared.
fn said(basis: Basis, reference: bool, change: impl Fn(&mut Source)) -> (Grade, String, Vec<String>) {
    let mut world = World::default();
    world.source("a.log", Kind::Firewall, basis);
    change(&mut world.intake.sources[0]);
    let Clock { grade, method, notes, .. } = assumed(&groups(&world.intake, &world.case)[0], &world.intake, reference);
    (grade, method, notes)
}

#[test]
fn a_clock_is_known_as_well_as_its_source_states() {
    let of = |basis, reference, change: &dyn Fn(&mut Source)| {
        let (grade, method, _) = said(basis, reference, change);
        (grade, method)
    };
    let is = |grade, method: &str| (grade, method.to_owned());
    let zone = |source: &mut Source| source.declared_zone = true;
    let offset = |source: &mut Source| source.declared_offset_ns = SECOND;
    assert_eq!(of(Basis::AssumedZone, true, &|_| ()), is(Grade::A, "reference"));
    assert_eq!(of(Basis::DeclaredZone, false, &zone), is(Grade::B, "declared"));
    assert_eq!(of(Basis::ExplicitOffset, false, &offset), is(Grade::B, "declared"));
    assert_eq!(of(Basis::ExplicitOffset, false, &|_| ()), is(Grade::C, "as stated"));
    assert_eq!(of(Basis::OrderOnly, false, &|_| ()), is(Grade::D, "order only"));
    assert_eq!(of(Basis::AssumedZone, false, &|_| ()), is(Grade::D, "assumed"));
}

#[test]
fn what_is_not_known_of_a_clock_is_noted() {
    let notes = |basis, change: &dyn Fn(&mut Source)| said(basis, false, change).2;
    assert_eq!(notes(Basis::ExplicitOffset, &|_| ()), [""; 0]);
    assert_eq!(notes(Basis::AssumedZone, &|_| ()), ["zone assumed UTC"]);
    assert_eq!(notes(Basis::UnknownYear, &|_| ()), ["year unknown: declare it with --year"]);
    assert_eq!(notes(Basis::OrderOnly, &|_| ()), ["no times: order only"]);
    let booted = |count: i64| {
        notes(Basis::BootRelative, &|source| {
            source.boots = (0..count).map(|day| Instant(day * 86_400 * SECOND)).collect()
        })
    };
    assert_eq!((booted(0), booted(1)), (vec!["seconds since boot".to_owned()], vec!["seconds since boot".to_owned()]));
    assert_eq!(booted(2), ["seconds since 2 boots, each shown on days of its own from 1970-01-01 on"]);
}

// The source's first record is of 2026.
#[test]
fn where_a_year_comes_from_is_noted() {
    let year = |year: YearSource| {
        said(Basis::AssumedYear, false, |source| {
            (source.first, source.year) = (Some(ms(0)), year.clone());
        })
        .2
    };
    let by_record = |first: i32, last: i32, also_possible: &[i32]| {
        let mut scan = YearScan::default();
        scan.see(1, 11, 20);
        let mut years = scan.years(Anchor::NearestTo(ms(0))).unwrap();
        (years.first, years.last, years.also_possible) = (first, last, also_possible.to_vec());
        year(YearSource::ByRecord(Arc::new(years)))
    };
    assert_eq!(year(YearSource::Declared(2026)), ["year 2026 declared"]);
    assert_eq!(year(YearSource::NearestTo(ms(0))), ["year 2026 from the dated sources beside it"]);
    assert_eq!(by_record(2026, 2026, &[]), ["year 2026 from the dated sources beside it"]);
    let several = "years 2024 to 2026 from the order of records and the dated sources beside it";
    assert_eq!(by_record(2024, 2026, &[]), [several]);
    let either = "the last may be of 2025, 2027 as well: declare it with --year";
    assert_eq!(by_record(2024, 2026, &[2025, 2027]), [several, either]);
}

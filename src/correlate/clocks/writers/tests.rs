use crate::correlate::Grade;
use crate::correlate::analysis::{Clock, WriterBound};
use crate::correlate::drift::Correction;
use crate::correlate::kit::{World, ms};
use crate::evidence::{EvidenceId, Record};
use crate::formats::Kind;
use crate::intake::WrittenFact;
use crate::time::{Basis, SECOND, Span};

const HOUR_MS: i64 = 3_600_000;
/// Eight hours ahead by its zone, 0.3 s behind by itself.
const OFF_MS: i64 = 8 * HOUR_MS - 300;

/// A record of something at `at_ms`, by a clock that is `off_ms` ahead and cut to seconds, passed on `lag_ms` later by one
/// that is right and tells milliseconds.
fn fact(evidence: EvidenceId, number: i64, at_ms: i64, off_ms: i64, lag_ms: i64) -> WrittenFact {
    let cut = (at_ms + off_ms).div_euclid(1000) * 1000;
    WrittenFact {
        own: Span::with_resolution(ms(cut), SECOND, Basis::AssumedZone),
        written: Span::with_resolution(ms(at_ms + lag_ms), 1_000_000, Basis::ExplicitOffset),
        record: Record { evidence, number: number as u64 },
    }
}

/// Twenty records, a minute and a bit apart: the parts of a second are 0, 137, ... ms, the lags 40, 441, 842, 1243 and
/// 1644 ms, and every fourth is of a session that lasted an hour.
fn world(basis: Basis, off_ms: i64) -> (World, EvidenceId) {
    let mut world = World::default();
    let transcript = world.episode("a.jsonl", None);
    let log = world.source("relayed.log", Kind::Firewall, basis);
    assert_ne!(transcript, log);
    for n in 0..20 {
        let lag = 40 + 401 * (n % 5) + if n % 4 == 3 { HOUR_MS } else { 0 };
        world.intake.facts.written.push(fact(log, n + 1, n * 61_137, off_ms, lag));
    }
    (world, log)
}

#[test]
fn a_zone_is_told_by_the_relay_alone() {
    let (world, log) = world(Basis::AssumedZone, OFF_MS);
    let clocks = world.clocks();
    let clock = clocks.rows.iter().find(|clock| clock.name == "relayed.log").unwrap();
    // By hand: a record says offset >= OFF - (what was cut off its stamp) - lag. The fifteen short ones bound it; the
    // tightest is n = 10: 10 * 61137 + OFF_MS ends in 070 ms, cut by 70, with a lag of 40 and the relay's millisecond:
    // OFF - 111 ms and a nanosecond. Behind a lag of an hour nothing agrees.
    let want = OFF_MS * 1_000_000 - 111_000_000 + 1;
    assert_eq!(clock.offset_ns, want);
    let (low, high) = clock.support_ns;
    assert!(low <= OFF_MS * 1_000_000 && OFF_MS * 1_000_000 <= high && high - low <= 601 * SECOND, "{low} {high}");
    assert_eq!((clock.zone_error_ns, clock.grade), (8 * 3600 * SECOND, Grade::C));
    let bound = clock.writers.unwrap();
    assert_eq!((bound.records, bound.agreeing), (20, 15));
    assert!(!clock.notes.iter().any(|note| note == "zone assumed UTC"), "{:?}", clock.notes);
    // What the log shows is laid on the reference within the lag and what was cut.
    let back = clocks.align(log, ms(OFF_MS)).since(ms(0));
    assert!((0..=111_000_000).contains(&back), "{back}");
}

#[test]
fn nothing_but_a_note_without_a_reference_that_states_its_offset() {
    let (mut world, _) = world(Basis::AssumedZone, OFF_MS);
    world.intake.sources[0].records = 0;
    let clocks = world.clocks();
    assert_eq!((clocks.rows.len(), clocks.rows[0].offset_ns, clocks.rows[0].grade), (1, 0, Grade::A));
    assert!(clocks.rows[0].notes.iter().any(|note| note.starts_with("at least +28799.589 s against UTC by 15 of 20")));
}

/// A log of which a capture tells that it is right to the second, while its relay says that it is an hour ahead: the
/// relay is not believed, and both are said.
#[test]
fn what_was_measured_is_contradicted_and_not_moved() {
    let measured = |with: bool, off_ms: i64| {
        let mut world = World::default();
        let capture = world.source("capture.pcap", Kind::Capture, Basis::ExplicitOffset);
        let log = world.source("relayed.log", Kind::Firewall, Basis::AssumedZone);
        for n in 0..24_i64 {
            let at = n * 37_000 + n * 137 % 1000;
            for (evidence, at) in [(capture, at), (log, at.div_euclid(1000) * 1000)] {
                world.connection_from(evidence, "10.20.0.5", "203.0.113.80:443", ms(at), 40_000 + n as u16);
            }
            if with {
                world.intake.facts.written.push(fact(log, n + 1, at, off_ms, 40));
            }
        }
        world.clocks().rows.into_iter().find(|clock| clock.name == "relayed.log").unwrap()
    };
    let (alone, agreed, contradicted) = (measured(false, 0), measured(true, 0), measured(true, HOUR_MS));
    for clock in [&agreed, &contradicted] {
        assert_eq!((clock.offset_ns, clock.support_ns, clock.grade), (alone.offset_ns, alone.support_ns, Grade::A));
    }
    assert_eq!(agreed.notes, alone.notes);
    assert!(
        contradicted.notes.iter().any(|note| note.starts_with("contradicted: +3599.9")),
        "{:?}",
        contradicted.notes
    );
}

#[test]
fn lags_without_agreement_bound_nothing() {
    // Each an hour later than the one before: no two agree.
    let facts: Vec<WrittenFact> = (0..9).map(|n| fact(EvidenceId(0), n + 1, n * 60_000, 0, n * HOUR_MS)).collect();
    assert_eq!(super::bound(&facts.iter().collect::<Vec<_>>()), None);
    assert_eq!(super::bound(&[]), None);
    // Times at the ends of the range.
    let wild = |own: i64, written: i64| WrittenFact {
        own: Span::at(crate::time::Instant(own), Basis::UnknownYear),
        written: Span::at(crate::time::Instant(written), Basis::ExplicitOffset),
        ..facts[0]
    };
    let wild = [wild(i64::MIN, i64::MAX), wild(i64::MAX, i64::MIN), wild(i64::MIN, i64::MIN)];
    let _ = super::bound(&wild.iter().collect::<Vec<_>>());
}

/// Of a clock that is so many seconds ahead, each passed on so many seconds later, as (ahead, lag).
fn bounded(of: impl Iterator<Item = (i64, i64)>) -> Option<WriterBound> {
    let fact = |(number, (ahead, lag)): (u64, (i64, i64))| WrittenFact {
        own: Span::at(ms(number as i64 * 60_000 + ahead * 1000), Basis::AssumedZone),
        written: Span::at(ms(number as i64 * 60_000 + lag * 1000), Basis::ExplicitOffset),
        record: Record { evidence: EvidenceId(0), number },
    };
    let facts: Vec<WrittenFact> = (1..).zip(of).map(fact).collect();
    super::bound(&facts.iter().collect::<Vec<_>>())
}

#[test]
fn three_records_and_more_than_half_of_all_bound_a_clock() {
    // Passed on after 1, 2 and 3 s, by hand: at least -1 s, at most ten minutes less 3 s. The others are hours apart.
    let of = |agreeing: i64, others: i64| {
        bounded((1..=agreeing).map(|lag| (0, lag)).chain((1..=others).map(|hours| (hours * 3600, 0))))
    };
    assert_eq!(of(3, 2), Some(WriterBound { range_ns: (-SECOND, 597 * SECOND), records: 5, agreeing: 3 }));
    assert_eq!(of(3, 3), None);
    assert_eq!(of(2, 0), None);
    // Of more than 4096 records every second is heard.
    for (all, heard) in [(4096, 4096), (4097, 2049)] {
        let bound = bounded(std::iter::repeat_n((0, 1), all)).unwrap();
        assert_eq!((bound.records, bound.agreeing), (heard, heard));
    }
}

/// A clock of which nothing is known but what is changed, and its correction, after 15 of 20 writers said this of it.
fn applied(range_ns: (i64, i64), reference_is_utc: bool, change: impl Fn(&mut Clock)) -> (Clock, Correction) {
    let mut world = World::default();
    world.source("relayed.log", Kind::Firewall, Basis::AssumedZone);
    let mut clock = Clock {
        reference: false,
        pairs: 0,
        grade: Grade::D,
        method: "assumed".to_owned(),
        notes: vec!["zone assumed UTC".to_owned(), "kept".to_owned()],
        ..world.clocks().rows.remove(0)
    };
    change(&mut clock);
    let mut correction = Correction::constant(7);
    let bound = WriterBound { range_ns, records: 20, agreeing: 15 };
    super::apply(&mut clock, &mut correction, bound, reference_is_utc);
    assert_eq!(clock.writers, Some(bound));
    (clock, correction)
}

const BY: &str = "by 15 of 20 records that were passed on with a stated offset from UTC";

#[test]
fn a_clock_that_nothing_else_ties_is_laid_where_the_least_lag_is_none() {
    let range = (28_799_500_000_000, 29_399_500_000_000);
    let (clock, correction) = applied(range, true, |_| ());
    // Eight hours less half a second.
    assert_eq!((clock.offset_ns, clock.support_ns, clock.zone_error_ns), (range.0, range, 28_800 * SECOND));
    assert_eq!((clock.grade, clock.method.as_str()), (Grade::C, "written by clocks that state their offset"));
    assert_eq!(
        clock.notes,
        [
            "kept".to_owned(),
            "zone label wrong by +08:00, clock off by -0.500 s (or: clock off by +28799.500 s)".to_owned(),
            format!("a bound: {BY}; the least of their lags is taken for none")
        ]
    );
    assert_eq!(correction, Correction::constant(range.0));
    // The reference stays where it is, and so does all that is laid beside one whose offset nobody states.
    for (reference, reference_is_utc) in [(true, true), (true, false), (false, false)] {
        let (clock, correction) = applied(range, reference_is_utc, |clock| clock.reference = reference);
        assert_eq!((clock.offset_ns, clock.grade, correction), (0, Grade::D, Correction::constant(7)));
        let said = format!("at least +28799.500 s against UTC {BY}");
        assert_eq!(clock.notes, ["zone assumed UTC".to_owned(), "kept".to_owned(), said]);
    }
}

#[test]
fn a_clock_that_is_measured_or_declared_is_contradicted_from_ten_seconds_on() {
    let range = (100 * SECOND, 200 * SECOND);
    let said = format!("contradicted: +100.000 … +200.000 s {BY}: one of the two clocks was wrong");
    let is_contradicted = |change: &dyn Fn(&mut Clock)| {
        let (clock, correction) = applied(range, true, |clock| change(clock));
        assert_eq!((clock.offset_ns, clock.grade, correction), (0, Grade::D, Correction::constant(7)));
        assert_eq!(clock.notes[..2], ["zone assumed UTC", "kept"]);
        assert!(clock.notes[2..].is_empty() || clock.notes[2..] == [said.as_str()], "{:?}", clock.notes);
        clock.notes.len() > 2
    };
    for (support_ns, contradicted) in [
        ((0, 90 * SECOND), false),
        ((0, 90 * SECOND - 1), true),
        ((120 * SECOND, 130 * SECOND), false),
        ((210 * SECOND, 300 * SECOND), false),
        ((210 * SECOND + 1, 300 * SECOND), true),
    ] {
        let measured = |clock: &mut Clock| (clock.pairs, clock.support_ns) = (5, support_ns);
        assert_eq!(is_contradicted(&measured), contradicted, "{support_ns:?}");
    }
    // What is declared is meant to the nanosecond, whatever was laid beside it.
    let declared = |clock: &mut Clock| (clock.method, clock.support_ns) = ("declared".to_owned(), (0, 150 * SECOND));
    assert!(is_contradicted(&declared));
}

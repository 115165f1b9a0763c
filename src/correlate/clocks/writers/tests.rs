use crate::correlate::Grade;
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

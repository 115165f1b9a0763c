use super::*;
use crate::evidence::EvidenceId;

/// One reading a second from 0 on.
fn series(readings: impl Iterator<Item = GpuPoint>) -> GpuSeries {
    GpuSeries { points: readings.collect(), ..GpuSeries::new(EvidenceId(0), "1".to_owned()) }
}

fn empty(second: i64) -> GpuPoint {
    GpuPoint::empty(Instant(second * SECOND), second as u64 + 2)
}

/// A swing around a level that no generator of numbers is needed for: -2, -1, 0, 1, 2 in turn.
fn swing(second: i64) -> f32 {
    ((second * 3) % 5 - 2) as f32
}

fn busy(second: i64, watts: f32) -> GpuPoint {
    GpuPoint { utilization_percent: Some(100.0), power_w: Some(watts + 4.0 * swing(second)), ..empty(second) }
}

#[test]
fn less_power_at_full_load() {
    let found = changes(&[series((0..600).map(|second| busy(second, if second < 300 { 620.0 } else { 310.0 })))]);
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!((found[0].kind.as_str(), found[0].confidence), ("gpu-full-load-fall", Confidence::Weak));
    assert!(
        found[0].summary.starts_with("GPU 1: power from 620 to 310 W within 2.0 s, fully busy"),
        "{}",
        found[0].summary
    );
    // Between the readings of second 299 and second 300, of which the former may tell of the second before it.
    let span = found[0].span.unwrap();
    assert_eq!((span.lo, span.hi), (Instant(298 * SECOND), Instant(300 * SECOND)));
    assert_eq!(found[0].records.iter().map(|record| record.number).collect::<Vec<_>>(), [301, 302]);
}

#[test]
fn a_job_that_ends_is_one_change_of_all_measures() {
    let found = changes(&[series((0..600).map(|second| {
        let (load, watts, mhz, mib) =
            if second < 200 { (97.0, 600.0, 1980.0, 61_000.0) } else { (0.0, 70.0, 345.0, 4.0) };
        GpuPoint {
            utilization_percent: Some(load),
            power_w: Some(watts),
            sm_clock_mhz: Some(mhz),
            memory_used_mib: Some(mib),
            ..empty(second)
        }
    }))]);
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!(found[0].kind, "gpu-level-change");
    for part in
        ["utilisation from 97 to 0 %", "power from 600 to 70 W", "SM clock from 1980 to 345 MHz", "from 61000 to 4 MiB"]
    {
        assert!(found[0].summary.contains(part), "{}", found[0].summary);
    }
}

#[test]
fn what_is_no_change() {
    let none =
        |of: fn(i64) -> f32| assert!(changes(&[series((0..900).map(|second| busy(second, of(second))))]).is_empty());
    none(|_| 600.0);
    // Steps of twelve seconds, and a minute of evaluation in ten.
    none(|second| if second % 12 < 9 { 600.0 } else { 300.0 });
    // Half a minute is no level.
    none(|second| if (400..430).contains(&second) { 300.0 } else { 600.0 });
    // A tenth less is within what heat does.
    none(|second| if second < 450 { 600.0 } else { 540.0 });
    // Memory that grows has a signal of its own.
    let grows =
        |second: i64| GpuPoint { memory_used_mib: Some(if second < 300 { 4.0 } else { 9000.0 }), ..empty(second) };
    assert!(changes(&[series((0..600).map(grows))]).is_empty());
}

#[test]
fn a_gap_is_not_a_step() {
    // Nothing was read for an hour: what is on both sides of it is not held against each other.
    let found = changes(&[series((0..600).map(|second| {
        let at = if second < 300 { second } else { second + 3600 };
        GpuPoint { at: Instant(at * SECOND), ..busy(second, if second < 300 { 620.0 } else { 310.0 }) }
    }))]);
    assert!(found.is_empty(), "{found:?}");
}

#[test]
fn many_steps_are_four_signals() {
    let found = changes(&[series((0..6000).map(|second| {
        let watts = if second / 300 % 2 == 0 { 600.0 } else { 200.0 };
        GpuPoint { utilization_percent: Some(watts / 6.0), power_w: Some(watts), ..empty(second) }
    }))]);
    assert_eq!(found.len(), TOLD);
    // 20 levels of 300 s have 19 steps between them.
    assert!(found[0].summary.contains("(15 smaller changes are not listed)"), "{}", found[0].summary);
}

#[test]
fn a_long_trace_is_looked_at_in_pieces() {
    // Two days with one change, which lies where two pieces meet.
    let change = (PIECE * 20) as i64;
    let found =
        changes(&[series((0..172_800).map(|second| busy(second, if second < change { 620.0 } else { 310.0 })))]);
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!(found[0].span.map(|span| span.hi), Some(Instant(change * SECOND)));
}

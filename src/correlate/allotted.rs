//! GPU telemetry against the allotments of the case, on one clock.

use super::analysis::{Grade, UtcPin};
use super::clocks::Clocks;
use crate::detect::gpu::{self, Allotted};
use crate::evidence::EvidenceId;
use crate::intake::{Intake, Options};
use crate::model::Signal;
use crate::time::{Basis, Instant};

/// Signals on the clocks of their sources, and what could not be compared.
///
/// An allotment is stated in UTC. A clock whose zone was only assumed may be off by hours: it is held against the times
/// of allotments only where something tells where it stands.
pub(crate) fn held_against(intake: &Intake, options: &Options, clocks: &Clocks) -> (Vec<Signal>, Vec<String>) {
    let facts = &options.case.gpu;
    if facts.allotments.is_empty() {
        return (Vec::new(), Vec::new());
    }
    let states_utc = |basis: Basis| basis <= Basis::DeclaredZone;
    let reference = clocks.rows.iter().find(|clock| clock.reference);
    let reference_is_utc =
        reference.is_some_and(|clock| states_utc(clock.basis) || clock.utc.as_ref().is_some_and(UtcPin::holds));
    let clock = |evidence: EvidenceId, at: Instant| {
        let stated = intake.sources.get(evidence.0 as usize).and_then(|source| source.basis).is_some_and(states_utc);
        let is_reference = reference.is_some_and(|clock| clock.sources.contains(&evidence));
        let measured = reference_is_utc && (is_reference || clocks.grade(evidence) <= Grade::C);
        (stated || measured).then(|| {
            // The reference need not show UTC either.
            let ahead_ns = clocks.of_utc(at).since(at);
            (clocks.align(evidence, at).plus(ahead_ns.saturating_neg()), clocks.slack_ns(evidence, at))
        })
    };
    let allotted =
        Allotted { allotments: &facts.allotments, clock: &clock, price_per_gpu_hour: facts.price_per_gpu_hour };
    let (processes, series) = (&intake.facts.gpu_processes, &intake.facts.gpu);
    let named_already = |name: &str| options.case.is_allocated(name) == Some(false);
    let mut signals = gpu::unallotted_processes(processes, series, allotted, &named_already);
    signals.extend(gpu::unallotted_load(series, allotted));
    let path = |evidence: EvidenceId| intake.sources.get(evidence.0 as usize).map_or("", |source| source.path.as_str());
    let limits = gpu::not_compared(processes, series, allotted).into_iter().map(|evidence| {
        format!(
            "{}: not held against the times of [[gpu.allotment]], for nothing tells its zone; declare it with --tz",
            path(evidence)
        )
    });
    let limits = limits.collect();
    (signals, limits)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::correlate::kit::{World, ms, rules};
    use crate::correlate::{Analysis, analyze};
    use crate::formats::Kind;
    use crate::intake::{GpuPoint, GpuSeries};
    use crate::time::{SECOND, Span};

    const MORNING: &str =
        "[[gpu.allotment]]\ngpu = 0\nfrom = 2026-11-20T08:00:00+08:00\nto = 2026-11-20T08:10:00+08:00\n";

    /// A GPU at work from midnight UTC on for an hour, by a clock of that basis.
    fn at_work(case: &str, basis: Basis) -> World {
        let mut world = World::with_case(case);
        let evidence = world.source("gpu.csv", Kind::Gpu, basis);
        let points = (0..3600).map(|second| GpuPoint {
            utilization_percent: Some(98.0),
            ..GpuPoint::empty(ms(0).plus(second * SECOND), second as u64 + 2)
        });
        let series = GpuSeries {
            index: Some(0),
            points: points.collect(),
            ..GpuSeries::new(evidence, "GPU-5f0c1a9e-31d7-4b52-9d0e-7a6f2c88e1b4".to_owned())
        };
        world.intake.facts.gpu.push(series);
        world
    }

    fn watched(case: &str, basis: Basis) -> Analysis {
        let world = at_work(case, basis);
        let options = Options { case: world.case, ..Options::default() };
        analyze(&world.intake, &options, rules())
    }

    /// Kinds of the signals, and how many sources could not be compared.
    fn held(world: World) -> (Vec<String>, usize) {
        let clocks = world.clocks();
        let options = Options { case: world.case, ..Options::default() };
        let (signals, limits) = held_against(&world.intake, &options, &clocks);
        (signals.into_iter().map(|signal| signal.kind).collect(), limits.len())
    }

    #[test]
    fn times_are_compared_where_the_clock_states_its_offset() {
        let analysis = watched(MORNING, Basis::DeclaredZone);
        let [signal] = analysis.signals.as_slice() else { panic!("{:?}", analysis.signals) };
        assert_eq!(signal.kind, "gpu-unallotted-load");
        // 08:10 at +08:00 is ten minutes past midnight; a poll and the latency of the counter later it is nobody's.
        assert_eq!(signal.span.map(|span| span.lo), Some(ms(603_000)));
        // Load is never a finding by itself.
        assert!(analysis.findings.is_empty() && analysis.unexplained.is_empty() && analysis.limits.is_empty());
    }

    #[test]
    fn an_assumed_zone_is_not_held_against_times() {
        let analysis = watched(MORNING, Basis::AssumedZone);
        assert!(analysis.signals.is_empty());
        assert!(analysis.limits.iter().any(|limit| limit.starts_with("gpu.csv: not held against the times")));
        // Another GPU than the one allotted needs no clock.
        assert_eq!(watched(&MORNING.replace("gpu = 0", "gpu = 1"), Basis::AssumedZone).signals.len(), 1);
    }
    #[test]
    fn an_assumed_zone_is_compared_where_it_is_set_against_a_clock_of_utc() {
        // The reference beside it, and whether the responder declared how far off the GPU's clock is.
        for (reference, declared, compared) in [
            (Basis::ExplicitOffset, true, true),
            (Basis::DeclaredZone, true, true),
            (Basis::AssumedZone, true, false),
            (Basis::ExplicitOffset, false, false),
        ] {
            let mut world = at_work(MORNING, Basis::AssumedZone);
            world.intake.sources[0].declared_offset_ns = if declared { SECOND } else { 0 };
            let capture = world.source("capture.pcap", Kind::Capture, reference);
            world.connection(capture, "10.20.0.5", "198.51.100.20:443", ms(0));
            let (kinds, limits) = held(world);
            assert_eq!((kinds.len(), limits), if compared { (1, 0) } else { (0, 1) }, "{reference:?}, {declared}");
        }
    }

    #[test]
    fn a_program_that_is_no_allocated_one_is_not_told_of_twice() {
        let kinds = |allocated: &str, process: &str| {
            let mut world = at_work(&format!("[gpu]\n{allocated}{MORNING}"), Basis::ExplicitOffset);
            // From twenty minutes past midnight on: the allotment ended ten minutes before.
            let at = |minute: i64| Span::at(ms(minute * 60_000), Basis::ExplicitOffset);
            world.gpu_process(EvidenceId(0), process, [at(20), at(30)]).gpu = "0".to_owned();
            held(world).0.iter().filter(|kind| *kind == "gpu-unallotted-process").count()
        };
        assert_eq!(kinds("allocated = [\"python3\"]\n", "python3"), 1);
        assert_eq!(kinds("allocated = [\"python3\"]\n", "xmrig"), 0, "that it is not allocated says it already");
        assert_eq!(kinds("", "xmrig"), 1);
    }
}

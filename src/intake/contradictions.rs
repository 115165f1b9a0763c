//! Stamps of a call that contradict each other, or the duration that the call states itself.

use crate::evidence::{Anomaly, AnomalyKind, EvidenceId};
use crate::model::{EndpointKind, Step};
use crate::time::SECOND;

/// Stamps and durations are taken at different places of a program, and clocks are corrected by a little.
const SLACK_NS: i64 = 5 * SECOND;

/// What the stamps of the calls contradict, with the evidence that it stands in. Both stamps of a call must be of one
/// file and be dated in the same way.
pub(super) fn of(steps: &[Step]) -> impl Iterator<Item = (EvidenceId, Anomaly)> {
    steps.iter().filter_map(|step| {
        let result = step.result_record.filter(|result| result.evidence == step.record.evidence)?;
        let detail = contradiction(step)?;
        Some((result.evidence, Anomaly { record: result.number, kind: AnomalyKind::ClockContradiction, detail }))
    })
}

fn contradiction(step: &Step) -> Option<String> {
    let (start, end) = (step.start?, step.end?);
    if !start.span.basis.is_dated() || start.span.basis != end.span.basis || start.kind == EndpointKind::TurnFlushed {
        return None;
    }
    // The most and the least that may lie between the two, given how finely they are written.
    let (most, least) = (end.span.hi.since(start.span.lo), end.span.lo.since(start.span.hi));
    if most < -SLACK_NS {
        return Some(format!(
            "the result of a call is stamped {} before the call: the clock went back in between (a correction, another \
             machine), or stamps were changed",
            seconds(-most)
        ));
    }
    let stated = step.duration_ns.filter(|stated| *stated > 0 && !step.background)?;
    if stated > most.saturating_add(SLACK_NS) {
        return Some(format!(
            "a call took {} by its own account, and its stamps are {} apart: the clock went back in between (a correction), \
             or stamps or the duration were changed",
            seconds(stated),
            seconds(most)
        ));
    }
    let of_the_tool = start.kind == EndpointKind::ToolStarted && end.kind == EndpointKind::ToolEnded;
    (of_the_tool && least > stated.saturating_add(SLACK_NS)).then(|| {
        format!(
            "a call took {} by its own account, and its stamps are {} apart: the clock went forward in between (a \
             correction, a machine that slept), or stamps or the duration were changed",
            seconds(stated),
            seconds(least)
        )
    })
}

fn seconds(ns: i64) -> String {
    format!("{}.{:03} s", ns / SECOND, ns % SECOND / 1_000_000)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::Record;
    use crate::model::Endpoint;
    use crate::time::{Basis, Instant, Span};

    fn step(start: i64, end: i64, duration: Option<i64>, kinds: (EndpointKind, EndpointKind)) -> Step {
        let at = |number| Record { evidence: EvidenceId(0), number };
        let span = |seconds: i64| Span::at(Instant(seconds * SECOND), Basis::ExplicitOffset);
        Step {
            start: Some(Endpoint { span: span(start), kind: kinds.0 }),
            end: Some(Endpoint { span: span(end), kind: kinds.1 }),
            duration_ns: duration.map(|seconds| seconds * SECOND),
            result_record: Some(at(2)),
            ..Step::new("e", (1, 0), at(1), "bash")
        }
    }

    fn told(step: Step) -> Option<String> {
        of(&[step]).next().map(|(_, anomaly)| anomaly.detail)
    }

    #[test]
    fn stamps_against_each_other_and_against_durations() {
        use EndpointKind::{CallRecorded, ResultRecorded, ToolEnded, ToolStarted};
        let recorded = (CallRecorded, ResultRecorded);
        let tool = (ToolStarted, ToolEnded);
        for (start, end, duration, kinds, expected) in [
            (1000, 960, None, recorded, Some("the result of a call is stamped 40.000 s before the call")),
            (1000, 997, None, recorded, None),
            (1000, 1010, Some(9), recorded, None),
            (
                1000,
                1010,
                Some(60),
                recorded,
                Some("a call took 60.000 s by its own account, and its stamps are 10.000 s"),
            ),
            // Somebody thought about whether to allow it.
            (1000, 4600, Some(2), recorded, None),
            (1000, 4600, Some(2), tool, Some("a call took 2.000 s by its own account, and its stamps are 3600.000 s")),
            (1000, 1002, Some(2), tool, None),
        ] {
            let found = told(step(start, end, duration, kinds));
            match expected {
                Some(expected) => assert!(found.as_ref().is_some_and(|found| found.starts_with(expected)), "{found:?}"),
                None => assert_eq!(found, None),
            }
        }
        let left = Step { background: true, ..step(1000, 1010, Some(600), recorded) };
        assert_eq!(told(left), None);
        let mut ordered = step(1000, 900, None, recorded);
        ordered.start =
            ordered.start.map(|start| Endpoint { span: Span::at(start.span.lo, Basis::OrderOnly), ..start });
        assert_eq!(told(ordered), None);
    }
}

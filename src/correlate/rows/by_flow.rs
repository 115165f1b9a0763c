//! Signals by the evidence and the flow that they are of. A sweep is of thousands: kept are places of flows, not flows.

use crate::correlate::traced::Traced;
use crate::evidence::EvidenceId;
use crate::model::Flow;

pub(super) struct ByFlow<'a> {
    traced: &'a [Traced],
    /// Places of signals, and in each 0 for its own flow or one more than the place of a target; in order of evidence and flow.
    places: Vec<(u32, u32)>,
}

impl<'a> ByFlow<'a> {
    pub(super) fn new(traced: &'a [Traced]) -> Self {
        let flows = |one: &Traced| (0..).take(1 + one.signal.targets.len());
        let places = (0..).zip(traced).flat_map(|(signal, one)| flows(one).map(move |flow| (signal, flow)));
        let mut places: Vec<(u32, u32)> = places.filter(|place| key(traced, *place).is_some()).collect();
        places.shrink_to_fit();
        places.sort_unstable_by_key(|place| (key(traced, *place), *place));
        ByFlow { traced, places }
    }

    /// In the order of signals.
    pub(super) fn of(&self, evidence: EvidenceId, flow: Flow) -> impl Iterator<Item = &'a Traced> {
        let (traced, asked) = (self.traced, Some((evidence, flow)));
        let from = self.places.partition_point(|place| key(traced, *place) < asked);
        let behind = self.places.get(from..).unwrap_or_default().iter();
        let same = behind.take_while(move |place| key(traced, **place) == asked);
        same.filter_map(|(signal, _)| traced.get(*signal as usize))
    }
}

/// Evidence and flow at a place; none where the signal has no record or no flow of its own.
fn key(traced: &[Traced], (signal, flow): (u32, u32)) -> Option<(EvidenceId, Flow)> {
    let signal = &traced.get(signal as usize)?.signal;
    let flow = match flow.checked_sub(1) {
        Some(target) => *signal.targets.get(target as usize)?,
        None => Flow { src_port: None, ..signal.flow? },
    };
    Some((signal.records.first()?.evidence, flow))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::correlate::attribute::Attribution;
    use crate::evidence::Record;
    use crate::model::{Behaviour, Signal, SignalSource};

    #[test]
    fn a_signal_is_found_by_its_own_flow_and_by_each_of_its_targets_in_its_own_evidence() {
        let flow = |port| Flow { dst_port: Some(port), ..Flow::default() };
        let from = |src_port, port| Some(Flow { src_port: Some(src_port), ..flow(port) });
        let traced = |id: &str, evidence: Option<u32>, own: Option<Flow>, targets: &[u16]| {
            let records = evidence.map(|id| Record { evidence: EvidenceId(id), number: 1 });
            let signal = Signal {
                id: id.to_owned(),
                flow: own,
                targets: targets.iter().map(|port| flow(*port)).collect(),
                records: records.into_iter().collect(),
                ..Signal::new(Behaviour::Probing, SignalSource::Network)
            };
            Traced { signal, attribution: Attribution { best: None }, timed: true }
        };
        let all = [
            traced("sweep", Some(0), from(40_000, 22), &[23, 80]),
            traced("miner", Some(0), from(40_001, 80), &[]),
            traced("elsewhere", Some(1), from(40_002, 80), &[]),
            traced("without a flow", Some(0), None, &[25]),
            traced("of no record", None, from(40_003, 80), &[]),
        ];
        let by_flow = ByFlow::new(&all);
        let of = |evidence, port| -> Vec<&str> {
            by_flow.of(EvidenceId(evidence), flow(port)).map(|one| one.signal.id.as_str()).collect()
        };
        assert_eq!(of(0, 22), ["sweep"], "whichever port it came from");
        assert_eq!(of(0, 80), ["sweep", "miner"]);
        assert_eq!(of(0, 25), ["without a flow"]);
        assert_eq!(of(1, 80), ["elsewhere"]);
        assert!(of(1, 22).is_empty() && of(0, 443).is_empty());
    }
}

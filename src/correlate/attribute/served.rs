//! Calls that met the peer they name: what else a call like that opens.

use super::Steps;
use crate::correlate::attribution::Weight;
use crate::correlate::events::Event;
use crate::correlate::tokens;
use crate::correlate::traffic::Traffic;
use crate::time::{Instant, SECOND};

/// Lookups go before every connection: they say nothing of a second one.
const DOMAIN: Option<u16> = Some(53);

/// A download that reached the mirror it names has done its work, and seldom opens anything else: as seldom as such calls of
/// the case do. Of programs that run code of others nothing is said.
#[derive(Clone, Debug, Default)]
pub(super) struct Served {
    /// By step.
    steps: Vec<bool>,
    weight: f64,
    /// Connections that served calls do not name and that chance does not explain, and these calls.
    extra: f64,
    calls: u64,
}

impl Served {
    /// Measures it: connections that a call does not name, in served calls and in calls that met nothing they name, each less
    /// what the pauses between calls of the same episodes let expect.
    pub(super) fn new(steps: &Steps<'_>, traffic: &Traffic<'_>) -> Self {
        let mut served = Served { steps: vec![false; steps.acts.len()], ..Served::default() };
        let (mut own, mut other, mut pauses) = (Stretch::default(), Stretch::default(), Stretch::default());
        for (at, act) in steps.acts.iter().enumerate() {
            let (step, time) = (&steps.intake.steps[at], steps.times[at]);
            let (Some(start), Some(end)) = (time.start, time.end) else { continue };
            if !act.network || !time.stamped || step.not_executed || act.leaves_running() {
                continue;
            }
            let place = steps.identity.place(&step.episode);
            // Connections that the call names, and those that it does not, from one moment to another.
            let between = |from: Instant, until: Instant| {
                let within = traffic.of_place(place, from, until.plus(-1)).into_iter();
                within.filter(|event| event.timed && event.dst_port != DOMAIN).fold(
                    (0_u64, 0_u64),
                    |(named, unnamed), event| match tokens::any_shared(act.tokens(), event.tokens) {
                        true => (named + 1, unnamed),
                        false => (named, unnamed + 1),
                    },
                )
            };
            let (named, unnamed) = between(start, end);
            served.steps[at] = act.done_on_return && named > 0;
            if act.is_suspect() {
                continue;
            }
            let side = if served.steps[at] { &mut own } else { &mut other };
            side.add(unnamed, end.since(start));
            if let Some(next) = steps.next_start(at) {
                pauses.add(between(end, next).1, next.since(end));
            }
        }
        let by_chance = if pauses.seconds > 60.0 { pauses.unnamed as f64 / pauses.seconds } else { 0.0 };
        let beyond = |side: &Stretch| (side.unnamed as f64 - by_chance * side.seconds).max(0.0);
        let rate = |side: &Stretch| (beyond(side) + 0.5) / (side.count as f64 + 1.0);
        served.weight = (rate(&own) / rate(&other)).log10().min(0.0);
        (served.extra, served.calls) = (beyond(&own), own.count);
        served
    }

    /// What it says against a step that a connection is not named by it; nothing for steps that were not served.
    pub(super) fn weight(&self, step: usize, event: &Event<'_>) -> Weight {
        let applies = event.dst_port != DOMAIN && self.steps.get(step) == Some(&true);
        if applies { Weight { log10: self.weight, uncapped: self.weight, cap: None } } else { Weight::NONE }
    }

    /// The counts behind it.
    pub(super) fn counts(&self) -> String {
        format!("{:.1} connections more than chance in {} such calls", self.extra, self.calls)
    }
}

/// Calls, or pauses, of one kind: connections in them that the call does not name, their length together, their number.
#[derive(Clone, Copy, Debug, Default)]
struct Stretch {
    unnamed: u64,
    seconds: f64,
    count: u64,
}

impl Stretch {
    fn add(&mut self, unnamed: u64, length_ns: i64) {
        self.unnamed += unnamed;
        self.seconds += length_ns.max(0) as f64 / SECOND as f64;
        self.count += 1;
    }
}

#[cfg(test)]
mod tests;

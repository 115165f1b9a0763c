use std::any::Any;
use std::sync::Arc;

use super::{Plan, rows};
use crate::evidence::Anomaly;
use crate::formats::Sink;
use crate::model::{Episode, EpisodeText, Observation, Step, StepResult};
use crate::report::jsonl::times;
use crate::report::observation::{observation_row, observation_time, written_time};
use crate::report::redact::reveal_row;

/// Renders the observations of one source into the pool of a timeline. Steps come from the intake, where calls have
/// met their results, and are passed over here.
pub struct TimelineSink {
    plan: Arc<Plan>,
    source: usize,
    buffer: rows::Buffer,
}

impl TimelineSink {
    /// A sink for the source of that index.
    pub fn new(plan: Arc<Plan>, source: usize) -> Self {
        TimelineSink { plan, source, buffer: rows::Buffer::default() }
    }

    /// Hands over the rows that are left. Every sink that reading gives back must be closed.
    pub fn close(mut self) {
        self.plan.pool.take(&mut self.buffer);
    }
}

impl Sink for TimelineSink {
    fn record(&mut self) {}

    fn unread(&mut self, _record: u64, _reason: &str, _example: &[u8]) {}

    fn observation(&mut self, observation: &Observation<'_>) {
        let (Some(source), Some(correction)) =
            (self.plan.sources.get(self.source), self.plan.corrections.get(self.source))
        else {
            return;
        };
        let time = observation_time(observation, correction);
        let written = written_time(observation, correction);
        for (time, meaning) in [(time, None), (written, Some("written"))] {
            if (meaning.is_some() && time.is_none()) || !self.plan.filter.takes_observation(time, observation) {
                continue;
            }
            let mut row = observation_row(observation, source, correction);
            if self.plan.show_secrets {
                reveal_row(&mut row, observation);
            }
            if meaning.is_some() {
                (row.time, row.time_hi) = times(time);
                row.time_meaning = meaning;
            }
            if !self.plan.takes(&row) {
                continue;
            }
            let source = u32::try_from(self.source).unwrap_or(u32::MAX);
            let key = rows::Key::new(time.map(|span| span.lo), source, observation.record);
            self.plan.put(key, &row, &mut self.buffer);
        }
    }

    fn episode(&mut self, _episode: Episode) {}

    fn step(&mut self, _step: Step) {}

    fn result(&mut self, _result: StepResult) {}

    fn text(&mut self, _text: EpisodeText) {}

    fn anomaly(&mut self, _anomaly: Anomaly) {}

    fn fork(&self) -> Box<dyn Sink> {
        Box::new(TimelineSink::new(Arc::clone(&self.plan), self.source))
    }

    fn join(&mut self, fork: Box<dyn Sink>) {
        if let Ok(fork) = fork.into_any().downcast::<TimelineSink>() {
            fork.close();
        }
    }

    fn into_any(self: Box<Self>) -> Box<dyn Any> {
        self
    }
}

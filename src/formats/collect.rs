use std::any::Any;

use super::Sink;
use crate::evidence::Anomaly;
use crate::model::{Episode, EpisodeText, Observation, Step, StepResult};

/// A sink that keeps everything: for looking at heads of files, for small evidence and for tests.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Collector {
    pub records: u64,
    /// (record, reason, beginning of the record)
    pub unread: Vec<(u64, String, String)>,
    pub observations: Vec<Observation<'static>>,
    pub episodes: Vec<Episode>,
    pub steps: Vec<Step>,
    pub results: Vec<StepResult>,
    pub texts: Vec<EpisodeText>,
    pub anomalies: Vec<Anomaly>,
}

impl Sink for Collector {
    fn record(&mut self) {
        self.records += 1;
    }

    fn unread(&mut self, record: u64, reason: &str, example: &[u8]) {
        let example = String::from_utf8_lossy(&example[..example.len().min(160)]).into_owned();
        self.unread.push((record, reason.to_owned(), example));
    }

    fn observation(&mut self, observation: &Observation<'_>) {
        self.observations.push(observation.to_static());
    }

    fn episode(&mut self, episode: Episode) {
        self.episodes.push(episode);
    }

    fn step(&mut self, step: Step) {
        self.steps.push(step);
    }

    fn result(&mut self, result: StepResult) {
        self.results.push(result);
    }

    fn text(&mut self, text: EpisodeText) {
        self.texts.push(text);
    }

    fn anomaly(&mut self, anomaly: Anomaly) {
        self.anomalies.push(anomaly);
    }

    fn fork(&self) -> Box<dyn Sink> {
        Box::new(Collector::default())
    }

    fn join(&mut self, fork: Box<dyn Sink>) {
        let Ok(fork) = fork.into_any().downcast::<Collector>() else { return };
        self.records += fork.records;
        self.unread.extend(fork.unread);
        self.observations.extend(fork.observations);
        self.episodes.extend(fork.episodes);
        self.steps.extend(fork.steps);
        self.results.extend(fork.results);
        self.texts.extend(fork.texts);
        self.anomalies.extend(fork.anomalies);
        // Forks come back in any order of lines.
        self.unread.sort();
        self.observations.sort_by_key(|observation| observation.record);
        self.anomalies.sort();
    }

    fn into_any(self: Box<Self>) -> Box<dyn Any> {
        self
    }
}

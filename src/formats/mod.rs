//! The evidence formats: one file each, listed in [`registry`].

pub mod capture;
mod collect;
pub mod firewall;
pub mod gpu;
mod lines;
pub mod registry;
pub mod transcript;

use std::any::Any;
use std::io;

use crate::evidence::{Anomaly, Head, Input};
use crate::model::{Episode, EpisodeText, Observation, Step, StepResult};
use crate::time::TimeContext;

pub use collect::Collector;
pub use lines::{LineReader, read_lines};

/// The four kinds of evidence.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    Firewall,
    Capture,
    Gpu,
    Transcript,
}

impl Kind {
    /// The name used in every output.
    pub fn name(self) -> &'static str {
        match self {
            Kind::Firewall => "firewall",
            Kind::Capture => "capture",
            Kind::Gpu => "gpu",
            Kind::Transcript => "transcript",
        }
    }
}

/// What a format says of the head of a file. The text is the reason shown to the user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Match {
    /// A magic number or a structure that nothing else has.
    Certain(String),
    /// Looks like it; another format may look more so. The number ranks likely matches, 0 to 100.
    Likely(u8, String),
    No,
}

impl Match {
    /// Rank for choosing among formats: higher is better, 0 is no match.
    pub fn rank(&self) -> u8 {
        match self {
            Match::Certain(_) => 200,
            Match::Likely(score, _) => 1 + (*score).min(100),
            Match::No => 0,
        }
    }

    /// The reason given to the user; empty for no match.
    pub fn reason(&self) -> &str {
        match self {
            Match::Certain(reason) | Match::Likely(_, reason) => reason,
            Match::No => "",
        }
    }
}

/// Takes what a reader finds. The pipeline folds it, the timeline writes it out, tests collect it.
///
/// What a sink makes of its input must not depend on the order of calls, other than through record numbers:
/// readers work on parts of a file at the same time.
pub trait Sink: Send {
    /// A record was read and understood.
    fn record(&mut self);
    /// A record was not understood or not used, and why. `example` is its beginning.
    fn unread(&mut self, record: u64, reason: &str, example: &[u8]);
    /// Something happened.
    fn observation(&mut self, observation: &Observation<'_>);
    /// An episode exists. May come several times for one id: what is known is filled in.
    fn episode(&mut self, episode: Episode);
    /// A tool call.
    fn step(&mut self, step: Step);
    /// The result of a tool call.
    fn result(&mut self, result: StepResult);
    /// A text of an episode that is not a tool call.
    fn text(&mut self, text: EpisodeText);
    /// Something odd in the evidence.
    fn anomaly(&mut self, anomaly: Anomaly);
    /// An empty sink of the same kind, for another thread.
    fn fork(&self) -> Box<dyn Sink>;
    /// Takes in what a fork has gathered.
    fn join(&mut self, fork: Box<dyn Sink>);
    /// For [`Sink::join`].
    fn into_any(self: Box<Self>) -> Box<dyn Any>;
}

/// An evidence format.
pub trait Format: Sync {
    /// Stable identifier, as in `--format PATTERN=ID`: "iptables", "claude-code".
    fn id(&self) -> &'static str;
    /// Which of the four kinds of evidence it is.
    fn kind(&self) -> Kind;
    /// One line for help and `docs/formats.md`: what writes it and which variants are read.
    fn title(&self) -> &'static str;
    /// What a record of it is called in a locator: "line", "packet", "row", "event".
    fn record_unit(&self) -> &'static str;
    /// Whether a file that begins so is of this format.
    fn probe(&self, head: &Head) -> Match;
    /// Reads a file to its end. Bad records are reported to the sink and passed over.
    ///
    /// # Errors
    /// Only when the input itself fails (a read error, a damaged compression); what came before counts.
    fn read(&self, input: &mut Input, time: &TimeContext, sink: &mut dyn Sink) -> io::Result<()>;
}

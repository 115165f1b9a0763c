//! What lines up: clocks, identity, indicators, strength, alignment, rivals, findings.

mod analysis;
pub mod attribution;
pub mod jitter;
pub mod vote;
pub mod zone;

pub use crate::intake::EvidenceAnomaly;
pub use analysis::{
    Alignment, AlignmentTest, Analysis, Clock, ConfigRate, ConversationRow, EpisodeRow, Finding, Grade, Rival, RivalId,
    StepRef, Strength, Term, UncoveredStep, Unexplained,
};

use crate::intake::{Intake, Options};

/// The clocks of all sources against one reference.
pub fn clocks(_intake: &Intake, _options: &Options) -> Vec<Clock> {
    Vec::new()
}

/// The main job: what lines up with what, how strongly, against which rivals.
pub fn analyze(_intake: Intake, _options: &Options) -> Analysis {
    Analysis::default()
}

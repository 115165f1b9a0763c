//! What lines up: clocks, identity, indicators, strength, alignment, rivals, findings.

mod analysis;

pub use analysis::{
    Alignment, AlignmentTest, Analysis, Clock, ConfigRate, ConversationRow, EpisodeRow, EvidenceAnomaly, Finding,
    Grade, Rival, RivalId, Source, StepRef, Strength, Term, UncoveredStep, Unexplained, Unread,
};

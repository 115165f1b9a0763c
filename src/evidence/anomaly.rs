/// Something odd in the evidence itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum AnomalyKind {
    /// The file or a record ends before its own length says.
    TruncatedRecord,
    /// A record that its format does not allow.
    MalformedRecord,
    /// A value that cannot be (a fraction above one second, a length above the bound).
    ImpossibleValue,
    /// The clock of the source went back.
    ClockStepBack,
    /// Bytes are missing from a stream.
    Gap,
    /// The same record twice.
    Duplicate,
    /// A stated bound was reached and something was left out.
    BoundReached,
    /// A layer, block or variant that is named and counted but not read.
    Unsupported,
    /// The times of the source cannot be dated.
    UndatedTimes,
    /// The file could not be opened, read or decompressed.
    Unreadable,
    /// The file was written to, grew or shrank while it was read.
    ChangedWhileRead,
    /// Numbers by which the source counts its records are missing, or the count begins again.
    SequenceGap,
    /// A record names the one before it, which is not there.
    MissingParent,
    /// An id that names one thing stands for another as well.
    ConflictingId,
    /// Two clocks or a clock and a stated duration disagree within one episode.
    ClockContradiction,
    /// The logger itself says that it stopped, began anew, or was told to keep less.
    LoggingStopped,
}

impl AnomalyKind {
    /// The name used in every output.
    pub fn name(self) -> &'static str {
        match self {
            AnomalyKind::TruncatedRecord => "truncated-record",
            AnomalyKind::MalformedRecord => "malformed-record",
            AnomalyKind::ImpossibleValue => "impossible-value",
            AnomalyKind::ClockStepBack => "clock-step-back",
            AnomalyKind::Gap => "gap",
            AnomalyKind::Duplicate => "duplicate",
            AnomalyKind::BoundReached => "bound-reached",
            AnomalyKind::Unsupported => "unsupported",
            AnomalyKind::UndatedTimes => "undated-times",
            AnomalyKind::Unreadable => "unreadable",
            AnomalyKind::ChangedWhileRead => "changed-while-read",
            AnomalyKind::SequenceGap => "sequence-gap",
            AnomalyKind::MissingParent => "missing-parent",
            AnomalyKind::ConflictingId => "conflicting-id",
            AnomalyKind::ClockContradiction => "clock-contradiction",
            AnomalyKind::LoggingStopped => "logging-stopped",
        }
    }
}

/// An oddity with its place. Kept and shown, never dropped.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Anomaly {
    /// Number of the record within its evidence; 0 for the file as a whole.
    pub record: u64,
    pub kind: AnomalyKind,
    /// What was expected, what was there, and what to do if something can be done.
    pub detail: String,
}

//! The files taken in: found, opened read-only, hashed, decompressed, and named in every statement.

mod anomaly;
mod encoding;
mod excerpt;
mod input;
mod open;
mod pieces;
mod walk;

pub use anomaly::{Anomaly, AnomalyKind};
pub use excerpt::{excerpt, quoted};
pub use input::{Compression, Head, Input};
pub use open::{Taken, Watch};
pub(crate) use pieces::{Pieced, Pieces};
pub use walk::{EvidenceFile, Paths, WalkError, walk};

/// A digest as it is written: two lower-case digits a byte.
pub fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Index of an evidence file in the case, in the order of their sorted paths.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
pub struct EvidenceId(pub u32);

/// A record: which evidence, and its number there from 1 in the unit of its format. Number 0 is the file as a whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Record {
    pub evidence: EvidenceId,
    pub number: u64,
}

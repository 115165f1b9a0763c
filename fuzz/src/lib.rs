//! What must hold of any input, one function for each target of the fuzzer. `tests/regressions.rs` runs them too, on the
//! seeds and on every input that once broke something, without a fuzzer.
//!
//! Each function panics if something does not hold. `README.md` says what holds of which.

mod bytes;
mod capture;
pub(crate) mod containers;
#[path = "../../src/cli/check/expect.rs"]
#[allow(dead_code, reason = "the program uses what is not asked here")]
mod expect;
mod packets;
mod readers;
pub mod seeds;
mod settings;
mod shown;
pub(crate) mod whole;
pub(crate) mod wrap;

pub use capture::capture;
pub use containers::containers;
pub use readers::{command, conversations, formats, json, time};
pub use settings::{case, expect, findings, intel, rules};
pub use whole::whole;

/// The fuzzer takes any panic for a crash, also one that the library catches because it comes from a reader of others
/// (Parquet). From here on only those that nobody catches end the process.
pub fn let_caught_panics_pass() {
    let before = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        let of_others =
            |path: &str| ["parquet-", "thrift", "brotli", "snap-", "lz4_flex-"].iter().any(|name| path.contains(name));
        if !panic.location().is_some_and(|place| of_others(place.file())) {
            before(panic);
        }
    }));
}

/// A target: its name, and what must hold.
pub type Target = (&'static str, fn(&[u8]));

/// Every target.
pub const TARGETS: [Target; 13] = [
    ("capture", capture),
    ("case", case),
    ("command", command),
    ("containers", containers),
    ("conversations", conversations),
    ("expect", expect),
    ("findings", findings),
    ("formats", formats),
    ("intel", intel),
    ("json", json),
    ("rules", rules),
    ("time", time),
    ("whole", whole),
];

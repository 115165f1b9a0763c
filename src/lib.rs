//! Offline forensics on AI-agent incidents.
//!
//! Reads firewall logs, packet captures, nvidia-smi traces and agent transcripts, puts them on one timeline and
//! says which decision step of which agent episode lines up with which mining or tunnel event, by what evidence,
//! how strongly, and what else could explain it. `docs/architecture.md` describes the way of the data.
//!
//! Imports run one way: [`report`] → [`correlate`] → [`detect`] → [`intake`] → [`formats`] → [`model`], [`evidence`], [`time`],
//! with [`stats`] usable by all.

pub mod correlate;
pub mod detect;
pub mod evaluate;
pub mod evidence;
pub mod formats;
pub mod intake;
pub mod model;
pub mod report;
pub mod simulate;
pub mod stats;
pub mod time;

//! What is seen in the observations: rules and detectors, behaviour by behaviour.

pub mod beacon;
pub mod command;
#[cfg(test)]
mod corpus_tests;
pub mod download;
pub mod execution;
pub mod fingerprint;
pub mod gpu;
pub mod mining;
pub mod network;
pub mod probing;
pub mod resolver;
pub mod rules;
mod seen;
pub mod services;
pub mod ssh;
pub mod told;
pub mod tunnel;
pub mod verdict;
pub mod zone;

pub use seen::Seen;

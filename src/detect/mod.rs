//! What is seen in the observations: rules and detectors, behaviour by behaviour.

#[cfg(test)]
mod corpus_tests;
pub mod mining;
mod seen;
pub mod ssh;

pub use seen::Seen;

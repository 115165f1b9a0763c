//! What is seen in the observations: rules and detectors, behaviour by behaviour.

pub mod command;
pub mod rules;

//! GPU telemetry.

mod columns;
mod csv;
mod query;
#[cfg(test)]
mod tests;

pub use query::{QueryApps, QueryGpu};

//! GPU telemetry.

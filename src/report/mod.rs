//! Results to bytes: pure functions, one file per output format.

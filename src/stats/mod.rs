//! Exact tests and intervals: small pure functions, each with its source and golden vectors.

//! Sensors that watch traffic without ruling it.

pub(crate) mod zeek;

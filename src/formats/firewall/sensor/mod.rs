//! Sensors that watch traffic without ruling it.

pub(crate) mod falco;
pub(crate) mod netflow;
pub(crate) mod nfdump;
pub(crate) mod protocols;
pub(crate) mod snort;
pub(crate) mod suricata;
pub(crate) mod zeek;

//! Firewalls that stand in the network.

mod cisco;
pub(crate) mod cisco_asa;
pub(crate) mod cisco_ios;
pub(crate) mod filterlog;
pub(crate) mod fortigate;
pub(crate) mod panos;
pub(crate) mod checkpoint;
pub(crate) mod sonicwall;
pub(crate) mod sophos;
pub(crate) mod stormshield;
pub(crate) mod watchguard;

//! Firewalls that stand in the network.

pub(crate) mod barracuda;
pub(crate) mod checkpoint;
mod cisco;
pub(crate) mod cisco_asa;
pub(crate) mod cisco_ios;
pub(crate) mod clavister;
pub(crate) mod f5;
pub(crate) mod filterlog;
pub(crate) mod forcepoint;
pub(crate) mod fortigate;
pub(crate) mod huawei;
pub(crate) mod juniper;
pub(crate) mod meraki;
pub(crate) mod mikrotik;
pub(crate) mod nsx;
pub(crate) mod panos;
pub(crate) mod sonicwall;
pub(crate) mod sophos;
pub(crate) mod stormshield;
pub(crate) mod watchguard;

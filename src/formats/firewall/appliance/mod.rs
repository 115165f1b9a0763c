//! Firewalls that one buys.

mod cisco;
pub(crate) mod cisco_asa;
pub(crate) mod cisco_ios;
pub(crate) mod filterlog;
pub(crate) mod fortigate;
pub(crate) mod panos;

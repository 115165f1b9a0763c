//! Firewalls that one buys.

pub(crate) mod fortigate;

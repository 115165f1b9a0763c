//! Logs of firewalls and connection trackers.

pub(in crate::formats) mod action;
mod bytes;
pub mod conntrack;
mod hostlog;
pub mod iptables;
mod netfilter;
pub mod sshd;
pub mod syslog;
#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;

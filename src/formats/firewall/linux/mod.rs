//! What Linux machines log about connections and logins.

pub(crate) mod auditd;
pub(crate) mod conntrack;
pub(crate) mod dhcp;
pub(crate) mod iptables;
pub(crate) mod named;
mod netfilter;
pub(crate) mod sshd;
pub(crate) mod ulogd;
pub(crate) mod unbound;

//! What Linux machines log about connections and logins.

pub(crate) mod conntrack;
pub(crate) mod iptables;
mod netfilter;
pub(crate) mod sshd;

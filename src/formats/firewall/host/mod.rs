//! What the machines themselves log: the filter of Windows, the audit of Linux.

pub(crate) mod windows_firewall;
pub(crate) mod windows_security;

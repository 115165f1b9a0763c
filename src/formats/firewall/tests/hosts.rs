//! Samples of what machines and their services log.

use super::super::testing::check_samples;

#[test]
fn ulogd_samples() {
    check_samples("ulogd");
}

#[test]
fn auditd_samples() {
    check_samples("auditd");
}

#[test]
fn bind_samples() {
    check_samples("dns-bind");
}

#[test]
fn unbound_samples() {
    check_samples("dns-unbound");
}

#[test]
fn dhcp_samples() {
    check_samples("dhcp");
}

//! Samples of appliances, hosts and web services.

use super::super::testing::check_samples;

#[test]
fn cisco_asa_samples() {
    check_samples("cisco-asa");
}

#[test]
fn cisco_ios_samples() {
    check_samples("cisco-ios");
}

#[test]
fn panos_samples() {
    check_samples("panos");
}

#[test]
fn filterlog_samples() {
    check_samples("filterlog");
}

#[test]
fn leef_samples() {
    check_samples("leef");
}

#[test]
fn cef_samples() {
    check_samples("cef");
}

#[test]
fn windows_firewall_samples() {
    check_samples("windows-firewall");
}

#[test]
fn windows_security_samples() {
    check_samples("windows-security");
}

#[test]
fn zscaler_samples() {
    check_samples("zscaler");
}

#[test]
fn netskope_samples() {
    check_samples("netskope");
}

#[test]
fn cato_samples() {
    check_samples("cato");
}

#[test]
fn umbrella_samples() {
    check_samples("umbrella");
}

#[test]
fn cloudflare_samples() {
    check_samples("cloudflare");
}

#[test]
fn gatewatcher_samples() {
    check_samples("gatewatcher");
}

#[test]
fn ecs_samples() {
    check_samples("ecs");
}

#[test]
fn squid_samples() {
    check_samples("squid");
}

#[test]
fn snort_samples() {
    check_samples("snort");
}

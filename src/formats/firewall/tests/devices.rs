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

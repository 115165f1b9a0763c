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

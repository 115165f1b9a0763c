//! Samples of clouds, clusters and sensors.

use super::check_samples;

#[test]
fn alibaba_cloudfirewall_samples() {
    check_samples("alibaba-cloudfirewall");
}

#[test]
fn alibaba_vpcflow_samples() {
    check_samples("alibaba-vpcflow");
}

#[test]
fn aws_vpcflow_samples() {
    check_samples("aws-vpcflow");
}

#[test]
fn suricata_samples() {
    check_samples("suricata");
}

#[test]
fn aws_s3_samples() {
    check_samples("aws-s3");
}

#[test]
fn aws_network_firewall_samples() {
    check_samples("aws-network-firewall");
}

#[test]
fn zeek_samples() {
    check_samples("zeek");
}

#[test]
fn gcp_samples() {
    check_samples("gcp");
}

#[test]
fn azure_flow_samples() {
    check_samples("azure-flow");
}

#[test]
fn hubble_samples() {
    check_samples("hubble");
}

#[test]
fn calico_samples() {
    check_samples("calico");
}

#[test]
fn ocsf_samples() {
    check_samples("ocsf");
}

#[test]
fn parquet_samples() {
    check_samples("parquet");
}

#[test]
fn aviatrix_samples() {
    check_samples("aviatrix");
}

#[test]
fn guardicore_samples() {
    check_samples("guardicore");
}

#[test]
fn nfdump_samples() {
    check_samples("nfdump");
}

#[test]
fn netflow_samples() {
    check_samples("netflow");
}

#[test]
fn aws_elb_samples() {
    check_samples("aws-elb");
}

#[test]
fn aws_waf_samples() {
    check_samples("aws-waf");
}

#[test]
fn falco_samples() {
    check_samples("falco");
}

//! Flow logs and firewalls of clouds and clusters.

pub(crate) mod alibaba_firewall;
pub(crate) mod alibaba_flow;
pub(crate) mod aviatrix;
pub(crate) mod aws_elb;
pub(crate) mod aws_flow;
pub(crate) mod aws_s3;
pub(crate) mod aws_waf;
pub(crate) mod azure;
pub(crate) mod gcp;
pub(crate) mod guardicore;
pub(crate) mod kubernetes;

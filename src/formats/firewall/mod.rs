//! Logs of firewalls, flows, sensors and the machines behind them: who talked to whom, when, allowed or not.
//!
//! A format is a [`dialect::Dialect`]: it claims records that are its own and reads them. What wraps records (syslog,
//! journald, JSON of shippers) is opened by [`record`], how fields are written is known to [`notation`], what they are
//! called is mapped to [`fields`], and [`mixed`] reads a file line by line, each by the dialect that it is in.

pub(in crate::formats) mod action;
mod appliance;
mod bytes;
mod census;
mod cloud;
mod dialect;
mod documents;
mod export;
mod fields;
mod generic;
mod host;
mod layout;
mod linux;
mod logger;
mod mixed;
mod notation;
mod numbers;
mod opener;
pub mod parquet;
mod record;
mod sensor;
mod shape;
pub mod syslog;
mod table;
#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;
mod values;
mod verdict;
mod web;

pub use mixed::Log;

use dialect::Dialect;

/// Every dialect of logs, in the order in which records are offered to them: what nobody else writes first, what many
/// write last.
#[rustfmt::skip]
pub(crate) static DIALECTS: &[&dyn Dialect] = &[
    &linux::iptables::Iptables,
    &linux::ulogd::Ulogd,
    &linux::sshd::Sshd,
    &linux::auditd::Auditd,
    &linux::conntrack::Conntrack,
    &appliance::cisco_asa::CiscoAsa,
    &appliance::cisco_ios::CiscoIos,
    &appliance::filterlog::Filterlog,
    &linux::named::Bind,
    &linux::unbound::Unbound,
    &linux::dhcp::Dhcp,
    &appliance::fortigate::FortiGate,
    &appliance::panos::Panos,
    &cloud::alibaba_firewall::AlibabaFirewall,
    &cloud::alibaba_flow::AlibabaFlow,
    &cloud::aws_flow::AwsFlow,
    &cloud::gcp::Gcp,
    &cloud::azure::AzureFlow,
    &cloud::aviatrix::Aviatrix,
    &cloud::guardicore::Guardicore,
    &cloud::kubernetes::Hubble,
    &cloud::kubernetes::Calico,
    &sensor::suricata::AwsNetworkFirewall,
    &sensor::suricata::Suricata,
    &appliance::checkpoint::CheckPoint,
    &appliance::sophos::Sophos,
    &appliance::sonicwall::SonicWall,
    &appliance::watchguard::WatchGuard,
    &appliance::stormshield::Stormshield,
    &appliance::clavister::Clavister,
    &appliance::barracuda::Barracuda,
    &appliance::forcepoint::Forcepoint,
    &appliance::f5::F5,
    &appliance::juniper::JuniperSrx,
    &appliance::juniper::NetScreen,
    &appliance::mikrotik::MikroTik,
    &appliance::huawei::Huawei,
    &appliance::meraki::Meraki,
    &appliance::nsx::Nsx,
    &sensor::zeek::Zeek,
    &sensor::falco::Falco,
    &sensor::nfdump::Nfdump,
    &cloud::aws_waf::AwsWaf,
    &cloud::aws_elb::AwsElb,
    &cloud::aws_s3::AwsS3,
    &generic::ocsf::Ocsf,
    &host::windows_firewall::WindowsFirewall,
    &host::windows_security::WindowsSecurity,
    &web::zscaler::Zscaler,
    &web::netskope::Netskope,
    &web::cato::Cato,
    &web::umbrella::Umbrella,
    &web::cloudflare::Cloudflare,
    &sensor::snort::Snort,
    &web::squid::Squid,
    &generic::ecs::Gatewatcher,
    &generic::ecs::Ecs,
    &generic::cef::Cef,
    &generic::leef::Leef,
    &sensor::netflow::NetFlow,
    &generic::kv::Pairs,
];

use std::collections::BTreeSet;
use std::net::IpAddr;

/// What the responder knows (`case.toml`). Everything works without it.
#[derive(Clone, Debug, Default)]
pub struct CaseFile {}

#[derive(Clone, Debug, Default)]
pub struct Run {
    pub name: Option<String>,
    pub host: Option<String>,
    pub reward_config: Option<String>,
}

impl CaseFile {
    pub fn run_of(&self, _path: &str) -> Option<&Run> {
        None
    }
    pub fn addresses_of(&self, _host: &str) -> BTreeSet<IpAddr> {
        BTreeSet::new()
    }
    pub fn agent_addresses(&self) -> BTreeSet<IpAddr> {
        BTreeSet::new()
    }
    pub fn host_of_address(&self, _address: IpAddr) -> Option<String> {
        None
    }
    pub fn allocated_gpu_processes(&self) -> &[String] {
        &[]
    }
}

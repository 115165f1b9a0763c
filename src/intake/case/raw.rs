//! The file as serde reads it: strings where a value has a grammar of its own, with their places.

use serde::Deserialize;
use toml::Spanned;

#[derive(Deserialize, Default)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Case {
    pub(super) host: Vec<Host>,
    pub(super) source: Vec<Source>,
    pub(super) run: Vec<Run>,
    pub(super) egress: Option<Egress>,
    pub(super) gpu: Option<super::gpu::RawGpu>,
    pub(super) approvals: Option<Approvals>,
    pub(super) mining: Option<Mining>,
    pub(super) intel: Option<super::intel::RawIntel>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Approvals {
    pub(super) required: bool,
    pub(super) tools: Option<Vec<Spanned<String>>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Host {
    pub(super) name: Spanned<String>,
    #[serde(default)]
    pub(super) addresses: Vec<Spanned<String>>,
    pub(super) agent: Option<bool>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Source {
    pub(super) path: Spanned<String>,
    pub(super) zone: Option<Spanned<String>>,
    pub(super) year: Option<Spanned<i64>>,
    pub(super) offset: Option<Spanned<String>>,
    pub(super) host: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Run {
    pub(super) name: Option<String>,
    pub(super) transcripts: Spanned<String>,
    pub(super) host: Option<String>,
    pub(super) image: Option<String>,
    #[serde(default)]
    pub(super) volumes: Vec<Spanned<String>>,
    pub(super) reward_config: Option<String>,
    pub(super) checkpoint: Option<u64>,
    pub(super) rollouts: Option<u32>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Egress {
    pub(super) allow: Vec<Spanned<String>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Mining {
    pub(super) price: Vec<Price>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Price {
    pub(super) algorithm: String,
    pub(super) value_per_terahash: Spanned<f64>,
}

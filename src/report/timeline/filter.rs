use std::collections::BTreeMap;

use ipnet::IpNet;

use crate::model::{Episode, Observation};
use crate::time::{Instant, Span};

/// Which rows of a timeline are wanted. Empty lists and `None` want all.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Filter {
    /// Values of `observation.kind`, or "step".
    pub kinds: Vec<String>,
    /// Rows whose span reaches this moment or later ...
    pub from: Option<Instant>,
    /// ... and begins no later than this one. With either bound, undated rows are left out.
    pub to: Option<Instant>,
    /// Host names or addresses: rows of that host, and flows to or from that address.
    pub hosts: Vec<String>,
    /// Addresses that belong to the hosts, from the case file.
    pub addresses: Vec<IpNet>,
    /// Names or ids of episodes: their steps, and the observations made while one of them ran.
    pub episodes: Vec<String>,
    /// First and last moment of each wanted episode on the reference clock, filled in before reading.
    pub episode_spans: BTreeMap<String, (Instant, Instant)>,
}

impl Filter {
    /// Whether an episode is wanted by name or id.
    pub fn names_episode(&self, name: &str, id: &str) -> bool {
        self.episodes.iter().any(|wanted| wanted == name || wanted == id)
    }

    fn takes_time(&self, time: Option<Span>) -> bool {
        let Some(span) = time else { return self.from.is_none() && self.to.is_none() };
        self.from.is_none_or(|from| span.hi >= from) && self.to.is_none_or(|to| span.lo <= to)
    }

    fn takes_kind(&self, kind: &str) -> bool {
        self.kinds.is_empty() || self.kinds.iter().any(|wanted| wanted == kind)
    }

    pub(super) fn takes_step(&self, time: Option<Span>, name: &str, id: &str, episode: Option<&Episode>) -> bool {
        let host = episode.and_then(|episode| episode.host.as_deref());
        self.takes_kind("step")
            && self.takes_time(time)
            && (self.episodes.is_empty() || self.names_episode(name, id))
            && (self.hosts.is_empty() || host.is_some_and(|host| self.hosts.iter().any(|wanted| wanted == host)))
    }

    /// Whether an observation at this corrected time is wanted.
    pub fn takes_observation(&self, time: Option<Span>, observation: &Observation<'_>) -> bool {
        self.takes_kind(observation.detail.kind())
            && self.takes_time(time)
            && self.takes_host(observation)
            && (self.episodes.is_empty() || self.falls_in_episode(time))
    }

    fn falls_in_episode(&self, time: Option<Span>) -> bool {
        let within =
            |span: Span| self.episode_spans.values().any(|(first, last)| span.hi >= *first && span.lo <= *last);
        time.is_some_and(within)
    }

    fn takes_host(&self, observation: &Observation<'_>) -> bool {
        if self.hosts.is_empty() {
            return true;
        }
        let flow = observation.flow.unwrap_or_default();
        let named = |name: &str| self.hosts.iter().any(|wanted| wanted == name);
        observation.host.as_deref().is_some_and(named)
            || [flow.src, flow.dst]
                .into_iter()
                .flatten()
                .any(|ip| self.addresses.iter().any(|network| network.contains(&ip)) || named(&ip.to_string()))
    }
}

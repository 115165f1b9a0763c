//! What is true of a world: never evidence, always beside it.

use std::net::Ipv4Addr;

use serde::{Deserialize, Serialize};

use super::recipe::Recipe;
use super::story::{Cause, Story};
use super::translated::Side;
use crate::time::Instant;

/// The truth of one world, as in its `truth.json`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Truth {
    pub world: String,
    /// Name of the family ([`super::Family::name`]).
    pub family: String,
    pub seed: u64,
    /// First moment of the story, in nanoseconds since 1970 UTC, on the capture's clock.
    pub began_ns: i64,
    pub episodes: Vec<TrueEpisode>,
    /// Clocks that are off: the beginning of the path, and source minus capture in seconds.
    pub clocks: Vec<TrueClock>,
    /// Every connection.
    pub connections: Vec<TrueConnection>,
}

/// An episode, whether or not its transcript is in evidence.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TrueEpisode {
    pub episode: String,
    /// Behaviours that its steps set off, each once.
    pub behaviours: Vec<String>,
    pub transcript_kept: bool,
}

/// How far off a clock is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TrueClock {
    pub path: String,
    /// Source minus capture in seconds, the hours of a wrong zone included.
    pub offset_s: f64,
    pub zone_h: i32,
    pub ppm: f64,
}

/// Who opened a connection.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TrueConnection {
    pub at_ns: i64,
    pub src: Ipv4Addr,
    pub src_port: u16,
    pub dst: Ipv4Addr,
    pub dst_port: u16,
    /// "step", "background" or "rival".
    pub cause: String,
    pub behaviour: Option<String>,
    pub episode: Option<String>,
    /// As its transcript counts; `None` also for a step that the transcript does not tell of.
    pub step: Option<u32>,
}

impl Truth {
    pub(super) fn of(name: &str, seed: u64, recipe: &Recipe, story: &Story, began: Instant) -> Truth {
        let mut connections: Vec<TrueConnection> = story
            .flows
            .iter()
            .map(|flow| {
                let flow = &recipe.seen(flow, if recipe.missing.capture { Side::Firewall } else { Side::Capture });
                let (cause, act, step) = match flow.cause {
                    Cause::Step(id, act) => ("step", act, Some(id)),
                    Cause::Background => ("background", None, None),
                    Cause::Rival(act) => ("rival", Some(act), None),
                };
                TrueConnection {
                    at_ns: began.0 + flow.at,
                    src: flow.src,
                    src_port: flow.src_port,
                    dst: flow.dst,
                    dst_port: flow.dst_port,
                    cause: cause.to_owned(),
                    behaviour: act.map(|act| act.name().to_owned()),
                    episode: step.map(|id| story.episodes[id.episode].name.clone()),
                    step: step.and_then(|id| story.episodes.get(id.episode)?.index(id.step)),
                }
            })
            .collect();
        connections.sort_by_key(|one| (one.at_ns, one.src_port));
        let behaviours = |name: &str| {
            let theirs = connections.iter().filter(|one| one.episode.as_deref() == Some(name));
            let mut all: Vec<String> = theirs.filter_map(|one| one.behaviour.clone()).collect();
            all.sort();
            all.dedup();
            all
        };
        let episodes = story
            .episodes
            .iter()
            .map(|episode| TrueEpisode {
                episode: episode.name.clone(),
                behaviours: behaviours(&episode.name),
                transcript_kept: !(recipe.missing.guilty_transcript && episode.guilty),
            })
            .collect();
        let clock = |path: &str, offset_s: f64, zone_h: i32, ppm: f64| TrueClock {
            path: path.to_owned(),
            offset_s: offset_s + f64::from(zone_h) * 3600.0,
            zone_h,
            ppm,
        };
        let clocks = vec![
            clock("firewall.log", recipe.clocks.firewall_s, recipe.clocks.firewall_zone_h, 0.0),
            clock("transcripts", recipe.clocks.transcripts_s, 0, recipe.clocks.transcripts_ppm),
        ];
        Truth {
            world: name.to_owned(),
            family: recipe.family.name().to_owned(),
            seed,
            began_ns: began.0,
            episodes,
            clocks,
            connections,
        }
    }
}

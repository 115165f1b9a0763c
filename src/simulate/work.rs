//! Honest work: rollouts in sandboxes, and the traffic that goes with them and without them.

use std::net::Ipv4Addr;

use super::recipe::Recipe;
use super::story::{Cause, Episode, Moment, Peer, SHARED, Step, StepId, Story, lag, seconds, tail};
use crate::stats::random::Random;

const RUNS: [&str; 2] = ["run-a", "run-b"];
/// Of a call that returns at once and whose connection begins later all the same.
const LATE_SHARE: f64 = 0.05;

/// The address of a sandbox.
pub(super) fn address(recipe: &Recipe, sandbox: usize) -> Ipv4Addr {
    if recipe.shared_address || recipe.translated { SHARED } else { Ipv4Addr::from(u32::from(SHARED) + sandbox as u32) }
}

/// Rollouts of all sandboxes, one after the other in each, with pauses of a minute or two between.
pub(super) fn rollouts(recipe: &Recipe, story: &mut Story, random: &mut Random) {
    let end = seconds(f64::from(recipe.seconds));
    for sandbox in 0..recipe.sandboxes as usize {
        let mut at = seconds(30.0 + 60.0 * random.uniform());
        let mut number = 1;
        while at < end - seconds(120.0) {
            let episode = story.episodes.len();
            let until = end.min(at + seconds(420.0 + 480.0 * random.uniform()));
            story.episodes.push(Episode {
                name: format!("sb-{sandbox:02}-ep-{number:03}"),
                run: RUNS[sandbox % 2],
                sandbox,
                begins: at,
                steps: Vec::new(),
                guilty: false,
            });
            let mut next = at + seconds(15.0);
            while next < until - seconds(20.0) {
                next = step(recipe, story, StepId { episode, step: story.episodes[episode].steps.len() }, next, random);
                // The model thinks: lognormal, median 9 s.
                next += seconds((9.0_f64.ln() + 0.7 * random.normal()).exp());
            }
            at = until + seconds(60.0 + 60.0 * random.uniform());
            number += 1;
        }
    }
}

/// One call. Gives when it ended.
fn step(recipe: &Recipe, story: &mut Story, id: StepId, at: Moment, random: &mut Random) -> Moment {
    let sandbox = story.episodes[id.episode].sandbox;
    let number = random.below(24);
    let path = format!("/data/part-{:05}.bin", random.below(100_000));
    let peer = Peer::mirror(number, path.clone());
    let name = peer.name.clone().unwrap_or_default();
    let scheme = if peer.port == 80 { "http" } else { "https" };
    let draw = random.uniform();
    let (tool, text, reaches) = match draw {
        x if x < 0.25 => ("Bash", format!("curl -sSfL {scheme}://{name}{path} -o data/part.bin"), true),
        x if x < 0.33 => ("Bash", format!("git clone -q {scheme}://{name}/team/project-{number}.git vendor"), true),
        x if x < 0.40 => ("Bash", format!("python3 tools/fetch.py --shard {}", random.below(900)), true),
        x if x < 0.55 => ("Bash", "python3 -m pytest -q tests 2>&1 | tail -n 20".to_owned(), false),
        x if x < 0.70 => ("Bash", format!("grep -rn 'def step_{number}' src | head"), false),
        x if x < 0.85 => ("Read", format!("/home/agent/project/src/part_{number}.py"), false),
        _ => ("Edit", format!("/home/agent/project/src/part_{number}.py"), false),
    };
    let mut ends = at + seconds(0.2 + random.exponential(1.0));
    if reaches {
        let late = random.uniform() < LATE_SHARE;
        let opened = at + if late { seconds(random.exponential(60.0)) } else { lag(random) };
        let lasts = seconds(0.3 + random.exponential(1.5));
        if !late {
            ends = opened + lasts.max(tail(random));
        }
        let src = address(recipe, sandbox);
        story.connect(src, &peer, opened, lasts, Cause::Step(id, None));
        if recipe.several_connections {
            further(story, src, &peer, opened, id, random);
        }
    }
    let output = match tool {
        "Read" => "def step(x):\n    return x + 1\n".to_owned(),
        "Edit" => "The file has been updated.".to_owned(),
        _ if reaches => String::new(),
        _ => "12 passed in 0.41s".to_owned(),
    };
    story.episodes[id.episode].steps.push(Step::told(at, ends, tool, text, output));
    ends
}

/// What a call opens besides: half of them are redirected, up to three times, a third fetch parts from a second mirror.
fn further(story: &mut Story, src: Ipv4Addr, peer: &Peer, opened: Moment, id: StepId, random: &mut Random) {
    let mut at = opened;
    let mut redirected = random.uniform() < 0.5;
    for _ in 0..3 {
        if !redirected {
            break;
        }
        at += seconds(0.05 + random.exponential(0.3));
        let lasts = seconds(0.2 + random.exponential(1.0));
        story.connect(src, &Peer::redirect(random.below(8)), at, lasts, Cause::Step(id, None));
        redirected = random.uniform() < 0.3;
    }
    if random.uniform() < 1.0 / 3.0 {
        let lasts = seconds(0.2 + random.exponential(1.0));
        story.connect(src, &peer.sibling(), opened + seconds(random.exponential(0.5)), lasts, Cause::Step(id, None));
    }
}

/// What is missing of transcripts, step by step.
pub(super) fn forget(recipe: &Recipe, story: &mut Story, random: &mut Random) {
    let missing = recipe.missing;
    let hits = |percent: u32, random: &mut Random| percent > 0 && random.below(100) < u64::from(percent);
    for episode in &mut story.episodes {
        for step in &mut episode.steps {
            step.kept = !hits(missing.steps_percent, random);
            step.result_kept = !hits(missing.results_percent, random);
        }
    }
    if missing.guilty_steps {
        for flow in &story.flows {
            let Cause::Step(id, Some(_)) = flow.cause else { continue };
            if let Some(step) = story.episodes.get_mut(id.episode).and_then(|episode| episode.steps.get_mut(id.step)) {
                step.kept = false;
            }
        }
    }
}

/// Connections that no step opens: telemetry mostly, one of six to a mirror that steps use as well.
pub(super) fn background(recipe: &Recipe, story: &mut Story, random: &mut Random) {
    if recipe.noise_per_s <= 0.0 {
        return;
    }
    for sandbox in 0..recipe.sandboxes as usize {
        let mut at = 0.0;
        loop {
            at += random.exponential(1.0 / recipe.noise_per_s);
            if at >= f64::from(recipe.seconds) {
                break;
            }
            let peer = if random.uniform() < 1.0 / 6.0 {
                Peer::mirror(random.below(24), "/index".to_owned())
            } else {
                Peer::telemetry()
            };
            let lasts = seconds(0.2 + random.exponential(1.0));
            story.connect(address(recipe, sandbox), &peer, seconds(at), lasts, Cause::Background);
        }
    }
}

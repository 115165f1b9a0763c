//! Calls and connections put together by hand, with exact times.

use std::collections::BTreeSet;

use crate::correlate::acts::Act;
use crate::correlate::events::{Events, Row};
use crate::correlate::kit::{Laid, World, ip, ms, row, sandboxes};
use crate::correlate::steptime::StepTime;
use crate::correlate::tokens::Token;

/// A call: its episode ("a" on 10.20.0.5, "b" on 10.20.0.6, "c" on a host that is not known), from which second to which
/// other it ran, and the address that it names, if any.
type Call<'c> = (&'c str, i64, i64, &'c str);

/// Calls that can reach the network, in this order.
pub(in crate::correlate::attribute) fn laid(calls: &[Call<'_>]) -> Laid {
    let mut world = World::with_case(&sandboxes(&["", ""]));
    let transcripts = ["a1.jsonl", "b1.jsonl", "c1.jsonl"].map(|path| world.episode(path, None));
    for (episode, ..) in calls {
        world.step(transcripts["abc".find(*episode).unwrap()], None, "true");
    }
    let mut laid = world.lay();
    for (at, (_, from, until, peer)) in calls.iter().enumerate() {
        laid.acts[at] = Act::default();
        laid.acts[at].network = true;
        laid.acts[at].add((!peer.is_empty()).then(|| Token::Address(ip(peer))));
        let moment = |second: &i64| Some(ms(second * 1_000));
        laid.times[at] = StepTime { start: moment(from), end: moment(until), stamped: true, slack_ns: 0 };
    }
    laid
}

/// Two sandboxes that share a volume, in which a call of the first leaves a script that names 203.0.113.1.
pub(in crate::correlate::attribute) fn with_shared_volume() -> Laid {
    let shared = "volumes = [\"/mnt/shared\"]";
    let mut world = World::with_case(&sandboxes(&[shared, shared]));
    let transcript = world.episode("a1.jsonl", None);
    world.episode("b1.jsonl", None);
    world.step(transcript, None, "echo 'curl http://203.0.113.1/' > /mnt/shared/job.sh");
    world.lay()
}

/// Connections to port 80, each over as soon as it began: who opened it, if that is known, the peer, and in which millisecond
/// it began.
pub(in crate::correlate::attribute) fn connections_ms(all: &[(&str, &str, i64)]) -> Events {
    let mut rows: Vec<(Row, BTreeSet<Token>)> = Vec::new();
    for (number, (src, dst, at)) in (1..).zip(all) {
        let row = Row { dst_port: Some(80), number, ..row(Some(*src).filter(|src| !src.is_empty()), dst, ms(*at)) };
        rows.push((row, BTreeSet::from([Token::Address(ip(dst))])));
    }
    rows.sort_by_key(|(row, _)| row.at);
    Events::of(rows)
}

/// The same in seconds.
pub(in crate::correlate::attribute) fn connections(all: &[(&str, &str, i64)]) -> Events {
    connections_ms(&all.iter().map(|(src, dst, at)| (*src, *dst, at * 1_000)).collect::<Vec<_>>())
}

//! Clocks against UTC itself: servers tell their own time in what a capture holds (the `Date` of HTTP, RFC 9110 section
//! 6.6.1; the transmit timestamp of NTP, RFC 5905 section 7.3), and pools the time of the block to be found.

use std::collections::BTreeMap;
use std::net::IpAddr;

use crate::correlate::analysis::UtcPin;
use crate::correlate::vote::{self, Pair};
use crate::intake::{Teller, TimeAnchor};
use crate::time::SECOND;

/// A server's time is seen within this of when it was told, in nanoseconds. Answers that lay in a cache are older: they
/// disagree with all others, and with each other.
const UNDERWAY_NS: i64 = 2 * SECOND;
/// A job's time is that of its template, which is sent again until there is a newer one, in nanoseconds: pools make one
/// with every block of their chain (two minutes apart on average in Monero's, ten in Bitcoin's) and mostly in between.
const TEMPLATE_NS: i64 = 600 * SECOND;
/// Pools may set the time of a job ahead so that jobs differ: by seconds, in nanoseconds.
const ROLLED_NS: i64 = 10 * SECOND;
/// Of one server, more answers than this add nothing.
const MOST_OF_A_SERVER: usize = 4096;

/// What servers say about one clock: clock minus UTC. Each server has one vote, whatever it answers and how often: most
/// servers are within a second of UTC, some are far off (Buchholz and Tjaden, DFRWS 2007). Pools have no vote, for what
/// they tell is old by an unknown while: without any server, they bound the clock, and never tie it to another. `None`
/// without answers.
pub(super) fn pin(anchors: &[&TimeAnchor]) -> Option<UtcPin> {
    let of = |teller: Teller| by_teller(anchors.iter().copied().filter(|anchor| anchor.teller == teller));
    let (servers, pools) = (of(Teller::Server), of(Teller::Pool));
    let (by_servers, by_pools) = (vote::vote(&servers.votes), vote::vote(&pools.votes));
    let (support_ns, agreeing, offset_ns) = match (by_servers, &by_pools) {
        (Some(vote), _) => (vote.best.core_ns, vote.inliers, vote.best.middle_ns),
        (None, Some(vote)) => (vote.best.core_ns, 0, vote.best.middle_ns),
        (None, None) => return None,
    };
    let allows = |pool: &&Pair| pool.lo_ns <= support_ns.1 && support_ns.0 <= pool.hi_ns;
    Some(UtcPin {
        offset_ns,
        support_ns,
        servers: servers.tellers,
        agreeing,
        answers: servers.answers,
        pools: pools.tellers,
        pools_agreeing: pools.votes.iter().filter(allows).count(),
        machines: 0,
        machines_agreeing: 0,
    })
}

/// The same for a person.
pub(super) fn told(pin: &UtcPin) -> String {
    let seconds = |ns: i64| ns as f64 / SECOND as f64;
    let range = format!("{:.1} … {:.1}", seconds(pin.support_ns.0), seconds(pin.support_ns.1));
    if pin.servers == 0 {
        return format!("within {range} s of UTC by the times in jobs of {} mining pools", pin.pools);
    }
    let (offset, UtcPin { answers, servers, agreeing, .. }) = (seconds(pin.offset_ns), *pin);
    let by = format!("by {answers} server times (HTTP Date, NTP) of {servers} servers, of which {agreeing} agree");
    match pin.pools {
        0 => format!("{offset:+.1} s ({range}) against UTC {by}"),
        pools => {
            let agree = pin.pools_agreeing;
            format!("{offset:+.1} s ({range}) against UTC {by}; so do the jobs of {agree} of {pools} mining pools")
        }
    }
}

/// What one kind of teller says.
struct Told {
    tellers: usize,
    answers: usize,
    votes: Vec<Pair>,
}

fn by_teller<'a>(anchors: impl Iterator<Item = &'a TimeAnchor>) -> Told {
    let mut by_server: BTreeMap<Option<IpAddr>, Vec<&TimeAnchor>> = BTreeMap::new();
    for anchor in anchors {
        by_server.entry(anchor.server).or_default().push(anchor);
    }
    Told {
        tellers: by_server.len(),
        answers: by_server.values().map(Vec::len).sum(),
        votes: by_server.values().zip(0..).filter_map(|(answers, key)| of_server(answers, key)).collect(),
    }
}

/// The offsets that most answers of a server allow. It told some moment of `[told, told + resolution)`, which was seen
/// between nothing and [`UNDERWAY_NS`] later; of a pool, up to [`TEMPLATE_NS`] later.
fn of_server(answers: &[&TimeAnchor], key: u64) -> Option<Pair> {
    let step = answers.len().div_ceil(MOST_OF_A_SERVER).max(1);
    let pairs: Vec<Pair> = answers
        .iter()
        .step_by(step)
        .zip(0..)
        .map(|(anchor, key)| {
            let ahead = anchor.seen.since(anchor.told);
            let (oldest, rolled) = match anchor.teller {
                Teller::Server => (UNDERWAY_NS, 0),
                Teller::Pool => (TEMPLATE_NS, ROLLED_NS),
            };
            let lo_ns = ahead.saturating_sub(anchor.resolution_ns.max(1) - 1).saturating_sub(oldest);
            Pair { lo_ns, hi_ns: ahead.saturating_add(rolled), at_ns: anchor.seen.0, weight: 1.0, key }
        })
        .collect();
    let vote = vote::vote(&pairs)?;
    let at_ns = answers.first().map_or(0, |anchor| anchor.seen.0);
    Some(Pair { lo_ns: vote.best.core_ns.0, hi_ns: vote.best.core_ns.1, at_ns, weight: 1.0, key })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::{EvidenceId, Record};
    use crate::time::Instant;

    /// Seen at `seen_ms` on the clock, told as `told_ms`, to the resolution.
    fn anchor(server: u8, seen_ms: i64, told_ms: i64, resolution_ns: i64) -> TimeAnchor {
        TimeAnchor {
            teller: Teller::Server,
            seen: Instant(seen_ms * 1_000_000),
            told: Instant(told_ms * 1_000_000),
            resolution_ns,
            server: Some(IpAddr::from([203, 0, 113, server])),
            record: Record { evidence: EvidenceId(0), number: 1 },
        }
    }

    fn pinned(anchors: &[TimeAnchor]) -> UtcPin {
        pin(&anchors.iter().collect::<Vec<_>>()).unwrap()
    }

    // A clock 10 s ahead, answers 100 ms underway, told at fractions of .0, .5 and .9 of a second, cut to seconds:
    // seen - told is 10.1, 10.6 and 11.0 s. Each allows [that - 1 - 2 s, that]: together [8.0, 10.1].
    #[test]
    fn whole_seconds_are_narrowed_by_their_fractions() {
        let of = |at: i64| anchor(1, at + 10_100, at / 1000 * 1000, SECOND);
        let pin = pinned(&[of(0), of(60_500), of(120_900)]);
        let ms = |ns: i64| (ns + 500_000).div_euclid(1_000_000);
        assert_eq!((ms(pin.support_ns.0), ms(pin.support_ns.1)), (8_000, 10_100));
        assert_eq!((pin.servers, pin.agreeing, pin.answers), (1, 1, 3));
        // NTP tells fractions: [8.1, 10.1].
        let pin = pinned(&[anchor(1, 10_100, 0, 1)]);
        assert_eq!((ms(pin.support_ns.0), ms(pin.support_ns.1)), (8_100, 10_100));
    }

    // Three servers in time; one that answers a hundred times and is an hour off; a cached answer of yesterday.
    #[test]
    fn a_server_has_one_vote() {
        let mut all: Vec<TimeAnchor> = (1..4)
            .map(|server| anchor(server, i64::from(server) * 7_000 + 300, i64::from(server) * 7_000, SECOND))
            .collect();
        all.extend((0..100).map(|n| anchor(9, n * 1_000 + 3_600_200, n * 1_000, SECOND)));
        all.push(anchor(1, 86_400_000, 0, SECOND));
        let pin = pinned(&all);
        assert_eq!((pin.servers, pin.agreeing, pin.answers), (4, 3, 104));
        assert!(pin.support_ns.0 <= 0 && pin.support_ns.1 == 300_000_000, "{:?}", pin.support_ns);
    }

    fn job(pool: u8, seen_ms: i64, told_ms: i64) -> TimeAnchor {
        TimeAnchor { teller: Teller::Pool, ..anchor(pool, seen_ms, told_ms, SECOND) }
    }

    // A clock 30 s ahead. A pool's jobs are sent 0, 90 and 240 s after their templates: seen - told is 30, 120 and
    // 270 s. Each allows [that - 1 - 600 s, that + 10 s]: together [-331, 40], the least from the oldest template.
    #[test]
    fn pools_bound_a_clock_and_no_more() {
        let jobs = [job(7, 1_030_000, 1_000_000), job(7, 1_120_000, 1_000_000), job(7, 1_570_000, 1_300_000)];
        let pin = pinned(&jobs);
        let seconds = |ns: i64| ns.div_euclid(SECOND);
        assert_eq!((seconds(pin.support_ns.0), seconds(pin.support_ns.1)), (-331, 40));
        assert!(pin.support_ns.0 <= 30 * SECOND && 30 * SECOND <= pin.support_ns.1);
        assert_eq!((pin.servers, pin.agreeing, pin.answers, pin.pools, pin.pools_agreeing), (0, 0, 0, 1, 1));
        // However many there are, they tie nothing.
        let many: Vec<TimeAnchor> = (0..20)
            .flat_map(|pool| jobs.map(|job| TimeAnchor { server: Some(IpAddr::from([198, 51, 100, pool])), ..job }))
            .collect();
        assert!(!pinned(&many).holds());
        // Beside a server they agree or they do not; they move nothing. One pool's clock is an hour off.
        let server = anchor(1, 1_030_100, 1_000_000, 1);
        let wrong = job(8, 1_030_000, 4_600_000);
        let pin = pinned(&[server, jobs[0], jobs[1], wrong]);
        assert_eq!((pin.support_ns, pin.servers), (pinned(&[server]).support_ns, 1));
        assert_eq!((pin.pools, pin.pools_agreeing), (2, 1));
    }

    #[test]
    fn who_told_the_time_is_said_in_words() {
        let pin = |servers: usize, agreeing: usize, pools: usize, pools_agreeing: usize| UtcPin {
            offset_ns: -1_500 * 1_000_000,
            support_ns: (-2 * SECOND, -SECOND),
            servers,
            agreeing,
            answers: 9,
            pools,
            pools_agreeing,
            machines: 0,
            machines_agreeing: 0,
        };
        let by_servers =
            "-1.5 s (-2.0 … -1.0) against UTC by 9 server times (HTTP Date, NTP) of 4 servers, of which 3 agree";
        assert_eq!(told(&pin(4, 3, 0, 0)), by_servers);
        assert_eq!(told(&pin(4, 3, 2, 1)), format!("{by_servers}; so do the jobs of 1 of 2 mining pools"));
        assert_eq!(told(&pin(0, 0, 2, 2)), "within -2.0 … -1.0 s of UTC by the times in jobs of 2 mining pools");
    }

    // What is told to the nanosecond may have been seen two seconds later; what is cut to two, a nanosecond less.
    #[test]
    fn a_time_covers_what_it_is_cut_to() {
        let allows = |resolution_ns| pinned(&[anchor(1, 10_000, 0, resolution_ns)]).support_ns;
        assert_eq!(allows(1), (8 * SECOND, 10 * SECOND));
        assert_eq!(allows(2), (8 * SECOND - 1, 10 * SECOND));
        assert_eq!(allows(0), allows(1));
    }

    // A server allows [28, 30] s. A pool's job of 0 s, cut to seconds, allows up to 28 s if it was seen at 18 s, and from 30 s less
    // a millisecond on if it was seen at 630.999 s.
    #[test]
    fn pools_agree_up_to_the_ends_of_what_servers_allow() {
        let server = anchor(1, 30_000, 0, 1);
        for (seen_ms, agree) in [(18_000, 1), (17_999, 0), (630_999, 1), (632_000, 0)] {
            let pin = pinned(&[server, job(7, seen_ms, 0)]);
            assert_eq!((pin.pools, pin.pools_agreeing), (1, agree), "{seen_ms}");
        }
    }

    #[test]
    fn hostile_times() {
        assert!(pin(&[]).is_none());
        let wild = TimeAnchor { seen: Instant(i64::MIN), told: Instant(i64::MAX), ..anchor(1, 0, 0, i64::MIN) };
        let other = TimeAnchor { seen: Instant(i64::MAX), told: Instant(i64::MIN), resolution_ns: i64::MAX, ..wild };
        let pin = pinned(&[wild, other]);
        assert!(pin.support_ns.0 <= pin.support_ns.1);
    }
}

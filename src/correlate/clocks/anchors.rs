//! Clocks against UTC itself: servers tell their own time in what a capture holds (the `Date` of HTTP, RFC 9110 section
//! 6.6.1; the transmit timestamp of NTP, RFC 5905 section 7.3).

use std::collections::BTreeMap;
use std::net::IpAddr;

use crate::correlate::analysis::UtcPin;
use crate::correlate::vote::{self, Pair};
use crate::intake::TimeAnchor;
use crate::time::SECOND;

/// A server's time is seen within this of when it was told, in nanoseconds. Answers that lay in a cache are older: they
/// disagree with all others, and with each other.
const UNDERWAY_NS: i64 = 2 * SECOND;
/// Of one server, more answers than this add nothing.
const MOST_OF_A_SERVER: usize = 4096;

/// What servers say about one clock: clock minus UTC. Each server has one vote, whatever it answers and how often: most
/// servers are within a second of UTC, some are far off (Buchholz and Tjaden, DFRWS 2007). `None` without answers.
pub(super) fn pin(anchors: &[&TimeAnchor]) -> Option<UtcPin> {
    let mut by_server: BTreeMap<Option<IpAddr>, Vec<&TimeAnchor>> = BTreeMap::new();
    for anchor in anchors {
        by_server.entry(anchor.server).or_default().push(anchor);
    }
    let servers: Vec<Pair> = by_server.values().zip(0..).filter_map(|(answers, key)| of_server(answers, key)).collect();
    let vote = vote::vote(&servers)?;
    Some(UtcPin {
        offset_ns: vote.best.middle_ns,
        support_ns: vote.best.core_ns,
        servers: by_server.len(),
        agreeing: vote.inliers,
        answers: anchors.len(),
    })
}

/// The offsets that most answers of a server allow. It told some moment of `[told, told + resolution)`, which was seen
/// between nothing and [`UNDERWAY_NS`] later.
fn of_server(answers: &[&TimeAnchor], key: u64) -> Option<Pair> {
    let step = answers.len().div_ceil(MOST_OF_A_SERVER).max(1);
    let pairs: Vec<Pair> = answers
        .iter()
        .step_by(step)
        .zip(0..)
        .map(|(anchor, key)| {
            let ahead = anchor.seen.since(anchor.told);
            let lo_ns = ahead.saturating_sub(anchor.resolution_ns.max(1) - 1).saturating_sub(UNDERWAY_NS);
            Pair { lo_ns, hi_ns: ahead, at_ns: anchor.seen.0, weight: 1.0, key }
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

    #[test]
    fn hostile_times() {
        assert!(pin(&[]).is_none());
        let wild = TimeAnchor { seen: Instant(i64::MIN), told: Instant(i64::MAX), ..anchor(1, 0, 0, i64::MIN) };
        let other = TimeAnchor { seen: Instant(i64::MAX), told: Instant(i64::MIN), resolution_ns: i64::MAX, ..wild };
        let pin = pinned(&[wild, other]);
        assert!(pin.support_ns.0 <= pin.support_ns.1);
    }
}

//! What was seen of the peers of signals: who opened what to them, and what firewalls said to it. A sweep tries thousands, so
//! there is one list for all of them.

use std::collections::BTreeSet;

use crate::correlate::events::Events;
use crate::model::Flow;

pub(super) struct Peers {
    /// Sorted, each once; the place in it is the number of a peer.
    flows: Vec<Flow>,
    /// Places of connections in the events: those of the first peer, ascending, then those of the next.
    connections: Vec<u32>,
    /// By number: where those of the peer end.
    ends: Vec<u32>,
    /// By number: what firewalls refused and let through.
    verdicts: Vec<(u64, u64)>,
}

impl Peers {
    /// With the connections to them; goes over `events` twice.
    pub(super) fn of(mut flows: Vec<Flow>, events: &Events) -> Self {
        flows.sort_unstable();
        flows.dedup();
        flows.shrink_to_fit();
        let verdicts = vec![(0, 0); flows.len()];
        let mut peers = Peers { flows, connections: Vec::new(), ends: Vec::new(), verdicts };
        if peers.flows.is_empty() {
            return peers;
        }
        let numbers = || events.iter().map(|event| peers.number(&event.peers()));
        let mut counts = vec![0_u32; peers.flows.len()];
        for number in numbers().flatten() {
            counts[number] += 1;
        }
        let mut ends = Vec::with_capacity(counts.len());
        let mut all = 0;
        for count in counts {
            // Each begins where those before it end; it grows to its own end as it is filled.
            ends.push(all);
            all += count;
        }
        let mut connections = vec![0; all as usize];
        for (place, number) in (0_u32..).zip(numbers()) {
            let Some(number) = number else { continue };
            // What could be read back once need not be there again.
            if let Some(slot) = connections.get_mut(ends[number] as usize) {
                *slot = place;
                ends[number] += 1;
            }
        }
        (peers.connections, peers.ends) = (connections, ends);
        peers
    }

    fn number(&self, peer: &Flow) -> Option<usize> {
        self.flows.binary_search(peer).ok()
    }

    /// So many were refused and let through. Others are passed over.
    pub(super) fn judged(&mut self, peer: &Flow, denied: u64, allowed: u64) {
        if let Some(sums) = self.number(peer).and_then(|number| self.verdicts.get_mut(number)) {
            *sums = (sums.0.saturating_add(denied), sums.1.saturating_add(allowed));
        }
    }

    /// Places of the connections to some of them, ascending.
    pub(super) fn connections(&self, peers: &BTreeSet<Flow>) -> Vec<u32> {
        let end = |number: usize| self.ends.get(number).map_or(0, |end| *end as usize);
        let of_peer = |number: usize| &self.connections[number.checked_sub(1).map_or(0, end)..end(number)];
        let numbers = peers.iter().filter_map(|peer| self.number(peer));
        let mut places: Vec<u32> = numbers.flat_map(of_peer).copied().collect();
        places.sort_unstable();
        places
    }

    /// What firewalls refused to some of them and let through.
    pub(super) fn verdicts(&self, peers: &BTreeSet<Flow>) -> (u64, u64) {
        let numbers = peers.iter().filter_map(|peer| self.number(peer));
        let each = numbers.filter_map(|number| self.verdicts.get(number));
        each.fold((0, 0), |sums, one| (sums.0.saturating_add(one.0), sums.1.saturating_add(one.1)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::correlate::events::Row;
    use crate::correlate::kit::row;
    use crate::time::Instant;

    #[test]
    fn what_was_seen_of_a_peer_is_kept_with_it_and_nothing_of_others() {
        let flow = |port| Flow { dst_port: Some(port), ..Flow::default() };
        let to = |(at, port): (i64, u16)| {
            let row = row(None, "203.0.113.1", Instant(at));
            let row = Row { src_port: Some(9), dst: None, dst_port: Some(port), ..row };
            (row, BTreeSet::new())
        };
        let events = Events::of((0..).zip([22, 443, 22, 25, 80, 443]).map(to).collect());
        let mut peers = Peers::of(vec![flow(443), flow(22), flow(80), flow(22)], &events);
        peers.judged(&flow(443), 2, 1);
        peers.judged(&flow(443), 1, 0);
        peers.judged(&flow(25), 7, 7);
        peers.judged(&flow(80), u64::MAX, 1);
        let of = |ports: &[u16]| ports.iter().map(|port| flow(*port)).collect::<BTreeSet<Flow>>();
        assert_eq!(peers.connections(&of(&[22])), [0, 2]);
        assert_eq!(peers.connections(&of(&[443, 22])), [0, 1, 2, 5], "in the order of events");
        assert!(peers.connections(&of(&[25, 9])).is_empty(), "not asked about when it was laid out");
        assert_eq!(peers.verdicts(&of(&[443, 22, 25])), (3, 1));
        assert_eq!(peers.verdicts(&of(&[443, 80])), (u64::MAX, 2), "sums stay at the end of the range");
    }
}

//! What was seen of the peers of signals: who opened what to them, and what firewalls said to it. A sweep tries thousands, so
//! there is one list for all of them.

use std::collections::BTreeSet;

use crate::model::Flow;

#[derive(Default)]
pub(super) struct Peers {
    /// Sorted, each once; the place in it is the number of a peer.
    flows: Vec<Flow>,
    /// Number of a peer and place of a connection in the events; sorted once all are there.
    connections: Vec<(u32, u32)>,
    /// By number: what firewalls refused and let through.
    verdicts: Vec<(u64, u64)>,
}

impl Peers {
    pub(super) fn of(flows: BTreeSet<Flow>) -> Self {
        let verdicts = vec![(0, 0); flows.len()];
        Peers { flows: flows.into_iter().collect(), connections: Vec::new(), verdicts }
    }

    fn number(&self, peer: &Flow) -> Option<u32> {
        u32::try_from(self.flows.binary_search(peer).ok()?).ok()
    }

    /// There is a connection, at that place of the events. Others are passed over.
    pub(super) fn opened(&mut self, peer: &Flow, place: u32) {
        if let Some(number) = self.number(peer) {
            self.connections.push((number, place));
        }
    }

    /// So many were refused and let through. Others are passed over.
    pub(super) fn judged(&mut self, peer: &Flow, denied: u64, allowed: u64) {
        let number = self.number(peer).map(|number| number as usize);
        if let Some(sums) = number.and_then(|number| self.verdicts.get_mut(number)) {
            *sums = (sums.0.saturating_add(denied), sums.1.saturating_add(allowed));
        }
    }

    /// All are there.
    pub(super) fn settle(&mut self) {
        self.connections.sort_unstable();
        self.connections.shrink_to_fit();
    }

    /// Places of the connections to some of them, ascending.
    pub(super) fn connections(&self, peers: &BTreeSet<Flow>) -> Vec<u32> {
        let of_peer = |number: u32| {
            let from = self.connections.partition_point(|(peer, _)| *peer < number);
            self.connections[from..].iter().take_while(move |(peer, _)| *peer == number).map(|(_, place)| *place)
        };
        let mut places: Vec<u32> = peers.iter().filter_map(|peer| self.number(peer)).flat_map(of_peer).collect();
        places.sort_unstable();
        places
    }

    /// What firewalls refused to some of them and let through.
    pub(super) fn verdicts(&self, peers: &BTreeSet<Flow>) -> (u64, u64) {
        let numbers = peers.iter().filter_map(|peer| self.number(peer));
        let each = numbers.filter_map(|number| self.verdicts.get(number as usize));
        each.fold((0, 0), |sums, one| (sums.0.saturating_add(one.0), sums.1.saturating_add(one.1)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_seen_of_a_peer_is_kept_with_it_and_nothing_of_others() {
        let flow = |port| Flow { dst_port: Some(port), ..Flow::default() };
        let mut peers = Peers::of(BTreeSet::from([flow(443), flow(22), flow(80)]));
        for (place, port) in (0_u32..).zip([22, 443, 22, 25, 80, 443]) {
            peers.opened(&flow(port), place);
        }
        peers.judged(&flow(443), 2, 1);
        peers.judged(&flow(443), 1, 0);
        peers.judged(&flow(25), 7, 7);
        peers.judged(&flow(80), u64::MAX, 1);
        peers.settle();
        let of = |ports: &[u16]| ports.iter().map(|port| flow(*port)).collect::<BTreeSet<Flow>>();
        assert_eq!(peers.connections(&of(&[22])), [0, 2]);
        assert_eq!(peers.connections(&of(&[443, 22])), [0, 1, 2, 5], "in the order of events");
        assert!(peers.connections(&of(&[25, 9])).is_empty(), "not asked about when it was laid out");
        assert_eq!(peers.verdicts(&of(&[443, 22, 25])), (3, 1));
        assert_eq!(peers.verdicts(&of(&[443, 80])), (u64::MAX, 2), "sums stay at the end of the range");
    }
}

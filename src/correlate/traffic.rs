//! Connections by who opened them and by what names them, so that a call looks at what may be its own alone: a fleet
//! opens thousands while one call runs.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::ops::Range;

use super::acts::Act;
use super::events::{Event, Events};
use super::identity::Place;
use super::tokens::{self, Token, Written};
use crate::time::Instant;

/// Events, sorted by time, and the places of them.
pub(crate) struct Traffic<'e> {
    events: &'e Events,
    /// By opener, ascending.
    by_source: BTreeMap<Option<IpAddr>, Vec<u32>>,
    /// Of dated events, by each token that some command wrote, ascending.
    by_token: BTreeMap<&'e Token, Vec<u32>>,
}

impl<'e> Traffic<'e> {
    /// `events` sorted by time; `acts` are all that anybody will ask about.
    pub(crate) fn new(events: &'e Events, acts: &[Act]) -> Self {
        let written = Written::of(acts.iter().map(|act| act.tokens()));
        let mut traffic = Traffic { events, by_source: BTreeMap::new(), by_token: BTreeMap::new() };
        for (at, event) in (0_u32..).zip(events.iter()) {
            traffic.by_source.entry(event.src).or_default().push(at);
            if event.timed {
                for token in event.tokens.iter().filter(|token| written.asks_for(token)) {
                    traffic.by_token.entry(token).or_default().push(at);
                }
            }
        }
        traffic
    }

    /// All of them, sorted by time.
    pub(crate) fn events(&self) -> &'e Events {
        self.events
    }

    fn event(&self, at: u32) -> Option<Event<'e>> {
        self.events.get(at as usize)
    }

    /// Places of the dated events that show a token which some command wrote, ascending.
    pub(crate) fn showing(&self, token: &Token) -> Option<&[u32]> {
        self.by_token.get(token).map(Vec::as_slice)
    }

    /// Places of the events from one moment to another, both included.
    fn places(&self, from: Instant, to: Instant) -> Range<u32> {
        let place = |moment| u32::try_from(self.events.place_of(moment)).unwrap_or(u32::MAX);
        let end = if to.0 == i64::MAX { u32::MAX } else { place(to.plus(1)) };
        place(from)..end
    }

    /// Events of that time, both ends included, that may come from a host ([`Place::fits_at`]): of one that is not known,
    /// all. In order of time.
    pub(crate) fn of_place(&self, place: Option<&Place>, from: Instant, to: Instant) -> Vec<Event<'e>> {
        let Some(place) = place.filter(|place| !place.addresses.is_empty()) else {
            return self.events.between(from, to).collect();
        };
        // One opener may lie in two networks of a host.
        let mut openers: BTreeSet<Option<IpAddr>> = BTreeSet::from([None]);
        for network in &place.addresses {
            let inside = Some(network.network())..=Some(network.broadcast());
            openers.extend(self.by_source.range(inside).map(|(opener, _)| *opener));
        }
        let lists = openers.iter().filter_map(|opener| self.by_source.get(opener));
        let range = self.places(from, to);
        let mut found: Vec<u32> = lists.flat_map(|places| within(places, &range)).copied().collect();
        found.sort_unstable();
        let then = |event: &Event<'_>| place.fits_at(event.src, event.at) != Some(false);
        found.into_iter().filter_map(|at| self.event(at)).filter(then).collect()
    }

    /// Dated events of that time, both ends included, that bear out something written ([`tokens::any_shared`]). In order
    /// of time.
    pub(crate) fn named(&self, written: &BTreeSet<Token>, from: Instant, to: Instant) -> Vec<Event<'e>> {
        let literal = written.iter().filter_map(|token| self.by_token.get(token));
        let inside = tokens::networks(written)
            .flat_map(|(_, network)| self.by_token.range(tokens::addresses_of(network)))
            .map(|(_, places)| places);
        let mut lists = literal.chain(inside).peekable();
        if lists.peek().is_none() {
            return Vec::new();
        }
        let range = self.places(from, to);
        let mut found: Vec<u32> = lists.flat_map(|places| within(places, &range)).copied().collect();
        found.sort_unstable();
        found.dedup();
        found.into_iter().filter_map(|at| self.event(at)).collect()
    }
}

/// Those of ascending places that lie in a range.
fn within<'a>(places: &'a [u32], range: &Range<u32>) -> &'a [u32] {
    let first = places.partition_point(|at| *at < range.start);
    let end = places.partition_point(|at| *at < range.end).max(first);
    places.get(first..end).unwrap_or_default()
}

#[cfg(test)]
mod tests;

//! Channels: who opened them, read from the sizes of opens and confirmations.

use std::collections::BTreeSet;

use super::startup::{Forward, Item};
use super::talk::{CONFIRMED_WITHIN, STARTUP, Talk};
use crate::formats::capture::ssh_sizes::payload;
use crate::model::Confidence;

/// Records cited of channels.
const RECORDS: usize = 16;
/// Distinct sizes of opens from which on the client leads to many targets: a SOCKS proxy.
const MANY_TARGETS: usize = 3;

/// Someone came in through the tunnel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Usage {
    pub(super) confidence: Confidence,
    pub(super) sessions: u64,
    /// Whether `sessions` is how many there were, rather than the least.
    pub(super) counted: bool,
    pub(super) open: u32,
    pub(super) confirmation: u32,
    pub(super) records: Vec<u64>,
    /// An SSH session goes on inside of the first of them, and how many keys were typed there.
    pub(super) nested: bool,
    pub(super) keys: u32,
}

/// Channels that the client opened to other machines.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Locals {
    pub(super) confidence: Confidence,
    pub(super) channels: u64,
    /// Sizes of the opens, which hold the name of the target.
    pub(super) sizes: BTreeSet<u32>,
    /// Opened with the login: `-W`, a jump host.
    pub(super) at_login: bool,
    pub(super) nested: bool,
    pub(super) records: Vec<u64>,
}

impl Locals {
    pub(super) fn is_dynamic(&self) -> bool {
        self.sizes.len() >= MANY_TARGETS
    }
}

impl Talk<'_> {
    pub(super) fn is_open(&self, length: u32, streamlocal: bool) -> bool {
        length != self.to_client.wire(payload::AGENT)
            && (self.to_client.fits(payload::FORWARDED, length)
                || (streamlocal && self.to_client.fits(payload::FORWARDED_STREAMLOCAL, length)))
    }

    /// Channels that the server opened and the client confirmed. Without a forward that was asked for, `alone` (no
    /// session and no channel of the client's), the absence of any channel before it, or an SSH handshake inside of
    /// it tells that it is a channel.
    pub(super) fn usage(&self, forward: Option<&Forward>, alone: bool) -> Option<Usage> {
        let from = forward.map_or(self.login, |forward| match forward.late {
            true => forward.end,
            false => forward.end.min(self.login + STARTUP),
        });
        let streamlocal = alone || forward.is_some_and(|forward| forward.streamlocal);
        let confirmation = self.to_server.wire(payload::CONFIRMATION);
        let first = self.messages.windows(2).enumerate().skip(from.saturating_sub(1)).find_map(|(index, pair)| {
            let [open, answer] = pair else { return None };
            let fits = !self.is_client(open)
                && self.is_open(open.length, streamlocal)
                && self.is_client(answer)
                && answer.length == confirmation;
            // A session's open may be as long as a confirmation; it is confirmed at once.
            let next = self.messages.get(index + 2);
            let is_session = self.is(Item::Session, confirmation)
                && next.is_some_and(|next| {
                    !self.is_client(next) && next.length == self.to_client.wire(payload::CONFIRMATION)
                });
            let asked = || !is_session && self.has_asked(index);
            let first = || !self.compressed && asked() && (alone || self.is_before_channels(index));
            let told = || forward.is_some() || first() || self.is_nested_ssh(index + 2);
            (fits && told()).then_some(index)
        })?;
        let open = self.messages.get(first)?.length;
        let mut sessions = 0u64;
        let mut records = Vec::new();
        let mut pending: Vec<usize> = Vec::new();
        for (index, message) in self.messages.iter().enumerate().skip(first) {
            if !self.is_client(message) {
                let many = !self.exact_server && message.length.is_multiple_of(open);
                let count = if many { message.length / open } else { u32::from(message.length == open) };
                for _ in 0..count.min(4) {
                    pending.push(index);
                }
            } else if message.length == confirmation
                || (!self.exact_client && message.length == confirmation * 2 && pending.len() >= 2)
            {
                pending.retain(|open| index - open <= CONFIRMED_WITHIN);
                for _ in 0..(message.length / confirmation) {
                    if pending.is_empty() {
                        break;
                    }
                    let open = pending.remove(0);
                    sessions += 1;
                    if records.len() < RECORDS {
                        records.extend(self.messages.get(open).map(|open| open.record));
                        records.push(message.record);
                    }
                }
            }
        }
        // With 16-byte blocks and encrypt-and-MAC a confirmation is as long as a window adjustment.
        let counted = self.to_server.wire(payload::WINDOW_ADJUST) != confirmation;
        if !counted {
            sessions = sessions.min(1);
            records.truncate(2);
        }
        let confidence = match forward {
            // Without a session channel nothing but the tunnel can carry data.
            Some(forward) if !forward.session => forward.confidence,
            Some(_) | None => Confidence::Strong,
        };
        let nested = self.is_nested_ssh(first + 2);
        let keys = if nested { self.nested_keys() } else { 0 };
        Some(Usage { confidence, sessions, counted, open, confirmation, records, nested, keys })
    }

    /// Channels of a session that the server opened for the client's agent or display: an open as long, confirmed,
    /// and a question that gets an answer longer than keys.
    pub(super) fn agent_channels(&self) -> usize {
        let (open, confirmation) = (self.to_client.wire(payload::AGENT), self.to_server.wire(payload::CONFIRMATION));
        let answer = self.to_server.wire(40);
        let after = self.messages.get(self.login..).unwrap_or_default().windows(4);
        after
            .filter(|four| match four {
                [opened, confirmed, asked, answered] => {
                    !self.is_client(opened)
                        && opened.length == open
                        && self.is_client(confirmed)
                        && confirmed.length == confirmation
                        && !self.is_client(asked)
                        && self.is_client(answered)
                        && answered.length >= answer
                }
                _ => false,
            })
            .count()
    }

    /// Channels that the server opened and the client refused: the other end of the forward does not listen. Counted up
    /// to the first that the client confirmed: what goes through that one has any size.
    pub(super) fn refused_channels(&self, forward: &Forward) -> u64 {
        if forward.session {
            return 0;
        }
        let confirmation = self.to_server.wire(payload::CONFIRMATION);
        let answers = self.messages.windows(2).skip(forward.end.saturating_sub(1)).filter_map(|pair| match pair {
            [open, answer] => {
                let is_open = !self.is_client(open) && self.is_open(open.length, forward.streamlocal);
                (is_open && self.is_client(answer)).then_some(answer.length)
            }
            _ => None,
        });
        let refused = answers
            .take_while(|answer| *answer != confirmation)
            .filter(|answer| *answer > confirmation && self.to_server.fits(payload::OPEN_FAILURE, *answer));
        u64::try_from(refused.count()).unwrap_or(u64::MAX)
    }

    /// Channels to other machines that the client opened and the server confirmed. The first channel of a connection
    /// cannot be taken for data; later ones can where a session goes on beside them.
    pub(super) fn locals(&self) -> Option<Locals> {
        let mut locals = Locals {
            confidence: Confidence::Strong,
            channels: 0,
            sizes: BTreeSet::new(),
            at_login: false,
            nested: false,
            records: Vec::new(),
        };
        let no_more = self.to_server.wire(payload::NO_MORE_SESSIONS);
        let without_session = self.is_without_session();
        let startup = self.startup();
        let at_once = startup.last().map_or(self.login, |(index, _)| index + 1);
        for (index, message) in self.messages.iter().enumerate().skip(self.login) {
            if !self.is_client(message) {
                if locals.channels == 0 && self.is_open(message.length, true) {
                    let next = self.messages.get(index + 1);
                    if next.is_some_and(|next| {
                        self.is_client(next) && next.length == self.to_server.wire(payload::CONFIRMATION)
                    }) {
                        // The first channel is the server's.
                        locals.confidence = Confidence::Weak;
                    }
                }
                continue;
            }
            let length = message.length;
            let pair = !self.exact_client && length == self.session_pair();
            let given_up = without_session && index < at_once;
            if (pair || self.is(Item::Session, length)) && !given_up {
                // The confirmation may share a segment with what the server says at login.
                let opened = pair || index < at_once || self.confirmed(index).is_some();
                if locals.channels == 0 && opened {
                    locals.confidence = Confidence::Weak;
                }
                continue;
            }
            let with_no_more = !self.exact_client && index < at_once && length > no_more;
            let open = if self.is(Item::Direct, length) {
                length
            } else if with_no_more && self.is(Item::Direct, length - no_more) {
                length - no_more
            } else {
                continue;
            };
            if open == self.to_server.wire(payload::TUN) {
                continue;
            }
            // OpenSSH sends no-more-sessions with the open of `-W`, and nothing else of that length, first of all.
            let standard_io =
                self.gives_up_sessions && open != length && startup.first().map(|(at, _)| *at) == Some(index);
            let confirmed = match locals.channels {
                0 if standard_io => self.confirmed(index).or(Some(index)),
                0 if locals.confidence == Confidence::Strong => self.confirmed(index),
                // Data is under way: only an answer at once counts.
                _ => self.confirmed(index).filter(|confirmation| *confirmation == index + 1),
            };
            let Some(confirmed) = confirmed else { continue };
            if locals.channels == 0 {
                locals.at_login = index < at_once;
                locals.nested = self.is_nested_ssh(confirmed + 1);
            }
            locals.channels += 1;
            if locals.sizes.len() < RECORDS {
                locals.sizes.insert(open);
            }
            if locals.records.len() < RECORDS {
                locals.records.push(message.record);
                locals.records.extend(self.messages.get(confirmed).map(|message| message.record));
            }
        }
        let telling = self.to_client.wire(payload::CONFIRMATION) != self.to_client.wire(payload::WINDOW_ADJUST);
        let enough = match locals.confidence {
            Confidence::Weak => telling && !self.exact_client && locals.channels >= 2 && locals.sizes.len() == 1,
            _ => locals.channels >= 1,
        };
        enough.then_some(locals)
    }
}

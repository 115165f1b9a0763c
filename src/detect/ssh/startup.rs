//! What the client asks for right after login, read from the sizes of its messages.

use super::talk::Talk;
use crate::formats::capture::ssh_sizes::payload::{self, BINDS, LOCALHOST, TCPIP_FORWARD};
use crate::model::{Confidence, SshMessage};
use crate::time::SECOND;

/// A client that opened a session says what it wants of it much sooner.
const IDLE: i64 = 2 * SECOND;
/// Two messages that one turn of the client's loop writes.
const BACK_TO_BACK: i64 = SECOND / 50;

/// A remote forward was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Forward {
    pub(super) confidence: Confidence,
    /// Sizes of the client's first messages, or of the one that asked later.
    pub(super) startup: Vec<u32>,
    /// Size of the server's answer, where it stands alone.
    pub(super) reply: Option<u32>,
    pub(super) records: Vec<u64>,
    /// The client opened a session channel as well.
    pub(super) session: bool,
    pub(super) streamlocal: bool,
    /// Asked for in mid-session.
    pub(super) late: bool,
    /// Index behind the last message of the startup.
    pub(super) end: usize,
}

/// What a client may send first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Item {
    Forward,
    Streamlocal,
    NoMoreSessions,
    Session,
    Direct,
    Keepalive,
    HostkeysProve,
    Tun,
}

/// States of the three readings of a startup: with a forward, without, and with a tun device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    Begin,
    /// At least one tcpip-forward: whatever comes next, one was asked for.
    Forwarded,
    /// Streamlocal forwards alone: their size is too free to stand without no-more-sessions.
    Streamlocal,
    /// Nothing more to be decided.
    Settled,
    PlainBegin,
    PlainSession,
    PlainNoMoreSessions,
    PlainKeepalive,
    TunBegin,
    Tun,
}

impl State {
    fn next(self) -> &'static [(Item, State)] {
        match self {
            State::Begin => &[(Item::Forward, State::Forwarded), (Item::Streamlocal, State::Streamlocal)],
            State::Forwarded => &[
                (Item::Forward, State::Forwarded),
                (Item::Streamlocal, State::Forwarded),
                (Item::NoMoreSessions, State::Forwarded),
                (Item::Session, State::Settled),
            ],
            State::Streamlocal => &[
                (Item::Streamlocal, State::Streamlocal),
                (Item::Forward, State::Forwarded),
                (Item::NoMoreSessions, State::Forwarded),
            ],
            State::Settled => &[],
            State::PlainSession => &[(Item::NoMoreSessions, State::Settled)],
            State::PlainBegin => &[
                (Item::NoMoreSessions, State::PlainNoMoreSessions),
                (Item::Session, State::PlainSession),
                (Item::Direct, State::Settled),
                (Item::Keepalive, State::Settled),
                (Item::HostkeysProve, State::Settled),
            ],
            // OpenSSH opens its session first, so no session follows here.
            State::PlainNoMoreSessions | State::PlainKeepalive => &[
                (Item::Direct, State::Settled),
                (Item::Keepalive, State::PlainKeepalive),
                (Item::HostkeysProve, State::Settled),
            ],
            State::TunBegin => &[(Item::Tun, State::Tun)],
            State::Tun => &[(Item::NoMoreSessions, State::Settled), (Item::Session, State::PlainSession)],
        }
    }

    /// Whether a reading holds when a message ends here, whatever follows.
    fn holds(self) -> bool {
        matches!(self, State::Forwarded | State::Settled | State::PlainSession)
    }

    /// Whether a reading holds when the startup ends here.
    fn may_end(self) -> bool {
        self.holds() || matches!(self, State::PlainNoMoreSessions | State::PlainKeepalive | State::Tun)
    }
}

/// How the server answered the client's first message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reply {
    /// As it answers a global request, with the number alone (`bare`) or with a port.
    Answered { length: u32, record: u64, bare: bool },
    /// As it answers a channel open.
    Confirmed,
}

impl Talk<'_> {
    pub(super) fn is(&self, item: Item, length: u32) -> bool {
        let wire = |payload: u32| self.to_server.wire(payload) == length;
        match item {
            Item::Forward => BINDS.iter().any(|bind| wire(TCPIP_FORWARD + bind)),
            Item::Streamlocal => {
                self.to_server.fits(payload::STREAMLOCAL_FORWARD + 1..=payload::STREAMLOCAL_FORWARD + 108, length)
            }
            Item::NoMoreSessions => wire(payload::NO_MORE_SESSIONS),
            Item::Session => wire(payload::SESSION),
            Item::Direct => self.to_server.fits(payload::DIRECT, length),
            Item::Keepalive => wire(payload::KEEPALIVE),
            Item::HostkeysProve => self.to_server.fits(payload::HOSTKEYS_PROVE, length),
            Item::Tun => wire(payload::TUN),
        }
    }

    /// The sizes that an item may have as one part of a segment. Requests of free length are never taken as a part of
    /// a sum: any sum would do.
    fn parts(&self, item: Item) -> Vec<u32> {
        let mut sizes: Vec<u32> = match item {
            Item::Forward => BINDS.iter().map(|bind| self.to_server.wire(TCPIP_FORWARD + bind)).collect(),
            Item::Streamlocal => {
                (1..=108).map(|path| self.to_server.wire(payload::STREAMLOCAL_FORWARD + path)).collect()
            }
            Item::NoMoreSessions => vec![self.to_server.wire(payload::NO_MORE_SESSIONS)],
            Item::Session => vec![self.to_server.wire(payload::SESSION)],
            Item::Keepalive => vec![self.to_server.wire(payload::KEEPALIVE)],
            Item::Tun => vec![self.to_server.wire(payload::TUN)],
            Item::HostkeysProve | Item::Direct => Vec::new(),
        };
        sizes.dedup();
        sizes
    }

    /// Whether the lengths can be read from `state` on. A length is one message, or in segments a sum of up to four.
    fn reads(&self, state: State, lengths: &[u32]) -> bool {
        let Some((&length, rest)) = lengths.split_first() else { return state.may_end() };
        self.reads_one(state, length, 4, rest)
    }

    fn reads_one(&self, state: State, length: u32, parts: u8, rest: &[u32]) -> bool {
        state.next().iter().any(|&(item, after)| {
            if self.is(item, length) && (after.holds() || self.reads(after, rest)) {
                return true;
            }
            if self.exact_client || parts == 0 {
                return false;
            }
            self.parts(item).iter().any(|size| length > *size && self.reads_one(after, length - size, parts - 1, rest))
        })
    }

    /// no-more-sessions and a session's open: OpenSSH sends both in one segment.
    pub(super) fn session_pair(&self) -> u32 {
        self.to_server.wire(payload::NO_MORE_SESSIONS) + self.to_server.wire(payload::SESSION)
    }

    /// Whether a startup opens a session channel.
    fn opens_session(&self, lengths: &[u32]) -> bool {
        let others = [Item::NoMoreSessions, Item::Forward];
        lengths.iter().any(|&length| {
            (!self.exact_client && length == self.session_pair())
                || (self.is(Item::Session, length) && !others.iter().any(|item| self.is(*item, length)))
                // A keepalive is as long, but does not come so soon.
                || (self.is(Item::Session, length) && !self.is(Item::NoMoreSessions, length))
        })
    }

    /// Whether the client gave up sessions without opening one: `-N`. Nothing but forwards can open a channel then.
    pub(super) fn is_without_session(&self) -> bool {
        let startup = self.startup();
        let lengths: Vec<u32> = startup.iter().map(|(_, message)| message.length).collect();
        let Some((first, first_length)) = startup.first().map(|(index, message)| (*index, message.length)) else {
            return false;
        };
        let told_apart = self.exact_client || !self.is(Item::Session, first_length) || self.gives_up_sessions;
        let answered = self
            .messages
            .get(first + 1)
            .is_some_and(|next| !self.is_client(next) && next.length == self.to_client.wire(payload::CONFIRMATION));
        told_apart && self.is(Item::NoMoreSessions, first_length) && !self.opens_session(&lengths) && !answered
    }

    /// Whether a tun device was asked for: its open is answered like a channel's.
    pub(super) fn tun(&self) -> Option<(u64, u32)> {
        let startup = self.startup();
        let lengths: Vec<u32> = startup.iter().map(|(_, message)| message.length).collect();
        let (first, message) = startup.first()?;
        let block_tells = !self.is(Item::Session, self.to_server.wire(payload::TUN));
        let asked = block_tells && !self.compressed && self.reads(State::TunBegin, &lengths);
        let opened = matches!(self.reply(*first, startup.last()?.0), Some(Reply::Confirmed));
        (asked && opened && !self.opens_session(&lengths)).then_some((message.record, message.length))
    }

    /// Whether a remote forward was asked for after login.
    pub(super) fn forward(&self) -> Option<Forward> {
        let startup = self.startup();
        let lengths: Vec<u32> = startup.iter().map(|(_, message)| message.length).collect();
        let first = *lengths.first()?;
        if !self.reads(State::Begin, &lengths) {
            return None;
        }
        // no-more-sessions compressed is as long as a forward's request; behind one it would be shorter.
        if self.compressed && self.gives_up_sessions && lengths.len() == 1 {
            return None;
        }
        let reply = match self.reply(startup.first()?.0, startup.last()?.0) {
            // Short answers grow when they are compressed.
            Some(Reply::Confirmed) if self.compressed => None,
            reply => reply,
        };
        let tun = self.reads(State::TunBegin, &lengths);
        // OpenSSH sends a request for a forward in a segment of its own, but a tun device's open and no-more-sessions
        // in one.
        let together = match startup.as_slice() {
            [(_, first), (_, second), ..] => self.exact_client && first.record == second.record,
            _ => false,
        };
        if tun && together && self.gives_up_sessions {
            return None;
        }
        let tun_pair = self.to_server.wire(payload::TUN) + self.to_server.wire(payload::NO_MORE_SESSIONS);
        if tun && (reply == Some(Reply::Confirmed) || (reply.is_none() && first == tun_pair)) {
            return None;
        }
        let plain = self.reads(State::PlainBegin, &lengths) && !self.is_named_by_openssh(&lengths);
        let bare_is_telling = self.to_client.wire(payload::BARE) != self.to_client.wire(payload::WITH_PORT);
        let alone = self.is(Item::Forward, first);
        let confidence = match (plain, &reply) {
            // A session would have been confirmed; what else could have been asked for is not known.
            (_, Some(Reply::Confirmed)) if lengths.len() == 1 => return None,
            (false, Some(Reply::Answered { .. })) => Confidence::Certain,
            (false, _) if self.exact_client && tun => Confidence::Strong,
            (false, _) if alone && lengths.get(1).is_some_and(|second| self.is(Item::NoMoreSessions, *second)) => {
                Confidence::Certain
            }
            (false, _) => Confidence::Strong,
            // A keepalive that happened to come at once looks the same; the next comes as late again.
            (true, Some(Reply::Answered { .. })) if lengths.len() == 1 && self.repeats(&startup) => return None,
            (true, Some(Reply::Answered { .. })) if lengths.len() == 1 && !self.gives_up_sessions => Confidence::Strong,
            // The answer to a global request, where a session would have got a confirmation.
            (true, Some(Reply::Answered { bare: true, .. })) if self.exact_server || bare_is_telling => {
                Confidence::Strong
            }
            (true, _) => self.ambiguous(&startup)?,
        };
        let mut records: Vec<u64> = startup.iter().take(2).map(|(_, message)| message.record).collect();
        let reply = match reply {
            Some(Reply::Answered { length, record, .. }) => {
                records.push(record);
                Some(length)
            }
            _ => None,
        };
        Some(Forward {
            confidence,
            session: self.opens_session(lengths.get(1..).unwrap_or_default()),
            streamlocal: !alone && self.is(Item::Streamlocal, first),
            late: false,
            startup: lengths,
            reply,
            records,
            end: startup.last()?.0 + 1,
        })
    }

    /// Whether the lone message of a startup is as long as a keepalive and more of them follow.
    fn repeats(&self, startup: &[(usize, &SshMessage)]) -> bool {
        let Some((index, first)) = startup.first() else { return false };
        let more = self.messages.iter().skip(index + 1).filter(|message| self.is_client(message)).take(2);
        self.is(Item::Keepalive, first.length) && more.filter(|message| message.length == first.length).count() == 2
    }

    /// Whether no channel was open before the message at `end`: all that the client sent by then is as long as a
    /// global request, and none of it was confirmed as a channel's open is. What comes next from the server cannot be
    /// data.
    pub(super) fn is_before_channels(&self, end: usize) -> bool {
        let requests = [Item::Forward, Item::NoMoreSessions, Item::Keepalive, Item::HostkeysProve];
        let session_told = !self.is(Item::NoMoreSessions, self.to_server.wire(payload::SESSION));
        let before = self.messages.iter().enumerate().take(end).skip(self.login);
        before.filter(|(_, message)| self.is_client(message)).all(|(index, message)| {
            let pair = !self.exact_client && message.length == self.session_pair();
            let session =
                session_told && self.is(Item::Session, message.length) && !self.is(Item::Keepalive, message.length);
            !pair
                && !session
                && requests.iter().any(|item| self.is(*item, message.length))
                && self.confirmed(index).is_none_or(|confirmed| confirmed > end)
        })
    }

    /// Whether a message before the one at `end` is as long as a request for a forward and was answered as one.
    pub(super) fn has_asked(&self, end: usize) -> bool {
        let answers = [payload::BARE, payload::WITH_PORT].map(|payload| self.to_client.wire(payload));
        let before = self.messages.get(self.login..end).unwrap_or_default();
        before.windows(2).any(|pair| match pair {
            [asked, answer] => {
                self.is_client(asked)
                    && (self.is(Item::Forward, asked.length) || self.is(Item::Streamlocal, asked.length))
                    && !self.is_client(answer)
                    && answers.contains(&answer.length)
            }
            _ => false,
        })
    }

    /// A forward that was asked for in mid-session (`~C`, `ssh -O forward`): a request as long, answered by the number
    /// alone, which answers nothing but global requests. Told where a bare answer has a size of its own.
    pub(super) fn late_forward(&self) -> Option<Forward> {
        let bare = self.to_client.wire(payload::BARE);
        if self.compressed || bare == self.to_client.wire(payload::WITH_PORT) {
            return None;
        }
        let from = self.startup().last().map_or(self.login, |(index, _)| index + 1);
        let mut unanswered = 0_u32;
        for (index, pair) in self.messages.windows(2).enumerate().skip(from.saturating_sub(1)) {
            let [asked, answer] = pair else { continue };
            if self.is_client(asked) {
                let keepalive = self.is(Item::Keepalive, asked.length);
                let is_request = index >= from && self.is(Item::Forward, asked.length) && !keepalive;
                let soon = answer.at.since(asked.at) <= 10 * SECOND;
                if is_request && unanswered == 0 && !self.is_client(answer) && answer.length == bare && soon {
                    return Some(Forward {
                        confidence: Confidence::Strong,
                        startup: vec![asked.length],
                        reply: Some(answer.length),
                        records: vec![asked.record, answer.record],
                        session: !self.is_without_session(),
                        streamlocal: false,
                        late: true,
                        end: index + 2,
                    });
                }
                unanswered += u32::from(keepalive);
            } else if asked.length == bare {
                unanswered = unanswered.saturating_sub(1);
            }
        }
        None
    }

    /// OpenSSH sends a request for a forward in a segment of its own and no-more-sessions in the next, with or without
    /// a session's open. What it sends for `-W` (an open, then no-more-sessions) and for a session comes in one
    /// segment. So a length that is not a usual address's is a path, or a name that the server gives addresses to.
    fn is_named_by_openssh(&self, lengths: &[u32]) -> bool {
        let [first, second, ..] = lengths else { return false };
        let otherwise = [Item::NoMoreSessions, Item::Session, Item::Keepalive];
        self.gives_up_sessions
            && !self.exact_client
            && self.is(Item::Streamlocal, *first)
            && (self.is(Item::NoMoreSessions, *second) || *second == self.session_pair())
            && *first != self.session_pair()
            && !otherwise.iter().any(|item| self.is(*item, *first))
    }

    /// What the server answers to the startup: the first of its messages after `first` that is an answer by its size,
    /// as long as the client says nothing beyond the startup, which ends at `last`.
    fn reply(&self, first: usize, last: usize) -> Option<Reply> {
        let (bare, port) = (self.to_client.wire(payload::BARE), self.to_client.wire(payload::WITH_PORT));
        let confirmation = self.to_client.wire(payload::CONFIRMATION);
        let asked = self.messages.get(last)?.at;
        for (index, message) in self.messages.iter().enumerate().skip(first) {
            let beyond = index > last && self.is_client(message);
            if beyond || message.at.since(asked) > 10 * SECOND {
                return None;
            }
            let (length, record) = (message.length, message.record);
            if self.is_client(message) {
                continue;
            }
            if length == confirmation {
                return Some(Reply::Confirmed);
            }
            // Nothing but answers of a global request is bare, alone or in twos; other sums have other readings.
            if length == bare || (!self.exact_server && length == bare * 2) {
                return Some(Reply::Answered { length, record, bare: true });
            }
            let sum = !self.exact_server
                && [bare + port, bare + confirmation].contains(&length)
                && !self.is_open(length, false);
            if length == port || sum {
                return Some(Reply::Answered { length, record, bare: false });
            }
        }
        None
    }

    /// Where a request is as long as no-more-sessions or a session's open (16-byte blocks, encrypt-and-MAC).
    fn ambiguous(&self, startup: &[(usize, &SshMessage)]) -> Option<Confidence> {
        let [(first_at, first), rest @ ..] = startup else { return None };
        if self.exact_client || !self.is(Item::Forward, first.length) {
            return None;
        }
        if self.gives_up_sessions {
            // It sends no-more-sessions and a session's open in one segment, but a forward in one of its own, and
            // no-more-sessions behind it.
            let second = rest.first().map(|(_, second)| second.length);
            let fits =
                second.is_some_and(|second| second == self.session_pair() || self.is(Item::NoMoreSessions, second));
            // It does not wait between the two. A keepalive behind a lone no-more-sessions comes later.
            let at_once = rest.first().is_some_and(|(_, second)| second.at.since(first.at) <= BACK_TO_BACK);
            return (fits && at_once).then_some(Confidence::Strong);
        }
        if !rest.is_empty() {
            return None;
        }
        // A session's open is followed by what the client wants of the session; a forward by nothing, until the
        // server opens a channel.
        let next = self.messages.iter().enumerate().skip(first_at + 1).find(|(_, message)| self.is_client(message));
        match next {
            Some((at, message)) => {
                let opened = at.checked_sub(1).and_then(|before| self.messages.get(before));
                let is_open = opened.is_some_and(|open| !self.is_client(open) && self.is_open(open.length, false));
                (is_open && message.length == self.to_server.wire(payload::CONFIRMATION)).then_some(Confidence::Strong)
            }
            // A lone request for the usual address that a session's client would not have left alone.
            None => {
                let usual = first.length == self.to_server.wire(TCPIP_FORWARD + LOCALHOST);
                let idle = self.last.is_some_and(|last| last.since(first.at) >= IDLE);
                (usual && idle).then_some(Confidence::Weak)
            }
        }
    }
}

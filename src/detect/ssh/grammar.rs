//! The order of messages after login, read from their sizes.

use super::sizes::Sizes;
use crate::model::{Confidence, Ssh, SshMessage};
use crate::time::{Instant, SECOND};

// Payload lengths in bytes (RFC 4254, OpenSSH PROTOCOL; names of requests are part of the payload).
/// USERAUTH_SUCCESS, REQUEST_SUCCESS and REQUEST_FAILURE: the message number alone.
const BARE: u32 = 1;
/// REQUEST_SUCCESS with the port that the server chose; CHANNEL_SUCCESS.
const WITH_PORT: u32 = 5;
/// CHANNEL_WINDOW_ADJUST: number and two words.
const WINDOW_ADJUST: u32 = 9;
/// CHANNEL_OPEN_CONFIRMATION: number and four words.
const CONFIRMATION: u32 = 17;
/// CHANNEL_OPEN "session".
const SESSION: u32 = 24;
/// GLOBAL_REQUEST "keepalive@openssh.com".
const KEEPALIVE: u32 = 27;
/// GLOBAL_REQUEST "no-more-sessions@openssh.com".
const NO_MORE_SESSIONS: u32 = 34;
/// GLOBAL_REQUEST "tcpip-forward" without the address to bind.
const TCPIP_FORWARD: u32 = 27;
/// "localhost", what OpenSSH, dropbear and PuTTY bind unless told otherwise.
const LOCALHOST: u32 = 9;
/// Lengths of bind addresses: none, "::", "::1", "0.0.0.0", "localhost" and other IPv4 addresses.
const BINDS: [u32; 11] = [0, 2, 3, 7, 9, 10, 11, 12, 13, 14, 15];
/// GLOBAL_REQUEST "streamlocal-forward@openssh.com" without the path (of 1 to 108 bytes).
const STREAMLOCAL_FORWARD: u32 = 41;
/// CHANNEL_OPEN "direct-tcpip" with a host of 1 to 255 bytes and an originator of 3 to 39.
const DIRECT: std::ops::RangeInclusive<u32> = 49..=339;
/// GLOBAL_REQUEST "hostkeys-prove-00@openssh.com" with one key (Ed25519: 51 bytes) or more.
const HOSTKEYS_PROVE: std::ops::RangeInclusive<u32> = 90..=4096;
/// CHANNEL_OPEN "forwarded-tcpip": 48 and the address that was bound (0 to 15) and the originator's (3 to 39).
const FORWARDED: std::ops::RangeInclusive<u32> = 51..=102;
/// CHANNEL_OPEN "forwarded-streamlocal@openssh.com": 56 and the path.
const FORWARDED_STREAMLOCAL: std::ops::RangeInclusive<u32> = 57..=164;
/// CHANNEL_OPEN "auth-agent@openssh.com".
const AGENT: u32 = 39;
/// CHANNEL_DATA around an identification line of 10 to 64 bytes: 9 more.
const NESTED_BANNER: std::ops::RangeInclusive<u32> = 19..=73;

/// A request for a forward follows the login at once: within this and three times the quickest turn of the login.
/// Keepalives come at any time after: their interval is whole seconds.
const AT_ONCE: i64 = SECOND / 10;
/// A client that opened a session says what it wants of it much sooner.
const IDLE: i64 = 2 * SECOND;
/// Messages of the client after login that are looked at for a request.
const STARTUP: usize = 6;
/// Messages after a channel open within which its confirmation is looked for.
const CONFIRMED_WITHIN: usize = 16;

/// The encrypted part of one session, with the sizes of both directions.
pub(super) struct Talk<'a> {
    messages: &'a [SshMessage],
    client_is_opener: bool,
    /// Each message is one packet: sums need not be considered.
    exact: bool,
    client_is_openssh: bool,
    to_server: Sizes,
    to_client: Sizes,
    /// Index of the first message after USERAUTH_SUCCESS.
    login: usize,
    /// End of the flow.
    last: Option<Instant>,
}

/// A remote forward was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Forward {
    pub(super) confidence: Confidence,
    /// Sizes of the client's first messages.
    pub(super) startup: Vec<u32>,
    /// Size of the server's answer, where it stands alone.
    pub(super) reply: Option<u32>,
    pub(super) records: Vec<u64>,
    /// The client opened a session channel as well.
    session: bool,
    streamlocal: bool,
    /// Index behind the last message of the startup.
    end: usize,
}

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
}

/// What a client may send first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Item {
    Forward,
    Streamlocal,
    NoMoreSessions,
    Session,
    Direct,
    Keepalive,
    HostkeysProve,
}

/// States of the two readings of a startup: with a forward and without.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
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
        }
    }

    /// Whether a reading holds when a message ends here, whatever follows.
    fn holds(self) -> bool {
        matches!(self, State::Forwarded | State::Settled | State::PlainSession)
    }

    /// Whether a reading holds when the startup ends here.
    fn may_end(self) -> bool {
        self.holds() || matches!(self, State::PlainNoMoreSessions | State::PlainKeepalive)
    }
}

impl<'a> Talk<'a> {
    /// `None` if the sizes cannot be known or no login is seen.
    pub(super) fn new(ssh: &'a Ssh) -> Option<Self> {
        let client_is_opener = !ssh.role_inverted;
        let banner = if client_is_opener { &ssh.opener_banner } else { &ssh.acceptor_banner };
        let mut talk = Talk {
            messages: &ssh.messages,
            client_is_opener,
            exact: ssh.exact_packets,
            client_is_openssh: banner.as_deref().is_some_and(|banner| banner.contains("OpenSSH")),
            to_server: Sizes::of(ssh.cipher_to_server.as_deref()?, ssh.mac_to_server.as_deref())?,
            to_client: Sizes::of(ssh.cipher_to_client.as_deref()?, ssh.mac_to_client.as_deref())?,
            login: 0,
            last: ssh.last,
        };
        talk.login = talk.find_login()?;
        Some(talk)
    }

    fn is_client(&self, message: &SshMessage) -> bool {
        message.from_opener == self.client_is_opener
    }

    /// Index behind USERAUTH_SUCCESS: the first bare message of the server after the service request and at least one
    /// authentication request of the client.
    fn find_login(&self) -> Option<usize> {
        let mut client = 0;
        for (index, message) in self.messages.iter().enumerate() {
            if self.is_client(message) {
                client += 1;
            } else if client >= 2 && message.length == self.to_client.wire(BARE) {
                return Some(index + 1);
            }
        }
        None
    }

    /// The shortest time in which the client answered the server during login: round trip and a little work.
    fn quickest_turn(&self) -> i64 {
        let login = self.messages.get(..self.login).unwrap_or_default();
        let turns = login.windows(2).filter_map(|pair| match pair {
            [before, after] if !self.is_client(before) && self.is_client(after) => {
                Some(after.at.since(before.at).max(0))
            }
            _ => None,
        });
        turns.min().unwrap_or(0)
    }

    /// The client's messages right after login, with their places, until a channel is confirmed or quiet sets in.
    fn startup(&self) -> Vec<(usize, &'a SshMessage)> {
        let mut startup: Vec<(usize, &SshMessage)> = Vec::new();
        let Some(mut last) = self.login.checked_sub(1).and_then(|at| self.messages.get(at)).map(|message| message.at)
        else {
            return startup;
        };
        let at_once = self.quickest_turn().saturating_mul(3).saturating_add(AT_ONCE).min(SECOND);
        for (index, message) in self.messages.iter().enumerate().skip(self.login) {
            if !self.is_client(message) {
                if !startup.is_empty() && message.length == self.to_client.wire(CONFIRMATION) {
                    break;
                }
                continue;
            }
            if message.at.since(last) > at_once || startup.len() == STARTUP {
                break;
            }
            last = message.at;
            startup.push((index, message));
        }
        startup
    }

    fn payloads(item: Item) -> Vec<u32> {
        match item {
            Item::Forward => BINDS.iter().map(|bind| TCPIP_FORWARD + bind).collect(),
            Item::Streamlocal => (1..=108).map(|path| STREAMLOCAL_FORWARD + path).collect(),
            Item::NoMoreSessions => vec![NO_MORE_SESSIONS],
            Item::Session => vec![SESSION],
            Item::Direct => DIRECT.collect(),
            Item::Keepalive => vec![KEEPALIVE],
            Item::HostkeysProve => HOSTKEYS_PROVE.collect(),
        }
    }

    fn is(&self, item: Item, length: u32) -> bool {
        Self::payloads(item).iter().any(|payload| self.to_server.wire(*payload) == length)
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
            // Requests of free length are never taken as a part of a sum: any sum would do.
            if self.exact || parts == 0 || matches!(item, Item::HostkeysProve | Item::Direct) {
                return false;
            }
            let mut sizes: Vec<u32> =
                Self::payloads(item).iter().map(|payload| self.to_server.wire(*payload)).collect();
            sizes.dedup();
            sizes.iter().any(|size| length > *size && self.reads_one(after, length - size, parts - 1, rest))
        })
    }

    /// Whether a remote forward was asked for after login.
    pub(super) fn forward(&self) -> Option<Forward> {
        let startup = self.startup();
        let lengths: Vec<u32> = startup.iter().map(|(_, message)| message.length).collect();
        let first = *lengths.first()?;
        if !self.reads(State::Begin, &lengths) {
            return None;
        }
        let plain = self.reads(State::PlainBegin, &lengths) && !self.is_streamlocal_of_openssh(&lengths);
        let reply = self.reply(startup.first()?.0, startup.last()?.0);
        let bare_is_telling = self.to_client.wire(BARE) != self.to_client.wire(WITH_PORT);
        let alone = self.is(Item::Forward, first);
        let confidence = match (plain, &reply) {
            // A session would have been confirmed; what else could have been asked for is not known.
            (_, Some(Reply::Confirmed)) if lengths.len() == 1 => return None,
            (false, Some(Reply::Answered { .. })) => Confidence::Certain,
            (false, _) if alone && lengths.get(1).is_some_and(|second| self.is(Item::NoMoreSessions, *second)) => {
                Confidence::Certain
            }
            (false, _) => Confidence::Strong,
            // A keepalive that happened to come at once looks the same.
            (true, Some(Reply::Answered { bare: true, .. }))
                if lengths.len() == 1
                    && self.is(Item::Keepalive, first)
                    && !self.is(Item::NoMoreSessions, first)
                    && (self.exact || bare_is_telling) =>
            {
                Confidence::Weak
            }
            // The answer to a global request, where a session would have got a confirmation.
            (true, Some(Reply::Answered { bare: true, .. })) if self.exact || bare_is_telling => Confidence::Strong,
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
            session: lengths.iter().any(|length| {
                *length != self.to_server.wire(NO_MORE_SESSIONS) && self.reads_one(State::PlainBegin, *length, 4, &[])
            }),
            streamlocal: !alone && self.is(Item::Streamlocal, first),
            startup: lengths,
            reply,
            records,
            end: startup.last()?.0 + 1,
        })
    }

    /// OpenSSH sends a request for a forward in a segment of its own and no-more-sessions in the next. What it sends
    /// for `-W` (an open, then no-more-sessions) and for a session comes in one segment.
    fn is_streamlocal_of_openssh(&self, lengths: &[u32]) -> bool {
        let [first, second, ..] = lengths else { return false };
        let otherwise = [Item::NoMoreSessions, Item::Session, Item::Keepalive];
        let both = self.to_server.wire(NO_MORE_SESSIONS) + self.to_server.wire(SESSION);
        self.client_is_openssh
            && !self.exact
            && self.is(Item::Streamlocal, *first)
            && self.is(Item::NoMoreSessions, *second)
            && *first != both
            && !otherwise.iter().any(|item| self.is(*item, *first))
    }

    /// What the server answers to the startup: the first of its messages after `first` that is an answer by its size,
    /// as long as the client says nothing beyond the startup, which ends at `last`.
    fn reply(&self, first: usize, last: usize) -> Option<Reply> {
        let (bare, port) = (self.to_client.wire(BARE), self.to_client.wire(WITH_PORT));
        let confirmation = self.to_client.wire(CONFIRMATION);
        let asked = self.messages.get(last)?.at;
        let until = |index: usize, message: &SshMessage| index <= last || !self.is_client(message);
        for (index, message) in self.messages.iter().enumerate().skip(first) {
            if !until(index, message) || message.at.since(asked) > 10 * SECOND {
                return None;
            }
            let length = message.length;
            if self.is_client(message) {
                continue;
            }
            if length == confirmation {
                return Some(Reply::Confirmed);
            }
            let (length, record) = (message.length, message.record);
            // Nothing but answers of a global request is bare, alone or in twos; other sums have other readings.
            if length == bare || (!self.exact && length == bare * 2) {
                return Some(Reply::Answered { length, record, bare: true });
            }
            let sum =
                !self.exact && [bare + port, bare + confirmation].contains(&length) && !self.is_open(length, false);
            if length == port || sum {
                return Some(Reply::Answered { length, record, bare: false });
            }
        }
        None
    }

    /// Where a request is as long as no-more-sessions or a session's open (16-byte blocks, encrypt-and-MAC).
    fn ambiguous(&self, startup: &[(usize, &SshMessage)]) -> Option<Confidence> {
        let [(first_at, first), rest @ ..] = startup else { return None };
        if self.exact || !self.is(Item::Forward, first.length) {
            return None;
        }
        if self.client_is_openssh {
            // It sends no-more-sessions and a session's open in one segment, but a forward in one of its own, and
            // no-more-sessions behind it.
            let both = self.to_server.wire(NO_MORE_SESSIONS) + self.to_server.wire(SESSION);
            let second = rest.first().map(|(_, second)| second.length);
            let fits = second.is_some_and(|second| second == both || self.is(Item::NoMoreSessions, second));
            return fits.then_some(Confidence::Strong);
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
                (is_open && message.length == self.to_server.wire(CONFIRMATION)).then_some(Confidence::Strong)
            }
            // A lone request for the usual address that a session's client would not have left alone.
            None => {
                let usual = first.length == self.to_server.wire(TCPIP_FORWARD + LOCALHOST);
                let idle = self.last.is_some_and(|last| last.since(first.at) >= IDLE);
                (usual && idle).then_some(Confidence::Weak)
            }
        }
    }

    fn is_open(&self, length: u32, streamlocal: bool) -> bool {
        let fits = |payload: u32| self.to_client.wire(payload) == length;
        !fits(AGENT)
            && (FORWARDED.into_iter().any(fits) || (streamlocal && FORWARDED_STREAMLOCAL.into_iter().any(fits)))
    }

    /// Channels that the server opened and the client confirmed.
    pub(super) fn usage(&self, forward: Option<&Forward>) -> Option<Usage> {
        let from = forward.map_or(self.login, |forward| forward.end.min(self.login + STARTUP));
        let streamlocal = forward.is_some_and(|forward| forward.streamlocal);
        let confirmation = self.to_server.wire(CONFIRMATION);
        let first = self.messages.windows(2).enumerate().skip(from.saturating_sub(1)).find_map(|(index, pair)| {
            let [open, answer] = pair else { return None };
            let fits = !self.is_client(open)
                && self.is_open(open.length, streamlocal)
                && self.is_client(answer)
                && answer.length == confirmation;
            (fits && (forward.is_some() || self.is_nested_ssh(index + 2))).then_some(index)
        })?;
        let open = self.messages.get(first)?.length;
        let mut sessions = 0u64;
        let mut records = Vec::new();
        let mut pending: Vec<usize> = Vec::new();
        for (index, message) in self.messages.iter().enumerate().skip(first) {
            if !self.is_client(message) {
                let many = !self.exact && message.length.is_multiple_of(open);
                let count = if many { message.length / open } else { u32::from(message.length == open) };
                for _ in 0..count.min(4) {
                    pending.push(index);
                }
            } else if message.length == confirmation
                || (!self.exact && message.length == confirmation * 2 && pending.len() >= 2)
            {
                pending.retain(|open| index - open <= CONFIRMED_WITHIN);
                for _ in 0..(message.length / confirmation) {
                    if pending.is_empty() {
                        break;
                    }
                    let open = pending.remove(0);
                    sessions += 1;
                    if records.len() < 16 {
                        records.extend(self.messages.get(open).map(|open| open.record));
                        records.push(message.record);
                    }
                }
            }
        }
        // With 16-byte blocks and encrypt-and-MAC a confirmation is as long as a window adjustment.
        let counted = self.to_server.wire(WINDOW_ADJUST) != confirmation;
        if !counted {
            sessions = sessions.min(1);
            records.truncate(2);
        }
        let confidence = match forward {
            // Without a session channel nothing but the tunnel can carry data.
            Some(forward) if !forward.session => forward.confidence,
            Some(_) | None => Confidence::Strong,
        };
        Some(Usage { confidence, sessions, counted, open, confirmation, records })
    }

    /// Whether an SSH handshake goes on inside of a channel: both sides begin with something as long as an
    /// identification line and go on with something as long as a KEXINIT.
    fn is_nested_ssh(&self, from: usize) -> bool {
        let side = |client: bool, sizes: Sizes| {
            let mut own = self.messages.iter().skip(from).take(12).filter(move |m| self.is_client(m) == client);
            let banner =
                own.next().is_some_and(|first| NESTED_BANNER.into_iter().any(|p| sizes.wire(p) == first.length));
            banner && own.take(3).any(|message| (300..=4000).contains(&message.length))
        };
        side(true, self.to_server) && side(false, self.to_client)
    }
}

/// How the server answered the client's first message.
enum Reply {
    /// As it answers a global request, with the number alone (`bare`) or with a port.
    Answered { length: u32, record: u64, bare: bool },
    /// As it answers a channel open.
    Confirmed,
}

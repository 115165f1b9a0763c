//! What a session was, in words.

use super::channels::{Locals, Usage};
use super::startup::{Forward, Item};
use super::talk::Talk;
use crate::formats::capture::ssh_sizes::payload;
use crate::model::{Ssh, SshMessage};
use crate::time::SECOND;

/// A client's first request of a session that asks for a terminal carries its modes: OpenSSH's has some 300 bytes.
const TERMINAL: u32 = 250;
/// Keystrokes from which on someone, or something, types.
const TYPED: usize = 4;
/// Bytes of one direction that make a transfer, and how many times those of the other they are.
const TRANSFER: u64 = 50_000;
const ONE_SIDED: u64 = 8;

/// What was read from the sizes of a session.
pub(super) struct Read<'a> {
    pub(super) talk: Talk<'a>,
    pub(super) forward: Option<Forward>,
    pub(super) usage: Option<Usage>,
    pub(super) locals: Option<Locals>,
    /// Record and length of the request for a tun device.
    pub(super) tun: Option<(u64, u32)>,
    pub(super) without_session: bool,
}

impl<'a> Read<'a> {
    pub(super) fn new(ssh: &'a Ssh) -> Option<Self> {
        let talk = Talk::new(ssh)?;
        let without_session = talk.is_without_session();
        let forward = talk.forward();
        let locals = talk.locals();
        let forward = forward.or_else(|| talk.late_forward());
        let alone = without_session && locals.is_none();
        let usage = talk.usage(forward.as_ref(), alone);
        let tun = talk.tun();
        Some(Read { forward, usage, locals, tun, without_session, talk })
    }
}

/// What the session was, as far as sizes tell: how it was logged into, what channels it had, what went through them.
/// `None` for a session whose login is not seen.
pub fn story(ssh: &Ssh) -> Option<String> {
    let Some(read) = Read::new(ssh) else {
        return failed(ssh).map(|refusals| format!("no login: {refusals} authentication requests refused"));
    };
    let talk = &read.talk;
    let mut words = vec!["logged in".to_owned()];
    if talk.refusals() > 1 {
        words.push(format!("after {} refused requests", talk.refusals()));
    }
    words = vec![words.join(" ")];
    if let Some(forward) = &read.forward {
        words.push(if forward.late { "remote forward added later" } else { "remote forward asked for" }.to_owned());
    }
    if let Some(usage) = &read.usage {
        let least = if usage.counted { "" } else { "at least " };
        words.push(format!("{least}{} channels opened by the server", usage.sessions));
    }
    if let Some(locals) = &read.locals {
        words.push(format!("{} channels opened to other machines", locals.channels));
    }
    if read.tun.is_some() {
        words.push("tun device".to_owned());
    }
    words.extend(talk.session());
    match talk.agent_channels() {
        0 => {}
        channels => words.push(format!("{channels} channels opened by the server for an agent or a display")),
    }
    if read.without_session {
        words.push("no session channel (-N)".to_owned());
    }
    // Without a session nobody types; what closes a channel is as short as a key.
    let has_session = !read.without_session && read.forward.as_ref().is_none_or(|forward| forward.session);
    if has_session {
        words.extend(talk.typing());
    }
    let moved = |from: u64, to: u64| from >= TRANSFER && from / ONE_SIDED >= to;
    let (up, down) = if ssh.role_inverted { (ssh.bytes_in, ssh.bytes_out) } else { (ssh.bytes_out, ssh.bytes_in) };
    if moved(up, down) {
        words.push("mostly sent to the server".to_owned());
    } else if moved(down, up) {
        words.push("mostly got from the server".to_owned());
    }
    words.extend(talk.keepalives().map(|keepalives| keepalives.words()));
    Some(words.join(", "))
}

/// How many authentication requests were refused in a session that no login followed; `None` if it may have had one.
pub(super) fn failed(ssh: &Ssh) -> Option<u32> {
    let talk = Talk::unjudged(ssh)?;
    if ssh.gaps || !ssh.from_start || Talk::new(ssh).is_some() {
        return None;
    }
    Some(talk.refusals()).filter(|refusals| *refusals >= 2)
}

/// Requests whose only purpose is an answer, at a steady interval.
pub(super) struct Keepalives {
    pub(super) count: usize,
    /// In tenths of a second.
    pub(super) period: i64,
    pub(super) from_client: bool,
}

impl Keepalives {
    pub(super) fn words(&self) -> String {
        let by = if self.from_client { "client" } else { "server" };
        format!("{} keepalives of the {by} every {}.{} s", self.count, self.period / 10, self.period % 10)
    }
}

impl Talk<'_> {
    /// What the first session channel was opened for.
    fn session(&self) -> Option<String> {
        let (open, _) = self.messages.iter().enumerate().skip(self.login).find(|(_, message)| {
            let pair = !self.exact_client && message.length == self.session_pair();
            self.is_client(message)
                && (pair || (self.is(Item::Session, message.length) && !self.is(Item::NoMoreSessions, message.length)))
        })?;
        let confirmed = self.confirmed(open)?;
        let mut requests = self.messages.iter().skip(confirmed + 1).filter(|message| self.is_client(message));
        let first = requests.next()?;
        let mut lengths = vec![first.length];
        if self.exact_client {
            lengths.extend(requests.clone().take(4).map(|request| request.length));
        }
        if self.keystrokes() >= TYPED {
            return Some("a terminal".to_owned());
        }
        if lengths.iter().any(|length| *length >= TERMINAL) {
            return Some("a terminal or a long command".to_owned());
        }
        let subsystem = self.to_server.wire(payload::SUBSYSTEM_SFTP);
        let init = self.to_server.wire(payload::SFTP_INIT);
        let next = requests.next().map(|request| request.length);
        if first.length == subsystem && next == Some(init) {
            return Some("sftp (or a command of its length)".to_owned());
        }
        // "exec" without the command is 18 bytes.
        let command = self.to_server.payloads(first.length)?;
        let (least, most) = (command.start().saturating_sub(18), command.end().saturating_sub(18));
        (most > 0).then(|| format!("a command of {} to {most} bytes", least.max(1)))
    }

    /// The client's messages of one byte of data that the server answered.
    fn keys(&self) -> impl Iterator<Item = &SshMessage> {
        let key = self.to_server.wire(payload::KEYSTROKE);
        let after = self.messages.get(self.login..).unwrap_or_default();
        after.windows(2).filter_map(move |pair| match pair {
            [typed, answer] if self.is_client(typed) && typed.length == key && !self.is_client(answer) => Some(typed),
            _ => None,
        })
    }

    fn keystrokes(&self) -> usize {
        self.keys().count()
    }

    /// Keystrokes, and whether their times are hidden (OpenSSH 9.5: one message every 20 ms, real or not).
    fn typing(&self) -> Option<String> {
        let count = self.keystrokes();
        if count < TYPED {
            return None;
        }
        let key = self.to_server.wire(payload::KEYSTROKE);
        let times: Vec<_> = self
            .messages
            .iter()
            .skip(self.login)
            .filter(|message| self.is_client(message) && message.length == key)
            .map(|message| message.at)
            .collect();
        let grid = (SECOND * 15 / 1000)..=(SECOND * 25 / 1000);
        let gaps = times.windows(2).filter_map(|pair| match pair {
            [before, after] => Some(after.since(*before)),
            _ => None,
        });
        let (steady, all) =
            gaps.fold((0_usize, 0_usize), |(steady, all), gap| (steady + usize::from(grid.contains(&gap)), all + 1));
        Some(if steady >= 10 && steady * 2 >= all {
            format!("keystrokes behind chaff every 20 ms ({count} messages)")
        } else {
            format!("about {count} keystrokes")
        })
    }

    /// Keepalives of either side, if at least three came at one interval.
    pub(super) fn keepalives(&self) -> Option<Keepalives> {
        self.keepalives_of(true).or_else(|| self.keepalives_of(false))
    }

    fn keepalives_of(&self, client: bool) -> Option<Keepalives> {
        let (asks, answers) = if client { (self.to_server, self.to_client) } else { (self.to_client, self.to_server) };
        let asked = [payload::KEEPALIVE, payload::CHANNEL_KEEPALIVE].map(|payload| asks.wire(payload));
        let answered = [payload::BARE, payload::WITH_PORT].map(|payload| answers.wire(payload));
        let after = self.messages.get(self.login..).unwrap_or_default();
        let times: Vec<_> = after
            .windows(2)
            .filter_map(|pair| match pair {
                [ask, answer] => (self.is_client(ask) == client
                    && self.is_client(answer) != client
                    && asked.contains(&ask.length)
                    && answered.contains(&answer.length))
                .then_some(ask.at),
                _ => None,
            })
            .collect();
        let mut gaps: Vec<i64> = times
            .windows(2)
            .filter_map(|pair| match pair {
                [before, after] => Some(after.since(*before)),
                _ => None,
            })
            .collect();
        gaps.sort_unstable();
        let median = *gaps.get(gaps.len() / 2)?;
        let steady = gaps.iter().filter(|gap| (*gap - median).abs() <= median / 10).count();
        // Whole seconds, as both sides' options have them.
        let enough = gaps.len() >= 2 && steady * 10 >= gaps.len() * 7 && median >= SECOND * 9 / 10;
        enough.then_some(Keepalives { count: times.len(), period: median / (SECOND / 10), from_client: client })
    }
}

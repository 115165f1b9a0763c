//! The encrypted part of a session, and where its login ends.

use std::collections::BTreeMap;

use std::borrow::Cow;

use crate::formats::capture::ssh_sizes::{SshSizes, payload};
use crate::model::{Ssh, SshMessage};
use crate::time::{Instant, SECOND};

/// What follows a login at once: within this and three times the quickest turn of the login. Keepalives come at any
/// time after: their interval is whole seconds.
const AT_ONCE: i64 = SECOND / 10;
/// Messages of the client after login that are looked at for what it asks for.
pub(super) const STARTUP: usize = 6;
/// Messages after a channel open within which its confirmation is looked for.
pub(super) const CONFIRMED_WITHIN: usize = 16;

/// The encrypted part of one session, with the sizes of both directions.
pub(super) struct Talk<'a> {
    pub(super) messages: Cow<'a, [SshMessage]>,
    client_is_opener: bool,
    /// Each message of the client is one packet: sums need not be considered.
    pub(super) exact_client: bool,
    pub(super) exact_server: bool,
    /// OpenSSH's client sends no-more-sessions to OpenSSH's server, and to no other.
    pub(super) gives_up_sessions: bool,
    /// Sizes of what follows the login are those of compressed messages. Deflate makes the first requests a few bytes
    /// longer or shorter, mostly within the same multiple; what comes later shrinks.
    pub(super) compressed: bool,
    pub(super) to_server: SshSizes,
    pub(super) to_client: SshSizes,
    /// Index of the first message after USERAUTH_SUCCESS.
    pub(super) login: usize,
    /// End of the flow.
    pub(super) last: Option<Instant>,
}

impl<'a> Talk<'a> {
    /// `None` if the sizes cannot be known or no login is seen.
    pub(super) fn new(ssh: &'a Ssh) -> Option<Self> {
        let mut talk = Self::unjudged(ssh)?;
        talk.login = talk.find_login()?;
        Some(talk)
    }

    /// A session whose login has not been looked for.
    pub(super) fn unjudged(ssh: &'a Ssh) -> Option<Self> {
        let client_is_opener = !ssh.role_inverted;
        let (client, server) = match client_is_opener {
            true => (&ssh.opener_banner, &ssh.acceptor_banner),
            false => (&ssh.acceptor_banner, &ssh.opener_banner),
        };
        let is_openssh = |banner: &Option<String>| banner.as_deref().is_some_and(|banner| banner.contains("OpenSSH"));
        let (to_server, to_client) = SshSizes::both(ssh)?;
        let (exact_client, exact_server) =
            if client_is_opener { (ssh.exact_out, ssh.exact_in) } else { (ssh.exact_in, ssh.exact_out) };
        let is_async = |banner: &Option<String>| banner.as_deref().is_some_and(|banner| banner.contains("AsyncSSH"));
        let messages = match (is_async(client), is_async(server)) {
            (false, false) => Cow::Borrowed(ssh.messages.as_slice()),
            (client, server) => {
                let pads = |from_client: bool| if from_client { client } else { server };
                let ignore =
                    |from_client: bool| if from_client { to_server } else { to_client }.wire(payload::WITH_PORT);
                Cow::Owned(without_padding(ssh, |message| {
                    let from_client = message.from_opener == client_is_opener;
                    pads(from_client).then(|| (message.length == ignore(from_client), from_client))
                }))
            }
        };
        Some(Talk {
            messages,
            client_is_opener,
            exact_client,
            exact_server,
            compressed: ssh.compression.as_deref().is_some_and(|compression| compression != "none"),
            gives_up_sessions: is_openssh(client) && is_openssh(server),
            to_server,
            to_client,
            login: 0,
            last: ssh.last,
        })
    }

    pub(super) fn is_client(&self, message: &SshMessage) -> bool {
        message.from_opener == self.client_is_opener
    }

    /// Index behind USERAUTH_SUCCESS: the first bare message of the server after the service request and at least one
    /// authentication request of the client.
    fn find_login(&self) -> Option<usize> {
        let mut client = 0;
        for (index, message) in self.messages.iter().enumerate() {
            if self.is_client(message) {
                client += 1;
            } else if client >= 2 && message.length == self.to_client.wire(payload::BARE) {
                return Some(index + 1);
            }
        }
        None
    }

    /// How often the server refused to authenticate: USERAUTH_FAILURE names the same methods every time, and is what
    /// it answers to the first request, which asks for nothing but those names.
    pub(super) fn refusals(&self) -> u32 {
        let end = if self.login == 0 { self.messages.len() } else { self.login.saturating_sub(1) };
        let login = self.messages.get(..end).unwrap_or_default();
        let mut server = login.iter().filter(|message| !self.is_client(message));
        let accept = self.to_client.wire(payload::SERVICE);
        if !server.any(|message| message.length == accept) {
            return 0;
        }
        let Some(failure) = server.next().map(|message| message.length) else { return 0 };
        let more = server.filter(|message| message.length == failure).count();
        u32::try_from(more + 1).unwrap_or(u32::MAX)
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
    pub(super) fn startup(&self) -> Vec<(usize, &SshMessage)> {
        let mut startup: Vec<(usize, &SshMessage)> = Vec::new();
        let Some(mut last) = self.login.checked_sub(1).and_then(|at| self.messages.get(at)).map(|message| message.at)
        else {
            return startup;
        };
        let at_once = self.quickest_turn().saturating_mul(3).saturating_add(AT_ONCE).min(SECOND);
        for (index, message) in self.messages.iter().enumerate().skip(self.login) {
            if !self.is_client(message) {
                if !startup.is_empty() && message.length == self.to_client.wire(payload::CONFIRMATION) {
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

    /// The server's confirmation of the channel that the message at `open` opens.
    pub(super) fn confirmed(&self, open: usize) -> Option<usize> {
        let confirmation = self.to_client.wire(payload::CONFIRMATION);
        let after = self.messages.iter().enumerate().skip(open + 1).take(CONFIRMED_WITHIN);
        let mut server = after.filter(|(_, message)| !self.is_client(message));
        // Other answers and a list of host keys may come before.
        server.by_ref().take(4).find(|(_, message)| message.length == confirmation).map(|(index, _)| index)
    }

    /// Whether an SSH handshake goes on inside of a channel: both sides begin with something as long as an
    /// identification line and go on with something as long as a KEXINIT (dropbear's has
    /// some 500 bytes, OpenSSH's 900 to 1,500).
    pub(super) fn is_nested_ssh(&self, from: usize) -> bool {
        let side = |client: bool, sizes: SshSizes| {
            let mut own = self.messages.iter().skip(from).take(12).filter(move |m| self.is_client(m) == client);
            let banner = own.next().is_some_and(|first| sizes.fits(payload::NESTED_BANNER, first.length));
            banner && own.take(3).any(|message| (450..=2200).contains(&message.length))
        };
        side(true, self.to_server) && side(false, self.to_client)
    }

    /// Keys typed inside of an SSH session inside of a channel: an encrypted keystroke of 36 to 52 bytes, sent by one
    /// side and echoed by the other. All keys of a session are of one length, and so are their echoes: the pair that
    /// comes most often.
    pub(super) fn nested_keys(&self) -> u32 {
        let inner = 45..=61;
        let mut pairs: BTreeMap<(u32, u32), u32> = BTreeMap::new();
        for pair in self.messages.windows(2).skip(self.login) {
            let [key, echo] = pair else { continue };
            if !self.is_client(key)
                && self.is_client(echo)
                && self.to_client.fits(inner.clone(), key.length)
                && self.to_server.fits(inner.clone(), echo.length)
            {
                *pairs.entry((key.length, echo.length)).or_default() += 1;
            }
        }
        pairs.into_values().max().unwrap_or_default()
    }
}

/// AsyncSSH sends an IGNORE before each of its messages. `padding` says of those who do whether a message is as long
/// as one, and whether the client sent it. What follows an IGNORE is a message, whatever its length.
fn without_padding(ssh: &Ssh, padding: impl Fn(&SshMessage) -> Option<(bool, bool)>) -> Vec<SshMessage> {
    let mut after_ignore = [false; 2];
    let mut kept = Vec::with_capacity(ssh.messages.len());
    for message in &ssh.messages {
        if let Some((is_ignore, from_client)) = padding(message) {
            let [client, server] = &mut after_ignore;
            let after = if from_client { client } else { server };
            if is_ignore && !*after {
                *after = true;
                continue;
            }
            *after = false;
        }
        kept.push(*message);
    }
    kept
}

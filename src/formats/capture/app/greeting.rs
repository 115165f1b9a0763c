//! What the first bytes of a conversation can be, and how a protocol says that they are its own.

use super::{Reader, p2p};
use crate::model::Flow;

/// What the first bytes are.
#[derive(Clone, Copy, Debug)]
pub(super) enum Sniffed {
    Dns,
    ClientHello,
    ServerHello,
    Ssh,
    HttpRequest,
    HttpResponse,
    Json,
    P2p(p2p::Network),
    Binary(&'static Binary),
    /// May be the beginning of something known.
    More,
    Unknown,
    /// Known and without interest: nothing of this direction can matter.
    Nothing,
}

impl Sniffed {
    /// The name of the protocol that was recognised.
    pub(super) fn name(self) -> Option<&'static str> {
        match self {
            Sniffed::Dns => Some("dns"),
            Sniffed::ClientHello | Sniffed::ServerHello => Some("tls"),
            Sniffed::Ssh => Some("ssh"),
            Sniffed::HttpRequest | Sniffed::HttpResponse => Some("http"),
            Sniffed::Json => Some("json"),
            Sniffed::P2p(network) => Some(network.dialect()),
            Sniffed::Binary(protocol) => Some(protocol.name),
            Sniffed::More | Sniffed::Unknown | Sniffed::Nothing => None,
        }
    }
}

/// The conversation whose first bytes are looked at, and which side they come from.
#[derive(Clone, Copy, Debug)]
pub(super) struct Greeting {
    pub(super) flow: Flow,
    pub(super) from_opener: bool,
    /// How many protocols the stream is wrapped in.
    pub(super) depth: u8,
    /// A protocol that the stream is known not to be.
    pub(super) not: Option<&'static str>,
}

/// How far bytes fit a protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fit {
    No,
    /// As far as they go.
    More,
    Yes,
}

/// A protocol that begins with bytes of its own, and what reads it.
pub(super) struct Binary {
    pub(super) name: &'static str,
    /// Reached by the first segments of every conversation that is nothing else: quick to say no, hard to mislead.
    pub(super) sniff: fn(&[u8], Greeting) -> Fit,
    /// A reader, told who sent the bytes that were recognised. It gets those bytes first.
    pub(super) reader: fn(Greeting) -> Box<dyn Reader>,
}

impl std::fmt::Debug for Binary {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name)
    }
}

use std::borrow::Cow;

use crate::time::Instant;

/// What kind of carrier a protocol is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TunnelClass {
    /// Packets in packets, in the clear: GRE, VXLAN, GTP. Networks build themselves of it.
    #[default]
    Encapsulation,
    /// An encrypted network: WireGuard, OpenVPN, IPsec, Tor.
    Vpn,
    /// A server that connects onwards for its client: SOCKS, HTTP CONNECT.
    Proxy,
    /// A service that gives a machine behind a firewall a public address: ngrok, frp, chisel.
    Relay,
    /// Somebody else's hands on a machine: AnyDesk, TeamViewer.
    RemoteAccess,
    /// Data hidden in messages that are there for something else: DNS names, ICMP payloads.
    Covert,
}

/// How much of a protocol was seen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Mark {
    /// Sizes and times that fit, and much else has too.
    #[default]
    Shape,
    /// Messages of one side in a grammar that nothing else has.
    OneSide,
    /// Both sides' parts of an exchange fit each other, or what is inside is in the clear and parses.
    Exchange,
}

/// A protocol that carries other traffic, told by its own messages.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Tunnel {
    /// Machine-readable: "wireguard", "vxlan", "socks5". `docs/formats.md` lists them.
    pub protocol: &'static str,
    pub class: TunnelClass,
    pub mark: Mark,
    /// Where its client asked to be led: `host:port`, or the name of the service.
    pub target: Option<String>,
    /// The protocol inside, where that is in the clear: "ssh".
    pub inside: Option<&'static str>,
    /// The side that accepted the connection is the one that asks: a way in, opened from within.
    pub reversed: bool,
    /// Messages or packets that carry the mark.
    pub packets: u64,
    /// What was seen, in a few words with figures.
    pub note: Cow<'static, str>,
    pub last: Option<Instant>,
    /// Records that carry the proof, the first of them first.
    pub proof: Vec<u64>,
}

/// A file that came over the network, told by its first bytes.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct File {
    /// By magic number: "elf", "pe", "zip", "gzip", "script".
    pub kind: &'static str,
    /// The protocol that brought it: "http".
    pub via: &'static str,
    /// As the request or the answer names it.
    pub name: Option<String>,
    pub host: Option<String>,
    /// What the sender called it.
    pub media_type: Option<String>,
    /// Bytes seen of the content, after transfer coding, before content coding.
    pub bytes: u64,
    /// Bytes that the answer announced.
    pub announced: Option<u64>,
    /// Of the content, its coding undone, in hexadecimal, if every byte of it was seen.
    pub sha256: Option<String>,
    /// From the side that accepted the connection: a download. Otherwise an upload.
    pub to_opener: bool,
    pub last: Option<Instant>,
}

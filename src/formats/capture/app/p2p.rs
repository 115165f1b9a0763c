//! Peer-to-peer protocols of coin networks: Bitcoin and its kin, CryptoNote's Levin, Ethereum's RLPx.
//!
//! A node is what solo mining needs; whoever wants to mine without a pool runs one. Both sides must speak the
//! protocol: a scanner that says hello to a closed mind is no node.

use std::collections::BTreeSet;

use super::{Emit, Packet, Reader, side};
use crate::model::{Detail, Flow, Mark, Mining};
use crate::time::Instant;

/// Bound on the distinct commands named.
const COMMANDS_KEPT: usize = 32;
/// Segments of a direction that are looked at for commands.
const SEGMENTS_READ: u32 = 64;
/// Bound on the length of a program's name.
const AGENT_MAX: usize = 256;

/// What the first bytes of a direction belong to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Network {
    Bitcoin,
    CryptoNote,
    Ethereum,
}

impl Network {
    pub(super) fn dialect(self) -> &'static str {
        match self {
            Network::Bitcoin => "bitcoin-p2p",
            Network::CryptoNote => "cryptonote-p2p",
            Network::Ethereum => "ethereum-p2p",
        }
    }
}

/// The network that `bytes`, which begin a direction, speak.
pub(super) fn sniff(bytes: &[u8]) -> Option<Network> {
    if bitcoin_command(bytes).is_some_and(|command| matches!(command, "version" | "verack") || is_known_magic(bytes)) {
        Some(Network::Bitcoin)
    } else if levin_command(bytes).is_some() {
        Some(Network::CryptoNote)
    } else if is_rlpx_hello(bytes) {
        Some(Network::Ethereum)
    } else {
        None
    }
}

/// The command of a Bitcoin message: magic of the network, 12 bytes of lower-case ASCII filled up with zeros, length
/// (<https://developer.bitcoin.org/reference/p2p_networking.html#message-headers>).
fn bitcoin_command(bytes: &[u8]) -> Option<&str> {
    let field = bytes.get(4..16)?;
    let length = field.iter().position(|byte| *byte == 0).unwrap_or(field.len());
    let (name, padding) = field.split_at(length);
    let is_name = (2..=12).contains(&name.len()) && name.iter().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
    // No message is longer than 32 MiB (MAX_SIZE of the reference client).
    let stated = bytes.get(16..20)?.first_chunk::<4>().map(|length| u32::from_le_bytes(*length))?;
    let fits = match name {
        b"verack" => stated == 0,
        b"version" => (46..=1024).contains(&stated),
        _ => stated <= 32 << 20,
    };
    (is_name && fits && padding.iter().all(|byte| *byte == 0)).then(|| std::str::from_utf8(name).ok()).flatten()
}

/// Networks whose messages are recognised past the greeting: Bitcoin (main, testnet 3 and 4, signet, regtest), Bitcoin
/// Cash, Litecoin, Dogecoin, Dash, Zcash, Ravencoin, DigiByte (`pchMessageStart` in each client's chainparams).
fn is_known_magic(bytes: &[u8]) -> bool {
    const MAGIC: [[u8; 4]; 12] = [
        [0xf9, 0xbe, 0xb4, 0xd9],
        [0x0b, 0x11, 0x09, 0x07],
        [0x1c, 0x16, 0x3f, 0x28],
        [0x0a, 0x03, 0xcf, 0x40],
        [0xfa, 0xbf, 0xb5, 0xda],
        [0xe3, 0xe1, 0xf3, 0xe8],
        [0xfb, 0xc0, 0xb6, 0xdb],
        [0xc0, 0xc0, 0xc0, 0xc0],
        [0xbf, 0x0c, 0x6b, 0xbd],
        [0x24, 0xe9, 0x27, 0x64],
        [0x52, 0x41, 0x56, 0x4e],
        [0xfa, 0xc3, 0xb6, 0xda],
    ];
    MAGIC.iter().any(|magic| bytes.starts_with(magic))
}

/// The command of a Levin bucket: signature, length, flag, command, return code, flags, version 1
/// (Monero, contrib/epee/include/net/levin_base.h and docs/LEVIN_PROTOCOL.md).
fn levin_command(bytes: &[u8]) -> Option<&'static str> {
    let header = bytes.first_chunk::<33>()?;
    let word = |at: usize| {
        let word = header.get(at..).and_then(|rest| rest.first_chunk::<4>()).copied().unwrap_or_default();
        u32::from_le_bytes(word)
    };
    if !header.starts_with(&[0x01, 0x21, 0x01, 0x01, 0x01, 0x01, 0x01, 0x01]) || word(29) != 1 {
        return None;
    }
    Some(match word(17) {
        1001 => "handshake",
        1002 => "timed-sync",
        1003 => "ping",
        1007 => "support-flags",
        2001 => "new-block",
        2002 => "new-transactions",
        2003 => "request-objects",
        2004 => "objects",
        2006 => "request-chain",
        2007 => "chain-entry",
        2008 => "new-fluffy-block",
        _ => "other",
    })
}

/// The first message of either side in RLPx (devp2p/rlpx.md, EIP-8): its size, then an ECIES message that begins with
/// an uncompressed public key. Between 280 and 700 bytes by the sizes of its parts and 100 to 300 of random padding.
fn is_rlpx_hello(bytes: &[u8]) -> bool {
    let Some(&[high, low, kind]) = bytes.first_chunk::<3>() else { return false };
    let size = usize::from(u16::from_be_bytes([high, low]));
    kind == 4 && (280..=700).contains(&size) && bytes.len() == size + 2
}

/// The program that a Bitcoin `version` message names (BIP 14), with or without a checksum in its header (messages of
/// before 2012 have none).
fn bitcoin_agent(bytes: &[u8]) -> Option<String> {
    // Protocol version, services, time, two addresses with services, nonce: 80 bytes, then a length of one byte.
    [24, 20].into_iter().find_map(|header| {
        let (&length, rest) = bytes.get(header + 80..)?.split_first()?;
        let agent = rest.get(..usize::from(length).min(AGENT_MAX))?;
        let is_agent =
            agent.starts_with(b"/") && agent.ends_with(b"/") && agent.iter().all(|b| (b' '..=b'~').contains(b));
        is_agent.then(|| String::from_utf8_lossy(agent).into_owned())
    })
}

/// Follows a conversation between two nodes and reports it at its end.
pub(super) struct P2pReader {
    flow: Flow,
    network: Network,
    /// First packet of each direction that speaks the protocol.
    spoke: [Option<Packet>; 2],
    read: [u32; 2],
    commands: BTreeSet<String>,
    agent: Option<String>,
}

impl P2pReader {
    pub(super) fn new(flow: Flow, network: Network) -> Self {
        P2pReader { flow, network, spoke: [None; 2], read: [0; 2], commands: BTreeSet::new(), agent: None }
    }
}

impl Reader for P2pReader {
    fn data(&mut self, packet: Packet, bytes: &[u8], _emit: &mut Emit<'_>) {
        let read = &mut self.read[packet.side()];
        *read = read.saturating_add(1);
        let is_first = *read == 1;
        let command = match self.network {
            Network::Bitcoin => bitcoin_command(bytes),
            Network::CryptoNote => levin_command(bytes),
            Network::Ethereum => (is_first && is_rlpx_hello(bytes)).then_some("hello"),
        };
        let Some(command) = command else { return };
        self.spoke[packet.side()].get_or_insert(packet);
        if self.network == Network::Bitcoin && command == "version" && self.agent.is_none() {
            self.agent = bitcoin_agent(bytes);
        }
        if self.commands.len() < COMMANDS_KEPT {
            self.commands.insert(command.to_owned());
        }
    }

    fn gap(&mut self, _from_opener: bool, _bytes: u64) {}

    fn is_done(&self, from_opener: bool) -> bool {
        self.read[side(from_opener)] >= SEGMENTS_READ
    }

    fn finish(self: Box<Self>, last: Instant, emit: &mut Emit<'_>) {
        let [Some(one), Some(other)] = self.spoke else { return };
        let first = if one.record <= other.record { one } else { other };
        let mining = Mining {
            dialect: self.network.dialect().to_owned(),
            mark: Mark::Exchange,
            methods: self.commands.into_iter().collect(),
            agent: self.agent,
            first: Some(first.at),
            last: Some(last.max(first.at)),
            proof: vec![one.record.min(other.record), one.record.max(other.record)],
            ..Mining::default()
        };
        emit(&first.observation(self.flow, Detail::Mining(mining)));
    }
}

//! SSH (RFC 4253): identification, negotiation, roles, and the lengths of what follows.

use super::ssh_kex::{KexInit, agree, clear_length, is_aead};
use super::ssh_sizes::{SshSizes, payload};
use super::{Emit, Packet, Reader, side};
use crate::model::{Detail, Flow, Ssh, SshMessage};
use crate::time::Instant;

/// Bound on an identification line and on the lines before it (RFC 4253 section 4.2: 255 bytes a line).
const BANNER_MAX: usize = 8 * 1024;
/// Bound on a packet in the clear: OpenSSH takes 256 KiB, the key exchange needs a few.
const PACKET_MAX: u32 = 256 * 1024;
/// Bound on what is kept of a packet in the clear; a KEXINIT has some hundred bytes to a few KiB.
const PACKET_KEPT: usize = 35_000;

/// Reads one SSH conversation and reports it at its end.
pub(super) struct SshReader {
    flow: Flow,
    ssh: Ssh,
    /// Packet of the first identification string.
    start: Option<Packet>,
    kex_inits: [Option<Box<KexInit>>; 2],
    /// Sender of a message that only a client, or only a server, may send.
    opener_is_server: Option<bool>,
    sides: [Side; 2],
    /// Set with the first NEWKEYS: whether lengths are in the clear is known.
    chosen: bool,
    later: Later,
}

/// Picks, of the messages beyond [`Ssh::MESSAGES_KEPT`], those around a channel that the server may have opened.
#[derive(Default)]
struct Later {
    /// Framing of what the client sends and of what the server sends, worked out when the first is needed.
    sizes: Option<Option<(SshSizes, SshSizes)>>,
    /// The message before, if it was the server's and as long as an open of a forwarded channel.
    open: Option<SshMessage>,
    /// Further messages to keep of the window at hand.
    wanted: u8,
}

impl Later {
    /// Messages kept from a confirmation on: an inner handshake begins within them.
    const WINDOW: u8 = 14;
}

#[derive(Default)]
struct Side {
    phase: Phase,
    buffer: Vec<u8>,
    packet: Packet,
    clear: ClearLength,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Phase {
    #[default]
    Banner,
    /// Packets in the clear.
    Packets,
    /// Rest of a packet in the clear that is too long to keep.
    Skip(u32),
    /// After this side's NEWKEYS.
    Encrypted,
    /// Not SSH 2, or bytes are missing before NEWKEYS.
    Lost,
}

/// Splits encrypted packets whose length goes in the clear.
#[derive(Default)]
struct ClearLength {
    tag: u32,
    block: u32,
    length: [u8; 4],
    have: usize,
    packet: Packet,
    /// Bytes of the current packet still to come.
    rest: u64,
    /// Packet boundaries are unknown until a segment begins with one again.
    unaligned: bool,
}

impl SshReader {
    pub(super) fn new(flow: Flow, from_start: bool) -> Self {
        SshReader {
            flow,
            ssh: Ssh { from_start, ..Ssh::default() },
            start: None,
            kex_inits: [None, None],
            opener_is_server: None,
            sides: Default::default(),
            chosen: false,
            later: Later::default(),
        }
    }

    fn clear(&mut self, packet: Packet, bytes: &[u8]) {
        let own = &mut self.sides[packet.side()];
        if own.buffer.is_empty() {
            own.packet = packet;
        }
        own.buffer.extend_from_slice(bytes);
        let mut buffer = std::mem::take(&mut own.buffer);
        let mut used = 0;
        loop {
            let rest = buffer.get(used..).unwrap_or_default();
            if rest.is_empty() {
                break;
            }
            match self.sides[packet.side()].phase {
                Phase::Banner => match self.banner(packet.from_opener, rest) {
                    Some(taken) => used += taken,
                    None => break,
                },
                Phase::Packets => match self.packet(packet.from_opener, rest) {
                    Some(taken) => used += taken,
                    None => break,
                },
                Phase::Skip(left) => {
                    let taken = usize::try_from(left).unwrap_or(usize::MAX).min(rest.len());
                    used += taken;
                    let left = left.saturating_sub(u32::try_from(taken).unwrap_or(u32::MAX));
                    self.sides[packet.side()].phase = if left == 0 { Phase::Packets } else { Phase::Skip(left) };
                }
                Phase::Encrypted => {
                    let rest = buffer.split_off(used);
                    self.encrypted(packet, &rest);
                    break;
                }
                Phase::Lost => {
                    used = buffer.len();
                }
            }
        }
        let own = &mut self.sides[packet.side()];
        if used > 0 {
            own.packet = packet;
        }
        buffer.drain(..used.min(buffer.len()));
        if matches!(own.phase, Phase::Encrypted | Phase::Lost) || buffer.is_empty() {
            buffer = Vec::new();
        }
        own.buffer = buffer;
    }

    /// A line before or of the identification. How many bytes were used; `None` to wait for more.
    fn banner(&mut self, from_opener: bool, bytes: &[u8]) -> Option<usize> {
        let own = &mut self.sides[side(from_opener)];
        let Some(end) = memchr::memchr(b'\n', bytes) else {
            if bytes.len() > BANNER_MAX {
                own.phase = Phase::Lost;
            }
            return None;
        };
        let line = bytes.get(..end).unwrap_or_default();
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if line.starts_with(b"SSH-") {
            let text = String::from_utf8_lossy(line.get(..255).unwrap_or(line)).into_owned();
            // RFC 4253 section 5: 1.99 is a server that speaks 2.0 as well. Chisel puts its own name for the version.
            let version_2 = ["SSH-2.", "SSH-1.99-", "SSH-chisel-"].iter().any(|version| text.starts_with(version));
            own.phase = if version_2 { Phase::Packets } else { Phase::Lost };
            let packet = own.packet;
            self.start.get_or_insert(packet);
            match from_opener {
                true => self.ssh.opener_banner = Some(text),
                false => self.ssh.acceptor_banner = Some(text),
            }
        }
        Some(end + 1)
    }

    /// A packet in the clear: length, padding length, payload, padding (RFC 4253 section 6).
    fn packet(&mut self, from_opener: bool, bytes: &[u8]) -> Option<usize> {
        let (length, rest) = bytes.split_first_chunk::<4>()?;
        let length = u32::from_be_bytes(*length);
        let own = &mut self.sides[side(from_opener)];
        if !(5..=PACKET_MAX).contains(&length) {
            own.phase = Phase::Lost;
            self.ssh.gaps = true;
            return Some(bytes.len());
        }
        let size = usize::try_from(length).ok()?;
        let Some(packet) = rest.get(..size) else {
            if bytes.len() > PACKET_KEPT {
                let left = size.saturating_sub(rest.len());
                own.phase = Phase::Skip(u32::try_from(left).unwrap_or(u32::MAX));
                return Some(bytes.len());
            }
            return None;
        };
        let padding = packet.first().copied().map_or(0, usize::from);
        if let Some(payload) = packet.get(1..packet.len().saturating_sub(padding)) {
            self.message(from_opener, payload);
        }
        Some(4 + size)
    }

    fn message(&mut self, from_opener: bool, payload: &[u8]) {
        let Some(&number) = payload.first() else { return };
        match number {
            20 => {
                if let Some(init) = KexInit::parse(payload) {
                    self.kex_inits[side(from_opener)] = Some(Box::new(init));
                }
            }
            21 => {
                self.sides[side(from_opener)].phase = Phase::Encrypted;
                if !self.chosen {
                    self.choose_units();
                }
            }
            30..=34 => {
                let agreed = self.negotiate(true, |init| &init.kex).or_else(|| self.negotiate(false, |init| &init.kex));
                if let Some(from_client) = kex_sender_is_client(number, agreed.as_deref()) {
                    self.opener_is_server.get_or_insert(from_opener != from_client);
                }
            }
            _ => {}
        }
    }

    /// Whether the TCP opener is the SSH server. Without a message or marker that says so it is the client.
    fn inverted(&self) -> bool {
        self.opener_is_server.unwrap_or_else(|| {
            let marked = |index: usize| self.kex_inits[index].as_ref().and_then(|init| init.is_client());
            matches!((marked(0), marked(1)), (Some(false), None | Some(true)) | (None, Some(true)))
        })
    }

    fn negotiate(&self, opener_is_client: bool, list: impl Fn(&KexInit) -> &String) -> Option<String> {
        let [opener, acceptor] = &self.kex_inits;
        let (opener, acceptor) = (opener.as_deref()?, acceptor.as_deref()?);
        let (client, server) = if opener_is_client { (opener, acceptor) } else { (acceptor, opener) };
        agree(list(client), list(server))
    }

    fn settle(&mut self) {
        let inverted = self.inverted();
        self.ssh.role_inverted = inverted;
        let opener_is_client = !inverted;
        self.ssh.kex = self.negotiate(opener_is_client, |init| &init.kex);
        self.ssh.cipher_to_server = self.negotiate(opener_is_client, |init| &init.cipher_to_server);
        self.ssh.cipher_to_client = self.negotiate(opener_is_client, |init| &init.cipher_to_client);
        let without_mac = |cipher: &Option<String>| cipher.as_deref().is_none_or(is_aead);
        if !without_mac(&self.ssh.cipher_to_server) {
            self.ssh.mac_to_server = self.negotiate(opener_is_client, |init| &init.mac_to_server);
        }
        if !without_mac(&self.ssh.cipher_to_client) {
            self.ssh.mac_to_client = self.negotiate(opener_is_client, |init| &init.mac_to_client);
        }
        let to_server = self.negotiate(opener_is_client, |init| &init.compression_to_server);
        let to_client = self.negotiate(opener_is_client, |init| &init.compression_to_client);
        // One field for both directions: the one that compresses, if any does.
        self.ssh.compression = match to_server.as_deref() {
            None | Some("none") => to_client.or(to_server),
            Some(_) => to_server,
        };
        let (client, server) = if inverted { (1, 0) } else { (0, 1) };
        self.ssh.hassh = self.kex_inits[client].as_ref().map(|init| init.hassh());
        self.ssh.hassh_server = self.kex_inits[server].as_ref().map(|init| init.hassh_server());
    }

    /// Decides, when encryption begins, whether packets can be split exactly.
    fn choose_units(&mut self) {
        self.settle();
        let clear = |cipher: &Option<String>, mac: &Option<String>| {
            cipher.as_deref().and_then(|cipher| clear_length(cipher, mac.as_deref()))
        };
        let to_server = clear(&self.ssh.cipher_to_server, &self.ssh.mac_to_server);
        let to_client = clear(&self.ssh.cipher_to_client, &self.ssh.mac_to_client);
        let (opener, acceptor) = if self.ssh.role_inverted { (to_client, to_server) } else { (to_server, to_client) };
        self.chosen = true;
        self.ssh.exact_out = opener.is_some();
        self.ssh.exact_in = acceptor.is_some();
        for (own, clear) in self.sides.iter_mut().zip([opener, acceptor]) {
            if let Some((tag, block)) = clear {
                own.clear.tag = tag;
                own.clear.block = block;
            }
        }
    }

    fn keep(&mut self, packet: Packet, length: u32) {
        /// What is at least as long carries data; a run of it says no more than its sum.
        const BULK: u32 = 1400;
        let Packet { from_opener, at, record } = packet;
        let message = SshMessage { from_opener, length, at, record };
        if self.ssh.messages.len() >= Ssh::MESSAGES_KEPT {
            self.keep_later(message);
            return;
        }
        match self.ssh.messages.last_mut() {
            Some(last) if last.from_opener == from_opener && last.length >= BULK && length >= BULK => {
                last.length = last.length.saturating_add(length);
            }
            _ => self.ssh.messages.push(message),
        }
    }

    fn keep_later(&mut self, message: SshMessage) {
        let full = self.ssh.messages.len() >= Ssh::MESSAGES_KEPT + Ssh::LATER_KEPT;
        let from_client = message.from_opener != self.ssh.role_inverted;
        let sizes = *self.later.sizes.get_or_insert_with(|| SshSizes::both(&self.ssh));
        let later = &mut self.later;
        let opened = later.open.take();
        if let (Some((client, server)), false) = (sizes, full) {
            if later.wanted > 0 {
                later.wanted -= 1;
                self.ssh.messages.push(message);
                return;
            }
            let confirmed = from_client && message.length == client.wire(payload::CONFIRMATION);
            if let (Some(open), true) = (opened, confirmed) {
                later.wanted = Later::WINDOW;
                self.ssh.messages.extend([open, message]);
                // It was counted when it came.
                self.ssh.messages_omitted = self.ssh.messages_omitted.saturating_sub(1);
                return;
            }
            let opens = [payload::FORWARDED, payload::FORWARDED_STREAMLOCAL];
            if !from_client && opens.into_iter().any(|open| server.fits(open, message.length)) {
                later.open = Some(message);
            }
        }
        self.ssh.messages_omitted = self.ssh.messages_omitted.saturating_add(1);
    }

    fn encrypted(&mut self, packet: Packet, bytes: &[u8]) {
        let exact = if packet.from_opener { self.ssh.exact_out } else { self.ssh.exact_in };
        if exact {
            self.split(packet, bytes);
        } else {
            self.keep(packet, u32::try_from(bytes.len()).unwrap_or(u32::MAX));
        }
    }

    fn split(&mut self, packet: Packet, mut bytes: &[u8]) {
        if self.sides[packet.side()].clear.unaligned {
            let clear = &mut self.sides[packet.side()].clear;
            if !clear.fits_whole(bytes) {
                return;
            }
            clear.unaligned = false;
        }
        while !bytes.is_empty() {
            let clear = &mut self.sides[packet.side()].clear;
            if clear.rest > 0 {
                let taken = usize::try_from(clear.rest).unwrap_or(usize::MAX).min(bytes.len());
                clear.rest -= taken as u64;
                bytes = bytes.get(taken..).unwrap_or_default();
                continue;
            }
            if clear.have == 0 {
                clear.packet = packet;
            }
            let taken = (4 - clear.have).min(bytes.len());
            let (now, later) = bytes.split_at(taken);
            if let Some(room) = clear.length.get_mut(clear.have..clear.have + taken) {
                room.copy_from_slice(now);
            }
            clear.have += taken;
            bytes = later;
            if clear.have < 4 {
                continue;
            }
            clear.have = 0;
            match clear.size(u32::from_be_bytes(clear.length)) {
                Some(size) => {
                    clear.rest = u64::from(size) - 4;
                    let packet = clear.packet;
                    self.keep(packet, size);
                }
                None => {
                    clear.unaligned = true;
                    self.ssh.gaps = true;
                    return;
                }
            }
        }
    }
}

impl ClearLength {
    /// The whole packet on the wire, if that can be a packet's length.
    fn size(&self, length: u32) -> Option<u32> {
        let whole_blocks = self.block != 0 && length.is_multiple_of(self.block);
        (whole_blocks && (8..=PACKET_MAX).contains(&length)).then(|| 4 + length + self.tag)
    }

    /// Whether `bytes` are whole packets to their end.
    fn fits_whole(&self, mut bytes: &[u8]) -> bool {
        while let Some((length, _)) = bytes.split_first_chunk::<4>() {
            let Some(size) = self.size(u32::from_be_bytes(*length)) else { return false };
            let Some(rest) = usize::try_from(size).ok().and_then(|size| bytes.get(size..)) else { return false };
            bytes = rest;
            if bytes.is_empty() {
                return true;
            }
        }
        false
    }

    fn gap(&mut self, bytes: u64) {
        if self.have == 0 && !self.unaligned && bytes <= self.rest {
            self.rest -= bytes;
        } else {
            self.have = 0;
            self.rest = 0;
            self.unaligned = true;
        }
    }
}

/// Who sends a key exchange message: 30, 32 and 34 are the client's, 31 and 33 the server's (RFC 4253 section 8,
/// RFC 4419, RFC 5656), but the other way round for RSA key exchange (RFC 4432) and undecided beyond the first for
/// GSS-API (RFC 4462).
fn kex_sender_is_client(number: u8, kex: Option<&str>) -> Option<bool> {
    let even = number.is_multiple_of(2);
    match kex {
        Some(kex) if kex.starts_with("gss-") => (number == 30).then_some(true),
        Some(kex) if kex.starts_with("rsa") => Some(!even),
        _ => Some(even),
    }
}

impl Reader for SshReader {
    fn data(&mut self, packet: Packet, bytes: &[u8], _emit: &mut Emit<'_>) {
        let total = if packet.from_opener { &mut self.ssh.bytes_out } else { &mut self.ssh.bytes_in };
        *total = total.saturating_add(bytes.len() as u64);
        if self.sides[packet.side()].phase == Phase::Encrypted {
            self.encrypted(packet, bytes);
        } else {
            self.clear(packet, bytes);
        }
    }

    fn gap(&mut self, from_opener: bool, bytes: u64) {
        self.ssh.gaps = true;
        let own = &mut self.sides[side(from_opener)];
        match own.phase {
            Phase::Encrypted => own.clear.gap(bytes),
            _ => {
                own.phase = Phase::Lost;
                own.buffer = Vec::new();
            }
        }
    }

    fn is_done(&self, _from_opener: bool) -> bool {
        false
    }

    fn finish(mut self: Box<Self>, last: Instant, emit: &mut Emit<'_>) {
        let Some(start) = self.start else { return };
        self.settle();
        self.ssh.last = Some(last);
        let ssh = std::mem::take(&mut self.ssh);
        emit(&start.observation(self.flow, Detail::Ssh(ssh)));
    }
}

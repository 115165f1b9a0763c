//! How many bytes an SSH message takes on the wire, for every cipher and MAC.

use crate::model::Ssh;

/// Payload lengths in bytes (RFC 4252, 4254, OpenSSH PROTOCOL). Names of services, requests and channels are part of
/// the payload.
pub(crate) mod payload {
    use std::ops::RangeInclusive;

    /// USERAUTH_SUCCESS, REQUEST_SUCCESS and REQUEST_FAILURE: the message number alone.
    pub(crate) const BARE: u32 = 1;
    /// REQUEST_SUCCESS with the port that the server chose; CHANNEL_SUCCESS, CHANNEL_EOF, CHANNEL_CLOSE.
    pub(crate) const WITH_PORT: u32 = 5;
    /// CHANNEL_WINDOW_ADJUST: number and two words.
    pub(crate) const WINDOW_ADJUST: u32 = 9;
    /// CHANNEL_DATA of one byte. PING and PONG of the OpenSSH extension are as long.
    pub(crate) const KEYSTROKE: u32 = 10;
    /// SERVICE_REQUEST and SERVICE_ACCEPT of "ssh-userauth".
    pub(crate) const SERVICE: u32 = 17;
    /// CHANNEL_OPEN_CONFIRMATION: number and four words.
    pub(crate) const CONFIRMATION: u32 = 17;
    /// CHANNEL_DATA with SSH_FXP_INIT.
    pub(crate) const SFTP_INIT: u32 = 18;
    /// CHANNEL_OPEN "session".
    pub(crate) const SESSION: u32 = 24;
    /// GLOBAL_REQUEST "keepalive@openssh.com"; CHANNEL_REQUEST "subsystem" of "sftp".
    pub(crate) const KEEPALIVE: u32 = 27;
    pub(crate) const SUBSYSTEM_SFTP: u32 = 27;
    /// CHANNEL_REQUEST "keepalive@openssh.com", as OpenSSH's server sends it where a channel is open.
    pub(crate) const CHANNEL_KEEPALIVE: u32 = 31;
    /// GLOBAL_REQUEST "no-more-sessions@openssh.com".
    pub(crate) const NO_MORE_SESSIONS: u32 = 34;
    /// GLOBAL_REQUEST "tcpip-forward" without the address to bind.
    pub(crate) const TCPIP_FORWARD: u32 = 27;
    /// "localhost", what OpenSSH, dropbear and PuTTY bind unless told otherwise.
    pub(crate) const LOCALHOST: u32 = 9;
    /// Lengths of bind addresses: none, "*", "::", "::1", "0.0.0.0", "localhost" and other IPv4 addresses.
    pub(crate) const BINDS: [u32; 12] = [0, 1, 2, 3, 7, 9, 10, 11, 12, 13, 14, 15];
    /// GLOBAL_REQUEST "streamlocal-forward@openssh.com" without the path (of 1 to 108 bytes).
    pub(crate) const STREAMLOCAL_FORWARD: u32 = 41;
    /// CHANNEL_OPEN "auth-agent@openssh.com".
    pub(crate) const AGENT: u32 = 39;
    /// CHANNEL_OPEN "tun@openssh.com" with mode and unit.
    pub(crate) const TUN: u32 = 40;
    /// CHANNEL_OPEN "direct-tcpip" with a host of 1 to 255 bytes and an originator of 3 to 39.
    pub(crate) const DIRECT: RangeInclusive<u32> = 49..=339;
    /// GLOBAL_REQUEST "hostkeys-prove-00@openssh.com" with one key (Ed25519: 51 bytes) or more.
    pub(crate) const HOSTKEYS_PROVE: RangeInclusive<u32> = 90..=4096;
    /// CHANNEL_OPEN "forwarded-tcpip": 48 and the address that was bound (0 to 15) and the originator's (3 to 39).
    pub(crate) const FORWARDED: RangeInclusive<u32> = 51..=102;
    /// CHANNEL_OPEN "forwarded-streamlocal@openssh.com": 56 and the path.
    pub(crate) const FORWARDED_STREAMLOCAL: RangeInclusive<u32> = 57..=164;
    /// CHANNEL_OPEN_FAILURE: number, three words, the length of a language tag, and a reason of up to 40 bytes.
    pub(crate) const OPEN_FAILURE: RangeInclusive<u32> = 17..=57;
    /// CHANNEL_DATA around an identification line of 10 to 64 bytes: 9 more.
    pub(crate) const NESTED_BANNER: RangeInclusive<u32> = 19..=73;
}

/// The packet framing of one direction (RFC 4253 section 6): what is padded to which multiple and what is added.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SshSizes {
    /// Padding goes to a multiple of this: the cipher's block, at least 8.
    block: u32,
    /// The four bytes of length are not part of what is padded: AES-GCM (RFC 5647), chacha20-poly1305 and
    /// encrypt-then-MAC (OpenSSH PROTOCOL section 1.6, PROTOCOL.chacha20poly1305).
    length_apart: bool,
    /// Tag or MAC behind the packet.
    tag: u32,
    /// What is padded is at least this long.
    least: u32,
}

impl SshSizes {
    /// The framing of a negotiated pair. `None` for names that are not known.
    pub(crate) fn of(cipher: &str, mac: Option<&str>) -> Option<Self> {
        if cipher.starts_with("chacha20-poly1305") {
            return Some(SshSizes { block: 8, length_apart: true, tag: 16, least: 8 });
        }
        if super::ssh_kex::is_aead(cipher) {
            return Some(SshSizes { block: 16, length_apart: true, tag: 16, least: 16 });
        }
        let block = block(cipher)?;
        let mac = mac?;
        let (base, etm) = match mac.split_once("-etm@") {
            Some((base, _)) => (base, true),
            None => (mac.strip_suffix("@openssh.com").unwrap_or(mac), false),
        };
        Some(SshSizes { block, length_apart: etm, tag: tag(base)?, least: block })
    }

    /// The framing of what the client and of what the server of a session sends.
    pub(crate) fn both(ssh: &Ssh) -> Option<(Self, Self)> {
        let (client, server) = match ssh.role_inverted {
            false => (&ssh.opener_banner, &ssh.acceptor_banner),
            true => (&ssh.acceptor_banner, &ssh.opener_banner),
        };
        let lengths = |of_client: bool| {
            let from_opener = of_client != ssh.role_inverted;
            ssh.messages.iter().filter(move |message| message.from_opener == from_opener).map(|message| message.length)
        };
        let to_server = Self::of(ssh.cipher_to_server.as_deref()?, ssh.mac_to_server.as_deref())?;
        let to_client = Self::of(ssh.cipher_to_client.as_deref()?, ssh.mac_to_client.as_deref())?;
        Some((
            to_server.as_sent_by(client.as_deref(), lengths(true)),
            to_client.as_sent_by(server.as_deref(), lengths(false)),
        ))
    }

    /// The same as a given program pads. Dropbear takes RFC 4253's least packet of 16 bytes without the length field;
    /// Go's x/crypto/ssh pads to 16 whatever the cipher. `lengths` are the sender's first messages: one of them is a
    /// service request or its answer, which tells the multiple.
    pub(crate) fn as_sent_by(self, banner: Option<&str>, lengths: impl Iterator<Item = u32>) -> Self {
        let mut fitted = self;
        if banner.is_some_and(|banner| banner.to_ascii_lowercase().contains("dropbear")) {
            fitted.least = fitted.least.max(16);
        }
        let sixteen = SshSizes { block: 16, least: 16, ..self };
        if self.block == 8 {
            for length in lengths.take(4) {
                if length == fitted.wire(payload::SERVICE) {
                    break;
                }
                if length == sixteen.wire(payload::SERVICE) {
                    return sixteen;
                }
            }
        }
        fitted
    }

    /// Bytes on the wire of a message whose payload has `payload` bytes, with the least padding that is allowed:
    /// four bytes at least, which every common implementation uses.
    pub(crate) fn wire(self, payload: u32) -> u32 {
        let apart = if self.length_apart { 0 } else { 4 };
        let padded = (apart + 1 + payload + 4).next_multiple_of(self.block).max(self.least);
        padded + self.tag + (4 - apart)
    }

    /// Whether a message of some payload in `payloads` is `length` bytes on the wire.
    pub(crate) fn fits(self, payloads: std::ops::RangeInclusive<u32>, length: u32) -> bool {
        let step = length.wrapping_sub(self.wire(0)).is_multiple_of(self.block);
        step && (self.wire(*payloads.start())..=self.wire(*payloads.end())).contains(&length)
    }

    /// The payloads, up to 4,000 bytes, that are `length` bytes on the wire.
    pub(crate) fn payloads(self, length: u32) -> Option<std::ops::RangeInclusive<u32>> {
        let around = self.tag + if self.length_apart { 4 } else { 0 };
        let most = length.checked_sub(around)?.checked_sub(if self.length_apart { 5 } else { 9 })?;
        let least = most.saturating_sub(self.block - 1);
        (most <= 4000 && self.wire(most) == length).then_some(least..=most)
    }
}

/// Block size in bytes (RFC 4253 section 6.3, RFC 4344); stream ciphers count as 8.
pub(super) fn block(cipher: &str) -> Option<u32> {
    let sixteen = ["aes", "rijndael", "twofish", "serpent", "camellia", "seed"];
    let eight = ["3des", "blowfish", "cast128", "idea", "des", "arcfour", "none"];
    if sixteen.iter().any(|name| cipher.starts_with(name)) {
        Some(16)
    } else if eight.iter().any(|name| cipher.starts_with(name)) {
        Some(8)
    } else {
        None
    }
}

/// MAC length in bytes (RFC 4253 section 6.4, RFC 6668, RFC 4418); the names with a domain as libssh2, PuTTY, ssh.com
/// and OpenSSH write them.
pub(super) fn tag(mac: &str) -> Option<u32> {
    Some(match mac {
        "none" => 0,
        "umac-64" => 8,
        "umac-32" => 4,
        "umac-96" => 12,
        "hmac-md5-96" | "hmac-sha1-96" | "hmac-sha2-256-96" | "hmac-sha2-512-96" => 12,
        "umac-128" | "hmac-md5" | "hmac-ripemd128" => 16,
        "hmac-sha1" | "hmac-ripemd" | "hmac-ripemd160" => 20,
        "hmac-tiger" | "hmac-tiger192" => 24,
        "hmac-sha2-224" | "hmac-sha224@ssh.com" => 28,
        "hmac-sha2-256" | "hmac-sha256@ssh.com" | "hmac-sha256-2@ssh.com" => 32,
        "hmac-sha2-384" | "hmac-sha384@ssh.com" => 48,
        "hmac-sha2-512" | "hmac-sha512@ssh.com" | "hmac-whirlpool" => 64,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The table of message sizes worked out from the RFCs by hand and compared with captures of OpenSSH 7.4 and 9.2,
    /// dropbear 2022.83, PuTTY 0.78 and paramiko 2.12, column by column.
    #[test]
    fn sizes_agree_with_captures() {
        let columns = [
            ("chacha20-poly1305@openssh.com", None),
            ("aes256-gcm@openssh.com", None),
            ("aes128-ctr", Some("umac-64-etm@openssh.com")),
            ("aes128-ctr", Some("umac-128-etm@openssh.com")),
            ("aes128-ctr", Some("hmac-sha1-etm@openssh.com")),
            ("aes128-ctr", Some("hmac-sha2-256-etm@openssh.com")),
            ("aes128-ctr", Some("hmac-sha2-512-etm@openssh.com")),
            ("aes128-ctr", Some("hmac-sha1")),
            ("aes128-ctr", Some("hmac-sha2-256")),
            ("aes128-ctr", Some("hmac-md5")),
        ];
        let rows: [(u32, [u32; 10]); 13] = [
            (1, [28, 36, 28, 36, 40, 52, 84, 36, 48, 32]),
            (5, [36, 36, 28, 36, 40, 52, 84, 36, 48, 32]),
            (17, [44, 52, 44, 52, 56, 68, 100, 52, 64, 48]),
            (24, [52, 52, 44, 52, 56, 68, 100, 68, 80, 64]),
            (27, [52, 52, 44, 52, 56, 68, 100, 68, 80, 64]),
            (34, [60, 68, 60, 68, 72, 84, 116, 68, 80, 64]),
            (36, [68, 68, 60, 68, 72, 84, 116, 68, 80, 64]),
            (39, [68, 68, 60, 68, 72, 84, 116, 68, 80, 64]),
            (66, [92, 100, 92, 100, 104, 116, 148, 100, 112, 96]),
            (10, [36, 36, 28, 36, 40, 52, 84, 52, 64, 48]),
            (45, [76, 84, 76, 84, 88, 100, 132, 84, 96, 80]),
            (30, [60, 68, 60, 68, 72, 84, 116, 68, 80, 64]),
            (50, [76, 84, 76, 84, 88, 100, 132, 84, 96, 80]),
        ];
        for (payload, sizes) in rows {
            for ((cipher, mac), expected) in columns.iter().zip(sizes) {
                let got = SshSizes::of(cipher, *mac).map(|framing| framing.wire(payload));
                assert_eq!(got, Some(expected), "payload {payload} under {cipher} {mac:?}");
            }
        }
    }

    #[test]
    fn unknown_names_have_no_sizes() {
        assert_eq!(SshSizes::of("aes128-ctr", None), None);
        assert_eq!(SshSizes::of("aes128-ctr", Some("hmac-new")), None);
        assert_eq!(SshSizes::of("new-cipher", Some("hmac-sha1")), None);
        assert_eq!(SshSizes::of("aes128-cbc", Some("hmac-ripemd160@openssh.com")).map(|s| s.wire(1)), Some(36));
        // 64-bit blocks: 4 + 1 + 17 + 4 = 26, padded to 32, and 20 of MAC.
        assert_eq!(SshSizes::of("3des-cbc", Some("hmac-sha1")).map(|s| s.wire(17)), Some(52));
    }

    /// SERVICE_REQUEST and USERAUTH_SUCCESS as dropbear 2024.86 (least packet of 16 bytes) and Go's x/crypto/ssh
    /// (multiples of 16: `packetSizeMultiple`) send them under chacha20-poly1305.
    #[test]
    fn programs_pad_in_ways_of_their_own() {
        let plain = SshSizes::of("chacha20-poly1305@openssh.com", None).unwrap();
        let dropbear = plain.as_sent_by(Some("SSH-2.0-dropbear_2024.86"), [44, 52].into_iter());
        assert_eq!([1, 5, 17].map(|payload| dropbear.wire(payload)), [36, 36, 44]);
        let go = plain.as_sent_by(Some("SSH-2.0-Go"), [52, 84].into_iter());
        assert_eq!([1, 5, 17, 36].map(|payload| go.wire(payload)), [36, 36, 52, 68]);
        assert_eq!(plain.as_sent_by(Some("SSH-2.0-OpenSSH_10.0"), [44, 60, 52].into_iter()), plain);
    }

    #[test]
    fn lengths_lead_back_to_payloads() {
        for (cipher, mac) in [("chacha20-poly1305@openssh.com", None), ("aes128-ctr", Some("hmac-sha1"))] {
            let sizes = SshSizes::of(cipher, mac).unwrap();
            for payload in 1..400 {
                assert!(sizes.payloads(sizes.wire(payload)).unwrap().contains(&payload));
                assert!(sizes.fits(payload..=payload, sizes.wire(payload)));
            }
            assert!(!sizes.fits(payload::DIRECT, sizes.wire(30)) && !sizes.fits(1..=400, sizes.wire(9) + 1));
        }
    }
}

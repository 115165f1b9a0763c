//! SSH algorithm negotiation (RFC 4253 section 7.1) and HASSH.

use crate::evidence::hexadecimal;
use md5::{Digest, Md5};

/// The name-lists of a KEXINIT, as sent.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct KexInit {
    pub(super) kex: String,
    pub(super) cipher_to_server: String,
    pub(super) cipher_to_client: String,
    pub(super) mac_to_server: String,
    pub(super) mac_to_client: String,
    pub(super) compression_to_server: String,
    pub(super) compression_to_client: String,
}

impl KexInit {
    /// From the payload of a packet: message number 20, sixteen bytes of cookie, ten name-lists.
    pub(super) fn parse(payload: &[u8]) -> Option<Self> {
        let mut rest = payload.strip_prefix(&[20])?.get(16..)?;
        let mut list = || -> Option<String> {
            let (length, after) = rest.split_first_chunk::<4>()?;
            let length = usize::try_from(u32::from_be_bytes(*length)).ok()?;
            let (text, after) = after.split_at_checked(length)?;
            rest = after;
            text.iter().all(u8::is_ascii_graphic).then(|| String::from_utf8_lossy(text).into_owned())
        };
        let kex = list()?;
        list()?; // host keys
        Some(KexInit {
            kex,
            cipher_to_server: list()?,
            cipher_to_client: list()?,
            mac_to_server: list()?,
            mac_to_client: list()?,
            compression_to_server: list()?,
            compression_to_client: list()?,
        })
    }

    /// HASSH of a client: MD5 of its lists for the direction to the server (salesforce/hassh).
    pub(super) fn hassh(&self) -> String {
        hassh(&self.kex, &self.cipher_to_server, &self.mac_to_server, &self.compression_to_server)
    }

    /// HASSH of a server: MD5 of its lists for the direction to the client.
    pub(super) fn hassh_server(&self) -> String {
        hassh(&self.kex, &self.cipher_to_client, &self.mac_to_client, &self.compression_to_client)
    }

    /// Which side the sender says it is, by the markers that only one side may send (RFC 8308 section 2.1, OpenSSH
    /// PROTOCOL section 1.10).
    pub(super) fn is_client(&self) -> Option<bool> {
        self.kex.split(',').find_map(|name| match name {
            "ext-info-c" | "kex-strict-c-v00@openssh.com" => Some(true),
            "ext-info-s" | "kex-strict-s-v00@openssh.com" => Some(false),
            _ => None,
        })
    }
}

fn hassh(kex: &str, cipher: &str, mac: &str, compression: &str) -> String {
    let digest = Md5::digest(format!("{kex};{cipher};{mac};{compression}"));
    hexadecimal(&digest)
}

/// The first name of the client's list that the server's has too.
pub(super) fn agree(client: &str, server: &str) -> Option<String> {
    client
        .split(',')
        .filter(|name| !name.is_empty() && !name.starts_with("ext-info-") && !name.starts_with("kex-strict-"))
        .find(|name| server.split(',').any(|other| other == *name))
        .map(str::to_owned)
}

/// Whether the cipher brings its own integrity, so that no MAC is negotiated (RFC 5647 as OpenSSH does it, and
/// chacha20-poly1305).
pub(super) fn is_aead(cipher: &str) -> bool {
    cipher.contains("-gcm@") || cipher.contains("_GCM") || cipher.starts_with("chacha20-poly1305")
}

/// Length of the tag behind each packet and of the cipher's block, where the packet length goes in the clear:
/// AES-GCM (RFC 5647 section 7.3) and encrypt-then-MAC (OpenSSH PROTOCOL section 1.6).
pub(super) fn clear_length(cipher: &str, mac: Option<&str>) -> Option<(u32, u32)> {
    if is_aead(cipher) {
        return (!cipher.starts_with("chacha20")).then_some((16, 16));
    }
    let tag = super::ssh_sizes::tag(mac?.split_once("-etm@")?.0)?;
    Some((tag, super::ssh_sizes::block(cipher)?))
}

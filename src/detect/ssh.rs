//! Reverse SSH tunnels, told by the sizes of messages.
//!
//! The key exchange is in the clear, so the cipher and MAC of each direction are known, and with them the size on the
//! wire of every message whose payload length is known (RFC 4253, 4254, OpenSSH PROTOCOL). A client that wants a
//! remote forward must ask for it right after login (`tcpip-forward`), and whoever uses the tunnel makes the server
//! open a channel that the client confirms. Sessions, local and dynamic forwards do neither.

mod grammar;
mod sizes;
#[cfg(test)]
mod tests;

use super::Seen;
use crate::model::{Confidence, Flow, Ssh};
use grammar::{Forward, Talk};

/// What the SSH session of one flow shows of reverse tunnels, strongest first; empty for shells, file transfers, local
/// and dynamic forwards and for all that cannot be told apart from these.
///
/// - `ssh-reverse-callhome`: the key exchange shows that the side which opened the TCP connection is the SSH server.
///   Exact.
/// - `ssh-reverse`: the first messages after login ask for a remote forward. Sizes cannot tell whether the server
///   granted it.
/// - `ssh-reverse-used`: the server opened channels that the client confirmed: someone came in through the tunnel.
///
/// Confidence is lowered by one for each of: bytes are missing, the flow is not captured from its start, the session
/// compresses (short messages keep their sizes, mostly).
pub fn judge(ssh: &Ssh, flow: &Flow) -> Vec<Seen> {
    let mut seen = Vec::new();
    if ssh.role_inverted {
        let opener = ssh.opener_banner.as_deref().unwrap_or("unknown software");
        let peer = flow.dst.map_or_else(String::new, |dst| format!(" to {dst}"));
        seen.push(Seen {
            kind: "ssh-reverse-callhome".to_owned(),
            confidence: Confidence::Certain,
            summary: format!("the side that opened the connection{peer} is the SSH server ({opener})"),
            records: Vec::new(),
        });
    }
    let Some(talk) = Talk::new(ssh) else { return seen };
    let compressed = ssh.compression.as_deref().is_some_and(|compression| compression != "none");
    let doubt = u8::from(ssh.gaps) + u8::from(!ssh.from_start) + u8::from(compressed);
    let forward = talk.forward();
    if let Some(forward) = &forward {
        seen.push(Seen {
            kind: "ssh-reverse".to_owned(),
            confidence: lowered(forward.confidence, doubt),
            summary: provisioned(forward, ssh),
            records: sorted(forward.records.clone()),
        });
    }
    if let Some(usage) = talk.usage(forward.as_ref()) {
        let plural = if usage.sessions == 1 { "" } else { "s" };
        let least = if usage.counted { "" } else { "at least " };
        let sessions = format!("{least}{} inbound session{plural}", usage.sessions);
        let rest = match ssh.messages_omitted {
            0 => String::new(),
            omitted => format!("; {omitted} later messages not judged"),
        };
        let by = if forward.is_some() { "" } else { ", told by an SSH session inside of it" };
        seen.push(Seen {
            kind: "ssh-reverse-used".to_owned(),
            confidence: lowered(usage.confidence, doubt),
            summary: format!(
                "{sessions} through the reverse tunnel{by}: the server opened channels ({} bytes), the client confirmed \
                 ({} bytes){rest}",
                usage.open, usage.confirmation
            ),
            records: sorted(usage.records),
        });
    }
    seen
}

fn provisioned(forward: &Forward, ssh: &Ssh) -> String {
    let sizes: Vec<String> = forward.startup.iter().map(u32::to_string).collect();
    let cipher = ssh.cipher_to_server.as_deref().unwrap_or_default();
    let mac = ssh.mac_to_server.as_deref().map_or_else(String::new, |mac| format!(" {mac}"));
    let answer = match forward.reply {
        Some(reply) => format!(", the server answered with {reply} bytes"),
        None => String::new(),
    };
    format!(
        "remote forward asked for after login: client messages of {} bytes ({cipher}{mac}){answer}",
        sizes.join(", ")
    )
}

fn lowered(confidence: Confidence, steps: u8) -> Confidence {
    match (confidence, steps) {
        (confidence, 0) => confidence,
        (Confidence::Certain, 1) => Confidence::Strong,
        _ => Confidence::Weak,
    }
}

fn sorted(mut records: Vec<u64>) -> Vec<u64> {
    records.sort_unstable();
    records.dedup();
    records
}

//! What SSH sessions were, and what was forwarded through them, told by the sizes of messages.
//!
//! The key exchange is in the clear, so the cipher and MAC of each direction are known, and with them the size on the
//! wire of every message whose payload length is known (RFC 4253, 4254, OpenSSH PROTOCOL). A client that wants a
//! remote forward must ask for it (`tcpip-forward`), and whoever uses the tunnel makes the server open a channel that
//! the client confirms. Sessions, local and dynamic forwards do neither: their channels are the client's.

mod channels;
mod guessing;
mod startup;
mod story;
mod talk;
#[cfg(test)]
mod tests;

use super::Seen;
use crate::model::{Confidence, Flow, Ssh};
use channels::{Locals, Usage};
use startup::Forward;
use story::Read;

pub use guessing::guessing;
pub use story::story;

/// What the SSH session of one flow shows of tunnels; empty for shells, commands, file transfers and for all that
/// cannot be told apart from these.
///
/// - `ssh-reverse-callhome`: the key exchange shows that the side which opened the TCP connection is the SSH server.
///   Exact, if the beginning of the connection is there to tell who opened it.
/// - `ssh-reverse`: the first messages after login ask for a remote forward, or a later one does. Sizes cannot tell
///   whether the server granted it.
/// - `ssh-reverse-used`: the server opened channels that the client confirmed: someone came in through the tunnel.
/// - `ssh-jump`, `ssh-local-forward`, `ssh-dynamic-forward`: the client opened channels to other machines.
/// - `ssh-tun`: a network device was asked for and granted.
///
/// Confidence is lowered by one for each of: bytes are missing, the flow is not captured from its start, the session
/// compresses (where it rests on later messages).
pub fn judge(ssh: &Ssh, flow: &Flow) -> Vec<Seen> {
    let mut seen = Vec::new();
    if ssh.role_inverted {
        let opener = ssh.opener_banner.as_deref().unwrap_or("unknown software");
        let peer = flow.dst.map_or_else(String::new, |dst| format!(" to {dst}"));
        let doubt = if ssh.from_start { "" } else { "; the opener is a guess: the beginning is not captured" };
        seen.push(Seen {
            kind: "ssh-reverse-callhome".to_owned(),
            confidence: if ssh.from_start { Confidence::Certain } else { Confidence::Weak },
            summary: format!("the side that opened the connection{peer} is the SSH server ({opener}){doubt}"),
            records: Vec::new(),
        });
    }
    let Some(read) = Read::new(ssh) else { return seen };
    let compressed = read.talk.compressed;
    let missing = u8::from(ssh.gaps) + u8::from(!ssh.from_start);
    let mut add = |kind: &str, confidence: Confidence, summary: String, records: Vec<u64>| {
        // The first requests after login keep their sizes, or nearly; what comes later does not.
        let confidence = match (compressed, kind) {
            (true, "ssh-reverse" | "ssh-reverse-used") => lowered(confidence.min(Confidence::Strong), missing),
            (compressed, _) => lowered(confidence, missing + u8::from(compressed)),
        };
        let kind = kind.to_owned();
        seen.push(Seen { kind, confidence, summary, records: sorted(records) });
    };
    let support = support(&read, ssh);
    if let Some(forward) = &read.forward {
        let refused = match read.talk.refused_channels(forward) {
            0 => String::new(),
            refused => format!("; {refused} channels that the server opened were refused by the client"),
        };
        let summary = format!("{}{refused}{support}", provisioned(forward, ssh));
        add("ssh-reverse", forward.confidence, summary, forward.records.clone());
    }
    if let Some(usage) = &read.usage {
        let support = if read.forward.is_some() { "" } else { support.as_str() };
        let summary = format!("{}{support}", used(usage, &read, ssh));
        add("ssh-reverse-used", usage.confidence, summary, usage.records.clone());
    }
    if let Some(locals) = &read.locals {
        let kind = match locals {
            locals if locals.at_login && locals.channels == 1 => "ssh-jump",
            locals if locals.is_dynamic() => "ssh-dynamic-forward",
            _ => "ssh-local-forward",
        };
        add(kind, locals.confidence, led_on(locals), locals.records.clone());
    }
    if let Some((record, length)) = read.tun {
        let summary = format!("a tun device asked for after login ({length} bytes) and opened by the server{support}");
        add("ssh-tun", Confidence::Strong, summary, vec![record]);
    }
    seen
}

/// What makes a tunnel of it beside the sizes: no session, keepalives, how long it stood.
fn support(read: &Read<'_>, ssh: &Ssh) -> String {
    let mut support = String::new();
    if read.without_session {
        support.push_str("; no session channel");
    }
    if let Some(keepalives) = read.talk.keepalives() {
        support.push_str(&format!("; {}", keepalives.words()));
    }
    if let (Some(first), Some(last)) = (ssh.messages.first(), ssh.last) {
        let seconds = last.since(first.at) / crate::time::SECOND;
        if seconds >= 1 {
            support.push_str(&format!("; up for {seconds} s"));
        }
    }
    support
}

fn used(usage: &Usage, read: &Read<'_>, ssh: &Ssh) -> String {
    let plural = if usage.sessions == 1 { "" } else { "s" };
    let least = if usage.counted { "" } else { "at least " };
    let by = match (&read.forward, usage.nested) {
        (None, true) => ", told by an SSH session inside of it",
        (None, false) => ", which no session can have asked for",
        (Some(_), true) => ", with an SSH session inside of it",
        (Some(_), false) => "",
    };
    let keys = match usage.keys {
        0..=4 => String::new(),
        keys => format!("; about {keys} keys typed inside"),
    };
    let rest = match ssh.messages_omitted {
        0 => String::new(),
        omitted => format!("; {omitted} later messages not kept"),
    };
    format!(
        "{least}{} inbound session{plural} through the reverse tunnel{by}: the server opened channels ({} bytes), the \
         client confirmed ({} bytes){keys}{rest}",
        usage.sessions, usage.open, usage.confirmation
    )
}

fn led_on(locals: &Locals) -> String {
    let sizes: Vec<String> = locals.sizes.iter().map(u32::to_string).collect();
    let plural = if locals.channels == 1 { "" } else { "s" };
    let at_login = if locals.at_login { " with the login" } else { "" };
    let nested = if locals.nested { ", an SSH session inside of it" } else { "" };
    format!(
        "{} channel{plural} to other machines opened by the client{at_login} ({} bytes) and confirmed by the \
         server{nested}",
        locals.channels,
        sizes.join(", ")
    )
}

fn provisioned(forward: &Forward, ssh: &Ssh) -> String {
    let sizes: Vec<String> = forward.startup.iter().map(u32::to_string).collect();
    let cipher = ssh.cipher_to_server.as_deref().unwrap_or_default();
    let mac = ssh.mac_to_server.as_deref().map_or_else(String::new, |mac| format!(" {mac}"));
    let answer = match forward.reply {
        Some(reply) => format!(", the server answered with {reply} bytes"),
        None => String::new(),
    };
    let when = if forward.late { "in mid-session" } else { "after login" };
    let alike = match forward.confidence {
        Confidence::Certain => "",
        _ => "; other requests have these sizes, not this order",
    };
    format!(
        "remote forward asked for {when}: client messages of {} bytes ({cipher}{mac}){answer}{alike}",
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

//! Messages of OpenSSH's sshd (auth.c, sshd.c, packet.c, serverloop.c, loginrec), of PAM on its behalf, and of dropbear.

use crate::formats::firewall::bytes::{address, leading_number, port, rsplit_once, split_once, text, trim, word};
use crate::formats::firewall::dialect::{Dialect, Out, Outcome};
use crate::formats::firewall::record::Record;
use crate::formats::firewall::syslog::Peeled;
use crate::model::{Alert, Detail, Flow, Protocol};

/// The format.
pub(crate) struct Sshd;

impl Dialect for Sshd {
    fn id(&self) -> &'static str {
        "sshd"
    }

    fn title(&self) -> &'static str {
        "sshd logins, refusals and sessions (OpenSSH, PAM, dropbear) in syslog, journalctl text or JSON"
    }

    fn signature(&self) -> &'static str {
        "messages of sshd"
    }

    fn claims(&self, record: &Record<'_>) -> bool {
        record.json.is_none() && (is_sshd(&record.peeled) || event(&record.peeled).is_some())
    }

    fn read<'r>(&self, record: &'r Record<'r>, out: &mut Out<'_>) -> Outcome {
        let Some(event) = event(&record.peeled) else {
            return Err("a message without a login or session event".into());
        };
        let span = out.span(record.peeled.stamp);
        out.observe(span, record.peeled.host.map(text), event.flow, Detail::Alert(event.alert));
        Ok(())
    }
}

/// What a message of sshd says. The server's own address is known only from "Connection from ... on ...".
#[derive(Clone, Debug, PartialEq)]
struct Event<'a> {
    alert: Alert<'a>,
    flow: Option<Flow>,
}

/// Whether the program is sshd (`sshd-session` and `sshd-auth` since OpenSSH 9.8 and 10) or dropbear.
fn is_sshd(peeled: &Peeled<'_>) -> bool {
    let name = peeled.program.and_then(|program| program.rsplit(|byte| *byte == b'/').next());
    name.is_some_and(|name| name.starts_with(b"sshd") || name == b"dropbear")
}

/// Reads a message of sshd. A line without any header is one if it reads like one.
fn event<'a>(peeled: &Peeled<'a>) -> Option<Event<'a>> {
    let headless = peeled.program.is_none() && peeled.stamp.is_none() && peeled.host.is_none();
    // "error: maximum authentication attempts ..." without a header: its first word looks like a tag.
    let level = peeled.stamp.is_none() && matches!(peeled.program, Some(b"error" | b"fatal"));
    if !is_sshd(peeled) && !headless && !level {
        return None;
    }
    let shown = trim(peeled.message);
    let mut message = shown;
    // Solaris: "[ID 800047 auth.notice] ".
    if let Some(rest) = message.strip_prefix(b"[ID ") {
        message = split_once(rest, b"] ")?.1;
    }
    // rsyslog and syslogd fold repetitions: "message repeated 5 times: [ Failed password ...]".
    if let Some(rest) = message.strip_prefix(b"message repeated ") {
        message = split_once(rest, b": [")?.1;
        message = trim(message.strip_suffix(b"]").unwrap_or(message));
    }
    for level in [b"error: ".as_slice(), b"fatal: ", b"debug1: ", b"debug2: ", b"debug3: "] {
        message = message.strip_prefix(level).unwrap_or(message);
    }
    let message = message.strip_suffix(b" [preauth]").unwrap_or(message);
    let found = openssh(message).or_else(|| pam(message)).or_else(|| dropbear(message))?;
    if headless && found.peer.is_none() && !message.starts_with(b"pam_") {
        return None;
    }
    let Found { category, user, peer, local } = found;
    let user = user.map(trim).filter(|user| !user.is_empty()).map(text);
    let flow = peer.map(|(src, src_port)| Flow {
        src: Some(src),
        src_port,
        dst: local.map(|(dst, _)| dst),
        dst_port: local.and_then(|(_, port)| port),
        protocol: Some(Protocol::TCP),
    });
    Some(Event { alert: Alert { category: category.into(), message: text(shown), user, ..Alert::default() }, flow })
}

type End = (std::net::IpAddr, Option<u16>);

#[derive(Clone, Copy, Debug, Default)]
struct Found<'a> {
    category: &'static str,
    user: Option<&'a [u8]>,
    peer: Option<End>,
    local: Option<End>,
}

/// `ADDRESS[ port N]` at the beginning; what follows is not looked at. `None` for a host name.
fn end(text: &[u8]) -> Option<End> {
    let (host, rest) = word(text);
    let host = host.strip_suffix(b":").or(host.strip_suffix(b",")).unwrap_or(host);
    let (label, rest) = word(rest);
    let number =
        if label == b"port" { leading_number(rest, 5).and_then(|(value, _)| u16::try_from(value).ok()) } else { None };
    Some((address(host)?, number))
}

/// `USER from ADDRESS[ port N]`, read from its right end: the name is the client's choice and may hold " from " itself.
fn user_from(message: &[u8]) -> (Option<&[u8]>, Option<End>) {
    match rsplit_once(message, b" from ") {
        Some((user, rest)) => (Some(user), end(rest)),
        None => (Some(message), None),
    }
}

/// `[invalid user |illegal user |authenticating user |user ]NAME ADDRESS port N` or `ADDRESS[ port N]`.
fn named_end(message: &[u8]) -> (Option<&[u8]>, Option<End>) {
    let mut rest = message;
    let mut named = false;
    for kind in [b"invalid user ".as_slice(), b"illegal user ", b"authenticating user ", b"user "] {
        if let Some(name) = message.strip_prefix(kind) {
            rest = name;
            named = true;
            break;
        }
    }
    if !named {
        return (None, end(rest));
    }
    let Some((before, number)) = rsplit_once(rest, b" port ") else { return (Some(rest), None) };
    let (user, host) = rsplit_once(before, b" ").unwrap_or((b"", before));
    let number = leading_number(number, 5).and_then(|(value, _)| u16::try_from(value).ok());
    (Some(user), address(host).map(|host| (host, number)))
}

fn without_kind(user: &[u8]) -> &[u8] {
    user.strip_prefix(b"invalid user ").or(user.strip_prefix(b"illegal user ")).unwrap_or(user)
}

fn openssh(message: &[u8]) -> Option<Found<'_>> {
    let login = |category, rest| {
        // "Failed to open ... for ..." is no login: the method is one word.
        let (method, rest) = word(rest);
        let rest = rest.strip_prefix(b"for ").filter(|_| !method.is_empty())?;
        let (user, peer) = user_from(rest);
        Some(Found { category, user: user.map(without_kind), peer, local: None })
    };
    let closing = |category, rest| {
        let (user, peer) = named_end(rest);
        Some(Found { category, user, peer, local: None })
    };
    let plain = |category, rest| Some(Found { category, peer: end(rest), ..Found::default() });
    let after = |start: &[u8]| message.strip_prefix(start);

    if let Some(rest) = after(b"Failed ") {
        return login("ssh-login-failed", rest);
    }
    if let Some(rest) = after(b"Accepted ") {
        return login("ssh-login-accepted", rest);
    }
    if let Some(rest) = after(b"Postponed ") {
        return login("ssh-login-postponed", rest);
    }
    if let Some(rest) = after(b"Invalid user ").or(after(b"Illegal user ")) {
        let (user, peer) = user_from(rest);
        return Some(Found { category: "ssh-invalid-user", user, peer, local: None });
    }
    if let Some(rest) = after(b"input_userauth_request: invalid user ") {
        return Some(Found { category: "ssh-invalid-user", user: Some(rest), ..Found::default() });
    }
    if let Some(rest) = after(b"User ")
        && let Some((who, _)) = rsplit_once(rest, b" not allowed because ")
    {
        let (user, peer) = user_from(who);
        return Some(Found { category: "ssh-user-not-allowed", user, peer, local: None });
    }
    if let Some(rest) = after(b"maximum authentication attempts exceeded for ") {
        let (user, peer) = user_from(rest);
        return Some(Found { category: "ssh-attempts-exceeded", user: user.map(without_kind), peer, local: None });
    }
    if let Some(rest) = after(b"PAM: ")
        && let Some((_, who)) = split_once(rest, b" for ")
    {
        let (user, peer) = user_from(who);
        return Some(Found { category: "ssh-pam-refused", user: user.map(without_kind), peer, local: None });
    }
    if let Some(rest) = after(b"Connection from ") {
        let local = rsplit_once(rest, b" on ").and_then(|(_, local)| end(local));
        return Some(Found { category: "ssh-connection-opened", peer: end(rest), local, user: None });
    }
    if let Some(rest) = after(b"Connection closed by ") {
        return closing("ssh-connection-closed", rest);
    }
    if let Some(rest) = after(b"Connection reset by ") {
        return closing("ssh-connection-reset", rest);
    }
    if let Some(rest) = after(b"Disconnected from ").or(after(b"Disconnecting ")) {
        // "Disconnecting: reason" names nobody.
        return closing("ssh-disconnected", rest);
    }
    if after(b"Disconnecting: ").is_some() {
        return Some(Found { category: "ssh-disconnected", ..Found::default() });
    }
    if let Some(rest) = after(b"Received disconnect from ") {
        // The reason after the address is the client's text: only the beginning is read.
        let peer = end(rest);
        return Some(Found { category: "ssh-disconnected", peer, ..Found::default() });
    }
    if let Some(rest) = after(b"Starting session: ") {
        let (before, peer) = user_from(rest);
        let user = before.and_then(|before| rsplit_once(before, b" for ")).map(|(_, user)| user);
        return Some(Found { category: "ssh-session-started", user, peer, local: None });
    }
    if let Some(rest) = after(b"Close session: user ") {
        let (user, peer) = user_from(rest);
        return Some(Found { category: "ssh-session-closed", user, peer, local: None });
    }
    if let Some(rest) = after(b"Did not receive identification string from ") {
        return plain("ssh-no-identification", rest);
    }
    if after(b"Bad protocol version identification ").is_some() {
        let (_, peer) = user_from(message);
        return Some(Found { category: "ssh-bad-protocol", peer, ..Found::default() });
    }
    if let Some(rest) = after(b"banner exchange: Connection from ") {
        return plain("ssh-bad-protocol", rest);
    }
    if let Some(rest) = after(b"ssh_dispatch_run_fatal: Connection from ") {
        return plain("ssh-connection-broken", rest);
    }
    if let Some(rest) = after(b"Unable to negotiate with ") {
        return plain("ssh-negotiation-failed", rest);
    }
    if let Some(rest) = after(b"Timeout before authentication for ") {
        let rest = rest.strip_prefix(b"connection from ").unwrap_or(rest);
        return plain("ssh-login-timeout", rest);
    }
    if let Some(rest) = after(b"Read error from remote host ").or(after(b"Write error from remote host ")) {
        return plain("ssh-connection-broken", rest);
    }
    if after(b"Server listening on ").is_some() {
        return Some(Found { category: "ssh-server-listening", ..Found::default() });
    }
    // Forwarding leaves a trace only at LogLevel DEBUG1 (serverloop.c) or where it is refused (auth-options, channels.c).
    let forwards: [&[u8]; 4] = [
        b"server_request_direct_tcpip: ",
        b"server_input_global_request: rtype tcpip-forward",
        b"Local forwarding listening on ",
        b"Received request to connect to host ",
    ];
    if forwards.iter().any(|start| message.starts_with(start)) {
        return Some(Found { category: "ssh-forwarding", ..Found::default() });
    }
    None
}

/// `pam_unix(sshd:session): session opened for user NAME(uid=0) by (uid=0)` and what else PAM says for sshd.
fn pam(message: &[u8]) -> Option<Found<'_>> {
    let (module, rest) = split_once(message, b"(sshd:")?;
    if !module.starts_with(b"pam_") {
        return None;
    }
    let (_, rest) = split_once(rest, b"): ")?;
    let session = |category, rest| {
        let (user, _) = word(rest);
        let user = user.split(|byte| *byte == b'(').next();
        Some(Found { category, user, ..Found::default() })
    };
    if let Some(rest) = rest.strip_prefix(b"session opened for user ") {
        return session("ssh-session-opened", rest);
    }
    if let Some(rest) = rest.strip_prefix(b"session closed for user ") {
        return session("ssh-session-closed", rest);
    }
    if rest.starts_with(b"authentication failure;") {
        let value = |name: &[u8]| split_once(rest, name).map(|(_, value)| word(trim(value)).0);
        let peer = split_once(rest, b" rhost=").and_then(|(_, value)| address(word(value).0)).map(|host| (host, None));
        return Some(Found { category: "ssh-pam-refused", user: value(b" user="), peer, local: None });
    }
    None
}

/// `Bad password attempt for 'root' from 193.0.2.1:48629` (svr-authpasswd.c, svr-authpubkey.c, svr-auth.c).
fn dropbear(message: &[u8]) -> Option<Found<'_>> {
    let (category, rest) = [
        (b"Bad password attempt for ".as_slice(), "ssh-login-failed"),
        (b"Login attempt for nonexistent user", "ssh-invalid-user"),
        (b"Password auth succeeded for ", "ssh-login-accepted"),
        (b"Pubkey auth succeeded for ", "ssh-login-accepted"),
        (b"Child connection from ", "ssh-connection-opened"),
    ]
    .into_iter()
    .find_map(|(start, category)| Some((category, message.strip_prefix(start)?)))?;
    let peer = rsplit_once(message, b" from ").and_then(|(_, peer)| {
        let (host, number) = rsplit_once(trim(peer), b":")?;
        Some((address(host)?, Some(port(number)?)))
    });
    let user = rest.strip_prefix(b"'").and_then(|rest| split_once(rest, b"'")).map(|(user, _)| user);
    Some(Found { category, user, peer, local: None })
}

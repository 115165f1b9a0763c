//! What an ssh command asks for: destination, port, forwardings (ssh(1), OpenSSH 10).

use super::hosts::split_host_port;
use super::{SimpleCommand, base_name};

/// Options of ssh(1) that take a value.
const VALUED: &str = "BbcDEeFIiJLlmOopPQRSWw";

/// An ssh command line, taken apart.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SshCall {
    pub user: Option<String>,
    /// Name, alias or address as given.
    pub host: Option<String>,
    /// `-p`, `-o Port=`, or the port of an `ssh://` destination. `None`: the client's configuration decides (22).
    pub port: Option<u16>,
    pub forwards: Vec<Forward>,
    /// `-f`: goes to the background by itself.
    pub background: bool,
    /// `-N`: no remote command, the session is there for its forwardings.
    pub no_command: bool,
    /// Hosts of `-J` or `ProxyJump`, in order.
    pub jumps: Vec<(String, Option<u16>)>,
    /// What runs on the other side.
    pub remote_command: Option<String>,
}

/// A forwarding that an ssh client is asked for.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Forward {
    pub kind: ForwardKind,
    /// The address the listening side binds, where one is given.
    pub bind: Option<String>,
    /// `None` for a socket path; 0 lets the listening side choose.
    pub listen_port: Option<u16>,
    /// Where connections are sent; `None` for SOCKS.
    pub target_host: Option<String>,
    pub target_port: Option<u16>,
}

/// Which side listens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ForwardKind {
    /// `-R`: the other side listens, connections come in here.
    Remote,
    /// `-L`: this side listens.
    Local,
    /// `-D`: this side listens as SOCKS.
    Dynamic,
    /// `-W`: standard input and output.
    Stdio,
    /// `-w`: a tun device.
    Device,
}

impl ForwardKind {
    /// The name used in rules and outputs.
    pub fn name(self) -> &'static str {
        match self {
            ForwardKind::Remote => "remote",
            ForwardKind::Local => "local",
            ForwardKind::Dynamic => "dynamic",
            ForwardKind::Stdio => "stdio",
            ForwardKind::Device => "device",
        }
    }
}

impl SshCall {
    /// Reads the arguments of ssh, autossh, sshpass or slogin.
    pub(super) fn of(command: &SimpleCommand) -> Option<Self> {
        let mut args: Vec<&str> = command.args.iter().map(|arg| arg.text.as_str()).collect();
        let auto = match command.name() {
            "ssh" | "slogin" => false,
            "autossh" => true,
            "sshpass" => {
                let at = args.iter().position(|arg| matches!(base_name(arg), "ssh" | "autossh"))?;
                let auto = base_name(args.get(at)?) == "autossh";
                args.drain(..=at);
                auto
            }
            _ => return None,
        };
        Some(Self::read(&args, auto))
    }

    fn read(args: &[&str], auto: bool) -> Self {
        let mut call = SshCall::default();
        let mut at = 0;
        let mut options_ended = false;
        while let Some(arg) = args.get(at).copied() {
            at += 1;
            if arg == "--" && !options_ended {
                options_ended = true;
                continue;
            }
            let letters = arg.strip_prefix('-').filter(|letters| !letters.is_empty() && !options_ended);
            let Some(letters) = letters else {
                if call.host.is_none() {
                    call.destination(arg);
                    continue;
                }
                call.remote_command = args.get(at - 1..).map(|words| words.join(" "));
                break;
            };
            let mut rest = letters;
            while let Some(letter) = rest.chars().next() {
                rest = rest.get(letter.len_utf8()..).unwrap_or("");
                let valued = VALUED.contains(letter) || (auto && letter == 'M');
                if !valued {
                    call.background |= letter == 'f';
                    call.no_command |= letter == 'N';
                    continue;
                }
                let value = if rest.is_empty() {
                    at += 1;
                    args.get(at - 1).copied().unwrap_or("")
                } else {
                    rest
                };
                call.option(letter, value);
                break;
            }
        }
        call
    }

    fn destination(&mut self, text: &str) {
        let (text, uri) = match text.strip_prefix("ssh://") {
            Some(rest) => (rest.trim_end_matches('/'), true),
            None => (text, false),
        };
        let (user, host) = match text.rsplit_once('@') {
            Some((user, host)) => (Some(user.to_owned()), host),
            None => (None, text),
        };
        self.user = user.or(self.user.take());
        if uri {
            let (host, port) = split_host_port(host);
            self.host = Some(host.to_owned());
            self.port = self.port.or(port);
        } else {
            self.host = Some(host.to_owned());
        }
    }

    fn option(&mut self, letter: char, value: &str) {
        match letter {
            'p' => self.port = self.port.or(value.parse().ok()),
            'l' => self.user = Some(value.to_owned()),
            'R' => self.forwards.extend(Forward::parse(ForwardKind::Remote, value)),
            'L' => self.forwards.extend(Forward::parse(ForwardKind::Local, value)),
            'D' => self.forwards.extend(Forward::parse(ForwardKind::Dynamic, value)),
            'W' => self.forwards.extend(Forward::parse(ForwardKind::Stdio, value)),
            'w' => self.forwards.extend(Forward::parse(ForwardKind::Device, value)),
            'J' => self.jump(value),
            'o' => self.keyword(value),
            _ => {}
        }
    }

    fn jump(&mut self, value: &str) {
        for hop in value.split(',').filter(|hop| !hop.is_empty() && *hop != "none") {
            let hop = hop.trim_start_matches("ssh://");
            let (host, port) = split_host_port(hop.rsplit_once('@').map_or(hop, |(_, host)| host));
            self.jumps.push((host.to_owned(), port));
        }
    }

    /// `-o Keyword=value` or `-o "Keyword value"` (ssh_config(5)).
    fn keyword(&mut self, text: &str) {
        let text = text.trim();
        let end = text.find(|c: char| c == '=' || c.is_whitespace()).unwrap_or(text.len());
        let (keyword, value) = text.split_at_checked(end).unwrap_or((text, ""));
        let value = value.trim_matches(|c: char| c == '=' || c.is_whitespace() || c == '"');
        // The two halves of a forwarding stand apart here, where the command line joins them by a colon.
        let joined = value.split_whitespace().collect::<Vec<_>>().join(":");
        match keyword.to_ascii_lowercase().as_str() {
            "port" => self.port = self.port.or(value.parse().ok()),
            "user" => self.user = Some(value.to_owned()),
            "hostname" => self.host = Some(value.to_owned()),
            "remoteforward" => self.forwards.extend(Forward::parse(ForwardKind::Remote, &joined)),
            "localforward" => self.forwards.extend(Forward::parse(ForwardKind::Local, &joined)),
            "dynamicforward" => self.forwards.extend(Forward::parse(ForwardKind::Dynamic, &joined)),
            "tunnel" if !matches!(value, "no" | "") => self.forwards.extend(Forward::parse(ForwardKind::Device, "any")),
            "proxyjump" => self.jump(value),
            "forkafterauthentication" => self.background |= value.eq_ignore_ascii_case("yes"),
            _ => {}
        }
    }

    /// Asks the other side to listen.
    pub fn is_reverse(&self) -> bool {
        self.forwards.iter().any(|forward| forward.kind == ForwardKind::Remote)
    }
}

impl Forward {
    /// Reads `[bind:]port:host:hostport`, `[bind:]port`, with brackets around IPv6, and socket paths.
    fn parse(kind: ForwardKind, text: &str) -> Option<Self> {
        let mut out = Forward { kind, bind: None, listen_port: None, target_host: None, target_port: None };
        if kind == ForwardKind::Device || text.is_empty() {
            return (kind == ForwardKind::Device).then_some(out);
        }
        let parts = split_colons(text);
        let port = |at: usize| parts.get(at).and_then(|part| part.parse::<u16>().ok());
        let word = |at: usize| parts.get(at).map(|part| part.trim_matches(['[', ']']).to_owned());
        match (kind, parts.len()) {
            (ForwardKind::Stdio, _) => {
                let last = parts.len().saturating_sub(1);
                out.target_port = port(last);
                out.target_host = word(last.saturating_sub(1));
            }
            (_, 1) => out.listen_port = port(0),
            (_, 2) if kind == ForwardKind::Dynamic || port(0).is_none() => {
                out.bind = word(0);
                out.listen_port = port(1);
            }
            (_, 2) => {
                out.listen_port = port(0);
                out.target_host = word(1);
            }
            (_, 3) => {
                // port:host:hostport, or bind:port:socket
                match port(0) {
                    Some(listen) => {
                        out.listen_port = Some(listen);
                        out.target_host = word(1);
                        out.target_port = port(2);
                    }
                    None => {
                        out.bind = word(0);
                        out.listen_port = port(1);
                        out.target_host = word(2);
                    }
                }
            }
            _ => {
                out.bind = word(0).filter(|bind| !bind.is_empty());
                out.listen_port = port(1);
                out.target_host = word(2);
                out.target_port = port(3);
            }
        }
        Some(out)
    }
}

/// Parts between the colons (or slashes, where there is no colon) that stand outside brackets.
fn split_colons(text: &str) -> Vec<&str> {
    let separator = if !text.contains(':') && text.contains('/') && !text.starts_with('/') { '/' } else { ':' };
    let mut parts = Vec::new();
    let mut start = 0;
    let mut inside = false;
    for (at, c) in text.char_indices() {
        match c {
            '[' => inside = true,
            ']' => inside = false,
            c if c == separator && !inside => {
                parts.push(text.get(start..at).unwrap_or(""));
                start = at + 1;
            }
            _ => {}
        }
    }
    parts.push(text.get(start..).unwrap_or(""));
    parts
}

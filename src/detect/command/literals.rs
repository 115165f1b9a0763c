//! What a command line points at: addresses, networks, names, ports, URLs, forwardings, wallets.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::ops::Range;

use ipnet::{IpNet, Ipv4Net};

use super::forward::{Forward, SshCall};
use super::network::command_is_capable;
use super::peel::operand;
use super::scan::{Found, endpoint, scan};
use super::script::interpreter;
use super::wallet::{Wallet, wallets};
use super::{Arg, CommandLine, SimpleCommand};

/// Bound on the literals of one line.
pub const MOST_LITERALS: usize = 8192;

/// Something on a command line that can be met again in telemetry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Literal {
    pub kind: LiteralKind,
    /// The port attached to it, where one is given or the URL scheme has one.
    pub port: Option<u16>,
    /// Where it stands in the text (the word that holds it, where it only comes about by expansion).
    pub range: Range<usize>,
    /// It is a word or script of a command that could act on it. Otherwise it is only mentioned: an argument of echo or
    /// grep, a here-document for a file, a comment.
    pub act: bool,
}

/// What kind of literal, and its value.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum LiteralKind {
    Address(IpAddr),
    /// CIDR, as written.
    Network(IpNet),
    /// The fixed part of an address that a loop completes: `10.30.0.$i` as 10.30.0.0/24.
    Prefix(Ipv4Net),
    /// In lower case.
    Host(String),
    Url(String),
    Forward(Forward),
    Wallet(Wallet),
}

/// Collects, keeping one literal for each (kind, port): the earliest act, or else the earliest mention.
#[derive(Default)]
struct Bag {
    found: BTreeMap<(LiteralKind, Option<u16>), (Range<usize>, bool)>,
}

impl Bag {
    fn add(&mut self, kind: LiteralKind, port: Option<u16>, range: Range<usize>, act: bool) {
        let full = self.found.len() >= MOST_LITERALS;
        match self.found.entry((kind, port)) {
            std::collections::btree_map::Entry::Occupied(mut entry) => {
                if act && !entry.get().1 {
                    entry.insert((range, act));
                }
            }
            std::collections::btree_map::Entry::Vacant(entry) => {
                if !full {
                    entry.insert((range, act));
                }
            }
        }
    }
}

/// The literals of a line, sorted by place, then kind. `text` is the text that `line` was parsed from.
///
/// At most [`MOST_LITERALS`] are kept; those of the first commands win.
pub fn literals(line: &CommandLine, text: &str) -> Vec<Literal> {
    let mut bag = Bag::default();
    for command in &line.commands {
        of_command(command, text, &mut bag);
    }
    for prefix in &line.prefixes {
        let act = line.commands.iter().any(|command| {
            command_is_capable(command)
                && (command.range.start < prefix.range.end && prefix.range.start < command.range.end)
        });
        bag.add(LiteralKind::Prefix(prefix.net), None, prefix.range.clone(), act);
    }
    // Whatever else stands in the text: comments, here-documents for files, branches that were not unrolled.
    let known: Vec<LiteralKind> = bag.found.keys().map(|(kind, _)| kind.clone()).collect();
    for found in scan(text, true) {
        if known.binary_search(&found.kind).is_err() {
            bag.add(found.kind, found.port, found.range, false);
        }
    }
    for (wallet, range) in wallets(text) {
        bag.add(LiteralKind::Wallet(wallet), None, range, false);
    }
    let mut out: Vec<Literal> =
        bag.found.into_iter().map(|((kind, port), (range, act))| Literal { kind, port, range, act }).collect();
    out.sort_by(|a, b| {
        (a.range.start, a.range.end, &a.kind, a.port).cmp(&(b.range.start, b.range.end, &b.kind, b.port))
    });
    out
}

/// The place of a part of a word within the whole text.
fn place(part: &str, arg: &Arg, text: &str) -> Range<usize> {
    let offset = text.get(arg.range.clone()).filter(|_| !part.is_empty()).and_then(|word| word.find(part));
    match offset {
        Some(offset) => arg.range.start + offset..arg.range.start + offset + part.len(),
        None => arg.range.clone(),
    }
}

fn of_command(command: &SimpleCommand, text: &str, bag: &mut Bag) {
    let act = command_is_capable(command);
    let mut expected = Vec::new();
    expected_hosts(command, &mut expected);
    for (arg, kind, port) in expected {
        let shown = match &kind {
            LiteralKind::Address(address) => address.to_string(),
            LiteralKind::Network(net) => net.to_string(),
            LiteralKind::Host(host) => host.clone(),
            _ => String::new(),
        };
        bag.add(kind, port, place(&shown, arg, text), act);
    }
    if let Some(call) = command.ssh() {
        ssh(command, &call, bag);
    }
    for redirect in &command.redirects {
        add_all(scan(&redirect.target.text, false), &redirect.target, text, act, bag);
    }
    let code = interpreter(command.name()).is_some();
    for arg in &command.args {
        let script = code && command.script.as_deref() == Some(arg.text.as_str());
        add_all(scan(&arg.text, script), arg, text, act, bag);
        for (wallet, range) in wallets(&arg.text) {
            let shown = arg.text.get(range).unwrap_or("").to_owned();
            bag.add(LiteralKind::Wallet(wallet), None, place(&shown, arg, text), act);
        }
    }
    for (_, value) in &command.assignments {
        let whole = Arg { text: value.clone(), range: command.range.clone(), open: false };
        add_all(scan(value, false), &whole, text, false, bag);
    }
    // A here-document or file for an interpreter: the text of shells has become commands of its own.
    if let Some(script) = command.script.as_ref().filter(|_| code) {
        let whole = Arg { text: script.clone(), range: command.range.clone(), open: false };
        let from =
            text.find(script.trim_end()).map(|at| Arg { range: at..at + script.trim_end().len(), ..whole.clone() });
        add_all(scan(script, true), &from.unwrap_or(whole), text, true, bag);
    }
}

fn add_all(found: Vec<Found>, arg: &Arg, text: &str, act: bool, bag: &mut Bag) {
    for found in found {
        let shown = arg.text.get(found.range).unwrap_or("");
        let range = place(shown, arg, text);
        bag.add(found.kind, found.port, range, act);
    }
}

fn ssh(command: &SimpleCommand, call: &SshCall, bag: &mut Bag) {
    let range = command.range.clone();
    for forward in &call.forwards {
        let holder = command.args.iter().find(|arg| {
            let port = forward.listen_port.or(forward.target_port).map(|port| port.to_string());
            port.is_some_and(|port| arg.text.contains(&port))
        });
        let at = holder.map_or(range.clone(), |arg| arg.range.clone());
        bag.add(LiteralKind::Forward(forward.clone()), None, at.clone(), true);
        if let Some((kind, _)) = forward.target_host.as_deref().and_then(endpoint) {
            bag.add(kind, forward.target_port, at, true);
        }
    }
    for (host, port) in &call.jumps {
        if let Some((kind, _)) = endpoint(host) {
            bag.add(kind, *port, range.clone(), true);
        }
    }
}

type Expected<'a> = Vec<(&'a Arg, LiteralKind, Option<u16>)>;

/// Words that are hosts because of where they stand.
fn expected_hosts<'a>(command: &'a SimpleCommand, out: &mut Expected<'a>) {
    let args = command.args.as_slice();
    let value = |names: &[&str]| {
        args.iter().enumerate().find_map(|(at, arg)| {
            if names.contains(&arg.text.as_str()) {
                return args.get(at + 1);
            }
            let long = names.iter().any(|name| {
                name.starts_with("--") && arg.text.strip_prefix(name).is_some_and(|rest| rest.starts_with('='))
            });
            long.then_some(arg)
        })
    };
    let number = |arg: Option<&Arg>| {
        let text = arg.map(|arg| arg.text.as_str())?;
        text.rsplit_once('=').map_or(text, |(_, value)| value).parse::<u16>().ok()
    };
    match command.name() {
        "ssh" | "autossh" | "slogin" | "sshpass" => {
            if let Some(call) = command.ssh() {
                let host = call.host.as_deref().unwrap_or("");
                let arg =
                    args.iter().find(|arg| !host.is_empty() && !arg.text.starts_with('-') && arg.text.contains(host));
                if let (Some(arg), Some((kind, _))) = (arg, endpoint(host)) {
                    out.push((arg, kind, call.port));
                }
            }
        }
        "scp" | "sftp" | "rsync" => {
            let port = number(value(&["-P", "--port"]));
            for arg in args {
                let head = arg.text.split(':').next().unwrap_or("");
                let remote = arg.text.contains(':') && !head.contains('/') && !arg.text.contains("://");
                if remote || (command.name() == "sftp" && arg.text.contains('@')) {
                    if let Some((kind, _)) = endpoint(head) {
                        out.push((arg, kind, port));
                    }
                }
            }
        }
        "nc" | "ncat" | "netcat" | "nc.traditional" | "nc.openbsd" | "telnet" => {
            let valued =
                ["-p", "-s", "-w", "-i", "-q", "-X", "-x", "-e", "-c", "-T", "-I", "-O", "-m", "-o", "-G", "-g"];
            let at = operand(args, 0, &valued);
            if let Some(host) = args.get(at) {
                for port in ports(args.get(at + 1..).unwrap_or(&[])) {
                    out.extend(endpoint(&host.text).map(|(kind, own)| (host, kind, port.or(own))));
                }
            }
        }
        "nmap" | "masscan" | "rustscan" | "naabu" | "zmap" => {
            let valued = [
                "-p",
                "-oN",
                "-oX",
                "-oG",
                "-oA",
                "-iL",
                "-T",
                "--rate",
                "--script",
                "-e",
                "-S",
                "-D",
                "-b",
                "-a",
                "-host",
                "--max-rate",
                "--min-rate",
                "--top-ports",
                "--exclude",
                "-g",
                "--source-port",
                "--host-timeout",
                "--max-retries",
                "-B",
                "-i",
                "-o",
                "-t",
                "-w",
            ];
            let listed = args.iter().enumerate().find_map(|(at, arg)| match arg.text.strip_prefix("-p") {
                Some("") => args.get(at + 1).map(|arg| arg.text.as_str()),
                other => other,
            });
            let listed = Arg { text: listed.unwrap_or("").trim_start_matches('=').to_owned(), ..Arg::default() };
            let listed = ports(std::slice::from_ref(&listed));
            let mut at = 0;
            while at < args.len() {
                let next = operand(args, at, &valued);
                if let Some(arg) = args.get(next) {
                    for port in &listed {
                        out.extend(endpoint(&arg.text).map(|(kind, _)| (arg, kind, *port)));
                    }
                }
                at = next + 1;
            }
        }
        "ping" | "ping6" | "traceroute" | "tracepath" | "mtr" | "arping" | "fping" | "dig" | "host" | "nslookup"
        | "whois" | "drill" | "resolvectl" | "ssh-keyscan" => {
            let port = if command.name() == "ssh-keyscan" { number(value(&["-p"])) } else { None };
            let valued = ["-c", "-i", "-W", "-w", "-s", "-I", "-t", "-p", "-m", "-q", "-T"];
            let at = operand(args, 0, &valued);
            for arg in args.get(at..).unwrap_or(&[]).iter().take(64) {
                let text = arg.text.trim_start_matches('@');
                if text.contains('.') || args.len() == at + 1 {
                    out.extend(endpoint(text).map(|(kind, own)| (arg, kind, own.or(port))));
                }
            }
        }
        "getent" => {
            if args.first().is_some_and(|arg| arg.text.contains("hosts")) {
                for arg in args.get(1..).unwrap_or(&[]) {
                    out.extend(endpoint(&arg.text).map(|(kind, _)| (arg, kind, None)));
                }
            }
        }
        "curl" | "wget" | "http" | "https" | "aria2c" | "lwp-request" => {
            let valued = [
                "-o",
                "-H",
                "-d",
                "-X",
                "-u",
                "-A",
                "-e",
                "-m",
                "-b",
                "-c",
                "-F",
                "-T",
                "-x",
                "-w",
                "-O",
                "-P",
                "-t",
                "--data",
                "--data-raw",
                "--data-binary",
                "--header",
                "--output",
                "--request",
                "--max-time",
                "--connect-timeout",
                "--retry",
                "--user",
                "--user-agent",
                "--timeout",
                "--tries",
                "--cacert",
                "--cert",
                "--key",
                "--resolve",
                "--proxy",
                "--url",
                "--form",
                "--write-out",
                "--interface",
                "--data-urlencode",
                "--cookie",
                "-U",
                "-Q",
                "-D",
            ];
            let mut at = 0;
            while at < args.len() {
                let next = operand(args, at, if command.name() == "wget" { &valued[..4] } else { &valued });
                // `-O` of curl takes no value; what looks like a URL's host still needs a dot or a port.
                if let Some(arg) = args.get(next).filter(|arg| !arg.text.contains("://")) {
                    let host = arg.text.split(['/', '?']).next().unwrap_or("");
                    if let Some((kind, port)) = endpoint(host).filter(|_| is_reachable(host)) {
                        out.push((arg, kind, port.or(Some(80))));
                    }
                }
                at = next + 1;
            }
        }
        "socat" => {
            for arg in args {
                let mut parts = arg.text.splitn(2, ':');
                let (kind, rest) = (parts.next().unwrap_or("").to_ascii_uppercase(), parts.next().unwrap_or(""));
                let connects = ["TCP", "UDP", "SCTP", "OPENSSL", "SSL", "SOCKS", "PROXY"]
                    .iter()
                    .any(|name| kind.starts_with(name));
                if connects && !kind.contains("LISTEN") && !kind.ends_with("-L") {
                    let address = rest.split(',').next().unwrap_or("");
                    out.extend(endpoint(address).map(|(kind, port)| (arg, kind, port)));
                }
            }
        }
        "openssl" => {
            if let Some(arg) = value(&["-connect", "-host"]) {
                out.extend(endpoint(&arg.text).map(|(kind, port)| (arg, kind, port.or(number(value(&["-port"]))))));
            }
        }
        "redis-cli" | "psql" | "pg_isready" | "pg_dump" | "mysql" | "mysqldump" | "mysqladmin" | "mongo"
        | "mongosh" => {
            let port =
                number(value(if command.name().starts_with("mysql") { &["-P", "--port"] } else { &["-p", "--port"] }));
            if let Some(arg) = value(&["-h", "--host"]) {
                let host = arg.text.rsplit_once('=').map_or(arg.text.as_str(), |(_, host)| host);
                out.extend(endpoint(host).map(|(kind, own)| (arg, kind, own.or(port))));
            }
        }
        _ => {
            // Pool options of miners and server options of tunnels: `-o host:port`, `--url=host:port`, `client host:port`.
            for arg in args {
                let text = arg.text.rsplit_once('=').map_or(arg.text.as_str(), |(_, value)| value);
                let (host, port) = super::hosts::split_host_port(text);
                if port.is_some() && is_reachable(host) && !host.contains('/') {
                    out.extend(endpoint(text).map(|(kind, port)| (arg, kind, port)));
                }
            }
        }
    }
}

fn is_reachable(host: &str) -> bool {
    let (host, port) = super::hosts::split_host_port(host);
    super::hosts::is_name(host)
        || host == "localhost"
        || host.parse::<IpAddr>().is_ok()
        || (port.is_some() && super::hosts::is_labels(host) && !host.contains('.'))
}

/// The ports of words such as `22`, `22,80`, `20-25`; `None` alone where there is no single port.
fn ports(words: &[Arg]) -> Vec<Option<u16>> {
    let mut out = Vec::new();
    for part in words.iter().flat_map(|word| word.text.split(',')) {
        match (part.parse::<u16>(), part.split_once('-')) {
            (Ok(port), _) if port > 0 => out.push(Some(port)),
            (_, Some((low, high))) => {
                if let (Ok(low), Ok(high)) = (low.parse::<u16>(), high.parse::<u16>()) {
                    if low > 0 && low <= high && high - low < 64 {
                        out.extend((low..=high).map(Some));
                    }
                }
            }
            _ => {}
        }
        if out.len() > 256 {
            break;
        }
    }
    if out.is_empty() {
        out.push(None);
    }
    out
}

//! What servers say of the time in the heads of responses that a command shows.

use super::stamp::http_date;
use super::{Teller, Told};
use crate::detect::command::{CommandLine, LiteralKind, SimpleCommand, literals};
use crate::time::{Instant, SECOND};

/// Heads that one request may show: interim answers, a proxy's, and redirections (curl and wget follow 20 to 50, of
/// which few are real).
const HEADS_PER_REQUEST: usize = 10;
/// Lines of one head that are looked at.
const LONGEST_HEAD: usize = 128;

pub(super) fn told(line: &CommandLine, text: &str, output: &str) -> Vec<Told> {
    let requests: Vec<Request> = line.commands.iter().filter_map(Request::of).collect();
    if requests.is_empty() {
        return Vec::new();
    }
    // A head is shown as it is, behind `< ` or indented by its request's own tool: what stands in a body is not.
    let shapes = |shape| requests.iter().filter(|request| request.shape == shape).count();
    let asked = asked(line, text);
    let mut told = Vec::new();
    for shape in [Shape::Marked, Shape::Indented, Shape::Plain] {
        let most = shapes(shape) * HEADS_PER_REQUEST;
        let heads: Vec<(Option<String>, Instant)> = heads(output, shape).take(most + 1).collect();
        if heads.len() <= most {
            told.extend(heads.into_iter().map(|(host, at)| server(host.unwrap_or_else(|| asked.clone()), at)));
        }
    }
    // `curl -sI … | grep -i date` shows that line alone, and a command that shows no head shows no other.
    if told.is_empty() && line.commands.iter().any(filters) {
        let bare: Vec<Instant> = output.lines().filter_map(bare_date).take(requests.len() + 1).collect();
        if bare.len() <= requests.len() {
            told.extend(bare.into_iter().map(|at| server(asked.clone(), at)));
        }
    }
    told
}

fn server(host: String, at: Instant) -> Told {
    Told { teller: Teller::Server(host), at, resolution_ns: SECOND, zoned: true, by: "HTTP Date" }
}

/// The one host that the commands name. Of several, which one answered is not known.
fn asked(line: &CommandLine, text: &str) -> String {
    let mut hosts = literals(line, text).into_iter().filter_map(|literal| match literal.kind {
        LiteralKind::Host(name) if literal.act => Some(name),
        LiteralKind::Address(address) if literal.act => Some(address.to_string()),
        _ => None,
    });
    let first = hosts.next().unwrap_or_default();
    if hosts.all(|other| other == first) { first } else { String::new() }
}

/// How a tool shows the lines of a head.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Shape {
    /// `< Date: …`
    Marked,
    /// `  Date: …`
    Indented,
    /// `Date: …`
    Plain,
}

/// A request whose tool was told to show the head of the response.
struct Request {
    shape: Shape,
}

impl Request {
    fn of(command: &SimpleCommand) -> Option<Request> {
        let long = |names: &[&str]| command.args.iter().any(|arg| names.contains(&arg.text.as_str()));
        let short = |letter: char| {
            let holds =
                |text: &str| text.strip_prefix('-').is_some_and(|rest| !rest.starts_with('-') && rest.contains(letter));
            command.args.iter().any(|arg| holds(&arg.text))
        };
        let shape = match command.name() {
            "curl" if long(&["--head", "--include", "--show-headers", "--dump-header"]) => Shape::Plain,
            "curl" if short('I') || short('i') || short('D') => Shape::Plain,
            "curl" if long(&["--verbose"]) || short('v') => Shape::Marked,
            "wget" if long(&["--server-response"]) || short('S') => Shape::Indented,
            // They show the head unless told to show the body alone.
            "http" | "https" | "xh" if !long(&["--body"]) && !short('b') => Shape::Plain,
            _ => return None,
        };
        Some(Request { shape })
    }
}

/// The server by name, if it is shown, and its time, of every head. What lay in a cache was told earlier.
fn heads(output: &str, shape: Shape) -> impl Iterator<Item = (Option<String>, Instant)> + '_ {
    let mut host = None;
    let mut lines = output.lines().peekable();
    std::iter::from_fn(move || {
        loop {
            let line = lines.next()?;
            if let Some(name) = line.strip_prefix("> ").and_then(|line| field(line, "host")) {
                host = Some(without_port(name).to_ascii_lowercase());
            }
            if !inner(line, shape).is_some_and(is_status) {
                continue;
            }
            let (mut date, mut aged) = (None, false);
            for _ in 0..LONGEST_HEAD {
                let Some(line) = lines.peek().and_then(|line| inner(line, shape)) else { break };
                if line.is_empty() || is_status(line) || !line.contains(':') {
                    break;
                }
                date = date.or_else(|| field(line, "date").and_then(http_date));
                aged |= field(line, "age").is_some_and(|age| age != "0");
                lines.next();
            }
            if let Some(at) = date.filter(|_| !aged) {
                return Some((host.clone(), at));
            }
        }
    })
}

/// A line of a head without what its tool puts in front.
fn inner(line: &str, shape: Shape) -> Option<&str> {
    let line = match shape {
        Shape::Marked => line.strip_prefix("< ").or_else(|| line.strip_prefix('<')),
        Shape::Indented => line.strip_prefix("  "),
        Shape::Plain => Some(line),
    };
    line.map(str::trim_end)
}

/// `HTTP/1.1 200 OK`, `HTTP/2 200`.
fn is_status(line: &str) -> bool {
    let Some((version, rest)) = line.strip_prefix("HTTP/").and_then(|rest| rest.split_once(' ')) else { return false };
    let code = rest.split(' ').next().unwrap_or_default();
    matches!(version, "1.0" | "1.1" | "2" | "2.0" | "3" | "3.0")
        && code.len() == 3
        && code.bytes().all(|byte| byte.is_ascii_digit())
}

fn field<'a>(line: &'a str, wanted: &str) -> Option<&'a str> {
    let (name, value) = line.split_once(':')?;
    name.eq_ignore_ascii_case(wanted).then(|| value.trim())
}

fn without_port(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((name, port)) if !name.contains(':') && port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    }
}

/// It lets lines of a response through.
fn filters(command: &SimpleCommand) -> bool {
    let fed =
        command.input_from.iter().any(|program| matches!(crate::detect::command::base_name(program), "curl" | "wget"));
    fed && matches!(command.name(), "grep" | "egrep" | "rg" | "awk" | "sed")
}

fn bare_date(line: &str) -> Option<Instant> {
    let line = line.strip_prefix("< ").unwrap_or(line);
    http_date(field(line.trim(), "date")?)
}

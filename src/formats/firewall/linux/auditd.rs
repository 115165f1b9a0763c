//! The audit trail of Linux: programs that ran, sockets that were connected, logins, packets that a rule sent there
//! (`audit.log` of auditd, raw or enriched; syslog; the field dictionary of the linux-audit project).
//!
//! An event is a group of records with one `audit(TIME:SERIAL)`. They stand on lines of their own; [`group`] brings
//! those that follow each other together.

mod fields;
pub(in crate::formats::firewall) mod group;
mod interpreted;

use std::borrow::Cow;
use std::net::IpAddr;

use crate::evidence::AnomalyKind;
use crate::formats::firewall::bytes::{address, find, hexadecimal, number, split_once, text};
use crate::formats::firewall::dialect::{Dialect, Out, Outcome};
use crate::formats::firewall::numbers::Counting;
use crate::formats::firewall::record::Record;
use crate::formats::firewall::syslog::Stamp;
use crate::formats::transcript;
use crate::model::{Action, Alert, Connection, Detail, Direction, Execution, Flow, Protocol};
use crate::time::{Instant, Span};
use fields::{Part, Value, parts};

/// The format.
pub(crate) struct Auditd;

impl Dialect for Auditd {
    fn id(&self) -> &'static str {
        "auditd"
    }

    fn title(&self) -> &'static str {
        "Linux audit trail: programs, sockets, logins and packets (audit.log raw or enriched, ausearch raw or interpreted, syslog)"
    }

    fn signature(&self) -> &'static str {
        "records of the Linux audit system (type=... msg=audit(time:serial))"
    }

    fn claims(&self, record: &Record<'_>) -> bool {
        record.json.is_none() && id(record.line).is_some()
    }

    fn counting(&self) -> Option<&'static Counting> {
        static SERIALS: Counting = Counting {
            what: "events of the audit system",
            innocent: "a filter, a file of the rotation that is not at hand",
            shared: true,
            of: serial,
        };
        Some(&SERIALS)
    }

    fn read<'r>(&self, record: &'r Record<'r>, out: &mut Out<'_>) -> Outcome {
        let Some(id) = id(record.line) else { return Err("a record without its time and number".into()) };
        let parts: Vec<Part<'r>> = parts(record.line).collect();
        let event = Event { parts: &parts };
        for said in parts.iter().filter_map(of_the_trail) {
            let detail = format!("{said} (a restart or an update of the machine, or somebody's doing)");
            out.anomaly(AnomalyKind::LoggingStopped, detail);
        }
        let span = out.span(id.stamp);
        let node = event.value("node").map(|node| node.plain()).filter(|_| record.line.starts_with(b"node="));
        let host = node.or_else(|| record.peeled.host.map(text));
        if event.parts.iter().any(|part| part.cut) {
            let detail = "a quoted value is not closed; what follows it is unknown".to_owned();
            out.anomaly(AnomalyKind::TruncatedRecord, detail);
        }
        event.report(span, host, out)
    }
}

struct Id {
    stamp: Option<Stamp>,
    /// Bytes of `TIME:SERIAL` in the line.
    range: (usize, usize),
    /// `ausearch -i` has put numbers and digits into words.
    interpreted: bool,
}

/// `audit(1795185286.123:4711)`: seconds and milliseconds since 1970, and a number; or a date in words of the locale.
fn id(line: &[u8]) -> Option<Id> {
    let begin = find!(line, b"audit(")? + b"audit(".len();
    let rest = line.get(begin..)?;
    let length = rest.iter().take(40).position(|byte| *byte == b')')?;
    let inside = rest.get(..length)?;
    let range = (begin, begin + length);
    if let Some(stamp) = interpreted::stamp(inside) {
        return Some(Id { stamp: Some(stamp), range, interpreted: true });
    }
    let (seconds, rest) = split_once(inside, b".")?;
    let (milliseconds, serial) = split_once(rest, b":")?;
    number(serial)?;
    let (seconds, milliseconds) = (number(seconds)?, number(milliseconds).filter(|ms| *ms < 1000)?);
    let nanoseconds = i64::try_from(milliseconds).ok()? * 1_000_000;
    let at = Instant::from_parts(i64::try_from(seconds).ok()?, nanoseconds);
    let stamp = at.map(|at| Stamp::Epoch { at, resolution_ns: 1_000_000 });
    Some(Id { stamp, range, interpreted: false })
}

/// Who counts and the number of a line of the trail itself. The daemon's own events have another count, and what syslog
/// passes on is of several machines.
fn serial(line: &[u8]) -> Option<(&[u8], u64)> {
    let node = line.strip_prefix(b"node=").and_then(|rest| split_once(rest, b" "));
    let (node, rest) = node.unwrap_or((b"", line));
    if !rest.starts_with(b"type=") || rest.starts_with(b"type=DAEMON_") {
        return None;
    }
    let id = id(line)?;
    let inside = line.get(id.range.0..id.range.1)?;
    Some((node, number(inside.rsplit(|byte| *byte == b':').next()?)?))
}

/// What the daemon says of the trail itself (`auditd.c`), and the kernel of its switch (`audit_log_config_change`).
fn of_the_trail(part: &Part<'_>) -> Option<&'static str> {
    let is = |name: &str, expected: &[u8]| part.get(name).is_some_and(|value| value.raw == expected);
    match part.kind {
        b"DAEMON_START" => Some("the audit daemon started: what happened before is not in the trail"),
        b"DAEMON_END" => Some("the audit daemon ended: what happened until it ran again is not in the trail"),
        b"DAEMON_ABORT" => {
            Some("the audit daemon stopped by a failure: what happened until it ran again is not in the trail")
        }
        b"CONFIG_CHANGE" if is("audit_enabled", b"0") && !is("old", b"0") => {
            Some("the audit system was switched off: what happened until it was switched on is not in the trail")
        }
        _ => None,
    }
}

struct Event<'e, 'a> {
    parts: &'e [Part<'a>],
}

impl<'a> Event<'_, 'a> {
    fn part(&self, kind: &str) -> Option<&Part<'a>> {
        self.parts.iter().find(|part| part.kind == kind.as_bytes())
    }

    /// The first value of that name in any record of the event.
    fn value(&self, name: &str) -> Option<Value<'a>> {
        self.parts.iter().find_map(|part| part.get(name))
    }

    fn number(&self, name: &str) -> Option<u32> {
        u32::try_from(number(self.value(name)?.raw)?).ok()
    }

    fn report(&self, span: Option<Span>, host: Option<Cow<'a, str>>, out: &mut Out<'_>) -> Outcome {
        let called = self.part("SYSCALL").map(|part| call(part));
        if self.part("EXECVE").is_some() || called == Some(Call::Execute) {
            return self.execution(span, host, out);
        }
        if let Some(part) = self.part("SOCKADDR") {
            return self.socket(part, called, span, host, out);
        }
        if let Some(part) = self.part("NETFILTER_PKT") {
            return packet(part, span, host, out);
        }
        for part in self.parts {
            match part.kind {
                b"USER_LOGIN" | b"USER_AUTH" | b"USER_ERR" => return login(part, span, host, out),
                b"USER_CMD" => {
                    let Some(command) = part.get("cmd") else { break };
                    let execution = Execution {
                        command: command.text(),
                        process: part.get("exe").map(|exe| exe.text()),
                        pid: self.number("pid"),
                        user: self.user(),
                        directory: part.get("cwd").map(|cwd| cwd.text()),
                        ..Execution::default()
                    };
                    out.observe(span, host, None, Detail::Execution(execution));
                    return Ok(());
                }
                // Promiscuous interfaces, crashes, limits of logins: ANOM_* of libaudit.h.
                kind if kind.starts_with(b"ANOM_") => {
                    let alert = Alert {
                        category: "audit-anomaly".into(),
                        message: part.shown(),
                        user: self.user(),
                        ..Alert::default()
                    };
                    out.observe(span, host, None, Detail::Alert(alert));
                    return Ok(());
                }
                _ => {}
            }
        }
        Err("an event without a program, a socket address, a packet or a login".into())
    }

    /// The name of the user, where the trail is enriched, else the number.
    fn user(&self) -> Option<Cow<'a, str>> {
        const UNSET: &[u8] = b"4294967295";
        let name = self.value("UID").or_else(|| self.value("uid"));
        let name = name.filter(|uid| uid.raw != UNSET && uid.raw != b"unset")?;
        Some(name.plain())
    }

    fn execution(&self, span: Option<Span>, host: Option<Cow<'a, str>>, out: &mut Out<'_>) -> Outcome {
        let process = self.value("exe").or_else(|| self.value("comm")).map(|exe| exe.text());
        let words = self.part("EXECVE").map(Part::arguments).filter(|words| !words.is_empty());
        let words = words.or_else(|| {
            let title = self.part("PROCTITLE")?.get("proctitle")?.bytes();
            // Interpreted, it has blanks between its words: which of them are within words is lost.
            let separator = if self.parts.iter().any(|part| part.interpreted) { b' ' } else { 0 };
            Some(title.split(|byte| *byte == separator).map(|word| text(word).into_owned()).collect())
        });
        let command = match words {
            Some(words) => {
                let words: Vec<String> = words.iter().map(|word| transcript::quoted(word)).collect();
                Cow::Owned(words.join(" "))
            }
            None => process.clone().unwrap_or_default(),
        };
        if command.is_empty() {
            return Err("a program without its name".into());
        }
        if self.value("success").is_some_and(|success| success.raw == b"no") {
            out.observe(span, host, None, Detail::Other(format!("a program did not start: {command}").into()));
            return Ok(());
        }
        let execution = Execution {
            command,
            process,
            pid: self.number("pid"),
            parent_pid: self.number("ppid"),
            user: self.user(),
            directory: self.part("CWD").and_then(|part| part.get("cwd")).map(|cwd| cwd.text()),
            parent_process: None,
        };
        out.observe(span, host, None, Detail::Execution(execution));
        Ok(())
    }

    /// Who opened is told by the system call: of an address alone nobody knows whose it is.
    fn socket(
        &self,
        part: &Part<'a>,
        called: Option<Call>,
        span: Option<Span>,
        host: Option<Cow<'a, str>>,
        out: &mut Out<'_>,
    ) -> Outcome {
        let Some((ip, port)) = socket_address(part) else {
            return Err("a socket address that is not of IP".into());
        };
        let connection = Connection {
            process: self.value("exe").or_else(|| self.value("comm")).map(|exe| exe.text()),
            pid: self.number("pid"),
            parent_pid: self.number("ppid"),
            user: self.user(),
            ..Connection::default()
        };
        let (flow, direction) = match called {
            Some(Call::Connect | Call::Send) => {
                (Flow { dst: Some(ip), dst_port: Some(port), ..Flow::default() }, Direction::Outbound)
            }
            Some(Call::Accept) => (Flow { src: Some(ip), src_port: Some(port), ..Flow::default() }, Direction::Inbound),
            Some(Call::Bind) => {
                let by = connection.process.unwrap_or_default();
                out.observe(span, host, None, Detail::Other(format!("{by} binds {ip} port {port}").into()));
                return Ok(());
            }
            _ => {
                out.observe(span, host, None, Detail::Other(format!("socket address {ip} port {port}").into()));
                return Ok(());
            }
        };
        let connection = Connection { direction: Some(direction), ..connection };
        out.observe(span, host, Some(flow), Detail::Connection(connection));
        Ok(())
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Call {
    Execute,
    Connect,
    Send,
    Accept,
    Bind,
    Other,
}

/// What a system call does, by its name (enriched) or its number on x86-64, x86 and ARM64 (`syscall_64.tbl`,
/// `syscall_32.tbl`, `asm-generic/unistd.h`).
fn call(part: &Part<'_>) -> Call {
    let of_name = |name: &[u8]| match name {
        b"execve" | b"execveat" => Call::Execute,
        b"connect" => Call::Connect,
        b"sendto" | b"sendmsg" | b"sendmmsg" => Call::Send,
        b"accept" | b"accept4" => Call::Accept,
        b"bind" => Call::Bind,
        _ => Call::Other,
    };
    if let Some(name) = part.get("SYSCALL") {
        return of_name(name.raw);
    }
    let Some(value) = part.get("syscall") else { return Call::Other };
    let Some(which) = number(value.raw) else { return of_name(value.raw) };
    match (part.get("arch").map(|arch| arch.raw), which) {
        (Some(b"c000003e"), 59 | 322) | (Some(b"40000003"), 11 | 358) | (Some(b"c00000b7"), 221 | 281) => Call::Execute,
        (Some(b"c000003e"), 42) | (Some(b"40000003"), 362) | (Some(b"c00000b7"), 203) => Call::Connect,
        (Some(b"c000003e"), 44 | 46 | 307)
        | (Some(b"40000003"), 369 | 370 | 345)
        | (Some(b"c00000b7"), 206 | 211 | 269) => Call::Send,
        (Some(b"c000003e"), 43 | 288) | (Some(b"40000003"), 364) | (Some(b"c00000b7"), 202 | 242) => Call::Accept,
        (Some(b"c000003e"), 49) | (Some(b"40000003"), 361) | (Some(b"c00000b7"), 200) => Call::Bind,
        _ => Call::Other,
    }
}

/// `saddr=` as the kernel writes it: `struct sockaddr` in hexadecimal digits, the family in the order of the machine;
/// or `laddr=` and `lport=` of the enriched form.
fn socket_address(part: &Part<'_>) -> Option<(IpAddr, u16)> {
    let words = part.get("laddr").zip(part.get("lport")).map(|(ip, port)| (ip.raw, port.raw));
    if let Some((ip, port)) = words.or_else(|| interpreted::host_and_service(part)) {
        return Some((address(ip)?, crate::formats::firewall::bytes::port(port)?));
    }
    let bytes = hexadecimal(part.get("saddr")?.raw)?;
    let port = u16::from_be_bytes(*bytes.get(2..)?.first_chunk()?);
    let ip = match bytes.get(..2)? {
        [2, 0] | [0, 2] => IpAddr::from(*bytes.get(4..)?.first_chunk::<4>()?),
        [10, 0] | [0, 10] => {
            let octets = *bytes.get(8..)?.first_chunk::<16>()?;
            // A socket for both versions writes IPv4 so.
            IpAddr::from(octets).to_canonical()
        }
        _ => return None,
    };
    Some((ip, port))
}

/// `NETFILTER_PKT`: the AUDIT target of xtables.
fn packet(part: &Part<'_>, span: Option<Span>, host: Option<Cow<'_, str>>, out: &mut Out<'_>) -> Outcome {
    let ip = |name: &str| part.get(name).and_then(|value| address(value.raw));
    let port = |name: &str| part.get(name).and_then(|value| crate::formats::firewall::bytes::port(value.raw));
    let protocol = part.get("proto").and_then(|value| Protocol::parse(std::str::from_utf8(value.raw).ok()?));
    let flow = Flow { src: ip("saddr"), src_port: port("sport"), dst: ip("daddr"), dst_port: port("dport"), protocol };
    if flow.src.is_none() && flow.dst.is_none() {
        return Err("a packet without an address".into());
    }
    let interface = |name: &str| part.get(name).filter(|value| value.raw != b"?").map(|value| value.plain());
    let connection = Connection {
        // `xt_audit.h`: accept, drop, reject. Kernels since 4.13 leave it out.
        action: match part.get("action").map(|value| value.raw) {
            Some(b"0") => Some(Action::Allow),
            Some(b"1" | b"2") => Some(Action::Deny),
            _ => None,
        },
        bytes_out: part.get("len").and_then(|value| number(value.raw)),
        packets_out: Some(1),
        in_interface: interface("inif"),
        out_interface: interface("outif"),
        ..Connection::default()
    };
    out.observe(span, host, Some(flow), Detail::Connection(connection));
    Ok(())
}

fn login(part: &Part<'_>, span: Option<Span>, host: Option<Cow<'_, str>>, out: &mut Out<'_>) -> Outcome {
    let passed = match part.get("res").map(|value| value.raw) {
        Some(b"success" | b"1" | b"yes") => true,
        Some(b"failed" | b"0" | b"no") => false,
        _ => return Err("a login without its result".into()),
    };
    let given = |name: &str| part.get(name).filter(|value| !matches!(value.raw, b"?" | b"" | b"4294967295"));
    let user = given("acct").map(|value| value.text()).or_else(|| Some(given("ID").or_else(|| given("id"))?.plain()));
    let src = given("addr").or_else(|| given("hostname")).and_then(|value| address(value.raw));
    let alert = Alert {
        category: if passed { "login".into() } else { "login-failed".into() },
        message: part.shown(),
        user,
        action: Some(if passed { Action::Allow } else { Action::Deny }),
        behaviour: None,
        process: given("exe").map(|exe| exe.text()),
        pid: given("pid").and_then(|pid| u32::try_from(number(pid.raw)?).ok()),
    };
    out.observe(span, host, src.map(|src| Flow { src: Some(src), ..Flow::default() }), Detail::Alert(alert));
    Ok(())
}

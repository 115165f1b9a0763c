//! What stands before the message of a log line: syslog headers (RFC 3164, RFC 5424 and the habits around them),
//! the kernel's ring buffer (`dmesg`), the short forms of `journalctl`, and journald's JSON.

mod journald;
mod stamp;
#[cfg(test)]
mod tests;
mod value;

pub(crate) use journald::entry;
pub use stamp::Stamp;
pub(crate) use stamp::{clock, month, month_day, slashed, weekday};
pub use value::Zone;

use super::bytes::{after_spaces, number, word};
use crate::time::Instant;

/// A log line without its headers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Peeled<'a> {
    /// Time of the innermost header: the machine that wrote the line. Relays put theirs outside.
    pub stamp: Option<Stamp>,
    /// Time and resolution of the outermost header whose time states its offset from UTC: of the last who handled the
    /// line and knew his zone.
    pub stated: Option<(Instant, i64)>,
    /// Host of the innermost header that names one.
    pub host: Option<&'a [u8]>,
    /// Program: the tag before `[pid]:` or `:`, or the APP-NAME of RFC 5424.
    pub program: Option<&'a [u8]>,
    /// The tag had a process id: it is a program and not the beginning of a message that has a colon.
    pub has_pid: bool,
    /// From the host on (RFC 3164), for messages whose first word looks like one; empty for other headers.
    pub headed: &'a [u8],
    /// From the tag on (RFC 3164), for messages whose beginning looks like a tag.
    pub body: &'a [u8],
    /// After the tag and after the kernel's own time.
    pub message: &'a [u8],
}

impl Peeled<'_> {
    /// Whether the program is `name`, with or without a path before it.
    pub fn is_program(&self, name: &[u8]) -> bool {
        self.program.is_some_and(|program| program.rsplit(|byte| *byte == b'/').next() == Some(name))
    }
}

/// Relays that each put a header of their own before a line.
const DEEPEST: usize = 4;

/// Takes the headers off a line, the outermost first.
pub fn peel(line: &[u8]) -> Peeled<'_> {
    let mut peeled = Peeled { body: line, message: line, ..Peeled::default() };
    let mut since_boot = None;
    for _ in 0..DEEPEST {
        peeled.stated = peeled.stated.or(peeled.stamp.and_then(Stamp::stated));
        let before = peeled.message;
        let text = after_spaces(before);
        let text = octet_count(text).unwrap_or(text);
        let (text, has_priority) = match priority(text) {
            Some(rest) => (after_spaces(rest), true),
            None => (decoded_priority(text).unwrap_or(text), false),
        };
        if rfc5424(text, has_priority, &mut peeled) {
            if peeled.program.is_none() {
                continue;
            }
            break;
        }
        if text.first() == Some(&b'[') {
            if let Some(rest) = bracketed(text, &mut peeled, &mut since_boot) {
                peeled.message = rest;
                peeled.body = rest;
                if peeled.stamp.is_none() && peeled.host.is_none() && peeled.program.is_none() {
                    monotonic(rest, &mut peeled);
                }
                break;
            }
        } else if let Some((stamp, length)) = leading_stamp(text) {
            peeled.stamp = Some(stamp);
            let comma = text.get(19) == Some(&b',') && text.get(10) == Some(&b'T');
            let rest = text.get(length..).unwrap_or_default();
            let rest = after_spaces(rest.strip_prefix(b":").unwrap_or(rest));
            // Only `dmesg --time-format iso` writes a comma there, and it names no host.
            peeled.headed = rest;
            let rest = if comma { rest } else { host(rest, &mut peeled) };
            peeled.body = rest;
            peeled.message = rest;
            tag(&mut peeled);
            if peeled.program.is_none() {
                continue;
            }
            // What a program says is its message, even if it begins like a header: relays name no program.
            break;
        }
        if has_priority {
            peeled.message = text;
            peeled.body = text;
        }
        if peeled.program.is_none() {
            tag(&mut peeled);
        }
        break;
    }
    let message = peeled.message;
    if since_boot.is_none()
        && message.first() == Some(&b'[')
        && let Some((stamp, length)) = stamp::since_boot(message)
    {
        since_boot = Some(stamp);
        peeled.message = after_spaces(message.get(length..).unwrap_or_default());
    }
    peeled.stated = peeled.stated.or(peeled.stamp.and_then(Stamp::stated));
    peeled.stamp = peeled.stamp.or(since_boot);
    peeled
}

/// `526 <14>1 ...`: the octet count of RFC 6587 section 3.4.1.
fn octet_count(text: &[u8]) -> Option<&[u8]> {
    let digits = text.iter().take(6).take_while(|byte| byte.is_ascii_digit()).count();
    let rest = text.get(digits..)?.strip_prefix(b" ")?;
    (digits > 0 && rest.first() == Some(&b'<') && priority(rest).is_some()).then_some(rest)
}

/// `<PRI>`, 0 to 191.
fn priority(text: &[u8]) -> Option<&[u8]> {
    let rest = text.strip_prefix(b"<")?;
    let digits = rest.iter().take(4).take_while(|byte| byte.is_ascii_digit()).count();
    let value = number(rest.get(..digits)?)?;
    (value < 192).then(|| rest.get(digits..)?.strip_prefix(b">"))?
}

/// `kern  :warn  : `, as `dmesg -x` writes it: what follows.
fn decoded_priority(text: &[u8]) -> Option<&[u8]> {
    let letters = text.iter().take(9).take_while(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit()).count();
    let facility = text.get(..letters)?;
    let rest = after_spaces(text.get(letters..)?).strip_prefix(b":")?;
    let level = rest.iter().take(9).take_while(|byte| byte.is_ascii_lowercase()).count();
    let rest = after_spaces(rest.get(level..)?).strip_prefix(b":")?;
    let rest = after_spaces(rest);
    (level > 0 && rest.first() == Some(&b'[') && FACILITIES.contains(&facility)).then_some(rest)
}

fn leading_stamp(text: &[u8]) -> Option<(Stamp, usize)> {
    match text.first()? {
        b'0'..=b'9' => {
            let slashes = || value::with_slashes(text).filter(|(_, length)| text.get(*length) == Some(&b' '));
            stamp::iso(text).or_else(|| stamp::epoch(text)).or_else(slashes).or_else(|| stamp::colons(text))
        }
        // Cisco's marks of a clock that is not set or was lost.
        b'*' | b'.' => stamp::month_day(text.get(1..)?).map(|(stamp, length)| (stamp, length + 1)),
        b'A'..=b'Z' => stamp::month_day(text).or_else(|| stamp::weekday(text)),
        _ => None,
    }
}

/// `VERSION TIMESTAMP HOSTNAME APP-NAME PROCID MSGID STRUCTURED-DATA MSG`. Only a line with a `<PRI>` may have no time.
fn rfc5424<'a>(text: &'a [u8], has_priority: bool, peeled: &mut Peeled<'a>) -> bool {
    let (b"1" | b"2", rest) = word(text) else { return false };
    let (time, rest) = word(rest);
    match stamp::iso(time) {
        Some((stamp, length)) if length == time.len() => peeled.stamp = Some(stamp),
        None if has_priority && time == b"-" => {}
        _ => return false,
    }
    let given = |field: &'a [u8]| (!field.is_empty() && field != b"-").then_some(field);
    let (host, rest) = word(rest);
    let (program, rest) = word(rest);
    let (process, rest) = word(rest);
    let (_, rest) = word(rest);
    peeled.host = given(host).or(peeled.host);
    peeled.program = given(program);
    peeled.has_pid = given(process).is_some();
    let message = structured_data(rest);
    let message = message.strip_prefix(b"\xef\xbb\xbf").unwrap_or(message);
    peeled.body = message;
    peeled.message = message;
    true
}

/// What follows the structured data. An element without a parameter is none: `[UFW BLOCK]` belongs to the message
/// (senders that leave out a field put it there).
fn structured_data(text: &[u8]) -> &[u8] {
    if let Some(rest) = text.strip_prefix(b"-") {
        return rest.strip_prefix(b" ").unwrap_or(if rest.is_empty() { rest } else { text });
    }
    let mut rest = text;
    while rest.first() == Some(&b'[') {
        match element(rest) {
            Some(length) => rest = rest.get(length..).unwrap_or_default(),
            None => break,
        }
    }
    rest.strip_prefix(b" ").unwrap_or(rest)
}

/// Length of `[id name="value" ...]` or `[id@number]`, values with `\"`, `\\` and `\]`.
fn element(text: &[u8]) -> Option<usize> {
    let mut quoted = false;
    let mut escaped = false;
    let mut parameter = false;
    for (at, byte) in text.iter().enumerate().skip(1) {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => {
                parameter |= !quoted && at > 1 && text.get(at - 1) == Some(&b'=');
                quoted = !quoted;
            }
            b'=' => parameter = true,
            b']' if !quoted => {
                let name = text.get(1..at)?;
                let registered = name.contains(&b'@') && !name.contains(&b' ');
                return (parameter || registered).then_some(at + 1);
            }
            _ => {}
        }
    }
    None
}

/// `[ 1234.567890] `, `[Fri Nov 20 14:34:46 2026] ` (`dmesg -T`): what follows.
fn bracketed<'a>(text: &'a [u8], peeled: &mut Peeled<'a>, since_boot: &mut Option<Stamp>) -> Option<&'a [u8]> {
    if let Some((stamp, length)) = stamp::since_boot(text) {
        *since_boot = Some(stamp);
        return Some(after_spaces(text.get(length..)?));
    }
    let (stamp, length) = stamp::weekday(text.get(1..)?)?;
    let rest = text.get(1 + length..)?.strip_prefix(b"]")?;
    peeled.stamp = Some(stamp);
    Some(after_spaces(rest))
}

/// `host kernel: ...` after the time since boot: `journalctl -o short-monotonic`. Told by a tag in second place that is
/// a program beyond doubt, for a message may also have two words and a colon.
fn monotonic<'a>(text: &'a [u8], peeled: &mut Peeled<'a>) {
    let (host, rest) = word(text);
    let rest = after_spaces(rest);
    let mut inner = Peeled { body: rest, message: rest, ..*peeled };
    tag(&mut inner);
    if inner.program.is_some() && (inner.has_pid || inner.program == Some(b"kernel")) && !host.ends_with(b":") {
        *peeled = Peeled { host: Some(host), ..inner };
    } else {
        tag(peeled);
    }
}

const FACILITIES: [&[u8]; 21] = [
    b"kern",
    b"user",
    b"mail",
    b"daemon",
    b"auth",
    b"syslog",
    b"lpr",
    b"news",
    b"uucp",
    b"cron",
    b"authpriv",
    b"ftp",
    b"local0",
    b"local1",
    b"local2",
    b"local3",
    b"local4",
    b"local5",
    b"local6",
    b"local7",
    b"security",
];

/// Takes the host, if there is one, and gives what follows.
fn host<'a>(text: &'a [u8], peeled: &mut Peeled<'a>) -> &'a [u8] {
    let (mut first, mut rest) = word(text);
    // "kern.warn", as OpenWrt's logread and some relays write it, is a priority in words.
    if let Some(dot) = first.iter().position(|byte| *byte == b'.')
        && first.get(..dot).is_some_and(|facility| FACILITIES.contains(&facility))
    {
        let before_tag = after_spaces(rest);
        (first, rest) = word(before_tag);
        if first.ends_with(b":") {
            return before_tag;
        }
    }
    // Devices of UniFi name themselves "name,mac,version" and may put a colon after it.
    let device = first.iter().filter(|byte| **byte == b',').count() == 2;
    if first.is_empty()
        || (first.ends_with(b":") && !device)
        || matches!(first.first(), Some(b'[' | b'{' | b'<' | b'%' | b'('))
        || first.contains(&b'=')
    {
        return after_spaces(text);
    }
    peeled.host = Some(first.strip_suffix(b":").unwrap_or(first));
    after_spaces(rest)
}

/// Takes `name[pid]: ` or `name: ` off the message.
fn tag(peeled: &mut Peeled<'_>) {
    let text = peeled.message;
    let name = text
        .iter()
        .take(64)
        .take_while(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.' | b'/' | b'(' | b')'))
        .count();
    if name == 0 {
        return;
    }
    let mut end = name;
    let mut pid = false;
    if text.get(end) == Some(&b'[') {
        let Some(length) = text.get(end..).unwrap_or_default().iter().take(24).position(|byte| *byte == b']') else {
            return;
        };
        end += length + 1;
        pid = true;
    }
    match text.get(end..) {
        Some([b':', rest @ ..]) if rest.is_empty() || matches!(rest.first(), Some(b' ' | b'\t')) => {
            peeled.program = text.get(..name);
            peeled.has_pid = pid;
            peeled.message = after_spaces(rest);
        }
        _ => {}
    }
}

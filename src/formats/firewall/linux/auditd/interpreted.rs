//! What `ausearch -i` makes of records: names for numbers, text for hexadecimal digits, without quotes.

use chrono::NaiveDate;

use super::fields::Part;
use crate::formats::firewall::bytes::{find, number, rsplit_once, split_once};
use crate::formats::firewall::syslog::{Stamp, clock};

/// `11/20/2026 14:34:46.123:4711`: a local time in the notation of the locale (`strftime` of `%x %T`), milliseconds, and
/// the number of the event.
pub(super) fn stamp(inside: &[u8]) -> Option<Stamp> {
    let (when, serial) = rsplit_once(inside, b":")?;
    number(serial)?;
    let (date, time) = split_once(when, b" ")?;
    let (time, resolution_ns, _) = clock(time)?;
    Some(Stamp::Local { at: date_of(date)?.and_time(time), resolution_ns })
}

/// `11/20/2026` and `11/20/26` (the month first, as in the locales C and en_US, unless that cannot be), `20.11.2026`,
/// `2026-11-20`.
fn date_of(text: &[u8]) -> Option<NaiveDate> {
    let separator = *text.iter().find(|byte| !byte.is_ascii_digit())?;
    let mut parts = text.split(|byte| *byte == separator).map(|part| u32::try_from(number(part)?).ok());
    let (first, second, third) = (parts.next()??, parts.next()??, parts.next()??);
    let year = |year: u32| i32::try_from(if year < 100 { year + 2000 } else { year }).ok();
    match separator {
        b'/' if first > 12 => NaiveDate::from_ymd_opt(year(third)?, second, first),
        b'/' => NaiveDate::from_ymd_opt(year(third)?, first, second),
        b'.' => NaiveDate::from_ymd_opt(year(third)?, second, first),
        b'-' => NaiveDate::from_ymd_opt(year(first)?, second, third),
        _ => None,
    }
}

/// `argc=3 a0=python a1=-c a2=import os`: each argument ends where the next begins, and may hold blanks.
pub(super) fn arguments(text: &[u8]) -> Vec<(&[u8], &[u8])> {
    let mut arguments = Vec::new();
    let Some(mut begin) = find!(text, b" a0=").map(|at| at + 1) else { return arguments };
    for place in 0.. {
        let Some(rest) = text.get(begin..) else { break };
        let next = memchr::memmem::find(rest, format!(" a{}=", place + 1).as_bytes());
        let own = rest.get(..next.unwrap_or(rest.len())).unwrap_or_default();
        let Some((name, value)) = split_once(own, b"=") else { break };
        arguments.push((name, if next.is_none() { value.trim_ascii_end() } else { value }));
        let Some(next) = next else { break };
        begin += next + 1;
    }
    arguments
}

/// `proctitle=python -c import os`: all that follows.
pub(super) fn title(text: &[u8]) -> Vec<(&[u8], &[u8])> {
    let Some(at) = find!(text, b"proctitle=") else { return Vec::new() };
    let (name, value) = text.split_at(at).1.split_at(b"proctitle".len());
    vec![(name, value.strip_prefix(b"=").unwrap_or(value).trim_ascii())]
}

/// `saddr=inet host:192.0.2.1 serv:443`, before audit 2.8.
pub(super) fn host_and_service<'a>(part: &Part<'a>) -> Option<(&'a [u8], &'a [u8])> {
    if !part.interpreted {
        return None;
    }
    let after = |mark: &[u8]| split_once(part.line, mark)?.1.split(|byte| matches!(byte, b' ' | b'}')).next();
    Some((after(b" host:")?, after(b" serv:")?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_of_locales() {
        let expected = NaiveDate::from_ymd_opt(2026, 11, 20);
        for text in ["11/20/2026", "11/20/26", "20/11/2026", "20.11.2026", "2026-11-20"] {
            assert_eq!(date_of(text.as_bytes()), expected, "{text}");
        }
        for text in ["", "1795185286", "20/13/2026", "11/20", "x/y/z"] {
            assert_eq!(date_of(text.as_bytes()), None, "{text}");
        }
    }

    #[test]
    fn arguments_with_blanks() {
        let shown = |text: &'static str| -> Vec<(String, String)> {
            let text_of = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
            arguments(text.as_bytes()).into_iter().map(|(name, value)| (text_of(name), text_of(value))).collect()
        };
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        assert_eq!(
            shown(" : argc=3 a0=python a1=-c a2=import os "),
            [pair("a0", "python"), pair("a1", "-c"), pair("a2", "import os")]
        );
        assert_eq!(shown(" : argc=0 "), []);
    }
}

//! Heads of HTTP/1 messages (RFC 9112): start line and the fields that matter here.

use chrono::NaiveDate;

use crate::time::{Instant, SECOND};

/// A request's head.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct RequestHead {
    pub(super) method: String,
    pub(super) target: String,
    pub(super) fields: Fields,
}

/// A response's head.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct ResponseHead {
    pub(super) status: u16,
    pub(super) fields: Fields,
}

/// Fields of either.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Fields {
    pub(super) host: Option<String>,
    pub(super) user_agent: Option<String>,
    pub(super) content_type: Option<String>,
    pub(super) content_length: Option<u64>,
    pub(super) date: Option<Instant>,
    pub(super) authorization: Option<String>,
    pub(super) content_encoding: Option<String>,
    pub(super) content_disposition: Option<String>,
    pub(super) content_range: Option<String>,
    pub(super) chunked: bool,
    /// `Upgrade: websocket`.
    pub(super) websocket: bool,
    /// A field that only mining programs and pools send: X-Mining-Extensions, X-Mining-Hashrate, X-Stratum,
    /// X-Roll-NTime, X-Reject-Reason.
    pub(super) mining: bool,
    /// A field of AnyConnect's tunnel: `X-CSTP-...`.
    pub(super) cstp: bool,
    pub(super) websocket_protocol: Option<String>,
    /// `X-CMD`, `X-TARGET` and `X-PORT`, by which proxies in web pages are led.
    pub(super) web_shell_command: Option<String>,
    pub(super) web_shell_target: Option<String>,
    pub(super) web_shell_port: Option<String>,
}

impl RequestHead {
    pub(super) fn parse(head: &[u8]) -> Option<Self> {
        let (line, fields) = split_line(head);
        let mut words = line.split(|byte| *byte == b' ').filter(|word| !word.is_empty());
        let (method, rest) = (words.next()?, words.collect::<Vec<_>>());
        let (version, target) = rest.split_last()?;
        if !is_version(version)
            || target.is_empty()
            || !method.iter().all(|b| b.is_ascii_uppercase() || matches!(*b, b'-' | b'_'))
        {
            return None;
        }
        // A target with spaces is wrong, and seen.
        Some(RequestHead { method: text(method), target: text(&target.join(&b' ')), fields: Fields::parse(fields) })
    }
}

impl ResponseHead {
    pub(super) fn parse(head: &[u8]) -> Option<Self> {
        let (line, fields) = split_line(head);
        let mut words = line.split(|byte| *byte == b' ').filter(|word| !word.is_empty());
        let (version, status) = (words.next()?, words.next()?);
        let status = std::str::from_utf8(status).ok()?.parse().ok()?;
        (is_version(version) && (100..=999).contains(&status))
            .then(|| ResponseHead { status, fields: Fields::parse(fields) })
    }
}

fn is_version(word: &[u8]) -> bool {
    matches!(word, [b'H', b'T', b'T', b'P', b'/', b'1', b'.', minor] if minor.is_ascii_digit())
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes.trim_ascii()).into_owned()
}

fn split_line(bytes: &[u8]) -> (&[u8], &[u8]) {
    match memchr::memchr(b'\n', bytes) {
        Some(end) => {
            let (line, rest) = bytes.split_at(end);
            (line.strip_suffix(b"\r").unwrap_or(line), rest.get(1..).unwrap_or_default())
        }
        None => (bytes, &[]),
    }
}

impl Fields {
    fn parse(mut rest: &[u8]) -> Self {
        let mut fields = Fields::default();
        while !rest.is_empty() {
            let (line, after) = split_line(rest);
            rest = after;
            let Some(colon) = memchr::memchr(b':', line) else { continue };
            let (name, value) = line.split_at(colon);
            let value = value.get(1..).unwrap_or_default().trim_ascii();
            fields.field(name.trim_ascii(), value);
        }
        fields
    }

    fn field(&mut self, name: &[u8], value: &[u8]) {
        let is = |known: &str| name.eq_ignore_ascii_case(known.as_bytes());
        let first = |slot: &mut Option<String>| {
            if slot.is_none() {
                *slot = Some(text(value));
            }
        };
        if is("host") {
            first(&mut self.host);
        } else if is("user-agent") {
            first(&mut self.user_agent);
        } else if is("content-type") {
            first(&mut self.content_type);
        } else if is("authorization") {
            first(&mut self.authorization);
        } else if is("content-encoding") {
            first(&mut self.content_encoding);
        } else if is("content-disposition") {
            first(&mut self.content_disposition);
        } else if is("content-range") {
            first(&mut self.content_range);
        } else if is("content-length") {
            let number = std::str::from_utf8(value).ok().filter(|value| value.bytes().all(|b| b.is_ascii_digit()));
            self.content_length = self.content_length.or(number.and_then(|number| number.parse().ok()));
        } else if is("date") {
            self.date = self.date.or_else(|| imf_fixdate(value));
        } else if is("transfer-encoding") {
            self.chunked |= value.to_ascii_lowercase().ends_with(b"chunked");
        } else if is("sec-websocket-protocol") {
            first(&mut self.websocket_protocol);
        } else if is("x-cmd") {
            first(&mut self.web_shell_command);
        } else if is("x-target") {
            first(&mut self.web_shell_target);
        } else if is("x-port") {
            first(&mut self.web_shell_port);
        } else if name.get(..7).is_some_and(|prefix| prefix.eq_ignore_ascii_case(b"x-cstp-")) {
            self.cstp = true;
        } else if is("upgrade") {
            self.websocket |= value.eq_ignore_ascii_case(b"websocket");
        } else if ["x-mining-extensions", "x-mining-hashrate", "x-stratum", "x-roll-ntime", "x-reject-reason"]
            .iter()
            .any(|known| is(known))
        {
            self.mining = true;
        }
    }
}

/// `Sun, 06 Nov 1994 08:49:37 GMT` (RFC 9110 section 5.6.7). The day's name is not compared: a server whose clock is
/// set by hand still says what it takes the time to be.
pub(super) fn imf_fixdate(value: &[u8]) -> Option<Instant> {
    let value = std::str::from_utf8(value).ok()?;
    let (_, rest) = value.split_once(", ")?;
    let mut words = rest.split(' ');
    let (day, month, year, clock, zone) = (words.next()?, words.next()?, words.next()?, words.next()?, words.next()?);
    const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let month = MONTHS.iter().position(|name| name.eq_ignore_ascii_case(month))?;
    if zone != "GMT" || words.next().is_some() {
        return None;
    }
    let mut parts = clock.split(':').map(|part| if part.len() == 2 { part.parse::<u32>().ok() } else { None });
    let (hour, minute, second) = (parts.next()??, parts.next()??, parts.next()??);
    let date = NaiveDate::from_ymd_opt(year.parse().ok()?, u32::try_from(month).ok()? + 1, day.parse().ok()?)?;
    // A leap second is the last moment before the next minute.
    let at = date.and_hms_opt(hour, minute, second.min(59))?.and_utc();
    if second > 60 || parts.next().is_some() {
        return None;
    }
    at.timestamp().checked_mul(SECOND).map(Instant)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 9110 section 5.6.7 gives the text; `date -u -d @784111777` gives the number.
    #[test]
    fn the_date_of_rfc_9110() {
        assert_eq!(imf_fixdate(b"Sun, 06 Nov 1994 08:49:37 GMT"), Some(Instant(784_111_777 * SECOND)));
        for wrong in [
            "Sunday, 06-Nov-94 08:49:37 GMT",
            "Sun Nov  6 08:49:37 1994",
            "Sun, 31 Feb 1994 08:49:37 GMT",
            "Sun, 06 Nov 1994 24:49:37 GMT",
            "Sun, 06 Nov 1994 08:49:37 CET",
            "Sun, 06 Nov 1994 08:49 GMT",
            "Sun, 06 Nov 999999 08:49:37 GMT",
            "",
        ] {
            assert_eq!(imf_fixdate(wrong.as_bytes()), None, "{wrong}");
        }
    }
}

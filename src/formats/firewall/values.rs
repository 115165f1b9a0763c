//! Values as logs spell them: protocols, counts, durations, directions, ends of connections, hosts of URLs.

use std::borrow::Cow;
use std::net::IpAddr;

use super::bytes::{address, find, number, port, split_once, text as lossy};
use crate::model::{Direction, Protocol};
use crate::time::SECOND;

/// By number or name.
pub(crate) fn protocol(value: &[u8]) -> Option<Protocol> {
    match value {
        b"TCP" | b"tcp" | b"6" => Some(Protocol::TCP),
        b"UDP" | b"udp" | b"17" => Some(Protocol::UDP),
        b"ICMP" | b"icmp" | b"1" => Some(Protocol::ICMP),
        _ => {
            let text = std::str::from_utf8(value).ok()?;
            // "tcp/https", "udp/53": what follows is the service.
            Protocol::parse(text).or_else(|| Protocol::parse(text.split_once('/')?.0))
        }
    }
}

/// A count; "1,234" and "59.0" are written by some.
pub(super) fn count(value: &[u8]) -> Option<u64> {
    number(value).or_else(|| {
        let whole = value.split(|byte| *byte == b'.').next()?;
        if whole.contains(&b',') {
            let digits: Vec<u8> = whole.iter().copied().filter(|byte| *byte != b',').collect();
            return number(&digits);
        }
        number(whole)
    })
}

/// Seconds with a fraction or without, `h:mm:ss`, `1d2h3m4s` with or without blanks: nanoseconds.
pub(crate) fn duration(value: &[u8]) -> Option<i64> {
    let seconds = |text: &[u8]| -> Option<i64> {
        let (whole, fraction) = split_once(text, b".").unwrap_or((text, b""));
        let digits = fraction.get(..fraction.len().min(9))?;
        let scale = 10_i64.checked_pow(9 - u32::try_from(digits.len()).ok()?)?;
        let fraction = if digits.is_empty() { 0 } else { i64::try_from(number(digits)?).ok()?.checked_mul(scale)? };
        i64::try_from(number(whole)?).ok()?.checked_mul(SECOND)?.checked_add(fraction)
    };
    if value.contains(&b':') {
        let mut sum: i64 = 0;
        for part in value.split(|byte| *byte == b':') {
            sum = sum.checked_mul(60)?.checked_add(seconds(part.trim_ascii())?)?;
        }
        return Some(sum);
    }
    if value.iter().any(u8::is_ascii_alphabetic) && !value.contains(&b'e') && !value.contains(&b'E') {
        let mut sum: i64 = 0;
        let mut rest = value;
        while !rest.is_empty() {
            let digits = rest.iter().take_while(|byte| byte.is_ascii_digit() || **byte == b'.').count();
            let (amount, after) = rest.split_at_checked(digits)?;
            let amount = seconds(amount)?;
            let letters = after.iter().take_while(|byte| byte.is_ascii_alphabetic()).count();
            let (unit, after) = after.split_at_checked(letters)?;
            sum = sum.checked_add(match unit {
                b"d" | b"day" | b"days" => amount.checked_mul(86_400)?,
                b"h" | b"hour" | b"hours" => amount.checked_mul(3_600)?,
                b"m" | b"min" | b"minutes" => amount.checked_mul(60)?,
                b"s" | b"sec" | b"secs" | b"second" | b"seconds" => amount,
                b"ms" => amount / 1_000,
                _ => return None,
            })?;
            rest = after.trim_ascii_start();
        }
        return Some(sum);
    }
    seconds(value).or_else(|| {
        // "1e-05", as floats are written.
        let float: f64 = std::str::from_utf8(value).ok()?.parse().ok()?;
        (float.is_finite() && (0.0..9e9).contains(&float)).then_some((float * 1e9) as i64)
    })
}

/// Which way, in the words of firewalls.
pub(crate) fn direction(value: &[u8]) -> Option<Direction> {
    let is = |words: &[&str]| words.iter().any(|word| value.eq_ignore_ascii_case(word.as_bytes()));
    if is(&["in", "inbound", "ingress", "incoming", "receive", "i"]) {
        Some(Direction::Inbound)
    } else if is(&["out", "outbound", "egress", "outgoing", "send", "o"]) {
        Some(Direction::Outbound)
    } else if is(&["forward", "forwarded", "through", "transit"]) {
        Some(Direction::Forwarded)
    } else {
        None
    }
}

/// `address`, and a port after `:`, `/`, `(`, `,`, `#` or a blank; `[v6]:port`. What follows the port is passed over.
pub(crate) fn endpoint(value: &[u8]) -> Option<(IpAddr, Option<u16>)> {
    if let Some(ip) = address(value) {
        return Some((ip, None));
    }
    let digits = |rest: &[u8]| {
        let length = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
        rest.get(..length).and_then(port)
    };
    if let Some(inside) = value.strip_prefix(b"[") {
        let (ip, rest) = split_once(inside, b"]")?;
        return Some((address(ip)?, rest.get(1..).and_then(digits)));
    }
    let at = value.iter().position(|byte| matches!(byte, b'/' | b'(' | b',' | b'#' | b' '));
    if let Some(at) = at
        && let Some(ip) = address(value.get(..at)?)
    {
        return Some((ip, value.get(at + 1..).and_then(digits)));
    }
    // Eight groups and a port, as Meraki writes them without brackets.
    if let Some(at) = memchr::memrchr(b':', value)
        && let Some(ip) = address(value.get(..at)?)
        && ip.is_ipv6()
    {
        return Some((ip, value.get(at + 1..).and_then(digits)));
    }
    let (ip, rest) = split_once(value, b":")?;
    Some((address(ip)?, digits(rest)))
}

/// The host of a URL or of `name:port`; anything without a letter in it is none (addresses).
pub(super) fn host_of<'a>(value: &Cow<'a, [u8]>) -> Option<Cow<'a, str>> {
    let own = |bytes: &[u8]| -> Option<(usize, usize)> {
        let begin = find!(bytes, b"://").map_or(0, |at| at + 3);
        let rest = bytes.get(begin..)?;
        let rest_end = rest.iter().position(|byte| matches!(byte, b'/' | b'?' | b'#' | b' ')).unwrap_or(rest.len());
        let authority = rest.get(..rest_end)?;
        let after_user = memchr::memrchr(b'@', authority).map_or(0, |at| at + 1);
        let host = authority.get(after_user..)?;
        let length = memchr::memchr(b':', host).unwrap_or(host.len());
        Some((begin + after_user, begin + after_user + length))
    };
    let (from, to) = own(value)?;
    let host = match value {
        Cow::Borrowed(bytes) => lossy(bytes.get(from..to)?),
        Cow::Owned(bytes) => Cow::Owned(lossy(bytes.get(from..to)?).into_owned()),
    };
    (host.contains('.') && host.bytes().any(|byte| byte.is_ascii_alphabetic())).then_some(host)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations() {
        let second = SECOND;
        for (text, expected) in [
            ("30", Some(30 * second)),
            ("0:00:30", Some(30 * second)),
            ("1:02:03", Some(3723 * second)),
            ("1h 2m", Some(3720 * second)),
            ("2d3h", Some(183_600 * second)),
            ("0.25", Some(second / 4)),
            ("1.5s", Some(1_500_000_000)),
            ("250ms", Some(second / 4)),
            ("1e-05", Some(10_000)),
            ("x", None),
            ("-1", None),
        ] {
            assert_eq!(duration(text.as_bytes()), expected, "{text}");
        }
    }

    #[test]
    fn ends() {
        let at = |text: &str| endpoint(text.as_bytes()).map(|(ip, port)| (ip.to_string(), port));
        let expect = |ip: &str, port: Option<u16>| Some((ip.to_owned(), port));
        assert_eq!(at("10.0.0.1:443"), expect("10.0.0.1", Some(443)));
        assert_eq!(at("10.0.0.1/443"), expect("10.0.0.1", Some(443)));
        assert_eq!(at("10.0.0.1(443)"), expect("10.0.0.1", Some(443)));
        assert_eq!(at("10.0.0.1:443:X1:host"), expect("10.0.0.1", Some(443)));
        assert_eq!(at("10.0.0.1::X1"), expect("10.0.0.1", None));
        assert_eq!(at("2001:db8::1"), expect("2001:db8::1", None));
        assert_eq!(at("[2001:db8::1]:443"), expect("2001:db8::1", Some(443)));
        assert_eq!(at("2001:db8::1/443"), expect("2001:db8::1", Some(443)));
        assert_eq!(at("2001:db8:1:2:3:4:5:6:443"), expect("2001:db8:1:2:3:4:5:6", Some(443)));
        assert_eq!(at("name:443"), None);
    }

    #[test]
    fn hosts_of_urls() {
        let host = |text: &'static str| host_of(&Cow::Borrowed(text.as_bytes())).map(Cow::into_owned);
        assert_eq!(host("https://user:pw@pool.example.com:3333/x?y").as_deref(), Some("pool.example.com"));
        assert_eq!(host("pool.example.com").as_deref(), Some("pool.example.com"));
        assert_eq!(host("pool.example.com:443/").as_deref(), Some("pool.example.com"));
        assert_eq!(host("192.0.2.1:443"), None);
        assert_eq!(host("/index.html"), None);
    }
}

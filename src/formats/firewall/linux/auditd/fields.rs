//! Records of the audit system as names and values.

use std::borrow::Cow;

use super::group::BETWEEN;
use super::{id, interpreted};
use crate::formats::firewall::bytes::{hexadecimal, number, split_once, text};

/// A value as it stands, and whether it stood in quotes. What a user could have chosen is written in hexadecimal
/// digits where it holds blanks, quotes or control characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Value<'a> {
    pub(super) raw: &'a [u8],
    pub(super) quoted: bool,
}

impl<'a> Value<'a> {
    /// Of names that a user could have chosen: in quotes, or in hexadecimal digits.
    pub(super) fn bytes(self) -> Cow<'a, [u8]> {
        match (!self.quoted).then(|| hexadecimal(self.raw)).flatten() {
            Some(bytes) => Cow::Owned(bytes),
            None => Cow::Borrowed(self.raw),
        }
    }

    /// Of all others.
    pub(super) fn plain(self) -> Cow<'a, str> {
        text(self.raw)
    }

    pub(super) fn text(self) -> Cow<'a, str> {
        match self.bytes() {
            Cow::Borrowed(bytes) => text(bytes),
            Cow::Owned(bytes) => Cow::Owned(text(&bytes).into_owned()),
        }
    }
}

/// One record of an event.
#[derive(Clone, Debug)]
pub(super) struct Part<'a> {
    /// `EXECVE`, `SYSCALL`, ...
    pub(super) kind: &'a [u8],
    pub(super) line: &'a [u8],
    pub(super) interpreted: bool,
    pairs: Vec<(&'a [u8], Value<'a>)>,
    /// A quote was not closed.
    pub(super) cut: bool,
}

impl<'a> Part<'a> {
    /// The first value of that name, unless it is none.
    pub(super) fn get(&self, name: &str) -> Option<Value<'a>> {
        let (_, value) = self.pairs.iter().find(|(known, _)| *known == name.as_bytes())?;
        (value.raw != b"(null)").then_some(*value)
    }

    /// `a0`, `a1`, ... and the pieces of long ones (`a1[0]`, `a1[1]`).
    pub(super) fn arguments(&self) -> Vec<String> {
        let mut words: Vec<Vec<u8>> = Vec::new();
        for (name, value) in &self.pairs {
            let Some(rest) = name.strip_prefix(b"a") else { continue };
            let (place, piece) = match split_once(rest, b"[") {
                Some((place, piece)) => (place, piece != b"0]"),
                None => (rest, false),
            };
            if number(place).is_none() {
                continue;
            }
            let bytes = value.bytes();
            match words.last_mut() {
                Some(last) if piece => last.extend_from_slice(&bytes),
                _ => words.push(bytes.into_owned()),
            }
        }
        words.iter().map(|word| text(word).into_owned()).collect()
    }

    /// The words of the record, without its type, time and number.
    pub(super) fn shown(&self) -> Cow<'a, str> {
        let before: &[u8] = if self.interpreted { b") : " } else { b"): " };
        let words = split_once(self.line, before).map_or(self.line, |(_, words)| words);
        let words = words.split(|byte| *byte == ENRICHED).next().unwrap_or(words);
        text(words.trim_ascii())
    }
}

/// Stands before what auditd adds in its enriched format.
const ENRICHED: u8 = 0x1d;

/// The records of an event.
pub(super) fn parts(line: &[u8]) -> impl Iterator<Item = Part<'_>> {
    line.split(|byte| *byte == BETWEEN).filter_map(part)
}

fn part(line: &[u8]) -> Option<Part<'_>> {
    let id = id(line)?;
    let (_, end) = id.range;
    let kind = split_once(line, b"type=").map_or(&b""[..], |(_, rest)| rest);
    let kind = kind.split(|byte| *byte == b' ').next().unwrap_or_default();
    let mut part = Part { kind: named(kind), line, interpreted: id.interpreted, pairs: Vec::new(), cut: false };
    if let Some((node, _)) = line.strip_prefix(b"node=").and_then(|rest| split_once(rest, b" ")) {
        part.pairs.push((b"node", Value { raw: node, quoted: true }));
    }
    let mut rest = line.get(end..)?.strip_prefix(b")")?;
    if id.interpreted && matches!(part.kind, b"EXECVE" | b"PROCTITLE") {
        let of = if part.kind == b"EXECVE" { interpreted::arguments } else { interpreted::title };
        part.pairs.extend(of(rest).into_iter().map(|(name, raw)| (name, Value { raw, quoted: true })));
        return Some(part);
    }
    loop {
        let skipped = rest.iter().take_while(|byte| is_between(**byte) || **byte == b':').count();
        rest = rest.get(skipped..)?;
        if rest.is_empty() {
            return Some(part);
        }
        let word = rest.iter().position(|byte| *byte == b'=' || is_between(*byte)).unwrap_or(rest.len());
        let name = rest.get(..word)?;
        rest = rest.get(word..)?;
        let Some(value) = rest.strip_prefix(b"=") else { continue };
        match value {
            // `msg='op=login ...'` and `SADDR={ saddr_fam=inet ... }` hold pairs themselves.
            [b'\'' | b'{', inside @ ..] => rest = inside,
            [b'"', inside @ ..] => {
                let end = memchr::memchr(b'"', inside);
                part.cut |= end.is_none();
                let raw = inside.get(..end.unwrap_or(inside.len()))?;
                part.pairs.push((name, Value { raw, quoted: true }));
                rest = inside.get(raw.len() + 1..).unwrap_or_default();
            }
            _ => {
                let end = value.iter().position(|byte| is_between(*byte)).unwrap_or(value.len());
                // Words are no digits, even where they look like some.
                part.pairs.push((name, Value { raw: value.get(..end)?, quoted: id.interpreted }));
                rest = value.get(end..)?;
            }
        }
    }
}

fn is_between(byte: u8) -> bool {
    matches!(byte, b' ' | b'\'' | b'(' | b')' | b',' | b'{' | b'}' | ENRICHED)
}

/// The kernel writes numbers where nobody listens but its own log (`audit.h`).
fn named(kind: &[u8]) -> &[u8] {
    match kind {
        b"1300" => b"SYSCALL",
        b"1306" => b"SOCKADDR",
        b"1307" => b"CWD",
        b"1309" => b"EXECVE",
        b"1324" => b"NETFILTER_PKT",
        b"1327" => b"PROCTITLE",
        b"1100" => b"USER_AUTH",
        b"1112" => b"USER_LOGIN",
        b"1123" => b"USER_CMD",
        b"1700" => b"ANOM_PROMISCUOUS",
        b"1701" => b"ANOM_ABEND",
        other => other,
    }
}

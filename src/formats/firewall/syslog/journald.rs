//! One object of `journalctl -o json` (systemd.journal-fields(7), "Journal Export Formats").

use std::borrow::Cow;
use std::fmt;

use serde::Deserializer;
use serde::de::{self, DeserializeSeed, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::super::bytes::number;
use super::{Peeled, Stamp};
use crate::time::Instant;

/// The fields of a journal entry that matter here.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Entry<'a> {
    realtime: Option<Cow<'a, [u8]>>,
    source_realtime: Option<Cow<'a, [u8]>>,
    host: Option<Cow<'a, [u8]>>,
    identifier: Option<Cow<'a, [u8]>>,
    command: Option<Cow<'a, [u8]>>,
    pid: Option<Cow<'a, [u8]>>,
    /// `None` also if it is null: `journalctl` leaves long fields out unless it is given `--all`.
    pub(crate) message: Option<Cow<'a, [u8]>>,
}

/// Reads one line. `None` if it is not a JSON object, or not one of journald: no `__REALTIME_TIMESTAMP`.
pub(crate) fn entry(line: &[u8]) -> Option<Entry<'_>> {
    // `-o json-seq` puts a record separator (RFC 7464) before each object.
    let line = line.strip_prefix(b"\x1e").unwrap_or(line);
    let mut deserializer = serde_json::Deserializer::from_slice(line);
    let entry = deserializer.deserialize_map(EntryVisitor).ok()?;
    entry.realtime.is_some().then_some(entry)
}

impl Entry<'_> {
    /// As a line without headers.
    ///
    /// The time is when the message was sent (`_SOURCE_REALTIME_TIMESTAMP`) where journald knew it, otherwise when
    /// journald took it in; both are microseconds since 1970.
    pub(crate) fn peeled(&self) -> Peeled<'_> {
        let microseconds = |field: &Option<Cow<'_, [u8]>>| {
            let ns = i64::try_from(number(field.as_deref()?)?).ok()?.checked_mul(1000)?;
            Some(Stamp::Epoch { at: Instant(ns), resolution_ns: 1000 })
        };
        let message = self.message.as_deref().unwrap_or_default();
        // Journald's own clock, which wrote the message down.
        let written = microseconds(&self.realtime);
        Peeled {
            stamp: microseconds(&self.source_realtime).or(written),
            stated: written.and_then(Stamp::stated),
            host: self.host.as_deref(),
            program: self.identifier.as_deref().or(self.command.as_deref()),
            has_pid: self.pid.is_some(),
            headed: &[],
            body: message,
            message,
        }
    }
}

struct EntryVisitor;

impl<'de> Visitor<'de> for EntryVisitor {
    type Value = Entry<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a journal entry")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Entry<'de>, A::Error> {
        let mut entry = Entry::default();
        while let Some(key) = map.next_key_seed(FieldSeed)? {
            let slot = match key.as_deref() {
                Some(b"__REALTIME_TIMESTAMP") => &mut entry.realtime,
                Some(b"_SOURCE_REALTIME_TIMESTAMP") => &mut entry.source_realtime,
                Some(b"_HOSTNAME") => &mut entry.host,
                Some(b"SYSLOG_IDENTIFIER") => &mut entry.identifier,
                Some(b"_COMM") => &mut entry.command,
                Some(b"_PID" | b"SYSLOG_PID") => &mut entry.pid,
                Some(b"MESSAGE") => &mut entry.message,
                _ => {
                    map.next_value::<IgnoredAny>()?;
                    continue;
                }
            };
            let value = map.next_value_seed(FieldSeed)?;
            // A field that comes twice: the first counts, as with repeated fields in an array.
            if slot.is_none() {
                *slot = value;
            }
        }
        Ok(entry)
    }
}

/// A field value: a string, an array of byte values (not UTF-8), an array of such (the field came several times),
/// or null (left out for its length).
#[derive(Clone, Copy)]
struct FieldSeed;

impl<'de> DeserializeSeed<'de> for FieldSeed {
    type Value = Option<Cow<'de, [u8]>>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for FieldSeed {
    type Value = Option<Cow<'de, [u8]>>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a field of a journal entry")
    }

    fn visit_borrowed_str<E: Error>(self, value: &'de str) -> Result<Self::Value, E> {
        Ok(Some(Cow::Borrowed(value.as_bytes())))
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<Self::Value, E> {
        Ok(Some(Cow::Owned(value.as_bytes().to_vec())))
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Self::Value, E> {
        Ok(Some(Cow::Owned(value.to_string().into_bytes())))
    }

    fn visit_i64<E: Error>(self, _: i64) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_f64<E: Error>(self, _: f64) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_bool<E: Error>(self, _: bool) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_unit<E: Error>(self) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut sequence: A) -> Result<Self::Value, A::Error> {
        let mut bytes = Vec::new();
        let mut first = None;
        while let Some(item) = sequence.next_element_seed(ItemSeed)? {
            match item {
                Item::Byte(byte) => bytes.push(byte),
                Item::Field(field) => first = first.or(field),
            }
        }
        Ok(first.or((!bytes.is_empty()).then_some(Cow::Owned(bytes))))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(None)
    }
}

enum Item<'de> {
    Byte(u8),
    Field(Option<Cow<'de, [u8]>>),
}

#[derive(Clone, Copy)]
struct ItemSeed;

impl<'de> DeserializeSeed<'de> for ItemSeed {
    type Value = Item<'de>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Item<'de>, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for ItemSeed {
    type Value = Item<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a byte or a field value")
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Item<'de>, E> {
        u8::try_from(value).map(Item::Byte).map_err(|_| E::invalid_value(de::Unexpected::Unsigned(value), &"a byte"))
    }

    fn visit_borrowed_str<E: Error>(self, value: &'de str) -> Result<Item<'de>, E> {
        Ok(Item::Field(Some(Cow::Borrowed(value.as_bytes()))))
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<Item<'de>, E> {
        Ok(Item::Field(Some(Cow::Owned(value.as_bytes().to_vec()))))
    }

    fn visit_unit<E: Error>(self) -> Result<Item<'de>, E> {
        Ok(Item::Field(None))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, sequence: A) -> Result<Item<'de>, A::Error> {
        BytesSeed.visit_seq(sequence).map(Item::Field)
    }
}

/// The innermost array: bytes only, so that hostile nesting ends here.
struct BytesSeed;

impl<'de> Visitor<'de> for BytesSeed {
    type Value = Option<Cow<'de, [u8]>>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("bytes")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut sequence: A) -> Result<Self::Value, A::Error> {
        let mut bytes = Vec::new();
        while let Some(byte) = sequence.next_element::<u8>()? {
            bytes.push(byte);
        }
        Ok((!bytes.is_empty()).then_some(Cow::Owned(bytes)))
    }
}

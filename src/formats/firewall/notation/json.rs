//! JSON objects as named fields: the name of a leaf is the path to it, joined by dots, so that nested objects and
//! flattened ones (`"id.orig_h"`, `"source.ip"`) read the same.

use std::borrow::Cow;

use serde_json_borrow::Value;

/// Reads an object. Bytes that are not UTF-8 and a RFC 7464 record separator before it are no obstacle to callers that
/// give text; `None` for anything else than an object.
pub(crate) fn object(text: &str) -> Option<Value<'_>> {
    let value: Value<'_> = serde_json::from_str(text).ok()?;
    value.is_object().then_some(value)
}

/// The value of a key, nested (`{"a":{"b":1}}`) or flattened (`{"a.b":1}`), by its dotted name.
pub(crate) fn dotted<'v, 'j>(value: &'v Value<'j>, name: &str) -> Option<&'v Value<'j>> {
    let object = value.as_object()?;
    if let Some(found) = object.get(name) {
        return Some(found);
    }
    let (first, rest) = name.split_once('.')?;
    dotted(object.get(first)?, rest)
}

/// A string, number or truth value as text. `None` for null, objects and arrays.
pub(crate) fn leaf<'v>(value: &'v Value<'_>) -> Option<Cow<'v, [u8]>> {
    match value {
        Value::Str(text) => Some(Cow::Borrowed(text.as_bytes())),
        Value::Number(number) => Some(Cow::Owned(number_text(number).into_bytes())),
        Value::Bool(true) => Some(Cow::Borrowed(b"true")),
        Value::Bool(false) => Some(Cow::Borrowed(b"false")),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

/// As it was written, but floats: the shortest digits that give the same float, without an exponent where there was none.
fn number_text(number: &serde_json_borrow::Number) -> String {
    match (number.as_u64(), number.as_i64(), number.as_f64()) {
        (Some(value), ..) => value.to_string(),
        (_, Some(value), _) => value.to_string(),
        // Exports of spreadsheets and of Lambda write ports and counts as floats ("25238.0").
        (_, _, Some(value)) if value.fract() == 0.0 && value.abs() < 9e15 => format!("{value:.0}"),
        (_, _, value) => value.map_or_else(String::new, |value| value.to_string()),
    }
}

/// Text of the value at a dotted name.
pub(crate) fn text<'v>(value: &'v Value<'_>, name: &str) -> Option<Cow<'v, [u8]>> {
    leaf(dotted(value, name)?)
}

/// The same as a string, unless it is empty or a dash.
pub(crate) fn string(value: &Value<'_>, name: &str) -> Option<String> {
    let text = text(value, name)?;
    (!text.is_empty() && *text != *b"-").then(|| String::from_utf8_lossy(&text).into_owned())
}

/// The elements of the list at a dotted name, as strings; a single value is a list of one.
pub(crate) fn strings(value: &Value<'_>, name: &str) -> Vec<String> {
    let own = |value: &Value<'_>| leaf(value).map(|text| String::from_utf8_lossy(&text).into_owned());
    match dotted(value, name) {
        Some(Value::Array(items)) => items.iter().filter_map(own).collect(),
        Some(other) => own(other).into_iter().collect(),
        None => Vec::new(),
    }
}

/// Takes the path and text of a leaf.
pub(crate) type Take<'v, 'f> = dyn FnMut(&[u8], Cow<'v, [u8]>) + 'f;

/// Calls `take` with the dotted path and text of every leaf. Of an array the elements come under the path of the array.
pub(crate) fn leaves<'v>(value: &'v Value<'_>, take: &mut Take<'v, '_>) {
    let mut path = Vec::with_capacity(64);
    walk(value, &mut path, 0, take);
}

/// Deeper levels are passed over: no known format has as many, and hostile ones might have more than the stack.
const DEEPEST: usize = 12;

fn walk<'v>(value: &'v Value<'_>, path: &mut Vec<u8>, depth: usize, take: &mut Take<'v, '_>) {
    if depth > DEEPEST {
        return;
    }
    match value {
        Value::Object(object) => {
            for (key, value) in object.iter() {
                let length = path.len();
                if length > 0 {
                    path.push(b'.');
                }
                path.extend_from_slice(key.as_bytes());
                walk(value, path, depth + 1, take);
                path.truncate(length);
            }
        }
        Value::Array(items) => {
            for item in items {
                walk(item, path, depth + 1, take);
            }
        }
        value => {
            if let Some(text) = leaf(value) {
                take(path, text);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn leaves_have_paths() {
        let value =
            object(r#"{"a":{"b.c":1,"d":["x","y",{"e":null}]},"t":1427846406.953016,"p":25238.0,"n":-3,"f":true}"#)
                .unwrap();
        let mut got = Vec::new();
        leaves(&value, &mut |path, text| {
            got.push((String::from_utf8(path.to_vec()).unwrap(), String::from_utf8(text.into_owned()).unwrap()));
        });
        let expected = [
            ("a.b.c", "1"),
            ("a.d", "x"),
            ("a.d", "y"),
            ("t", "1427846406.953016"),
            ("p", "25238"),
            ("n", "-3"),
            ("f", "true"),
        ];
        assert_eq!(got, expected.map(|(a, b)| (a.to_owned(), b.to_owned())));
        assert_eq!(text(&value, "a.b.c").as_deref(), Some(&b"1"[..]));
        assert!(object("[1]").is_none() && object("{").is_none());
    }

    #[test]
    fn keys_may_be_escaped_and_come_twice() {
        // AWS Network Firewall writes "tls.subject" twice.
        let value = object(r#"{"a\u0062":1,"x":1,"x":2}"#).unwrap();
        assert_eq!(text(&value, "ab").as_deref(), Some(&b"1"[..]));
        assert_eq!(text(&value, "x").as_deref(), Some(&b"1"[..]));
    }
}

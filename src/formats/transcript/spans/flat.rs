//! Attributes, which some write flat (`"llm.model_name"`), some nested (`{"llm": {"model_name"`), some as lists of keys
//! with values, and mixtures of these.

use serde_json::{Map, Value};

/// Bound on the elements of a list that is spread over numbered keys.
const MOST: usize = 10_000;

/// The value under a dotted name, however deep the dots are objects or lists.
pub(super) fn find<'v>(value: &'v Value, name: &str) -> Option<&'v Value> {
    match value {
        Value::Object(map) => {
            if let Some(found) = map.get(name) {
                return Some(found).filter(|found| !found.is_null());
            }
            name.match_indices('.').find_map(|(at, _)| {
                let (front, rest) = (name.get(..at)?, name.get(at + 1..)?);
                find(map.get(front)?, rest)
            })
        }
        Value::Array(list) => {
            let (index, rest) = name.split_once('.').map_or((name, None), |(index, rest)| (index, Some(rest)));
            let element = list.get(index.parse::<usize>().ok()?)?;
            rest.map_or(Some(element), |rest| find(element, rest))
        }
        _ => None,
    }
}

/// The text under the first of the names that has one.
pub(super) fn text(value: &Value, names: &[&str]) -> Option<String> {
    names.iter().find_map(|name| find(value, name)?.as_str().filter(|text| !text.is_empty())).map(str::to_owned)
}

/// A number, which may be written as text.
pub(super) fn number(value: &Value, names: &[&str]) -> Option<f64> {
    names.iter().find_map(|name| match find(value, name)? {
        Value::Number(number) => number.as_f64(),
        Value::String(text) => text.trim().parse().ok(),
        _ => None,
    })
}

/// Milliseconds under the first of the names, in nanoseconds.
pub(super) fn milliseconds(value: &Value, names: &[&str]) -> Option<i64> {
    let ms = number(value, names).filter(|ms| (0.0..1e12).contains(ms))?;
    Some((ms * 1e6) as i64)
}

/// The elements of a list: one that is there, or one whose elements are spread over numbered keys.
pub(super) fn list(value: &Value, name: &str) -> Vec<Value> {
    match find(value, name) {
        Some(Value::Array(list)) => return list.clone(),
        Some(Value::Object(map)) if map.keys().all(|key| key.parse::<u32>().is_ok()) => {
            return (0..MOST).map_while(|at| map.get(&at.to_string()).cloned()).collect();
        }
        _ => {}
    }
    let Value::Object(map) = value else { return Vec::new() };
    let mut elements: std::collections::BTreeMap<usize, Map<String, Value>> = std::collections::BTreeMap::new();
    for (key, value) in map {
        let Some(rest) = key.strip_prefix(name).and_then(|rest| rest.strip_prefix('.')) else { continue };
        let Some((index, rest)) = rest.split_once('.') else { continue };
        let Some(index) = index.parse().ok().filter(|index| *index < MOST) else { continue };
        elements.entry(index).or_default().insert(rest.to_owned(), value.clone());
    }
    elements.into_values().map(Value::Object).collect()
}

/// Attributes as an object, from a list of keys with values of OTLP (<https://opentelemetry.io/docs/specs/otlp/>), a
/// list of pairs, or an object.
pub(super) fn attributes(value: Option<&Value>) -> Value {
    let list = match value {
        Some(Value::Array(list)) => list,
        Some(Value::Object(map)) => return Value::Object(map.clone()),
        _ => return Value::Object(Map::new()),
    };
    let pairs = list.iter().filter_map(|entry| match entry.as_array().map(Vec::as_slice) {
        Some([key, value]) => Some((key.as_str()?.to_owned(), value.clone())),
        _ => Some((entry.get("key")?.as_str()?.to_owned(), any(entry.get("value")?))),
    });
    let mut map = Map::new();
    for (key, value) in pairs {
        // Of a key that comes twice the first was set by the program, the second by its framework.
        map.entry(key).or_insert(value);
    }
    Value::Object(map)
}

/// A value of OTLP, which names its type. Nesting is bounded by that of the JSON parser.
pub(super) fn any(value: &Value) -> Value {
    let Value::Object(map) = value else { return value.clone() };
    let Some((kind, inner)) = map.iter().next() else { return Value::Null };
    match kind.as_str() {
        "stringValue" | "boolValue" | "doubleValue" | "bytesValue" | "string_value" | "bool_value" | "double_value"
        | "bytes_value" => inner.clone(),
        // 64 bits do not fit a number of JavaScript: they are written as text.
        "intValue" | "int_value" => match inner.as_str().and_then(|text| text.parse::<i64>().ok()) {
            Some(number) => Value::from(number),
            None => inner.clone(),
        },
        "arrayValue" | "array_value" => {
            let values = inner.get("values").and_then(Value::as_array);
            Value::Array(values.into_iter().flatten().map(any).collect())
        }
        "kvlistValue" | "kvlist_value" => attributes(inner.get("values")),
        _ => value.clone(),
    }
}

/// A value that may be JSON within a text, which may be JSON within a text.
pub(super) fn decoded(value: &Value) -> Value {
    let mut value = value.clone();
    for _ in 0..2 {
        match value.as_str().filter(|text| text.trim_start().starts_with(['{', '[', '"'])) {
            Some(text) => match serde_json::from_str(text) {
                Ok(inner) => value = inner,
                Err(_) => break,
            },
            None => break,
        }
    }
    value
}

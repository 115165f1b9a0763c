//! Raw slices of JSON text: what probing needs of a head that was cut, and the arguments of a call as they were
//! written (a parsed value has forgotten the order of its keys and the spelling of its numbers).

/// Members of the object that `json` begins with: name and raw value, in the order of the file. The last value may
/// be cut. Empty if `json` does not begin with an object. Names with escapes are given as written.
pub(super) fn members(json: &[u8]) -> Vec<(&str, &[u8])> {
    let mut found = Vec::new();
    let Some(mut at) = open(json, b'{') else { return found };
    loop {
        at = skip_space(json, at);
        if json.get(at) == Some(&b',') {
            at = skip_space(json, at + 1);
        }
        if json.get(at) != Some(&b'"') {
            return found;
        }
        let name_end = skip_value(json, at);
        let name = json.get(at + 1..name_end.saturating_sub(1)).and_then(|name| std::str::from_utf8(name).ok());
        at = skip_space(json, name_end);
        let (Some(name), Some(&b':')) = (name, json.get(at)) else { return found };
        let start = skip_space(json, at + 1);
        at = skip_value(json, start);
        match json.get(start..at) {
            Some(value) if !value.is_empty() => found.push((name, value)),
            _ => return found,
        }
    }
}

/// The raw value of a member of the object that `json` begins with; of a name that comes twice the last, as parsers
/// have it.
pub(super) fn member<'a>(json: &'a [u8], name: &str) -> Option<&'a [u8]> {
    members(json).into_iter().rfind(|(found, _)| *found == name).map(|(_, value)| value)
}

/// Raw elements of the array that `json` begins with. The last may be cut.
pub(super) fn elements(json: &[u8]) -> Vec<&[u8]> {
    let mut found = Vec::new();
    let Some(mut at) = open(json, b'[') else { return found };
    loop {
        at = skip_space(json, at);
        if json.get(at) == Some(&b',') {
            at = skip_space(json, at + 1);
        }
        if matches!(json.get(at), None | Some(b']')) {
            return found;
        }
        let end = skip_value(json, at);
        match json.get(at..end) {
            Some(value) if !value.is_empty() => found.push(value),
            _ => return found,
        }
        at = end;
    }
}

/// The first element of the array that `json` begins with, or `json` itself if it is no array.
pub(super) fn first(json: &[u8]) -> &[u8] {
    let Some(at) = open(json, b'[') else { return json };
    let at = skip_space(json, at);
    json.get(at..skip_value(json, at)).unwrap_or_default()
}

/// The content of a raw string value that has no escapes.
pub(super) fn plain_string(value: &[u8]) -> Option<&str> {
    let inner = value.strip_prefix(b"\"")?.strip_suffix(b"\"")?;
    std::str::from_utf8(inner).ok().filter(|inner| !inner.contains('\\'))
}

/// The lines of a head as objects, at most `most` of them; a last line that was cut is among them.
pub(super) fn lines(head: &[u8], most: usize) -> impl Iterator<Item = &[u8]> {
    head.split(|byte| *byte == b'\n').filter(|line| !line.trim_ascii().is_empty()).take(most)
}

fn open(json: &[u8], bracket: u8) -> Option<usize> {
    let at = skip_space(json, if json.starts_with(b"\xef\xbb\xbf") { 3 } else { 0 });
    (json.get(at) == Some(&bracket)).then_some(at + 1)
}

fn skip_space(json: &[u8], mut at: usize) -> usize {
    while json.get(at).is_some_and(u8::is_ascii_whitespace) {
        at += 1;
    }
    at
}

/// The end of the value at `at`; the end of the text if the value is cut.
fn skip_value(json: &[u8], mut at: usize) -> usize {
    let mut depth = 0usize;
    while let Some(&byte) = json.get(at) {
        match byte {
            b'"' => {
                at += 1;
                while let Some(&byte) = json.get(at) {
                    at += if byte == b'\\' { 2 } else { 1 };
                    if byte == b'"' {
                        break;
                    }
                }
                at = at.min(json.len());
                if depth == 0 {
                    return at;
                }
                continue;
            }
            b'{' | b'[' => depth += 1,
            b'}' | b']' => {
                if depth <= 1 {
                    return if depth == 1 { at + 1 } else { at };
                }
                depth -= 1;
            }
            b',' | b':' if depth == 0 => return at,
            _ if depth == 0 && byte.is_ascii_whitespace() => return at,
            _ => {}
        }
        at += 1;
    }
    at
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_come_as_written() {
        let json = br#" {"a": {"z":1,"b":[1,2,{"c":"}"}]}, "n":-1.50e3,"s":"x\"y\\" ,"t":true}"#;
        let found: Vec<(&str, &str)> =
            members(json).into_iter().map(|(name, value)| (name, std::str::from_utf8(value).unwrap())).collect();
        assert_eq!(
            found,
            [("a", r#"{"z":1,"b":[1,2,{"c":"}"}]}"#), ("n", "-1.50e3"), ("s", r#""x\"y\\""#), ("t", "true")]
        );
        assert_eq!(elements(br#"[1, {"a":[]}, "x" ,null]"#), [&b"1"[..], br#"{"a":[]}"#, br#""x""#, b"null"]);
        assert_eq!(member(json, "n"), Some(&b"-1.50e3"[..]));
        assert_eq!(member(json, "nothing"), None);
        assert_eq!(member(br#"{"a":1,"a":2}"#, "a"), Some(&b"2"[..]));
    }

    #[test]
    fn a_cut_text_gives_what_is_there() {
        let json = br#"{"a":1,"history":[{"id":0,"timestamp":"2025"#;
        assert_eq!(member(json, "history"), Some(&br#"[{"id":0,"timestamp":"2025"#[..]));
        assert_eq!(member(first(member(json, "history").unwrap()), "id"), Some(&b"0"[..]));
        for end in 0..json.len() {
            let _ = (members(&json[..end]), elements(&json[..end]), first(&json[..end]));
        }
    }
}

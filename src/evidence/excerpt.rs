use std::borrow::Cow;

/// The most characters that are quoted of a value, which may be a megabyte long.
const QUOTED: usize = 80;

/// Text of the evidence as it stands in what is said of it: escaped and in quotation marks, 80 characters at the most, and how
/// much more there is.
pub fn quoted(text: &str) -> String {
    let end = text.char_indices().nth(QUOTED).map_or(text.len(), |(end, _)| end);
    let (shown, more) = text.split_at(end);
    format!("{shown:?}{}", told(more))
}

/// Text of the evidence that is kept as a value: so many bytes at the most, and how much more there is.
pub fn excerpt(text: &str, most: usize) -> Cow<'_, str> {
    match text.split_at(text.floor_char_boundary(most)) {
        (_, "") => Cow::Borrowed(text),
        (shown, more) => Cow::Owned(format!("{shown}{}", told(more))),
    }
}

fn told(more: &str) -> String {
    if more.is_empty() { String::new() } else { format!(" and {} bytes more", more.len()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_quoted_is_escaped_and_short() {
        assert_eq!(quoted("a\n\u{1b}\"b"), r#""a\n\u{1b}\"b""#);
        assert_eq!(quoted(&"é".repeat(80)), format!("\"{}\"", "é".repeat(80)));
        assert_eq!(quoted(&"é".repeat(83)), format!("\"{}\" and 6 bytes more", "é".repeat(80)));
    }

    #[test]
    fn an_excerpt_says_how_much_it_leaves_out() {
        assert_eq!(excerpt("pool", 4), "pool");
        assert_eq!(excerpt("pöôl", 3), "pö and 3 bytes more");
        assert_eq!(excerpt("pöôl", 4), "pö and 3 bytes more");
        assert_eq!(excerpt("", 0), "");
    }
}

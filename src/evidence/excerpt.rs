use std::borrow::Cow;

/// The most characters that are quoted of a value, which may be a megabyte long.
const QUOTED: usize = 80;

/// Text of the evidence as it stands in what is said of it: escaped and in quotation marks, 80 characters at the most, and how
/// much more there is.
pub fn quoted(text: &str) -> String {
    let (shown, more) = cut(text, QUOTED);
    format!("{shown:?}{}", told(more))
}

/// Text of the evidence that is kept as a value: so many characters at the most, and how much more there is.
pub fn excerpt(text: &str, most: usize) -> Cow<'_, str> {
    match cut(text, most) {
        (_, 0) => Cow::Borrowed(text),
        (shown, more) => Cow::Owned(format!("{shown}{}", told(more))),
    }
}

/// The first characters of a text, and how many bytes follow.
fn cut(text: &str, most: usize) -> (&str, usize) {
    let end = text.char_indices().nth(most).map_or(text.len(), |(end, _)| end);
    let (shown, more) = text.split_at(end);
    (shown, more.len())
}

fn told(more: usize) -> String {
    if more == 0 { String::new() } else { format!(" and {more} bytes more") }
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
        assert_eq!(excerpt("pöôl", 2), "pö and 3 bytes more");
        assert_eq!(excerpt("", 0), "");
    }
}

//! The text of a condition as words and signs, each with its place.

use super::ConditionError;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Token {
    /// A word without quotes: a column, a keyword, a number, an address.
    Word(String),
    /// In quotes.
    Text(String),
    /// `==`, `!=`, `<`, `<=`, `>`, `>=`, `~`, `!~`, `(`, `)`, `,`, `!`.
    Sign(&'static str),
}

/// A token and the characters it takes up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Placed {
    pub(super) token: Token,
    pub(super) at: usize,
    pub(super) length: usize,
}

/// Longer signs come before those they begin with. `&&` and `||` are other ways to write the words.
const SIGNS: [(&str, &str); 15] = [
    ("==", "=="),
    ("!=", "!="),
    ("!~", "!~"),
    ("<=", "<="),
    (">=", ">="),
    ("&&", "and"),
    ("||", "or"),
    ("=~", "~"),
    ("<", "<"),
    (">", ">"),
    ("~", "~"),
    ("(", "("),
    (")", ")"),
    (",", ","),
    ("!", "!"),
];

fn in_word(c: char) -> bool {
    c.is_alphanumeric() || matches!(c, '_' | '.' | ':' | '/' | '-' | '+' | '*' | '@')
}

/// Splits the text of a condition.
pub(super) fn split(text: &str) -> Result<Vec<Placed>, ConditionError> {
    let characters: Vec<char> = text.chars().collect();
    let mut tokens = Vec::new();
    let mut at = 0;
    while let Some(c) = characters.get(at).copied() {
        if c.is_whitespace() {
            at += 1;
            continue;
        }
        let rest = characters.get(at..).unwrap_or_default();
        let (token, length) = if matches!(c, '"' | '\'') {
            quoted(rest, c).ok_or_else(|| ConditionError::new("this quote is never closed", text, at, rest.len()))?
        } else if let Some((sign, meant)) = SIGNS.iter().find(|(sign, _)| starts(rest, sign)) {
            let token = match *meant {
                word @ ("and" | "or") => Token::Word(word.to_owned()),
                sign => Token::Sign(sign),
            };
            (token, sign.len())
        } else if c == '=' {
            return Err(ConditionError::new("write == to compare", text, at, 1));
        } else if in_word(c) {
            let word: String = rest.iter().take_while(|c| in_word(**c)).collect();
            let length = word.chars().count();
            (Token::Word(word), length)
        } else {
            let message = format!("{c:?} has no meaning here; put texts in quotes");
            return Err(ConditionError::new(message, text, at, 1));
        };
        tokens.push(Placed { token, at, length });
        at += length;
    }
    Ok(tokens)
}

fn starts(rest: &[char], sign: &str) -> bool {
    sign.chars().enumerate().all(|(at, c)| rest.get(at) == Some(&c))
}

/// A text in quotes, and how many characters it takes up with them. In double quotes `\"` and `\\` stand for the
/// character alone and every other backslash for itself, so that patterns need no doubling; single quotes know no
/// escapes.
fn quoted(rest: &[char], quote: char) -> Option<(Token, usize)> {
    let mut text = String::new();
    let mut at = 1;
    loop {
        let c = *rest.get(at)?;
        let next = rest.get(at + 1).copied();
        match c {
            '\\' if quote == '"' && matches!(next, Some('"' | '\\')) => {
                text.extend(next);
                at += 2;
            }
            c if c == quote => return Some((Token::Text(text), at + 1)),
            c => {
                text.push(c);
                at += 1;
            }
        }
    }
}

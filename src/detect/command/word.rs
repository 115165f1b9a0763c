//! Words: quotes, escapes, parameters and substitutions (POSIX.1-2024 XCU 2.2, 2.6; bash for `$'…'` and `<(…)`).

use super::syntax::{Node, Parser, Piece, WINDOW, Word, parse};

#[derive(Default)]
struct Pieces {
    done: Vec<Piece>,
    plain: String,
    quoted: String,
}

impl Pieces {
    fn push(&mut self, c: char, quoted: bool) {
        if quoted {
            self.flush_plain();
            self.quoted.push(c);
        } else {
            self.flush_quoted();
            self.plain.push(c);
        }
    }

    fn text(&mut self, text: &str, quoted: bool) {
        for c in text.chars() {
            self.push(c, quoted);
        }
    }

    fn flush_plain(&mut self) {
        if !self.plain.is_empty() {
            self.done.push(Piece::Literal { text: std::mem::take(&mut self.plain), quoted: false });
        }
    }

    fn flush_quoted(&mut self) {
        if !self.quoted.is_empty() {
            self.done.push(Piece::Literal { text: std::mem::take(&mut self.quoted), quoted: true });
        }
    }

    fn piece(&mut self, piece: Piece) {
        self.flush_plain();
        self.flush_quoted();
        self.done.push(piece);
    }
}

impl Parser<'_> {
    /// The word at this place; empty (and nothing consumed) where none begins.
    pub(super) fn word(&mut self) -> Word {
        let start = self.at;
        let mut pieces = Pieces::default();
        let mut empty_quotes = false;
        loop {
            if self.at == start && (self.starts("<(") || self.starts(">(")) {
                self.at += 2;
                let body = Box::new(self.parenthesised());
                let raw = self.slice(start..self.at).to_owned();
                pieces.piece(Piece::Process { body, raw });
                continue;
            }
            let Some(next) = self.peek() else { break };
            match next {
                ' ' | '\t' | '\n' | '\r' | ';' | '&' | '|' | '(' | ')' | '<' | '>' => break,
                '\\' => {
                    self.at += 1;
                    match self.bump() {
                        Some('\n') | None => {}
                        Some(escaped) => pieces.push(escaped, true),
                    }
                }
                '\'' => {
                    self.at += 1;
                    let rest = self.rest();
                    let length = rest.find('\'').unwrap_or(rest.len());
                    let text = rest.get(..length).unwrap_or("");
                    self.at = (self.at + length + 1).min(self.text.len());
                    pieces.text(text, true);
                    empty_quotes |= text.is_empty();
                }
                '"' => {
                    self.at += 1;
                    empty_quotes |= self.starts("\"");
                    self.double_quoted(&mut pieces);
                }
                '`' => {
                    let piece = self.backquoted(false);
                    pieces.piece(piece);
                }
                '$' => self.dollar(&mut pieces, false),
                other => {
                    self.at += other.len_utf8();
                    pieces.push(other, false);
                }
            }
        }
        pieces.flush_plain();
        pieces.flush_quoted();
        if pieces.done.is_empty() && empty_quotes {
            pieces.done.push(Piece::Literal { text: String::new(), quoted: true });
        }
        Word { pieces: pieces.done, range: start..self.at }
    }

    fn double_quoted(&mut self, pieces: &mut Pieces) {
        while let Some(next) = self.peek() {
            match next {
                '"' => {
                    self.at += 1;
                    return;
                }
                '\\' => {
                    self.at += 1;
                    match self.bump() {
                        Some('\n') | None => {}
                        Some(escaped @ ('$' | '`' | '"' | '\\')) => pieces.push(escaped, true),
                        Some(other) => {
                            pieces.push('\\', true);
                            pieces.push(other, true);
                        }
                    }
                }
                '`' => {
                    let piece = self.backquoted(true);
                    pieces.piece(piece);
                }
                '$' => self.dollar(pieces, true),
                other => {
                    self.at += other.len_utf8();
                    pieces.push(other, true);
                }
            }
        }
    }

    /// Old-style substitution: the text up to the next unescaped backquote, read as a text of its own.
    fn backquoted(&mut self, quoted: bool) -> Piece {
        let start = self.at;
        self.at += 1;
        let mut inner = String::new();
        while let Some(next) = self.bump() {
            match next {
                '`' => break,
                '\\' => match self.peek() {
                    Some(escaped @ ('`' | '\\' | '$')) => {
                        self.at += 1;
                        inner.push(escaped);
                    }
                    _ => inner.push('\\'),
                },
                other => inner.push(other),
            }
        }
        let raw = self.slice(start..self.at).to_owned();
        let parsed = self.deeper(|parser| parse(&inner, parser.depth));
        let (body, limits) = parsed.unwrap_or((Node::List(Vec::new()), Default::default()));
        self.limits.extend(limits);
        Piece::Substitution { body: Box::new(body), raw, quoted, apart: true }
    }

    fn dollar(&mut self, pieces: &mut Pieces, quoted: bool) {
        let start = self.at;
        if self.starts("$((") {
            if let Some(length) = self.arithmetic_length(3) {
                self.at += length;
                pieces.piece(Piece::Opaque(self.slice(start..self.at).to_owned()));
                return;
            }
        }
        if self.eat("$(") {
            let body = Box::new(self.parenthesised());
            let raw = self.slice(start..self.at).to_owned();
            pieces.piece(Piece::Substitution { body, raw, quoted, apart: false });
            return;
        }
        if self.starts("${") {
            let piece = self.braced(quoted);
            pieces.piece(piece);
            return;
        }
        if !quoted && self.starts("$'") {
            self.at += 2;
            self.ansi_c(pieces);
            return;
        }
        if !quoted && self.starts("$\"") {
            self.at += 2;
            self.double_quoted(pieces);
            return;
        }
        self.at += 1;
        let rest = self.rest();
        let name = rest.bytes().take_while(|byte| byte.is_ascii_alphanumeric() || *byte == b'_').count();
        let length = match rest.bytes().next() {
            Some(b'0'..=b'9' | b'@' | b'*' | b'#' | b'?' | b'$' | b'!' | b'-') => 1,
            _ => name,
        };
        if length == 0 {
            pieces.push('$', quoted);
            return;
        }
        self.at += length;
        let name = rest.get(..length).unwrap_or("").to_owned();
        let raw = self.slice(start..self.at).to_owned();
        pieces.piece(Piece::Parameter { name, default: None, raw, quoted });
    }

    /// `${…}` up to its brace; an unclosed one is two plain characters.
    fn braced(&mut self, quoted: bool) -> Piece {
        let start = self.at;
        let mut depth = 0_usize;
        let mut escaped = false;
        let mut end = None;
        for (offset, c) in self.rest().char_indices().take(WINDOW) {
            match c {
                _ if escaped => escaped = false,
                '\\' => escaped = true,
                '{' => depth += 1,
                '}' => {
                    depth = depth.saturating_sub(1);
                    if depth == 0 {
                        end = Some(offset);
                        break;
                    }
                }
                _ => {}
            }
        }
        let Some(end) = end else {
            self.at += 2;
            return Piece::Literal { text: "${".to_owned(), quoted: true };
        };
        self.at += end + 1;
        let raw = self.slice(start..self.at);
        let inner = self.slice(start + 2..self.at - 1);
        let length = inner.bytes().take_while(|byte| byte.is_ascii_alphanumeric() || *byte == b'_').count();
        let (name, after) = inner.split_at_checked(length).unwrap_or(("", inner));
        let unquote = |text: &str| text.trim_matches(['"', '\'']).to_owned();
        let default = match after {
            "" | "[@]" | "[*]" => None,
            _ if after.starts_with(":-") || after.starts_with(":=") => after.get(2..).map(unquote),
            _ if after.starts_with('-') || after.starts_with('=') => after.get(1..).map(unquote),
            _ => return Piece::Opaque(raw.to_owned()),
        };
        if name.is_empty() {
            return Piece::Opaque(raw.to_owned());
        }
        let name = if after.starts_with('[') { format!("{name}[@]") } else { name.to_owned() };
        Piece::Parameter { name, default, raw: raw.to_owned(), quoted }
    }

    fn ansi_c(&mut self, pieces: &mut Pieces) {
        let mut bytes: Vec<u8> = Vec::new();
        let mut buffer = [0; 4];
        while let Some(next) = self.bump() {
            match next {
                '\'' => break,
                '\\' => match self.bump() {
                    None => break,
                    Some('n') => bytes.push(b'\n'),
                    Some('t') => bytes.push(b'\t'),
                    Some('r') => bytes.push(b'\r'),
                    Some('a') => bytes.push(7),
                    Some('b') => bytes.push(8),
                    Some('e' | 'E') => bytes.push(27),
                    Some('f') => bytes.push(12),
                    Some('v') => bytes.push(11),
                    Some('x') => match self.digits(2, 16) {
                        Some(value) => bytes.push((value & 0xff) as u8),
                        None => bytes.extend(b"\\x"),
                    },
                    Some(kind @ ('u' | 'U')) => {
                        let value = self.digits(if kind == 'u' { 4 } else { 8 }, 16).and_then(char::from_u32);
                        bytes.extend(value.unwrap_or('\u{fffd}').encode_utf8(&mut buffer).bytes());
                    }
                    Some('0'..='7') => {
                        self.at -= 1;
                        bytes.push((self.digits(3, 8).unwrap_or(0) & 0xff) as u8);
                    }
                    Some(other) => bytes.extend(other.encode_utf8(&mut buffer).bytes()),
                },
                other => bytes.extend(other.encode_utf8(&mut buffer).bytes()),
            }
        }
        pieces.text(&String::from_utf8_lossy(&bytes), true);
    }

    fn digits(&mut self, most: usize, radix: u32) -> Option<u32> {
        let digits: String = self.rest().chars().take(most).take_while(|c| c.is_digit(radix)).collect();
        self.at += digits.len();
        u32::from_str_radix(&digits, radix).ok()
    }

    /// Length of `((…))` or `$((…))` at this place, whose head is `head` bytes long.
    pub(super) fn arithmetic_length(&self, head: usize) -> Option<usize> {
        let mut open = 2_usize;
        for (offset, byte) in self.rest().bytes().enumerate().skip(head).take(WINDOW) {
            match byte {
                b'(' => open += 1,
                b')' if open == 2 => {
                    return self.rest().get(offset..)?.starts_with("))").then_some(offset + 2);
                }
                b')' => open -= 1,
                b'\n' => return None,
                _ => {}
            }
        }
        None
    }
}

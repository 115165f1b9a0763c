//! What the shell grammar makes of a text: lists, pipelines, compound commands, simple commands.
//!
//! The part of POSIX.1-2024 "Shell Command Language" and of bash that agents write. It never fails: what is not
//! understood is taken as words, so that a broken line still shows its commands. It never looks back, so its time
//! is linear in the text (look-ahead is bounded), and nesting is bounded by [`DEEPEST`].

use std::cell::OnceCell;
use std::collections::BTreeSet;
use std::ops::Range;
use std::rc::Rc;

use super::tree::{Assignment, Heredoc, Item, Node, Piece, Redirection, Simple, Word};

/// Bound on nesting of groups, loops and substitutions within one text.
pub(super) const DEEPEST: usize = 24;

struct Pending {
    cell: Rc<OnceCell<Heredoc>>,
    delimiter: String,
    strip_tabs: bool,
    verbatim: bool,
}

pub(super) struct Parser<'a> {
    pub(super) text: &'a str,
    pub(super) at: usize,
    pub(super) depth: usize,
    pub(super) parens: usize,
    pending: Vec<Pending>,
    pub(super) limits: BTreeSet<&'static str>,
}

/// How far `[[`, `$((` and `${` look for their end.
pub(super) const WINDOW: usize = 1024;

const REDIRECTIONS: [&str; 13] = ["&>>", "<<<", "<<-", "&>", ">>", "<<", ">|", "<>", ">&", "<&", "<(", ">(", ">"];

/// Parses a whole text that stands `depth` levels deep in another (0 for a text of its own).
pub(super) fn parse(text: &str, depth: usize) -> (Node, BTreeSet<&'static str>) {
    let mut parser = Parser { text, at: 0, depth, parens: 0, pending: Vec::new(), limits: BTreeSet::new() };
    let node = parser.list(&[]);
    for pending in std::mem::take(&mut parser.pending) {
        let _ = pending.cell.set(Heredoc { text: String::new(), verbatim: true });
    }
    (node, parser.limits)
}

impl<'a> Parser<'a> {
    pub(super) fn rest(&self) -> &'a str {
        self.text.get(self.at..).unwrap_or("")
    }

    pub(super) fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    pub(super) fn starts(&self, prefix: &str) -> bool {
        self.rest().starts_with(prefix)
    }

    pub(super) fn bump(&mut self) -> Option<char> {
        let next = self.peek()?;
        self.at += next.len_utf8();
        Some(next)
    }

    pub(super) fn eat(&mut self, prefix: &str) -> bool {
        let found = self.starts(prefix);
        if found {
            self.at += prefix.len();
        }
        found
    }

    pub(super) fn slice(&self, range: Range<usize>) -> &'a str {
        self.text.get(range).unwrap_or("")
    }

    /// Runs `inner` one level deeper, or gives up on the rest of the text where that is too deep.
    pub(super) fn deeper<T>(&mut self, inner: impl FnOnce(&mut Self) -> T) -> Option<T> {
        if self.depth >= DEEPEST {
            self.limits.insert("nested deeper than 24 levels: the rest of the text is not read");
            self.at = self.text.len();
            return None;
        }
        self.depth += 1;
        let out = inner(self);
        self.depth -= 1;
        Some(out)
    }

    /// A list up to `)` of the enclosing group; the `)` is consumed.
    pub(super) fn parenthesised(&mut self) -> Node {
        let node = self.deeper(|parser| {
            parser.parens += 1;
            let node = parser.list(&[]);
            parser.parens -= 1;
            parser.eat(")");
            node
        });
        node.unwrap_or(Node::List(Vec::new()))
    }

    pub(super) fn blanks(&mut self) {
        loop {
            if self.eat("\\\n") {
                continue;
            }
            match self.peek() {
                Some(' ' | '\t' | '\r') => {
                    self.at += 1;
                }
                Some('#') => {
                    let line = self.rest().find('\n').unwrap_or(self.rest().len());
                    self.at += line;
                }
                _ => return,
            }
        }
    }

    /// Passes a line break and reads the here-documents that were waiting for it.
    pub(super) fn newline(&mut self) {
        self.at += 1;
        for pending in std::mem::take(&mut self.pending) {
            let mut body = String::new();
            while self.at < self.text.len() {
                let rest = self.rest();
                let length = rest.find('\n').unwrap_or(rest.len());
                let line = rest.get(..length).unwrap_or("");
                self.at = (self.at + length + 1).min(self.text.len());
                let line = if pending.strip_tabs { line.trim_start_matches('\t') } else { line };
                if line.strip_suffix('\r').unwrap_or(line) == pending.delimiter {
                    break;
                }
                body.push_str(line);
                body.push('\n');
            }
            let _ = pending.cell.set(Heredoc { text: body, verbatim: pending.verbatim });
        }
    }

    /// The plain word here, if the next characters are one.
    pub(super) fn plain_word(&self) -> &'a str {
        let rest = self.rest();
        let end = rest.find(|c: char| c.is_whitespace() || ";&|()<>\"'\\$`".contains(c)).unwrap_or(rest.len());
        rest.get(..end).unwrap_or("")
    }

    /// Where `needle` stands next, looking no further than `window` bytes and no further than this line.
    pub(super) fn find_within(&self, window: usize, needle: &str) -> Option<usize> {
        let rest = self.rest().as_bytes();
        let rest = rest.get(..rest.len().min(window))?;
        let line = rest.split(|byte| *byte == b'\n').next()?;
        line.windows(needle.len()).position(|part| part == needle.as_bytes()).map(|at| self.at + at)
    }

    pub(super) fn at_stop(&self, stops: &[&str]) -> bool {
        match self.peek() {
            None => true,
            Some(')') => self.parens > 0 || stops.contains(&")"),
            Some(';') => self.starts(";;") && stops.contains(&";;"),
            _ => !stops.is_empty() && stops.contains(&self.plain_word()),
        }
    }

    /// A list up to one of `stops` (not consumed), to the `)` of the enclosing group, or to the end.
    pub(super) fn list(&mut self, stops: &[&str]) -> Node {
        let mut items = Vec::new();
        loop {
            self.blanks();
            match self.peek() {
                Some('\n') => {
                    self.newline();
                    continue;
                }
                Some(';') if !self.at_stop(stops) => {
                    self.at += 1;
                    continue;
                }
                Some('&' | '|') if !self.starts("&>") => {
                    self.at += 1;
                    continue;
                }
                _ => {}
            }
            if self.at_stop(stops) {
                break;
            }
            let before = self.at;
            let node = self.pipeline(stops);
            self.blanks();
            let background = self.starts("&") && !self.starts("&&") && !self.starts("&>");
            if self.at == before {
                self.bump();
                continue;
            }
            items.push(Item { node, background });
        }
        Node::List(items)
    }

    fn pipeline(&mut self, stops: &[&str]) -> Node {
        let mut stages = Vec::new();
        loop {
            self.blanks();
            while self.plain_word() == "!" {
                self.at += 1;
                self.blanks();
            }
            if let Some(node) = self.command(stops) {
                stages.push(node);
            }
            self.blanks();
            if self.starts("|") && !self.starts("||") {
                self.at += 1;
                self.eat("&");
                loop {
                    self.blanks();
                    if self.peek() != Some('\n') {
                        break;
                    }
                    self.newline();
                }
                if self.at_stop(stops) {
                    break;
                }
            } else {
                break;
            }
        }
        if stages.len() == 1 { stages.swap_remove(0) } else { Node::Pipeline(stages) }
    }

    pub(super) fn redirections(&mut self) -> Vec<Redirection> {
        let mut out = Vec::new();
        loop {
            self.blanks();
            match self.redirection() {
                Some(redirection) => out.push(redirection),
                None => return out,
            }
        }
    }

    /// A redirection at this place, with the file descriptor in front of it.
    fn redirection(&mut self) -> Option<Redirection> {
        let rest = self.rest();
        let mut skip = rest.bytes().take_while(u8::is_ascii_digit).count();
        if rest.starts_with('{') {
            let name =
                rest.get(1..).unwrap_or("").bytes().take_while(|b| b.is_ascii_alphanumeric() || *b == b'_').count();
            if name > 0 && rest.get(1 + name..).is_some_and(|after| after.starts_with("}<") || after.starts_with("}>"))
            {
                skip = name + 2;
            }
        }
        let after = rest.get(skip..).unwrap_or("");
        let operator = REDIRECTIONS.into_iter().chain(["<"]).find(|operator| after.starts_with(operator))?;
        if operator.ends_with('(') || (operator.starts_with('&') && skip > 0) {
            return None;
        }
        self.at += skip + operator.len();
        while let Some(' ' | '\t') = self.peek() {
            self.at += 1;
        }
        let start = self.at;
        let target = self.word();
        let mut heredoc = None;
        if operator == "<<" || operator == "<<-" {
            let cell = Rc::new(OnceCell::new());
            let mut delimiter = String::new();
            let mut verbatim = self.slice(start..self.at).contains(['\'', '"', '\\']);
            for piece in &target.pieces {
                match piece {
                    Piece::Literal { text, quoted } => {
                        delimiter.push_str(text);
                        verbatim |= *quoted;
                    }
                    Piece::Parameter { raw, .. } | Piece::Substitution { raw, .. } | Piece::Process { raw, .. } => {
                        delimiter.push_str(raw);
                    }
                    Piece::Opaque(raw) => delimiter.push_str(raw),
                }
            }
            let strip_tabs = operator == "<<-";
            self.pending.push(Pending { cell: Rc::clone(&cell), delimiter, strip_tabs, verbatim });
            heredoc = Some(cell);
        }
        Some(Redirection { operator, target, heredoc })
    }

    /// `NAME=` or `NAME+=` at this place: the length of it, the name, and whether it appends.
    fn assignment_head(&self) -> Option<(usize, &'a str, bool)> {
        let rest = self.rest();
        let name = rest.bytes().take_while(|byte| byte.is_ascii_alphanumeric() || *byte == b'_').count();
        if name == 0 || rest.as_bytes().first()?.is_ascii_digit() {
            return None;
        }
        let after = rest.get(name..)?;
        let append = after.starts_with("+=");
        (append || after.starts_with('=')).then_some((name + 1 + usize::from(append), rest.get(..name)?, append))
    }

    pub(super) fn simple(&mut self, stops: &[&str]) -> Option<Node> {
        let mut simple = Simple { range: self.at..self.at, ..Simple::default() };
        loop {
            self.blanks();
            if let Some(redirection) = self.redirection() {
                simple.redirections.push(redirection);
                simple.range.end = self.at;
                continue;
            }
            match self.peek() {
                None | Some('\n' | ';' | '&' | '|' | ')') => break,
                Some('(') => {
                    let name = match simple.words.as_slice() {
                        [word] if simple.assignments.is_empty() => plain(word),
                        _ => None,
                    };
                    let inner = self.rest().get(1..).unwrap_or("").trim_start_matches([' ', '\t']);
                    if let (Some(name), true) = (name, inner.starts_with(')')) {
                        self.at = self.text.len() - inner.len() + 1;
                        return Some(self.function(name, stops));
                    }
                    break;
                }
                _ => {}
            }
            if simple.words.is_empty()
                && let Some((length, name, append)) = self.assignment_head()
            {
                self.at += length;
                let (values, array) = self.assigned();
                simple.assignments.push(Assignment { name: name.to_owned(), values, array, append });
                simple.range.end = self.at;
                continue;
            }
            let before = self.at;
            let word = self.word();
            if self.at == before {
                break;
            }
            simple.words.push(word);
            simple.range.end = self.at;
        }
        let empty = simple.words.is_empty() && simple.assignments.is_empty() && simple.redirections.is_empty();
        (!empty).then_some(Node::Simple(simple))
    }

    fn assigned(&mut self) -> (Vec<Word>, bool) {
        if !self.eat("(") {
            return (vec![self.word()], false);
        }
        let mut values = Vec::new();
        loop {
            self.blanks();
            match self.peek() {
                None => break,
                Some(')') => {
                    self.at += 1;
                    break;
                }
                Some('\n') => self.newline(),
                _ => {
                    let before = self.at;
                    let word = self.word();
                    if self.at == before {
                        self.bump();
                    } else {
                        values.push(word);
                    }
                }
            }
        }
        (values, true)
    }
}

/// The text of a word that is one plain literal.
pub(super) fn plain(word: &Word) -> Option<String> {
    match word.pieces.as_slice() {
        [Piece::Literal { text, .. }] => Some(text.clone()),
        _ => None,
    }
}

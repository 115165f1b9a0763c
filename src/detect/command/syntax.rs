//! What the shell grammar makes of a text: lists, pipelines, compound commands, simple commands.
//!
//! The part of POSIX.1-2024 "Shell Command Language" and of bash that agents write. It never fails: what is not
//! understood is taken as words, so that a broken line still shows its commands. It never looks back, so its time
//! is linear in the text (look-ahead is bounded), and nesting is bounded by [`DEEPEST`].

use std::cell::OnceCell;
use std::collections::BTreeSet;
use std::ops::Range;
use std::rc::Rc;

/// Bound on nesting of groups, loops and substitutions within one text.
pub(super) const DEEPEST: usize = 24;

/// A node of the syntax tree.
#[derive(Clone, Debug)]
pub(super) enum Node {
    Simple(Simple),
    /// `a | b | c`
    Pipeline(Vec<Node>),
    /// `a; b && c & d`
    List(Vec<Item>),
    /// `( … )` or `{ …; }` with the redirections behind it.
    Group(Box<Node>, Vec<Redirection>),
    /// `for name in words; do body; done`; without words it runs over the positional parameters.
    For(String, Option<Vec<Word>>, Box<Node>),
    /// `for (( header )); do body; done`
    CountedFor(String, Box<Node>),
    /// Every list of an `if`, a `while` or a `case`, in the order written, with the redirections behind it.
    Branches(Vec<Node>, Vec<Redirection>),
    Function(String, Rc<Node>),
}

/// A member of a list.
#[derive(Clone, Debug)]
pub(super) struct Item {
    pub(super) node: Node,
    /// Followed by `&`.
    pub(super) background: bool,
}

/// Assignments, words and redirections.
#[derive(Clone, Debug, Default)]
pub(super) struct Simple {
    pub(super) assignments: Vec<Assignment>,
    pub(super) words: Vec<Word>,
    pub(super) redirections: Vec<Redirection>,
    pub(super) range: Range<usize>,
}

/// `name=value` or `name=(values)`.
#[derive(Clone, Debug)]
pub(super) struct Assignment {
    pub(super) name: String,
    pub(super) values: Vec<Word>,
    pub(super) array: bool,
    pub(super) append: bool,
}

/// A redirection as written.
#[derive(Clone, Debug)]
pub(super) struct Redirection {
    pub(super) operator: &'static str,
    pub(super) target: Word,
    pub(super) heredoc: Option<Rc<OnceCell<Heredoc>>>,
}

/// The body of a here-document.
#[derive(Clone, Debug)]
pub(super) struct Heredoc {
    pub(super) text: String,
    /// The delimiter was quoted: the body is taken as it stands.
    pub(super) verbatim: bool,
}

/// A word, not yet expanded.
#[derive(Clone, Debug, Default)]
pub(super) struct Word {
    pub(super) pieces: Vec<Piece>,
    pub(super) range: Range<usize>,
}

/// A part of a word.
#[derive(Clone, Debug)]
pub(super) enum Piece {
    Literal {
        text: String,
        quoted: bool,
    },
    Parameter {
        name: String,
        /// What `${name:-…}` and its kin give when the name is not set.
        default: Option<String>,
        /// As written, for when the value is not known.
        raw: String,
        quoted: bool,
    },
    Substitution {
        body: Box<Node>,
        raw: String,
        quoted: bool,
        /// It was read from a text of its own (backquotes): places in the body do not refer to the text around.
        apart: bool,
    },
    /// `<( … )` or `>( … )`
    Process {
        body: Box<Node>,
        raw: String,
    },
    /// `$(( … ))` or a parameter expansion that is not computed.
    Opaque(String),
}

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
    parens: usize,
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

    fn blanks(&mut self) {
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
    fn newline(&mut self) {
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
    fn plain_word(&self) -> &'a str {
        let rest = self.rest();
        let end = rest.find(|c: char| c.is_whitespace() || ";&|()<>\"'\\$`".contains(c)).unwrap_or(rest.len());
        rest.get(..end).unwrap_or("")
    }

    /// Where `needle` stands next, looking no further than `window` bytes and no further than this line.
    fn find_within(&self, window: usize, needle: &str) -> Option<usize> {
        let rest = self.rest().as_bytes();
        let rest = rest.get(..rest.len().min(window))?;
        let line = rest.split(|byte| *byte == b'\n').next()?;
        line.windows(needle.len()).position(|part| part == needle.as_bytes()).map(|at| self.at + at)
    }

    fn at_stop(&self, stops: &[&str]) -> bool {
        match self.peek() {
            None => true,
            Some(')') => self.parens > 0 || stops.contains(&")"),
            Some(';') => self.starts(";;") && stops.contains(&";;"),
            _ => !stops.is_empty() && stops.contains(&self.plain_word()),
        }
    }

    /// A list up to one of `stops` (not consumed), to the `)` of the enclosing group, or to the end.
    fn list(&mut self, stops: &[&str]) -> Node {
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

    fn command(&mut self, stops: &[&str]) -> Option<Node> {
        if self.starts("((") {
            if let Some(length) = self.arithmetic_length(2) {
                self.at += length;
                return None;
            }
        }
        if self.eat("(") {
            let body = self.parenthesised();
            return Some(Node::Group(Box::new(body), self.redirections()));
        }
        match self.plain_word() {
            "{" => {
                self.at += 1;
                let body = self.body(&["}"]);
                self.eat("}");
                Some(Node::Group(Box::new(body), self.redirections()))
            }
            "if" => {
                self.at += 2;
                let mut parts = Vec::new();
                loop {
                    parts.push(self.body(&["then", "elif", "else", "fi"]));
                    match self.plain_word() {
                        word @ ("then" | "elif" | "else") => self.at += word.len(),
                        "fi" => {
                            self.at += 2;
                            break;
                        }
                        _ => break,
                    }
                }
                Some(Node::Branches(parts, self.redirections()))
            }
            word @ ("while" | "until") => {
                self.at += word.len();
                let condition = self.body(&["do"]);
                let body = self.do_body();
                Some(Node::Branches(vec![condition, body], self.redirections()))
            }
            word @ ("for" | "select") => {
                self.at += word.len();
                Some(self.for_loop())
            }
            "case" => {
                self.at += 4;
                Some(self.case())
            }
            "function" => {
                self.at += 8;
                self.blanks();
                let name = self.plain_word();
                self.at += name.len();
                self.blanks();
                if self.eat("(") {
                    self.blanks();
                    self.eat(")");
                }
                Some(self.function(name.to_owned(), stops))
            }
            "[[" => {
                let start = self.at;
                self.at = match self.find_within(WINDOW, "]]") {
                    Some(end) => end + 2,
                    None => start + 2,
                };
                let word = |range: Range<usize>, text: &str| Word {
                    pieces: vec![Piece::Literal { text: text.to_owned(), quoted: true }],
                    range,
                };
                let inner = self.slice(start + 2..self.at);
                Some(Node::Simple(Simple {
                    words: vec![word(start..start + 2, "[["), word(start + 2..self.at, inner)],
                    range: start..self.at,
                    ..Simple::default()
                }))
            }
            "time" => {
                self.at += 4;
                self.blanks();
                self.eat("-p ");
                self.blanks();
                self.deeper(|parser| parser.command(stops)).flatten()
            }
            _ => self.simple(stops),
        }
    }

    fn body(&mut self, stops: &[&str]) -> Node {
        self.deeper(|parser| parser.list(stops)).unwrap_or(Node::List(Vec::new()))
    }

    /// `do list done`, or the `{ list }` that bash allows in its place.
    fn do_body(&mut self) -> Node {
        self.separators();
        let (open, close) = if self.plain_word() == "{" { ("{", "}") } else { ("do", "done") };
        self.eat(open);
        let body = self.body(&[close]);
        self.eat(close);
        body
    }

    fn separators(&mut self) {
        loop {
            self.blanks();
            match self.peek() {
                Some('\n') => self.newline(),
                Some(';') => self.at += 1,
                _ => return,
            }
        }
    }

    fn for_loop(&mut self) -> Node {
        self.blanks();
        if self.starts("((") {
            let length = self.arithmetic_length(2).unwrap_or(2);
            let header = self.slice(self.at + 2..self.at + length.saturating_sub(2)).to_owned();
            self.at += length;
            let body = self.do_body();
            return Node::CountedFor(header, Box::new(body));
        }
        let name = self.plain_word().to_owned();
        self.at += name.len();
        self.separators();
        let mut words = None;
        if self.plain_word() == "in" {
            self.at += 2;
            let mut list = Vec::new();
            loop {
                self.blanks();
                match self.peek() {
                    None | Some(';' | '\n' | '&' | '|' | ')' | '(' | '>') => break,
                    Some('<') if !self.starts("<(") => break,
                    _ => {
                        let before = self.at;
                        list.push(self.word());
                        if self.at == before {
                            break;
                        }
                    }
                }
            }
            words = Some(list);
        }
        let body = self.do_body();
        let redirections = self.redirections();
        let node = Node::For(name, words, Box::new(body));
        if redirections.is_empty() { node } else { Node::Group(Box::new(node), redirections) }
    }

    fn case(&mut self) -> Node {
        self.blanks();
        let subject = self.word();
        self.separators();
        if self.plain_word() == "in" {
            self.at += 2;
        }
        let mut parts = vec![Node::Simple(Simple {
            words: vec![
                Word {
                    pieces: vec![Piece::Literal { text: ":".to_owned(), quoted: true }],
                    range: subject.range.clone(),
                },
                subject,
            ],
            ..Simple::default()
        })];
        loop {
            self.separators();
            if self.peek().is_none() || self.plain_word() == "esac" {
                self.eat("esac");
                break;
            }
            let before = self.at;
            self.eat("(");
            while let Some(next) = self.peek() {
                if next == ')' {
                    self.at += 1;
                    break;
                }
                if next == '\n' {
                    break;
                }
                if next == '|' || next == '(' || next == ';' || next == '&' || next == '<' || next == '>' {
                    self.at += 1;
                } else if next.is_whitespace() {
                    self.bump();
                } else {
                    let at = self.at;
                    self.word();
                    if self.at == at {
                        self.bump();
                    }
                }
            }
            let parens = std::mem::take(&mut self.parens);
            parts.push(self.body(&[";;", ";&", ";;&", "esac"]));
            self.parens = parens;
            if !(self.eat(";;&") || self.eat(";;") || self.eat(";&")) && self.at == before {
                self.bump();
            }
        }
        Node::Branches(parts, self.redirections())
    }

    fn function(&mut self, name: String, stops: &[&str]) -> Node {
        self.separators();
        let body = self.deeper(|parser| parser.command(stops)).flatten();
        Node::Function(name, Rc::new(body.unwrap_or(Node::List(Vec::new()))))
    }

    fn redirections(&mut self) -> Vec<Redirection> {
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

    fn simple(&mut self, stops: &[&str]) -> Option<Node> {
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
            if simple.words.is_empty() {
                if let Some((length, name, append)) = self.assignment_head() {
                    self.at += length;
                    let (values, array) = self.assigned();
                    simple.assignments.push(Assignment { name: name.to_owned(), values, array, append });
                    simple.range.end = self.at;
                    continue;
                }
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

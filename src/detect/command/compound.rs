//! Compound commands: groups, conditions, loops, functions.

use std::ops::Range;
use std::rc::Rc;

use super::syntax::{Parser, WINDOW};
use super::tree::{Node, Piece, Simple, Word};

impl Parser<'_> {
    pub(super) fn command(&mut self, stops: &[&str]) -> Option<Node> {
        if self.starts("((")
            && let Some(length) = self.arithmetic_length(2)
        {
            self.at += length;
            return None;
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

    pub(super) fn body(&mut self, stops: &[&str]) -> Node {
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

    pub(super) fn separators(&mut self) {
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

    pub(super) fn function(&mut self, name: String, stops: &[&str]) -> Node {
        self.separators();
        let body = self.deeper(|parser| parser.command(stops)).flatten();
        Node::Function(name, Rc::new(body.unwrap_or(Node::List(Vec::new()))))
    }
}

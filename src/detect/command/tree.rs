//! The syntax tree of a shell text.

use std::cell::OnceCell;
use std::ops::Range;
use std::rc::Rc;

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

//! What holds for a part of a line while it is walked.

use std::ops::Range;
use std::rc::Rc;

use super::{LONGEST_TEXT, Launcher};

/// Bound on nesting while running: groups, function calls and nested shells together.
const DEEPEST: usize = 48;

/// What a command prints, as far as the text says.
#[derive(Clone, Debug, Default)]
pub(super) struct Printed {
    pub(super) text: String,
    /// Nothing of it is unknown.
    pub(super) complete: bool,
    /// It went through base64, hex or a reversal.
    pub(super) decoded: bool,
}

/// Where a text that is read stands in the outermost text.
#[derive(Clone, Debug)]
pub(super) enum Origin {
    /// Byte for byte at this offset.
    At(usize),
    /// Somewhere behind this word.
    Within(Range<usize>),
}

/// What holds for a part of the line.
#[derive(Clone, Debug)]
pub(super) struct Context {
    pub(super) origin: Origin,
    pub(super) background: bool,
    pub(super) launchers: Vec<Launcher>,
    pub(super) decoded: bool,
    /// Shared: contexts are made for every node, and programs may have long names.
    pub(super) input_from: Rc<[String]>,
    pub(super) depth: usize,
}

impl Context {
    pub(super) fn range(&self, range: &Range<usize>) -> Range<usize> {
        match &self.origin {
            Origin::At(offset) => offset + range.start..offset + range.end,
            Origin::Within(outer) => outer.clone(),
        }
    }

    /// For text whose own places do not count: it stands within `range`.
    pub(super) fn within(&self, range: &Range<usize>) -> Self {
        Context { origin: Origin::Within(range.clone()), ..self.clone() }
    }

    /// For the inside of `$(…)`: nothing of the pipeline around it flows in.
    pub(super) fn substituted(&self) -> Self {
        Context { input_from: Rc::default(), background: false, depth: self.depth + 1, ..self.clone() }
    }

    pub(super) fn within_bounds(&self) -> bool {
        self.depth <= DEEPEST
    }

    pub(super) fn deeper(&self) -> Self {
        Context { depth: self.depth + 1, ..self.clone() }
    }

    pub(super) fn launched(&self, launcher: Launcher) -> Self {
        let mut context = self.deeper();
        if !context.launchers.contains(&launcher) {
            context.launchers.push(launcher);
        }
        context
    }
}

impl Printed {
    /// Puts what the next command of a list prints behind it.
    pub(super) fn join(&mut self, part: Option<Printed>) {
        match part {
            Some(part) => {
                self.text.push_str(&part.text);
                self.complete &= part.complete;
                self.decoded |= part.decoded;
            }
            None => self.complete = false,
        }
        if self.text.len() > LONGEST_TEXT {
            self.text.clear();
            self.complete = false;
        }
    }
}

//! Files whose records do not stand one on a line, laid out so that they do, each on the line where it begins.

use std::io::Read;

use super::documents::{Documents, is_document};
use super::export::{Export, is_export};
use super::linux::auditd::group::{Groups, is_trail};
use super::sensor::nfdump::blocks::{Blocks, is_raw};
use crate::evidence::Pieced;

/// What keeps the records of a file off lines of their own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Layout {
    /// JSON over several lines or in one list.
    Document,
    /// `journalctl -o export`.
    Export,
    /// An audit trail: an event is several records.
    Trail,
    /// `nfdump -o raw`: a block of lines for each flow.
    Blocks,
}

impl Layout {
    /// Of a file that begins so; `None` if each line is a record.
    pub(super) fn of(beginning: &[u8]) -> Option<Self> {
        if is_document(beginning) {
            Some(Layout::Document)
        } else if is_export(beginning) {
            Some(Layout::Export)
        } else if is_trail(beginning) {
            Some(Layout::Trail)
        } else if is_raw(beginning) {
            Some(Layout::Blocks)
        } else {
            None
        }
    }

    /// The same with a record on each line that is not empty.
    pub(super) fn lines<'r>(self, input: impl Read + Send + 'r) -> Box<dyn Read + Send + 'r> {
        match self {
            Layout::Document => Box::new(Pieced::new(Documents::new(input))),
            Layout::Export => Box::new(Pieced::new(Export::new(input))),
            Layout::Blocks => Box::new(Pieced::new(Blocks::new(input))),
            Layout::Trail => Box::new(Pieced::new(Groups::new(input))),
        }
    }
}

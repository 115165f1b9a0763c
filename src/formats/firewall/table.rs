//! Rows under a header line that names their columns.

use std::borrow::Cow;
use std::sync::Arc;

use foldhash::fast::FixedState;
use hashbrown::HashMap;

use super::fields::{Field, Fields, Names};
use super::notation::delimited::cells;

/// What a header says.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Table(Arc<Header>);

/// See [`Table`].
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Header {
    /// Between cells.
    pub(crate) delimiter: u8,
    pub(crate) columns: Vec<String>,
    /// The place of each column; of those that are named alike, the first.
    places: HashMap<String, usize, FixedState>,
    /// What each column means.
    fields: Vec<Option<Field>>,
    /// Cells that stand for nothing, besides those that do everywhere.
    pub(crate) unset: Vec<Vec<u8>>,
    /// What else headers say of the rows: Zeek's `#path`, the zone of a Windows log.
    pub(crate) about: String,
}

impl Table {
    /// A table of these columns. `names` says what they mean.
    pub(crate) fn new(delimiter: u8, columns: Vec<String>, names: &Names) -> Self {
        let fields = columns.iter().map(|column| names.get(column.as_bytes())).collect();
        let mut places = HashMap::with_hasher(FixedState::with_seed(0));
        for (place, column) in columns.iter().enumerate() {
            places.entry(column.clone()).or_insert(place);
        }
        Table(Arc::new(Header { delimiter, columns, places, fields, ..Header::default() }))
    }

    /// The table of a header line that names all of `wanted`; its names are separated by commas, tabs, bars or blanks.
    pub(crate) fn of_names(line: &[u8], wanted: &[&str], names: &Names) -> Option<Self> {
        let line = line.strip_prefix(b"\xef\xbb\xbf").unwrap_or(line).trim_ascii();
        if !wanted.iter().all(|name| memchr::memmem::find(line, name.as_bytes()).is_some()) {
            return None;
        }
        let delimiter = [b',', b'\t', b'|', b' '].into_iter().find(|byte| memchr::memchr(*byte, line).is_some())?;
        let columns: Vec<String> =
            cells(line, delimiter).iter().map(|name| String::from_utf8_lossy(name).trim().to_owned()).collect();
        wanted
            .iter()
            .all(|name| columns.iter().any(|column| column == name))
            .then(|| Table::new(delimiter, columns, names))
    }

    /// The same with more said.
    pub(crate) fn with(&self, change: impl FnOnce(&mut Header)) -> Self {
        let mut header = (*self.0).clone();
        change(&mut header);
        Table(Arc::new(header))
    }

    /// No header was seen.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.columns.is_empty()
    }

    pub(crate) fn header(&self) -> &Header {
        &self.0
    }

    /// Where a column stands.
    pub(crate) fn place(&self, column: &str) -> Option<usize> {
        self.0.places.get(column).copied()
    }

    /// The cell of a column, if the row has one and it stands for something.
    pub(crate) fn cell<'r>(&self, row: &'r [Cow<'r, [u8]>], column: &str) -> Option<&'r [u8]> {
        let cell = row.get(self.place(column)?)?;
        (!cell.is_empty() && !self.0.unset.iter().any(|unset| unset[..] == **cell)).then_some(cell)
    }

    /// The cells whose columns mean something.
    pub(crate) fn take<'r>(&self, row: &'r [Cow<'_, [u8]>], fields: &mut Fields<'r>) {
        for (cell, field) in row.iter().zip(&self.0.fields) {
            if let Some(field) = field
                && !self.0.unset.iter().any(|unset| unset[..] == **cell)
            {
                fields.set(*field, Cow::Borrowed(cell));
            }
        }
    }
}

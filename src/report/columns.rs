//! Tables by column, before they are bytes: as CSV through polars, as Parquet through [`super::parquet`].

use polars::prelude::{Column as PolarsColumn, CsvWriter, DataFrame, DataType, PolarsResult, SerWriter};

use super::escape;
use super::when::{rfc3339, seconds, six_digits};
use crate::time::Instant;

/// The cells of a column. What is unknown is `None`, never 0.
#[derive(Clone, Debug, PartialEq)]
pub enum Cells {
    /// As the evidence has it; every writer makes it inert in its own way.
    Text(Vec<Option<String>>),
    Moment(Vec<Option<Instant>>),
    Integer(Vec<Option<i64>>),
    Number(Vec<Option<f64>>),
    Flag(Vec<Option<bool>>),
}

/// A named column.
#[derive(Clone, Debug, PartialEq)]
pub struct Column {
    pub name: String,
    pub cells: Cells,
}

/// Columns of one length.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Table(pub Vec<Column>);

fn column(name: &str, cells: Cells) -> Column {
    Column { name: name.to_owned(), cells }
}

pub(super) fn text<S: AsRef<str>>(name: &str, cells: impl Iterator<Item = Option<S>>) -> Column {
    let cells = cells.map(|cell| cell.map(|cell| cell.as_ref().to_owned()).filter(|cell| !cell.is_empty()));
    column(name, Cells::Text(cells.collect()))
}

pub(super) fn words<S: AsRef<str>>(name: &str, cells: impl Iterator<Item = S>) -> Column {
    text(name, cells.map(Some))
}

pub(super) fn moments(name: &str, cells: impl Iterator<Item = Option<Instant>>) -> Column {
    column(name, Cells::Moment(cells.collect()))
}

pub(super) fn integers<N: TryInto<i64>>(name: &str, cells: impl Iterator<Item = Option<N>>) -> Column {
    // Counts beyond 2^63 do not occur; one that did would be unknown rather than wrong.
    column(name, Cells::Integer(cells.map(|cell| cell.and_then(|cell| cell.try_into().ok())).collect()))
}

pub(super) fn numbers(name: &str, cells: impl Iterator<Item = Option<f64>>) -> Column {
    exact(name, cells.map(|cell| cell.and_then(six_digits)))
}

/// Numbers as they are.
pub(super) fn exact(name: &str, cells: impl Iterator<Item = Option<f64>>) -> Column {
    column(name, Cells::Number(cells.collect()))
}

/// Seconds to the nanosecond, as text of a plain decimal would be; six digits would not hold an epoch-sized offset.
pub(super) fn exact_seconds(name: &str, cells: impl Iterator<Item = Option<i64>>) -> Column {
    exact(name, cells.map(|cell| cell.map(seconds)))
}

impl Column {
    /// The column as polars has it; moments as text.
    fn plain(self) -> PolarsColumn {
        let name = self.name.as_str().into();
        match self.cells {
            Cells::Text(cells) => PolarsColumn::new(name, cells),
            Cells::Moment(cells) => {
                let cells: Vec<Option<String>> = cells.into_iter().map(|at| at.map(rfc3339)).collect();
                PolarsColumn::new(name, cells)
            }
            Cells::Integer(cells) => PolarsColumn::new(name, cells),
            Cells::Number(cells) => PolarsColumn::new(name, cells),
            Cells::Flag(cells) => PolarsColumn::new(name, cells),
        }
    }

    /// The column with text that can be no formula.
    fn fit_for_csv(mut self) -> Self {
        if let Cells::Text(cells) = &mut self.cells {
            for cell in cells.iter_mut().flatten() {
                if let std::borrow::Cow::Owned(inert) = escape::csv_cell(cell) {
                    *cell = inert;
                }
            }
        }
        self
    }
}

impl Table {
    /// The table as CSV: one header, times in RFC 3339 UTC, unknown cells empty. Text cells cannot become formulas.
    ///
    /// # Errors
    /// Only when polars cannot build the frame, which it can from columns of one length.
    pub fn csv(self) -> PolarsResult<Vec<u8>> {
        self.csv_part(true)
    }

    /// The same; with `first` not set without the header, to be put behind others of the same columns.
    ///
    /// # Errors
    /// As [`Table::csv`].
    pub fn csv_part(self, first: bool) -> PolarsResult<Vec<u8>> {
        let columns = self.0.into_iter().map(|column| column.fit_for_csv().plain()).collect();
        let mut frame = DataFrame::new_infer_height(columns)?;
        let mut bytes = Vec::new();
        CsvWriter::new(&mut bytes).include_header(first).n_threads(1).finish(&mut frame)?;
        Ok(bytes)
    }

    /// The table as a frame, for groups and sums.
    ///
    /// # Errors
    /// As [`Table::csv`].
    pub(super) fn frame(self) -> PolarsResult<DataFrame> {
        DataFrame::new_infer_height(self.0.into_iter().map(Column::plain).collect())
    }

    /// A frame of text and integers as a table.
    ///
    /// # Errors
    /// When it holds anything else.
    pub(super) fn of_frame(frame: &DataFrame) -> PolarsResult<Self> {
        let of = |from: &PolarsColumn| {
            let cells = match from.dtype() {
                DataType::String => Cells::Text(from.str()?.iter().map(|cell| cell.map(str::to_owned)).collect()),
                _ => Cells::Integer(from.i64()?.iter().collect()),
            };
            Ok(column(from.name(), cells))
        };
        Ok(Table(frame.columns().iter().map(of).collect::<PolarsResult<_>>()?))
    }
}

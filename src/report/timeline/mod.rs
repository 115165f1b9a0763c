//! The raw timeline: every observation and step, sorted by (time, source, record), undated ones last.
//!
//! Rows are rendered as they are read, kept up to a bound, then written to temporary files as sorted runs, which are
//! merged at the end: memory does not grow with the evidence.

pub mod columns;
pub mod condition;
mod filter;
mod parquet;
mod rows;
mod sink;

use std::borrow::Cow;
use std::io::{self, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

pub use columns::Columns;
pub use condition::Condition;
pub use filter::Filter;
pub(crate) use parquet::typed_columns;
pub use rows::Pool;
pub use sink::TimelineSink;

use super::jsonl::to_line;
use super::observation::{step_row, step_time};
use super::redact::{self, Masked};
use super::row::{Row, csv_line};
use super::timesketch;
use crate::correlate::drift::Correction;
use crate::correlate::{Clock, Grade};
use crate::intake::Source;
use crate::model::{Episode, Step};

/// How rows are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    Csv,
    Jsonl,
    TimesketchCsv,
    TimesketchJsonl,
    /// Binary: a file rather than lines.
    Parquet,
}

impl Shape {
    /// The row as bytes, of some columns where the shape lets them be chosen; `None` if it has no place in this shape.
    fn render(self, row: &Row, columns: Option<&[usize]>, show_secrets: bool) -> Option<Masked<Vec<u8>>> {
        let bytes = match (self, columns) {
            (Shape::Csv, None) => row.csv(),
            (Shape::Csv, Some(columns)) => row.csv_of(columns),
            (Shape::Jsonl, Some(columns)) => row.jsonl_of(columns),
            (Shape::Jsonl | Shape::Parquet, _) => to_line(row).into_bytes(),
            (Shape::TimesketchCsv, _) => timesketch::csv(row)?,
            (Shape::TimesketchJsonl, _) => timesketch::jsonl(row)?,
        };
        let masked = (!show_secrets).then(|| redact::masked_bytes(&bytes));
        Some(match masked {
            Some((Cow::Owned(masked), places)) => (masked, places),
            _ => (bytes, 0),
        })
    }

    /// What stands before the first row.
    fn header(self, columns: Option<&Columns>) -> Vec<u8> {
        match (self, columns) {
            (Shape::Csv, None) => csv_line(Row::COLUMNS),
            (Shape::Csv, Some(columns)) => csv_line(columns.names()),
            (Shape::TimesketchCsv, _) => timesketch::header(),
            (Shape::Jsonl | Shape::TimesketchJsonl | Shape::Parquet, _) => Vec::new(),
        }
    }
}

/// The corrections of all sources, in their order: of clocks of grade A or B what was found, of grade C the hours of a
/// wrong zone label and no more, since an offset that is not known well enough would only replace one error by another.
pub fn corrections(sources: &[Source], clocks: &[Clock]) -> Vec<Correction> {
    let mut corrections = vec![Correction::default(); sources.len()];
    for clock in clocks {
        let found = match clock.grade {
            Grade::A | Grade::B => clock.correction(),
            Grade::C if clock.zone_error_ns != 0 => Correction::constant(clock.zone_error_ns),
            _ => continue,
        };
        for id in &clock.sources {
            if let Some(correction) = corrections.get_mut(id.0 as usize) {
                *correction = found.clone();
            }
        }
    }
    corrections
}

/// What all sinks of a timeline share.
#[derive(Debug)]
pub struct Plan {
    pub sources: Vec<Source>,
    /// In the order of the sources.
    pub corrections: Vec<Correction>,
    pub filter: Filter,
    /// What must hold of the cells of a row, beside the filter.
    pub condition: Option<Condition>,
    /// The columns shown, in their order; `None` shows all.
    pub columns: Option<Columns>,
    pub shape: Shape,
    pub pool: Pool,
    /// Wallets, logins and workers are shown whole.
    pub show_secrets: bool,
    /// Rows that are wanted but have no time where the shape has no place for such.
    pub left_out: AtomicU64,
    /// Places of rows that are masked.
    pub masked: AtomicU64,
}

impl Plan {
    fn takes(&self, row: &Row) -> bool {
        self.condition.as_ref().is_none_or(|condition| condition.holds(row))
    }

    fn put(&self, key: rows::Key, row: &Row, buffer: &mut rows::Buffer) {
        let columns = self.columns.as_ref().map(|columns| columns.places());
        match self.shape.render(row, columns, self.show_secrets) {
            Some((bytes, masked)) => {
                self.masked.fetch_add(masked, Ordering::Relaxed);
                buffer.push(key, &bytes);
                self.pool.take_if_full(buffer);
            }
            None => {
                self.left_out.fetch_add(1, Ordering::Relaxed);
            }
        }
    }

    /// Adds the steps of all episodes.
    pub fn add_steps(&self, episodes: &[Episode], steps: &[Step]) {
        let mut buffer = rows::Buffer::default();
        let by_id: std::collections::BTreeMap<&str, &Episode> =
            episodes.iter().map(|episode| (episode.id.as_str(), episode)).collect();
        for step in steps {
            let at = step.record.evidence.0 as usize;
            let (Some(source), Some(clock)) = (self.sources.get(at), self.corrections.get(at)) else { continue };
            let episode = by_id.get(&*step.episode).copied();
            let name = episode.map_or(&*step.episode, |episode| episode.name.as_str());
            let time = step_time(step, clock);
            if self.filter.takes_step(time, name, &step.episode, episode) {
                let row = step_row(step, name, episode, source, clock);
                if !self.takes(&row) {
                    continue;
                }
                let key = rows::Key::new(time.map(|span| span.lo), step.record.evidence.0, step.record.number);
                self.put(key, &row, &mut buffer);
            }
        }
        self.pool.take(&mut buffer);
    }

    /// Writes the header and all rows in order; gives the number of rows.
    ///
    /// # Errors
    /// When a temporary file could not be written or read, at any time before, or `out` fails.
    pub fn write(self: Arc<Self>, out: &mut (dyn Write + Send)) -> io::Result<u64> {
        if self.shape == Shape::Parquet {
            let mut groups = parquet::Groups::new(out)?;
            let rows = self.pool.drain(&mut |row| groups.push(row))?;
            groups.finish()?.flush()?;
            return Ok(rows);
        }
        out.write_all(&self.shape.header(self.columns.as_ref()))?;
        self.pool.drain(&mut |row| out.write_all(row))
    }
}

#[cfg(test)]
mod tests;

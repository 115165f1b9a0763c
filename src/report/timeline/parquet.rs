//! The timeline as Parquet. Rows wait in the pool as lines of JSON, so that they are sorted and masked as every other
//! shape is, and become columns a group at a time.

use std::io::{self, Write};

use serde_json::{Map, Value};

use crate::report::columns::{Cells, Column, Table};
use crate::report::parquet::Writer;
use crate::report::row::Row;
use crate::time::Instant;

/// Bounds of a group of rows: what memory holds at a time.
const ROWS: usize = 1 << 16;
const BYTES: usize = 32 << 20;

fn empty(name: &str) -> Cells {
    match name {
        "time" | "time_hi" => Cells::Moment(Vec::new()),
        "index" | "exit_code" | "pgid" | "src_port" | "dst_port" | "bytes_out" | "bytes_in" | "packets_out"
        | "packets_in" | "gpu" | "pid" => Cells::Integer(Vec::new()),
        "reward" | "utilization_percent" | "memory_used_mib" | "power_w" | "sm_clock_mhz" | "temperature_c" => {
            Cells::Number(Vec::new())
        }
        "not_executed" | "background" => Cells::Flag(Vec::new()),
        _ => Cells::Text(Vec::new()),
    }
}

/// The columns with their types, in their order.
pub(crate) fn typed_columns() -> impl Iterator<Item = (&'static str, Cells)> {
    Row::COLUMNS.into_iter().map(|name| (name, empty(name)))
}

fn no_rows() -> Table {
    Table(typed_columns().map(|(name, cells)| Column { name: name.to_owned(), cells }).collect())
}

fn moment(text: &str) -> Option<Instant> {
    chrono::DateTime::parse_from_rfc3339(text).ok()?.timestamp_nanos_opt().map(Instant)
}

fn push(column: &mut Column, value: Option<&Value>) {
    match &mut column.cells {
        Cells::Text(cells) => cells.push(value.and_then(Value::as_str).map(str::to_owned)),
        Cells::Moment(cells) => cells.push(value.and_then(Value::as_str).and_then(moment)),
        Cells::Integer(cells) => cells.push(value.and_then(Value::as_i64)),
        Cells::Number(cells) => cells.push(value.and_then(Value::as_f64)),
        Cells::Flag(cells) => cells.push(value.and_then(Value::as_bool)),
    }
}

/// Takes lines of JSON in their order.
pub(super) struct Groups<W: Write + Send> {
    writer: Writer<W>,
    held: Table,
    rows: usize,
    bytes: usize,
}

impl<W: Write + Send> Groups<W> {
    pub(super) fn new(out: W) -> io::Result<Self> {
        // Lines are masked when they get here.
        Ok(Groups { writer: Writer::new(out, &no_rows(), true)?, held: no_rows(), rows: 0, bytes: 0 })
    }

    pub(super) fn push(&mut self, line: &[u8]) -> io::Result<()> {
        let row: Map<String, Value> = serde_json::from_slice(line)?;
        for column in &mut self.held.0 {
            push(column, row.get(&column.name));
        }
        (self.rows, self.bytes) = (self.rows + 1, self.bytes + line.len());
        if self.rows >= ROWS || self.bytes >= BYTES { self.flush() } else { Ok(()) }
    }

    fn flush(&mut self) -> io::Result<()> {
        (self.rows, self.bytes) = (0, 0);
        self.writer.group(&std::mem::replace(&mut self.held, no_rows()))
    }

    pub(super) fn finish(mut self) -> io::Result<W> {
        if self.rows > 0 {
            self.flush()?;
        }
        self.writer.finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_column_has_the_kind_that_rows_give_it() {
        // A row with everything known, as it is serialised: a kind that does not fit would read as unknown.
        let text = || Some("x".to_owned());
        let time = || Some("2026-11-20T14:13:46.000000001Z".to_owned());
        let row = Row {
            row_type: "step",
            episode: text(),
            run: text(),
            index: Some(1),
            time: time(),
            time_hi: time(),
            time_basis: Some("x"),
            time_meaning: Some("x"),
            kind: Some("x"),
            path: "x".to_owned(),
            locator: "x".to_owned(),
            action: Some("x"),
            direction: Some("x"),
            src_ip: text(),
            src_port: Some(1),
            dst_ip: text(),
            dst_port: Some(1),
            protocol: text(),
            bytes_out: Some(1),
            bytes_in: Some(1),
            packets_out: Some(1),
            packets_in: Some(1),
            host: text(),
            rule: text(),
            domain: text(),
            app: text(),
            gpu: Some(1),
            gpu_uuid: text(),
            utilization_percent: Some(1.0),
            memory_used_mib: Some(1.0),
            power_w: Some(1.0),
            sm_clock_mhz: Some(1.0),
            temperature_c: Some(1.0),
            pid: Some(1),
            process: text(),
            tool: text(),
            command: text(),
            exit_code: Some(-1),
            actor: Some("x"),
            model: text(),
            start_kind: Some("x"),
            end_kind: Some("x"),
            sandbox: text(),
            container: text(),
            pgid: Some(1),
            approval: Some("x"),
            reward: Some(1.0),
            not_executed: true,
            background: true,
            message: text(),
        };
        let row = serde_json::to_value(&row).unwrap();
        for mut column in no_rows().0 {
            let value = row.get(&column.name);
            push(&mut column, value);
            let known = match &column.cells {
                Cells::Text(cells) => cells[0].is_some(),
                Cells::Moment(cells) => cells[0] == Some(Instant(1_795_184_026_000_000_001)),
                Cells::Integer(cells) => cells[0].is_some(),
                Cells::Number(cells) => cells[0].is_some(),
                Cells::Flag(cells) => cells[0].is_some(),
            };
            assert!(known, "{}", column.name);
        }
    }
}

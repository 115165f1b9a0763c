//! Tables and the timeline as Apache Parquet (<https://parquet.apache.org/docs/file-format/>), for DuckDB, pandas and
//! their like. Every column is optional; times are TIMESTAMP(NANOS, UTC). Text is shown as on a terminal
//! ([`escape::terminal`]): readers print it.

use std::io::{self, Write};
use std::sync::Arc;

use ::parquet::basic::{Compression, LogicalType, Repetition, TimeUnit, Type as Physical, ZstdLevel};
use ::parquet::column::writer::ColumnWriter;
use ::parquet::data_type::ByteArray;
use ::parquet::errors::ParquetError;
use ::parquet::file::properties::WriterProperties;
use ::parquet::file::writer::SerializedFileWriter;
use ::parquet::schema::types::{Type, TypePtr};

use super::columns::{Cells, Column, Table};
use super::{escape, redact};

/// A file that is written one group of rows after the other.
pub struct Writer<W: Write + Send> {
    file: SerializedFileWriter<W>,
    show_secrets: bool,
}

impl<W: Write + Send> Writer<W> {
    /// A writer for tables with the names and kinds of columns of `like`, whatever rows that has.
    ///
    /// # Errors
    /// When `out` fails.
    pub fn new(out: W, like: &Table, show_secrets: bool) -> io::Result<Self> {
        let properties = WriterProperties::builder()
            .set_compression(Compression::ZSTD(ZstdLevel::default()))
            .set_created_by(concat!(env!("CARGO_PKG_NAME"), " version ", env!("CARGO_PKG_VERSION")).to_owned());
        let schema = schema(like).map_err(failed)?;
        let file = SerializedFileWriter::new(out, schema, Arc::new(properties.build())).map_err(failed)?;
        Ok(Writer { file, show_secrets })
    }

    /// Writes the rows of a table as a group of their own.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn group(&mut self, table: &Table) -> io::Result<()> {
        let mut group = self.file.next_row_group().map_err(failed)?;
        for column in &table.0 {
            let Some(mut writer) = group.next_column().map_err(failed)? else { break };
            put(writer.untyped(), column, self.show_secrets).map_err(failed)?;
            writer.close().map_err(failed)?;
        }
        group.close().map_err(failed)?;
        Ok(())
    }

    /// Writes the end of the file, without which no reader takes it.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn finish(self) -> io::Result<W> {
        self.file.into_inner().map_err(failed)
    }
}

/// A table as a file.
///
/// # Errors
/// Only when columns are not of one length.
pub fn file(table: &Table, show_secrets: bool) -> io::Result<Vec<u8>> {
    let mut writer = Writer::new(Vec::new(), table, show_secrets)?;
    writer.group(table)?;
    writer.finish()
}

fn failed(error: ParquetError) -> io::Error {
    match error {
        ParquetError::External(inner) => match inner.downcast::<io::Error>() {
            Ok(inner) => *inner,
            Err(other) => io::Error::other(other),
        },
        other => io::Error::other(other),
    }
}

fn schema(table: &Table) -> Result<TypePtr, ParquetError> {
    let field = |column: &Column| {
        let (physical, logical) = match column.cells {
            Cells::Text(_) => (Physical::BYTE_ARRAY, Some(LogicalType::String)),
            Cells::Moment(_) => (Physical::INT64, Some(LogicalType::timestamp(true, TimeUnit::NANOS))),
            Cells::Integer(_) => (Physical::INT64, None),
            Cells::Number(_) => (Physical::DOUBLE, None),
            Cells::Flag(_) => (Physical::BOOLEAN, None),
        };
        let field = Type::primitive_type_builder(&column.name, physical)
            .with_repetition(Repetition::OPTIONAL)
            .with_logical_type(logical);
        field.build().map(Arc::new)
    };
    let fields = table.0.iter().map(field).collect::<Result<Vec<_>, _>>()?;
    Type::group_type_builder("schema").with_fields(fields).build().map(Arc::new)
}

/// The values that are known, and for each cell whether it is one of them (the definition level).
fn known<T, U>(cells: &[Option<T>], value: impl Fn(&T) -> U) -> (Vec<U>, Vec<i16>) {
    let levels = cells.iter().map(|cell| i16::from(cell.is_some())).collect();
    (cells.iter().flatten().map(value).collect(), levels)
}

fn put(writer: &mut ColumnWriter<'_>, column: &Column, show_secrets: bool) -> Result<(), ParquetError> {
    let shown = |text: &String| {
        let masked = if show_secrets { text.into() } else { redact::masked(text).0 };
        ByteArray::from(escape::terminal(&masked).as_bytes().to_vec())
    };
    match (writer, &column.cells) {
        (ColumnWriter::ByteArrayColumnWriter(writer), Cells::Text(cells)) => {
            let (values, levels) = known(cells, shown);
            writer.write_batch(&values, Some(&levels), None)?;
        }
        (ColumnWriter::Int64ColumnWriter(writer), Cells::Moment(cells)) => {
            let (values, levels) = known(cells, |at| at.0);
            writer.write_batch(&values, Some(&levels), None)?;
        }
        (ColumnWriter::Int64ColumnWriter(writer), Cells::Integer(cells)) => {
            let (values, levels) = known(cells, |cell| *cell);
            writer.write_batch(&values, Some(&levels), None)?;
        }
        (ColumnWriter::DoubleColumnWriter(writer), Cells::Number(cells)) => {
            let (values, levels) = known(cells, |cell| *cell);
            writer.write_batch(&values, Some(&levels), None)?;
        }
        (ColumnWriter::BoolColumnWriter(writer), Cells::Flag(cells)) => {
            let (values, levels) = known(cells, |cell| *cell);
            writer.write_batch(&values, Some(&levels), None)?;
        }
        _ => return Err(ParquetError::General(format!("column {} is of another kind than before", column.name))),
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use ::parquet::file::reader::{FileReader, SerializedFileReader};
    use ::parquet::record::Field;

    use super::*;
    use crate::report::{csv, fixture};

    /// The rows of a file as the library's own reader has them.
    fn read(bytes: Vec<u8>) -> (String, Vec<Vec<(String, Field)>>) {
        let mut whole = tempfile::tempfile().unwrap();
        whole.write_all(&bytes).unwrap();
        let reader = SerializedFileReader::new(whole).unwrap();
        let mut schema = Vec::new();
        ::parquet::schema::printer::print_schema(&mut schema, reader.metadata().file_metadata().schema());
        let rows = reader.get_row_iter(None).unwrap();
        let row = |row: ::parquet::record::Row| row.into_columns();
        (String::from_utf8(schema).unwrap(), rows.map(|one| row(one.unwrap())).collect())
    }

    #[test]
    fn a_table_is_read_back_as_it_was() {
        let analysis = fixture::analysis();
        let (schema, rows) = read(file(&csv::conversations(&analysis).next().unwrap(), false).unwrap());
        assert!(schema.contains("OPTIONAL INT64 first (TIMESTAMP(NANOS,true));"), "{schema}");
        assert!(schema.contains("OPTIONAL BYTE_ARRAY src_ip (STRING);"), "{schema}");
        let cell = |name: &str| rows[0].iter().find(|(column, _)| column == name).unwrap().1.clone();
        assert_eq!(cell("bytes_out"), Field::Long(52_000));
        assert_eq!(cell("bytes_in"), Field::Null, "unknown is null");
        assert_eq!(cell("domains"), Field::Str("@SUM(A1).example".to_owned()), "no spreadsheet, no apostrophe");
        assert_eq!(cell("step_log10_lr"), Field::Double(6.0));
        assert_eq!(cell("first"), Field::Long(fixture::at(300).0));
    }

    #[test]
    fn text_is_inert_and_wallets_are_masked() {
        let (_, rows) = read(file(&csv::findings(&fixture::analysis()), false).unwrap());
        let commands = |row: &Vec<(String, Field)>| row.iter().find(|(name, _)| name == "commands").unwrap().1.clone();
        assert_eq!(commands(&rows[1]), Field::Str("=xmrig -o pool\\u{202e}.example:3333\\x1b[2J".to_owned()));
        let wallet = "1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa";
        let one = Table(vec![crate::report::columns::words("text", [wallet].into_iter())]);
        let shown = |secrets| read(file(&one, secrets).unwrap()).1[0][0].1.clone();
        assert_eq!(shown(false), Field::Str("1A1z…vfNa#31a9d2e8".to_owned()));
        assert_eq!(shown(true), Field::Str(wallet.to_owned()));
    }

    #[test]
    fn a_table_without_rows_has_its_columns() {
        let (schema, rows) = read(file(&csv::findings(&Default::default()), false).unwrap());
        assert!(schema.contains("finding") && rows.is_empty());
    }
}

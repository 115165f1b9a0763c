//! Logs in Apache Parquet, as AWS delivers VPC flow logs and Security Lake OCSF events: each row is read as the JSON object
//! that has its columns.

use std::fs::File;
use std::io::{self, Seek, SeekFrom};
use std::panic::{AssertUnwindSafe, catch_unwind};

use parquet::file::reader::{FileReader, SerializedFileReader};

use super::mixed::Mixed;
use crate::evidence::{Anomaly, AnomalyKind, Head, Input};
use crate::formats::{Format, Kind, Match, Sink};
use crate::time::TimeContext;

/// The format.
pub struct Parquet;

/// First and last bytes of a file (<https://parquet.apache.org/docs/file-format/>); those of encrypted footers.
const MAGIC: &[u8] = b"PAR1";
const ENCRYPTED: &[u8] = b"PARE";

impl Format for Parquet {
    fn id(&self) -> &'static str {
        "parquet"
    }

    fn kind(&self) -> Kind {
        Kind::Firewall
    }

    fn title(&self) -> &'static str {
        "Apache Parquet with rows of any log format that is also read as JSON (AWS VPC flow logs, Security Lake)"
    }

    fn record_unit(&self) -> &'static str {
        "row"
    }

    fn probe(&self, head: &Head) -> Match {
        if head.bytes.starts_with(MAGIC) {
            Match::Certain("Parquet (PAR1)".to_owned())
        } else if head.bytes.starts_with(ENCRYPTED) {
            Match::Certain("Parquet with an encrypted footer (PARE)".to_owned())
        } else {
            Match::No
        }
    }

    fn read(&self, input: &mut Input, time: &TimeContext, sink: &mut dyn Sink) -> io::Result<()> {
        // The description of the columns stands at the end: the file has to be at hand as a whole.
        let mut whole = tempfile::tempfile()?;
        let copied = io::copy(input, &mut whole);
        whole.seek(SeekFrom::Start(0))?;
        let mixed = Mixed::new(None, time);
        let mut row = 0;
        // The reader of the library is not made for hostile files: what it does to one of them stays with that file.
        let outcome = catch_unwind(AssertUnwindSafe(|| rows(whole, &mixed, &mut row, sink)));
        let failure = match outcome {
            Ok(Ok(())) => None,
            Ok(Err(error)) => Some(error.to_string()),
            Err(_) => Some("the reader gave up on it".to_owned()),
        };
        if let Some(failure) = failure {
            let detail = format!("no more than {row} rows could be read as Parquet: {failure}; the rest is unknown");
            sink.anomaly(Anomaly { record: row, kind: AnomalyKind::MalformedRecord, detail });
        }
        mixed.close(sink);
        copied.map(|_| ())
    }
}

fn rows(file: File, mixed: &Mixed, row: &mut u64, sink: &mut dyn Sink) -> parquet::errors::Result<()> {
    let reader = SerializedFileReader::new(file)?;
    for record in reader.get_row_iter(None)? {
        let record = record?;
        *row += 1;
        mixed.record(record.to_json_value().to_string().as_bytes(), *row, sink);
    }
    Ok(())
}

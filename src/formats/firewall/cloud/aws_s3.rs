//! Server access logs of Amazon S3 (<https://docs.aws.amazon.com/AmazonS3/latest/userguide/LogFormat.html>): who fetched
//! and stored what.

use std::borrow::Cow;
use std::sync::LazyLock;

use serde_json_borrow::Value;

use crate::formats::firewall::bytes::{port, split_once, text};
use crate::formats::firewall::dialect::{Dialect, Out, Outcome};
use crate::formats::firewall::fields::Field::*;
use crate::formats::firewall::fields::{Field, Fields, Names};
use crate::formats::firewall::notation::delimited::cells;
use crate::formats::firewall::notation::json::{dotted, leaf};
use crate::formats::firewall::record::Record;
use crate::formats::firewall::table::Table;
use crate::model::{self, Http};

/// The format.
pub(crate) struct AwsS3;

/// The columns from the time on, as far as they are of use here. Later ones were added at the end.
const COLUMNS: [&str; 22] = [
    "remote_ip",
    "requester",
    "request_id",
    "operation",
    "key",
    "request_uri",
    "http_status",
    "error_code",
    "bytes_sent",
    "object_size",
    "total_time",
    "turn_around_time",
    "referer",
    "user_agent",
    "version_id",
    "host_id",
    "signature_version",
    "cipher_suite",
    "authentication_type",
    "host_header",
    "tls_version",
    "access_point_arn",
];

/// Up to the status: less is no record.
const FEWEST: usize = 7;

/// Names of the columns, and those of the table that the page has Athena make.
const S3: &[(&str, Field)] = &[
    ("remote_ip", SrcIp),
    ("remoteip", SrcIp),
    ("requester", User),
    ("operation", Application),
    // When the request came in, and how long it took from then on.
    ("time", Start),
    ("requestdatetime", Start),
    ("total_time", DurationMs),
    ("totaltime", DurationMs),
    // To the client.
    ("bytes_sent", BytesIn),
    ("bytessent", BytesIn),
    ("host_header", Domain),
    ("hostheader", Domain),
    ("bucket", Rule),
    ("bucket_name", Rule),
];

static NAMES: LazyLock<Names> = LazyLock::new(|| Names::new(&[S3]));

impl Dialect for AwsS3 {
    fn id(&self) -> &'static str {
        "aws-s3"
    }

    fn title(&self) -> &'static str {
        "Amazon S3 server access logs (text, table of Athena as CSV, JSON of Wazuh)"
    }

    fn signature(&self) -> &'static str {
        "S3 access logs (owner of the bucket, bucket, time, remote address, requester, operation)"
    }

    fn claims(&self, record: &Record<'_>) -> bool {
        if record.row.is_some() {
            return true;
        }
        if let Some(object) = record.json {
            let object = inner(object);
            return ["bucket_owner", "remote_ip", "operation"].iter().all(|name| dotted(object, name).is_some());
        }
        opening(record.line).is_some()
    }

    fn read<'r>(&self, record: &'r Record<'r>, out: &mut Out<'_>) -> Outcome {
        let mut seen = Seen::default();
        if let Some((table, row)) = record.row {
            table.header().columns.iter().zip(row).for_each(|(name, cell)| seen.take(name, Cow::Borrowed(cell)));
        } else if let Some(object) = record.json.map(inner).and_then(Value::as_object) {
            for (name, value) in object.iter() {
                if let Some(value) = leaf(value) {
                    seen.take(name, value);
                }
            }
        } else if let Some(opening) = opening(record.line) {
            let row = cells(opening.rest, b' ');
            if row.len() < FEWEST {
                return Err("a record that ends before its status".into());
            }
            seen.take("time", Cow::Borrowed(opening.time));
            seen.take("bucket", Cow::Borrowed(opening.bucket));
            COLUMNS.iter().zip(row).for_each(|(name, cell)| seen.take(name, cell));
        }
        seen.tell(record, out)
    }

    fn header(&self, line: &[u8], _before: &Table) -> Option<Table> {
        Table::of_names(line, &["bucketowner", "remoteip", "requestdatetime"], &NAMES)
    }
}

/// Wazuh puts records into an object of its own.
fn inner<'v, 'j>(object: &'v Value<'j>) -> &'v Value<'j> {
    dotted(object, "aws").filter(|inner| inner.is_object()).unwrap_or(object)
}

struct Opening<'a> {
    bucket: &'a [u8],
    time: &'a [u8],
    rest: &'a [u8],
}

/// `OWNER bucket [20/Nov/2026:14:34:46 +0000] `: the owner is an identifier of 64 hexadecimal digits.
fn opening(line: &[u8]) -> Option<Opening<'_>> {
    let (owner, rest) = (line.get(..64)?, line.get(64..)?);
    let rest = rest.strip_prefix(b" ").filter(|_| owner.iter().all(u8::is_ascii_hexdigit))?;
    let (bucket, rest) = split_once(rest, b" [")?;
    let (time, rest) = split_once(rest, b"] ")?;
    (!bucket.contains(&b' ') && time.len() < 32).then_some(Opening { bucket, time, rest })
}

/// What a record says.
#[derive(Default)]
struct Seen<'r> {
    fields: Fields<'r>,
    request: Http,
}

impl<'r> Seen<'r> {
    fn take(&mut self, name: &str, value: Cow<'r, [u8]>) {
        if value.is_empty() || *value == *b"-" {
            return;
        }
        match name {
            // One whose quote is not closed was cut.
            "request_uri" if value.first() == Some(&b'"') => {}
            "request_uri" => {
                let (method, rest) = split_once(&value, b" ").unwrap_or((&value, b""));
                let target = split_once(rest, b" HTTP/").map_or(rest, |(target, _)| target);
                self.request.method = text(method).into_owned();
                self.request.target = text(target.trim_ascii()).into_owned();
            }
            "http_status" | "httpstatus" => self.request.status = port(&value),
            "user_agent" | "useragent" => self.request.user_agent = Some(text(&value).into_owned()),
            // The table of Athena keeps the brackets around the time.
            "requestdatetime" => {
                let bare = value.strip_prefix(b"[").and_then(|rest| rest.strip_suffix(b"]")).map(<[u8]>::to_vec);
                self.fields.set(Start, bare.map_or(value, Cow::Owned));
            }
            _ => {
                if let Some(field) = NAMES.get(name.as_bytes()) {
                    self.fields.set(field, value);
                }
            }
        }
    }

    fn tell(mut self, record: &'r Record<'r>, out: &mut Out<'_>) -> Outcome {
        // Requests of S3 itself (lifecycle rules) have no address.
        if self.fields.is_empty() {
            return Err("a request that came from no address".into());
        }
        self.fields.flow.protocol = Some(model::Protocol::TCP);
        if self.request.method.is_empty() {
            return out.connection(self.fields, record);
        }
        let host = self.fields.connection.domain.as_ref().map(|domain| domain.clone().into_owned());
        let request = Http { host, ..self.request };
        out.request(self.fields, record, request)
    }
}

//! Access logs of AWS load balancers: Application
//! (<https://docs.aws.amazon.com/elasticloadbalancing/latest/application/load-balancer-access-logs.html>), Network
//! (<https://docs.aws.amazon.com/elasticloadbalancing/latest/network/load-balancer-access-logs.html>) and Classic
//! (<https://docs.aws.amazon.com/elasticloadbalancing/latest/classic/access-log-collection.html>).

use std::borrow::Cow;
use std::sync::LazyLock;

use serde_json_borrow::Value;

use crate::formats::firewall::bytes::{port, split_once, text};
use crate::formats::firewall::dialect::{Dialect, Out, Outcome};
use crate::formats::firewall::fields::Field::*;
use crate::formats::firewall::fields::{Field, Fields, Names, endpoint};
use crate::formats::firewall::notation::delimited::{Cells, cells};
use crate::formats::firewall::notation::json::{dotted, leaf};
use crate::formats::firewall::record::Record;
use crate::formats::firewall::syslog::{Stamp, Zone};
use crate::formats::firewall::table::Table;
use crate::model::{self, Http};

/// The format.
pub(crate) struct AwsElb;

/// The names of the pages, and those of the tables that they have Athena make, which split addresses and ports.
const ELB: &[(&str, Field)] = &[
    ("elb", Device),
    ("elb_name", Device),
    ("client", Src),
    ("target", Dst),
    ("client_ip", SrcIp),
    ("client_port", SrcPort),
    ("request_ip", SrcIp),
    ("request_port", SrcPort),
    ("target_ip", DstIp),
    ("target_port", DstPort),
    ("backend_ip", DstIp),
    ("backend_port", DstPort),
    ("destination_ip", DstIp),
    ("destination_port", DstPort),
    ("received_bytes", BytesOut),
    ("sent_bytes", BytesIn),
    ("domain_name", Domain),
    ("request_creation_time", Start),
    ("tls_connection_creation_time", Start),
    ("connection_time", DurationMs),
    ("tcp_connection_time_ms", DurationMs),
    ("matched_rule_priority", Rule),
];

static NAMES: LazyLock<Names> = LazyLock::new(|| Names::new(&[ELB]));

/// Columns of an Application Load Balancer, up to the last that is of use here.
const APPLICATION: [&str; 23] = [
    "type",
    "time",
    "elb",
    "client",
    "target",
    "request_processing_time",
    "target_processing_time",
    "response_processing_time",
    "elb_status_code",
    "target_status_code",
    "received_bytes",
    "sent_bytes",
    "request",
    "user_agent",
    "ssl_cipher",
    "ssl_protocol",
    "target_group_arn",
    "trace_id",
    "domain_name",
    "chosen_cert_arn",
    "matched_rule_priority",
    "request_creation_time",
    "actions_executed",
];

/// Columns of a Network Load Balancer with a TLS listener.
const NETWORK: [&str; 22] = [
    "type",
    "version",
    "time",
    "elb",
    "listener",
    "client",
    "target",
    "connection_time",
    "tls_handshake_time",
    "received_bytes",
    "sent_bytes",
    "incoming_tls_alert",
    "chosen_cert_arn",
    "chosen_cert_serial",
    "tls_cipher",
    "tls_protocol_version",
    "tls_named_group",
    "domain_name",
    "alpn_fe_protocol",
    "alpn_be_protocol",
    "alpn_client_preference_list",
    "tls_connection_creation_time",
];

/// Columns of a Classic Load Balancer.
const CLASSIC: [&str; 15] = [
    "time",
    "elb",
    "client",
    "target",
    "request_processing_time",
    "target_processing_time",
    "response_processing_time",
    "elb_status_code",
    "target_status_code",
    "received_bytes",
    "sent_bytes",
    "request",
    "user_agent",
    "ssl_cipher",
    "ssl_protocol",
];

/// Columns that any record has in full.
const FEWEST: usize = 12;

impl Dialect for AwsElb {
    fn id(&self) -> &'static str {
        "aws-elb"
    }

    fn title(&self) -> &'static str {
        "AWS load balancer access logs: Application, Network (TLS), Classic (text, tables of Athena as CSV or JSON)"
    }

    fn signature(&self) -> &'static str {
        "AWS load balancer access logs (time, elb, client, target, processing times)"
    }

    fn claims(&self, record: &Record<'_>) -> bool {
        if record.row.is_some() {
            return true;
        }
        if let Some(object) = record.json {
            let object = inner(object);
            return ["elb", "elb_name"].into_iter().any(|name| dotted(object, name).is_some())
                && ["client_port", "client_ip"].into_iter().any(|name| dotted(object, name).is_some())
                && dotted(object, "received_bytes").is_some();
        }
        layout(record.line).is_some()
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
        } else if let Some((columns, row)) = layout(record.line) {
            if row.len() < FEWEST {
                return Err("a record that ends before its counts".into());
            }
            columns.iter().zip(row).for_each(|(name, cell)| seen.take(name, cell));
        }
        seen.tell(record, out)
    }

    fn header(&self, line: &[u8], _before: &Table) -> Option<Table> {
        Table::of_names(line, &["elb", "client_ip", "client_port", "received_bytes"], &NAMES)
            .or_else(|| Table::of_names(line, &["elb_name", "request_ip", "received_bytes"], &NAMES))
    }
}

/// Wazuh puts records into an object of its own.
fn inner<'v, 'j>(object: &'v Value<'j>) -> &'v Value<'j> {
    dotted(object, "aws").filter(|inner| inner.is_object()).unwrap_or(object)
}

/// The columns of a line of text and its cells, if it is a record.
fn layout(line: &[u8]) -> Option<(&'static [&'static str], Cells<'_>)> {
    let first = line.get(..memchr::memchr(b' ', line)?)?;
    let columns: &'static [&'static str] = match first {
        b"http" | b"https" | b"h2" | b"grpcs" | b"ws" | b"wss" => &APPLICATION,
        b"tls" => &NETWORK,
        _ if first.get(10) == Some(&b'T') && first.last() == Some(&b'Z') => &CLASSIC,
        _ => return None,
    };
    let cells = cells(line, b' ');
    let fits = columns.iter().zip(&cells).all(|(column, cell)| {
        let number = || cell.iter().all(|byte| byte.is_ascii_digit() || matches!(byte, b'.' | b'-'));
        match *column {
            "time" => Stamp::read(cell).is_some(),
            "client" => endpoint(cell).is_some_and(|(_, port)| port.is_some()),
            "target" => **cell == *b"-" || endpoint(cell).is_some(),
            "request_processing_time"
            | "target_processing_time"
            | "response_processing_time"
            | "received_bytes"
            | "sent_bytes" => number(),
            _ => true,
        }
    });
    // Without all columns of numbers too little is said to be told from other text.
    (fits && cells.len() > 7).then_some((columns, cells))
}

/// What a record says.
#[derive(Default)]
struct Seen<'r> {
    fields: Fields<'r>,
    request: Http,
    status: Option<u16>,
    classic: bool,
    time: Option<Stamp>,
    listener_type: Option<Cow<'r, [u8]>>,
}

impl<'r> Seen<'r> {
    fn take(&mut self, name: &str, value: Cow<'r, [u8]>) {
        if value.is_empty() || *value == *b"-" {
            return;
        }
        match name {
            "type" => self.listener_type = Some(value),
            // Network Load Balancers write it without a zone, in the time of their files' names, which is UTC.
            "time" | "timestamp" => self.time = Stamp::read(&value).and_then(|time| time.in_zone(Zone(0))),
            "tls_connection_creation_time" => {
                self.fields.start = Stamp::read(&value).and_then(|time| time.in_zone(Zone(0)));
            }
            "elb_name" => {
                self.classic = true;
                self.fields.set(Device, value);
            }
            // One whose quote is not closed was cut.
            "request" if value.first() == Some(&b'"') => {}
            "request" => {
                let mut words = value.splitn(2, |byte| *byte == b' ');
                let method = words.next().unwrap_or_default();
                let rest = words.next().unwrap_or_default();
                let target = split_once(rest, b" HTTP/").map_or(rest, |(target, _)| target).trim_ascii();
                // "- - -" of a listener that forwards TCP.
                if method != b"-" {
                    self.request.method = text(method).into_owned();
                    self.request.target = text(target).into_owned();
                    self.fields.set(Domain, Cow::Owned(target.to_vec()));
                }
            }
            "request_verb" if self.request.method.is_empty() => self.request.method = text(&value).into_owned(),
            "request_url" | "url" if self.request.target.is_empty() => {
                self.request.target = text(&value).into_owned();
                self.fields.set(Domain, value);
            }
            // WAF as the last action turned the request away.
            "actions_executed" | "action_executed" if value.ends_with(b"waf") => {
                self.fields.decide(Some(model::Action::Deny));
            }
            "user_agent" => self.request.user_agent = Some(text(&value).into_owned()),
            "elb_status_code" | "elb_response_code" => self.status = port(&value),
            _ => {
                if let Some(field) = NAMES.get(name.as_bytes()) {
                    self.fields.set(field, value);
                }
            }
        }
    }

    fn tell(mut self, record: &'r Record<'r>, out: &mut Out<'_>) -> Outcome {
        self.fields.flow.protocol = Some(model::Protocol::TCP);
        // Classic: when the request came in. Others: when the answer went out or the connection ended.
        if self.classic || self.listener_type.is_none() {
            self.fields.start = self.time;
        } else {
            self.fields.end = self.time;
        }
        if let Some(kind) = self.listener_type {
            self.fields.set(Application, kind);
        }
        if self.request.method.is_empty() {
            return out.connection(self.fields, record);
        }
        let host = self.fields.connection.domain.as_ref().map(|domain| domain.clone().into_owned());
        let request = Http { host, status: self.status, ..self.request };
        out.request(self.fields, record, request)
    }
}

//! Requests that AWS writes down: access logs of Elastic Load Balancing
//! (<https://docs.aws.amazon.com/elasticloadbalancing/latest/application/load-balancer-access-logs.html>) and logs of AWS
//! WAF (<https://docs.aws.amazon.com/waf/latest/developerguide/logging-fields.html>).

use std::borrow::Cow;
use std::sync::LazyLock;

use serde_json_borrow::Value;

use crate::formats::firewall::bytes::{port, text as lossy};
use crate::formats::firewall::dialect::{Dialect, Out, Outcome};
use crate::formats::firewall::fields::Field::*;
use crate::formats::firewall::fields::{Field, Fields, Names, endpoint};
use crate::formats::firewall::notation::delimited::{Cells, cells};
use crate::formats::firewall::notation::json::{dotted, string};
use crate::formats::firewall::record::Record;
use crate::formats::firewall::syslog::{Stamp, Zone};
use crate::model::{self, Detail, Http};

/// Access logs of load balancers.
pub(crate) struct LoadBalancer;

/// Which of the three kinds of balancers a line is of, with the places of its cells.
#[derive(Clone)]
struct Layout {
    time: usize,
    client: usize,
    target: usize,
    /// Processing times, in seconds, that make up the request.
    spent: std::ops::Range<usize>,
    received: usize,
    sent: usize,
    status: Option<usize>,
    request: Option<usize>,
    agent: Option<usize>,
    domain: Option<usize>,
}

const APPLICATION: Layout = Layout {
    time: 1,
    client: 3,
    target: 4,
    spent: 5..8,
    received: 10,
    sent: 11,
    status: Some(8),
    request: Some(12),
    agent: Some(13),
    domain: Some(18),
};
const CLASSIC: Layout = Layout {
    time: 0,
    client: 2,
    target: 3,
    spent: 4..7,
    received: 9,
    sent: 10,
    status: Some(7),
    request: Some(11),
    agent: Some(12),
    domain: None,
};
const NETWORK: Layout = Layout {
    time: 2,
    client: 5,
    target: 6,
    spent: 0..0,
    received: 9,
    sent: 10,
    status: None,
    request: None,
    agent: None,
    domain: Some(17),
};

fn layout(cells: &Cells<'_>) -> Option<Layout> {
    let cell = |at: usize| cells.get(at).map(|cell| &**cell);
    let found = match cell(0)? {
        b"http" | b"https" | b"h2" | b"grpcs" | b"ws" | b"wss" if cells.len() >= 14 => APPLICATION,
        b"tls" | b"tcp" if cells.len() >= 16 => NETWORK,
        first if cells.len() >= 12 && Stamp::read(first).is_some() => CLASSIC,
        _ => return None,
    };
    Stamp::read(cell(found.time)?)?;
    endpoint(cell(found.client)?)?.1?;
    (cell(found.target)? == b"-" || endpoint(cell(found.target)?).is_some()).then_some(found)
}

impl Dialect for LoadBalancer {
    fn id(&self) -> &'static str {
        "aws-elb"
    }

    fn title(&self) -> &'static str {
        "AWS Elastic Load Balancing access logs (application, classic and network load balancers)"
    }

    fn signature(&self) -> &'static str {
        "access log lines of load balancers (time, balancer, client:port, target:port)"
    }

    fn claims(&self, record: &Record<'_>) -> bool {
        let line = record.line;
        let begins = |words: [&[u8]; 8]| words.iter().any(|word| line.starts_with(word));
        let kinds: [&[u8]; 8] = [b"http ", b"https ", b"h2 ", b"grpcs ", b"ws ", b"wss ", b"tls ", b"tcp "];
        let classic = line.first().is_some_and(u8::is_ascii_digit) && line.get(10) == Some(&b'T');
        record.json.is_none() && (classic || begins(kinds)) && layout(&cells(line, b' ')).is_some()
    }

    fn read<'r>(&self, record: &'r Record<'r>, out: &mut Out<'_>) -> Outcome {
        let row = cells(record.line, b' ');
        let Some(places) = layout(&row) else { return Err("fields in an unknown order".into()) };
        let cell = |at: usize| row.get(at).map(|cell| &**cell).filter(|cell| *cell != b"-");
        let mut fields = Fields::default();
        let mut put = |field: Field, at: usize| {
            if let Some(value) = cell(at) {
                fields.set(field, Cow::Owned(value.to_vec()));
            }
        };
        put(End, places.time);
        put(Src, places.client);
        put(Dst, places.target);
        put(BytesOut, places.received);
        put(BytesIn, places.sent);
        put(Device, places.time + 1);
        if let Some(domain) = places.domain {
            put(Domain, domain);
        }
        // Negative: the connection broke before there was a time.
        let spent: f64 =
            places.spent.clone().filter_map(|at| lossy(cell(at)?).parse::<f64>().ok()).filter(|t| *t >= 0.0).sum();
        if !places.spent.is_empty() {
            fields.set(Duration, Cow::Owned(format!("{spent:.6}").into_bytes()));
        }
        fields.flow.protocol = Some(model::Protocol::TCP);
        // All write UTC, network load balancers without saying so.
        fields.zone = Some(Zone(0));
        let status = places.status.and_then(cell).and_then(port);
        if status == Some(403) {
            fields.decide(Some(model::Action::Deny));
        }
        let request = places.request.and_then(cell).map(|request| lossy(request).into_owned());
        let agent = places.agent.and_then(cell).map(|agent| lossy(agent).into_owned());
        let mut parts = request.as_deref().unwrap_or_default().split(' ');
        let (method, target) =
            (parts.next().unwrap_or_default().to_owned(), parts.next().unwrap_or_default().to_owned());
        if places.request.is_some() {
            fields.set(Domain, Cow::Owned(target.clone().into_bytes()));
        }
        let host = fields.connection.domain.clone().map(Cow::into_owned);
        if fields.is_empty() {
            return Err("a request without an address".into());
        }
        out.complete(&mut fields, record);
        let span = out.times(&mut fields);
        let (device, flow) = (fields.device.take(), Some(fields.flow));
        let connection = fields.connection();
        out.observe(span, device.clone(), flow, Detail::Connection(connection));
        if places.request.is_some() {
            let http = Http { method, target, host, user_agent: agent, status, ..Http::default() };
            out.observe(span, device, flow, Detail::Http(http));
        }
        Ok(())
    }
}

/// Logs of AWS WAF.
pub(crate) struct Waf;

const WAF: &[(&str, Field)] = &[
    ("httpRequest.clientIp", SrcIp),
    ("timestamp", Time),
    ("action", Action),
    ("terminatingRuleId", Rule),
    ("httpSourceId", Device),
    ("httpRequest.requestId", Session),
];

static NAMES: LazyLock<Names> = LazyLock::new(|| Names::new(&[WAF]));

impl Dialect for Waf {
    fn id(&self) -> &'static str {
        "aws-waf"
    }

    fn title(&self) -> &'static str {
        "AWS WAF logs (web access control lists)"
    }

    fn signature(&self) -> &'static str {
        "records of AWS WAF (webaclId, httpRequest)"
    }

    fn claims(&self, record: &Record<'_>) -> bool {
        record.has("webaclId") && record.has("httpRequest.clientIp")
    }

    fn read<'r>(&self, record: &'r Record<'r>, out: &mut Out<'_>) -> Outcome {
        let Some(object) = record.json else { return Err("no object".into()) };
        let mut fields = Fields::default();
        fields.take_leaves(&NAMES, object);
        if fields.is_empty() {
            return Err("a request without an address".into());
        }
        fields.flow.protocol = Some(model::Protocol::TCP);
        let headers = dotted(object, "httpRequest.headers").and_then(Value::as_array);
        let header = |wanted: &str| {
            let named =
                |value: &&Value<'_>| string(value, "name").is_some_and(|name| name.eq_ignore_ascii_case(wanted));
            string(headers?.iter().find(named)?, "value")
        };
        let (host, agent) = (header("host"), header("user-agent"));
        if let Some(host) = &host {
            fields.set(Domain, Cow::Owned(host.clone().into_bytes()));
        }
        let (device, flow, moment) = (fields.device.clone(), fields.flow, fields.time);
        out.connection(fields, record)?;
        let span = out.span(moment);
        let http = Http {
            method: string(object, "httpRequest.httpMethod").unwrap_or_default(),
            target: string(object, "httpRequest.uri").unwrap_or_default(),
            host,
            user_agent: agent,
            status: string(object, "responseCodeSent").and_then(|code| port(code.as_bytes())),
            ..Http::default()
        };
        out.observe(span, device, Some(flow), Detail::Http(http));
        Ok(())
    }
}

//! Requests that AWS WAF judged (<https://docs.aws.amazon.com/waf/latest/developerguide/logging-fields.html>).

use std::borrow::Cow;
use std::sync::LazyLock;

use serde_json_borrow::Value;

use crate::formats::firewall::bytes::port;
use crate::formats::firewall::dialect::{Dialect, Out, Outcome};
use crate::formats::firewall::fields::Field::*;
use crate::formats::firewall::fields::{Field, Fields, Names};
use crate::formats::firewall::notation::json::{dotted, string, text};
use crate::formats::firewall::record::Record;
use crate::model::{self, Http};

/// The format.
pub(crate) struct AwsWaf;

const WAF: &[(&str, Field)] = &[
    ("timestamp", Time),
    ("httpRequest.clientIp", SrcIp),
    ("terminatingRuleId", Rule),
    ("httpSourceId", Device),
    ("httpRequest.requestId", Session),
    ("httpRequest.host", Domain),
    ("terminatingRuleMatchDetails.conditionType", Threat),
];

static NAMES: LazyLock<Names> = LazyLock::new(|| Names::new(&[WAF]));

impl Dialect for AwsWaf {
    fn id(&self) -> &'static str {
        "aws-waf"
    }

    fn title(&self) -> &'static str {
        "AWS WAF logs (JSON)"
    }

    fn signature(&self) -> &'static str {
        "AWS WAF logs (webaclId, terminatingRuleId, httpRequest)"
    }

    fn claims(&self, record: &Record<'_>) -> bool {
        record.names("webaclId") && record.names("httpRequest")
    }

    fn read<'r>(&self, record: &'r Record<'r>, out: &mut Out<'_>) -> Outcome {
        let Some(object) = record.json else { return Err("no object".into()) };
        let mut fields = Fields::default();
        fields.take_leaves(&NAMES, object);
        if fields.is_empty() {
            return Err("a request without the address of its client".into());
        }
        fields.flow.protocol = Some(model::Protocol::TCP);
        fields.decide(match text(object, "action").as_deref() {
            Some(b"ALLOW" | b"COUNT") => Some(model::Action::Allow),
            // A challenge is the answer in place of that of the server.
            Some(b"BLOCK" | b"CAPTCHA" | b"CHALLENGE") => Some(model::Action::Deny),
            _ => None,
        });
        let host = header(object, "host");
        if let Some(host) = &host {
            fields.set(Domain, Cow::Owned(host.clone().into_bytes()));
        }
        // HTTP/3 runs over UDP.
        if text(object, "httpRequest.httpVersion").is_some_and(|version| version.starts_with(b"HTTP/3")) {
            fields.flow.protocol = Some(model::Protocol::UDP);
        }
        let target = string(object, "httpRequest.uri").map(|path| match string(object, "httpRequest.args") {
            Some(query) => format!("{path}?{query}"),
            None => path,
        });
        let request = Http {
            method: string(object, "httpRequest.httpMethod").unwrap_or_default(),
            target: target.unwrap_or_default(),
            host,
            user_agent: header(object, "user-agent"),
            status: text(object, "responseCodeSent").as_deref().and_then(port),
            content_type: None,
            ..Http::default()
        };
        out.request(fields, record, request)
    }
}

/// The first header of that name, which is in lower case.
fn header(object: &Value<'_>, name: &str) -> Option<String> {
    let Some(Value::Array(headers)) = dotted(object, "httpRequest.headers") else { return None };
    headers
        .iter()
        .find(|header| text(header, "name").is_some_and(|found| found.eq_ignore_ascii_case(name.as_bytes())))
        .and_then(|header| string(header, "value"))
}

//! Calls of Weights & Biases Weave (<https://docs.wandb.ai/weave/guides/tracking/tracing>): exported calls, and batches
//! as its SDK sends them.

use std::collections::BTreeMap;
use std::io;

use serde_json::Value;

use super::tool::Tool;
use super::{Scene, Span, Spans, What, all, any_text, first_object, flat, member, read, scan, spoken, text};
use crate::evidence::{Head, Input};
use crate::formats::{Format, Kind, Match, Sink};
use crate::time::TimeContext;

/// The reader of calls of Weave.
pub struct Weave;

impl Format for Weave {
    fn id(&self) -> &'static str {
        "weave"
    }

    fn kind(&self) -> Kind {
        Kind::Transcript
    }

    fn title(&self) -> &'static str {
        "W&B Weave calls, exported or as its SDK sends them"
    }

    fn record_unit(&self) -> &'static str {
        "call"
    }

    fn probe(&self, head: &Head) -> Match {
        let members = first_object(head);
        let is_call = |raw: &[u8]| {
            scan::member(raw, "op_name").is_some()
                && ["started_at", "trace_id", "project_id"].iter().any(|name| scan::member(raw, name).is_some())
        };
        let list = ["calls", "data"].iter().find_map(|name| member(&members, name)).map(scan::first);
        if is_call(scan::first(&head.bytes)) || list.is_some_and(is_call) {
            return Match::Certain("calls with an op_name".to_owned());
        }
        let event = member(&members, "batch").map(scan::first).unwrap_or_default();
        if scan::member(event, "mode").is_some() && scan::member(event, "req").is_some() {
            return Match::Certain("a batch of calls that start and end".to_owned());
        }
        Match::No
    }

    fn read(&self, input: &mut Input, time: &TimeContext, sink: &mut dyn Sink) -> io::Result<()> {
        // The end of a call names the call alone.
        let mut begun: BTreeMap<String, Begun> = BTreeMap::new();
        read(input, time, sink, &mut |spans, value, sink| {
            let list = ["calls", "data", "batch"].iter().find_map(|key| value.get(*key)?.as_array());
            match list {
                Some(list) => all(spans, list, sink, |spans, value, sink| one(spans, value, &mut begun, sink)),
                None => one(spans, value, &mut begun, sink),
            }
        })
    }
}

/// What the beginning of a call says.
#[derive(Clone, Debug, Default)]
struct Begun {
    trace: String,
    parent: String,
    operation: String,
    kind: Option<String>,
}

/// The name of an operation within its address (`weave:///entity/project/op/name:digest`).
fn operation(name: &str) -> &str {
    match name.strip_prefix("weave:///") {
        Some(address) => {
            let last = address.rsplit('/').next().unwrap_or(address);
            last.split_once(':').map_or(last, |(name, _)| name)
        }
        None => name,
    }
}

fn one(spans: &mut Spans<'_>, value: &Value, begun: &mut BTreeMap<String, Begun>, sink: &mut dyn Sink) -> bool {
    let held = ["start", "end"].iter().find_map(|key| value.get("req")?.get(*key));
    let call = held.unwrap_or(value);
    let id = text(call, "id").unwrap_or_default();
    let known = begun.get(&id).cloned();
    let told = text(call, "op_name");
    if told.is_none() && known.is_none() {
        return false;
    }
    let number = spans.next();
    let start = spans.stamp(number, call.get("started_at"), sink);
    let end = spans.stamp(number, call.get("ended_at"), sink);
    let known = known.unwrap_or_default();
    let trace = text(call, "trace_id").unwrap_or(known.trace);
    let parent = text(call, "parent_id").unwrap_or(known.parent);
    let op = told.map_or(known.operation, |op| operation(&op).to_owned());
    let kind = flat::text(call, &["attributes.weave.kind", "attributes.kind", "attributes.type", "inputs.type"]);
    let kind = kind.or(known.kind);
    if held.is_some() {
        let (trace, parent, operation) = (trace.clone(), parent.clone(), op.clone());
        begun.insert(id.clone(), Begun { trace, parent, operation, kind: kind.clone() });
    }
    let inputs = call.get("inputs").map(without_self).filter(|inputs| !inputs.is_null());
    let output = call.get("output").filter(|output| !output.is_null());
    let name = any_text(call, &["display_name"]).filter(|_| op.is_empty()).unwrap_or_else(|| op.clone());
    let tool = || {
        let tool = Tool { name: tool_name(call, &name), ..Tool::default() };
        let mut tool = tool.with_arguments(inputs.as_ref()).with_output(output);
        tool.output = tool.output.take().or_else(|| text(call, "exception"));
        Box::new(tool.at_work(start, end))
    };
    let asks = inputs.as_ref().is_some_and(|inputs| inputs.get("messages").is_some())
        || output.is_some_and(|output| output.get("choices").is_some() || output.get("stop_reason").is_some());
    let what = match kind.as_deref() {
        Some("tool" | "function") => What::Tool(tool()),
        Some("agent") => What::Agent,
        _ if asks => What::Model {
            got: inputs.as_ref().map(|value| spoken::messages(value, "user")).unwrap_or_default(),
            gave: output.map(|value| spoken::messages(value, "assistant")).unwrap_or_default(),
        },
        _ if parent.is_empty() => What::Agent,
        _ => What::Function(tool()),
    };
    let model = flat::text(call, &["inputs.model", "output.model"]);
    let run = any_text(call, &["wb_run_id", "project_id"]);
    let span = Span {
        number,
        id,
        parent,
        trace,
        conversation: any_text(call, &["thread_id"]),
        start,
        end,
        what,
        scene: Scene { model, run, ..Scene::default() },
    };
    spans.push(span, sink);
    true
}

/// A function that is a method is also given its object.
fn without_self(inputs: &Value) -> Value {
    let mut inputs = inputs.clone();
    if let Value::Object(map) = &mut inputs {
        map.remove("self");
    }
    inputs
}

fn tool_name(call: &Value, name: &str) -> String {
    flat::text(call, &["attributes.tool_name", "inputs.tool_name"]).unwrap_or_else(|| name.to_owned())
}

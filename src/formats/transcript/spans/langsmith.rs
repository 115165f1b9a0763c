//! Runs of LangSmith (<https://docs.langchain.com/langsmith/run-data-format>): batches as its SDK sends them
//! (`{"post", "patch"}`), answers of its interface (`{"runs"}`), and runs alone, with their children within or beside.

use std::io;

use chrono::NaiveDateTime;
use serde_json::{Map, Value};

use super::tool::Tool;
use super::{Scene, Span, Spans, What, first_object, flat, json, member, read, scan, spoken, text};
use crate::evidence::{Head, Input};
use crate::formats::{Format, Kind, Match, Sink};
use crate::time::{self, Instant, TimeContext};

/// The reader of runs of LangSmith.
pub struct LangSmith;

impl Format for LangSmith {
    fn id(&self) -> &'static str {
        "langsmith"
    }

    fn kind(&self) -> Kind {
        Kind::Transcript
    }

    fn title(&self) -> &'static str {
        "LangSmith runs: batches of the SDK, answers of its interface, exported runs"
    }

    fn record_unit(&self) -> &'static str {
        "run"
    }

    fn probe(&self, head: &Head) -> Match {
        let members = first_object(head);
        let is_run = |raw: &[u8]| {
            scan::member(raw, "run_type").is_some()
                && ["dotted_order", "trace_id", "parent_run_id", "session_id", "session_name", "start_time"]
                    .iter()
                    .any(|name| scan::member(raw, name).is_some())
        };
        let lists = ["post", "patch", "runs"].iter().filter_map(|name| member(&members, name));
        if is_run(scan::first(&head.bytes)) || lists.into_iter().any(|list| is_run(scan::first(list))) {
            return Match::Certain("runs with a run_type".to_owned());
        }
        Match::No
    }

    fn read(&self, input: &mut Input, time: &TimeContext, sink: &mut dyn Sink) -> io::Result<()> {
        read(input, time, sink, &mut |spans, value, sink| {
            let mut known = false;
            for list in ["post", "patch", "runs"] {
                for run in value.get(list).and_then(Value::as_array).into_iter().flatten() {
                    known = true;
                    one(spans, run, None, sink);
                }
            }
            if !known && value.get("run_type").is_some() {
                known = true;
                one(spans, value, None, sink);
            }
            known || value.get("post").is_some() || value.get("patch").is_some()
        })
    }
}

/// A run, and the runs within it.
fn one(spans: &mut Spans<'_>, run: &Value, outer: Option<(&str, &str)>, sink: &mut dyn Sink) {
    let number = spans.next();
    let order = json::text(run, "dotted_order").unwrap_or_default();
    let start = spans.stamp(number, run.get("start_time"), sink).or_else(|| of_order(order, spans.time));
    let end = spans.stamp(number, run.get("end_time"), sink);
    let id = text(run, "id").unwrap_or_default();
    let parent = text(run, "parent_run_id").or_else(|| outer.map(|(_, parent)| parent.to_owned())).unwrap_or_default();
    let trace =
        text(run, "trace_id").or_else(|| outer.map(|(trace, _)| trace.to_owned())).unwrap_or_else(|| id.clone());
    let metadata = ["extra", "metadata"].iter().try_fold(run, |run, key| run.get(*key)).unwrap_or(&Value::Null);
    let conversation = flat::text(metadata, &["thread_id", "session_id", "conversation_id"]);
    let model = flat::text(metadata, &["ls_model_name"])
        .or_else(|| flat::text(run, &["extra.invocation_params.model", "extra.invocation_params.model_name"]));
    let mut span = Span {
        number,
        id: id.clone(),
        parent,
        trace: trace.clone(),
        conversation,
        start,
        end,
        scene: Scene { model, run: text(run, "session_name"), ..Scene::default() },
        ..Span::default()
    };
    let member = |key: &str| run.get(key).filter(|value| value.as_object().is_none_or(|map| !map.is_empty()));
    let name = text(run, "name").unwrap_or_default();
    let tool = || {
        let tool = Tool {
            call_id: flat::text(run, &["extra.tool_call_id", "inputs.tool_call_id"]),
            name: name.clone(),
            ..Tool::default()
        };
        let output = member("outputs").map(|outputs| alone(outputs, &["output"]));
        let mut tool = tool.with_arguments(member("inputs").map(arguments).as_ref()).with_output(output);
        tool.output = tool.output.take().or_else(|| text(run, "error"));
        Box::new(tool.at_work(start, end))
    };
    span.what = match json::text(run, "run_type").unwrap_or_default() {
        "tool" => What::Tool(tool()),
        "llm" | "chat_model" => What::Model {
            got: member("inputs").map(|value| spoken::messages(value, "user")).unwrap_or_default(),
            gave: member("outputs").map(|value| spoken::messages(value, "assistant")).unwrap_or_default(),
        },
        _ if span.parent.is_empty() => What::Agent,
        _ => What::Function(tool()),
    };
    spans.push(span, sink);
    for child in run.get("child_runs").and_then(Value::as_array).into_iter().flatten() {
        one(spans, child, Some((&trace, &id)), sink);
    }
}

/// The one member of an object under one of these names, else the object.
fn alone<'v>(value: &'v Value, names: &[&str]) -> &'v Value {
    match value.as_object() {
        Some(map) if map.len() == 1 => names.iter().find_map(|name| map.get(*name)).unwrap_or(value),
        _ => value,
    }
}

/// What a tool was given. LangChain writes it as Python prints it.
fn arguments(inputs: &Value) -> Value {
    let inner = alone(inputs, &["input", "tool_input"]);
    match inner.as_str().filter(|text| text.starts_with('{')) {
        Some(text) if serde_json::from_str::<Value>(text).is_err() => python(text).unwrap_or_else(|| inner.clone()),
        _ => inner.clone(),
    }
}

/// The object that a Python dict of texts, numbers, booleans and None prints as. `None` for anything deeper.
pub(super) fn python(text: &str) -> Option<Value> {
    let mut map = Map::new();
    let mut rest = text.trim().strip_prefix('{')?.strip_suffix('}')?.trim_start();
    while !rest.is_empty() {
        let (key, after) = python_text(rest)?;
        rest = after.trim_start().strip_prefix(':')?.trim_start();
        let value = if rest.starts_with(['\'', '"']) {
            let (value, after) = python_text(rest)?;
            rest = after;
            Value::from(value)
        } else {
            let end = rest.find(',').unwrap_or(rest.len());
            let (word, after) = rest.split_at_checked(end)?;
            rest = after;
            match word.trim() {
                "True" => Value::Bool(true),
                "False" => Value::Bool(false),
                "None" => Value::Null,
                number => Value::Number(number.parse().ok()?),
            }
        };
        map.insert(key, value);
        rest = rest.trim_start();
        rest = match rest.strip_prefix(',') {
            Some(after) => after.trim_start(),
            None if rest.is_empty() => rest,
            None => return None,
        };
    }
    Some(Value::Object(map))
}

/// A text as Python prints it, and what stands behind it.
fn python_text(text: &str) -> Option<(String, &str)> {
    let quote = text.chars().next().filter(|quote| matches!(quote, '\'' | '"'))?;
    let mut said = String::new();
    let mut letters = text.char_indices().skip(1);
    while let Some((at, letter)) = letters.next() {
        match letter {
            '\\' => said.push(match letters.next()?.1 {
                'n' => '\n',
                't' => '\t',
                'r' => '\r',
                letter @ ('\\' | '\'' | '"') => letter,
                'x' => char::from_u32(letters.next()?.1.to_digit(16)? * 16 + letters.next()?.1.to_digit(16)?)?,
                _ => return None,
            }),
            letter if letter == quote => return Some((said, text.get(at + 1..)?)),
            letter => said.push(letter),
        }
    }
    None
}

/// The beginning of a run from its place among its siblings: the last part of `dotted_order` begins with
/// `%Y%m%dT%H%M%S%fZ`, in UTC.
fn of_order(order: &str, time: &TimeContext) -> Option<time::Span> {
    let stamp = order.rsplit('.').next()?.split_once('Z')?.0;
    let (whole, fraction) = stamp.split_at_checked(15)?;
    let at = NaiveDateTime::parse_from_str(whole, "%Y%m%dT%H%M%S").ok()?.and_utc().timestamp();
    let microseconds: i64 = if fraction.len() == 6 { fraction.parse().ok()? } else { return None };
    Some(time.epoch(Instant::from_parts(at, microseconds * 1_000)?, 1_000))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dicts_as_python_prints_them() {
        // python3: print({'command': "echo 'a'\n", 'n': 3, 'b': True, 'x': None, 'q': 'it"s'})
        let text = r#"{'command': "echo 'a'\n", 'n': 3, 'b': True, 'x': None, 'q': 'it"s'}"#;
        let value = serde_json::json!({"command": "echo 'a'\n", "n": 3, "b": true, "x": null, "q": "it\"s"});
        assert_eq!(python(text), Some(value));
        for text in ["{", "{'a'", "{'a': [1]}", "{'a': 'b", "{a: 1}", "{'a': 1 'b': 2}"] {
            assert_eq!(python(text), None, "{text}");
        }
    }

    #[test]
    fn times_in_the_order_of_runs() {
        let time = TimeContext::default();
        // 2026-11-20T14:43:56Z is 1 795 185 836 (date -u -d ... +%s).
        let span = of_order("20261120T144356587223Zaaa.20261120T144356600198Zbbb", &time).unwrap();
        assert_eq!(span.lo, Instant(1_795_185_836_600_198_000));
        assert_eq!(of_order("", &time), None);
        assert_eq!(of_order("öööööööööööööööZ", &time), None);
    }
}

//! What no sample shows.

use serde_json::{Value, json};

use super::OtelSpans;
use crate::evidence::{EvidenceId, Input};
use crate::formats::{Collector, Format};
use crate::time::TimeContext;

fn spans(lines: &[Value]) -> Collector {
    let text: String = lines.iter().map(|line| format!("{line}\n")).collect();
    let mut found = Collector::default();
    let mut input = Input::from_bytes("x.jsonl", text.into_bytes(), EvidenceId(0));
    OtelSpans.read(&mut input, &TimeContext::default(), &mut found).unwrap();
    found
}

fn span(id: &str, parent: &str, at: u64, attributes: Value) -> Value {
    json!({
        "name": "x", "context": {"trace_id": "0x1", "span_id": id}, "parent_id": parent,
        "start_time": 1_795_185_514_000_000_000_u64 + at, "end_time": 1_795_185_514_000_000_009_u64 + at,
        "attributes": attributes,
    })
}

#[test]
fn families_in_circles_end() {
    let tool = json!({"openinference.span.kind": "TOOL", "tool.name": "t"});
    let found = spans(&[span("a", "b", 0, tool.clone()), span("b", "a", 1, tool.clone()), span("c", "c", 2, tool)]);
    // Each but the first lies within a tool of its name.
    assert_eq!(found.records, 3);
    assert!(!found.steps.is_empty() && found.steps.len() <= 3);
}

#[test]
fn a_tool_instrumented_twice_is_one_call() {
    let tool = |arguments: &str| json!({"openinference.span.kind": "TOOL", "tool.name": "t", "input.value": arguments});
    let found = spans(&[
        span("b", "a", 1, tool("{\"x\":1}")),
        span("a", "", 0, tool("{\"x\":1}")),
        span("c", "", 5, tool("{}")),
    ]);
    assert_eq!(found.steps.len(), 2);
}

#[test]
fn same_calls_in_a_row_are_as_many() {
    let call = |id: &str| {
        json!({"openinference.span.kind": "LLM",
            "output.value": format!(r#"{{"choices":[{{"message":{{"role":"assistant","content":"","tool_calls":[{{"id":"{id}","type":"function","function":{{"name":"t","arguments":"{{\"x\":1}}"}}}}]}}}}]}}"#)})
    };
    let tool = json!({"openinference.span.kind": "TOOL", "tool.name": "t", "input.value": "{\"x\": 1}"});
    let found = spans(&[
        span("l1", "", 0, call("c1")),
        span("t1", "", 100, tool.clone()),
        span("l2", "", 200, call("c2")),
        span("t2", "", 300, tool.clone()),
        span("t3", "", 400, tool),
    ]);
    let ids: Vec<&str> = found.steps.iter().filter_map(|step| step.call_id.as_deref()).collect();
    assert_eq!(ids, ["c1", "c2", "span-5"]);
}

#[test]
fn traces_of_one_session_are_one_episode_and_others_apart() {
    let tool = |session: &str| json!({"openinference.span.kind": "TOOL", "tool.name": "t", "session.id": session});
    let mut second = span("b", "", 9, tool("s"));
    second["context"]["trace_id"] = json!("0x2");
    let mut third = span("c", "", 20, json!({"openinference.span.kind": "TOOL", "tool.name": "t"}));
    third["context"]["trace_id"] = json!("0x3");
    let found = spans(&[span("a", "", 0, tool("s")), second, third]);
    let mut ids: Vec<&str> = found.steps.iter().map(|step| &*step.episode).collect();
    ids.dedup();
    assert_eq!(ids, ["x.jsonl#3", "x.jsonl#s"]);
}

#[test]
fn messages_of_the_genai_conventions() {
    let found = spans(&[span(
        "l1",
        "",
        0,
        json!({
            "gen_ai.operation.name": "chat",
            "gen_ai.input.messages": r#"[{"role":"user","parts":[{"type":"text","content":"go"}]},{"role":"assistant","parts":[{"type":"tool_call","id":"c0","name":"sh","arguments":{"command":"ls"}}]},{"role":"tool","parts":[{"type":"tool_call_response","id":"c0","response":"a b"}]}]"#,
            "gen_ai.output.messages": r#"[{"role":"assistant","parts":[{"type":"text","content":"done"}]}]"#,
        }),
    )]);
    assert_eq!(found.steps.len(), 1);
    assert_eq!(found.steps[0].command.as_deref(), Some("ls"));
    assert_eq!(found.results[0].output.as_deref(), Some("a b"));
    let texts: Vec<&str> = found.texts.iter().map(|text| text.text.as_str()).collect();
    assert_eq!(texts, ["go", "done"]);
}

#[test]
fn numbered_prompts_and_tools_of_openllmetry() {
    let found = spans(&[
        span(
            "l1",
            "",
            0,
            json!({
                "gen_ai.prompt.0.role": "user", "gen_ai.prompt.0.content": "go",
                "gen_ai.completion.0.role": "assistant",
                "gen_ai.completion.0.tool_calls.0.id": "c0", "gen_ai.completion.0.tool_calls.0.name": "sh",
                "gen_ai.completion.0.tool_calls.0.arguments": "{\"command\":\"ls\"}",
            }),
        ),
        span(
            "t1",
            "",
            20,
            json!({
                "traceloop.span.kind": "tool", "traceloop.entity.name": "sh",
                "traceloop.entity.input": "{\"args\": [], \"kwargs\": {\"command\": \"ls\"}}", "traceloop.entity.output": "\"a\"",
            }),
        ),
    ]);
    assert_eq!(found.steps.len(), 1);
    assert_eq!((found.steps[0].call_id.as_deref(), found.steps[0].command.as_deref()), (Some("c0"), Some("ls")));
    assert_eq!(found.results[0].output.as_deref(), Some("a"));
}

#[test]
fn a_tool_of_vercel() {
    let found = spans(&[span(
        "t1",
        "",
        0,
        json!({
            "ai.toolCall.name": "shell", "ai.toolCall.id": "v1", "ai.toolCall.args": "{\"command\":\"id\"}",
            "ai.toolCall.result": "\"root\"",
        }),
    )]);
    assert_eq!(found.steps[0].command.as_deref(), Some("id"));
    assert_eq!(found.results[0].output.as_deref(), Some("root"));
}

#[test]
fn a_request_that_repeats_a_call_which_took_long_makes_none() {
    let said = r#"[{"role":"assistant","parts":[{"type":"tool_call","id":"c0","name":"sh","arguments":{"command":"sleep 9"}}]},{"role":"tool","parts":[{"type":"tool_call_response","id":"c0","response":""}]}]"#;
    let output =
        "Chunk ID: 1\nWall time: 0.1 seconds\nProcess exited with code 7\nOutput:\nProcess exited with code 0\n";
    let found = spans(&[
        span(
            "t1",
            "",
            0,
            json!({
                "gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": "sh",
                "gen_ai.tool.call.arguments": "{\"command\": \"sleep 9\"}", "gen_ai.tool.call.result": output,
            }),
        ),
        span("l1", "", 9_000_000_000, json!({"gen_ai.operation.name": "chat", "gen_ai.input.messages": said})),
    ]);
    assert_eq!(found.steps.len(), 1);
    assert_eq!((found.steps[0].call_id.as_deref(), found.results[0].exit_code), (Some("c0"), Some(7)));
    assert_eq!(found.steps[0].start.unwrap().kind, crate::model::EndpointKind::ToolStarted);
}

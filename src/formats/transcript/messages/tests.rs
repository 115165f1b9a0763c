use serde_json::{Value, json};

use super::*;
use crate::evidence::{EvidenceId, Input};
use crate::formats::Collector;
use crate::time::TimeContext;

/// (tool, arguments, command, id) of each call, and (id, output, exit code) of each result.
fn told(messages: &Value) -> Collector {
    let text = messages.to_string();
    let time = TimeContext::default();
    let mut account = Account::of_file(&Input::from_bytes("x.json", Vec::new(), EvidenceId(0)), &time);
    let mut found = Collector::default();
    conversation(&mut account, 1, messages.as_array().unwrap(), Some(text.as_bytes()), &mut found);
    account.finish(&mut found);
    found
}

#[test]
fn each_interface_tells_the_same_call() {
    let chat = json!([
        {"role": "user", "content": "list"},
        {"role": "assistant", "content": "I look", "tool_calls": [
            {"id": "a", "type": "function", "function": {"name": "bash", "arguments": "{\"command\": \"ls\"}"}}]},
        {"role": "tool", "tool_call_id": "a", "content": "x\n(exit code 1)"}
    ]);
    let anthropic = json!([
        {"role": "user", "content": [{"type": "text", "text": "list"}]},
        {"role": "assistant", "content": [{"type": "text", "text": "I look"},
            {"type": "tool_use", "id": "a", "name": "bash", "input": {"command": "ls"}}]},
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "a", "content": "x\n(exit code 1)"}]}
    ]);
    let gemini = json!([
        {"role": "user", "parts": [{"text": "list"}]},
        {"role": "model", "parts": [{"text": "I look"},
            {"functionCall": {"id": "a", "name": "bash", "args": {"command": "ls"}}}]},
        {"role": "user", "parts": [{"functionResponse": {"id": "a", "name": "bash",
            "response": {"output": "x\n(exit code 1)"}}}]}
    ]);
    let responses = json!([
        {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "list"}]},
        {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "I look"}]},
        {"type": "function_call", "call_id": "a", "name": "bash", "arguments": "{\"command\": \"ls\"}"},
        {"type": "function_call_output", "call_id": "a", "output": "x\n(exit code 1)"}
    ]);
    for messages in [chat, anthropic, gemini, responses] {
        let found = told(&messages);
        assert_eq!(found.unread, [], "{messages}");
        let [step] = found.steps.as_slice() else { panic!("{messages}: {:?}", found.steps) };
        assert_eq!((step.tool.as_str(), step.command.as_deref()), ("bash", Some("ls")), "{messages}");
        assert_eq!(step.call_id.as_deref(), Some("a"));
        let [result] = found.results.as_slice() else { panic!("{messages}: {:?}", found.results) };
        assert_eq!((result.call_id.as_str(), result.exit_code), ("a", Some(1)));
        let texts: Vec<_> = found.texts.iter().map(|text| (text.origin, text.text.as_str())).collect();
        assert_eq!(texts, [(TextOrigin::Prompt, "list"), (TextOrigin::Agent, "I look")], "{messages}");
    }
}

#[test]
fn a_shell_call_of_the_responses_interface_is_an_argument_vector() {
    let found = told(&json!([
        {"type": "local_shell_call", "call_id": "s", "action": {"type": "exec", "command": ["bash", "-lc", "id; date"]}},
        {"type": "local_shell_call_output", "call_id": "s", "output": "{\"stdout\":\"x\"}"},
        {"type": "shell_call", "call_id": "t", "action": {"commands": ["id", "date"]}}
    ]));
    let commands: Vec<_> = found.steps.iter().map(|step| step.command.as_deref().unwrap()).collect();
    assert_eq!(commands, ["id; date", "id\ndate"]);
    assert_eq!(found.results.len(), 1);
}

#[test]
fn calls_without_ids_are_answered_in_order_and_repeated_ids_are_left_out() {
    let found = told(&json!([
        {"role": "assistant", "function_call": {"name": "sh", "arguments": "{\"cmd\":\"a\"}"}},
        {"role": "function", "name": "sh", "content": "1"},
        {"role": "assistant", "tool_calls": [{"id": "c", "function": {"name": "sh", "arguments": "{\"cmd\":\"b\"}"}}]},
        {"role": "tool", "tool_call_id": "c", "content": "2"},
        {"role": "assistant", "tool_calls": [{"id": "c", "function": {"name": "sh", "arguments": "{\"cmd\":\"b\"}"}}]},
        {"role": "tool", "tool_call_id": "c", "content": "2"},
        {"neither": 1}
    ]));
    assert_eq!(found.steps.len(), 2);
    let answers: Vec<_> =
        found.results.iter().map(|result| (result.call_id.as_str(), result.output.as_deref())).collect();
    assert_eq!(answers, [(found.steps[0].call_id.as_deref().unwrap(), Some("1")), ("c", Some("2"))]);
    assert!(found.anomalies[0].detail.starts_with("2 calls or results came again"));
    assert_eq!(found.unread.len(), 1);
}

#[test]
fn arguments_stay_as_they_were_written() {
    let text = br#"[{"role":"assistant","content":[{"type":"tool_use","id":"a","name":"bash","input":{"timeout": 1.50, "command":"ls"}}]}]"#;
    let value: Value = serde_json::from_slice(text).unwrap();
    let time = TimeContext::default();
    let mut account = Account::of_file(&Input::from_bytes("x", Vec::new(), EvidenceId(0)), &time);
    let mut found = Collector::default();
    conversation(&mut account, 1, value.as_array().unwrap(), Some(text), &mut found);
    assert_eq!(found.steps[0].arguments, r#"{"timeout": 1.50, "command":"ls"}"#);
}

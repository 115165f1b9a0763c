//! What models got and gave, brought to the shape of messages: each convention wraps them in its own way.

use serde_json::{Map, Value, json};

use super::flat;

/// The messages in an input or an output of a model. A bare text is said by `role`.
pub(super) fn messages(value: &Value, role: &str) -> Vec<Value> {
    let mut found = Vec::new();
    collect(&flat::decoded(value), role, &mut found, 0);
    found
}

/// Deeper than this no convention wraps messages.
const DEEPEST: u32 = 6;

fn collect(value: &Value, role: &str, found: &mut Vec<Value>, depth: u32) {
    if depth > DEEPEST {
        return;
    }
    match value {
        Value::String(text) if !text.trim().is_empty() => found.push(json!({"role": role, "content": text})),
        Value::Array(list) => list.iter().for_each(|value| collect(value, role, found, depth + 1)),
        Value::Object(map) => {
            if let Some(message) = message(value) {
                return found.push(message);
            }
            let wrapped = ["messages", "choices", "generations", "candidates", "output", "input", "message", "kwargs"];
            if let Some(system) = map.get("system").or_else(|| map.get("instructions")) {
                collect(system, "system", found, depth + 1);
            }
            match wrapped.iter().find_map(|key| map.get(*key).filter(|value| !value.is_null())) {
                Some(inner) => collect(inner, role, found, depth + 1),
                // Contents of Gemini, an answer with its text.
                None => {
                    let inner = ["contents", "content", "text", "prompt", "completion", "response", "answer"];
                    if let Some(inner) = inner.iter().find_map(|key| map.get(*key)) {
                        collect(inner, role, found, depth + 1);
                    }
                }
            }
        }
        _ => {}
    }
}

/// A message of any convention as [`super::super::messages`] knows them.
fn message(value: &Value) -> Option<Value> {
    let map = value.as_object()?;
    // OpenInference: members under `message`, flat or nested.
    if flat::find(value, "message.role").is_some() {
        // A choice of Chat Completions holds a message, too.
        let choice = map.get("message").filter(|_| {
            flat::find(value, "message.tool_calls.0.tool_call").is_none()
                && flat::find(value, "message.contents").is_none()
                && !map.keys().any(|key| key.starts_with("message."))
        });
        return Some(choice.map_or_else(|| open_inference(value), of_parts));
    }
    // Serialized by LangChain: its class, and what it was made of.
    if let Some(kwargs) = map.get("kwargs").filter(|kwargs| kwargs.get("content").is_some()) {
        let class = map.get("id").and_then(Value::as_array).and_then(|id| id.last()).and_then(Value::as_str);
        return Some(with_role(kwargs, class.and_then(of_class).unwrap_or("user")));
    }
    let kind = map.get("type").and_then(Value::as_str).unwrap_or_default();
    if map.contains_key("role") {
        return Some(of_parts(value));
    }
    if let Some(role) = of_class(kind).filter(|_| map.contains_key("content") || map.contains_key("data")) {
        return Some(with_role(map.get("data").unwrap_or(value), role));
    }
    // Items of the Responses interface.
    (kind.ends_with("_call") || kind.ends_with("_call_output") || kind == "reasoning").then(|| value.clone())
}

fn of_class(class: &str) -> Option<&'static str> {
    Some(match class {
        "human" | "HumanMessage" | "HumanMessageChunk" => "user",
        "ai" | "AIMessage" | "AIMessageChunk" => "assistant",
        "system" | "SystemMessage" => "system",
        "tool" | "ToolMessage" => "tool",
        _ => return None,
    })
}

fn with_role(value: &Value, role: &str) -> Value {
    let mut map = value.as_object().cloned().unwrap_or_default();
    map.insert("role".to_owned(), Value::from(role));
    // The id of the message is not that of a call.
    map.remove("id");
    map.remove("type");
    Value::Object(map)
}

fn open_inference(value: &Value) -> Value {
    let mut message = Map::new();
    message.insert("role".to_owned(), flat::find(value, "message.role").cloned().unwrap_or_default());
    let content = flat::find(value, "message.content").cloned().or_else(|| {
        let contents = flat::list(value, "message.contents");
        let texts: Vec<&str> =
            contents.iter().filter_map(|part| flat::find(part, "message_content.text")?.as_str()).collect();
        (!texts.is_empty()).then(|| Value::from(texts.join("\n")))
    });
    message.insert("content".to_owned(), content.unwrap_or_default());
    if let Some(id) = flat::find(value, "message.tool_call_id") {
        message.insert("tool_call_id".to_owned(), id.clone());
    }
    let calls = flat::list(value, "message.tool_calls").into_iter().map(|call| {
        json!({
            "id": flat::find(&call, "tool_call.id"),
            "function": {
                "name": flat::find(&call, "tool_call.function.name"),
                "arguments": flat::find(&call, "tool_call.function.arguments"),
            },
        })
    });
    message.insert("tool_calls".to_owned(), calls.collect());
    Value::Object(message)
}

/// The parts of messages of OpenTelemetry's GenAI conventions
/// (<https://opentelemetry.io/docs/specs/semconv/gen-ai/gen-ai-input-messages.json>) as blocks of content.
fn of_parts(value: &Value) -> Value {
    let Some(parts) = value.get("parts").and_then(Value::as_array) else { return value.clone() };
    let blocks = parts.iter().map(|part| {
        let field = |names: &[&str]| names.iter().find_map(|name| part.get(*name)).cloned().unwrap_or_default();
        match part.get("type").and_then(Value::as_str) {
            Some("text") => json!({"type": "text", "text": field(&["content", "text"])}),
            Some("reasoning" | "thinking") => json!({"type": "thinking", "thinking": field(&["content", "text"])}),
            Some("tool_call_response") => {
                let said = field(&["response", "result", "content"]);
                let said = if said.is_object() { Value::from(said.to_string()) } else { said };
                json!({"type": "tool_result", "tool_use_id": field(&["id"]), "content": said})
            }
            _ => part.clone(),
        }
    });
    json!({"role": value.get("role"), "content": blocks.collect::<Vec<_>>()})
}

/// Messages that instrumentations of 2023 to 2025 wrote as numbered attributes (`gen_ai.prompt.0.role`).
pub(super) fn numbered(attributes: &Value, name: &str) -> Vec<Value> {
    let numbered = flat::list(attributes, name).into_iter().map(|message| {
        let role = flat::text(&message, &["role"]);
        let role = role.as_deref().unwrap_or(if name.ends_with("completion") { "assistant" } else { "user" });
        let calls: Vec<Value> = flat::list(&message, "tool_calls")
            .into_iter()
            .map(|call| {
                json!({
                    "id": flat::find(&call, "id"),
                    "function": {
                        "name": flat::find(&call, "name").or_else(|| flat::find(&call, "function.name")),
                        "arguments": flat::find(&call, "arguments").or_else(|| flat::find(&call, "function.arguments")),
                    },
                })
            })
            .collect();
        let content = flat::find(&message, "content").map(flat::decoded).unwrap_or_default();
        json!({
            "role": role,
            "content": content,
            "tool_calls": calls,
            "tool_call_id": flat::find(&message, "tool_call_id"),
        })
    });
    numbered.collect()
}

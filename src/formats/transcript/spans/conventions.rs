//! What the attributes of a span or a log entry stand for: OpenTelemetry's GenAI conventions
//! (<https://opentelemetry.io/docs/specs/semconv/gen-ai/>), OpenInference
//! (<https://github.com/Arize-ai/openinference/blob/main/spec/semantic_conventions.md>), OpenLLMetry, the Vercel AI SDK,
//! and the telemetry of Claude Code, Codex, Gemini CLI and Qwen Code.

use serde_json::Value;

use super::flat::{self, find, text};
use super::spoken;
use super::tool::Tool;
use super::{Scene, Span, What};
use crate::model::{Approval, Endpoint, EndpointKind, Place, TextOrigin};

const CALL_IDS: [&str; 8] = [
    "gen_ai.tool.call.id",
    "gen_ai.tool.call_id",
    "tool_call.id",
    "tool_use_id",
    "call_id",
    "ai.toolCall.id",
    "tool_call_id",
    "tool.call_id",
];
const NAMES: [&str; 7] = [
    "gen_ai.tool.name",
    "tool.name",
    "tool_name",
    "ai.toolCall.name",
    "traceloop.entity.name",
    "function_name",
    "mcp.tool.name",
];
const ARGUMENTS: [&str; 12] = [
    "gen_ai.tool.call.arguments",
    "gen_ai.tool.arguments",
    "tool_input",
    "input.value",
    "ai.toolCall.args",
    "traceloop.entity.input",
    "tool_arguments",
    "function_args",
    "arguments",
    "mlflow.spanInputs",
    "langfuse.observation.input",
    "gen_ai.input.messages",
];
const OUTPUTS: [&str; 11] = [
    "gen_ai.tool.call.result",
    "gen_ai.tool.result",
    "gen_ai.tool.output",
    "output.value",
    "ai.toolCall.result",
    "traceloop.entity.output",
    "tool_response",
    "output",
    "mlflow.spanOutputs",
    "langfuse.observation.output",
    "gen_ai.output.messages",
];
const CONVERSATIONS: [&str; 7] = [
    "gen_ai.conversation.id",
    "session.id",
    "conversation.id",
    "mlflow.trace.session",
    "langfuse.session.id",
    "traceloop.association.properties.session_id",
    "ai.telemetry.metadata.sessionId",
];

/// Says what a span of that name and with these attributes stands for. `span` has its times.
pub(super) fn of_span(span: &mut Span, name: &str, attributes: &Value) {
    scene(span, attributes);
    let kinds = [
        "openinference.span.kind",
        "traceloop.span.kind",
        "span.type",
        "mlflow.spanType",
        "langfuse.observation.type",
        "langsmith.span.kind",
    ];
    let kind = kinds.iter().find_map(|key| flat::decoded(find(attributes, key)?).as_str().map(str::to_lowercase));
    let kind = kind.unwrap_or_default();
    let operation = text(attributes, &["gen_ai.operation.name"]).unwrap_or_default();
    let is_tool = matches!(&*operation, "execute_tool" | "tool_call")
        || matches!(&*kind, "tool" | "tool.execution")
        || name.starts_with("execute_tool ")
        || find(attributes, "codex.tool.phase").is_some()
        || name.starts_with("unified_exec.") && find(attributes, "call_id").is_some()
        || text(attributes, &["mcp.method.name"]).as_deref() == Some("tools/call")
        || find(attributes, "ai.toolCall.name").is_some()
        || operation.is_empty() && kind.is_empty() && find(attributes, "gen_ai.tool.name").is_some();
    if is_tool {
        let mut tool = tool(attributes, &kind).at_work(span.start, span.end);
        if tool.name.is_empty() && kind != "tool.execution" {
            tool.name = tool_name(name, attributes);
        }
        span.what = What::Tool(Box::new(tool));
        return;
    }
    if matches!(&*operation, "invoke_agent" | "create_agent") || kind == "agent" {
        span.what = What::Agent;
        return;
    }
    let is_model = matches!(&*operation, "chat" | "text_completion" | "generate_content" | "llm_call")
        || matches!(&*kind, "llm" | "chat_model" | "generation" | "llm_request")
        || name.ends_with(".doGenerate")
        || name.ends_with(".doStream")
        || find(attributes, "gen_ai.completion.0.role").is_some()
        || find(attributes, "gen_ai.prompt.0.role").is_some();
    if is_model {
        span.what = model(attributes);
    } else if let Some(prompt) = text(attributes, &["user_prompt"]) {
        span.what = What::Said(TextOrigin::Prompt, prompt);
    } else if matches!(&*kind, "function" | "func" | "task" | "span" | "chain" | "unknown" | "workflow") {
        let mut tool = tool(attributes, &kind).at_work(span.start, span.end);
        if tool.name.is_empty() {
            tool.name = name.to_owned();
        }
        span.what = What::Function(Box::new(tool));
    }
}

fn tool_name(name: &str, attributes: &Value) -> String {
    let name = name.strip_prefix("execute_tool ").or_else(|| name.strip_prefix("tools/call ")).unwrap_or(name);
    let name = name.strip_suffix(".tool").unwrap_or(name);
    // The span of a service of Codex is not named as its tool.
    if name.starts_with("unified_exec.") && find(attributes, "call_id").is_some() {
        String::new()
    } else {
        name.to_owned()
    }
}

/// Says what a log entry, or an event within a span, stands for. `name` is its own, without that of the program.
/// `span.start` is when it was written.
pub(super) fn of_log(span: &mut Span, name: &str, attributes: &Value, body: &Value) {
    scene(span, attributes);
    let recorded = |kind| span.start.map(|span| Endpoint { span, kind });
    let (program, short) = name.split_once('.').unwrap_or(("", name));
    let said = |origin, keys: &[&str]| text(attributes, keys).map_or(What::Other, |text| What::Said(origin, text));
    span.what = match short {
        "tool_decision" => {
            let mut tool = tool(attributes, short);
            tool.start = recorded(EndpointKind::CallRecorded);
            What::Tool(Box::new(tool))
        }
        "tool_result" | "tool_call" if find(attributes, "call_id").is_some() || tool_named(attributes) => {
            let mut tool = tool(attributes, short);
            tool.duration_ns = flat::milliseconds(attributes, &["duration_ms"]);
            tool.end = recorded(EndpointKind::ResultRecorded);
            tool.logged = true;
            What::Tool(Box::new(tool))
        }
        "user_prompt" => said(TextOrigin::Prompt, &["prompt"]),
        "assistant_response" => said(TextOrigin::Agent, &["response", "text", "content"]),
        "api_response" => said(TextOrigin::Agent, &["response_text"]),
        _ if name == "gen_ai.client.inference.operation.details" => model(attributes),
        // Messages as events, of the conventions 1.28 to 1.36.
        "user.message" | "system.message" | "assistant.message" | "tool.message" | "choice" if program == "gen_ai" => {
            let role = short.strip_suffix(".message").unwrap_or("assistant");
            let held = if body.is_object() { body } else { attributes };
            let held = match held.get("message") {
                Some(inner) if inner.is_object() || inner.is_string() => flat::decoded(inner),
                _ => held.clone(),
            };
            let mut message = held.as_object().cloned().unwrap_or_default();
            message.entry("role").or_insert(Value::from(role));
            if let Some(content) = message.get_mut("content") {
                *content = flat::decoded(content);
            }
            if let Some(calls) = message.get_mut("tool_calls") {
                *calls = flat::decoded(calls);
            }
            let message = vec![Value::Object(message)];
            if short == "choice" || role == "assistant" {
                What::Model { got: Vec::new(), gave: message }
            } else {
                What::Model { got: message, gave: Vec::new() }
            }
        }
        _ => What::Other,
    };
}

fn tool_named(attributes: &Value) -> bool {
    find(attributes, "tool_name").is_some() || find(attributes, "function_name").is_some()
}

/// What attributes say of the whole episode, and which that is.
fn scene(span: &mut Span, attributes: &Value) {
    span.conversation = span.conversation.take().or_else(|| text(attributes, &CONVERSATIONS));
    let scene: &mut Scene = &mut span.scene;
    let model = ["gen_ai.request.model", "gen_ai.response.model", "llm.model_name", "ai.model.id", "model"];
    scene.model = scene.model.take().or_else(|| text(attributes, &model));
    scene.cwd = scene.cwd.take().or_else(|| text(attributes, &["cwd", "working_directory"]));
    let policy = text(attributes, &["approval_policy", "approval_mode"]);
    scene.unasked |= policy.is_some_and(|policy| matches!(&*policy, "never" | "yolo"));
}

/// What attributes say of a call.
fn tool(attributes: &Value, kind: &str) -> Tool {
    let arguments = ARGUMENTS.iter().find_map(|key| find(attributes, key));
    let arguments = arguments.map(unwrapped);
    let output = OUTPUTS.iter().find_map(|key| find(attributes, key));
    let output = output.map(|output| if output.is_string() { once_decoded(output) } else { output.clone() });
    let tool = Tool {
        call_id: text(attributes, &CALL_IDS),
        name: text(attributes, &NAMES).unwrap_or_default(),
        ..Tool::default()
    };
    let mut tool = tool.with_arguments(arguments.as_ref()).with_output(output.as_ref());
    let parameters = find(attributes, "tool_parameters").map(flat::decoded).unwrap_or_default();
    tool.command = text(attributes, &["full_command"]).or_else(|| text(&parameters, &["full_command"]));
    let code = flat::number(attributes, &["exit_code", "process.exit.code"]);
    tool.exit_code = tool.exit_code.or_else(|| {
        let code = code.filter(|code| code.fract() == 0.0 && (0.0..=255.0).contains(code))?;
        Some(code as i32)
    });
    if let (None, Some(error)) = (&tool.output, text(attributes, &["error", "error.message", "exception.message"])) {
        tool.output = Some(error);
    }
    let decision = text(attributes, &["decision"]).filter(|_| kind != "tool.blocked_on_user");
    tool.approval = match decision.as_deref() {
        Some("accept" | "approved" | "approved_for_session" | "approve" | "modify") => Some(Approval::Given),
        Some("auto_accept") => Some(Approval::Waived),
        Some("reject" | "denied" | "deny" | "abort" | "rejected") => {
            tool.not_executed = true;
            Some(Approval::Refused)
        }
        _ => None,
    };
    tool
}

/// Arguments without what is wrapped around them: JSON within JSON, the request that holds them.
fn unwrapped(value: &Value) -> Value {
    let value = once_decoded(value);
    let parsed = flat::decoded(&value);
    if let (Some(_), Some(inner)) = (parsed.get("callId"), parsed.get("args")) {
        return inner.clone();
    }
    // OpenLLMetry keeps positional and named ones.
    if let (Some(_), Some(named)) = (parsed.get("args"), parsed.get("kwargs").filter(|named| named.is_object())) {
        return named.clone();
    }
    value
}

/// A text that is JSON for a text becomes that text.
fn once_decoded(value: &Value) -> Value {
    match value.as_str().filter(|text| text.starts_with('"')).map(serde_json::from_str) {
        Some(Ok(inner @ Value::String(_))) => inner,
        _ => value.clone(),
    }
}

/// The messages of a model's span.
fn model(attributes: &Value) -> What {
    let of = |keys: &[&str], role: &str| {
        let found = keys.iter().find_map(|key| find(attributes, key));
        found.map(|found| spoken::messages(found, role)).unwrap_or_default()
    };
    let lists = |key: &str| {
        let list = flat::list(attributes, key);
        list.iter().flat_map(|message| spoken::messages(message, "user")).collect::<Vec<_>>()
    };
    let mut got = of(&["gen_ai.system_instructions"], "system");
    let input = [
        "gen_ai.input.messages",
        "ai.prompt.messages",
        "mlflow.spanInputs",
        "langfuse.observation.input",
        "traceloop.entity.input",
    ];
    let mut asked = of(&input, "user");
    if asked.is_empty() {
        asked = lists("llm.input_messages");
    }
    if asked.is_empty() {
        asked = spoken::numbered(attributes, "gen_ai.prompt");
    }
    if asked.is_empty() {
        asked = of(&["input.value"], "user");
    }
    got.extend(asked);
    let output = ["gen_ai.output.messages", "mlflow.spanOutputs", "langfuse.observation.output"];
    let mut gave = of(&output, "assistant");
    if gave.is_empty() {
        gave = lists("llm.output_messages");
    }
    if gave.is_empty() {
        gave = spoken::numbered(attributes, "gen_ai.completion");
    }
    if gave.is_empty() {
        let calls = find(attributes, "ai.response.toolCalls").map(flat::decoded);
        let calls = calls.and_then(|calls| calls.as_array().cloned()).unwrap_or_default();
        let calls: Vec<Value> = calls
            .iter()
            .map(|call| {
                let field = |names: &[&str]| names.iter().find_map(|name| call.get(*name)).cloned();
                serde_json::json!({
                    "id": field(&["toolCallId", "id"]),
                    "name": field(&["toolName", "name"]),
                    "arguments": field(&["input", "args"]),
                })
            })
            .collect();
        let said = text(attributes, &["ai.response.text"]).unwrap_or_default();
        if !calls.is_empty() || !said.is_empty() {
            gave.push(serde_json::json!({"role": "assistant", "content": said, "tool_calls": calls}));
        }
    }
    if gave.is_empty() {
        gave = of(&["output.value", "traceloop.entity.output"], "assistant");
    }
    What::Model { got, gave }
}

/// What the resource says of the program that wrote: its name, and where it ran.
pub(super) fn resource(span: &mut Span, resource: &Value) {
    let name = text(resource, &["service.name"]).filter(|name| !name.starts_with("unknown_service"));
    let version = text(resource, &["service.version"]);
    let scene = &mut span.scene;
    scene.agent = scene.agent.take().or_else(|| {
        let name = name?;
        Some(version.map_or(name.clone(), |version| format!("{name} {version}")))
    });
    scene.host = scene.host.take().or_else(|| text(resource, &["host.name"]));
    scene.cwd = scene.cwd.take().or_else(|| text(resource, &["process.working_directory"]));
    span.conversation = span.conversation.take().or_else(|| text(resource, &CONVERSATIONS));
    let process = flat::number(resource, &["process.pid"]).filter(|pid| (1.0..=4_194_304.0).contains(pid));
    let place = Place {
        host: text(resource, &["host.name"]),
        container: text(resource, &["container.id", "container.name"]),
        sandbox: text(resource, &["k8s.pod.name", "sandbox.id"]),
        pid: process.map(|pid| pid as u32),
        pgid: None,
    };
    if let What::Tool(tool) | What::Function(tool) = &mut span.what {
        tool.place.fill_from(place);
    }
}

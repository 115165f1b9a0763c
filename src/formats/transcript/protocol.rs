//! Calls within decoded text, as chat templates write them: `<tool_call>{"name": .., "arguments": ..}</tool_call>`
//! (Hermes, Qwen), `<tool_call><function=name><parameter=key>value</parameter></function></tool_call>` (Qwen3-Coder), and
//! `<tool_response>` for what came back.
//!
//! Only for text that a model wrote or that was decoded from its tokens: prompts hold examples in the same form. A model
//! may write a response itself, and that cannot be told from one of the environment.

use serde_json::{Map, Value};

use super::account::{Account, Answer, Call, Spot};
use super::printed;
use crate::formats::Sink;
use crate::model::TextOrigin;

/// A part of decoded text.
#[derive(Debug, PartialEq)]
pub(super) enum Piece<'t> {
    Said(&'t str),
    Call { tool: String, arguments: String, parsed: Value },
    Answer(&'t str),
}

/// Bound on the parts of one text.
const MOST: usize = 100_000;

/// Cuts a text into its parts. A call that cannot be read stays part of what was said.
pub(super) fn pieces(text: &str) -> Vec<Piece<'_>> {
    let mut pieces = Vec::new();
    let mut rest = text;
    let mut kept = text;
    while let Some(at) = rest.find("<tool_").filter(|_| pieces.len() < MOST) {
        let (_, tagged) = rest.split_at(at);
        let Some((piece, after)) = call(tagged).or_else(|| answer(tagged)) else {
            rest = tagged.get(6..).unwrap_or_default();
            continue;
        };
        let before = kept.get(..kept.len() - tagged.len()).unwrap_or_default();
        if !is_blank(before) {
            pieces.push(Piece::Said(before));
        }
        pieces.extend(piece);
        rest = after;
        kept = after;
    }
    if !is_blank(kept) {
        pieces.push(Piece::Said(kept));
    }
    pieces
}

/// Nothing, or what is left of the marks between turns when special tokens are left out.
fn is_blank(text: &str) -> bool {
    matches!(text.trim(), "" | "user" | "assistant" | "tool" | "<|im_end|>")
        || text.trim().strip_prefix("<|im_end|>").is_some_and(|rest| {
            matches!(rest.trim(), "<|im_start|>user" | "<|im_start|>assistant" | "<|im_start|>tool")
        })
}

fn call(tagged: &str) -> Option<(Vec<Piece<'_>>, &str)> {
    let (inner, after) = tagged.strip_prefix("<tool_call>")?.split_once("</tool_call>")?;
    let inner = inner.trim();
    if let Some(function) = inner.strip_prefix("<function=") {
        return Some((vec![of_tags(function)?], after));
    }
    let value: Value = serde_json::from_str(inner).ok()?;
    let calls = match value {
        Value::Array(calls) => calls,
        one => vec![one],
    };
    let pieces: Vec<Piece<'_>> = calls.into_iter().filter_map(of_json).collect();
    (!pieces.is_empty()).then_some((pieces, after))
}

fn of_json(call: Value) -> Option<Piece<'static>> {
    let tool = call.get("name")?.as_str()?.to_owned();
    let (arguments, parsed) =
        super::json::arguments(call.get("arguments").or_else(|| call.get("parameters")).unwrap_or(&Value::Null), None);
    Some(Piece::Call { tool, arguments, parsed })
}

fn of_tags(function: &str) -> Option<Piece<'static>> {
    let (tool, mut rest) = function.split_once('>')?;
    let mut arguments = Map::new();
    while let Some((_, parameter)) = rest.split_once("<parameter=") {
        let (key, value) = parameter.split_once('>')?;
        let (value, after) = value.split_once("</parameter>")?;
        let value = value.strip_prefix('\n').unwrap_or(value);
        let value = value.strip_suffix('\n').unwrap_or(value);
        arguments.insert(key.trim().to_owned(), Value::from(value));
        rest = after;
    }
    let parsed = Value::Object(arguments);
    Some(Piece::Call { tool: tool.trim().to_owned(), arguments: parsed.to_string(), parsed })
}

fn answer(tagged: &str) -> Option<(Vec<Piece<'_>>, &str)> {
    let (inner, after) = tagged.strip_prefix("<tool_response>")?.split_once("</tool_response>")?;
    Some((vec![Piece::Answer(inner.trim_matches('\n'))], after))
}

/// Tells the parts of a decoded text, from the place of `spot` on.
pub(super) fn tell(account: &mut Account<'_>, spot: Spot, text: &str, sink: &mut dyn Sink) {
    for (part, piece) in (spot.order.1..).zip(pieces(text)) {
        let spot = spot.part(part);
        match piece {
            Piece::Said(said) => account.say(spot, TextOrigin::Agent, said.trim().to_owned(), sink),
            Piece::Call { tool, arguments, parsed } => {
                let call = Call { tool: &tool, arguments, ..Call::default() };
                account.call(spot, call, &parsed, sink);
            }
            Piece::Answer(output) => {
                let told = printed::of(output);
                let answer = Answer {
                    output: output.to_owned(),
                    exit_code: told.exit_code,
                    not_executed: told.not_executed,
                    place: told.place,
                    ..Answer::default()
                };
                account.answer(spot, answer, sink);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_and_answers_in_text() {
        let text = "Let me look.\n<tool_call>\n{\"name\": \"bash\", \"arguments\": {\"command\": \"ls\"}}\n</tool_call>\nuser\n\
                    <tool_response>\na.txt\n</tool_response>\nassistant\nDone with <tool_box>.";
        let pieces = pieces(text);
        assert_eq!(pieces.len(), 4, "{pieces:?}");
        assert_eq!(pieces[0], Piece::Said("Let me look.\n"));
        assert_eq!(
            pieces[1],
            Piece::Call {
                tool: "bash".to_owned(),
                arguments: r#"{"command":"ls"}"#.to_owned(),
                parsed: serde_json::json!({"command": "ls"}),
            }
        );
        assert_eq!(pieces[2], Piece::Answer("a.txt"));
        assert_eq!(pieces[3], Piece::Said("\nassistant\nDone with <tool_box>."));
    }

    #[test]
    fn calls_in_tags() {
        let text =
            "<tool_call>\n<function=bash>\n<parameter=command>\necho '<b>'\n</parameter>\n</function>\n</tool_call>";
        let [Piece::Call { tool, parsed, .. }] = &pieces(text)[..] else { panic!("no call") };
        assert_eq!((tool.as_str(), parsed), ("bash", &serde_json::json!({"command": "echo '<b>'"})));
        // What cannot be read is text; nothing is lost.
        for ill in
            ["<tool_call>{\"name\":", "<tool_call>nonsense</tool_call>", "<tool_call></tool_call>x<tool_response>"]
        {
            assert_eq!(pieces(ill), [Piece::Said(ill)]);
        }
    }
}

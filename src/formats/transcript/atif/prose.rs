//! Calls that stand in the text of a step: Terminus-2 keeps the answers of its model as they came, OpenHands without
//! function calls writes them as tags.

use serde_json::{Map, Value};

/// What is typed by a call of Terminus: its `keystrokes` without the line break that sends them. `None` for names of keys
/// (`C-c`) and for other calls.
pub(super) fn keys(arguments: &Value) -> Option<String> {
    let typed = arguments.get("keystrokes")?.as_str()?.trim_end_matches(['\n', '\r']);
    let key = typed.starts_with("C-") && typed.len() <= 4 && !typed.contains(' ');
    (!typed.trim().is_empty() && !key).then(|| typed.to_owned())
}

/// The calls in a text, as (tool, arguments).
pub(super) fn calls(text: &str) -> Vec<(String, Value)> {
    let typed = |value: Value| ("bash_command".to_owned(), value);
    if let (Some(begin), Some(end)) = (text.find('{'), text.rfind('}'))
        && let Some(inner) = text.get(begin..=end)
        && let Ok(Value::Object(mut answer)) = serde_json::from_str::<Value>(inner)
        && let Some(Value::Array(commands)) = answer.remove("commands")
    {
        return commands.into_iter().filter(|command| command.get("keystrokes").is_some()).map(typed).collect();
    }
    let functions = tagged(text, "<function=", "</function>");
    if !functions.is_empty() {
        return functions
            .into_iter()
            .map(|(name, body)| {
                let members: Map<String, Value> = tagged(body, "<parameter=", "</parameter>")
                    .into_iter()
                    .map(|(key, value)| (key.to_owned(), Value::String(value.trim_matches('\n').to_owned())))
                    .collect();
                (name.to_owned(), Value::Object(members))
            })
            .collect();
    }
    tagged(text, "<keystrokes", "</keystrokes>")
        .into_iter()
        .map(|(_, keys)| typed(serde_json::json!({ "keystrokes": keys })))
        .collect()
}

/// What stands between `<tag NAME>` and its end, as (NAME, text).
fn tagged<'a>(text: &'a str, open: &str, close: &str) -> Vec<(&'a str, &'a str)> {
    let mut found = Vec::new();
    let mut rest = text;
    while let Some((_, after)) = rest.split_once(open) {
        let Some((name, body)) = after.split_once('>') else { break };
        let Some((body, behind)) = body.split_once(close) else { break };
        found.push((name.trim(), body));
        rest = behind;
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn calls_in_text() {
        let terminus = "Here:\n{\"analysis\": \"x\", \"commands\": [{\"keystrokes\": \"ls\\n\", \"duration\": 0.1}]}";
        assert_eq!(calls(terminus), [("bash_command".to_owned(), json!({"keystrokes": "ls\n", "duration": 0.1}))]);
        let tags = "<function=execute_bash>\n<parameter=command>ls\nid\n</parameter>\n</function>";
        assert_eq!(calls(tags), [("execute_bash".to_owned(), json!({"command": "ls\nid"}))]);
        assert_eq!(
            calls("<commands><keystrokes duration=\"1\">ls\n</keystrokes></commands>"),
            [("bash_command".to_owned(), json!({"keystrokes": "ls\n"}))]
        );
        assert_eq!(calls("nothing {x}"), []);
    }

    #[test]
    fn keys_are_no_commands() {
        assert_eq!(keys(&json!({"keystrokes": "ls\n"})).as_deref(), Some("ls"));
        assert_eq!(keys(&json!({"keystrokes": "C-c"})), None);
        assert_eq!(keys(&json!({"keystrokes": "\n"})), None);
        assert_eq!(keys(&json!({"command": "ls"})), None);
    }
}

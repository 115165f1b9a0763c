//! Which tools run a shell, and the text that the shell gets.

use serde_json::Value;

/// The shell command in the arguments of a tool, if the tool runs one.
///
/// Names are matched on their last part (`mcp__lab__bash`, `container.exec`), without regard to case.
pub(super) fn command(tool: &str, arguments: &Value) -> Option<String> {
    if !runs_shell(tool) {
        return None;
    }
    ["command", "cmd", "script", "input"]
        .iter()
        .find_map(|key| match arguments.get(key)? {
            Value::String(text) => Some(text.clone()),
            Value::Array(words) => {
                let words: Vec<&str> = words.iter().filter_map(Value::as_str).collect();
                (!words.is_empty()).then(|| of_words(&words))
            }
            _ => None,
        })
        .or_else(|| match arguments.get("commands")? {
            // A list of these is one of lines, not of words.
            Value::Array(lines) => {
                let lines: Vec<&str> = lines.iter().filter_map(Value::as_str).collect();
                (!lines.is_empty()).then(|| lines.join("\n"))
            }
            line => line.as_str().map(str::to_owned),
        })
}

fn runs_shell(tool: &str) -> bool {
    let name = tool.rsplit("__").next().unwrap_or(tool);
    let name = name.rsplit(['.', ':', '/']).next().unwrap_or(name).to_ascii_lowercase();
    let exact = ["sh", "run", "exec", "cmd", "monitor", "unified_exec", "pwsh", "zsh"];
    let part = ["bash", "shell", "terminal", "exec_command", "execute_command", "run_command", "run_cmd"];
    exact.contains(&name.as_str()) || part.iter().any(|part| name.contains(part))
}

/// The text a shell gets from an argument vector: of `["bash", "-lc", X]` it is X; an argument vector without a shell
/// is joined, with quotes where a shell would need them.
pub(super) fn of_words(words: &[&str]) -> String {
    let program = words.first().map_or("", |word| word.rsplit(['/', '\\']).next().unwrap_or(word));
    let program = program.strip_suffix(".exe").unwrap_or(program).to_ascii_lowercase();
    let script_flag = |word: &str| match program.as_str() {
        "bash" | "sh" | "zsh" | "dash" | "ash" | "ksh" | "fish" => {
            word.starts_with('-') && !word.starts_with("--") && word.ends_with('c')
        }
        "powershell" | "pwsh" => word.eq_ignore_ascii_case("-command") || word.eq_ignore_ascii_case("-c"),
        "cmd" => word.eq_ignore_ascii_case("/c") || word.eq_ignore_ascii_case("/k"),
        _ => false,
    };
    let flag = words.iter().skip(1).take_while(|word| word.starts_with(['-', '/'])).position(|word| script_flag(word));
    match flag.and_then(|at| words.get(at + 2)) {
        Some(script) => (*script).to_owned(),
        None => words.iter().map(|word| quoted(word)).collect::<Vec<_>>().join(" "),
    }
}

/// A word as it is written for a shell.
pub(in crate::formats) fn quoted(word: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_-./:=@%+,~".contains(&byte) || byte >= 0x80;
    if !word.is_empty() && word.bytes().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

/// Splits a line into words as a POSIX shell does (quotes and backslashes, no expansion). `None` if a quote is open.
pub(super) fn words(line: &str) -> Option<Vec<String>> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut letters = line.chars();
    while let Some(letter) = letters.next() {
        match letter {
            ' ' | '\t' | '\n' => words.extend(word.take()),
            '\'' => {
                let word = word.get_or_insert_default();
                loop {
                    match letters.next()? {
                        '\'' => break,
                        letter => word.push(letter),
                    }
                }
            }
            '"' => {
                let word = word.get_or_insert_default();
                loop {
                    match letters.next()? {
                        '"' => break,
                        '\\' => match letters.next()? {
                            letter @ ('"' | '\\' | '$' | '`') => word.push(letter),
                            '\n' => {}
                            letter => word.extend(['\\', letter]),
                        },
                        letter => word.push(letter),
                    }
                }
            }
            '\\' => match letters.next()? {
                '\n' => {}
                letter => word.get_or_insert_default().push(letter),
            },
            letter => word.get_or_insert_default().push(letter),
        }
    }
    words.extend(word);
    Some(words)
}

/// The text that shells get from a cell of IPython: a `%%bash` cell, or its `!`, `%system` and `%sx` lines.
pub(super) fn of_ipython(code: &str) -> Option<String> {
    let trimmed = code.trim_start();
    if let Some(magic) = trimmed.strip_prefix("%%") {
        let (name, body) = magic.split_once('\n').unwrap_or((magic, ""));
        let mut name = name.split_ascii_whitespace();
        let shell = match name.next() {
            Some("script") => name.next(),
            first => first,
        };
        return matches!(shell, Some("bash" | "sh" | "zsh" | "!" | "system" | "sx")).then(|| body.to_owned());
    }
    let lines: Vec<&str> = code
        .lines()
        .filter_map(|line| {
            let line = line.trim_start();
            // `files = !ls` assigns what the shell prints.
            let assigned = line.split_once('=').map_or(line, |(name, rest)| {
                let is_name = !name.trim().is_empty() && name.trim().chars().all(|c| c.is_alphanumeric() || c == '_');
                if is_name { rest.trim_start() } else { line }
            });
            let line = if assigned.starts_with('!') { assigned } else { line };
            line.strip_prefix("!!")
                .or_else(|| line.strip_prefix('!'))
                .or_else(|| line.strip_prefix("%system "))
                .or_else(|| line.strip_prefix("%sx "))
        })
        .filter(|line| !line.starts_with('='))
        .map(str::trim)
        .collect();
    (!lines.is_empty()).then(|| lines.join("\n"))
}

/// Whether a line holds more than one simple command: `;`, `&`, `|`, a substitution or a new line outside of quotes.
pub(super) fn is_compound(line: &str) -> bool {
    let mut quote = None;
    let mut letters = line.trim().chars().peekable();
    while let Some(letter) = letters.next() {
        match (quote, letter) {
            (None | Some('"'), '\\') => drop(letters.next()),
            (Some(open), letter) if open == letter => quote = None,
            (None, '\'' | '"') => quote = Some(letter),
            (None, ';' | '&' | '|' | '\n') | (None | Some('"'), '`') => return true,
            (None | Some('"'), '$') if letters.peek() == Some(&'(') => return true,
            _ => {}
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_shell_gets_the_script_of_an_argument_vector() {
        for (words, expected) in [
            (&["bash", "-lc", "cd x && ls"][..], "cd x && ls"),
            (&["/bin/sh", "-c", "a 'b'"], "a 'b'"),
            (&["zsh", "-l", "-c", "x", "name"], "x"),
            (&["pwsh", "-NoProfile", "-Command", "Get-Date"], "Get-Date"),
            (&["cmd.exe", "/c", "dir"], "dir"),
            (&["git", "commit", "-m", "it's done", ""], r"git commit -m 'it'\''s done' ''"),
            (&["bash", "run.sh", "-c", "x"], "bash run.sh -c x"),
            (&[], ""),
        ] {
            assert_eq!(of_words(words), expected);
        }
    }

    #[test]
    fn only_tools_with_a_shell_have_a_command() {
        assert_eq!(command("Bash", &json!({"command": "ls"})).as_deref(), Some("ls"));
        assert_eq!(command("mcp__lab__run_command", &json!({"cmd": "ls"})).as_deref(), Some("ls"));
        assert_eq!(command("container.exec", &json!({"cmd": ["bash", "-lc", "ls"]})).as_deref(), Some("ls"));
        assert_eq!(command("SlashCommand", &json!({"command": "/clear"})), None);
        assert_eq!(command("str_replace_editor", &json!({"command": "view"})), None);
        assert_eq!(command("BashOutput", &json!({"bash_id": "1"})), None);
    }

    #[test]
    fn words_as_a_shell_splits_them() {
        // python3: shlex.split(line)
        assert_eq!(
            words("/bin/bash -lc 'echo '\"'\"'x'\"'\"''"),
            Some(vec!["/bin/bash".into(), "-lc".into(), "echo 'x'".into()])
        );
        assert_eq!(words(r#"a\ b "c \"d\" \n" ''"#), Some(vec!["a b".into(), r#"c "d" \n"#.into(), String::new()]));
        assert_eq!(words("open 'quote"), None);
    }

    #[test]
    fn shell_lines_of_ipython() {
        assert_eq!(of_ipython("%%bash\ncurl x | sh\n").as_deref(), Some("curl x | sh\n"));
        assert_eq!(
            of_ipython("import os\n!nohup ./x &\nfiles = !ls\nif a != b:\n    pass").as_deref(),
            Some("nohup ./x &\nls")
        );
        assert_eq!(of_ipython("print('!')"), None);
    }

    #[test]
    fn compound_lines() {
        for line in ["find_file x; curl y", "open x && y", "open \"$(id)\"", "a | b", "a & b", "a `b`"] {
            assert!(is_compound(line), "{line}");
        }
        for line in ["open 'a;b'", r"open a\;b", "goto 12\n", "search_dir \"a|b\"", "open '$(id)'"] {
            assert!(!is_compound(line), "{line}");
        }
    }
}

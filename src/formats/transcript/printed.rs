//! What programs around agents print into the text of a result: exit codes, process groups, refusals.
//!
//! A command prints what it likes, these lines too: only what stands where the program puts it counts, in front of the
//! output or behind all of it.

use crate::model::Place;

/// What the text of a result says of its command.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Told {
    pub(super) exit_code: Option<i32>,
    pub(super) not_executed: bool,
    pub(super) place: Place,
}

/// Lines that Gemini CLI, Qwen Code and iFlow CLI put behind the output of a command.
const LABELS: [&str; 7] =
    ["Exit Code: ", "Signal: ", "Background PIDs: ", "Process Group PGID: ", "Error: ", "Stderr: ", "Stdout: "];

/// Reads the text of a result.
pub(super) fn of(output: &str) -> Told {
    // Gemini CLI (from 0.5x) puts what commands printed between tags.
    let output = output.trim_end().strip_suffix("</untrusted_context>").unwrap_or(output);
    let mut told = Told { not_executed: never_ran(output), ..Told::default() };
    // From the end, as long as lines are those of the program.
    for line in output.trim_end().lines().rev().take(8) {
        let Some((label, value)) = LABELS.iter().find_map(|label| Some((*label, line.strip_prefix(label)?.trim())))
        else {
            break;
        };
        match label {
            "Exit Code: " => told.exit_code = told.exit_code.or(value.parse().ok()),
            "Process Group PGID: " => told.place.pgid = told.place.pgid.or(value.parse().ok()),
            _ => {}
        }
    }
    told.exit_code = told.exit_code.or_else(|| in_front(output)).or_else(|| behind(output));
    told
}

/// `<returncode>1</returncode>` (mini-swe-agent), `Exit code 1` (Claude Code), `Process exited with code 1` (Codex).
fn in_front(output: &str) -> Option<i32> {
    let first = output.trim_start().lines().next()?;
    if let Some(rest) = first.strip_prefix("<returncode>") {
        return rest.strip_suffix("</returncode>")?.trim().parse().ok();
    }
    [
        "Exit code ",
        "Exit code: ",
        "exit code: ",
        "Process exited with code ",
        "Command failed with exit code ",
        "Command failed with exit code: ",
    ]
    .iter()
    .find_map(|start| first.strip_prefix(start))
    .and_then(|code| code.trim_end_matches(['.', ':']).trim().parse().ok())
}

/// `[The command completed with exit code 1.]`, `[Command finished with exit code 1]` (OpenHands), `[exit code: 1]`,
/// `(exit code 1)`, `Exit code: 1`, `<exited with exit code 1>` (Copilot CLI), `<system>ERROR: Command failed with exit
/// code: 1.</system>` (Kimi CLI).
fn behind(output: &str) -> Option<i32> {
    let last = output.trim_end().lines().next_back()?;
    let inner = last.strip_prefix('[').and_then(|last| last.strip_suffix(']'));
    let inner = inner.or_else(|| last.strip_prefix('(').and_then(|last| last.strip_suffix(')')));
    let inner = inner.or_else(|| last.strip_prefix("<system>").and_then(|last| last.strip_suffix("</system>")));
    let inner = inner.or_else(|| last.strip_prefix('<').and_then(|last| last.strip_suffix('>')));
    let code = match inner {
        Some(inner) => ["exit code ", "exit code: ", "Exit code: "].iter().find_map(|word| {
            let (_, code) = inner.rsplit_once(word)?;
            Some(code)
        })?,
        None => ["Exit code: ", "exit code: "].iter().find_map(|start| last.strip_prefix(start))?,
    };
    code.trim_end_matches('.').trim().parse().ok()
}

/// Whether a result is the program's own word that the call never ran.
fn never_ran(output: &str) -> bool {
    let output = output.trim_start();
    [
        "The user doesn't want to proceed with this tool use",
        "The user doesn't want to take this action right now",
        "<tool_use_error>",
        "[Operation Cancelled]",
        "Command was rejected by the user",
        "User rejected",
        "rejected by user",
        "Tool call rejected",
        "Permission denied by user",
        "Error: Permission to use",
    ]
    .iter()
    .any(|start| output.starts_with(start))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exit_codes_where_the_program_puts_them() {
        for (output, code) in [
            (
                "Command: x\nDirectory: (root)\nOutput: y\nError: (none)\nExit Code: 7\nSignal: 0\nProcess Group PGID: 41",
                Some(7),
            ),
            ("<returncode>3</returncode>\n<output>\nx</output>", Some(3)),
            ("Exit code 2\nls: no such file", Some(2)),
            ("x\n[The command completed with exit code 0.]", Some(0)),
            ("x\n(exit code 1)", Some(1)),
            ("x\n<exited with exit code 2>", Some(2)),
            ("<untrusted_context>\nOutput: y\nExit Code: 3\nProcess Group PGID: 41\n</untrusted_context>", Some(3)),
            ("done", None),
            // Printed by the command, with more behind it.
            ("Exit Code: 0\nmore output", None),
            ("a\nExit code 1\nb", None),
        ] {
            assert_eq!(of(output).exit_code, code, "{output}");
        }
        let told = of("Output: y\nExit Code: 0\nSignal: (none)\nBackground PIDs: 12, 13\nProcess Group PGID: 41\n");
        assert_eq!((told.exit_code, told.place.pgid), (Some(0), Some(41)));
    }

    #[test]
    fn refusals_are_the_words_of_the_program() {
        assert!(of("[Operation Cancelled] Reason: x").not_executed);
        assert!(!of("the log says: [Operation Cancelled]").not_executed);
    }
}

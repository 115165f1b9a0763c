//! bash itself as the judge: programs that do not exist report the words they were called with.

use std::process::Command;

use crate::detect::command::*;

/// What bash calls, sorted: each call's words joined by `|`. `None` where there is no bash.
fn called(text: &str) -> Option<Vec<String>> {
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("log");
    let script = r#"command_not_found_handle() { local IFS='|'; printf '%s\n' "$*" >> "$LOG"; }; PATH=/nonexistent; eval "$1"; wait"#;
    let status = Command::new("bash")
        .args(["--norc", "-c", script, "bash", text])
        .env_clear()
        .env("LOG", &log)
        .current_dir(folder.path())
        .output()
        .ok()?;
    assert!(status.status.code().is_some());
    let mut calls: Vec<String> = std::fs::read_to_string(&log).unwrap_or_default().lines().map(str::to_owned).collect();
    calls.sort();
    Some(calls)
}

/// Two differences are meant: every branch of `||` and `if` is read, and a variable that the text does not set stays as
/// written, since the environment may set it.
#[test]
fn bash_agrees_on_what_is_called() {
    let texts = [
        "p1 'a b' \"c  d\" e\\ f g\\\"h \"i\\$j\" 'k'\"l\"m ''",
        "X=1; Y=\"$X 2\"; p1 $Y \"$Y\" ${X}3 '$X'",
        "X=(a 'b c'); p1 \"${X[@]}\" ${X[0]}x; for i in \"${X[@]}\"; do p2 \"$i\"; done",
        "for i in 1 2 3; do p1 10.30.0.$i; done; for ((j=1;j<=3;j++)); do p2 $j; done",
        "for i in {1..3} {a,b}{x,y} z{5..3}; do p1 $i; done",
        "p1 | p2 && p3; p5 & p6",
        "(p1; p2) | { p3; p4; }",
        "f() { p1 \"$1\" $2; }; f 'a b' c; f d",
        "p1 $'a\\x41\\n' $'\\101\\'' | p2",
        "p1 \"$(echo 'a b')\" $(echo 'a   b') `echo c`",
        "p1 $(printf '%s-' x y z) $(echo -n q)",
        "eval 'p1 a' \"b\"; eval \"p2 'c d'\"",
        "p1 <<E\nX\nE\np2",
        "p1 <<'E' | p2\n$(p9)\nE\np3",
        "p1 > out 2>&1; p2 2>/dev/null >> out; p3 &> out; p4 >| out",
        "X=a p1; X=b; p2 $X",
        "p1 ${X:-d e} \"${Y:-f g}\" ${Z-h}",
        "p1 # p2\np3#p4 '#p5'",
        "p1 a\\\nb c \\\n d",
        "! p1; time p2; { p3; }; ((1+1)); [[ a == b ]] || p4",
        "X=a; X+=b; p1 $X; unset X; p2 \"${X-none}\"",
        "if true; then p1; else :; fi; while false; do :; done; case a in (a) p2;; esac",
        "p1 \"a`echo b`c\" 'd`e`' \"f\\`g\"",
        "p1 ~x a=b -c=\"d e\" --f='g h'; p2 \"\" ''",
    ];
    let mut differing = Vec::new();
    for text in texts {
        let Some(expected) = called(text) else {
            println!("skipped: no bash");
            return;
        };
        let mut ours: Vec<String> = CommandLine::parse(text)
            .commands
            .iter()
            .filter(|command| command.name().starts_with('p') && command.name() != "printf")
            .map(|command| {
                let words = command.args.iter().map(|arg| arg.text.clone());
                std::iter::once(command.program.clone()).chain(words).collect::<Vec<_>>().join("|")
            })
            .flat_map(|call| call.lines().map(str::to_owned).collect::<Vec<_>>())
            .collect();
        ours.sort();
        if ours != expected {
            differing.push(format!("{text}\n  bash {expected:?}\n  here {ours:?}"));
        }
    }
    assert!(differing.is_empty(), "{}", differing.join("\n"));
}

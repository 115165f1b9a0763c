//! Hostile texts.

use proptest::prelude::*;

use crate::detect::command::*;

fn all(text: &str) {
    let line = CommandLine::parse(text);
    is_network_capable(&line);
    name_resolutions(text);
    wallets(text);
    for command in &line.commands {
        assert!(text.get(command.range.clone()).is_some(), "{:?} of {text:?}", command.range);
        command.ssh();
    }
    for literal in literals(&line, text) {
        assert!(text.get(literal.range.clone()).is_some(), "{literal:?} of {text:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_bytes(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        all(&String::from_utf8_lossy(&bytes));
    }

    /// Shell pieces in any order hit far more of the grammar than random bytes do.
    #[test]
    fn any_pieces(pieces in proptest::collection::vec(prop::sample::select(vec![
        "$(", ")", "`", "\"", "'", "{", "}", "${x:-", "$x", "$((", "))", "<<E\n", "\nE\n", "<<<", "<(", ">", ">>", "&>", "2>&1",
        "|", "||", "&&", "&", ";", ";;", "\n", " ", "if ", "then ", "fi ", "for i in ", "do ", "done ", "case x in ", "esac ",
        "a)", "f() ", "f ", "while ", "x=", "x=(", "eval ", "bash -c ", "echo ", "xargs -I{} ", "seq 1 9", "{1..9}", "{a,b}",
        "base64 -d", "sudo ", "nohup ", "crontab -", "at now", "tmux new -d ", "find . -exec ", "\\;", "\\", "10.0.0.1:80", "é", "http://h.example:8/",
        "10.0.0.$i", "::1", "[fe80::1]:22", "ssh -R ", "-R", "time ", "[[ ", "]]", "function f ", "python -c ", "os.system('", "#",
    ]), 0..60)) {
        all(&pieces.concat());
    }
}

/// What would be exponential, quadratic or deep in a careless reader ends within its bounds, and says so.
#[test]
fn hostile_texts_end() {
    let wide = |piece: &str| piece.repeat(LONGEST_TEXT / piece.len());
    for piece in [
        "$(",
        "$((",
        "${",
        "`",
        "(",
        "{ ",
        "((",
        "[[ ",
        "if ",
        "case x in ",
        "a|",
        "a;",
        "<<E ",
        "\"$(",
        "'",
        "\\",
        "$'\\x4",
        "f(){ f;f; };f;",
        "eval ",
        "x=$x$x;",
        "{a,b}",
        "{a,b}\"x\"",
        "bash -c '",
        "1.2.3.4 ",
        "a.b.c:1 ",
        "http://",
        "::",
        "for i in a b; do ",
    ] {
        all(&wide(piece));
    }
    for text in [
        "f(){ f; f; }; f",
        "f(){ for i in {1..1000}; do f; done; }; f",
        "for a in {1..1000}; do for b in {1..1000}; do for c in {1..1000}; do x $a $b $c; done; done; done",
        "x=aaaaaaaaaaaaaaaa; for i in {1..1000}; do x=$x$x; done",
        ":(){ :|:& };:",
        "echo {a,b}{a,b}{a,b}{a,b}{a,b}{a,b}{a,b}{a,b}{a,b}{a,b}{a,b}{a,b}{a,b}{a,b}",
        "a=; while :; do eval \"$a\"; done",
    ] {
        let line = CommandLine::parse(text);
        assert!(line.commands.len() <= MOST_COMMANDS);
    }
    assert!(!CommandLine::parse("for a in {1..100}; do for b in {1..100}; do x $a $b; done; done").limits.is_empty());
    assert!(!CommandLine::parse(&"(".repeat(500)).limits.is_empty());
    assert!(!CommandLine::parse(&"a ".repeat(LONGEST_TEXT)).limits.is_empty());
}

/// Bytes that the words, copies and names of a line take.
fn held(line: &CommandLine) -> usize {
    let texts = |texts: &[String]| texts.iter().map(|text| size_of::<String>() + text.len()).sum::<usize>();
    let command = |command: &SimpleCommand| {
        let words = command.args.iter().map(|arg| size_of::<Arg>() + arg.text.len()).sum::<usize>();
        let wrappers = command.wrappers.iter().map(|wrapper| texts(&wrapper.args)).sum::<usize>();
        words + wrappers + texts(&command.input_from) + command.script.as_ref().map_or(0, String::len)
    };
    line.commands.iter().map(command).sum()
}

/// Loops multiply what stands in them: words of one letter or of none, copies for wrappers and `xargs`, long names of programs
/// in a pipeline, variants of a word with many braces.
#[test]
fn what_loops_multiply_is_bounded_and_told() {
    let looped = |body: &str| format!("for i in {{1..1000}}; do for j in {{1..1000}}; do {body}; done; done");
    let name = "a".repeat(60_000);
    for text in [
        looped(&format!("echo {}", "a{,}{,}{,}{,}{,}{,}{,}{,} ".repeat(16))),
        format!("x=\"{}\"; {}", "a ".repeat(30_000), looped("true $x")),
        format!("x=\"{}\"; {}", "a ".repeat(4_000), looped("sudo nice sudo nice sudo nice true $x")),
        format!("P=/{name}; {}{{ {}; }}", "$P | ".repeat(31), looped("a")),
        format!("seq 512 | xargs -I{{}} echo {}", "a ".repeat(4_000)),
        format!("echo {}", "{a,b}\"x\"".repeat(3_000)),
        format!("y=; for i in {{1..1000}}; do for a in {}; do f() {{ :; }}; done; done", "$y".repeat(100_000)),
        format!("y=; {}", looped(&format!("cat <<E\n{}\nE\ntrue", "$y".repeat(50_000)))),
    ] {
        let line = CommandLine::parse(&text);
        let shown = text.get(..60).unwrap_or(&text);
        assert!(held(&line) <= 4 << 20, "{} bytes of {shown}", held(&line));
        assert!(line.limits.iter().any(|limit| limit == "more than 4 MiB of words"), "{:?} of {shown}", line.limits);
    }
}

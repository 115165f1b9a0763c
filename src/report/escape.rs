//! Text out of evidence is hostile: an agent, or whoever wrote to its log, chose it. Nothing of it may drive a
//! terminal, reorder a line, hide in it, or start a formula.

use std::borrow::Cow;
use std::fmt::Write;

/// Characters that a terminal or viewer acts on or does not show: C0 and C1 controls, DEL, bidirectional controls
/// (UAX #9), zero-width and default-ignorable characters, fillers, variation selectors, tags, line separators.
pub fn is_unsafe(c: char) -> bool {
    matches!(u32::from(c),
        0x00..=0x1f | 0x7f..=0x9f | 0xad | 0x34f | 0x61c | 0x115f..=0x1160 | 0x17b4..=0x17b5 | 0x180b..=0x180f
        | 0x200b..=0x200f | 0x2028..=0x202e | 0x2060..=0x206f | 0x3164 | 0xfe00..=0xfe0f | 0xfeff | 0xffa0
        | 0xfff0..=0xfffb | 0x1bca0..=0x1bca3 | 0x1d173..=0x1d17a | 0xe0000..=0xe0fff)
}

/// Text on one line that is safe to print: unsafe characters appear by name (`\n`, `\x1b`, `\u{202e}`).
///
/// Backslashes are left alone, so the form is for people; JSONL holds the exact text.
pub fn terminal(text: &str) -> Cow<'_, str> {
    if !text.chars().any(is_unsafe) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        match c {
            '\n' => shown.push_str("\\n"),
            '\r' => shown.push_str("\\r"),
            '\t' => shown.push_str("\\t"),
            c if is_unsafe(c) && u32::from(c) < 0x100 => {
                let _ = write!(shown, "\\x{:02x}", u32::from(c));
            }
            c if is_unsafe(c) => {
                let _ = write!(shown, "\\u{{{:x}}}", u32::from(c));
            }
            c => shown.push(c),
        }
    }
    Cow::Owned(shown)
}

/// A text cell of a CSV: safe on a terminal, on one line, and never a formula. A cell that a spreadsheet could take
/// for one (OWASP, CSV injection: a first character of `=`, `+`, `-`, `@`, tab or carriage return, or the full-width
/// forms of these) gets an apostrophe in front. Number columns do not pass through here.
pub fn csv_cell(text: &str) -> Cow<'_, str> {
    let shown = terminal(text);
    let starts_formula = |c: char| matches!(c, '=' | '+' | '-' | '@' | '\t' | '\r' | '＝' | '＋' | '－' | '＠');
    // The spreadsheet may trim blanks before it looks.
    if text.starts_with(starts_formula) || text.trim_start().starts_with(starts_formula) {
        return Cow::Owned(format!("'{shown}"));
    }
    shown
}

/// Serialised JSON with every unsafe character beyond ASCII as a `\u` escape: the same value, inert on a terminal.
///
/// Such characters stand within strings only, as JSON allows none elsewhere; C0 controls are escaped already.
pub fn json(serialised: String) -> String {
    if !serialised.chars().any(|c| !c.is_ascii() && is_unsafe(c) || c == '\x7f') {
        return serialised;
    }
    let mut inert = String::with_capacity(serialised.len() + 16);
    for c in serialised.chars() {
        if is_unsafe(c) && c != '\n' {
            for unit in c.encode_utf16(&mut [0; 2]) {
                let _ = write!(inert, "\\u{unit:04x}");
            }
        } else {
            inert.push(c);
        }
    }
    inert
}

/// The beginning of a text, at most `longest` characters, with an ellipsis where something was cut.
pub fn shorten(text: &str, longest: usize) -> Cow<'_, str> {
    if text.chars().count() <= longest {
        return Cow::Borrowed(text);
    }
    let kept: String = text.chars().take(longest.saturating_sub(1)).collect();
    Cow::Owned(format!("{}…", kept.trim_end()))
}

/// Text for XML content and attributes (XML 1.0): markup escaped, characters that XML forbids shown by name.
pub fn xml(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&apos;"),
            '\n' => escaped.push_str("&#10;"),
            '\t' => escaped.push_str("&#9;"),
            c if is_unsafe(c) || matches!(u32::from(c), 0xfffe | 0xffff) => {
                let _ = write!(escaped, "\\u{{{:x}}}", u32::from(c));
            }
            c => escaped.push(c),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escape_sequences_do_not_reach_the_terminal() {
        // CSI clear screen, OSC 52 clipboard write ended by BEL, C1 CSI, backspaces over a name.
        assert_eq!(terminal("\x1b[2Jgone"), "\\x1b[2Jgone");
        assert_eq!(terminal("\x1b]52;c;ZXZpbA==\x07"), "\\x1b]52;c;ZXZpbA==\\x07");
        assert_eq!(terminal("\u{9b}31mred"), "\\x9b31mred");
        assert_eq!(terminal("evil\u{8}\u{8}\u{8}\u{8}good"), "evil\\x08\\x08\\x08\\x08good");
        assert_eq!(terminal("a\r\nF-9999 forged row"), "a\\r\\nF-9999 forged row");
    }

    #[test]
    fn text_cannot_be_reordered_or_hidden() {
        // The "Trojan Source" pair (CVE-2021-42574), a zero-width joiner, a tag character, a byte order mark.
        assert_eq!(terminal("gpj.\u{202e}exe\u{2069}"), "gpj.\\u{202e}exe\\u{2069}");
        assert_eq!(terminal("pool\u{200b}.example"), "pool\\u{200b}.example");
        assert_eq!(terminal("a\u{e0041}b\u{feff}"), "a\\u{e0041}b\\u{feff}");
        assert_eq!(terminal("line\u{2028}separator"), "line\\u{2028}separator");
    }

    #[test]
    fn honest_text_is_left_alone() {
        for text in ["ssh -f -N -R 2222:localhost:22 jump.example", "日本語 Ünïcode €", "C:\\temp\\x", ""] {
            assert!(matches!(terminal(text), Cow::Borrowed(same) if same == text));
        }
    }

    #[test]
    fn cells_are_never_formulas() {
        assert_eq!(csv_cell("=HYPERLINK(\"http://evil\")"), "'=HYPERLINK(\"http://evil\")");
        for start in ["=", "+", "-", "@", "＝", "＠"] {
            let cell = format!("{start}cmd|' /C calc'!A0");
            assert_eq!(csv_cell(&cell), format!("'{cell}"));
        }
        assert_eq!(csv_cell("\t=1+1"), "'\\t=1+1");
        assert_eq!(csv_cell("\r=1+1"), "'\\r=1+1");
        assert_eq!(csv_cell("  =1+1"), "'  =1+1");
        assert_eq!(csv_cell("1+1"), "1+1");
    }

    #[test]
    fn json_keeps_its_value() {
        let hostile = "\u{202e}\u{9b}\u{200b}\u{e0041}\x7f\u{1b}\" plain é";
        let inert = json(serde_json::to_string(hostile).unwrap());
        assert!(inert.chars().all(|c| !is_unsafe(c)), "{inert}");
        assert_eq!(serde_json::from_str::<String>(&inert).unwrap(), hostile);
    }

    #[test]
    fn xml_has_no_markup_and_no_forbidden_characters() {
        assert_eq!(xml("<a b=\"c\">&\u{0}\u{ffff}"), "&lt;a b=&quot;c&quot;&gt;&amp;\\u{0}\\u{ffff}");
    }

    #[test]
    fn cut_text_says_so() {
        assert_eq!(shorten("abcdef", 6), "abcdef");
        assert_eq!(shorten("abcdefg", 6), "abcde…");
    }
}

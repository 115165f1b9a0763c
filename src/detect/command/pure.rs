//! Commands whose output follows from the text alone: echo, printf, seq, cat, and the decoders used to hide things.

use std::collections::BTreeMap;

use super::expand::{LONGEST_WORD, sequence};
use super::run::Printed;
use super::{Arg, SimpleCommand};

/// What the command prints, as far as the line says; `None` where nothing of it is known.
pub(super) fn printed(
    command: &SimpleCommand,
    stdin: Option<&Printed>,
    files: &BTreeMap<String, String>,
) -> Option<Printed> {
    let args = command.args.as_slice();
    let open = args.iter().any(|arg| arg.open);
    let texts: Vec<&str> = args.iter().map(|arg| arg.text.as_str()).collect();
    let name = command.name();
    match name {
        "echo" => {
            let flags = texts.iter().take_while(|text| is_echo_flag(text)).count();
            let escapes = texts.iter().take(flags).any(|text| text.contains('e'));
            let body = texts.get(flags..)?.join(" ");
            let (mut text, hidden) = if escapes { unescape(&body) } else { (body, false) };
            if !texts.iter().take(flags).any(|text| text.contains('n')) {
                text.push('\n');
            }
            Some(Printed { text, complete: !open, decoded: hidden })
        }
        "printf" => {
            let (text, hidden) = format(texts.split_first()?)?;
            Some(Printed { text, complete: !open, decoded: hidden })
        }
        "seq" => {
            let numbers: Option<Vec<i64>> =
                texts.iter().filter(|text| !text.starts_with("-w")).map(|text| text.parse().ok()).collect();
            let (from, to, step) = match numbers?.as_slice() {
                [to] => (1, *to, 1),
                [from, to] => (*from, *to, 1),
                [from, step, to] => (*from, *to, *step),
                _ => return None,
            };
            let values = sequence(from, to, step);
            let complete = !open && values.len() <= 1024 && (step > 0) == (from <= to);
            complete.then(|| Printed { text: values.join("\n") + "\n", complete, decoded: false })
        }
        "cat" => match texts.iter().find(|text| !text.starts_with('-')) {
            None => stdin.cloned(),
            Some(file) => self::file(files, file).map(|text| Printed {
                text: text.clone(),
                complete: texts.len() == 1,
                decoded: false,
            }),
        },
        "true" | ":" => Some(Printed { complete: true, ..Printed::default() }),
        "base64" | "base32" | "openssl" | "xxd" | "rev" => decode(name, args, stdin?, files),
        "tr" if texts.first() == Some(&"-d") => {
            let (set, _) = unescape(texts.get(1)?);
            let stdin = stdin?;
            Some(Printed { text: stdin.text.chars().filter(|c| !set.contains(*c)).collect(), ..stdin.clone() })
        }
        _ => None,
    }
}

/// The text of a file that the line itself wrote.
pub(super) fn file<'a>(files: &'a BTreeMap<String, String>, path: &str) -> Option<&'a String> {
    files.get(path.trim_start_matches("./"))
}

fn is_echo_flag(text: &str) -> bool {
    text.strip_prefix('-').is_some_and(|letters| !letters.is_empty() && letters.chars().all(|c| "neE".contains(c)))
}

fn decode(name: &str, args: &[Arg], stdin: &Printed, files: &BTreeMap<String, String>) -> Option<Printed> {
    let has = |words: &[&str]| args.iter().any(|arg| words.contains(&arg.text.as_str()));
    let file = args.iter().find(|arg| !arg.text.starts_with('-')).and_then(|arg| self::file(files, &arg.text));
    let input = file.unwrap_or(&stdin.text);
    let bytes = match name {
        "base64" if has(&["-d", "-D", "--decode", "-di", "-id"]) => base64(input)?,
        "openssl" if has(&["base64", "-base64", "-a"]) && has(&["-d", "-A"]) => base64(input)?,
        "xxd" if has(&["-r"]) && has(&["-p", "-ps", "-plain"]) || has(&["-rp", "-pr"]) => hex(input)?,
        "rev" => {
            let lines: Vec<String> = input.lines().map(|line| line.chars().rev().collect()).collect();
            (lines.join("\n") + "\n").into_bytes()
        }
        _ => return None,
    };
    let text = String::from_utf8(bytes).ok()?;
    Some(Printed { text, complete: stdin.complete, decoded: true })
}

/// RFC 4648 section 4 and 5, white space passed over; `None` on anything else.
pub(super) fn base64(text: &str) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(text.len() / 4 * 3);
    let (mut bits, mut held) = (0_u32, 0_u32);
    for byte in text.bytes() {
        let value = match byte {
            b'A'..=b'Z' => byte - b'A',
            b'a'..=b'z' => byte - b'a' + 26,
            b'0'..=b'9' => byte - b'0' + 52,
            b'+' | b'-' => 62,
            b'/' | b'_' => 63,
            b'=' | b' ' | b'\n' | b'\r' | b'\t' => continue,
            _ => return None,
        };
        bits = ((bits << 6) | u32::from(value)) & 0xf_ffff;
        held += 6;
        if held >= 8 {
            held -= 8;
            out.push(((bits >> held) & 0xff) as u8);
        }
    }
    Some(out)
}

fn hex(text: &str) -> Option<Vec<u8>> {
    let digits: Vec<u8> = text
        .chars()
        .filter(|c| !c.is_whitespace())
        .map(|c| c.to_digit(16).map(|digit| digit as u8))
        .collect::<Option<_>>()?;
    Some(digits.chunks_exact(2).filter_map(|pair| Some(pair.first()? << 4 | pair.get(1)?)).collect())
}

/// The escapes of `echo -e` and `printf`. The flag says that it spelt out several characters by number.
fn unescape(text: &str) -> (String, bool) {
    let mut out = String::new();
    let mut numbered = 0;
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        if c != '\\' {
            out.push(c);
            continue;
        }
        let mut number = |radix: u32, most: usize, chars: &mut std::iter::Peekable<std::str::Chars<'_>>| {
            let mut value = 0_u32;
            for _ in 0..most {
                let Some(digit) = chars.peek().and_then(|c| c.to_digit(radix)) else { break };
                value = value * radix + digit;
                chars.next();
            }
            numbered += 1;
            char::from_u32(value & 0xff).unwrap_or('\u{fffd}')
        };
        match chars.peek().copied() {
            Some('x') => {
                chars.next();
                out.push(number(16, 2, &mut chars));
            }
            Some('0'..='7') => out.push(number(8, 4, &mut chars)),
            Some(letter) => {
                chars.next();
                match letter {
                    'n' => out.push('\n'),
                    't' => out.push('\t'),
                    'r' => out.push('\r'),
                    '\\' => out.push('\\'),
                    'c' => break,
                    other => out.extend(['\\', other]),
                }
            }
            None => out.push('\\'),
        }
    }
    (out, numbered >= 4)
}

/// `printf FORMAT ARGS…`: `%s`, `%d`, `%b` and `%%`, the format used again while arguments are left.
fn format((format, args): (&&str, &[&str])) -> Option<(String, bool)> {
    if format.starts_with("-v") {
        return None;
    }
    let (format, hidden) = unescape(format);
    let mut out = String::new();
    let mut args = args.iter();
    loop {
        let before = args.len();
        let mut rest = format.as_str();
        while let Some(at) = rest.find('%') {
            out.push_str(rest.get(..at)?);
            let spec = rest.get(at + 1..)?;
            let length = spec.find(|c: char| c.is_ascii_alphabetic() || c == '%')?;
            match spec.get(length..)?.chars().next()? {
                '%' => out.push('%'),
                'b' => out.push_str(&unescape(args.next().copied().unwrap_or("")).0),
                _ => out.push_str(args.next().copied().unwrap_or("")),
            }
            rest = spec.get(length + 1..)?;
        }
        out.push_str(rest);
        if args.len() == 0 || args.len() == before || out.len() > LONGEST_WORD {
            return Some((out, hidden));
        }
    }
}

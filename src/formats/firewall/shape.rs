//! The shape of a record that nobody reads: what many like it have in common, so that they can be counted together.

use super::bytes::text;
use super::record::Record;

const WORDS: usize = 6;
const LONGEST: usize = 72;

/// In words: the program that wrote it, the keys of an object, or its first words with numbers as `#`.
pub(super) fn of(record: &Record<'_>) -> String {
    if let Some(object) = record.json.and_then(|json| json.as_object()) {
        let keys: Vec<String> = object.keys().take(WORDS).map(|key| cut(key.to_owned())).collect();
        return format!("no known format: an object with {}", keys.join(", "));
    }
    if let Some(program) = record.peeled.program {
        return format!("no known format: a message of {}", cut(numbers(program)));
    }
    if let Some(cef) = record.cef {
        return format!("no known format: CEF of {} {}", cut(numbers(cef.vendor)), cut(numbers(cef.product)));
    }
    let words = record.peeled.message.split(|byte| byte.is_ascii_whitespace()).filter(|word| !word.is_empty());
    let shape: Vec<String> = words.take(WORDS).map(numbers).collect();
    format!("no known format: {}", cut(shape.join(" ")))
}

fn cut(mut shape: String) -> String {
    if let Some((end, _)) = shape.char_indices().nth(LONGEST) {
        shape.truncate(end);
        shape.push('…');
    }
    shape
}

/// With every word of digits (and of hexadecimal digits with a decimal one among them) as `#`.
fn numbers(word: &[u8]) -> String {
    let mut shape = String::with_capacity(word.len());
    let shown = text(word);
    let mut run = String::new();
    let end = |run: &mut String, shape: &mut String| {
        let hexadecimal = run.len() > 3 && run.bytes().all(|byte| byte.is_ascii_hexdigit());
        let digits = run.bytes().any(|byte| byte.is_ascii_digit());
        if digits && (hexadecimal || run.bytes().all(|byte| byte.is_ascii_digit())) {
            shape.push('#');
        } else {
            let mut in_digits = false;
            for letter in run.chars() {
                if !letter.is_ascii_digit() {
                    shape.push(letter);
                } else if !in_digits {
                    shape.push('#');
                }
                in_digits = letter.is_ascii_digit();
            }
        }
        run.clear();
    };
    for letter in shown.chars() {
        if letter.is_alphanumeric() {
            run.push(letter);
        } else {
            end(&mut run, &mut shape);
            shape.push(letter);
        }
    }
    end(&mut run, &mut shape);
    shape
}

#[cfg(test)]
mod tests {
    use super::numbers;

    #[test]
    fn numbers_are_one() {
        let shape = |word: &str| numbers(word.as_bytes());
        assert_eq!(shape("10.0.0.1:443"), "#.#.#.#:#");
        assert_eq!(shape("eth0"), "eth#");
        assert_eq!(shape("id=4f3a9c01"), "id=#");
        assert_eq!(shape("decade"), "decade");
    }
}

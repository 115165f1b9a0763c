//! Word expansion over what the text itself defines: braces, variables, substitutions of printed literals, splitting.

use std::borrow::Cow;
use std::ops::Range;

use ipnet::Ipv4Net;

use super::context::Context;
use super::run::Runner;
use super::tree::{Node, Piece, Word};
use super::{Arg, Prefix};

/// Bound on the words one brace or one list of values turns into.
const MOST_WORDS: usize = 1024;
/// Bound on the length of one expanded word, in bytes.
pub(super) const LONGEST_WORD: usize = 64 * 1024;

impl Runner<'_> {
    /// The arguments a list of words turns into.
    pub(super) fn words(&mut self, words: &[Word], context: &Context) -> Vec<Arg> {
        let mut out = Vec::new();
        for word in words {
            out.extend(self.word(word, context, true));
            if out.len() > 4 * MOST_WORDS {
                self.limit("more than 4096 words in one command");
                break;
            }
        }
        out
    }

    /// A word that stays one: a redirection target, the value of an assignment.
    pub(super) fn single(&mut self, word: &Word, context: &Context) -> Arg {
        let mut parts = self.word(word, context, false).into_iter();
        let mut first = parts.next().unwrap_or_else(|| Arg { range: context.range(&word.range), ..Arg::default() });
        for part in parts {
            first.text.push(' ');
            first.text.push_str(&part.text);
            first.open |= part.open;
        }
        first
    }

    pub(super) fn word(&mut self, word: &Word, context: &Context, split: bool) -> Vec<Arg> {
        let range = context.range(&word.range);
        let mut out = Vec::new();
        let variants =
            if split { self.braces(word, &range) } else { vec![word.pieces.iter().map(Cow::Borrowed).collect()] };
        for pieces in variants {
            self.fields(&pieces, &range, context, split, &mut out);
        }
        out
    }

    fn fields(
        &mut self,
        pieces: &[Cow<'_, Piece>],
        range: &Range<usize>,
        context: &Context,
        split: bool,
        out: &mut Vec<Arg>,
    ) {
        // Pieces may come to nothing by the hundred thousand.
        if !self.spend(pieces.len()) {
            return;
        }
        let mut current = Arg { range: range.clone(), ..Arg::default() };
        let mut any = false;
        for piece in pieces {
            let (values, quoted) = match piece.as_ref() {
                Piece::Literal { text, .. } => {
                    any = true;
                    self.append(&mut current.text, text);
                    continue;
                }
                Piece::Opaque(raw) => {
                    any = true;
                    current.open = true;
                    self.prefix(&current.text, range);
                    self.append(&mut current.text, raw);
                    continue;
                }
                Piece::Parameter { name, default, raw, quoted } => {
                    self.prefix(&current.text, range);
                    match self.value(name).or_else(|| default.as_ref().map(|text| vec![text.clone()])) {
                        Some(values) => (values, *quoted),
                        None => {
                            any = true;
                            current.open = true;
                            self.append(&mut current.text, raw);
                            continue;
                        }
                    }
                }
                Piece::Substitution { body, raw, quoted, apart } => {
                    self.prefix(&current.text, range);
                    let inside = if *apart { context.within(range) } else { context.clone() };
                    match self.substitute(body, &inside) {
                        Some(text) => (vec![text], *quoted),
                        None => {
                            any = true;
                            current.open = true;
                            self.append(&mut current.text, raw);
                            continue;
                        }
                    }
                }
                Piece::Process { body, raw } => {
                    any = true;
                    current.open = true;
                    self.substitute(body, context);
                    self.append(&mut current.text, raw);
                    continue;
                }
            };
            let splitting = split && !quoted;
            let mut parts: Vec<&str> = Vec::new();
            for value in &values {
                if splitting {
                    parts.extend(value.split_whitespace());
                } else {
                    parts.push(value);
                }
            }
            for (index, part) in parts.iter().enumerate() {
                if index > 0 {
                    if out.len() >= 4 * MOST_WORDS {
                        self.limit("more than 4096 words in one command");
                        break;
                    }
                    let next = Arg { range: range.clone(), ..Arg::default() };
                    self.keep(out, std::mem::replace(&mut current, next));
                }
                self.append(&mut current.text, part);
                any = true;
            }
            any |= quoted;
        }
        if any {
            self.keep(out, current);
        }
    }

    fn append(&mut self, text: &mut String, more: &str) {
        if text.len() + more.len() > LONGEST_WORD {
            self.limit("a word longer than 64 KiB");
        } else if self.spend(more.len()) {
            text.push_str(more);
        }
    }

    /// The commands of a substitution become commands of the line; the text they print, where that is known.
    fn substitute(&mut self, body: &Node, context: &Context) -> Option<String> {
        let first = self.out.commands.len();
        let printed = self.visit(body, &context.substituted(), None);
        let ran: Vec<String> =
            self.out.commands.get(first..).unwrap_or(&[]).iter().map(|command| command.program.clone()).collect();
        self.substituted.extend(ran);
        let printed = printed.filter(|printed| printed.complete)?;
        Some(printed.text.trim_end_matches('\n').to_owned())
    }

    /// Notes `10.30.0.` in front of something that a loop fills in.
    pub(super) fn prefix(&mut self, text: &str, range: &Range<usize>) {
        let Some(stem) = text.strip_suffix('.') else { return };
        let stem = stem.rsplit(|c: char| !c.is_ascii_digit() && c != '.').next().unwrap_or(stem);
        let parts: Option<Vec<u8>> = stem.split('.').map(|part| part.parse().ok()).collect();
        let Some(parts) = parts.filter(|parts| (1..=3).contains(&parts.len())) else { return };
        let mut octets = [0_u8; 4];
        for (octet, part) in octets.iter_mut().zip(&parts) {
            *octet = *part;
        }
        if let Ok(net) = Ipv4Net::new(octets.into(), (parts.len() * 8) as u8) {
            let prefix = Prefix { net, range: range.clone() };
            if !self.out.prefixes.contains(&prefix) && self.out.prefixes.len() < MOST_WORDS {
                self.out.prefixes.push(prefix);
            }
        }
    }

    /// `{a,b}` and `{1..9}` in the unquoted parts of a word. A substitution beside them stands in each of a thousand words:
    /// its tree is shared by them.
    fn braces<'w>(&mut self, word: &'w Word, range: &Range<usize>) -> Vec<Vec<Cow<'w, Piece>>> {
        let mut done: Vec<Vec<Cow<'w, Piece>>> = vec![Vec::new()];
        for piece in &word.pieces {
            let texts = match piece {
                Piece::Literal { text, quoted: false } if text.contains('{') => self.alternatives(text, range),
                _ => Vec::new(),
            };
            if texts.is_empty() {
                let copies = done.len().saturating_sub(1);
                if !self.spend(copies * size_of::<Cow<'_, Piece>>()) {
                    return Vec::new();
                }
                for pieces in &mut done {
                    pieces.push(Cow::Borrowed(piece));
                }
                continue;
            }
            let mut next = Vec::new();
            'all: for pieces in &done {
                for text in &texts {
                    if next.len() >= MOST_WORDS {
                        self.limit("a brace expansion of more than 1024 words");
                        break 'all;
                    }
                    if !self.spend(text.len() + (pieces.len() + 1) * size_of::<Cow<'_, Piece>>()) {
                        break 'all;
                    }
                    let mut variant = pieces.clone();
                    variant.push(Cow::Owned(Piece::Literal { text: text.clone(), quoted: false }));
                    next.push(variant);
                }
            }
            done = next;
        }
        done
    }

    fn alternatives(&mut self, text: &str, range: &Range<usize>) -> Vec<String> {
        let mut done = vec![String::new()];
        let mut rest = text;
        let mut groups = 0;
        while let Some((before, group, after)) = next_brace(rest) {
            groups += 1;
            if groups > 8 {
                self.limit("more than 8 braces in one word");
                break;
            }
            if group.len() > 1 {
                let stem = format!("{}{before}", done.first().map_or("", String::as_str));
                self.prefix(&stem, range);
            }
            let mut next = Vec::new();
            'all: for head in &done {
                for choice in &group {
                    if next.len() >= MOST_WORDS {
                        self.limit("a brace expansion of more than 1024 words");
                        break 'all;
                    }
                    let made = format!("{head}{before}{choice}");
                    if !self.spend(made.len() + size_of::<String>()) {
                        break 'all;
                    }
                    next.push(made);
                }
            }
            done = next;
            rest = after;
        }
        if groups == 0 {
            return Vec::new();
        }
        done.iter_mut().for_each(|head| head.push_str(rest));
        done
    }
}

/// The first brace group of a text: what stands before it, its alternatives, what stands behind it.
fn next_brace(text: &str) -> Option<(&str, Vec<String>, &str)> {
    let open = text.find('{')?;
    let length = text.get(open..)?.find('}')?;
    let inner = text.get(open + 1..open + length)?;
    let after = text.get(open + length + 1..)?;
    let before = text.get(..open)?;
    if inner.contains('{') {
        return None;
    }
    if let Some((from, to)) = inner.split_once("..") {
        let (to, step) = to.split_once("..").unwrap_or((to, "1"));
        if let (Ok(from), Ok(to), Ok(step)) = (from.parse::<i64>(), to.parse::<i64>(), step.parse::<i64>()) {
            return Some((before, sequence(from, to, step), after));
        }
        let mut letters = (from.chars(), to.chars());
        if let (Some(from), None, Some(to), None) =
            (letters.0.next(), letters.0.next(), letters.1.next(), letters.1.next())
        {
            let choices = (from.min(to)..=from.max(to)).take(MOST_WORDS).map(String::from);
            return Some((before, choices.collect(), after));
        }
    }
    inner.contains(',').then(|| (before, inner.split(',').map(str::to_owned).collect(), after))
}

/// Whole numbers from one end to the other, both included, in the direction they stand.
pub(super) fn sequence(from: i64, to: i64, step: i64) -> Vec<String> {
    let step = step.unsigned_abs().max(1);
    let mut out = Vec::new();
    let mut value = from;
    while out.len() <= MOST_WORDS && ((from <= to && value <= to) || (from > to && value >= to)) {
        out.push(value.to_string());
        let next = if from <= to { value.checked_add_unsigned(step) } else { value.checked_sub_unsigned(step) };
        let Some(next) = next else { break };
        value = next;
    }
    out
}

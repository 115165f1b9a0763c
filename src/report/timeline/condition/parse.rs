//! Recursive descent: `or` binds least, then `and`, then `not`, then comparisons.

use std::net::IpAddr;

use ipnet::IpNet;
use regex::RegexBuilder;

use super::tokens::{Placed, Token, split};
use super::{ConditionError, Holds, Relation, Test, Value, holds};
use crate::report::row::Row;
use crate::report::timeline::columns::place;
use crate::report::when::{parse_rfc3339, rfc3339};

/// Parentheses and `not` within each other; deeper ones are a mistake, and would cost stack.
const DEEPEST: usize = 64;
/// Bytes that one compiled pattern may take.
const PATTERN_BYTES: usize = 1 << 20;

pub(super) fn condition(text: &str) -> Result<Test, ConditionError> {
    let mut parser = Parser { text, tokens: split(text)?, next: 0 };
    if parser.tokens.is_empty() {
        return Err(ConditionError::new("give a condition: dst_port == 3333", text, 0, 1));
    }
    let test = parser.any(0)?;
    match parser.peek() {
        None => Ok(test),
        Some(_) => Err(parser.wrong("the condition is over before this; join conditions by `and` or `or`")),
    }
}

struct Parser<'a> {
    text: &'a str,
    tokens: Vec<Placed>,
    next: usize,
}

impl Parser<'_> {
    fn peek(&self) -> Option<&Token> {
        self.tokens.get(self.next).map(|placed| &placed.token)
    }

    /// An error at the next token, or behind the last.
    fn wrong(&self, message: impl Into<String>) -> ConditionError {
        match self.tokens.get(self.next) {
            Some(placed) => ConditionError::new(message, self.text, placed.at, placed.length),
            None => ConditionError::new(message, self.text, self.text.chars().count(), 1),
        }
    }

    fn take_word(&mut self, wanted: &str) -> bool {
        let found = matches!(self.peek(), Some(Token::Word(word)) if word.eq_ignore_ascii_case(wanted));
        self.next += usize::from(found);
        found
    }

    fn take_sign(&mut self, wanted: &str) -> bool {
        let found = matches!(self.peek(), Some(Token::Sign(sign)) if *sign == wanted);
        self.next += usize::from(found);
        found
    }

    fn any(&mut self, depth: usize) -> Result<Test, ConditionError> {
        let mut tests = vec![self.all(depth)?];
        while self.take_word("or") {
            tests.push(self.all(depth)?);
        }
        Ok(Test::Any(tests))
    }

    fn all(&mut self, depth: usize) -> Result<Test, ConditionError> {
        let mut tests = vec![self.not(depth)?];
        while self.take_word("and") {
            tests.push(self.not(depth)?);
        }
        Ok(Test::All(tests))
    }

    fn not(&mut self, depth: usize) -> Result<Test, ConditionError> {
        if depth > DEEPEST {
            return Err(self.wrong("too many parentheses within each other"));
        }
        if self.take_word("not") || self.take_sign("!") {
            return Ok(Test::Not(Box::new(self.not(depth + 1)?)));
        }
        if self.take_sign("(") {
            let test = self.any(depth + 1)?;
            if !self.take_sign(")") {
                return Err(self.wrong("a closing parenthesis is missing here"));
            }
            return Ok(test);
        }
        self.comparison()
    }

    fn comparison(&mut self) -> Result<Test, ConditionError> {
        let known = || Row::COLUMNS.join(", ");
        let Some(Token::Word(name)) = self.peek() else {
            return Err(self.wrong(format!("a column is expected here; columns: {}", known())));
        };
        let Some(column) = place(name) else {
            return Err(self.wrong(format!("there is no column {name:?}; columns: {}", known())));
        };
        let kind = holds(name);
        self.next += 1;
        let negated = self.take_word("not");
        if self.take_word("in") {
            let test = Test::Compared { column, relation: Relation::Equal, values: self.list(kind)? };
            // An empty cell is neither in the list nor out of it.
            return Ok(if negated { Test::All(vec![Test::Known(column), Test::Not(Box::new(test))]) } else { test });
        }
        if negated {
            return Err(self.wrong("`in (…)` is expected after a column and `not`"));
        }
        let relation = match self.peek() {
            Some(Token::Sign("==")) => Relation::Equal,
            Some(Token::Sign("!=")) => Relation::Unequal,
            Some(Token::Sign("<")) => Relation::Less,
            Some(Token::Sign("<=")) => Relation::LessOrEqual,
            Some(Token::Sign(">")) => Relation::Greater,
            Some(Token::Sign(">=")) => Relation::GreaterOrEqual,
            Some(Token::Sign("~")) => Relation::Matches,
            Some(Token::Sign("!~")) => Relation::MatchesNot,
            None | Some(Token::Sign(")")) => return Ok(Test::Known(column)),
            Some(Token::Word(word)) if word.eq_ignore_ascii_case("and") || word.eq_ignore_ascii_case("or") => {
                return Ok(Test::Known(column));
            }
            Some(_) => return Err(self.wrong("one of ==, !=, <, <=, >, >=, ~, !~, in (…) is expected here")),
        };
        let ordered =
            !matches!(relation, Relation::Equal | Relation::Unequal | Relation::Matches | Relation::MatchesNot);
        if ordered && !matches!(kind, Holds::Number | Holds::Time) {
            return Err(self.wrong("only numbers and times have an order; use == or ~ here"));
        }
        self.next += 1;
        let value = self.value(kind, matches!(relation, Relation::Matches | Relation::MatchesNot))?;
        Ok(Test::Compared { column, relation, values: vec![value] })
    }

    fn list(&mut self, kind: Holds) -> Result<Vec<Value>, ConditionError> {
        if !self.take_sign("(") {
            return Err(self.wrong("a list is expected here: in (22, 443)"));
        }
        let mut values = vec![self.value(kind, false)?];
        while self.take_sign(",") {
            values.push(self.value(kind, false)?);
        }
        if !self.take_sign(")") {
            return Err(self.wrong("a comma or a closing parenthesis is expected here"));
        }
        Ok(values)
    }

    fn value(&mut self, kind: Holds, pattern: bool) -> Result<Value, ConditionError> {
        let given = match self.peek() {
            Some(Token::Text(text)) => text.clone(),
            Some(Token::Word(word)) if place(word).is_some() => {
                return Err(self.wrong("columns are not compared with each other; put a text in quotes"));
            }
            Some(Token::Word(word)) => word.clone(),
            _ => return Err(self.wrong("a value is expected here: a number, an address, a text in quotes")),
        };
        let value = if pattern {
            let compiled = RegexBuilder::new(&given).size_limit(PATTERN_BYTES).build();
            Value::Pattern(compiled.map_err(|error| {
                let said = error.to_string();
                let last = said.lines().last().unwrap_or_default();
                self.wrong(format!("not a regular expression: {}", last.trim_start_matches("error: ")))
            })?)
        } else {
            match kind {
                Holds::Text => Value::Text(given),
                Holds::Number => {
                    let number = given.parse().ok().filter(|number: &f64| number.is_finite());
                    Value::Number(number.ok_or_else(|| self.wrong("this column holds numbers"))?)
                }
                Holds::Address => {
                    let network = given.parse::<IpNet>().or_else(|_| given.parse::<IpAddr>().map(IpNet::from));
                    let message = "this column holds addresses: give one, or a network as 10.20.0.0/16";
                    Value::Network(network.map_err(|_| self.wrong(message))?)
                }
                Holds::Time => {
                    let message = "this column holds times: give RFC 3339 with an offset, as 2026-11-20T14:13:46Z";
                    Value::Text(rfc3339(parse_rfc3339(&given).ok_or_else(|| self.wrong(message))?))
                }
                Holds::Flag if given == "true" => Value::True,
                Holds::Flag => {
                    return Err(self.wrong("this column is true or empty: write it alone, or `not` in front of it"));
                }
            }
        };
        self.next += 1;
        Ok(value)
    }
}

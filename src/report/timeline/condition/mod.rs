//! A small language of conditions over the columns of the timeline: `dst_port == 3333 and action == "deny"`.
//!
//! What is not known is not compared: every comparison with an empty cell is false, `!=` and `!~` too. A column alone
//! asks whether there is anything in it. Patterns take time linear in the text, whatever the pattern (regex crate).

mod parse;
mod tokens;

use std::net::IpAddr;

use ipnet::IpNet;
use regex::Regex;
use thiserror::Error;

use crate::report::row::{Cell, Row};

/// What is wrong with the text of a condition, and where.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{message}\n  {text}\n  {}{}", " ".repeat(*at), "^".repeat((*length).max(1)))]
pub struct ConditionError {
    message: String,
    text: String,
    at: usize,
    length: usize,
}

impl ConditionError {
    fn new(message: impl Into<String>, text: &str, at: usize, length: usize) -> Self {
        // Places are characters: control characters would take up more or less than one.
        let text = text.chars().map(|c| if crate::report::escape::is_unsafe(c) { ' ' } else { c }).collect();
        ConditionError { message: message.into(), text, at, length }
    }
}

/// What must hold of the cells of a row.
#[derive(Clone, Debug)]
pub struct Condition(Test);

#[derive(Clone, Debug)]
enum Test {
    All(Vec<Test>),
    Any(Vec<Test>),
    Not(Box<Test>),
    /// There is something in the column.
    Known(usize),
    /// The cell stands in this relation to one of the values.
    Compared {
        column: usize,
        relation: Relation,
        values: Vec<Value>,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Relation {
    Equal,
    Unequal,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    Matches,
    MatchesNot,
}

#[derive(Clone, Debug)]
enum Value {
    /// Of time columns, too: nine digits in UTC stand in the order of time.
    Text(String),
    Number(f64),
    Network(IpNet),
    Pattern(Regex),
    True,
}

/// What a column holds, and so what it can be compared with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Holds {
    Text,
    Number,
    Address,
    Time,
    Flag,
}

fn holds(column: &str) -> Holds {
    match column {
        "time" | "time_hi" => Holds::Time,
        "src_ip" | "dst_ip" => Holds::Address,
        "not_executed" | "background" => Holds::Flag,
        "index"
        | "exit_code"
        | "pgid"
        | "reward"
        | "src_port"
        | "dst_port"
        | "bytes_out"
        | "bytes_in"
        | "packets_out"
        | "packets_in"
        | "gpu"
        | "utilization_percent"
        | "memory_used_mib"
        | "power_w"
        | "sm_clock_mhz"
        | "temperature_c"
        | "pid" => Holds::Number,
        _ => Holds::Text,
    }
}

impl Condition {
    /// Reads a condition.
    ///
    /// # Errors
    /// What is wrong, with the place, and what there is instead.
    pub fn parse(text: &str) -> Result<Self, ConditionError> {
        parse::condition(text).map(Condition)
    }

    /// Whether the row is wanted.
    pub fn holds(&self, row: &Row) -> bool {
        self.0.holds(row)
    }
}

impl Test {
    fn holds(&self, row: &Row) -> bool {
        match self {
            Test::All(tests) => tests.iter().all(|test| test.holds(row)),
            Test::Any(tests) => tests.iter().any(|test| test.holds(row)),
            Test::Not(test) => !test.holds(row),
            Test::Known(column) => row.cell(*column).is_some(),
            Test::Compared { column, relation, values } => {
                row.cell(*column).is_some_and(|cell| values.iter().any(|value| value.stands(*relation, cell)))
            }
        }
    }
}

impl Value {
    /// Whether the cell stands in the relation to this value.
    fn stands(&self, relation: Relation, cell: Cell<'_>) -> bool {
        use std::cmp::Ordering;
        let order = match (self, cell) {
            (Value::Pattern(pattern), cell) => {
                return pattern.is_match(&cell.text()) == (relation == Relation::Matches);
            }
            (Value::Network(network), cell) => {
                let inside = cell.text().parse().is_ok_and(|address: IpAddr| network.contains(&address));
                return inside == (relation == Relation::Equal);
            }
            (Value::True, cell) => return (cell == Cell::True) == (relation == Relation::Equal),
            (Value::Text(text), cell) => Some(cell.text().as_ref().cmp(text.as_str())),
            // A double holds every port, index and percentage; of counts of bytes all below 2^53.
            (Value::Number(number), Cell::Whole(whole)) => (whole as f64).partial_cmp(number),
            (Value::Number(number), Cell::Real(real)) => real.partial_cmp(number),
            (Value::Number(_), _) => None,
        };
        order.is_some_and(|order| match relation {
            Relation::Equal => order == Ordering::Equal,
            Relation::Unequal => order != Ordering::Equal,
            Relation::Less => order == Ordering::Less,
            Relation::LessOrEqual => order != Ordering::Greater,
            Relation::Greater => order == Ordering::Greater,
            Relation::GreaterOrEqual => order != Ordering::Less,
            Relation::Matches | Relation::MatchesNot => false,
        })
    }
}

#[cfg(test)]
mod tests;

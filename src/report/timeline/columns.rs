//! Which columns of the timeline are shown.

use crate::report::row::Row;

/// What a hurried reader asks first: when, what, who, with whom.
const MINIMAL: [&str; 14] = [
    "time", "type", "kind", "host", "episode", "index", "tool", "command", "action", "src_ip", "dst_ip", "dst_port",
    "domain", "message",
];

/// What it takes to check a row against its record, and how much was moved.
const STANDARD: [&str; 31] = [
    "time",
    "time_hi",
    "time_basis",
    "type",
    "kind",
    "path",
    "locator",
    "host",
    "episode",
    "run",
    "index",
    "tool",
    "command",
    "exit_code",
    "actor",
    "action",
    "direction",
    "src_ip",
    "src_port",
    "dst_ip",
    "dst_port",
    "protocol",
    "bytes_out",
    "bytes_in",
    "rule",
    "domain",
    "app",
    "gpu",
    "utilization_percent",
    "process",
    "message",
];

/// A choice of columns, in the order in which they are shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Columns(Vec<usize>);

impl Columns {
    /// Fourteen columns.
    pub fn minimal() -> Self {
        Self::known(&MINIMAL)
    }

    /// Thirty-one columns.
    pub fn standard() -> Self {
        Self::known(&STANDARD)
    }

    fn known(names: &[&str]) -> Self {
        Columns(names.iter().filter_map(|name| place(name)).collect())
    }

    /// The columns of these names, in their order.
    ///
    /// # Errors
    /// The text names what is no column, or given twice, and the columns there are.
    pub fn named(names: &[String]) -> Result<Self, String> {
        let mut places = Vec::new();
        for name in names.iter().map(|name| name.trim()) {
            let at = place(name)
                .ok_or_else(|| format!("there is no column {name:?}; columns: {}", Row::COLUMNS.join(", ")))?;
            if places.contains(&at) {
                return Err(format!("column {name} is given twice"));
            }
            places.push(at);
        }
        Ok(Columns(places))
    }

    /// Places in [`Row::COLUMNS`].
    pub fn places(&self) -> &[usize] {
        &self.0
    }

    pub(super) fn names(&self) -> impl Iterator<Item = &'static str> {
        self.0.iter().filter_map(|at| Row::COLUMNS.get(*at).copied())
    }
}

/// The place of a column in [`Row::COLUMNS`].
pub(super) fn place(name: &str) -> Option<usize> {
    Row::COLUMNS.iter().position(|column| *column == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn profiles_hold_columns_that_exist_and_each_holds_the_smaller() {
        assert_eq!(Columns::minimal().places().len(), MINIMAL.len());
        assert_eq!(Columns::standard().places().len(), STANDARD.len());
        assert!(MINIMAL.iter().all(|name| STANDARD.contains(name)));
    }

    #[test]
    fn rows_are_shown_in_the_columns_asked_for() {
        let row = Row {
            row_type: "step",
            command: Some("=x \u{202e}\"y\"".to_owned()),
            exit_code: Some(-1),
            background: true,
            ..Row::default()
        };
        let columns = |names: &[&str]| Columns::named(&names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>());
        let chosen = columns(&["exit_code", "command", "domain", "background"]).unwrap();
        assert_eq!(String::from_utf8(row.csv_of(chosen.places())).unwrap(), "-1,\"'=x \\u{202e}\"\"y\"\"\",,true\n");
        assert_eq!(
            String::from_utf8(row.jsonl_of(chosen.places())).unwrap(),
            "{\"type\":\"step\",\"exit_code\":-1,\"command\":\"=x \\u202e\\\"y\\\"\",\"background\":true}\n"
        );
        assert_eq!(row.csv(), row.csv_of(&(0..Row::COLUMNS.len()).collect::<Vec<_>>()));
        assert!(columns(&["tim"]).unwrap_err().starts_with("there is no column \"tim\"; columns: time, time_hi, "));
        assert_eq!(columns(&["time", " time"]).unwrap_err(), "column time is given twice");
    }
}

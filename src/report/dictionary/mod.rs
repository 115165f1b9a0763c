//! Every column and key of the results, with its type, its unit and what it means: `schema`, and `docs/dictionary.md`.
//!
//! Keys of JSON lines and columns of the timeline come with the doc comments of their types
//! ([`super::lines`], [`super::row::Row`]), by way of JSON Schema; columns of tables with those of [`tables`]. A unit is
//! the ending of a name.

mod tables;

use polars::prelude::PolarsResult;
use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use serde_json::{Map, Value};

use super::columns::Cells;
use super::lines::{
    AnomalyLine, FindingLine, Line, SignalLine, SourceLine, SummaryLine, UncoveredLine, UnexplainedLine,
};
use super::row::Row;
use super::{csv, escape, rules, sources, timeline};
use crate::correlate::Analysis;

/// A column or key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Of a key within other objects the way to it, `clock.segments[].from`: `[]` is any item of a list.
    pub name: String,
    /// "text", "time", "integer", "number", "flag", "object", and lists of them.
    pub of_type: String,
    /// Empty for what is counted or has none.
    pub unit: &'static str,
    /// Whether the key is there in every object; of columns, which always are, `true`.
    pub always: bool,
    pub meaning: String,
}

/// One table, or one type of JSON line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Section {
    /// "findings"; "finding" of lines.
    pub name: String,
    /// What one row, or line, is of.
    pub row: String,
    pub entries: Vec<Entry>,
}

/// The unit that a name ends in; of the last key of a way.
fn unit(name: &str) -> &'static str {
    let name = name.rsplit(['.', ']']).find(|part| !part.is_empty()).unwrap_or(name).trim_end_matches("[");
    let endings = [
        ("bytes", "B"),
        ("bytes_out", "B"),
        ("bytes_in", "B"),
        ("per_hour", "1/h"),
        ("per_hour_low", "1/h"),
        ("per_hour_high", "1/h"),
        ("hours", "h"),
        ("_h", "h"),
        ("_s", "s"),
        ("_ppm", "ppm"),
        ("log10_lr", "bans"),
        ("log10_p", "bans"),
        ("spread", "bans"),
        ("_percent", "%"),
        ("_mib", "MiB"),
        ("_w", "W"),
        ("_mhz", "MHz"),
        ("_c", "°C"),
    ];
    endings.iter().find(|(ending, _)| name.ends_with(ending)).map_or("", |(_, unit)| unit)
}

fn type_of(cells: &Cells) -> &'static str {
    match cells {
        Cells::Text(_) => "text",
        Cells::Moment(_) => "time",
        Cells::Integer(_) => "integer",
        Cells::Number(_) => "number",
        Cells::Flag(_) => "flag",
    }
}

fn column(name: &str, of_type: &str, meaning: &str) -> Entry {
    Entry {
        name: name.to_owned(),
        of_type: of_type.to_owned(),
        unit: unit(name),
        always: true,
        meaning: meaning.to_owned(),
    }
}

fn meaning<'a>(described: &[(&'a str, &'a str)], name: &str) -> &'a str {
    described.iter().find(|(known, _)| *known == name).map_or("", |(_, meaning)| meaning)
}

/// The tables of `analyze -o`, whatever they are written as, in their order.
///
/// # Errors
/// When polars cannot build a table.
pub fn tables() -> PolarsResult<Vec<Section>> {
    let described = |name: &str| tables::ANALYZE.iter().find(|(known, ..)| *known == name);
    let section = |(name, table): (&str, super::columns::Table)| {
        let (row, words) = described(name).map_or(("", &[][..]), |(_, row, words)| (*row, *words));
        let entry = |one: &super::columns::Column| column(&one.name, type_of(&one.cells), meaning(words, &one.name));
        Section { name: name.to_owned(), row: row.to_owned(), entries: table.0.iter().map(entry).collect() }
    };
    let nothing = Analysis::default();
    let whole = csv::all(&nothing)?.into_iter().filter_map(|(name, mut parts)| Some((name, parts.next()?)));
    Ok(whole.map(section).collect())
}

/// What `probe` and `rules list` print as CSV.
pub fn lists() -> Vec<Section> {
    let of_type = |name: &str| match name {
        "bytes" | "records" | "unread" => "integer",
        "first" | "last" => "time",
        _ => "text",
    };
    let section = |(name, row, words): tables::Described, columns: &[&str]| Section {
        name: name.to_owned(),
        row: row.to_owned(),
        entries: columns.iter().map(|name| column(name, of_type(name), meaning(words, name))).collect(),
    };
    vec![section(tables::PROBE, &sources::PROBE_COLUMNS), section(tables::RULES, &rules::COLUMNS)]
}

/// The columns of the timeline.
pub fn of_timeline() -> Section {
    let schema = schema::<Row>();
    let words = |name: &str| description(schema.get("properties").and_then(|all| all.get(name)));
    let entry = |(name, cells): (&str, Cells)| column(name, type_of(&cells), &words(name));
    Section {
        name: "timeline".to_owned(),
        row: "observation or step".to_owned(),
        entries: timeline::typed_columns().map(entry).collect(),
    }
}

/// The types of JSON lines, in their order.
pub fn lines() -> Vec<Section> {
    vec![
        line::<SourceLine>("source", "evidence file with its clock; also of `probe` and `clocks --format jsonl`"),
        line::<SignalLine>("signal", "behaviour seen by a rule or detector"),
        line::<FindingLine>("finding", "episode and a behaviour that line up"),
        line::<UnexplainedLine>("unexplained", "group of signals that no step explains"),
        line::<UncoveredLine>("uncovered", "act in a transcript whose effect no telemetry shows"),
        line::<AnomalyLine>("anomaly", "oddity in the evidence itself"),
        line::<SummaryLine>("summary", "the whole; the last line, and output without it was cut off"),
    ]
}

fn schema<T: JsonSchema>() -> Value {
    let settings = SchemaSettings::draft2020_12().for_serialize().with(|settings| settings.inline_subschemas = true);
    settings.into_generator().into_root_schema_for::<T>().to_value()
}

/// The lines of `analyze --format jsonl` as JSON Schema (draft 2020-12), with a line break at the end.
pub fn json_schema() -> String {
    let schema = SchemaSettings::draft2020_12().for_serialize().into_generator().into_root_schema_for::<Line>();
    let mut text = escape::json(serde_json::to_string_pretty(&schema).unwrap_or_default());
    text.push('\n');
    text
}

fn line<T: JsonSchema>(name: &str, row: &str) -> Section {
    let mut entries = Vec::new();
    walk(&schema::<T>(), "", &mut entries);
    Section { name: name.to_owned(), row: row.to_owned(), entries }
}

/// The first line of a doc comment may be broken over several.
fn description(schema: Option<&Value>) -> String {
    let text = schema.and_then(|schema| schema.get("description")).and_then(Value::as_str).unwrap_or_default();
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// What an optional value is where it is there.
fn present(schema: &Value) -> &Value {
    let choices = schema.get("anyOf").and_then(Value::as_array);
    let real = |choice: &&Value| choice.get("type").and_then(Value::as_str) != Some("null");
    choices.and_then(|choices| choices.iter().find(real)).unwrap_or(schema)
}

/// The keys of an object: those that are always there first, each with those of objects within it below.
fn walk(object: &Value, way: &str, entries: &mut Vec<Entry>) {
    let none = Map::new();
    let properties = object.get("properties").and_then(Value::as_object).unwrap_or(&none);
    let required = object.get("required").and_then(Value::as_array);
    let always = |name: &str| required.is_some_and(|all| all.iter().any(|one| one.as_str() == Some(name)));
    let (first, then): (Vec<_>, Vec<_>) = properties.iter().partition(|(name, _)| always(name));
    for (name, schema) in first.into_iter().chain(then) {
        let value = present(schema);
        let (of_type, within, list) = of_schema(value);
        let path = format!("{way}{name}");
        entries.push(Entry {
            unit: unit(&path),
            name: path.clone(),
            of_type,
            always: always(name),
            meaning: description(Some(schema)),
        });
        if let Some(within) = within {
            walk(within, &format!("{path}{}.", if list { "[]" } else { "" }), entries);
        }
    }
}

/// The name of a type; the object that is to be looked into, and whether it is an item of a list.
fn of_schema(schema: &Value) -> (String, Option<&Value>, bool) {
    let named = match schema.get("type") {
        Some(Value::Array(names)) => names.iter().filter_map(Value::as_str).find(|name| *name != "null"),
        name => name.and_then(Value::as_str),
    };
    match named.unwrap_or_default() {
        "string" if schema.get("format").is_some() => ("time".to_owned(), None, false),
        "string" => ("text".to_owned(), None, false),
        "boolean" => ("flag".to_owned(), None, false),
        "array" => {
            let Some(items) = schema.get("items") else { return ("list".to_owned(), None, true) };
            let (of_type, within, _) = of_schema(items);
            let pair = schema.get("maxItems").and_then(Value::as_u64) == Some(2);
            (format!("{} {of_type}s", if pair { "two" } else { "list of" }).replace("texts", "text"), within, true)
        }
        "object" => ("object".to_owned(), Some(schema), false),
        other => (other.to_owned(), None, false),
    }
}

/// The dictionary as a page of Markdown.
///
/// # Errors
/// As [`tables`].
pub fn markdown() -> PolarsResult<String> {
    let mut page = HEAD.to_owned();
    page.push_str("\n## Tables of `analyze -o DIR`\n");
    for section in tables()? {
        let title = format!("`{0}.csv`, `{0}.parquet`: a row per {1}", section.name, section.row);
        columns_page(&mut page, &title, &section);
    }
    page.push_str("\n## Other tables\n");
    for section in lists().into_iter().chain([of_timeline()]) {
        columns_page(&mut page, &format!("`{}`: a row per {}", section.name, section.row), &section);
    }
    page.push_str("\n## JSON lines of `analyze`, schema version 1\n");
    for section in lines() {
        page.push_str(&format!("\n### `{}`: {}\n\n", section.name, section.row));
        page.push_str("| key | type | unit | there | meaning |\n|---|---|---|---|---|\n");
        for one in &section.entries {
            let there = if one.always { "always" } else { "" };
            page.push_str(&format!(
                "| `{}` | {} | {} | {there} | {} |\n",
                one.name,
                one.of_type,
                one.unit,
                cell(&one.meaning)
            ));
        }
    }
    Ok(page)
}

const HEAD: &str = "# Data dictionary\n\n\
    Every column and key of the results. `coincident schema` prints this page, and a test holds it to what the program \
    writes; `coincident schema --format json-schema` prints the JSON lines as JSON Schema. What surrounds them is told in \
    [output.md](output.md).\n\n\
    Times are RFC 3339 in UTC with nine digits (in Parquet `TIMESTAMP(NANOS, UTC)`). What is unknown is empty in CSV, \
    null in Parquet and absent in JSON, never 0; a flag that is false is absent, unless it is there always. A key within \
    other objects goes by the way to it, `[]` being any item of a list. Lists within a cell are separated by a blank or, \
    where items hold blanks, by `; `. A ban is a power of ten of a likelihood ratio.\n";

fn cell(text: &str) -> String {
    text.replace('|', "\\|")
}

fn columns_page(page: &mut String, title: &str, section: &Section) {
    page.push_str(&format!("\n### {title}\n\n| column | type | unit | meaning |\n|---|---|---|---|\n"));
    for one in &section.entries {
        page.push_str(&format!("| `{}` | {} | {} | {} |\n", one.name, one.of_type, one.unit, cell(&one.meaning)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_without_its_meaning() {
        let all = tables().unwrap().into_iter().chain(lists()).chain([of_timeline()]).chain(lines());
        for section in all {
            assert!(!section.row.is_empty() && !section.entries.is_empty(), "{}", section.name);
            for entry in &section.entries {
                assert!(!entry.meaning.is_empty() && !entry.of_type.is_empty(), "{} {}", section.name, entry.name);
                assert!(!entry.meaning.contains("[`"), "{}: a link of the code", entry.name);
            }
        }
    }

    #[test]
    fn nothing_is_described_that_is_no_column() {
        let real = tables().unwrap();
        assert_eq!(real.len(), tables::ANALYZE.len());
        let of_lists = lists().into_iter().zip([tables::PROBE, tables::RULES]);
        for (section, (name, _, words)) in real.into_iter().zip(tables::ANALYZE).chain(of_lists) {
            let columns: Vec<&str> = section.entries.iter().map(|entry| entry.name.as_str()).collect();
            let described: Vec<&str> = words.iter().map(|(name, _)| *name).collect();
            assert_eq!((section.name.as_str(), columns), (name, described));
        }
    }

    #[test]
    fn types_and_units_follow_from_the_code() {
        let of = |section: &Section, name: &str| {
            let entry = section.entries.iter().find(|entry| entry.name == name).unwrap();
            (entry.of_type.clone(), entry.unit, entry.always)
        };
        let lines = lines();
        let (source, finding) = (&lines[0], &lines[2]);
        assert_eq!(of(source, "bytes"), ("integer".to_owned(), "B", true));
        assert_eq!(of(source, "first"), ("time".to_owned(), "", false));
        assert_eq!(of(source, "clock.support_s"), ("two numbers".to_owned(), "s", false));
        assert_eq!(of(source, "clock.segments[].drift_ppm"), ("number".to_owned(), "ppm", true));
        assert_eq!(of(finding, "rivals[].rows[].log10_p"), ("number".to_owned(), "bans", false));
        assert_eq!(of(finding, "signals"), ("list of text".to_owned(), "", true));
        let timeline = of_timeline();
        assert_eq!(of(&timeline, "power_w"), ("number".to_owned(), "W", true));
        assert_eq!(of(&timeline, "background"), ("flag".to_owned(), "", true));
    }
}

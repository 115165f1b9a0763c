//! The data dictionary against what the program writes of a recorded incident.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::process::Command;

use assert_cmd::cargo::CommandCargoExt;
use coincident::report::dictionary::{self, Entry, Section};
use serde_json::Value;

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// Standard output of the program.
fn printed(arguments: &[&str]) -> String {
    let mut program = Command::cargo_bin("coincident").unwrap();
    let output = program.args(arguments).current_dir(Path::new(ROOT).join("testdata/incidents")).output().unwrap();
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// `UPDATE_DICTIONARY=1 cargo test --test dictionary` writes the page anew.
#[test]
fn the_page_is_what_the_program_prints() {
    let path = Path::new(ROOT).join("docs/dictionary.md");
    let page = printed(&["schema"]);
    if std::env::var_os("UPDATE_DICTIONARY").is_some() {
        fs::write(&path, &page).unwrap();
    }
    assert!(
        fs::read_to_string(&path).unwrap() == page,
        "docs/dictionary.md is old: UPDATE_DICTIONARY=1 writes it anew"
    );
}

fn header(csv: &str) -> Vec<String> {
    csv.lines().next().unwrap().split(',').map(str::to_owned).collect()
}

fn names(section: &Section) -> Vec<String> {
    section.entries.iter().map(|entry| entry.name.clone()).collect()
}

/// Whether a value of JSON is of a type of the dictionary.
fn is_of_type(value: &Value, of_type: &str) -> bool {
    match of_type {
        "text" => value.is_string(),
        "time" => value.as_str().is_some_and(|text| text.len() == "2026-11-20T14:13:46.000000000Z".len()),
        "integer" => value.is_u64() || value.is_i64(),
        "number" => value.is_number(),
        "flag" => value.is_boolean(),
        "object" => value.is_object(),
        "two numbers" => value.as_array().is_some_and(|all| all.len() == 2 && all.iter().all(Value::is_number)),
        list => match list.strip_prefix("list of ") {
            Some(items) => {
                let item = items.trim_end_matches('s');
                value.as_array().is_some_and(|all| all.iter().all(|one| is_of_type(one, item)))
            }
            None => panic!("{list} is no type"),
        },
    }
}

/// Holds an object to the entries below `way`, and says which were met.
fn hold(object: &Value, way: &str, entries: &BTreeMap<&str, &Entry>, met: &mut BTreeSet<String>) {
    let object = object.as_object().unwrap();
    for (name, value) in object.iter().filter(|(name, _)| !(way.is_empty() && *name == "type")) {
        let path = format!("{way}{name}");
        let entry = entries.get(path.as_str()).unwrap_or_else(|| panic!("{path} is not in the dictionary"));
        assert!(is_of_type(value, &entry.of_type), "{path} is no {}: {value}", entry.of_type);
        match value {
            Value::Object(_) => hold(value, &format!("{path}."), entries, met),
            Value::Array(items) => {
                let objects = items.iter().filter(|item| item.is_object());
                objects.for_each(|item| hold(item, &format!("{path}[]."), entries, met));
            }
            _ => {}
        }
        met.insert(path);
    }
    for (path, entry) in entries {
        let below = path.strip_prefix(way).filter(|rest| !rest.contains('.'));
        if let Some(name) = below.filter(|_| entry.always) {
            assert!(object.contains_key(name), "{path} is not always there");
        }
    }
}

#[test]
fn columns_and_keys_of_an_incident_are_those_of_the_dictionary() {
    let out = tempfile::tempdir().unwrap();
    let directory = out.path().join("out");
    let directory = directory.to_str().unwrap();
    printed(&["analyze", "reference/evidence", "--stability", "--parquet", "--quiet", "-o", directory]);

    let tables = dictionary::tables().unwrap();
    let mut written: Vec<String> = fs::read_dir(directory)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.ends_with(".csv"))
        .collect();
    written.sort();
    let mut known: Vec<String> = tables.iter().map(|section| format!("{}.csv", section.name)).collect();
    known.sort();
    assert_eq!(written, known);
    for section in &tables {
        let csv = fs::read_to_string(Path::new(directory).join(format!("{}.csv", section.name))).unwrap();
        assert_eq!(header(&csv), names(section), "{}.csv", section.name);
        let parquet = fs::File::open(Path::new(directory).join(format!("{}.parquet", section.name))).unwrap();
        let reader = parquet::file::reader::SerializedFileReader::new(parquet).unwrap();
        let schema = parquet::file::reader::FileReader::metadata(&reader).file_metadata().schema_descr();
        for (column, entry) in schema.columns().iter().zip(&section.entries) {
            let physical = match entry.of_type.as_str() {
                "text" => "BYTE_ARRAY",
                "time" | "integer" => "INT64",
                "number" => "DOUBLE",
                other => panic!("{other}"),
            };
            assert_eq!((column.name(), column.physical_type().to_string().as_str()), (entry.name.as_str(), physical));
        }
    }
    for (section, verb) in dictionary::lists()
        .iter()
        .zip([vec!["probe", "reference/evidence", "--format", "csv"], vec!["rules", "list", "--format", "csv"]])
    {
        assert_eq!(header(&printed(&verb)), names(section), "{verb:?}");
    }
    let timeline = printed(&["timeline", "reference/evidence", "--profile", "verbose"]);
    assert_eq!(header(&timeline), names(&dictionary::of_timeline()));

    let sections = dictionary::lines();
    let mut met: BTreeMap<&str, BTreeSet<String>> = BTreeMap::new();
    for line in fs::read_to_string(Path::new(directory).join("findings.jsonl")).unwrap().lines() {
        let line: Value = serde_json::from_str(line).unwrap();
        let section = sections.iter().find(|section| line["type"] == section.name.as_str()).unwrap();
        let entries = section.entries.iter().map(|entry| (entry.name.as_str(), entry)).collect();
        hold(&line, "", &entries, met.entry(&section.name).or_default());
    }
    // Of findings the incident lacks three things: an initiator that is withheld, anything that outlives its episode, and
    // an analysis with less evidence that names other steps.
    let finding = sections.iter().find(|section| section.name == "finding").unwrap();
    let absent: Vec<String> = names(finding).into_iter().filter(|name| !met["finding"].contains(name)).collect();
    assert_eq!(absent, ["judgement.withheld", "persistence", "stability.without[].other_steps"]);
}

#[test]
fn the_json_schema_knows_every_type_of_line() {
    let schema: Value = serde_json::from_str(&printed(&["schema", "--format", "json-schema"])).unwrap();
    let types: Vec<&str> = schema["oneOf"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one["properties"]["type"]["const"].as_str().unwrap())
        .collect();
    let sections = dictionary::lines();
    assert_eq!(types, sections.iter().map(|section| section.name.as_str()).collect::<Vec<_>>());
}

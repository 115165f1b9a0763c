//! What an earlier `analyze -o` wrote.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;

use coincident::report::explain;
use coincident::report::lines::Line;

use super::exit::Stop;

/// The lines of `findings.jsonl` in an output directory. `None` if the directory is none.
pub(crate) fn lines(directory: &Path) -> Result<Option<Vec<Line>>, Stop> {
    let written = directory.join("findings.jsonl");
    let is_output = written.is_file() && directory.join("manifest.json").is_file();
    if is_output { read(&written).map(Some) } else { Ok(None) }
}

/// What to say of an id that no line has.
pub(crate) fn no_such_finding(id: &str, lines: &[Line]) -> Stop {
    let ids = explain::ids(lines);
    let known = if ids.is_empty() { "none".to_owned() } else { ids.join(", ") };
    Stop::usage(format!("{id}: no such finding; findings here: {known}"))
}

fn read(path: &Path) -> Result<Vec<Line>, Stop> {
    let shown = path.display();
    let failed = |error: &std::io::Error| Stop::usage(format!("{shown}: {error}"));
    let file = BufReader::new(File::open(path).map_err(|error| failed(&error))?);
    let mut lines = Vec::new();
    for (at, line) in file.lines().enumerate() {
        let line = line.map_err(|error| failed(&error))?;
        let parsed = serde_json::from_str(&line);
        lines.push(parsed.map_err(|error| {
            let what = "is not what this version of `analyze -o` writes";
            Stop::usage(format!("{shown}:{}: {what}: {error}; analyse the evidence again", at + 1))
        })?);
    }
    Ok(lines)
}

//! Every command that the documentation shows is run.
//!
//! A block fenced as `console` holds lines that begin with `$ `, each a command of a shell; what stands below one is
//! what it must print, in that order, on standard output or standard error. Others may stand between them: a line that is
//! `…` says so to the reader. A command leaves with 0 unless it ends in `# exit N`. The blocks of one document run one
//! after the other in one new directory with `testdata` in it. In a block fenced as `console, long` the commands take
//! minutes: there only their arguments are read. No other block may show a command of the program.

#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use assert_cmd::cargo::CommandCargoExt;

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// A command and what must be printed.
struct Shown {
    line: usize,
    command: String,
    printed: Vec<String>,
    long: bool,
}

fn documents() -> Vec<PathBuf> {
    let mut paths = vec![Path::new(ROOT).join("README.md"), Path::new(ROOT).join("CONTRIBUTING.md")];
    paths.extend(fs::read_dir(Path::new(ROOT).join("docs")).unwrap().map(|entry| entry.unwrap().path()));
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "md"));
    paths.sort();
    paths
}

fn shown(path: &Path) -> Vec<Shown> {
    let text = fs::read_to_string(path).unwrap();
    let mut all: Vec<Shown> = Vec::new();
    let mut fence: Option<String> = None;
    for (at, line) in text.lines().enumerate() {
        let place = format!("{}:{}", path.display(), at + 1);
        if let Some(info) = line.trim_start().strip_prefix("```") {
            fence = if fence.is_some() { None } else { Some(info.trim().to_owned()) };
            continue;
        }
        let Some(info) = fence.as_deref() else { continue };
        if !matches!(info, "console" | "console, long") {
            let command = line.trim_start().trim_start_matches("$ ");
            // What a workflow runs is data of another program.
            assert!(info == "yaml" || !command.starts_with("coincident "), "{place}: fence it as console");
            continue;
        }
        if let Some(command) = line.strip_prefix("$ ") {
            let long = info == "console, long";
            all.push(Shown { line: at + 1, command: command.to_owned(), printed: Vec::new(), long });
        } else if !line.trim().is_empty() {
            all.last_mut().unwrap_or_else(|| panic!("{place}: no command above")).printed.push(line.to_owned());
        }
    }
    all
}

fn run(shown: &Shown, directory: &Path, place: &str) {
    let (command, exit) = match shown.command.rsplit_once("# exit ") {
        Some((command, exit)) => (command, exit.trim().parse().unwrap()),
        None => (shown.command.as_str(), 0),
    };
    let arguments = command.split(" #").next().unwrap_or(command);
    let command = if shown.long { format!("{arguments} --help") } else { command.to_owned() };
    let program = Command::cargo_bin("coincident").unwrap();
    let folder = Path::new(program.get_program()).parent().unwrap();
    let command = format!("PATH=\"$PROGRAM:$PATH\"\n{command}");
    let output =
        Command::new("sh").args(["-c", &command]).env("PROGRAM", folder).current_dir(directory).output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let printed = format!("{}{}", text(&output.stdout), text(&output.stderr));
    assert_eq!(output.status.code(), Some(exit), "{place}: {command}\n{printed}");
    let mut lines = printed.lines().map(str::trim);
    for wanted in &shown.printed {
        let wanted = wanted.trim();
        if wanted == "…" {
            continue;
        }
        let next = lines.find(|line| line == &wanted);
        assert!(next.is_some(), "{place}: {command}\ndoes not print, in this place: {wanted}\n{printed}");
    }
}

#[test]
fn every_command_in_the_documentation_does_what_it_is_shown_to_do() {
    for path in documents() {
        let directory = tempfile::tempdir().unwrap();
        std::os::unix::fs::symlink(Path::new(ROOT).join("testdata"), directory.path().join("testdata")).unwrap();
        for shown in shown(&path) {
            run(&shown, directory.path(), &format!("{}:{}", path.display(), shown.line));
        }
    }
}

#[test]
fn every_document_is_in_the_table_of_contents_and_every_link_leads_somewhere() {
    let contents = fs::read_to_string(Path::new(ROOT).join("docs/README.md")).unwrap();
    for path in documents() {
        let name = path.file_name().unwrap().to_str().unwrap();
        if path.parent() == Some(&Path::new(ROOT).join("docs")) && name != "README.md" {
            assert!(contents.contains(&format!("]({name})")), "docs/README.md lacks {name}");
        }
        let text = fs::read_to_string(&path).unwrap();
        for link in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            let file = link.split('#').next().unwrap();
            if file.is_empty() || link.contains("://") || link.contains(' ') {
                continue;
            }
            assert!(path.parent().unwrap().join(file).exists(), "{}: {link}", path.display());
        }
    }
}

#[test]
fn the_case_file_that_is_documented_is_one() {
    let text = fs::read_to_string(Path::new(ROOT).join("docs/case-file.md")).unwrap();
    let blocks = text.split("```toml\n").skip(1).map(|rest| rest.split("\n```").next().unwrap());
    let whole: Vec<&str> = blocks.collect();
    let parsed = coincident::intake::CaseFile::parse(&whole.join("\n"), "docs/case-file.md");
    let case = parsed.unwrap_or_else(|error| panic!("{error}"));
    assert!(!case.gpu.allotments.is_empty() && !case.hosts.is_empty());
    // Every key that the parser knows is named there: it lists them when it meets one that it does not know.
    for section in [
        "",
        "[[host]]",
        "[[source]]",
        "[[run]]",
        "[egress]",
        "[gpu]",
        "[[gpu.allotment]]",
        "[approvals]",
        "[mining]",
        "[[mining.price]]",
        "[intel]",
    ] {
        let wrong = coincident::intake::CaseFile::parse(&format!("{section}\nnonsense = 1\n"), "x");
        let said = wrong.unwrap_err().to_string();
        let known: Vec<&str> =
            said.split("expected").nth(1).unwrap_or_else(|| panic!("{said}")).split('`').skip(1).step_by(2).collect();
        assert!(!known.is_empty(), "{said}");
        for key in known {
            assert!(text.contains(&format!("`{key}`")), "docs/case-file.md lacks {key} of {section}");
        }
    }
}

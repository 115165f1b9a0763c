//! Evidence and machines that mean no good: what exhausts, misleads or fails under the program, and what it does then.
//!
//! Some of it needs Linux, `strace` and namespaces of one's own. Where these are missing, a test says that it was skipped.

#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]
#![allow(clippy::disallowed_methods, reason = "some of it must not take long")]
#![allow(clippy::print_stderr, reason = "a test that is skipped says so")]

mod bounds;
mod faults;
mod forged;
mod system;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use assert_cmd::cargo::CommandCargoExt;

/// The evidence of the reference incident.
fn reference() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/incidents/reference/evidence")
}

/// A copy of the evidence of the reference incident in `in/` of a new directory.
fn incident() -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    copy(&reference(), &directory.path().join("in"));
    directory
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap().map(Result::unwrap) {
        let target = to.join(entry.file_name());
        match entry.file_type().unwrap().is_dir() {
            true => copy(&entry.path(), &target),
            false => drop(fs::copy(entry.path(), target).unwrap()),
        }
    }
}

/// The program, or another one that runs it (`strace`, `unshare`) with arguments of its own.
fn program(wrapper: &[&str], arguments: &[&str], directory: &Path) -> Command {
    let own = Command::cargo_bin("coincident").unwrap();
    let mut command = match wrapper.split_first() {
        Some((first, rest)) => {
            let mut command = Command::new(first);
            command.args(rest).arg(own.get_program());
            command
        }
        None => own,
    };
    command.args(arguments).current_dir(directory).stdin(Stdio::null());
    command
}

fn ran(wrapper: &[&str], arguments: &[&str], directory: &Path) -> Output {
    let output = program(wrapper, arguments, directory).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(!said.contains("panicked"), "{said}");
    output
}

/// Whether a tool is here and may do what it is for. Says so if not.
fn has(tool: &[&str]) -> bool {
    let works = tool.split_first().is_some_and(|(first, rest)| {
        let tried = Command::new(first).args(rest).arg("true").stdout(Stdio::null()).stderr(Stdio::null()).status();
        tried.is_ok_and(|status| status.success())
    });
    if !works {
        eprintln!("skipped: `{}` does not work here", tool.join(" "));
    }
    works
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

//! The targets of the fuzzer without a fuzzer: on every input that once broke something (`testdata/regressions/<target>/`), and
//! on every seed. `fuzz/README.md` says what must hold of each.

#[path = "../fuzz/src/lib.rs"]
#[allow(dead_code, unreachable_pub, reason = "a library of its own for the fuzzer")]
mod hostile;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use coincident::correlate;
use coincident::detect::rules::RuleSet;
use coincident::intake::{self, Options};

/// With the checks of a development build, on a machine that is busy: what takes longer hangs.
const LONGEST: Duration = Duration::from_secs(60);

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn setting(name: &str) -> Option<String> {
    #[expect(
        clippy::disallowed_methods,
        reason = "where seeds come from and go to is the business of who runs the test"
    )]
    std::env::var(name).ok()
}

#[expect(clippy::disallowed_methods, reason = "hangs are told by the clock")]
#[expect(clippy::print_stdout, reason = "shown of a test that fails")]
fn run((target, holds): hostile::Target, name: &str, bytes: &[u8]) {
    // Told by a test that fails: the panic says what, this says of which.
    println!("{target}: {name}");
    let began = Instant::now();
    holds(bytes);
    let took = began.elapsed();
    assert!(took < LONGEST, "{target}: {name} took {took:?}");
}

/// Runs each on one of some threads. They are plain ones: a thread of a pool that waits for another pool begins the next input
/// within the one that it has.
fn run_all(inputs: &[(hostile::Target, String, Vec<u8>)]) {
    let next = AtomicUsize::new(0);
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                while let Some((target, name, bytes)) = inputs.get(next.fetch_add(1, Ordering::Relaxed)) {
                    run(*target, name, bytes);
                }
            });
        }
    });
}

fn target(name: &str) -> hostile::Target {
    *hostile::TARGETS.iter().find(|(target, _)| *target == name).unwrap_or_else(|| panic!("{name}: no such target"))
}

#[test]
fn what_once_broke_something_does_so_no_more() {
    let folder = root().join("testdata/regressions");
    let mut inputs: Vec<PathBuf> = hostile::seeds::files_below(&folder);
    inputs.retain(|path| path.parent() != Some(&folder));
    let inputs: Vec<_> = inputs
        .iter()
        .map(|path| {
            let of =
                path.parent().and_then(Path::file_name).and_then(|name| name.to_str()).expect("a folder per target");
            (target(of), path.display().to_string(), fs::read(path).expect("an input"))
        })
        .collect();
    run_all(&inputs);
}

#[test]
fn seeds_hold() {
    let more: Vec<PathBuf> =
        setting("COINCIDENT_MORE_SEEDS").iter().flat_map(|paths| std::env::split_paths(paths)).collect();
    let seeds = hostile::seeds::all(root(), &more);
    for (name, _) in hostile::TARGETS {
        assert!(seeds.iter().any(|(target, ..)| *target == name), "no seed of {name}");
    }
    if let Some(folder) = setting("COINCIDENT_WRITE_SEEDS") {
        for (target, name, bytes) in &seeds {
            let folder = Path::new(&folder).join(target);
            fs::create_dir_all(&folder).expect("a folder");
            fs::write(folder.join(name), bytes).expect("a seed can be written");
        }
        return;
    }
    let inputs: Vec<_> = seeds.into_iter().map(|(of, name, bytes)| (target(of), name, bytes)).collect();
    run_all(&inputs);
}

/// What the target for whole cases builds is recognised as what it was built to be, and something is found in it.
#[test]
fn what_is_built_is_evidence() {
    let (mut formats, mut findings, mut unexplained) = (BTreeSet::new(), 0, 0);
    let rules = RuleSet::embedded();
    let seeds = hostile::seeds::all(root(), &[]);
    for (.., bytes) in seeds.iter().filter(|(target, name, _)| *target == "whole" && !name.contains('.')) {
        let folder = tempfile::tempdir().expect("a folder");
        let (paths, case) = hostile::whole::evidence(bytes, folder.path());
        let options = Options { case, ..Options::default() };
        let taken = intake::take_in(&paths, &options);
        formats.extend(taken.sources.iter().filter_map(|source| source.format));
        let analysis = correlate::analyze(&taken, &options, &rules);
        findings += analysis.findings.len();
        unexplained += analysis.unexplained.len();
    }
    for format in ["claude-code", "iptables", "suricata", "nvidia-smi-gpu", "pcap"] {
        assert!(formats.contains(format), "{format} is not among {formats:?}");
    }
    assert!(findings > 0 && unexplained > 0, "{findings} findings, {unexplained} groups without a step");
}

//! Results that can be checked afterwards, and a program that can be stopped.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use assert_cmd::cargo::CommandCargoExt;

use super::{coincident, copied};

/// A directory with the evidence of the reference incident in `in/` and its analysis in `out/`.
fn analysed(arguments: &[&str]) -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    let reference = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/incidents/reference/evidence");
    copied(&reference, &directory.path().join("in"));
    let ran = coincident(&[&["analyze", "in", "-o", "out", "-q"], arguments].concat(), directory.path());
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    directory
}

fn flipped(path: &Path, at: usize) -> Vec<u8> {
    let whole = fs::read(path).unwrap();
    let mut changed = whole.clone();
    changed[at % whole.len()] ^= 1;
    fs::write(path, &changed).unwrap();
    whole
}

#[test]
fn any_byte_that_changed_is_found() {
    let directory = analysed(&[]);
    let verify = || coincident(&["verify", "out"], directory.path());
    let untouched = verify();
    assert_eq!(untouched.code, Some(0), "{}", untouched.stdout);
    assert!(untouched.stdout.contains("all as it was"), "{}", untouched.stdout);
    let mut files = vec!["in/case.toml".to_owned(), "in/transcripts/run-a/ep-001.jsonl".to_owned()];
    let results = fs::read_dir(directory.path().join("out")).unwrap();
    files.extend(results.map(|entry| format!("out/{}", entry.unwrap().file_name().to_str().unwrap())));
    for file in files {
        let path = directory.path().join(&file);
        // Of the manifest and its checksums, places all over: there is nothing that tells of them but each other.
        let places = if file.contains("manifest") || file.contains("SUMS") { 5 } else { 1 };
        let length = fs::metadata(&path).unwrap().len() as usize;
        for place in 0..places {
            let whole = flipped(&path, length * place / places);
            let ran = verify();
            // A manifest that cannot be read any more is a usage error, and names the file as well.
            assert!(matches!(ran.code, Some(1 | 2)), "{file} at {place}/{places}: {}", ran.stdout);
            let name = Path::new(&file).file_name().unwrap().to_str().unwrap();
            assert!(format!("{}{}", ran.stdout, ran.stderr).contains(name), "{file}: {}", ran.stdout);
            fs::write(&path, whole).unwrap();
        }
    }
    fs::write(directory.path().join("in/later.log"), "x").unwrap();
    fs::rename(directory.path().join("out/findings.csv"), directory.path().join("out/other.csv")).unwrap();
    let ran = verify();
    assert_eq!(ran.code, Some(1));
    for sentence in ["out/findings.csv: gone", "later.log: new among the evidence", "other.csv: lies among the results"]
    {
        assert!(ran.stdout.contains(sentence), "{sentence}: {}", ran.stdout);
    }
}

#[test]
fn evidence_may_lie_elsewhere() {
    let directory = analysed(&[]);
    fs::rename(directory.path().join("in"), directory.path().join("copy")).unwrap();
    assert_eq!(coincident(&["verify", "out"], directory.path()).code, Some(1));
    let ran = coincident(&["verify", "out", "copy"], directory.path());
    assert_eq!(ran.code, Some(0), "{}", ran.stdout);
    let ran = coincident(&["verify", "out", "copy", "out"], directory.path());
    assert_eq!(ran.code, Some(2));
    assert!(ran.stderr.contains("1 paths of evidence were analysed (in), and 2 are given"), "{}", ran.stderr);
}

#[test]
fn a_manifest_is_signed_for_anyone_who_has_openssh() {
    let Ok(made) = Command::new("ssh-keygen").arg("-V").stderr(Stdio::null()).stdin(Stdio::null()).output() else {
        return eprintln!("skipped: there is no ssh-keygen here to make keys and check signatures with");
    };
    drop(made);
    let keys = tempfile::tempdir().unwrap();
    let key = |name: &str, kind: &[&str], passphrase: &str| {
        let path = keys.path().join(name);
        let made = Command::new("ssh-keygen").args(["-q", "-N", passphrase, "-f"]).arg(&path).args(kind).status();
        assert!(made.unwrap().success());
        path.to_str().unwrap().to_owned()
    };
    let own = key("own", &["-t", "ed25519"], "");
    let directory = analysed(&["--sign", &own]);
    let signed_by = |public: &str| coincident(&["verify", "out", "--signed-by", public], directory.path());
    let ran = signed_by(&format!("{own}.pub"));
    assert_eq!(ran.code, Some(0), "{}", ran.stdout);
    let other = key("other", &["-t", "ecdsa", "-b", "256"], "");
    let ran = signed_by(&format!("{other}.pub"));
    assert_eq!(ran.code, Some(1));
    assert!(ran.stdout.contains("none of the keys given"), "{}", ran.stdout);
    // OpenSSH says the same of ours, and this program of a signature that OpenSSH made.
    let allowed = keys.path().join("allowed");
    fs::write(&allowed, format!("ir@example.org {}", fs::read_to_string(format!("{own}.pub")).unwrap())).unwrap();
    let manifest = directory.path().join("out/manifest.json");
    let verified = Command::new("ssh-keygen")
        .args(["-Y", "verify", "-I", "ir@example.org", "-n", "coincident-manifest", "-f"])
        .arg(&allowed)
        .args(["-s", "out/manifest.json.sig"])
        .current_dir(directory.path())
        .stdin(fs::File::open(&manifest).unwrap())
        .output()
        .unwrap();
    assert!(verified.status.success(), "{}", String::from_utf8_lossy(&verified.stderr));
    fs::remove_file(directory.path().join("out/manifest.json.sig")).unwrap();
    let signed = Command::new("ssh-keygen")
        .args(["-q", "-Y", "sign", "-n", "coincident-manifest", "-f", &other])
        .arg(&manifest)
        .status()
        .unwrap();
    assert!(signed.success());
    let ran = signed_by(&format!("{other}.pub"));
    assert_eq!(ran.code, Some(0), "{}", ran.stdout);
    let locked = key("locked", &["-t", "ed25519"], "correct horse");
    let ran = coincident(&["analyze", "in", "-o", "out2", "--sign", &locked], directory.path());
    assert_eq!(ran.code, Some(2));
    assert!(ran.stderr.contains("ssh-keygen -Y sign -n coincident-manifest"), "{}", ran.stderr);
    assert!(!directory.path().join("out2").exists());
}

/// What the program says when SIGINT comes as soon as it handles it.
#[cfg(target_os = "linux")]
fn interrupted(arguments: &[&str], directory: &Path) -> (Option<i32>, String, String) {
    let mut command = Command::cargo_bin("coincident").unwrap();
    let child =
        command.args(arguments).current_dir(directory).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let status = format!("/proc/{}/status", child.id());
    // SIGINT is signal 2: its bit in the set of those that the process handles (proc_pid_status(5)).
    let handles = || {
        let text = fs::read_to_string(&status).unwrap_or_default();
        let set = text.lines().find_map(|line| line.strip_prefix("SigCgt:")).map(str::trim);
        set.and_then(|set| u64::from_str_radix(set, 16).ok()).is_some_and(|set| set & 0b10 != 0)
    };
    while !handles() {
        std::thread::yield_now();
    }
    assert!(Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap().success());
    let output = child.wait_with_output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.code(), text(&output.stdout), text(&output.stderr))
}

/// A log that is still being read when the signal comes.
#[cfg(target_os = "linux")]
fn long_log(from: &Path, to: &Path) {
    fs::write(to, fs::read(from).unwrap().repeat(3_000_000)).unwrap();
}

#[test]
#[cfg(target_os = "linux")]
fn a_signal_ends_the_reading_and_the_result_says_partial() {
    let directory = super::case();
    long_log(&directory.path().join("in/firewall.log"), &directory.path().join("in/long.log"));
    let arguments = ["analyze", "in", "-o", "out", "--format", "jsonl", "--threads", "1"];
    let (code, stdout, stderr) = interrupted(&arguments, directory.path());
    assert_eq!(code, Some(3), "{stdout}{stderr}");
    assert!(stderr.contains("stopping: what was read so far is analysed"), "{stderr}");
    assert!(stderr.contains("long.log: reading was stopped from outside"), "{stderr}");
    let summary: serde_json::Value = serde_json::from_str(stdout.lines().last().unwrap()).unwrap();
    assert_eq!(summary["status"], "partial");
    // Its manifest claims no hash of what was not read to the end.
    let manifest = fs::read_to_string(directory.path().join("out/manifest.json")).unwrap();
    let manifest: serde_json::Value = serde_json::from_str(&manifest).unwrap();
    let inputs = manifest["inputs"].as_array().unwrap();
    let long = inputs.iter().find(|input| input["path"] == "long.log").unwrap();
    assert_eq!(long["sha256"], "");
    assert!(coincident(&["verify", "out"], directory.path()).stdout.contains("was not read to its end then"));
}

#[test]
#[cfg(target_os = "linux")]
fn incidents_after_a_signal_are_not_checked_and_none_passes() {
    let directory = super::case();
    let log = directory.path().join("in/firewall.log");
    for name in ["a", "b"] {
        let evidence = directory.path().join("incidents").join(name).join("evidence");
        fs::create_dir_all(&evidence).unwrap();
        fs::copy(&log, evidence.join("firewall.log")).unwrap();
        fs::write(evidence.parent().unwrap().join("expect.toml"), "[never]\nepisodes = [\"ep-001\"]\n").unwrap();
    }
    assert_eq!(coincident(&["check", "incidents"], directory.path()).code, Some(0));
    long_log(&log, &directory.path().join("incidents/a/evidence/long.log"));
    for bless in [&[][..], &["--bless"]] {
        let arguments = [&["check", "incidents", "--threads", "1"], bless].concat();
        let (code, stdout, stderr) = interrupted(&arguments, directory.path());
        assert_eq!(code, Some(1), "{stdout}{stderr}");
        assert!(stdout.contains("long.log: reading was stopped from outside"), "{stdout}");
        assert!(stdout.contains("not checked: interrupted before"), "{stdout}");
        assert!(stderr.contains("0 of 2 incidents as expected"), "{stderr}");
    }
    let expect = fs::read_to_string(directory.path().join("incidents/a/expect.toml")).unwrap();
    assert_eq!(expect, "[never]\nepisodes = [\"ep-001\"]\n", "nothing is blessed by half of the evidence");
}

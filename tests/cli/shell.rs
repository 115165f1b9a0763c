//! `completions`, `man` and the help.

use std::fs;

use crate::{case, coincident};

#[test]
fn every_shell_has_completions_that_know_verbs_and_options() {
    let case = case();
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let ran = coincident(&["completions", shell], case.path());
        assert_eq!(ran.code, Some(0), "{}", ran.stderr);
        assert!(ran.stdout.contains("timeline") && ran.stdout.contains("around"), "{shell}");
    }
}

#[test]
fn completions_are_what_the_shell_reads() {
    let case = case();
    let script = coincident(&["completions", "bash"], case.path()).stdout;
    fs::write(case.path().join("script"), script).unwrap();
    // A shell that is not installed cannot say anything.
    let Ok(output) = std::process::Command::new("bash").arg("-n").arg("script").current_dir(case.path()).output()
    else {
        return;
    };
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn the_manual_has_a_page_per_verb() {
    let case = case();
    let page = coincident(&["man"], case.path());
    assert_eq!(page.code, Some(0), "{}", page.stderr);
    assert!(page.stdout.contains(".TH coincident 1") && page.stdout.contains("coincident analyze"), "{}", page.stdout);
    assert_eq!(coincident(&["man", "pages"], case.path()).code, Some(0));
    let read = |name: &str| fs::read_to_string(case.path().join("pages").join(name)).unwrap();
    assert_eq!(read("coincident.1"), page.stdout);
    assert!(read("coincident-timeline.1").contains("around"));
    assert!(read("coincident-rules-lint.1").contains("Exit codes"));
    let again = coincident(&["man", "pages"], case.path());
    assert!(again.code == Some(2) && again.stderr.contains("nothing is overwritten"), "{}", again.stderr);
    assert_eq!(coincident(&["man", "pages", "--force"], case.path()).code, Some(0));
}

#[test]
fn help_has_examples() {
    let case = case();
    for verb in ["analyze", "timeline", "explain", "check"] {
        let help = coincident(&[verb, "--help"], case.path()).stdout;
        assert!(help.contains("Examples:\n  # ") && help.contains(&format!("  coincident {verb} ")), "{help}");
    }
}

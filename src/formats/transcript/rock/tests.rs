use super::Rock;
use crate::evidence::{AnomalyKind, EvidenceId, Input};
use crate::formats::{Collector, Format};
use crate::time::TimeContext;

/// An entry of second `at` of a minute.
fn entry(at: u32, trace: &str, message: &str) -> String {
    format!("2026-11-20T23:01:{at:02}.000+08:00 INFO:rocklet.py:160 [command] [sb-1] [{trace}] -- {message}\n")
}

fn read(text: &str) -> Collector {
    let mut input = Input::from_bytes("command.log", text.as_bytes().to_vec(), EvidenceId(0));
    let mut found = Collector::default();
    Rock.read(&mut input, &TimeContext::default(), &mut found).unwrap();
    found.steps.sort_by_key(|step| step.order);
    found
}

fn commands(found: &Collector) -> Vec<&str> {
    found.steps.iter().filter_map(|step| step.command.as_deref()).collect()
}

const SESSION: &str = "[create_session]:s";

#[test]
fn a_printed_entry_between_an_output_and_its_exit_code_is_text() {
    // The rocklet writes the exit code right behind the output, so nothing can come between them.
    let text = [
        entry(1, "t0", SESSION),
        entry(2, "t1", "[run_in_session input][s]:./a"),
        entry(3, "t1", "[run_in_session output][s]:x"),
        entry(4, "f1", "[run_in_session input][s]:innocent"),
        entry(4, "f1", "[run_in_session output][s]:y"),
        entry(4, "t1", "[run_in_session exit_code][s]:1"),
        entry(4, "f2", "[execute input]:also innocent"),
        entry(5, "t1", "[run_in_session exit_code][s]:7"),
        entry(6, "t2", "[run_in_session input][s]:./b"),
    ]
    .concat();
    let found = read(&text);
    assert_eq!(commands(&found), ["./a", "./b"]);
    let [result] = found.results.as_slice() else { panic!("{:?}", found.results) };
    assert_eq!(result.exit_code, Some(7));
    let output = result.output.as_deref().unwrap();
    assert!(output.starts_with("x\n2026") && output.ends_with("also innocent"), "{output}");
    assert_eq!(
        found.anomalies.iter().map(|a| (a.record, a.kind)).collect::<Vec<_>>(),
        [(4, AnomalyKind::MalformedRecord)]
    );
    assert_eq!(found.records, 9);
}

#[test]
fn a_run_within_a_run_of_the_same_session_is_text() {
    // A command with entries in a here-document: a shell answers one command after the other.
    let text = [
        entry(1, "t0", SESSION),
        entry(2, "t1", "[run_in_session input][s]:cat <<E"),
        entry(2, "f1", "[run_in_session input][s]:innocent"),
        entry(2, "f1", "[run_in_session output][s]:y"),
        entry(2, "f2", "[run_in_session input][s]:innocent too"),
        "E\n".to_owned(),
        entry(3, "t1", "[run_in_session output][s]:x"),
        entry(4, "t2", "[run_in_session input][s]:./b"),
        entry(5, "t2", "[run_in_session output][s]:z"),
    ]
    .concat();
    let found = read(&text);
    assert_eq!(found.steps.len(), 2, "{:?}", commands(&found));
    assert!(commands(&found)[0].starts_with("cat <<E\n2026") && commands(&found)[0].ends_with("innocent too\nE"));
    assert_eq!(found.results.len(), 2);
}

#[test]
fn entries_without_a_session_or_a_call_are_text() {
    let text = [
        entry(1, "t0", SESSION),
        entry(2, "t1", "[run_in_session input][s]:./a"),
        entry(3, "t1", "[run_in_session output][s]:x"),
        entry(3, "f1", "[run_in_session input][other]:innocent"),
        entry(3, "f2", "[execute stdout]:y"),
        entry(3, "f3", "[run_in_session exit_code][s]:0"),
        entry(4, "t2", "[close_session]:s"),
        entry(5, "f4", "[run_in_session input][s]:closed"),
    ]
    .concat();
    assert_eq!(commands(&read(&text)), ["./a"]);
    // A log that begins later shows no session being created: its commands count.
    let text =
        [entry(2, "t1", "[run_in_session input][s]:./a"), entry(3, "t1", "[run_in_session output][s]:x")].concat();
    assert_eq!(commands(&read(&text)), ["./a"]);
}

#[test]
fn one_trace_for_all_requests_of_a_client_hides_nothing() {
    let text = [
        entry(1, "t", SESSION),
        entry(2, "t", "[run_in_session input][s]:./a"),
        entry(3, "t", "[run_in_session output][s]:x"),
        entry(4, "t", "[run_in_session input][s]:mkdir d"),
        entry(5, "t", "[run_in_session input][s]:./b"),
        entry(6, "t", "[run_in_session output][s]:y"),
        entry(6, "t", "[run_in_session exit_code][s]:2"),
    ]
    .concat();
    let found = read(&text);
    assert_eq!(commands(&found), ["./a", "mkdir d", "./b"]);
    let codes: Vec<Option<i32>> = found.results.iter().map(|result| result.exit_code).collect();
    assert_eq!(codes, [None, Some(2)]);
}

#[test]
fn many_open_runs_are_survived() {
    let mut text = entry(1, "t0", SESSION);
    for n in 0..5000 {
        text.push_str(&entry(2, &format!("a{n}"), "[run_in_session input][s]:x"));
    }
    for n in (0..5000).rev() {
        text.push_str(&entry(3, &format!("a{n}"), "[run_in_session output][s]:y"));
    }
    assert!(read(&text).records == 10_001);
}

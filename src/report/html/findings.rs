//! Tables of findings, of what no step explains, and of steps that nothing covers.

use super::Told;
use super::markup::{Cell, figure, level, link, list, paragraph, table, text, words};
use crate::report::explain::{places, readable};
use crate::report::lines::{Line, StepLine};
use crate::report::table::hypothesis;
use crate::report::when::bans;

/// Every finding, the most serious first.
pub(super) fn body(told: &Told<'_>) -> String {
    let in_full = told.in_full().len();
    let row = |(at, finding): (usize, &&crate::report::lines::FindingLine)| {
        let steps: Vec<String> = finding.steps.iter().map(|step| step.index.to_string()).collect();
        vec![
            Cell::Head(link(&finding.id, at < in_full)),
            Cell::Words(level(&finding.level)),
            words(finding.run.as_deref().unwrap_or("")),
            words(&finding.episode),
            figure(&steps.join(", ")),
            words(&finding.behaviour),
            Cell::Words(format!(
                "{} <span class=\"figure\">({})</span>",
                text(&finding.strength.words),
                bans(finding.strength.log10_lr)
            )),
            words(&finding.summary),
            words(hypothesis(&finding.initiator)),
            figure(&finding.first.as_deref().map(readable).unwrap_or_default()),
        ]
    };
    let rows: Vec<Vec<Cell>> = told.findings.iter().enumerate().map(row).collect();
    let heads = [
        "Finding",
        "Level",
        "Run",
        "Episode",
        "Steps",
        "Behaviour",
        "Strength",
        "What lines up",
        "Held to have started it",
        "First event",
    ];
    let mut html = "<p class=\"control\" hidden><label for=\"filter\">Show only rows with</label> \
                    <input id=\"filter\" type=\"search\" autocomplete=\"off\"> <output for=\"filter\" id=\"matching\"></output></p>\n"
        .to_owned();
    html.push_str(&table(
        "All findings",
        &heads,
        &rows,
        "No step lines up with an event strongly enough for a finding.",
    ));
    if in_full < told.findings.len() {
        html.push_str(&paragraph(&format!(
            "The first {in_full} of {} are told in full below; any other by coincident explain with this directory and its ID.",
            told.findings.len()
        )));
    }
    html
}

/// Groups of signals that no step explains.
pub(super) fn unexplained(told: &Told<'_>) -> String {
    let rows: Vec<Vec<Cell>> = told
        .lines
        .iter()
        .filter_map(|line| match line {
            Line::Unexplained(one) => Some(one),
            _ => None,
        })
        .map(|one| {
            let signals = one.signals.iter().filter_map(|id| told.signals.get(id.as_str()));
            let records: Vec<_> = signals.clone().flat_map(|signal| signal.records.iter().cloned()).collect();
            let first = signals.filter_map(|signal| signal.time.as_deref()).min();
            vec![
                Cell::Head(text(&one.id)),
                words(&one.behaviour),
                words(&one.summary),
                figure(&first.map(readable).unwrap_or_default()),
                words(hypothesis(&one.leading)),
                words(&one.would_decide.join("; ")),
                words(&places(&records)),
            ]
        })
        .collect();
    let heads = ["Group", "Behaviour", "What was seen", "First", "Leading hypothesis", "Would decide", "Records"];
    let mut html = table("Signals that no step explains", &heads, &rows, "Nothing: every signal lines up with a step.");
    if !rows.is_empty() {
        html.push_str(&paragraph(
            "The rivals of a group in full: coincident explain with this directory and the group.",
        ));
    }
    html
}

/// Acts in transcripts whose effect no telemetry shows.
pub(super) fn uncovered(told: &Told<'_>) -> String {
    let rows: Vec<Vec<Cell>> = told
        .lines
        .iter()
        .filter_map(|line| match line {
            Line::Uncovered(one) => Some(one),
            _ => None,
        })
        .map(|one| {
            vec![
                Cell::Head(format!("{} step {}", text(&one.episode), one.step.index)),
                words(&one.behaviour),
                Cell::Words(command(&one.step)),
                words(&one.coverage),
                words(&one.rule),
                words(&format!("{} {}", one.step.path, one.step.locator)),
            ]
        })
        .collect();
    let heads = ["Step", "Behaviour", "Command", "Coverage", "Rule", "Record"];
    let html = table("Steps without coverage", &heads, &rows, "None.");
    let anomalies: Vec<Vec<Cell>> = told
        .lines
        .iter()
        .filter_map(|line| match line {
            Line::Anomaly(one) => Some(one),
            _ => None,
        })
        .map(|one| {
            vec![
                Cell::Head(format!("{} {}", text(&one.path), text(&one.locator))),
                words(&one.anomaly),
                words(&one.detail),
                figure(&one.of.to_string()),
            ]
        })
        .collect();
    let heads = ["Record", "What", "In words", "Of this kind"];
    format!("{html}<h3>Odd in the evidence itself</h3>\n{}", table("Anomalies", &heads, &anomalies, "Nothing."))
}

/// What a step ran, as code.
pub(super) fn command(step: &StepLine) -> String {
    format!("<code>{}</code>", text(step.command.as_deref().unwrap_or(&step.tool)))
}

/// Limits of one finding.
pub(super) fn limits(sentences: &[String]) -> String {
    if sentences.is_empty() { paragraph("None stated.") } else { list(sentences) }
}

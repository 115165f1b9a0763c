//! Whether the alignment is better than chance, and how often a behaviour recurs.

use super::Told;
use super::markup::{Cell, figure, list, number, paragraph, percent, table, text, words};
use crate::report::lines::{AlignmentLine, RateLine, TestLine};
use crate::report::when::probability;

/// The test with its controls.
pub(super) fn alignment(told: &Told<'_>) -> String {
    let Some(alignment) = &told.summary.alignment else {
        return paragraph("Not tested: no dated steps, or no onsets to test.");
    };
    let row = |name: &str, test: &TestLine| {
        vec![
            Cell::Head(text(name)),
            figure(&test.onsets.to_string()),
            figure(&test.in_window.to_string()),
            figure(&test.expected.map_or_else(String::new, |expected| format!("{expected:.1}"))),
            figure(&test.p.map_or_else(String::new, probability)),
        ]
    };
    let AlignmentLine { positive_control, negative_exposure, negative_outcome, .. } = alignment;
    let controls = [
        ("positive control: benign calls and the peers they name", positive_control),
        ("negative exposure: calls that cannot reach the network", negative_exposure),
        ("negative outcome: traffic that no agent opened", negative_outcome),
    ];
    let mut rows = vec![row("events under test", &alignment.test)];
    rows.extend(alignment.at_gaps.iter().map(|gap| row(&gap.gap, &gap.test)));
    rows.extend(controls.iter().filter_map(|(name, test)| Some(row(name, test.as_ref()?))));
    let heads = ["Test", "Onsets", "In a call's window", "Expected by chance", "P"];
    let mut html = table("Onsets in the windows of tool calls, against jittered ones", &heads, &rows, "");
    html.push_str(&list(&alignment.sentences));
    html
}

/// Shares by run, reward configuration and model.
pub(super) fn recurrence(told: &Told<'_>) -> String {
    let row = |rate: &RateLine| {
        let interval = rate.interval.map_or_else(String::new, |[low, high]| bar(rate, low, high));
        let share = |[low, high]: [f64; 2]| format!("{:.0} % … {:.0} %", low * 100.0, high * 100.0);
        let hour = |[low, high]: [f64; 2]| format!("{} … {}", probability(low), probability(high));
        vec![
            words(&rate.group),
            Cell::Head(text(&rate.name)),
            words(rate.behaviour.as_deref().unwrap_or("any")),
            figure(&format!("{} of {}", rate.flagged, rate.episodes)),
            Cell::Words(interval),
            figure(&rate.per_hour.map_or_else(String::new, hour)),
            figure(&number(rate.first_step)),
            figure(&rate.worst.map_or_else(String::new, share)),
        ]
    };
    let rows: Vec<Vec<Cell>> = told.summary.rates.iter().map(row).collect();
    let heads = [
        "By",
        "Name",
        "Behaviour",
        "Episodes flagged",
        "Share, exact 95 %",
        "Onsets per hour, exact 95 %",
        "First step, median",
        "Share at worst, with missing transcripts",
    ];
    let mut html = table("How often", &heads, &rows, "No episodes to compare.");
    let questions: Vec<Vec<Cell>> = told
        .summary
        .recurrence
        .iter()
        .map(|one| {
            vec![
                Cell::Head(text(&one.question)),
                words(one.behaviour.as_deref().unwrap_or("any")),
                figure(&one.units.to_string()),
                figure(&one.onsets.to_string()),
                figure(&one.p.map_or_else(String::new, probability)),
                words(&one.reading),
            ]
        })
        .collect();
    if !questions.is_empty() {
        let heads = ["Question", "Behaviour", "Runs or checkpoints", "Onsets", "P", "In words"];
        html.push_str(&table("Whether runs and checkpoints differ beyond chance", &heads, &questions, ""));
    }
    let before: Vec<Vec<Cell>> = told
        .summary
        .preceding
        .iter()
        .map(|one| {
            vec![
                Cell::Head(text(&one.what)),
                words(&one.behaviour),
                figure(&format!("{} of {}", one.before, one.of)),
                figure(&format!("{} of {}", one.others_with, one.others)),
                figure(&one.adjusted.map_or_else(String::new, probability)),
            ]
        })
        .collect();
    if !before.is_empty() {
        let heads = ["What", "Before", "In episodes with it", "In others of the run", "P, adjusted"];
        html.push_str(&table("What comes before more often than elsewhere", &heads, &before, ""));
        html.push_str(&paragraph("What comes before is not shown to lead to it."));
    }
    html
}

/// The interval as a bar from 0 to 1, with the share as a mark.
fn bar(rate: &RateLine, low: f64, high: f64) -> String {
    let share = f64::from(rate.flagged) / f64::from(rate.episodes.max(1));
    format!(
        "<svg class=\"interval\" width=\"120\" height=\"12\" aria-hidden=\"true\"><rect class=\"whole\" width=\"100%\" height=\"12\"/>\
         <rect class=\"for\" x=\"{}\" width=\"{}\" y=\"3\" height=\"6\"/><rect class=\"mark\" x=\"{}\" width=\"2\" height=\"12\"/></svg> \
         <span class=\"figure\">{:.0} % … {:.0} %</span>",
        percent(low),
        percent(high - low),
        percent(share),
        low * 100.0,
        high * 100.0
    )
}

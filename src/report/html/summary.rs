//! The first screen: what was found, what was not, and what cannot be said.

use std::collections::BTreeMap;

use super::Told;
use super::markup::{list, paragraph, text};
use crate::report::table::{hypothesis, times_less};
use crate::report::when::thousands;

fn counted(number: usize, one: &str, many: &str) -> String {
    format!("{} {}", thousands(number as u64), if number == 1 { one } else { many })
}

/// The title of the window.
pub(super) fn title(told: &Told<'_>) -> String {
    let high = told.findings.iter().filter(|finding| finding.level == "high").count();
    format!("{}, {high} high", counted(told.findings.len(), "finding", "findings"))
}

/// One line below the heading.
pub(super) fn headline(told: &Told<'_>) -> String {
    let files = counted(told.sources.len(), "file", "files");
    let zone = told.zone;
    match crate::report::table::extent(told.analysis) {
        Some((first, last)) => format!("{files} of evidence, {}", zone.range(first, last)),
        None => format!("{files} of evidence, none of them dated"),
    }
}

/// Numbers, then sentences.
pub(super) fn body(told: &Told<'_>) -> String {
    let summary = &told.summary;
    let level = |name: &str| told.findings.iter().filter(|finding| finding.level == name).count();
    let unread = match (summary.status.as_str(), summary.unread_records) {
        ("complete", 0) => "all".to_owned(),
        ("complete", unread) => format!("all but {} records", thousands(unread)),
        (_, unread) => {
            let files = counted(summary.not_read.len(), "file", "files");
            format!("not all: {files} and {} records are left", thousands(unread))
        }
    };
    let cards = [
        ("findings at high", level("high").to_string()),
        ("at medium", level("medium").to_string()),
        ("at low", level("low").to_string()),
        ("episodes flagged", format!("{} of {}", summary.flagged, summary.episodes)),
        ("not explained by a step", summary.unexplained.to_string()),
        ("steps without coverage", summary.uncovered.to_string()),
        ("evidence read", unread),
    ];
    let cards: String =
        cards.iter().map(|(name, value)| format!("<div><dt>{name}</dt><dd>{}</dd></div>\n", text(value))).collect();
    let mut html = format!("<dl class=\"cards\">\n{cards}</dl>\n");
    html.push_str(&list(sentences(told)));
    html
}

fn sentences(told: &Told<'_>) -> Vec<String> {
    let mut all = Vec::new();
    let mut by_behaviour: BTreeMap<&str, (usize, std::collections::BTreeSet<&str>)> = BTreeMap::new();
    for finding in &told.findings {
        let entry = by_behaviour.entry(&finding.behaviour).or_default();
        entry.0 += 1;
        entry.1.insert(&finding.episode);
    }
    for (behaviour, (number, episodes)) in &by_behaviour {
        let episodes = counted(episodes.len(), "episode", "episodes");
        all.push(format!("{behaviour}: {} in {episodes}.", counted(*number, "finding", "findings")));
    }
    if told.findings.is_empty() {
        all.push("No step lines up with an event strongly enough for a finding.".to_owned());
    }
    if let Some(alignment) = &told.summary.alignment {
        all.extend(alignment.sentences.iter().take(2).cloned());
    }
    let mut initiators: BTreeMap<&str, usize> = BTreeMap::new();
    for finding in &told.findings {
        *initiators.entry(&finding.initiator).or_default() += 1;
    }
    for (initiator, number) in initiators {
        let findings = counted(number, "finding", "findings");
        all.push(match initiator {
            "undecided" => format!("{findings}: what started it is undecided."),
            name => format!("{findings}: best supported as what started it is {}.", hypothesis(name)),
        });
    }
    if let Some((finding, second)) = told
        .findings
        .iter()
        .filter_map(|finding| Some((finding, finding.rivals.get(1)?)))
        .max_by(|(_, a), (_, b)| rest(a.log10_lr).total_cmp(&rest(b.log10_lr)))
    {
        all.push(format!(
            "The closest rival of any finding is {} ({}): what was seen is {} less probable under it.",
            hypothesis(&second.hypothesis),
            finding.id,
            times_less(rest(second.log10_lr))
        ));
    }
    all
}

fn rest(bans: Option<f64>) -> f64 {
    bans.unwrap_or(f64::NEG_INFINITY)
}

/// What limits every finding, and what this kind of analysis does not address.
pub(super) fn limits(told: &Told<'_>) -> String {
    let unread = told.summary.not_read.iter().map(|what| format!("Not read: {what}"));
    let stated: Vec<String> = told.summary.limits.iter().cloned().chain(unread).collect();
    let mut html = list(&stated);
    if stated.is_empty() {
        html.push_str(&paragraph("None stated beyond those of each finding."));
    }
    html.push_str(&paragraph(
        "Strength is a likelihood ratio: how much more probable the observations are if the named step led to them than \
         if no step did. It is not the probability that the agent did it, and nothing here speaks of purpose.",
    ));
    html
}

//! Whether the alignment beats chance, and how often episodes are flagged.

use std::collections::BTreeMap;

use super::{Page, TableOptions, counted};
use crate::correlate::{Alignment, AlignmentTest, Analysis, ConfigRate, Preceding};
use crate::report::csv;
use crate::report::jsonl::flagged;
use crate::report::when::{duration, probability};

pub(super) fn chance(analysis: &Analysis, options: &TableOptions, page: &mut Page) {
    let episodes = analysis.episodes.len();
    let mut text = if episodes == 0 {
        "No episode: there is no transcript that could be read.".to_owned()
    } else {
        format!("Findings in {} of {}.", flagged(analysis), counted(episodes, "episode", "episodes"))
    };
    let Some(alignment) = &analysis.alignment else {
        text.push_str(" No test against chance: it needs dated tool calls and dated onsets.");
        return page.line(&text);
    };
    match &alignment.withheld {
        Some(why) => text.push_str(&format!(" No conclusion from timing: {why}.")),
        None => {
            let test = &alignment.test;
            text.push_str(&format!(
                " By chance {:.1} of {} would fall in a tool call's window; {} {} (P = {}, {}). Windows cover {:.0} % of the time.",
                test.expected,
                counted(test.onsets, "onset", "onsets"),
                test.in_window,
                if test.in_window == 1 { "does" } else { "do" },
                probability(test.p),
                controls(alignment),
                alignment.duty_cycle * 100.0
            ));
        }
    }
    page.line(&text);
    if options.verbose {
        test_in_full(alignment, page);
        for sentence in &alignment.sentences {
            page.line(&format!("  {sentence}"));
        }
    }
}

/// What the test rests on: windows, duty cycle, jitter, other gaps, each control.
fn test_in_full(alignment: &Alignment, page: &mut Page) {
    let (before, after) = alignment.window_ns;
    page.line(&format!(
        "  windows from {} before to {} after a call, {:.1} % of the covered time; jitter ± {}",
        duration(before.unsigned_abs()),
        duration(after.unsigned_abs()),
        alignment.duty_cycle * 100.0,
        duration(alignment.jitter_ns.unsigned_abs())
    ));
    let gaps = alignment.at_gaps.iter().map(|(gap, test)| (gap.as_str(), test));
    let controls = [
        ("positive control", alignment.positive_control.as_ref()),
        ("negative exposure", alignment.negative_exposure.as_ref()),
        ("negative outcome", alignment.negative_outcome.as_ref()),
    ];
    let controls = controls.into_iter().filter_map(|(name, test)| Some((name, test?)));
    for (name, test) in gaps.chain(controls) {
        page.line(&format!(
            "  {name}: {} of {} in window, {:.1} by chance, P = {}",
            test.in_window,
            test.onsets,
            test.expected,
            probability(test.p)
        ));
    }
}

/// Whether the controls hold: what must line up does (P < 0.05), what must not does not.
fn controls(alignment: &Alignment) -> String {
    type Judge = fn(&AlignmentTest) -> bool;
    let aligned: Judge = |test| test.p < 0.05;
    let not_aligned: Judge = |test| test.p >= 0.05;
    let controls = [
        ("positive control", &alignment.positive_control, aligned),
        ("negative exposure", &alignment.negative_exposure, not_aligned),
        ("negative outcome", &alignment.negative_outcome, not_aligned),
    ];
    let tested: Vec<_> =
        controls.iter().filter_map(|(name, test, holds)| Some((name, test.as_ref()?, holds))).collect();
    let failed: Vec<String> = tested
        .iter()
        .filter(|(_, test, holds)| !holds(test))
        .map(|(name, test, _)| format!("{name} fails with P = {}", probability(test.p)))
        .collect();
    let missing: Vec<&str> = controls.iter().filter(|(_, test, _)| test.is_none()).map(|(name, _, _)| *name).collect();
    let mut text = match (tested.is_empty(), failed.is_empty()) {
        (true, _) => return "no control could be run".to_owned(),
        (false, true) => "controls hold".to_owned(),
        (false, false) => failed.join(", "),
    };
    if !missing.is_empty() {
        text.push_str(&format!("; not run: {}", missing.join(", ")));
    }
    text
}

pub(super) fn rates(analysis: &Analysis, page: &mut Page) {
    let of = |group: &str| -> Vec<_> {
        analysis.rates.iter().filter(|rate| rate.group == group && rate.behaviour.is_none()).collect()
    };
    let (configs, runs) = (of("reward-config"), of("run"));
    let several = runs.len() > 1;
    let shown = |rates: &[&ConfigRate]| {
        let one = |rate: &&ConfigRate| {
            let interval = if several {
                format!(" (95 % {:.2} … {:.2})", rate.interval.0, rate.interval.1)
            } else {
                String::new()
            };
            let episodes = counted(rate.episodes as usize, "episode", "episodes");
            format!("{} {} of {episodes}{interval}", rate.name, rate.flagged)
        };
        let mut parts: Vec<String> = rates.iter().take(1).map(one).collect();
        parts.extend(rates.iter().skip(1).map(|rate| one(rate).replace(" episodes", "").replace(" episode", "")));
        parts.join(", ")
    };
    if !configs.is_empty() {
        let inference = if several { "" } else { " One run: no inference over configurations is possible." };
        page.line(&format!("reward config  {}.{inference}", shown(&configs)));
    }
    if several {
        page.line(&format!("run  {}.", shown(&runs)));
        if let Ok(frame) = csv::recurrence_frame(analysis) {
            page.line(&format!("{} with findings; see recurrence.csv for behaviours per run.", recurrent(&frame)));
        }
    }
}

/// Whether runs and checkpoints differ beyond chance: of any behaviour, of each if verbose.
pub(super) fn recurrence(analysis: &Analysis, options: &TableOptions, page: &mut Page) {
    for one in analysis.recurrence.iter().filter(|one| options.verbose || one.behaviour.is_none()) {
        let of = one.behaviour.map_or_else(String::new, |behaviour| format!(" of {}", behaviour.name()));
        let figures = match (one.p, one.question) {
            (None, _) => String::new(),
            (Some(p), "dispersion over runs") => {
                let index = one.value.map_or_else(String::new, |index| format!("variance over mean {index:.1}, "));
                format!(" ({index}P = {})", probability(p))
            }
            (Some(p), _) => {
                let ratio = one.value.map_or_else(String::new, |ratio| format!("last over first {ratio:.1}, "));
                format!(" ({ratio}P = {})", probability(p))
            }
        };
        page.line(&format!("{}{of}  {}{figures}.", one.question, one.words));
    }
}

/// What comes before each behaviour: the three with the smallest P, all of them if verbose.
pub(super) fn preceding(analysis: &Analysis, options: &TableOptions, page: &mut Page) {
    let mut by_behaviour: BTreeMap<&str, Vec<&Preceding>> = BTreeMap::new();
    for one in &analysis.preceding {
        by_behaviour.entry(one.behaviour.name()).or_default().push(one);
    }
    for (behaviour, all) in by_behaviour {
        let shown = if options.verbose { all.len() } else { all.len().min(3) };
        let one = |one: &&Preceding| {
            let counts = format!("{} of {} against {} of {}", one.before, one.of, one.others_with, one.others);
            format!("{} in {counts} (adjusted P = {})", one.what, probability(one.adjusted))
        };
        let mut parts: Vec<String> = all.iter().take(shown).map(one).collect();
        if all.len() > shown {
            parts.push(format!("and {} more with --verbose, or in --format jsonl", all.len() - shown));
        }
        page.line(&format!(
            "Before {behaviour} more often than in other episodes of the same run: {}. It comes before, it is not shown to \
             lead to it.",
            parts.join(", ")
        ));
    }
}

/// "2 of 3 runs": rows of the recurrence by run.
fn recurrent(frame: &polars::prelude::DataFrame) -> String {
    let column = |name: &str| frame.column(name).ok();
    let mut runs: BTreeMap<String, i64> = BTreeMap::new();
    if let (Some(names), Some(flagged)) = (column("run"), column("flagged"))
        && let (Ok(names), Ok(flagged)) = (names.str(), flagged.i64())
    {
        for (name, flagged) in names.iter().zip(flagged.iter()) {
            *runs.entry(name.unwrap_or_default().to_owned()).or_default() += flagged.unwrap_or_default();
        }
    }
    let with = runs.values().filter(|flagged| **flagged > 0).count();
    format!("{with} of {}", counted(runs.len(), "run", "runs"))
}

use std::fmt;

use coincident::correlate::{Analysis, Clock};
use coincident::report::Reading;
use coincident::report::jsonl::is_tied;
use coincident::report::when::seconds;

use super::expect::{Bounds, Expect, ExpectClock, FindingEntry, Policy, UnexplainedEntry};
use super::found::{Row, groups, rows, unexplained_words};

/// What is wrong with what was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wrong {
    NotRead,
    Missing,
    Unexpected,
    Differs,
}

impl Wrong {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Wrong::NotRead => "not read",
            Wrong::Missing => "missing",
            Wrong::Unexpected => "unexpected",
            Wrong::Differs => "differs",
        }
    }
}

/// One thing that is not as expected: both sides of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Difference {
    pub(crate) wrong: Wrong,
    pub(crate) expected: String,
    pub(crate) found: String,
    /// It is told and fails nothing.
    pub(crate) warning: bool,
}

impl Difference {
    fn new(wrong: Wrong, expected: impl Into<String>, found: impl Into<String>) -> Self {
        Difference { wrong, expected: expected.into(), found: found.into(), warning: false }
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = self.wrong.name();
        match (self.expected.as_str(), self.found.as_str()) {
            (expected, "") => write!(f, "{name}: {expected}"),
            ("", found) => write!(f, "{name}: {found}"),
            (expected, found) => write!(f, "{name}: expected {expected}; found {found}"),
        }
    }
}

/// Everything that is not as expected.
pub(crate) fn compare(expect: &Expect, analysis: &Analysis, reading: &Reading) -> Vec<Difference> {
    let problems = reading.problems(analysis).into_iter();
    let mut differences: Vec<Difference> =
        problems.map(|problem| Difference::new(Wrong::NotRead, "", problem)).collect();
    findings(expect, &rows(analysis), &mut differences);
    unexplained(expect, &groups(analysis), &mut differences);
    differences.extend(expect.clocks.iter().filter_map(|clock| clock_differs(clock, analysis)));
    for finding in &analysis.findings {
        let mut never = |what: &str, kind: &str| {
            let expected = format!("{kind} {what} is never flagged");
            differences.push(Difference::new(
                Wrong::Unexpected,
                expected,
                format!("{} ({})", finding.id, finding.level),
            ));
        };
        if expect.never.episodes.contains(&finding.episode) {
            never(&finding.episode, "episode");
        }
        if expect.never.behaviours.iter().any(|behaviour| behaviour == finding.behaviour.name()) {
            never(finding.behaviour.name(), "behaviour");
        }
    }
    differences
}

/// Findings that no entry is about.
pub(super) fn leftover<'a>(expect: &Expect, rows: &'a [Row]) -> Vec<&'a Row> {
    rows.iter().filter(|row| row.counts() && !expect.findings.iter().any(|entry| entry.matches(row))).collect()
}

/// The leftover finding that an entry without its finding most likely meant: at least two of episode, step and
/// behaviour are the same.
pub(super) fn nearest(entry: &FindingEntry, rows: &[&Row]) -> Option<usize> {
    let alike = rows.iter().enumerate().map(|(at, row)| (entry.likeness(row), at)).filter(|(alike, _)| *alike >= 2);
    // Of equals the first.
    alike.max_by_key(|(alike, at)| (*alike, usize::MAX - at)).map(|(_, at)| at)
}

fn findings(expect: &Expect, rows: &[Row], differences: &mut Vec<Difference>) {
    let mut left = leftover(expect, rows);
    let mut seen: Vec<&FindingEntry> = Vec::new();
    for entry in &expect.findings {
        let matched: Vec<&Row> = rows.iter().filter(|row| entry.matches(row)).collect();
        // An entry that stands twice is told once.
        if seen.contains(&entry) || entry.bounds.hold(matched.len()) {
            continue;
        }
        seen.push(entry);
        let shown: Vec<String> = matched.iter().map(|row| row.shown(Some(entry))).collect();
        differences.push(match (matched.len() < entry.bounds.least, matched.is_empty()) {
            (true, true) => match nearest(entry, &left) {
                Some(at) => {
                    let row = left.remove(at);
                    Difference::new(Wrong::Differs, entry.shown(), row.shown(Some(entry)))
                }
                None => Difference::new(Wrong::Missing, entry.shown(), ""),
            },
            (true, false) => Difference::new(Wrong::Missing, entry.shown(), shown.join("; ")),
            (false, _) => Difference::new(Wrong::Unexpected, entry.shown(), shown.join("; ")),
        });
    }
    let rest = left.into_iter().map(|row| Difference::new(Wrong::Unexpected, "", row.shown(None)));
    differences.extend(rest.filter_map(|difference| under(expect.unexpected, difference)));
}

/// What becomes of something that no entry is about.
fn under(policy: Policy, difference: Difference) -> Option<Difference> {
    match policy {
        Policy::Fail => Some(difference),
        Policy::Warn => Some(Difference { warning: true, ..difference }),
        Policy::Pass => None,
    }
}

/// The entries, of equal ones that say nothing of a number one with their number.
pub(super) fn counted(entries: &[UnexplainedEntry]) -> Vec<UnexplainedEntry> {
    let mut counted: Vec<UnexplainedEntry> = Vec::new();
    for entry in entries {
        let same = |other: &&mut UnexplainedEntry| {
            other.bounds.plain && (&other.behaviour, &other.leading) == (&entry.behaviour, &entry.leading)
        };
        match counted.iter_mut().find(same).filter(|_| entry.bounds.plain) {
            Some(other) => {
                let number = other.bounds.least + 1;
                other.bounds = Bounds { least: number, most: Some(number), plain: true };
            }
            None => counted.push(entry.clone()),
        }
    }
    counted
}

fn unexplained(expect: &Expect, groups: &[(&str, &str)], differences: &mut Vec<Difference>) {
    let entries = counted(&expect.unexplained);
    for entry in &entries {
        let count = groups.iter().filter(|group| entry.matches(**group)).count();
        if !entry.bounds.hold(count) {
            let wrong = if count < entry.bounds.least { Wrong::Missing } else { Wrong::Unexpected };
            let expected = format!("{} × {}", entry.bounds.words(), entry.shown());
            differences.push(Difference::new(wrong, expected, count.to_string()));
        }
    }
    let mut rest: Vec<(&str, &str)> =
        groups.iter().copied().filter(|group| !entries.iter().any(|entry| entry.matches(*group))).collect();
    rest.sort_unstable();
    for same in rest.chunk_by(|a, b| a == b) {
        let Some((behaviour, leading)) = same.first() else { continue };
        let found = format!("{} × {}", same.len(), unexplained_words(behaviour, leading));
        differences.extend(under(expect.unexpected, Difference::new(Wrong::Unexpected, "", found)));
    }
}

fn clock_differs(expect: &ExpectClock, analysis: &Analysis) -> Option<Difference> {
    let holds = |clock: &&Clock| {
        let paths = clock.sources.iter().filter_map(|id| analysis.sources.get(id.0 as usize));
        clock.name == expect.source || paths.into_iter().any(|source| source.path == expect.source)
    };
    let Some(clock) = analysis.clocks.iter().find(holds) else {
        return Some(Difference::new(Wrong::Missing, format!("clock of {}", expect.source), ""));
    };
    if !is_tied(clock) {
        return Some(Difference::new(Wrong::Missing, format!("offset of {}", expect.source), "nothing ties it"));
    }
    let zone_error_h = seconds(clock.zone_error_ns) / 3600.0;
    let residual = seconds(clock.offset_ns.saturating_sub(clock.zone_error_ns));
    let [low, high] = expect.residual_s;
    // A quarter of an hour is 0.25: hours are exact in binary as far as zones go.
    if zone_error_h != expect.zone_error_h {
        let expected = format!("zone of {} off by {} h", expect.source, expect.zone_error_h);
        return Some(Difference::new(Wrong::Differs, expected, format!("{zone_error_h} h")));
    }
    (!(low..=high).contains(&residual)).then(|| {
        let expected = format!("clock of {} off by {low} to {high} s beside its zone", expect.source);
        Difference::new(Wrong::Differs, expected, format!("{residual:.3} s"))
    })
}

#[cfg(test)]
pub(super) mod tests;

//! Events that a program numbers and keeps in a file each (OpenHands: `events/<id>.json`,
//! `events/event-<n>-<uuid>.json`): which are missing between others.

use std::collections::BTreeMap;

use super::source::{EvidenceAnomaly, Source};
use crate::evidence::{Anomaly, AnomalyKind, EvidenceId};

/// Fewer files show no count.
const FEWEST: usize = 4;
/// Of so many files, at most one may stand behind a gap: else somebody chose among them.
const DENSE: usize = 4;

/// What is missing, at the file behind each gap.
pub(super) fn missing(sources: &[Source]) -> Vec<EvidenceAnomaly> {
    let mut folders: BTreeMap<&str, BTreeMap<u64, EvidenceId>> = BTreeMap::new();
    for (evidence, source) in (0..).map(EvidenceId).zip(sources) {
        let Some((folder, name)) = source.path.rsplit_once(['/', '\\']) else { continue };
        if source.format == Some("openhands")
            && let Some(number) = number(name)
        {
            folders.entry(folder).or_default().insert(number, evidence);
        }
    }
    let mut found = Vec::new();
    for files in folders.into_values().filter(|files| files.len() >= FEWEST) {
        let pairs = || files.iter().zip(files.iter().skip(1));
        let gaps: Vec<(u64, u64, EvidenceId)> = pairs()
            .map(|((before, _), (after, evidence))| (*before, *after, *evidence))
            .filter(|(before, after, _)| after - before > 1)
            .collect();
        if gaps.len() * DENSE > files.len() {
            continue;
        }
        found.extend(gaps.into_iter().map(|(before, after, evidence)| {
            let missing = after - before - 1;
            let (events, are) = if missing == 1 { ("event", "is") } else { ("events", "are") };
            let detail = format!(
                "{missing} {events} {are} missing between {before} and {after}, where each has a file of its own (files that \
                 were not collected, or that were taken out)"
            );
            EvidenceAnomaly { evidence, anomaly: Anomaly { record: 0, kind: AnomalyKind::SequenceGap, detail }, of: 1 }
        }));
    }
    found
}

/// `17.json`, `event-00017-46d9.json`.
fn number(name: &str) -> Option<u64> {
    let name = name.split_once(".json")?.0;
    let digits = match name.strip_prefix("event-") {
        Some(rest) => rest.split_once('-')?.0,
        None => name,
    };
    digits.bytes().all(|byte| byte.is_ascii_digit()).then(|| digits.parse().ok())?
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::intake::{Options, take_in};

    fn told(numbers: &[u64]) -> Vec<String> {
        let folder = tempfile::tempdir().unwrap();
        let events = folder.path().join("session/events");
        std::fs::create_dir_all(&events).unwrap();
        for number in numbers {
            let event = format!(
                r#"{{"id":{number},"timestamp":"2026-11-20T14:34:{:02}.000000","source":"agent","action":"think","args":{{"thought":"x{number}"}}}}"#,
                number % 60
            );
            std::fs::write(events.join(format!("{number}.json")), event).unwrap();
        }
        let intake = take_in(&[folder.path().to_path_buf()], &Options::default());
        let gaps = intake.anomalies.iter().filter(|one| one.anomaly.kind == AnomalyKind::SequenceGap);
        gaps.map(|one| {
            format!(
                "{} {}",
                intake.sources[one.evidence.0 as usize].path,
                one.anomaly.detail.split(',').next().unwrap()
            )
        })
        .collect()
    }

    #[test]
    fn a_file_that_is_missing_in_a_row() {
        assert_eq!(told(&[0, 1, 2, 3, 4, 5]), Vec::<String>::new());
        // The beginning may be elsewhere, and a choice is no count.
        assert_eq!(told(&[7, 8, 9, 10]), Vec::<String>::new());
        assert_eq!(told(&[0, 2, 4, 6, 8]), Vec::<String>::new());
        let found = told(&[0, 1, 2, 3, 6, 7]);
        assert_eq!(found.len(), 1);
        assert!(found[0].ends_with("events/6.json 2 events are missing between 3 and 6"), "{}", found[0]);
    }

    #[test]
    fn names() {
        for (name, expected) in
            [("17.json", Some(17)), ("event-00017-46d9.json", Some(17)), ("metadata.json", None), (".json", None)]
        {
            assert_eq!(number(name), expected, "{name}");
        }
    }
}

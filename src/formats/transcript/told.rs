//! What was told under ids: a call or result that comes again is left out, and told of where it says something else.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};

use crate::evidence::{Anomaly, AnomalyKind};
use crate::formats::Sink;

/// Content by id, hashed; `None` where the record that told of it does not hold it.
#[derive(Debug, Default)]
pub(super) struct Told(HashMap<String, Option<u64>>);

impl Told {
    /// Whether an id comes for the first time; `conflicts` counts one that comes again with other content.
    pub(super) fn is_new(&mut self, id: &str, content: Option<u64>, record: u64, conflicts: &mut Conflicts) -> bool {
        let Some(before) = self.0.get(id) else {
            self.0.insert(id.to_owned(), content);
            return true;
        };
        conflicts.saw(record, before.zip(content).is_some_and(|(before, content)| before != content));
        false
    }

    /// Notes an id whose record is not at hand.
    pub(super) fn add(&mut self, id: &str) {
        self.0.entry(id.to_owned()).or_default();
    }

    pub(super) fn knows(&self, id: &str) -> bool {
        self.0.contains_key(id)
    }
}

/// A hash that is the same on every run.
pub(super) fn hashed(told: &impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    told.hash(&mut hasher);
    hasher.finish()
}

/// Ids that came again with other content.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Conflicts {
    count: u64,
    first: u64,
}

impl Conflicts {
    /// An id came again in that record; `differs` if with other content.
    pub(super) fn saw(&mut self, record: u64, differs: bool) {
        if differs {
            if self.count == 0 {
                self.first = record;
            }
            self.count += 1;
        }
    }

    pub(super) fn report(&self, sink: &mut dyn Sink) {
        if self.count > 0 {
            let detail = format!(
                "calls or results that come again under their ids with other content: {}, first here; the first of each was \
                 used (a writer that completes or shortens what it wrote, ids that start anew, or an edit)",
                self.count
            );
            sink.anomaly(Anomaly { record: self.first, kind: AnomalyKind::ConflictingId, detail });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::formats::{Format, transcript};

    #[test]
    fn an_id_comes_again_with_the_same_content_or_with_other() {
        let (mut told, mut conflicts) = (Told::default(), Conflicts::default());
        let mut is_new = |id, content, record| told.is_new(id, content, record, &mut conflicts);
        assert!(is_new("a", Some(1), 1) && is_new("b", None, 2) && is_new("c", Some(3), 3));
        // What was not told, or was not told before, contradicts nothing.
        assert!(!is_new("a", Some(1), 4) && !is_new("a", None, 5) && !is_new("b", Some(2), 6));
        assert_eq!((conflicts.count, conflicts.first), (0, 0));
        let mut is_new = |id, content, record| told.is_new(id, content, record, &mut conflicts);
        assert!(!is_new("a", Some(2), 7) && !is_new("c", Some(4), 8));
        assert_eq!((conflicts.count, conflicts.first), (2, 7));
        assert!(told.knows("b") && !told.knows("d"));
    }

    /// Kinds of anomalies of a conversation of two calls under one id, and of two results.
    fn of_two(
        format: &dyn Format,
        line: fn(&str, bool) -> String,
        calls: [&str; 2],
        results: [&str; 2],
    ) -> Vec<String> {
        let lines = calls.map(|text| line(text, true)).into_iter().chain(results.map(|text| line(text, false)));
        let found = transcript::samples::read(format, "a.jsonl", lines.collect::<String>().into_bytes());
        assert_eq!((found.steps.len(), found.results.len()), (1, 1), "the first of each");
        assert!(found.steps[0].arguments.contains("id -u"), "{}", found.steps[0].arguments);
        let told = found.anomalies.iter().filter(|one| one.kind == AnomalyKind::ConflictingId);
        told.map(|one| format!("{} {}", one.record, one.detail.split(',').next().unwrap_or_default())).collect()
    }

    fn codex(text: &str, call: bool) -> String {
        let payload = if call {
            format!(
                r#"{{"type":"function_call","name":"shell","arguments":"{{\"command\":[\"{text}\"]}}","call_id":"c1"}}"#
            )
        } else {
            format!(r#"{{"type":"function_call_output","call_id":"c1","output":"{text}"}}"#)
        };
        format!("{{\"timestamp\":\"2026-05-04T10:00:09Z\",\"type\":\"response_item\",\"payload\":{payload}}}\n")
    }

    fn openclaw(text: &str, call: bool) -> String {
        let message = if call {
            format!(
                r#"{{"role":"assistant","content":[{{"type":"toolCall","id":"c1","name":"exec","arguments":{{"command":"{text}"}}}}]}}"#
            )
        } else {
            format!(
                r#"{{"role":"toolResult","toolCallId":"c1","toolName":"exec","content":[{{"type":"text","text":"{text}"}}]}}"#
            )
        };
        format!("{{\"type\":\"message\",\"timestamp\":\"2026-05-04T10:00:09Z\",\"message\":{message}}}\n")
    }

    #[test]
    fn edited_calls_and_results_are_told_of_and_repeated_ones_are_not() {
        let again = |count, record| {
            vec![format!("{record} calls or results that come again under their ids with other content: {count}")]
        };
        for (format, line) in
            [(&transcript::Codex as &dyn Format, codex as fn(&str, bool) -> String), (&transcript::OpenClaw, openclaw)]
        {
            let of = |calls, results| of_two(format, line, calls, results);
            assert!(of(["id -u", "id -u"], ["0", "0"]).is_empty(), "{}", format.id());
            assert_eq!(of(["id -u", "rm -rf /"], ["0", "0"]), again(1, 2), "{}", format.id());
            assert_eq!(of(["id -u", "id -u"], ["0", "1000"]), again(1, 4), "{}", format.id());
            assert_eq!(of(["id -u", "ls"], ["0", "1000"]), again(2, 2), "{}", format.id());
        }
    }
}

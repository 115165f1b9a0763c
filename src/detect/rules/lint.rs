//! What is wrong with a rule.

use std::fmt;

use rsigma_parser::{Detection, SigmaRule};

use super::{Aside, LogSource, event};

/// How bad a message is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum LintLevel {
    /// The rule (or row) is not in force: something about it is wrong.
    Error,
    /// The rule is not in force: it is sound, and there is nothing here for it to look at.
    SetAside(Aside),
    /// The rule is in force, but something about it should be put right.
    Warning,
}

impl LintLevel {
    /// As messages have it.
    pub fn name(self) -> &'static str {
        match self {
            LintLevel::Error => "error",
            LintLevel::SetAside(_) => "set aside",
            LintLevel::Warning => "warning",
        }
    }
}

/// A message about a rule file, a rule of it, or a row of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LintMessage {
    pub level: LintLevel,
    /// Path within the rule folder.
    pub path: String,
    /// Title of the rule, or the row; `None` for the file as a whole.
    pub rule: Option<String>,
    pub message: String,
}

impl fmt::Display for LintMessage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}: ", self.path, self.level.name())?;
        if let Some(rule) = &self.rule {
            write!(f, "{rule}: ")?;
        }
        f.write_str(&self.message)
    }
}

/// Tactics of ATT&CK Enterprise v19.
const TACTICS: [&str; 15] = [
    "reconnaissance",
    "resource-development",
    "initial-access",
    "execution",
    "persistence",
    "privilege-escalation",
    "stealth",
    "defense-impairment",
    "credential-access",
    "discovery",
    "lateral-movement",
    "collection",
    "command-and-control",
    "exfiltration",
    "impact",
];

/// ATT&CK technique ids of the rule's tags, and what is wrong with the tags.
pub(super) fn attack(rule: &SigmaRule, complain: &mut dyn FnMut(String)) -> Vec<String> {
    let mut ids = Vec::new();
    for tag in &rule.tags {
        let Some(tag) = tag.strip_prefix("attack.") else { continue };
        if TACTICS.contains(&tag) {
            continue;
        }
        if tag == "defense-evasion" {
            complain("tactic defense-evasion is split into stealth and defense-impairment since ATT&CK v19".to_owned());
            continue;
        }
        let id = tag.to_ascii_uppercase();
        let digits = |text: &str, count: usize| text.len() == count && text.bytes().all(|byte| byte.is_ascii_digit());
        let shaped = id.strip_prefix('T').is_some_and(|rest| match rest.split_once('.') {
            Some((number, sub)) => digits(number, 4) && digits(sub, 3),
            None => digits(rest, 4),
        });
        if !shaped {
            complain(format!("tag attack.{tag} is neither a tactic nor a technique id (T1234 or T1234.001)"));
            continue;
        }
        let gone = match id.as_str() {
            "T1562" | "T1562.001" => Some("T1685"),
            "T1562.003" => Some("T1690"),
            "T1562.004" => Some("T1686"),
            "T1562.007" => Some("T1686.001"),
            "T1562.008" => Some("T1685.002"),
            "T1562.010" => Some("T1689"),
            "T1562.012" => Some("T1685.004"),
            "T1070.002" => Some("T1685.006"),
            other if other.starts_with("T1562.") => Some("T1685"),
            _ => None,
        };
        if let Some(successor) = gone {
            complain(format!("{id} is gone since ATT&CK v19: use {successor}"));
        }
        ids.push(id);
    }
    ids
}

/// Fields of the rule that its log source does not have: such a condition never holds.
pub(super) fn unknown_fields(rule: &SigmaRule, source: LogSource) -> Vec<String> {
    let known = match source {
        LogSource::Command => event::COMMAND_FIELDS,
        LogSource::Connection => event::CONNECTION_FIELDS,
        LogSource::Dns => event::DNS_FIELDS,
        LogSource::Firewall => event::FIREWALL_FIELDS,
    };
    let mut fields = Vec::new();
    rule.detection.named.values().for_each(|detection| collect(detection, &mut fields));
    fields.retain(|field| !known.contains(&field.as_str()));
    fields.sort();
    fields.dedup();
    fields
}

fn collect(detection: &Detection, out: &mut Vec<String>) {
    match detection {
        Detection::AllOf(items) => out.extend(items.iter().filter_map(|item| item.field.name.clone())),
        Detection::AnyOf(parts) | Detection::And(parts) => parts.iter().for_each(|part| collect(part, out)),
        Detection::ArrayMatch { field, .. } => out.push(field.clone()),
        Detection::Keywords(_) | Detection::Conditional { .. } => {}
    }
}

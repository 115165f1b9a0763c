//! `rules`: the rules in force, and what is wrong with rules.

use serde::Serialize;

use super::layout::{Align, Screen, Table, Tone};
use super::{escape, jsonl, row};
use crate::detect::rules::{Aside, LintLevel, LintMessage, RuleInfo, RuleSet};
use crate::model::agentic;

/// Columns of the list, as CSV names them.
pub(super) const COLUMNS: [&str; 11] =
    ["id", "behaviour", "kind", "confidence", "level", "log_source", "attack", "atlas", "owasp", "title", "path"];

#[derive(Serialize)]
struct RuleLine<'a> {
    r#type: &'static str,
    id: &'a str,
    behaviour: &'static str,
    kind: &'a str,
    confidence: &'static str,
    level: &'a str,
    log_source: &'static str,
    attack: &'a [String],
    atlas: Vec<&'static str>,
    owasp: Vec<&'static str>,
    title: &'a str,
    path: &'a str,
}

impl<'a> From<&'a RuleInfo> for RuleLine<'a> {
    fn from(rule: &'a RuleInfo) -> Self {
        RuleLine {
            r#type: "rule",
            id: &rule.id,
            behaviour: rule.behaviour.name(),
            kind: &rule.kind,
            confidence: rule.confidence.name(),
            level: &rule.level,
            log_source: rule.logsource.name(),
            attack: &rule.attack,
            atlas: agentic::atlas(rule.behaviour, [rule.kind.as_str()].into_iter()),
            owasp: agentic::owasp(rule.behaviour, [rule.kind.as_str()].into_iter()),
            title: &rule.title,
            path: &rule.path,
        }
    }
}

/// The rules as a table.
pub fn table(rules: &RuleSet, screen: Screen) -> String {
    let mut table = Table::new(&[
        ("ID", Align::Left),
        ("BEHAVIOUR", Align::Left),
        ("KIND", Align::Left),
        ("CONFIDENCE", Align::Left),
        ("LEVEL", Align::Left),
        ("LOG SOURCE", Align::Left),
        ("TITLE", Align::Left),
    ]);
    for rule in rules.rules.iter().map(RuleLine::from) {
        table.row([rule.id, rule.behaviour, rule.kind, rule.confidence, rule.level, rule.log_source, rule.title]);
    }
    table.render(screen, "(no rules)")
}

/// The rules as CSV.
pub fn csv(rules: &RuleSet) -> Vec<u8> {
    let mut out = row::csv_line(COLUMNS);
    for rule in rules.rules.iter().map(RuleLine::from) {
        let [attack, atlas, owasp] = [rule.attack.join(" "), rule.atlas.join(" "), rule.owasp.join(" ")];
        let cells = [
            rule.id,
            rule.behaviour,
            rule.kind,
            rule.confidence,
            rule.level,
            rule.log_source,
            &attack,
            &atlas,
            &owasp,
            rule.title,
            rule.path,
        ];
        let cells = cells.map(escape::csv_cell);
        out.extend(row::csv_line(cells.iter().map(AsRef::as_ref)));
    }
    out
}

/// The rules as lines of type `rule`.
pub fn jsonl(rules: &RuleSet) -> String {
    rules.rules.iter().map(|rule| jsonl::to_line(&RuleLine::from(rule))).collect()
}

/// How many rules and files are set aside, by reason: "212 log source not here, 3 fields not here". Empty if none is.
pub fn set_aside(rules: &RuleSet) -> String {
    let messages = rules.lint();
    let of = |why: Aside| {
        let count = messages.iter().filter(|message| message.level == LintLevel::SetAside(why)).count();
        (count > 0).then(|| format!("{count} {}", why.name()))
    };
    Aside::ALL.into_iter().filter_map(of).collect::<Vec<_>>().join(", ")
}

/// Something wrong with a rule file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Complaint {
    pub path: String,
    /// "error", "set aside", "warning", "info" or "hint".
    pub severity: &'static str,
    /// The rule, row or check, and the place within the file; empty for the file as a whole.
    pub place: String,
    pub message: String,
}

/// What is wrong with the rules of a set.
pub fn complaints(rules: &RuleSet) -> Vec<Complaint> {
    let one = |message: LintMessage| Complaint {
        path: message.path,
        severity: message.level.name(),
        place: message.rule.unwrap_or_default(),
        message: message.message,
    };
    rules.lint().into_iter().map(one).collect()
}

/// Complaints as a table.
pub fn lint_table(complaints: &[Complaint], screen: Screen) -> String {
    let mut table = Table::new(&[
        ("FILE", Align::Left),
        ("SEVERITY", Align::Left),
        ("WHERE", Align::Left),
        ("MESSAGE", Align::Left),
    ]);
    for one in complaints {
        let tone = match one.severity {
            "error" => Tone::Alarm,
            "warning" => Tone::Warning,
            _ => Tone::Plain,
        };
        table.toned([
            (one.path.as_str(), Tone::Plain),
            (one.severity, tone),
            (one.place.as_str(), Tone::Plain),
            (one.message.as_str(), Tone::Plain),
        ]);
    }
    table.render(screen, "(nothing to say)")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_rule_has_a_row_in_each_form() {
        let rules = RuleSet::embedded();
        assert!(!rules.rules.is_empty());
        let csv = String::from_utf8(csv(&rules)).unwrap();
        assert_eq!(
            csv.lines().next(),
            Some("id,behaviour,kind,confidence,level,log_source,attack,atlas,owasp,title,path")
        );
        assert_eq!(csv.lines().count(), rules.rules.len() + 1);
        assert_eq!(table(&rules, Screen::default()).lines().count(), rules.rules.len() + 1);
        for (line, rule) in jsonl(&rules).lines().zip(&rules.rules) {
            let line: serde_json::Value = serde_json::from_str(line).unwrap();
            assert_eq!((&line["type"], &line["id"]), (&"rule".into(), &rule.id.as_str().into()));
            assert_eq!(line["behaviour"], rule.behaviour.name());
        }
    }
}

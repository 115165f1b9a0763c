//! Why a sound rule has nothing to look at here. Folders of rules made for everything (SigmaHQ's) hold many of those: they
//! are set aside with the reason, and are no errors.

use std::collections::BTreeSet;

use rsigma_parser::{ConditionExpr, Detection, Quantifier, SelectorPattern, SigmaCollection, SigmaRule, Status};

use super::LogSource;
use super::lint;

/// Why a rule is set aside, from the rule itself to what is made of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Aside {
    /// Its authors say that it is not to be used.
    Withdrawn,
    /// A correlation, a filter, a condition that counts, or a rule that only a correlation is about.
    Counts,
    /// Nothing here is what it looks at.
    LogSource,
    /// No condition of it can hold without a field that its log source does not have here.
    Field,
    /// It does not tell a behaviour that findings are about.
    Behaviour,
    /// A file that is neither rules nor a list.
    NoRule,
}

impl Aside {
    /// All of them, in their order.
    pub const ALL: [Aside; 6] =
        [Aside::Withdrawn, Aside::Counts, Aside::LogSource, Aside::Field, Aside::Behaviour, Aside::NoRule];

    /// As summaries have it.
    pub fn name(self) -> &'static str {
        match self {
            Aside::Withdrawn => "withdrawn by their authors",
            Aside::Counts => "count or filter over time",
            Aside::LogSource => "log source not here",
            Aside::Field => "fields not here",
            Aside::Behaviour => "no behaviour of ours",
            Aside::NoRule => "no rules",
        }
    }
}

/// Ids and names of rules that only a correlation is about: alone they would match everyday events. A correlation with
/// `generate: true` wants them by themselves, too.
pub(super) fn counted<'c>(collections: impl Iterator<Item = &'c SigmaCollection>) -> BTreeSet<&'c str> {
    let correlations = collections.flat_map(|collection| &collection.correlations);
    correlations.filter(|one| !one.generate).flat_map(|one| one.rules.iter().map(String::as_str)).collect()
}

/// Whether the parser stumbled over what Sigma 1 had for counting: `selection | count() by src_ip > 10`.
pub(super) fn is_aggregation(error: &str) -> bool {
    let condition = error.lines().find_map(|line| line.strip_prefix("1 | "));
    error.contains("Condition parse error") && condition.is_some_and(|text| text.contains(" | "))
}

/// Why a rule that is sound is set aside, by its own words and the log source that was found for it.
pub(super) fn why(rule: &SigmaRule, source: Option<LogSource>, counted: &BTreeSet<&str>) -> Option<(Aside, String)> {
    match rule.status {
        Some(Status::Deprecated) => return Some((Aside::Withdrawn, "status is deprecated".to_owned())),
        Some(Status::Unsupported) => return Some((Aside::Withdrawn, "status is unsupported".to_owned())),
        _ => {}
    }
    let known = [rule.id.as_deref(), rule.name.as_deref()];
    if let Some(name) = known.into_iter().flatten().find(|name| counted.contains(name)) {
        return Some((
            Aside::Counts,
            format!("a correlation is about it ({name}), and correlations are not evaluated"),
        ));
    }
    let Some(source) = source else {
        let said = [
            ("product", &rule.logsource.product),
            ("category", &rule.logsource.category),
            ("service", &rule.logsource.service),
        ];
        let said: Vec<String> =
            said.iter().filter_map(|(name, value)| Some(format!("{name} {}", value.as_ref()?))).collect();
        let said = if said.is_empty() { "nothing".to_owned() } else { said.join(", ") };
        let known = "category process_creation, network_connection or dns (of linux or no product), or firewall";
        return Some((Aside::LogSource, format!("logsource is {said}; expected {known}")));
    };
    let unknown = lint::unknown_fields(rule, source);
    let dead = rule.detection.conditions.iter().all(|condition| cannot_hold(condition, rule, &unknown));
    (dead && !unknown.is_empty()).then(|| {
        let fields = unknown.join(", ");
        (Aside::Field, format!("detection needs {fields}, which {} does not have here", source.name()))
    })
}

/// Whether a condition is false whatever the event, since fields that are absent match nothing.
fn cannot_hold(condition: &ConditionExpr, rule: &SigmaRule, unknown: &[String]) -> bool {
    let named = &rule.detection.named;
    let dead = |name: &str| named.get(name).is_some_and(|detection| is_dead(detection, unknown));
    match condition {
        ConditionExpr::And(all) => all.iter().any(|one| cannot_hold(one, rule, unknown)),
        ConditionExpr::Or(all) => all.iter().all(|one| cannot_hold(one, rule, unknown)),
        ConditionExpr::Not(_) => false,
        ConditionExpr::Identifier(name) => dead(name),
        // More stars than one are not looked into.
        ConditionExpr::Selector { pattern: SelectorPattern::Pattern(pattern), .. }
            if pattern.matches('*').count() > 1 =>
        {
            false
        }
        ConditionExpr::Selector { quantifier, pattern } => {
            let mut names: Vec<&str> = named.keys().map(String::as_str).collect();
            names.sort_unstable();
            names.retain(|name| selects(pattern, name));
            let alive = names.iter().filter(|name| !dead(name)).count() as u64;
            match quantifier {
                Quantifier::Any => alive == 0,
                Quantifier::All => alive < names.len() as u64,
                Quantifier::Count(least) => alive < *least,
            }
        }
    }
}

/// `selection_*`: one star, wherever it stands.
fn selects(pattern: &SelectorPattern, name: &str) -> bool {
    match pattern {
        SelectorPattern::Them => !name.starts_with('_'),
        SelectorPattern::Pattern(pattern) => match pattern.split_once('*') {
            Some((start, end)) => name.strip_prefix(start).is_some_and(|rest| rest.ends_with(end)),
            None => name == pattern,
        },
    }
}

fn is_dead(detection: &Detection, unknown: &[String]) -> bool {
    let lacking = |name: &String| unknown.contains(name);
    match detection {
        // A field that has to be absent (`field: null`) is.
        Detection::AllOf(items) => items.iter().any(|item| {
            let absent = item.values.iter().any(|value| matches!(value, rsigma_parser::SigmaValue::Null));
            let exists = item.field.modifiers.contains(&rsigma_parser::Modifier::Exists);
            item.field.name.as_ref().is_some_and(lacking) && !absent && !exists
        }),
        Detection::And(parts) => parts.iter().any(|part| is_dead(part, unknown)),
        Detection::AnyOf(parts) => parts.iter().all(|part| is_dead(part, unknown)),
        Detection::ArrayMatch { field, .. } => lacking(field),
        Detection::Keywords(_) | Detection::Conditional { .. } => false,
    }
}

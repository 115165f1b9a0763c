//! What sensors and firewalls say themselves: a signature, attack, category or application of theirs that names a
//! behaviour.

use crate::intake::{Facts, VerdictFact};
use crate::model::{Action, Confidence, Signal, SignalSource};

/// One signal for each verdict about one opener and one port of one peer. The name of an attack is strong: a rule that is
/// not known here fired on content. A category or an application is a lead: lists of them are wide.
pub fn sensors(facts: &Facts) -> Vec<Signal> {
    facts.verdicts.iter().map(signal).collect()
}

fn signal(fact: &VerdictFact) -> Signal {
    let attack = fact.category == "threat";
    let who = fact.host.as_deref().map_or_else(|| "a sensor".to_owned(), |host| format!("the sensor {host}"));
    let what = if attack { "reports" } else { "puts it under" };
    let done = match fact.action {
        Some(Action::Allow) => ", allowed",
        Some(Action::Deny) => ", denied",
        None => "",
    };
    let times = if fact.count == 1 { String::new() } else { format!(", {} times", fact.count) };
    Signal {
        kind: if attack { "sensor-threat".to_owned() } else { "sensor-category".to_owned() },
        confidence: if attack { Confidence::Strong } else { Confidence::Weak },
        span: fact.first.map(|span| span.until(fact.last)),
        flow: Some(fact.flow),
        host: fact.host.clone(),
        summary: format!("{who} {what} \"{}\"{done}{times}", fact.message),
        records: vec![fact.record],
        ..Signal::new(fact.behaviour, SignalSource::Network)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::{EvidenceId, Record};
    use crate::model::{Behaviour, Flow};

    #[test]
    fn an_attack_is_strong_and_a_category_is_a_lead() {
        let fact = |category: &str| VerdictFact {
            behaviour: Behaviour::Mining,
            message: "Mining Behavior".to_owned(),
            category: category.to_owned(),
            flow: Flow::default(),
            host: None,
            action: Some(Action::Allow),
            first: None,
            last: None,
            record: Record { evidence: EvidenceId(0), number: 7 },
            count: 3,
        };
        let facts = Facts { verdicts: vec![fact("threat"), fact("category")], ..Facts::default() };
        let signals = sensors(&facts);
        let seen: Vec<_> = signals.iter().map(|signal| (signal.kind.as_str(), signal.confidence)).collect();
        assert_eq!(seen, [("sensor-threat", Confidence::Strong), ("sensor-category", Confidence::Weak)]);
        assert_eq!(signals[0].summary, "a sensor reports \"Mining Behavior\", allowed, 3 times");
        assert_eq!(signals[0].records, facts.verdicts.iter().take(1).map(|fact| fact.record).collect::<Vec<_>>());
    }
}

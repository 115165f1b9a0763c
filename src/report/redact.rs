//! Wallets, logins and workers are shown as masks of themselves unless they are asked for.
//!
//! Logins and workers are [`Secret`](crate::model::Secret)s from the reader on and come masked. Wallets also stand in
//! commands, targets and answers, where nothing says what they are: every text that leaves the program passes
//! [`masked`], which finds them by their own check digits.

use std::borrow::Cow;

use super::row::Row;
use crate::correlate::Analysis;
use crate::intake::Facts;
use crate::model::{Detail, Observation, Secret, mask, wallet};

/// A rendered text with every wallet in it masked.
pub fn masked(text: &str) -> Cow<'_, str> {
    let found = wallet::find(text);
    if found.is_empty() {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len());
    let mut at = 0;
    for range in found {
        shown.push_str(text.get(at..range.start).unwrap_or_default());
        shown.push_str(&mask(text.get(range.clone()).unwrap_or_default()));
        at = range.end;
    }
    shown.push_str(text.get(at..).unwrap_or_default());
    Cow::Owned(shown)
}

/// The same for bytes as they are written. What is no text is left alone: the program writes none.
pub fn masked_bytes(bytes: &[u8]) -> Cow<'_, [u8]> {
    match std::str::from_utf8(bytes).map(masked) {
        Ok(Cow::Owned(shown)) => Cow::Owned(shown.into_bytes()),
        Ok(Cow::Borrowed(_)) | Err(_) => Cow::Borrowed(bytes),
    }
}

/// The names behind the masks of an analysis.
#[derive(Clone, Debug, Default)]
pub struct Names(Vec<Secret>);

impl Names {
    /// The names that the facts hold.
    pub fn of(facts: &Facts) -> Self {
        let mut names: Vec<Secret> =
            facts.mining.iter().flat_map(|fact| [&fact.mining.login, &fact.mining.worker]).flatten().cloned().collect();
        // The longest mask first: a shorter one may be a part of it.
        names.sort_by_key(|name| (std::cmp::Reverse(name.to_string().len()), name.clone()));
        names.dedup();
        Names(names)
    }

    /// Puts names in the place of their masks.
    pub fn reveal(&self, analysis: &mut Analysis) {
        for signal in &mut analysis.signals {
            self.put(&mut signal.summary);
        }
        for finding in &mut analysis.findings {
            self.put(&mut finding.summary);
        }
        for unexplained in &mut analysis.unexplained {
            self.put(&mut unexplained.summary);
        }
    }

    fn put(&self, text: &mut String) {
        for name in &self.0 {
            let mask = name.to_string();
            if text.contains(&mask) {
                *text = text.replace(&mask, name.reveal());
            }
        }
    }
}

/// Puts the names of an observation in the place of their masks in its row.
pub fn reveal_row(row: &mut Row, observation: &Observation<'_>) {
    if let (Detail::Mining(mining), Some(message)) = (&observation.detail, &mut row.message) {
        let names = [&mining.login, &mining.worker].into_iter().flatten().cloned().collect();
        Names(names).put(message);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::correlate::drift::Correction;
    use crate::evidence::{EvidenceId, Record};
    use crate::intake::MiningFact;
    use crate::model::{Flow, Mining};
    use crate::report::fixture;
    use crate::report::observation::observation_row;

    const WALLET: &str = "1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa";

    #[test]
    fn wallets_in_any_text_are_masked_once() {
        let text = format!("{{\"command\":\"xmrig -u {WALLET}.rig -p x\"}}");
        let shown = masked(&text);
        assert_eq!(shown, "{\"command\":\"xmrig -u 1A1z…vfNa#31a9d2e8.rig -p x\"}");
        assert_eq!(masked(&shown), shown);
        assert!(matches!(masked("nothing of the kind"), Cow::Borrowed(_)));
        assert_eq!(masked_bytes(b"\xff\xfe").as_ref(), b"\xff\xfe");
    }

    #[test]
    fn names_come_back_where_they_are_asked_for() {
        let mining = Mining {
            dialect: "stratum-v1".to_owned(),
            login: Some(Secret::new(format!("{WALLET}.rig1"))),
            worker: Some(Secret::new("rig1")),
            ..Mining::default()
        };
        let facts = Facts {
            mining: vec![MiningFact {
                flow: Flow::default(),
                mining: mining.clone(),
                span: None,
                record: Record { evidence: EvidenceId(0), number: 1 },
            }],
            ..Facts::default()
        };
        let mut analysis = fixture::analysis();
        analysis.signals[0].summary = crate::detect::mining::judge(&mining).unwrap().summary;
        assert!(!analysis.signals[0].summary.contains("rig1") && !analysis.signals[0].summary.contains(WALLET));
        Names::of(&facts).reveal(&mut analysis);
        assert!(analysis.signals[0].summary.contains(&format!("{WALLET}.rig1")), "{}", analysis.signals[0].summary);

        let observation = Observation { record: 1, span: None, host: None, flow: None, detail: Detail::Mining(mining) };
        let mut row = observation_row(&observation, &fixture::analysis().sources[0], &Correction::default());
        assert!(!row.message.clone().unwrap().contains("rig1"), "{row:?}");
        reveal_row(&mut row, &observation);
        let message = row.message.unwrap();
        assert!(message.contains(&format!("login {WALLET}.rig1")) && message.contains("worker rig1"), "{message}");
    }
}

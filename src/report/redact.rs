//! Wallets, logins and workers, keys, tokens, passwords and seed phrases are shown as masks of themselves unless they are
//! asked for.
//!
//! Logins and workers are [`Secret`](crate::model::Secret)s from the reader on and come masked. The others stand in
//! commands, targets and answers, where nothing says what they are: every text that leaves the program passes
//! [`masked`], which finds them by their check digits, their form, or what stands before them.

use std::borrow::Cow;
use std::ops::Range;

use super::row::Row;
use crate::correlate::Analysis;
use crate::intake::Facts;
use crate::model::{Detail, Observation, Secret, credential, mask, wallet};

/// A text, and how many places of it are masked.
pub type Masked<T> = (T, u64);

/// A rendered text with every wallet, key, token, password and seed phrase in it masked.
///
/// A wallet's mask keeps its first and last four characters. Of the others nothing is shown but eight digits of a digest, by
/// which two sights of one can be matched, and of short ones not even these: they could be guessed from them.
pub fn masked(text: &str) -> Masked<Cow<'_, str>> {
    let wallets = wallet::find(text).into_iter().map(|range| (range, true));
    let mut found: Vec<(Range<usize>, bool)> =
        wallets.chain(credential::find(text).into_iter().map(|range| (range, false))).collect();
    if found.is_empty() {
        return (Cow::Borrowed(text), 0);
    }
    found.sort_by_key(|(range, _)| (range.start, std::cmp::Reverse(range.end)));
    let mut shown = String::with_capacity(text.len());
    let mut at = 0;
    let mut places = 0;
    for (range, is_wallet) in found.into_iter() {
        if range.start < at {
            continue;
        }
        shown.push_str(text.get(at..range.start).unwrap_or_default());
        let hidden = text.get(range.clone()).unwrap_or_default();
        match (is_wallet, hidden.len() < SHORT) {
            (true, _) => shown.push_str(&mask(hidden)),
            (false, true) => shown.push('…'),
            (false, false) => {
                shown.push_str("…#");
                shown.push_str(mask(hidden).rsplit('#').next().unwrap_or_default());
            }
        }
        places += 1;
        at = range.end;
    }
    shown.push_str(text.get(at..).unwrap_or_default());
    (Cow::Owned(shown), places)
}

/// Secrets below this length could be found by trying all.
const SHORT: usize = 20;

/// The same for bytes as they are written. What is no text is left alone: the program writes none.
pub fn masked_bytes(bytes: &[u8]) -> Masked<Cow<'_, [u8]>> {
    match std::str::from_utf8(bytes).map(masked) {
        Ok((Cow::Owned(shown), places)) => (Cow::Owned(shown.into_bytes()), places),
        Ok((Cow::Borrowed(_), _)) | Err(_) => (Cow::Borrowed(bytes), 0),
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
        let (shown, places) = masked(&text);
        assert_eq!(places, 1);
        assert_eq!(shown, "{\"command\":\"xmrig -u 1A1z…vfNa#31a9d2e8.rig -p x\"}");
        assert_eq!(masked(&shown), (Cow::Borrowed(shown.as_ref()), 0));
        assert!(matches!(masked("nothing of the kind"), (Cow::Borrowed(_), 0)));
        assert_eq!(masked_bytes(b"\xff\xfe").0.as_ref(), b"\xff\xfe");
    }

    #[test]
    fn of_keys_and_passwords_nothing_is_shown() {
        let text =
            "{\"command\":\"sshpass -p hunter2 ssh a && export GH_TOKEN=ghp_0123456789abcdefghijABCDEFGHIJ012345\"}";
        let (shown, places) = masked(text);
        // Digits by `printf %s TOKEN | sha256sum`.
        assert_eq!(shown, "{\"command\":\"sshpass -p … ssh a && export GH_TOKEN=…#d8fe76b4\"}");
        assert_eq!(places, 2);
        assert_eq!(masked(&shown).1, 0);
        // A wallet in the place of a password is masked once.
        assert_eq!(masked(&format!("--password={WALLET}")).1, 1);
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

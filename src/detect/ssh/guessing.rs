//! Logins that fail again and again.

use std::collections::BTreeMap;

use super::story::failed;
use crate::detect::Seen;
use crate::intake::SshFact;
use crate::model::Confidence;
use crate::time::{Instant, SECOND};

/// Sessions without a login from one source to one server within [`WINDOW`] that make guessing: Zeek's
/// `SSH::password_guesses_limit` and `SSH::guessing_timeout`.
const SESSIONS: usize = 30;
const WINDOW: i64 = 30 * 60 * SECOND;

/// Sources whose sessions were refused often enough, with the first of them as the place.
pub fn guessing(facts: &[SshFact]) -> Vec<(Seen, &SshFact)> {
    let mut failures: BTreeMap<_, Vec<(Instant, u32, &SshFact)>> = BTreeMap::new();
    for fact in facts {
        let (Some(refusals), Some(span)) = (failed(&fact.ssh), fact.span) else { continue };
        let pair = (fact.record.evidence, fact.flow.src, fact.flow.dst, fact.flow.dst_port);
        failures.entry(pair).or_default().push((span.lo, refusals, fact));
    }
    let mut found = Vec::new();
    for mut sessions in failures.into_values() {
        sessions.sort_by_key(|(at, _, fact)| (*at, fact.record));
        let dense = sessions.windows(SESSIONS).any(|run| match run {
            [(first, ..), .., (last, ..)] => last.since(*first) <= WINDOW,
            _ => false,
        });
        let Some((_, _, first)) = sessions.first().filter(|_| dense) else { continue };
        let refusals: u64 = sessions.iter().map(|(_, refusals, _)| u64::from(*refusals)).sum();
        let mut records: Vec<u64> = sessions.iter().take(SESSIONS).map(|(.., fact)| fact.record.number).collect();
        records.sort_unstable();
        let summary = format!(
            "{} sessions ended without a login, {refusals} authentication requests refused; {SESSIONS} or more of them \
             within 30 minutes",
            sessions.len()
        );
        found
            .push((Seen { kind: "ssh-guessing".to_owned(), confidence: Confidence::Strong, summary, records }, *first));
    }
    found
}

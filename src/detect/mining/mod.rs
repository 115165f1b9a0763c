//! Mining in the clear: what a conversation that spoke a pool protocol amounts to.

mod estimate;
mod nodes;

pub use estimate::{Estimate, estimate, value};
use nodes::is_between_nodes;
pub use nodes::{discovery, is_discovery};

use super::Seen;
use crate::model::{Confidence, Mark, Mining};
use crate::time::SECOND;

/// Judges one conversation. The reader has already told the protocol by the shape of its messages, so what remains is
/// how much a bystander could produce the same.
///
/// Certain: a login, subscription, job or share in a grammar that only miners and pools have, with an answer of the
/// other side or a job or share. Strong: one side alone asked, or block templates were polled and nothing was handed
/// in, which fee estimators and explorers do as well, or the only mark is an HTTP field, or the protocol is the one
/// between nodes. Weak: sizes and times alone. `None` without a dialect.
pub fn judge(mining: &Mining) -> Option<Seen> {
    if mining.dialect.is_empty() {
        return None;
    }
    if is_between_nodes(&mining.dialect) {
        return Some(node(mining));
    }
    let nothing_moved = mining.jobs == 0 && mining.shares == 0;
    let polls_only = mining.dialect == "getblocktemplate" && mining.shares == 0 && !names_a_miner(mining);
    let field_only = mining.methods.is_empty() && nothing_moved;
    let confidence = match mining.mark {
        Mark::Shape => Confidence::Weak,
        Mark::OneSide if nothing_moved => Confidence::Strong,
        _ if polls_only || field_only => Confidence::Strong,
        _ => Confidence::Certain,
    };
    let mut records = mining.proof.clone();
    records.sort_unstable();
    records.dedup();
    Some(Seen { kind: mining.dialect.clone(), confidence, summary: summary(mining), records })
}

fn summary(mining: &Mining) -> String {
    if mining.mark == Mark::Shape && mining.dialect == "tls-pool-shape" {
        let seconds = mining.last.zip(mining.first).map_or(0, |(last, first)| last.since(first) / SECOND);
        return format!(
            "sizes and times under TLS as of a pool: {} of one size with short answers, {} unasked, in {seconds} s; \
             telemetry and chats can look alike",
            count(mining.shares, "request"),
            count(mining.jobs, "message")
        );
    }
    let mut summary = format!("{} pool protocol: {}", mining.dialect, count(mining.jobs, "job"));
    summary.push_str(&format!(", {}, {} accepted", count(mining.shares, "share"), mining.accepted));
    if let (Some(first), Some(last)) = (mining.first, mining.last) {
        // Tenths of a second, rounded down.
        let tenths = last.since(first).max(0) / (SECOND / 10);
        summary.push_str(&format!(" in {}.{} s", tenths / 10, tenths % 10));
    }
    if let Some(algorithm) = &mining.algorithm {
        summary.push_str(&format!("; {algorithm}"));
    }
    if let Some(coin) = mining.coin {
        summary.push_str(&format!(" ({coin})"));
    }
    if let Some(agent) = &mining.agent {
        summary.push_str(&format!("; program {agent}"));
    }
    if let Some(login) = &mining.login {
        summary.push_str(&format!("; login {login}"));
    }
    if let Some(redirect) = &mining.redirect {
        summary.push_str(&format!("; sent on to {redirect}"));
    }
    if let Some(words) = estimate::words(mining) {
        summary.push_str(&format!("; {words}"));
    }
    summary
}

/// Two nodes of a coin's network: what mining without a pool needs, and a wallet or an explorer has as well.
fn node(mining: &Mining) -> Seen {
    let mut summary = format!("{}: the protocol between nodes of a coin's network", mining.dialect);
    if !mining.methods.is_empty() {
        summary.push_str(&format!(" ({})", mining.methods.join(", ")));
    }
    if let Some(agent) = &mining.agent {
        summary.push_str(&format!("; program {agent}"));
    }
    summary.push_str("; solo mining needs a node, a wallet has one as well");
    let records = mining.proof.clone();
    // A datagram that nobody answers makes no node of either side.
    let confidence = if mining.mark == Mark::Exchange { Confidence::Strong } else { Confidence::Weak };
    Seen { kind: mining.dialect.clone(), confidence, summary, records }
}

/// Programs that ask for block templates in order to mine.
fn names_a_miner(mining: &Mining) -> bool {
    let agent = mining.agent.as_deref().unwrap_or_default().to_ascii_lowercase();
    ["miner", "xmr", "p2pool", "ckpool", "eloipool", "stratum"].iter().any(|name| agent.contains(name))
}

fn count(number: u64, what: &str) -> String {
    format!("{number} {what}{}", if number == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Secret;
    use crate::time::Instant;

    #[test]
    fn figures_are_in_the_summary() {
        let mining = Mining {
            dialect: "monero-login".to_owned(),
            methods: vec!["login".to_owned(), "submit".to_owned()],
            agent: Some("XMRig/6.21.0".to_owned()),
            jobs: 1,
            shares: 9,
            accepted: 8,
            first: Some(Instant(0)),
            last: Some(Instant(45_270_000_000)),
            proof: vec![12, 4],
            mark: Mark::Exchange,
            ..Mining::default()
        };
        let seen = judge(&mining).unwrap();
        assert_eq!(seen.confidence, Confidence::Certain);
        assert_eq!(seen.records, [4, 12]);
        assert_eq!(
            seen.summary,
            "monero-login pool protocol: 1 job, 9 shares, 8 accepted in 45.2 s; program XMRig/6.21.0"
        );
    }

    #[test]
    fn a_poll_for_templates_alone_is_less_than_certain() {
        let poll = Mining {
            dialect: "getblocktemplate".to_owned(),
            methods: vec!["getblocktemplate".to_owned()],
            jobs: 3,
            mark: Mark::Exchange,
            ..Mining::default()
        };
        assert_eq!(judge(&poll).unwrap().confidence, Confidence::Strong);
        assert_eq!(judge(&Mining { shares: 1, ..poll.clone() }).unwrap().confidence, Confidence::Certain);
        let cgminer = Mining { agent: Some("cgminer/3.7.2".to_owned()), ..poll };
        assert_eq!(judge(&cgminer).unwrap().confidence, Confidence::Certain);
        assert_eq!(judge(&Mining::default()), None);
    }

    #[test]
    fn one_side_that_only_asks_is_less_than_certain_and_sizes_are_a_lead() {
        let asks = Mining {
            dialect: "stratum-v1".to_owned(),
            methods: vec!["mining.subscribe".to_owned()],
            login: Some(Secret::new("1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa")),
            mark: Mark::OneSide,
            ..Mining::default()
        };
        let seen = judge(&asks).unwrap();
        assert_eq!(seen.confidence, Confidence::Strong);
        assert!(seen.summary.ends_with("login 1A1z…vfNa#31a9d2e8"), "{}", seen.summary);
        assert_eq!(judge(&Mining { shares: 1, ..asks.clone() }).unwrap().confidence, Confidence::Certain);
        assert_eq!(judge(&Mining { mark: Mark::Shape, ..asks }).unwrap().confidence, Confidence::Weak);
    }

    #[test]
    fn a_node_is_strong_and_its_summary_says_what_else_it_may_be() {
        let node = Mining {
            dialect: "bitcoin-p2p".to_owned(),
            methods: vec!["version".to_owned()],
            mark: Mark::Exchange,
            proof: vec![1, 2],
            ..Mining::default()
        };
        let seen = judge(&node).unwrap();
        assert_eq!((seen.confidence, seen.kind.as_str()), (Confidence::Strong, "bitcoin-p2p"));
        assert!(seen.summary.contains("a wallet has one as well"), "{}", seen.summary);
    }
}

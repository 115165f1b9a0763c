use std::net::IpAddr;

use proptest::prelude::*;

use super::*;
use crate::evidence::{EvidenceId, Record};
use crate::model::{Action, Connection, Flow, Protocol};
use crate::time::{Basis, Instant, SECOND, Span};

/// Second, peer, source port.
type Seen = (i64, u8, u16);

fn see(table: &mut Table, (second, peer, port): Seen, number: u64) {
    let flow = Flow {
        src: Some(IpAddr::from([10, 0, 0, 1])),
        src_port: Some(port),
        dst: Some(IpAddr::from([203, 0, 113, peer])),
        dst_port: Some(443),
        protocol: Some(Protocol::TCP),
    };
    let key = ConversationKey {
        evidence: EvidenceId(0),
        src: flow.src,
        dst: flow.dst,
        dst_port: flow.dst_port,
        protocol: flow.protocol,
    };
    let span = Span::at(Instant(second * SECOND), Basis::ExplicitOffset);
    let record = Record { evidence: EvidenceId(0), number };
    let seen = Connection {
        bytes_out: Some(number),
        action: Some(if number.is_multiple_of(3) { Action::Deny } else { Action::Allow }),
        rule: Some(format!("rule {}", number % 4).into()),
        ..Connection::default()
    };
    table.change(key, |segments| segments::add(segments, span, flow, record, &seen));
}

fn listed(table: Table) -> Vec<Conversation> {
    table.settle().into_entries().collect()
}

#[test]
fn a_conversation_is_laid_aside_with_all_that_it_holds() {
    let memory = Arc::new(Memory::of(32 * 20_000));
    let mut table = Table::new(&memory);
    // A hundred ports in each of ten segments: the starts that stay take most of it.
    for port in 0..100 {
        (0..10).for_each(|segment| see(&mut table, (segment * 1000, 1, port), u64::from(port)));
    }
    assert!(!table.runs.is_empty() && memory.shelved() > 0, "{}", table.bytes);
    let all = listed(table);
    assert_eq!((all.len(), all[0].segments.len(), all[0].segments[0].starts.len()), (1, 10, 64));
    assert!(all[0].segments.iter().all(|segment| segment.starts_omitted && segment.observations == 100));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Lists that are laid aside, and forks that are joined, show as little as order does.
    #[test]
    fn runs_do_not_show(
        seen in prop::collection::vec((0_i64..1500, 0_u8..3, 0_u16..100), 1..600),
        portion in 0_u64..40_000,
        forks in 1_usize..4,
    ) {
        let mut whole = Table::new(&Arc::default());
        seen.iter().zip(1..).for_each(|(one, number)| see(&mut whole, *one, number));
        let memory = Arc::new(Memory::of(32 * portion + 1));
        let mut parts: Vec<Table> = (0..forks).map(|_| Table::new(&memory)).collect();
        for (one, number) in seen.iter().zip(1..) {
            see(&mut parts[number as usize % forks], *one, number);
        }
        let mut parts = parts.into_iter();
        let mut joined = parts.next().unwrap();
        parts.for_each(|part| joined.join(part));
        prop_assert_eq!(listed(joined), listed(whole));
        prop_assert!(portion > 500 || memory.shelved() > 0);
    }
}

//! The fold of observations into conversations: associative and commutative, so that any split of the evidence over
//! threads and any order give the same segments.

use crate::evidence::Record;
use crate::model::{Action, Connection, ConversationStart, Flow, Protocol, Segment, Segments};
use crate::time::{Instant, Span};

/// Observations of a conversation further apart than this start a new segment, in nanoseconds (5 minutes). The
/// session gaps of reports (5, 15 and 45 minutes) are formed from these segments.
pub const BASE_GAP_NS: i64 = 300 * crate::time::SECOND;

/// Adds one observation to the segments of its conversation. Tells by how many bytes they grew, about.
pub(super) fn add(segments: &mut Segments, span: Span, flow: Flow, record: Record, seen: &Connection<'_>) -> isize {
    let last = seen.last.unwrap_or(span.lo).max(span.lo);
    if let Some(segment) = segments.last_mut() {
        // The usual case in a log in order of time: the newest segment goes on.
        if span.lo >= segment.first && span.lo.since(segment.last) <= BASE_GAP_NS {
            let before = bytes(segment);
            extend(segment, span, last, flow, record.number, seen);
            return bytes(segment) - before;
        }
    }
    let mut segment = Segment::empty(span.lo, last, span.basis, record.number);
    extend(&mut segment, span, last, flow, record.number, seen);
    insert(segments, segment)
}

/// Puts a segment among others, joining those that it touches. Tells by how many bytes they grew, about.
pub(super) fn insert(segments: &mut Segments, mut segment: Segment) -> isize {
    let from = segments.partition_point(|other| segment.first.since(other.last) > BASE_GAP_NS);
    let touched = segments[from..].iter().take_while(|other| other.first.since(segment.last) <= BASE_GAP_NS).count();
    let mut before = 0;
    for other in segments.drain(from..from + touched) {
        before += bytes(&other);
        segment = join(segment, other);
    }
    if let Some(before) = from.checked_sub(1).and_then(|at| segments.get_mut(at)) {
        // Most likely it is over: what was kept in reserve for it would stay for good.
        before.starts.shrink_to_fit();
    }
    let grown = bytes(&segment) - before;
    segments.insert(from, segment);
    grown
}

/// What a segment takes, about. Found at once, whatever it holds.
pub(super) fn bytes(segment: &Segment) -> isize {
    // The first start lies in the segment itself.
    let starts = if segment.starts.len() > 1 { segment.starts.len() * size_of::<ConversationStart>() } else { 0 };
    let rules = segment.rules.as_slice().len() * RULE;
    (size_of::<Segment>() + starts + rules).cast_signed()
}

/// What the name of a rule takes, with its count.
const RULE: usize = 64;

fn extend(segment: &mut Segment, span: Span, last: Instant, flow: Flow, record: u64, seen: &Connection<'_>) {
    if (span.lo, record) < (segment.first, segment.first_record) {
        (segment.first, segment.first_record) = (span.lo, record);
    }
    if (last, record) > (segment.last, segment.last_record) {
        (segment.last, segment.last_record) = (last, record);
    }
    segment.basis = segment.basis.max(span.basis);
    segment.observations += 1;
    match seen.action {
        Some(Action::Allow) => segment.allowed += 1,
        Some(Action::Deny) => segment.denied += 1,
        None => {}
    }
    segment.answered += u64::from(seen.answered == Some(true));
    segment.failed += u64::from(has_failed(flow.protocol, seen));
    segment.bytes_out.add(seen.bytes_out);
    segment.bytes_in.add(seen.bytes_in);
    segment.packets_out.add(seen.packets_out);
    segment.packets_in.add(seen.packets_in);
    if let Some(src_port) = flow.src_port {
        let start = ConversationStart { at: span.lo, src_port, record, last };
        keep_start(segment, start);
    }
    if let Some(rule) = seen.rule.as_deref() {
        segment.rules.count(rule, 1);
    }
}

fn join(mut one: Segment, other: Segment) -> Segment {
    (one.first, one.first_record) = (one.first, one.first_record).min((other.first, other.first_record));
    (one.last, one.last_record) = (one.last, one.last_record).max((other.last, other.last_record));
    one.basis = one.basis.max(other.basis);
    one.observations += other.observations;
    one.allowed += other.allowed;
    one.denied += other.denied;
    one.answered += other.answered;
    one.failed += other.failed;
    one.bytes_out.add(other.bytes_out.get());
    one.bytes_in.add(other.bytes_in.get());
    one.packets_out.add(other.packets_out.get());
    one.packets_in.add(other.packets_in.get());
    one.starts_omitted |= other.starts_omitted;
    one.ports_met = [one.ports_met[0] | other.ports_met[0], one.ports_met[1] | other.ports_met[1]];
    for start in other.starts {
        keep_start(&mut one, start);
    }
    for (rule, count) in other.rules.as_slice() {
        one.rules.count(rule, *count);
    }
    one
}

/// Keeps, per source port, the earliest start, and of those the [`Segment::STARTS_KEPT`] earliest. What was put out
/// can only have been later than all that stay, so the outcome does not depend on the order of calls.
fn keep_start(segment: &mut Segment, start: ConversationStart) {
    let Segment { starts, starts_omitted, ports_met, .. } = segment;
    let met = &mut ports_met[usize::from(start.src_port >> 6 & 1)];
    let mark = 1 << (start.src_port & 63);
    let is_new = *met & mark == 0;
    *met |= mark;
    let is_latest = starts.last().is_none_or(|latest| *latest <= start);
    if is_latest && starts.len() == Segment::STARTS_KEPT && *starts_omitted {
        // The usual case in a busy log: later than all that stay, of a port that was kept earlier or is not kept.
        return;
    }
    if is_latest && is_new && starts.len() < Segment::STARTS_KEPT {
        starts.push(start);
        return;
    }
    if let Some(at) = starts.iter().rposition(|kept| kept.src_port == start.src_port) {
        if starts[at] <= start {
            return;
        }
        starts.remove(at);
    }
    let at = starts.partition_point(|kept| *kept < start);
    starts.insert(at, start);
    if starts.len() > Segment::STARTS_KEPT {
        starts.pop();
        *starts_omitted = true;
    }
}

/// Denied by a firewall, or by what a capture saw never established: TCP by Zeek's conn_state, UDP and other
/// protocols by the ICMP error that came back, ICMP requests by silence.
fn has_failed(protocol: Option<Protocol>, seen: &Connection<'_>) -> bool {
    let unanswered = seen.answered == Some(false);
    let is_icmp = matches!(protocol, Some(Protocol::ICMP | Protocol::ICMPV6));
    let never_established = |state: &str| match state {
        "S0" | "REJ" => true,
        // Probes without a SYN: FIN, Xmas and NULL scans meet silence where a port is open or filtered.
        "SH" | "OTH" | "RSTOS0" => unanswered,
        // All that came back is one reset: the answer of a closed port to a FIN, Xmas or NULL probe, and of any port to
        // an ACK probe. A connection that was accepted has the acceptance before it.
        "RSTR" => seen.packets_in == Some(1) && seen.packets_out <= Some(2),
        "RSTRH" => seen.packets_in == Some(1),
        "echo-request" | "timestamp-request" => is_icmp && unanswered,
        // An ICMP error of its own is no attempt, and an answer may be refused as well, by a client that has gone.
        state => !is_icmp && unanswered && state.starts_with("unreachable"),
    };
    seen.action == Some(Action::Deny) || seen.state.as_deref().is_some_and(never_established)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::evidence::EvidenceId;
    use crate::time::{Basis, SECOND};

    fn fold(observations: &[(i64, u16, u64)]) -> Segments {
        let mut segments = Segments::new();
        for (second, port, record) in observations {
            let span = Span::at(Instant(second * SECOND), Basis::ExplicitOffset);
            let record = Record { evidence: EvidenceId(0), number: *record };
            let seen = Connection { bytes_out: Some(*record_bytes(&record)), ..Connection::default() };
            let flow = Flow { src_port: Some(*port), ..Flow::default() };
            add(&mut segments, span, flow, record, &seen);
        }
        segments
    }

    fn record_bytes(record: &Record) -> &u64 {
        &record.number
    }

    #[test]
    fn a_pause_longer_than_the_gap_starts_a_segment_and_a_late_line_closes_it() {
        let apart = fold(&[(0, 1, 1), (301, 2, 2)]);
        assert_eq!(apart.len(), 2);
        let bridged = fold(&[(0, 1, 1), (301, 2, 2), (150, 3, 3)]);
        assert_eq!(bridged.len(), 1);
        assert_eq!((bridged[0].observations, bridged[0].bytes_out.get()), (3, Some(6)));
        assert_eq!((bridged[0].first_record, bridged[0].last_record), (1, 2));
    }

    #[test]
    fn what_counts_as_failed() {
        let seen = |state: &'static str, answered: Option<bool>, out: u64, back: u64| Connection {
            state: Some(state.into()),
            answered,
            packets_out: Some(out),
            packets_in: Some(back),
            ..Connection::default()
        };
        let (tcp, udp, icmp) = (Some(Protocol::TCP), Some(Protocol::UDP), Some(Protocol::ICMP));
        let failed = [
            (tcp, seen("S0", Some(false), 3, 0)),
            (tcp, seen("REJ", Some(true), 1, 1)),
            // ACK, FIN, Xmas and NULL probes of closed ports; NULL and Xmas probes of filtered ones.
            (tcp, seen("RSTR", Some(true), 1, 1)),
            (tcp, seen("OTH", Some(false), 2, 0)),
            (tcp, seen("SH", Some(false), 2, 0)),
            (udp, seen("unreachable-port", Some(false), 1, 0)),
            (icmp, seen("echo-request", Some(false), 1, 0)),
        ];
        for (protocol, seen) in failed {
            assert!(has_failed(protocol, &seen), "{seen:?}");
        }
        let fine = [
            // Accepted, then reset by the peer; one side of a connection under way; a late reset.
            (tcp, seen("RSTR", Some(true), 3, 2)),
            (tcp, seen("OTH", None, 40, 0)),
            (tcp, seen("RSTOS0", None, 1, 0)),
            (tcp, seen("SH", None, 1, 0)),
            (tcp, seen("SF", Some(true), 5, 5)),
            // A resolver whose late answer met a closed socket; the error message itself.
            (udp, seen("unreachable-port", Some(true), 1, 1)),
            (icmp, seen("unreachable-port", Some(false), 9, 0)),
            (icmp, seen("echo-request", Some(true), 1, 1)),
        ];
        for (protocol, seen) in fine {
            assert!(!has_failed(protocol, &seen), "{seen:?}");
        }
    }

    proptest! {
        #[test]
        fn order_and_split_do_not_matter(
            times in prop::collection::vec((0i64..4000, 0u16..100), 1..200),
            seed in any::<u64>(),
            cut in 0usize..200,
        ) {
            let observations: Vec<_> = times.iter().zip(1..).map(|((t, p), n)| (*t, *p, n)).collect();
            let in_order = fold(&observations);
            let mut shuffled = observations.clone();
            shuffled.sort_by_key(|(_, _, n)| n.wrapping_mul(seed | 1).rotate_left(17));
            prop_assert_eq!(&fold(&shuffled), &in_order);
            let (left, right) = shuffled.split_at(cut.min(shuffled.len()));
            let mut joined = fold(left);
            for segment in fold(right) {
                insert(&mut joined, segment);
            }
            prop_assert_eq!(&joined, &in_order);
        }
    }
}

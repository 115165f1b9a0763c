//! Packets that ask a host what it is: nmap's and xprobe's ways to tell operating systems apart.

use super::seen::cited;
use crate::intake::{Facts, ProbeFact};
use crate::model::{Behaviour, Confidence, Oddity, Signal, SignalSource};

/// One signal for each pair of hosts of which one fingerprinted the other.
pub fn hosts(facts: &Facts) -> Vec<Signal> {
    facts.probes.iter().filter_map(signal).collect()
}

/// Two kinds of oddity that one tool sends together are strong. One alone is a lead: broken stacks, fuzzers and
/// monitors send single ones, and FIN and NULL scans are told by their ports.
fn confidence(fact: &ProbeFact) -> Option<Confidence> {
    let packets =
        |what: Oddity| fact.probe.sent.iter().find(|(sent, _)| *sent == what).map_or(0, |(_, packets)| *packets);
    let sent = |what: Oddity| packets(what) > 0;
    // The first thing that any client of the time protocol era asked was one of these alone.
    let questions =
        [Oddity::Timestamp, Oddity::Information, Oddity::AddressMask].into_iter().filter(|one| sent(*one)).count();
    let flags = [Oddity::SynFin, Oddity::NoFlags, Oddity::Xmas].into_iter().filter(|one| sent(*one)).count();
    let others = questions + flags + usize::from(sent(Oddity::Filler));
    match (sent(Oddity::EchoCode), others) {
        (true, 1..) => Some(Confidence::Strong),
        _ if questions >= 2 => Some(Confidence::Strong),
        _ if flags >= 2 && sent(Oddity::SynFin) => Some(Confidence::Strong),
        _ if sent(Oddity::Filler) && flags >= 1 => Some(Confidence::Strong),
        (true, 0) => Some(if packets(Oddity::EchoCode) <= ECHOES { Confidence::Strong } else { Confidence::Weak }),
        _ => None,
    }
}

/// A tool sends an echo with a code once or a few times; a broken program does it again and again.
const ECHOES: u64 = 4;

fn signal(fact: &ProbeFact) -> Option<Signal> {
    let confidence = confidence(fact)?;
    let sent = fact.probe.sent.iter().map(|(what, packets)| format!("{packets} {}", what.name()));
    let summary = format!("packets that tell operating systems apart: {}", sent.collect::<Vec<_>>().join(", "));
    Some(Signal {
        kind: "fingerprint".to_owned(),
        confidence,
        span: fact.span.map(|span| span.until(fact.probe.last)),
        flow: Some(fact.flow),
        summary,
        records: cited(fact.record, &fact.probe.proof),
        ..Signal::new(Behaviour::Probing, SignalSource::Network)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::{EvidenceId, Record};
    use crate::model::{Flow, Probe};

    fn said(sent: &[(Oddity, u64)]) -> Option<Confidence> {
        let flow = Flow { src: Some([10, 0, 0, 1].into()), dst: Some([10, 0, 0, 2].into()), ..Flow::default() };
        let probe = Probe { sent: sent.to_vec(), last: None, proof: vec![2] };
        let record = Record { evidence: EvidenceId(0), number: 2 };
        let facts = Facts { probes: vec![ProbeFact { flow, probe, span: None, record }], ..Facts::default() };
        hosts(&facts).first().map(|signal| signal.confidence)
    }

    /// xprobe2: echo with code 123, timestamp, address mask. nmap -O: echo with code 9, T2, T3, T7, U1.
    #[test]
    fn what_tools_send_together_is_strong() {
        use Oddity::*;
        assert_eq!(said(&[(EchoCode, 1), (Timestamp, 1), (AddressMask, 1)]), Some(Confidence::Strong));
        assert_eq!(said(&[(Timestamp, 1), (AddressMask, 1)]), Some(Confidence::Strong));
        assert_eq!(said(&[(SynFin, 1), (NoFlags, 1), (Xmas, 1)]), Some(Confidence::Strong));
        assert_eq!(said(&[(EchoCode, 1), (Filler, 1)]), Some(Confidence::Strong));
        assert_eq!(said(&[(EchoCode, 1)]), Some(Confidence::Strong));
    }

    #[test]
    fn single_oddities_are_not() {
        use Oddity::*;
        assert_eq!(said(&[(EchoCode, 500)]), Some(Confidence::Weak));
        for one in [Timestamp, Information, AddressMask, SynFin, NoFlags, Xmas, Filler] {
            assert_eq!(said(&[(one, 1)]), None);
        }
    }
}

use std::sync::Arc;

use super::*;
use crate::formats::Sink;
use crate::model::{Alert, Detail, Observation, Protocol};
use crate::time::{Basis, Instant, SECOND};

fn flow() -> Flow {
    Flow {
        src: Some(IpAddr::from([10, 20, 0, 5])),
        src_port: Some(40_000),
        dst: Some(IpAddr::from([203, 0, 113, 80])),
        dst_port: Some(80),
        protocol: Some(Protocol::TCP),
    }
}

fn observe(fold: &mut Fold, record: u64, at: i64, detail: Detail<'_>) {
    let span = Some(Span::at(Instant(at), Basis::ExplicitOffset));
    fold.observation(&Observation { record, span, host: None, flow: Some(flow()), detail });
}

#[test]
fn a_host_header_is_a_name_without_its_port_and_an_address_without_its_brackets() {
    for (host, name) in [
        ("mirror.example", "mirror.example"),
        ("Mirror.Example.:8080", "mirror.example"),
        ("203.0.113.80:8080", "203.0.113.80"),
        ("[2001:db8::1]", "2001:db8::1"),
        ("[2001:db8::1]:8080", "2001:db8::1"),
    ] {
        let mut fold = Fold::new(EvidenceId(0), &Arc::default());
        observe(&mut fold, 1, 0, Detail::Http(Http { host: Some(host.to_owned()), ..Http::default() }));
        let (_, facts) = fold.into_parts();
        assert_eq!(facts.names.iter().map(|fact| fact.name.as_str()).collect::<Vec<_>>(), [name], "{host}");
    }
}

/// One of every kind of fact, several times, in the order of `records`.
fn folded(records: &[u64], forks: bool) -> Fold {
    let mut whole = Fold::new(EvidenceId(0), &Arc::default());
    for record in records {
        let mut fork = whole.fork();
        let sink: &mut dyn Sink = if forks { fork.as_mut() } else { &mut whole };
        let at = *record as i64 * 40 * SECOND;
        let span = Some(Span::at(Instant(at), Basis::ExplicitOffset));
        let mut see = |detail| {
            sink.observation(&Observation { record: *record, span, host: None, flow: Some(flow()), detail });
        };
        let stated = span.map(|span| span.shifted(SECOND));
        see(Detail::Connection(Connection { bytes_out: Some(*record), stated, ..Connection::default() }));
        let dns = Dns {
            query: "Mirror.Example.".to_owned(),
            response: true,
            addresses: vec![IpAddr::from([203, 0, 113, 80])],
            ..Dns::default()
        };
        see(Detail::Dns(dns));
        see(Detail::Dns(Dns { query: "mirror.example".to_owned(), ..Dns::default() }));
        see(Detail::Tls(Tls { server_name: Some("mirror.example".to_owned()), ..Tls::default() }));
        see(Detail::Alert(Alert {
            category: "ssh-login-failed".into(),
            message: format!("attempt {record}").into(),
            ..Alert::default()
        }));
        sink.unread(*record, "odd", format!("line {record}").as_bytes());
        sink.anomaly(Anomaly { record: *record, kind: AnomalyKind::Gap, detail: String::new() });
        sink.record();
        if forks {
            whole.join(fork);
        }
    }
    whole
}

#[test]
fn order_and_forks_do_not_show() {
    let sorted: Vec<u64> = (1..=60).collect();
    let mut mixed = sorted.clone();
    mixed.sort_by_key(|record| record.wrapping_mul(0x9E37_79B9_7F4A_7C15));
    assert_ne!(sorted, mixed);
    let parts = |fold: Fold| {
        let (unread, anomalies, records) = (fold.unread.clone(), fold.anomalies.clone(), fold.records);
        (format!("{:?}", fold.span), unread, anomalies, records, fold.into_parts())
    };
    let whole = parts(folded(&sorted, false));
    // By hand: 60 of each; the first record stands for the fact; 20 anomalies are kept and 60 counted.
    let (_, unread, anomalies, records, (conversations, facts)) = &whole;
    assert_eq!((*records, unread["odd"].count, unread["odd"].example.as_str()), (60, 60, "line 1"));
    assert_eq!((anomalies[&AnomalyKind::Gap].0, anomalies[&AnomalyKind::Gap].1.len()), (60, 20));
    let segments = &conversations.first().unwrap().segments;
    assert_eq!((conversations.len(), segments.len()), (1, 1));
    assert_eq!(segments[0].bytes_out.get(), Some(60 * 61 / 2));
    assert_eq!((facts.dns.len(), facts.dns[0].count, facts.dns[0].name.as_str()), (1, 60, "mirror.example"));
    assert_eq!((facts.alerts[0].count, facts.alerts[0].message.as_str()), (60, "attempt 1"));
    for (records, forks) in [(&mixed, false), (&sorted, true), (&mixed, true)] {
        assert_eq!(parts(folded(records, forks)), whole);
    }
}

#[test]
fn times_at_the_ends_of_the_range_are_folded_like_others() {
    let mut fold = Fold::new(EvidenceId(0), &Arc::default());
    for (record, at) in [i64::MIN, i64::MAX, 0, i64::MIN + 1, i64::MAX - 1].into_iter().enumerate() {
        observe(&mut fold, record as u64 + 1, at, Detail::Connection(Connection::default()));
    }
    let (conversations, _) = fold.into_parts();
    // Two at either end within five minutes of each other, and one in the middle.
    assert_eq!(
        conversations.first().unwrap().segments.iter().map(|one| one.observations).collect::<Vec<_>>(),
        [2, 1, 2]
    );
}

#[test]
fn a_record_without_a_time_makes_no_conversation_and_is_counted() {
    let mut fold = Fold::new(EvidenceId(0), &Arc::default());
    let detail = Detail::Connection(Connection::default());
    fold.observation(&Observation { record: 1, span: None, host: None, flow: Some(flow()), detail });
    assert_eq!(fold.undated, 1);
    assert!(fold.into_parts().0.is_empty());
}

#[test]
fn words_for_an_anomaly_are_cut_once_whatever_reads_the_file() {
    let told = |forks: bool, detail: &str| {
        let mut whole = Fold::new(EvidenceId(0), &Arc::default());
        let mut fork = whole.fork();
        let sink: &mut dyn Sink = if forks { fork.as_mut() } else { &mut whole };
        sink.anomaly(Anomaly { record: 1, kind: AnomalyKind::MalformedRecord, detail: detail.to_owned() });
        whole.join(fork);
        whole.anomalies.into_values().flat_map(|(_, kept)| kept).map(|one| one.detail).collect::<Vec<String>>()
    };
    // Two bytes each: 4096 hold 2048 of them, and 4095 of those that begin a byte later 2047.
    for (long, cut) in
        [("é".repeat(3_000), "é".repeat(2_048)), (format!("x{}", "é".repeat(3_000)), format!("x{}", "é".repeat(2_047)))]
    {
        let more = long.len() - cut.len();
        assert_eq!(told(false, &long), [format!("{cut} and {more} bytes more")]);
        assert_eq!(told(true, &long), told(false, &long), "parts of a file say what the whole does");
    }
    assert_eq!(told(true, &"x".repeat(4_096)), ["x".repeat(4_096)]);
}

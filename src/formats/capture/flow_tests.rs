//! The table of conversations at its bounds, and its independence of clocks that jump.

use std::net::{IpAddr, Ipv4Addr};

use super::flows::{Bounds, FlowTable, Packet};
use super::key::End;
use super::packets::{Output, Stamp, Weight};
use super::tally::Tally;
use super::transport::{ACK, FIN, RST, SYN, Segment, Transport};
use crate::evidence::AnomalyKind;
use crate::formats::Collector;
use crate::model::{Detail, Observation};
use crate::time::{Basis, Instant, SECOND, Span};

struct Bench {
    table: FlowTable,
    sink: Collector,
    tally: Tally,
    record: u64,
}

impl Bench {
    fn new(bounds: Bounds) -> Self {
        Bench { table: FlowTable::with_bounds(bounds), sink: Collector::default(), tally: Tally::default(), record: 0 }
    }

    fn put(&mut self, seconds: i64, src: End, dst: End, protocol: u8, transport: Transport<'_>) {
        self.record += 1;
        let at = Instant(seconds * SECOND);
        let stamp = Stamp { record: self.record, span: Some(Span::at(at, Basis::ExplicitOffset)), clock: at };
        let weight = Weight { packets: 1, bytes: 20 };
        let packet = Packet { src, dst, protocol, transport, weight, first: stamp, stamp };
        self.table.packet(&packet, &mut Output { sink: &mut self.sink, tally: &mut self.tally });
    }

    fn tcp(&mut self, seconds: i64, port: u16, out: bool, flags: u8, sequence: u32, data: &[u8]) {
        let (client, server) = (end(1, port), end(2, 22));
        let (src, dst) = if out { (client, server) } else { (server, client) };
        let segment = Segment { flags, sequence, acknowledged: 0, length: data.len() as u32, data };
        self.put(seconds, src, dst, 6, Transport::Tcp(segment));
    }

    fn udp(&mut self, seconds: i64, port: u16) {
        self.put(seconds, end(1, port), end(2, 53), 17, Transport::Udp(b"?"));
    }

    /// First records of the conversations reported so far.
    fn reported(&self) -> Vec<u64> {
        let is_connection = |detail: &Detail<'_>| matches!(detail, Detail::Connection(_));
        self.sink.observations.iter().filter(|found| is_connection(&found.detail)).map(|found| found.record).collect()
    }

    fn finish(mut self) -> (Vec<u64>, Collector) {
        self.table.finish(&mut Output { sink: &mut self.sink, tally: &mut self.tally });
        self.tally.report(&mut self.sink);
        let is_connection = |detail: &Detail<'_>| matches!(detail, Detail::Connection(_));
        let records =
            self.sink.observations.iter().filter(|found| is_connection(&found.detail)).map(|found| found.record);
        (records.collect(), self.sink)
    }
}

fn end(host: u8, port: u16) -> End {
    (IpAddr::V4(Ipv4Addr::new(10, 0, 0, host)), Some(port))
}

#[test]
fn the_bound_ends_the_one_nearest_to_its_expiry_and_says_so() {
    let mut bench = Bench::new(Bounds { live: 3, ..Bounds::default() });
    // An open TCP connection (15 min) and three exchanges of datagrams (2 min).
    bench.tcp(0, 50_000, true, SYN, 1, b"");
    bench.tcp(0, 50_000, false, SYN | ACK, 1, b"");
    bench.udp(1, 40_001);
    bench.udp(2, 40_002);
    bench.udp(3, 40_001);
    assert!(bench.reported().is_empty());
    bench.udp(4, 40_003);
    assert_eq!(bench.reported(), [4], "port 40002 has been silent for longest");
    let (records, sink) = bench.finish();
    assert_eq!(records, [4, 1, 3, 6]);
    let anomalies: Vec<_> = sink.anomalies.iter().map(|anomaly| (anomaly.record, anomaly.kind)).collect();
    assert_eq!(anomalies, [(6, AnomalyKind::BoundReached)]);
}

#[test]
fn silence_ends_datagrams_but_not_open_connections_while_there_is_room() {
    for keep_silent in [10, 0] {
        let mut bench = Bench::new(Bounds { keep_silent, ..Bounds::default() });
        bench.tcp(0, 50_000, true, SYN, 1, b"");
        bench.tcp(0, 50_000, false, SYN | ACK, 1, b"");
        bench.udp(0, 40_001);
        bench.udp(1000, 40_002);
        bench.udp(1001, 40_003);
        assert_eq!(bench.reported(), if keep_silent > 0 { vec![3] } else { vec![1, 3] });
        bench.tcp(1002, 50_000, true, ACK, 2, b"");
        bench.tcp(1003, 50_001, true, SYN, 1, b"");
        // Without room the connection of packet 1 has to begin anew with packet 6.
        assert_eq!(bench.finish().0, if keep_silent > 0 { vec![3, 1, 4, 5, 7] } else { vec![1, 3, 4, 5, 6, 7] });
    }
}

#[test]
fn one_stamp_out_of_line_ends_nothing() {
    let mut bench = Bench::new(Bounds::default());
    bench.udp(10, 40_001);
    bench.udp(3_000_000_000, 40_002);
    bench.udp(11, 40_001);
    bench.udp(12, 40_001);
    assert_eq!(bench.finish().0, [1, 2]);
}

#[test]
fn bytes_that_wait_are_bounded_over_all_conversations() {
    let mut bench = Bench::new(Bounds { held: 1000, ..Bounds::default() });
    for port in 0..20 {
        bench.tcp(0, 50_000 + port, true, SYN, 0, b"");
        // The first byte is missing, so that everything waits.
        bench.tcp(0, 50_000 + port, true, ACK, 2, &[0; 200]);
    }
    let (records, sink) = bench.finish();
    assert_eq!(records.len(), 20);
    let kinds: Vec<_> = sink.anomalies.iter().map(|anomaly| anomaly.kind).collect();
    assert_eq!(kinds, [AnomalyKind::Gap, AnomalyKind::BoundReached]);
    // Five conversations fill the bound; each of the 15 that follow passes on the oldest.
    assert!(sink.anomalies[1].detail.ends_with("15 times, first here"), "{}", sink.anomalies[1].detail);
    assert!(sink.anomalies[0].detail.contains("20 bytes in all"), "one byte of each: {}", sink.anomalies[0].detail);
}

/// An application reader knows instants; what it reports gets the resolution of the capture, or no time at all.
#[test]
fn observations_of_readers_take_the_resolution_of_packets() {
    let at = Span::at(Instant(5_000), Basis::ExplicitOffset);
    let seen = Observation { record: 1, span: Some(at), host: None, flow: None, detail: Detail::Other("x".into()) };
    let packet = Span::with_resolution(Instant(9_000), 1_000, Basis::ExplicitOffset);
    for (like, expected) in
        [(Some(packet), Some(Span { hi: Instant(5_999), ..at })), (Some(at), Some(at)), (None, None)]
    {
        let (mut sink, mut tally) = (Collector::default(), Tally::default());
        Output { sink: &mut sink, tally: &mut tally }.emit(like, |emit| emit(&seen));
        assert_eq!(sink.observations[0].span, expected);
    }
}

/// What a scan's probe and its answer leave behind, and what the leftovers of a connection from before the capture do.
#[test]
fn probes_without_a_syn_and_what_came_back() {
    const XMAS: u8 = FIN | 8 | 32;
    let cases: [(&[_], _, _); 8] = [
        (&[(true, 0), (false, RST | ACK)], "RSTR", Some(true)),
        (&[(true, 0), (true, 0)], "OTH", Some(false)),
        (&[(true, XMAS)], "SH", Some(false)),
        (&[(true, ACK), (false, RST)], "RSTR", Some(true)),
        (&[(true, ACK)], "OTH", None),
        (&[(true, SYN), (false, RST | ACK)], "REJ", Some(true)),
        (&[(true, RST)], "RSTOS0", None),
        (&[(true, FIN | ACK)], "SH", None),
    ];
    for (packets, state, answered) in cases {
        let mut bench = Bench::new(Bounds::default());
        for (out, flags) in packets {
            bench.tcp(0, 50_000, *out, *flags, 1, b"");
        }
        let sink = bench.finish().1;
        let Detail::Connection(seen) = &sink.observations[0].detail else { panic!("a connection") };
        assert_eq!((seen.state.as_deref(), seen.answered), (Some(state), answered), "{packets:?}");
    }
}

/// A snap length that leaves the ports alone: neither who asked nor whether anything failed is made up.
#[test]
fn tcp_headers_cut_before_their_flags() {
    let mut bench = Bench::new(Bounds::default());
    bench.put(0, end(2, 80), end(1, 63_856), 6, Transport::Other);
    bench.put(1, end(1, 63_857), end(2, 80), 6, Transport::Other);
    let sink = bench.finish().1;
    for (found, answered) in sink.observations.iter().zip([Some(true), None]) {
        let Detail::Connection(seen) = &found.detail else { panic!("a connection") };
        assert_eq!((found.flow.and_then(|flow| flow.dst_port), seen.answered), (Some(80), answered));
    }
}

//! Clocks that servers tell the time on.

use super::*;
use crate::evidence::Record;
use crate::intake::Teller;
use crate::time::Span;

/// So many servers tell a time in each source, which is so many seconds ahead of it: by hand, what is told to a nanosecond
/// and seen up to two seconds later allows from two seconds less to as much.
fn pinned(sources: &[(&str, Kind, Basis, i64, u8)]) -> World {
    let mut world = World::default();
    for (path, kind, basis, ahead, servers) in sources {
        let evidence = match kind {
            Kind::Transcript => world.episode(path, None),
            _ => world.source(path, *kind, *basis),
        };
        world.intake.sources[evidence.0 as usize].basis = Some(*basis);
        for server in 0..*servers {
            let told = ms(i64::from(server) * 60_000);
            world.intake.facts.anchors.push(TimeAnchor {
                teller: Teller::Server,
                seen: told.plus(ahead * SECOND),
                told,
                resolution_ns: 1,
                server: Some(std::net::IpAddr::from([203, 0, 113, server])),
                record: Record { evidence, number: 1 },
            });
        }
    }
    world
}

const CAPTURE: (&str, Kind, Basis, i64, u8) = ("capture.pcap", Kind::Capture, Basis::ExplicitOffset, 30, 3);

#[test]
fn servers_that_two_sources_saw_tie_one_to_the_other() {
    let log = |basis, ahead, servers| ("proxy.log", Kind::Firewall, basis, ahead, servers);
    let clocks = pinned(&[CAPTURE, log(Basis::AssumedZone, 90, 3)]).clocks();
    // [88, 90] less [28, 30].
    let proxy = clock(&clocks, "proxy.log");
    assert_eq!((proxy.offset_ns, proxy.support_ns), (60 * SECOND, (58 * SECOND, 62 * SECOND)));
    assert_eq!((proxy.grade, proxy.method.as_str(), proxy.zone_error_ns), (Grade::C, "server times in both", 0));
    assert_eq!(clocks.align(EvidenceId(1), ms(60_000)), ms(0));
    assert_eq!(clocks.slack_ns(EvidenceId(1), ms(0)), 2 * SECOND);
    assert_eq!(clocks.slack_on_reference_ns(EvidenceId(1), ms(0)), 2 * SECOND);
    // The reference is not moved. It is 29 s ahead of UTC.
    let capture = clock(&clocks, "capture.pcap");
    assert_eq!((capture.offset_ns, capture.grade, capture.method.as_str()), (0, Grade::A, "reference"));
    assert_eq!(clocks.of_utc(ms(0)), ms(29_000));
    // Two servers are too few, on either side.
    let clocks = pinned(&[CAPTURE, log(Basis::ExplicitOffset, 90, 2)]).clocks();
    assert_eq!((clock(&clocks, "proxy.log").offset_ns, clocks.of_utc(ms(0))), (0, ms(29_000)));
    let few = ("capture.pcap", Kind::Capture, Basis::ExplicitOffset, 30, 2);
    let clocks = pinned(&[few, log(Basis::ExplicitOffset, 90, 3)]).clocks();
    assert_eq!((clock(&clocks, "proxy.log").offset_ns, clocks.of_utc(ms(0))), (0, ms(0)));
    // What is declared stays.
    let mut world = pinned(&[CAPTURE, log(Basis::DeclaredZone, 90, 3)]);
    world.intake.sources[1].declared_zone = true;
    let clocks = world.clocks();
    assert_eq!((clock(&clocks, "proxy.log").offset_ns, clock(&clocks, "proxy.log").method.as_str()), (0, "declared"));
    assert!(clock(&clocks, "proxy.log").utc.is_some());
}

#[test]
fn what_connections_tell_is_not_moved_by_servers() {
    let mut world = two_witnesses(Basis::ExplicitOffset, 2_500, 1000, 24);
    world.intake.facts.anchors =
        pinned(&[CAPTURE, ("firewall.log", Kind::Firewall, Basis::ExplicitOffset, 90, 3)]).intake.facts.anchors;
    let clocks = world.clocks();
    let firewall = clock(&clocks, "firewall.log");
    assert!((firewall.offset_ns - 2_500_000_000).abs() <= 200_000_000, "{}", firewall.offset_ns);
    assert!(firewall.utc.is_some_and(|pin| pin.offset_ns == 89 * SECOND), "both are said");
}

/// A transcript of local time of UTC+08:00 whose three servers are of [`CURLS`], beside a capture.
fn printing_beside(capture: (&str, Kind, Basis, i64, u8), basis: Basis) -> Clocks {
    let mut world = pinned(&[capture, ("a.jsonl", Kind::Transcript, basis, 0, 0)]);
    for (start, end, command, output) in CURLS {
        let step = world.step(EvidenceId(1), Some((ms(start + 8 * HOUR_MS), ms(end + 8 * HOUR_MS))), command);
        world.intake.steps[step].output = Some(output.to_owned());
    }
    world.clocks()
}

// By hand: eight hours and [60, 61] s against UTC by what was printed, less [28, 30] s.
#[test]
fn a_zone_is_read_where_tools_print_the_time_and_nowhere_else() {
    let clocks = printing_beside(CAPTURE, Basis::AssumedZone);
    let transcript = clock(&clocks, "a.jsonl");
    let eight = 8 * 3600 * SECOND;
    assert_eq!(transcript.support_ns, (eight + 30 * SECOND + 1, eight + 33 * SECOND));
    assert_eq!(transcript.method, "server times in both");
    assert_eq!(transcript.zone_error_ns, 0, "31 s beside the hour are no zone");
    // A capture that is 60 s ahead as well.
    let ahead = ("capture.pcap", Kind::Capture, Basis::ExplicitOffset, 61, 3);
    let clocks = printing_beside(ahead, Basis::AssumedZone);
    assert_eq!(clock(&clocks, "a.jsonl").zone_error_ns, eight);
    // A transcript that states UTC has no zone to be read.
    assert_eq!(clock(&printing_beside(ahead, Basis::ExplicitOffset), "a.jsonl").zone_error_ns, 0);
    // Nor does a log tell one, however its servers' times lie.
    let log = ("proxy.log", Kind::Firewall, Basis::AssumedZone, 8 * 3600 + 61, 3);
    let clocks = pinned(&[ahead, log]).clocks();
    assert_eq!((clock(&clocks, "proxy.log").zone_error_ns, clock(&clocks, "proxy.log").offset_ns), (0, eight));
}

#[test]
fn times_that_tools_print_tie_nothing_to_a_reference_that_does_not_state_utc() {
    let unpinned = |basis| ("capture.pcap", Kind::Capture, basis, 0, 0);
    let offset = |basis| clock(&printing_beside(unpinned(basis), Basis::AssumedZone), "a.jsonl").offset_ns;
    assert!((offset(Basis::ExplicitOffset) - (8 * 3600 + 60) * SECOND).abs() <= SECOND);
    assert_eq!(offset(Basis::AssumedZone), 0);
}

// A relay wrote five records a second after each, by a clock that is eight hours behind the log's.
#[test]
fn what_a_relay_wrote_down_bounds_files_of_one_boot() {
    let bound = |boots: &[i64]| {
        let mut world = World::default();
        world.episode("a.jsonl", None);
        let log = world.source("relayed.log", Kind::Firewall, Basis::AssumedZone);
        world.intake.sources[1].boots = boots.iter().map(|at| ms(*at)).collect();
        for n in 0..5 {
            world.intake.facts.written.push(WrittenFact {
                own: Span::with_resolution(ms(n * 60_000 + 8 * HOUR_MS), SECOND, Basis::AssumedZone),
                written: Span::with_resolution(ms(n * 60_000 + 1_000), SECOND, Basis::ExplicitOffset),
                record: Record { evidence: log, number: n as u64 + 1 },
            });
        }
        let clocks = world.clocks();
        clock(&clocks, "relayed.log").writers.is_some()
    };
    assert!(bound(&[]) && bound(&[0]));
    assert!(!bound(&[0, 3_600_000]), "each boot has an offset of its own");
}

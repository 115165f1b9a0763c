//! Logs and captures that were cut into files by rotation: pieces of one source, written by one clock.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use regex::Regex;

use crate::formats::Kind;
use crate::intake::Source;
use crate::time::{Instant, SECOND};

/// What rotation puts into a name: behind it a number (logrotate(8): `fw.log.1`; tcpdump -C: `a.pcap1`), a date (logrotate
/// `dateext`: `fw.log-20261121`) or `.old`; before its ending a date, with or without a time of day (Zeek:
/// `conn.2026-11-21-07-00-00.log`), or the number and time of dumpcap -b (`a_00001_20261121071105.pcapng`). A number alone before
/// the ending may as well number devices, and is none.
const MARKS: &str = r"(?x)
    ^ (?<stem> .*? )
    (?: [._-] \d{4} -? \d{2} -? \d{2} (?: [T._-] \d{2} (?: [:_-]? \d{2} ){1,2} )? | _ \d{5} _ \d{14} )?
    (?<ending> \. (?: log | txt | csv | json | jsonl | pcap | pcapng | cap | xml ) )?
    (?: [.-] \d{8} (?: - \d{1,10} )? | [.-] \d{4} - \d{2} - \d{2} | \.? \d{1,4} | \. old )?
    (?: \. (?: gz | xz | zst ) )? $";

static NAME: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(MARKS).ok());

/// Pieces of one log overlap by no more: the rest of a line's second, and buffers that are written late.
const OVERLAP_NS: i64 = 5 * SECOND;

/// The path without the marks of rotation and compression; for a name that has none, the path itself.
fn unrotated(path: &str) -> String {
    let (folder, name) = path.rsplit_once('/').map_or(("", path), |(folder, name)| (folder, name));
    let parts = NAME.as_ref().and_then(|marks| marks.captures(name));
    let part = |group: &str| parts.as_ref().and_then(|parts| parts.name(group)).map_or("", |part| part.as_str());
    match part("stem") {
        "" => path.to_owned(),
        stem => format!("{folder}/{stem}{}", part("ending")),
    }
}

/// For each source, the name that it shares with the other pieces of its log, or its own path.
///
/// Pieces are files of one directory, format and declared clock, dated the same way, whose names differ by marks of rotation
/// alone and whose records do not overlap in time: two devices that log at the same time are two, whatever their files are
/// called.
pub(super) fn names(sources: &[Source]) -> Vec<String> {
    let mut families: BTreeMap<_, Vec<usize>> = BTreeMap::new();
    for (at, source) in sources.iter().enumerate() {
        let told = matches!(source.kind, Some(Kind::Firewall | Kind::Capture));
        let dated = source.basis.is_some_and(|basis| basis.is_dated());
        if told && dated && source.records > 0 {
            let declared = (source.declared_zone, source.declared_offset_ns);
            families.entry((unrotated(&source.path), source.format, declared, source.basis)).or_default().push(at);
        }
    }
    let mut names: Vec<String> = sources.iter().map(|source| source.path.clone()).collect();
    for (family, mut members) in families {
        let span =
            |at: &usize| -> Option<(Instant, Instant)> { sources.get(*at).and_then(|one| one.first.zip(one.last)) };
        members.sort_by_key(|at| (span(at), *at));
        let apart = members.windows(2).all(|two| match (two.first().and_then(span), two.last().and_then(span)) {
            (Some((_, before)), Some((after, _))) => before.since(after) <= OVERLAP_NS,
            _ => false,
        });
        if members.len() > 1 && apart {
            // No path has this form: another file may be called like the log without its marks.
            let shared = format!("{}\0{}", family.0, family.1.unwrap_or_default());
            for at in members {
                if let Some(name) = names.get_mut(at) {
                    name.clone_from(&shared);
                }
            }
        }
    }
    names
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::correlate::kit::World;
    use crate::time::Basis;

    #[test]
    fn marks_of_rotation_are_taken_off() {
        for (path, name) in [
            ("a/fw.log.1", "a/fw.log"),
            ("a/fw.log.12.gz", "a/fw.log"),
            ("a/fw.log-20261121", "a/fw.log"),
            ("a/fw.log-20261121-1763709065.zst", "a/fw.log"),
            ("a/fw-2026-11-21.log", "a/fw.log"),
            ("a/conn.2026-11-21-07-00-00.log.gz", "a/conn.log"),
            ("a/kern.log.old", "a/kern.log"),
            ("a/messages-20261121", "a/messages"),
            ("a/ring.pcap0", "a/ring.pcap"),
            ("a/ring.pcap13", "a/ring.pcap"),
            ("a/ring_00002_20261121071105.pcapng", "a/ring.pcapng"),
            // None of these is marked.
            ("a/fw-1.log", "a/fw-1.log"),
            ("a/fw2.log", "a/fw2.log"),
            ("a/b.1/fw.log", "a/b.1/fw.log"),
        ] {
            assert_eq!(unrotated(path), name, "{path}");
        }
    }

    #[test]
    fn pieces_follow_one_another_and_devices_do_not() {
        let mut world = World::default();
        let mut piece = |path: &str, kind: Kind, from: i64, to: i64| {
            let id = world.source(path, kind, Basis::AssumedYear);
            let source = &mut world.intake.sources[id.0 as usize];
            (source.first, source.last) = (Some(Instant(from * SECOND)), Some(Instant(to * SECOND)));
        };
        piece("a/fw.log", Kind::Firewall, 200, 300);
        piece("a/fw.log.1", Kind::Firewall, 100, 203);
        piece("a/fw.log.2.gz", Kind::Firewall, 0, 99);
        // At the same time as each other, and another directory.
        piece("b/fw.log", Kind::Firewall, 0, 300);
        piece("b/fw.log.1", Kind::Firewall, 10, 290);
        piece("c/fw.log.1", Kind::Firewall, 0, 99);
        let names = names(&world.intake.sources);
        let one = "a/fw.log\0made-up";
        assert_eq!(names, [one, one, one, "b/fw.log", "b/fw.log.1", "c/fw.log.1"]);
    }
}

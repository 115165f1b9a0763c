//! The readers against captures that others published: `COINCIDENT_CORPUS` names a directory with `pcap/LABELS.tsv`,
//! whose column `packets` is what capinfos counted.

use std::collections::BTreeMap;
use std::path::Path;

use crate::evidence::{EvidenceId, Head, Input};
use crate::formats::{Collector, registry};
use crate::time::TimeContext;

fn read(name: &str, path: &Path) -> Option<Collector> {
    let head = Head::read(name, path).ok()?;
    let format = registry::by_id(registry::probe(&head).first()?.format)?;
    let mut input = Input::open(name, path, EvidenceId(0)).ok()?;
    let mut sink = Collector::default();
    let outcome = format.read(&mut input, &TimeContext::default(), &mut sink);
    if let Err(error) = outcome {
        println!("{name}: {error}");
    }
    Some(sink)
}

#[test]
fn packet_counts_agree_with_capinfos() {
    #[expect(clippy::disallowed_methods, reason = "where the corpus lies is the business of who runs the test")]
    let Ok(corpus) = std::env::var("COINCIDENT_CORPUS") else {
        println!("skipped: COINCIDENT_CORPUS is not set");
        return;
    };
    let root = Path::new(&corpus).join("pcap");
    let labels = std::fs::read_to_string(root.join("LABELS.tsv")).expect("pcap/LABELS.tsv");
    let (mut files, mut packets, mut agree) = (0, 0, 0);
    let mut differ = BTreeMap::new();
    for line in labels.lines().skip(1) {
        let mut fields = line.split('\t');
        let (Some(name), Some(expected)) = (fields.next(), fields.nth(4)) else { continue };
        files += 1;
        let expected = expected.parse::<u64>().ok();
        let found = read(name, &root.join(name));
        packets += found.as_ref().map_or(0, |found| found.records);
        if found.as_ref().map(|found| found.records) == expected {
            agree += 1;
        } else {
            differ.insert(
                name.to_owned(),
                (expected, found.map(|found| (found.records, found.unread.len(), found.anomalies))),
            );
        }
    }
    println!("{files} files, {packets} packets, {agree} files agree");
    for (name, difference) in &differ {
        println!("{name}: {difference:?}");
    }
    // Of damaged files capinfos gives the packets before the damage; reading goes on behind it.
    let fewer: Vec<_> = differ
        .iter()
        .filter(|(_, (expected, found))| expected.unwrap_or(0) > found.as_ref().map_or(0, |(records, ..)| *records))
        .collect();
    assert!(fewer.is_empty(), "fewer packets than capinfos: {fewer:#?}");
}

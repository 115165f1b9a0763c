//! The flow detectors against labelled captures: `COINCIDENT_CORPUS` names a directory with `pcap/LABELS.tsv`
//! (columns path, ..., truth_label as the eighth, ..., subset as the twelfth).

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use super::{Seen, mining, ssh};
use crate::evidence::{EvidenceId, Head, Input};
use crate::formats::{Collector, registry};
use crate::model::{Detail, Observation};
use crate::time::TimeContext;

fn observations(name: &str, path: &Path) -> Vec<Observation<'static>> {
    let mut sink = Collector::default();
    let Ok(head) = Head::read(name, path) else { return Vec::new() };
    let Some(format) = registry::probe(&head).first().and_then(|found| registry::by_id(found.format)) else {
        return Vec::new();
    };
    let outcome = Input::open(name, path, EvidenceId(0))
        .and_then(|mut input| format.read(&mut input, &TimeContext::default(), &mut sink));
    if let Err(error) = outcome {
        println!("{name}: {error}");
    }
    sink.observations
}

/// Per file: flows by kind of observation, and what the detectors saw.
fn judge(observations: &[Observation<'_>]) -> (BTreeMap<&'static str, u64>, Vec<Seen>) {
    let mut kinds = BTreeMap::new();
    let mut seen = Vec::new();
    for observation in observations {
        *kinds.entry(observation.detail.kind()).or_insert(0) += 1;
        match &observation.detail {
            Detail::Ssh(session) => seen.extend(ssh::judge(session, &observation.flow.unwrap_or_default())),
            Detail::Mining(pool) => seen.extend(mining::judge(pool)),
            _ => {}
        }
    }
    (kinds, seen)
}

#[test]
fn labelled_captures() {
    #[expect(clippy::disallowed_methods, reason = "where the corpus lies is the business of who runs the test")]
    let Ok(corpus) = std::env::var("COINCIDENT_CORPUS") else {
        println!("skipped: COINCIDENT_CORPUS is not set");
        return;
    };
    let root = Path::new(&corpus).join("pcap");
    let labels = std::fs::read_to_string(root.join("LABELS.tsv")).expect("pcap/LABELS.tsv");
    // label and subset -> (files, files with a reverse verdict, files with a mining verdict)
    let mut table: BTreeMap<(String, String), [u64; 5]> = BTreeMap::new();
    for line in labels.lines().skip(1) {
        let fields: Vec<&str> = line.split('\t').collect();
        let (Some(name), Some(label), Some(subset)) = (fields.first(), fields.get(7), fields.get(11)) else { continue };
        let (kinds, seen) = judge(&observations(name, &root.join(name)));
        let reverse = seen.iter().any(|seen| seen.kind.starts_with("ssh-reverse"));
        let pool = seen.iter().any(|seen| !seen.kind.starts_with("ssh-"));
        let row = table.entry(((*label).to_owned(), (*subset).to_owned())).or_default();
        row[0] += 1;
        row[1] += u64::from(kinds.contains_key("ssh"));
        row[2] += u64::from(reverse);
        row[3] += u64::from(pool);
        row[4] += kinds.get("mining").copied().unwrap_or(0);
        let kind_set: BTreeSet<(&str, &str)> =
            seen.iter().map(|seen| (seen.kind.as_str(), seen.confidence.name())).collect();
        let interesting = label.contains("ssh") || label.contains("mining") || reverse || pool;
        if interesting {
            println!("{label}\t{name}\t{kinds:?}\t{kind_set:?}");
            for seen in seen.iter().take(6) {
                println!("    {} [{}] {} {:?}", seen.kind, seen.confidence.name(), seen.summary, seen.records);
            }
        }
    }
    println!("label, subset: files, with SSH, reverse verdicts, mining verdicts, mining flows");
    for ((label, subset), row) in &table {
        println!("{label} {subset}: {row:?}");
    }
}

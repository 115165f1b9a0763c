//! Whole files: samples with expectations, and samples of other projects.

use crate::formats::firewall::testing::{self, corpus};
use crate::time::TimeContext;

#[test]
fn dump() {
    let Some(folder) = corpus("gpu") else { return };
    for (id, part) in [("nvidia-smi-gpu", "query-gpu-csv"), ("nvidia-smi-apps", "compute-apps-csv")] {
        for file in testing::files_below(&folder.join(part)) {
            let read = testing::read(id, &std::fs::read(&file).unwrap(), &TimeContext::default());
            println!("=== {} {} {}", file.display(), read.records, read.unread.len());
            for value in testing::all_as_json(&read).iter().rev().take(3) {
                println!("{value}");
            }
            for anomaly in &read.anomalies {
                println!("{anomaly:?}");
            }
        }
    }
}

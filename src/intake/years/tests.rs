use std::path::PathBuf;

use super::*;
use crate::intake::{CaseFile, Intake, Options, take_in};
use crate::time::Instant;

/// Netfilter lines with these beginnings, one a line, as a file in a folder of its own; read with these declarations.
fn read(beginnings: &[&str], declared: &[&str], dated_at: Option<&str>) -> Intake {
    let folder = tempfile::tempdir().unwrap();
    let text: String = beginnings.iter().map(|stamp| format!("{stamp} {}", LINE)).collect();
    std::fs::write(folder.path().join("fw.log"), text).unwrap();
    if let Some(at) = dated_at {
        std::fs::write(folder.path().join("dated.log"), format!("{at} {LINE}")).unwrap();
    }
    let mut case = CaseFile::default();
    case.declare(&[], &declared.iter().map(|year| format!("*={year}")).collect::<Vec<_>>(), &[]).unwrap();
    take_in(&[PathBuf::from(folder.path())], &Options { case, ..Options::default() })
}

const LINE: &str = "gw kernel: EGRESS IN=lan0 OUT=wan0 SRC=10.20.0.5 DST=203.0.113.66 LEN=60 TTL=63 ID=1 PROTO=TCP \
                    SPT=50012 DPT=443 WINDOW=64240 SYN URGP=0\n";

/// First and last day of the log.
fn days(intake: &Intake) -> (String, String) {
    let source = intake.sources.iter().find(|source| source.path.ends_with("fw.log")).unwrap();
    let day = |at: Option<Instant>| at.unwrap().to_string()[..10].to_owned();
    assert_eq!(source.unread, 0);
    (day(source.first), day(source.last))
}

fn pair(first: &str, last: &str) -> (String, String) {
    (first.to_owned(), last.to_owned())
}

const YEARS: [&str; 7] = [
    "Mar  1 08:00:00",
    "Nov 30 08:00:00",
    "Feb  2 08:00:00",
    "Nov 20 08:00:00",
    "Dec 31 23:59:59",
    "Jan  1 00:00:01",
    "Nov 19 08:00:00",
];

// By hand: March to November 2024, February to December 2025, January to November 2026.
#[test]
fn a_log_over_three_years() {
    let intake = read(&YEARS, &[], Some("2026-11-20T08:00:00Z"));
    assert_eq!(days(&intake), pair("2024-03-01", "2026-11-19"));
    // 2027 and 2028 would fit as well, and it is said.
    let said = intake.anomalies.iter().any(|found| {
        found.anomaly.kind == AnomalyKind::UndatedTimes && found.anomaly.detail.contains("2027 or 2028 would fit")
    });
    assert!(said, "{:?}", intake.anomalies);
    // Declared is the year of the last line.
    assert_eq!(days(&read(&YEARS, &["2025"], None)), pair("2023-03-01", "2025-11-19"));
    let said = read(&YEARS, &["2025"], None).anomalies;
    assert!(said.is_empty(), "{said:?}");
}

#[test]
fn relayed_with_priorities_as_well() {
    let with_priorities: Vec<String> =
        YEARS.iter().zip(["<4>", "<13>", "<134>"].iter().cycle()).map(|(stamp, pri)| format!("{pri}{stamp}")).collect();
    let lines: Vec<&str> = with_priorities.iter().map(String::as_str).collect();
    assert_eq!(days(&read(&lines, &["2026"], None)), pair("2024-03-01", "2026-11-19"));
}

// FLUME-3316, Plaso 138: a log of 29 February beside evidence of another year is of the leap year before it.
#[test]
fn the_twenty_ninth_of_february() {
    let intake = read(&["Feb 28 08:00:00", "Feb 29 08:00:00", "Mar  1 08:00:00"], &[], Some("2026-11-20T08:00:00Z"));
    assert_eq!(days(&intake), pair("2024-02-28", "2024-03-01"));
}

// Plaso issue 408. Single-digit days with one blank or two: Plaso issue 926.
#[test]
fn out_of_order_at_new_year() {
    let lines = [
        "Dec 31 23:59:59",
        "Jan  1 00:00:01",
        "Dec 31 23:59:59",
        "Jan 1 00:00:02",
        "Dec 31 23:59:58",
        "Jan 2 10:00:00",
    ];
    let intake = read(&lines, &[], Some("2026-01-02T08:00:00Z"));
    assert_eq!(days(&intake), pair("2025-12-31", "2026-01-02"));
}

#[test]
fn a_line_longer_than_a_block_counts_once() {
    let long = format!("Dec 31 08:00:00 {}", "x".repeat(3 << 20));
    let intake = read(&["Dec 30 08:00:00", &long, "Jan  1 08:00:00", "Jan  2 08:00:00"], &["2026"], None);
    let source = &intake.sources[0];
    assert_eq!(source.first.unwrap().to_string().get(..10), Some("2025-12-30"));
    assert_eq!(source.last.unwrap().to_string().get(..10), Some("2026-01-02"));
}

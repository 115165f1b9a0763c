//! Takes in the paths it is given and prints how much there was: for timing the intake from outside
//! (`docs/benchmarks.md`).
//!
//! `cargo build --release --bench throughput`, then the program that this names, with PATH...

#![expect(clippy::print_stdout, reason = "a program")]

use std::path::PathBuf;

use coincident::intake::{Options, take_in};
use coincident::model::Conversation;

fn main() {
    // `cargo bench` says --bench; without paths there is nothing to do.
    let paths: Vec<PathBuf> = std::env::args_os().skip(1).filter(|arg| arg != "--bench").map(PathBuf::from).collect();
    let intake = take_in(&paths, &Options::default());
    for source in &intake.sources {
        println!(
            "{}: {}, {} bytes, {} records, {} unread",
            source.path,
            source.format.unwrap_or("unknown"),
            source.bytes,
            source.records,
            source.unread
        );
    }
    let facts = &intake.facts;
    let ports = |conversation: &Conversation| conversation.segments.iter().map(|segment| segment.starts.len()).sum();
    let conversations = || intake.conversations.iter();
    println!(
        "{} conversations in {} segments with {} source ports, {} names looked up, {} names spoken, {} requests, {} ssh, {} mining, {} steps, {} anomalies",
        intake.conversations.len(),
        conversations().map(|conversation| conversation.segments.len()).sum::<usize>(),
        conversations().map(|conversation| -> usize { ports(&conversation) }).sum::<usize>(),
        facts.dns.len(),
        facts.names.len(),
        facts.http.len(),
        facts.ssh.len(),
        facts.mining.len(),
        intake.steps.len(),
        intake.anomalies.len()
    );
}

use std::path::Path;

use super::*;
use crate::intake::{Intake, Options, take_in};

fn read(memory: Memory) -> (Intake, Arc<Memory>) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/incidents/intruder/evidence");
    let memory = Arc::new(memory);
    let intake = take_in(&[folder], &Options { memory: Arc::clone(&memory), ..Options::default() });
    (intake, memory)
}

fn told(intake: &Intake) -> String {
    let outputs: Vec<_> = (0..intake.steps.len()).map(|step| intake.output(step)).collect();
    let texts: Vec<_> = intake.texts.iter().map(|(_, text)| text.text()).collect();
    format!("{:?} {:?} {:?} {outputs:?} {texts:?}", intake.conversations, intake.facts, intake.anomalies)
}

#[test]
fn a_disk_that_is_full_loses_nothing() {
    let (whole, unbounded) = read(Memory::default());
    assert_eq!((unbounded.shelved(), unbounded.excess(&whole)), (0, None));
    let (aside, memory) = read(Memory::of(1));
    assert!(memory.shelved() > 0);
    let full = Memory::of(1);
    // Whoever writes to it gets an error.
    let nothing = tempfile::NamedTempFile::new().unwrap();
    *full.shelf.lock().unwrap() = Some(File::open(nothing.path()).unwrap());
    let (here, full) = read(full);
    assert_eq!((full.shelved(), full.failure()), (0, None));
    assert!(told(&aside) == told(&whole) && told(&here) == told(&whole));
    // What could not be laid aside counts.
    let (less, more) = (memory.excess(&aside).unwrap(), full.excess(&here).unwrap());
    assert!(less.bytes < more.bytes && less.connections == more.connections, "{less:?} {more:?}");
}

#[test]
fn connections_count_and_not_conversations() {
    let (intake, memory) = read(Memory::of(1));
    let starts = |conversation: Held<'_, crate::model::Conversation>| -> usize {
        conversation.segments.iter().map(|segment| segment.starts.len().max(1)).sum()
    };
    let connections: usize = intake.conversations.iter().map(starts).sum();
    let excess = memory.excess(&intake).unwrap();
    assert!(connections > intake.conversations.len() && excess.connections == connections as u64);
    // Beside facts and the words of steps.
    assert!(excess.bytes > connections as u64 * 100 + intake.steps.len() as u64 * 900);
    assert_eq!(Memory::of(excess.bytes * 100).excess(&intake), None);
}

//! Every reader on any bytes. The first byte chooses the format by its place in the registry, the rest is the file.

#![no_main]

use coincident::evidence::{EvidenceId, Head, Input};
use coincident::formats::{Collector, registry};
use coincident::time::TimeContext;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Some((first, bytes)) = data.split_first() else { return };
    let Some(format) = registry::FORMATS.get(usize::from(*first) % registry::FORMATS.len()) else { return };
    let head = Head::from_bytes("fuzz", bytes);
    // All formats look at every head, also those that another one will read.
    let candidates = registry::probe(&head);
    assert!(candidates.windows(2).all(|pair| pair[0].matched.rank() >= pair[1].matched.rank()));
    let read = || {
        let mut input = Input::from_bytes("fuzz", bytes.to_vec(), EvidenceId(0));
        let mut found = Collector::default();
        format.read(&mut input, &TimeContext::default(), &mut found).expect("memory can be read");
        found
    };
    let found = read();
    // Debug, because a value that is not a number is unlike itself.
    assert_eq!(format!("{found:?}"), format!("{:?}", read()), "{} read the same bytes differently", format.id());
});

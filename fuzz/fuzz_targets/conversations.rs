//! The protocol readers on any conversation, in the form told at the top of `wrap.rs`.

#![no_main]

#[path = "../wrap.rs"]
mod wrap;

use coincident::evidence::{EvidenceId, Input};
use coincident::formats::{Collector, registry};
use coincident::time::TimeContext;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Some(file) = wrap::capture(data) else { return };
    let format = registry::by_id("pcap").expect("it is registered");
    let read = || {
        let mut input = Input::from_bytes("fuzz", file.clone(), EvidenceId(0));
        let mut found = Collector::default();
        format.read(&mut input, &TimeContext::default(), &mut found).expect("memory can be read");
        found
    };
    let found = read();
    assert_eq!(format!("{found:?}"), format!("{:?}", read()), "the same bytes were read differently");
});

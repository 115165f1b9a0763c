#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| coincident_fuzz::case(data));

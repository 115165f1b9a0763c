#![no_main]

libfuzzer_sys::fuzz_target!(init: coincident_fuzz::let_caught_panics_pass(), |data: &[u8]| coincident_fuzz::containers(data));

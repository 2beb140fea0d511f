//! See [`rampart_fuzz::manifest`].
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| rampart_fuzz::manifest(bytes));

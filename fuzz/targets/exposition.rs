//! See [`rampart_fuzz::exposition`].
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| rampart_fuzz::exposition(bytes));

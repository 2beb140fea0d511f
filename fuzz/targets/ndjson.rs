//! See [`rampart_fuzz::ndjson`].
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| rampart_fuzz::ndjson(bytes));

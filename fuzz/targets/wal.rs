//! See [`rampart_fuzz::wal`].
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| rampart_fuzz::wal(bytes));

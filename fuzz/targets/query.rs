#![no_main]
use image2model::fuzzing::query;
libfuzzer_sys::fuzz_target!(|bytes: &[u8]| query(bytes));

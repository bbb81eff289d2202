#![no_main]
use image2model::fuzzing::options;
libfuzzer_sys::fuzz_target!(|bytes: &[u8]| options(bytes));

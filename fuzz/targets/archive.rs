#![no_main]
use image2model::fuzzing::archive;
libfuzzer_sys::fuzz_target!(|bytes: &[u8]| archive(bytes));

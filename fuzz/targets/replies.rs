#![no_main]
use image2model::fuzzing::replies;
libfuzzer_sys::fuzz_target!(|bytes: &[u8]| replies(bytes));

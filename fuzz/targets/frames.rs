#![no_main]
use image2model::fuzzing::frames;
libfuzzer_sys::fuzz_target!(|bytes: &[u8]| frames(bytes));

#![no_main]
use image2model::fuzzing::picture;
libfuzzer_sys::fuzz_target!(|bytes: &[u8]| picture(bytes));

#![no_main]
use image2model::fuzzing::mesh;
libfuzzer_sys::fuzz_target!(|bytes: &[u8]| mesh(bytes));

#![no_main]
use image2model::fuzzing::links;
libfuzzer_sys::fuzz_target!(|bytes: &[u8]| links(bytes));

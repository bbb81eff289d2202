#![no_main]
use image2model::fuzzing::multipart;
libfuzzer_sys::fuzz_target!(|bytes: &[u8]| multipart(bytes));

#![no_main]
libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz::update::check(data));

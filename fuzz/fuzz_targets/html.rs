#![no_main]

#[path = "../entries.rs"]
#[allow(dead_code)]
mod entries;

libfuzzer_sys::fuzz_target!(init: entries::tolerate(), |data: &[u8]| entries::html(data));

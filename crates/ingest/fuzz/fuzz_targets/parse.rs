//! Any bytes as one record, under every form and both limits.
#![no_main]

use libfuzzer_sys::fuzz_target;

#[path = "../properties.rs"]
#[allow(dead_code, reason = "each target checks one property")]
mod properties;

fuzz_target!(|data: &[u8]| properties::parse(data));

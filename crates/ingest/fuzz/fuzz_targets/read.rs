//! Any bytes as an input of unknown kind: compressed, CSV or Parquet too.
#![no_main]

use libfuzzer_sys::fuzz_target;

#[path = "../properties.rs"]
#[allow(dead_code, reason = "each target checks one property")]
mod properties;

fuzz_target!(|data: &[u8]| properties::read(data));

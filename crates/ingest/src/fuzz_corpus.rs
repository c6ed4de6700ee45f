//! What the fuzz targets check, on their corpus and on random bytes.

use std::path::Path;

use proptest::prelude::*;

use properties::{frame, parse, read};

#[path = "../fuzz/properties.rs"]
#[allow(clippy::unwrap_used, unreachable_pub, reason = "shared with the fuzz targets, which need it public")]
mod properties;

fn run_corpus(name: &str, run: fn(&[u8])) {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(name);
    let mut count = 0;
    for entry in std::fs::read_dir(directory).unwrap() {
        run(&std::fs::read(entry.unwrap().path()).unwrap());
        count += 1;
    }
    assert!(count >= 10, "the corpus of {name} is gone");
}

#[test]
fn the_corpora_hold() {
    for name in ["parse", "frame", "read"] {
        for run in [parse, frame, read] {
            run_corpus(name, run);
        }
    }
}

proptest! {
    #[test]
    fn any_bytes_hold(data in prop::collection::vec(any::<u8>(), 0..300)) {
        parse(&data);
        frame(&data);
        read(&data);
    }
}

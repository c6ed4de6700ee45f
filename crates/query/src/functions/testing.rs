//! Events of a user as a line of text, for tests.

use super::record::Record;

/// `"1a 2bc 3-"`: at 1 an event that meets condition 0, at 2 one that meets 1 and 2, at 3 one that
/// meets none.
pub(super) fn records(text: &str) -> Vec<Record<u64>> {
    let record = |word: &str| {
        let (time, letters) = word.split_at(word.find(|c: char| !c.is_ascii_digit()).unwrap());
        let conditions =
            letters.trim_matches('-').bytes().fold(0, |mask, letter| mask | 1 << (letter - b'a'));
        Record { time: time.parse().unwrap(), conditions }
    };
    text.split_whitespace().map(record).collect()
}

//! Every object path of a dataset, built and parsed in one place.
//!
//! ```text
//! events/day=2024-02-29/<uuid>.parquet      data files
//! people/<uuid>.parquet                     people log
//! definitions/<uuid>.parquet                tables that belong to definitions
//! _tallymark/manifest/<version>.json.zst    commits, 20 digits
//! _tallymark/wal/<number>.wal               acknowledged records, 20 digits
//! _tallymark/writer.lease                   who may write (object stores)
//! _tallymark/writer.lock                    who may write (local directories)
//! ```
//!
//! All are relative to the dataset.

use tallymark_event::Day;
use uuid::Uuid;

/// The directory of all data files.
pub const EVENTS_DIR: &str = "events";
/// The directory of the people log.
pub const PEOPLE_DIR: &str = "people";
/// The directory of the tables that belong to definitions.
pub const DEFINITIONS_DIR: &str = "definitions";
/// The directory of all that is not data.
pub const STATE_DIR: &str = "_tallymark";
/// The directory of manifests.
pub const MANIFEST_DIR: &str = "_tallymark/manifest";
/// The directory of the write-ahead log.
pub const WAL_DIR: &str = "_tallymark/wal";
/// The lease object of stores without file locks.
pub const LEASE: &str = "_tallymark/writer.lease";
/// The locked file of local directories.
pub const LOCK: &str = "_tallymark/writer.lock";

/// What an object of a dataset is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ObjectKind {
    /// A data file of that day.
    Data(Day),
    /// A file of the people log.
    People,
    /// A table that belongs to a definition.
    Definition,
    /// The manifest of that version.
    Manifest(u64),
    /// The write-ahead log entry of that number.
    Wal(u64),
    /// The lease or the lock.
    Writer,
}

/// The path of a new data file. Names made later sort later.
pub fn new_data_file(day: Day) -> String {
    format!("{EVENTS_DIR}/day={day}/{}.parquet", Uuid::now_v7())
}

/// The path of a new file of the people log. Names made later sort later.
pub fn new_people_file() -> String {
    format!("{PEOPLE_DIR}/{}.parquet", Uuid::now_v7())
}

/// The path of a new table of a definition. Names made later sort later.
pub fn new_definition_file() -> String {
    format!("{DEFINITIONS_DIR}/{}.parquet", Uuid::now_v7())
}

/// The path of the manifest of a version.
pub fn manifest(version: u64) -> String {
    format!("{MANIFEST_DIR}/{version:020}.json.zst")
}

/// The path of a write-ahead log entry.
pub fn wal(number: u64) -> String {
    format!("{WAL_DIR}/{number:020}.wal")
}

/// What the object at `path` (relative to the dataset) is; `None` for what is not ours.
pub fn parse(path: &str) -> Option<ObjectKind> {
    if path == LEASE || path == LOCK {
        return Some(ObjectKind::Writer);
    }
    let (dir, name) = path.rsplit_once('/')?;
    match dir {
        PEOPLE_DIR => is_data_name(name).then_some(ObjectKind::People),
        DEFINITIONS_DIR => is_data_name(name).then_some(ObjectKind::Definition),
        MANIFEST_DIR => number(name.strip_suffix(".json.zst")?).map(ObjectKind::Manifest),
        WAL_DIR => number(name.strip_suffix(".wal")?).map(ObjectKind::Wal),
        _ => {
            let text = dir.strip_prefix(EVENTS_DIR)?.strip_prefix("/day=")?;
            let day = text.parse::<Day>().ok()?;
            (day.to_string() == text && is_data_name(name)).then_some(ObjectKind::Data(day))
        }
    }
}

fn is_data_name(name: &str) -> bool {
    name.strip_suffix(".parquet").is_some_and(|id| Uuid::try_parse(id).is_ok())
}

fn number(digits: &str) -> Option<u64> {
    (digits.len() == 20 && digits.bytes().all(|byte| byte.is_ascii_digit())).then(|| digits.parse().ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_parsed_as_what_it_was_built_as() {
        let day: Day = "2024-02-29".parse().unwrap();
        let check = |path: &str, kind: ObjectKind| assert_eq!(parse(path), Some(kind), "{path}");
        check(&new_data_file(day), ObjectKind::Data(day));
        check(&new_people_file(), ObjectKind::People);
        check(&new_definition_file(), ObjectKind::Definition);
        check(&manifest(7), ObjectKind::Manifest(7));
        check(&manifest(u64::MAX), ObjectKind::Manifest(u64::MAX));
        check(&wal(0), ObjectKind::Wal(0));
        check(LEASE, ObjectKind::Writer);
        check(LOCK, ObjectKind::Writer);
    }

    #[test]
    fn a_day_outside_four_digit_years_has_a_path_that_parses() {
        for days in [-719_162, 2_932_896] {
            let day = Day::from_days(days);
            assert_eq!(parse(&new_data_file(day)), Some(ObjectKind::Data(day)), "{day}");
        }
    }

    #[test]
    fn what_is_not_ours_is_told_apart() {
        for path in [
            "",
            "events",
            "events/day=2024-02-29/mine.parquet",
            "events/day=2024-2-29/01890a5d-ac96-774b-bcce-b302099a8057.parquet",
            "events/day=2024-02-29/01890a5d-ac96-774b-bcce-b302099a8057.parquet#1",
            "_tallymark/manifest/7.json.zst",
            "_tallymark/manifest/99999999999999999999.json.zst",
            "_tallymark/wal/+0000000000000000001.wal",
            "people/deep/01890a5d-ac96-774b-bcce-b302099a8057.parquet",
        ] {
            assert_eq!(parse(path), None, "{path}");
        }
    }

    #[test]
    fn later_versions_sort_later() {
        assert!(manifest(9) < manifest(10));
    }
}

//! The manifest: what is visible, written once a commit.
//!
//! A manifest is one object, `_tallymark/manifest/<version>.json.zst`, put only where none of its
//! number is. The one with the greatest number is the dataset; those before it are its retained
//! snapshots. It is JSON, so that people can read it, and carries its own checksum.
//!
//! One at the end that breaks off was put by a writer that was cut short, and acknowledged to
//! nobody: it is passed over. Any other damage is an error.

mod codec;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use tallymark_event::{Day, LaneId, PropertyCatalog, Timestamp};
use tallymark_users::IdentitySystem;

use crate::paths::{self, ObjectKind};

pub(crate) use codec::{decode, encode, writer_of};

/// The format written here; readers accept it and all before.
pub const FORMAT_VERSION: u32 = 1;

/// One commit: the whole visible state of a dataset at rest.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Manifest {
    /// [`FORMAT_VERSION`] of the program that wrote it.
    pub format_version: u32,
    /// The number of the commit; grows by one.
    pub version: u64,
    /// When it was committed. Never before that of an earlier version.
    pub created_at: Timestamp,
    /// What was settled when the dataset was made.
    pub settings: DatasetSettings,
    /// The sequence the next event or people entry gets.
    pub next_sequence: i64,
    /// Entries of the write-ahead log below this number are in files.
    pub wal_flushed: u64,
    /// Which other entries of the write-ahead log count.
    pub fence: WalFence,
    /// Every property and its columns.
    pub catalog: PropertyCatalog,
    /// Snapshots before this version have data that was erased since: they are no longer offered,
    /// however recent, and the next cleanup deletes what only they have.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub erased_before: u64,
    /// The visible data files, sorted by (day, path).
    pub files: Vec<DataFile>,
    /// The people log, in order of ingestion.
    pub people: Vec<LogFile>,
    /// Parquet kept elsewhere that is read as events, by name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub attachments: BTreeMap<String, Attachment>,
    /// What was saved by name: cohorts, reports and so on.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub definitions: Definitions,
}

/// What was saved, by kind (`cohort`, `report` and so on), then by name.
pub type Definitions = BTreeMap<String, BTreeMap<String, Definition>>;

impl Manifest {
    /// The visible data file of that path; takes time logarithmic in their number.
    pub fn file(&self, path: &str) -> Option<&DataFile> {
        let Some(ObjectKind::Data(day)) = paths::parse(path) else { return None };
        let files = self.files_of(day);
        let found = files.binary_search_by(|file| file.path.as_str().cmp(path)).ok()?;
        Some(&files[found])
    }

    /// The files that belong to definitions.
    pub fn definition_files(&self) -> impl Iterator<Item = &DefinitionFile> {
        self.definitions.values().flat_map(BTreeMap::values).filter_map(|definition| definition.file.as_ref())
    }

    /// The visible data files of a day; takes time logarithmic in the number of all.
    pub fn files_of(&self, day: Day) -> &[DataFile] {
        let from = self.files.partition_point(|file| file.day < day);
        let files = &self.files[from..];
        &files[..files.partition_point(|file| file.day == day)]
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks for it")]
fn is_zero(number: &u64) -> bool {
    *number == 0
}

/// Tells acknowledged entries of the write-ahead log from those that were never acknowledged: left
/// by a failed put, or put by a writer that had lost its lease. See [`crate::wal`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct WalFence {
    /// Grows whenever a writer takes over from another one that may still be alive.
    pub epoch: u64,
    /// The last acknowledged entry at this commit, if any is not flushed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub acknowledged: Option<u64>,
    /// The number the next entry gets. Those from `acknowledged` to here do not count, and from
    /// here on only those of this epoch or later ones.
    pub next: u64,
}

/// What is settled when a dataset is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct DatasetSettings {
    /// How ids are resolved to users.
    pub identity: IdentitySystem,
}

/// What is known of one Parquet file of events without opening it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DataFile {
    /// Its path relative to the dataset: `events/day=YYYY-MM-DD/<uuid>.parquet`.
    pub path: String,
    /// The UTC day all its events lie in.
    pub day: Day,
    /// How many events it has.
    pub rows: u64,
    /// How many bytes it has.
    pub bytes: u64,
    /// The first time in it.
    pub min_time: Timestamp,
    /// The last time in it.
    pub max_time: Timestamp,
    /// The first `user_id` in byte order as stored; `None` if all rows are nobody's.
    pub min_user: Option<String>,
    /// The last `user_id` in byte order as stored; `None` if all rows are nobody's.
    pub max_user: Option<String>,
    /// Rows without a user (G-12).
    pub nobody_rows: u64,
    /// How many different `user_id`s are stored, nobody not counted.
    pub distinct_users: u64,
    /// Rows with an `insert_id` (D-11).
    pub keyed_rows: u64,
    /// Rows per event name, sorted by name.
    pub events: Vec<EventCount>,
    /// Values per lane the file has, sorted by lane.
    pub lanes: Vec<LaneCount>,
    /// The smallest sequence in it.
    pub min_sequence: i64,
    /// The greatest sequence in it.
    pub max_sequence: i64,
    /// [`tallymark_users::Identities::version`] when `user_id` was resolved: while it is the
    /// present one, the stored `user_id` is the present user.
    pub identity_version: u64,
}

/// How many rows of a file are events of one name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EventCount {
    /// The event's name.
    pub name: String,
    /// Rows; at least one.
    pub rows: u64,
}

/// How many values a file has in one lane.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct LaneCount {
    /// The lane.
    pub lane: LaneId,
    /// Rows that are not null.
    pub rows: u64,
}

/// One Parquet file of the people log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogFile {
    /// Its path relative to the dataset: `people/<uuid>.parquet`.
    pub path: String,
    /// How many entries it has.
    pub rows: u64,
    /// How many bytes it has.
    pub bytes: u64,
    /// The sequence of its first entry.
    pub min_sequence: i64,
    /// The sequence of its last entry.
    pub max_sequence: i64,
}

/// Something saved under a name. What it says is nothing to this crate.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Definition {
    /// When it was saved last.
    pub saved_at: Timestamp,
    /// What was saved.
    pub json: serde_json::Value,
    /// The table that belongs to it, if it is too large for JSON.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<DefinitionFile>,
}

/// A Parquet file that belongs to a definition. What is in it is nothing to this crate.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DefinitionFile {
    /// Its path relative to the dataset: `definitions/<uuid>.parquet`.
    pub path: String,
    /// How many rows it has.
    pub rows: u64,
    /// How many bytes it has.
    pub bytes: u64,
}

/// Parquet kept elsewhere that is read as events.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attachment {
    /// The file, or the directory with a slash at its end.
    pub url: String,
    /// The column with the event's name; `None` if every row is an event of the attachment's name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub event_column: Option<String>,
    /// The column with the time.
    pub time_column: String,
    /// The column with the user; `None` if the events are nobody's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user_column: Option<String>,
    /// What an integer time counts: `s`, `ms`, `us` or `ns`; `None` for time-typed columns.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time_unit: Option<String>,
}

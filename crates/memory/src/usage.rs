//! What is resident and what it costs; what something would cost.

use serde::Serialize;
use tallymark_event::Day;

/// What it takes to have some columns of some days in memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct Estimate {
    /// Rows of the days.
    pub rows: u64,
    /// Bytes of what is resident already.
    pub resident_bytes: u64,
    /// Bytes of what is not, estimated from what the manifest says.
    pub missing_bytes: u64,
}

/// What is resident of a dataset.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct MemoryUsage {
    /// What may be resident at most.
    pub budget_bytes: u64,
    /// What is: the directory, the segments with their columns, columns of profiles.
    pub used_bytes: u64,
    /// Users in the directory.
    pub users: u64,
    /// Bytes of the directory.
    pub directory_bytes: u64,
    /// The segments by day, ascending; of one day several where queries use different snapshots.
    pub segments: Vec<SegmentUsage>,
    /// Columns of the users' profiles.
    pub profile_columns: Vec<ProfileColumnUsage>,
    /// How often a segment or column was resident when it was asked for.
    pub hits: u64,
    /// How often it had to be made.
    pub loads: u64,
    /// Bytes read from storage for that.
    pub loaded_bytes: u64,
    /// How many segments and columns had to give way to others.
    pub evictions: u64,
}

/// A segment that is resident.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SegmentUsage {
    /// Its day.
    pub day: Day,
    /// Its rows.
    pub rows: u64,
    /// The users that have rows in it.
    pub users: u64,
    /// Bytes of who has which rows.
    pub user_bytes: u64,
    /// Bytes of the times.
    pub time_bytes: u64,
    /// Bytes of where each row comes from; 0 where the rows are those of one file.
    pub order_bytes: u64,
    /// The columns: event names first, then the others by name.
    pub columns: Vec<ColumnUsage>,
}

impl SegmentUsage {
    /// Bytes of users, times and event names per row: what every question needs.
    pub fn core_bytes_per_row(&self) -> f64 {
        let events = self.columns.first().map_or(0, |events| events.bytes);
        (self.user_bytes + self.time_bytes + self.order_bytes + events) as f64 / self.rows as f64
    }
}

/// A column that is resident.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ColumnUsage {
    /// Its name in the catalog.
    pub column: String,
    /// Its bytes.
    pub bytes: u64,
    /// How it is held.
    pub encoding: Encoding,
}

/// How a column is held.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum Encoding {
    /// One number per row that says which of the distinct values it has.
    Dictionary {
        /// Bytes of the number.
        key_bytes: u8,
        /// How many distinct values there are.
        values: u64,
    },
    /// Values as Arrow holds them.
    Plain,
}

/// A column of the users' profiles that is resident.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ProfileColumnUsage {
    /// The property.
    pub property: String,
    /// Its bytes.
    pub bytes: u64,
}

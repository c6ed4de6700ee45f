//! What is resident and what it costs; what something would cost.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use arrow::array::{Array, AsArray};
use arrow::datatypes::DataType;
use serde::Serialize;
use tallymark_event::columns::EVENT;
use tallymark_event::{Day, LaneKind};
use tallymark_storage::{DataFile, Snapshot};

use crate::attached::AttachedFiles;
use crate::column::Column;
use crate::resident::Inner;
use crate::source::SourceKey;
use crate::sparse::is_sparse;
use crate::{ColumnId, Segment, SegmentColumn};

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
    /// The same of each attached dataset that has something in memory, by name. Their bytes are among
    /// `used_bytes`, their counts among those below.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub attached: Vec<AttachedUsage>,
    /// How often a segment or column was resident when it was asked for.
    pub hits: u64,
    /// How often it had to be made.
    pub loads: u64,
    /// Bytes read from storage for that.
    pub loaded_bytes: u64,
    /// How many segments and columns had to give way to others.
    pub evictions: u64,
}

/// What is resident of an attached dataset.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct AttachedUsage {
    /// Its name.
    pub name: String,
    /// What is resident of it.
    #[serde(flatten)]
    pub usage: MemoryUsage,
}

impl MemoryUsage {
    /// Adds what is resident of an attached dataset.
    pub fn add_attached(&mut self, name: String, usage: Self) {
        self.used_bytes += usage.used_bytes;
        self.hits += usage.hits;
        self.loads += usage.loads;
        self.loaded_bytes += usage.loaded_bytes;
        self.evictions += usage.evictions;
        self.attached.push(AttachedUsage { name, usage });
    }
}

/// A segment that is resident.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SegmentUsage {
    /// Its day.
    pub day: Day,
    /// Its rows.
    pub rows: u64,
    /// The users that have rows in it; 0 where nobody asked for them.
    pub users: u64,
    /// Bytes of who has which rows.
    pub user_bytes: u64,
    /// Bytes of the times; 0 where nobody asked for them.
    pub time_bytes: u64,
    /// Bytes of what further columns are read with: footers of files and, where the rows are not
    /// those of one file in its order, where each comes from.
    pub order_bytes: u64,
    /// Bytes of columns taken over from an earlier segment of the day that nobody asked for since.
    pub inherited_bytes: u64,
    /// The columns: event names first, then the others by name.
    pub columns: Vec<ColumnUsage>,
    /// Bytes of which rows each event name has: made when names are asked for again and there is
    /// room, the first to give way.
    pub rows_by_event_bytes: u64,
}

impl SegmentUsage {
    /// Bytes of users, times and event names per row: what every question needs.
    pub fn core_bytes_per_row(&self) -> f64 {
        let events = self.columns.iter().find(|column| column.column == EVENT);
        let events = events.map_or(0, |events| events.bytes);
        (self.user_bytes + self.time_bytes + self.order_bytes + events + self.rows_by_event_bytes) as f64
            / self.rows as f64
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
    /// The values, or numbers that say which, of those rows that have one, and which rows they are.
    Sparse {
        /// How many have one.
        values: u64,
    },
}

/// A column of the users' profiles that is resident.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ProfileColumnUsage {
    /// The property.
    pub property: String,
    /// Its bytes.
    pub bytes: u64,
}

/// What is resident now.
pub(crate) fn usage(cache: &Inner) -> MemoryUsage {
    let state = cache.state();
    let profile_columns = state
        .profile_columns
        .iter()
        .filter(|slot| slot.bytes() > 0)
        .map(|slot| ProfileColumnUsage { property: slot.property.clone(), bytes: slot.bytes() as u64 });
    MemoryUsage {
        budget_bytes: cache.budget.bytes as u64,
        used_bytes: state.bytes() as u64,
        users: state.users.len() as u64,
        directory_bytes: state.users.bytes() as u64,
        segments: state.all().map(|entry| segment_usage(&entry.segment)).collect(),
        profile_columns: profile_columns.collect(),
        attached: Vec::new(),
        hits: cache.counters.hits.load(Ordering::Relaxed),
        loads: cache.counters.loads.load(Ordering::Relaxed),
        loaded_bytes: cache.counters.loaded_bytes.load(Ordering::Relaxed),
        evictions: cache.counters.evictions.load(Ordering::Relaxed),
    }
}

fn segment_usage(segment: &Segment) -> SegmentUsage {
    let core = &segment.core;
    let resident = core.columns.resident();
    let (events, others): (Vec<_>, Vec<_>) = resident.iter().partition(|column| column.name == EVENT);
    let columns = events.into_iter().chain(others);
    SegmentUsage {
        day: core.day,
        rows: segment.row_count() as u64,
        users: segment.users().len() as u64,
        user_bytes: (segment.users().len() * 4 + core.start_bytes()) as u64,
        time_bytes: core.time_bytes() as u64,
        order_bytes: core.order_bytes() as u64,
        inherited_bytes: core.columns.inherited_bytes() as u64,
        columns: columns.map(|column| column_usage(&column.name, &column.values)).collect(),
        rows_by_event_bytes: core.columns.rows_by_event_bytes() as u64,
    }
}

fn column_usage(name: &str, column: &SegmentColumn) -> ColumnUsage {
    let encoding = match column {
        SegmentColumn::Sparse(sparse) => Encoding::Sparse { values: sparse.values().len() as u64 },
        SegmentColumn::Dense(array) => match (array.data_type(), array.as_any_dictionary_opt()) {
            (DataType::Dictionary(key, _), Some(dictionary)) => Encoding::Dictionary {
                key_bytes: key.primitive_width().unwrap_or_default() as u8,
                values: dictionary.values().len() as u64,
            },
            _ => Encoding::Plain,
        },
    };
    ColumnUsage { column: name.to_owned(), bytes: column.bytes() as u64, encoding }
}

/// What it would take to have these columns of these days.
pub(crate) fn estimate(
    cache: &Inner,
    attached: Option<&AttachedFiles>,
    snapshot: &Snapshot,
    days: Option<&BTreeSet<Day>>,
    columns: &[ColumnId],
) -> Estimate {
    let is_wanted = |day: &Day| days.is_none_or(|days| days.contains(day));
    let columns: Vec<Column> = columns.iter().map(|id| cache.column(*id, &snapshot.catalog)).collect();
    let mut by_day: BTreeMap<Day, (Vec<&DataFile>, u64)> = BTreeMap::new();
    for file in snapshot.manifest.files.iter().filter(|file| is_wanted(&file.day)) {
        by_day.entry(file.day).or_default().0.push(file);
    }
    for (day, rows) in cache.memtable.sources(snapshot) {
        if is_wanted(&day) {
            by_day.entry(day).or_default().1 += rows.iter().map(|rows| rows.len() as u64).sum::<u64>();
        }
    }
    let mut resident: BTreeMap<Day, Arc<Segment>> = BTreeMap::new();
    for entry in cache.state().all() {
        resident.insert(entry.segment.day(), Arc::clone(&entry.segment));
    }
    let mut estimate = Estimate::default();
    for (day, (files, memtable_rows)) in &by_day {
        let rows = files.iter().map(|file| file.rows).sum::<u64>() + memtable_rows;
        estimate.rows += rows;
        // A segment of nearly the same sources is soon made into the one that is wanted.
        let segment = resident.get(day).filter(|segment| {
            let has = |file: &&DataFile| {
                segment.core.sources.iter().any(|source| source.key() == SourceKey::File(&file.path))
            };
            files.iter().all(has)
        });
        estimate.resident_bytes += segment.map_or(0, |segment| segment.bytes()) as u64;
        // Rows of several sources have no order without users.
        let in_order = attached.is_none() && files.len() == 1 && *memtable_rows == 0;
        if (columns.iter().any(|column| column.id == ColumnId::USER_ID) || !in_order)
            && !segment.is_some_and(|segment| segment.has_users())
        {
            estimate.missing_bytes += user_bytes(files, *memtable_rows);
            if attached.is_some() {
                // Where the rows lie in their files, and times, which order takes.
                estimate.missing_bytes += rows * 8;
            }
        }
        if columns.iter().any(|column| column.id == ColumnId::TIME)
            && segment.is_none_or(|segment| segment.times().is_empty())
        {
            estimate.missing_bytes += rows * 4;
        }
        let loaded = segment.map(|segment| segment.core.columns.resident()).unwrap_or_default();
        for column in &columns {
            match loaded.iter().find(|known| known.name == column.name) {
                Some(known) => estimate.resident_bytes += known.values.bytes() as u64,
                None => {
                    estimate.missing_bytes += match attached {
                        Some(attached) => attached.column_bytes(column, files, rows),
                        None => column_bytes(column, files, rows),
                    }
                }
            }
        }
    }
    estimate
}

/// About how many bytes it takes to say whose the rows are, and to have them in order.
fn user_bytes(files: &[&DataFile], memtable_rows: u64) -> u64 {
    let users: u64 = files.iter().map(|file| file.distinct_users).sum();
    let rows = files.iter().map(|file| file.rows).sum::<u64>();
    let order_bytes = if files.len() > 1 || memtable_rows > 0 { 4 } else { 0 };
    memtable_rows * 8 + users * 8 + (rows + memtable_rows) * order_bytes
}

/// Bytes of the number of an event name.
fn name_bytes(files: &[&DataFile]) -> u64 {
    match files.iter().map(|file| file.events.len()).max().unwrap_or_default() {
        0..=0x100 => 1,
        0x101..=0x1_0000 => 2,
        _ => 4,
    }
}

/// About how many bytes a column takes. What its text is like is not known before it is read.
fn column_bytes(column: &Column, files: &[&DataFile], rows: u64) -> u64 {
    /// A long id with its view.
    const TEXT_BYTES: u64 = 16 + 36;
    /// An item of a list.
    const ITEM_BYTES: u64 = 16;
    let distinct_users: u64 = files.iter().map(|file| file.distinct_users).sum();
    let keyed_rows: u64 = files.iter().map(|file| file.keyed_rows).sum();
    let lane_rows: u64 = match column.id {
        ColumnId::Lane(lane) => {
            let counts = files.iter().flat_map(|file| &file.lanes).filter(|count| count.lane == lane);
            counts.map(|count| count.rows).sum()
        }
        ColumnId::System(_) => 0,
    };
    match (column.id, column.kind) {
        (ColumnId::TIME | ColumnId::USER_ID, _) => 0,
        (ColumnId::EVENT, _) => rows * name_bytes(files),
        (ColumnId::System(5), _) => rows * 16 + keyed_rows * 36,
        (ColumnId::System(_), _) if column.data_type == DataType::Utf8View => {
            rows * 4 + distinct_users * TEXT_BYTES
        }
        (ColumnId::System(_), _) => rows * 8,
        (ColumnId::Lane(_), Some(LaneKind::String)) if is_sparse(lane_rows, rows) => lane_rows * 6,
        (ColumnId::Lane(_), Some(LaneKind::String)) => rows * 2,
        (ColumnId::Lane(_), Some(LaneKind::Json)) => rows * 4 + lane_rows * TEXT_BYTES,
        (ColumnId::Lane(_), Some(kind)) if kind.is_list() => {
            lane_rows * ITEM_BYTES + if is_sparse(lane_rows, rows) { lane_rows * 8 } else { rows * 4 }
        }
        (ColumnId::Lane(_), Some(LaneKind::Bool | LaneKind::Null)) => rows / 4,
        (ColumnId::Lane(_), _) if is_sparse(lane_rows, rows) => lane_rows * 12,
        (ColumnId::Lane(_), _) => rows * 8 + rows / 8,
    }
}

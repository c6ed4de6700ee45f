//! Which files a query needs, decided from the manifest before any file is opened.

use std::collections::HashSet;
use std::sync::Arc;

use arrow::array::{
    ArrayRef, BooleanArray, Date32Array, Int64Array, StringViewArray, TimestampMillisecondArray, UInt64Array,
};
use datafusion::common::pruning::PruningStatistics;
use datafusion::common::{Column, ScalarValue};
use tallymark_event::LaneId;
use tallymark_event::columns::{DAY, EVENT, SEQUENCE, TIME, USER_ID};
use tallymark_storage::DataFile;

use super::derived::DerivedTime;
use super::{EventColumn, EventsTable};

/// What the manifest knows of the columns of some files.
pub(super) struct ManifestStatistics<'a> {
    pub(super) table: &'a EventsTable,
    pub(super) derived: &'a [DerivedTime],
    pub(super) files: &'a [&'a DataFile],
    /// Whether the stored `user_id` is the present one.
    pub(super) users_current: bool,
}

impl ManifestStatistics<'_> {
    fn of_files<T>(&self, value: impl Fn(&DataFile) -> T) -> impl Iterator<Item = T> {
        self.files.iter().map(move |file| value(file))
    }

    /// A column, if something is known of it: of attached files days, times and users are.
    fn known(&self, column: &Column) -> Option<EventColumn> {
        let is_known = self.table.attached.is_none() || [DAY, TIME, USER_ID].contains(&column.name.as_str());
        self.table.column(&column.name).filter(|_| is_known)
    }

    fn times(&self, greatest: bool) -> ArrayRef {
        let times = self.of_files(|file| if greatest { file.max_time } else { file.min_time }.millis());
        Arc::new(TimestampMillisecondArray::from_iter_values(times).with_timezone("UTC"))
    }

    fn bounds(&self, column: &Column, bound: Bound) -> Option<ArrayRef> {
        let greatest = matches!(bound, Bound::Max);
        if let Some(derived) = self.derived.iter().find(|derived| derived.field.name() == &column.name) {
            return derived.of_times(self.times(greatest)).ok();
        }
        Some(match self.known(column)? {
            EventColumn::Day => {
                Arc::new(self.of_files(|file| Some(file.day.days())).collect::<Date32Array>())
            }
            EventColumn::Lane(_) => return None,
            EventColumn::System(_) => match column.name.as_str() {
                EVENT => Arc::new(
                    self.of_files(|file| {
                        let count = if greatest { file.events.last() } else { file.events.first() };
                        count.map(|count| count.name.clone())
                    })
                    .collect::<StringViewArray>(),
                ),
                TIME => self.times(greatest),
                USER_ID if self.users_current => Arc::new(
                    self.of_files(
                        |file| if greatest { file.max_user.clone() } else { file.min_user.clone() },
                    )
                    .collect::<StringViewArray>(),
                ),
                SEQUENCE => Arc::new(
                    self.of_files(|file| Some(if greatest { file.max_sequence } else { file.min_sequence }))
                        .collect::<Int64Array>(),
                ),
                _ => return None,
            },
        })
    }
}

#[derive(Clone, Copy)]
enum Bound {
    Min,
    Max,
}

impl PruningStatistics for ManifestStatistics<'_> {
    fn min_values(&self, column: &Column) -> Option<ArrayRef> {
        self.bounds(column, Bound::Min)
    }

    fn max_values(&self, column: &Column) -> Option<ArrayRef> {
        self.bounds(column, Bound::Max)
    }

    fn num_containers(&self) -> usize {
        self.files.len()
    }

    fn null_counts(&self, column: &Column) -> Option<ArrayRef> {
        let column = self.known(column)?;
        Some(Arc::new(self.of_files(|file| null_count(file, column)).collect::<UInt64Array>()))
    }

    fn row_counts(&self) -> Option<ArrayRef> {
        Some(Arc::new(self.of_files(|file| Some(file.rows)).collect::<UInt64Array>()))
    }

    fn contained(&self, column: &Column, values: &HashSet<ScalarValue>) -> Option<BooleanArray> {
        match (self.known(column)?, column.name.as_str()) {
            (EventColumn::System(_), EVENT) => {
                let names: HashSet<&str> = values.iter().filter_map(literal_text).collect();
                let contained = |file: &DataFile| {
                    let hits = file.events.iter().filter(|event| names.contains(event.name.as_str())).count();
                    match hits {
                        0 => Some(false),
                        all if all == file.events.len() => Some(true),
                        _ => None,
                    }
                };
                Some(self.of_files(contained).collect())
            }
            _ => None,
        }
    }
}

/// The text of a literal of any string type.
pub(super) fn literal_text(value: &ScalarValue) -> Option<&str> {
    value.try_as_str().flatten()
}

/// Rows of a file without a value in a column, as far as the manifest says.
pub(super) fn null_count(file: &DataFile, column: EventColumn) -> Option<u64> {
    match column {
        EventColumn::Day => Some(0),
        EventColumn::Lane(lane) => Some(file.rows - lane_rows(file, lane).min(file.rows)),
        EventColumn::System(position) => match SystemColumn::at(position) {
            SystemColumn::NeverNull => Some(0),
            SystemColumn::User => Some(file.nobody_rows),
            SystemColumn::Insert => Some(file.rows - file.keyed_rows.min(file.rows)),
            SystemColumn::Unknown => None,
        },
    }
}

/// Rows of a file with a value in a lane.
pub(super) fn lane_rows(file: &DataFile, lane: LaneId) -> u64 {
    match file.lanes.binary_search_by_key(&lane, |count| count.lane) {
        Ok(at) => file.lanes[at].rows,
        Err(_) => 0,
    }
}

enum SystemColumn {
    NeverNull,
    User,
    Insert,
    Unknown,
}

impl SystemColumn {
    fn at(position: usize) -> Self {
        let field = &tallymark_event::columns::system_fields()[position];
        match field.name().as_str() {
            USER_ID => Self::User,
            tallymark_event::columns::INSERT_ID => Self::Insert,
            _ if field.is_nullable() => Self::Unknown,
            _ => Self::NeverNull,
        }
    }
}

//! Partitioned rows → data files, or one batch in memory.

use std::ops::Range;
use std::sync::Arc;

use arrow::array::{Array as _, ArrayRef, RecordBatch};
use arrow::datatypes::Schema;
use bytes::Bytes;
use rayon::prelude::*;
use tallymark_event::{Lane, LaneId, columns};
use tallymark_storage::{DataFile, DataFileWriter, FileSettings, MemBatch};

use crate::Result;
use crate::lanes::{Gather, LaneSource, SYSTEM_COLUMNS};
use crate::partition::DayRows;

/// How many values are gathered at once, over all columns, for days that are written together.
const CELLS_MAX: usize = 8 << 20;

/// Encodes all rows as data files, one or more a day, in parallel.
pub(crate) fn encode(
    gather: &Gather<'_>,
    identity_version: u64,
    settings: &FileSettings,
) -> Result<Vec<(Bytes, DataFile)>> {
    let units = units(&gather.partitioned.days, gather.sources.len(), settings);
    let files: Vec<Vec<(Bytes, DataFile)>> = units
        .par_iter()
        .map(|days| match days {
            [day] => encode_day(gather, day, identity_version, settings),
            days => encode_days(gather, days, identity_version, settings),
        })
        .collect::<Result<_>>()?;
    Ok(files.into_iter().flatten().collect())
}

/// Groups small days, so that the values of many days of few rows are looked up together.
fn units<'d>(days: &'d [DayRows], lanes: usize, settings: &FileSettings) -> Vec<&'d [DayRows]> {
    let rows_max = (CELLS_MAX / (lanes + SYSTEM_COLUMNS)).min(settings.row_group_rows);
    let mut units = Vec::new();
    let mut start = 0;
    for end in 1..=days.len() {
        let rows_with_next = days.get(end).map(|next| next.positions.end - days[start].positions.start);
        if rows_with_next.is_none_or(|rows| rows > rows_max) {
            units.push(&days[start..end]);
            start = end;
        }
    }
    units
}

/// A day of its own: one column of one row group in memory at a time.
fn encode_day(
    gather: &Gather<'_>,
    day: &DayRows,
    identity_version: u64,
    settings: &FileSettings,
) -> Result<Vec<(Bytes, DataFile)>> {
    ranges(day.positions.clone(), settings.rows_max)
        .map(|positions| {
            let rows = gather.rows(&positions);
            let used: Vec<&LaneSource<'_>> =
                gather.sources.iter().filter(|source| gather.is_used(source, &positions, &rows)).collect();
            let mut writer =
                DataFileWriter::try_new(day.day, &lanes(gather, &used), gather.catalog, settings)?;
            for group in ranges(positions, settings.row_group_rows) {
                let rows = gather.rows(&group);
                writer.write_row_group(group.len(), &mut |column| {
                    Ok(match column.checked_sub(SYSTEM_COLUMNS) {
                        None => gather.system_column(column, group.clone()),
                        Some(lane) => gather.lane_column(used[lane], &group, &rows),
                    })
                })?;
            }
            Ok(writer.finish(identity_version)?)
        })
        .collect()
}

/// Several small days: columns of all of them, cut into files.
fn encode_days(
    gather: &Gather<'_>,
    days: &[DayRows],
    identity_version: u64,
    settings: &FileSettings,
) -> Result<Vec<(Bytes, DataFile)>> {
    let positions = days[0].positions.start..days[days.len() - 1].positions.end;
    let rows = gather.rows(&positions);
    let system: Vec<ArrayRef> =
        (0..SYSTEM_COLUMNS).map(|column| gather.system_column(column, positions.clone())).collect();
    let columns: Vec<(&LaneSource<'_>, ArrayRef)> =
        gather.sources.iter().map(|source| (source, gather.lane_column(source, &positions, &rows))).collect();
    days.iter()
        .map(|day| {
            let (offset, len) = (day.positions.start - positions.start, day.positions.len());
            let (used, slices): (Vec<_>, Vec<_>) = columns
                .iter()
                .map(|(source, array)| (*source, array.slice(offset, len)))
                .filter(|(_, array)| array.null_count() < len)
                .unzip();
            let mut writer =
                DataFileWriter::try_new(day.day, &lanes(gather, &used), gather.catalog, settings)?;
            writer.write_row_group(len, &mut |column| {
                Ok(match column.checked_sub(SYSTEM_COLUMNS) {
                    None => system[column].slice(offset, len),
                    Some(lane) => Arc::clone(&slices[lane]),
                })
            })?;
            Ok(writer.finish(identity_version)?)
        })
        .collect()
}

/// All rows as one batch for the memtable.
pub(crate) fn mem_batch(gather: &Gather<'_>, identity_version: u64, last_wal: u64) -> Result<MemBatch> {
    let positions = 0..gather.partitioned.rows.len();
    let rows = gather.rows(&positions);
    let mut fields = columns::system_fields().to_vec();
    let mut arrays: Vec<ArrayRef> =
        (0..SYSTEM_COLUMNS).map(|column| gather.system_column(column, positions.clone())).collect();
    let mut used = Vec::new();
    for source in gather.sources {
        let array = gather.lane_column(source, &positions, &rows);
        if array.null_count() < array.len() {
            fields.push(gather.catalog.lane(source.lane).field());
            arrays.push(array);
            used.push(source.lane);
        }
    }
    let batch = RecordBatch::try_new(Arc::new(Schema::new(fields)), arrays)?;
    Ok(MemBatch { batch, lanes: used, identity_version, last_wal })
}

fn lanes(gather: &Gather<'_>, used: &[&LaneSource<'_>]) -> Vec<(LaneId, Lane)> {
    used.iter().map(|source| (source.lane, gather.catalog.lane(source.lane).clone())).collect()
}

/// Consecutive ranges of at most `len` positions.
fn ranges(positions: Range<usize>, len: usize) -> impl Iterator<Item = Range<usize>> {
    let end = positions.end;
    positions.step_by(len.max(1)).map(move |start| start..end.min(start + len.max(1)))
}

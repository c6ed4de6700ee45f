//! The scan of rows that are acknowledged and not in files yet.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Date32Array, RecordBatch, RecordBatchOptions, new_null_array};
use arrow::compute::{cast, filter_record_batch};
use arrow::datatypes::{DataType, SchemaRef, TimestampMillisecondType};
use datafusion::common::cast::as_string_view_array;
use datafusion::common::{Result, internal_datafusion_err};
use datafusion::datasource::memory::MemorySourceConfig;
use datafusion::datasource::source::DataSourceExec;
use datafusion::physical_plan::ExecutionPlan;
use tallymark_event::columns::{TIME, USER_ID};
use tallymark_event::{Day, LaneId, Timestamp};
use tallymark_storage::MemBatch;

use super::scan::{Scan, accepts};
use super::{EventColumn, day_field};
use crate::identity::canonical_users;

impl Scan<'_> {
    /// The memtable's rows; `None` if there are none.
    pub(super) fn memory(&self) -> Result<Option<Arc<dyn ExecutionPlan>>> {
        let schema = self.output_schema();
        let mut slices = Vec::new();
        let mut nulls = Nulls { rows: self.state.config().batch_size(), columns: HashMap::new() };
        for batch in self.table.snapshot.memtable.iter() {
            self.slices(batch, &schema, &mut nulls, &mut slices)?;
        }
        if slices.is_empty() {
            return Ok(None);
        }
        let mut partitions = vec![Vec::new(); self.state.config().target_partitions().clamp(1, slices.len())];
        let count = partitions.len();
        for (index, slice) in slices.into_iter().enumerate() {
            partitions[index % count].push(slice);
        }
        let source = MemorySourceConfig::try_new(&partitions, schema, None)?;
        Ok(Some(DataSourceExec::from_data_source(source)))
    }

    /// The columns that go out, in slices of at most one batch, so that a column the batch does
    /// not have costs nothing: all slices share one array of nulls per type.
    fn slices(
        &self,
        batch: &MemBatch,
        schema: &SchemaRef,
        nulls: &mut Nulls,
        slices: &mut Vec<RecordBatch>,
    ) -> Result<()> {
        let lanes: HashMap<LaneId, usize> = batch.lanes.iter().copied().zip(0..).collect();
        let mut rows = batch.batch.clone();
        if let Some(filter) = &self.day_filter {
            let wanted = accepts(filter, day_field().as_ref(), days(&rows)?)?;
            rows = filter_record_batch(&rows, &wanted)?;
        }
        let columns = self
            .output
            .iter()
            .map(|at| self.column(*at, batch, &rows, &lanes))
            .collect::<Result<Vec<Option<ArrayRef>>>>()?;
        for offset in (0..rows.num_rows()).step_by(nulls.rows) {
            let length = nulls.rows.min(rows.num_rows() - offset);
            let arrays = columns
                .iter()
                .zip(schema.fields())
                .map(|(column, field)| match column {
                    Some(column) => column.slice(offset, length),
                    None => nulls.of(field.data_type()).slice(0, length),
                })
                .collect();
            let options = RecordBatchOptions::new().with_row_count(Some(length));
            slices.push(RecordBatch::try_new_with_options(Arc::clone(schema), arrays, &options)?);
        }
        Ok(())
    }

    /// One column of the rows; `None` if the batch does not have it.
    fn column(
        &self,
        at: usize,
        batch: &MemBatch,
        rows: &RecordBatch,
        lanes: &HashMap<LaneId, usize>,
    ) -> Result<Option<ArrayRef>> {
        let field = self.table.schema.field(at);
        let array = match self.table.columns[at] {
            EventColumn::Day => days(rows)?,
            EventColumn::Lane(lane) => match lanes.get(&lane) {
                Some(position) => {
                    Arc::clone(rows.column(tallymark_event::columns::SYSTEM_COLUMN_COUNT + position))
                }
                None => return Ok(None),
            },
            EventColumn::System(position) => {
                let array = rows.column(position);
                let identities = &self.table.snapshot.identities;
                let current = identities.is_trivial() || batch.identity_version == identities.version();
                if field.name() == USER_ID && !current {
                    canonical_users(identities, as_string_view_array(array)?)
                } else {
                    Arc::clone(array)
                }
            }
        };
        // The lane may have widened since the rows were taken.
        if array.data_type() == field.data_type() {
            Ok(Some(array))
        } else {
            Ok(Some(cast(&array, field.data_type())?))
        }
    }
}

/// The day of each row.
fn days(rows: &RecordBatch) -> Result<ArrayRef> {
    let days = days_of(rows)?.into_iter().map(Day::days);
    Ok(Arc::new(Date32Array::from_iter_values(days)))
}

/// The day of each row.
pub(super) fn days_of(rows: &RecordBatch) -> Result<Vec<Day>> {
    let times = rows
        .column_by_name(TIME)
        .and_then(|times| times.as_primitive_opt::<TimestampMillisecondType>())
        .ok_or_else(|| internal_datafusion_err!("rows in memory have no column of times"))?;
    Ok(times.values().iter().map(|ms| Timestamp::from_millis(*ms).day()).collect())
}

/// Arrays of nulls, one per type.
struct Nulls {
    rows: usize,
    columns: HashMap<DataType, ArrayRef>,
}

impl Nulls {
    fn of(&mut self, data_type: &DataType) -> &ArrayRef {
        let rows = self.rows;
        self.columns.entry(data_type.clone()).or_insert_with(|| new_null_array(data_type, rows))
    }
}

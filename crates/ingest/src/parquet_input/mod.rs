//! Parquet rows → records.
//!
//! Batch by batch, so that memory holds one batch and the pages under it. Integers, floats,
//! booleans and strings are what they are; decimals become floats unless they are whole; dates and
//! timestamps become dates as D-22 spells them, with a `Z` if their type has a time zone, and with
//! all their digits if they are finer than a millisecond; lists become lists, structs and maps
//! objects; bytes become text if they are UTF-8, else hexadecimal digits. Null is not sent.

pub(crate) mod column;

use std::fs::File;
use std::sync::atomic::{AtomicU64, Ordering};

use arrow::record_batch::RecordBatch;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use tallymark_event::PropertyValue;

use self::column::Column;
use crate::mapping::Roles;
use crate::parse::{RawTime, WireForm};
use crate::source::RowSink;
use crate::table_row::{TableRow, time_of_number};
use crate::{ColumnMapping, Error, ParseOptions, Record, RecordError, Rejection, Result};

const BATCH_ROWS: usize = 8192;

/// Reads a Parquet file to its end and gives each row to `sink`. The bytes of the file are added
/// to `counter` as its rows are read.
///
/// # Errors
/// [`Error::Column`] and [`Error::ReadParquet`] before any row; [`Error::ReadRows`] after the rows
/// before it.
pub(crate) fn read_parquet(
    name: &str,
    file: File,
    mapping: &ColumnMapping,
    options: &ParseOptions,
    counter: &AtomicU64,
    sink: &mut RowSink<'_>,
) -> Result<()> {
    let options = &ParseOptions { form: WireForm::Lenient, ..options.clone() };
    let parquet_error = |source| Error::ReadParquet { name: name.to_owned(), source };
    let file_bytes = file.metadata().map_or(0, |metadata| metadata.len());
    let builder = ParquetRecordBatchReaderBuilder::try_new(file).map_err(parquet_error)?;
    let names: Vec<String> = builder.schema().fields().iter().map(|field| field.name().clone()).collect();
    let roles = mapping.resolve(name, &names)?;
    let rows_total = builder.metadata().file_metadata().num_rows().max(1) as u64;
    let reader = builder.with_batch_size(BATCH_ROWS).build().map_err(parquet_error)?;

    let (mut index, mut counted) = (0u64, 0u64);
    for batch in reader {
        let batch = batch.map_err(|source| Error::ReadRows { name: name.to_owned(), source })?;
        let rows = batch.num_rows();
        let table = Table::new(&batch, &names, roles, mapping)
            .map_err(|source| Error::ReadRows { name: name.to_owned(), source })?;
        for row in 0..rows {
            let record = table.row(row, options).map_err(|error| table.rejection(row, index, error));
            index += 1;
            if !sink(record) {
                return Ok(());
            }
        }
        let now = (u128::from(file_bytes) * u128::from(index) / u128::from(rows_total)) as u64;
        counter.fetch_add(now - counted, Ordering::Relaxed);
        counted = now;
    }
    Ok(())
}

/// One batch of rows.
struct Table<'t> {
    names: &'t [String],
    columns: Vec<Column>,
    roles: Roles,
    mapping: &'t ColumnMapping,
}

impl<'t> Table<'t> {
    fn new(
        batch: &RecordBatch,
        names: &'t [String],
        roles: Roles,
        mapping: &'t ColumnMapping,
    ) -> Result<Self, arrow::error::ArrowError> {
        let columns = batch.columns().iter().map(Column::try_new).collect::<Result<_, _>>()?;
        Ok(Self { names, columns, roles, mapping })
    }

    fn row<'a>(&'a self, row: usize, options: &'a ParseOptions) -> Result<Record<'a>, RecordError> {
        let mut record = TableRow::new(self.mapping, options);
        for (at, (name, column)) in self.names.iter().zip(&self.columns).enumerate() {
            if self.roles.event == Some(at) {
                record.set_event(column.value(row));
            } else if self.roles.time == at {
                record.set_time(name, self.time(column, row));
            } else if self.roles.user == Some(at) {
                record.set_user(name, column.id(row));
            } else if self.roles.insert_id == Some(at) {
                record.set_insert_id(name, column.id(row));
            } else if matches!(name.as_str(), "$user_id" | "$device_id") {
                record.set_property(name, column.id(row));
            } else {
                record.set_property(name, column.value(row));
            }
        }
        record.finish()
    }

    fn time<'a>(&'a self, column: &'a Column, row: usize) -> RawTime<'a> {
        match column.instant(row) {
            Some(time) => RawTime::Instant(time),
            None => time_of_number(column.value(row), self.mapping.time_unit),
        }
    }

    /// The refusal of a row, with the row as JSON.
    fn rejection(&self, row: usize, index: u64, error: RecordError) -> Rejection {
        let entries = self.names.iter().zip(&self.columns);
        let object =
            PropertyValue::Object(entries.map(|(name, column)| (name.into(), column.value(row))).collect());
        Rejection {
            index,
            line: None,
            byte_offset: 0,
            field: error.field,
            message: error.message,
            raw: object.to_string().into_bytes(),
            raw_truncated: false,
        }
    }
}

#[cfg(test)]
mod tests;

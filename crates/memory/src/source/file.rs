//! Rows of a data file.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use arrow::array::{Array, ArrayRef, AsArray, DictionaryArray, StringViewArray, UInt32Array};
use arrow::compute::{cast, concat, take};
use arrow::datatypes::{DataType, UInt32Type};
use arrow::error::ArrowError;
use rayon::prelude::*;
use tallymark_event::Day;
use tallymark_event::columns::{TIME, USER_ID};
use tallymark_storage::{DataFile, FetchedColumns, FileColumns, Location};
use tallymark_users::Identities;
use tokio::sync::Mutex;

use super::rows::runs;
use super::{SourceColumn, SourceTimes, SourceUsers, changed, column_error, times_of_day};
use crate::column::{Column, Part};
use crate::pool::Pool;
use crate::{ColumnId, Error, Result};

/// A footer is kept while it takes no more than this share of a byte per row of the file.
const FOOTER_BYTES_PER_ROW: f64 = 0.5;

/// A data file.
#[derive(Debug)]
pub(crate) struct FileSource {
    location: Location,
    file: DataFile,
    footer: Mutex<Option<FileColumns>>,
    footer_bytes: AtomicUsize,
}

impl FileSource {
    pub(crate) fn new(location: Location, file: DataFile) -> Self {
        Self { location, file, footer: Mutex::default(), footer_bytes: AtomicUsize::new(0) }
    }

    pub(super) fn file(&self) -> &DataFile {
        &self.file
    }

    pub(super) fn kept_bytes(&self) -> usize {
        self.footer_bytes.load(Ordering::Relaxed)
    }

    pub(super) async fn users(
        &self,
        pool: &Pool,
        identities: Option<Arc<Identities>>,
    ) -> Result<SourceUsers> {
        let fetched = self.fetch(&[USER_ID]).await?;
        let day = self.file.day;
        let loaded_bytes = fetched.bytes();
        let decoded = pool
            .run(move || {
                let groups: Vec<GroupUsers> = (0..fetched.row_groups())
                    .into_par_iter()
                    .map(|group| {
                        let (ids, starts) = runs_of(&decode(&fetched, group, USER_ID, day)?)
                            .map_err(column_error(USER_ID, day))?;
                        Ok(GroupUsers { ids, starts })
                    })
                    .collect::<Result<_>>()?;
                let mut users = joined(&groups).map_err(column_error(USER_ID, day))?;
                users.changed = changed(&users.ids, identities.as_deref());
                Ok::<_, Error>(users)
            })
            .await??;
        Ok(SourceUsers { loaded_bytes, ..decoded })
    }

    pub(super) async fn times(&self, pool: &Pool) -> Result<SourceTimes> {
        let fetched = self.fetch(&[TIME]).await?;
        let day = self.file.day;
        let loaded_bytes = fetched.bytes();
        let groups = pool
            .run(move || {
                (0..fetched.row_groups())
                    .into_par_iter()
                    .map(|group| {
                        times_of_day(&decode(&fetched, group, TIME, day)?, day)
                            .map_err(column_error(TIME, day))
                    })
                    .collect::<Result<Vec<Vec<u32>>>>()
            })
            .await??;
        Ok(SourceTimes { times: groups.concat(), loaded_bytes })
    }

    pub(super) async fn column(&self, pool: &Pool, column: &Column) -> Result<SourceColumn> {
        let is_stored = match column.id {
            ColumnId::System(_) => true,
            ColumnId::Lane(lane) => self.file.lanes.binary_search_by_key(&lane, |count| count.lane).is_ok(),
        };
        if !is_stored {
            return Ok(SourceColumn { parts: vec![Part::Nulls(self.file.rows as usize)], loaded_bytes: 0 });
        }
        let fetched = self.fetch(&[&column.name]).await?;
        let (name, day, loaded_bytes) = (column.name.clone(), self.file.day, fetched.bytes());
        let parts = pool
            .run(move || {
                (0..fetched.row_groups())
                    .into_par_iter()
                    .map(|group| decode(&fetched, group, &name, day).map(Part::Values))
                    .collect::<Result<Vec<_>>>()
            })
            .await??;
        Ok(SourceColumn { parts, loaded_bytes })
    }

    async fn fetch(&self, columns: &[&str]) -> Result<FetchedColumns> {
        let failed = |source| Error::Load { day: self.file.day, source };
        let mut footer = self.footer.lock().await;
        let columns_of_file = if let Some(known) = &*footer {
            known.clone()
        } else {
            let opened = FileColumns::open(&self.location, &self.file).await.map_err(failed)?;
            let bytes = opened.memory_bytes();
            if bytes as f64 <= self.file.rows as f64 * FOOTER_BYTES_PER_ROW {
                self.footer_bytes.store(bytes, Ordering::Relaxed);
                *footer = Some(opened.clone());
            }
            opened
        };
        drop(footer);
        columns_of_file.fetch(columns).await.map_err(failed)
    }
}

fn decode(fetched: &FetchedColumns, group: usize, column: &str, day: Day) -> Result<ArrayRef> {
    fetched.decode(group, column).map_err(|source| Error::Load { day, source })
}

/// Whose the rows of a row group are: the user of each run, nobody left out, and where the runs
/// start and the last one ends.
struct GroupUsers {
    ids: StringViewArray,
    starts: Vec<u32>,
}

/// The user of each run, nobody left out, and where the runs start and the last one ends.
fn runs_of(users: &ArrayRef) -> Result<(StringViewArray, Vec<u32>), ArrowError> {
    let Some(dictionary) = users.as_any().downcast_ref::<DictionaryArray<UInt32Type>>() else {
        return match users.as_string_view_opt() {
            Some(views) => runs(views),
            None => Err(ArrowError::CastError(format!("users are {}", users.data_type()))),
        };
    };
    let nobody = dictionary.null_count();
    let keys = dictionary.keys().values();
    let mut starts: Vec<u32> = Vec::new();
    let mut users: Vec<u32> = Vec::new();
    for row in nobody..keys.len() {
        let user = keys[row];
        if users.last() != Some(&user) {
            users.push(user);
            starts.push(row as u32);
        }
    }
    starts.push(keys.len() as u32);
    let texts = cast(dictionary.values(), &DataType::Utf8View)?;
    let ids = take(&texts, &UInt32Array::from(users), None)?;
    Ok((ids.as_string_view().clone(), starts))
}

/// Whose the rows of all row groups are: a run may start in one and end in the next.
fn joined(groups: &[GroupUsers]) -> Result<SourceUsers, ArrowError> {
    let mut joined = SourceUsers {
        nobody: 0,
        ids: StringViewArray::new_null(0),
        changed: Vec::new(),
        starts: Vec::with_capacity(groups.iter().map(|group| group.starts.len()).sum()),
        loaded_bytes: 0,
    };
    let mut ids: Vec<ArrayRef> = Vec::with_capacity(groups.len());
    let mut last: Option<&str> = None;
    let mut offset = 0;
    for GroupUsers { ids: users, starts } in groups {
        if last.is_none() {
            joined.nobody = (offset + starts[0]) as usize;
        }
        let continued = !users.is_empty() && last == Some(users.value(0));
        let skipped = usize::from(continued);
        joined.starts.extend(starts[skipped..starts.len() - 1].iter().map(|start| start + offset));
        if !users.is_empty() {
            last = Some(users.value(users.len() - 1));
            ids.push(Arc::new(users.slice(skipped, users.len() - skipped)));
        }
        // The last run ends with the row group.
        offset += starts[starts.len() - 1];
    }
    joined.starts.push(offset);
    if !ids.is_empty() {
        let ids: Vec<&dyn Array> = ids.iter().map(|ids| &**ids).collect();
        joined.ids = concat(&ids)?.as_string_view().clone();
    }
    Ok(joined)
}

//! Files → fewer files: compaction, replacement of repeats, removal of a user.
//!
//! All files of a merge are of one day. Their rows pass once, in the order of today's users:
//!
//! 1. `run`: each file becomes a sorted run. Where users were joined since the file was written,
//!    rows whose user is another one now (few, as a rule) are taken out and sorted for themselves.
//! 2. `order`: all runs are merged by (user, time, sequence).
//! 3. `repeats`: of rows with equal keys, which now stand together, one is kept (D-9 … D-11).
//! 4. `output`: what the filter keeps is written, file by file, with today's user and only the
//!    columns that have a value.
//!
//! Memory holds a batch a run, a row group of output, the output file as it is encoded (its size
//! on disk), the rows of one user at one instant, and, compressed, the rows whose user changed.

mod order;
mod output;
mod repeats;
mod rows;
mod run;

use std::fmt;

use tallymark_event::{Day, LaneId, PropertyCatalog, Timestamp};
use tallymark_users::{Identities, IdentitySystem, assign};
use tracing::{Instrument as _, info, info_span};

use crate::error::Result;
use crate::manifest::DataFile;
use crate::store::EventStore;
use order::Ordered;
use output::Output;
use repeats::Repeats;

/// What a merge is told.
pub struct Merge<'a> {
    /// The day all files are of.
    pub day: Day,
    /// The files, in any order; committed or just put.
    pub files: &'a [DataFile],
    /// A catalog that has all their lanes.
    pub catalog: &'a PropertyCatalog,
    /// Who is who now.
    pub identities: &'a Identities,
    /// Which rows stay; asked of the survivors of D-9.
    pub keep: &'a (dyn Fn(&MergeRow<'_>) -> bool + Send + Sync),
}

impl fmt::Debug for Merge<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Merge").field("day", &self.day).field("files", &self.files).finish_non_exhaustive()
    }
}

/// One row, as a merge shows it to its filter.
#[derive(Debug, Clone, Copy)]
pub struct MergeRow<'a> {
    /// The event's name.
    pub event: &'a str,
    /// When it happened.
    pub time: Timestamp,
    /// The id as sent; empty for nobody.
    pub distinct_id: &'a str,
    /// `$device_id`, if sent.
    pub device_id: Option<&'a str>,
    /// `$user_id`, if sent.
    pub sent_user_id: Option<&'a str>,
    /// The user as of now; `None` for nobody.
    pub user_id: Option<&'a str>,
    /// `$insert_id`, if sent.
    pub insert_id: Option<&'a str>,
    /// The sequence; of a row that replaced an earlier one, that of the first (D-9).
    pub sequence: i64,
}

impl MergeRow<'_> {
    /// The id assigned at ingestion (D-10); empty for nobody.
    pub fn assigned_id(&self, system: IdentitySystem) -> String {
        assign(system, self.distinct_id, self.device_id, self.sent_user_id).id.into_owned()
    }
}

/// Merges files of one day into as few as [`crate::FileSettings::rows_max`] allows, none if no row
/// is kept. The new files are put, not committed: a commit is to add them and remove the old ones,
/// and an [`crate::Uncommitted`] to look after them until then.
///
/// Of rows with equal (event, assigned id, time, `$insert_id`) the one with the greatest sequence
/// is kept, with the smallest of their sequences (D-9, D-10); rows without an `$insert_id` are all
/// kept (D-11). `user_id` is that of `identities`.
///
/// # Errors
/// Those of reading and putting data files; nothing is left behind then.
pub async fn merge_files(store: &EventStore, merge: Merge<'_>) -> Result<Vec<DataFile>> {
    let rows: u64 = merge.files.iter().map(|file| file.rows).sum();
    let span = info_span!("merge", day = %merge.day, files = merge.files.len(), rows);
    async {
        let mut output = Output::new(store, &merge, lanes_of(merge.files));
        match fill(store, &merge, &mut output).await {
            Ok(()) => {
                let files = output.into_files();
                let rows_out: u64 = files.iter().map(|file| file.rows).sum();
                info!(files_out = files.len(), rows_out, "merged");
                Ok(files)
            }
            Err(error) => {
                output.discard().await;
                Err(error)
            }
        }
    }
    .instrument(span)
    .await
}

async fn fill(store: &EventStore, merge: &Merge<'_>, output: &mut Output<'_>) -> Result<()> {
    let runs = run::open(store, merge).await?;
    let mut ordered = Ordered::new(runs).await?;
    let mut repeats = Repeats::new(merge);
    while let Some(row) = ordered.next().await? {
        repeats.push(row, ordered.chunks(), output);
        if output.is_full() {
            output.write_full(ordered.chunks()).await?;
            ordered.release([repeats.rows(), output.rows()]);
        } else if ordered.is_crowded() {
            ordered.release([repeats.rows(), output.rows()]);
            // The filter leaves a few rows of many chunks: a smaller row group lets go of them.
            if ordered.is_crowded() {
                output.write_pending(ordered.chunks()).await?;
                ordered.release([repeats.rows(), output.rows()]);
            }
        }
    }
    repeats.end(ordered.chunks(), output);
    output.finish(ordered.chunks()).await
}

/// All lanes some file has values in, ascending.
fn lanes_of(files: &[DataFile]) -> Vec<LaneId> {
    let mut lanes: Vec<LaneId> = files.iter().flat_map(|file| &file.lanes).map(|count| count.lane).collect();
    lanes.sort_unstable();
    lanes.dedup();
    lanes
}

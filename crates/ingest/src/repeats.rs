//! Finding events that are stored already (D-9).
//!
//! Keys are compared by 64-bit fingerprints first: those of the files of a day are read once and
//! kept as long as there is room. A match is only a suspicion; [`tallymark_storage::merge`]
//! compares the keys themselves.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use arrow::array::{Array as _, AsArray as _, RecordBatch, StringViewArray};
use arrow::datatypes::TimestampMillisecondType;
use futures::StreamExt as _;
use tallymark_event::{LaneKind, PropertyCatalog, columns};
use tallymark_storage::{DataFile, EventStore, Projection, Snapshot};
use tallymark_users::{IdentitySystem, assign};
use xxhash_rust::xxh3::Xxh3;

use crate::Result;
use crate::spread::spread;

/// How many fingerprints are kept: 64 MiB of them.
const KEPT_MAX: usize = 8 << 20;

/// The fingerprint of an event's key: (event, assigned id, time, insert id).
pub(crate) fn fingerprint(event: &str, assigned_id: &str, time_ms: i64, insert_id: &str) -> u64 {
    let mut hash = Xxh3::new();
    // Lengths keep neighbouring texts apart.
    hash.update(&(event.len() as u64).to_le_bytes());
    hash.update(event.as_bytes());
    hash.update(&(assigned_id.len() as u64).to_le_bytes());
    hash.update(assigned_id.as_bytes());
    hash.update(insert_id.as_bytes());
    hash.update(&time_ms.to_le_bytes());
    hash.digest()
}

/// Fingerprints of stored files, sorted, by path; the oldest leave when there are too many.
#[derive(Debug, Default)]
pub(crate) struct StoredKeys {
    by_path: HashMap<String, Arc<[u64]>>,
    in_order: VecDeque<String>,
    kept: usize,
}

impl StoredKeys {
    /// Keeps the fingerprints of a file, which need not be sorted.
    pub(crate) fn insert(&mut self, path: &str, mut keys: Vec<u64>) -> Arc<[u64]> {
        keys.sort_unstable();
        let keys: Arc<[u64]> = keys.into();
        if keys.len() <= KEPT_MAX && self.by_path.insert(path.to_owned(), Arc::clone(&keys)).is_none() {
            self.kept += keys.len();
            self.in_order.push_back(path.to_owned());
            while self.kept > KEPT_MAX
                && let Some(oldest) = self.in_order.pop_front()
            {
                self.kept -= self.by_path.remove(&oldest).map_or(0, |keys| keys.len());
            }
        }
        keys
    }

    /// The fingerprints of a file, read from it if they are not kept.
    pub(crate) async fn of(
        &mut self,
        store: &EventStore,
        snapshot: &Snapshot,
        file: &DataFile,
    ) -> Result<Arc<[u64]>> {
        if let Some(keys) = self.by_path.get(&file.path) {
            return Ok(Arc::clone(keys));
        }
        let keys = read_keys(store, snapshot, file).await?;
        Ok(self.insert(&file.path, keys))
    }

    /// Reads the fingerprints of files that are not kept, so many files at a time.
    pub(crate) async fn load<'f>(
        &mut self,
        store: &EventStore,
        snapshot: &Arc<Snapshot>,
        files: impl Iterator<Item = &'f DataFile>,
        at_once: usize,
    ) -> Result<()> {
        let missing: Vec<DataFile> =
            files.filter(|file| !self.by_path.contains_key(&file.path)).cloned().collect();
        let reads = missing.into_iter().map(|file| {
            let (store, snapshot) = (store.clone(), Arc::clone(snapshot));
            async move { Ok((read_keys(&store, &snapshot, &file).await?, file.path)) }
        });
        for (keys, path) in spread(at_once, reads).await? {
            self.insert(&path, keys);
        }
        Ok(())
    }
}

async fn read_keys(store: &EventStore, snapshot: &Snapshot, file: &DataFile) -> Result<Vec<u64>> {
    let user_id_lane = user_id_column(&snapshot.catalog);
    let mut names: Vec<String> =
        [columns::EVENT, columns::TIME, columns::DISTINCT_ID, columns::DEVICE_ID, columns::INSERT_ID]
            .map(String::from)
            .into();
    names.extend(user_id_lane.clone());
    let mut batches = store.read_data_file(snapshot, file, &Projection::Columns(names)).await?;
    let mut keys = Vec::with_capacity(file.keyed_rows as usize);
    while let Some(batch) = batches.next().await {
        push_keys(&batch?, user_id_lane.as_deref(), snapshot.manifest.settings.identity, &mut keys);
    }
    Ok(keys)
}

/// The column that holds `$user_id` as text.
fn user_id_column(catalog: &PropertyCatalog) -> Option<String> {
    let property = catalog.property("$user_id")?;
    let lane =
        property.lanes.iter().map(|lane| catalog.lane(*lane)).find(|lane| lane.kind == LaneKind::String)?;
    Some(lane.column.clone())
}

fn push_keys(batch: &RecordBatch, user_id_column: Option<&str>, system: IdentitySystem, keys: &mut Vec<u64>) {
    let text = |name: &str| -> Option<&StringViewArray> { batch.column_by_name(name)?.as_string_view_opt() };
    let (Some(events), Some(distinct_ids), Some(device_ids), Some(insert_ids), Some(times)) = (
        text(columns::EVENT),
        text(columns::DISTINCT_ID),
        text(columns::DEVICE_ID),
        text(columns::INSERT_ID),
        batch
            .column_by_name(columns::TIME)
            .and_then(|array| array.as_primitive_opt::<TimestampMillisecondType>()),
    ) else {
        return;
    };
    let user_ids = user_id_column.and_then(text);
    let get =
        |array: &'_ StringViewArray, row: usize| array.is_valid(row).then(|| array.value(row).to_owned());
    for row in (0..batch.num_rows()).filter(|&row| insert_ids.is_valid(row)) {
        let device_id = get(device_ids, row);
        let user_id = user_ids.and_then(|ids| get(ids, row));
        let ids = assign(system, distinct_ids.value(row), device_id.as_deref(), user_id.as_deref());
        keys.push(fingerprint(events.value(row), &ids.id, times.value(row), insert_ids.value(row)));
    }
}

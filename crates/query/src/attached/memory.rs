//! Attached datasets in memory: which files their segments are of, and when a query may use them.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};

use arrow::array::{Array as _, AsArray as _, RecordBatch, new_null_array};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::catalog::Session;
use datafusion::common::{DFSchema, Result};
use datafusion::datasource::ViewTable;
use datafusion::datasource::listing::helpers::pruned_partition_list;
use datafusion::datasource::listing::{ListingTable, PartitionedFile};
use datafusion::execution::cache::cache_manager::FileMetadataCache;
use datafusion::logical_expr::Expr;
use datafusion::logical_expr::utils::split_conjunction_owned;
use futures::{StreamExt as _, TryStreamExt as _, stream};
use object_store::{ObjectMeta, ObjectStore};
use tallymark_event::PropertyCatalog;
use tallymark_event::columns::{DAY, TIME, timestamp_type};
use tallymark_memory::{AttachedFile, AttachedFiles, MemoryUsage, ResidentEvents};
use tallymark_storage::{Attachment, DataFile, Manifest, Snapshot, WalFence};
use tallymark_users::{Identities, Profiles};

use super::held::HeldColumns;
use super::rows::{ParquetRows, Sizes, footer};
use crate::events_table::EventColumn;
use crate::events_table::scan::is_of_row;
use crate::resident::inputs::Inputs;

/// Bytes a row takes while the rows of its file are put in order, and afterwards at most for whose it
/// is, when it happened and where it is.
const ROW_BYTES: u64 = 20;
/// How many footers are read at a time.
const FOOTERS_AT_ONCE: usize = 8;

/// An attached dataset that queries may be answered of from memory.
#[derive(Debug)]
pub(crate) struct Attached {
    pub(super) listing: ListingTable,
    /// The same from files.
    pub(crate) view: ViewTable,
    pub(super) memory: Arc<AttachedMemory>,
    /// The dataset it is attached to.
    pub(super) dataset: Arc<Snapshot>,
}

/// What is kept of an attached dataset from query to query.
#[derive(Debug)]
pub(crate) struct AttachedMemory {
    attachment: Attachment,
    schema: SchemaRef,
    columns: Arc<HeldColumns>,
    resident: ResidentEvents,
    known: Mutex<Known>,
}

/// The files that were listed last.
#[derive(Debug, Default)]
struct Known {
    files: HashMap<String, Arc<AttachedFile>>,
    /// A snapshot of them; another one has a greater version.
    snapshot: Option<Arc<Snapshot>>,
    version: u64,
}

/// All attached datasets that have something in memory, by name.
#[derive(Debug, Default)]
pub(crate) struct AttachedMemories(Mutex<HashMap<String, Arc<AttachedMemory>>>);

impl AttachedMemories {
    /// That of an attachment whose files have this schema, and columns accordingly: what is known of
    /// another one of the name, or of another schema, is forgotten.
    pub(super) fn get(
        &self,
        name: &str,
        attachment: &Attachment,
        schema: &SchemaRef,
        columns: impl FnOnce() -> Result<HeldColumns>,
        dataset: &ResidentEvents,
    ) -> Result<Arc<AttachedMemory>> {
        let mut memories = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = memories.get(name)
            && known.attachment == *attachment
            && known.schema == *schema
        {
            return Ok(Arc::clone(known));
        }
        let columns = Arc::new(columns()?);
        let memory = Arc::new(AttachedMemory {
            attachment: attachment.clone(),
            schema: Arc::clone(schema),
            resident: dataset.attached(Arc::clone(&columns.lane_types)),
            columns,
            known: Mutex::default(),
        });
        memories.insert(name.to_owned(), Arc::clone(&memory));
        Ok(memory)
    }

    /// Forgets what a snapshot does not have attached.
    pub(crate) fn retain(&self, snapshot: &Snapshot) {
        let mut memories = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        memories.retain(|name, memory| snapshot.manifest.attachments.get(name) == Some(&memory.attachment));
    }

    /// Adds what is in memory of them.
    pub(crate) fn add_usage(&self, usage: &mut MemoryUsage) {
        let memories = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut used: Vec<(String, MemoryUsage)> = memories
            .iter()
            .map(|(name, memory)| (name.clone(), memory.resident.usage()))
            .filter(|(_, usage)| usage.loads > 0)
            .collect();
        drop(memories);
        used.sort_by(|a, b| a.0.cmp(&b.0));
        for (name, attached) in used {
            usage.add_attached(name, attached);
        }
    }
}

impl Attached {
    /// Where each column of the table comes from.
    pub(crate) fn event_columns(&self) -> Vec<EventColumn> {
        self.memory.columns.columns.clone()
    }

    /// A snapshot before any files were listed.
    pub(crate) fn no_files(&self) -> Arc<Snapshot> {
        Arc::new(self.snapshot_of(0, Vec::new()))
    }

    /// The files as they are now, as a snapshot, and the segments of their days; `None` if a query that
    /// reads these columns is to be answered from files: they cannot be held or have no room, rows that
    /// may pass its filters have no time and so no day, or files cannot be read or understood, of which
    /// the answer from files tells.
    ///
    /// Unless `reads_files`, files that were not read yet are a reason as well.
    pub(crate) async fn list(
        &self,
        state: &dyn Session,
        inputs: &Inputs,
        filters: &[Expr],
        budget_bytes: u64,
        reads_files: bool,
    ) -> Option<(ResidentEvents, Arc<Snapshot>)> {
        if inputs.reads().into_iter().any(|column| self.memory.columns.get(column).is_none()) {
            return None;
        }
        let files = self.files(state).await.ok()?;
        if files.iter().any(|file| file.is_unusable()) {
            return None;
        }
        let mut missing_rows = 0;
        for file in &files {
            if !file.is_listed() {
                missing_rows += file.row_count();
                if !reads_files {
                    return None;
                }
            }
        }
        if missing_rows * ROW_BYTES > budget_bytes {
            return None;
        }
        let files = self.memory.resident.list(files).await.ok()?;
        if files.any_unusable() {
            return None;
        }
        if files.untimed_rows() > 0 && !want_times(state, filters) {
            return None;
        }
        let snapshot = self.snapshot(&files);
        Some((self.memory.resident.with_files(Arc::new(files)), snapshot))
    }

    /// The files as they are now.
    async fn files(&self, state: &dyn Session) -> Result<Vec<Arc<AttachedFile>>> {
        let Some(place) = self.listing.table_paths().first() else { return Ok(Vec::new()) };
        let store_url = place.object_store();
        let store = state.runtime_env().object_store(place)?;
        let options = self.listing.options();
        let mut listed: HashMap<String, PartitionedFile> = HashMap::new();
        for path in self.listing.table_paths() {
            let found = pruned_partition_list(
                state,
                store.as_ref(),
                path,
                &[],
                &options.file_extension,
                &options.table_partition_cols,
            );
            let found: Vec<PartitionedFile> = found.await?.try_collect().await?;
            // Places may overlap.
            listed.extend(found.into_iter().map(|file| (key(&file.object_meta), file)));
        }
        let known = self.memory.known.lock().unwrap_or_else(PoisonError::into_inner).files.clone();
        let footers = state.runtime_env().cache_manager.get_file_metadata_cache();
        let files: Vec<(String, Arc<AttachedFile>)> = stream::iter(listed)
            .map(|(key, file)| {
                let (store, footers, known) = (&store, &footers, known.get(&key).cloned());
                let place = format!("{}{}", store_url.as_str(), file.object_meta.location);
                async move {
                    let file = match known {
                        Some(known) => known,
                        None => Arc::new(self.file(key.clone(), place, file, store, footers).await?),
                    };
                    Ok::<_, datafusion::common::DataFusionError>((key, file))
                }
            })
            .buffer_unordered(FOOTERS_AT_ONCE)
            .try_collect()
            .await?;
        let mut known = self.memory.known.lock().unwrap_or_else(PoisonError::into_inner);
        // Of two queries that found the same new file, both take the first one's.
        let mut all = HashMap::with_capacity(files.len());
        for (key, file) in files {
            let file = known.files.get(&key).cloned().unwrap_or(file);
            all.insert(key, file);
        }
        known.files = all;
        Ok(known.files.values().cloned().collect())
    }

    async fn file(
        &self,
        key: String,
        place: String,
        file: PartitionedFile,
        store: &Arc<dyn ObjectStore>,
        footers: &Arc<FileMetadataCache>,
    ) -> Result<AttachedFile> {
        let metadata = footer(store.as_ref(), &file.object_meta, footers).await?;
        let rows = ParquetRows {
            store: Arc::clone(store),
            sizes: Sizes::of(&metadata, &self.memory.columns),
            meta: file.object_meta,
            footers: Arc::clone(footers),
            columns: Arc::clone(&self.memory.columns),
            paths: file.partition_values,
        };
        Ok(AttachedFile::new(key, place, Box::new(rows), &self.memory.resident))
    }

    /// The days of the files as the data files of a snapshot: the same one while they stay the same.
    fn snapshot(&self, files: &AttachedFiles) -> Arc<Snapshot> {
        let data_files = files.data_files();
        let mut known = self.memory.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(snapshot) = &known.snapshot
            && snapshot.manifest.files == data_files
        {
            return Arc::clone(snapshot);
        }
        known.version += 1;
        let snapshot = Arc::new(self.snapshot_of(known.version, data_files));
        known.snapshot = Some(Arc::clone(&snapshot));
        drop(known);
        self.memory.resident.retain(files);
        snapshot
    }

    fn snapshot_of(&self, version: u64, files: Vec<DataFile>) -> Snapshot {
        let dataset = &self.dataset;
        let manifest = Manifest {
            version,
            catalog: PropertyCatalog::default(),
            files,
            people: Vec::new(),
            attachments: BTreeMap::new(),
            definitions: BTreeMap::new(),
            format_version: dataset.manifest.format_version,
            created_at: dataset.manifest.created_at,
            settings: dataset.manifest.settings,
            next_sequence: 0,
            wal_flushed: 0,
            fence: WalFence::default(),
            erased_before: 0,
        };
        Snapshot {
            location: dataset.location.clone(),
            catalog: Arc::default(),
            memtable: Vec::new().into(),
            pending: Vec::new().into(),
            // Ids are taken as they are.
            identities: Arc::new(Identities::new(manifest.settings.identity)),
            manifest: Arc::new(manifest),
            profiles: Arc::new(Profiles::default()),
            next_sequence: 0,
            last_wal: None,
        }
    }
}

/// Whether filters let no row pass that has no time.
fn want_times(state: &dyn Session, filters: &[Expr]) -> bool {
    let parts = filters.iter().cloned().flat_map(split_conjunction_owned);
    let mut of_time = parts.filter(|part| {
        let columns = part.column_refs();
        is_of_row(part) && columns.iter().all(|column| [TIME, DAY].contains(&column.name.as_str()))
    });
    of_time.any(|part| matches!(accepts_untimed(state, part), Ok(false)))
}

/// Whether a filter on time and day accepts a row that has neither.
fn accepts_untimed(state: &dyn Session, filter: Expr) -> Result<bool> {
    let schema =
        Schema::new(vec![Field::new(TIME, timestamp_type(), true), Field::new(DAY, DataType::Date32, true)]);
    let row = RecordBatch::try_new(
        Arc::new(schema.clone()),
        schema.fields().iter().map(|field| new_null_array(field.data_type(), 1)).collect(),
    )?;
    let filter = state.create_physical_expr(filter, &DFSchema::try_from(schema)?)?;
    let accepted = filter.evaluate(&row)?.into_array(1)?;
    Ok(accepted.as_boolean_opt().is_none_or(|accepted| accepted.is_valid(0) && accepted.value(0)))
}

/// Tells a file from others and from what it was before it was changed, as far as the store says.
/// Keys are in the order of paths.
fn key(file: &ObjectMeta) -> String {
    format!(
        "{}\u{0}{}\u{0}{}\u{0}{}\u{0}{}",
        file.location,
        file.size,
        file.last_modified.to_rfc3339(),
        file.e_tag.as_deref().unwrap_or_default(),
        file.version.as_deref().unwrap_or_default(),
    )
}

//! Lookup tables in memory: what is known of values (U-40), and in SQL the schema `lookup`.
//!
//! A table is read when a question first names it, and kept as long as the newest snapshot has it. What
//! it takes is part of the memory all queries may have.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};

use arrow::array::{Array as _, ArrayRef, AsArray as _, RecordBatch};
use arrow::compute::{cast, concat_batches};
use arrow::datatypes::DataType;
use async_trait::async_trait;
use datafusion::catalog::{SchemaProvider, TableProvider};
use datafusion::common::DataFusionError;
use datafusion::datasource::MemTable;
use datafusion::execution::memory_pool::{MemoryConsumer, MemoryPool, MemoryReservation};
use datafusion::execution::runtime_env::RuntimeEnv;
use datafusion::parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use tallymark_event::PropertyCatalog;
use tallymark_report::{DefinitionError, Lookup, Property};
use tallymark_storage::{DefinitionFile, Snapshot};

use crate::export::write_value;
use crate::tables::DatasetTables;
use crate::{Error, Result, definitions, suggest};

/// The schema that lookup tables are in.
pub const LOOKUP_SCHEMA: &str = "lookup";
/// The entry of a file's metadata that has the catalog of its columns.
const CATALOG_ENTRY: &str = "tallymark.lookup";
/// Bytes that a key takes besides its text.
const KEY_BYTES: usize = 64;

/// The rows of a lookup table.
#[derive(Debug)]
pub(crate) struct LookupRows {
    /// Tells it from all others, also from those that had its name before.
    pub(crate) path: String,
    /// The first property is the key.
    pub(crate) catalog: PropertyCatalog,
    /// The column of the key, then those of the other lanes.
    pub(crate) batch: RecordBatch,
    rows: HashMap<String, u32>,
    _memory: MemoryReservation,
}

impl LookupRows {
    async fn load(snapshot: &Snapshot, file: &DefinitionFile, pool: &Arc<dyn MemoryPool>) -> Result<Self> {
        let failed = |source| Error::Run { source };
        let memory = MemoryConsumer::new("lookup table").register(pool);
        let bytes = snapshot
            .definition_file(file)
            .await
            .map_err(|error| failed(DataFusionError::External(Box::new(error))))?;
        let damaged = |what: &str| failed(DataFusionError::Execution(format!("{}: {what}", file.path)));
        let parquet = |source: datafusion::parquet::errors::ParquetError| failed(source.into());
        let builder = ParquetRecordBatchReaderBuilder::try_new(bytes).map_err(parquet)?;
        let entries = builder.metadata().file_metadata().key_value_metadata();
        let entry = entries.into_iter().flatten().find(|entry| entry.key == CATALOG_ENTRY);
        let catalog = entry.and_then(|entry| serde_json::from_str(entry.value.as_deref()?).ok());
        let catalog: PropertyCatalog =
            catalog.ok_or_else(|| damaged("it does not say what its columns are"))?;
        let schema = Arc::clone(builder.schema());
        let batches = builder.build().map_err(parquet)?.collect::<Result<Vec<_>, _>>();
        let arrow = |source: arrow::error::ArrowError| failed(source.into());
        let batch = concat_batches(&schema, &batches.map_err(arrow)?).map_err(arrow)?;
        let keys = batch.columns().first().ok_or_else(|| damaged("it has no columns"))?;
        let keys = cast(keys, &DataType::Utf8View).map_err(arrow)?;
        let key_bytes: usize = keys.as_string_view().iter().flatten().map(|key| key.len() + KEY_BYTES).sum();
        memory.try_grow(batch.get_array_memory_size() + key_bytes).map_err(failed)?;
        let rows = keys.as_string_view().iter().zip(0..);
        let rows = rows.filter_map(|(key, row)| Some((key?.to_owned(), row))).collect();
        Ok(Self { path: file.path.clone(), catalog, batch, rows, _memory: memory })
    }

    /// The row of a key.
    pub(crate) fn row(&self, key: &str) -> Option<u32> {
        self.rows.get(key).copied()
    }

    /// The column of a lane.
    pub(crate) fn lane(&self, column: &str) -> Option<&ArrayRef> {
        self.batch.column_by_name(column)
    }

    /// What a row has in a column as JSON texts: each item of a list, or the one value; nothing
    /// where it is not set.
    pub(crate) fn items(&self, column: &str, row: u32) -> datafusion::common::Result<Vec<String>> {
        let lanes =
            self.catalog.property(column).map(|property| property.lanes.as_slice()).unwrap_or_default();
        let row = row as usize;
        for lane in lanes.iter().map(|lane| self.catalog.lane(*lane)) {
            let Some(array) = self.lane(&lane.column).filter(|array| array.is_valid(row)) else { continue };
            let mut text = Vec::new();
            write_value(lane.kind, array, row, &mut text)?;
            if !lane.kind.is_list() {
                return Ok(vec![String::from_utf8_lossy(&text).into_owned()]);
            }
            let items: Vec<serde_json::Value> =
                serde_json::from_slice(&text).map_err(|error| DataFusionError::External(Box::new(error)))?;
            return Ok(items.iter().map(ToString::to_string).collect());
        }
        Ok(Vec::new())
    }
}

/// The tables that were read, by path: those of the newest snapshot that was asked.
#[derive(Debug, Default)]
pub(crate) struct LoadedLookups(Mutex<HashMap<String, Arc<LookupRows>>>);

impl LoadedLookups {
    /// Forgets what a snapshot does not have.
    pub(crate) fn retain(&self, snapshot: &Snapshot) {
        let mut loaded = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        loaded.retain(|path, _| snapshot.manifest.definition_files().any(|file| file.path == *path));
    }

    pub(crate) async fn get(
        &self,
        snapshot: &Snapshot,
        file: &DefinitionFile,
        pool: &Arc<dyn MemoryPool>,
    ) -> Result<Arc<LookupRows>> {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner).get(&file.path).cloned();
        if let Some(known) = known {
            return Ok(known);
        }
        let rows = Arc::new(LookupRows::load(snapshot, file, pool).await?);
        let mut loaded = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(Arc::clone(loaded.entry(file.path.clone()).or_insert(rows)))
    }
}

/// The lookup tables a report may name, and the rows of those it does.
#[derive(Debug, Default)]
pub(crate) struct Lookups {
    saved: BTreeMap<String, (Lookup, DefinitionFile)>,
    rows: HashMap<String, Arc<LookupRows>>,
}

impl Lookups {
    pub(crate) fn saved_in(snapshot: &Snapshot) -> Result<Self> {
        Ok(Self { saved: definitions::lookups(snapshot)?, rows: HashMap::new() })
    }

    /// Reads the tables that properties name; those that name none there is are left.
    pub(crate) async fn load(
        &mut self,
        properties: &[(String, Property)],
        tables: &DatasetTables,
        pool: &Arc<dyn MemoryPool>,
    ) -> Result<()> {
        for (_, property) in properties {
            let Property::Lookup { table, of, .. } = property else { continue };
            let Ok((name, file)) =
                self.named(table.as_deref(), of).map(|(name, (_, file))| (name.clone(), file))
            else {
                continue;
            };
            if self.rows.contains_key(&name) {
                continue;
            }
            let rows = tables.loaded_lookups().get(tables.snapshot(), file, pool).await?;
            self.rows.insert(name, rows);
        }
        Ok(())
    }

    /// The rows a property is looked up in.
    ///
    /// # Errors
    /// If there is no such table, or it has no such column.
    pub(crate) fn rows_of(
        &self,
        table: Option<&str>,
        of: &Property,
        column: &str,
    ) -> Result<Arc<LookupRows>, DefinitionError> {
        let (name, (lookup, _)) = self.named(table, of)?;
        if !lookup.columns.iter().any(|known| known == column) {
            let error =
                DefinitionError::new("", format!("the lookup table \"{name}\" has no column \"{column}\""));
            return Err(did_you_mean(error, column, lookup.columns.iter().map(String::as_str), "it has "));
        }
        let rows = self.rows.get(name).cloned();
        rows.ok_or_else(|| DefinitionError::new("", format!("the lookup table \"{name}\" was not read")))
    }

    /// U-42.
    fn named(
        &self,
        table: Option<&str>,
        of: &Property,
    ) -> Result<(&String, &(Lookup, DefinitionFile)), DefinitionError> {
        if let Some(table) = table {
            return self.saved.get_key_value(table).ok_or_else(|| {
                let error = DefinitionError::new("", format!("there is no lookup table \"{table}\""));
                did_you_mean(error, table, self.saved.keys().map(String::as_str), "there are ")
            });
        }
        let found = self.saved.iter().find(|(_, (lookup, _))| lookup.properties.contains(of));
        found.ok_or_else(|| {
            let problem = format!("no lookup table is kept for \"{}\"", of.label());
            DefinitionError::new("", problem).hint("name one with lookup, or save one for the property")
        })
    }
}

fn did_you_mean<'a>(
    error: DefinitionError,
    name: &str,
    known: impl Iterator<Item = &'a str> + Clone,
    otherwise: &str,
) -> DefinitionError {
    if let Some(close) = suggest::closest(name, known.clone()).first() {
        return error.hint(format!("did you mean \"{close}\"?"));
    }
    let known: Vec<&str> = known.collect();
    if known.is_empty() {
        error.hint("save one first")
    } else {
        error.hint(format!("{otherwise}{}", known.join(", ")))
    }
}

/// The schema of lookup tables in SQL.
#[derive(Debug)]
pub(crate) struct LookupSchema {
    pub(crate) tables: Arc<DatasetTables>,
    pub(crate) env: Arc<RuntimeEnv>,
}

#[async_trait]
impl SchemaProvider for LookupSchema {
    fn table_names(&self) -> Vec<String> {
        let saved = definitions::saved(self.tables.snapshot(), tallymark_report::DefinitionKind::Lookup);
        saved.map(|(name, _)| name.clone()).collect()
    }

    async fn table(&self, name: &str) -> Result<Option<Arc<dyn TableProvider>>, DataFusionError> {
        let own = |error: Error| DataFusionError::External(Box::new(error));
        let snapshot = self.tables.snapshot();
        let mut saved = definitions::lookups(snapshot).map_err(own)?;
        let Some((_, file)) = saved.remove(name) else { return Ok(None) };
        let loaded = self.tables.loaded_lookups();
        let rows = loaded.get(snapshot, &file, &self.env.memory_pool).await.map_err(own)?;
        let table = MemTable::try_new(rows.batch.schema(), vec![vec![rows.batch.clone()]])?;
        Ok(Some(Arc::new(table)))
    }

    fn table_exist(&self, name: &str) -> bool {
        self.table_names().iter().any(|known| known == name)
    }
}

//! The scan of data files: file groups, what is known of each file, the projection.

use std::collections::BTreeSet;
use std::hash::{BuildHasher, BuildHasherDefault, DefaultHasher};
use std::sync::Arc;

use arrow::datatypes::Schema;
use datafusion::common::config::TableParquetOptions;
use datafusion::common::stats::Precision;
use datafusion::common::{ColumnStatistics, Result, ScalarValue, Statistics, internal_datafusion_err};
use datafusion::datasource::listing::PartitionedFile;
use datafusion::datasource::physical_plan::parquet::CachedParquetFileReaderFactory;
use datafusion::datasource::physical_plan::{FileGroup, FileScanConfigBuilder, FileSource, ParquetSource};
use datafusion::datasource::source::DataSourceExec;
use datafusion::datasource::table_schema::TableSchema;
use datafusion::execution::object_store::ObjectStoreUrl;
use datafusion::logical_expr::ScalarUDF;
use datafusion::physical_expr::expressions::{Column, in_list, lit};
use datafusion::physical_expr::projection::{ProjectionExpr, ProjectionExprs};
use datafusion::physical_expr::{PhysicalExpr, ScalarFunctionExpr};
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::metrics::MetricBuilder;
use tallymark_event::columns::{EVENT, SEQUENCE, TIME, USER_ID};
use tallymark_storage::{DataFile, Location};

use super::adapter::LaneAdapterFactory;
use super::pruning::null_count;
use super::scan::{Scan, Selected};
use super::{EventColumn, day_field};
use crate::identity::canonical_user_udf;

/// Statistics are kept per file and column up to this many; a scan of thousands of columns of
/// thousands of files does without.
const COLUMN_STATISTICS_MAX: usize = 1_000_000;

impl Scan<'_> {
    /// The files whose stored `user_id` is the present one.
    pub(super) fn current_files(&self, selected: &Selected<'_>) -> Result<Arc<dyn ExecutionPlan>> {
        let source = self.source(selected);
        let source = project(&source, &self.projection(None)?)?;
        self.scan_files(source, &selected.current, true)
    }

    /// The files whose `user_id` has to be resolved again. Rows of other users than those wanted
    /// are skipped by the stored ids of the wanted ones.
    pub(super) fn stale_files(&self, selected: &Selected<'_>) -> Result<Arc<dyn ExecutionPlan>> {
        let mut source = self.source(selected);
        if let Some(ids) = &selected.stale_ids
            && let Some(predicate) = self.stored_under(ids)?
        {
            source = source.with_predicate(predicate);
        }
        let canonical = Arc::new(canonical_user_udf(Arc::clone(&self.table.snapshot.identities)));
        let source = project(&source, &self.projection(Some(&canonical))?)?;
        self.scan_files(source, &selected.stale, false)
    }

    fn source(&self, selected: &Selected<'_>) -> ParquetSource {
        let options = TableParquetOptions {
            global: self.state.config_options().execution.parquet.clone(),
            ..TableParquetOptions::default()
        };
        let footer_bytes = options.global.metadata_size_hint;
        let footers = self.state.runtime_env().cache_manager.get_file_metadata_cache();
        let store = Arc::clone(self.table.snapshot.location.store());
        let table_schema =
            TableSchema::builder(self.read_schema()).with_table_partition_cols(vec![day_field()]).build();
        let mut source = ParquetSource::new(table_schema)
            .with_table_parquet_options(options)
            .with_parquet_file_reader_factory(Arc::new(CachedParquetFileReaderFactory::new(store, footers)));
        if let Some(bytes) = footer_bytes {
            source = source.with_metadata_size_hint(bytes);
        }
        // EXPLAIN ANALYZE says how many files the manifest ruled out.
        let all = self.table.snapshot.manifest.files.len();
        let pruned = all - selected.current.len() - selected.stale.len();
        MetricBuilder::new(source.metrics()).global_counter("files_pruned_by_manifest").add(pruned);
        source
    }

    /// What goes out, over what is read from files and `day`.
    fn projection(&self, canonical: Option<&Arc<ScalarUDF>>) -> Result<ProjectionExprs> {
        let read_schema = self.read_schema();
        let project = |at: &usize| {
            let field = &self.table.schema.fields()[*at];
            let index = match self.table.columns[*at] {
                EventColumn::Day => self.read.len(),
                _ => self
                    .read
                    .binary_search(at)
                    .map_err(|_| internal_datafusion_err!("column {} is not read", field.name()))?,
            };
            let column: Arc<dyn PhysicalExpr> = Arc::new(Column::new(field.name(), index));
            let expr = match canonical {
                Some(canonical) if field.name() == USER_ID => Arc::new(ScalarFunctionExpr::try_new(
                    Arc::clone(canonical),
                    vec![column],
                    &read_schema,
                    Arc::new(self.state.config_options().clone()),
                )?),
                _ => column,
            };
            Ok(ProjectionExpr::new(expr, field.name()))
        };
        Ok(ProjectionExprs::new(self.output.iter().map(project).collect::<Result<Vec<_>>>()?))
    }

    /// `user_id IN (ids)` on the stored column.
    fn stored_under(&self, ids: &BTreeSet<String>) -> Result<Option<Arc<dyn PhysicalExpr>>> {
        let schema = self.read_schema();
        let Ok(index) = schema.index_of(USER_ID) else { return Ok(None) };
        let list = ids.iter().map(|id| lit(ScalarValue::Utf8View(Some(id.clone())))).collect();
        in_list(Arc::new(Column::new(USER_ID, index)), list, &false, &schema).map(Some)
    }

    fn scan_files(
        &self,
        source: Arc<dyn FileSource>,
        files: &[&DataFile],
        users_current: bool,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let location = &self.table.snapshot.location;
        let url = store_url(location)?;
        self.state.runtime_env().register_object_store(url.as_ref(), Arc::clone(location.store()));

        let per_file = files.len().saturating_mul(self.read.len() + 1) <= COLUMN_STATISTICS_MAX;
        let partitioned = files.iter().map(|file| {
            let partitioned = PartitionedFile::new_from_meta(object_meta(location, file))
                .with_partition_values(vec![ScalarValue::Date32(Some(file.day.days()))]);
            if per_file {
                partitioned.with_statistics(Arc::new(self.statistics(file, users_current)))
            } else {
                partitioned
            }
        });
        let groups = groups(partitioned.collect(), self.state.config().target_partitions());
        let schema = Arc::clone(source.table_schema().table_schema());
        let groups = groups.into_iter().map(|group| summed(group, &schema)).collect::<Result<Vec<_>>>()?;
        let statistics = if per_file {
            Statistics::try_merge_iter(
                groups.iter().filter_map(|group| group.file_statistics(None)),
                &schema,
            )?
        } else {
            let rows = files.iter().map(|file| file.rows as usize).sum();
            Statistics::new_unknown(&schema).with_num_rows(Precision::Exact(rows))
        };
        let config = FileScanConfigBuilder::new(url, source)
            .with_file_groups(groups)
            .with_statistics(statistics)
            .with_limit(self.limit)
            .with_expr_adapter(Some(Arc::new(LaneAdapterFactory::new(&self.read_schema()))))
            .build();
        Ok(DataSourceExec::from_data_source(config))
    }

    /// What the manifest knows of the columns read.
    fn statistics(&self, file: &DataFile, users_current: bool) -> Statistics {
        let columns = self.read.iter().map(|at| {
            let name = self.table.schema.field(*at).name();
            let column = self.table.columns[*at];
            let exact = |value: Option<ScalarValue>| value.map_or(Precision::Absent, Precision::Exact);
            let (min, max) = match (column, name.as_str()) {
                (EventColumn::System(_), EVENT) => {
                    let text = |name: &str| ScalarValue::Utf8View(Some(name.to_owned()));
                    (
                        file.events.first().map(|event| text(&event.name)),
                        file.events.last().map(|event| text(&event.name)),
                    )
                }
                (EventColumn::System(_), TIME) => {
                    let time = |ms: i64| ScalarValue::TimestampMillisecond(Some(ms), Some("UTC".into()));
                    (Some(time(file.min_time.millis())), Some(time(file.max_time.millis())))
                }
                (EventColumn::System(_), USER_ID) if users_current => {
                    let text = |id: &Option<String>| id.clone().map(|id| ScalarValue::Utf8View(Some(id)));
                    (text(&file.min_user), text(&file.max_user))
                }
                (EventColumn::System(_), SEQUENCE) => {
                    (Some(file.min_sequence.into()), Some(file.max_sequence.into()))
                }
                _ => (None, None),
            };
            ColumnStatistics {
                null_count: null_count(file, column)
                    .map_or(Precision::Absent, |nulls| Precision::Exact(nulls as usize)),
                min_value: exact(min),
                max_value: exact(max),
                ..ColumnStatistics::new_unknown()
            }
        });
        Statistics {
            num_rows: Precision::Exact(file.rows as usize),
            total_byte_size: Precision::Inexact(file.bytes as usize),
            column_statistics: columns.collect(),
        }
    }
}

fn project(source: &ParquetSource, projection: &ProjectionExprs) -> Result<Arc<dyn FileSource>> {
    source
        .try_pushdown_projection(projection)?
        .ok_or_else(|| internal_datafusion_err!("the Parquet source takes no projection"))
}

/// Where DataFusion looks up the dataset's store.
fn store_url(location: &Location) -> Result<ObjectStoreUrl> {
    let hash = BuildHasherDefault::<DefaultHasher>::default().hash_one(location.url().as_str());
    ObjectStoreUrl::parse(format!("tallymark://{hash:016x}"))
}

/// A data file never changes under its name, so that any fixed time of change will do.
fn object_meta(location: &Location, file: &DataFile) -> object_store::ObjectMeta {
    object_store::ObjectMeta {
        location: location.path(&file.path),
        last_modified: chrono::DateTime::UNIX_EPOCH,
        size: file.bytes,
        e_tag: None,
        version: None,
    }
}

/// A group with the statistics of its files taken together.
fn summed(group: FileGroup, schema: &Schema) -> Result<FileGroup> {
    let statistics =
        Statistics::try_merge_iter(group.iter().filter_map(|file| file.statistics.as_deref()), schema)?;
    Ok(group.with_statistics(Arc::new(statistics)))
}

/// Splits files, in order, into groups of about equal bytes: one group per thread, so that the
/// number of open files does not grow with the number of files.
fn groups(files: Vec<PartitionedFile>, count: usize) -> Vec<FileGroup> {
    let bytes: u64 = files.iter().map(|file| file.object_meta.size).sum();
    let share = (bytes / count.max(1) as u64).max(1);
    let mut groups: Vec<Vec<PartitionedFile>> = Vec::new();
    let mut before = 0;
    for file in files {
        let group = (before / share).min(count.max(1) as u64 - 1) as usize;
        before += file.object_meta.size;
        if groups.is_empty() || group >= groups.len() {
            groups.push(Vec::new());
        }
        if let Some(last) = groups.last_mut() {
            last.push(file);
        }
    }
    groups.into_iter().map(FileGroup::new).collect()
}

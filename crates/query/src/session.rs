//! Sessions: SQL over one snapshot, within limits.
//!
//! A [`QueryRuntime`] holds what queries share (memory, spill space, caches of Parquet footers);
//! each [`SessionContext`] it makes sees one snapshot for as long as it lives.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use datafusion::catalog::{CatalogProvider, MemoryCatalogProvider};
use datafusion::common::DataFusionError;
use datafusion::common::config::Dialect;
use datafusion::common::plan_err;
use datafusion::execution::memory_pool::FairSpillPool;
use datafusion::execution::runtime_env::{RuntimeEnv, RuntimeEnvBuilder};
use datafusion::execution::session_state::SessionStateBuilder;
use datafusion::logical_expr::planner::{RelationPlanner, RelationPlannerContext, RelationPlanning};
use datafusion::optimizer::{Optimizer, OptimizerRule};
use datafusion::prelude::{SessionConfig, SessionContext};
use datafusion::sql::sqlparser::ast::TableFactor;
use tallymark_storage::Snapshot;

use crate::attached::AttachedMemories;
use crate::error::{Error, Result};
use crate::events_table::Resident;
use crate::identity::canonical_user_udf;
use crate::lookups::{LOOKUP_SCHEMA, LoadedLookups, LookupSchema};
use crate::resident::{AggregateSegments, JoinUsers};
use crate::tables::{DatasetSchema, DatasetTables};

/// The catalog all tables are in.
pub const CATALOG: &str = "tallymark";
/// The schema all tables are in.
pub const SCHEMA: &str = "public";

/// The limits of queries (P6) and how they run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueryConfig {
    /// Bytes all running queries may hold together; what can spill does so before. 2 GiB.
    pub memory_bytes_max: usize,
    /// Where queries spill; the system's directory for temporary files if `None`.
    pub spill_dir: Option<PathBuf>,
    /// Bytes all running queries may spill together. 100 GiB.
    pub spill_bytes_max: u64,
    /// How many threads one query may use; 0 stands for one per processor. 0.
    pub target_partitions: usize,
    /// Rows of a batch between operators. 8,192.
    pub batch_rows: usize,
    /// Bytes of Parquet footers kept. 256 MiB.
    pub metadata_cache_bytes_max: usize,
    /// Bytes of columns kept in memory that no query is using; queries whose columns need more
    /// read files instead. 0 stands for none: all queries read files. 2 GiB.
    pub resident_bytes_max: usize,
}

impl Default for QueryConfig {
    fn default() -> Self {
        Self {
            memory_bytes_max: 2 << 30,
            spill_dir: None,
            spill_bytes_max: 100 << 30,
            target_partitions: 0,
            batch_rows: 8192,
            metadata_cache_bytes_max: 256 << 20,
            resident_bytes_max: 2 << 30,
        }
    }
}

/// What all queries of a process share: memory, spill space, caches.
#[derive(Debug)]
pub struct QueryRuntime {
    env: Arc<RuntimeEnv>,
    config: QueryConfig,
    /// The columns in memory, if there may be any.
    resident: Option<Resident>,
    /// The tables of the snapshot asked for last, so that what is made on first use is made once.
    latest: Mutex<Option<(Weak<Snapshot>, Arc<DatasetTables>)>>,
    loaded_lookups: Arc<LoadedLookups>,
    attached: Arc<AttachedMemories>,
}

impl QueryRuntime {
    /// Sets the limits.
    ///
    /// # Errors
    /// [`Error::Configure`] if the spill directory cannot be made.
    pub fn try_new(config: QueryConfig) -> Result<Self> {
        let mut builder = RuntimeEnvBuilder::new()
            .with_memory_pool(Arc::new(FairSpillPool::new(config.memory_bytes_max)))
            .with_max_temp_directory_size(config.spill_bytes_max)
            .with_metadata_cache_limit(config.metadata_cache_bytes_max)
            // A cached listing never sees new files of an attached dataset.
            .with_object_list_cache_limit(0);
        if let Some(dir) = &config.spill_dir {
            builder = builder.with_temp_file_path(dir);
        }
        let env = builder.build_arc().map_err(|source| Error::Configure { source })?;
        let resident = (config.resident_bytes_max > 0).then(|| Resident::new(&config));
        Ok(Self {
            env,
            config,
            resident,
            latest: Mutex::new(None),
            loaded_lookups: Arc::default(),
            attached: Arc::default(),
        })
    }

    /// The limits in force.
    pub fn config(&self) -> &QueryConfig {
        &self.config
    }

    pub(crate) fn resident(&self) -> Option<&Resident> {
        self.resident.as_ref()
    }

    pub(crate) fn attached(&self) -> &AttachedMemories {
        &self.attached
    }

    /// DataFusion's part of it.
    pub fn env(&self) -> &Arc<RuntimeEnv> {
        &self.env
    }

    /// The tables of a snapshot. What they compute on first use is kept while the snapshot is the
    /// one asked for last.
    pub fn tables(&self, snapshot: &Arc<Snapshot>) -> Arc<DatasetTables> {
        let mut latest = self.latest.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((of, tables)) = latest.as_ref()
            && std::ptr::eq(of.as_ptr(), Arc::as_ptr(snapshot))
        {
            return Arc::clone(tables);
        }
        let tables = DatasetTables::new(Arc::clone(snapshot))
            .with_resident(self.resident.clone())
            .with_loaded_lookups(Arc::clone(&self.loaded_lookups))
            .with_attached(Arc::clone(&self.attached));
        let tables = Arc::new(tables);
        *latest = Some((Arc::downgrade(snapshot), Arc::clone(&tables)));
        tables
    }

    /// A session over one snapshot, with the tables of [`DatasetTables`] and those attached.
    ///
    /// - Names are taken as written: `Plan` and `plan` are two columns. Functions and keywords may
    ///   be written in any case.
    /// - The dialect is DuckDB's; JSON functions (`json_get`, `->`, `->>`) and
    ///   `canonical_user(id)` are registered, and the behavioural [`functions`](crate::functions).
    ///   Times are UTC.
    /// - The snapshot is an extension of the session's configuration.
    /// - The caller may register functions and tables of their own, under names not taken.
    ///
    /// Statements go through [`crate::sql`], which refuses to write and explains errors.
    ///
    /// # Errors
    /// [`Error::Configure`] if DataFusion refuses a setting.
    pub fn session(&self, snapshot: &Arc<Snapshot>) -> Result<SessionContext> {
        let mut session_config = SessionConfig::new()
            .with_default_catalog_and_schema(CATALOG, SCHEMA)
            .with_create_default_catalog_and_schema(false)
            .with_information_schema(true)
            .with_batch_size(self.config.batch_rows)
            .with_extension(Arc::clone(snapshot))
            .with_extension(self.tables(snapshot));
        if self.config.target_partitions > 0 {
            session_config = session_config.with_target_partitions(self.config.target_partitions);
        }
        let options = session_config.options_mut();
        options.sql_parser.enable_ident_normalization = false;
        options.sql_parser.dialect = Dialect::DuckDB;
        options.execution.time_zone = Some("UTC".to_owned());
        options.execution.listing_table_ignore_subdirectory = false;

        let catalog = MemoryCatalogProvider::new();
        let schema = DatasetSchema::new(self.tables(snapshot), session_config.clone(), Arc::clone(&self.env));
        let configure = |source| Error::Configure { source };
        catalog.register_schema(SCHEMA, Arc::new(schema)).map_err(configure)?;
        let lookups = LookupSchema { tables: self.tables(snapshot), env: Arc::clone(&self.env) };
        catalog.register_schema(LOOKUP_SCHEMA, Arc::new(lookups)).map_err(configure)?;

        let state = SessionStateBuilder::new()
            .with_config(session_config)
            .with_runtime_env(Arc::clone(&self.env))
            .with_default_features()
            .with_optimizer_rules(optimizer_rules())
            .with_relation_planners(vec![Arc::new(RefuseSamples)])
            .build();
        let mut session_ctx = SessionContext::new_with_state(state);
        session_ctx.register_catalog(CATALOG, Arc::new(catalog));
        datafusion_functions_json::register_all(&mut session_ctx).map_err(configure)?;
        session_ctx.register_udf(canonical_user_udf(Arc::clone(&snapshot.identities)));
        crate::functions::register(&session_ctx);
        crate::report::register(&session_ctx, &self.tables(snapshot));
        Ok(session_ctx)
    }
}

/// DataFusion's rules, and ours before the one that takes `count(DISTINCT …)` apart.
fn optimizer_rules() -> Vec<Arc<dyn OptimizerRule + Send + Sync>> {
    let mut rules = Optimizer::new().rules;
    let at = rules.iter().position(|rule| rule.name() == "single_distinct_aggregation_to_group_by");
    let at = at.unwrap_or(rules.len());
    rules.insert(at, Arc::new(AggregateSegments));
    rules.insert(at, Arc::new(JoinUsers));
    rules
}

/// A session over one snapshot with a runtime of its own: [`QueryRuntime`] for a single use.
///
/// # Errors
/// [`Error::Configure`].
pub fn session(snapshot: &Arc<Snapshot>, config: &QueryConfig) -> Result<SessionContext> {
    QueryRuntime::try_new(config.clone())?.session(snapshot)
}

/// DataFusion reads `TABLESAMPLE` and ignores it; a wrong answer is worse than none (P1).
#[derive(Debug)]
struct RefuseSamples;

impl RelationPlanner for RefuseSamples {
    fn plan_relation(
        &self,
        relation: TableFactor,
        _context: &mut dyn RelationPlannerContext,
    ) -> Result<RelationPlanning, DataFusionError> {
        match relation {
            TableFactor::Table { sample: Some(_), .. } | TableFactor::Derived { sample: Some(_), .. } => {
                plan_err!(
                    "TABLESAMPLE is not supported: answers are exact; to look at a part of the users say WHERE in_sample(user_id, 0.1)"
                )
            }
            other => Ok(RelationPlanning::Original(Box::new(other))),
        }
    }
}

//! How an engine works: plain values with defaults.

use std::sync::Arc;
use std::time::Duration;

use tallymark_event::Clock;
use tallymark_ingest::{IngestConfig, Limits};
use tallymark_query::QueryConfig;
use tallymark_storage::StorageConfig;
use tallymark_users::IdentitySystem;

use crate::SystemClock;
use crate::answer::AnswerLimits;

/// How an [`crate::Engine`] works. Every field has a default that suits one machine.
#[derive(Debug, Clone)]
pub struct EngineConfig {
    /// How a new dataset resolves ids to users; an existing one keeps its own.
    pub identity: IdentitySystem,
    /// Sizes of records (D-30).
    pub limits: Limits,
    /// Threads for parsing and for queries: all cores.
    pub threads: usize,
    /// Memory that all queries together may take before they spill to disk or fail: 2 GiB.
    pub query_memory_bytes: usize,
    /// Memory for columns that stay loaded between queries: 2 GiB. A query whose columns need more
    /// reads files instead; with 0 all do.
    pub memory_budget_bytes: usize,
    /// Disk that queries may spill to: 64 GiB.
    pub spill_bytes: u64,
    /// How long a query may be waited for, planning included: no limit.
    pub query_time_max: Option<Duration>,
    /// How many rows an answer may have: no limit.
    pub answer_rows_max: Option<u64>,
    /// How many bytes the values of an answer may take, in Arrow's form: no limit.
    pub answer_bytes_max: Option<u64>,
    /// About how much memory an import may take: 1 GiB.
    pub import_memory_bytes: usize,
    /// The memtable becomes files when it holds this much, 64 MiB,
    pub flush_bytes: usize,
    /// or when its oldest record is this old: a minute.
    pub flush_age: Duration,
    /// How long replaced files and the snapshots that need them stay: 10 minutes.
    pub snapshot_retention: Duration,
    /// What another writer is told about who holds the dataset.
    pub holder: String,
    /// What time it is.
    pub clock: Arc<dyn Clock>,
}

impl Default for EngineConfig {
    fn default() -> Self {
        let ingest = IngestConfig::default();
        Self {
            identity: IdentitySystem::default(),
            limits: ingest.limits,
            threads: ingest.threads,
            query_memory_bytes: 2 << 30,
            memory_budget_bytes: 2 << 30,
            spill_bytes: 64 << 30,
            query_time_max: None,
            answer_rows_max: None,
            answer_bytes_max: None,
            import_memory_bytes: ingest.memory_bytes,
            flush_bytes: ingest.flush_bytes,
            flush_age: ingest.flush_age,
            snapshot_retention: Duration::from_mins(10),
            holder: format!("tallymark (process {})", std::process::id()),
            clock: Arc::new(SystemClock),
        }
    }
}

impl EngineConfig {
    pub(crate) fn storage(&self) -> StorageConfig {
        StorageConfig {
            snapshot_retention: self.snapshot_retention,
            identity: self.identity,
            holder: self.holder.clone(),
            ..StorageConfig::default()
        }
    }

    pub(crate) fn ingest(&self) -> IngestConfig {
        IngestConfig {
            limits: self.limits.clone(),
            memory_bytes: self.import_memory_bytes,
            flush_bytes: self.flush_bytes,
            flush_age: self.flush_age,
            threads: self.threads,
        }
    }

    pub(crate) fn answer(&self) -> AnswerLimits {
        AnswerLimits { time: self.query_time_max, rows: self.answer_rows_max, bytes: self.answer_bytes_max }
    }

    pub(crate) fn query(&self) -> QueryConfig {
        QueryConfig {
            memory_bytes_max: self.query_memory_bytes,
            spill_bytes_max: self.spill_bytes,
            target_partitions: self.threads,
            resident_bytes_max: self.memory_budget_bytes,
            ..QueryConfig::default()
        }
    }
}

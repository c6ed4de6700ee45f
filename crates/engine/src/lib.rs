//! Tallymark: product analytics in process, over open Parquet.
//!
//! [`Engine`] opens a dataset by path or URL, takes events in, and answers SQL over them:
//!
//! ```
//! # tokio::runtime::Runtime::new().unwrap().block_on(async {
//! use tallymark::{Engine, EngineConfig, Event, Timestamp};
//!
//! let engine = Engine::open("memory:///shop", EngineConfig::default()).await?;
//! let time = Timestamp::from_millis(1_700_000_000_000);
//! engine.append([Event::new("Sign up", time, "u1").with("plan", "pro")]).await?;
//! let answer = engine.sql("SELECT plan, count(*) AS events FROM events GROUP BY plan").await?;
//! assert_eq!(answer.collect().await?[0].num_rows(), 1);
//! # Ok::<(), tallymark::Error>(())
//! # }).unwrap();
//! ```
//!
//! In steps, a dataset's life:
//!
//! 1. [`Engine::open`] takes the writer's lease and replays what was acknowledged but is in no file
//!    yet; [`Engine::open_read_only`] needs no lease, and any number may be open.
//! 2. [`Engine::import`] and [`Engine::ingest`] commit large amounts straight to files;
//!    [`Engine::append`], [`Engine::append_json`] and [`Engine::update_profiles`] make small
//!    amounts durable at once and files later.
//! 3. [`Engine::sql`] answers over the newest state, [`View::sql`] over one that stays as it is.
//!    [`Engine::user`] is who one user is and what they did. [`Engine::session`] is DataFusion's own session, for functions and tables of your own.
//! 4. [`Engine::save_definition`] keeps cohorts and reports under a name.
//!    [`Engine::check_plan`] finds events that are not as they were planned.
//! 5. [`Engine::compact`] and [`Engine::delete_user`] rewrite files; [`Engine::inspect`] and
//!    [`Engine::export`] tell what is there.
//!
//! There is no global state: any number of engines live in one process. Queries run on threads of
//! the engine's own, so that a heavy one does not keep the caller's runtime from its work.

mod answer;
mod background;
mod clock;
mod config;
mod definitions;
mod engine;
mod error;
mod inspect;
mod lookups;
mod maintenance;
mod plan;
mod user;
mod view;

pub use answer::Answer;
pub use clock::SystemClock;
pub use config::EngineConfig;
pub use definitions::SavedDefinition;
pub use engine::Engine;
pub use error::{Error, ErrorKind, Result};
pub use inspect::{EventSummary, Inspection, LaneSummary, PropertySummary};
pub use lookups::SavedLookup;
pub use maintenance::{CompactOptions, CompactReport, DeleteReport};
pub use plan::{PlanExample, PlanReport, PlanScope, PlanViolation};
pub use user::{FeedEvent, User, UserEvents, UserOptions};
pub use view::{SnapshotInfo, View};

pub use tallymark_event::{Clock, Day, DistinctId, Event, FixedClock, Properties, PropertyValue, Timestamp};
pub use tallymark_ingest::{
    AppendReport, ColumnMapping, ImportOptions, ImportProgress, ImportReport, Input, Limits, RejectedRecord,
    Rejection, TimeUnit, WireForm,
};
pub use tallymark_query::plan::PlanProblem;
pub use tallymark_query::{
    AttachedUsage, ColumnUsage, Encoding, ExportOptions, ExportedLines, MemoryUsage, ProfileColumnUsage,
    SegmentUsage, report_schema,
};
pub use tallymark_report::{
    DefinitionError, DefinitionKind, Lexicon, LexiconEntry, LexiconKind, PropertyType, TrackingPlan, closest,
};
pub use tallymark_storage::{Attachment, CleanupReport, DataFile, Location};
pub use tallymark_users::{IdentitySystem, ProfileKey, ProfileOp, ProfileUpdate};

/// Definitions of reports.
pub use tallymark_report as report;

/// The query engine whose types appear in this crate's signatures.
pub use datafusion;

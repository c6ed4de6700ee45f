//! A state of the dataset that stays as it is.

use std::sync::Arc;

use datafusion::prelude::SessionContext;
use serde::Serialize;
use tallymark_event::Timestamp;
use tallymark_report::Report;
use tallymark_storage::Snapshot;

use crate::{Answer, Engine, Result};

/// One state of a dataset: queries on it see neither later events nor later profiles.
#[derive(Debug, Clone)]
pub struct View {
    pub(crate) engine: Engine,
    pub(crate) snapshot: Arc<Snapshot>,
}

/// A retained snapshot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct SnapshotInfo {
    /// Its number.
    pub version: u64,
    /// When it was committed.
    pub created_at: Timestamp,
}

impl View {
    /// The number of the last commit it contains. Records acknowledged but not committed yet may
    /// be visible beside it.
    pub fn version(&self) -> u64 {
        self.snapshot.manifest.version
    }

    /// The sequence of the next event: those of this state have smaller ones.
    pub fn next_sequence(&self) -> i64 {
        self.snapshot.next_sequence
    }

    /// When that commit was made.
    pub fn created_at(&self) -> Timestamp {
        self.snapshot.manifest.created_at
    }

    /// A session over this state, to register own functions and tables in.
    ///
    /// # Errors
    /// When memory or disk for queries cannot be set up.
    pub fn session(&self) -> Result<SessionContext> {
        Ok(self.engine.queries().session(&self.snapshot)?)
    }

    /// Answers SQL: a statement, or a script whose last statement gives the answer.
    ///
    /// # Errors
    /// [`crate::ErrorKind::InvalidInput`] for a wrong question, with what would be right.
    pub async fn sql(&self, text: &str) -> Result<Answer> {
        self.engine.sql_in(&self.session()?, text).await
    }

    /// Answers a report.
    ///
    /// # Errors
    /// As [`Engine::report`].
    pub async fn report(&self, report: Report) -> Result<Answer> {
        self.engine.report_in(&self.session()?, report).await
    }
}

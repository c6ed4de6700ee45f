//! SQL and reports over one state of a dataset, for as long as a script or prompt needs it.

use tallymark::datafusion::prelude::SessionContext;
use tallymark::report::Report;
use tallymark::{Answer, Engine, View};

/// Answers statements one after the other; what one sets, the next ones see.
pub(crate) struct Asker {
    engine: Engine,
    session_ctx: SessionContext,
    /// Statements that set something, to be said again when the session is made anew.
    settings: Vec<String>,
    /// Whether the state stays the one it is.
    is_pinned: bool,
}

impl std::fmt::Debug for Asker {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Asker").field("settings", &self.settings).finish_non_exhaustive()
    }
}

impl Asker {
    /// Over the snapshot of this number, or over the newest state.
    pub(crate) async fn new(engine: Engine, as_of_snapshot: Option<u64>) -> tallymark::Result<Self> {
        let view: View = match as_of_snapshot {
            Some(version) => engine.view_at(version).await?,
            None => engine.view(),
        };
        let session_ctx = view.session()?;
        Ok(Self { engine, session_ctx, settings: Vec::new(), is_pinned: as_of_snapshot.is_some() })
    }

    /// Answers one statement.
    pub(crate) async fn sql(&mut self, statement: &str) -> tallymark::Result<Answer> {
        let answer = self.engine.sql_in(&self.session_ctx, statement).await?;
        if answer.schema().fields().is_empty() {
            self.settings.push(statement.to_owned());
        }
        Ok(answer)
    }

    /// Answers a report.
    pub(crate) async fn report(&self, report: Report) -> tallymark::Result<Answer> {
        self.engine.report_in(&self.session_ctx, report).await
    }

    /// The dataset.
    pub(crate) fn engine(&self) -> &Engine {
        &self.engine
    }

    /// What is in memory by now.
    pub(crate) fn memory_usage(&self) -> Option<tallymark::MemoryUsage> {
        self.engine.memory_usage()
    }

    /// Goes on to the newest state, unless a snapshot was asked for. What statements have set is set
    /// again.
    pub(crate) async fn refresh(&mut self) -> tallymark::Result<()> {
        if self.is_pinned {
            return Ok(());
        }
        self.engine.refresh().await?;
        self.session_ctx = self.engine.session()?;
        for setting in &self.settings {
            // It was fine when it was said first; a view of a table now gone is told when asked for.
            if let Ok(answer) = self.engine.sql_in(&self.session_ctx, setting).await {
                let _ = answer.collect().await;
            }
        }
        Ok(())
    }
}

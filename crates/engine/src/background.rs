//! Threads of an engine's own.

use std::future::Future;
use std::sync::{Arc, Weak};
use std::time::Duration;

use tallymark_ingest::Ingestor;
use tokio::runtime::Runtime;
use tokio::task::JoinHandle;
use tracing::error;

use crate::error::chain;
use crate::{Error, Result};

/// A runtime that queries run on; dropping it does not wait for them.
#[derive(Debug)]
pub(crate) struct QueryThreads(Option<Runtime>);

impl QueryThreads {
    pub(crate) fn start(threads: usize) -> Result<Self> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(threads.max(1))
            .thread_name("tallymark-query")
            .enable_all()
            .build()
            .map_err(Error::Threads)?;
        Ok(Self(Some(runtime)))
    }

    pub(crate) fn spawn<F>(&self, work: F) -> JoinHandle<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        match &self.0 {
            Some(runtime) => runtime.spawn(work),
            // Only a drop takes the runtime away.
            None => tokio::spawn(work),
        }
    }
}

impl Drop for QueryThreads {
    fn drop(&mut self) {
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}

/// Flushes the memtable when its records get old, as long as the ingestor lives.
pub(crate) fn flush_when_due(ingestor: &Arc<Ingestor>, age: Duration) -> JoinHandle<()> {
    let ingestor: Weak<Ingestor> = Arc::downgrade(ingestor);
    let period = (age / 4).clamp(Duration::from_millis(50), Duration::from_secs(15));
    tokio::spawn(async move {
        loop {
            tokio::time::sleep(period).await;
            let Some(ingestor) = ingestor.upgrade() else { return };
            if let Err(failed) = ingestor.flush_if_due().await {
                error!(error = chain(&failed), "cannot flush the memtable; its records are safe in the log");
            }
        }
    })
}

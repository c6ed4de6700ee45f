//! The answer to a query: batches as they come.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use datafusion::error::DataFusionError;
use datafusion::execution::SendableRecordBatchStream;
use futures::{Stream, StreamExt as _, TryStreamExt as _};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use crate::background::QueryThreads;
use crate::{Error, Result};

/// Batches that may wait for the reader.
const WAITING: usize = 2;

/// The rows of an answer: a stream of record batches of one schema. Dropping it stops the query.
pub struct Answer {
    schema: SchemaRef,
    batches: mpsc::Receiver<Result<RecordBatch, DataFusionError>>,
    running: JoinHandle<()>,
}

impl fmt::Debug for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Answer").field("schema", &self.schema).finish_non_exhaustive()
    }
}

impl Answer {
    /// Runs a stream on the query threads.
    pub(crate) fn run(mut stream: SendableRecordBatchStream, threads: &QueryThreads) -> Self {
        let schema = stream.schema();
        let (sender, batches) = mpsc::channel(WAITING);
        let running = threads.spawn(async move {
            while let Some(batch) = stream.next().await {
                let failed = batch.is_err();
                if sender.send(batch).await.is_err() || failed {
                    return;
                }
            }
        });
        Self { schema, batches, running }
    }

    /// The columns of the answer.
    pub fn schema(&self) -> SchemaRef {
        SchemaRef::clone(&self.schema)
    }

    /// All rows in memory.
    ///
    /// # Errors
    /// Whatever stopped the query.
    pub async fn collect(self) -> Result<Vec<RecordBatch>> {
        self.try_collect().await
    }
}

impl Stream for Answer {
    type Item = Result<RecordBatch>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.batches.poll_recv(context).map(|batch| batch.map(|batch| batch.map_err(Error::Run)))
    }
}

impl Drop for Answer {
    fn drop(&mut self) {
        self.running.abort();
    }
}

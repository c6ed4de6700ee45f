//! The answer to a query: batches as they come, within limits.

use std::fmt;
use std::future::Future as _;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use arrow::array::{Array, ArrayRef, AsArray as _, RecordBatch};
use arrow::datatypes::{DataType, SchemaRef};
use datafusion::execution::SendableRecordBatchStream;
use futures::{Stream, StreamExt as _, TryStreamExt as _};
use tallymark_storage::{EventStore, Snapshot};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::{Instant, Sleep, sleep_until};

use crate::background::QueryThreads;
use crate::error::explain_missing_files;
use crate::{Error, Result};

/// Batches that may wait for the reader.
const WAITING: usize = 2;

/// The rows of an answer: a stream of record batches of one schema. Dropping it stops the query.
pub struct Answer {
    schema: SchemaRef,
    batches: mpsc::Receiver<Result<RecordBatch>>,
    running: JoinHandle<()>,
    patience: Patience,
    size: SizeLimits,
    /// Whether a limit was reached: nothing follows.
    is_over: bool,
}

/// The limits of one answer (P6); `None` is no limit.
#[derive(Debug, Clone, Copy)]
pub(crate) struct AnswerLimits {
    /// How long it may be waited for, planning included.
    pub(crate) time: Option<Duration>,
    /// How many rows it may have.
    pub(crate) rows: Option<u64>,
    /// How many bytes of values it may have.
    pub(crate) bytes: Option<u64>,
}

impl fmt::Debug for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Answer").field("schema", &self.schema).finish_non_exhaustive()
    }
}

impl Answer {
    /// Runs a stream on the query threads. `planned_in` is the time that was waited already.
    pub(crate) fn run(
        mut stream: SendableRecordBatchStream,
        threads: &QueryThreads,
        limits: AnswerLimits,
        planned_in: Duration,
        of: (EventStore, Option<Arc<Snapshot>>),
    ) -> Self {
        let schema = stream.schema();
        let (sender, batches) = mpsc::channel(WAITING);
        let running = threads.spawn(async move {
            while let Some(batch) = stream.next().await {
                let batch = match batch {
                    Ok(batch) => Ok(batch),
                    Err(error) => Err(explain_missing_files(error.into(), &of.0, of.1.as_deref()).await),
                };
                let failed = batch.is_err();
                if sender.send(batch).await.is_err() || failed {
                    return;
                }
            }
        });
        let patience = Patience::new(limits.time, planned_in);
        let size = SizeLimits { limits, rows: 0, bytes: 0 };
        Self { schema, batches, running, patience, size, is_over: false }
    }

    /// The columns of the answer.
    pub fn schema(&self) -> SchemaRef {
        SchemaRef::clone(&self.schema)
    }

    /// All rows in memory.
    ///
    /// # Errors
    /// Whatever stopped the query; [`Error::QueryTime`], [`Error::AnswerRows`] and
    /// [`Error::AnswerBytes`] if a limit did.
    pub async fn collect(self) -> Result<Vec<RecordBatch>> {
        self.try_collect().await
    }

    fn end(&mut self, error: Error) -> Poll<Option<Result<RecordBatch>>> {
        self.running.abort();
        self.batches.close();
        self.is_over = true;
        Poll::Ready(Some(Err(error)))
    }
}

impl Stream for Answer {
    type Item = Result<RecordBatch>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if self.is_over {
            return Poll::Ready(None);
        }
        match self.batches.poll_recv(context) {
            Poll::Ready(Some(Ok(batch))) => {
                self.patience.rest();
                match self.size.admit(&batch) {
                    Ok(()) => Poll::Ready(Some(Ok(batch))),
                    Err(error) => self.end(error),
                }
            }
            Poll::Ready(other) => Poll::Ready(other),
            Poll::Pending => match self.patience.poll_end(context) {
                Poll::Ready(error) => self.end(error),
                Poll::Pending => Poll::Pending,
            },
        }
    }
}

impl Drop for Answer {
    fn drop(&mut self) {
        self.running.abort();
    }
}

/// How long an answer is still waited for. Only waiting counts: a reader may take its time.
///
/// It is measured where the answer is read, not on the query threads: those may be too busy to
/// notice.
struct Patience {
    limit: Option<Duration>,
    waited: Duration,
    waiting: Option<(Instant, Pin<Box<Sleep>>)>,
}

impl Patience {
    fn new(limit: Option<Duration>, waited: Duration) -> Self {
        Self { limit, waited, waiting: None }
    }

    /// Something came.
    fn rest(&mut self) {
        if let Some((since, _)) = self.waiting.take() {
            self.waited += since.elapsed();
        }
    }

    /// Nothing came yet.
    fn poll_end(&mut self, context: &mut Context<'_>) -> Poll<Error> {
        let Some(limit) = self.limit else { return Poll::Pending };
        let left = limit.saturating_sub(self.waited);
        let (_, sleep) = self.waiting.get_or_insert_with(|| {
            let now = Instant::now();
            (now, Box::pin(sleep_until(now + left)))
        });
        sleep.as_mut().poll(context).map(|()| Error::QueryTime { limit })
    }
}

struct SizeLimits {
    limits: AnswerLimits,
    rows: u64,
    bytes: u64,
}

impl SizeLimits {
    fn admit(&mut self, batch: &RecordBatch) -> Result<()> {
        self.rows += batch.num_rows() as u64;
        if let Some(limit) = self.limits.rows
            && self.rows > limit
        {
            return Err(Error::AnswerRows { limit });
        }
        if let Some(limit) = self.limits.bytes {
            self.bytes += batch.columns().iter().map(value_bytes).sum::<u64>();
            if self.bytes > limit {
                return Err(Error::AnswerBytes { limit });
            }
        }
        Ok(())
    }
}

/// The bytes of a column's values. Not those of its buffers: views may share large ones, of which
/// they need little.
fn value_bytes(column: &ArrayRef) -> u64 {
    let lengths = |total: usize| (total + column.len() * size_of::<u32>()) as u64;
    match column.data_type() {
        DataType::Utf8View => lengths(column.as_string_view().iter().flatten().map(str::len).sum()),
        DataType::BinaryView => lengths(column.as_binary_view().iter().flatten().map(<[u8]>::len).sum()),
        _ => column
            .to_data()
            .get_slice_memory_size()
            .map_or_else(|_| column.get_array_memory_size() as u64, |bytes| bytes as u64),
    }
}

#[cfg(test)]
mod tests {
    use arrow::array::{Int64Array, StringViewArray};

    use super::*;

    #[test]
    fn bytes_are_those_of_the_values_not_of_shared_buffers() {
        let texts: ArrayRef = Arc::new(StringViewArray::from(vec!["a text of more than twelve bytes"; 1000]));
        let numbers: ArrayRef = Arc::new(Int64Array::from_iter_values(0..1000));
        assert_eq!(value_bytes(&texts.slice(0, 2)), 2 * (32 + 4));
        assert_eq!(value_bytes(&numbers.slice(10, 3)), 24);
    }
}

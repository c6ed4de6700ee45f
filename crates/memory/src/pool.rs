//! The threads that decode columns, apart from those that wait for the store.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::{Arc, Mutex, PoisonError};

use rayon::{ThreadPool, ThreadPoolBuilder};
use tokio::sync::oneshot;

use crate::{Error, Result};

/// Started when first used.
#[derive(Debug)]
pub(crate) struct Pool {
    threads: usize,
    started: Mutex<Option<Arc<ThreadPool>>>,
}

impl Pool {
    pub(crate) fn new(threads: usize) -> Self {
        Self { threads: threads.max(1), started: Mutex::default() }
    }

    /// How many sources are read at a time: one per thread, and some ahead of them.
    pub(crate) fn read_ahead(&self) -> usize {
        const AHEAD: usize = 4;
        self.threads + AHEAD
    }

    /// Does some work on the threads; parallel iterators in it use all of them. Work that was not
    /// started when the caller stopped waiting is not done.
    ///
    /// # Errors
    /// [`Error::Threads`]. A panic of the work is passed on.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T> {
        let (sender, receiver) = oneshot::channel();
        self.start()?.spawn(move || {
            if !sender.is_closed() {
                // Whoever waited may be gone by now.
                drop(sender.send(catch_unwind(AssertUnwindSafe(work))));
            }
        });
        match receiver.await {
            Ok(Ok(result)) => Ok(result),
            Ok(Err(panic)) => resume_unwind(panic),
            Err(_) => Err(Error::Stopped),
        }
    }

    fn start(&self) -> Result<Arc<ThreadPool>> {
        let mut started = self.started.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(pool) = &*started {
            return Ok(Arc::clone(pool));
        }
        let pool = ThreadPoolBuilder::new()
            .num_threads(self.threads)
            .thread_name(|index| format!("tallymark-load-{index}"))
            .build()
            .map_err(|source| Error::Threads { source })?;
        let pool = Arc::new(pool);
        *started = Some(Arc::clone(&pool));
        Ok(pool)
    }
}

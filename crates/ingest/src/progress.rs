//! How far an import is, for another thread to look at.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};

use crate::Rejection;

type OnReject = Box<dyn Fn(&str, &Rejection) + Send + Sync>;

/// Counters an import keeps up to date, and the way to stop it.
#[derive(Default)]
pub struct ImportProgress {
    bytes_read: Arc<AtomicU64>,
    bytes_total: AtomicU64,
    records: AtomicU64,
    stored: AtomicU64,
    refused: AtomicU64,
    cancelled: AtomicBool,
    on_reject: Option<OnReject>,
}

impl fmt::Debug for ImportProgress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ImportProgress")
            .field("bytes_read", &self.bytes_read())
            .field("records", &self.records())
            .finish_non_exhaustive()
    }
}

impl ImportProgress {
    /// Counters at zero.
    pub fn new() -> Self {
        Self::default()
    }

    /// Has every refused record handed to `on_reject`, with the name of its input, in order.
    #[must_use]
    pub fn on_reject(mut self, on_reject: impl Fn(&str, &Rejection) + Send + Sync + 'static) -> Self {
        self.on_reject = Some(Box::new(on_reject));
        self
    }

    /// Bytes read of the inputs, before decompression.
    pub fn bytes_read(&self) -> u64 {
        self.bytes_read.load(Relaxed)
    }

    /// Bytes there are to read, if all inputs are files.
    pub fn bytes_total(&self) -> Option<u64> {
        Some(self.bytes_total.load(Relaxed)).filter(|&bytes| bytes > 0)
    }

    /// Records parsed so far.
    pub fn records(&self) -> u64 {
        self.records.load(Relaxed)
    }

    /// Records committed so far.
    pub fn stored(&self) -> u64 {
        self.stored.load(Relaxed)
    }

    /// Records refused so far.
    pub fn refused(&self) -> u64 {
        self.refused.load(Relaxed)
    }

    /// Stops the import as soon as what was read is committed.
    pub fn cancel(&self) {
        self.cancelled.store(true, Relaxed);
    }

    /// Whether [`ImportProgress::cancel`] was called.
    pub fn is_cancelled(&self) -> bool {
        self.cancelled.load(Relaxed)
    }

    pub(crate) fn read_counter(&self) -> Arc<AtomicU64> {
        Arc::clone(&self.bytes_read)
    }

    pub(crate) fn set_total(&self, bytes: u64) {
        self.bytes_total.store(bytes, Relaxed);
    }

    pub(crate) fn add_records(&self, records: u64) {
        self.records.fetch_add(records, Relaxed);
    }

    pub(crate) fn add_stored(&self, records: u64) {
        self.stored.fetch_add(records, Relaxed);
    }

    pub(crate) fn reject(&self, input: &str, rejection: &Rejection) {
        self.refused.fetch_add(1, Relaxed);
        if let Some(on_reject) = &self.on_reject {
            on_reject(input, rejection);
        }
    }
}

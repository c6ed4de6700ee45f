//! Ctrl-C: once to stop in order, twice to stop at once.

use std::sync::Arc;

use tallymark::ImportProgress;
use tokio::task::JoinHandle;

use crate::terminal::note;

/// Cancels an import at the first Ctrl-C and ends the process at the second, until it is dropped.
#[derive(Debug)]
pub(crate) struct Interrupt(JoinHandle<()>);

impl Interrupt {
    /// Starts to listen. Must be called within the runtime.
    pub(crate) fn cancels(progress: Arc<ImportProgress>) -> Self {
        Self(tokio::spawn(async move {
            if tokio::signal::ctrl_c().await.is_err() {
                return;
            }
            progress.cancel();
            note("\nstopping; what was read is being committed. Ctrl-C again stops at once");
            if tokio::signal::ctrl_c().await.is_ok() {
                std::process::exit(130);
            }
        }))
    }
}

impl Drop for Interrupt {
    fn drop(&mut self) {
        self.0.abort();
    }
}

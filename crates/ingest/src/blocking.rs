//! Work that may take its time, on a thread that may.

use tokio::task::JoinError;

use crate::{Error, Result};

/// Runs `work` on one of the runtime's threads for blocking work.
///
/// # Errors
/// Those of `work`, and of [`outcome`].
pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T> + Send + 'static,
) -> Result<T> {
    outcome(tokio::task::spawn_blocking(work).await)?
}

/// What a task gave that was waited for. If it panicked, the panic goes on here.
///
/// # Errors
/// [`Error::ShuttingDown`] if its runtime ended first.
pub fn outcome<T>(joined: Result<T, JoinError>) -> Result<T> {
    joined.map_err(|stopped| match stopped.try_into_panic() {
        Ok(panic) => std::panic::resume_unwind(panic),
        Err(_) => Error::ShuttingDown,
    })
}

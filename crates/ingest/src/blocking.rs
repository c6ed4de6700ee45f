//! Work that may take its time, on a thread that may.

use crate::{Error, Result};

/// Runs `work` on one of the runtime's threads for blocking work.
///
/// # Errors
/// Those of `work`; [`Error::ShuttingDown`] if the runtime ends first. A panic goes on here.
pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T> + Send + 'static,
) -> Result<T> {
    match tokio::task::spawn_blocking(work).await {
        Ok(outcome) => outcome,
        Err(stopped) => match stopped.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            Err(_) => Err(Error::ShuttingDown),
        },
    }
}

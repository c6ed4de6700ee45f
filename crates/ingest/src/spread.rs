//! Many pieces of work on all threads of the runtime.

use std::future::Future;

use tokio::task::JoinSet;

use crate::{Result, outcome};

/// Runs all of `work`, so many pieces at a time; what they give comes in no particular order.
///
/// Dropped, or after an error, the pieces that are running are stopped.
///
/// # Errors
/// The first of any piece, and those of [`outcome`].
pub(crate) async fn spread<T: Send + 'static>(
    at_once: usize,
    work: impl IntoIterator<Item = impl Future<Output = Result<T>> + Send + 'static>,
) -> Result<Vec<T>> {
    let mut waiting = work.into_iter();
    let mut running = JoinSet::new();
    let mut done = Vec::new();
    loop {
        while running.len() < at_once.max(1)
            && let Some(next) = waiting.next()
        {
            running.spawn(next);
        }
        match running.join_next().await {
            Some(joined) => done.push(outcome(joined)??),
            None => return Ok(done),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

    use super::spread;
    use crate::Error;

    #[tokio::test]
    async fn so_many_pieces_run_at_a_time_until_one_fails() {
        let (running, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let piece = |number: usize| {
            let (running, most) = (Arc::clone(&running), Arc::clone(&most));
            async move {
                most.fetch_max(running.fetch_add(1, SeqCst) + 1, SeqCst);
                tokio::task::yield_now().await;
                running.fetch_sub(1, SeqCst);
                if number == 100 { Err(Error::ShuttingDown) } else { Ok(number) }
            }
        };
        let mut done = spread(3, (0..20).map(piece)).await.unwrap();
        done.sort_unstable();
        assert_eq!(done, (0..20).collect::<Vec<_>>());
        assert_eq!(most.load(SeqCst), 3);
        assert!(matches!(spread(3, (95..1000).map(piece)).await, Err(Error::ShuttingDown)));
        assert!(spread(0, (0..0).map(piece)).await.unwrap().is_empty());
    }
}

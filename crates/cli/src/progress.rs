//! How far an import is, on a terminal.

use std::sync::Arc;
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use tallymark::ImportProgress;

use crate::terminal::Terminal;
use crate::text::{bytes, count, counted, duration};

/// Time between two looks.
const INTERVAL: Duration = Duration::from_millis(100);

/// A bar on standard error that follows an import until it is dropped; nothing where nobody
/// watches.
#[derive(Debug)]
pub(crate) struct ProgressDisplay {
    /// Dropping it stops the thread.
    stop: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl ProgressDisplay {
    /// Starts to show `progress`, whose counters may move on any thread.
    pub(crate) fn start(progress: Arc<ImportProgress>, terminal: Terminal) -> Self {
        if !terminal.stderr {
            return Self { stop: None, thread: None };
        }
        let (stop, stopped) = mpsc::channel();
        let thread = thread::spawn(move || {
            let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
            let started = Instant::now();
            let mut sized = false;
            while stopped.recv_timeout(INTERVAL) == Err(RecvTimeoutError::Timeout) {
                if !sized {
                    sized = progress.bytes_total().is_some();
                    style(&bar, progress.bytes_total());
                }
                bar.set_position(progress.bytes_read());
                bar.set_message(message(&progress, started.elapsed()));
                bar.tick();
            }
            bar.finish_and_clear();
        });
        Self { stop: Some(stop), thread: Some(thread) }
    }
}

impl Drop for ProgressDisplay {
    /// Takes the bar away before anything else is printed.
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn style(bar: &ProgressBar, bytes_total: Option<u64>) {
    let template = match bytes_total {
        Some(total) => {
            bar.set_length(total);
            "{bar:24.cyan/dim} {percent:>3}%  {wide_msg}"
        }
        None => "{spinner:.cyan} {wide_msg}",
    };
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style.progress_chars("━━─"));
    }
}

/// `12.3 MB of 28.1 MB, 230,412 records, 410,000/s, 3 s left, 2 refused`
fn message(progress: &ImportProgress, elapsed: Duration) -> String {
    let (read, total) = (progress.bytes_read(), progress.bytes_total());
    let records = progress.records();
    let seconds = elapsed.as_secs_f64().max(0.001);
    let mut parts = vec![match total {
        Some(total) => format!("{} of {}", bytes(read), bytes(total)),
        None => bytes(read),
    }];
    parts.push(counted(records, "record"));
    parts.push(format!("{}/s", count((records as f64 / seconds) as u64)));
    match total {
        _ if progress.is_cancelled() => parts.push("stopping".to_owned()),
        Some(total) if read >= total => parts.push("writing the rest".to_owned()),
        Some(total) if read > 0 && seconds > 1.0 => {
            let left = elapsed.mul_f64((total - read) as f64 / read as f64);
            parts.push(format!("{} left", duration(left.max(Duration::from_secs(1)))));
        }
        Some(_) | None => {}
    }
    if progress.refused() > 0 {
        parts.push(format!("{} refused", count(progress.refused())));
    }
    parts.join(", ")
}

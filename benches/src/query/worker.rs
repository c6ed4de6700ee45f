//! The process of a system.

use std::fs::{self, File};
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::Duration;
use std::{env, thread};

use anyhow::{Context as _, Result, bail};

use super::dataset::Dataset;
use super::protocol::{Asked, Cost, Reply, Request};
use super::system::System;
use super::{Options, answer::Answer};
use crate::python::Environment;

/// Opening may read all data (the hand loops do).
const OPEN_TIMEOUT: Duration = Duration::from_mins(15);

/// What starts processes.
#[derive(Debug)]
pub(crate) struct Workers<'a> {
    pub options: &'a Options,
    pub work: PathBuf,
    pub dataset: &'a Dataset,
    pub python: &'a Environment,
}

/// A process, running.
#[derive(Debug)]
pub(crate) struct Worker {
    system: System,
    child: Child,
    input: Option<ChildStdin>,
    lines: Receiver<String>,
    log: PathBuf,
}

/// An answer with what it took.
#[derive(Debug, Clone)]
pub(crate) struct Answered {
    pub version: String,
    pub cost: Cost,
    pub answer: Answer,
}

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Failure {
    /// It took longer than allowed; the process is gone.
    TooLong,
    /// It said why, or its process ended.
    Failed(String),
}

impl Workers<'_> {
    /// Starts the process of a system; it opens nothing yet.
    pub(crate) fn start(&self, system: System) -> Result<Worker> {
        let options = self.options;
        let (threads, memory) = (options.threads.to_string(), options.query_memory.to_string());
        let mut command = if let Some((script, what)) = system.script() {
            let mut command = self.python.command(script);
            command.arg(what).arg(self.dataset.parquet()).arg(self.dataset.copy(system));
            command.args([&threads, &memory]).env("TOKIO_WORKER_THREADS", &threads);
            command
        } else {
            let mut command = Command::new(env::current_exe().context("cannot find this program")?);
            command.args(["answer", "--system", &system.to_string(), "--work"]).arg(&self.work);
            command.args(["--threads", &threads, "--query-memory", &memory]);
            command.args(["--memory", &options.memory.to_string()]);
            command.args(options.events.arguments());
            command
        };
        let log = self.work.join(format!("{system}.log"));
        let errors = File::create(&log).with_context(|| format!("cannot write {}", log.display()))?;
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(errors);
        let mut child = command.spawn().with_context(|| format!("cannot start {system}"))?;
        let (input, output) = (child.stdin.take(), child.stdout.take().context("no output")?);
        let (sender, lines) = channel();
        thread::spawn(move || {
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    return;
                }
            }
        });
        Ok(Worker { system, child, input, lines, log })
    }

    /// Starts the process of a system and has it open its data.
    pub(crate) fn open(&self, system: System) -> Result<Worker> {
        let mut worker = self.start(system)?;
        match worker.request(&Request::Open, OPEN_TIMEOUT) {
            Ok(Reply::Ready { .. }) => Ok(worker),
            Ok(other) => bail!("{system} does not open but says {other:?}"),
            Err(failure) => bail!("{system} does not open: {failure:?}"),
        }
    }
}

impl Worker {
    /// Asks a question of an open system.
    pub(crate) fn ask(&mut self, asked: Asked, limit: Duration) -> Result<Answered, Failure> {
        let reply = self.request(&Request::Ask(asked), limit)?;
        answered(reply)
    }

    /// Has the system open and answer.
    pub(crate) fn cold(&mut self, asked: Asked, limit: Duration) -> Result<Answered, Failure> {
        let reply = self.request(&Request::Cold(asked), limit)?;
        answered(reply)
    }

    fn request(&mut self, request: &Request, limit: Duration) -> Result<Reply, Failure> {
        let said = serde_json::to_string(request).map_err(|error| Failure::Failed(error.to_string()))?;
        if let Some(input) = &mut self.input
            && writeln!(input, "{said}").and_then(|()| input.flush()).is_err()
        {
            return Err(self.ended());
        }
        match self.lines.recv_timeout(limit) {
            Ok(line) => serde_json::from_str(&line)
                .map_err(|error| Failure::Failed(format!("{} says {line:?}: {error}", self.system))),
            Err(RecvTimeoutError::Timeout) => {
                self.stop();
                Err(Failure::TooLong)
            }
            Err(RecvTimeoutError::Disconnected) => Err(self.ended()),
        }
    }

    fn ended(&mut self) -> Failure {
        self.stop();
        let log = fs::read_to_string(&self.log).unwrap_or_default();
        let last: Vec<&str> = log.lines().rev().take(5).collect();
        let last: Vec<&str> = last.into_iter().rev().collect();
        Failure::Failed(format!("the process of {} ended: {}", self.system, last.join(" / ")))
    }

    /// Whether it can be asked.
    pub(crate) fn is_running(&self) -> bool {
        self.input.is_some()
    }

    fn stop(&mut self) {
        self.input = None;
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        // Without more input it ends by itself, and closes what it has open; a stuck one is stopped.
        self.input = None;
        for _ in 0..100 {
            if !matches!(self.child.try_wait(), Ok(None)) {
                return;
            }
            thread::sleep(Duration::from_millis(100));
        }
        self.stop();
    }
}

fn answered(reply: Reply) -> Result<Answered, Failure> {
    match reply {
        Reply::Answered { version, cost, rows } => Ok(Answered { version, cost, answer: Answer::new(rows) }),
        Reply::Failed { error } => Err(Failure::Failed(error)),
        Reply::Ready { .. } => Err(Failure::Failed("no answer but ready".to_owned())),
    }
}

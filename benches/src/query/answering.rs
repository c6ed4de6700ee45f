//! Our own processes: the engine, and the hand loops, answering over standard input and output.

use std::fs;
use std::io::{BufRead as _, Write as _};
use std::path::PathBuf;
use std::time::Instant;

use anyhow::{Context as _, Result, bail};
use clap::Args;
use cpu_time::ProcessTime;
use serde_json::Value;
use tallymark::{Engine, EngineConfig};
use tokio::runtime::Runtime;

use super::dataset::{Dataset, Facts};
use super::protocol::{Asked, Cost, Reply, Request};
use super::questions;
use super::rows::rows_of;
use super::system::System;
use crate::generate::EventOptions;
use crate::hand::Columns;

/// Answer questions over standard input and output (what `query` starts)
#[derive(Debug, Args)]
pub(crate) struct Options {
    #[command(flatten)]
    pub events: EventOptions,
    #[arg(long, value_enum)]
    pub system: System,
    #[arg(long)]
    pub work: PathBuf,
    #[arg(long)]
    pub threads: usize,
    #[arg(long)]
    pub memory: usize,
    #[arg(long)]
    pub query_memory: usize,
}

pub(crate) fn run(options: &Options) -> Result<()> {
    let dataset = Dataset::prepare(&options.events, &options.work)?;
    let mut answerer = None;
    for line in std::io::stdin().lock().lines() {
        let reply = match serde_json::from_str(&line?)? {
            Request::Open => Answerer::open(options, &dataset).map(|opened| {
                answerer = Some(opened);
                Reply::Ready { version: version() }
            }),
            Request::Ask(asked) => {
                answer(&asked, &dataset.facts, || answerer.as_mut().context("not opened yet"))
            }
            Request::Cold(asked) => {
                answer(&asked, &dataset.facts, || Ok(answerer.insert(Answerer::open(options, &dataset)?)))
            }
        };
        let reply = reply.unwrap_or_else(|error| Reply::Failed { error: format!("{error:#}") });
        let mut out = std::io::stdout().lock();
        serde_json::to_writer(&mut out, &reply)?;
        writeln!(out)?;
        out.flush()?;
    }
    Ok(())
}

fn version() -> String {
    env!("CARGO_PKG_VERSION").to_owned()
}

/// Answers on the clock.
fn answer<'a>(
    asked: &Asked,
    facts: &Facts,
    opened: impl FnOnce() -> Result<&'a mut Answerer>,
) -> Result<Reply> {
    reset_peak()?;
    let (started, cpu) = (Instant::now(), ProcessTime::now());
    let rows = opened()?.rows(asked, facts)?;
    let (wall_s, cpu_s) = (started.elapsed().as_secs_f64(), cpu.elapsed().as_secs_f64());
    let cost = Cost { wall_s, cpu_s, peak_bytes: peak()? };
    Ok(Reply::Answered { version: version(), cost, rows })
}

enum Answerer {
    Engine { runtime: Runtime, engine: Engine },
    Hand(Box<Columns>),
}

impl Answerer {
    fn open(options: &Options, dataset: &Dataset) -> Result<Self> {
        match options.system {
            System::Tallymark => {
                let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
                let ours = dataset.ours();
                let url = ours.to_str().context("the work folder's name is not Unicode")?;
                let config = EngineConfig {
                    threads: options.threads,
                    memory_budget_bytes: options.memory,
                    query_memory_bytes: options.query_memory,
                    ..EngineConfig::default()
                };
                let engine = runtime.block_on(Engine::open_read_only(url, config))?;
                Ok(Self::Engine { runtime, engine })
            }
            System::Hand => Ok(Self::Hand(Box::new(Columns::load(&dataset.files()?, options.threads)?))),
            peer => bail!("{peer} is not of this program"),
        }
    }

    fn rows(&mut self, asked: &Asked, facts: &Facts) -> Result<Vec<Vec<Value>>> {
        match self {
            Self::Engine { runtime, engine } => {
                let batches = runtime.block_on(async { engine.sql(&asked.sql).await?.collect().await })?;
                rows_of(&batches)
            }
            Self::Hand(columns) => {
                let question = questions::ALL.iter().find(|question| question.name == asked.question);
                let question = question.with_context(|| format!("no loop for {}", asked.question))?;
                Ok((question.hand)(columns, facts))
            }
        }
    }
}

/// Linux then counts the largest resident set from here.
#[expect(clippy::disallowed_methods, reason = "not a file that anybody keeps")]
fn reset_peak() -> Result<()> {
    fs::write("/proc/self/clear_refs", "5").context("cannot reset the peak of memory")
}

fn peak() -> Result<u64> {
    let status = fs::read_to_string("/proc/self/status").context("cannot read the peak of memory")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).context("no peak of memory")?;
    let kib: u64 = line.trim().trim_end_matches("kB").trim().parse().context("no peak of memory")?;
    Ok(kib * 1024)
}

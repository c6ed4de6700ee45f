//! The events all systems are asked about: generated once, kept, and found again.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use serde::{Deserialize, Serialize};
use tallymark::{CompactOptions, DefinitionKind, Engine, EngineConfig, ImportOptions};

use super::rows::rows_of;
use super::system::System;
use crate::generate::{EventOptions, default_threads};
use crate::python::Environment;

/// What questions need to know of the events, and what making them took.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Facts {
    pub events: u64,
    pub seed: u64,
    /// Days since 1970.
    pub first_day: i32,
    pub days: u32,
    /// Canonical users with an event.
    pub users: u64,
    /// The canonical id of the user with the most events.
    pub busiest_user: String,
    /// Of the data files.
    pub bytes: u64,
    pub files: u64,
    /// Seconds of generating and importing, and of compacting.
    pub import_s: f64,
    pub compact_s: f64,
}

/// The saved cohort that questions use: who did a Purchase at least twice.
pub(crate) const BUYERS: &str = "buyers";
const BUYERS_ARE: &str =
    r#"{"all": [{"did": {"event": "Purchase", "in": {"since": "2000-01-01"}, "times": {"at_least": 2}}}]}"#;

impl Facts {
    /// The days of the events as reports have it, in quotes.
    pub(crate) fn range(&self) -> String {
        let day = |days: i64| {
            chrono::DateTime::from_timestamp(days * 86_400, 0).map(|time| time.date_naive().to_string())
        };
        let first = i64::from(self.first_day);
        let last = first + i64::from(self.days.max(1)) - 1;
        format!("\"{} to {}\"", day(first).unwrap_or_default(), day(last).unwrap_or_default())
    }

    /// The number of the last week that has events: see [`super::system::Dialect::week`].
    pub(crate) fn last_week(&self) -> i32 {
        (self.first_day + self.days.max(1) as i32 - 1 + 3).div_euclid(7)
    }
}

/// A dataset in its folder, with the copies that peers make of it beside it.
#[derive(Debug)]
pub(crate) struct Dataset {
    folder: PathBuf,
    pub facts: Facts,
}

impl Dataset {
    /// Generates the events straight into a dataset of ours and compacts it, unless an earlier run has.
    pub(crate) fn prepare(options: &EventOptions, work: &Path) -> Result<Self> {
        let EventOptions { events, days, first_day, seed, users } = options;
        let users_part = users.map(|users| format!("-{users}users")).unwrap_or_default();
        let folder = work.join(format!("query-{events}-{days}d-{first_day}-seed{seed}{users_part}"));
        let facts_path = folder.join("facts.json");
        if let Some(facts) = fs::read(&facts_path).ok().and_then(|text| serde_json::from_slice(&text).ok()) {
            return Ok(Self { folder, facts });
        }
        if folder.exists() {
            fs::remove_dir_all(&folder).with_context(|| format!("cannot remove {}", folder.display()))?;
        }
        fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
        let mut dataset = Self { folder, facts: Facts::default() };
        eprintln!("generating {events} events into {}", dataset.ours().display());
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
        dataset.facts = runtime.block_on(fill(options, &dataset.ours()))?;
        // Written last: it says that all is there.
        write(&facts_path, &serde_json::to_string_pretty(&dataset.facts)?)?;
        Ok(dataset)
    }

    /// The dataset of ours.
    pub(crate) fn ours(&self) -> PathBuf {
        self.folder.join("tallymark")
    }

    /// Its data files' folder, which peers read.
    pub(crate) fn parquet(&self) -> PathBuf {
        self.ours().join("events")
    }

    /// Its data files in order of day.
    pub(crate) fn files(&self) -> Result<Vec<PathBuf>> {
        let mut files = Vec::new();
        let failed = || format!("cannot list {}", self.parquet().display());
        for day in fs::read_dir(self.parquet()).with_context(failed)? {
            for file in fs::read_dir(day.with_context(failed)?.path()).with_context(failed)? {
                files.push(file.with_context(failed)?.path());
            }
        }
        files.retain(|path| path.extension().is_some_and(|ending| ending == "parquet"));
        files.sort_unstable();
        Ok(files)
    }

    /// Where a peer keeps its own copy.
    pub(crate) fn copy(&self, system: System) -> PathBuf {
        self.folder.join(match system {
            System::Clickhouse | System::ClickhouseParquet => "clickhouse",
            System::Tallymark
            | System::Duckdb
            | System::DuckdbParquet
            | System::Datafusion
            | System::Hand => "duckdb",
        })
    }

    /// Has a peer copy the events into its own form, unless an earlier run has.
    pub(crate) fn copy_for(
        &self,
        system: System,
        python: &Environment,
        threads: usize,
        memory: u64,
    ) -> Result<()> {
        let script = match system {
            System::Clickhouse => "query_clickhouse.py",
            System::Duckdb => "query_duckdb.py",
            System::Tallymark
            | System::ClickhouseParquet
            | System::DuckdbParquet
            | System::Datafusion
            | System::Hand => return Ok(()),
        };
        let copy = self.copy(system);
        let complete = copy.with_extension("complete");
        if complete.is_file() {
            return Ok(());
        }
        if copy.exists() {
            fs::remove_dir_all(&copy).with_context(|| format!("cannot remove {}", copy.display()))?;
        }
        eprintln!("copying the events into {}", copy.display());
        let started = Instant::now();
        let (parquet, threads, memory) = (self.parquet(), threads.to_string(), memory.to_string());
        let arguments =
            ["load".as_ref(), parquet.as_os_str(), copy.as_os_str(), threads.as_ref(), memory.as_ref()];
        python.run(script, &arguments).with_context(|| format!("{system} cannot copy the events"))?;
        write(&complete, &format!("{:.1} s\n", started.elapsed().as_secs_f64()))
    }
}

async fn fill(options: &EventOptions, folder: &Path) -> Result<Facts> {
    let url = folder.to_str().context("the work folder's name is not Unicode")?;
    // Peers read every file that lies there, so what is replaced has to be gone at once.
    let config = EngineConfig { snapshot_retention: Duration::ZERO, ..EngineConfig::default() };
    let engine = Engine::open(url, config).await?;

    let started = Instant::now();
    let (reader, mut writer) = std::io::pipe()?;
    let generator = options.generator();
    let generating = std::thread::spawn(move || generator.write_ndjson(&mut writer, default_threads()));
    let report = engine.ingest("generated", reader, ImportOptions::default()).await?;
    let written = generating.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))?;
    ensure!(report.stored == written.events, "{} of {} events were stored", report.stored, written.events);
    let import_s = started.elapsed().as_secs_f64();

    let started = Instant::now();
    engine.compact(&CompactOptions { all: true }).await?;
    engine.save_definition(DefinitionKind::Cohort, BUYERS, BUYERS_ARE).await?;
    let compact_s = started.elapsed().as_secs_f64();

    let inspection = engine.inspect().await?;
    let busiest = engine
        .sql(
            "SELECT user_id FROM (SELECT user_id, count(*) AS n FROM events GROUP BY user_id) \
             ORDER BY n DESC, user_id LIMIT 1",
        )
        .await?;
    let busiest = rows_of(&busiest.collect().await?)?;
    let busiest_user = busiest.first().and_then(|row| row.first()?.as_str().map(str::to_owned));
    let facts = Facts {
        events: inspection.events,
        seed: options.seed,
        first_day: options.first_day.days(),
        days: options.days,
        users: inspection.users,
        busiest_user: busiest_user.context("there are no users")?,
        bytes: inspection.bytes,
        files: inspection.files,
        import_s,
        compact_s,
    };
    engine.close().await?;
    Ok(facts)
}

#[expect(clippy::disallowed_methods, reason = "scratch files of the bench runner")]
fn write(path: &Path, text: &str) -> Result<()> {
    fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))
}

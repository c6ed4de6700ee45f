//! P2: writers are killed at random instants, and what they acknowledged is there.
//!
//! A child process, this test binary again, opens a dataset and writes the operations of
//! [`crate::acknowledged`], one after another, while it flushes, compacts and cleans up all the time. It
//! says each time that an operation is acknowledged. The parent kills it, reads the dataset, and
//! compares: all that was acknowledged exactly once, and of the one operation under way none, all,
//! or, for an import of several commits, the first of them.
//!
//! What the random instants are only shapes what is covered; no instant makes the test fail.

#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests")]

use std::fs::{self, File};
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, Result};
use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use tallymark::{CompactOptions, Engine, EngineConfig, ImportOptions, Input, Location};
use tokio::runtime::Runtime;

use crate::acknowledged::{self, Contents, Expected, Operation, contents_by_sql, ndjson, operation};

/// Datasets, worked on two at a time,
const DATASETS: u64 = 12;
/// and how often the writer of each is killed.
const KILLS: usize = 18;
/// The longest a writer lives after its first acknowledgement.
const LIFE_MS_MAX: u64 = 260;
/// No healthy child stays silent for so long, on any machine.
const SILENCE_MAX: Duration = Duration::from_mins(2);

const DATASET: &str = "TALLYMARK_CRASH_DATASET";
const SEED: &str = "TALLYMARK_CRASH_SEED";
const FIRST: &str = "TALLYMARK_CRASH_FIRST";
/// What the lines of a child start with, to tell them from those of the test harness.
const OURS: &str = "child: ";

#[test]
fn p2_what_was_acknowledged_survives_kills() {
    let kills = thread::scope(|scope| {
        let halves = [0, 1].map(|half| {
            scope.spawn(move || {
                let datasets = (0..DATASETS).filter(|dataset| dataset % 2 == half);
                datasets.map(kill_writers_of_one_dataset).sum::<usize>()
            })
        });
        halves.into_iter().map(|half| half.join().unwrap()).sum::<usize>()
    });
    assert!(kills >= 200, "only {kills} of the writers were alive when killed");
}

/// Gives how many writers were killed while alive.
fn kill_writers_of_one_dataset(seed: u64) -> usize {
    let directory = tempfile::tempdir().unwrap();
    let dataset = directory.path().join("dataset");
    let runtime = Runtime::new().unwrap();
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let mut expected = Expected::default();
    let (mut next, mut killed) = (0, 0);
    for kill in 0..KILLS {
        let end = run_and_kill(&dataset, seed, next, &mut random);
        killed += usize::from(end.was_alive);
        for number in next..end.acknowledged {
            expected.apply(&operation(seed, number));
        }
        next = end.acknowledged;
        if random.random_bool(0.3) {
            tear_what_was_never_synced(&dataset, &mut random);
        }
        let context = format!("dataset {seed}, kill {kill}, operation {next}");
        let found = runtime.block_on(read(&dataset)).context(context.clone()).unwrap();
        let found_step = find(&expected, &operation(seed, next), &found);
        let Some((state, is_whole)) = found_step else {
            let difference = expected.contents().difference(&found);
            panic!("{context}: {:?}\n{difference}", operation(seed, next));
        };
        expected = state;
        next += u64::from(is_whole);
        if kill % 6 == 5 {
            let found = runtime.block_on(read_by_sql(&dataset)).context(context.clone()).unwrap();
            assert_eq!(found, found_again(&expected, &found), "{context}: by SQL");
        }
    }
    runtime.block_on(settle(&dataset, &expected)).with_context(|| format!("dataset {seed}")).unwrap();
    killed
}

/// The state that a reader found, if it is one it may find: all before the operation, and its first
/// steps. Says whether that is all of it.
fn find(before: &Expected, operation: &Operation, found: &Contents) -> Option<(Expected, bool)> {
    let steps = before.steps(operation);
    let whole = steps.len();
    let states = [before.clone()].into_iter().chain(steps);
    // The last one that fits: some operations change nothing.
    let (step, state) = states.enumerate().filter(|(_, state)| state.contents() == *found).last()?;
    Some((state, step == whole))
}

fn found_again(expected: &Expected, found: &Contents) -> Contents {
    let expected = expected.contents();
    assert!(expected == *found, "{}", expected.difference(found));
    expected
}

async fn read(dataset: &Path) -> Result<Contents> {
    acknowledged::stored(Location::parse(dataset.to_str().unwrap())?).await
}

/// What a reader finds through the whole engine.
async fn read_by_sql(dataset: &Path) -> Result<Contents> {
    let engine = Engine::open_read_only(dataset.to_str().unwrap(), config(Duration::ZERO)).await?;
    contents_by_sql(&engine).await
}

/// The next writer finds all of it too, and leaves nothing behind that no snapshot needs: a reader
/// who takes all files there are gets the right rows (P3).
async fn settle(dataset: &Path, expected: &Expected) -> Result<()> {
    let engine = Engine::open(dataset.to_str().unwrap(), config(Duration::ZERO)).await?;
    found_again(expected, &contents_by_sql(&engine).await?);
    engine.compact(&CompactOptions { all: true }).await?;
    found_again(expected, &contents_by_sql(&engine).await?);
    let live: Vec<PathBuf> = engine.live_files().iter().map(|file| dataset.join(&file.path)).collect();
    engine.close().await?;
    found_again(expected, &read(dataset).await?);
    let mut files = files_under(&dataset.join("events"));
    files.sort();
    let mut live: Vec<PathBuf> = live.into_iter().collect();
    live.sort();
    assert_eq!(files, live, "the files there are and the live ones");
    let log = files_under(&dataset.join("_tallymark/wal"));
    assert!(log.is_empty(), "what is in files is in the log too: {log:?}");
    Ok(())
}

fn files_under(directory: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(directory) else { return Vec::new() };
    let paths = entries.map(|entry| entry.unwrap().path());
    paths.flat_map(|path| if path.is_dir() { files_under(&path) } else { vec![path] }).collect()
}

/// What a power failure may do to files that were never made durable, because nobody had been told
/// of them: those under unfinished names, and data files that no manifest names.
fn tear_what_was_never_synced(dataset: &Path, random: &mut ChaCha8Rng) {
    let manifests = files_under(&dataset.join("_tallymark/manifest"));
    // A manifest cannot name what is younger than itself.
    let modified = |path: &PathBuf| fs::metadata(path).and_then(|file| file.modified()).ok();
    let last_commit = manifests.iter().filter_map(modified).max();
    let data = [files_under(&dataset.join("events")), files_under(&dataset.join("people"))].concat();
    let uncommitted = data.into_iter().filter(|file| modified(file) > last_commit);
    let unfinished = files_under(dataset).into_iter().filter(|file| file.to_string_lossy().contains('#'));
    for file in uncommitted.chain(unfinished) {
        if let Ok(file) = File::options().write(true).open(file) {
            let bytes = file.metadata().unwrap().len();
            file.set_len(random.random_range(0..=bytes)).unwrap();
        }
    }
}

/// How a writer ended.
struct End {
    /// The first operation that is not known to be acknowledged.
    acknowledged: u64,
    /// Whether it was killed, not gone by itself.
    was_alive: bool,
}

/// Starts a writer, which begins with operation `first`, and kills it.
fn run_and_kill(dataset: &Path, seed: u64, first: u64, random: &mut ChaCha8Rng) -> End {
    let mut child = start(dataset, seed, first);
    let lines = lines_of(&mut child.0);
    let mut acknowledged = first;
    if random.random_bool(0.2) {
        // While it opens, or soon after.
        next_line(&lines).expect("a child says that it starts");
        thread::sleep(Duration::from_millis(random.random_range(0..60)));
    } else {
        while acknowledged == first {
            let line = next_line(&lines).expect("a child goes on until it is killed");
            take(&line, &mut acknowledged);
        }
        thread::sleep(Duration::from_millis(random.random_range(0..LIFE_MS_MAX)));
    }
    let was_alive = child.0.try_wait().unwrap().is_none();
    child.0.kill().unwrap();
    child.0.wait().unwrap();
    // What it said before it died counts.
    while let Some(line) = next_line(&lines) {
        take(&line, &mut acknowledged);
    }
    assert!(was_alive, "the writer of dataset {seed} ended by itself after operation {acknowledged}");
    End { acknowledged, was_alive }
}

fn take(line: &str, acknowledged: &mut u64) {
    match line.split_once(' ') {
        Some(("acknowledged", number)) => {
            let number: u64 = number.parse().unwrap();
            assert_eq!(number, *acknowledged, "operations are acknowledged in order");
            *acknowledged = number + 1;
        }
        Some(("trouble", what)) => panic!("the writer met trouble: {what}"),
        _ => {}
    }
}

fn start(dataset: &Path, seed: u64, first: u64) -> Running {
    let (_, module) = module_path!().split_once("::").unwrap();
    let child = Command::new(std::env::current_exe().unwrap())
        .args([&format!("{module}::child"), "--exact", "--ignored", "--nocapture", "--test-threads=1"])
        .env(DATASET, dataset)
        .env(SEED, seed.to_string())
        .env(FIRST, first.to_string())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    Running(child)
}

/// A child that does not outlive its test.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        // It may be gone.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Reads the lines of a child as they come, so that it never waits for us.
fn lines_of(child: &mut Child) -> Receiver<String> {
    let output = BufReader::new(child.stdout.take().unwrap());
    let (sender, receiver) = channel();
    thread::spawn(move || {
        for line in output.lines().map_while(Result::ok) {
            // The harness does not end its own line before ours.
            if let Some((_, line)) = line.split_once(OURS)
                && sender.send(line.to_owned()).is_err()
            {
                return;
            }
        }
    });
    receiver
}

/// The next line; `None` at the end.
fn next_line(lines: &Receiver<String>) -> Option<String> {
    match lines.recv_timeout(SILENCE_MAX) {
        Ok(line) => Some(line),
        Err(std::sync::mpsc::RecvTimeoutError::Disconnected) => None,
        Err(std::sync::mpsc::RecvTimeoutError::Timeout) => panic!("the writer says nothing"),
    }
}

// ---- the child

fn config(snapshot_retention: Duration) -> EngineConfig {
    EngineConfig {
        threads: 2,
        // A commit for each file.
        import_memory_bytes: 1,
        flush_bytes: 6 << 10,
        flush_age: Duration::from_millis(80),
        snapshot_retention,
        ..EngineConfig::default()
    }
}

#[test]
#[ignore = "a process of its own, started and killed by the others"]
fn child() {
    #[expect(clippy::disallowed_methods, reason = "how a parent speaks to its child")]
    let variables = [DATASET, SEED, FIRST].map(std::env::var);
    // By itself it has nothing to do.
    let [Ok(dataset), Ok(seed), Ok(first)] = variables else { return };
    let (seed, first) = (seed.parse().unwrap(), first.parse().unwrap());
    Runtime::new().unwrap().block_on(async {
        say("starts");
        if let Err(error) = write(&dataset, seed, first).await {
            say(&format!("trouble {error:#}").replace('\n', " "));
        }
    });
}

fn say(line: &str) {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{OURS}{line}").unwrap();
    out.flush().unwrap();
}

async fn write(dataset: &str, seed: u64, first: u64) -> Result<()> {
    let retention = Duration::from_millis([0, 40, 400][(seed % 3) as usize]);
    let engine = Engine::open(dataset, config(retention)).await.context("open")?;
    let maintenance = tokio::spawn(maintain(engine.clone(), seed ^ first));
    for number in first.. {
        if maintenance.is_finished() {
            return maintenance.await?;
        }
        apply(&engine, &operation(seed, number), Path::new(dataset))
            .await
            .with_context(|| format!("operation {number}"))?;
        say(&format!("acknowledged {number}"));
    }
    Ok(())
}

async fn apply(engine: &Engine, operation: &Operation, dataset: &Path) -> Result<()> {
    match operation {
        Operation::Append(events) => {
            let report = engine.append(events.clone()).await?;
            anyhow::ensure!(report.refused.is_empty(), "{report:?}");
        }
        Operation::Update(updates) => {
            let report = engine.update_profiles(updates.clone()).await?;
            anyhow::ensure!(report.refused.is_empty(), "{report:?}");
        }
        Operation::Import(files) => {
            let inputs = files.iter().enumerate().map(|(at, records)| {
                let path = dataset.with_extension(format!("{at}.ndjson"));
                File::create(&path)?.write_all(ndjson(records).as_bytes())?;
                Ok(Input::Path(path))
            });
            let inputs = inputs.collect::<Result<Vec<_>>>()?;
            let options = ImportOptions { strict: true, ..ImportOptions::default() };
            engine.import(inputs, options, std::sync::Arc::default()).await?;
        }
        Operation::Delete(user) => {
            let report = engine.delete_user(user).await?;
            anyhow::ensure!(report.remaining == 0, "{report:?}");
        }
    }
    Ok(())
}

/// Compacts and cleans up, over and over.
async fn maintain(engine: Engine, seed: u64) -> Result<()> {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    loop {
        tokio::time::sleep(Duration::from_millis(random.random_range(0..30))).await;
        match random.random_range(0..3) {
            0 => engine.flush().await.context("flush")?,
            all => {
                engine.compact(&CompactOptions { all: all == 1 }).await.context("compact")?;
            }
        }
    }
}

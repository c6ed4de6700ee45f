//! P2: readers see whole commits and constant snapshots while one writer appends, imports, replaces,
//! flushes, compacts, removes users and cleans up.
//!
//! Writers number what they do, in two streams. Everything with one number is one append or one import
//! and says how many events it has, so a reader can tell by itself whether it sees a whole state: no
//! number is missing below the greatest, none is there in part, all events of one have the same
//! revision, and as many imports as the profile counts.
//!
//! How far readers and writers overlap only shapes what is covered.

#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests")]

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use arrow::array::AsArray as _;
use arrow::datatypes::Int64Type;
use arrow::util::pretty::pretty_format_batches;
use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use tallymark::{
    CompactOptions, Engine, EngineConfig, ErrorKind, Event, ImportOptions, ProfileKey, ProfileOp,
    ProfileUpdate, Properties, Timestamp, View,
};

/// 2024-05-01T00:00:00Z
const START_MS: i64 = 1_714_521_600_000;
const HOUR_MS: i64 = 3_600_000;
/// How many numbers each stream gets to.
const NUMBERS: i64 = 25;
/// How often each view is asked.
const ASKED: usize = 3;

/// Everything a view is asked; answers never change.
const QUESTIONS: [&str; 4] = [
    "SELECT count(*), count(DISTINCT user_id), sum(n), min(time), max(time) FROM events",
    "SELECT event, count(*), sum(n), count(DISTINCT distinct_id) FROM events GROUP BY event ORDER BY event",
    "SELECT count(*) FROM events WHERE n > 3 AND time >= '2024-05-02T00:00:00Z'",
    "SELECT user_id, added FROM users ORDER BY user_id",
];
/// What tells whether it is a whole state.
const NUMBERS_SEEN: &str = "SELECT stream, number, count(*), min(size), max(size), min(revision), max(revision), \
     min(kind) FROM events GROUP BY stream, number ORDER BY stream, number";

/// As long as snapshots are kept, nothing fails.
#[test]
fn p2_views_are_constant_while_snapshots_are_kept() {
    let directory = tempfile::tempdir().unwrap();
    let url = directory.path().join("dataset").to_str().unwrap().to_owned();
    run(&Case { url, retention: Duration::from_hours(1), deletes: false });
}

/// Where they are not kept, a view may end, but does not change.
#[test]
fn p2_views_change_never_and_end_with_their_snapshots() {
    let directory = tempfile::tempdir().unwrap();
    let local = directory.path().join("dataset").to_str().unwrap().to_owned();
    for url in [local, "memory://concurrency/dataset".to_owned()] {
        run(&Case { url, retention: Duration::ZERO, deletes: true });
    }
}

/// What is only in the log is replayed onto the same commit at every refresh.
#[test]
fn u3_a_refresh_does_not_count_again() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let url = "memory://concurrency/refresh";
        let writer = Engine::open(url, EngineConfig::default()).await.unwrap();
        let reader = Engine::open_read_only(url, EngineConfig::default()).await.unwrap();
        for number in 0..3 {
            write(&writer, 1, 5 * number, false).await.unwrap();
            for _ in 0..3 {
                reader.refresh().await.unwrap();
                assert_eq!(count(&reader.view(), "appends 1").await.unwrap(), number + 1);
            }
        }
        writer.flush().await.unwrap();
        reader.refresh().await.unwrap();
        assert_eq!(count(&reader.view(), "appends 1").await.unwrap(), 3);
    });
}

struct Case {
    url: String,
    retention: Duration,
    deletes: bool,
}

impl Case {
    fn config(&self) -> EngineConfig {
        EngineConfig {
            threads: 2,
            import_memory_bytes: 1,
            flush_bytes: 8 << 10,
            flush_age: Duration::from_millis(100),
            snapshot_retention: self.retention,
            ..EngineConfig::default()
        }
    }
}

/// What the writers have done, for readers to compare with.
#[derive(Debug, Default)]
struct Progress {
    /// By stream: how many numbers were begun,
    begun: [AtomicI64; 2],
    /// and how many acknowledged.
    acknowledged: [AtomicI64; 2],
    done: AtomicBool,
}

fn run(case: &Case) {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let writer = Engine::open(&case.url, case.config()).await.unwrap();
        // So that every column is there for the first reader.
        write(&writer, 0, 0, case.deletes).await.unwrap();
        write(&writer, 1, 0, case.deletes).await.unwrap();
        let progress = Arc::new(Progress::default());
        for stream in 0..2 {
            progress.begun[stream].store(1, Ordering::SeqCst);
            progress.acknowledged[stream].store(1, Ordering::SeqCst);
        }
        let mut readers = Vec::new();
        for seed in 0..3 {
            // One in the writer's process, the others as if in processes of their own.
            let refresh = seed > 0;
            let engine = if refresh {
                Engine::open_read_only(&case.url, case.config()).await.unwrap()
            } else {
                writer.clone()
            };
            let snapshots_end = case.retention.is_zero();
            readers.push(tokio::spawn(read(engine, Arc::clone(&progress), refresh, snapshots_end, seed)));
        }
        let maintenance = tokio::spawn(maintain(writer.clone(), Arc::clone(&progress)));
        let streams = [0, 1].map(|stream| {
            let (writer, progress, deletes) = (writer.clone(), Arc::clone(&progress), case.deletes);
            tokio::spawn(async move {
                for number in 1..NUMBERS {
                    progress.begun[stream].store(number + 1, Ordering::SeqCst);
                    write(&writer, stream, number, deletes)
                        .await
                        .with_context(|| format!("stream {stream}, number {number}"))?;
                    progress.acknowledged[stream].store(number + 1, Ordering::SeqCst);
                }
                anyhow::Ok(())
            })
        });
        let mut outcome = Ok(());
        for stream in streams {
            outcome = outcome.and(stream.await.unwrap());
        }
        progress.done.store(true, Ordering::SeqCst);
        for reader in readers {
            let views = reader.await.unwrap().unwrap_or_else(|error| panic!("a reader: {error:#}"));
            assert!(views > 0);
        }
        maintenance.await.unwrap().unwrap_or_else(|error| panic!("maintenance: {error:#}"));
        outcome.unwrap_or_else(|error| panic!("a writer: {error:#}"));
        let seen = Seen::of(&writer.view()).await.unwrap();
        seen.check([NUMBERS; 2], [NUMBERS; 2]).unwrap();
        writer.close().await.unwrap();
    });
}

// ---- writing

/// What a number is; the same whoever asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Append,
    Import,
    /// Of somebody who is removed two numbers later.
    Visit,
}

fn kind(stream: usize, number: i64) -> Kind {
    match (number + stream as i64) % 5 {
        0 | 2 => Kind::Import,
        3 => Kind::Visit,
        _ => Kind::Append,
    }
}

/// Some numbers take others back up: all their events again, with the next revision.
fn repeated(stream: usize, number: i64) -> Option<i64> {
    let earlier = number - 4;
    (number % 5 == 4 && earlier >= 0 && kind(stream, earlier) != Kind::Visit).then_some(earlier)
}

async fn write(engine: &Engine, stream: usize, number: i64, deletes: bool) -> Result<()> {
    let events = events(stream, number, 0);
    match kind(stream, number) {
        Kind::Append | Kind::Visit => {
            let size = events.len() as u64;
            let report = engine.append(events).await.context("append")?;
            ensure!(report.stored == size && report.duplicates == 0, "{report:?}");
            // So that the memtable has more than events in it.
            let one = Properties(vec![("added".to_owned(), 1.into())]);
            let key = ProfileKey::User(format!("appends {stream}"));
            engine.update_profiles(vec![ProfileUpdate::new(key, vec![ProfileOp::Add(one)])]).await?;
        }
        Kind::Import => {
            let mut lines: Vec<String> = events.iter().map(tallymark_testkit::json::event_line).collect();
            lines.push(format!(r#"{{"$distinct_id": "counter {stream}", "$add": {{"added": 1}}}}"#));
            let text = std::io::Cursor::new(lines.join("\n"));
            let report = engine.ingest("lines", text, ImportOptions::default()).await.context("import")?;
            ensure!(report.stored == lines.len() as u64, "{report:?}");
        }
    }
    if let Some(earlier) = repeated(stream, number) {
        let again = self::events(stream, earlier, 1);
        let size = again.len() as u64;
        let report = engine.append(again).await.context("repeat")?;
        ensure!(report.stored == 0 && report.duplicates == size, "{report:?}");
    }
    if deletes && number >= 2 && kind(stream, number - 2) == Kind::Visit {
        let report = engine.delete_user(&visitor(stream, number - 2)).await.context("delete")?;
        ensure!(report.events == size(number - 2) && report.remaining == 0, "{report:?}");
    }
    Ok(())
}

fn size(number: i64) -> u64 {
    3 + number as u64 % 5
}

fn visitor(stream: usize, number: i64) -> String {
    format!("visitor {stream}-{number}")
}

fn events(stream: usize, number: i64, revision: i64) -> Vec<Event<'static>> {
    let size = size(number);
    let kind = kind(stream, number);
    let event = |index: u64| {
        let at = (number as u64 * 7 + index * 11 + stream as u64) as i64;
        let user =
            if kind == Kind::Visit { visitor(stream, number) } else { format!("u{}", at.rem_euclid(9)) };
        Event::new(
            ["View", "Buy", "Share"][at as usize % 3],
            Timestamp::from_millis(START_MS + at % 40 * HOUR_MS),
            user,
        )
        .with_insert_id(format!("{stream}-{number}-{index}"))
        .with("stream", stream as i64)
        .with("number", number)
        .with("size", size as i64)
        .with("revision", revision)
        .with("kind", format!("{kind:?}"))
        .with("n", at % 10)
        .with(format!("only {}", number % 20), "x")
    };
    (0..size).map(event).collect()
}

async fn maintain(engine: Engine, progress: Arc<Progress>) -> Result<()> {
    let mut random = ChaCha8Rng::seed_from_u64(7);
    while !progress.done.load(Ordering::SeqCst) {
        match random.random_range(0..4) {
            0 => engine.flush().await.context("flush")?,
            all => {
                engine.compact(&CompactOptions { all: all == 1 }).await.context("compact")?;
            }
        }
        tokio::time::sleep(Duration::from_millis(random.random_range(0..10))).await;
    }
    Ok(())
}

// ---- reading

/// Looks at one view after another, and at an old one now and then, until the writers are done. Gives how
/// many views there were.
async fn read(
    engine: Engine,
    progress: Arc<Progress>,
    refresh: bool,
    snapshots_end: bool,
    seed: u64,
) -> Result<usize> {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let mut old: Option<Watched> = None;
    let mut views = 0;
    loop {
        let is_last = progress.done.load(Ordering::SeqCst);
        let at_least = [0, 1].map(|stream: usize| progress.acknowledged[stream].load(Ordering::SeqCst));
        if refresh {
            engine.refresh().await.context("refresh")?;
        }
        let view = engine.view();
        let at_most = [0, 1].map(|stream: usize| progress.begun[stream].load(Ordering::SeqCst));
        views += 1;
        if let Some(mut watched) = unless_ended(Watched::new(view, at_least, at_most).await, snapshots_end)? {
            let mut goes_on = true;
            for _ in 1..ASKED {
                goes_on = goes_on && unless_ended(watched.ask_again().await, snapshots_end)?.is_some();
                tokio::time::sleep(Duration::from_millis(random.random_range(0..5))).await;
            }
            if goes_on && (old.is_none() || random.random_bool(0.2)) {
                old = Some(watched);
            }
        }
        if let Some(watched) = &mut old
            && unless_ended(watched.ask_again().await, snapshots_end)?.is_none()
        {
            old = None;
        }
        if is_last {
            return Ok(views);
        }
    }
}

/// What a view answered; `None` where its snapshot is no longer kept, and need not be.
fn unless_ended<T>(answer: Result<T>, snapshots_end: bool) -> Result<Option<T>> {
    match answer {
        Err(error) if snapshots_end && is_gone(&error) => Ok(None),
        answer => answer.map(Some),
    }
}

/// Whether an error says that a snapshot is no longer kept.
fn is_gone(error: &anyhow::Error) -> bool {
    let error = error.downcast_ref::<tallymark::Error>();
    error.is_some_and(|error| {
        error.kind() == ErrorKind::NotFound && error.to_string().contains("ask for a newer one")
    })
}

/// A view and what it answered first.
struct Watched {
    view: View,
    answers: Vec<String>,
}

impl Watched {
    async fn new(view: View, at_least: [i64; 2], at_most: [i64; 2]) -> Result<Self> {
        let seen = Seen::of(&view).await?;
        seen.check(at_least, at_most).with_context(|| format!("snapshot {}", view.version()))?;
        let mut watched = Self { view, answers: Vec::new() };
        watched.answers = watched.ask().await?;
        Ok(watched)
    }

    async fn ask(&self) -> Result<Vec<String>> {
        let mut answers = Vec::new();
        for question in QUESTIONS.iter().chain([&NUMBERS_SEEN]) {
            let batches = self.view.sql(question).await?.collect().await?;
            answers.push(pretty_format_batches(&batches)?.to_string());
        }
        Ok(answers)
    }

    async fn ask_again(&mut self) -> Result<()> {
        let answers = self.ask().await?;
        for (first, now) in self.answers.iter().zip(&answers) {
            ensure!(first == now, "snapshot {} changed\n{first}\n{now}", self.view.version());
        }
        Ok(())
    }
}

/// The numbers a view has, and how often its profiles counted an import.
struct Seen {
    numbers: [BTreeMap<i64, Number>; 2],
    imports: [i64; 2],
    appends: [i64; 2],
}

struct Number {
    events: i64,
    size: [i64; 2],
    revision: [i64; 2],
}

impl Seen {
    async fn of(view: &View) -> Result<Self> {
        let mut numbers = [BTreeMap::new(), BTreeMap::new()];
        for batch in view.sql(NUMBERS_SEEN).await?.collect().await? {
            let value = |column: usize, at| batch.column(column).as_primitive::<Int64Type>().value(at);
            for at in 0..batch.num_rows() {
                let number = Number {
                    events: value(2, at),
                    size: [value(3, at), value(4, at)],
                    revision: [value(5, at), value(6, at)],
                };
                numbers[value(0, at) as usize].insert(value(1, at), number);
            }
        }
        let imports = [count(view, "counter 0").await?, count(view, "counter 1").await?];
        let appends = [count(view, "appends 0").await?, count(view, "appends 1").await?];
        Ok(Self { numbers, imports, appends })
    }

    fn check(&self, at_least: [i64; 2], at_most: [i64; 2]) -> Result<()> {
        for (stream, numbers) in self.numbers.iter().enumerate() {
            let count = numbers.keys().next_back().map_or(0, |greatest| greatest + 1);
            let least = at_least[stream];
            ensure!(count >= least, "stream {stream}: {count} numbers, {least} were acknowledged");
            ensure!(
                count <= at_most[stream],
                "stream {stream}: {count} numbers, {} were begun",
                at_most[stream]
            );
            let (mut imports, mut appends) = (0, 0);
            for number in 0..count {
                let is_import = kind(stream, number) == Kind::Import;
                imports += i64::from(is_import);
                appends += i64::from(!is_import);
                let Some(seen) = numbers.get(&number) else {
                    let may_be_gone = kind(stream, number) == Kind::Visit;
                    ensure!(may_be_gone, "stream {stream}: {number} is missing below {count}");
                    continue;
                };
                let size = size(number) as i64;
                ensure!(
                    seen.events == size && seen.size == [size, size],
                    "stream {stream}: {} of {size} events of {number}",
                    seen.events
                );
                let [least, greatest] = seen.revision;
                ensure!(least == greatest, "stream {stream}: {number} is repeated in part");
            }
            ensure!(
                self.imports[stream] == imports,
                "stream {stream}: {imports} imports, the profile counts {}",
                self.imports[stream]
            );
            // Those are counted after they are made.
            ensure!(
                (appends - 1..=appends).contains(&self.appends[stream]),
                "stream {stream}: {appends} appends, the profile counts {}",
                self.appends[stream]
            );
        }
        Ok(())
    }
}

/// How often a profile was counted up.
async fn count(view: &View, user: &str) -> Result<i64> {
    let question = format!("SELECT added FROM users WHERE user_id = '{user}'");
    let batches = view.sql(&question).await?.collect().await?;
    let counts = batches.iter().map(|batch| arrow::compute::sum(batch.column(0).as_primitive::<Int64Type>()));
    Ok(counts.flatten().sum())
}

//! P2: an object store that fails, delays, tears or loses the answer of any call, and processes that
//! vanish at any call.
//!
//! Each seed is a dataset in memory and a few lives of its writer. A life sees the objects through a
//! store of its own, whose weather changes between calm and stormy; it ends when the store lets no
//! call through any more, as if the process were gone, and the next life takes over. What failed is
//! tried again, with the same insert ids. A reader sees the objects as they are, while the writer
//! works and after: all that was acknowledged exactly once, a failed operation not at all or, where
//! the answer was lost with the process, whole.

#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests")]

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use futures::{StreamExt as _, TryStreamExt as _, stream};
use object_store::ObjectStore;
use object_store::memory::InMemory;
use object_store::path::Path;
use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use tallymark::{
    CompactOptions, Engine, EngineConfig, ErrorKind, FixedClock, ImportOptions, Input, Location, Timestamp,
};
use tallymark_testkit::{Call, Effect, Fault, FaultPlan, FaultyStore};

use crate::acknowledged::{
    self, Contents, Expected, Operation, contents_by_sql, contents_of, ndjson, operation,
};

/// Datasets,
const SEEDS: u64 = 200;
/// so many of them at a time, because a writer waits before it tries again.
const AT_ONCE: usize = 8;
/// The lives of each.
const LIVES: u64 = 3;
/// The most operations of a life.
const OPERATIONS: usize = 8;
/// How often an operation that failed is tried in the same weather.
const TRIES: usize = 3;
/// 2024-05-10T00:00:00Z: after all events.
const NOW_MS: i64 = 1_715_299_200_000;
/// Longer than a lease lasts.
const LEASE_OVER_MS: i64 = 60_000;

#[test]
fn p2_what_was_acknowledged_survives_a_failing_store() {
    in_parallel(SEEDS, |seed| async move {
        let mut dataset = Dataset::new(seed);
        for life in 0..LIVES {
            dataset.live(life).await.with_context(|| format!("life {life}"))?;
        }
        dataset.last_life().await
    });
}

#[test]
fn p2_a_deposed_writer_acknowledges_nothing() {
    in_parallel(60, |seed| async move { Dataset::new(seed).depose().await });
}

fn in_parallel<F>(seeds: u64, run: impl Fn(u64) -> F)
where
    F: Future<Output = Result<()>> + Send + 'static,
{
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(stream::iter(0..seeds).map(|seed| (seed, tokio::spawn(run(seed)))).for_each_concurrent(
        AT_ONCE,
        |(seed, running)| async move {
            if let Err(error) = running.await.unwrap() {
                panic!("seed {seed}: {error:#}");
            }
        },
    ));
}

/// What is acknowledged stays so when what would come next fails: were it reported as failed and
/// tried again, it would count twice.
#[test]
fn p2_a_flush_that_fails_does_not_fail_the_append_before_it() {
    in_parallel(1, |seed| async move {
        let mut dataset = Dataset::new(seed);
        let store = dataset.store();
        let engine = dataset.open_with(&store, 1).await?;
        let to_events =
            |call: &Call| call.path.as_ref().is_some_and(|path| path.as_ref().contains("/events/"));
        store.set_plan(FaultPlan::new(|_| Some(Fault::Fail(Effect::None))).only(to_events));
        for number in 0..30 {
            let operation = operation(seed, number);
            if matches!(operation, Operation::Append(_) | Operation::Update(_)) {
                let outcome = apply(&engine, &operation).await;
                if outcome.is_ok() {
                    dataset.expected.apply(&operation);
                }
                let found = dataset.read().await?;
                dataset.same(&found).with_context(|| format!("{outcome:?} of {operation:?}"))?;
            }
        }
        ensure!(!dataset.expected.contents().events.is_empty(), "nothing was acknowledged");
        store.set_plan(FaultPlan::none());
        engine.flush().await?;
        dataset.same(&dataset.read().await?)
    });
}

/// Whoever looks into the day directories finds no rows of an import that failed: its files are
/// deleted at once, or, where nobody knows yet whether it took effect, once that is settled.
#[test]
fn p2_an_import_that_fails_leaves_no_file_of_events() {
    in_parallel(1, |_| async move {
        let store = FaultyStore::new(Arc::new(InMemory::new()));
        let location = Location::with_store(Arc::new(store.clone()), Path::from("d"));
        let clock = Arc::new(FixedClock::new(Timestamp::from_millis(NOW_MS)));
        let location = location.with_retry_pause(Duration::ZERO);
        let engine = Engine::open_at(location, EngineConfig { clock, ..EngineConfig::default() }).await?;
        let import = async |name: &str| {
            let text: String = (0..30)
                .map(|day| {
                    let time = 1_700_000_000 + day * 86_400;
                    format!(r#"{{"event":"{name}","time":{time},"distinct_id":"u","$insert_id":"i{day}"}}"#)
                })
                .collect();
            engine.ingest("records", std::io::Cursor::new(text.into_bytes()), ImportOptions::default()).await
        };
        let files = async || {
            let metas: Vec<_> = store.inner().list(Some(&Path::from("d/events"))).try_collect().await?;
            let mut paths: Vec<String> = metas.into_iter().map(|meta| meta.location.to_string()).collect();
            paths.sort();
            anyhow::Ok(paths)
        };
        let live = || {
            let mut paths: Vec<String> =
                engine.live_files().into_iter().map(|file| format!("d/{}", file.path)).collect();
            paths.sort();
            paths
        };
        import("A").await?;
        ensure!(files().await? == live() && live().len() == 30);

        // Repeats of other events too: of these a merge puts files.
        for name in ["A", "B"] {
            for put_index in [0, 10, 29] {
                let mut seen = 0;
                let puts = |call: &Call| {
                    call.operation == tallymark_testkit::Operation::Put
                        && call.path.as_ref().is_some_and(|path| path.as_ref().contains("/events/"))
                };
                store.set_plan(
                    FaultPlan::new(move |_| {
                        seen += 1;
                        (seen > put_index).then_some(Fault::Fail(Effect::Whole))
                    })
                    .only(puts),
                );
                ensure!(import(name).await.is_err());
                ensure!(files().await? == live(), "after a put that failed");
            }
            let manifests =
                |call: &Call| call.path.as_ref().is_some_and(|path| path.as_ref().contains("/manifest/"));
            store.set_plan(FaultPlan::new(|_| Some(Fault::Fail(Effect::Whole))).only(manifests));
            ensure!(import(name).await.is_err());
            let in_doubt = files().await?;
            ensure!(live().iter().all(|path| in_doubt.contains(path)) && in_doubt.len() == 60);
            store.set_plan(FaultPlan::none());
            // Nothing is in the memtable; but it asks for the right to write.
            engine.flush().await?;
            ensure!(files().await? == live(), "after it was settled");
        }
        Ok(())
    });
}

struct Dataset {
    seed: u64,
    random: ChaCha8Rng,
    objects: Arc<InMemory>,
    clock: Arc<FixedClock>,
    expected: Expected,
    /// The operation that is not acknowledged yet.
    next: u64,
}

impl Dataset {
    fn new(seed: u64) -> Self {
        Self {
            seed,
            random: ChaCha8Rng::seed_from_u64(seed),
            objects: Arc::default(),
            clock: Arc::new(FixedClock::new(Timestamp::from_millis(NOW_MS))),
            expected: Expected::default(),
            next: 0,
        }
    }

    /// A writer opens the dataset, works, and vanishes.
    async fn live(&mut self, life: u64) -> Result<()> {
        let mut store = self.store();
        store.set_plan(weather(self.seed, life));
        let engine = self.open_in_any_weather(&mut store).await.context("open")?;
        for _ in 0..self.random.random_range(1..=OPERATIONS) {
            if !self.do_next(&engine, &store).await? {
                break;
            }
            if self.random.random_bool(0.4) {
                self.maintain(&engine, &store).await?;
            }
        }
        store.crash();
        drop(engine);
        let found = self.read().await.context("read after the end of a life")?;
        self.accept(&found, true).context("after the end of a life")
    }

    /// In good weather the next writer finds everything, and rewrites it without a change.
    async fn last_life(&mut self) -> Result<()> {
        let engine = self.open(&self.store()).await?;
        self.same(&self.read().await?).context("after opening")?;
        engine.compact(&CompactOptions { all: true }).await?;
        self.same(&contents_by_sql(&engine).await?).context("by SQL, after compaction")?;
        engine.close().await?;
        self.same(&self.read().await?).context("after closing")
    }

    fn store(&self) -> FaultyStore {
        FaultyStore::new(Arc::clone(&self.objects) as Arc<dyn ObjectStore>)
    }

    async fn open(&self, store: &FaultyStore) -> tallymark::Result<Engine> {
        self.open_with(store, 4 << 10).await
    }

    async fn open_with(&self, store: &FaultyStore, flush_bytes: usize) -> tallymark::Result<Engine> {
        let now = tallymark::Clock::now(&*self.clock).millis();
        self.clock.set(Timestamp::from_millis(now + LEASE_OVER_MS));
        let retention = if self.seed.is_multiple_of(2) { 0 } else { 3600 };
        let config = EngineConfig {
            threads: 1,
            import_memory_bytes: 1,
            flush_bytes,
            // Nothing but what we ask for happens.
            flush_age: Duration::from_secs(1 << 30),
            snapshot_retention: Duration::from_secs(retention),
            clock: Arc::clone(&self.clock) as _,
            ..EngineConfig::default()
        };
        Engine::open_at(location(Arc::new(store.clone())), config).await
    }

    /// Tries until it succeeds, in a new process after a crash.
    async fn open_in_any_weather(&mut self, store: &mut FaultyStore) -> Result<Engine> {
        for attempt in 0.. {
            store.forget_calls();
            match self.open(store).await {
                Ok(engine) => return Ok(engine),
                Err(error) => ensure_excused(error, store)?,
            }
            if store.has_crashed() {
                *store = self.store();
                store.set_plan(weather(self.seed, 1000 + attempt));
            }
            if attempt >= 5 {
                store.set_plan(FaultPlan::none());
            }
            // Not even half an attempt to open changes what is there.
            self.same(&self.read().await?).context("after a failed attempt to open")?;
        }
        unreachable!("without faults it opens")
    }

    /// Does the next operation, again and again until it is acknowledged. `false` if the process
    /// vanished first.
    async fn do_next(&mut self, engine: &Engine, store: &FaultyStore) -> Result<bool> {
        let number = self.next;
        let operation = operation(self.seed, number);
        for attempt in 0.. {
            let reader = tokio::spawn(observe(self.inside()));
            store.forget_calls();
            let result = self.try_once(engine, &operation).await;
            let observed = reader.await?;
            let context = || format!("operation {number}, attempt {attempt}: {operation:?}");
            // Where replaced files go at once, a reader may find them gone, but nothing else.
            let files_go = self.seed.is_multiple_of(2) || matches!(operation, Operation::Delete(_));
            match observed.with_context(context)? {
                Ok(observed) => self.is_possible(&operation, &observed).with_context(context)?,
                Err(error) => ensure!(files_go, "a reader beside {}: {error:#}", context()),
            }
            // What was given up halfway may have happened: nobody was told either way.
            let was_cancelled = matches!(result, Err(Failure::Cancelled));
            match result {
                Ok(()) => {
                    self.expected.apply(&operation);
                    self.next += 1;
                    // The reader beside the next operation looks too.
                    if self.random.random_bool(0.3) {
                        self.same(&self.read().await?).with_context(context)?;
                    }
                    return Ok(true);
                }
                Err(Failure::Cancelled) => {}
                Err(Failure::Error(error)) => ensure_excused(error, store).with_context(context)?,
            }
            if store.has_crashed() {
                return Ok(false);
            }
            let failed_for_good = attempt + 1 >= TRIES;
            let weather = weather(self.seed, 2000 + number);
            store.set_plan(FaultPlan::none());
            let found = contents_by_sql(engine).await.with_context(context)?;
            // What failed has not happened, as far as the writer knows.
            let may_have_happened = was_cancelled || matches!(operation, Operation::Delete(_));
            self.accept(&found, may_have_happened).with_context(context)?;
            if self.next > number {
                return Ok(true);
            }
            if !failed_for_good {
                store.set_plan(weather);
            }
        }
        unreachable!("without faults it succeeds")
    }

    async fn try_once(&mut self, engine: &Engine, operation: &Operation) -> Result<(), Failure> {
        // An import goes on without the one who asked for it.
        let cancel = !matches!(operation, Operation::Import(_)) && self.random.random_bool(0.05);
        let patience = Duration::from_micros(self.random.random_range(0..40_000));
        let work = apply(engine, operation);
        if cancel {
            tokio::time::timeout(patience, work).await.map_err(|_| Failure::Cancelled)??;
        } else {
            work.await?;
        }
        Ok(())
    }

    /// What changes nothing that a reader sees, whether it fails or not.
    async fn maintain(&mut self, engine: &Engine, store: &FaultyStore) -> Result<()> {
        store.forget_calls();
        let result = match self.random.random_range(0..3) {
            0 => engine.flush().await,
            all => engine.compact(&CompactOptions { all: all == 1 }).await.map(drop),
        };
        if let Err(error) = result {
            ensure_excused(error, store).context("maintenance")?;
        }
        if !store.has_crashed() {
            self.same(&self.read().await?).context("after maintenance")?;
        }
        Ok(())
    }

    /// Takes what was found for the state to go on from: what is acknowledged, and of the next
    /// operation the first steps, or all of it where `whole` says that it may have happened.
    fn accept(&mut self, found: &Contents, whole: bool) -> Result<()> {
        let operation = operation(self.seed, self.next);
        if self.expected.contents() == *found {
            return Ok(());
        }
        let mut steps = self.expected.steps(&operation);
        let last = steps.pop();
        if let Some(state) = steps.into_iter().find(|state| state.contents() == *found) {
            self.expected = state;
            return Ok(());
        }
        match last {
            Some(state) if whole && state.contents() == *found => {
                self.expected = state;
                self.next += 1;
                Ok(())
            }
            _ => bail!("{}", self.expected.contents().difference(found)),
        }
    }

    fn is_possible(&self, operation: &Operation, found: &Contents) -> Result<()> {
        let mut states = self.expected.steps(operation);
        states.push(self.expected.clone());
        ensure!(
            states.iter().any(|state| state.contents() == *found),
            "a reader saw half of it: {}",
            self.expected.contents().difference(found)
        );
        Ok(())
    }

    fn same(&self, found: &Contents) -> Result<()> {
        let expected = self.expected.contents();
        ensure!(expected == *found, "{}", expected.difference(found));
        Ok(())
    }

    /// The objects as they are.
    fn inside(&self) -> Location {
        location(Arc::clone(&self.objects) as _)
    }

    async fn read(&self) -> Result<Contents> {
        acknowledged::stored(self.inside()).await
    }

    /// A writer loses its lease without knowing, at any point of an operation.
    async fn depose(&mut self) -> Result<()> {
        let old = self.open(&self.store()).await?;
        for _ in 0..self.random.random_range(0..6) {
            apply(&old, &operation(self.seed, self.next)).await.map_err(anyhow::Error::from)?;
            self.expected.apply(&operation(self.seed, self.next));
            self.next += 1;
        }
        let contested = operation(self.seed, self.next);
        // Delays let the two meet at many different calls.
        let (slow, other) = (self.store(), self.store());
        for store in [&slow, &other] {
            let mut random = ChaCha8Rng::seed_from_u64(self.random.random());
            store.set_plan(FaultPlan::new(move |_| {
                Some(Fault::Delay(Duration::from_micros(random.random_range(0..3000))))
            }));
        }
        drop(old);
        let old = self.open(&slow).await?;
        let (written, new) = tokio::join!(apply(&old, &contested), self.open(&other));
        let new = new?;
        match written {
            Ok(()) => {
                self.expected.apply(&contested);
                self.next += 1;
            }
            Err(error) => {
                ensure!(error.kind() == ErrorKind::Conflict, "{error:?}");
                // The new writer may have found it in the log before the old one could know.
                self.accept(&contents_by_sql(&new).await?, true)?;
            }
        }
        self.same(&contents_by_sql(&new).await?).context("what the new writer finds")?;
        for number in self.next..self.next + 3 {
            let operation = operation(self.seed, number);
            let Err(refused) = apply(&old, &operation).await else {
                bail!("a deposed writer acknowledged {operation:?}")
            };
            ensure!(refused.kind() == ErrorKind::Conflict, "{refused:?}");
            apply(&new, &operation).await?;
            self.expected.apply(&operation);
            self.same(&self.read().await?).with_context(|| format!("{operation:?}"))?;
        }
        Ok(())
    }
}

/// What a reader finds who comes at any time. The outer result is that of opening, which nothing that a
/// writer does prevents, the inner one that of reading.
async fn observe(location: Location) -> Result<Result<Contents>> {
    match acknowledged::open(location).await {
        Err(error) if acknowledged::is_no_dataset(&error) => Ok(Ok(Contents::default())),
        store => Ok(contents_of(&store?).await),
    }
}

enum Failure {
    Cancelled,
    Error(tallymark::Error),
}

impl From<tallymark::Error> for Failure {
    fn from(error: tallymark::Error) -> Self {
        Self::Error(error)
    }
}

fn location(store: Arc<dyn ObjectStore>) -> Location {
    Location::with_store(store, Path::from("some/where")).with_retry_pause(Duration::from_millis(1))
}

/// Nothing but what was broken on purpose breaks. A cause is not always told: a call may also fail
/// because an earlier one took effect and its answer was lost.
fn ensure_excused(error: tallymark::Error, store: &FaultyStore) -> Result<()> {
    let is_excused =
        error.kind() == ErrorKind::Unavailable && (store.has_crashed() || !store.faults().is_empty());
    if is_excused { Ok(()) } else { Err(error.into()) }
}

/// Mostly calm, with storms in which hardly a call gets through, and an end.
fn weather(seed: u64, life: u64) -> FaultPlan {
    let mut random = ChaCha8Rng::seed_from_u64(seed << 32 | life);
    let mut calls_left = random.random_range(1..600);
    let mut storm = 0;
    FaultPlan::new(move |call| {
        calls_left -= 1;
        if calls_left == 0 {
            return Some(Fault::Crash(effect(call, &mut random)));
        }
        match storm {
            0 if random.random_bool(0.03) => storm = random.random_range(1..20),
            0 => {}
            _ => storm -= 1,
        }
        let is_hit = random.random_bool(if storm > 0 { 0.9 } else { 0.04 });
        is_hit.then(|| match random.random_range(0..5) {
            0 => Fault::Delay(Duration::from_micros(random.random_range(0..2000))),
            _ => Fault::Fail(effect(call, &mut random)),
        })
    })
}

fn effect(call: &Call, random: &mut ChaCha8Rng) -> Effect {
    // A store that keeps conditional puts, as a lease needs, does not tear them.
    let is_lease = call.path.as_ref().is_some_and(|path| path.as_ref().ends_with("lease"));
    match random.random_range(0..3) {
        0 => Effect::None,
        1 if !is_lease => Effect::Part,
        _ => Effect::Whole,
    }
}

async fn apply(engine: &Engine, operation: &Operation) -> tallymark::Result<()> {
    match operation {
        Operation::Append(events) => {
            let report = engine.append(events.clone()).await?;
            assert!(report.refused.is_empty(), "{report:?}");
        }
        Operation::Update(updates) => {
            let report = engine.update_profiles(updates.clone()).await?;
            assert!(report.refused.is_empty(), "{report:?}");
        }
        Operation::Import(files) => {
            let inputs = files.iter().enumerate().map(|(at, records)| {
                Input::from_reader(format!("{at}.ndjson"), std::io::Cursor::new(ndjson(records)))
            });
            let inputs: Vec<Input> = inputs.collect();
            let options = ImportOptions { strict: true, ..ImportOptions::default() };
            engine.import(inputs, options, Arc::default()).await?;
        }
        Operation::Delete(user) => {
            let report = engine.delete_user(user).await?;
            assert_eq!(report.remaining, 0, "{report:?}");
        }
    }
    Ok(())
}

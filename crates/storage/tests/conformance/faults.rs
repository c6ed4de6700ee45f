//! Calls that fail, half-way or afterwards, and writers that die: what was acknowledged is there
//! once; what failed is not there, unless the writer died before it could say so.

use std::collections::BTreeSet;
use std::time::Duration;

use proptest::prelude::*;
use tallymark_storage::{Commit, DataFile, Error, EventStore, Merge, Result, clean_up, merge_files};
use tallymark_testkit::{Effect, Fault, FaultPlan, FaultRates, Operation};

use crate::rows::Table;
use crate::support::{Place, append, flush, import, named, names_of, settle_tasks};

/// What a writer does.
#[derive(Debug, Clone, Copy)]
enum Step {
    Append,
    Import,
    Flush,
    Compact,
    CleanUp,
    /// Close, and open again.
    Reopen,
    /// Die, and open again when the lease has run out.
    Die,
}

/// A dataset, and what must be and what may be in it.
struct Model {
    place: Place,
    store: Option<EventStore>,
    /// Acknowledged.
    certain: BTreeSet<String>,
    /// Failed, with nothing acknowledged since by the same writer.
    possible: BTreeSet<String>,
    written: usize,
}

impl Model {
    async fn new() -> Self {
        let place = Place::breakable();
        let store = place.writer().await;
        Self { place, store: Some(store), certain: BTreeSet::new(), possible: BTreeSet::new(), written: 0 }
    }

    async fn run(&mut self, step: Step) {
        match step {
            Step::Reopen => {
                if let Some(store) = self.store.take() {
                    store.close().await.unwrap();
                }
            }
            Step::Die => {
                self.place.faulty_store().crash();
                self.store = None;
                // What the writer left running ends before there is another one.
                settle_tasks().await;
            }
            _ => {
                if let Some(store) = self.store.clone() {
                    self.write(&store, step).await;
                }
            }
        }
        if self.place.faulty_store().has_crashed() {
            self.store = None;
            settle_tasks().await;
            self.place.faulty_store().restart();
        }
        if self.store.is_none() {
            self.reopen().await;
        }
    }

    async fn write(&mut self, store: &EventStore, step: Step) {
        self.written += 1;
        let name = format!("{:04}", self.written);
        let state = |store: &EventStore| {
            let snapshot = store.snapshot();
            (snapshot.manifest.version, snapshot.last_wal)
        };
        let before = state(store);
        let result = self.try_write(store, step, &name).await;
        let adds = matches!(step, Step::Append | Step::Import);
        match result {
            Ok(()) => {
                if adds {
                    self.certain.insert(name);
                }
                // A merge of no files, for one, writes nothing.
                if state(store) != before {
                    self.possible.clear();
                }
                // Reading fails too, now and then.
                if let Some(names) = names_in_view(store).await {
                    assert_eq!(names, self.certain, "after {step:?}");
                }
            }
            Err(error) => {
                if adds {
                    self.possible.insert(name);
                }
                if matches!(error, Error::Conflict { .. }) {
                    self.store = None;
                }
            }
        }
    }

    async fn try_write(&self, store: &EventStore, step: Step, name: &str) -> Result<()> {
        let rows = named(&[name]);
        match step {
            Step::Append => append(&mut store.write().await?, &rows).await.map(drop),
            Step::Import => import(store, &mut store.write().await?, &rows).await,
            Step::Flush => flush(store, &mut store.write().await?).await,
            Step::Compact => compact(store).await,
            Step::CleanUp => clean_up(store, Duration::ZERO).await.map(drop),
            Step::Reopen | Step::Die => Ok(()),
        }
    }

    /// Opens again, and makes sure that all that is certain is there, and nothing that cannot be.
    async fn reopen(&mut self) {
        self.place.pass(self.place.config.lease * 2);
        let store = loop {
            match self.place.try_writer().await {
                Ok(store) => break store,
                Err(error) => {
                    assert!(!matches!(error, Error::Damaged { .. }), "{error:?}");
                    self.place.faulty_store().restart();
                    self.place.pass(self.place.config.lease * 2);
                }
            }
        };
        self.place.faulty_store().restart();
        let names = names_in_view(&store).await.unwrap();
        assert!(names.is_superset(&self.certain), "lost {:?}", self.certain.difference(&names));
        let allowed: BTreeSet<_> = self.certain.union(&self.possible).cloned().collect();
        assert!(names.is_subset(&allowed), "came back {:?}", names.difference(&allowed));
        self.certain = names;
        self.possible.clear();
        self.store = Some(store);
    }

    /// Opens without faults: the writer's and a reader's view are the same.
    async fn end(mut self) {
        self.place.faulty_store().restart();
        self.store = None;
        settle_tasks().await;
        self.reopen().await;
        let reader = self.place.reader().await;
        assert_eq!(names_in_view(&reader).await, Some(self.certain.clone()));
    }
}

/// The names a view shows; `None` where a call failed. Each is there once.
async fn names_in_view(store: &EventStore) -> Option<BTreeSet<String>> {
    let snapshot = store.snapshot();
    let rows = crate::rows::read_files(store, &snapshot, &snapshot.manifest.files).await.ok()?;
    let mut names: Vec<String> = rows.into_iter().map(|row| row.event).collect();
    for batch in snapshot.memtable.iter() {
        names.extend(
            crate::rows::Row::of_batch(&batch.batch, &snapshot.catalog).into_iter().map(|row| row.event),
        );
    }
    let once: BTreeSet<String> = names.iter().cloned().collect();
    assert_eq!(once.len(), names.len(), "something is there twice: {names:?}");
    Some(once)
}

/// Merges all files into one.
async fn compact(store: &EventStore) -> Result<()> {
    let mut guard = store.write().await?;
    let snapshot = guard.snapshot();
    let Some(first) = snapshot.manifest.files.first() else { return Ok(()) };
    let merge = Merge {
        day: first.day,
        files: &snapshot.manifest.files,
        catalog: &snapshot.catalog,
        identities: &snapshot.identities,
        keep: &|_| true,
    };
    let add = merge_files(store, merge).await?;
    let remove = snapshot.manifest.files.iter().map(|file| file.path.clone()).collect();
    let change = Commit { add, remove, ..Commit::of(&snapshot) };
    guard.commit(change).await?;
    Ok(())
}

const SCENARIO: [Step; 9] = [
    Step::Append,
    Step::Append,
    Step::Import,
    Step::Flush,
    Step::Append,
    Step::Import,
    Step::Compact,
    Step::CleanUp,
    Step::Append,
];

/// Runs the scenario with one fault at the call of that index; `false` once there is no such call.
async fn run_with_fault_at(call_index: usize, fault: Fault) -> bool {
    let mut model = Model::new().await;
    model.place.faulty_store().set_plan(FaultPlan::at(call_index, fault));
    let mut hit = false;
    for step in SCENARIO {
        model.run(step).await;
        hit |= !model.place.faulty_store().faults().is_empty();
    }
    model.end().await;
    hit
}

async fn run_with_fault_anywhere(fault: Fault) {
    let mut call_index = 0;
    while run_with_fault_at(call_index, fault).await {
        call_index += 1;
    }
    assert!(call_index > 20, "{call_index}");
}

#[tokio::test]
async fn a_crash_before_any_call_loses_nothing() {
    run_with_fault_anywhere(Fault::Crash(Effect::None)).await;
}

#[tokio::test]
async fn a_crash_half_way_through_any_call_loses_nothing() {
    run_with_fault_anywhere(Fault::Crash(Effect::Part)).await;
}

#[tokio::test]
async fn a_crash_after_any_call_loses_nothing() {
    run_with_fault_anywhere(Fault::Crash(Effect::Whole)).await;
}

/// One failed call is made good by trying again: nothing fails.
#[tokio::test]
async fn a_call_that_fails_once_is_not_noticed() {
    for effect in [Effect::None, Effect::Part, Effect::Whole] {
        let mut call_index = 0;
        loop {
            let mut model = Model::new().await;
            model.place.faulty_store().set_plan(FaultPlan::at(call_index, Fault::Fail(effect)));
            for step in SCENARIO {
                model.run(step).await;
                assert!(
                    model.possible.is_empty(),
                    "{step:?} failed: {:?}",
                    model.place.faulty_store().faults()
                );
            }
            let hit = !model.place.faulty_store().faults().is_empty();
            model.end().await;
            if !hit {
                break;
            }
            call_index += 1;
        }
    }
}

/// A commit whose put took effect, but of which nobody could tell for a while.
#[tokio::test]
async fn a_commit_that_failed_is_taken_back() {
    for effect in [Effect::None, Effect::Part, Effect::Whole] {
        let place = Place::breakable();
        let store = place.writer().await;
        import(&store, &mut store.write().await.unwrap(), &named(&["a"])).await.unwrap();
        let is_manifest = |path: Option<&object_store::path::Path>| {
            path.is_some_and(|path| path.as_ref().contains("/manifest/"))
        };
        let mut put = false;
        place.faulty_store().set_plan(FaultPlan::new(move |call| {
            let first = call.operation == Operation::Put && is_manifest(call.path.as_ref()) && !put;
            put |= first;
            let effect = if first { effect } else { Effect::None };
            put.then_some(Fault::Fail(effect))
        }));
        let mut guard = store.write().await.unwrap();
        assert!(matches!(import(&store, &mut guard, &named(&["b"])).await, Err(Error::Write { .. })));
        drop(guard);
        assert!(store.write().await.is_err(), "nothing can be written before it is settled");
        place.faulty_store().set_plan(FaultPlan::none());
        // Trying again writes it once.
        import(&store, &mut store.write().await.unwrap(), &named(&["b"])).await.unwrap();
        assert_eq!(names_of(&store).await, ["a", "b"]);
        assert_eq!(names_of(&place.reader().await).await, ["a", "b"]);
    }
}

/// The files of a commit of which nobody can tell whether it took effect stay until that is
/// settled, and go then. A writer that is deposed before leaves them to its successor.
#[tokio::test]
async fn files_of_a_commit_in_doubt_stay_until_it_is_settled() {
    for (effect, is_deposed) in [
        (Effect::None, false),
        (Effect::Part, false),
        (Effect::Whole, false),
        (Effect::None, true),
        (Effect::Whole, true),
    ] {
        let place = Place::breakable();
        let store = place.writer().await;
        import(&store, &mut store.write().await.unwrap(), &named(&["a"])).await.unwrap();
        let mut put = false;
        place.faulty_store().set_plan(FaultPlan::new(move |call| {
            let is_manifest = call.path.as_ref().is_some_and(|path| path.as_ref().contains("/manifest/"));
            let first = call.operation == Operation::Put && is_manifest && !put;
            put |= first;
            put.then_some(Fault::Fail(if first { effect } else { Effect::None }))
        }));
        let mut guard = store.write().await.unwrap();
        let files = store.uncommitted();
        let (file, bytes) = one_file(&store, "b");
        files.put(&file, bytes).await.unwrap();
        let change = Commit { add: vec![file.clone()], ..Commit::of(&guard.snapshot()) };
        assert!(matches!(guard.commit(change).await, Err(Error::Write { .. })));
        drop(guard);
        place.faulty_store().set_plan(FaultPlan::none());
        files.discard().await;
        store.discard(std::slice::from_ref(&file)).await;
        assert!(place.objects_in("events/").await.contains(&file.path), "in doubt, and deleted: {effect:?}");

        if is_deposed {
            place.pass(place.config.lease * 2);
            let successor = place.writer().await;
            assert!(matches!(store.write().await, Err(Error::Conflict { .. })));
            clean_up(&successor, Duration::ZERO).await.unwrap();
            let expected: &[&str] = if effect == Effect::Whole { &["a", "b"] } else { &["a"] };
            assert_eq!(names_of(&successor).await, expected);
            assert_eq!(place.objects_in("events/").await.len(), expected.len());
        } else {
            drop(store.write().await.unwrap());
            assert!(!place.objects_in("events/").await.contains(&file.path));
            assert_eq!(names_of(&place.reader().await).await, ["a"]);
        }
    }
}

/// A file with one event, for a commit to come.
fn one_file(store: &EventStore, name: &str) -> (DataFile, bytes::Bytes) {
    Table::with(&store.snapshot().catalog, named(&[name])).files(&store.config().file, 0).remove(0)
}

/// An append whose put took effect, but of which nobody could tell; then a commit, then a crash.
#[tokio::test]
async fn an_append_that_failed_does_not_come_back() {
    for effect in [Effect::None, Effect::Part, Effect::Whole] {
        let place = Place::breakable();
        let store = place.writer().await;
        append(&mut store.write().await.unwrap(), &named(&["a"])).await.unwrap();
        let mut put = false;
        place.faulty_store().set_plan(FaultPlan::new(move |call| {
            let first = call.operation == Operation::Put && !put;
            put |= first;
            put.then_some(Fault::Fail(if first { effect } else { Effect::None }))
        }));
        assert!(append(&mut store.write().await.unwrap(), &named(&["lost"])).await.is_err());
        place.faulty_store().set_plan(FaultPlan::none());
        import(&store, &mut store.write().await.unwrap(), &named(&["b"])).await.unwrap();
        let mut names = names_of(&place.reader().await).await;
        names.sort();
        assert_eq!(names, ["a", "b"]);
        append(&mut store.write().await.unwrap(), &named(&["c"])).await.unwrap();
        let mut names = names_of(&place.reader().await).await;
        names.sort();
        assert_eq!(names, ["a", "b", "c"]);
    }
}

/// Whoever waits for a write may stop waiting at any point.
#[tokio::test]
async fn a_write_that_is_given_up_has_not_happened() {
    for calls in 0..6 {
        let place = Place::breakable();
        let store = place.writer().await;
        append(&mut store.write().await.unwrap(), &named(&["a"])).await.unwrap();
        for step in [Step::Append, Step::Import, Step::Flush] {
            let mut seen = 0;
            place.faulty_store().set_plan(FaultPlan::new(move |_| {
                seen += 1;
                (seen > calls).then_some(Fault::Delay(Duration::from_hours(1)))
            }));
            let mut guard = store.write().await.unwrap();
            let given_up = async {
                match step {
                    Step::Append => append(&mut guard, &named(&["x"])).await.map(drop),
                    Step::Import => import(&store, &mut guard, &named(&["x"])).await,
                    _ => flush(&store, &mut guard).await,
                }
            };
            let ended = tokio::select! {
                biased;
                result = given_up => Some(result),
                () = settle_tasks() => None,
            };
            drop(guard);
            place.faulty_store().set_plan(FaultPlan::none());
            if ended.is_some() {
                break;
            }
            import(&store, &mut store.write().await.unwrap(), &[]).await.unwrap();
            assert_eq!(names_of(&store).await, ["a"], "{step:?} after {calls} calls");
            assert_eq!(names_of(&place.reader().await).await, ["a"], "{step:?} after {calls} calls");
        }
    }
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        5 => Just(Step::Append),
        3 => Just(Step::Import),
        2 => Just(Step::Flush),
        1 => Just(Step::Compact),
        1 => Just(Step::CleanUp),
        1 => Just(Step::Reopen),
        1 => Just(Step::Die),
    ];
    prop::collection::vec(step, 1..25)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 100, ..ProptestConfig::default() })]

    #[test]
    fn nothing_acknowledged_is_lost_or_doubled(steps in steps(), seed: u64, tear in prop::bool::ANY) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let mut model = Model::new().await;
            // Often enough that all tries of some calls fail.
            let rates = FaultRates {
                fail_before: 0.2,
                fail_after: 0.2,
                tear: if tear { 0.1 } else { 0.0 },
                delay: 0.05,
                delay_max: Duration::from_micros(100),
            };
            for (index, step) in steps.into_iter().enumerate() {
                model.place.faulty_store().set_plan(FaultPlan::seeded(seed.wrapping_add(index as u64), rates));
                model.run(step).await;
            }
            model.end().await;
        });
    }
}

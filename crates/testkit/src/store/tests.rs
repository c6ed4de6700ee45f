use object_store::memory::InMemory;
use object_store::{ObjectStoreExt as _, PutMode};

use super::*;

fn store() -> FaultyStore {
    FaultyStore::new(Arc::new(InMemory::new()))
}

async fn text(store: &dyn ObjectStore, path: &str) -> Option<String> {
    let found = store.get(&Path::from(path)).await.ok()?;
    Some(String::from_utf8(found.bytes().await.unwrap().to_vec()).unwrap())
}

#[tokio::test]
async fn each_fault_has_its_effect() {
    for (fault, left) in [
        (Fault::Fail(Effect::None), None),
        (Fault::Fail(Effect::Part), Some("0123")),
        (Fault::Fail(Effect::Whole), Some("01234567")),
        (Fault::Delay(std::time::Duration::from_millis(1)), Some("01234567")),
    ] {
        let store = store();
        store.set_plan(FaultPlan::at(0, fault));
        let result = store.put(&Path::from("a"), "01234567".into()).await;
        assert_eq!(result.is_ok(), matches!(fault, Fault::Delay(_)), "{fault:?}");
        if let Err(error) = result {
            assert!(is_injected(&error), "{error}");
        }
        assert_eq!(text(&store, "a").await.as_deref(), left, "{fault:?}");
        assert_eq!(store.faults().len(), 1);
    }
}

#[tokio::test]
async fn a_put_that_fails_after_its_effect_conflicts_with_itself() {
    let store = store();
    store.set_plan(FaultPlan::at(0, Fault::Fail(Effect::Whole)));
    let create = || PutOptions::from(PutMode::Create);
    let first = store.put_opts(&Path::from("a"), "1".into(), create()).await;
    assert!(is_injected(&first.unwrap_err()));
    let again = store.put_opts(&Path::from("a"), "1".into(), create()).await;
    assert!(matches!(again, Err(Error::AlreadyExists { .. })));
}

#[tokio::test]
async fn a_real_error_is_not_hidden_by_an_injected_one() {
    let store = store();
    store.set_plan(FaultPlan::at(0, Fault::Fail(Effect::Whole)));
    let error = store.get_ranges(&Path::from("nothing"), &[0..1, 5..6]).await.unwrap_err();
    assert!(matches!(error, Error::NotFound { .. }), "{error}");
}

#[tokio::test]
async fn after_a_crash_every_call_fails_until_restart() {
    let store = store();
    store.put(&Path::from("a"), "1".into()).await.unwrap();
    store.set_plan(FaultPlan::at(1, Fault::Crash(Effect::None)));
    assert!(text(&store, "a").await.is_some());
    let path = Path::from("a");
    assert!(store.put(&Path::from("b"), "2".into()).await.is_err());
    assert!(store.put(&Path::from("c"), "2".into()).await.is_err());
    assert!(store.get(&path).await.is_err());
    assert!(store.head(&path).await.is_err());
    assert!(store.delete(&path).await.is_err());
    assert!(store.copy(&path, &Path::from("c")).await.is_err());
    assert!(store.rename(&path, &Path::from("c")).await.is_err());
    assert!(store.list(None).try_collect::<Vec<_>>().await.is_err());
    assert!(store.list_with_delimiter(None).await.is_err());
    assert!(store.put_multipart(&path).await.is_err());

    store.restart();
    let left: Vec<ObjectMeta> = store.list(None).try_collect().await.unwrap();
    assert_eq!(left.iter().map(|object| object.location.as_ref()).collect::<Vec<_>>(), ["a"]);
}

#[tokio::test]
async fn a_crash_may_come_after_the_effect() {
    for (effect, left) in [(Effect::None, None), (Effect::Part, Some("01")), (Effect::Whole, Some("0123"))] {
        let store = store();
        store.set_plan(FaultPlan::at(0, Fault::Crash(effect)));
        assert!(store.put(&Path::from("a"), "0123".into()).await.is_err());
        assert!(store.has_crashed());
        store.restart();
        assert_eq!(text(&store, "a").await.as_deref(), left);
    }
}

#[tokio::test]
async fn calls_are_listed_and_can_be_picked() {
    let store = store();
    store.set_plan(FaultPlan::at(1, Fault::Fail(Effect::None)).only(|call| {
        call.operation == Operation::Put && call.path.as_ref().is_some_and(|p| p.as_ref().starts_with("wal/"))
    }));
    store.put(&Path::from("wal/1"), "1".into()).await.unwrap();
    store.put(&Path::from("events/1"), "22".into()).await.unwrap();
    assert!(store.put(&Path::from("wal/2"), "333".into()).await.is_err());
    store.put(&Path::from("wal/3"), "4444".into()).await.unwrap();
    let calls: Vec<String> = store.calls().iter().map(Call::to_string).collect();
    assert_eq!(calls, ["Put wal/1", "Put events/1", "Put wal/2", "Put wal/3"]);
    assert_eq!(store.calls().iter().map(|call| call.bytes).collect::<Vec<_>>(), [1, 2, 3, 4]);
    assert_eq!(store.count(Operation::Put), 4);
    assert_eq!(store.faults().len(), 1);
    store.forget_calls();
    assert_eq!(store.count(Operation::Put), 0);
}

#[tokio::test]
async fn reads_may_break_in_the_middle() {
    let store = store();
    for path in ["a", "b", "c", "d"] {
        store.put(&Path::from(path), "x".into()).await.unwrap();
    }
    store.set_plan(FaultPlan::at(0, Fault::Fail(Effect::Part)));
    let listed: Vec<Result<ObjectMeta>> = store.list(None).collect().await;
    assert_eq!(listed.iter().filter(|item| item.is_ok()).count(), 2);
    assert!(listed.last().unwrap().is_err());

    store.set_plan(FaultPlan::at(0, Fault::Fail(Effect::Whole)));
    let found = store.get(&Path::from("a")).await.unwrap();
    assert!(is_injected(&found.bytes().await.unwrap_err()), "the head arrives, the body does not");
}

#[tokio::test]
async fn deletes_fail_one_by_one() {
    let store = store();
    for path in ["a", "b", "c"] {
        store.put(&Path::from(path), "x".into()).await.unwrap();
    }
    store.set_plan(
        FaultPlan::at(1, Fault::Fail(Effect::None)).only(|call| call.operation == Operation::Delete),
    );
    let paths = ["a", "b", "c"].map(|path| Ok(Path::from(path)));
    let deleted: Vec<Result<Path>> = store.delete_stream(stream::iter(paths).boxed()).collect().await;
    assert_eq!(deleted.iter().map(Result::is_ok).collect::<Vec<_>>(), [true, false, true]);
    assert!(text(&store, "b").await.is_some());
    assert!(text(&store, "c").await.is_none());
}

#[tokio::test]
async fn an_upload_whose_end_fails_leaves_nothing() {
    let store = store();
    store.set_plan(
        FaultPlan::at(0, Fault::Fail(Effect::None)).only(|call| call.operation == Operation::CompleteUpload),
    );
    let mut upload = store.put_multipart(&Path::from("a")).await.unwrap();
    let parts = [upload.put_part("01".into()), upload.put_part("23".into())];
    futures::future::try_join_all(parts).await.unwrap();
    assert!(upload.complete().await.is_err());
    assert_eq!(text(&store, "a").await, None);
    upload.complete().await.unwrap();
    assert_eq!(text(&store, "a").await.as_deref(), Some("0123"));
    assert_eq!(store.count(Operation::UploadPart), 2);
}

#[tokio::test]
async fn a_torn_part_is_half_there() {
    let store = store();
    store.set_plan(
        FaultPlan::at(1, Fault::Fail(Effect::Part)).only(|call| call.operation == Operation::UploadPart),
    );
    let mut upload = store.put_multipart(&Path::from("a")).await.unwrap();
    upload.put_part("0123".into()).await.unwrap();
    assert!(upload.put_part("4567".into()).await.is_err());
    upload.complete().await.unwrap();
    assert_eq!(text(&store, "a").await.as_deref(), Some("012345"));
}

#[tokio::test]
async fn a_seed_fixes_the_faults_and_rates_are_kept() {
    let run = async |seed| {
        let store = store();
        let rates =
            FaultRates { fail_before: 0.2, fail_after: 0.1, tear: 0.05, delay: 0.0, ..FaultRates::default() };
        store.set_plan(FaultPlan::seeded(seed, rates));
        for call in 0..2_000 {
            let _ = store.put(&Path::from(format!("{call}")), "01".into()).await;
        }
        store.faults().into_iter().map(|(call, fault)| (call.path, fault)).collect::<Vec<_>>()
    };
    let (first, second, other) = (run(7).await, run(7).await, run(8).await);
    assert_eq!(first, second);
    assert_ne!(first, other);
    let share = |fault| first.iter().filter(|(_, found)| *found == fault).count() as f64 / 2_000.0;
    assert!((share(Fault::Fail(Effect::None)) - 0.2).abs() < 0.04);
    assert!((share(Fault::Fail(Effect::Whole)) - 0.1).abs() < 0.03);
    assert!((share(Fault::Fail(Effect::Part)) - 0.05).abs() < 0.02);
}

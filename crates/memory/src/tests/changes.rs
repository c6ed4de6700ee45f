//! Datasets that change while layouts of them are held.

use std::collections::BTreeSet;
use std::sync::Arc;

use proptest::prelude::*;
use proptest::sample::Index;
use tallymark_event::LaneKind;
use tallymark_testkit::strategies::{History, history};
use tallymark_users::{IdentitySystem, ProfileKey};

use super::dataset::{Dataset, Row, USER_ID, all_columns, expected, found, found_without_users};
use super::{LARGE, check, check_segments, line, resident};
use crate::{ColumnId, Layout, LayoutNeeds, ResidentEvents};

/// What happens to a dataset after a batch of records.
#[derive(Debug, Clone)]
enum Step {
    /// It stays in the memtable.
    Stay,
    Flush,
    /// The files of each day become few.
    Merge,
    /// The user of one of the batch's events is removed.
    Erase(Index),
}

/// Which layouts are asked for then.
#[derive(Debug, Clone, Copy)]
struct Asked {
    /// Of the days with these parities alone, before all days.
    some: bool,
    /// Of an earlier snapshot too.
    earlier: bool,
    /// Without users, before all else.
    bare: bool,
}

fn steps() -> impl Strategy<Value = Vec<(Step, Asked)>> {
    let step = prop_oneof![
        3 => Just(Step::Stay),
        4 => Just(Step::Flush),
        2 => Just(Step::Merge),
        1 => any::<Index>().prop_map(Step::Erase),
    ];
    let asked = (any::<bool>(), prop::bool::weighted(0.3), any::<bool>())
        .prop_map(|(some, earlier, bare)| Asked { some, earlier, bare });
    prop::collection::vec((step, asked), 6)
}

/// A layout and what it showed when it was made.
struct Held {
    layout: Arc<Layout>,
    rows: Vec<(tallymark_event::Day, Row)>,
}

async fn run(history: &History, steps: &[(Step, Asked)], identity: IdentitySystem, budget_bytes: usize) {
    let dataset = Dataset::new(identity).await;
    let events = resident(budget_bytes);
    let mut held: Vec<Held> = Vec::new();
    for (batch, (step, asked)) in history.batches().zip(steps.iter().cycle()) {
        let lines: String = batch.iter().flat_map(|record| [record.to_line(), "\n".to_owned()]).collect();
        dataset.append(&lines).await;
        match step {
            Step::Stay => {}
            Step::Flush => dataset.flush().await,
            Step::Merge => dataset.rewrite(None).await,
            Step::Erase(which) => {
                let rows = expected(&dataset.store, &dataset.snapshot()).await;
                if !rows.is_empty() {
                    let (_, row) = which.get(&rows);
                    dataset.rewrite(Some(&row[2])).await;
                }
            }
        }
        let snapshot = dataset.snapshot();
        if asked.bare {
            let layout = events.layout_with(&snapshot, None, LayoutNeeds::ROWS).await.unwrap();
            let without_users = |(day, mut row): (_, Row)| {
                row.remove(USER_ID);
                (day, row)
            };
            let rows = expected(&dataset.store, &snapshot).await;
            let rows: Vec<_> = rows.into_iter().map(without_users).collect();
            assert_eq!(found_without_users(&layout).await, rows);
        }
        if asked.some {
            let days: BTreeSet<_> = snapshot
                .manifest
                .files
                .iter()
                .map(|file| file.day)
                .filter(|day| day.days() % 2 == 0)
                .collect();
            let layout = events.layout(&snapshot, Some(&days)).await.unwrap();
            check_segments(&layout).await;
        }
        if asked.earlier
            && let Some(earlier) = held.first()
        {
            let layout = events.layout(earlier.layout.snapshot(), None).await.unwrap();
            assert_eq!(found(&layout).await, earlier.rows, "an earlier snapshot laid out again");
        }
        let layout = events.layout(&snapshot, None).await.unwrap();
        check(&dataset, &layout).await;
        check_profiles(&layout).await;
        let rows = found(&layout).await;
        held.push(Held { layout, rows });
        let usage = events.usage();
        assert!(usage.used_bytes <= budget_bytes.max(1000) as u64, "{usage:?}");
    }
    for Held { layout, rows } in &held {
        assert_eq!(found(layout).await, *rows, "a layout that is held stays as it is");
        check_segments(layout).await;
    }
}

/// Columns of profiles are the profiles' values, by user.
async fn check_profiles(layout: &Layout) {
    let profiles = &layout.snapshot().profiles;
    let catalog = tallymark_event::catalog_of(profiles.users().map(|(_, profile)| &profile.properties));
    for lane in catalog.lanes() {
        let property = &catalog.properties()[lane.property.0 as usize];
        let values: Vec<_> = (0..layout.users().len() as u32)
            .map(|ordinal| {
                let id = layout.users().id(ordinal).to_owned();
                let value = profiles.get(&ProfileKey::User(id))?.property(&property.name)?;
                let of_lane = catalog.route(lane.property, value).map(|id| catalog.lane(id).kind);
                (of_lane == Some(lane.kind)).then_some(value)
            })
            .collect();
        let expected = tallymark_event::lane_array(lane.kind, values.into_iter());
        let found = layout.profile_column(&property.name, lane.kind).await.unwrap();
        let found = arrow::compute::cast(&found, &lane.kind.data_type()).unwrap();
        assert_eq!(*found, *expected, "{} as {:?}", property.name, lane.kind);
    }
    let missing = layout.profile_column("no such property", LaneKind::Int64).await.unwrap();
    assert_eq!((missing.len(), missing.null_count()), (layout.users().len(), layout.users().len()));
}

fn block_on(test: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(test);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 32, ..ProptestConfig::default() })]

    #[test]
    fn a_layout_shows_its_snapshot_whatever_came_before(
        history in history(60),
        steps in steps(),
        original in any::<bool>(),
        budget_bytes in prop::sample::select(vec![LARGE, 20_000, 4_000, 0]),
    ) {
        let identity = if original { IdentitySystem::Original } else { IdentitySystem::Simplified };
        block_on(run(&history, &steps, identity, budget_bytes));
    }
}

/// Loads every column of every segment.
async fn load_all(layout: &Layout) {
    for index in 0..layout.segments().len() {
        layout.load(index, &all_columns(layout.snapshot())).await.unwrap();
    }
}

/// Three days in files.
async fn three_days() -> (Dataset, ResidentEvents, Arc<Layout>) {
    let dataset = Dataset::new(IdentitySystem::Simplified).await;
    let lines: String = (0..3)
        .flat_map(|day| {
            let device = format!("\"$device_id\": \"d{day}\"");
            [
                line("a", &format!("$device:d{day}"), day, 10, &device),
                line("b", "u1", day, 20, "\"n\": 1"),
                line("c", "z", day, 30, "\"n\": 2"),
            ]
        })
        .collect();
    dataset.append(&lines).await;
    dataset.flush().await;
    let events = resident(LARGE);
    let layout = events.layout(&dataset.snapshot(), None).await.unwrap();
    load_all(&layout).await;
    (dataset, events, layout)
}

#[tokio::test]
async fn without_users_nothing_is_read_that_nobody_asked_for() {
    let (dataset, ..) = three_days().await;
    let events = resident(LARGE);
    let snapshot = dataset.snapshot();
    let bare = events.layout_with(&snapshot, None, LayoutNeeds::ROWS).await.unwrap();
    assert_eq!(events.usage().loaded_bytes, 0);
    assert!(bare.segments().iter().all(|segment| !segment.has_users() && segment.row_count() == 3));
    assert!(bare.users().is_empty() && bare.segments()[0].times().is_empty());
    let loaded = bare.load(0, &[ColumnId::EVENT]).await.unwrap();
    assert!(loaded.loaded_bytes > 0);
    assert_eq!(events.usage().loaded_bytes, loaded.loaded_bytes);
    assert_eq!(bare.load_times(1).await.unwrap() + loaded.loaded_bytes, events.usage().loaded_bytes);
    assert_eq!(bare.segments()[1].times(), [10, 20, 30]);

    // Users are numbered when somebody asks; what is loaded stays.
    let full = events.layout(&snapshot, None).await.unwrap();
    assert_eq!(full.load(0, &[ColumnId::EVENT]).await.unwrap().loaded_bytes, 0);
    assert_eq!(full.load_times(1).await.unwrap(), 0);
    assert!(!bare.segments()[0].has_users());
    check(&dataset, &full).await;
    assert_eq!(events.usage().segments.len(), 3);

    // Whoever asks for less afterwards gets the same.
    let again = events.layout_with(&snapshot, None, LayoutNeeds::ROWS).await.unwrap();
    assert_eq!(same_core(&full, &again), [true, true, true]);
    // What was begun without users sees what is loaded later, and the other way round.
    bare.load_times(2).await.unwrap();
    assert_eq!(full.load_times(2).await.unwrap(), 0);
}

#[tokio::test]
async fn i4_a_day_whose_users_changed_is_ordered_even_for_those_who_do_not_ask_for_them() {
    let (dataset, ..) = three_days().await;
    let events = resident(LARGE);
    let bare = events.layout_with(&dataset.snapshot(), None, LayoutNeeds::ROWS).await.unwrap();
    let before = found_without_users(&bare).await;
    // "$device:d1" came first, "z" comes last.
    dataset.append(&line("sign up", "z", 0, 40, "\"$device_id\": \"d1\", \"$user_id\": \"z\"")).await;
    let after = events.layout_with(&dataset.snapshot(), None, LayoutNeeds::ROWS).await.unwrap();
    let events_of = |rows: &[(tallymark_event::Day, Row)], day| -> String {
        rows.iter().filter(|row| row.0 == day).map(|row| row.1[0].as_str()).collect()
    };
    let day = after.segments()[1].day();
    let rows = found_without_users(&after).await;
    assert_eq!((events_of(&before, day), events_of(&rows, day)), ("abc".to_owned(), "bac".to_owned()));
    check(&dataset, &events.layout(&dataset.snapshot(), None).await.unwrap()).await;
    assert_eq!(found_without_users(&bare).await, before, "a layout that is held stays as it is");
}

fn same_core(one: &Layout, other: &Layout) -> Vec<bool> {
    let pairs = one.segments().iter().zip(other.segments());
    pairs.map(|(a, b)| Arc::ptr_eq(&a.core, &b.core)).collect()
}

#[tokio::test]
async fn a_commit_rebuilds_only_the_days_it_touched() {
    let (dataset, events, before) = three_days().await;
    dataset.append(&line("late", "m", 1, 5, "\"n\": 9")).await;
    dataset.flush().await;
    let after = events.layout(&dataset.snapshot(), None).await.unwrap();
    assert_eq!(same_core(&before, &after), [true, false, true]);
    check(&dataset, &after).await;
    let usage = events.usage();
    assert_eq!(usage.segments.len(), 3, "the former segment of the day is gone");

    let again = events.layout(&dataset.snapshot(), None).await.unwrap();
    assert_eq!(same_core(&after, &again), [true, true, true]);
    assert!(Arc::ptr_eq(after.users(), again.users()));
    assert_eq!(events.usage().loads, usage.loads);
}

#[tokio::test]
async fn rows_of_the_memtable_join_a_resident_segment_without_reading_files() {
    let (dataset, events, before) = three_days().await;
    let read_before = events.usage().loaded_bytes;
    dataset.append(&line("new", "u1", 2, 20, "\"n\": 3")).await;
    let after = events.layout(&dataset.snapshot(), None).await.unwrap();
    assert_eq!(same_core(&before, &after), [true, true, false]);
    check(&dataset, &after).await;
    dataset.append(&line("new", "new user", 2, 0, "\"text\": \"x\"")).await;
    let after = events.layout(&dataset.snapshot(), None).await.unwrap();
    check(&dataset, &after).await;
    assert_eq!(events.usage().loaded_bytes, read_before, "no file was read again");
}

#[tokio::test]
async fn i4_a_link_rebuilds_only_the_days_of_the_device() {
    let (dataset, events, before) = three_days().await;
    let read_before = events.usage().loaded_bytes;
    // Links d1, which has rows of the second day only.
    dataset.append(&line("sign up", "u1", 0, 40, "\"$device_id\": \"d1\", \"$user_id\": \"u1\"")).await;
    let after = events.layout(&dataset.snapshot(), None).await.unwrap();
    assert_eq!(same_core(&before, &after), [false, false, true]);
    check(&dataset, &after).await;
    assert_eq!(events.usage().loaded_bytes, read_before, "no file was read again");
    let ordinal = after.users().ordinal("u1").unwrap();
    let joined = &after.segments()[1];
    let at = joined.users_in(ordinal..ordinal + 1).start;
    assert_eq!(joined.starts()[at + 1] - joined.starts()[at], 2, "the device's row is the user's");

    check(&dataset, &events.layout(&dataset.snapshot(), None).await.unwrap()).await;
    assert_eq!(before.segments()[1].users().len(), 3, "the former layout has the device still");
    check_segments(&before).await;

    // A cold start finds the same.
    let cold = resident(LARGE).layout(&dataset.snapshot(), None).await.unwrap();
    check(&dataset, &cold).await;
}

#[tokio::test]
async fn a_lane_that_widens_is_read_again() {
    let (dataset, events, before) = three_days().await;
    dataset.append(&line("b", "u1", 2, 50, "\"n\": 2.5")).await;
    dataset.flush().await;
    let after = events.layout(&dataset.snapshot(), None).await.unwrap();
    check(&dataset, &after).await;
    assert_eq!(same_core(&before, &after), [true, true, false]);
    load_all(&before).await;
    check_segments(&before).await;
}

#[tokio::test]
async fn a_removed_user_is_in_no_segment() {
    let (dataset, events, before) = three_days().await;
    dataset.rewrite(Some("u1")).await;
    let after = events.layout(&dataset.snapshot(), None).await.unwrap();
    check(&dataset, &after).await;
    assert_eq!(after.segments().iter().map(|segment| segment.row_count()).collect::<Vec<_>>(), [2, 2, 2]);
    assert_eq!(before.segments()[0].row_count(), 3);
}

//! Layouts against the most naive reading of the same snapshot, while datasets change.

mod changes;
mod concurrency;
mod dataset;
mod limits;

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, UInt32Array};
use arrow::compute::{concat, take};

use self::dataset::{Dataset, TIME, USER_ID, expected, found};
use crate::{ColumnId, Layout, LoadedSegment, MemoryConfig, ResidentEvents};

fn resident(budget_bytes: usize) -> ResidentEvents {
    ResidentEvents::new(MemoryConfig { budget_bytes, threads: 2 })
}

const LARGE: usize = 1 << 30;

/// Everything a layout promises.
async fn check(dataset: &Dataset, layout: &Layout) {
    let rows = found(layout).await;
    assert_eq!(rows, expected(&dataset.store, layout.snapshot()).await);
    check_segments(layout).await;
}

/// What the parts of a layout say of each other.
async fn check_segments(layout: &Layout) {
    let users = layout.users();
    assert!(users.ids().iter().is_sorted_by(|a, b| a < b), "ordinals are ranks");
    assert!(layout.segments().iter().is_sorted_by(|a, b| a.day() < b.day()));
    for (index, segment) in layout.segments().iter().enumerate() {
        let count = segment.row_count();
        assert!(count > 0);
        assert!(segment.users().iter().is_sorted_by(|a, b| a < b));
        assert_eq!(segment.starts().len(), segment.users().len() + 1);
        assert_eq!(segment.starts()[0] as usize, segment.nobody_rows());
        assert_eq!(segment.starts().last().copied(), Some(count as u32));
        assert!(segment.starts().is_sorted_by(|a, b| a < b), "no user without rows");
        assert_eq!(segment.times().len(), count);

        let all = [ColumnId::System(TIME), ColumnId::System(USER_ID), ColumnId::EVENT];
        let columns = arrays(&layout.load(index, &all).await.unwrap());
        assert_eq!((columns[2].len(), columns[2].logical_null_count()), (count, 0));
        let mut ordinals = Vec::new();
        segment.ordinals(0..count, &mut ordinals);
        for (row, ordinal) in ordinals.iter().enumerate() {
            let ids = columns[1].as_string_view();
            let id = (*ordinal != u32::MAX).then(|| users.id(*ordinal));
            assert_eq!(id, ids.is_valid(row).then(|| ids.value(row)));
        }
        for rows in [0..0, 0..1, count / 2..count, count / 3..count / 2, count..count] {
            let mut some = Vec::new();
            segment.ordinals(rows.clone(), &mut some);
            assert_eq!(some, ordinals[rows.clone()]);
            let ids = segment.user_id_array(users, rows.clone());
            assert_eq!(*ids, *columns[1].slice(rows.start, rows.len()));
            let times = segment.time_array(rows.clone());
            assert_eq!(*times, *columns[0].slice(rows.start, rows.len()));
        }
        for (at, user) in segment.users().iter().enumerate() {
            assert_eq!(segment.users_in(*user..*user + 1), at..at + 1);
        }
        assert_eq!(segment.users_in(0..u32::MAX), 0..segment.users().len());
        assert!(segment.users_in(0..0).is_empty());
    }
}

/// A value or null for each row of each column.
fn arrays(loaded: &LoadedSegment) -> Vec<ArrayRef> {
    loaded.columns.iter().map(|column| column.to_array().unwrap()).collect()
}

/// An event of `user` at a time of 2024-02-28 + `day`, as a line.
fn line(name: &str, user: &str, day: i64, ms: i64, properties: &str) -> String {
    let time = (19_781 + day) * 86_400_000 + ms;
    let comma = if properties.is_empty() { "" } else { "," };
    format!(
        "{{\"event\":\"{name}\",\"properties\":{{\"time\":{time},\"distinct_id\":\"{user}\"{comma}{properties}}}}}\n"
    )
}

#[tokio::test]
async fn no_rows_make_no_segments() {
    let dataset = Dataset::new(tallymark_users::IdentitySystem::Simplified).await;
    let events = resident(LARGE);
    let layout = events.layout(&dataset.snapshot(), None).await.unwrap();
    assert!(layout.segments().is_empty() && layout.users().is_empty());
    assert_eq!(events.usage().segments, []);
    check(&dataset, &layout).await;
}

#[tokio::test]
async fn a_segment_is_one_days_rows_by_user_and_time() {
    let dataset = Dataset::new(tallymark_users::IdentitySystem::Simplified).await;
    let lines = [
        line("b", "u2", 0, 5, "\"n\": 1, \"city\": \"Rome\""),
        line("a", "u1", 0, 9, "\"n\": 2.5"),
        line("a", "", 0, 7, "\"city\": \"Rome\""),
        line("c", "u1", 0, 3, ""),
        line("a", "u3", 2, 0, "\"tags\": [\"x\", null]"),
    ];
    dataset.append(&lines.concat()).await;
    let events = resident(LARGE);
    for flushed in [false, true] {
        if flushed {
            dataset.flush().await;
        }
        let layout = events.layout(&dataset.snapshot(), None).await.unwrap();
        assert_eq!(layout.users().ids().iter().flatten().collect::<Vec<_>>(), ["u1", "u2", "u3"]);
        let [first, second] = layout.segments() else { panic!("{layout:?}") };
        assert_eq!((first.nobody_rows(), first.users(), first.starts()), (1, &[0, 1][..], &[1, 3, 4][..]));
        assert_eq!(first.times(), [7, 3, 9, 5]);
        assert_eq!((second.users(), second.times()), (&[2][..], &[0][..]));
        check(&dataset, &layout).await;
    }
}

#[tokio::test]
async fn only_the_days_asked_for_are_laid_out() {
    let dataset = Dataset::new(tallymark_users::IdentitySystem::Simplified).await;
    let lines: String = (0..4).map(|day| line("a", &format!("u{day}"), day, 0, "")).collect();
    dataset.append(&lines).await;
    dataset.flush().await;
    let snapshot = dataset.snapshot();
    let all: Vec<_> = snapshot.manifest.files.iter().map(|file| file.day).collect();
    let events = resident(LARGE);
    let some = events.layout(&snapshot, Some(&[all[2], all[0]].into())).await.unwrap();
    assert_eq!(some.segments().iter().map(|segment| segment.day()).collect::<Vec<_>>(), [all[0], all[2]]);
    assert_eq!(some.users().ids().iter().flatten().collect::<Vec<_>>(), ["u0", "u2"]);

    let layout = events.layout(&snapshot, None).await.unwrap();
    check(&dataset, &layout).await;
    assert!(Arc::ptr_eq(&layout.segments()[0].core, &some.segments()[0].core), "what is resident is used");
    assert_eq!((some.segments()[1].users(), layout.segments()[2].users()), (&[1][..], &[2][..]));
    check_segments(&some).await;
}

#[tokio::test]
async fn text_is_held_by_the_distinct_values_of_the_day() {
    let dataset = Dataset::new(tallymark_users::IdentitySystem::Simplified).await;
    let lines: String = (0..40)
        .map(|row| {
            let properties = format!("\"city\": \"city {}\", \"$insert_id\": \"i{row}\"", row % 3);
            line("a", "u", 0, row, &properties)
        })
        .collect();
    dataset.append(&lines).await;
    dataset.flush().await;
    let snapshot = dataset.snapshot();
    let city = snapshot.catalog.property("city").unwrap().lanes[0];
    let layout = resident(LARGE).layout(&snapshot, None).await.unwrap();
    let loaded = layout.load(0, &[ColumnId::Lane(city), ColumnId::System(5)]).await.unwrap();
    let columns = arrays(&loaded);
    let cities = columns[0].as_dictionary::<arrow::datatypes::UInt8Type>();
    assert_eq!(cities.values().len(), 3);
    assert!(columns[1].as_string_view_opt().is_some(), "no two insert ids are equal");
    assert!(loaded.loaded_bytes > 0);
    assert_eq!(layout.load(0, &[ColumnId::Lane(city)]).await.unwrap().loaded_bytes, 0);

    let ids = layout.segments()[0].user_id_array(layout.users(), 0..40);
    let again = concat(&[&ids, &take(&ids, &UInt32Array::from(vec![0]), None).unwrap()]).unwrap();
    assert!(again.as_string_view().iter().all(|id| id == Some("u")));
}

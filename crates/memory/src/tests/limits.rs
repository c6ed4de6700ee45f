//! Budgets, estimates and usage.

use tallymark_users::IdentitySystem;

use super::dataset::{Dataset, all_columns};
use super::{LARGE, check, line, resident};
use crate::{ColumnId, Encoding};

/// Some hundred rows on five days.
async fn five_days() -> Dataset {
    let dataset = Dataset::in_store(
        std::sync::Arc::new(object_store::memory::InMemory::new()),
        IdentitySystem::Simplified,
        50,
    )
    .await;
    let lines: String = (0..500)
        .map(|row| {
            let rare = if row / 5 % 10 == 3 {
                ", \"rare\": 0.5, \"coupon\": \"x\", \"tags\": [\"a\", null]"
            } else {
                ""
            };
            let properties = format!("\"n\": {row}, \"city\": \"city {}\"{rare}", row % 3);
            line("a", &format!("user {}", row % 20), row % 5, row, &properties)
        })
        .collect();
    dataset.append(&lines).await;
    dataset.flush().await;
    dataset
}

#[tokio::test]
async fn whatever_the_budget_everything_is_served_and_little_kept() {
    let dataset = five_days().await;
    for budget_bytes in [0, 2_000, 4_000, 10_000, 20_000, LARGE] {
        let events = resident(budget_bytes);
        for _ in 0..3 {
            let layout = events.layout(&dataset.snapshot(), None).await.unwrap();
            check(&dataset, &layout).await;
            let usage = events.usage();
            assert!(usage.used_bytes <= budget_bytes.max(1000) as u64, "{usage:#?}");
        }
        let usage = events.usage();
        let rows: u64 = usage.segments.iter().map(|segment| segment.rows).sum();
        assert_eq!(rows == 500, budget_bytes >= 4_000, "{usage:#?}");
        assert_eq!(usage.evictions > 0, budget_bytes < LARGE && budget_bytes > 0, "{usage:#?}");
    }
}

#[tokio::test]
async fn the_column_used_least_recently_goes_first() {
    let dataset = five_days().await;
    let snapshot = dataset.snapshot();
    let columns = all_columns(&snapshot);
    let (old, new) = (columns[7], columns[8]);
    let events = resident(LARGE);
    let layout = events.layout(&snapshot, None).await.unwrap();
    let used = events.usage().used_bytes;
    layout.load(0, &[old]).await.unwrap();
    let column_bytes = (events.usage().used_bytes - used) as usize;

    let events = resident(used as usize + column_bytes * 5 / 2);
    let layout = events.layout(&snapshot, None).await.unwrap();
    let kept = |name: &str| {
        let usage = events.usage();
        usage
            .segments
            .iter()
            .filter(|segment| segment.columns.iter().any(|column| column.column == name))
            .count()
    };
    for index in [0, 1, 0, 2] {
        layout.load(index, &[old]).await.unwrap();
    }
    assert_eq!(kept("sequence"), 2);
    assert_eq!(layout.load(0, &[old]).await.unwrap().loaded_bytes, 0, "used again before the other");
    assert!(layout.load(1, &[old]).await.unwrap().loaded_bytes > 0);
    layout.load(1, &[new]).await.unwrap();
    assert!(kept("n") == 1 && events.usage().segments.len() == 5);
}

#[tokio::test]
async fn rows_of_event_names_are_known_once_names_are_asked_for_again() {
    let dataset = five_days().await;
    let snapshot = dataset.snapshot();
    let events = resident(LARGE);
    let layout = events.layout(&snapshot, None).await.unwrap();
    for asked_before in [false, false, true, true] {
        let loaded = layout.load(0, &[ColumnId::EVENT]).await.unwrap();
        assert_eq!(loaded.rows_by_event.is_some(), asked_before);
        let Some(rows) = loaded.rows_by_event else { continue };
        assert_eq!((rows.count(0), rows.count(1)), (100, 0));
        let found: Vec<u16> = rows.within(0, 98..100).flat_map(|(_, rows)| rows.to_vec()).collect();
        assert_eq!(found, [98, 99]);
    }
    let known = |events: &crate::ResidentEvents| events.usage().segments[0].rows_by_event_bytes;
    assert!((200..400).contains(&known(&events)));
    assert!(layout.load(0, &[all_columns(&snapshot)[7]]).await.unwrap().rows_by_event.is_none());

    // They are not made where there is no room, and the first to give way.
    let used = events.usage().used_bytes;
    for (budget, is_kept) in [(used, true), (used - 100, false)] {
        let events = resident(budget as usize);
        let layout = events.layout(&snapshot, None).await.unwrap();
        for _ in 0..4 {
            layout.load(0, &[ColumnId::EVENT]).await.unwrap();
        }
        layout.load(0, &[all_columns(&snapshot)[7]]).await.unwrap();
        assert_eq!(known(&events) > 0, is_kept, "{budget} of {used}");
        assert_eq!(events.usage().evictions, 0);
        layout.load(1, &[all_columns(&snapshot)[7]]).await.unwrap();
        assert_eq!(known(&events), 0);
    }
}

#[tokio::test]
async fn an_estimate_comes_near_what_it_takes() {
    let dataset = five_days().await;
    let snapshot = dataset.snapshot();
    let events = resident(LARGE);
    let columns = all_columns(&snapshot);
    let before = events.estimate(&snapshot, None, &columns);
    assert_eq!((before.rows, before.resident_bytes), (500, 0));
    let layout = events.layout(&snapshot, None).await.unwrap();
    check(&dataset, &layout).await;
    let after = events.estimate(&snapshot, None, &columns);
    assert_eq!((after.rows, after.missing_bytes), (500, 0));
    let (estimated, taken) = (before.missing_bytes as f64, after.resident_bytes as f64);
    assert!(estimated > taken / 5.0 && estimated < taken * 5.0, "{estimated} for {taken}");

    let day = layout.segments()[1].day();
    let one = events.estimate(&snapshot, Some(&[day].into()), &[ColumnId::EVENT]);
    assert_eq!((one.rows, one.missing_bytes), (100, 0));
    dataset.append(&line("a", "u", 1, 0, "")).await;
    assert_eq!(events.estimate(&dataset.snapshot(), Some(&[day].into()), &[]).rows, 101);
}

#[tokio::test]
async fn usage_says_what_is_held_and_how() {
    let dataset = five_days().await;
    let events = resident(LARGE);
    let layout = events.layout(&dataset.snapshot(), None).await.unwrap();
    check(&dataset, &layout).await;
    let usage = events.usage();
    assert_eq!((usage.users, usage.segments.len(), usage.budget_bytes), (20, 5, LARGE as u64));
    let segment = &usage.segments[0];
    assert_eq!((segment.rows, segment.time_bytes), (100, 400));
    assert_eq!(segment.columns[0].encoding, Encoding::Dictionary { key_bytes: 1, values: 1 });
    let n = segment.columns.iter().find(|column| column.column == "n").unwrap();
    assert_eq!(n.encoding, Encoding::Plain);
    for (column, values) in [("rare", 10), ("coupon", 10), ("tags", 10)] {
        let rare = segment.columns.iter().find(|known| known.column == column).unwrap();
        assert_eq!(rare.encoding, Encoding::Sparse { values });
    }
    let parts: u64 = usage
        .segments
        .iter()
        .map(|segment| {
            let columns: u64 = segment.columns.iter().map(|column| column.bytes).sum();
            let made = segment.inherited_bytes + segment.rows_by_event_bytes;
            segment.user_bytes + segment.time_bytes + segment.order_bytes + made + columns
        })
        .sum();
    assert_eq!(usage.used_bytes, usage.directory_bytes + parts);
    assert!(serde_json::to_string(&usage).unwrap().contains("\"kind\":\"dictionary\""));

    // Few values are taken over by the next segment of the day too.
    dataset.append(&line("b", "user 3", 1, 7, "\"rare\": 7, \"tags\": [\"b\"]")).await;
    let layout = events.layout(&dataset.snapshot(), None).await.unwrap();
    check(&dataset, &layout).await;
}

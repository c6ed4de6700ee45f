//! The worked examples of section 7 over events, and its relations over random walks (7.8).

use std::sync::Arc;

use proptest::prelude::*;
use tallymark_event::Event;
use tallymark_report::{Alignment, Calendar, Criterion, Unit, WeekStart};

use super::tally::{Row, Tally};
use super::walk::{Buckets, Happened, Outcome, Walk};
use crate::report::units::Units;
use crate::testing::{TestDataset, event, rows};

async fn dataset(events: &[(&str, &str, &str, &str)]) -> TestDataset {
    let mut dataset = TestDataset::new();
    let event = |(user, time, name, properties): &(&str, &str, &str, &str)| {
        event(name, user, &format!("2024-01-{}:00Z", time.replace(' ', "T")), properties)
    };
    dataset.files(&events.iter().map(event).collect::<Vec<Event<'_>>>()).await;
    dataset
}

/// 7.4.
async fn ret() -> TestDataset {
    dataset(&[
        ("u1", "01 20:00", "Signup", "{}"),
        ("u1", "02 06:00", "Open", "{}"),
        ("u1", "03 21:00", "Open", "{}"),
        ("u2", "01 10:00", "Signup", "{}"),
        ("u2", "04 12:00", "Open", "{}"),
        ("u3", "02 09:00", "Signup", "{}"),
        ("u4", "02 10:00", "Signup", "{}"),
        ("u4", "02 10:30", "Open", "{}"),
        ("u4", "03 10:00", "Open", "{}"),
    ])
    .await
}

/// Of each row `day size: column, …`, averages without a day.
async fn told(dataset: &TestDataset, column: &str, more: &str) -> Vec<String> {
    let definition =
        format!(r#"{{"range": "2024-01-01 to 2024-01-02", "as_of": "2024-01-10T00:00:00Z"{more}}}"#);
    let question = format!(
        "SELECT \"row\" || coalesce(' ' || to_char(time, '%d'), '') || ': ' || \
         string_agg(coalesce(CAST({column} AS TEXT), '-'), ', ' ORDER BY bucket) FROM retention('{definition}') \
         GROUP BY \"row\", time ORDER BY \"row\", time"
    );
    rows(&dataset.resident_session(), &question).await
}

#[tokio::test]
async fn r_14_to_r_17_criteria_of_the_fixture() {
    let dataset = ret().await;
    let cases = [
        (r#""criterion": "on""#, ["1, 0, 1, 1", "1, 1, 0, 0"]),
        (r#""criterion": "on_or_after""#, ["2, 2, 2, 1", "1, 1, 0, 0"]),
        (r#""criterion": "on_or_before""#, ["1, 1, 1, 2", "1, 1, 1, 1"]),
        (r#""criterion": "streak""#, ["1, 0, 0, 0", "1, 1, 0, 0"]),
        (r#""criterion": "on", "alignment": "calendar""#, ["0, 1, 1, 1", "1, 1, 0, 0"]),
    ];
    for (of, [first, second]) in cases {
        for measure in ["", r#", "measure": "total_events""#] {
            let more = format!(r#", "birth": "Signup", "return": "Open", "buckets": 4, {of}{measure}"#);
            let told = told(&dataset, "retained", &more).await;
            let expected = [format!("cohort 01: {first}"), format!("cohort 02: {second}")];
            assert_eq!(told[1..3], expected, "{more}");
        }
    }
}

#[tokio::test]
async fn r_30_values_of_properties_and_numbers_of_events() {
    let dataset = dataset(&[
        ("u1", "01 09:00", "Signup", "{}"),
        ("u2", "01 09:00", "Signup", "{}"),
        ("u1", "01 10:00", "Buy", r#"{"price": 10}"#),
        ("u1", "04 10:00", "Buy", r#"{"price": 5}"#),
        ("u1", "04 11:00", "Buy", "{}"),
    ])
    .await;
    let value = async |more: &str| {
        let more = format!(r#", "birth": "Signup", "return": "Buy", "buckets": 4, {more}"#);
        told(&dataset, "value", &more).await[1].clone()
    };
    let sum = r#""measure": {"aggregate": "sum", "of": "price"}"#;
    let average = r#""measure": {"aggregate": "average", "of": "price"}"#;
    let events = r#""measure": "total_events""#;
    assert_eq!(
        value(&format!(r#"{sum}, "criterion": "on_or_before""#)).await,
        "cohort 01: 10.0, 10.0, 10.0, 15.0"
    );
    assert_eq!(
        value(&format!(r#"{average}, "criterion": "on_or_before""#)).await,
        "cohort 01: 5.0, 5.0, 5.0, 7.5"
    );
    assert_eq!(value(&format!(r#"{sum}, "criterion": "on""#)).await, "cohort 01: 10.0, 0.0, 0.0, 5.0");
    assert_eq!(
        value(&format!(r#"{sum}, "criterion": "on_or_after""#)).await,
        "cohort 01: 15.0, 5.0, 5.0, 5.0"
    );
    assert_eq!(value(&format!(r#"{sum}, "criterion": "streak""#)).await, "cohort 01: 10.0, 0.0, 0.0, 0.0");
    assert_eq!(
        value(&format!(r#"{events}, "criterion": "on_or_after""#)).await,
        "cohort 01: 3.0, 2.0, 2.0, 2.0"
    );
    // R-15: what comes after the last bucket counts.
    let short = format!(r#", "birth": "Signup", "return": "Buy", "buckets": 2, {events}"#);
    assert_eq!(told(&dataset, "value", &short).await[1], "cohort 01: 3.0, 2.0");
}

#[tokio::test]
async fn r_20_r_21_incomplete_buckets_are_left_out_of_averages() {
    let dataset = ret().await;
    let definition = r#"{"range": "2024-01-01 to 2024-01-02", "birth": "Signup", "return": "Open", "buckets": 3,
        "criterion": "on", "as_of": "2024-01-04T00:00:00Z"}"#;
    let question = format!(
        "SELECT \"row\" || ' ' || bucket || ' ' || size || ' ' || retained || ' ' || coalesce(CAST(rate AS TEXT), \
         '-') || ' ' || is_complete FROM retention('{definition}') WHERE \"row\" <> 'cohort'"
    );
    let averages = rows(&dataset.resident_session(), &question).await;
    assert_eq!(
        averages,
        [
            "average 0 4 2 0.5 true",
            "average 1 2 0 0.0 true",
            "average 2 0 0 - false",
            "pooled 0 4 2 0.5 true",
            "pooled 1 2 0 0.0 true",
            "pooled 2 0 0 - false"
        ]
    );
}

#[tokio::test]
async fn r_32_breakdowns_top_other_and_the_users_behind_a_number() {
    let dataset = dataset(&[
        ("u1", "01 09:00", "A", r#"{"browser": "Chrome"}"#),
        ("u1", "01 10:00", "B", r#"{"browser": "Safari"}"#),
        ("u2", "01 09:00", "A", r#"{"browser": "Chrome"}"#),
        ("u3", "01 09:00", "A", r#"{"browser": "Opera"}"#),
        ("u3", "02 10:00", "B", "{}"),
        ("u4", "02 09:00", "A", "{}"),
    ])
    .await;
    let definition = r#""range": "2024-01-01 to 2024-01-02", "as_of": "2024-01-10", "birth": "A", "return": "B",
        "buckets": 2, "criterion": "on", "breakdowns": ["browser"]"#;
    let question = |more: &str| {
        format!(
            "SELECT browser || ' ' || to_char(time, '%d') || ' ' || bucket || ' ' || size || ' ' || retained \
             FROM retention('{{{definition}{more}}}') WHERE \"row\" = 'cohort' AND size > 0 AND bucket = 0"
        )
    };
    let session = dataset.resident_session();
    let all =
        ["$overall 01 0 3 1", "$overall 02 0 1 0", "Chrome 01 0 2 1", "(not set) 02 0 1 0", "Opera 01 0 1 0"];
    assert_eq!(rows(&session, &question("")).await, all);
    let top = rows(&session, &question(r#", "top": 1, "other": true"#)).await;
    assert_eq!(top[2..], ["Chrome 01 0 2 1", "$other 01 0 1 0", "$other 02 0 1 0"]);
    let users = async |cell: &str| {
        let question = format!(
            "SELECT user_id FROM retention('{{{definition}, \"top\": 1, \"other\": true, \"users_of\": {{{cell}}}}}')"
        );
        rows(&session, &question).await
    };
    assert_eq!(users(r#""time": "2024-01-01""#).await, ["u1", "u2", "u3"]);
    assert_eq!(users(r#""time": "2024-01-01", "bucket": 1"#).await, ["u3"]);
    assert_eq!(users(r#""time": "2024-01-01", "bucket": 1, "dropped_off": true"#).await, ["u1", "u2"]);
    assert_eq!(users(r#""time": "2024-01-01", "segments": ["Chrome"]"#).await, ["u1", "u2"]);
    assert_eq!(users(r#""time": "2024-01-01", "segments": ["$other"]"#).await, ["u3"]);
}

#[tokio::test]
async fn u_30_groups_are_born_and_come_back_with_events_of_several_users() {
    let dataset = dataset(&[
        ("u1", "01 09:00", "A", r#"{"company": "x"}"#),
        ("u2", "02 10:00", "B", r#"{"company": ["x", "y"]}"#),
        ("", "01 10:00", "A", r#"{"company": "y"}"#),
        ("u3", "01 10:00", "A", "{}"),
    ])
    .await;
    let more = r#", "birth": "A", "return": "B", "buckets": 2, "criterion": "on", "count_by": "company""#;
    assert_eq!(told(&dataset, "retained", more).await[1..3], ["cohort 01: 0, 2", "cohort 02: 0, 0"]);
    assert_eq!(told(&dataset, "size", more).await[1], "cohort 01: 2, 2");
}

/// An event of a random history.
#[derive(Debug, Clone, Copy)]
struct Plain {
    time: i64,
    is_birth: bool,
    is_return: bool,
}

impl Happened for Plain {
    fn time(&self) -> i64 {
        self.time
    }

    fn is_birth(&self) -> bool {
        self.is_birth
    }

    fn is_return(&self) -> bool {
        self.is_return
    }
}

const HOUR: i64 = 3_600_000;
/// 2024-01-01.
const START: i64 = 1_704_067_200_000;
const ROWS: usize = 5;

fn walk(criterion: Criterion, alignment: Alignment, buckets: Buckets, needs_amounts: bool) -> Walk {
    let calendar = Calendar { zone: "Europe/Berlin".parse().unwrap(), week_start: WeekStart::Monday };
    let units = Units::new(calendar, Unit::Day, START - HOUR, START + 20 * 24 * HOUR);
    Walk { criterion, alignment, unit: Unit::Day, units, buckets, birth_counts: false, needs_amounts }
}

fn added(walk: &Walk, users: &[Vec<Plain>]) -> Vec<Row> {
    let mut tallies = vec![Tally::default(); ROWS];
    let mut outcome = Outcome::default();
    for events in users {
        walk.rows(
            events,
            |_| 1.0,
            &mut outcome,
            |row, _, outcome| {
                tallies[row].add(outcome, walk.criterion, walk.buckets.count());
            },
        );
    }
    tallies.into_iter().map(|tally| tally.finish(walk.criterion, walk.buckets.count())).collect()
}

fn histories() -> impl Strategy<Value = Vec<Vec<Plain>>> {
    let event = (0..20i64 * 24, any::<bool>(), any::<bool>()).prop_map(|(hour, is_birth, is_return)| Plain {
        time: START + hour * HOUR,
        // R-5: births are in the range.
        is_birth: is_birth && hour < 4 * 24,
        is_return,
    });
    let user = prop::collection::vec(event, 0..12).prop_map(|mut events| {
        events.sort_by_key(|event| event.time);
        events
    });
    prop::collection::vec(user, 0..6)
}

proptest! {
    /// 7.8: what holds of any row.
    #[test]
    fn t_8_relations_of_a_row(
        users in histories(),
        calendar in any::<bool>(),
        sizes in prop::collection::vec(1u32..4, 1..5),
        by_brackets in any::<bool>(),
    ) {
        let alignment = if calendar { Alignment::Calendar } else { Alignment::Rolling };
        let buckets = || if by_brackets { Buckets::brackets(&sizes) } else { Buckets::of_units(6) };
        let of = |criterion| {
            let quick = added(&walk(criterion, alignment, buckets(), false), &users);
            let counted = added(&walk(criterion, alignment, buckets(), true), &users);
            for (quick, counted) in quick.iter().zip(&counted) {
                assert_eq!((quick.size, &quick.retained), (counted.size, &counted.retained));
            }
            counted
        };
        let (on, after) = (of(Criterion::On), of(Criterion::OnOrAfter));
        let (before, streak) = (of(Criterion::OnOrBefore), of(Criterion::Streak));
        for row in 0..ROWS {
            let count = on[row].retained.len();
            for bucket in 0..count {
                prop_assert!(on[row].retained[bucket] <= after[row].retained[bucket]);
                prop_assert!(streak[row].retained[bucket] <= before[row].retained[bucket]);
                prop_assert!(streak[row].retained[bucket] <= on[row].retained[bucket]);
                prop_assert!(before[row].retained[bucket] <= before[row].size);
                // Events of a bucket are those of a bucket alone, whatever is added up.
                let sum: f64 = on[row].amounts[..=bucket].iter().sum();
                prop_assert!((before[row].amounts[bucket] - sum).abs() < 1e-6);
                if bucket > 0 {
                    prop_assert!(after[row].retained[bucket] <= after[row].retained[bucket - 1]);
                    prop_assert!(before[row].retained[bucket] >= before[row].retained[bucket - 1]);
                    prop_assert!(streak[row].retained[bucket] <= streak[row].retained[bucket - 1]);
                    let between = after[row].amounts[bucket - 1] - after[row].amounts[bucket];
                    prop_assert!((between - on[row].amounts[bucket - 1]).abs() < 1e-6);
                }
            }
        }
    }
}

#[tokio::test]
async fn r_40_frequency_of_the_worked_example() {
    let dataset = dataset(&[
        ("u1", "01 09:00", "A", "{}"),
        ("u1", "01 10:00", "A", "{}"),
        ("u1", "03 09:00", "A", "{}"),
        ("u1", "05 09:00", "A", "{}"),
        ("u2", "02 09:00", "A", "{}"),
        ("u3", "02 10:05", "A", "{}"),
        ("u3", "02 10:50", "A", "{}"),
        ("u3", "02 12:00", "A", "{}"),
        ("u3", "02 13:00", "B", "{}"),
    ])
    .await;
    let session = Arc::new(dataset.resident_session());
    let users = async |range: &str, more: &str| {
        let question = format!(
            "SELECT string_agg(CAST(users AS TEXT), ', ' ORDER BY count) FROM (SELECT * FROM \
             frequency('{{\"range\": \"{range}\", \"as_of\": \"2024-01-10\"{more}}}') WHERE count <= 4)"
        );
        rows(&session, &question).await
    };
    let week = "2024-01-01 to 2024-01-07";
    assert_eq!(users(week, r#", "event": "A""#).await, ["3, 1, 1, 0"]);
    assert_eq!(users(week, r#", "event": "A", "cumulative": false"#).await, ["2, 0, 1, 0"]);
    // R-41.
    assert_eq!(users(week, r#", "event": "A", "birth": "B""#).await, ["1, 0, 0, 0"]);
    let day = "2024-01-02 to 2024-01-02";
    assert_eq!(users(day, r#", "event": "A", "period": "day""#).await, ["2, 1, 0, 0"]);
}

#[tokio::test]
async fn r_50_r_60_lifecycle_and_stickiness() {
    let dataset = dataset(&[
        ("u1", "01 09:00", "A", "{}"),
        ("u1", "02 09:00", "A", "{}"),
        ("u1", "04 09:00", "A", "{}"),
        ("u2", "02 09:00", "A", "{}"),
        ("u2", "03 09:00", "A", "{}"),
        ("u3", "03 09:00", "B", "{}"),
    ])
    .await;
    let session = dataset.resident_session();
    let lifecycle =
        r#"{"range": "2024-01-02 to 2024-01-05", "as_of": "2024-01-10", "event": "A", "unit": "day"}"#;
    let question = format!(
        "SELECT to_char(time, '%d') || ': ' || string_agg(status || ' ' || users, ', ' ORDER BY status) FROM \
         lifecycle('{lifecycle}') WHERE users > 0 GROUP BY time ORDER BY time"
    );
    assert_eq!(
        rows(&session, &question).await,
        [
            "02: new 1, returning 1",
            "03: dormant 1, returning 1",
            "04: dormant 1, resurrected 1",
            "05: dormant 1"
        ]
    );
    let stickiness =
        r#"{"range": "2024-01-02 to 2024-01-09", "as_of": "2024-01-10", "event": "A", "over": "week"}"#;
    let question = format!(
        "SELECT to_char(time, '%d') || ' ' || daily || ' ' || period || ' ' || coalesce(CAST(stickiness AS TEXT), '-') \
         FROM stickiness('{stickiness}')"
    );
    assert_eq!(
        rows(&session, &question).await,
        [
            "02 2 2 1.0",
            "03 1 2 0.5",
            "04 1 2 0.5",
            "05 0 2 0.0",
            "06 0 2 0.0",
            "07 0 2 0.0",
            "08 0 2 0.0",
            "09 0 2 0.0"
        ]
    );
}

//! What holds of every funnel (T-7).

use proptest::prelude::*;
use proptest::sample::select;
use serde_json::{Value, json};

use super::{answer, behind};
use crate::behaviours::{funnel, plain_funnel};
use crate::definitions::cohorts;
use crate::histories::dense_history;
use crate::oracle::Table;
use crate::oracle::insights::World;
use crate::oracle::insights::tests::{NOW, for_each, report, world};

fn ask(world: &World, definition: &Value) -> Table {
    answer(world, &report(definition.clone()), NOW)
}

/// The counts of the steps of a funnel that is not split.
fn counts(world: &World, definition: &Value) -> Vec<u64> {
    let lines = ask(world, definition).lines(&["count"]);
    lines.iter().map(|count| count.parse().unwrap()).collect()
}

fn converted(world: &World, definition: &Value) -> u64 {
    *counts(world, definition).last().unwrap()
}

fn with(definition: &Value, field: &str, value: Value) -> Value {
    let mut definition = definition.clone();
    definition[field] = value;
    definition
}

#[test]
fn every_funnel_has_an_answer() {
    for_each(150, &(dense_history(), cohorts(), funnel()), |(records, cohorts, definition)| {
        let (world, report) = (world(&records, &cohorts), report(definition.clone()));
        if definition.get("users_of").is_some() {
            behind(&world, &report, NOW);
        } else {
            answer(&world, &report, NOW);
        }
    });
}

#[test]
fn t_7_counts_never_increase_and_users_are_no_more_than_attempts() {
    for_each(200, &(dense_history(), plain_funnel()), |(records, definition)| {
        let world = world(&records, &[].into());
        let [uniques, totals] =
            ["unique_users", "totals"].map(|count| counts(&world, &with(&definition, "count", json!(count))));
        assert!(uniques.is_sorted_by(|a, b| a >= b) && totals.is_sorted_by(|a, b| a >= b));
        assert!(uniques[0] <= totals[0]);
    });
}

#[test]
fn t_7_users_of_step_one_are_those_of_its_event() {
    for_each(100, &(dense_history(), plain_funnel()), |(records, mut definition)| {
        let world = world(&records, &[].into());
        for field in ["hold_constant", "order", "exclude"] {
            definition.as_object_mut().unwrap().shift_remove(field);
        }
        let step = definition["steps"][0].clone();
        let users = json!({"report": "insights", "range": definition["range"], "metrics": [{"event": step}]});
        let users = crate::oracle::insights::answer(&world, &report(users), NOW)[0].value;
        assert_eq!(users, Some(counts(&world, &with(&definition, "count", json!("unique_users")))[0] as f64));
    });
}

#[test]
fn t_7_optimized_converts_no_fewer() {
    for_each(200, &(dense_history(), plain_funnel()), |(records, definition)| {
        let world = world(&records, &[].into());
        let definition = with(&definition, "count", json!("unique_users"));
        let [default, optimized] = ["default", "optimized"]
            .map(|reentry| converted(&world, &with(&definition, "reentry", json!(reentry))));
        assert!(default <= optimized, "{default} {optimized}");
    });
}

#[test]
fn t_7_a_longer_window_converts_no_fewer() {
    let windows = select(vec![
        ("1 minute", "10 minutes"),
        ("2 seconds", "1 hour"),
        ("1 hour", "1 day"),
        ("1 day", "2 months"),
    ]);
    for_each(200, &(dense_history(), plain_funnel(), windows), |(records, definition, (shorter, longer))| {
        let world = world(&records, &[].into());
        let definition = with(&definition, "count", json!("unique_users"));
        let [shorter, longer] =
            [shorter, longer].map(|window| converted(&world, &with(&definition, "window", json!(window))));
        assert!(shorter <= longer, "{shorter} {longer}");
    });
}

#[test]
fn t_7_any_order_converts_no_fewer() {
    for_each(200, &(dense_history(), plain_funnel()), |(records, mut definition)| {
        let world = world(&records, &[].into());
        for field in ["hold_constant", "exclude"] {
            definition.as_object_mut().unwrap().shift_remove(field);
        }
        let definition =
            with(&with(&definition, "count", json!("unique_users")), "window", json!("1000 months"));
        let [specific, any] =
            ["specific", "any"].map(|order| converted(&world, &with(&definition, "order", json!(order))));
        assert!(specific <= any, "{specific} {any}");
    });
}

#[test]
fn t_7_an_exclusion_converts_no_more() {
    for_each(200, &(dense_history(), plain_funnel()), |(records, mut definition)| {
        let world = world(&records, &[].into());
        definition["count"] = json!("unique_users");
        let before = with(&definition, "exclude", json!([]));
        let after = with(&definition, "exclude", json!([{"event": "Visit"}]));
        assert!(converted(&world, &after) <= converted(&world, &before));
    });
}

#[test]
fn t_13_the_users_behind_a_number_are_as_many() {
    for_each(100, &(dense_history(), plain_funnel(), any::<bool>()), |(records, definition, dropped_off)| {
        let world = world(&records, &[].into());
        let definition = with(&definition, "count", json!("unique_users"));
        let counts = counts(&world, &definition);
        let cell = with(&definition, "users_of", json!({"step": 1, "dropped_off": dropped_off}));
        let users = behind(&world, &report(cell), NOW).len() as u64;
        assert_eq!(users, if dropped_off { counts[0] - counts[1] } else { counts[0] });
    });
}

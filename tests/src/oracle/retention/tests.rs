//! What holds of every answer (T-8).

use serde_json::{Value, json};

use super::{answer, behind, frequency, lifecycle, stickiness};
use crate::behaviours::{activity, plain_retention, retention};
use crate::cases::behaviour_answer;
use crate::definitions::cohorts;
use crate::histories::dense_history;
use crate::oracle::insights::World;
use crate::oracle::insights::tests::{NOW, for_each, report, world};

/// The numbers of a column in rows of a kind.
fn numbers(world: &World, definition: &Value, row: &str, column: &str) -> Vec<f64> {
    let table = answer(world, &report(definition.clone()), NOW);
    let lines = table.lines(&["row", column]);
    let own = lines.iter().filter_map(|line| line.split_once(' ')).filter(|(kind, _)| *kind == row);
    own.map(|(_, number)| number.parse().unwrap()).collect()
}

fn with(definition: &Value, field: &str, value: Value) -> Value {
    let mut definition = definition.clone();
    definition[field] = value;
    definition
}

#[test]
fn every_question_has_an_answer() {
    for_each(100, &(dense_history(), cohorts(), retention()), |(records, cohorts, definition)| {
        let (world, report) = (world(&records, &cohorts), report(definition.clone()));
        if definition.get("users_of").is_some() {
            behind(&world, &report, NOW);
        } else {
            answer(&world, &report, NOW);
        }
    });
    for_each(60, &(dense_history(), cohorts(), activity()), |(records, cohorts, definition)| {
        behaviour_answer(&world(&records, &cohorts), &report(definition), NOW);
    });
}

#[test]
fn t_8_relations_of_criteria() {
    for_each(100, &(dense_history(), plain_retention()), |(records, definition)| {
        let world = world(&records, &[].into());
        let of = |criterion: &str| {
            numbers(&world, &with(&definition, "criterion", json!(criterion)), "cohort", "retained")
        };
        let [on, after, streak, before] = ["on", "on_or_after", "streak", "on_or_before"].map(of);
        let buckets = definition["buckets"].as_u64().unwrap() as usize;
        let is_birth_a_return = definition["birth"] == definition["return"];
        for row in (0..on.len()).step_by(buckets) {
            let of_row = |all: &[f64]| all[row..row + buckets].to_vec();
            let [on, after, streak, before] = [&on, &after, &streak, &before].map(|all| of_row(all));
            assert!(on.iter().zip(&after).all(|(on, after)| on <= after));
            assert!(is_birth_a_return || streak.iter().zip(&before).all(|(streak, before)| streak <= before));
            assert!(after.is_sorted_by(|a, b| a >= b) && before.is_sorted());
            // Whoever is in the union of the buckets is in one.
            let last = before[buckets - 1];
            assert!(on.iter().all(|on| *on <= last) && on.iter().sum::<f64>() >= last);
        }
    });
}

#[test]
fn t_8_sizes_are_unique_users() {
    for_each(60, &(dense_history(), plain_retention()), |(records, definition)| {
        let world = world(&records, &[].into());
        let sizes = numbers(&world, &with(&definition, "buckets", json!(1)), "cohort", "size");
        let users = json!({
            "report": "insights", "range": definition["range"], "interval": definition["unit"],
            "metrics": [{"event": definition["birth"]}]
        });
        let users = crate::oracle::insights::answer(&world, &report(users), NOW);
        assert_eq!(sizes, users.iter().filter_map(|row| row.value).collect::<Vec<_>>());
    });
}

#[test]
fn t_8_first_births_are_first_time_users() {
    for_each(60, &(dense_history(), plain_retention()), |(records, definition)| {
        let world = world(&records, &[].into());
        let birth = json!({"event": definition["birth"], "first_time": "ever"});
        let once = with(&with(&definition, "birth", birth.clone()), "buckets", json!(1));
        let born: f64 = numbers(&world, &once, "cohort", "size").iter().sum();
        let users =
            json!({"report": "insights", "range": definition["range"], "metrics": [{"event": birth}]});
        let users = crate::oracle::insights::answer(&world, &report(users), NOW)[0].value;
        assert_eq!(Some(born), users);
    });
}

#[test]
fn r_50_the_active_are_new_returning_or_resurrected() {
    for_each(60, &(dense_history(), activity()), |(records, definition)| {
        let world = world(&records, &[].into());
        let ask = |kind: &str, more: Value| {
            let mut definition =
                json!({"report": kind, "event": "Play", "range": "2024-03-25 to 2024-04-08"});
            definition.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            report(definition)
        };
        let unit = definition.get("unit").cloned().unwrap_or(json!("day"));
        let lives = lifecycle(&world, &ask("lifecycle", json!({"unit": unit})), NOW).lines(&["users"]);
        let metrics = json!({"interval": unit, "metrics": [{"event": "Play"}]});
        let active = crate::oracle::insights::answer(&world, &ask_insights(&metrics), NOW);
        for (lives, active) in lives.chunks(4).zip(&active) {
            let count: f64 = lives[..3].iter().map(|count| count.parse::<f64>().unwrap()).sum();
            assert_eq!(Some(count), active.value);
        }
        assert_eq!(lives.len(), 4 * active.len());

        let days = stickiness(&world, &ask("stickiness", json!({})), NOW).lines(&["daily", "period"]);
        let metrics = json!({"interval": "day", "metrics": [{"event": "Play", "measure": "daily_active_users"},
            {"event": "Play", "measure": "monthly_active_users"}]});
        let users = crate::oracle::insights::answer(&world, &ask_insights(&metrics), NOW);
        let of = |metric: &str| {
            users.iter().filter(|row| row.metric == metric).filter_map(|row| row.value).collect::<Vec<_>>()
        };
        let expected: Vec<String> =
            of("A").iter().zip(of("B")).map(|(day, month)| format!("{day} {month}")).collect();
        assert_eq!(days, expected);

        let weeks = frequency(&world, &ask("frequency", json!({})), NOW).lines(&["count", "users"]);
        let metrics = json!({"interval": "week", "metrics": [{"event": "Play"}]});
        let users = crate::oracle::insights::answer(&world, &ask_insights(&metrics), NOW);
        let at_least_one: Vec<&String> = weeks.iter().step_by(7).collect();
        let expected: Vec<String> =
            users.iter().filter_map(|row| row.value).map(|users| format!("1 {users}")).collect();
        assert_eq!(at_least_one, expected.iter().collect::<Vec<_>>());
    });
}

fn ask_insights(more: &Value) -> tallymark_report::Report {
    let mut definition = json!({"report": "insights", "range": "2024-03-25 to 2024-04-08"});
    definition.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    report(definition)
}

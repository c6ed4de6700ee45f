//! What holds of all flows (T-9).

use serde_json::{Value, json};
use tallymark_report::Question;

use super::answer;
use super::path::all_flows;
use super::rows::{count_once, graph};
use crate::behaviours::flows;
use crate::definitions::cohorts;
use crate::histories::dense_history;
use crate::oracle::insights::range::resolve;
use crate::oracle::insights::rows::view;
use crate::oracle::insights::tests::{NOW, for_each, report, world};

#[test]
fn every_question_has_an_answer() {
    for_each(100, &(dense_history(), cohorts(), flows()), |(records, cohorts, definition)| {
        answer(&world(&records, &cohorts), &report(definition), NOW);
    });
}

#[test]
fn t_9_columns_are_what_was_there_before() {
    for_each(100, &(dense_history(), cohorts(), flows()), |(records, cohorts, definition)| {
        let (world, report) = (world(&records, &cohorts), report(definition));
        let Question::Flows(flows) = &report.question else { panic!("no flows") };
        let view = view(&world, &report.scope, NOW);
        let range = resolve(view.civil, &report.scope.range, view.now).span;
        let all = all_flows(view, &report.scope, flows, range);
        let mut all = all.iter().collect::<Vec<_>>();
        count_once(flows, &mut all);
        let graph = graph(flows, &all);
        for anchor in 1..=flows.anchors.len() {
            let in_column = |offset: i64, is_counted: &dyn Fn(&str) -> bool| -> usize {
                let own =
                    graph.nodes.iter().filter(|(node, _)| node.anchor == anchor && node.offset == offset);
                own.filter(|(node, _)| is_counted(&node.label)).map(|(_, count)| count).sum()
            };
            let reached = all.iter().filter(|flow| flow.reached >= anchor).count();
            assert_eq!(in_column(0, &|label| label != "$drop_off"), reached);
            for offset in 1..=i64::from(flows.after(anchor - 1)) {
                let before = in_column(offset - 1, &|label| label != "$drop_off");
                // Arrived at the next anchor instead of taking a step.
                let arrived = all
                    .iter()
                    .filter(|flow| flow.reached > anchor && flow.gaps[anchor].len() as i64 == offset - 1);
                assert_eq!(in_column(offset, &|_| true) + arrived.count(), before, "W-13");
            }
        }
    });
}

#[test]
fn t_9_flows_of_users_are_the_users_of_the_anchor() {
    for_each(60, &(dense_history(), flows()), |(records, mut definition)| {
        let world = world(&records, &[].into());
        let fields = definition.as_object_mut().unwrap();
        for field in ["hold_constant", "where", "breakdowns", "top", "hide", "show_only", "users_of"] {
            fields.shift_remove(field);
        }
        definition["anchors"] = json!(["Play"]);
        definition["exclude"] = Value::Array(Vec::new());
        definition["count"] = json!("unique_users");
        definition["form"] = json!("graph");
        let table = answer(&world, &report(definition.clone()), NOW).lines(&["kind", "offset", "count"]);
        let count = table.iter().find_map(|line| line.strip_prefix("node 0 ")).unwrap_or("0");
        for field in [
            "anchors",
            "exclude",
            "count",
            "form",
            "window",
            "rows",
            "paths",
            "expand",
            "custom_events",
            "collapse_repeated",
        ] {
            definition.as_object_mut().unwrap().shift_remove(field);
        }
        definition["report"] = json!("insights");
        definition["metrics"] = json!([{"event": "Play"}]);
        let users = crate::oracle::insights::answer(&world, &report(definition), NOW)[0].value;
        assert_eq!(users, Some(count.parse().unwrap()));
    });
}

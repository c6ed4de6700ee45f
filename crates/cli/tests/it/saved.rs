//! Saved events and metrics.

use serde_json::json;

use crate::support::Place;

const RECORDS: &str = r#"{"event":"Play","properties":{"time":1711843200,"distinct_id":"ann","mins":3,"genre":"rock"}}
{"event":"Stream","properties":{"time":1711843260,"distinct_id":"bob","mins":5,"genre":"jazz"}}
{"event":"Buy","properties":{"time":1711846800,"distinct_id":"ann"}}
"#;

fn place() -> Place {
    let place = Place::new();
    place.feed(&["import", "-"], RECORDS.as_bytes()).ok();
    place.feed(&["event", "save", "Listen", "-"], br#"["Play", "Stream"]"#).ok();
    let minutes = br#"{"event": "Listen", "measure": {"aggregate": "sum", "of": "mins"}}"#;
    place.feed(&["metric", "save", "Minutes", "-"], minutes).ok();
    place
}

#[test]
fn p_41_s_90_saved_events_and_metrics_are_named_in_reports() {
    let place = place();
    let report = r#"{"report": "insights", "range": "2024-03-31 to 2024-03-31",
        "metrics": [{"event": "Listen"}, {"saved": "Minutes"}]}"#;
    let answer = place.feed(&["report", "-", "--output", "json"], report.as_bytes()).ok().json();
    assert_eq!((&answer[0]["name"], &answer[0]["value"]), (&json!("Listen: unique users"), &json!(2.0)));
    assert_eq!((&answer[1]["name"], &answer[1]["value"]), (&json!("Minutes"), &json!(8.0)));
    // Changed, they change what is asked of them.
    place.feed(&["event", "save", "Listen", "-"], br#""Stream""#).ok();
    let answer = place.feed(&["report", "-", "--output", "json"], report.as_bytes()).ok().json();
    assert_eq!((&answer[0]["value"], &answer[1]["value"]), (&json!(1.0), &json!(5.0)));
}

#[test]
fn p_41_s_90_saved_events_and_metrics_are_listed_shown_and_deleted() {
    let place = place();
    assert_eq!(place.run(&["event", "show", "Listen"]).ok().json(), json!(["Play", "Stream"]));
    assert_eq!(place.run(&["metric", "list", "--output", "json"]).ok().json()[0]["name"], "Minutes");
    let errors = [
        place.feed(&["event", "save", "x", "-"], br#"{"event": "Play", "first_time": "ever"}"#).fails(1).err,
        place.feed(&["metric", "save", "x", "-"], br#"{"event": "Play", "measure": "minutes"}"#).fails(1).err,
        place
            .feed(
                &["report", "save", "x", "-"],
                br#"{"report": "insights", "metrics": [{"saved": "Minuts"}]}"#,
            )
            .fails(1)
            .err,
        place.run(&["event", "delete", "Listen"]).fails(1).err,
        place.run(&["event", "show", "Lisen"]).fails(1).err,
    ];
    insta::assert_snapshot!(errors.join("\n"));
    place.run(&["metric", "delete", "Minutes"]).ok();
    let deleted = place.run(&["event", "delete", "Listen"]).ok().out;
    assert_eq!(deleted, "Deleted event Listen; stored events are as they were\n");
    assert_eq!(place.value("SELECT count(*) FROM definitions"), "0");
}

#[test]
fn s_28_s_79_texts_and_compared_segments_are_rows() {
    let place = place();
    let report = r#"{"report": "insights", "range": "2024-03-31 to 2024-03-31", "breakdowns": ["genre"], "compare": "overall",
        "metrics": [{"event": "Listen", "measure": {"aggregate": "first", "of": "mins", "as": "string"}},
                    {"event": "Listen", "measure": "total_events"}]}"#;
    insta::assert_snapshot!(place.feed(&["report", "-"], report.as_bytes()).ok().out);
}

#[test]
fn c_21_members_of_a_cohort_of_groups_are_listed_with_properties_of_theirs() {
    let place = place();
    place
        .feed(
            &["import", "-"],
            br#"{"event":"Play","properties":{"time":1711843200,"distinct_id":"ann","company":"Acme"}}
{"$group_key":"company","$group_id":"Acme","$set":{"size":7}}
"#,
        )
        .ok();
    let firms = br#"{"group_key": "company", "all": [{"did": {"event": "Play"}}]}"#;
    place.feed(&["cohort", "save", "Firms", "-"], firms).ok();
    let members = place.run(&["cohort", "members", "Firms", "--columns", "size", "--output", "csv"]).ok().out;
    assert_eq!(members, "group_id,size\nAcme,7\n");
    let size =
        place.run(&["cohort", "size", "Firms", "--range", "2024-03-31 to 2024-03-31", "--output", "json"]);
    assert_eq!(size.ok().json()[0]["value"], 1.0);
}

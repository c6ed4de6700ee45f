//! Tracking plans.

use crate::support::Place;

/// Events with one thing wrong each, but for the first of each name.
const EVENTS: &str = r#"{"event":"Play","time":1700000000,"distinct_id":"u1","insert_id":"p1","properties":{"genre":"pop","mins":3,"song":"s-1","on":"2024-03-01","tags":["a"]}}
{"event":"Play","time":1700000001,"distinct_id":"u1","insert_id":"p2","properties":{"mins":2.5}}
{"event":"Play","time":1700000002,"distinct_id":"u2","insert_id":"p3","properties":{"genre":null,"mins":-1}}
{"event":"Play","time":1700000003,"distinct_id":"u2","insert_id":"p4","properties":{"genre":"polka"}}
{"event":"Play","time":1700000004,"distinct_id":"u2","insert_id":"p5","properties":{"genre":7}}
{"event":"Play","time":1700000005,"distinct_id":"u2","properties":{"genre":"jazz","mins":"three","song":"x","on":"tomorrow"}}
{"event":"Play","time":1700000006,"distinct_id":"u2","insert_id":"p7","properties":{"genre":"jazz","tags":{"a":1},"mood":"blue"}}
{"event":"Stop","time":1700000007,"distinct_id":"","insert_id":"s1","properties":{"at":1}}
{"event":"Stop","time":1700000008,"distinct_id":"u1","insert_id":"s2","properties":{"at":1.5,"why":["it's over"]}}
{"event":"Skip","time":1700000009,"distinct_id":"u1","insert_id":"k1"}
"#;

const PLAN: &str = r#"{"events": {
    "Play": {"type": "object", "required": ["genre"], "properties": {
        "genre": {"type": "string", "enum": ["pop", "jazz"]},
        "mins": {"type": "number", "minimum": 0},
        "song": {"type": "string", "pattern": "^s-[0-9]+$"},
        "on": {"type": "string", "format": "date"},
        "tags": {"type": "array"}}},
    "Stop": {"properties": {"at": {"type": "integer"}}, "additionalProperties": false},
    "Never": {"required": ["sent"]}}}"#;

fn place() -> Place {
    let place = Place::new();
    place.write("plan.json", PLAN);
    place.write("events.ndjson", EVENTS);
    place
}

#[test]
fn m28_what_is_not_as_planned_is_counted_with_examples() {
    let place = place();
    place.run(&["import", "events.ndjson"]).ok();
    insta::assert_snapshot!(place.run(&["check-plan", "plan.json", "--output", "csv"]).fails(1).out);
    insta::assert_snapshot!(place.run(&["check-plan", "plan.json"]).fails(1).out);
    let json = place.run(&["check-plan", "plan.json", "--output", "json"]).fails(1).json();
    assert_eq!(json["events"], 10);
    assert_eq!(json["violations"][0]["examples"][0]["insert_id"], "p2");

    let since = ["check-plan", "plan.json", "--since", "2023-11-14", "--output", "json"];
    assert_eq!(place.run(&since).fails(1).json(), json);
    let later = place.run(&["check-plan", "plan.json", "--since", "2023-11-15"]).ok().out;
    insta::assert_snapshot!(later, @"All fine: 0 events as planned");
    place.feed(&["check-plan", "-"], br#"{"events": {}, "allow_other_events": true}"#).ok();
}

#[test]
fn m28_a_plan_is_checked_at_import_and_refuses_nothing() {
    let place = place();
    let skip = r#"{"event":"Skip","time":1600000000,"distinct_id":"u1"}"#;
    place.feed(&["import", "-"], skip.as_bytes()).ok();
    let imported =
        place.run(&["import", "events.ndjson", "--plan", "plan.json", "--output", "json"]).fails(1).json();
    assert_eq!(imported["stored"], 10);
    assert_eq!(imported["plan"]["events"], 10, "what was there before is not checked");
    assert_eq!(place.value("SELECT count(*) FROM events"), "11");
    let good = r#"{"event":"Play","time":1600000000,"distinct_id":"u1","properties":{"genre":"pop"}}"#;
    let imported = place.feed(&["import", "-", "--plan", "plan.json"], good.as_bytes()).ok().out;
    assert!(imported.ends_with("All fine: 1 event as planned\n"), "{imported}");
}

#[test]
fn a_plan_can_be_saved() {
    let place = place();
    place.run(&["import", "events.ndjson"]).ok();
    let first = place.run(&["check-plan", "plan.json", "--save", "web"]).fails(1).out;
    assert_eq!(place.run(&["check-plan", "web"]).fails(1).out, first);
    assert_eq!(place.value("SELECT name FROM definitions WHERE kind = 'plan'"), "web");
    insta::assert_snapshot!(place.run(&["check-plan", "wep"]).fails(1).err, @r#"
    error: there is no plan "wep"; did you mean "web"?
      hint: name a JSON file, or a plan saved with `tallymark check-plan --save`
    "#);
    place.write("bad.json", r#"{"events": {"Play": {"properties": {"genre": {"type": "text"}}}}}"#);
    let wrong = place.run(&["check-plan", "bad.json"]).fails(1).err;
    insta::assert_snapshot!(wrong);
    place.write("bad.json", r#"{"events": {"Play": {"properties": {"genre": {"pattern": "("}}}}}"#);
    let wrong = place.run(&["check-plan", "bad.json"]).fails(1).err;
    assert!(wrong.contains("regular expression") || wrong.contains("regex"), "{wrong}");
}

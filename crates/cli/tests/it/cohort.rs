//! Saved cohorts.

use crate::support::Place;

const ACTIVE: &str =
    r#"{"all": [{"did": {"event": "Play", "in": "last 7 days", "times": {"at_least": 2}}}]}"#;

#[test]
fn cohorts_are_saved_listed_shown_and_deleted() {
    let place = Place::new();
    place.write("active.json", ACTIVE);
    insta::assert_snapshot!(place.run(&["cohort", "save", "Active", "active.json"]).ok().out, @"Saved cohort Active");
    let testers = r#"{"report": "cohort", "any": [{"users": ["u1", "ü2"]}, {"in_cohort": "Active"}]}"#;
    place.feed(&["cohort", "save", "Testers", "-"], testers.as_bytes()).ok();

    let listed = place.run(&["cohort", "list"]).ok().out;
    insta::with_settings!({filters => vec![(r"\d{4}-\d\d-\d\d \d\d:\d\d", "TIME"), (r"─+", "─"), (r" +", " ")]}, {
        insta::assert_snapshot!(listed);
    });
    let json = place.run(&["cohort", "list", "--output", "json"]).ok().json();
    assert_eq!(json[1]["name"], "Testers");
    insta::assert_snapshot!(place.run(&["cohort", "show", "Active"]).ok().out);
    assert_eq!(place.value("SELECT count(*) FROM definitions WHERE kind = 'cohort'"), "2");
    assert_eq!(
        place.value(
            "SELECT json_get_str(definition, 'any', 0, 'users', 1) FROM definitions WHERE name = 'Testers'"
        ),
        "ü2"
    );
    assert_eq!(place.value("SELECT saved_at > now() - INTERVAL 1 DAY FROM definitions LIMIT 1"), "true");

    let refused = place.run(&["cohort", "delete", "Active"]).fails(1).err;
    insta::assert_snapshot!(refused, @r#"
    error: cohort "Active" is needed by cohort "Testers"
      hint: change or delete what needs it first
    "#);
    place.run(&["cohort", "delete", "Testers"]).ok();
    place.run(&["cohort", "delete", "Active"]).ok();
    assert_eq!(place.value("SELECT count(*) FROM definitions"), "0");
    let gone = place.run(&["cohort", "show", "Active"]).fails(1).err;
    assert!(gone.contains(r#"there is no cohort "Active""#), "{gone}");
}

#[test]
fn c23_cohorts_name_only_saved_ones_and_never_themselves() {
    let place = Place::new();
    let save = |name: &str, text: &str| place.feed(&["cohort", "save", name, "-"], text.as_bytes());
    save("a", ACTIVE).ok();
    save("b", r#"{"any": [{"where": {"not_in_cohort": ["a"]}}]}"#).ok();
    let errors = [
        save("c", r#"{"all": [{"in_cohort": "Activ"}]}"#).fails(1).err,
        save("a", r#"{"all": [{"not": {"in_cohort": "b"}}]}"#).fails(1).err,
        save("a", r#"{"all": [{"didnt": {"event": "Play"}}]}"#).fails(1).err,
        save("a", r#"{"time_zone": "Europe/Berlin", "all": [{"in_cohort": "b"}]}"#).fails(1).err,
        save(" ", ACTIVE).fails(1).err,
        save("a", "all").fails(1).err,
        place.run(&["cohort", "show", "A"]).fails(1).err,
    ];
    insta::assert_snapshot!(errors.join("\n"));
    assert_eq!(
        place.run(&["cohort", "show", "a"]).ok().json(),
        serde_json::from_str::<serde_json::Value>(ACTIVE).unwrap()
    );
}

#[test]
fn a_deleted_user_is_on_no_list_any_more() {
    let place = Place::new();
    place.feed(&["import", "-"], br#"{"event":"E","time":1700000000,"distinct_id":"u1"}"#).ok();
    place.feed(&["cohort", "save", "a", "-"], br#"{"any": [{"users": ["u1", "u2"]}]}"#).ok();
    let proof = place.run(&["delete-user", "u1", "--yes"]).ok().out;
    assert!(proof.contains("cohorts     1  listed the user"), "{proof}");
    let left = place.run(&["cohort", "show", "a"]).ok().json();
    assert_eq!(left, serde_json::json!({"any": [{"users": ["u2"]}]}));
}

#[test]
fn an_earlier_snapshot_has_the_cohorts_of_then() {
    let place = Place::new();
    place.feed(&["cohort", "save", "a", "-"], ACTIVE.as_bytes()).ok();
    let before = place.run(&["snapshots", "--output", "json"]).ok().json();
    let before = before.as_array().unwrap().last().unwrap()["version"].to_string();
    place.feed(&["cohort", "save", "b", "-"], ACTIVE.as_bytes()).ok();
    let count = ["sql", "--output", "csv", "SELECT count(*) AS n FROM definitions"];
    assert_eq!(place.run(&count).ok().out, "n\n2\n");
    assert_eq!(place.run(&[count.as_slice(), &["--as-of-snapshot", &before]].concat()).ok().out, "n\n1\n");
}

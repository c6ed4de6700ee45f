//! What is said of events and properties.

use crate::support::{Place, THREE_RECORDS};

fn place() -> Place {
    let place = Place::new();
    place.write("three.ndjson", THREE_RECORDS);
    place.run(&["import", "three.ndjson"]).ok();
    place
}

#[test]
fn m20_m21_entries_are_set_listed_and_seen_in_sql() {
    let place = place();
    let set = |args: &[&str]| place.run(&[["lexicon", "set"].as_slice(), args].concat()).ok();
    let event = ["event", "Order", "--display-name", "Order placed", "--tag", "core", "--tag", "money"];
    insta::assert_snapshot!(set(&event).out, @"Noted event Order");
    set(&["event", "Order", "--hidden", "--owner", "ada", "--description", "Paid for"]);
    set(&["event-property", "total", "--type", "number", "--description", "In euros"]);
    set(&["user-property", "plan", "--display-name", "Plan"]);
    let ahead = set(&["event", "Ordre", "--description", "to come"]).err;
    insta::assert_snapshot!(ahead, @r#"warning: there is no event "Ordre" in the data yet; did you mean "Order"?"#);

    insta::assert_snapshot!(place.run(&["lexicon"]).ok().out);
    insta::assert_snapshot!(place.run(&["lexicon", "--tag", "core", "--output", "csv"]).ok().out);
    let events = "SELECT event, display_name, description, array_to_string(tags, '+') AS tags, hidden FROM event_catalog";
    insta::assert_snapshot!(place.run(&["sql", "--output", "csv", events]).ok().out, @r"
    event,display_name,description,tags,hidden
    Order,Order placed,Paid for,core+money,true
    ");
    let properties = "SELECT property, display_name, description, array_length(tags) AS tags, hidden FROM property_catalog WHERE property IN ('plan', 'total')";
    insta::assert_snapshot!(place.run(&["sql", "--output", "csv", properties]).ok().out, @r"
    property,display_name,description,tags,hidden
    total,,In euros,0,false
    plan,Plan,,0,false
    ");
    assert_eq!(place.value("SELECT count(*) FROM events WHERE event = 'Order'"), "2");

    set(&["event", "Order", "--visible", "--tag", ""]);
    set(&["event", "Ordre", "--clear"]);
    insta::assert_snapshot!(place.run(&["lexicon", "export"]).ok().out);
    let refused = place.run(&["lexicon", "set", "event", "Order", "--type", "number"]).fails(1).err;
    assert!(refused.contains("an event has no type"), "{refused}");
}

#[test]
fn a_lexicon_goes_from_one_dataset_to_another() {
    let place = place();
    place.run(&["lexicon", "set", "event", "Order", "--hidden"]).ok();
    place.run(&["lexicon", "export", "lexicon.json"]).ok();
    let import = ["lexicon", "import", "lexicon.json", "--dataset", "other"];
    insta::assert_snapshot!(place.run(&import).ok().out, @"Took over what is said of 1 name");
    place
        .feed(
            &["lexicon", "import", "-", "--dataset", "other"],
            br#"{"events": {"Visit": {"owner": "ada"}}}"#,
        )
        .ok();
    let exported = || place.run(&["lexicon", "export", "--dataset", "other"]).ok().json();
    assert_eq!(
        exported(),
        serde_json::json!({"events": {"Order": {"hidden": true}, "Visit": {"owner": "ada"}}})
    );
    place.run(&[import.as_slice(), &["--replace"]].concat()).ok();
    assert_eq!(exported(), serde_json::json!({"events": {"Order": {"hidden": true}}}));
    let wrong =
        place.feed(&["lexicon", "import", "-"], br#"{"events": {"Visit": {"hiden": true}}}"#).fails(1).err;
    insta::assert_snapshot!(wrong);
}

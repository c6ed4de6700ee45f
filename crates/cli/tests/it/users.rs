//! Lists of users, and one user.

use crate::support::Place;

/// Ann came as a device first; Bob has no profile, Zoe nothing but one.
const RECORDS: &str = r#"{"event":"Visit","properties":{"time":1700000000,"$device_id":"d1","page":"/"}}
{"event":"Visit","properties":{"time":1702600000,"$device_id":"d1","$insert_id":"v2","page":"/tea","n":2}}
{"event":"Buy","properties":{"time":1702600000,"$device_id":"d1","$user_id":"ann","total":9.5,"tags":["a","b"],"note":null}}
{"event":"Beat","properties":{"time":1702600001,"distinct_id":"ann"}}
{"event":"Visit","properties":{"time":1702600002,"distinct_id":"bob","page":"/"}}
{"$distinct_id":"ann","$set":{"plan":"pro","seats":7,"say \"hi\"":true}}
{"$distinct_id":"zoe","$set":{"plan":"free","seats":2}}
{"$distinct_id":"max","$set":{"plan":"pro","seats":20}}
"#;

fn place() -> Place {
    let place = Place::new();
    place.feed(&["import", "-"], RECORDS.as_bytes()).ok();
    place
}

#[test]
fn m1_users_are_listed_by_their_profiles() {
    let place = place();
    let users = |args: &[&str]| place.run(&[&["users", "--output", "csv"], args].concat()).ok();
    let ids = |args: &[&str]| -> String {
        let out = users(args).out;
        let ids: Vec<&str> = out.lines().skip(1).filter_map(|line| line.split(',').next()).collect();
        ids.join(" ")
    };
    assert_eq!(ids(&[]), "ann max zoe");
    assert_eq!(ids(&["--sort", "seats", "--desc"]), "max ann zoe");
    assert_eq!(ids(&["--where", "plan = 'pro' -- paying"]), "ann max");
    assert_eq!(ids(&["--where", "plan = 'free' OR seats > 10"]), "max zoe");
    assert_eq!(ids(&["--all"]), "ann bob max zoe");
    assert_eq!(ids(&["--all", "--where", "first_event_time IS NULL"]), "max zoe");
    assert_eq!(ids(&["--all", "--sort", "plan", "--where", "plan IS NULL OR seats < 10"]), "zoe ann bob");
    let few = users(&["--limit", "1", "--columns", "seats,say \"hi\"", "--sort", "seats"]);
    assert_eq!(few.out, "user_id,seats,\"say \"\"hi\"\"\"\nzoe,2,\n");
    assert_eq!(few.err, "3 users match, 1 shown (--limit 0 shows all)\n");

    let shown = place.run(&["users", "--columns", "plan,seats", "--where", "seats < 10"]).ok();
    insta::assert_snapshot!(shown.out);
    assert_eq!(shown.err, "2 users match\n");
    let wrong = place.run(&["users", "--where", "plann = 'pro'"]).fails(1).err;
    assert!(wrong.contains("did you mean \"plan\""), "{wrong}");
    place.run(&["users", "--sort", "nothing"]).fails(1);
}

#[test]
fn m1_a_dataset_without_profiles_has_users_all_the_same() {
    let place = Place::new();
    place.feed(&["import", "-"], br#"{"event":"Visit","time":1700000000,"distinct_id":"bob"}"#).ok();
    assert_eq!(place.run(&["users", "--output", "csv"]).ok().out, "user_id,last_seen,first_event_time\n");
    let all = place.run(&["users", "--all", "--output", "csv"]).ok().out;
    assert_eq!(all, "user_id,last_seen,first_event_time\nbob,,2023-11-14T22:13:20Z\n");
}

#[test]
fn m2_a_user_is_shown_under_any_id_with_the_newest_events_first() {
    let place = place();
    let shown = place.run(&["user", "ann"]).ok().out;
    insta::with_settings!({filters => vec![(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z │\n└", "TIME │\n└")]}, {
        insta::assert_snapshot!(shown);
    });
    assert_eq!(place.run(&["user", "$device:d1"]).ok().out, shown);
    let all = place.run(&["user", "ann", "--days", "0", "--hide", "Beat", "--output", "json"]).ok().json();
    let feed = all["feed"].as_array().unwrap();
    let told: Vec<&str> = feed.iter().filter_map(|event| event["event"].as_str()).collect();
    assert_eq!(told, ["Buy", "Visit", "Visit"]);
    assert_eq!(feed[0]["properties"]["tags"], serde_json::json!(["a", "b"]));
    assert_eq!(feed[1]["insert_id"], "v2");
    assert_eq!(feed[1]["distinct_id"], "$device:d1");
    assert_eq!(all["profile"]["seats"], 7);
    let two = place.run(&["user", "ann", "--limit", "2", "--output", "json"]).ok().json();
    assert_eq!(two["feed"].as_array().unwrap().len(), 2);
    assert_eq!(place.run(&["user", "zoe"]).ok().out.matches("never").count(), 2);
    assert!(place.run(&["user", "bob"]).ok().out.contains("no profile"));
}

#[test]
fn an_unknown_user_is_said_to_be_one() {
    let place = place();
    insta::assert_snapshot!(place.run(&["user", "Anna"]).fails(1).err, @r#"
    error: there is no user "Anna"; did you mean "ann"?
      hint: `tallymark users --all` lists everybody
    "#);
    insta::assert_snapshot!(place.run(&["user", "nobody's"]).fails(1).err, @r#"
    error: there is no user "nobody's"
      hint: `tallymark users --all` lists everybody
    "#);
    place.run(&["user", ""]).fails(1);
}

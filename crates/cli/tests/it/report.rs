//! `report`, and who and how many are in a cohort.

use serde_json::{Value, json};

use crate::support::Place;

/// Visits of two weeks around the day Berlin's clocks go forward, 31 March 2024.
const RECORDS: &str = r#"{"event":"Visit","properties":{"time":1711843200,"distinct_id":"ann","page":"/","n":1}}
{"event":"Visit","properties":{"time":1711843260,"distinct_id":"ann","page":"/tea","n":2}}
{"event":"Visit","properties":{"time":1711846800,"distinct_id":"bob","page":"/","n":4.5}}
{"event":"Buy","properties":{"time":1711929600,"distinct_id":"ann","total":1234.5}}
{"event":"Visit","properties":{"time":1712016000,"distinct_id":"cyd","page":"/","n":3}}
{"$distinct_id":"ann","$set":{"plan":"pro","say \"hi\"":true}}
{"$distinct_id":"bob","$set":{"plan":"free"}}
"#;

const VISITS: &str = r#"{"report": "insights", "range": "2024-03-30 to 2024-04-02", "time_zone": "Europe/Berlin",
    "interval": "day", "metrics": [{"event": "Visit", "measure": "total_events"}]}"#;

fn place() -> Place {
    let place = Place::new();
    place.feed(&["import", "-"], RECORDS.as_bytes()).ok();
    place.write("visits.json", VISITS);
    place
}

#[test]
fn a_definition_is_answered_in_every_format() {
    let place = place();
    let answer = |format: &str| place.run(&["report", "visits.json", "--output", format]).ok().out;
    insta::assert_snapshot!("visits_table", answer("table"));
    insta::assert_snapshot!("visits_csv", answer("csv"));
    insta::assert_snapshot!("visits_ndjson", answer("ndjson"));
    let json: Value = serde_json::from_str(&answer("json")).unwrap();
    assert_eq!(json[1]["value"], 3.0);

    let piped = place.command(&["report", "visits.json", "--output", "arrow"]).output().unwrap();
    let reader = arrow::ipc::reader::StreamReader::try_new(piped.stdout.as_slice(), None).unwrap();
    assert_eq!(reader.map(|batch| batch.unwrap().num_rows()).sum::<usize>(), 4);
    place.run(&["report", "visits.json", "--output", "parquet", "--out", "visits.parquet"]).ok();
    assert!(std::fs::read(place.path("visits.parquet")).unwrap().starts_with(b"PAR1"));

    let table = answer("table");
    assert_eq!(place.feed(&["report", "-"], VISITS.as_bytes()).ok().out, table);
    let sql = format!("SELECT * FROM insights('{VISITS}')");
    assert_eq!(place.run(&["sql", &sql]).ok().out, table);
}

#[test]
fn events_there_are_none_of_are_told() {
    let place = place();
    let noted = |events: &str| {
        let report =
            format!(r#"{{"report": "funnel", "range": "2024-03-30 to 2024-04-02", "steps": {events}}}"#);
        let ran = place.feed(&["report", "-", "--output", "csv"], report.as_bytes()).ok();
        assert!(!ran.out.contains("warning"), "{}", ran.out);
        ran.err
    };
    assert_eq!(
        noted(r#"["Vsit", "Purchase", "Buy"]"#),
        "warning: there is no event \"Purchase\" in the data yet\nwarning: there is no event \"Vsit\" in the data \
         yet; did you mean \"Visit\"?\n"
    );
    place.feed(&["event", "save", "Buys", "-"], br#"["Buy"]"#).ok();
    place.run(&["lexicon", "set", "event", "Buy", "--merged-into", "Sale"]).ok();
    assert_eq!(noted(r#"["Visit", "$all_events", "$session_end", "Buys", "Sale"]"#), "");
}

#[test]
fn a_quick_look_says_something_else() {
    let place = place();
    let values = |args: &[&str]| -> Vec<String> {
        let args = [&["report", "visits.json", "--output", "csv"], args].concat();
        let out = place.run(&args).ok().out;
        out.lines().skip(1).map(|line| line.rsplit(',').next().unwrap_or_default().to_owned()).collect()
    };
    assert_eq!(values(&[]), ["0.0", "3.0", "0.0", "1.0"]);
    // There, what happens in the first hours of a day is of the day before.
    assert_eq!(values(&["--time-zone", "America/New_York"]), ["3.0", "0.0", "1.0", "0.0"]);
    assert_eq!(values(&["--interval", "month"]), ["3.0", "1.0"]);
    assert_eq!(values(&["--range", "2024-04-02 to 2024-04-03"]), ["1.0", "0.0"]);
    assert_eq!(values(&["--range", "last 2 days", "--as-of", "2024-04-01"]), ["3.0", "0.0"]);
    let since = r#"{"since": "2024-04-01"}"#;
    assert_eq!(values(&["--range", since, "--as-of", "2024-04-02"]), ["0.0", "1.0"]);
    let err = |args: &[&str]| place.run(&[&["report", "visits.json"], args].concat()).fails(1).err;
    let errors = [
        err(&["--range", "last month"]),
        err(&["--time-zone", "Europe/Berln"]),
        err(&["--interval", "dya"]),
        err(&["--as-of", "soon"]),
    ];
    insta::assert_snapshot!(errors.join("\n"));
}

#[test]
fn wrong_definitions_are_told_what_would_be_right() {
    let place = place();
    let err = |text: &str| place.feed(&["report", "-"], text.as_bytes()).fails(1).err;
    let insights = |rest: &str| err(&format!(r#"{{"report": "insights", {rest}}}"#));
    let errors = [
        err("{"),
        err("[]"),
        err("{}"),
        err(r#"{"report": "insigths"}"#),
        insights(r#""metrics": []"#),
        insights(r#""metrics": [{"event": "Visit", "measure": "unique_user"}]"#),
        insights(r#""metrics": [{"event": "Visit", "measur": "unique_users"}]"#),
        insights(r#""metrics": [{"event": "Visit"}], "where": "pge = '/'""#),
        insights(r#""metrics": [{"event": "Visit"}], "where": {"in_cohort": "Nobody"}"#),
        insights(r#""metrics": [{"event": "Visit"}], "formulas": [{"formula": "A / C"}]"#),
    ];
    insta::assert_snapshot!(errors.join("\n"));
    let none = place.run(&["report", "visit.json"]).fails(1).err;
    assert!(none.contains("visit.json") && none.contains("--saved"), "{none}");
    // A wrong definition is one whatever the dataset; a right one needs a dataset.
    let empty = Place::new();
    let wrong = empty.feed(&["report", "-"], b"{}").fails(1).err;
    assert!(wrong.contains("report: is missing"), "{wrong}");
    let missing = empty.feed(&["report", "-"], VISITS.as_bytes()).fails(1).err;
    assert!(missing.contains("there is no dataset"), "{missing}");
    for line in
        [["report"].as_slice(), &["report", "a.json", "--saved", "b"], &["report", "a.json", "--schema"]]
    {
        place.run(line).fails(2);
    }
}

#[test]
fn limits_and_snapshots_are_as_for_sql() {
    let place = place();
    place.run(&["report", "visits.json", "--max-rows", "4", "--timeout", "60"]).ok();
    let err = place.run(&["report", "visits.json", "--max-rows", "3"]).fails(1).err;
    assert!(err.contains("more than 3 rows") && err.contains("--max-rows"), "{err}");
    let before = place.run(&["inspect", "--output", "json"]).ok().json()["snapshot"].to_string();
    place.feed(&["import", "-"], br#"{"event":"Visit","time":1711929600,"distinct_id":"dee"}"#).ok();
    let third = |args: &[&str]| {
        let args = [&["report", "visits.json", "--output", "json"], args].concat();
        place.run(&args).ok().json()[2]["value"].clone()
    };
    assert_eq!(third(&[]), 1.0);
    assert_eq!(third(&["--as-of-snapshot", &before]), 0.0);
    let ran = place.run(&["report", "visits.json", "--as-of-snapshot", "99999"]).fails(1);
    assert!(ran.err.contains("tallymark snapshots"), "{}", ran.err);
}

#[test]
fn m_4_the_users_behind_a_number_are_told_and_saved_as_a_cohort() {
    let place = place();
    let cell = r#"{"metric": "A", "time": "2024-03-31"}"#;
    let asked = ["report", "visits.json", "--users", cell];
    let told = place.run(&[&asked[..], &["--output", "csv"]].concat()).ok().out;
    assert_eq!(told, "user_id\nann\nbob\n");
    let saved = place.run(&[&asked[..], &["--save-cohort", "Easter"]].concat()).ok().out;
    assert_eq!(saved, "Saved cohort Easter: 2 users\n");
    let members = place.run(&["cohort", "members", "Easter", "--output", "csv"]).ok().out;
    assert_eq!(members, told);
    // Nobody is a cohort too, and takes the place of the one before.
    let nobody = r#"{"metric": "A", "time": "2024-04-01"}"#;
    let saved = place.run(&["report", "visits.json", "--users", nobody, "--save-cohort", "Easter"]).ok().out;
    assert_eq!(saved, "Saved cohort Easter: 0 users\n");
    assert_eq!(place.run(&["cohort", "members", "Easter", "--output", "csv"]).ok().out, "user_id\n");

    let err = |args: &[&str]| place.run(&[&["report", "visits.json"], args].concat()).fails(1).err;
    let wrong = err(&["--users", "metric A"]);
    assert!(wrong.contains("--users") && wrong.contains("not JSON"), "{wrong}");
    let wrong = err(&["--users", r#"{"metric": "Z"}"#]);
    assert!(wrong.contains("users_of"), "{wrong}");
    place.run(&["report", "visits.json", "--save-cohort", "Easter"]).fails(2);
}

#[test]
fn the_schema_is_of_what_is_read() {
    let schema = Place::new().run(&["report", "--schema"]).ok().json();
    assert_eq!(schema["$schema"], "https://json-schema.org/draft/2020-12/schema");
    let definitions = schema["$defs"].as_object().unwrap();
    let mut references = Vec::new();
    references_in(&schema, &mut references);
    assert!(!references.is_empty());
    for reference in references {
        let name = reference.strip_prefix("#/$defs/").unwrap();
        assert!(definitions.contains_key(name), "{reference}");
    }
    let accepts = |text: &str| is_valid(&serde_json::from_str(text).unwrap(), &schema, definitions);
    let insights = |rest: &str| accepts(&format!(r#"{{"report": "insights", {rest}}}"#));
    let metric = |metric: &str| insights(&format!(r#""metrics": [{metric}]"#));
    assert!(accepts(VISITS));
    assert!(accepts(
        r#"{"report": "cohort", "all": [{"did": {"event": "Buy", "in": "last 7 days", "times": {"at_least": 2}}}]}"#
    ));
    for right in [
        r#"{"event": ["Visit", {"event": "Buy", "where": "total > 3"}]}"#,
        r#"{"event": {"event": "Visit", "where": {"property": "user.plan", "equals": ["pro", "free"]}}}"#,
        r#"{"event": "Visit", "measure": {"aggregate": "p90", "per_user": {"aggregate": "sum", "of": "total"}}}"#,
        r#"{"cohort": "Buyers"}"#,
    ] {
        assert!(metric(right), "{right}");
    }
    assert!(insights(
        r#""metrics": [{"event": "a"}], "breakdowns": ["page", {"property": "n", "buckets": "auto"}, {"cohorts": ["b"]}]"#
    ));
    assert!(insights(
        r#""metrics": [{"event": "a"}], "where": ["n > 1", {"in_cohort": "b"}], "range": {"since": "2024-01-01"}"#
    ));
    for wrong in [
        r#"{"event": "Visit", "measur": "unique_users"}"#,
        r#"{"event": "Visit", "measure": "unique_user"}"#,
        r#"{"event": 7}"#,
    ] {
        assert!(!metric(wrong), "{wrong}");
    }
    assert!(!insights(r#""metric": []"#));
    assert!(!accepts(r#"{"report": "insigths", "metrics": [{"event": "a"}]}"#));
}

/// As much of JSON Schema as the schema uses.
fn is_valid(json: &Value, schema: &Value, definitions: &serde_json::Map<String, Value>) -> bool {
    let Value::Object(rules) = schema else { return schema == &Value::Bool(true) };
    let valid = |json: &Value, schema: &Value| is_valid(json, schema, definitions);
    rules.iter().all(|(rule, says)| match rule.as_str() {
        "$ref" => valid(json, &definitions[says.as_str().unwrap().trim_start_matches("#/$defs/")]),
        "anyOf" | "oneOf" => says.as_array().unwrap().iter().any(|schema| valid(json, schema)),
        "allOf" => says.as_array().unwrap().iter().all(|schema| valid(json, schema)),
        "const" => json == says,
        "enum" => says.as_array().unwrap().contains(json),
        "type" => match says {
            Value::Array(types) => types.iter().any(|name| is_of_type(json, name)),
            name => is_of_type(json, name),
        },
        "required" => json.as_object().is_none_or(|fields| {
            says.as_array().unwrap().iter().all(|field| fields.contains_key(field.as_str().unwrap()))
        }),
        "properties" => json.as_object().is_none_or(|fields| {
            fields.iter().all(|(name, value)| says.get(name).is_none_or(|schema| valid(value, schema)))
        }),
        "additionalProperties" => json.as_object().is_none_or(|fields| {
            let known = rules.get("properties").and_then(Value::as_object);
            let is_known = |name: &String| known.is_some_and(|known| known.contains_key(name));
            fields.iter().all(|(name, value)| is_known(name) || valid(value, says))
        }),
        "items" => json.as_array().is_none_or(|items| items.iter().all(|item| valid(item, says))),
        _ => true,
    })
}

fn is_of_type(json: &Value, name: &Value) -> bool {
    match name.as_str().unwrap() {
        "object" => json.is_object(),
        "array" => json.is_array(),
        "string" => json.is_string(),
        "boolean" => json.is_boolean(),
        "null" => json.is_null(),
        "number" => json.is_number(),
        "integer" => json.is_i64() || json.is_u64(),
        other => unreachable!("{other}"),
    }
}

fn references_in(json: &Value, found: &mut Vec<String>) {
    match json {
        Value::Object(fields) => {
            found.extend(fields.get("$ref").and_then(|reference| Some(reference.as_str()?.to_owned())));
            fields.values().for_each(|value| references_in(value, found));
        }
        Value::Array(items) => items.iter().for_each(|item| references_in(item, found)),
        _ => {}
    }
}

#[test]
fn reports_are_saved_listed_shown_answered_and_deleted() {
    let place = place();
    let saved = place.run(&["report", "save", "Visits a day", "visits.json"]).ok().out;
    assert_eq!(saved, "Saved report Visits a day\n");
    let listed = place.run(&["report", "list", "--output", "json"]).ok().json();
    assert_eq!((&listed[0]["name"], &listed[0]["kind"]), (&json!("Visits a day"), &json!("report")));
    assert!(place.run(&["report", "list"]).ok().out.contains("Visits a day"));
    let shown = place.run(&["report", "show", "Visits a day"]).ok().json();
    assert_eq!(shown, serde_json::from_str::<Value>(VISITS).unwrap());
    let answer = place.run(&["report", "--saved", "Visits a day"]).ok().out;
    assert_eq!(answer, place.run(&["report", "visits.json"]).ok().out);
    let months = place.run(&["report", "--saved", "Visits a day", "--interval", "month"]).ok().out;
    assert!(months.ends_with("2 rows\n"), "{months}");

    insta::assert_snapshot!(place.run(&["report", "--saved", "Visits a dya"]).fails(1).err, @r#"
    error: there is no report "Visits a dya"; did you mean "Visits a day"?
      hint: `tallymark report list` lists the saved ones
    "#);
    let wrong = place.feed(&["report", "save", "x", "-"], b"{}").fails(1).err;
    assert!(wrong.contains("report: is missing"), "{wrong}");
    // What a report needs stays.
    place.feed(&["cohort", "save", "Buyers", "-"], br#"{"all": [{"did": {"event": "Buy"}}]}"#).ok();
    let needs = VISITS.replacen("{\"event\"", "{\"where\": {\"in_cohort\": \"Buyers\"}, \"event\"", 1);
    place.feed(&["report", "save", "Of buyers", "-"], needs.as_bytes()).ok();
    let refused = place.run(&["cohort", "delete", "Buyers"]).fails(1).err;
    assert!(refused.contains(r#"is needed by report "Of buyers""#), "{refused}");
    assert_eq!(
        place.run(&["report", "--saved", "Of buyers", "--output", "json"]).ok().json()[1]["value"],
        2.0
    );
    for name in ["Of buyers", "Visits a day"] {
        assert_eq!(place.run(&["report", "delete", name]).ok().out, format!("Deleted report {name}\n"));
    }
    place.run(&["report", "delete", "Of buyers"]).fails(1);
}

#[test]
fn members_of_a_cohort_are_listed_with_their_properties() {
    let place = place();
    let visitors = br#"{"all": [{"did": {"event": "Visit"}}]}"#;
    place.feed(&["cohort", "save", "Visitors", "-"], visitors).ok();
    let members = |args: &[&str]| {
        place.run(&[&["cohort", "members", "Visitors", "--output", "csv"], args].concat()).ok().out
    };
    assert_eq!(members(&[]), "user_id\nann\nbob\ncyd\n");
    assert_eq!(
        members(&["--columns", "plan,say \"hi\""]),
        "user_id,plan,\"say \"\"hi\"\"\"\nann,pro,true\nbob,free,\ncyd,,\n"
    );
    // Cyd comes on the 2nd of April.
    assert_eq!(members(&["--as-of", "2024-04-01"]), "user_id\nann\nbob\n");
    assert_eq!(members(&["--as-of", "2024-03-31T00:30"]), "user_id\nann\n");
    assert_eq!(place.value("SELECT count(*) FROM cohort('Visitors')"), "3");

    place.write("buyers.json", r#"{"all": [{"in_cohort": "Visitors"}, {"did": {"event": "Buy"}}]}"#);
    assert_eq!(
        place.run(&["cohort", "members", "buyers.json", "--output", "csv"]).ok().out,
        "user_id\nann\n"
    );
    let whole = br#"{"report": "cohort", "as_of": "2024-03-31", "any": [{"did_not": {"event": "Buy"}}]}"#;
    let table = place.feed(&["cohort", "members", "-"], whole).ok().out;
    insta::assert_snapshot!(table);
    let json = place.feed(&["report", "-", "--output", "json"], whole).ok().json();
    assert_eq!(json, json!([{"user_id": "ann"}, {"user_id": "bob"}]));

    let errors = [
        place.run(&["cohort", "members", "Visitor"]).fails(1).err,
        place.run(&["cohort", "members", "Visitors", "--columns", "plann"]).fails(1).err,
        place.run(&["cohort", "members", "Visitors", "--as-of", "soon"]).fails(1).err,
        place.feed(&["cohort", "members", "-"], br#"{"all": [{"didd": {"event": "Buy"}}]}"#).fails(1).err,
        place.feed(&["cohort", "members", "-"], br#"{"all": [{"in_cohort": "Visitor"}]}"#).fails(1).err,
    ];
    insta::assert_snapshot!(errors.join("\n"));
}

#[test]
fn the_size_of_a_cohort_goes_over_time() {
    let place = place();
    let visitors = br#"{"all": [{"did": {"event": "Visit", "in": "last 2 days"}}]}"#;
    place.feed(&["cohort", "save", "Visitors", "-"], visitors).ok();
    let size = |args: &[&str]| -> Vec<f64> {
        let args = [&["cohort", "size", "Visitors", "--output", "json"], args].concat();
        let rows = place.run(&args).ok().json();
        rows.as_array().unwrap().iter().map(|row| row["value"].as_f64().unwrap()).collect()
    };
    let days = "2024-03-30 to 2024-04-04";
    assert_eq!(size(&["--interval", "day", "--range", days]), [0.0, 2.0, 2.0, 1.0, 1.0, 0.0]);
    assert_eq!(size(&["--interval", "day", "--range", "last 2 days", "--as-of", "2024-03-31"]), [0.0, 2.0]);
    assert_eq!(size(&["--range", "2024-04-01 to 2024-04-02"]), [1.0]);
    let unknown = place.run(&["cohort", "size", "Visitor"]).fails(1).err;
    assert!(unknown.contains(r#"did you mean "Visitors"?"#), "{unknown}");
}

//! Reports of behaviour on data that nobody made for us: against the answers that `data/facts.py`
//! computed, and against plain SQL where it can say the same. Called for each set by `real_data.rs`.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};
use tallymark::Engine;
use tallymark_report::Report;
use tallymark_tests::oracle::Table;

use crate::behaviour::table;
use crate::common::{ask, ask_one};

/// Everything the facts and SQL say.
pub(crate) async fn check(engine: &Engine, facts: &Value) {
    for (kind, answers) in facts["answers"].as_object().unwrap() {
        for answer in answers.as_array().unwrap() {
            match kind.as_str() {
                "funnel" => funnel(engine, answer).await,
                "retention" => retention(engine, answer).await,
                "frequency" => frequency(engine, answer).await,
                "next_event" => {
                    next_event(engine, answer).await;
                    flows(engine, answer).await;
                }
                _ => {}
            }
        }
    }
    active(engine, facts).await;
}

async fn answer(engine: &Engine, definition: Value) -> Table {
    let report = Report::from_value(definition).unwrap();
    table(&engine.report(report).await.unwrap().collect().await.unwrap())
}

/// The values of a column.
fn column(table: &Table, name: &str) -> Vec<Value> {
    let at = table.columns.iter().position(|known| known == name).unwrap();
    table.rows.iter().map(|row| row[at].clone()).collect()
}

fn range(spec: &Value) -> Value {
    Value::from(format!("{} to {}", spec["from"].as_str().unwrap(), spec["to"].as_str().unwrap()))
}

/// An event of a spec: a name, a name and what its properties must be, or any.
fn event(wanted: &Value) -> Map<String, Value> {
    let name = wanted.as_str().or_else(|| wanted["event"].as_str()).unwrap_or("$all_events");
    let mut event = Map::from_iter([("event".to_owned(), Value::from(name))]);
    let filters: Vec<Value> = wanted
        .get("where")
        .and_then(Value::as_object)
        .into_iter()
        .flatten()
        .map(|(property, value)| match value {
            Value::Object(comparison) => json!({"property": property, "greater_than": comparison["gt"]}),
            value => json!({"property": property, "equals": value, "match_case": true}),
        })
        .map(|mut filter| {
            if !filter["equals"].is_string() {
                filter.as_object_mut().unwrap().shift_remove("match_case");
            }
            filter
        })
        .collect();
    if !filters.is_empty() {
        event.insert("where".to_owned(), Value::from(filters));
    }
    event
}

/// F-34: the facts are how far each user gets, by distinct events, from the entry that gets furthest,
/// simultaneous events in favour of the user. Where values are held, or steps lie beyond the range, the best
/// attempt of optimized re-entry (F-30) without grace, in order of arrival (F-14), gets at least as far as one of
/// events that are each later than the one before, and no farther than one of events in any order of one instant.
async fn funnel(engine: &Engine, facts: &Value) {
    let spec = &facts["spec"];
    let steps: Vec<Value> =
        spec["steps"].as_array().unwrap().iter().map(|step| Value::from(event(step))).collect();
    let mut definition = json!({
        "report": "funnel", "steps": steps, "range": range(spec),
        "window": format!("{} seconds", spec["window_s"]),
    });
    let counts = |table: Table| column(&table, "count");
    let held = spec.get("holding_constant");
    let is_within = ask(
        engine,
        &format!("SELECT count(*) FROM events WHERE day > DATE '{}'", spec["to"].as_str().unwrap()),
    )
    .await[0][0]
        == 0;
    if held.is_none() && is_within {
        definition["clickhouse"] = json!(["strict_once"]);
        let found = counts(answer(engine, definition).await);
        assert_eq!(json!(found), facts["counts"], "{spec}");
        return;
    }
    definition["reentry"] = json!("optimized");
    definition["grace_seconds"] = json!(0);
    definition["hold_constant"] = held.cloned().unwrap_or(json!([]));
    let found = counts(answer(engine, definition).await);
    let last = found.len() - 1;
    for (step, found) in found.iter().enumerate() {
        let [least, most] = ["counts_strict", "counts"].map(|name| facts[name][step].as_u64().unwrap());
        // Who does not convert may have got farther from an entry that a longer attempt swallows (F-32, 2).
        let least = if step == 0 || step == last { least } else { 0 };
        let found = found.as_u64().unwrap();
        assert!((least..=most).contains(&found), "{spec} step {}: {found}", step + 1);
    }
}

/// R-2 with first births, R-10, R-11, R-14.
async fn retention(engine: &Engine, facts: &Value) {
    let spec = &facts["spec"];
    // The facts take the first birth in the range, a report the first there ever was.
    let before = format!("SELECT count(*) FROM events WHERE day < '{}'", spec["from"].as_str().unwrap());
    if ask_one(engine, &before).await != 0 {
        return;
    }
    let mut birth = event(&spec["birth"]);
    birth.insert("first_time".to_owned(), "ever".into());
    let definition = json!({
        "report": "retention", "birth": birth, "return": event(&spec["return"]), "range": range(spec),
        "unit": spec["unit"], "buckets": spec["periods"], "alignment": spec["mode"], "criterion": "on",
    });
    let table = answer(engine, definition).await;
    let [rows, times, sizes, kept] = ["row", "time", "size", "retained"].map(|name| column(&table, name));
    let mut cohorts: BTreeMap<String, (Value, Vec<Value>)> = BTreeMap::new();
    let mut overall: Vec<Value> = Vec::new();
    for ((row, time), (size, retained)) in rows.into_iter().zip(times).zip(sizes.into_iter().zip(kept)) {
        if row == "cohort" && size != 0 {
            let time = chrono::DateTime::from_timestamp_millis(time.as_i64().unwrap()).unwrap();
            let cohort = cohorts.entry(time.format("%Y-%m-%d").to_string()).or_insert((size, Vec::new()));
            cohort.1.push(retained);
        } else if row == "pooled" {
            overall.push(retained);
        }
    }
    let cohorts: BTreeMap<String, Value> = cohorts
        .into_iter()
        .map(|(time, (size, retained))| (time, json!({"users": size, "retained": retained})))
        .collect();
    assert_eq!(json!(cohorts), facts["cohorts"], "{spec}");
    assert_eq!(json!(overall), facts["overall"]["retained"], "{spec}");
}

///
async fn frequency(engine: &Engine, facts: &Value) {
    let spec = &facts["spec"];
    let definition = json!({
        "report": "frequency", "event": event(&spec["event"]), "range": range(spec), "period": "month",
        "cumulative": false,
    });
    let table = answer(engine, definition).await;
    let [times, counts, users] = ["time", "count", "users"].map(|name| column(&table, name));
    let mut found: BTreeMap<String, BTreeMap<String, Value>> = BTreeMap::new();
    for ((time, count), users) in times.iter().zip(&counts).zip(users).filter(|(_, users)| *users != 0) {
        let time = chrono::DateTime::from_timestamp_millis(time.as_i64().unwrap()).unwrap();
        found.entry(time.format("%Y-%m").to_string()).or_default().insert(count.to_string(), users);
    }
    assert_eq!(json!(found), facts["months"], "{spec}");
}

/// F-17: what comes right after an event, and in time, is a funnel in strict order; M-4: and whose.
async fn next_event(engine: &Engine, facts: &Value) {
    let spec = &facts["spec"];
    let anchor = spec["anchor"].as_str().unwrap();
    for (next, total) in facts["total"].as_object().unwrap() {
        // Pairs of one event do not overlap (F-12).
        if next == anchor || next == "(none)" {
            continue;
        }
        let mut definition = json!({
            "report": "funnel", "steps": [anchor, next], "order": "strict", "count": "totals",
            "window": format!("{} seconds", spec["window_s"]), "range": range(spec),
        });
        let found = column(&answer(engine, definition.clone()).await, "count");
        assert_eq!(found[1], *total, "{spec} {next}");
        definition["users_of"] = json!({"step": 2});
        let users = answer(engine, definition).await.rows.len();
        assert_eq!(Value::from(users), facts["users"][next], "{spec} {next}");
    }
}

/// W-2, W-4, W-10, W-12: what users do after their first such event, by a window function of SQL.
async fn flows(engine: &Engine, facts: &Value) {
    let spec = &facts["spec"];
    let anchor = spec["anchor"].as_str().unwrap();
    let sql = format!(
        "SELECT coalesce(next, '$drop_off'), count(*) FROM ( \
           SELECT event, next, row_number() OVER (PARTITION BY user_id, event ORDER BY place) AS nth FROM ( \
             SELECT user_id, event, row_number() OVER (PARTITION BY user_id ORDER BY time, sequence) AS place, \
                    lead(event) OVER (PARTITION BY user_id ORDER BY time, sequence) AS next \
             FROM events WHERE user_id IS NOT NULL AND day BETWEEN DATE '{}' AND DATE '{}')) \
         WHERE event = '{anchor}' AND nth = 1 GROUP BY next",
        spec["from"].as_str().unwrap(),
        spec["to"].as_str().unwrap()
    );
    let expected: BTreeMap<String, Value> = ask(engine, &sql)
        .await
        .into_iter()
        .map(|mut row| (row[0].as_str().unwrap().to_owned(), row.remove(1)))
        .collect();
    let definition = json!({
        "report": "flows", "anchors": [{"event": anchor, "after": 1}], "range": range(spec), "rows": 50,
    });
    let table = answer(engine, definition).await;
    let [kinds, offsets, labels, counts] =
        ["kind", "offset", "label", "count"].map(|name| column(&table, name));
    let rows = kinds.iter().zip(&offsets).zip(labels.iter().zip(counts));
    let found: BTreeMap<String, Value> = rows
        .filter(|((kind, offset), _)| *kind == "node" && **offset == 1)
        .map(|(_, (label, count))| (label.as_str().unwrap().to_owned(), count))
        .collect();
    assert_eq!(found, expected, "{spec}");
    assert!(found.len() > 2);
}

/// from who was active on which day.
async fn active(engine: &Engine, facts: &Value) {
    let days =
        ask(engine, "SELECT DISTINCT CAST(day AS VARCHAR), user_id FROM events WHERE user_id IS NOT NULL")
            .await;
    let mut users_of: BTreeMap<chrono::NaiveDate, BTreeSet<String>> = BTreeMap::new();
    for row in &days {
        let day = row[0].as_str().unwrap().parse().unwrap();
        users_of.entry(day).or_default().insert(row[1].as_str().unwrap().to_owned());
    }
    let (first, last) = (*users_of.keys().next().unwrap(), *users_of.keys().next_back().unwrap());
    let range = Value::from(format!("{first} to {last}"));
    let millis =
        |day: chrono::NaiveDate| Value::from(day.and_hms_opt(0, 0, 0).unwrap().and_utc().timestamp_millis());

    let table = answer(engine, json!({"report": "stickiness", "over": "week", "range": range})).await;
    let mut expected: Vec<Vec<Value>> = Vec::new();
    for day in first.iter_days().take_while(|day| *day <= last) {
        let daily = users_of.get(&day).map_or(0, BTreeSet::len);
        let since = day - chrono::Days::new(6);
        let period = users_of.range(since..=day).flat_map(|(_, users)| users).collect::<BTreeSet<_>>().len();
        let share = if period > 0 { json!(daily as f64 / period as f64) } else { Value::Null };
        expected.push(vec![millis(day), daily.into(), period.into(), share]);
        let of_facts = facts["dau"].get(day.to_string()).cloned().unwrap_or(json!(0));
        assert_eq!(Value::from(daily), of_facts, "{day}");
    }
    assert_eq!(table.rows, expected);

    let week_of = |day: chrono::NaiveDate| {
        use chrono::Datelike as _;
        day - chrono::Days::new(u64::from(day.weekday().num_days_from_monday()))
    };
    let mut weeks: BTreeMap<chrono::NaiveDate, BTreeSet<&String>> = BTreeMap::new();
    for (day, users) in &users_of {
        weeks.entry(week_of(*day)).or_default().extend(users);
    }
    let table = answer(engine, json!({"report": "lifecycle", "unit": "week", "range": range})).await;
    let none = BTreeSet::new();
    let mut expected: Vec<Vec<Value>> = Vec::new();
    for week in week_of(first).iter_weeks().take_while(|week| *week <= last) {
        let active = weeks.get(&week).unwrap_or(&none);
        let before = weeks.get(&(week - chrono::Days::new(7))).unwrap_or(&none);
        let ever: BTreeSet<&String> = weeks.range(..week).flat_map(|(_, users)| users).copied().collect();
        let returning = active.intersection(before).count();
        let known = active.intersection(&ever).count();
        for (status, users) in [
            ("new", active.len() - known),
            ("returning", returning),
            ("resurrected", known - returning),
            ("dormant", before.difference(active).count()),
        ] {
            expected.push(vec![millis(week), status.into(), users.into()]);
        }
        let of_facts = facts["wau"].get(week.to_string()).cloned().unwrap_or(json!(0));
        assert_eq!(Value::from(active.len()), of_facts, "{week}");
    }
    assert_eq!(table.rows, expected);
}

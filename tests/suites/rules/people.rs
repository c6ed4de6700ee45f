//! Section 2: profiles of users and groups.

use super::*;

const T: i64 = 1_700_000_000;

fn update(id: &str, operations: Value) -> Value {
    let mut record = json!({"$token": "t", "$distinct_id": id});
    record.as_object_mut().unwrap().extend(operations.as_object().unwrap().clone());
    record
}

/// The properties of a user's profile; none without one.
async fn profile(engine: &Engine, id: &str) -> Option<Value> {
    profiles(engine, "users", &["user_id"])
        .await
        .remove(&vec![id.to_owned()])
        .map(|profile| json!(profile.properties))
}

/// The table of section 2.1, asked after every row.
#[tokio::test(flavor = "multi_thread")]
async fn u1_to_u8_operations_in_order_of_arrival() {
    let steps: [(&[Value], Option<Value>); 8] = [
        (&[json!({"$set": {"plan": "free", "n": 1}})], Some(json!({"plan": "free", "n": 1}))),
        (
            &[json!({"$set_once": {"plan": "pro", "src": "ad"}})],
            Some(json!({"plan": "free", "n": 1, "src": "ad"})),
        ),
        (&[json!({"$add": {"n": -3, "m": 2}})], Some(json!({"plan": "free", "n": -2, "m": 2, "src": "ad"}))),
        (
            &[json!({"$append": {"tags": "a"}}), json!({"$append": {"tags": "a"}})],
            Some(json!({"plan": "free", "n": -2, "m": 2, "src": "ad", "tags": ["a", "a"]})),
        ),
        (
            &[json!({"$union": {"tags": ["a", "b"]}})],
            Some(json!({"plan": "free", "n": -2, "m": 2, "src": "ad", "tags": ["a", "a", "b"]})),
        ),
        (
            &[json!({"$remove": {"tags": "a"}})],
            Some(json!({"plan": "free", "n": -2, "m": 2, "src": "ad", "tags": ["b"]})),
        ),
        (&[json!({"$unset": ["src"]})], Some(json!({"plan": "free", "n": -2, "m": 2, "tags": ["b"]}))),
        (&[json!({"$delete": ""})], None),
    ];
    for way in WAYS {
        let event = json!({"event": "A", "properties": {"time": T, "distinct_id": "u"}});
        let engine = sent(way, IdentitySystem::Simplified, &[event]).await;
        for (at, (operations, expected)) in steps.iter().enumerate() {
            for operation in *operations {
                send(way, &engine, &update("u", operation.clone())).await;
            }
            assert_eq!(profile(&engine, "u").await, *expected, "{way:?} row {}", at + 1);
        }
        assert_eq!(
            ask_one(&engine, "SELECT count(*) FROM events WHERE user_id = 'u'").await,
            1,
            "events are unaffected"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn u2_u5_u9_u10_further_cases() {
    for (records, expected) in [
        (
            vec![json!({"$set": {"tags": [1]}}), json!({"$union": {"tags": [1, "1", 2, 2]}})],
            json!({"tags": "[1,\"1\",2]"}),
        ),
        (vec![json!({"$set": {"a": 9}}), json!({"$set_once": {"a": 1, "b": 2}})], json!({"a": 9, "b": 2})),
        // U-9: what does not fit is skipped, the rest applies.
        (
            vec![
                json!({"$set": {"a": "text"}}),
                json!({"$add": {"a": 1, "b": 1}, "$append": {"a": 1, "c": 1}}),
            ],
            json!({"a": "text", "b": 1, "c": [1]}),
        ),
        // U-10: the order of the rules, not of the record.
        (
            vec![json!({"$set": {"old": 1}}), json!({"$add": {"n": 1}, "$set": {"n": 1}, "$delete": ""})],
            json!({"n": 2}),
        ),
    ] {
        let records: Vec<Value> = records.into_iter().map(|operations| update("u", operations)).collect();
        for way in WAYS {
            let engine = sent(way, IdentitySystem::Simplified, &records).await;
            let found = profiles(&engine, "users", &["user_id"]).await.remove(&vec!["u".to_owned()]).unwrap();
            let mut found = json!(found.properties);
            // A list of several types is JSON text in SQL.
            if found["tags"].is_array() {
                found["tags"] = json!(found["tags"].to_string());
            }
            assert_eq!(found, expected, "{way:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn u12_last_seen() {
    let records = [
        update("arrival", json!({"$set": {"a": 1}})),
        update("sent", json!({"$set": {"a": 1}, "$time": 1_700_000_000})),
        update("ignored", json!({"$set": {"a": 1}, "$time": 1_700_000_000})),
        update("ignored", json!({"$set": {"a": 2}, "$ignore_time": true})),
        json!({"event": "A", "time": 1_700_000_500, "distinct_id": "sent"}),
    ];
    always(
        &records,
        &[(
            "SELECT user_id, arrow_cast(last_seen, 'Int64') FROM users ORDER BY user_id",
            json!([
                ["arrival", NOW.millis()],
                ["ignored", 1_700_000_000_000_i64],
                ["sent", 1_700_000_000_000_i64]
            ]),
        )],
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn u15_every_event_sees_the_current_profile() {
    let play = |day: u32| json!({"event": "Play", "time": format!("2024-01-{day:02}T00:00:00Z"), "distinct_id": "u1"});
    let records = [
        play(1),
        update("u1", json!({"$set": {"plan": "free"}})),
        play(5),
        update("u1", json!({"$set": {"plan": "pro"}})),
    ];
    always(
        &records,
        &[(
            "SELECT u.plan, count(*) FROM events e LEFT JOIN users u ON u.user_id = e.user_id WHERE e.event = 'Play' GROUP BY u.plan",
            json!([["pro", 2]]),
        )],
    )
    .await;
}

/// A device's events, a user's profile, then the link.
#[tokio::test(flavor = "multi_thread")]
async fn u15_i5_a_late_link_joins_profile_and_events() {
    let event = |n: i64, ids: Value| {
        let mut properties = json!({"time": T + n, "n": n});
        properties.as_object_mut().unwrap().extend(ids.as_object().unwrap().clone());
        json!({"event": "A", "properties": properties})
    };
    let records = [
        event(1, json!({"$device_id": "D"})),
        update("U", json!({"$set": {"plan": "pro"}})),
        event(2, json!({"$device_id": "D", "$user_id": "U"})),
        event(3, json!({"$device_id": "E"})),
    ];
    always(
        &records,
        &[
            (
                "SELECT e.n, u.plan FROM events e LEFT JOIN users u USING (user_id) ORDER BY e.n",
                json!([[1, "pro"], [2, "pro"], [3, null]]),
            ),
            (
                "SELECT user_id, arrow_cast(first_event_time, 'Int64') FROM users",
                json!([["U", (T + 1) * 1000]]),
            ),
        ],
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn u16_u17_namespaces_do_not_collide() {
    let records = [
        json!({"event": "A", "time": T, "distinct_id": "u", "properties": {"plan": "free", "user_id": "a property", "last_seen": 5}}),
        update("u", json!({"$set": {"plan": "pro", "user_id": "another", "last_seen": "x"}})),
        json!({"event": "A", "time": T, "distinct_id": "v"}),
    ];
    always(
        &records,
        &[
            (
                "SELECT e.plan, u.plan FROM events e LEFT JOIN users u ON e.user_id = u.user_id ORDER BY e.user_id",
                json!([["free", "pro"], [null, null]]),
            ),
            (r#"SELECT source, property, "column" FROM property_catalog WHERE property IN ('user_id', 'last_seen') ORDER BY 1, 2"#,
             json!([["events", "last_seen", "last_seen"], ["events", "user_id", "properties.user_id"], ["users", "last_seen", "properties.last_seen"], ["users", "user_id", "properties.user_id"]])),
        ],
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn u18_a_devices_profile_stays_behind() {
    let link = json!({"event": "A", "properties": {"time": T, "$device_id": "D", "$user_id": "U"}});
    let records = [
        update("$device:D", json!({"$set": {"seen": "as a visitor"}})),
        update("U", json!({"$set": {"plan": "pro"}})),
        link,
        // Addressed to any id of the cluster, it goes to the user.
        update("$device:D", json!({"$set": {"after": 1}})),
        update("$device:D", json!({"$set": {"literal": 1}, "$ignore_alias": true})),
    ];
    for way in WAYS {
        let engine = sent(way, IdentitySystem::Simplified, &records).await;
        let all = profiles(&engine, "users", &["user_id"]).await;
        let all: Vec<(String, Value)> =
            all.into_iter().map(|(mut key, profile)| (key.remove(0), json!(profile.properties))).collect();
        assert_eq!(all, [("U".to_owned(), json!({"plan": "pro", "after": 1}))], "{way:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn u19_profiles_of_a_merged_user() {
    let merge = json!({"event": "$merge", "properties": {"time": T, "distinct_id": "a", "$distinct_ids": ["a", "b"]}});
    let records = [
        update("b", json!({"$set": {"plan": "free", "only b": 1}})),
        update("a", json!({"$set": {"plan": "pro", "only a": 1}})),
        merge,
    ];
    for way in WAYS {
        let engine = sent(way, IdentitySystem::Original, &records).await;
        assert_eq!(
            profile(&engine, "a").await,
            Some(json!({"only a": 1, "only b": 1, "plan": "pro"})),
            "{way:?}"
        );
        assert_eq!(ask_one(&engine, "SELECT count(*) FROM users").await, 1, "{way:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn u30_to_u32_companies_of_scalars_and_lists() {
    let event = |user: &str, more: Value| {
        let mut properties = json!({"time": T, "distinct_id": user});
        properties.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        json!({"event": "A", "properties": properties})
    };
    let records = [
        event("u1", json!({"company": "A"})),
        event("u2", json!({"company": ["A", "B"]})),
        event("u1", json!({})),
    ];
    let companies = r#"SELECT company AS c FROM events WHERE company IS NOT NULL UNION ALL SELECT unnest("company@list_string") FROM events"#;
    always(
        &records,
        &[
            ("SELECT count(*), count(DISTINCT user_id) FROM events", json!([[3, 2]])),
            (&format!("SELECT count(DISTINCT c) FROM ({companies})"), json!([[2]])),
            (&format!("SELECT c, count(*) FROM ({companies}) GROUP BY c ORDER BY c"), json!([["A", 2], ["B", 1]])),
            (r#"SELECT count(*) FROM events WHERE company IS NOT NULL OR "company@list_string" IS NOT NULL"#, json!([[2]])),
        ],
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn u34_u36_group_profiles() {
    let group = |id: Value, operations: Value| {
        let mut record = json!({"$group_key": "company_id", "$group_id": id});
        record.as_object_mut().unwrap().extend(operations.as_object().unwrap().clone());
        record
    };
    let records = [
        group(json!(42), json!({"$set": {"tier": "gold", "tags": ["x"]}})),
        group(json!("42"), json!({"$union": {"tags": ["x", "y"]}, "$unset": ["tier"]})),
        group(json!("gone"), json!({"$set": {"tier": "none"}})),
        group(json!("gone"), json!({"$delete": ""})),
    ];
    always(
        &records,
        &[
            ("SELECT group_key, group_id, tags FROM groups", json!([["company_id", "42", ["x", "y"]]])),
            ("SELECT count(*) FROM users", json!([[0]])),
        ],
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn user_properties_act_as_set() {
    let records = [
        json!({"event": "A", "time": T, "distinct_id": "u", "user_properties": {"plan": "free", "n": 1}, "properties": {"p": 1}}),
        json!({"event": "A", "time": T + 9, "distinct_id": "u", "user_properties": {"plan": "pro"}}),
        json!({"event": "A", "time": T, "distinct_id": "", "user_properties": {"plan": "nobody's"}}),
    ];
    always(
        &records,
        &[
            (
                "SELECT user_id, plan, n, arrow_cast(last_seen, 'Int64') FROM users",
                json!([["u", "pro", 1, (T + 9) * 1000]]),
            ),
            ("SELECT count(*) FROM events", json!([[3]])),
        ],
    )
    .await;
    let report = import(&engine().await, &ndjson(&records)).await;
    assert_eq!((report.received, report.stored, report.events, report.profile_updates), (3, 3, 3, 0));
}

//! Section 3: identity.

use super::*;

const T: i64 = 1_700_000_000;
const A: &str = "0b0e8b9c-1c1d-4c3a-9f5e-0a1b2c3d4e5f";
const B: &str = "6F9619FF-8B86-4D01-B42D-00CF4FC964FF";

/// Row `n` of a table: what was sent besides the time.
fn row(n: i64, device_id: &str, user_id: &str) -> Value {
    let mut properties = json!({"time": T + n, "n": n});
    for (name, id) in [("$device_id", device_id), ("$user_id", user_id)] {
        if !id.is_empty() {
            properties[name] = json!(id);
        }
    }
    json!({"event": "A", "properties": properties})
}

const USERS: &str = "SELECT user_id FROM events ORDER BY n";

#[tokio::test(flavor = "multi_thread")]
async fn i2_i3_the_assigned_id() {
    let sent = |ids: Value| {
        let mut properties = json!({"time": T});
        properties.as_object_mut().unwrap().extend(ids.as_object().unwrap().clone());
        json!({"event": "A", "properties": properties})
    };
    for (ids, user, device) in [
        (json!({"$user_id": "U", "$device_id": "D", "distinct_id": "other"}), json!("U"), json!("D")),
        (json!({"$device_id": "D", "distinct_id": "other"}), json!("$device:D"), json!("D")),
        (json!({"$device_id": "D"}), json!("$device:D"), json!("D")),
        (json!({"$user_id": "", "$device_id": "D"}), json!("$device:D"), json!("D")),
        (json!({"distinct_id": "$device:abc"}), json!("$device:abc"), Value::Null),
        (json!({"distinct_id": "bob"}), json!("bob"), Value::Null),
        (json!({"$user_id": "U"}), json!("U"), Value::Null),
        (json!({"distinct_id": ""}), Value::Null, Value::Null),
        (json!({}), Value::Null, Value::Null),
    ] {
        always(&[sent(ids)], &[("SELECT user_id, device_id FROM events", json!([[user, device]]))]).await;
    }
}

/// The table of I-4 and I-5, asked after every row.
#[tokio::test(flavor = "multi_thread")]
async fn i4_i5_links_are_retroactive() {
    let rows = [
        row(1, "D1", ""),
        row(2, "D1", ""),
        row(3, "D1", "U1"),
        row(4, "D2", ""),
        row(5, "D2", ""),
        row(6, "D2", "U1"),
    ];
    let device = |id: &str| json!([format!("$device:{id}")]);
    let user = || json!(["U1"]);
    let after = [
        (1, vec![device("D1")]),
        (1, vec![device("D1"), device("D1")]),
        (1, vec![user(), user(), user()]),
        (2, vec![user(), user(), user(), device("D2")]),
        (2, vec![user(), user(), user(), device("D2"), device("D2")]),
        (1, vec![user(), user(), user(), user(), user(), user()]),
    ];
    for way in WAYS {
        let engine = sent(way, IdentitySystem::Simplified, &[]).await;
        for (record, (users, resolved)) in rows.iter().zip(&after) {
            send(way, &engine, record).await;
            assert_eq!(
                ask_one(&engine, "SELECT count(DISTINCT user_id) FROM events").await,
                *users,
                "{way:?} {record}"
            );
            assert_eq!(json!(ask(&engine, USERS).await), json!(resolved), "{way:?} {record}");
        }
        engine.compact(&CompactOptions { all: true }).await.unwrap();
        assert_eq!(json!(ask(&engine, USERS).await), json!(after[5].1), "{way:?}");
    }
}

/// Filters on the user find events under the ids they were sent with.
#[tokio::test(flavor = "multi_thread")]
async fn i5_filters_and_groups_see_the_present_user() {
    let records = [row(1, "D1", ""), row(2, "", "U1"), row(3, "D2", ""), row(4, "D1", "U1")];
    always(
        &records,
        &[
            ("SELECT n FROM events WHERE user_id = 'U1' ORDER BY n", json!([[1], [2], [4]])),
            ("SELECT n FROM events WHERE user_id = '$device:D1'", json!([])),
            (
                "SELECT n FROM events WHERE user_id IN ('U1', '$device:D2') ORDER BY n",
                json!([[1], [2], [3], [4]]),
            ),
            ("SELECT n FROM events WHERE user_id > '$device:D1' AND user_id < 'A'", json!([[3]])),
            (
                "SELECT user_id, count(*) FROM events GROUP BY user_id ORDER BY user_id",
                json!([["$device:D2", 1], ["U1", 3]]),
            ),
            ("SELECT n FROM events WHERE distinct_id = '$device:D1'", json!([[1]])),
            ("SELECT canonical_user('$device:D1'), canonical_user('x')", json!([["U1", "x"]])),
        ],
    )
    .await;
}

/// A link that comes days after the events, in another import, then a compaction.
#[tokio::test(flavor = "multi_thread")]
async fn i5_a_late_link_reaches_files_of_other_days() {
    let day = 86_400;
    let early: Vec<Value> = (0..30).map(|n| row(n * day, &format!("D{}", n % 3), "")).collect();
    let engine = engine_with(&early).await;
    assert_eq!(ask_one(&engine, "SELECT count(DISTINCT user_id) FROM events").await, 3);
    import(&engine, &ndjson(&[row(40 * day, "D0", "U"), row(41 * day, "D2", "U")])).await;
    let questions = [
        ("SELECT count(DISTINCT user_id) FROM events", json!([[2]])),
        ("SELECT count(*) FROM events WHERE user_id = 'U'", json!([[22]])),
        ("SELECT count(*) FROM events WHERE user_id = '$device:D1'", json!([[10]])),
        ("SELECT count(*) FROM (SELECT user_id, day FROM events GROUP BY user_id, day)", json!([[32]])),
    ];
    for (sql, expected) in &questions {
        assert_eq!(json!(ask(&engine, sql).await), *expected, "{sql}");
    }
    engine.compact(&CompactOptions { all: true }).await.unwrap();
    for (sql, expected) in &questions {
        assert_eq!(json!(ask(&engine, sql).await), *expected, "compacted: {sql}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn i7_special_events_do_nothing_under_simplified_identity() {
    let event = |name: &str, properties: Value| {
        let mut all = json!({"time": T, "distinct_id": "u1"});
        all.as_object_mut().unwrap().extend(properties.as_object().unwrap().clone());
        json!({"event": name, "properties": all})
    };
    let records = [
        event("$identify", json!({"$identified_id": "u1", "$anon_id": A})),
        event("$create_alias", json!({"alias": "x"})),
        event("$merge", json!({"$distinct_ids": ["u1", "u2"]})),
    ];
    always(
        &records,
        &[("SELECT count(*) FROM identities", json!([[0]])), ("SELECT count(*) FROM events", json!([[3]]))],
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn i8_the_first_user_of_a_device_keeps_it() {
    let rows = [row(1, "D1", ""), row(2, "D1", "U1"), row(3, "D1", ""), row(4, "D1", "U2"), row(5, "D1", "")];
    always(
        &rows,
        &[
            (USERS, json!([["U1"], ["U1"], ["U1"], ["U2"], ["U1"]])),
            (r#"SELECT n FROM events WHERE "$identity_failure_reason" IS NOT NULL"#, json!([[4]])),
            ("SELECT id, user_id FROM identities ORDER BY id", json!([["$device:D1", "U1"], ["U1", "U1"]])),
        ],
    )
    .await;
    // Every event that fails to link says so, not only the first of a request.
    let again =
        [row(1, "D1", "U1"), row(2, "D1", "U2"), row(3, "D1", "U2"), row(4, "D1", "U1"), row(5, "D1", "U2")];
    always(
        &again,
        &[(
            r#"SELECT n FROM events WHERE "$identity_failure_reason" IS NOT NULL ORDER BY n"#,
            json!([[2], [3], [5]]),
        )],
    )
    .await;
}

/// First by order of arrival, not by time.
#[tokio::test(flavor = "multi_thread")]
async fn i9_the_first_link_is_the_first_to_arrive() {
    let records = [row(9, "D1", "late"), row(1, "D1", "early"), row(2, "D1", "")];
    always(&records, &[("SELECT user_id FROM events WHERE n = 2", json!([["late"]]))]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn i10_devices_and_users_are_different_namespaces() {
    let records = [row(1, "+6512", ""), row(2, "", "+6512"), row(3, "+6512", "ann")];
    always(&records, &[(USERS, json!([["ann"], ["+6512"], ["ann"]]))]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn i11_a_canonical_export_keeps_the_id_before() {
    let engine = engine_with(&[row(1, "D1", ""), row(2, "D1", "U1"), row(3, "", "")]).await;
    let options = ExportOptions { canonical: true, ..ExportOptions::default() };
    let text = export_with(&engine, &options).await;
    let ids: Vec<(Value, Option<Value>)> = text
        .lines()
        .map(|line| {
            let properties = &read(line)["properties"];
            (properties["distinct_id"].clone(), properties.get("$distinct_id_before_identity").cloned())
        })
        .collect();
    assert_eq!(ids, [(json!("U1"), Some(json!("$device:D1"))), (json!("U1"), None), (json!(""), None)]);
}

/// I-33: the same occurrence under the device and under the user is two events, also once they are
/// one user.
#[tokio::test(flavor = "multi_thread")]
async fn d10_i33_repeats_are_found_before_merging() {
    let with_id = |device: &str, user: &str, n: i64| {
        let mut record = row(1, device, user);
        record["properties"]["$insert_id"] = json!("i");
        record["properties"]["n"] = json!(n);
        record
    };
    let records = [with_id("D1", "", 1), with_id("", "U1", 2), with_id("D1", "U1", 3), with_id("D1", "", 4)];
    always(
        &records,
        &[
            ("SELECT n, user_id FROM events ORDER BY n", json!([[3, "U1"], [4, "U1"]])),
            ("SELECT n FROM events ORDER BY time, sequence", json!([[4], [3]])),
        ],
    )
    .await;
}

/// The table of I-21 … I-24, asked after every row.
#[tokio::test(flavor = "multi_thread")]
async fn i21_i22_i23_clusters_under_original_identity() {
    let event = |name: &str, properties: Value| {
        let mut all = json!({"time": T, "token": "t"});
        all.as_object_mut().unwrap().extend(properties.as_object().unwrap().clone());
        json!({"event": name, "properties": all})
    };
    let rows = [
        event("$identify", json!({"distinct_id": "u1", "$identified_id": "u1", "$anon_id": A})),
        event("$identify", json!({"distinct_id": "u1", "$identified_id": "u1", "$anon_id": B})),
        event("$identify", json!({"distinct_id": "u2", "$identified_id": "u2", "$anon_id": A})),
        event("$identify", json!({"distinct_id": "u3", "$identified_id": "u3", "$anon_id": "dev-7"})),
        event("$create_alias", json!({"distinct_id": "u1", "alias": "mail1"})),
        event("$create_alias", json!({"distinct_id": "u2", "alias": "mail1"})),
        event("$merge", json!({"distinct_id": "u1", "$distinct_ids": ["u1", "u2"]})),
    ];
    let clusters: [&[&str]; 7] = [
        &[A, "u1"],
        &[A, B, "u1"],
        &[A, B, "u1"],
        &[A, B, "u1"],
        &[A, B, "mail1", "u1"],
        &[A, B, "mail1", "u1"],
        &[A, B, "mail1", "u1", "u2"],
    ];
    let refused = [false, false, true, true, false, true, false];
    for way in WAYS {
        let engine = sent(way, IdentitySystem::Original, &[]).await;
        for (at, record) in rows.iter().enumerate() {
            send(way, &engine, record).await;
            let expected: Vec<Value> = clusters[at].iter().map(|id| json!([id, "u1"])).collect();
            assert_eq!(
                json!(ask(&engine, "SELECT id, user_id FROM identities ORDER BY id").await),
                json!(expected),
                "{way:?} row {}",
                at + 1
            );
        }
        let reasons: Vec<Value> = if refused.contains(&true) {
            ask(
                &engine,
                r#"SELECT "$identity_failure_reason" IS NOT NULL FROM events ORDER BY time, sequence"#,
            )
            .await
            .concat()
        } else {
            Vec::new()
        };
        assert_eq!(json!(reasons), json!(refused), "{way:?}");
        // Row 8: on /track a merge is stored and ignored.
        let merge = event("$merge", json!({"distinct_id": "u1", "$distinct_ids": ["u1", "u3"]}));
        engine.append_json(merge.to_string().as_bytes(), WireForm::Track).await.unwrap();
        assert_eq!(ask_one(&engine, "SELECT count(*) FROM events").await, 8);
        assert_eq!(ask_one(&engine, "SELECT count(*) FROM identities").await, 5, "{way:?}: $merge on /track");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn i21_the_sdk_spelling_and_the_device_prefix() {
    let anonymous = format!("$device:{A}");
    let records = [
        json!({"event": "$identify", "properties": {"time": T, "distinct_id": "u1", "$anon_distinct_id": anonymous}}),
        json!({"event": "A", "properties": {"time": T, "distinct_id": anonymous}}),
        // `distinct_id` defaults to `$identified_id`.
        json!({"event": "$identify", "properties": {"time": T, "$identified_id": "u1", "$anon_id": B}}),
    ];
    for way in WAYS {
        let engine = sent(way, IdentitySystem::Original, &records).await;
        assert_eq!(ask(&engine, "SELECT DISTINCT user_id FROM events").await, [[json!("u1")]], "{way:?}");
        assert_eq!(ask_one(&engine, "SELECT count(*) FROM identities").await, 3, "{way:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn i22_aliases_chain() {
    let alias = |id: &str, alias: &str| json!({"event": "$create_alias", "properties": {"time": T, "distinct_id": id, "alias": alias}});
    let records = [alias("a", "b"), alias("b", "c")];
    for way in WAYS {
        let engine = sent(way, IdentitySystem::Original, &records).await;
        assert_eq!(
            json!(ask(&engine, "SELECT id, user_id FROM identities ORDER BY id").await),
            json!([["a", "a"], ["b", "a"], ["c", "a"]]),
            "{way:?}"
        );
    }
}

/// An event of an id that becomes part of a cluster later counts for the cluster, in every file.
#[tokio::test(flavor = "multi_thread")]
async fn i20_i25_the_canonical_id_may_change() {
    let event =
        |id: &str, n: i64| json!({"event": "A", "properties": {"time": T + n, "distinct_id": id, "n": n}});
    let merge = |one: &str, other: &str| json!({"event": "$merge", "properties": {"time": T, "distinct_id": one, "$distinct_ids": [one, other]}});
    let identify = json!({"event": "$identify", "properties": {"time": T, "distinct_id": "z", "$identified_id": "z", "$anon_id": A}});
    let records = [
        event("b", 1),
        event("a", 2),
        merge("b", "a"),
        event(A, 3),
        event("c", 4),
        identify,
        merge("a", "z"),
    ];
    for way in WAYS {
        let engine = sent(way, IdentitySystem::Original, &records).await;
        let users = ask(&engine, "SELECT user_id FROM events WHERE event = 'A' ORDER BY n").await;
        assert_eq!(json!(users), json!([["z"], ["z"], ["z"], ["c"]]), "{way:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_identity_takes_every_id_as_a_user() {
    let records = [
        json!({"event": "A", "properties": {"time": T, "distinct_id": "x", "$device_id": "D", "$user_id": "U"}}),
        json!({"event": "A", "properties": {"time": T, "distinct_id": "$device:D", "$device_id": "D"}}),
    ];
    for way in WAYS {
        let engine = sent(way, IdentitySystem::None, &records).await;
        let users = ask(&engine, "SELECT user_id FROM events ORDER BY sequence").await;
        assert_eq!(json!(users), json!([["x"], ["$device:D"]]), "{way:?}");
    }
}

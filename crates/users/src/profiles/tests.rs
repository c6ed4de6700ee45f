//! The worked examples of sections 2.1 and 2.6, and the rules against a second, naive reading.

use std::collections::BTreeMap;

use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::IdentityOp;

const NOW: Timestamp = Timestamp::from_millis(1_700_000_000_000);

/// The update sent as this record.
fn update(record: &serde_json::Value) -> ProfileUpdate {
    let text = record.to_string();
    match serde_json::from_str(&text).unwrap() {
        PropertyValue::Object(entries) => ProfileUpdate::from_record(&entries).unwrap(),
        other => panic!("{other} is no record"),
    }
}

fn user(id: &str) -> ProfileKey {
    ProfileKey::User(id.to_owned())
}

/// A profile as JSON; null for none.
fn shown(profiles: &Profiles, key: &ProfileKey) -> serde_json::Value {
    profiles
        .get(key)
        .map_or(serde_json::Value::Null, |profile| serde_json::to_value(&profile.properties).unwrap())
}

/// Applies records to the user `u1` (whose id is filled in), starting with `profile`, and checks
/// the profile after each.
fn check(profile: &serde_json::Value, steps: &[(serde_json::Value, serde_json::Value)]) {
    let identities = Identities::default();
    let mut profiles = Profiles::default();
    if !profile.is_null() {
        profiles.apply(&update(&json!({"$distinct_id": "u1", "$set": profile})), NOW, &identities);
    }
    for (record, after) in steps {
        let mut record = record.clone();
        record["$distinct_id"] = json!("u1");
        profiles.apply(&update(&record), NOW, &identities);
        assert_eq!(shown(&profiles, &user("u1")), *after, "{record}");
    }
}

#[test]
fn u1_to_u8_worked_example() {
    check(
        &json!(null),
        &[
            (json!({"$set": {"plan": "free", "n": 1}}), json!({"plan": "free", "n": 1})),
            (
                json!({"$set_once": {"plan": "pro", "src": "ad"}}),
                json!({"plan": "free", "n": 1, "src": "ad"}),
            ),
            (json!({"$add": {"n": -3, "m": 2}}), json!({"plan": "free", "n": -2, "src": "ad", "m": 2})),
            (
                json!({"$append": {"tags": "a"}}),
                json!({"plan": "free", "n": -2, "src": "ad", "m": 2, "tags": ["a"]}),
            ),
            (
                json!({"$append": {"tags": "a"}}),
                json!({"plan": "free", "n": -2, "src": "ad", "m": 2, "tags": ["a", "a"]}),
            ),
            (
                json!({"$union": {"tags": ["a", "b"]}}),
                json!({"plan": "free", "n": -2, "src": "ad", "m": 2, "tags": ["a", "a", "b"]}),
            ),
            (
                json!({"$remove": {"tags": "a"}}),
                json!({"plan": "free", "n": -2, "src": "ad", "m": 2, "tags": ["b"]}),
            ),
            (json!({"$unset": ["src"]}), json!({"plan": "free", "n": -2, "m": 2, "tags": ["b"]})),
            (json!({"$delete": ""}), json!(null)),
        ],
    );
}

#[test]
fn u2_set_once_keeps_what_is_there() {
    check(&json!({"a": 9}), &[(json!({"$set_once": {"a": 1, "b": 2}}), json!({"a": 9, "b": 2}))]);
    check(&json!({"a": null}), &[(json!({"$set_once": {"a": 1}}), json!({"a": null}))]);
}

#[test]
fn u3_add_skips_what_is_no_number() {
    check(
        &json!({"s": "5", "z": null, "i": 1, "f": 0.5, "big": i64::MAX, "huge": 1.7e308}),
        &[
            (
                json!({"$add": {"s": 1, "z": 1, "i": "1", "new": "1", "f": 1}}),
                json!({"s": "5", "z": null, "i": 1, "f": 1.5, "big": i64::MAX, "huge": 1.7e308}),
            ),
            (
                json!({"$add": {"i": 0.5, "big": 1, "huge": 1.7e308}}),
                json!({"s": "5", "z": null, "i": 1.5, "f": 1.5, "big": 9.223_372_036_854_776e18, "huge": 1.7e308}),
            ),
        ],
    );
}

#[test]
fn u4_append_pushes_a_list_as_one_item() {
    check(
        &json!({"t": ["a"]}),
        &[(json!({"$append": {"t": ["b"], "n": ["c"]}}), json!({"t": ["a", ["b"]], "n": [["c"]]}))],
    );
}

#[test]
fn u5_union_tells_types_apart() {
    check(
        &json!({"tags": [1]}),
        &[
            (json!({"$union": {"tags": [1, "1", 2, 2]}}), json!({"tags": [1, "1", 2]})),
            (
                json!({"$union": {"tags": [2.0, true], "new": ["x", "x"]}}),
                json!({"tags": [1, "1", 2, true], "new": ["x"]}),
            ),
            (json!({"$union": {"empty": []}}), json!({"tags": [1, "1", 2, true], "new": ["x"], "empty": []})),
        ],
    );
}

#[test]
fn u6_remove_takes_all_equal_items_out() {
    check(
        &json!({"t": [1, "1", 1.0, [1]], "s": 1}),
        &[
            (json!({"$remove": {"t": 1, "s": 1, "absent": 1}}), json!({"t": ["1", [1]], "s": 1})),
            (json!({"$remove": {"t": [1]}}), json!({"t": ["1"], "s": 1})),
            (json!({"$remove": {"t": "none"}}), json!({"t": ["1"], "s": 1})),
        ],
    );
}

#[test]
fn u9_what_does_not_fit_is_skipped_and_the_rest_applies() {
    let before = json!({"s": "x", "n": 1});
    for record in [
        json!({"$append": {"s": "y", "ok": 1}}),
        json!({"$union": {"s": ["y"], "n": ["z"], "new": "scalar", "ok": [1]}}),
    ] {
        check(&before, &[(record, json!({"s": "x", "n": 1, "ok": [1]}))]);
    }
}

#[test]
fn u10_order_within_a_record() {
    let record = json!({
        "$remove": {"t": "a"}, "$union": {"t": ["b", "c"]}, "$append": {"t": "b"}, "$add": {"n": 1},
        "$set_once": {"n": 5, "s": 7}, "$set": {"s": 6, "t": ["a"]}, "$unset": ["s"], "$delete": null, "$merge": {},
    });
    check(&json!({"n": 100, "s": 1, "old": 1}), &[(record, json!({"s": 6, "t": ["b", "c"], "n": 6}))]);
}

#[test]
fn which_operations_create_a_profile() {
    for (record, after) in [
        (json!({"$set": {}}), json!({})),
        (json!({"$set_once": {"a": 1}}), json!({"a": 1})),
        (json!({"$add": {"a": 1}}), json!({"a": 1})),
        (json!({"$append": {"a": 1}}), json!({"a": [1]})),
        (json!({"$union": {"a": [1]}}), json!({"a": [1]})),
        (json!({"$remove": {"a": 1}}), json!(null)),
        (json!({"$unset": ["a"]}), json!(null)),
        (json!({"$delete": true}), json!(null)),
        (json!({"$delete": true, "$set": {"a": 1}}), json!({"a": 1})),
    ] {
        check(&json!(null), &[(record, after)]);
    }
}

#[test]
fn u11_arrival_order_counts_and_u12_last_seen_is_the_time_sent() {
    let identities = Identities::default();
    let mut profiles = Profiles::default();
    let mut check = |record: serde_json::Value, received_at: i64, plan: &str, last_seen: Option<i64>| {
        profiles.apply(&update(&record), Timestamp::from_millis(received_at), &identities);
        let profile = profiles.get(&user("u1")).unwrap();
        assert_eq!(profile.property("plan"), Some(&plan.into()), "{record}");
        assert_eq!(profile.last_seen, last_seen.map(Timestamp::from_millis), "{record}");
    };
    let record = |plan: &str| json!({"$distinct_id": "u1", "$set": {"plan": plan}});
    let with = |plan: &str, name: &str, value: serde_json::Value| {
        let mut record = record(plan);
        record[name] = value;
        record
    };
    check(with("free", "$ignore_time", json!(true)), 5_000, "free", None);
    check(record("pro"), 5_000, "pro", Some(5_000));
    check(with("old", "$time", json!(3)), 6_000, "old", Some(3_000));
    check(with("new", "$ignore_time", json!(1)), 7_000, "new", Some(3_000));
    check(json!({"$distinct_id": "u1", "$unset": ["x"]}), 8_000, "new", Some(8_000));
}

#[test]
fn u17_u34_u36_groups_have_profiles_of_their_own() {
    let identities = Identities::default();
    let mut profiles = Profiles::default();
    for record in [
        json!({"$group_key": "company", "$group_id": "2", "$set": {"tier": "silver"}}),
        json!({"$group_key": "company", "$group_id": 1, "$set": {"tier": "gold"}}),
        json!({"$group_key": "company", "$group_id": "1", "$union": {"tags": ["a"]}, "$set_once": {"tier": "x"}}),
        json!({"$group_key": "city", "$group_id": "1", "$add": {"n": 1}}),
        json!({"$distinct_id": "1", "$set": {"tier": "mine"}}),
    ] {
        profiles.apply(&update(&record), NOW, &identities);
    }
    let groups: Vec<_> =
        profiles.groups().map(|(key, id, profile)| (key, id, profile.properties.0.len())).collect();
    assert_eq!(groups, [("city", "1", 1), ("company", "1", 2), ("company", "2", 1)]);
    let key = ProfileKey::Group { key: "company".to_owned(), id: "1".to_owned() };
    assert_eq!(shown(&profiles, &key), json!({"tier": "gold", "tags": ["a"]}));
    assert_eq!(shown(&profiles, &user("1")), json!({"tier": "mine"}));
    profiles.apply(
        &update(&json!({"$group_key": "company", "$group_id": "1", "$delete": ""})),
        NOW,
        &identities,
    );
    assert_eq!(profiles.get(&key), None);
    assert_eq!(profiles.users().count(), 1);
}

#[test]
fn g12_nobody_has_no_profile() {
    let mut profiles = Profiles::default();
    let set = ProfileOp::Set(Properties(vec![("a".to_owned(), 1.into())]));
    profiles.apply(&ProfileUpdate::new(user(""), vec![set]), NOW, &Identities::default());
    assert_eq!(profiles.users().count(), 0);
}

fn link(device_id: &str, user_id: &str) -> IdentityOp {
    IdentityOp::Link { device_id: device_id.to_owned(), user_id: user_id.to_owned() }
}

fn merge(first: &str, second: &str) -> IdentityOp {
    IdentityOp::Merge { first: first.to_owned(), second: second.to_owned() }
}

fn set(id: &str, properties: &serde_json::Value) -> ProfileUpdate {
    update(&json!({"$distinct_id": id, "$set": properties}))
}

fn ids<'a>(profiles: impl Iterator<Item = (&'a str, &'a Profile)>) -> Vec<&'a str> {
    profiles.map(|(id, _)| id).collect()
}

#[test]
fn u18_device_profiles_are_not_carried_to_the_user() {
    let mut identities = Identities::default();
    let mut profiles = Profiles::default();
    profiles.apply(&set("$device:D1", &json!({"a": 1})), NOW, &identities);
    profiles.apply(&set("$device:D2", &json!({"a": 2})), NOW, &identities);
    profiles.apply(&set("U1", &json!({"b": 1})), NOW, &identities);
    assert_eq!(ids(profiles.users()), ["$device:D1", "$device:D2", "U1"]);

    let before = profiles.clone();
    identities.apply(&link("D1", "U1"));
    profiles.merge(&identities);
    assert_eq!(ids(profiles.users()), ["$device:D2", "U1"]);
    assert_eq!(ids(profiles.left_behind()), ["$device:D1"]);
    assert_eq!(profiles.get(&user("$device:D1")), None);
    assert_eq!(shown(&profiles, &user("U1")), json!({"b": 1}));

    // From now on any id of the cluster is the user's.
    profiles.apply(&set("$device:D1", &json!({"c": 1})), NOW, &identities);
    assert_eq!(shown(&profiles, &user("U1")), json!({"b": 1, "c": 1}));
    assert_eq!(ids(before.users()), ["$device:D1", "$device:D2", "U1"]);
    assert_eq!(shown(&before, &user("U1")), json!({"b": 1}));
}

#[test]
fn u8_ignore_alias_acts_on_the_literal_id() {
    let mut identities = Identities::default();
    let mut profiles = Profiles::default();
    profiles.apply(&set("$device:D1", &json!({"a": 1})), NOW, &identities);
    profiles.apply(&set("U1", &json!({"b": 1})), NOW, &identities);
    identities.apply(&link("D1", "U1"));
    let literal = json!({"$distinct_id": "$device:D1", "$delete": "", "$ignore_alias": true});
    profiles.apply(&update(&literal), NOW, &identities);
    assert_eq!((ids(profiles.users()), profiles.left_behind().count()), (vec!["U1"], 0));
    let resolved = json!({"$distinct_id": "$device:D1", "$delete": ""});
    profiles.apply(&update(&resolved), NOW, &identities);
    assert_eq!(profiles.users().count(), 0);
}

#[test]
fn u19_values_of_the_canonical_id_win_and_others_fill_in_the_order_seen() {
    let mut identities = Identities::new(IdentitySystem::Original);
    let mut profiles = Profiles::default();
    for (id, properties) in [
        ("a", json!({"p": "a"})),
        ("b", json!({"p": "b", "q": "b"})),
        ("c", json!({"p": "c", "q": "c", "r": "c", "z": null})),
        ("d", json!({"z": 1, "s": "d"})),
    ] {
        profiles.apply(&set(id, &properties), NOW, &identities);
    }
    let literal = json!({"$distinct_id": "e", "$set": {}, "$ignore_time": true});
    profiles.apply(&update(&literal), NOW, &identities);
    let before = profiles.clone();
    for op in [merge("a", "c"), merge("b", "d"), merge("d", "a")] {
        assert_eq!(identities.apply(&op), crate::IdentityOutcome::Joined);
    }
    // c fills a and d fills b before b fills a.
    profiles.merge(&identities);
    assert_eq!(ids(profiles.users()), ["a", "e"]);
    assert_eq!(shown(&profiles, &user("a")), json!({"p": "a", "q": "c", "r": "c", "z": null, "s": "d"}));
    assert_eq!(before.users().count(), 5);
    // `$last_seen` is filled as the properties are.
    identities.apply(&merge("e", "f"));
    let sent = json!({"$distinct_id": "g", "$set": {}, "$time": 5});
    profiles.apply(&update(&sent), NOW, &identities);
    identities.apply(&merge("e", "g"));
    profiles.merge(&identities);
    assert_eq!(profiles.get(&user("e")).unwrap().last_seen, Some(Timestamp::from_millis(5_000)));
    identities.apply(&merge("a", "e"));
    profiles.merge(&identities);
    assert_eq!(profiles.get(&user("a")).unwrap().last_seen, Some(NOW));
}

#[test]
fn u19_two_profiles_that_give_way_at_once_fill_in_the_order_seen() {
    const UUID: &str = "aaaaaaaa-aaaa-4aaa-8aaa-aaaaaaaaaaaa";
    let mut identities = Identities::new(IdentitySystem::Original);
    let mut profiles = Profiles::default();
    // `x` was seen first; `y`, which has no profile of its own left, becomes canonical.
    identities.apply(&merge("x", "y"));
    profiles.apply(&set(UUID, &json!({"p": "anon", "q": "anon"})), NOW, &identities);
    profiles.apply(&set("y", &json!({"p": "x"})), NOW, &identities);
    identities.apply(&IdentityOp::Identify { identified_id: "y".to_owned(), anon_id: UUID.to_owned() });
    profiles.merge(&identities);
    assert_eq!(ids(profiles.users()), ["y"]);
    assert_eq!(shown(&profiles, &user("y")), json!({"p": "x", "q": "anon"}));
}

#[test]
fn u19_what_was_addressed_to_the_new_canonical_id_itself_wins() {
    const UUID: &str = "aaaaaaaa-aaaa-4aaa-8aaa-aaaaaaaaaaaa";
    let mut identities = Identities::new(IdentitySystem::Original);
    let mut profiles = Profiles::default();
    identities.apply(&merge("x", "y"));
    profiles.apply(&set("x", &json!({"p": "x", "q": "x"})), NOW, &identities);
    let literal = json!({"$distinct_id": "y", "$set": {"p": "y"}, "$ignore_alias": true});
    profiles.apply(&update(&literal), NOW, &identities);
    assert_eq!((ids(profiles.users()), ids(profiles.left_behind())), (vec!["x"], vec!["y"]));
    identities.apply(&IdentityOp::Identify { identified_id: "y".to_owned(), anon_id: UUID.to_owned() });
    profiles.merge(&identities);
    assert_eq!((ids(profiles.users()), profiles.left_behind().count()), (vec!["y"], 0));
    assert_eq!(shown(&profiles, &user("y")), json!({"p": "y", "q": "x"}));
}

#[test]
fn removing_a_user_forgets_the_profiles_left_behind_too() {
    let mut identities = Identities::default();
    let mut profiles = Profiles::default();
    for id in ["$device:D1", "$device:D2", "U1", "U2"] {
        profiles.apply(&set(id, &json!({"a": 1})), NOW, &identities);
    }
    identities.apply(&link("D1", "U1"));
    profiles.merge(&identities);
    profiles.remove_user(&identities.remove_user("U1"));
    assert_eq!(ids(profiles.users()), ["$device:D2", "U2"]);
    assert_eq!(profiles.left_behind().count(), 0);
    profiles.apply(&set("$device:D1", &json!({"b": 1})), NOW, &identities);
    assert_eq!(shown(&profiles, &user("$device:D1")), json!({"b": 1}));
}

#[test]
fn many_properties_are_as_exact_as_few() {
    let mut profiles = Profiles::default();
    let numbered = |from: i32, to: i32, value: i32| -> serde_json::Value {
        (from..to).map(|n| (format!("p{n}"), json!(value))).collect::<serde_json::Map<_, _>>().into()
    };
    profiles.apply(&set("u1", &numbered(0, 300, 1)), NOW, &Identities::default());
    profiles.apply(&set("u1", &numbered(200, 500, 2)), NOW, &Identities::default());
    let profile = profiles.get(&user("u1")).unwrap();
    let names: Vec<_> = profile.properties.0.iter().map(|(name, _)| name.clone()).collect();
    assert_eq!(names, (0..500).map(|n| format!("p{n}")).collect::<Vec<_>>());
    for n in 0..500 {
        assert_eq!(profile.property(&format!("p{n}")), Some(&if n < 200 { 1 } else { 2 }.into()));
    }
}

/// The rules on JSON values, written out one by one.
fn naive_apply(profile: &mut Option<BTreeMap<String, PropertyValue<'static>>>, ops: &[ProfileOp]) {
    use ProfileOp as Op;
    if ops.iter().any(|op| matches!(op, Op::Delete)) {
        *profile = None;
    }
    for kind in 0..7 {
        for op in ops {
            match (kind, op) {
                (0, Op::Unset(names)) => {
                    if let Some(profile) = profile {
                        for name in names {
                            profile.remove(name);
                        }
                    }
                }
                (1, Op::Set(given)) => {
                    profile.get_or_insert_default().extend(given.0.iter().cloned());
                }
                (2, Op::SetOnce(given)) => {
                    let profile = profile.get_or_insert_default();
                    for (name, value) in &given.0 {
                        profile.entry(name.clone()).or_insert_with(|| value.clone());
                    }
                }
                (3, Op::Add(given)) => {
                    let profile = profile.get_or_insert_default();
                    for (name, value) in &given.0 {
                        let Some(n) = value.as_f64() else { continue };
                        match profile.get(name) {
                            None => profile.insert(name.clone(), value.clone()),
                            Some(old) => {
                                old.as_f64().and_then(|old| profile.insert(name.clone(), (old + n).into()))
                            }
                        };
                    }
                }
                (4, Op::Append(given)) => {
                    let profile = profile.get_or_insert_default();
                    for (name, value) in &given.0 {
                        let list = profile.entry(name.clone()).or_insert(PropertyValue::List(Vec::new()));
                        if let PropertyValue::List(items) = list {
                            items.push(value.clone());
                        }
                    }
                }
                (5, Op::Union(given)) => {
                    let profile = profile.get_or_insert_default();
                    for (name, value) in &given.0 {
                        let PropertyValue::List(added) = value else { continue };
                        let list = profile.entry(name.clone()).or_insert(PropertyValue::List(Vec::new()));
                        let PropertyValue::List(items) = list else { continue };
                        for item in added {
                            if items.iter().all(|known| known != item) {
                                items.push(item.clone());
                            }
                        }
                    }
                }
                (6, Op::Remove(given)) => {
                    let Some(profile) = profile else { continue };
                    for (name, value) in &given.0 {
                        if let Some(PropertyValue::List(items)) = profile.get_mut(name) {
                            *items = items.iter().filter(|item| *item != value).cloned().collect();
                        }
                    }
                }
                _ => {}
            }
        }
    }
}

fn value() -> impl Strategy<Value = PropertyValue<'static>> {
    let scalar = prop_oneof![
        Just(PropertyValue::Null),
        any::<bool>().prop_map(PropertyValue::Bool),
        (-3i64..4).prop_map(PropertyValue::Int),
        (-6i8..7).prop_map(|halves| PropertyValue::Float(f64::from(halves) / 2.0)),
        "[ab1]".prop_map(PropertyValue::from),
    ];
    prop_oneof![2 => scalar.clone(), 1 => prop::collection::vec(scalar, 0..4).prop_map(PropertyValue::List)]
}

fn properties() -> impl Strategy<Value = Properties> {
    prop::collection::btree_map("[a-d]", value(), 0..4).prop_map(|map| Properties(map.into_iter().collect()))
}

fn op() -> impl Strategy<Value = ProfileOp> {
    prop_oneof![
        1 => Just(ProfileOp::Delete),
        1 => prop::collection::vec("[a-d]", 0..3).prop_map(ProfileOp::Unset),
        2 => properties().prop_map(ProfileOp::Set),
        2 => properties().prop_map(ProfileOp::SetOnce),
        2 => properties().prop_map(ProfileOp::Add),
        2 => properties().prop_map(ProfileOp::Append),
        2 => properties().prop_map(ProfileOp::Union),
        2 => properties().prop_map(ProfileOp::Remove),
    ]
}

/// A step of a history: users joined, or a user's profile updated.
#[derive(Debug, Clone)]
enum Step {
    Identity(IdentityOp),
    Update(ProfileUpdate),
}

fn steps(system: IdentitySystem) -> impl Strategy<Value = Vec<Step>> {
    let id = move || {
        (0..8).prop_map(move |n: i32| match system {
            IdentitySystem::Simplified if n < 5 => format!("$device:{n}"),
            _ => n.to_string(),
        })
    };
    let identity =
        (0..8, 0..8, any::<bool>()).prop_map(move |(one, other, aliased): (i32, i32, bool)| match system {
            IdentitySystem::Simplified => link(&(one % 5).to_string(), &(5 + other % 3).to_string()),
            _ if aliased => IdentityOp::Alias { distinct_id: one.to_string(), alias: other.to_string() },
            _ => merge(&one.to_string(), &other.to_string()),
        });
    let update = (id(), prop::collection::vec(op(), 1..3), prop::bool::weighted(0.2)).prop_map(
        |(id, ops, literal)| ProfileUpdate {
            ignore_alias: literal,
            ..ProfileUpdate::new(ProfileKey::User(id), ops)
        },
    );
    prop::collection::vec(
        prop_oneof![identity.prop_map(Step::Identity), update.prop_map(Step::Update)],
        0..40,
    )
}

fn contents(profiles: &Profiles) -> Vec<(String, Profile)> {
    let all = profiles.users().chain(profiles.left_behind());
    all.map(|(id, profile)| (id.to_owned(), profile.clone())).collect()
}

proptest! {
    #[test]
    fn operations_are_as_the_naive_reading(records in prop::collection::vec(prop::collection::vec(op(), 1..4), 1..12)) {
        let mut profiles = Profiles::default();
        let mut naive = None;
        for ops in records {
            naive_apply(&mut naive, &ops);
            profiles.apply(&ProfileUpdate::new(user("u1"), ops), NOW, &Identities::default());
            let found = profiles.get(&user("u1")).map(|profile| {
                profile.properties.0.iter().cloned().collect::<BTreeMap<_, _>>()
            });
            prop_assert_eq!(&found, &naive);
            let count = profiles.get(&user("u1")).map(|profile| profile.properties.0.len());
            prop_assert_eq!(count, naive.as_ref().map(BTreeMap::len), "names are unique");
        }
    }

    /// Merging after every operation, or only before the next update, or at the end is the same;
    /// only canonical ids have profiles; older clones stay as they were.
    #[test]
    fn it_does_not_matter_when_profiles_are_merged(
        (system, steps) in prop_oneof![Just(IdentitySystem::Simplified), Just(IdentitySystem::Original)]
            .prop_flat_map(|system| (Just(system), steps(system))),
    ) {
        let mut identities = Identities::new(system);
        let (mut eager, mut lazy) = (Profiles::default(), Profiles::default());
        let mut older = Vec::new();
        for (number, step) in steps.iter().enumerate() {
            older.push((eager.clone(), contents(&eager)));
            match step {
                Step::Identity(op) => {
                    identities.apply(op);
                    eager.merge(&identities);
                }
                Step::Update(update) => {
                    let received_at = Timestamp::from_millis(number as i64);
                    eager.apply(update, received_at, &identities);
                    lazy.apply(update, received_at, &identities);
                }
            }
            prop_assert!(eager.users().all(|(id, _)| identities.canonical(id) == id));
            prop_assert!(eager.left_behind().all(|(id, _)| identities.canonical(id) != id));
            prop_assert!(eager.users().is_sorted_by_key(|(id, _)| id));
        }
        lazy.merge(&identities);
        prop_assert_eq!(contents(&eager), contents(&lazy));
        for (profiles, expected) in older {
            prop_assert_eq!(contents(&profiles), expected);
        }
    }
}

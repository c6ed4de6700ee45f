//! Random definitions of insights reports, and of cohorts they name, over the histories of
//! `histories.rs`.
//!
//! They aim at edges, and keep away from what the rules leave open: what a distribution is in a
//! formula or a mean, the profiles of users where groups are counted, a comparison or sessions in a
//! range that starts at a time of day.

use std::collections::BTreeMap;

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;
use serde_json::{Map, Value, json};

use crate::histories::EVENTS;

/// The saved events that definitions name; one has the name of a stored one.
pub fn saved_events() -> BTreeMap<String, Value> {
    let visit = json!(["Visit", {"event": "Buy", "where": {"property": "mins", "at_least": 5}}]);
    let listen = json!({"event": "$all_events", "where": {"property": "genre", "is_set": true}});
    [("Visit", visit), ("Listen", listen)].map(|(name, event)| (name.to_owned(), event)).into()
}

/// What is read as something else (M-22).
pub fn lexicon() -> Value {
    json!({
        "events": {"$campaign_delivery": {"merged_into": "Play"}},
        "event_properties": {"tags": {"merged_into": "mixed"}, "flag": {"merged_into": "genre"}, "nums": {"merged_into": "numbers"}},
    })
}

/// The saved cohorts that definitions name.
pub const COHORTS: &[&str] = &["first", "second", "third", "companies"];
/// Those of users among them.
const OF_USERS: &[&str] = &["first", "second", "third"];

pub(crate) fn one_of(values: Value) -> impl Strategy<Value = Value> {
    match values {
        Value::Array(values) => select(values),
        other => select(vec![other]),
    }
}

/// An object with those of the fields that are there.
pub(crate) fn object<const N: usize>(fields: [(&str, Option<Value>); N]) -> Value {
    let there = fields.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?)));
    Value::Object(there.collect::<Map<_, _>>())
}

/// Which properties a filter or breakdown may name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Of {
    /// Those of the event alone.
    Events,
    /// Those of its user and group too.
    EventsAndUsers,
    /// Those of a profile.
    Users,
}

pub(crate) fn property(of: Of) -> impl Strategy<Value = Value> {
    let events = [
        "genre",
        "mins",
        "mixed",
        "tags",
        "nums",
        "flag",
        "when",
        "company",
        "geo.city",
        "geo.n",
        "cart.b",
        "cart.p",
        "time",
        "$event_count",
    ];
    let users = ["user.plan", "user.age", "user.likes", "user.born"];
    let mut all: Vec<Value> = Vec::new();
    if of != Of::Users {
        all.extend(events.map(Value::from));
        all.push(json!({"item_count": "tags"}));
        all.extend(from_elsewhere());
    }
    if of != Of::Events {
        all.extend(users.map(Value::from));
    }
    if of == Of::EventsAndUsers {
        all.push(Value::from("group.company.tier"));
        all.extend(done_in_a_time());
    }
    if of != Of::Events {
        all.push(json!("lookup.user.plan.seats"));
        all.push(json!({"of": "user.likes", "column": "name"}));
    }
    select(all)
}

/// What lookup tables and other events of the user say (U-40, K-50, A-3, A-16).
fn from_elsewhere() -> Vec<Value> {
    let properties = json!([
        "lookup.genre.kind",
        "lookup.tags.weight",
        "lookup.mixed.weight",
        "lookup.tags.names",
        {"of": "genre", "column": "names"},
        {"lookup": "things", "of": "cart.b", "column": "weight"},
        {"lookup": "things", "of": "genre", "column": "made"},
        {"borrow": "genre", "from": "Play"},
        {"borrow": "mins", "from": ["Buy", "Visit"], "within": "36 hours"},
        {"borrow": "tags", "from": "Play", "within": "1 day"},
        {"borrow": "mixed", "from": "$all_events", "within": "1 hour"},
        {"borrow": "when", "from": "$all_events", "within": "1 month"},
        {"borrow": "cart.p", "from": {"event": "Play", "where": {"property": "mins", "at_least": 5}}},
        {"borrow": "lookup.genre.weight", "from": "Visit"},
        {"seconds_to_next": "Play"},
        {"seconds_to_next": {"any_of": ["Play", {"event": "Buy", "where": {"property": "genre", "is_set": true}}]}},
        {"user_history": "plan"},
        {"user_history": "plan"},
        {"user_history": "age"},
        {"user_history": "likes"},
        {"attributed": "genre"},
        {"attributed": "mixed", "model": "first", "within": "12 hours", "touchpoints": "Visit"},
        {"attributed": "tags", "model": "linear", "within": "2 days"},
        {"attributed": "mixed", "model": "participation", "collapse_repeats": true},
    ]);
    properties.as_array().cloned().unwrap_or_default()
}

/// What a user does in a time.
fn done_in_a_time() -> Vec<Value> {
    let properties = json!([
        {"per_user": "events", "event": "Play"},
        {"per_user": "events", "event": {"event": "$all_events", "where": {"property": "genre", "is_set": true}}},
        {"per_user": {"aggregate": "sum", "of": "mins"}, "event": "Play"},
        {"per_user": {"aggregate": "max", "of": "mins"}, "event": ["Play", "Buy"]},
        {"per_user": {"aggregate": "average", "of": "mins"}, "event": "$all_events"},
        {"per_user": {"aggregate": "distinct", "of": "tags"}, "event": "Visit"},
    ]);
    properties.as_array().cloned().unwrap_or_default()
}

/// Properties that have, at least now and then, values of a kind.
fn property_with(of: Of, events: Value, users: Value) -> impl Strategy<Value = Value> {
    let lists: Vec<Value> = match of {
        Of::Events => vec![events],
        Of::EventsAndUsers => vec![events.clone(), events, users],
        Of::Users => vec![users],
    };
    select(lists).prop_flat_map(one_of)
}

fn text_condition(of: Of) -> impl Strategy<Value = (Value, (&'static str, Value))> {
    let events = json!(["genre", "genre", "genre", "tags", "tags", "mixed", "geo.city", "cart.b", "company"]);
    let texts = || {
        one_of(json!([
            "rock",
            "ROCK",
            "jazz",
            "",
            "pro",
            "a",
            "A",
            "5",
            "true",
            "Puma",
            ["rock", "a"],
            ["free", "b"]
        ]))
    };
    let operator = prop_oneof![
        (select(vec!["equals", "does_not_equal"]), texts()),
        (select(vec!["contains", "does_not_contain", "starts_with", "ends_with"]), texts()),
    ];
    (property_with(of, events, json!(["user.plan", "user.likes"])), operator)
}

fn number_condition(of: Of) -> impl Strategy<Value = (Value, (&'static str, Value))> {
    let events = json!(["mins", "mins", "mins", "nums", "mixed", "geo.n", "cart.p", {"item_count": "tags"}]);
    let numbers = || one_of(json!([5, 0, 10, 5.5, -1, 30]));
    let operator = prop_oneof![
        1 => (select(vec!["equals", "does_not_equal"]), one_of(json!([5, 0, [5, 10, 1]]))),
        3 => (select(vec!["greater_than", "less_than", "at_least", "at_most"]), numbers()),
        2 => (select(vec!["between", "not_between"]), one_of(json!([[5, 10], [0, 5.5], [10, 5], [-2, 30]]))),
    ];
    (property_with(of, events, json!(["user.age"])), operator)
}

fn date_condition(of: Of) -> impl Strategy<Value = (Value, (&'static str, Value))> {
    let days = || one_of(json!(["2024-03-30", "2024-03-31", "2024-04-01", "2024-04-07"]));
    let periods = || one_of(json!(["1 day", "3 days", "2 weeks", "1 month", "1 quarter", "36 hours"]));
    let in_time = vec!["was_in_the_last", "was_not_in_the_last", "was_before_the_last", "was_in_the_next"];
    let operator = prop_oneof![
        3 => (select(vec!["was_on", "was_not_on", "was_before", "was_since"]), days()),
        1 => (select(vec!["was_between", "was_not_between"]),
              one_of(json!([["2024-03-30", "2024-03-31"], ["2024-03-31", "2024-04-07"]]))),
        2 => (select(in_time), periods()),
    ];
    (property_with(of, json!(["when", "when", "time", "time", "mixed"]), json!(["user.born"])), operator)
}

fn other_condition(of: Of) -> impl Strategy<Value = (Value, (&'static str, Value))> {
    let scalars = one_of(json!([true, false, [true, "abc"], [5, "jazz"]]));
    let operator = prop_oneof![
        (Just("is_set"), one_of(json!([true, false]))),
        (select(vec!["equals", "does_not_equal"]), scalars),
    ];
    (property(of), operator)
}

/// A property and an operator that fits it, or now and then one that does not.
fn comparison(of: Of) -> impl Strategy<Value = (Value, (&'static str, Value))> {
    let fitting = move || {
        prop_oneof![
            4 => text_condition(of),
            4 => number_condition(of),
            2 => date_condition(of),
            2 => other_condition(of),
        ]
    };
    prop_oneof![
        5 => fitting(),
        1 => (property(of), fitting()).prop_map(|(property, (_, operator))| (property, operator)),
    ]
}

fn condition(of: Of) -> BoxedStrategy<Value> {
    let cast = option::weighted(0.2, one_of(json!(["string", "number", "boolean", "date"])));
    let items = option::weighted(0.25, one_of(json!(["any", "all"])));
    let match_case = option::weighted(0.15, one_of(json!([true, false])));
    (comparison(of), cast, items, match_case)
        .prop_map(|((property, (name, operand)), cast, items, match_case)| {
            // Whether what cannot be cast is set, the rules do not say of the items of a list.
            let cast = cast.filter(|_| name != "is_set");
            object([
                ("property", Some(property)),
                (name, Some(operand)),
                ("as", cast),
                ("items", items),
                ("match_case", match_case),
            ])
        })
        .boxed()
}

pub(crate) fn in_cohorts(names: &'static [&'static str]) -> impl Strategy<Value = Value> {
    let how = select(vec!["in_cohort", "not_in_cohort"]);
    (how, vec(select(names), 1..3)).prop_map(|(how, cohorts)| json!({how: cohorts}))
}

/// Filters, nested up to three deep; on the cohorts of these names.
pub(crate) fn filter(of: Of, cohorts: &'static [&'static str]) -> BoxedStrategy<Value> {
    let of_one = if of == Of::Users {
        condition(of).boxed()
    } else {
        prop_oneof![12 => condition(of), 1 => list_contains()].boxed()
    };
    let leaf =
        if cohorts.is_empty() { of_one } else { prop_oneof![6 => of_one, 1 => in_cohorts(cohorts)].boxed() };
    leaf.prop_recursive(2, 6, 3, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..3).prop_map(|all| json!({ "all": all })),
            vec(inner.clone(), 0..3).prop_map(|any| json!({ "any": any })),
            inner.clone().prop_map(|not| json!({ "not": not })),
            vec(inner, 1..3).prop_map(Value::from),
        ]
    })
    .boxed()
}

/// A condition on a list that leaves the items which match, alone or among others (P-32).
fn matching_items() -> BoxedStrategy<Value> {
    let condition = || {
        (
            comparison(Of::Events),
            one_of(json!(["tags", "nums", "mixed", "cart.b", "cart.p"])),
            one_of(json!(["any", "all"])),
        )
            .prop_map(|((_, (name, operand)), property, items)| {
                object([
                    ("property", Some(property)),
                    (name, Some(operand)),
                    ("items", Some(items)),
                    ("include", Some(json!("matching_items"))),
                ])
            })
    };
    let one_object = list_contains().prop_map(|mut contains| {
        contains["include"] = json!("matching_items");
        contains
    });
    let one = prop_oneof![3 => condition(), 1 => one_object];
    prop_oneof![2 => one.clone(), 1 => vec(one, 1..3).prop_map(|all| json!({ "all": all }))].boxed()
}

/// Conditions on one object of the cart (P-33).
fn list_contains() -> BoxedStrategy<Value> {
    let of_object = (text_condition(Of::Events), number_condition(Of::Events), any::<bool>()).prop_map(
        |((_, (name, text)), (_, (other, number)), is_any)| {
            let both = json!([{"property": "b", name: text}, {"property": "p", other: number}]);
            if is_any { json!({ "any": both }) } else { both }
        },
    );
    (one_of(json!(["cart", "cart", "cart", "tags", "geo"])), of_object)
        .prop_map(|(list, filter)| json!({"list_contains": list, "where": filter}))
        .boxed()
}

/// A filter of a report, which may name cohorts and says the same in all times.
pub fn any_filter() -> impl Strategy<Value = Value> {
    let is_of_a_time = |filter: &Value| filter.to_string().contains("per_user");
    filter(Of::EventsAndUsers, COHORTS)
        .prop_filter("the same in all times", move |filter| !is_of_a_time(filter))
}

/// One condition on a property.
pub fn any_condition() -> impl Strategy<Value = Value> {
    condition(Of::EventsAndUsers)
}

/// Starts and ends of sessions.
pub(crate) const OF_SESSIONS: &[&str] = &["$session_start", "$session_end"];

/// Which of its two filters decides what is first is another question than what the first is.
pub(crate) fn selector(of: Of, cohorts: &'static [&'static str]) -> BoxedStrategy<Value> {
    let name = || prop_oneof![10 => select(EVENTS), 2 => Just("Listen"), 8 => Just("$all_events"), 3 => select(OF_SESSIONS)];
    let choice = move || {
        (name(), option::weighted(0.2, filter(of, cohorts))).prop_map(|(event, filter)| match filter {
            None => Value::from(event),
            Some(filter) => json!({"event": event, "where": filter}),
        })
    };
    let first_time = one_of(json!(["ever", "filtered"]));
    prop_oneof![
        6 => choice(),
        2 => vec(choice(), 1..4).prop_map(Value::from),
        2 => (vec(choice(), 1..3), first_time)
            .prop_map(|(any_of, first)| json!({"any_of": any_of, "first_time": first})),
    ]
    .boxed()
}

pub(crate) fn aggregate(names: Value) -> impl Strategy<Value = Value> {
    one_of(names)
}

pub(crate) fn measured_property(of: Of) -> impl Strategy<Value = Value> {
    match of {
        Of::Users => one_of(json!(["user.age", "user.plan", "user.likes"])),
        Of::Events => {
            one_of(json!(["mins", "mins", "mixed", "nums", "tags", "geo.n", {"item_count": "tags"}]))
        }
        Of::EventsAndUsers => {
            one_of(json!(["mins", "mins", "mins", "mixed", "nums", "tags", "user.age", "cart.p", "genre"]))
        }
    }
}

const OVER_EVENTS: [&str; 12] = [
    "sum",
    "average",
    "min",
    "max",
    "median",
    "p90",
    "p25",
    "distinct",
    "most_frequent",
    "first",
    "variance",
    "count",
];

/// A measure that is one number.
fn number_measure(of: Of) -> BoxedStrategy<Value> {
    let of_property = (aggregate(json!(OVER_EVENTS)), measured_property(of), cast())
        .prop_map(|(aggregate, of, cast)| cast_measure(aggregate, of, cast));
    let over_users = (
        aggregate(json!(["sum", "average", "min", "max", "median", "p90", "variance", "count"])),
        per_user(of),
    )
        .prop_map(|(aggregate, per_user)| json!({"aggregate": aggregate, "per_user": per_user}));
    let words = json!([
        "total_events",
        "total_events",
        "unique_users",
        "unique_users",
        "unique_users",
        "daily_active_users",
        "weekly_active_users",
        "monthly_active_users",
        "sessions",
    ]);
    prop_oneof![4 => one_of(words), 3 => of_property, 3 => over_users].boxed()
}

fn per_user(of: Of) -> BoxedStrategy<Value> {
    prop_oneof![
        2 => Just(json!("events")),
        1 => Just(json!("sessions")),
        3 => (aggregate(json!(["sum", "average", "distinct", "min", "max"])), measured_property(of), cast())
            .prop_map(|(aggregate, of, cast)| cast_measure(aggregate, of, cast)),
    ]
    .boxed()
}

fn cast() -> impl Strategy<Value = Option<Value>> {
    option::weighted(0.25, one_of(json!(["number", "number", "string", "boolean", "date"])))
}

/// Only different values are counted of every type.
fn cast_measure(aggregate: Value, of: Value, cast: Option<Value>) -> Value {
    let cast = cast.filter(|cast| cast == "number" || aggregate == "distinct");
    object([("aggregate", Some(aggregate)), ("of", Some(of)), ("as", cast)])
}

/// Texts as measures.
fn text_measure(of: Of) -> BoxedStrategy<Value> {
    let of = prop_oneof![property(of), measured_property(of)]
        .prop_filter("the spelling of the time is its column's", |of| *of != "time");
    (aggregate(json!(["first", "most_frequent", "distribution"])), of)
        .prop_map(|(aggregate, of)| json!({"aggregate": aggregate, "of": of, "as": "string"}))
        .boxed()
}

fn distribution(of: Of) -> impl Strategy<Value = Value> {
    prop_oneof![
        measured_property(of).prop_map(|of| json!({"aggregate": "distribution", "of": of})),
        per_user(of).prop_map(|per_user| json!({"aggregate": "distribution", "per_user": per_user})),
    ]
}

fn metric(of: Of, measure: impl Strategy<Value = Value> + 'static) -> BoxedStrategy<Value> {
    let cohorts = if of == Of::EventsAndUsers { COHORTS } else { &[] };
    let once = one_of(json!(["first", "last"]));
    let filter = prop_oneof![2 => filter(of, cohorts), 1 => matching_items()];
    (selector(of, cohorts), measure, option::weighted(0.3, filter), option::weighted(0.3, once))
        .prop_map(|(event, measure, filter, once)| {
            let is_filtered_first = event.get("first_time").is_some_and(|first| first == "filtered");
            object([
                ("where", filter.filter(|_| !is_filtered_first)),
                ("count_once", once.filter(|_| measure == "unique_users")),
                ("event", Some(event)),
                ("measure", Some(measure)),
            ])
        })
        .boxed()
}

pub(crate) fn breakdown(of: Of) -> BoxedStrategy<Value> {
    let unit =
        one_of(json!(["hour", "day", "week", "month", "quarter", "year", "hour_of_day", "day_of_week"]));
    let buckets = one_of(json!([
        "auto",
        "auto",
        {"even": {"from": 0, "to": 30, "size": 10}},
        {"even": {"from": 0, "to": 25, "size": 10}},
        {"at": [0, 5, 5.5]},
        {"groups": [{"name": "b", "values": ["rock", "5"]}, {"name": "a", "values": ["rock", "jazz", "a"]}, {"name": "c", "values": ["true"]}]},
    ]));
    let dates: Vec<Value> = match of {
        Of::Users => vec![json!("user.born")],
        _ => vec![json!("when"), json!("time"), json!("time"), json!("mixed")],
    };
    // What is attributed has reports of its own, for it is measured in other ways.
    let property =
        |of: Of| property(of).prop_filter("not attributed", |property| property.get("attributed").is_none());
    let plain = property(of).prop_filter("the time itself is no segment", |property| property != "time");
    let property_alone = plain.prop_map(|property| json!({ "property": property }));
    let cast = (property(of), one_of(json!(["string", "number", "boolean"])))
        .prop_filter("the time is a date", |(property, _)| property != "time")
        .prop_map(|(property, cast)| json!({"property": property, "as": cast}));
    let put_together = (property(of), buckets, option::weighted(0.3, Just(json!("number"))))
        .prop_filter("the time is a date", |(property, ..)| property != "time")
        .prop_map(|(property, buckets, cast)| {
            let cast = cast.filter(|_| buckets.get("groups").is_none());
            object([("property", Some(property)), ("buckets", Some(buckets)), ("as", cast)])
        });
    let by_unit =
        (select(dates), unit).prop_map(|(property, unit)| json!({"property": property, "unit": unit}));
    let cohorts = vec(select(COHORTS), 1..3).prop_map(|cohorts| json!({ "cohorts": cohorts }));
    prop_oneof![
        5 => property_alone,
        2 => cast,
        3 => put_together,
        2 => by_unit,
        if of == Of::EventsAndUsers { 2 } else { 0 } => cohorts,
    ]
    .boxed()
}

/// A range, and an interval that does not cut it in too many pieces.
pub(crate) fn time(whole_days: bool) -> impl Strategy<Value = (Value, Option<Value>)> {
    let wide = one_of(json!([
        "2024-03-09 to 2024-04-08",
        "2024-03-29 to 2024-04-08",
        "last 1 month",
        "quarter to date"
    ]));
    let long = one_of(json!([
        "last 7 days", "last 2 weeks", "month to date", "previous month", "week to date", "previous week",
        {"since": "2024-03-30"}, {"last": "3 days", "ending_days_ago": 1},
    ]));
    let long = prop_oneof![2 => wide, 1 => long];
    let days = one_of(json!(["day", "day", "week", "month", "quarter", "year"]));
    let named = one_of(json!(["today", "yesterday", "2024-03-10 to 2024-03-10"]));
    let short =
        one_of(json!(["2024-03-30 to 2024-03-31", "2024-03-31 to 2024-04-01", "2024-04-06 to 2024-04-07"]));
    let short = prop_oneof![1 => named, 3 => short];
    let instants = one_of(json!([
        "last 3 hours", "last 30 hours", "2024-03-31T00:30 to 2024-03-31T04:15",
        {"from": "2024-03-30", "to": "2024-03-31T02:30"}, {"since": "2024-03-31T10:00:00Z"},
    ]));
    let hours = one_of(json!(["hour", "hour", "day"]));
    prop_oneof![
        6 => (long, option::weighted(0.6, days)),
        3 => (short, option::weighted(0.6, hours.boxed())),
        if whole_days { 0 } else { 2 } => (instants, option::weighted(0.5, one_of(json!(["hour", "day", "week"])))),
    ]
}

pub(crate) fn scope() -> impl Strategy<Value = Value> {
    let zone = one_of(json!([
        "UTC",
        "America/New_York",
        "Europe/Berlin",
        "Asia/Beirut",
        "America/Santiago",
        "Australia/Lord_Howe",
        "Asia/Kathmandu",
    ]));
    let as_of = one_of(json!([
        "2024-04-08T15:30:00Z",
        "2024-04-08T15:30:00Z",
        "2024-04-01T03:59:59.999Z",
        "2024-03-31T12:00:00Z",
        "2024-04-07",
    ]));
    let week_start = option::weighted(0.3, one_of(json!(["sunday", "saturday"])));
    let sessions = option::weighted(
        0.5,
        one_of(json!([
            {"timeout_seconds": 60},
            {"timeout_seconds": 3600, "excluded_events": ["Visit"]},
            {"start": "Play", "end": "Buy"},
            {"start": {"event": "Play", "where": {"property": "mins", "at_least": 5}}, "end": "Visit"},
            {"id": "sid"},
        ])),
    );
    (zone, as_of, week_start, sessions).prop_map(|(zone, as_of, week_start, sessions)| {
        object([
            ("time_zone", Some(zone)),
            ("as_of", Some(as_of)),
            ("week_start", week_start),
            ("sessions", sessions),
        ])
    })
}

pub(crate) fn merged(parts: impl IntoIterator<Item = Value>) -> Value {
    let mut all = Map::new();
    for part in parts {
        if let Value::Object(part) = part {
            all.extend(part);
        }
    }
    Value::Object(all)
}

/// What is done to the series of a report; at most one of these.
fn setting() -> impl Strategy<Value = Value> {
    let compare = one_of(json!([
        {"previous": "day"}, {"previous": "week"}, {"previous": "month"}, {"days_before": 7},
        {"from": "2024-03-09"}, {"to": "2024-03-31"}, "overall", {"segment": ["rock"]}, {"segment": ["(not set)"]},
    ]));
    prop_oneof![
        6 => Just(json!({})),
        2 => compare.prop_map(|compare| json!({ "compare": compare })),
        2 => (1_u32..5).prop_map(|rolling| json!({ "rolling": rolling })),
        1 => Just(json!({"cumulative": true})),
    ]
}

/// A setting with a label for each breakdown where segments are compared (S-79).
fn compared(setting: &Value, breakdowns: usize) -> Value {
    let mut setting = setting.clone();
    let is_of_segments = setting["compare"] == "overall" || setting["compare"].get("segment").is_some();
    if is_of_segments && breakdowns == 0 {
        return json!({});
    }
    if let Some(label) = setting["compare"].get("segment").map(|labels| labels[0].clone()) {
        setting["compare"]["segment"] = Value::from(vec![label; breakdowns]);
    }
    setting
}

/// Reports on events.
fn of_events() -> impl Strategy<Value = Value> {
    let of = prop_oneof![4 => Just(Of::EventsAndUsers), 1 => Just(Of::Events)];
    (of, setting(), any::<bool>()).prop_flat_map(|(of, setting, is_whole)| {
        let is_compared = setting.get("compare").is_some();
        let is_rolled = setting.get("rolling").is_some() || setting.get("cumulative").is_some();
        let measure = if setting == json!({}) {
            prop_oneof![
                8 => number_measure(of),
                1 => distribution(of),
                1 => text_measure(of),
                1 => Just(json!("cumulative_unique_users")),
            ]
            .boxed()
        } else if setting.get("cumulative").is_some() {
            one_of(json!(["total_events", "unique_users", {"aggregate": "sum", "of": "mins"}])).boxed()
        } else {
            number_measure(of).boxed()
        };
        let formula = one_of(json!(["A / B", "A + B * 2", "(A - B) / A", "B"]));
        let top = option::weighted(0.4, (1_usize..4, any::<bool>()));
        let group_key = if of == Of::Events { Some(json!("company")) } else { None };
        (
            scope(),
            time(is_compared || is_whole),
            vec(metric(of, measure), 1..4),
            option::weighted(0.2, filter(of, &[])),
            vec(breakdown(of), 0..3),
            top,
            option::weighted(0.4, formula),
        )
            .prop_map(
                move |(scope, (range, interval), mut metrics, filter, breakdowns, top, formula)| {
                    for metric in &mut metrics {
                        if let Some(key) = &group_key {
                            metric["count_by"] = key.clone();
                        }
                    }
                    let is_filtered_first = metrics.iter().any(|metric| {
                        metric["event"].get("first_time").is_some_and(|first| first == "filtered")
                    });
                    let has_bins = metrics.iter().any(|metric| {
                        metric["measure"]["aggregate"] == "distribution"
                            || metric["measure"]["as"] == "string"
                    });
                    let formula = formula.filter(|_| metrics.len() > 1 && !has_bins);
                    let top = top.filter(|_| !breakdowns.is_empty());
                    let interval = if is_rolled { interval.or(Some(json!("day"))) } else { interval };
                    without_active_users(&mut metrics, &json!([filter, breakdowns]));
                    let rest = object([
                        ("report", Some(json!("insights"))),
                        ("range", Some(range)),
                        ("interval", interval),
                        ("metrics", Some(Value::from(metrics))),
                        ("where", filter.filter(|_| !is_filtered_first)),
                        (
                            "breakdowns",
                            Some(Value::from(breakdowns.clone())).filter(|list| *list != json!([])),
                        ),
                        ("top", top.map(|(top, _)| Value::from(top))),
                        ("other", top.map(|(_, other)| Value::from(other))),
                        ("formulas", formula.map(|formula| json!([{ "formula": formula }]))),
                    ]);
                    merged([scope, rest, compared(&setting, breakdowns.len())])
                },
            )
    })
}

/// What users do in a bucket says nothing of active users, who are those of days before.
fn without_active_users(metrics: &mut [Value], rest: &Value) {
    for metric in metrics {
        let names_one = |part: &Value| {
            done_in_a_time().iter().any(|property| part.to_string().contains(&property.to_string()))
        };
        let is_active = metric["measure"].as_str().is_some_and(|measure| measure.ends_with("active_users"));
        if is_active && (names_one(metric) || names_one(rest)) {
            metric["measure"] = json!("unique_users");
        }
    }
}

/// Reports on what led to events.
fn of_attribution() -> impl Strategy<Value = Value> {
    let of = Of::EventsAndUsers;
    let attributed = (
        one_of(json!(["genre", "genre", "tags", "mixed", "mins", "user.plan", "lookup.genre.kind", "geo.city"])),
        one_of(json!([
            "first", "last", "linear", "participation", "time_decay", "u_shaped", "j_shaped",
            "inverse_j_shaped", {"first": 1, "middle": 2, "last": 0}, {"first": 0, "middle": 1, "last": 0},
        ])),
        option::weighted(0.5, one_of(json!(["1 hour", "36 hours", "2 days", "1 week", "1 month"]))),
        option::weighted(0.4, one_of(json!(["Visit", ["Play", "Buy"], {"event": "Play", "where": {"property": "mins", "at_least": 5}}]))),
        option::weighted(0.3, any::<bool>()),
    )
        .prop_map(|(property, model, within, touchpoints, collapse)| {
            let property = object([
                ("attributed", Some(property)),
                ("model", Some(model)),
                ("within", within),
                ("touchpoints", touchpoints),
                ("collapse_repeats", collapse.map(Value::from)),
            ]);
            json!({ "property": property })
        });
    let measure = one_of(json!([
        "total_events", "unique_users", "unique_users", {"aggregate": "sum", "of": "mins"},
        {"aggregate": "sum", "of": {"borrow": "mins", "from": "Play"}},
    ]));
    let breakdowns = (attributed, option::weighted(0.4, breakdown(of)), any::<bool>()).prop_map(
        |(attributed, other, is_first)| match other {
            Some(other) if is_first => json!([attributed, other]),
            Some(other) => json!([other, attributed]),
            None => json!([attributed]),
        },
    );
    let top = option::weighted(0.5, (1_usize..4, any::<bool>()));
    let metrics = vec(metric(of, measure), 1..3);
    (scope(), time(true), metrics, breakdowns, top, setting()).prop_map(
        |(scope, (range, interval), metrics, breakdowns, top, setting)| {
            let is_rolled = setting.get("rolling").is_some() || setting.get("cumulative").is_some();
            let interval = if is_rolled { interval.or(Some(json!("day"))) } else { interval };
            let count = breakdowns.as_array().map_or(0, Vec::len);
            let rest = object([
                ("report", Some(json!("insights"))),
                ("range", Some(range)),
                ("interval", interval),
                ("metrics", Some(Value::from(metrics))),
                ("breakdowns", Some(breakdowns)),
                ("top", top.map(|(top, _)| Value::from(top))),
                ("other", top.map(|(_, other)| Value::from(other))),
            ]);
            merged([scope, rest, compared(&setting, count)])
        },
    )
}

/// Reports on profiles (S-24): they have no time axis.
fn of_profiles() -> impl Strategy<Value = Value> {
    let measure = prop_oneof![
        Just(json!("unique_users")),
        (
            aggregate(json!(["sum", "average", "min", "max", "median", "distinct", "count", "distribution"])),
            measured_property(Of::Users)
        )
            .prop_map(|(aggregate, of)| json!({"aggregate": aggregate, "of": of})),
    ];
    let metric = (filter(Of::Users, OF_USERS), measure)
        .prop_map(|(profiles, measure)| json!({"profiles": profiles, "measure": measure}));
    let top = option::weighted(0.5, (1_usize..3, any::<bool>()));
    (scope(), vec(metric, 1..3), vec(breakdown(Of::Users), 0..3), top).prop_map(
        |(scope, metrics, breakdowns, top)| {
            let top = top.filter(|_| !breakdowns.is_empty());
            let rest = object([
                ("report", Some(json!("insights"))),
                ("metrics", Some(Value::from(metrics))),
                ("breakdowns", Some(Value::from(breakdowns))),
                ("top", top.map(|(top, _)| Value::from(top))),
                ("other", top.map(|(_, other)| Value::from(other))),
            ]);
            merged([scope, rest])
        },
    )
}

/// How many members cohorts have over time (S-25).
fn of_cohorts() -> impl Strategy<Value = Value> {
    (scope(), time(false), vec(select(COHORTS), 1..3)).prop_map(|(scope, (range, interval), cohorts)| {
        let metrics: Vec<Value> = cohorts.into_iter().map(|cohort| json!({ "cohort": cohort })).collect();
        let rest = object([
            ("report", Some(json!("insights"))),
            ("range", Some(range)),
            ("interval", interval),
            ("metrics", Some(Value::from(metrics))),
        ]);
        merged([scope, rest])
    })
}

fn did(others: &'static [&'static str]) -> impl Strategy<Value = Value> {
    let range = option::weighted(
        0.6,
        one_of(json!([
            "last 3 days", "last 1 month", "last 30 hours", "2024-03-30 to 2024-03-31", {"since": "2024-03-31"}, "yesterday",
        ])),
    );
    let comparison = prop_oneof![
        (
            select(vec!["at_least", "at_most", "greater_than", "less_than", "equal_to", "not_equal_to"]),
            one_of(json!([0, 1, 2, 5, 20]))
        )
            .prop_map(|(how, bound)| json!({how: bound})),
        Just(json!({"between": [1, 2]})),
    ];
    let what = prop_oneof![
        3 => Just(json!({})),
        2 => (one_of(json!(["sum", "average", "min", "max", "median", "distinct"])), one_of(json!(["mins", "mixed", "tags"])))
            .prop_map(|(aggregate, of)| json!({"aggregate": aggregate, "of": of})),
        1 => one_of(json!([{"distinct": "day"}, {"distinct": "hour"}, {"distinct": "week"}])),
    ];
    let times =
        (what, comparison).prop_map(|(what, comparison)| json!({"times": merged([what, comparison])}));
    let rest = prop_oneof![
        4 => Just(json!({})),
        4 => times,
        1 => selector(Of::Events, others).prop_map(|then| json!({ "then": then })),
        1 => selector(Of::Events, others).prop_map(|then| json!({ "then_not": then })),
    ];
    (selector(Of::Events, others), range, rest)
        .prop_map(|(event, range, rest)| merged([object([("event", Some(event)), ("in", range)]), rest]))
}

/// What a profile was (C-3 e).
fn was() -> impl Strategy<Value = Value> {
    let condition = one_of(json!([
        {"property": {"user_history": "plan"}, "equals": "pro"},
        {"property": {"user_history": "plan"}, "does_not_equal": ["pro", "free"]},
        {"property": {"user_history": "plan"}, "is_set": false},
        {"property": {"user_history": "age"}, "at_least": 5},
        {"property": {"user_history": "likes"}, "contains": "a"},
        {"any": [{"property": {"user_history": "plan"}, "equals": ""}, {"property": "user.plan", "equals": "pro"}]},
        {"all": [{"property": {"user_history": "plan"}, "is_set": true}, {"property": {"user_history": "likes"}, "is_set": false}]},
    ]));
    let time = prop_oneof![
        1 => Just(json!({})),
        2 => one_of(json!(["2024-03-30", "2024-03-31T12:00:00Z", "2024-04-07T03:00"])).prop_map(|at| json!({ "at": at })),
        3 => one_of(json!([
            "last 3 days", "last 1 month", "2024-03-30 to 2024-03-31", {"since": "2024-03-31"}, "yesterday",
            "2024-03-31T00:30 to 2024-03-31T12:00",
        ])).prop_map(|range| json!({ "in": range })),
    ];
    (condition, time).prop_map(|(condition, time)| merged([json!({ "where": condition }), time]))
}

/// A cohort that may name these others.
fn cohort(others: &'static [&'static str]) -> BoxedStrategy<Value> {
    let users = vec(select(vec!["u1", "u2", "U1", "u9", "$device:d1", "$device:d2", "stranger"]), 0..3);
    let did_not = did(others)
        .prop_map(|did| object([("event", did.get("event").cloned()), ("in", did.get("in").cloned())]));
    let mut leaves = vec![
        (5, did(others).prop_map(|did| json!({ "did": did })).boxed()),
        (2, did_not.prop_map(|did| json!({ "did_not": did })).boxed()),
        (3, filter(Of::Users, others).prop_map(|filter| json!({ "where": filter })).boxed()),
        (2, was().boxed()),
        (1, users.prop_map(|users| json!({ "users": users })).boxed()),
    ];
    if !others.is_empty() {
        let how = select(vec!["in_cohort", "not_in_cohort"]);
        leaves.push((2, (how, select(others)).prop_map(|(how, other)| json!({how: other})).boxed()));
    }
    let condition = proptest::strategy::Union::new_weighted(leaves).prop_recursive(2, 6, 2, |inner| {
        prop_oneof![
            vec(inner.clone(), 1..3).prop_map(|all| json!({ "all": all })),
            vec(inner.clone(), 1..3).prop_map(|any| json!({ "any": any })),
            inner.prop_map(|not| json!({ "not": not })),
        ]
    });
    (select(vec!["all", "any"]), vec(condition, 1..3))
        .prop_map(|(how, conditions)| json!({how: conditions}))
        .boxed()
}

/// A cohort of companies (C-21).
fn cohort_of_groups() -> impl Strategy<Value = Value> {
    let in_order = |did: &Value| did.get("then").is_some() || did.get("then_not").is_some();
    let did = || {
        did(&[]).prop_filter("firsts are not in sequences", move |did| {
            let has_first =
                |field: &str| did.get(field).is_some_and(|event| event.get("first_time").is_some());
            !(in_order(did) && ["event", "then", "then_not"].into_iter().any(has_first))
        })
    };
    let did_not =
        did().prop_map(|did| object([("event", did.get("event").cloned()), ("in", did.get("in").cloned())]));
    let tier = (select(vec!["equals", "does_not_equal"]), select(vec!["gold", "tin"]))
        .prop_map(|(how, tier)| json!({"property": "group.company.tier", how: tier}));
    let groups = vec(select(vec!["A", "B", "5", "stranger"]), 0..3);
    let condition = prop_oneof![
        4 => did().prop_map(|did| json!({ "did": did })),
        2 => did_not.prop_map(|did| json!({ "did_not": did })),
        2 => tier.prop_map(|tier| json!({ "where": tier })),
        1 => groups.prop_map(|groups| json!({ "groups": groups })),
    ];
    (select(vec!["all", "any"]), vec(condition, 1..3))
        .prop_map(|(how, conditions)| json!({"group_key": "company", how: conditions}))
        .boxed()
}

/// A cohort for each of the names; later ones may name those before.
pub fn cohorts() -> impl Strategy<Value = BTreeMap<String, Value>> {
    let users = (cohort(&[]), cohort(&["first"]), cohort(&["first", "second"]));
    (users, cohort_of_groups()).prop_map(|((first, second, third), groups)| {
        COHORTS.iter().map(|name| (*name).to_owned()).zip([first, second, third, groups]).collect()
    })
}

/// Any report; it may name the cohorts of [`COHORTS`].
pub fn definition() -> impl Strategy<Value = Value> {
    let sample = prop_oneof![6 => Just(None), 1 => select(vec![0.35, 0.6, 0.9, 1.0]).prop_map(Some)];
    let any =
        prop_oneof![10 => of_events(), 2 => of_attribution(), 1 => of_profiles(), 1 => of_cohorts()].boxed();
    (any, sample).prop_map(|(mut definition, sample)| {
        // S-91: not of groups, funnels and retention.
        let is_of_users = |metric: &Value| {
            ["count_by", "funnel", "retention"].iter().all(|field| metric.get(field).is_none())
        };
        let metrics = definition["metrics"].as_array().is_some_and(|all| all.iter().all(is_of_users));
        if let Some(share) = sample.filter(|_| metrics) {
            definition["sample"] = share.into();
        }
        definition
    })
}

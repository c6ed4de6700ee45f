//! Random definitions of funnels, retention, frequency, lifecycle, stickiness, flows, correlations, experiments and impact, over the
//! histories of `histories.rs`. They name the cohorts of `definitions.rs`.

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;
use serde_json::{Map, Value, json};

use crate::definitions::{
    COHORTS, OF_SESSIONS, Of, aggregate, breakdown, filter, measured_property, merged, object, one_of, scope,
    selector, time,
};
use crate::histories::EVENTS;

/// Mostly one name.
fn event(of: Of) -> BoxedStrategy<Value> {
    prop_oneof![
        12 => select(EVENTS).prop_map(Value::from),
        1 => select(OF_SESSIONS).prop_map(Value::from),
        2 => selector(of, &[]),
    ]
    .boxed()
}

/// An event as an object, whatever it was written as.
fn as_object(event: Value) -> Value {
    match event {
        Value::String(name) => json!({"event": name}),
        Value::Array(any_of) => json!({"any_of": any_of}),
        other => other,
    }
}

fn list(values: Vec<Value>) -> Option<Value> {
    Some(values).filter(|values| !values.is_empty()).map(Value::from)
}

/// The values that are held; of mixed types, lists, and some that are rarely set.
fn held() -> BoxedStrategy<Vec<Value>> {
    let property = one_of(json!(["genre", "genre", "mixed", "tags", "flag", "sid", "mins"]));
    prop_oneof![3 => Just(Vec::new()), 1 => vec(property, 1..3)].boxed()
}

fn exclusions(of: Of, steps: usize) -> BoxedStrategy<Vec<Value>> {
    let event = event(of).prop_map(|mut event| {
        // First times are not asked of them.
        if let Some(fields) = event.as_object_mut() {
            fields.shift_remove("first_time");
        }
        event
    });
    let exclusion = (event, option::weighted(0.4, 1..steps.max(2)))
        .prop_map(|(event, after)| object([("event", Some(event)), ("after_step", after.map(Value::from))]));
    let most = if steps > 1 { 3 } else { 1 };
    prop_oneof![3 => Just(Vec::new()), 1 => vec(exclusion, 0..most)].boxed()
}

fn whose(count: &str) -> impl Strategy<Value = (Of, Option<Value>)> + use<> {
    let users = if count == "sessions" { 1 } else { 9 };
    let groups = u32::from(count != "sessions");
    prop_oneof![
        users => Just((Of::EventsAndUsers, None)),
        groups => Just((Of::Events, Some(json!("company")))),
    ]
}

fn count() -> impl Strategy<Value = &'static str> {
    prop_oneof![3 => Just("unique_users"), 3 => Just("totals"), 1 => Just("sessions")]
}

/// Which windows fit: sessions are those of users.
fn window(of: Of) -> BoxedStrategy<Value> {
    let lengths = one_of(json!([
        "2 seconds",
        "1 minute",
        "10 minutes",
        "1 hour",
        "6 hours",
        "1 day",
        "7 days",
        "1 month"
    ]));
    let sessions = one_of(json!(["1 session", "2 sessions"]));
    prop_oneof![6 => lengths, u32::from(of != Of::Events) => sessions].boxed()
}

/// A step of a funnel in an order.
fn step(of: Of, order: &'static str, is_first: bool, is_last: bool) -> BoxedStrategy<Value> {
    let in_order = order != "any";
    let is_between = !is_first && !is_last;
    let within = one_of(json!(["1 second", "10 minutes", "1 hour", "1 day"]));
    (
        event(of),
        any::<bool>(),
        option::weighted(0.25, Just(true)),
        option::weighted(0.15, 2..4_u32),
        option::weighted(0.15, within),
    )
        .prop_map(move |(event, anchored, optional, times, within)| {
            let optional = optional.filter(|_| order == "specific" && is_between);
            let times = times.filter(|_| in_order && optional.is_none());
            let rest = object([
                ("anchored", Some(Value::from(anchored)).filter(|_| !in_order)),
                ("optional", optional.map(Value::from)),
                ("times", times.map(Value::from)),
                ("within", within.filter(|_| in_order && !is_first)),
            ]);
            merged([as_object(event), rest])
        })
        .boxed()
}

fn steps(of: Of, order: &'static str) -> BoxedStrategy<Vec<Value>> {
    prop_oneof![3 => Just(2_usize), 3 => Just(3), 1 => Just(4)]
        .prop_flat_map(move |count| {
            (0..count).map(|at| step(of, order, at == 0, at + 1 == count).boxed()).collect::<Vec<_>>()
        })
        .boxed()
}

/// What a funnel is split by and measures.
fn split(of: Of, steps: usize) -> BoxedStrategy<Value> {
    let attribution = prop_oneof![
        Just(json!("first_step_defined")),
        Just(json!("last_step_defined")),
        (1..=steps).prop_map(|step| json!({ "step": step })),
    ];
    let buckets =
        one_of(json!(["auto", {"at": [0, 1, 600]}, {"even": {"from": 0, "to": 3600, "size": 600}}]));
    let time_buckets = (1..steps, option::of(Just(())), buckets).prop_map(move |(from, to, buckets)| {
        object([
            ("from_step", Some(Value::from(from))),
            ("to_step", to.map(|()| Value::from(from + 1))),
            ("buckets", Some(buckets)),
        ])
    });
    let aggregates =
        || aggregate(json!(["sum", "average", "min", "max", "median", "p90", "count", "variance"]));
    let measure = (aggregates(), measured_property(of))
        .prop_map(|(aggregate, of)| json!({"aggregate": aggregate, "of": of}));
    let time = (aggregates(), 1..=steps)
        .prop_map(|(aggregate, from)| json!({"aggregate": aggregate, "from_step": from}));
    (
        prop_oneof![2 => Just(Vec::new()), 3 => vec(breakdown(of), 1..3)],
        option::weighted(0.6, attribution),
        option::weighted(0.2, time_buckets),
        option::weighted(0.4, (1_usize..4, any::<bool>())),
        vec(measure, 0..2),
        vec(time, 0..2),
        option::weighted(0.3, any::<bool>()),
    )
        .prop_map(|(breakdowns, attribution, time_buckets, top, measures, times, significance)| {
            let is_split = !breakdowns.is_empty();
            // Which ranges of time are the top ones, the rules do not say.
            let top = top.filter(|_| is_split && time_buckets.is_none());
            let control = vec![Value::from("rock"); breakdowns.len()];
            let significance = significance.filter(|_| is_split).map(|has_control| {
                let has_control = has_control && time_buckets.is_none();
                if has_control { json!({ "control": control }) } else { json!({}) }
            });
            object([
                ("breakdowns", list(breakdowns)),
                ("attribution", attribution),
                ("time_buckets", time_buckets),
                ("top", top.map(|(top, _)| Value::from(top))),
                ("other", top.map(|(_, other)| Value::from(other))),
                ("measures", list(measures)),
                ("times", list(times)),
                ("significance", significance),
            ])
        })
        .boxed()
}

/// What attempts are like: which steps, in which order, and what is between them.
fn attempts() -> BoxedStrategy<(Of, usize, Value)> {
    let order = prop_oneof![5 => Just("specific"), 3 => Just("any"), 1 => Just("strict")];
    (count().prop_flat_map(|count| (Just(count), whose(count))), order)
        .prop_flat_map(|((count, (of, key)), order)| {
            (steps(of, order), Just((count, of, key, order))).prop_flat_map(
                |(steps, (count, of, key, order))| {
                    let reentry = option::weighted(0.4, Just(json!("optimized")));
                    let grace = option::weighted(0.3, one_of(json!([0, 1, 2.001, 60])));
                    (option::weighted(0.8, window(of)), reentry, grace, held(), exclusions(of, steps.len()))
                        .prop_map(move |(window, reentry, grace, held, exclude)| {
                            let definition = object([
                                ("report", Some(json!("funnel"))),
                                ("steps", Some(Value::from(steps.clone()))),
                                ("order", Some(Value::from(order))),
                                ("count", Some(Value::from(count))),
                                ("count_by", key.clone()),
                                ("window", window),
                                ("reentry", reentry.filter(|_| order != "strict")),
                                ("grace_seconds", grace),
                                ("hold_constant", list(held)),
                                ("exclude", list(exclude)),
                            ]);
                            (of, steps.len(), definition)
                        })
                },
            )
        })
        .boxed()
}

fn any_funnel() -> BoxedStrategy<Value> {
    attempts()
        .prop_flat_map(|(of, steps, attempts)| {
            let users_of = option::weighted(0.1, (1..=steps, any::<bool>()));
            let interval_attempts = option::weighted(0.4, Just(json!("shared")));
            let compared = (1..=steps, vec(event(of), 1..3)).prop_map(|(step, events)| {
                let with = events
                    .into_iter()
                    .enumerate()
                    .map(|(at, event)| merged([as_object(event), json!({"name": format!("other {at}")})]));
                json!({"step": step, "with": with.collect::<Vec<_>>()})
            });
            (
                scope(),
                time(false),
                option::weighted(0.25, filter(of, COHORTS)),
                split(of, steps),
                interval_attempts,
                (users_of, option::weighted(0.1, compared)),
            )
                .prop_map(
                    move |(
                        scope,
                        (range, interval),
                        filter,
                        split,
                        interval_attempts,
                        (users_of, compared),
                    )| {
                        let rest = object([
                            ("compare", compared.filter(|_| users_of.is_none())),
                            ("range", Some(range)),
                            ("interval_attempts", interval_attempts.filter(|_| interval.is_some())),
                            ("interval", interval),
                            ("where", filter),
                            (
                                "users_of",
                                users_of.map(
                                    |(step, dropped_off)| json!({"step": step, "dropped_off": dropped_off}),
                                ),
                            ),
                        ]);
                        merged([scope, attempts.clone(), split, rest])
                    },
                )
        })
        .boxed()
}

fn any_plain_funnel() -> BoxedStrategy<Value> {
    let steps = vec(event(Of::Events), 2..5);
    let order = one_of(json!(["specific", "any"]));
    let reentry = one_of(json!(["default", "optimized"]));
    let grace = option::weighted(0.3, one_of(json!([0, 60])));
    (steps, order, reentry, window(Of::Events), held(), exclusions(Of::Events, 2), grace)
        .prop_map(|(steps, order, reentry, window, held, exclude, grace)| {
            object([
                ("report", Some(json!("funnel"))),
                ("range", Some(json!("2024-02-01 to 2024-05-31"))),
                ("steps", Some(Value::from(steps))),
                ("order", Some(order)),
                ("reentry", Some(reentry)),
                ("window", Some(window)),
                ("grace_seconds", grace),
                ("hold_constant", list(held)),
                ("exclude", list(exclude)),
            ])
        })
        .boxed()
}

fn any_retention() -> BoxedStrategy<Value> {
    let unit = prop_oneof![
        4 => one_of(json!(["day", "day", "week", "month", "hour"])).prop_map(|unit| (unit, false)),
        1 => one_of(json!(["hour", "day", "week", "month", "quarter", "year"])).prop_map(|unit| (unit, true)),
        2 => one_of(json!(["day", "week", "month"])).prop_map(|unit| (unit, true)),
    ];
    let count = prop_oneof![
        3 => (1_u32..6).prop_map(|count| json!({ "buckets": count })),
        1 => Just(json!({})),
        2 => vec(1_u32..4, 1..4).prop_map(|brackets| json!({ "brackets": brackets })),
    ];
    let measure = |of| {
        prop_oneof![
            3 => one_of(json!(["rate", "unique_users", "total_events"])),
            2 => (one_of(json!(["sum", "average"])), measured_property(of))
                .prop_map(|(aggregate, of)| json!({"aggregate": aggregate, "of": of})),
        ]
    };
    let criterion = || one_of(json!(["on", "on_or_after", "streak", "on_or_before"]));
    (whose(""), unit, count)
        .prop_flat_map(move |((of, key), (unit, is_calendar), count)| {
            let cohorts = if of == Of::EventsAndUsers { COHORTS } else { &[] };
            let top = option::weighted(0.4, (1_usize..4, any::<bool>()));
            let cell = option::weighted(
                0.1,
                (one_of(json!(["2024-03-30", "2024-03-31", "2024-04-01"])), 0_u32..3, any::<bool>()),
            );
            // Hours of a month are too many.
            let is_short = unit == "hour";
            let range = time(false)
                .prop_map(move |(range, _)| if is_short { json!("2024-03-31 to 2024-03-31") } else { range });
            (
                (scope(), range, option::weighted(0.2, filter(of, cohorts))),
                (event(of), option::weighted(0.8, event(of)), criterion(), measure(of)),
                (prop_oneof![2 => Just(Vec::new()), 2 => vec(breakdown(of), 1..3)], top, cell),
            )
                .prop_map(
                    move |(
                        (scope, range, filter),
                        (birth, returned, criterion, measure),
                        (breakdowns, top, cell),
                    )| {
                        let is_filtered_first = [Some(&birth), returned.as_ref()]
                            .into_iter()
                            .flatten()
                            .any(|event| event.get("first_time").is_some_and(|first| first == "filtered"));
                        let top = top.filter(|_| !breakdowns.is_empty());
                        let rest = object([
                            ("report", Some(json!("retention"))),
                            ("range", Some(range)),
                            ("birth", Some(birth)),
                            ("return", returned),
                            ("unit", Some(unit.clone())),
                            ("alignment", Some(json!("calendar")).filter(|_| is_calendar)),
                            ("criterion", Some(criterion)),
                            ("measure", Some(measure)),
                            ("count_by", key.clone()),
                            ("where", filter.filter(|_| !is_filtered_first)),
                            ("breakdowns", list(breakdowns)),
                            ("top", top.map(|(top, _)| Value::from(top))),
                            ("other", top.map(|(_, other)| Value::from(other))),
                            (
                                "users_of",
                                cell.map(|(time, bucket, dropped_off)| {
                                    let dropped_off = Some(Value::from(true)).filter(|_| dropped_off);
                                    object([
                                        ("time", Some(time)),
                                        ("bucket", Some(Value::from(bucket))),
                                        ("dropped_off", dropped_off),
                                    ])
                                }),
                            ),
                        ]);
                        // A number there is.
                        let rest = if rest.get("users_of").is_some() {
                            let cell =
                                json!({"buckets": 3, "unit": "day", "range": "2024-03-30 to 2024-04-01"});
                            merged([rest, cell])
                        } else {
                            merged([rest, count.clone()])
                        };
                        merged([scope, rest])
                    },
                )
        })
        .boxed()
}

fn any_plain_retention() -> BoxedStrategy<Value> {
    let unit = prop_oneof![
        one_of(json!(["day", "week", "month"])).prop_map(|unit| (unit, json!("rolling"))),
        one_of(json!(["day", "week", "month", "quarter"])).prop_map(|unit| (unit, json!("calendar"))),
    ];
    (select(EVENTS), select(EVENTS), unit, 1_u32..6).prop_map(|(birth, returned, (unit, alignment), buckets)| {
        json!({
            "report": "retention", "range": "2024-03-09 to 2024-04-08", "birth": birth, "return": returned,
            "unit": unit, "alignment": alignment, "buckets": buckets,
        })
    })
    .boxed()
}

fn any_activity() -> BoxedStrategy<Value> {
    let period = one_of(json!(["day", "week", "month"]));
    let unit = one_of(json!(["day", "day", "week", "week", "month", "quarter"]));
    let of = Of::EventsAndUsers;
    let day = || one_of(json!(["2024-03-30", "2024-03-31", "2024-04-01"]));
    let status = one_of(json!(["new", "returning", "resurrected", "dormant"]));
    let users = one_of(json!(["daily", "period"]));
    // Users behind numbers, in a range that has them.
    let cell = |more: BoxedStrategy<Value>| {
        option::weighted(0.25, (day(), more).prop_map(|(day, more)| merged([json!({"time": day}), more])))
    };
    let count = (1_u32..4).prop_map(|count| json!({"count": count})).boxed();
    let status = status.prop_map(|status| json!({"status": status})).boxed();
    let users = users.prop_map(|of| json!({"of": of})).boxed();
    let kind = prop_oneof![
        (period, any::<bool>(), option::weighted(0.4, event(of)), cell(count)).prop_map(
            |(period, cumulative, birth, cell)| {
                object([
                    ("report", Some(json!("frequency"))),
                    ("period", Some(period)),
                    ("cumulative", Some(Value::from(cumulative))),
                    ("birth", birth),
                    ("users_of", cell),
                ])
            }
        ),
        (unit, cell(status)).prop_map(|(unit, cell)| {
            object([("report", Some(json!("lifecycle"))), ("unit", Some(unit)), ("users_of", cell)])
        }),
        (one_of(json!(["week", "month"])), cell(users)).prop_map(|(over, cell)| {
            object([("report", Some(json!("stickiness"))), ("over", Some(over)), ("users_of", cell)])
        }),
    ];
    (scope(), time(false), option::weighted(0.7, event(of)), option::weighted(0.2, filter(of, COHORTS)), kind)
        .prop_map(|(scope, (range, _), event, filter, kind)| {
            let is_filtered_first = [event.as_ref(), kind.get("birth")]
                .into_iter()
                .flatten()
                .any(|event| event.get("first_time").is_some_and(|first| first == "filtered"));
            let filter = filter.filter(|_| !is_filtered_first);
            let has_cell = kind.get("users_of").is_some();
            let range = if has_cell { json!("2024-03-30 to 2024-04-01") } else { range };
            merged([scope, kind, object([("range", Some(range)), ("event", event), ("where", filter)])])
        })
        .boxed()
}

/// A node that there may be.
#[derive(Debug, Clone)]
struct Node {
    anchor: usize,
    /// Which of the steps around the anchor.
    step: usize,
    label: Value,
    segment: Option<Value>,
    /// Whether the next node is asked for too, and by which label.
    next: Option<Value>,
}

fn node(anchors: usize) -> impl Strategy<Value = Option<Node>> {
    let label = one_of(json!([
        "Play",
        "Visit",
        "Buy",
        "Custom",
        "$other",
        "$other",
        "$drop_off",
        "$drop_off",
        "$drop_off"
    ]));
    let segment = option::weighted(0.5, one_of(json!(["rock", "jazz", "(not set)"])));
    let next = option::weighted(0.5, one_of(json!(["Play", "Visit", "Buy", "$other", "$other"])));
    let node = (0..anchors, 0_usize..8, label, segment, next);
    let node =
        node.prop_map(|(anchor, step, label, segment, next)| Node { anchor, step, label, segment, next });
    option::weighted(0.3, node)
}

impl Node {
    fn among(self, anchors: &[Value], breakdowns: usize) -> Value {
        let anchor = &anchors[self.anchor];
        let default = if self.anchor + 1 == anchors.len() { 3 } else { 0 };
        let before = anchor.get("before").and_then(Value::as_i64).unwrap_or(0);
        let after = anchor.get("after").and_then(Value::as_i64).unwrap_or(default);
        let offset = self.step as i64 % (before + after + 1) - before;
        let is_dropped = self.label == "$drop_off";
        let label = match offset {
            0 => Some(self.label).filter(|_| is_dropped && self.anchor > 0),
            ..0 if is_dropped => Some(json!("$other")),
            _ => Some(self.label),
        };
        // The next step, or the next anchor.
        let is_last = self.anchor + 1 == anchors.len();
        let to = match self.next {
            Some(_) if label.as_ref().is_some_and(|label| label == "$drop_off") => None,
            Some(next) if offset < after => {
                let is_step = offset != -1;
                Some(object([
                    ("offset", Some(Value::from(offset + 1))),
                    ("label", Some(next).filter(|_| is_step)),
                ]))
            }
            Some(_) if offset >= 0 && !is_last => Some(json!({"anchor": self.anchor + 2})),
            _ => None,
        };
        object([
            ("anchor", Some(Value::from(self.anchor + 1))),
            ("offset", Some(Value::from(offset))),
            ("label", label),
            ("to", to),
            ("segments", self.segment.and_then(|label| list(vec![label; breakdowns]))),
        ])
    }
}

fn any_flows() -> BoxedStrategy<Value> {
    let anchors = prop_oneof![4 => Just(1_usize), 2 => Just(2), 1 => Just(3)];
    (anchors, count())
        .prop_flat_map(|(anchors, count)| {
            let of = Of::EventsAndUsers;
            let anchor = move |at: usize| {
                let before = option::weighted(if at == 0 { 0.5 } else { 0.1 }, 0_u32..3);
                (event(of), before, option::of(0_u32..4)).prop_map(|(event, before, after)| {
                    let rest =
                        object([("before", before.map(Value::from)), ("after", after.map(Value::from))]);
                    merged([as_object(event), rest])
                })
            };
            let custom_event =
                (vec(select(EVENTS), 1..3), option::of(Just("Custom"))).prop_map(|(any_of, name)| {
                    object([("any_of", Some(json!(any_of))), ("name", name.map(Value::from))])
                });
            let expansion = (
                one_of(json!(["Play", "Visit", "Buy"])),
                one_of(json!(["genre", "tags", "mixed", "mins", "user.plan"])),
            )
                .prop_map(|(event, property)| json!({"event": event, "property": property}));
            let names = one_of(
                json!([{"hide": ["Visit"]}, {"hide": ["Play", "Buy"]}, {"show_only": ["Visit", "Play"]}]),
            );
            let names = prop_oneof![3 => Just(json!({})), 1 => names];
            let form = prop_oneof![
                3 => Just(json!({})),
                2 => (1_usize..5).prop_map(|paths| json!({"form": "paths", "paths": paths})),
                1 => Just(json!({"form": "tree"})),
            ];
            let anchors_of = (0..anchors).map(|at| anchor(at).boxed()).collect::<Vec<_>>();
            let top = option::weighted(0.4, 1_usize..4);
            (
                (scope(), time(false), option::weighted(0.2, filter(of, COHORTS))),
                (anchors_of, option::weighted(0.7, window(of)), 1_usize..4, names, form, any::<bool>()),
                (vec(custom_event, 0..2), vec(expansion, 0..2), held(), exclusions(of, anchors)),
                (prop_oneof![2 => Just(Vec::new()), 1 => vec(breakdown(of), 1..3)], top, node(anchors)),
            )
                .prop_map(
                    move |(
                        (scope, (range, _), filter),
                        (anchors, window, rows, names, form, collapse),
                        (custom_events, expand, held, exclude),
                        (breakdowns, top, node),
                    )| {
                        let node = node.map(|node| node.among(&anchors, breakdowns.len()));
                        // Of a path, or a tree, the anchor alone, or with a step.
                        let called = anchors[0]["event"].as_str().filter(|_| {
                            form.get("form").is_some()
                                && anchors.len() == 1
                                && anchors[0].get("name").is_none()
                        });
                        let node = node.map(|node| match called {
                            None => node,
                            Some(called) => {
                                let step = node.get("label").filter(|label| *label != "$drop_off");
                                let path: Vec<Value> =
                                    [Value::from(called)].into_iter().chain(step.cloned()).collect();
                                let segments = node.get("segments").cloned();
                                object([("path", Some(json!(path))), ("segments", segments)])
                            }
                        });
                        let is_node = node.as_ref().is_some_and(|node| node.get("path").is_none());
                        let form = if is_node { json!({}) } else { form };
                        let is_filtered_first = anchors
                            .iter()
                            .any(|event| event.get("first_time").is_some_and(|first| first == "filtered"));
                        let rest = object([
                            ("report", Some(json!("flows"))),
                            ("range", Some(range)),
                            ("where", filter.filter(|_| !is_filtered_first)),
                            ("anchors", Some(Value::from(anchors))),
                            ("count", Some(Value::from(count))),
                            ("window", window),
                            ("rows", Some(Value::from(rows))),
                            ("collapse_repeated", Some(Value::from(collapse))),
                            ("custom_events", list(custom_events)),
                            ("expand", list(expand)),
                            ("hold_constant", list(held)),
                            ("exclude", list(exclude)),
                            ("top", top.filter(|_| !breakdowns.is_empty()).map(Value::from)),
                            ("breakdowns", list(breakdowns)),
                            ("users_of", node),
                        ]);
                        merged([scope, names, form, rest])
                    },
                )
        })
        .boxed()
}

/// A number of a correlation, and the candidate it is about.
fn correlation_cell() -> BoxedStrategy<(Value, Value)> {
    let candidate = one_of(json!([
        [{"event": "Visit"}, "Visit"],
        [{"event": "Visit"}, "Visit"],
        [{"event": "Play"}, {"event": "Play", "where": {"property": "mins", "is_set": true}}],
        [{"event": "$all_events", "property": "genre", "value": "rock"}, {"property": "genre"}],
        [{"event": "$all_events", "property": "tags", "value": "a"}, {"property": "tags"}],
        [{"event": "Visit", "property": "mixed", "value": "a"}, {"property": "mixed", "event": "Visit"}],
    ]));
    let part = option::weighted(
        0.8,
        one_of(json!(["users", "true_positives", "false_positives", "false_negatives", "true_negatives"])),
    );
    (candidate, 1_u32..3, 1_u32..16, part)
        .prop_map(|(candidate, times, days, of)| {
            let rest =
                object([("times", Some(Value::from(times))), ("days", Some(Value::from(days))), ("of", of)]);
            (merged([candidate[0].clone(), rest]), candidate[1].clone())
        })
        .boxed()
}

fn any_correlation() -> BoxedStrategy<Value> {
    let of = Of::EventsAndUsers;
    // When the time of users is over whose births are in the ranges below.
    let later = |goal_in: &'static str, as_of: Value| {
        let ranges = one_of(json!(["2024-03-09 to 2024-04-08", "2024-03-29 to 2024-04-08"]));
        (one_of(as_of), ranges)
            .prop_map(move |(as_of, range)| json!({"goal_in": goal_in, "as_of": as_of, "range": range}))
    };
    let goal_in = prop_oneof![
        3 => time(false).prop_map(|(range, _)| json!({ "range": range })),
        // Long enough for several users.
        5 => Just(json!({"range": "2024-03-09 to 2024-04-08", "as_of": "2024-06-01"})),
        2 => later("second_week", json!(["2024-04-14T12:00:00Z", "2024-04-22", "2024-06-20"])),
        1 => later("third_week", json!(["2024-04-21T12:00:00Z", "2024-06-20"])),
        1 => later("fourth_week", json!(["2024-04-28T12:00:00Z", "2024-06-20"])),
        1 => later("second_month", json!(["2024-05-30T12:00:00Z", "2024-06-20"])),
    ];
    let property = one_of(json!(["genre", "mixed", "tags", "mins", "flag", "user.plan", "company"]));
    let value_of = (property, option::weighted(0.5, event(of))).prop_map(|(property, event)| {
        let event = event.map(|mut event| {
            if let Some(fields) = event.as_object_mut() {
                fields.shift_remove("first_time");
            }
            event
        });
        object([("property", Some(property)), ("event", event)])
    });
    let candidate = prop_oneof![
        2 => event(of).prop_map(|mut event| {
            if let Some(fields) = event.as_object_mut() {
                fields.shift_remove("first_time");
            }
            event
        }),
        2 => value_of,
    ];
    let birth = option::weighted(0.3, event(of));
    (
        (scope(), goal_in, option::weighted(0.2, filter(of, COHORTS))),
        (event(of), birth, prop_oneof![Just(Vec::new()), vec(candidate, 1..4)]),
        (option::weighted(0.3, 1_u32..4), option::weighted(0.2, Just(true))),
        option::weighted(0.15, correlation_cell()),
    )
        .prop_map(|((scope, goal_in, filter), (goal, birth, candidates), (top, all_cells), cell)| {
            let is_all = candidates.is_empty();
            // The names of the goal are no candidates among all names.
            let is_name = |cell: &Value| cell["event"] == "Visit" && cell.get("property").is_none();
            let is_it = |cell: &Value| !is_all || (is_name(cell) && !goal.to_string().contains("Visit"));
            let cell = cell.filter(|(cell, _)| is_it(cell));
            let top = top.filter(|_| cell.is_none());
            let candidates = match &cell {
                Some((_, candidate)) if !is_all => vec![candidate.clone()],
                _ => candidates,
            };
            let cell = cell.map(|(cell, _)| cell);
            let is_filtered_first = [Some(&goal), birth.as_ref()]
                .into_iter()
                .flatten()
                .any(|event| event.get("first_time").is_some_and(|first| first == "filtered"));
            let rest = object([
                ("report", Some(json!("correlation"))),
                ("goal", Some(goal)),
                ("birth", birth),
                ("candidates", list(candidates)),
                ("top", top.map(Value::from)),
                ("all_cells", all_cells.map(Value::from)),
                ("users_of", cell),
                ("where", filter.filter(|_| !is_filtered_first)),
            ]);
            merged([scope, rest, goal_in])
        })
        .boxed()
}

fn any_impact() -> BoxedStrategy<Value> {
    let whose = prop_oneof![
        4 => Just((Of::EventsAndUsers, None)),
        1 => Just((Of::Events, Some(json!("company")))),
    ];
    whose.prop_flat_map(|(of, key)| impact_of(of, key)).boxed()
}

fn impact_of(of: Of, key: Option<Value>) -> BoxedStrategy<Value> {
    let cohorts = if of == Of::EventsAndUsers { COHORTS } else { &[] };
    let without_first = |mut event: Value| {
        if let Some(fields) = event.as_object_mut() {
            fields.shift_remove("first_time");
        }
        event
    };
    // Mostly what not everybody does, and when many days are over.
    let launch = prop_oneof![
        6 => Just(json!("New")),
        2 => Just(json!({"event": "Buy", "where": {"property": "mins", "at_least": 12}})),
        2 => one_of(json!([["New", "Buy"], {"event": "Visit", "where": {"property": "flag", "equals": true}}])),
        2 => event(of).prop_map(without_first),
    ];
    let range = prop_oneof![
        2 => time(false).prop_map(|(range, _)| json!({ "range": range })),
        4 => one_of(json!(["2024-03-29 to 2024-04-01", "2024-03-09 to 2024-04-08", "2024-03-31 to 2024-04-30"]))
            .prop_map(|range| json!({"range": range, "as_of": "2024-06-01"})),
        2 => one_of(json!(["2024-03-29 to 2024-04-08", "2024-03-31 to 2024-04-02"]))
            .prop_map(|range| json!({ "range": range })),
    ];
    let done = prop_oneof![5 => one_of(json!(["$all_events", ["Play", "Buy", "Visit"]])), 3 => event(of)];
    let metric = (done, option::weighted(0.2, Just(json!("done"))))
        .prop_map(|(event, name)| object([("event", Some(event)), ("name", name)]));
    let days = || option::weighted(0.95, prop_oneof![3 => 1_u32..5, 2 => select(vec![9_u32, 20, 40])]);
    let cell = (
        one_of(json!(["adopters", "non_adopters"])),
        any::<prop::sample::Index>(),
        option::of(one_of(json!(["users", "observed"]))),
    );
    (
        (scope(), range, option::weighted(0.15, filter(of, cohorts))),
        (launch, vec(metric, 1..4), days(), days()),
        option::of(one_of(json!(["metric_event", "any_event"]))),
        option::weighted(0.2, cell),
    )
        .prop_map(move |((scope, range, filter), (launch, metrics, before, after), users_with, cell)| {
            let events = [&launch].into_iter().chain(metrics.iter().map(|metric| &metric["event"]));
            let is_filtered_first = events
                .into_iter()
                .any(|event| event.get("first_time").is_some_and(|first| first == "filtered"));
            let cell = cell.map(|(who, metric, of)| {
                let letter = ["A", "B", "C"][metric.index(metrics.len())];
                let letter = Some(json!(letter)).filter(|_| metrics.len() > 1 || of.is_some());
                object([("who", Some(who)), ("metric", letter), ("of", of)])
            });
            let rest = object([
                ("report", Some(json!("impact"))),
                ("launch", Some(launch)),
                ("metrics", list(metrics)),
                ("days_before", before.map(Value::from)),
                ("days_after", after.map(Value::from)),
                ("users_with", users_with),
                ("count_by", key.clone()),
                ("users_of", cell),
                ("where", filter.filter(|_| !is_filtered_first)),
            ]);
            merged([scope, rest, range])
        })
        .boxed()
}

fn any_experiment() -> BoxedStrategy<Value> {
    // Groups have no sessions.
    let whose = prop_oneof![
        5 => Just((Of::EventsAndUsers, None)),
        1 => Just((Of::Events, Some(json!("company")))),
    ];
    whose.prop_flat_map(|(of, key)| experiment_of(of, key)).boxed()
}

/// Arithmetic over so many metrics.
fn formulas(metrics: usize) -> BoxedStrategy<Vec<Value>> {
    let formulas = match metrics {
        1 => json!(["A", "-A * 2 + 1", "A * A", "1 / A", "A - A"]),
        2 => json!(["A / B", "B - A", "a * (B + 1)", "(A - B) / (A + B)", "A / A + B"]),
        _ => json!(["A / B", "C - A", "A + B * C", "(A - B) / C", "A / (B - C)", "3 - -B"]),
    };
    let formula = (one_of(formulas), option::weighted(0.3, Just(json!("formed"))))
        .prop_map(|(formula, name)| object([("formula", Some(formula)), ("name", name)]));
    prop_oneof![2 => Just(Vec::new()), 1 => vec(formula, 1..3)].boxed()
}

fn experiment_of(of: Of, key: Option<Value>) -> BoxedStrategy<Value> {
    let words = if key.is_none() {
        json!(["unique_users", "total_events", "sessions"])
    } else {
        json!(["unique_users", "total_events"])
    };
    let measures = prop_oneof![
        2 => one_of(words),
        2 => (one_of(json!(["sum", "average"])), measured_property(of))
            .prop_map(|(aggregate, of)| json!({"aggregate": aggregate, "of": of})),
    ];
    let metric = (event(of), option::weighted(0.8, measures), option::weighted(0.1, Just(json!("named"))))
        .prop_map(|(event, measure, name)| {
            object([("event", Some(event)), ("measure", measure), ("name", name)])
        });
    // Some formulas have metrics of their own (S-90).
    let own_filter = option::weighted(
        0.3,
        one_of(json!([{"property": "mins", "greater_than": 3}, {"property": "genre", "is_set": true}])),
    );
    let own = (metric.clone(), own_filter)
        .prop_map(|(metric, filter)| merged([metric, object([("where", filter)])]));
    let with_own = vec(own, 1..3).prop_flat_map(|own| {
        formulas(own.len()).prop_map(move |mut formulas| {
            formulas.truncate(1);
            let with = |formula| merged([formula, json!({ "metrics": own })]);
            formulas.into_iter().map(with).collect::<Vec<_>>()
        })
    });
    let with_own = with_own.boxed();
    let metrics = vec(metric, 1..4).prop_flat_map(move |metrics| {
        let formulas = formulas(metrics.len());
        (Just(metrics), (formulas, with_own.clone()).prop_map(|(formulas, own)| [own, formulas].concat()))
    });
    // Experiments as `exposed` has them, or events like any other.
    let by_event = (event(of), one_of(json!(["genre", "genre", "genre", "company", "mixed"]))).prop_map(
        |(event, variant)| {
            let mut event = as_object(event);
            if let Some(fields) = event.as_object_mut() {
                fields.shift_remove("first_time");
            }
            object([("exposure", Some(event)), ("variant", Some(variant))])
        },
    );
    let exposure = prop_oneof![
        3 => one_of(json!([{"experiment": "one"}, {"experiment": "one"}, {"experiment": "two"}])),
        2 => one_of(json!(["one", "one", "one", "one.and", "two"]))
            .prop_map(|experiment| json!({"experiment": experiment, "experiments": "experiments"})),
        1 => by_event,
    ];
    let of_metric = one_of(json!([{}, {"metric": "a"}, {"without": "A"}]));
    let users_of = (one_of(json!(["rock", "rock", "jazz", "none"])), of_metric)
        .prop_map(|(variant, of_metric)| merged([json!({ "variant": variant }), of_metric]));
    let groups = prop_oneof![
        3 => one_of(json!(["rock", "rock", "rock", "jazz", "jazz", "jazz", "Rock", "A"]))
            .prop_map(|control| json!({ "control": control })),
        1 => one_of(json!([["rock"], ["rock", "Rock"], ["none"]]))
            .prop_map(|variants| json!({"control": "jazz", "variants": variants})),
        1 => one_of(json!([{"rock": 1, "jazz": 3}, {"rock": 0.5, "jazz": 0.25, "Rock": 0.25}]))
            .prop_map(|split| json!({"control": "rock", "split": split})),
    ];
    let tests = (
        option::weighted(0.5, Just(json!("sequential"))),
        option::weighted(0.5, one_of(json!([0.5, 0.8, 0.99]))),
        option::weighted(0.6, one_of(json!(["none", "bonferroni", "benjamini_hochberg"]))),
        option::weighted(0.3, one_of(json!([0.01, 1, 3]))),
    )
        .prop_map(|(test, confidence, correction, effect)| {
            object([
                ("test", test),
                ("confidence", confidence),
                ("correction", correction),
                ("expected_effect", effect),
            ])
        });
    let adjusted = (
        option::weighted(0.3, one_of(json!([1, 10, 25, 49]))),
        option::weighted(0.4, one_of(json!(["1 day", "1 week", "2 weeks", "1 month"]))),
        any::<bool>(),
    )
        .prop_map(|(percent, cuped, bias)| {
            let bias = Some(Value::from(bias));
            object([("winsorize", percent), ("cuped", cuped), ("pre_experiment_bias", bias)])
        });
    let cohorts = if of == Of::EventsAndUsers { COHORTS } else { &[] };
    let filter = option::weighted(0.15, filter(of, cohorts));
    // Mostly long enough for several to be exposed.
    let time = prop_oneof![
        2 => time(false).prop_map(|(range, _)| json!({ "range": range })),
        6 => Just(json!({"range": "2024-03-09 to 2024-04-08", "as_of": "2024-06-01"})),
    ];
    let what = (exposure, groups, metrics, option::weighted(0.12, users_of));
    ((scope(), time, filter), what, tests, adjusted)
        .prop_map(move |((scope, time, filter), what, tests, adjusted)| {
            let (exposure, groups, (metrics, formulas), mut users_of) = what;
            let is_filtered_first = json!([metrics, formulas]).to_string().contains("\"filtered\"");
            let is_compared = |of: &Value| {
                let variants = groups.get("variants").and_then(Value::as_array);
                of["variant"] == groups["control"] || variants.is_none_or(|all| all.contains(&of["variant"]))
            };
            users_of = users_of.filter(is_compared);
            let rest = object([
                ("report", Some(json!("experiment"))),
                ("count_by", key.clone()),
                ("metrics", Some(Value::from(metrics))),
                ("formulas", list(formulas)),
                ("where", filter.filter(|_| !is_filtered_first)),
                ("users_of", users_of),
            ]);
            merged([scope, time, rest, exposure, groups, tests, adjusted])
        })
        .boxed()
}

/// What users do between two steps, or after their birth, and what led to a first step.
fn computed(steps: Option<usize>) -> BoxedStrategy<Value> {
    let per_user = one_of(json!([
        {"per_user": "events", "event": "Play"},
        {"per_user": "events", "event": "$all_events"},
        {"per_user": "events", "event": {"event": "$all_events", "where": {"property": "genre", "is_set": true}}},
        {"per_user": {"aggregate": "sum", "of": "mins"}, "event": "Visit"},
        {"per_user": {"aggregate": "min", "of": "mixed", "as": "number"}, "event": "$all_events"},
        {"per_user": {"aggregate": "average", "of": "mins"}, "event": ["Play", "Buy"]},
        {"per_user": {"aggregate": "distinct", "of": "tags"}, "event": "$all_events"},
    ]));
    let Some(steps) = steps else {
        let within = one_of(json!(["10 minutes", "1 hour", "2 days", "1 month"]));
        return (per_user, within)
            .prop_map(|(per_user, within)| merged([per_user, json!({ "within": within })]))
            .boxed();
    };
    let between = (1..steps).prop_flat_map(move |from| (Just(from), from + 1..=steps));
    let between = (per_user, between)
        .prop_map(|(per_user, (from, to))| merged([per_user, json!({"between_steps": [from, to]})]));
    let attributed = one_of(json!([
        {"attributed": "genre"},
        {"attributed": "tags", "model": "first", "within": "1 hour"},
        {"attributed": "mixed", "model": "participation", "touchpoints": "Visit"},
        {"attributed": "user.plan", "model": "participation", "collapse_repeats": true},
    ]));
    prop_oneof![3 => between, 1 => attributed].boxed()
}

/// A breakdown by such a property.
fn by_computed(property: &Value, form: Value) -> Value {
    let form = if property.get("attributed").is_some() { json!({}) } else { form };
    merged([json!({ "property": property }), form])
}

/// A condition on such a property.
fn on_computed(property: &Value, condition: Value) -> Value {
    let condition =
        if property.get("attributed").is_some() { json!({"does_not_contain": "ro"}) } else { condition };
    merged([json!({ "property": property }), condition])
}

/// With properties that come from what else users do, where they can stand.
fn with_computed(definitions: BoxedStrategy<Value>) -> BoxedStrategy<Value> {
    definitions
        .prop_flat_map(|definition| {
            let steps = definition.get("steps").and_then(Value::as_array).map(Vec::len);
            let form = || {
                one_of(json!([
                    {}, {}, {"buckets": "auto"}, {"buckets": {"at": [1, 2.5]}}, {"as": "boolean"}, {"as": "string"},
                ]))
            };
            let condition = one_of(json!([
                {"at_least": 1}, {"equals": 0}, {"does_not_equal": 1}, {"is_set": true}, {"not_between": [1, 3]},
                {"as": "boolean", "equals": false},
            ]));
            let by_property =
                (computed(steps), form()).prop_map(|(property, form)| by_computed(&property, form));
            // Groups have cohorts too (F-52).
            let by_cohort = vec(select(COHORTS), 1..3).prop_map(|cohorts| json!({ "cohorts": cohorts }));
            let cohort_weight = u32::from(definition["report"] == "funnel");
            let breakdown = prop_oneof![3 => by_property, cohort_weight => by_cohort];
            let condition = (computed(steps), condition)
                .prop_map(|(property, condition)| on_computed(&property, condition));
            let (splits, filters) = (option::weighted(0.25, breakdown), option::weighted(0.15, condition));
            (Just(definition), splits, filters)
        })
        .prop_map(|(mut definition, breakdown, condition)| {
            let is_of_groups = definition.get("count_by").is_some();
            let is_retention = definition["report"] == "retention";
            let can_be = |part: &Value| {
                !is_of_groups || (!is_retention && !part.to_string().contains("\"attributed\""))
            };
            let is_split = !definition["breakdowns"].is_null() || definition["top"].is_null();
            if let Some(breakdown) = breakdown.filter(|part| is_split && can_be(part)) {
                let mut breakdowns = definition["breakdowns"].as_array().cloned().unwrap_or_default();
                breakdowns.truncate(1);
                breakdowns.push(breakdown);
                if let Some(Value::Array(control)) = definition.pointer_mut("/significance/control") {
                    control.resize(breakdowns.len(), json!("rock"));
                }
                definition["breakdowns"] = Value::from(breakdowns);
            }
            if let Some(condition) = condition.filter(can_be) {
                if is_retention {
                    let event = as_object(definition["birth"].clone());
                    if event.get("any_of").is_none() && event.get("first_time").is_none() {
                        definition["birth"] = merged([event, json!({ "where": condition })]);
                    }
                } else if definition["where"].is_null() {
                    definition["where"] = condition;
                } else {
                    definition["where"] = json!({"any": [definition["where"], {"not": condition}]});
                }
            }
            definition
        })
        .boxed()
}

/// Definitions as behaviour can be asked: what users do in a time, and credit for what led to events, are
/// of insights.
fn as_asked(definitions: BoxedStrategy<Value>) -> BoxedStrategy<Value> {
    let is_of_insights = |definition: &Value| {
        let text = definition.to_string();
        text.contains("\"per_user\"") || text.contains("\"attributed\"")
    };
    definitions
        .prop_filter("a property that only insights have", move |definition| !is_of_insights(definition))
        .boxed()
}

/// Any funnel.
pub fn funnel() -> impl Strategy<Value = Value> {
    with_computed(as_asked(any_funnel()))
}

/// A funnel over all of time that is not split and has nothing but plain steps, a window, an order, held
/// properties and exclusions.
pub fn plain_funnel() -> impl Strategy<Value = Value> {
    as_asked(any_plain_funnel())
}

/// Any retention report.
pub fn retention() -> impl Strategy<Value = Value> {
    with_computed(as_asked(any_retention()))
}

/// A retention report of one name each, from February to May, that is not split.
pub fn plain_retention() -> impl Strategy<Value = Value> {
    as_asked(any_plain_retention())
}

/// Any report of frequency, lifecycle or stickiness.
pub fn activity() -> impl Strategy<Value = Value> {
    as_asked(any_activity())
}

/// Any correlation, over histories that are [`scattered`].
pub fn correlation() -> impl Strategy<Value = Value> {
    as_asked(any_correlation())
}

/// Any experiment, over histories that are [`exposed`].
pub fn experiment() -> impl Strategy<Value = Value> {
    as_asked(any_experiment())
}

/// Any impact report, over histories that are [`launched`].
pub fn impact() -> impl Strategy<Value = Value> {
    as_asked(any_impact())
}

/// Makes an event one of a user who is known by this id alone.
fn give_to(properties: &mut Map<String, Value>, user: String) {
    properties.shift_remove("$device_id");
    properties.shift_remove("$user_id");
    properties.insert("distinct_id".to_owned(), user.into());
}

/// Histories of some users more, of whom some do something new, and others much before it and after it.
pub fn launched(histories: impl Strategy<Value = Vec<Value>>) -> impl Strategy<Value = Vec<Value>> {
    const HOUR: i64 = 3_600_000;
    histories.prop_map(|mut records| {
        let mut again = Vec::new();
        for (at, record) in records.iter_mut().enumerate() {
            let Some(properties) = record.get_mut("properties").and_then(Value::as_object_mut) else {
                continue;
            };
            if at % 4 > 0 && !properties.contains_key("$insert_id") {
                give_to(properties, format!("v{}", at * 5 % 8));
            }
            if at % 2 == 0 && !properties.contains_key("company") {
                let companies = [json!("A"), json!("C"), json!(["D", "A"]), json!("D"), json!("E")];
                properties.insert("company".to_owned(), companies[at % 5].clone());
            }
            if [4, 9].contains(&(at % 13)) {
                record["event"] = "New".into();
                continue;
            }
            if properties.contains_key("$insert_id") {
                continue;
            }
            let time = properties.get("time").and_then(Value::as_i64).unwrap_or_default();
            let hours: &[i64] = match at % 6 {
                0 => &[-48, -24, 23, 72],
                1 => &[-96, -50],
                2 => &[24, 25, 120],
                3 => &[-72, -30, 30],
                _ => &[],
            };
            for later in hours {
                let mut copy = record.clone();
                copy["properties"]["time"] = Value::from(time + later * HOUR);
                again.push(copy);
            }
        }
        records.extend(again);
        records
    })
}

/// Histories of more users, each with fewer events, some of which come a week or a month later.
pub fn scattered(histories: impl Strategy<Value = Vec<Value>>) -> impl Strategy<Value = Vec<Value>> {
    const DAY: i64 = 24 * 3_600_000;
    histories.prop_map(|mut records| {
        for (at, record) in records.iter_mut().enumerate() {
            let Some(properties) = record.get_mut("properties").and_then(Value::as_object_mut) else {
                continue;
            };
            if at % 3 > 0 && !properties.contains_key("$insert_id") {
                give_to(properties, format!("v{}", at * 7 % 11));
            }
            let later = [0, 0, 0, 8, 0, 0, 15, 0, 22, 35][at % 10] * DAY;
            if let Some(time) = properties.get_mut("time") {
                *time = Value::from(time.as_i64().unwrap_or_default() + later);
            }
        }
        records
    })
}

/// An experiment about what is believed (M-75), without what has to be saved first.
pub fn bayesian_experiment() -> impl Strategy<Value = Value> {
    let is_saved = |definition: &Value| {
        let text = definition.to_string();
        ["cohort", "Listen", "lookup", "\"column\""].iter().any(|name| text.contains(name))
    };
    experiment().prop_filter("what is saved", move |definition| !is_saved(definition)).prop_map(
        |mut definition| {
            if let Some(fields) = definition.as_object_mut() {
                fields.shift_remove("correction");
                fields.shift_remove("users_of");
                // What is 0 whatever is drawn is distributed as nothing is.
                let formulas = fields.get_mut("formulas").and_then(Value::as_array_mut);
                if let Some(formulas) = formulas {
                    formulas.retain(|formula| formula["formula"] != "A - A");
                }
                fields.insert("test".to_owned(), "bayesian".into());
            }
            definition
        },
    )
}

/// Histories of some users more, in which some events are exposures to the variants of two experiments.
pub fn exposed(histories: impl Strategy<Value = Vec<Value>>) -> impl Strategy<Value = Vec<Value>> {
    histories.prop_map(|mut records| {
        for (at, record) in records.iter_mut().enumerate() {
            let is_exposure = [1, 2, 6].contains(&(at % 9));
            let Some(properties) = record.get_mut("properties").and_then(Value::as_object_mut) else {
                continue;
            };
            if at % 5 > 0 && !properties.contains_key("$insert_id") {
                give_to(properties, format!("v{}", at * 5 % 7));
            }
            if is_exposure {
                // Mostly before what is measured.
                let genre = properties.get("genre").cloned().filter(|_| at % 9 == 6);
                let variant = if at % 2 == 0 { "rock" } else { "jazz" };
                properties.insert("Variant name".to_owned(), genre.unwrap_or_else(|| variant.into()));
                let earlier = if at % 9 == 6 { 0 } else { 36 * 3_600_000 };
                let time = properties.get("time").and_then(Value::as_i64).unwrap_or_default();
                properties.insert("time".to_owned(), Value::from(time - earlier));
                let name = if at % 8 == 0 { "two" } else { "one" };
                properties.insert("Experiment name".to_owned(), name.into());
                let genre = properties.get("genre").cloned().unwrap_or_default();
                let experiments = match at / 9 % 5 {
                    0 => json!({name: variant, "one.and": genre}),
                    1 => json!([format!("{name}:{variant}"), "one.and:rock", genre]),
                    2 => json!({"one": [genre, variant], "two": variant, "one.and": {"of": 1}}),
                    3 => json!([format!("one:{variant}"), format!("two:{variant}"), "one", 5, "two:rock"]),
                    _ => json!(format!("{name}:{variant}")),
                };
                properties.insert("experiments".to_owned(), experiments);
                if at % 3 == 0 && !properties.contains_key("company") {
                    let company = if at % 4 == 0 { json!(["A", "B"]) } else { json!("A") };
                    properties.insert("company".to_owned(), company);
                }
                record["event"] = "$experiment_started".into();
            }
        }
        records
    })
}

/// Any report of flows; of several anchors mostly without steps before the later ones.
pub fn flows() -> impl Strategy<Value = Value> {
    as_asked(any_flows())
}

/// What a report says of all its metrics, and what is said of one number of a report.
const OF_REPORT: [&str; 17] = [
    "report",
    "range",
    "time_zone",
    "as_of",
    "week_start",
    "sessions",
    "where",
    "interval",
    "breakdowns",
    "top",
    "other",
    "users_of",
    "explain",
    "time_buckets",
    "significance",
    "buckets",
    "compare",
];

/// What a definition says of its own question.
fn own(definition: &Value) -> Map<String, Value> {
    let fields = definition.as_object().into_iter().flatten();
    let own = fields.filter(|(field, _)| !OF_REPORT.contains(&field.as_str()));
    own.map(|(field, value)| (field.clone(), value.clone())).collect()
}

/// Reports that measure funnels and retention among other things (S-26, S-27), or alone, with what is known
/// of these only (F-75, R-33, A-17).
pub fn metrics() -> BoxedStrategy<Value> {
    prop_oneof![3 => mixed_metrics(), 1 => metrics_of_one(true), 1 => metrics_of_one(false)].boxed()
}

fn metrics_of_one(is_funnel: bool) -> BoxedStrategy<Value> {
    let definitions = if is_funnel { funnel().boxed() } else { retention().boxed() };
    definitions
        .prop_map(move |definition| {
            let kept = [
                "range",
                "time_zone",
                "as_of",
                "week_start",
                "sessions",
                "where",
                "breakdowns",
                "top",
                "other",
            ];
            let fields = definition.as_object().into_iter().flatten();
            let of_report = fields.filter(|(field, _)| kept.contains(&field.as_str()));
            let of_report: Map<String, Value> =
                of_report.map(|(field, value)| (field.clone(), value.clone())).collect();
            let interval = definition.get("interval").cloned().filter(|_| is_funnel);
            let field = if is_funnel { "funnel" } else { "retention" };
            let mut own = own(&definition);
            if let Some(brackets) = own.get_mut("brackets").and_then(Value::as_array_mut)
                && brackets.len() == 1
            {
                brackets.push(2.into());
            }
            let metric = object([(field, Some(own.into()))]);
            let rest = object([
                ("report", Some(json!("insights"))),
                ("interval", interval),
                ("metrics", Some(json!([metric]))),
            ]);
            merged([of_report.into(), rest])
        })
        .boxed()
}

fn mixed_metrics() -> BoxedStrategy<Value> {
    let values = prop_oneof![
        2 => Just(None),
        1 => one_of(json!([
            "count", "step_conversion", "conversion", "average_time_s", "median_time_s", "average_time_from_start_s",
            "median_time_from_start_s",
        ]))
        .prop_map(Some),
    ];
    let formula = option::weighted(0.5, one_of(json!(["A / B", "A + C", "C * 2 - B"])));
    let compare = option::weighted(0.2, one_of(json!([{"previous": "week"}, {"days_before": 3}])));
    let (funnel, retention) = (as_asked(any_funnel()), as_asked(any_retention()));
    (funnel, retention, values, option::of(1_usize..3), option::of(0_u32..3), formula, compare)
        .prop_map(|(funnel, retention, value, step, bucket, formula, compare)| {
            let mut returning = own(&retention);
            returning.shift_remove("count_by");
            let interval = funnel.get("interval").cloned();
            if let Some(interval) = interval.clone().filter(|_| returning["unit"] != "hour") {
                returning.insert("unit".to_owned(), interval);
                returning.insert("alignment".to_owned(), json!("calendar"));
            }
            let bucket = bucket.map(|bucket| match returning.get("brackets").and_then(Value::as_array) {
                Some(brackets) => bucket.min(brackets.len() as u32 - 1),
                None => bucket,
            });
            let has_one_bracket = returning.get("brackets").and_then(Value::as_array).is_some_and(|it| it.len() == 1);
            let bucket = if has_one_bracket { Some(0) } else { bucket };
            let metrics = json!([
                object([("funnel", Some(own(&funnel).into())), ("value", value), ("step", step.map(Value::from))]),
                object([("retention", Some(returning.into())), ("bucket", bucket.map(Value::from))]),
                {"event": "Play", "measure": "total_events"},
            ]);
            let is_filtered_first = metrics.to_string().contains("filtered");
            // What is compared has whole days.
            let range = if compare.is_some() { json!("2024-03-25 to 2024-04-06") } else { funnel["range"].clone() };
            let of = |field: &str| funnel.get(field).cloned();
            object([
                ("report", Some(json!("insights"))),
                ("range", Some(range)),
                ("time_zone", of("time_zone")),
                ("as_of", of("as_of")),
                ("week_start", of("week_start")),
                ("sessions", of("sessions")),
                ("where", of("where").filter(|_| !is_filtered_first)),
                ("interval", interval),
                ("breakdowns", of("breakdowns")),
                ("top", of("top")),
                ("other", of("other").filter(|_| funnel.get("top").is_some())),
                ("metrics", Some(metrics)),
                ("formulas", formula.map(|formula| json!([{ "formula": formula }]))),
                ("compare", compare),
            ])
        })
        .boxed()
}

#[cfg(test)]
mod tests {
    use proptest::strategy::ValueTree as _;
    use proptest::test_runner::TestRunner;
    use tallymark_report::Report;

    use super::*;
    use crate::cases::behaviour_answer;
    use crate::histories::dense_history;
    use crate::lookups::of_histories;
    use crate::oracle::insights::World;
    use crate::oracle::{Dataset, System};

    /// The share of some random questions whose answers have a value in a column.
    fn told(
        definitions: impl Strategy<Value = Value>,
        histories: impl Strategy<Value = Vec<Value>>,
        column: &str,
    ) -> f64 {
        const NOW: i64 = 1_795_478_400_000;
        let mut runner = TestRunner::deterministic();
        let (mut answers, mut told): (u32, u32) = (0, 0);
        for _ in 0..60 {
            let Ok(definition) = definitions.new_tree(&mut runner) else { continue };
            let Ok(history) = histories.new_tree(&mut runner) else { continue };
            // Cohorts are not saved here.
            let definition = definition.current();
            if definition.to_string().contains("cohort") {
                continue;
            }
            let Ok(report) = Report::from_value(definition) else { continue };
            let dataset = Dataset::of(System::Simplified, &history.current(), NOW);
            let world = World::of(&dataset, [].into()).with_lookups(of_histories()).seen_by(&report, NOW);
            let answer = behaviour_answer(&world, &report, NOW);
            // The users behind a number are something else.
            let Some(place) = answer.columns.iter().position(|name| name == column) else { continue };
            answers += 1;
            let has_value = |row: &Vec<Value>| !row[place].is_null();
            told += u32::from(answer.rows.iter().any(has_value));
        }
        f64::from(told) / f64::from(answers.max(1))
    }

    /// Questions that have no answer prove nothing.
    #[test]
    fn random_questions_have_answers() {
        let correlations = told(correlation(), scattered(dense_history()), "phi");
        assert!(correlations > 0.25, "{correlations}");
        let experiments = told(experiment(), exposed(dense_history()), "p");
        assert!(experiments > 0.12, "{experiments}");
        let impacts = told(impact(), launched(dense_history()), "lift");
        assert!(impacts > 0.2, "{impacts}");
        let sure = told(impact(), launched(dense_history()), "confidence");
        assert!(sure > 0.2, "{sure}");
    }
}

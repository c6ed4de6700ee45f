//! What definitions say, and what is said of wrong ones.

use chrono_tz::Tz;
use serde_json::json;

use crate::*;

fn parse(text: &str) -> Report {
    match Report::parse(text) {
        Ok(report) => report,
        Err(error) => unreachable!("{error}"),
    }
}

fn wrong(text: &str) -> String {
    match Report::parse(text) {
        Ok(report) => unreachable!("{report:?}"),
        Err(error) => error.to_string(),
    }
}

fn calendar(zone: Tz) -> Calendar {
    Calendar { zone, week_start: WeekStart::Monday }
}

fn millis(text: &str) -> i64 {
    chrono::DateTime::parse_from_rfc3339(text).map(|time| time.timestamp_millis()).unwrap_or_default()
}

/// The first and last civil day of a range.
fn days(range: &str, as_of: &str, zone: Tz) -> String {
    let Ok(range) = serde_json::from_str::<DateRange>(range) else { return "unreadable".to_owned() };
    match calendar(zone).resolve(&range, millis(as_of)) {
        Ok(Instants { days: Some((first, last)), .. }) => format!("{first} {last}"),
        Ok(instants) => format!("{instants:?}"),
        Err(error) => error.to_string(),
    }
}

const EVERYTHING: &str = r#"{
    "report": "insights",
    "range": {"last": "3 months", "ending_days_ago": 1},
    "time_zone": "Europe/Berlin",
    "week_start": "sunday",
    "where": ["amount > 10", {"property": "user.plan", "does_not_equal": ["free", "trial"]}],
    "interval": "week",
    "metrics": [
        {"event": "Play"},
        {"event": ["Play", {"event": "Buy", "where": "amount > 3"}], "measure": "total_events"},
        {"event": {"event": "Play", "first_time": "ever"}, "measure": {"aggregate": "p90", "of": "mins"}},
        {"event": "$all_events", "measure": {"aggregate": "median", "per_user": "events"}},
        {"event": "Buy", "measure": {"aggregate": "max", "per_user": {"aggregate": "sum", "of": "amount"}}},
        {"profiles": {"all": []}, "measure": {"aggregate": "average", "of": "user.age"}},
        {"event": "Buy", "measure": {"aggregate": "most_frequent", "of": "genre", "as": "string"},
         "where": {"property": "ids", "equals": "a", "include": "matching_items"}},
        {"event": "Buy", "where": {"list_contains": "cart", "where": [{"property": "b", "equals": "Puma"}]},
         "measure": {"aggregate": "max", "per_user": {"aggregate": "sum", "of": "amount", "as": "number"}}},
        {"cohort": "power users"}
    ],
    "formulas": [{"name": "share", "formula": "A / D"}],
    "breakdowns": ["genre", {"property": "mins", "buckets": {"even": {"from": 0, "to": 60, "size": 10}}},
                   {"property": "time", "unit": "day_of_week"}, {"property": "time", "unit": "week"},
                   {"cohorts": ["power users"]}],
    "top": 10,
    "other": true,
    "compare": {"previous": "month"}
}"#;

const BEHAVIOUR: [&str; 8] = [
    r#"{
        "report": "funnel",
        "steps": ["View", {"event": "Add", "where": "amount > 3", "optional": true},
                  {"any_of": ["Buy", "Order"], "name": "pay", "times": 2, "within": "1 hour"}],
        "window": "90 minutes", "reentry": "optimized", "count": "totals", "grace_seconds": 0,
        "hold_constant": ["item"], "exclude": [{"event": "Leave", "after_step": 1}],
        "breakdowns": ["country"], "attribution": {"step": 2}, "top": 5, "other": true,
        "time_buckets": {"buckets": {"at": [60, 3600]}}, "interval": "week", "interval_attempts": "shared",
        "measures": [{"aggregate": "sum", "of": "amount"}], "times": [{"aggregate": "p90"}],
        "significance": {"control": ["DE"]}, "users_of": {"step": 2, "dropped_off": true}
    }"#,
    r#"{
        "report": "retention", "birth": {"event": "Sign up", "first_time": "ever"}, "return": "Play",
        "unit": "week", "alignment": "calendar", "criterion": "streak", "buckets": 8,
        "measure": {"aggregate": "average", "of": "amount"}, "breakdowns": ["user.plan"], "top": 3,
        "users_of": {"time": "2024-01-01", "bucket": 2, "dropped_off": true, "segments": ["pro"]}
    }"#,
    r#"{
        "report": "flows", "anchors": ["Open", {"event": "Buy", "before": 2, "after": 1}], "count": "sessions",
        "window": "1 session", "rows": 5, "hide": ["Tick"], "collapse_repeated": true,
        "expand": [{"event": "View", "property": "page"}], "custom_events": [["Play", "Stream"]],
        "hold_constant": ["item"], "exclude": [{"event": "Leave"}], "form": "tree", "breakdowns": ["country"]
    }"#,
    r#"{"report": "frequency", "event": "Play", "period": "month", "cumulative": false, "birth": "Open",
        "users_of": {"time": "2024-01-01", "count": 3}}"#,
    r#"{"report": "flows", "anchors": ["Open", {"event": "Buy", "before": 2}], "breakdowns": ["country"],
        "users_of": {"anchor": 2, "offset": -1, "label": "View", "to": {"anchor": 2}, "segments": ["DE"]}}"#,
    r#"{"report": "flows", "anchors": ["a"], "form": "paths", "users_of": {"path": ["a", "b"]}}"#,
    r#"{"report": "lifecycle", "unit": "month", "users_of": {"time": "2024-01-01", "status": "dormant"}}"#,
    r#"{"report": "stickiness", "over": "week", "users_of": {"time": "2024-01-01", "of": "period"}}"#,
];

#[test]
fn a_definition_reads_back_as_the_same() {
    for text in BEHAVIOUR.into_iter().chain([EVERYTHING]) {
        let report = parse(text);
        let again = Report::from_value(report.to_value());
        assert_eq!(again.as_ref(), Ok(&report), "{}", report.to_value());
    }
    for compare in [r#"{"segment": ["a", "b"]}"#, r#""overall""#] {
        let text = format!(
            r#"{{"report": "insights", "metrics": [{{"event": "a"}}], "breakdowns": ["b", "c"], "compare": {compare}}}"#
        );
        let report = parse(&text);
        assert_eq!(Report::from_value(report.to_value()), Ok(report));
    }
}

#[test]
fn errors_of_behaviour_say_where_and_what_would_be_right() {
    let funnel = |rest: &str| format!(r#"{{"report": "funnel", "steps": ["a", "b"]{rest}}}"#);
    let errors = [
        wrong(r#"{"report": "funnel", "steps": ["a"]}"#),
        wrong(r#"{"report": "funnel", "steps": ["a", {"event": "b", "optional": true}]}"#),
        wrong(r#"{"report": "funnel", "steps": ["a", {"event": "b", "where": {"property": "x"}}]}"#),
        wrong(r#"{"report": "funnel", "steps": ["a", {"event": "b", "within": "2 sessions"}]}"#),
        wrong(r#"{"report": "funnel", "steps": ["a", {"event": "b", "anchored": true}]}"#),
        wrong(&funnel(r#", "window": "7 dayz""#)),
        wrong(&funnel(r#", "window": "0 days""#)),
        wrong(&funnel(r#", "count": "unique""#)),
        wrong(&funnel(r#", "order": "strikt""#)),
        wrong(&funnel(r#", "grace_seconds": -1"#)),
        wrong(&funnel(r#", "exclude": [{"event": "x", "after_step": 2}]"#)),
        wrong(&funnel(r#", "attribution": {"step": 3}"#)),
        wrong(&funnel(r#", "time_buckets": {"to_step": 1, "buckets": "auto"}"#)),
        wrong(&funnel(r#", "measures": [{"aggregate": "distinct", "of": "x"}]"#)),
        wrong(&funnel(r#", "significance": {}"#)),
        wrong(&funnel(r#", "users_of": {"step": 3}"#)),
        wrong(&funnel(r#", "users_of": {"step": 1, "time": "2024-01-01"}"#)),
        wrong(&funnel(r#", "clickhouse": ["strict_ordr"]"#)),
        wrong(&funnel(r#", "clickhouse": [], "exclude": [{"event": "x"}]"#)),
        wrong(&funnel(r#", "clickhouse": [], "breakdowns": ["country"]"#)),
        wrong(&funnel(r#", "explain": "u1", "users_of": {"step": 1}"#)),
        wrong(r#"{"report": "retention", "return": "b"}"#),
        wrong(r#"{"report": "retention", "birth": "a", "unit": "quarter"}"#),
        wrong(r#"{"report": "retention", "birth": "a", "buckets": 3, "brackets": [1, 2]}"#),
        wrong(r#"{"report": "retention", "birth": "a", "measure": {"aggregate": "max", "of": "x"}}"#),
        wrong(
            r#"{"report": "retention", "birth": "a", "users_of": {"time": "2024-01-01", "dropped_off": true}}"#,
        ),
        wrong(r#"{"report": "frequency", "period": "year"}"#),
        wrong(r#"{"report": "frequency", "users_of": {"time": "2024-01-01", "count": 8}}"#),
        wrong(r#"{"report": "lifecycle", "users_of": {"time": "2024-01-01", "status": "resurected"}}"#),
        wrong(r#"{"report": "stickiness", "users_of": {"of": "period"}}"#),
        wrong(r#"{"report": "flows", "anchors": []}"#),
        wrong(r#"{"report": "flows", "anchors": ["a"], "rows": 0}"#),
        wrong(r#"{"report": "flows", "anchors": ["a"], "users_of": {"anchor": 2}}"#),
        wrong(r#"{"report": "flows", "anchors": ["a"], "users_of": {"offset": -1, "label": "b"}}"#),
        wrong(r#"{"report": "flows", "anchors": ["a"], "users_of": {"offset": 1}}"#),
        wrong(r#"{"report": "flows", "anchors": ["a"], "users_of": {"label": "b"}}"#),
        wrong(r#"{"report": "flows", "anchors": ["a"], "users_of": {"label": "$drop_off"}}"#),
        wrong(r#"{"report": "flows", "anchors": ["a"], "users_of": {"segments": ["x"]}}"#),
        wrong(
            r#"{"report": "correlation", "goal": "a", "users_of": {"event": "b", "times": 11, "days": 1}}"#,
        ),
        wrong(
            r#"{"report": "correlation", "goal": "a", "users_of": {"event": "b", "times": 1, "days": 1, "value": "c"}}"#,
        ),
        wrong(
            r#"{"report": "correlation", "goal": "a", "users_of": {"event": "b", "times": 1, "days": 1, "of": "true_positive"}}"#,
        ),
        wrong(r#"{"report": "correlation", "goal": "a", "users_of": {"event": "b"}}"#),
        wrong(r#"{"report": "flows", "anchors": ["a"], "users_of": {"to": {"offset": 2, "label": "b"}}}"#),
        wrong(r#"{"report": "flows", "anchors": ["a"], "users_of": {"to": {"offset": 1}}}"#),
        wrong(
            r#"{"report": "flows", "anchors": ["a"], "users_of": {"to": {"offset": 1, "label": "$drop_off"}}}"#,
        ),
        wrong(r#"{"report": "flows", "anchors": ["a"], "users_of": {"path": ["a"]}}"#),
        wrong(
            r#"{"report": "flows", "anchors": ["a"], "form": "paths", "users_of": {"path": ["a"], "label": "a"}}"#,
        ),
        wrong(r#"{"report": "flows", "anchors": ["a"], "form": "paths", "users_of": {"label": "a"}}"#),
        wrong(r#"{"report": "flows", "anchors": ["a"], "form": "tree", "users_of": {}}"#),
        wrong(
            r#"{"report": "flows", "anchors": ["a"], "form": "tree", "users_of": {"path": ["a"], "offset": 1}}"#,
        ),
        wrong(r#"{"report": "flows", "anchors": ["a"], "hide": ["x"], "show_only": ["y"]}"#),
        wrong(r#"{"report": "flows", "anchors": ["a"], "exclude": [{"event": "x", "after_step": 1}]}"#),
    ];
    insta::assert_snapshot!(errors.join("\n"));
}

#[test]
fn m_90_errors_of_correlations_say_where_and_what_would_be_right() {
    let of = |rest: &str| wrong(&format!(r#"{{"report": "correlation", "goal": "Buy", {rest}}}"#));
    let errors = [
        wrong(r#"{"report": "correlation"}"#),
        of(r#""goal_in": "secondweek""#),
        of(r#""candidate": ["a"]"#),
        of(r#""candidates": [{"event": "a", "first_time": "ever"}]"#),
        of(r#""candidates": ["a", {"property": "b", "where": "c > 1"}]"#),
        of(r#""candidates": [{"property": "b", "event": {"event": "a", "where": {"property": "x"}}}]"#),
        of(r#""candidates": [{"property": {"per_user": "events", "event": "a"}}]"#),
        of(r#""top": 0"#),
        of(r#""candidates": [{"property": "a"}, "b", {"property": "c"}], "top": 2501"#),
    ];
    insta::assert_snapshot!(errors.join("\n"));
}

#[test]
fn m_90_correlations_read_back_as_the_same() {
    let report = parse(
        r#"{"report": "correlation", "goal": ["a", "b"], "goal_in": "second_month", "birth": {"event": "c", "first_time": "ever"},
            "candidates": ["d", ["e", {"event": "f", "where": "x > 1"}], {"any_of": ["g", "h"], "name": "i"}, {"property": "j"},
                {"property": {"sql": "k"}, "event": {"event": "l", "where": "m"}}], "top": 3, "all_cells": true}"#,
    );
    let again = Report::from_value(report.to_value());
    assert_eq!(again, Ok(report));
}

#[test]
fn m_70_errors_of_experiments_say_where_and_what_would_be_right() {
    let of = |rest: &str| {
        wrong(&format!(
            r#"{{"report": "experiment", "experiment": "x", "control": "off", "metrics": [{{"event": "Buy"}}], {rest}}}"#
        ))
    };
    let measured = |measure: &str| {
        wrong(&format!(
            r#"{{"report": "experiment", "experiment": "x", "control": "off", "metrics": [{{"event": "Buy", "measure": {measure}}}]}}"#
        ))
    };
    let errors = [
        wrong(r#"{"report": "experiment", "control": "off", "metrics": [{"event": "Buy"}]}"#),
        wrong(r#"{"report": "experiment", "experiment": "x", "control": "off", "metrics": []}"#),
        measured(r#""sum""#),
        measured(r#"{"aggregate": "median", "of": "price"}"#),
        of(r#""controls": "off""#),
        of(r#""exposure": {"event": "a", "first_time": "ever"}"#),
        of(r#""variants": ["on", "off"]"#),
        of(r#""test": "bayes""#),
        of(r#""confidence": 95"#),
        of(r#""test": "bayesian", "correction": "bonferroni""#),
        of(r#""correction": "bonferoni""#),
        of(r#""expected_effect": 0"#),
        of(r#""winsorize": 50"#),
        of(r#""cuped": "1 year""#),
        of(r#""cuped": "100 days""#),
        of(r#""split": {"off": 1, "on": 0}"#),
        of(r#""split": {"on": 1}"#),
        of(r#""variants": ["on"], "split": {"off": 1, "on": 1, "other": 1}"#),
        wrong(
            r#"{"report": "experiment", "experiments": "all", "control": "off", "metrics": [{"event": "Buy"}]}"#,
        ),
        of(r#""experiments": "all", "variant": "v""#),
        of(r#""experiments": {"events": "all"}"#),
        wrong(
            r#"{"report": "experiment", "experiment": "x", "control": "off", "count_by": "company",
                "metrics": [{"event": "Buy"}, {"event": "Buy", "measure": "sessions"}]}"#,
        ),
        of(r#""formulas": [{"formula": "A", "nam": "a"}]"#),
        of(r#""formulas": [{"metrics": [{"event": "a"}]}]"#),
        of(r#""formulas": [{"formula": "A", "saved": "f"}]"#),
        of(r#""formulas": [{"formula": "A", "metrics": [{"cohort": "a"}]}]"#),
        of(
            r#""formulas": [{"formula": "A", "metrics": [{"event": "a"}, {"event": "a", "count_by": "company"}]}]"#,
        ),
        of(
            r#""formulas": [{"formula": "A", "metrics": [{"event": "a", "measure": {"aggregate": "max", "of": "x"}}]}]"#,
        ),
        of(
            r#""formulas": [{"formula": "A", "metrics": [{"event": "a", "measure": {"aggregate": "sum", "of": "x", "as": "number"}}]}]"#,
        ),
        of(
            r#""formulas": [{"formula": "A", "metrics": [{"event": "a", "where": {"property": "x", "equals": 1, "include": "matching_items"}}]}]"#,
        ),
        of(
            r#""count_by": "g", "formulas": [{"formula": "A", "metrics": [{"event": "a", "measure": "sessions"}]}]"#,
        ),
        wrong(
            r#"{"report": "experiment", "experiment": "x", "control": "off", "formulas": [{"formula": "A"}, {"saved": "f"}]}"#,
        ),
        of(r#""users_of": {"metric": "A"}"#),
        of(r#""users_of": {"variant": "on", "metrics": "A"}"#),
        of(r#""variants": ["on"], "users_of": {"variant": "onn"}"#),
        of(r#""users_of": {"variant": "on", "metric": "A", "without": "A"}"#),
    ];
    insta::assert_snapshot!(errors.join("\n"));
}

#[test]
fn m_70_experiments_read_back_as_the_same() {
    let report = parse(
        r#"{"report": "experiment", "experiment": "x", "exposure": ["a", "b"], "variant": {"sql": "v"}, "control": "off",
            "variants": ["on"], "metrics": [{"event": "Buy"}, {"event": "Buy", "measure": {"aggregate": "average", "of": "price"},
            "name": "price"}, {"event": "c", "measure": "sessions"}], "test": "sequential", "confidence": 0.9,
            "correction": "benjamini_hochberg", "winsorize": 1, "cuped": "2 weeks", "pre_experiment_bias": true,
            "formulas": [{"formula": "A / B", "name": "each"}, {"saved": "Conversion"}, {"formula": "1 - A",
                "metrics": [{"event": "Buy", "measure": "total_events", "where": "price > 3"}]}],
            "split": {"on": 1, "off": 2}, "users_of": {"variant": "on", "metric": "A"}}"#,
    );
    let again = Report::from_value(report.to_value());
    assert_eq!(again, Ok(report));
    let report = parse(
        r#"{"report": "experiment", "experiment": "x", "experiments": "variants", "count_by": "company", "control": "off",
            "metrics": [{"event": "Buy"}]}"#,
    );
    let again = Report::from_value(report.to_value());
    assert_eq!(again, Ok(report));
}

#[test]
fn m_80_errors_of_impact_say_where_and_what_would_be_right() {
    let of = |rest: &str| {
        wrong(&format!(r#"{{"report": "impact", "launch": "New", "metrics": [{{"event": "Buy"}}], {rest}}}"#))
    };
    let errors = [
        wrong(r#"{"report": "impact", "metrics": [{"event": "Buy"}]}"#),
        wrong(r#"{"report": "impact", "launch": "New"}"#),
        wrong(r#"{"report": "impact", "launch": "New", "metrics": []}"#),
        wrong(r#"{"report": "impact", "launch": "New", "metrics": ["Buy"]}"#),
        wrong(
            r#"{"report": "impact", "launch": {"event": "New", "first_time": "ever"}, "metrics": [{"event": "Buy"}]}"#,
        ),
        wrong(
            r#"{"report": "impact", "launch": "New", "metrics": [{"event": "Buy", "measure": "sessions"}]}"#,
        ),
        of(r#""days_before": 0"#),
        of(r#""days_after": 400"#),
        of(r#""days_after": "15 days""#),
        of(r#""users_with": "all""#),
        of(r#""days": 7"#),
        of(r#""users_of": {"metric": "A"}"#),
        of(r#""users_of": {"who": "adopter"}"#),
        of(r#""users_of": {"who": "adopters", "of": "over"}"#),
        wrong(
            r#"{"report": "impact", "launch": "New", "metrics": [{"event": "Buy"}, {"event": "Play"}],
                "users_of": {"who": "adopters"}}"#,
        ),
    ];
    insta::assert_snapshot!(errors.join("\n"));
}

#[test]
fn m_80_impact_reads_back_as_the_same() {
    let report = parse(
        r#"{"report": "impact", "launch": ["a", {"event": "b", "where": "x > 1"}], "days_before": 7, "days_after": 30,
            "metrics": [{"event": "Buy", "name": "orders"}, {"event": {"event": "c", "first_time": "ever"}}],
            "users_with": "any_event", "count_by": "company", "users_of": {"who": "non_adopters", "metric": "B", "of": "observed"}}"#,
    );
    let again = Report::from_value(report.to_value());
    assert_eq!(again, Ok(report));
}

const FROM_ELSEWHERE: &str = r#"{
    "report": "insights",
    "interval": "day",
    "metrics": [
        {"event": "Play", "measure": {"aggregate": "sum", "of": "lookup.song_id.length"},
         "where": {"property": {"lookup": "songs", "of": "user.favourite", "column": "artist"}, "equals": "Ella"}},
        {"event": "Play", "where": [
            {"property": {"borrow": "plan", "from": {"event": "Sign up", "where": "plan IS NOT NULL"}, "within": "3 days"},
             "equals": "pro"},
            {"property": {"attributed": "utm_source", "model": "participation", "touchpoints": ["Visit", "Ad"],
                          "collapse_repeats": true, "within": "2 weeks"}, "contains": "goo"},
            {"property": {"per_user": {"aggregate": "max", "of": "mins"}, "event": "Play"}, "at_least": 3}]}
    ],
    "breakdowns": [{"property": {"seconds_to_next": "Play"}}, {"property": {"per_user": "events", "event": "Buy"}},
                   {"property": {"attributed": "utm_source", "model": {"first": 2, "middle": 1, "last": 1}}}]
}"#;

#[test]
fn what_comes_from_elsewhere_reads_back_as_the_same() {
    let report = parse(FROM_ELSEWHERE);
    let again = Report::from_value(report.to_value());
    assert_eq!(again.as_ref(), Ok(&report), "{}", report.to_value());
    let labels = |found: Vec<(String, Property)>| -> Vec<String> {
        found.into_iter().map(|(path, property)| format!("{path} = {}", property.label())).collect()
    };
    let definition = report.to_value();
    assert_eq!(
        labels(Property::lookups_in(&definition)),
        [
            "metrics[0].measure.of = lookup.song_id.length",
            "metrics[0].where.property = lookup.user.favourite.artist"
        ]
    );
    assert_eq!(
        labels(Property::computed_in(&definition)),
        [
            "metrics[1].where[0].property = plan of last Sign up",
            "metrics[1].where[1].property = utm_source (participation)",
            "metrics[1].where[2].property = max of mins per user of Play",
            "breakdowns[0].property = seconds to next Play",
            "breakdowns[1].property = events per user of Buy",
            "breakdowns[2].property = utm_source (weighted)",
        ]
    );
}

#[test]
fn errors_say_what_cannot_come_from_elsewhere() {
    let filter = |property: &str| {
        format!(
            r#"{{"report": "insights", "metrics": [{{"event": "Play", "where": {{"property": {property}, "is_set": true}}}}]}}"#
        )
    };
    let split = |metric: &str, breakdown: &str| {
        format!(r#"{{"report": "insights", "metrics": [{metric}], "breakdowns": [{breakdown}]}}"#)
    };
    let per_user = r#"{"property": {"per_user": "events", "event": "Play"}}"#;
    let attributed = r#"{"property": {"attributed": "src"}}"#;
    let errors = [
        wrong(&filter(r#"{"lookup": "songs", "of": "song_id"}"#)),
        wrong(&filter(r#"{"of": "distinct_id", "column": "a"}"#)),
        wrong(&filter(r#""lookup.group.company.tier.name""#)),
        wrong(&filter(r#"{"borrow": "plan"}"#)),
        wrong(&filter(r#"{"borrow": "plan", "from": "E", "within": "1 quarter"}"#)),
        wrong(&filter(r#"{"borrow": "plan", "from": "E", "within": "0 days"}"#)),
        wrong(&filter(r#"{"borrow": {"borrow": "a", "from": "F"}, "from": "E"}"#)),
        wrong(&filter(
            r#"{"seconds_to_next": {"event": "E", "where": {"property": {"attributed": "a"}, "is_set": true}}}"#,
        )),
        wrong(&filter(r#"{"seconds_to_next": {"event": "E", "first_time": "ever"}}"#)),
        wrong(&filter(r#"{"seconds_to_next": "E", "within": "1 day"}"#)),
        wrong(&filter(r#"{"per_user": "sessions", "event": "E"}"#)),
        wrong(&filter(r#"{"per_user": "events"}"#)),
        wrong(&filter(r#"{"attributed": "src", "model": "lsat"}"#)),
        wrong(&filter(r#"{"attributed": "src", "model": {"first": 0, "middle": 0, "last": 0}}"#)),
        wrong(&filter(r#"{"event_property": "src", "model": "last"}"#)),
        wrong(&split(r#"{"event": "Play", "measure": "weekly_active_users"}"#, per_user)),
        wrong(&split(r#"{"event": "Play", "count_by": "company"}"#, per_user)),
        wrong(&split(r#"{"profiles": {"all": []}}"#, per_user)),
        wrong(&split(r#"{"event": "Play", "measure": "sessions"}"#, attributed)),
        wrong(&split(r#"{"event": "Play", "count_by": "company"}"#, attributed)),
        wrong(&split(r#"{"event": "Play"}"#, &format!("{attributed}, {attributed}"))),
        wrong(&split(r#"{"event": "Play"}"#, r#"{"property": {"attributed": "src"}, "as": "number"}"#)),
        wrong(&format!(
            r#"{{"report": "cohort", "all": [{{"did": {{"event": {{"event": "E", "where":
            {{"property": {}, "equals": 1}}}}}}}}]}}"#,
            r#"{"per_user": "events", "event": "F"}"#
        )),
        wrong(
            r#"{"report": "cohort", "all": [{"did": {"event": {"event": "E", "where": {"property":
            {"borrow": "p", "from": {"event": "F", "where": {"in_cohort": "x"}}}, "equals": 1}}}}]}"#,
        ),
        wrong(r#"{"report": "cohort", "all": [{"where": "user.plan = 'pro'", "at": "2024-01-01"}]}"#),
        wrong(r#"{"report": "cohort", "all": [{"did": {"event": "E"}, "in": "last 7 days"}]}"#),
        wrong(
            r#"{"report": "cohort", "all": [{"where": {"property": {"borrow": "p", "from": "E"}, "is_set": true}}]}"#,
        ),
        wrong(&format!(r#"{{"report": "sessions", "properties": [{}]}}"#, r#"{"attributed": "src"}"#)),
    ];
    insta::assert_snapshot!(errors.join("\n"));
}

#[test]
fn errors_say_what_attempts_and_births_do_not_know() {
    let funnel = |rest: &str| format!(r#"{{"report": "funnel", "steps": ["A", "B"], {rest}}}"#);
    let split =
        |property: &str, rest: &str| funnel(&format!(r#""breakdowns": [{{"property": {property}}}]{rest}"#));
    let between =
        |steps: &str| format!(r#"{{"per_user": "events", "event": "X", "between_steps": {steps}}}"#);
    let within = r#"{"per_user": "events", "event": "X", "within": "1 day"}"#;
    let retention = |rest: &str| format!(r#"{{"report": "retention", "birth": "A", {rest}}}"#);
    let born = |property: &str| retention(&format!(r#""breakdowns": [{{"property": {property}}}]"#));
    let errors = [
        wrong(&split(r#"{"per_user": "events", "event": "X"}"#, "")),
        wrong(&split(within, "")),
        wrong(&split(&between("[2, 1]"), "")),
        wrong(&split(&between("[1, 3]"), "")),
        wrong(&split(&between("[1, 2]"), r#", "clickhouse": []"#)),
        wrong(&funnel(&format!(
            r#""where": [{{"any": [{{"property": {}, "at_least": 1}}]}}]"#,
            between("[0, 1]")
        ))),
        wrong(&funnel(&format!(r#""hold_constant": [{}]"#, between("[1, 2]")))),
        wrong(&format!(
            r#"{{"report": "funnel", "steps": ["A", {{"event": "B", "where": {{"property": {}, "equals": 1}}}}]}}"#,
            between("[1, 2]")
        )),
        wrong(&split(r#"{"attributed": "src", "model": "linear"}"#, "")),
        wrong(&split(r#"{"attributed": "src"}"#, r#", "count_by": "company""#)),
        wrong(&funnel(r#""breakdowns": [{"property": {"attributed": "src"}, "as": "string"}]"#)),
        wrong(&funnel(r#""measures": [{"aggregate": "sum", "of": {"attributed": "src"}}]"#)),
        wrong(
            r#"{"report": "insights", "metrics": [{"event": "A"}], "breakdowns": [{"property":
            {"per_user": "events", "event": "X", "within": "1 day"}}]}"#,
        ),
        wrong(&format!(
            r#"{{"report": "insights", "metrics": [{{"funnel": {{"steps": ["A", "B"]}}}}, {{"event": "A"}}],
                "breakdowns": [{{"property": {}}}]}}"#,
            between("[1, 2]")
        )),
        wrong(&format!(
            r#"{{"report": "insights", "metrics": [{{"funnel": {{"steps": ["A", "B"]}}}}, {{"retention": {{"birth": "A"}}}}],
                "breakdowns": [{{"property": {}}}]}}"#,
            between("[1, 2]")
        )),
        wrong(&format!(
            r#"{{"report": "insights", "metrics": [{{"funnel": {{"steps": ["A", "B"], "hold_constant": [{}]}}}}]}}"#,
            between("[1, 2]")
        )),
        wrong(
            r#"{"report": "insights", "metrics": [{"retention": {"birth": "A"}}], "breakdowns": [{"property": {"attributed": "src"}}]}"#,
        ),
        wrong(&born(r#"{"per_user": "events", "event": "X"}"#)),
        wrong(&born(&between("[1, 2]"))),
        wrong(&born(r#"{"event_property": "a", "between_steps": [1, 2]}"#)),
        wrong(&retention(&format!(r#""where": {{"property": {within}, "equals": 1}}"#))),
        wrong(&retention(&format!(
            r#""return": {{"event": "B", "where": {{"property": {within}, "equals": 1}}}}"#
        ))),
        wrong(&retention(&format!(r#""count_by": "company", "breakdowns": [{{"property": {within}}}]"#))),
        wrong(&format!(
            r#"{{"report": "flows", "anchors": ["A"], "breakdowns": [{{"property": {within}}}]}}"#
        )),
    ];
    insta::assert_snapshot!(errors.join("\n"));
    let report = parse(&split(&between("[1, 2]"), ""));
    assert_eq!(Report::from_value(report.to_value()), Ok(report));
    let report = parse(&born(within));
    assert_eq!(Report::from_value(report.to_value()), Ok(report));
}

#[test]
fn errors_say_where_and_what_would_be_right() {
    let with =
        |metric: &str| format!(r#"{{"report": "insights", "metrics": [{{"event": "Play"}}, {metric}]}}"#);
    let errors = [
        wrong("[1]"),
        wrong("{"),
        wrong("{}"),
        wrong(r#"{"report": "insight"}"#),
        wrong(r#"{"report": "insights"}"#),
        wrong(r#"{"report": "insights", "metrics": []}"#),
        wrong(&with(r#"{"event": "Play", "measur": "unique_users"}"#)),
        wrong(&with(r#"{"event": "Play", "measure": "unique_user"}"#)),
        wrong(&with(r#"{"event": "Play", "measure": "sum"}"#)),
        wrong(&with(r#"{"event": "Play", "measure": {"aggregate": "avg", "of": "mins"}}"#)),
        wrong(&with(r#"{"event": "Play", "measure": {"aggregate": "sum"}}"#)),
        wrong(&with(r#"{"event": 7}"#)),
        wrong(&with(r#"{"event": "Play", "cohort": "x"}"#)),
        wrong(&with(r#"{"event": {"event": "Play", "where": {"property": "genre", "equal": "rock"}}}"#)),
        wrong(&with(r#"{"event": {"event": "Play", "where": {"property": "genre"}}}"#)),
        wrong(&with(
            r#"{"event": {"event": "Play", "where": {"property": "genre", "equals": "a", "contains": "b"}}}"#,
        )),
        wrong(r#"{"report": "insights", "metrics": [{"event": "a"}], "time_zone": "Europe/Berln"}"#),
        wrong(r#"{"report": "insights", "metrics": [{"event": "a"}], "range": "last month"}"#),
        wrong(r#"{"report": "insights", "metrics": [{"event": "a"}], "rolling": 7}"#),
        wrong(r#"{"report": "cohort", "all": [{"did": {"event": "a", "times": {"at_leest": 3}}}]}"#),
        wrong(r#"{"report": "cohort", "all": [{"did": {"event": "a", "times": {}}}]}"#),
    ];
    insta::assert_snapshot!(errors.join("\n"));
}

#[test]
fn s_91_of_what_there_can_be_a_sample() {
    let with = |rest: &str| {
        let text = format!(r#"{{"report": "insights", {rest}}}"#);
        Report::parse(&text)
            .map(|report| report.to_value()["sample"].clone())
            .map_err(|error| error.to_string())
    };
    assert_eq!(with(r#""metrics": [{"event": "a"}], "sample": 0.1"#), Ok(json!(0.1)));
    assert_eq!(with(r#""metrics": [{"event": "a"}], "sample": 1"#), Ok(json!(1.0)));
    assert_eq!(with(r#""metrics": [{"event": "a"}]"#), Ok(json!(null)));
    let refused = [
        with(r#""metrics": [{"event": "a"}], "sample": 0"#),
        with(r#""metrics": [{"event": "a"}], "sample": 10"#),
        with(r#""metrics": [{"event": "a"}, {"event": "a", "count_by": "company"}], "sample": 0.1"#),
        with(r#""metrics": [{"funnel": {"steps": ["a", "b"]}}], "sample": 0.1"#),
        with(
            r#""formulas": [{"formula": "A", "metrics": [{"retention": {"birth": "a", "return": "b"}, "bucket": 1}]}], "sample": 0.1"#,
        ),
        Report::parse(r#"{"report": "funnel", "steps": ["a", "b"], "sample": 0.1}"#)
            .map(|_| json!(null))
            .map_err(|error| error.to_string()),
    ];
    insta::assert_snapshot!(refused.map(|refused| refused.unwrap_err()).join("\n"), @r#"
        sample: a share of users, above 0 and up to 1; 0.1 is every tenth user
        sample: a share of users, above 0 and up to 1; 0.1 is every tenth user
        metrics[1].count_by: is not possible with sample: groups have users in the sample and others
        metrics[0].funnel: is not possible with sample: a funnel is of all users
        formulas[0].metrics[0].retention: is not possible with sample: retention is of all users
        "sample" is not known; known here: steps, window, order, reentry, count, count_by, grace_seconds, hold_constant, exclude, breakdowns, attribution, top, other, time_buckets, interval, interval_attempts, measures, times, compare, significance, clickhouse, users_of, explain
        "#);
}

#[test]
fn what_lists_texts_and_segments_cannot_be_asked() {
    let metric = |metric: &str| format!(r#"{{"report": "insights", "metrics": [{metric}]}}"#);
    let play = |rest: &str| metric(&format!(r#"{{"event": "Play"{rest}}}"#));
    let matching = r#"{"property": "ids", "equals": "a", "include": "matching_items"}"#;
    let errors = [
        wrong(&play(&format!(r#", "where": {{"any": [{matching}]}}"#))),
        wrong(&play(&format!(r#", "where": [{{"not": {matching}}}]"#))),
        wrong(&metric(&format!(r#"{{"event": ["Buy", {{"event": "Play", "where": {matching}}}]}}"#))),
        wrong(&play(r#", "where": {"property": "user.likes", "equals": "a", "include": "matching_items"}"#)),
        wrong(&play(r#", "where": {"in_cohort": "a", "include": "matching_items"}"#)),
        wrong(&format!(r#"{{"report": "sessions", "where": {matching}}}"#)),
        wrong(&play(r#", "where": {"list_contains": "cart"}"#)),
        wrong(&play(r#", "where": {"list_contains": "cart", "where": "p > 3"}"#)),
        wrong(&play(
            r#", "where": {"list_contains": "cart", "where": {"any": [{"property": "user.p", "equals": 3}]}}"#,
        )),
        wrong(&play(r#", "measure": {"aggregate": "sum", "of": "price", "as": "string"}"#)),
        wrong(&play(r#", "measure": {"aggregate": "first", "of": "price", "as": "date"}"#)),
        wrong(&play(r#", "measure": {"aggregate": "sum", "per_user": "events", "as": "number"}"#)),
        wrong(r#"{"report": "insights", "metrics": [{"event": "a"}], "compare": "overall"}"#),
        wrong(
            r#"{"report": "insights", "metrics": [{"event": "a"}], "breakdowns": ["b", "c"], "compare": {"segment": ["d"]}}"#,
        ),
        wrong(
            r#"{"report": "insights", "metrics": [{"event": "a"}], "breakdowns": [{"property": "time", "unit": "hour_of_dy"}]}"#,
        ),
    ];
    insta::assert_snapshot!(errors.join("\n"));
}

#[test]
fn c_21_what_cohorts_of_groups_cannot_say() {
    let cohort = |rest: &str| wrong(&format!(r#"{{"report": "cohort", "group_key": "company", {rest}}}"#));
    let first = r#"{"event": {"event": "a", "first_time": "ever"}, "then": "b"}"#;
    let errors = [
        cohort(r#""all": [{"users": ["u1"]}]"#),
        wrong(r#"{"report": "cohort", "all": [{"not": {"groups": ["A"]}}]}"#),
        cohort(r#""any": [{"where": {"property": "user.plan", "equals": "pro"}}]"#),
        cohort(r#""any": [{"where": {"any": [{"property": "group.account.plan", "equals": "pro"}]}}]"#),
        cohort(&format!(r#""all": [{{"did": {first}}}]"#)),
        cohort(
            r#""all": [{"where": {"property": {"user_history": "plan"}, "equals": "pro"}, "at": "2024-07-01"}]"#,
        ),
    ];
    insta::assert_snapshot!(errors.join("\n"));
}

#[test]
fn the_schema_is_one_of_the_reports() {
    let schema = Report::json_schema();
    let kinds: Vec<_> = schema["oneOf"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|kind| kind["properties"]["report"]["const"].to_string())
        .collect();
    assert_eq!(kinds, REPORT_KINDS.map(|kind| format!("\"{kind}\"")));
    assert!(schema["oneOf"][0]["properties"]["time_zone"].is_object());
    assert!(schema["$defs"]["Metric"].is_object());
}

#[test]
fn g_8_last_units_include_the_current_one() {
    let as_of = "2024-01-10T14:00:00Z";
    assert_eq!(days("\"last 7 days\"", as_of, Tz::UTC), "2024-01-04 2024-01-10");
    assert_eq!(days("\"last 1 month\"", as_of, Tz::UTC), "2023-12-11 2024-01-10");
    assert_eq!(days("\"last 2 weeks\"", as_of, Tz::UTC), "2023-12-28 2024-01-10");
    assert_eq!(days(r#"{"last": "2 days", "ending_days_ago": 1}"#, as_of, Tz::UTC), "2024-01-08 2024-01-09");
    assert_eq!(days("\"last 1 month\"", "2024-03-31T10:00:00Z", Tz::UTC), "2024-03-01 2024-03-31");
    let Ok(hours) = calendar(Tz::UTC).resolve(
        &DateRange::Last { period: Period { count: 2, unit: Unit::Hour }, ending_days_ago: 0 },
        millis(as_of),
    ) else {
        unreachable!()
    };
    assert_eq!(
        (hours.from, hours.to),
        (millis("2024-01-10T12:00:00.001Z"), millis("2024-01-10T14:00:00.001Z"))
    );
}

#[test]
fn s_62_presets_are_civil() {
    let as_of = "2024-06-27T09:00:00Z";
    assert_eq!(days("\"month to date\"", as_of, Tz::UTC), "2024-06-01 2024-06-27");
    assert_eq!(days("\"previous month\"", as_of, Tz::UTC), "2024-05-01 2024-05-31");
    assert_eq!(days("\"yesterday\"", as_of, Tz::UTC), "2024-06-26 2024-06-26");
    assert_eq!(days("\"previous week\"", as_of, Tz::UTC), "2024-06-17 2024-06-23");
    assert_eq!(days("\"today\"", "2024-06-27T23:30:00Z", Tz::Asia__Tokyo), "2024-06-28 2024-06-28");
    assert_eq!(
        days("\"2024-06-30 to 2024-06-01\"", as_of, Tz::UTC),
        "range: it ends, 2024-06-01, before it starts, 2024-06-30"
    );
}

#[test]
fn g_6_days_and_hours_follow_the_clock() {
    let berlin = calendar(Tz::Europe__Berlin);
    let day = |date: &str| date.parse().unwrap_or_default();
    let spring = berlin.days(day("2024-03-31"), day("2024-03-31"));
    assert_eq!(spring.to - spring.from, 23 * 3_600_000);
    assert_eq!(berlin.buckets(&spring, Unit::Hour).len(), 23);
    let autumn = berlin.days(day("2024-10-27"), day("2024-10-27"));
    let hours = berlin.buckets(&autumn, Unit::Hour);
    assert_eq!(hours.len(), 25);
    assert!(hours.is_sorted_by(|a, b| a < b));
    // In Cairo midnight is skipped: the day starts at one.
    let cairo = calendar(Tz::Africa__Cairo);
    let start = cairo.start_of_day(day("2024-04-26"));
    assert_eq!(start, millis("2024-04-26T01:00:00+03:00"));
    assert_eq!(cairo.bucket(start + 5, Unit::Day), start);
    assert_eq!(cairo.bucket(start - 1, Unit::Day), millis("2024-04-25T00:00:00+02:00"));
}

#[test]
fn g_6_every_instant_lies_in_a_listed_bucket() {
    for zone in [Tz::Australia__Lord_Howe, Tz::America__Sao_Paulo, Tz::Asia__Kathmandu, Tz::Pacific__Apia] {
        let calendar = calendar(zone);
        for (first, last) in
            [("2018-10-30", "2018-11-09"), ("2018-04-01", "2018-04-02"), ("2011-12-28", "2012-01-02")]
        {
            let range = calendar.days(first.parse().unwrap_or_default(), last.parse().unwrap_or_default());
            for unit in
                [Unit::Minute, Unit::Hour, Unit::Day, Unit::Week, Unit::Month, Unit::Quarter, Unit::Year]
            {
                let buckets = calendar.buckets(&range, unit);
                let mut met: Vec<i64> =
                    (range.from..range.to).step_by(60_000).map(|at| calendar.bucket(at, unit)).collect();
                met.dedup();
                assert_eq!(met, buckets, "{zone} {unit} {first}");
            }
        }
    }
}

#[test]
fn g_6_every_instant_is_of_the_day_that_began_last() {
    // In Newfoundland clocks went back a minute after midnight: the day before came again.
    for (zone, first, last) in [
        (Tz::UTC, "2024-02-28", "2024-03-02"),
        (Tz::Africa__Cairo, "2024-04-25", "2024-04-27"),
        (Tz::America__St_Johns, "2006-10-27", "2006-10-31"),
        (Tz::Pacific__Apia, "2011-12-28", "2012-01-02"),
        (Tz::America__Havana, "2024-11-01", "2024-11-05"),
    ] {
        let calendar = calendar(zone);
        let range = calendar.days(first.parse().unwrap_or_default(), last.parse().unwrap_or_default());
        let (first, last) = range.days.unwrap_or_default();
        let starts = calendar.day_starts(first, last);
        assert!(starts.is_sorted_by(|a, b| a.0 < b.0 && a.1 != b.1), "{zone} {starts:?}");
        assert_eq!(starts.first().map(|(start, _)| *start), Some(range.from));
        for at in (range.from..range.to).step_by(20_000) {
            let began = starts.partition_point(|(start, _)| *start <= at);
            assert_eq!(starts[began - 1].1, calendar.day(at), "{zone} {at}");
        }
    }
    let newfoundland = calendar(Tz::America__St_Johns);
    let day = |date: &str| date.parse().unwrap_or_default();
    assert_eq!(newfoundland.day_starts(day("2006-10-28"), day("2006-10-29")).len(), 4);
}

#[test]
fn g_5_weeks_start_where_they_are_told_to() {
    let at = millis("2024-01-07T12:00:00Z"); // a Sunday
    let start = |week_start| Calendar { zone: Tz::UTC, week_start }.bucket(at, Unit::Week);
    assert_eq!(start(WeekStart::Monday), millis("2024-01-01T00:00:00Z"));
    assert_eq!(start(WeekStart::Sunday), millis("2024-01-07T00:00:00Z"));
    assert_eq!(start(WeekStart::Saturday), millis("2024-01-06T00:00:00Z"));
}

#[test]
fn s_76_months_shift_by_the_calendar() {
    let utc = calendar(Tz::UTC);
    let day = |date: &str| date.parse().unwrap_or_default();
    let march = utc.days(day("2024-03-01"), day("2024-03-31"));
    let shifted = |comparison| utc.compared(&march, &comparison).ok().and_then(|range| range.days);
    assert_eq!(shifted(Comparison::Previous(Unit::Month)), Some((day("2024-02-01"), day("2024-02-29"))));
    assert_eq!(shifted(Comparison::DaysBefore(364)), Some((day("2023-03-03"), day("2023-04-02"))));
    assert_eq!(
        shifted(Comparison::From(Instant("2024-01-01".to_owned()))),
        Some((day("2024-01-01"), day("2024-01-31")))
    );
    assert_eq!(
        shifted(Comparison::To(Instant("2024-01-31".to_owned()))),
        Some((day("2024-01-01"), day("2024-01-31")))
    );
}

#[test]
fn s_26_what_makes_no_number_of_a_funnel_is_no_metric() {
    for (field, value) in
        [("compare", json!({"step": 1, "with": ["c"]})), ("explain", json!("u1")), ("top", json!(3))]
    {
        let mut funnel = json!({"steps": ["a", "b"], "breakdowns": []});
        funnel[field] = value;
        let definition = json!({"report": "insights", "metrics": [{ "funnel": funnel }]});
        let error = Report::from_value(definition).unwrap_err();
        assert_eq!(error.path, format!("metrics[0].funnel.{field}"), "{error}");
    }
}

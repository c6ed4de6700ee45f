//! What definitions say, and what is said of wrong ones.

use chrono_tz::Tz;

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

#[test]
fn a_definition_reads_back_as_the_same() {
    let report = parse(EVERYTHING);
    let again = Report::from_value(report.to_value());
    assert_eq!(again.as_ref(), Ok(&report), "{}", report.to_value());
    for compare in [r#"{"segment": ["a", "b"]}"#, r#""overall""#] {
        let text = format!(
            r#"{{"report": "insights", "metrics": [{{"event": "a"}}], "breakdowns": ["b", "c"], "compare": {compare}}}"#
        );
        let report = parse(&text);
        assert_eq!(Report::from_value(report.to_value()), Ok(report));
    }
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
    assert_eq!(kinds, ["\"insights\"", "\"cohort\"", "\"sessions\""]);
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

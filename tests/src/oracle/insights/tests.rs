//! What holds of every answer (section 12), and that the calendar of definitions cuts time as the
//! clock does.

#![expect(clippy::float_cmp, reason = "counts, and sums of halves, are exact")]
#![expect(clippy::needless_pass_by_value, reason = "definitions are written where they are used")]

use std::collections::{BTreeMap, BTreeSet};

use chrono_tz::Tz;
use proptest::prelude::*;
use proptest::sample::select;
use proptest::test_runner::{Config, RngSeed, TestRunner};
use serde_json::{Value, json};
use tallymark_report::{Calendar, Comparison, DateRange, Report, SessionRule, Unit, WeekStart};

use super::civil::Civil;
use super::property::groups;
use super::range::{compared, resolve};
use super::sessions::sessions;
use super::world::{Event, Subject, View};
use super::{OVERALL, Row, World, answer, members};
use crate::definitions::{COHORTS, any_condition, any_filter, cohorts, definition};
use crate::histories::{EVENTS, history};
use crate::lookups::of_histories;
use crate::oracle::{Dataset, System};

/// 2024-04-08T15:30:00Z.
pub(in crate::oracle) const NOW: i64 = 1_712_590_200_000;
const ZONES: [Tz; 6] = [
    Tz::UTC,
    Tz::America__New_York,
    Tz::Europe__Berlin,
    Tz::Asia__Beirut,
    Tz::America__Santiago,
    Tz::Australia__Lord_Howe,
];

/// Runs a check on values of a strategy, always the same ones.
pub(in crate::oracle) fn for_each<S: Strategy>(cases: u32, strategy: &S, check: impl Fn(S::Value)) {
    let config = Config {
        cases,
        failure_persistence: None,
        rng_seed: RngSeed::Fixed(20_261_125),
        max_shrink_iters: 2_000,
        ..Config::default()
    };
    let checked = TestRunner::new(config).run(strategy, |value| {
        check(value);
        Ok(())
    });
    if let Err(failed) = checked {
        panic!("{failed}");
    }
}

pub(in crate::oracle) fn world(records: &[Value], cohorts: &BTreeMap<String, Value>) -> World {
    let definitions =
        cohorts.iter().map(|(name, cohort)| (name.clone(), serde_json::from_value(cohort.clone()).unwrap()));
    World::of(&Dataset::of(System::Simplified, records, NOW), definitions.collect())
        .with_lookups(of_histories())
}

pub(in crate::oracle) fn report(definition: Value) -> Report {
    match Report::from_value(definition.clone()) {
        Ok(report) => report,
        Err(error) => panic!("{error}: {definition}"),
    }
}

/// The answer to metrics, over all of time if not said otherwise.
fn ask(world: &World, metrics: Value, more: &Value) -> Vec<Row> {
    let mut definition =
        json!({"report": "insights", "range": "2024-02-01 to 2024-05-31", "metrics": metrics});
    definition.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    answer(world, &report(definition), NOW)
}

/// The values of a metric's overall rows, and of its segments.
fn parts(rows: &[Row], metric: &str) -> (Vec<f64>, Vec<f64>) {
    let own = rows.iter().filter(|row| row.metric == metric);
    let (overall, segments): (Vec<&Row>, Vec<&Row>) =
        own.partition(|row| row.segments.iter().all(|label| label == OVERALL));
    let values = |rows: Vec<&Row>| rows.into_iter().filter_map(|row| row.value).collect();
    (values(overall), values(segments))
}

/// The values of metric A.
fn values(rows: &[Row]) -> Vec<f64> {
    rows.iter().filter(|row| row.metric == "A").filter_map(|row| row.value).collect()
}

#[test]
fn every_question_has_an_answer() {
    for_each(75, &(history(), cohorts(), definition()), |(records, cohorts, definition)| {
        answer(&world(&records, &cohorts), &report(definition), NOW);
    });
}

#[test]
fn g_5_the_calendar_has_the_same_buckets() {
    let ranges = select(vec![
        r#""2024-03-08 to 2024-04-08""#,
        r#""last 7 days""#,
        r#""last 2 weeks""#,
        r#""last 1 month""#,
        r#""last 3 quarters""#,
        r#""last 5 hours""#,
        r#"{"last": "90 minutes", "ending_days_ago": 1}"#,
        r#"{"last": "2 months", "ending_days_ago": 3}"#,
        r#""today""#,
        r#""yesterday""#,
        r#""week to date""#,
        r#""quarter to date""#,
        r#""previous week""#,
        r#""previous month""#,
        r#""previous quarter""#,
        r#""previous year""#,
        r#"{"since": "2024-02-29"}"#,
        r#"{"since": "2024-03-10T02:30"}"#,
        r#"{"from": "2024-03-09", "to": "2024-03-10T02:30"}"#,
        r#""2023-03-31 to 2024-03-31""#,
    ]);
    let units =
        select(vec![Unit::Minute, Unit::Hour, Unit::Day, Unit::Week, Unit::Month, Unit::Quarter, Unit::Year]);
    let comparisons = select(vec![
        Comparison::Previous(Unit::Day),
        Comparison::Previous(Unit::Week),
        Comparison::Previous(Unit::Month),
        Comparison::Previous(Unit::Year),
        Comparison::DaysBefore(364),
    ]);
    let week_starts = select(vec![WeekStart::Monday, WeekStart::Sunday, WeekStart::Saturday]);
    let days = 24 * 60 * 60_000_i64;
    let nows =
        prop_oneof![NOW - 40 * days..NOW, (0..40_i64).prop_map(move |day| NOW - NOW % days - day * days)];
    let case = (select(ZONES.to_vec()), week_starts, ranges, units, comparisons, nows);
    for_each(300, &case, |(zone, week_start, range, unit, with, now)| {
        let (calendar, civil) = (Calendar { zone, week_start }, Civil { zone, week_start });
        let range: DateRange = serde_json::from_str(range).unwrap();
        let Ok(instants) = calendar.resolve(&range, now) else { return };
        let own = resolve(civil, &range, now);
        assert_eq!((own.span.from, own.span.to, own.days), (instants.from, instants.to, instants.days));
        // Minutes of a year are too many to go through here.
        if unit >= Unit::Day || own.days.is_none() {
            let keys: Vec<i64> = civil.buckets(own.span, unit).iter().map(|bucket| bucket.key).collect();
            assert_eq!(calendar.buckets(&instants, unit), keys, "{unit}s of {own:?}");
        }
        assert_eq!(calendar.bucket(now, unit), civil.key(now, unit));
        let before = calendar.compared(&instants, &with).unwrap();
        let own = compared(civil, own, &with);
        assert_eq!((own.span.from, own.span.to), (before.from, before.to), "{with:?}");
    });
}

#[test]
fn t_2_totals_are_the_same_in_every_zone() {
    for_each(30, &(history(), select(ZONES.to_vec())), |(records, zone)| {
        let world = world(&records, &BTreeMap::new());
        let total = json!([{"event": "$all_events", "measure": "total_events"}]);
        let by_day = ask(&world, total.clone(), &json!({"time_zone": zone.name(), "interval": "day"}));
        let in_utc = ask(&world, total, &json!({}));
        assert_eq!(values(&by_day).iter().sum::<f64>(), values(&in_utc)[0]);
    });
}

#[test]
fn t_3_segments_and_the_overall() {
    let scalar = select(vec!["genre", "flag", "when", "geo.city", "user.plan", "sid"]);
    let interval = select(vec![json!({}), json!({"interval": "week"})]);
    for_each(40, &(history(), scalar, interval), |(records, property, interval)| {
        let world = world(&records, &BTreeMap::new());
        let metrics = json!([
            {"event": "$all_events", "measure": "total_events"},
            {"event": "$all_events", "measure": {"aggregate": "sum", "of": "mins"}},
            {"event": "$all_events"},
            {"event": "$all_events", "count_once": "first"},
            {"event": "$all_events", "count_once": "last"}
        ]);
        let mut more = interval;
        more["breakdowns"] = json!([property]);
        let rows = ask(&world, metrics, &more);
        let sums = |metric| {
            let (overall, segments) = parts(&rows, metric);
            (overall.iter().sum::<f64>(), segments.iter().sum::<f64>())
        };
        for metric in ["A", "B", "D", "E"] {
            let (overall, segments) = sums(metric);
            assert_eq!(overall, segments, "{metric}");
        }
        let (overall, segments) = sums("C");
        assert!(overall <= segments);
        let (overall, segments) = parts(&rows, "C");
        let most = |values: &[f64]| values.iter().copied().fold(0.0, f64::max);
        assert!(most(&segments) <= most(&overall));
    });
}

#[test]
fn t_3_list_segments_are_at_least_the_overall() {
    for_each(30, &history(), |records| {
        let world = world(&records, &BTreeMap::new());
        let metrics = json!([{"event": "$all_events", "measure": "total_events"}]);
        let rows = ask(&world, metrics, &json!({"breakdowns": ["tags", "nums"]}));
        let (overall, segments) = parts(&rows, "A");
        assert!(overall[0] <= segments.iter().sum());
    });
}

#[test]
fn t_4_an_operator_and_its_complement_are_everything() {
    let opposite = |condition: &Value| -> Value {
        let pairs = [
            ("equals", "does_not_equal"),
            ("contains", "does_not_contain"),
            ("between", "not_between"),
            ("was_on", "was_not_on"),
            ("was_between", "was_not_between"),
            ("was_in_the_last", "was_not_in_the_last"),
        ];
        let mut other = condition.as_object().unwrap().clone();
        for (one, another) in pairs.into_iter().chain(pairs.map(|(one, another)| (another, one))) {
            if let Some(operand) = other.shift_remove(one) {
                other.insert(another.to_owned(), operand);
                return Value::Object(other);
            }
        }
        json!({ "not": condition })
    };
    for_each(100, &(history(), any_condition()), |(records, condition)| {
        let world = world(&records, &BTreeMap::new());
        let metric = |filter: Option<&Value>| match filter {
            Some(filter) => json!({"event": "$all_events", "measure": "total_events", "where": filter}),
            None => json!({"event": "$all_events", "measure": "total_events"}),
        };
        let metrics = json!([metric(Some(&condition)), metric(Some(&opposite(&condition))), metric(None)]);
        let rows = ask(&world, metrics, &json!({}));
        let counts: Vec<f64> = rows.iter().filter_map(|row| row.value).collect();
        assert_eq!(counts[0] + counts[1], counts[2]);
    });
}

#[test]
fn t_5_users_and_events() {
    let case = (history(), select(EVENTS), any_filter(), cohorts());
    for_each(30, &case, |(records, event, filter, cohorts)| {
        let world = world(&records, &cohorts);
        let of = |measure: &str| json!({"event": event, "measure": measure, "where": filter});
        let metrics = json!([
            of("total_events"),
            of("unique_users"),
            of("daily_active_users"),
            of("weekly_active_users"),
            of("monthly_active_users"),
            of("cumulative_unique_users")
        ]);
        let range = json!({"interval": "day", "range": "2024-03-25 to 2024-04-08"});
        let rows = ask(&world, metrics, &range);
        let days = |metric| parts(&rows, metric).0;
        for day in 0..15 {
            let at = |metric| days(metric)[day];
            assert!(at("B") <= at("A") && at("B") == at("C"));
            assert!(at("C") <= at("D") && at("D") <= at("E"));
        }
        let unique = ask(&world, json!([of("unique_users")]), &json!({"range": "2024-03-25 to 2024-04-08"}));
        let unique = values(&unique)[0];
        assert!(unique <= days("B").iter().sum());
        assert!(days("F").is_sorted());
        assert_eq!(days("F").last(), Some(&unique));
    });
}

#[test]
fn t_6_averages_and_percentiles() {
    let of = select(vec![
        json!({"of": "mins"}),
        json!({"of": "user.age"}),
        json!({"per_user": "events"}),
        json!({"per_user": {"aggregate": "average", "of": "mins"}}),
    ]);
    for_each(30, &(history(), of), |(records, of)| {
        let world = world(&records, &BTreeMap::new());
        let metric = |aggregate: &str| {
            let mut measure = of.clone();
            measure["aggregate"] = Value::from(aggregate);
            json!({"event": "$all_events", "measure": measure})
        };
        let names = ["min", "p25", "median", "p75", "p90", "p99", "max", "average", "count", "sum"];
        let rows = ask(&world, Value::from(names.map(metric).to_vec()), &json!({}));
        let values: Vec<Option<f64>> = rows.iter().map(|row| row.value).collect();
        if let (Some(average), Some(count), Some(sum)) = (values[7], values[8], values[9]) {
            assert!((average * count - sum).abs() < 1e-9);
            assert!(values[..7].is_sorted());
        } else {
            assert_eq!(values[8], Some(0.0));
        }
    });
}

#[test]
fn t_10_a_cohort_and_who_is_not_in_it() {
    for_each(40, &(history(), cohorts()), |(records, cohorts)| {
        let world = world(&records, &cohorts);
        let scope = report(json!({"report": "insights", "metrics": [{"event": "Play"}]})).scope;
        let civil = Civil { zone: Tz::UTC, week_start: WeekStart::Monday };
        let view = View { world: &world, civil, now: NOW, measured: None };
        for name in COHORTS {
            let group_key = world.cohorts[*name].group_key.as_deref();
            let universe = group_key.map_or_else(|| view.universe(), |key| view.groups(key));
            let is_in = members(&world, &scope, &world.cohorts[*name], NOW);
            let not = json!({"group_key": group_key, "all": [{"not_in_cohort": name}]});
            let is_not = members(&world, &scope, &serde_json::from_value(not).unwrap(), NOW);
            assert_eq!(is_in.union(&is_not).cloned().collect::<BTreeSet<_>>(), universe);
            assert!(is_in.is_disjoint(&is_not));

            let metrics = json!([{"event": "$all_events", "measure": "total_events"}]);
            let rows = ask(&world, metrics, &json!({"breakdowns": [{"cohorts": [name]}]}));
            let is_somebodys = |event: &&Event| match group_key {
                None => event.user.is_some(),
                Some(key) => !groups(Subject::of_event(event), key).is_empty(),
            };
            let somebodys = view.events().filter(is_somebodys).count();
            assert_eq!(parts(&rows, "A").1.iter().sum::<f64>().abs(), somebodys as f64);
        }
    });
}

#[test]
fn t_11_timeout_sessions() {
    let timeout = select(vec![None, Some(60), Some(86_400)]);
    for_each(50, &(history(), timeout, select(ZONES.to_vec())), |(records, timeout_seconds, zone)| {
        let world = world(&records, &BTreeMap::new());
        let view = View {
            world: &world,
            civil: Civil { zone, week_start: WeekStart::Monday },
            now: NOW,
            measured: None,
        };
        let rule = SessionRule { timeout_seconds, ..SessionRule::default() };
        let sessions = sessions(view, &rule);
        let counted = view.events();
        let counted = counted.filter(|event| event.user.is_some() && event.name != "$campaign_delivery");
        let counted: Vec<_> = counted.collect();
        assert_eq!(sessions.iter().map(|session| session.events.len()).sum::<usize>(), counted.len());
        let days: BTreeSet<_> =
            counted.iter().map(|event| (event.user.clone(), view.civil.date(event.time))).collect();
        assert!(sessions.len() >= days.len());
        for session in &sessions {
            let last = session.events.last().unwrap();
            assert_eq!(view.civil.date(session.start()), view.civil.date(last.time));
            assert!(session.events.iter().all(|event| event.user.as_deref() == Some(session.user)));
        }
    });
}

#[test]
fn t_12_fewer_users_and_the_same_totals_when_two_are_one() {
    let interval = select(vec![json!({}), json!({"interval": "day"}), json!({"breakdowns": ["genre"]})]);
    for_each(30, &(history(), interval), |(records, more)| {
        let world = world(&records, &BTreeMap::new());
        let mut merged = world.clone();
        for event in &mut merged.events {
            if event.user.as_deref() == Some("u2") {
                event.user = Some("u1".to_owned());
            }
        }
        let metrics = json!([
            {"event": "$all_events"},
            {"event": "$all_events", "measure": "total_events"},
            {"event": "$all_events", "measure": {"aggregate": "sum", "of": "mins"}}
        ]);
        let key = |row: &Row| (row.metric.clone(), row.time, row.segments.clone());
        let before = ask(&world, metrics.clone(), &more).into_iter().map(|row| (key(&row), row.value));
        let before: BTreeMap<_, _> = before.collect();
        let after = ask(&merged, metrics, &more);
        assert_eq!(after.len(), before.len());
        for row in &after {
            let earlier = before[&key(row)];
            if row.metric == "A" {
                assert!(row.value <= earlier);
            } else {
                assert_eq!(row.value, earlier);
            }
        }
    });
}

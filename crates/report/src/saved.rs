//! What can be kept under a name, and which saved cohorts a definition needs.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::error::closest;
use crate::{
    Cohort, DefinitionError, EventSelector, Formula, Lexicon, Lookup, Metric, Part, Property, Report, Result,
    TrackingPlan,
};

/// What a saved definition is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum DefinitionKind {
    /// A set of users, for filters and breakdowns: [`Cohort`].
    Cohort,
    /// Events under one name (P-41): [`EventSelector`].
    Event,
    /// What is measured, to be measured in reports (S-90): [`Metric`].
    Metric,
    /// Arithmetic over metrics of its own (S-90): [`Formula`].
    Formula,
    /// A question to be asked again: [`Report`].
    Report,
    /// What events and properties mean: [`Lexicon`]. A dataset has one, [`Lexicon::NAME`].
    Lexicon,
    /// What events should look like: [`TrackingPlan`].
    Plan,
    /// What is known of the values of a property: [`Lookup`]. It comes with a table.
    Lookup,
}

impl DefinitionKind {
    /// All there are.
    pub const ALL: [Self; 8] = [
        Self::Cohort,
        Self::Event,
        Self::Metric,
        Self::Formula,
        Self::Report,
        Self::Lexicon,
        Self::Plan,
        Self::Lookup,
    ];

    /// Its name in a dataset and in texts.
    pub fn name(self) -> &'static str {
        match self {
            Self::Cohort => "cohort",
            Self::Event => "event",
            Self::Metric => "metric",
            Self::Formula => "formula",
            Self::Report => "report",
            Self::Lexicon => "lexicon",
            Self::Plan => "plan",
            Self::Lookup => "lookup",
        }
    }

    /// The kind of a name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }

    /// Whether a definition says what one of this kind has to, and may have that name.
    ///
    /// # Errors
    /// What is wrong and where.
    pub fn check(self, name: &str, json: Value) -> Result<()> {
        match self {
            Self::Cohort => Cohort::from_value(json).map(drop),
            Self::Event => EventSelector::from_value(name, json).map(drop),
            Self::Metric => Metric::from_value(json).map(drop),
            Self::Formula => Formula::from_value(json).map(drop),
            Self::Report => Report::from_value(json).map(drop),
            Self::Lexicon if name != Lexicon::NAME => {
                Err(DefinitionError::new("", format!("the one lexicon is called \"{}\"", Lexicon::NAME)))
            }
            Self::Lexicon => Lexicon::from_value(json).map(drop),
            Self::Plan => TrackingPlan::from_value(json).map(drop),
            Self::Lookup => Lookup::from_value(json).map(drop),
        }
    }

    /// Takes ids off the lists of users that a definition of this kind has (C-17); returns whether
    /// there were any.
    pub fn forget_users(self, json: &mut Value, ids: &[String]) -> bool {
        match self {
            Self::Cohort | Self::Report => take_off_lists(json, ids),
            Self::Event | Self::Metric | Self::Formula | Self::Lexicon | Self::Plan | Self::Lookup => false,
        }
    }

    /// The names of events, stored or saved, in a definition of this kind. Those of a saved event are
    /// of stored ones.
    pub fn events_named_in(self, json: &Value) -> BTreeSet<String> {
        let mut names = BTreeSet::new();
        let mut each = |part: Part<'_>| {
            if let Part::Event(name) = part {
                names.insert(name.to_owned());
            }
            Ok(())
        };
        // What a newer version has saved is not understood, and names nothing.
        let _ = match self {
            Self::Cohort => Cohort::from_value(json.clone()).and_then(|cohort| cohort.try_parts(&mut each)),
            Self::Metric => Metric::from_value(json.clone()).and_then(|metric| metric.try_parts(&mut each)),
            Self::Formula => {
                Formula::from_value(json.clone()).and_then(|formula| formula.try_parts(&mut each))
            }
            Self::Report => Report::from_value(json.clone()).and_then(|report| report.try_parts(&mut each)),
            Self::Event | Self::Lexicon | Self::Plan | Self::Lookup => Ok(()),
        };
        names
    }

    /// The saved metrics that a definition of this kind names.
    pub fn metrics_named_in(self, json: &Value) -> BTreeSet<&str> {
        let formulas = json.get("formulas").filter(|_| self == Self::Report).and_then(Value::as_array);
        let has_metrics = matches!(self, Self::Report | Self::Formula);
        let lists = std::iter::once(json).filter(|_| has_metrics).chain(formulas.into_iter().flatten());
        let metrics = lists.filter_map(|of| of.get("metrics")?.as_array()).flatten();
        metrics.filter_map(|metric| metric.get("saved")?.as_str()).collect()
    }

    /// The saved formulas that a definition of this kind names.
    pub fn formulas_named_in(self, json: &Value) -> BTreeSet<&str> {
        let formulas = json.get("formulas").filter(|_| self == Self::Report).and_then(Value::as_array);
        formulas.into_iter().flatten().filter_map(|formula| formula.get("saved")?.as_str()).collect()
    }

    /// The saved cohorts that a definition of this kind names.
    pub fn cohorts_named_in(self, json: &Value) -> BTreeSet<&str> {
        let mut names = BTreeSet::new();
        match self {
            Self::Cohort | Self::Event | Self::Metric | Self::Formula | Self::Report => {
                collect_cohorts(json, &mut names);
            }
            Self::Lexicon | Self::Plan | Self::Lookup => {}
        }
        names
    }

    /// The lookup properties in a definition of this kind.
    pub fn lookups_in(self, json: &Value) -> Vec<Property> {
        let written = match self {
            Self::Cohort => {
                Cohort::from_value(json.clone()).ok().and_then(|it| serde_json::to_value(it).ok())
            }
            Self::Report => Report::from_value(json.clone()).ok().map(|it| it.to_value()),
            Self::Event => {
                EventSelector::from_value("", json.clone()).ok().and_then(|it| serde_json::to_value(it).ok())
            }
            Self::Metric => {
                Metric::from_value(json.clone()).ok().and_then(|it| serde_json::to_value(it).ok())
            }
            Self::Formula => {
                Formula::from_value(json.clone()).ok().and_then(|it| serde_json::to_value(it).ok())
            }
            Self::Lexicon | Self::Plan | Self::Lookup => None,
        };
        let found = written.map(|written| Property::lookups_in(&written)).unwrap_or_default();
        found.into_iter().map(|(_, property)| property).collect()
    }
}

impl std::fmt::Display for DefinitionKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

/// The cohorts that each saved cohort names.
pub type CohortNeeds<'a> = BTreeMap<&'a str, BTreeSet<&'a str>>;

/// Whether everything of a kind that a definition names is among what is saved.
///
/// # Errors
/// Which one is missing.
pub fn check_saved(kind: DefinitionKind, named: &BTreeSet<&str>, saved: &BTreeSet<&str>) -> Result<()> {
    let Some(missing) = named.iter().find(|name| !saved.contains(*name)) else { return Ok(()) };
    let error = DefinitionError::new("", format!("there is no {kind} \"{missing}\""));
    Err(match closest(missing, saved.iter().copied()) {
        Some(known) => error.hint(format!("did you mean \"{known}\"?")),
        None => error.hint("save it first"),
    })
}

/// Whether the cohort `name` does not need itself, directly or through others (C-23).
///
/// # Errors
/// The circle.
pub fn check_acyclic(name: &str, saved: &CohortNeeds<'_>) -> Result<()> {
    let mut circle = vec![name];
    let mut named = saved.get(name).into_iter().flatten();
    if named.any(|cohort| leads_to(name, cohort, saved, &mut circle, &mut BTreeSet::new())) {
        circle.push(name);
        let way = circle.iter().map(|name| format!("\"{name}\"")).collect::<Vec<_>>().join(" needs ");
        return Err(DefinitionError::new("", format!("a cohort cannot need itself: {way}")));
    }
    Ok(())
}

/// Whether `from` needs `to`, and by which way.
fn leads_to<'a>(
    to: &str,
    from: &'a str,
    saved: &CohortNeeds<'a>,
    way: &mut Vec<&'a str>,
    seen: &mut BTreeSet<&'a str>,
) -> bool {
    if from == to {
        return true;
    }
    if !seen.insert(from) {
        return false;
    }
    way.push(from);
    let next = saved.get(from).into_iter().flatten();
    let found = next.into_iter().any(|next| leads_to(to, next, saved, way, seen));
    if !found {
        way.pop();
    }
    found
}

/// The fields that name cohorts are the same wherever they stand, and no other fields have their
/// names: objects of definitions have only fields we know.
fn collect_cohorts<'a>(json: &'a Value, names: &mut BTreeSet<&'a str>) {
    match json {
        Value::Object(fields) => {
            for (field, value) in fields {
                match (field.as_str(), value) {
                    ("in_cohort" | "not_in_cohort" | "cohort", Value::String(name)) => {
                        names.insert(name);
                    }
                    ("in_cohort" | "not_in_cohort" | "cohorts", Value::Array(list)) => {
                        names.extend(list.iter().filter_map(Value::as_str));
                    }
                    (_, value) => collect_cohorts(value, names),
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|item| collect_cohorts(item, names)),
        _ => {}
    }
}

/// Only conditions of cohorts have a field `users`; groups are no users.
fn take_off_lists(json: &mut Value, ids: &[String]) -> bool {
    match json {
        Value::Object(fields) => fields.iter_mut().fold(false, |changed, (field, value)| match value {
            Value::Array(users) if field == "users" => {
                let before = users.len();
                users.retain(|user| user.as_str().is_none_or(|user| !ids.iter().any(|id| id == user)));
                changed | (users.len() < before)
            }
            value => changed | take_off_lists(value, ids),
        }),
        Value::Array(items) => {
            items.iter_mut().fold(false, |changed, item| changed | take_off_lists(item, ids))
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn cohorts_are_found_wherever_they_are_named() {
        let cohort = json!({"any": [
            {"in_cohort": "a"},
            {"not": {"not_in_cohort": "b"}},
            {"did": {"event": {"event": "Play", "where": {"in_cohort": ["c", "d"]}}}},
            {"where": {"any": [{"not_in_cohort": ["e"]}, {"property": "user.cohort", "equals": "no"}]}},
        ]});
        let kind = DefinitionKind::Cohort;
        kind.check("x", cohort.clone()).unwrap();
        assert_eq!(Vec::from_iter(kind.cohorts_named_in(&cohort)), ["a", "b", "c", "d", "e"]);
        let report = json!({
            "report": "insights",
            "metrics": [{"cohort": "a"}, {"event": "Play"}],
            "where": {"in_cohort": "b"},
            "breakdowns": [{"cohorts": ["c"]}, "cohort"],
        });
        let kind = DefinitionKind::Report;
        kind.check("x", report.clone()).unwrap();
        assert_eq!(Vec::from_iter(kind.cohorts_named_in(&report)), ["a", "b", "c"]);
    }

    fn check(name: &str, needs: &[(&'static str, &[&'static str])]) -> Result<()> {
        let needs: CohortNeeds<'_> =
            needs.iter().map(|(name, needed)| (*name, needed.iter().copied().collect())).collect();
        check_saved(DefinitionKind::Cohort, &needs[name], &needs.keys().copied().collect())?;
        check_acyclic(name, &needs)
    }

    #[test]
    fn c23_cohorts_do_not_need_themselves() {
        check("a", &[("a", &["b", "c"]), ("b", &["d"]), ("c", &["d"]), ("d", &[])]).unwrap();
        let problem = |name, needs| check(name, needs).unwrap_err().problem;
        assert_eq!(problem("a", &[("a", &["a"])]), r#"a cohort cannot need itself: "a" needs "a""#);
        assert_eq!(
            problem("a", &[("a", &["x", "b"]), ("b", &["c"]), ("c", &["x", "a"]), ("x", &[])]),
            r#"a cohort cannot need itself: "a" needs "b" needs "c" needs "a""#
        );
        let missing = check("a", &[("a", &["Activ"]), ("Active", &[])]).unwrap_err();
        assert_eq!(missing.to_string(), r#"there is no cohort "Activ"; did you mean "Active"?"#);
    }

    #[test]
    fn c17_an_id_can_be_taken_off_all_lists() {
        let mut cohort = json!({"any": [
            {"users": ["u1", "u2"]},
            {"not": {"users": ["u1"]}},
            {"where": {"property": "user.id", "equals": ["u1"]}},
        ]});
        let ids = ["u1".to_owned(), "d1".to_owned()];
        let kind = DefinitionKind::Cohort;
        assert!(kind.forget_users(&mut cohort, &ids));
        assert!(!kind.forget_users(&mut cohort, &ids));
        kind.check("x", cohort.clone()).unwrap();
        assert_eq!(
            cohort["any"],
            json!([
                {"users": ["u2"]},
                {"not": {"users": []}},
                {"where": {"property": "user.id", "equals": ["u1"]}},
            ])
        );
    }

    #[test]
    fn p_41_s_90_what_saved_events_and_metrics_are() {
        let event = |json: Value| DefinitionKind::Event.check("Listen", json);
        event(json!(["Play", {"event": "Stream", "where": {"in_cohort": "a"}}])).unwrap();
        let json = json!({"any_of": ["Play", {"event": "Stream", "where": {"in_cohort": "a"}}]});
        assert_eq!(Vec::from_iter(DefinitionKind::Event.cohorts_named_in(&json)), ["a"]);
        let metric = |json: Value| DefinitionKind::Metric.check("Hours", json);
        metric(json!({"event": "Listen", "measure": {"aggregate": "sum", "of": "mins"}})).unwrap();
        let report = |metric: Value| {
            DefinitionKind::Report
                .check("x", json!({"report": "insights", "metrics": [{"event": "a"}, metric]}))
        };
        report(json!({"saved": "Hours", "name": "h"})).unwrap();
        let errors = [
            event(json!({"event": "Play", "first_time": "ever"})),
            event(json!({"event": "Play", "name": "Listening"})),
            event(json!({"event": "Play", "whre": "a"})),
            event(json!({"event": "Play", "where": {"property": "a", "equals": "b", "include": "matching_items"}})),
            DefinitionKind::Event.check("$all_events", json!("Play")),
            metric(json!({"saved": "Hours"})),
            metric(json!({"event": "Play", "measure": "minutes"})),
            metric(json!("Play")),
            report(json!({"saved": "Hours", "measure": "total_events"})),
            report(json!({"saved": "Hours", "where": "a"})),
            report(json!({"saved": "Hours", "event": "Play"})),
        ]
        .map(|result| result.unwrap_err().to_string());
        insta::assert_snapshot!(errors.join("\n"));
    }

    #[test]
    fn events_and_metrics_are_found_where_they_are_named() {
        let report = json!({
            "report": "insights",
            "metrics": [{"saved": "m"}, {"event": ["a", {"event": "b"}]}],
            "sessions": {"start": "c", "end": "d"},
        });
        let kind = DefinitionKind::Report;
        assert_eq!(Vec::from_iter(kind.events_named_in(&report)), ["a", "b", "c", "d"]);
        assert_eq!(Vec::from_iter(kind.metrics_named_in(&report)), ["m"]);
        let cohort = json!({"all": [{"not": {"did": {"event": "a", "then": "b"}}}]});
        assert_eq!(Vec::from_iter(DefinitionKind::Cohort.events_named_in(&cohort)), ["a", "b"]);
        let metric = json!({"event": "a"});
        assert_eq!(Vec::from_iter(DefinitionKind::Metric.events_named_in(&metric)), ["a"]);
    }

    #[test]
    fn s_90_what_saved_formulas_are() {
        let kind = DefinitionKind::Formula;
        let json = json!({"formula": "A / B", "metrics": [{"saved": "m"}, {"event": "a", "where": {"in_cohort": "c"}}]});
        kind.check("x", json.clone()).unwrap();
        assert_eq!(Vec::from_iter(kind.metrics_named_in(&json)), ["m"]);
        assert_eq!(Vec::from_iter(kind.cohorts_named_in(&json)), ["c"]);
        assert_eq!(Vec::from_iter(kind.events_named_in(&json)), ["a"]);
        let report = json!({"report": "insights", "formulas": [json, {"saved": "f"}]});
        let of_report = DefinitionKind::Report;
        of_report.check("x", report.clone()).unwrap();
        assert_eq!(Vec::from_iter(of_report.formulas_named_in(&report)), ["f"]);
        assert_eq!(Vec::from_iter(of_report.metrics_named_in(&report)), ["m"]);
        let both = json!({"report": "insights", "formulas": [{"saved": "f", "formula": "A"}]});
        let error = of_report.check("x", both).unwrap_err().to_string();
        assert_eq!(error, "formulas[0].formula: is said by the saved formula");
        let wrong = [
            json!({"formula": "A"}),
            json!({"saved": "f"}),
            json!({"metrics": [{"event": "a"}]}),
            json!({"formula": "A", "metrics": [{"event": "a", "measure": "b"}]}),
            json!("A / B"),
        ];
        let errors = wrong.map(|json| kind.check("x", json).unwrap_err().to_string());
        insta::assert_snapshot!(errors.join("\n"));
    }

    #[test]
    fn s_26_s_27_what_metrics_of_behaviour_say() {
        let metric = |json: Value| DefinitionKind::Metric.check("x", json);
        metric(json!({"funnel": {"steps": ["a", "b"], "times": [{"aggregate": "p90"}]}, "value": "p90 of time", "step": 2}))
            .unwrap_err();
        metric(json!({"funnel": {"steps": ["a", "b"]}, "value": "count", "step": 1})).unwrap();
        metric(json!({"retention": {"birth": "a", "brackets": [1, 6]}, "bucket": 1})).unwrap();
        let report = |metric: Value| {
            DefinitionKind::Report
                .check("x", json!({"report": "insights", "interval": "day", "top": 1, "other": true, "breakdowns": ["b"], "metrics": [metric]}))
        };
        report(json!({"funnel": {"steps": ["a", "b"]}})).unwrap();
        let errors = [
            metric(json!({"funnel": {"steps": ["a"]}})),
            metric(json!({"funnel": {"steps": ["a", "b"]}, "step": 3})),
            metric(json!({"funnel": {"steps": ["a", "b"]}, "value": "conversoin"})),
            metric(json!({"funnel": {"steps": ["a", "b"]}, "measure": "total_events"})),
            metric(json!({"funnel": {"steps": ["a", "b"], "interval": "day"}})),
            metric(json!({"funnel": {"steps": ["a", "b"]}, "where": "a"})),
            metric(json!({"funnel": {"steps": ["a", "b"]}, "bucket": 1})),
            metric(json!({"funnel": {"steps": ["a", "b"]}, "event": "a"})),
            metric(json!({"retention": {"birth": "a", "buckets": 3}})),
            metric(json!({"retention": {"birth": "a", "brackets": [1, 6]}, "bucket": 2})),
            metric(json!({"retention": {"birth": "a"}, "step": 2})),
            report(json!({"retention": {"birth": "a", "unit": "week"}})),
        ]
        .map(|result| result.unwrap_err().to_string());
        insta::assert_snapshot!(errors.join("\n"));
    }

    #[test]
    fn a_kind_has_one_name() {
        for kind in DefinitionKind::ALL {
            assert_eq!(DefinitionKind::named(kind.name()), Some(kind));
        }
    }
}

//! The parts of a definition that can be wrong in ways only a dataset tells: SQL, days, names of
//! saved cohorts and of events. Each is visited with its place.

use crate::event::EventChoice;
use crate::{
    Breakdown, Candidate, Cohort, CohortCondition, Correlation, DateRange, Did, EventSelector, Exclusion,
    Experiment, ExperimentMeasure, Filter, Flows, Formula, Funnel, Impact, Insights, Measure, Metric,
    Operator, PerUser, Property, Question, Report, Result, Retention, RetentionMeasure, Scope,
};

/// A part of a definition.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub enum Part<'a> {
    /// A SQL expression that is true or false.
    Condition(&'a str),
    /// A SQL expression that is a value.
    Value(&'a str),
    /// The same of profiles, which have no properties of events.
    ProfileCondition(&'a str),
    /// The same of profiles.
    ProfileValue(&'a str),
    /// A civil day that a condition compares with.
    Day(&'a str),
    /// When a user did something.
    Range(&'a DateRange),
    /// The name of a saved cohort.
    Cohort(&'a str),
    /// The same of a cohort whose members have to be of the kind that is asked about: users, or groups
    /// by the key of a cohort.
    ProfileCohort(&'a str),
    /// The name of an event, stored or saved.
    Event(&'a str),
}

type Each<'e, 'a> = &'e mut dyn FnMut(Part<'a>) -> Result<()>;

impl Report {
    /// Calls `each` for every part; an error it gives comes back with the place of the part.
    ///
    /// # Errors
    /// The first that `each` gives.
    pub fn try_parts<'a>(&'a self, each: Each<'_, 'a>) -> Result<()> {
        scope(&self.scope, each)?;
        match &self.question {
            Question::Insights(insights) => of_insights(insights, each),
            Question::Funnel(funnel) => of_funnel(funnel, each),
            Question::Retention(retention) => of_retention(retention, each),
            Question::Frequency(frequency) => {
                at("event", [&frequency.event], each, selector)?;
                at("birth", &frequency.birth, each, selector)
            }
            Question::Lifecycle(lifecycle) => at("event", [&lifecycle.event], each, selector),
            Question::Stickiness(stickiness) => at("event", [&stickiness.event], each, selector),
            Question::Flows(flows) => of_flows(flows, each),
            Question::Correlation(correlation) => of_correlation(correlation, each),
            Question::Experiment(experiment) => of_experiment(experiment, each),
            Question::Impact(impact) => of_impact(impact, each),
            Question::Cohort(cohort) => cohort.try_parts(each),
            Question::Sessions(list) => at_each("properties", &list.properties, each, property),
        }
    }
}

impl Cohort {
    /// See [`Report::try_parts`].
    ///
    /// # Errors
    /// The first that `each` gives.
    pub fn try_parts<'a>(&'a self, each: Each<'_, 'a>) -> Result<()> {
        at_each("all", self.all.as_deref().unwrap_or_default(), each, condition_of_cohort)?;
        at_each("any", self.any.as_deref().unwrap_or_default(), each, condition_of_cohort)
    }
}

impl EventSelector {
    /// See [`Report::try_parts`].
    ///
    /// # Errors
    /// The first that `each` gives.
    pub fn try_parts<'a>(&'a self, each: Each<'_, 'a>) -> Result<()> {
        selector(self, each)
    }
}

impl Metric {
    /// See [`Report::try_parts`].
    ///
    /// # Errors
    /// The first that `each` gives.
    pub fn try_parts<'a>(&'a self, each: Each<'_, 'a>) -> Result<()> {
        metric(self, each)
    }
}

impl Formula {
    /// See [`Report::try_parts`].
    ///
    /// # Errors
    /// The first that `each` gives.
    pub fn try_parts<'a>(&'a self, each: Each<'_, 'a>) -> Result<()> {
        formula(self, each)
    }
}

/// What a field has.
fn at<'a, T: ?Sized>(
    field: &str,
    part: impl IntoIterator<Item = &'a T>,
    each: Each<'_, 'a>,
    visit: fn(&'a T, Each<'_, 'a>) -> Result<()>,
) -> Result<()> {
    part.into_iter().try_for_each(|part| visit(part, each).map_err(|error| error.within(field)))
}

/// What each item of the list in a field has; without a field, of the list itself.
fn at_each<'a, T>(
    field: &str,
    list: &'a [T],
    each: Each<'_, 'a>,
    visit: fn(&'a T, Each<'_, 'a>) -> Result<()>,
) -> Result<()> {
    list.iter()
        .enumerate()
        .try_for_each(|(at, part)| visit(part, each).map_err(|error| error.within(&format!("{field}[{at}]"))))
}

fn scope<'a>(scope: &'a Scope, each: Each<'_, 'a>) -> Result<()> {
    at("where", &scope.filter, each, filter)?;
    if let Some(rule) = &scope.sessions {
        at("sessions.start", &rule.start, each, selector)?;
        at("sessions.end", &rule.end, each, selector)?;
        at("sessions.id", &rule.id, each, property)?;
    }
    Ok(())
}

fn of_insights<'a>(insights: &'a Insights, each: Each<'_, 'a>) -> Result<()> {
    at_each("metrics", &insights.metrics, each, metric)?;
    at_each("formulas", &insights.formulas, each, formula)?;
    at_each("breakdowns", &insights.breakdowns, each, breakdown)
}

fn formula<'a>(of: &'a Formula, each: Each<'_, 'a>) -> Result<()> {
    at_each("metrics", &of.metrics, each, metric)
}

fn of_funnel<'a>(funnel: &'a Funnel, each: Each<'_, 'a>) -> Result<()> {
    at_each("steps", &funnel.steps, each, |step, each| selector(&step.event, each))?;
    let others = funnel.compare.as_ref().map_or(&[][..], |compare| &compare.with);
    at_each("compare.with", others, each, selector)?;
    at_each("hold_constant", &funnel.hold_constant, each, property)?;
    at_each("exclude", &funnel.exclude, each, exclusion)?;
    at_each("breakdowns", &funnel.breakdowns, each, breakdown)?;
    at_each("measures", &funnel.measures, each, |measure, each| at("of", [&measure.of], each, property))
}

fn exclusion<'a>(exclusion: &'a Exclusion, each: Each<'_, 'a>) -> Result<()> {
    at("event", [&exclusion.event], each, selector)
}

fn of_retention<'a>(retention: &'a Retention, each: Each<'_, 'a>) -> Result<()> {
    at("birth", [&retention.birth], each, selector)?;
    at("return", [&retention.return_event], each, selector)?;
    if let RetentionMeasure::OfProperty { of, .. } = &retention.measure {
        at("measure.of", [of], each, property)?;
    }
    at_each("breakdowns", &retention.breakdowns, each, breakdown)
}

fn of_flows<'a>(flows: &'a Flows, each: Each<'_, 'a>) -> Result<()> {
    at_each("anchors", &flows.anchors, each, |anchor, each| selector(&anchor.event, each))?;
    at_each("expand", &flows.expand, each, |expand, each| {
        at("property", [&expand.property], each, property)
    })?;
    at_each("custom_events", &flows.custom_events, each, selector)?;
    at_each("hold_constant", &flows.hold_constant, each, property)?;
    at_each("exclude", &flows.exclude, each, exclusion)?;
    at_each("breakdowns", &flows.breakdowns, each, breakdown)
}

fn of_correlation<'a>(correlation: &'a Correlation, each: Each<'_, 'a>) -> Result<()> {
    at("goal", [&correlation.goal], each, selector)?;
    at("birth", [&correlation.birth], each, selector)?;
    at_each("candidates", &correlation.candidates, each, |candidate, each| match candidate {
        Candidate::Event(event) => selector(event, each),
        Candidate::ValueOf { property: of, event } => {
            at("event", [event], each, selector)?;
            at("property", [of], each, property)
        }
    })
}

fn of_experiment<'a>(experiment: &'a Experiment, each: Each<'_, 'a>) -> Result<()> {
    at("exposure", [&experiment.exposure], each, selector)?;
    at("variant", [&experiment.variant], each, property)?;
    at("experiments", &experiment.experiments, each, property)?;
    at_each("metrics", &experiment.metrics, each, |metric, each| {
        at("event", [&metric.event], each, selector)?;
        match &metric.measure {
            ExperimentMeasure::OfProperty { of, .. } => at("measure.of", [of], each, property),
            _ => Ok(()),
        }
    })?;
    at_each("formulas", &experiment.formulas, each, formula)
}

fn of_impact<'a>(impact: &'a Impact, each: Each<'_, 'a>) -> Result<()> {
    at("launch", [&impact.launch], each, selector)?;
    at_each("metrics", &impact.metrics, each, |metric, each| at("event", [&metric.event], each, selector))
}

fn metric<'a>(metric: &'a Metric, each: Each<'_, 'a>) -> Result<()> {
    at("event", &metric.event, each, selector)?;
    at("profiles", &metric.profiles, each, of_profile)?;
    at("cohort", &metric.cohort, each, |name, each| each(Part::Cohort(name)))?;
    at("funnel", metric.funnel.as_deref(), each, of_funnel)?;
    at("retention", metric.retention.as_deref(), each, of_retention)?;
    let of_measure = if metric.profiles.is_some() { measure_of_profile } else { measure };
    at("measure", [&metric.measure], each, of_measure)?;
    at("where", &metric.filter, each, filter)
}

fn measure<'a>(measure: &'a Measure, each: Each<'_, 'a>) -> Result<()> {
    match measure {
        Measure::OfProperty { of, .. } => at("of", [of], each, property),
        Measure::OverUsers { per_user: PerUser::OfProperty { of, .. }, .. } => {
            at("per_user.of", [of], each, property)
        }
        _ => Ok(()),
    }
}

fn measure_of_profile<'a>(of: &'a Measure, each: Each<'_, 'a>) -> Result<()> {
    measure(of, &mut |part| each(of_profiles(part)))
}

/// A filter on profiles.
fn of_profile<'a>(of: &'a Filter, each: Each<'_, 'a>) -> Result<()> {
    filter(of, &mut |part| each(of_profiles(part)))
}

fn of_profiles(part: Part<'_>) -> Part<'_> {
    match part {
        Part::Condition(sql) => Part::ProfileCondition(sql),
        Part::Value(sql) => Part::ProfileValue(sql),
        Part::Cohort(name) => Part::ProfileCohort(name),
        other => other,
    }
}

fn breakdown<'a>(breakdown: &'a Breakdown, each: Each<'_, 'a>) -> Result<()> {
    match breakdown {
        // Written by its name alone it has no SQL.
        Breakdown::Property { property: of, .. } => at("property", [of], each, property),
        Breakdown::Cohorts { cohorts } => {
            at_each("cohorts", cohorts, each, |name, each| each(Part::Cohort(name)))
        }
    }
}

fn property<'a>(of: &'a Property, each: Each<'_, 'a>) -> Result<()> {
    match of {
        Property::Sql { sql } => each(Part::Value(sql)).map_err(|error| error.within("sql")),
        Property::Lookup { of, .. } => at("of", [of.as_ref()], each, property),
        Property::PerUser { per_user, event, .. } => {
            if let PerUser::OfProperty { of, .. } = per_user.as_ref() {
                at("per_user.of", [of], each, property)?;
            }
            at("event", [event.as_ref()], each, selector)
        }
        Property::SecondsToNext { seconds_to_next } => {
            at("seconds_to_next", [seconds_to_next.as_ref()], each, selector)
        }
        Property::Borrowed { borrow, from, .. } => {
            at("borrow", [borrow.as_ref()], each, property)?;
            at("from", [from.as_ref()], each, selector)
        }
        Property::Attributed { attributed, touchpoints, .. } => {
            at("attributed", [attributed.as_ref()], each, property)?;
            at("touchpoints", touchpoints.as_deref(), each, selector)
        }
        _ => Ok(()),
    }
}

/// Events are written in several ways; which one it was is guessed, as the shortest one that says
/// as much.
fn selector<'a>(selector: &'a EventSelector, each: Each<'_, 'a>) -> Result<()> {
    match &selector.any_of[..] {
        [only] => choice(only, each),
        several if selector.name.is_some() || selector.first_time.is_some() => {
            at_each("any_of", several, each, choice)
        }
        several => at_each("", several, each, choice),
    }
}

fn choice<'a>(choice: &'a EventChoice, each: Each<'_, 'a>) -> Result<()> {
    each(Part::Event(&choice.event))?;
    at("where", &choice.filter, each, filter)
}

fn filter<'a>(of: &'a Filter, each: Each<'_, 'a>) -> Result<()> {
    match of {
        Filter::Sql(sql) => each(Part::Condition(sql)),
        Filter::List(all) => at_each("", all, each, filter),
        Filter::All { all } => at_each("all", all, each, filter),
        Filter::Any { any } => at_each("any", any, each, filter),
        Filter::Not { not } => at("not", [not.as_ref()], each, filter),
        Filter::InCohort { in_cohort } => named("in_cohort", in_cohort, each),
        Filter::NotInCohort { not_in_cohort } => named("not_in_cohort", not_in_cohort, each),
        Filter::ListContains(contains) => at("where", [&contains.filter], each, filter),
        Filter::Condition(condition) => {
            at("property", [&condition.property], each, property)?;
            days(&condition.operator, each)
        }
    }
}

/// One name may be written without a list.
fn named<'a>(field: &str, names: &'a [String], each: Each<'_, 'a>) -> Result<()> {
    names.iter().try_for_each(|name| each(Part::Cohort(name)).map_err(|error| error.within(field)))
}

fn days<'a>(operator: &'a Operator, each: Each<'_, 'a>) -> Result<()> {
    let (field, days): (&str, &'a [String]) = match operator {
        Operator::WasOn(day) => ("was_on", std::slice::from_ref(day)),
        Operator::WasNotOn(day) => ("was_not_on", std::slice::from_ref(day)),
        Operator::WasBefore(day) => ("was_before", std::slice::from_ref(day)),
        Operator::WasSince(day) => ("was_since", std::slice::from_ref(day)),
        Operator::WasBetween(days) => ("was_between", days),
        Operator::WasNotBetween(days) => ("was_not_between", days),
        _ => return Ok(()),
    };
    days.iter().try_for_each(|day| each(Part::Day(day)).map_err(|error| error.within(field)))
}

fn condition_of_cohort<'a>(condition: &'a CohortCondition, each: Each<'_, 'a>) -> Result<()> {
    at("did", &condition.did, each, did)?;
    at("did_not", &condition.did_not, each, did)?;
    at("where", &condition.filter, each, of_profile)?;
    at("in_cohort", &condition.in_cohort, each, |name, each| each(Part::ProfileCohort(name)))?;
    at("not_in_cohort", &condition.not_in_cohort, each, |name, each| each(Part::ProfileCohort(name)))?;
    at_each("all", condition.all.as_deref().unwrap_or_default(), each, condition_of_cohort)?;
    at_each("any", condition.any.as_deref().unwrap_or_default(), each, condition_of_cohort)?;
    at("not", condition.not.as_deref(), each, condition_of_cohort)
}

fn did<'a>(did: &'a Did, each: Each<'_, 'a>) -> Result<()> {
    at("event", [&did.event], each, selector)?;
    at("in", &did.range, each, |range, each| each(Part::Range(range)))?;
    let of = did.times.iter().filter_map(|times| times.of.as_ref());
    at("times.of", of, each, property)?;
    at("then", &did.then, each, selector)?;
    at("then_not", &did.then_not, each, selector)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::DefinitionError;

    /// What is said of each part if it is wrong: all errors, one at a time.
    fn places<'a>(mut visit: impl FnMut(Each<'_, 'a>) -> Result<()>) -> Vec<String> {
        let mut places = Vec::new();
        for wanted in 0.. {
            let mut count = 0;
            let found = visit(&mut |part| {
                count += 1;
                if count > wanted { Err(DefinitionError::new("", format!("{part:?}"))) } else { Ok(()) }
            });
            let Err(error) = found else { break };
            places.push(error.to_string());
        }
        places
    }

    #[test]
    fn parts_are_told_with_their_places() {
        let report = Report::parse(
            r#"{"report": "insights",
                "where": ["a > 1", {"any": [{"not": "b"}, {"property": {"sql": "c"}, "was_on": "d"}]}],
                "sessions": {"start": {"event": "e", "where": "f"}, "end": "g"},
                "metrics": [
                    {"event": ["h", {"event": "i", "where": "j"}], "where": {"in_cohort": "k"}},
                    {"event": {"any_of": ["l", {"event": "m", "where": "n"}], "name": "o"},
                     "measure": {"aggregate": "sum", "of": {"sql": "p"}}},
                    {"cohort": "q"},
                    {"profiles": "r", "measure": {"aggregate": "min", "of": {"sql": "s"}}}],
                "breakdowns": ["genre", {"property": {"sql": "t"}}, {"cohorts": ["u", "v"]}]}"#,
        )
        .unwrap();
        insta::assert_snapshot!(places(|each| report.try_parts(each)).join("\n"));
    }

    #[test]
    fn parts_of_behaviour_are_told_with_their_places() {
        let reports = [
            r#"{"report": "funnel", "steps": ["a", {"event": "b", "where": "c"}], "hold_constant": [{"sql": "d"}],
                "exclude": [{"event": "e"}], "breakdowns": [{"property": {"sql": "f"}}],
                "compare": {"step": 2, "with": [{"event": "h", "where": "i"}]},
                "measures": [{"aggregate": "sum", "of": {"sql": "g"}}]}"#,
            r#"{"report": "retention", "birth": "a", "return": {"event": "b", "where": "c"},
                "measure": {"aggregate": "sum", "of": {"sql": "d"}}}"#,
            r#"{"report": "flows", "anchors": ["a", {"event": "b", "where": "c"}], "custom_events": [["d", "e"]],
                "expand": [{"event": "f", "property": {"sql": "g"}}]}"#,
            r#"{"report": "frequency", "event": "a", "birth": "b"}"#,
            r#"{"report": "correlation", "goal": "a", "birth": {"event": "b", "where": "c"},
                "candidates": ["d", {"property": {"sql": "e"}, "event": "f"}, ["g", {"event": "h", "where": "i"}]]}"#,
            r#"{"report": "experiment", "exposure": {"event": "a", "where": "b"}, "variant": {"sql": "c"}, "control": "off",
                "metrics": [{"event": "d"}, {"event": {"event": "e", "where": "f"}, "measure": {"aggregate": "sum", "of": {"sql": "g"}}}]}"#,
            r#"{"report": "impact", "launch": {"event": "a", "where": "b"}, "metrics": [{"event": "c"}, {"event": ["d", "e"]}]}"#,
        ];
        let mut places_of_all = Vec::new();
        for text in reports {
            let report = Report::parse(text).unwrap();
            places_of_all.extend(places(|each| report.try_parts(each)));
        }
        insta::assert_snapshot!(places_of_all.join("\n"));
    }

    #[test]
    fn parts_of_cohorts_are_told_with_their_places() {
        let cohort = Cohort::from_value(serde_json::json!({"all": [
            {"did": {"event": "a", "in": "last 7 days", "times": {"aggregate": "sum", "of": {"sql": "b"}, "at_least": 1}}},
            {"any": [{"did_not": {"event": "c"}}, {"not": {"where": "d"}}]},
            {"did": {"event": "e", "then": ["f", "g"]}},
            {"not_in_cohort": "h"},
        ]}))
        .unwrap();
        insta::assert_snapshot!(places(|each| cohort.try_parts(each)).join("\n"));
    }
}

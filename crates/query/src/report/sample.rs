//! A sample of the users in place of all (S-91): a filter on the user, and what is counted divided by
//! the share.

use std::borrow::Cow;

use tallymark_event::columns::USER_ID;
use tallymark_report::{Aggregate, Filter, Insights, Measure, Metric, Scope};

use crate::functions::sample::{IN_SAMPLE, is_in_sample};

/// What is asked, of the users in the sample only.
pub(super) fn applied<'a>(scope: &'a Scope, insights: &'a Insights) -> (Cow<'a, Scope>, Cow<'a, Insights>) {
    let Some(share) = insights.sample else { return (Cow::Borrowed(scope), Cow::Borrowed(insights)) };
    let is_in = || Filter::Sql(format!("{IN_SAMPLE}({USER_ID}, {share:?})"));
    let with = |filter: &Filter| Filter::List(vec![is_in(), filter.clone()]);
    let mut scope = scope.clone();
    scope.filter = Some(scope.filter.as_ref().map_or_else(is_in, with));
    let mut insights = insights.clone();
    let of_formulas = insights.formulas.iter_mut().flat_map(|formula| &mut formula.metrics);
    for metric in insights.metrics.iter_mut().chain(of_formulas) {
        metric.profiles = metric.profiles.as_ref().map(with);
    }
    (Cow::Owned(scope), Cow::Owned(insights))
}

/// Those of some members of a cohort that are in the sample, if there is one.
pub(super) fn among<'a>(
    insights: &Insights,
    members: impl Iterator<Item = &'a str>,
) -> impl Iterator<Item = &'a str> {
    let share = insights.sample;
    members.filter(move |id| share.is_none_or(|share| is_in_sample(id, share)))
}

/// What a metric measured, as it would be of all users.
pub(super) fn scaled(insights: &Insights, metric: &Metric, value: Option<f64>) -> Option<f64> {
    match insights.sample {
        Some(share) if grows_with_users(&metric.measure) => value.map(|value| value / share),
        _ => value,
    }
}

/// Whether twice as many users have twice as much of it.
fn grows_with_users(measure: &Measure) -> bool {
    match measure.aggregate() {
        Aggregate::Sum | Aggregate::Count | Aggregate::Distribution => true,
        // Of different values, twice as many users have up to twice as many.
        Aggregate::Distinct
        | Aggregate::Average
        | Aggregate::Min
        | Aggregate::Max
        | Aggregate::Percentile(_)
        | Aggregate::MostFrequent
        | Aggregate::First
        | Aggregate::Variance => false,
    }
}

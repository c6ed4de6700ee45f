//! Experiments: what difference variants make (M-70 … M-77).
//!
//! 1. [`Prepared`]: which events are exposures and metrics, and what is known of each; [`assigned`]: which
//!    variant, where an exposure names those of many experiments.
//! 2. [`observe`]: the events of one user, or group → what each variant the user was exposed to has of
//!    each metric; [`behind`]: who these users are.
//! 3. [`adjust`]: observations are capped and freed of what users did before (M-77).
//! 4. [`compare`]: means, errors, and the tests (M-73, M-74, M-76); [`formula`]: those of formulas.
//! 5. [`believe`]: Bayesian inference (M-75).
//! 6. [`rows`]: the columns of the answer.

mod adjust;
mod assigned;
mod behind;
mod believe;
mod compare;
mod formula;
mod observe;
mod rows;
#[cfg(test)]
mod tests;

use arrow::array::RecordBatch;
use arrow::datatypes::DataType;
use datafusion::common::ScalarValue;
use datafusion::logical_expr::{Expr, cast, lit};
use tallymark_report::{
    Aggregate, Condition, Experiment, ExperimentMeasure, Filter, Include, Instants, Items, Measure, Operator,
    Property, Scalar, Scope, window_ms,
};

pub(super) use self::behind::users;
use self::observe::{Measured, Observe};
pub(super) use self::rows::schema;
use super::asked::Asked;
use super::chosen::{BehaviourScan, metric_of};
use super::groups::Collect;
use crate::Result;

/// The first conditions are those of sessions, which come in this number at most.
const OF_SESSIONS: usize = 4;
/// The event is an exposure.
const EXPOSED: usize = OF_SESSIONS;
/// The conditions from here on are those of metrics.
const METRICS: usize = OF_SESSIONS + 1;

const DAY_MS: i64 = 86_400_000;

/// The answer.
pub(super) async fn answer(asked: &Asked, scope: &Scope, experiment: &Experiment) -> Result<RecordBatch> {
    let formulas = formula::parsed(experiment)?;
    let whole = &experiment.with_metrics_of_formulas()?;
    let Prepared { scan, observe, collect } = Prepared::try_new(asked, scope, whole).await?;
    let observed = scan.run_of_actors(asked, observe, collect, |scan| scan).await?;
    rows::batch(whole, experiment.metrics.len(), &formulas, &observed.into_groups(whole))
}

/// What a report needs.
struct Prepared {
    scan: BehaviourScan,
    observe: Observe,
    /// Where groups are exposed.
    collect: Option<Collect>,
}

impl Prepared {
    async fn try_new(asked: &Asked, scope: &Scope, experiment: &Experiment) -> Result<Self> {
        let range = asked.calendar.resolve(&scope.range, asked.as_of)?;
        let cuped_ms = experiment.cuped.and_then(window_ms);
        let bias_ms = experiment.pre_experiment_bias.then_some(i64::from(Experiment::BIAS_DAYS) * DAY_MS);
        let before_ms = cuped_ms.into_iter().chain(bias_ms).max().unwrap_or(0);
        let looked_at = Instants { from: range.from.saturating_sub(before_ms), ..range };

        let mut exposed = asked.happened(&experiment.exposure, scope, &range, None).await?;
        let variant = match (&experiment.experiments, &experiment.experiment) {
            (Some(many), Some(name)) => assigned::variants(asked, many, name)?,
            (_, name) => {
                if let Some(name) = name {
                    exposed = exposed.and(asked.filter(&named(name))?);
                }
                asked.property_segment(&experiment.variant, None, None, None, None)?.label
            }
        };
        let mut labels = vec![variant];
        let mut conditions = vec![lit(false); OF_SESSIONS];
        let (mut within, mut walk) = (asked.within(&looked_at), None);
        if experiment.metrics.iter().any(|metric| metric.measure == ExperimentMeasure::Sessions) {
            let sessions = asked.session_scan(scope, &looked_at, lit(false))?;
            for (condition, of_session) in conditions.iter_mut().zip(sessions.conditions) {
                *condition = of_session;
            }
            walk = Some(asked.session_walk(scope, labels.len()));
            labels.extend(sessions.id);
            within = sessions.within;
        }
        conditions.push(exposed);
        let count_by = experiment.count_by.as_deref();
        let (mut numbers, mut measured, mut only_of) = (Vec::new(), Vec::new(), Vec::new());
        for metric in &experiment.metrics {
            if count_by.is_some() && metric.event.first_time.is_some() {
                only_of.push((conditions.len(), labels.len()));
                labels.push(asked.counted(&metric_of(&metric.event, count_by)).await?.label);
            }
            conditions.push(asked.happened(&metric.event, scope, &looked_at, count_by).await?);
            measured.push(match &metric.measure {
                ExperimentMeasure::UniqueUsers => Measured::Whether,
                ExperimentMeasure::TotalEvents => Measured::Events,
                ExperimentMeasure::Sessions => Measured::Sessions,
                ExperimentMeasure::OfProperty { aggregate, of } => {
                    numbers.push(number(asked, of)?);
                    let is_average = *aggregate == Aggregate::Average;
                    Measured::Property { number: numbers.len() - 1, is_average }
                }
            });
        }
        let collect = match count_by {
            None => None,
            Some(key) => {
                labels.push(asked.groups_by(key)?.label);
                numbers.push(cast(asked.order(), DataType::Float64));
                Some(Collect { group: labels.len() - 1, sequence: numbers.len() - 1, only_of })
            }
        };
        let observe = Observe { measured, walk, cuped_ms, bias_ms };
        Ok(Self { scan: BehaviourScan { within, conditions, labels, numbers }, observe, collect })
    }
}

fn named(experiment: &str) -> Filter {
    Filter::Condition(Box::new(Condition {
        property: Property::Event { name: Experiment::NAME.to_owned() },
        cast: None,
        items: Items::default(),
        include: Include::default(),
        match_case: None,
        operator: Operator::Equals(vec![Scalar::Text(experiment.to_owned())]),
    }))
}

/// The numbers of a property; lists are none (S-32).
fn number(asked: &Asked, of: &Property) -> Result<Expr> {
    let measure = Measure::OfProperty { aggregate: Aggregate::Sum, of: of.clone(), cast: None };
    let value = asked.value(&measure)?;
    Ok(value.map_or_else(|| lit(ScalarValue::Float64(None)), |value| value.label))
}

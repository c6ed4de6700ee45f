//! Impact: how a launch changes how often people do something (M-80 … M-83).
//!
//! 1. [`first`]: a first look at the events of users says when the launch was taken up: by whom first, and
//!    by whom last.
//! 2. [`days`]: which instant is on which day, and which days are over.
//! 3. [`observe`]: a second look counts what each user did on the days before and after; [`behind`]: who
//!    these users are.
//! 4. [`compare`]: what adopters do more than would have been expected of them, and how sure that is.
//! 5. [`rows`]: the columns of the answer.

mod behind;
mod compare;
mod days;
mod first;
mod observe;
mod rows;

use arrow::array::RecordBatch;
use arrow::datatypes::DataType;
use datafusion::logical_expr::{Expr, cast, lit};
use tallymark_report::{ALL_EVENTS, EventSelector, Impact, Instants, Scope, UsersWith};

pub(super) use self::behind::users;
use self::days::Days;
use self::observe::Observe;
pub(super) use self::rows::schema;
use super::asked::{Asked, EVER};
use super::chosen::{BehaviourScan, metric_of};
use super::groups::Collect;
use crate::Result;

/// The event is the launch.
const LAUNCH: usize = 0;
/// The event is any, where users with any are included.
const ANY: usize = 1;
/// The conditions from here on are those of metrics.
const METRICS: usize = 2;

/// The answer.
pub(super) async fn answer(asked: &Asked, scope: &Scope, impact: &Impact) -> Result<RecordBatch> {
    let Prepared { scan, observe, collect } = Prepared::try_new(asked, scope, impact).await?;
    let launched = observe.launched;
    let tally = scan.run_of_actors(asked, observe, collect, |scan| scan).await?;
    rows::batch(asked.calendar, scope, impact, launched, &tally)
}

/// What a report needs.
struct Prepared {
    scan: BehaviourScan,
    observe: Observe,
    /// Where groups take the launch up.
    collect: Option<Collect>,
}

impl Prepared {
    async fn try_new(asked: &Asked, scope: &Scope, impact: &Impact) -> Result<Self> {
        let range = asked.calendar.resolve(&scope.range, asked.as_of)?;
        // M-80: who did it before the range, or after it, is in neither group.
        let count_by = impact.count_by.as_deref();
        let launch = asked.happened(&impact.launch, scope, &EVER, count_by).await?;
        let (scan, collect) = scan_of(asked, &EVER, vec![launch.clone()], Vec::new(), count_by)?;
        let (first, last) = first::adopted(asked, scan, collect, range).await?;
        let launched = asked.calendar.day(first);
        let days = Days::new(asked.calendar, impact, launched, asked.calendar.day(last));

        let looked_at = days.instants();
        let any = match impact.users_with {
            UsersWith::MetricEvent => lit(false),
            UsersWith::AnyEvent => {
                asked.happened(&EventSelector::named(ALL_EVENTS), scope, &looked_at, count_by).await?
            }
        };
        let (mut conditions, mut firsts) = (vec![launch, any], Vec::new());
        for metric in &impact.metrics {
            if count_by.is_some() && metric.event.first_time.is_some() {
                let label = asked.counted(&metric_of(&metric.event, count_by)).await?.label;
                firsts.push((conditions.len(), label));
            }
            conditions.push(asked.happened(&metric.event, scope, &looked_at, count_by).await?);
        }
        let (scan, collect) = scan_of(asked, &EVER, conditions, firsts, count_by)?;
        let observe = Observe {
            metrics: impact.metrics.len(),
            users_with: impact.users_with,
            range,
            launched,
            as_of: asked.as_of,
            days,
        };
        Ok(Self { scan, observe, collect })
    }
}

/// What looks at events of users, and how those of groups are collected from it. `firsts` are conditions
/// that are met for the groups of a label alone.
fn scan_of(
    asked: &Asked,
    range: &Instants,
    conditions: Vec<Expr>,
    firsts: Vec<(usize, Expr)>,
    count_by: Option<&str>,
) -> Result<(BehaviourScan, Option<Collect>)> {
    let (mut labels, mut numbers, mut only_of) = (Vec::new(), Vec::new(), Vec::new());
    let collect = match count_by {
        None => None,
        Some(key) => {
            for (condition, label) in firsts {
                only_of.push((condition, labels.len()));
                labels.push(label);
            }
            labels.push(asked.groups_by(key)?.label);
            numbers.push(cast(asked.order(), DataType::Float64));
            Some(Collect { group: labels.len() - 1, sequence: 0, only_of })
        }
    };
    Ok((BehaviourScan { within: asked.within(range), conditions, labels, numbers }, collect))
}

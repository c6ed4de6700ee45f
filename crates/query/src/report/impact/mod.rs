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
use datafusion::logical_expr::lit;
use tallymark_report::{ALL_EVENTS, EventSelector, Impact, Instants, Scope, UsersWith};

pub(super) use self::behind::users;
use self::days::Days;
use self::observe::Observe;
pub(super) use self::rows::schema;
use super::asked::Asked;
use super::chosen::BehaviourScan;
use crate::Result;

/// The event is the launch.
const LAUNCH: usize = 0;
/// The event is any, where users with any are included.
const ANY: usize = 1;
/// The conditions from here on are those of metrics.
const METRICS: usize = 2;

/// The answer.
pub(super) async fn answer(asked: &Asked, scope: &Scope, impact: &Impact) -> Result<RecordBatch> {
    let Prepared { scan, observe } = Prepared::try_new(asked, scope, impact).await?;
    let launched = observe.launched;
    let (tally, _) = scan.run(asked, observe).await?;
    rows::batch(asked.calendar, scope, impact, launched, &tally)
}

/// What a report needs.
struct Prepared {
    scan: BehaviourScan,
    observe: Observe,
}

impl Prepared {
    async fn try_new(asked: &Asked, scope: &Scope, impact: &Impact) -> Result<Self> {
        let range = asked.calendar.resolve(&scope.range, asked.as_of)?;
        // M-80: who did it before the range, or after it, is in neither group.
        let ever = Instants { from: i64::MIN / 2, to: i64::MAX, days: None };
        let launch = asked.happened(&impact.launch, scope, &ever, None).await?;
        let (first, last) = first::adopted(asked, launch.clone(), &ever, range).await?;
        let launched = asked.calendar.day(first);
        let days = Days::new(asked.calendar, impact, launched, asked.calendar.day(last));

        let looked_at = days.instants();
        let any = match impact.users_with {
            UsersWith::MetricEvent => lit(false),
            UsersWith::AnyEvent => {
                asked.happened(&EventSelector::named(ALL_EVENTS), scope, &looked_at, None).await?
            }
        };
        let mut conditions = vec![launch, any];
        for metric in &impact.metrics {
            conditions.push(asked.happened(&metric.event, scope, &looked_at, None).await?);
        }
        let within = asked.within(&ever);
        let scan = BehaviourScan { within, conditions, labels: Vec::new(), numbers: Vec::new() };
        let observe = Observe {
            metrics: impact.metrics.len(),
            users_with: impact.users_with,
            range,
            launched,
            as_of: asked.as_of,
            days,
        };
        Ok(Self { scan, observe })
    }
}

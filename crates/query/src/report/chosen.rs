//! The events that reports of behaviour are about.

use std::sync::Arc;

use datafusion::logical_expr::Expr;
use tallymark_memory::UserDirectory;
use tallymark_report::{EventSelector, Instants, Measure, Metric, Scope};

use super::asked::{Asked, plan_error};
use crate::resident::by_user::{Matcher, UserScan};
use crate::{Error, Result};

impl Asked {
    /// Whether an event is one of those selected, in a range, and passes the filter of the report;
    /// first times are those of users, or of groups (S-50 … S-52).
    pub(super) async fn happened(
        &self,
        selector: &EventSelector,
        scope: &Scope,
        range: &Instants,
        count_by: Option<&str>,
    ) -> Result<Expr> {
        let mut chosen = self.within(range).and(self.selects(selector)?);
        if let Some(filter) = &scope.filter {
            chosen = chosen.and(self.filter(filter)?);
        }
        if let Some(first_time) = selector.first_time {
            chosen = chosen.and(self.is_first(&metric_of(selector, count_by), first_time).await?);
        }
        Ok(chosen)
    }
}

/// Which events a report of behaviour looks at, and what it has to know of each: see [`UserScan`].
pub(super) struct BehaviourScan {
    /// All events that are looked at lie in this time.
    pub(super) within: Expr,
    pub(super) conditions: Vec<Expr>,
    pub(super) labels: Vec<Expr>,
    pub(super) numbers: Vec<Expr>,
}

impl BehaviourScan {
    /// Shows a matcher all users; and says who they are.
    pub(super) async fn run<M: Matcher>(
        self,
        asked: &Asked,
        matcher: M,
    ) -> Result<(M::Partial, Arc<UserDirectory>)> {
        self.run_with(asked, matcher, |scan| scan).await
    }

    /// The same, but of each UTC day of a user only what meets a condition first: see
    /// [`UserScan::once_between`].
    pub(super) async fn run_once_a_day<M: Matcher>(
        self,
        asked: &Asked,
        matcher: M,
    ) -> Result<(M::Partial, Arc<UserDirectory>)> {
        self.run_with(asked, matcher, |scan| scan.once_between(Vec::new())).await
    }

    async fn run_with<M: Matcher>(
        self,
        asked: &Asked,
        matcher: M,
        with: impl FnOnce(UserScan) -> UserScan,
    ) -> Result<(M::Partial, Arc<UserDirectory>)> {
        let Self { within, conditions, labels, numbers } = self;
        let events = asked.events();
        let scan = UserScan::with_numbers(&asked.state, &events, conditions, labels, numbers);
        let scan = with(scan.map_err(plan_error)?);
        let failed = |source| Error::Run { source };
        let layout = events.layout_of(&asked.state, &[within], scan.inputs()).await.map_err(failed)?;
        let directory = Arc::clone(layout.users());
        let pool = &asked.state.runtime_env().memory_pool;
        Ok((scan.run(layout, matcher, pool).await.map_err(failed)?, directory))
    }
}

/// A metric of some events, to ask for their first times and their groups with.
pub(super) fn metric_of(event: &EventSelector, count_by: Option<&str>) -> Metric {
    Metric {
        name: None,
        saved: None,
        event: Some(event.clone()),
        profiles: None,
        cohort: None,
        funnel: None,
        step: None,
        retention: None,
        bucket: None,
        value: None,
        measure: Measure::UniqueUsers,
        filter: None,
        count_by: count_by.map(str::to_owned),
        count_once: None,
    }
}

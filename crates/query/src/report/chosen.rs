//! The events that reports of behaviour are about.

use std::collections::BTreeSet;
use std::marker::PhantomData;
use std::sync::Arc;

use datafusion::logical_expr::Expr;
use datafusion::logical_expr::utils::split_conjunction_owned;
use tallymark_memory::{Layout, UserDirectory};
use tallymark_report::{DefinitionError, EventSelector, Instant, Instants, Measure, Metric, Scope, Unit};

use super::asked::{Asked, plan_error};
use super::groups::Collect;
use crate::resident::by_user::{Collected, Matcher, UserEvents, UserScan};
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

    /// Which of the units with these starts the time of a cell is in (M-4).
    pub(super) fn unit_of_cell(&self, time: &Instant, unit: Unit, starts: &[i64]) -> Result<usize> {
        let inside = self.calendar.start_of(time).map_err(|error| error.within("users_of.time"))?;
        let start = self.calendar.bucket(inside, unit);
        let at = starts.iter().position(|known| *known == start);
        let problem = || format!("{} is in no {unit} of the range", time.0);
        Ok(at.ok_or_else(|| DefinitionError::new("users_of.time", problem()))?)
    }
}

/// Which events a report of behaviour looks at, and what it has to know of each: see [`UserScan`].
pub(super) struct BehaviourScan {
    /// All events that are looked at lie in this time, or pass what else is said here.
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

    /// The ids of the users of whom something holds; each of them has an event that is looked at.
    pub(super) async fn users<S, F>(self, asked: &Asked, holds: F) -> Result<BTreeSet<String>>
    where
        S: Default + Send + 'static,
        F: Fn(&UserEvents<'_>, &mut S) -> bool + Send + Sync + 'static,
    {
        let ((users, _), directory) = self.run(asked, Behind { holds, scratch: PhantomData }).await?;
        Ok(users.iter().map(|user| directory.ids().value(*user as usize).to_owned()).collect())
    }

    /// What a matcher makes of all users, of whom it may do with fewer events ([`Self::run_with`]); of groups,
    /// if it is said how their events are collected.
    pub(super) async fn run_of_actors<M: Matcher>(
        self,
        asked: &Asked,
        matcher: M,
        collect: Option<Collect>,
        with: impl FnOnce(UserScan) -> UserScan,
    ) -> Result<M::Partial> {
        let Some(collect) = collect else { return Ok(self.run_with(asked, matcher, with).await?.0) };
        let mut total = matcher.start();
        for (at, (_, events)) in self.groups(asked, collect).await?.into_iter().enumerate() {
            let mut partial = matcher.start();
            events.in_order(at as u32, |group| matcher.user(group, &mut partial));
            matcher.merge(&mut total, partial);
        }
        Ok(total)
    }

    /// The same ids as of [`Self::users`], or those of the groups of whom something holds.
    pub(super) async fn actors<S, F>(
        self,
        asked: &Asked,
        collect: Option<Collect>,
        holds: F,
    ) -> Result<BTreeSet<String>>
    where
        S: Default + Send + 'static,
        F: Fn(&UserEvents<'_>, &mut S) -> bool + Send + Sync + 'static,
    {
        let Some(collect) = collect else { return self.users(asked, holds).await };
        let mut found = BTreeSet::new();
        for (name, events) in self.groups(asked, collect).await? {
            let mut is_it = false;
            events.in_order(0, |group| is_it = holds(group, &mut S::default()));
            if is_it {
                found.insert(name);
            }
        }
        Ok(found)
    }

    /// The events that are looked at, put together as those of the groups they have (U-30).
    pub(super) async fn groups(self, asked: &Asked, collect: Collect) -> Result<Vec<(String, Collected)>> {
        let (scan, layout) = self.prepared(asked, |scan| scan).await?;
        let pool = &asked.state.runtime_env().memory_pool;
        collect.groups(scan, layout, pool).await.map_err(|source| Error::Run { source })
    }

    /// As [`Self::run`], but with fewer events: see [`UserScan`].
    pub(super) async fn run_with<M: Matcher>(
        self,
        asked: &Asked,
        matcher: M,
        with: impl FnOnce(UserScan) -> UserScan,
    ) -> Result<(M::Partial, Arc<UserDirectory>)> {
        let (scan, layout) = self.prepared(asked, with).await?;
        let directory = Arc::clone(layout.users());
        let pool = &asked.state.runtime_env().memory_pool;
        let found = scan.run(layout, matcher, pool).await.map_err(|source| Error::Run { source })?;
        Ok((found, directory))
    }

    /// The scan, and what it goes over.
    async fn prepared(
        self,
        asked: &Asked,
        with: impl FnOnce(UserScan) -> UserScan,
    ) -> Result<(UserScan, Arc<Layout>)> {
        let Self { within, conditions, labels, numbers } = self;
        let events = asked.events();
        let scan = UserScan::with_numbers(&asked.state, &events, conditions, labels, numbers);
        let scan = with(scan.map_err(plan_error)?);
        let layout = events.layout_of(&asked.state, &split_conjunction_owned(within), scan.inputs()).await;
        Ok((scan, layout.map_err(|source| Error::Run { source })?))
    }
}

/// Finds the users of whom something holds; `S` is kept from one to the next.
struct Behind<S, F> {
    holds: F,
    scratch: PhantomData<fn() -> S>,
}

impl<S, F> Matcher for Behind<S, F>
where
    S: Default + Send + 'static,
    F: Fn(&UserEvents<'_>, &mut S) -> bool + Send + Sync + 'static,
{
    type Partial = (Vec<u32>, S);

    fn start(&self) -> Self::Partial {
        Self::Partial::default()
    }

    fn user(&self, user: &UserEvents<'_>, (users, scratch): &mut Self::Partial) {
        if (self.holds)(user, scratch) {
            users.push(user.user);
        }
    }

    fn merge(&self, (users, _): &mut Self::Partial, (later, _): Self::Partial) {
        users.extend(later);
    }

    fn bytes(&self, (users, _): &Self::Partial) -> usize {
        users.capacity() * 4
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

//! Who belongs to a cohort (section 9).

use std::collections::{BTreeSet, HashMap};
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use arrow::array::{
    Array as _, ArrayRef, AsArray as _, Int64Array, RecordBatch, StringViewArray, TimestampMillisecondArray,
};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, Float64Type, Int64Type, Schema, TimestampMillisecondType};
use datafusion::datasource::{MemTable, provider_as_source};
use datafusion::functions::core::expr_fn::named_struct;
use datafusion::functions_aggregate::expr_fn as aggregate;
use datafusion::logical_expr::{Case, Expr, LogicalPlanBuilder, lit};
use tallymark_event::columns::{EVENT, SEQUENCE, TIME, USER_ID, timestamp_type};
use tallymark_memory::{Layout, UserSet};
use tallymark_report::{
    Aggregate, Cohort, CohortCondition, DateRange, DefinitionError, Did, EventSelector, Filter, Instants,
    Measure, Metric, Property, Times,
};
use tokio::sync::OnceCell;

use super::asked::{Asked, Cohorts, EVER, arrow_error, column, plan_error};
use super::check::no_cohort;
use super::chosen::metric_of;
use super::computed::History;
use super::convert::TEXT;
use super::insights::measure::{USER, over_column};
use super::segments::Segment;
use crate::events_table::EventsTable;
use crate::functions::time_bucket;
use crate::resident::among::UserIds;
use crate::resident::by_user::{Matcher, Record, UserCounts, UserEvents, UserScan};
use crate::resident::inputs::Inputs;
use crate::{Error, Result};

/// Everyone with an event up to now, or a profile (C-2): found when first asked for.
#[derive(Default)]
struct Universe {
    /// By which key its members are groups (C-21).
    group_key: Option<String>,
    found: OnceCell<UserIds>,
}

impl Universe {
    async fn ids(&self, asked: &Asked) -> Result<&UserIds> {
        let found = || async {
            match &self.group_key {
                Some(key) => asked.universe_of_groups(key).await,
                None => asked.universe().await,
            }
        };
        self.found.get_or_try_init(found).await
    }

    /// Everyone but these.
    async fn without(&self, asked: &Asked, members: &UserIds) -> Result<UserIds> {
        Ok(self.ids(asked).await?.and_not(members))
    }
}

impl Asked {
    /// Works out the cohorts of these names, and those they refer to.
    pub(super) async fn work_out(&mut self, names: BTreeSet<String>, cohorts: &Cohorts) -> Result<()> {
        for name in names {
            self.work_out_one(&name, cohorts, &mut Vec::new()).await?;
        }
        Ok(())
    }

    /// The members of a cohort as of an instant, not later than now (C-20).
    pub(super) async fn members_at(
        &self,
        name: &str,
        cohorts: &Cohorts,
        instant: i64,
    ) -> Result<Arc<UserIds>> {
        let as_of = instant.min(self.as_of);
        let mut then = Self { as_of, members: HashMap::new(), ..self.clone() };
        then.work_out_one(name, cohorts, &mut Vec::new()).await
    }

    fn work_out_one<'a>(
        &'a mut self,
        name: &'a str,
        cohorts: &'a Cohorts,
        within: &'a mut Vec<String>,
    ) -> Pin<Box<dyn Future<Output = Result<Arc<UserIds>>> + Send + 'a>> {
        Box::pin(async move {
            if let Some(members) = self.members.get(name) {
                return Ok(Arc::clone(members));
            }
            let Some(cohort) = cohorts.get(name) else {
                return Err(no_cohort(name, cohorts).into());
            };
            if within.iter().any(|outer| outer == name) {
                let error = DefinitionError::new("", format!("the cohort \"{name}\" refers to itself"));
                return Err(Error::Definition(error));
            }
            within.push(name.to_owned());
            let members = Arc::new(self.members_of(cohort, cohorts, within).await?);
            within.pop();
            self.members.insert(name.to_owned(), Arc::clone(&members));
            Ok(members)
        })
    }

    /// The members of a cohort, as of now.
    pub(super) fn members_of<'a>(
        &'a mut self,
        cohort: &'a Cohort,
        cohorts: &'a Cohorts,
        within: &'a mut Vec<String>,
    ) -> Pin<Box<dyn Future<Output = Result<UserIds>> + Send + 'a>> {
        Box::pin(async move {
            let (conditions, all) = cohort.conditions();
            let universe = Universe { group_key: cohort.group_key.clone(), found: OnceCell::new() };
            self.combined(conditions, all, &universe, cohorts, within).await
        })
    }

    /// See [`Universe`].
    async fn universe(&self) -> Result<UserIds> {
        let snapshot = self.tables.snapshot();
        let profiles = snapshot.profiles.users().map(|(id, _)| id);
        // U-18: a profile under an id that became somebody else's is no user's.
        let own = profiles.filter(|id| snapshot.identities.canonical(id) == *id);
        let own: UserIds = own.map(str::to_owned).collect();
        if let Some(users) = self.users_counting(&EVER, self.within(&EVER), |_| true).await? {
            return Ok(users.or(&own));
        }
        let plan = self
            .scan()?
            .filter(self.within(&EVER).and(column(USER_ID).is_not_null()))
            .and_then(|plan| plan.aggregate([column(USER_ID)], Vec::<Expr>::new()))
            .map_err(plan_error)?;
        let mut users = Vec::new();
        for batch in self.collect(plan).await? {
            users.extend(ids_of(&batch)?);
        }
        Ok(users.into_iter().collect::<UserIds>().or(&own))
    }

    /// Every group by a key with an event up to now, or a profile.
    async fn universe_of_groups(&self, group_key: &str) -> Result<UserIds> {
        let actor = self.groups_by(group_key)?;
        let plan = self.scan()?.filter(self.within(&EVER)).map_err(plan_error)?;
        let plan = by_actor(plan, actor, Vec::new())?
            .aggregate([column(USER)], Vec::<Expr>::new())
            .map_err(plan_error)?;
        let groups = self.tables.snapshot().profiles.groups().filter(|(key, _, _)| *key == group_key);
        let mut found: Vec<String> = groups.map(|(_, id, _)| id.to_owned()).collect();
        for batch in self.collect(plan).await? {
            found.extend(ids_of(&batch)?);
        }
        Ok(found.into_iter().collect())
    }

    /// The events of a range with some columns; `None` if these have no room in memory.
    async fn layout_in_memory(
        &self,
        events: &EventsTable,
        range: &Instants,
        inputs: &Inputs,
    ) -> Result<Option<Arc<Layout>>> {
        let failed = |source| Error::Run { source };
        match events.segments(&self.state, &[self.within(range)], inputs).map_err(failed)? {
            Some(segments) => segments.layout().await.map(Some).map_err(failed),
            None => Ok(None),
        }
    }

    /// The users with so many events of a range that meet a condition as pass a test; users without any
    /// do not pass. `None` if the events have no room in memory.
    async fn users_counting(
        &self,
        range: &Instants,
        condition: Expr,
        test: impl Fn(u32) -> bool + Send + Sync + 'static,
    ) -> Result<Option<UserIds>> {
        let events = self.events();
        let counts = UserCounts::try_new(&self.state, &events, condition).map_err(plan_error)?;
        let Some(layout) = self.layout_in_memory(&events, range, counts.inputs()).await? else {
            return Ok(None);
        };
        let users = Arc::clone(layout.users());
        let pool = &self.state.runtime_env().memory_pool;
        let passing = counts.users_where(layout, test, pool).await;
        let passing = passing.map_err(|source| Error::Run { source })?;
        Ok(Some(UserSet::from_ordinals(users, passing).into()))
    }

    /// The users whose events pass a test: those of a range that meet any of the conditions, in
    /// order; users without any do not pass. `None` if the events have no room in memory.
    async fn users_where(
        &self,
        range: &Instants,
        conditions: Vec<Expr>,
        test: impl Fn(&[Record]) -> bool + Send + Sync + 'static,
    ) -> Result<Option<UserIds>> {
        let events = self.events();
        let scan = UserScan::try_new(&self.state, &events, conditions, Vec::new()).map_err(plan_error)?;
        let Some(layout) = self.layout_in_memory(&events, range, scan.inputs()).await? else {
            return Ok(None);
        };
        let users = Arc::clone(layout.users());
        let pool = &self.state.runtime_env().memory_pool;
        let passing = scan.run(layout, Passing { test }, pool).await;
        let passing = passing.map_err(|source| Error::Run { source })?;
        Ok(Some(UserSet::from_ordinals(users, passing).into()))
    }

    fn combined<'a>(
        &'a mut self,
        conditions: &'a [CohortCondition],
        all: bool,
        universe: &'a Universe,
        cohorts: &'a Cohorts,
        within: &'a mut Vec<String>,
    ) -> Pin<Box<dyn Future<Output = Result<UserIds>> + Send + 'a>> {
        Box::pin(async move {
            let mut found: Option<UserIds> = None;
            for condition in conditions {
                let members = self.meeting(condition, universe, cohorts, within).await?;
                found = Some(match found {
                    None => members,
                    Some(before) if all => before.and(&members),
                    Some(before) => before.or(&members),
                });
            }
            Ok(found.unwrap_or_default())
        })
    }

    async fn meeting(
        &mut self,
        condition: &CohortCondition,
        universe: &Universe,
        cohorts: &Cohorts,
        within: &mut Vec<String>,
    ) -> Result<UserIds> {
        // Events may be those of members of other cohorts.
        let mut names = BTreeSet::new();
        for did in condition.did.iter().chain(&condition.did_not) {
            for selector in [Some(&did.event), did.then.as_ref(), did.then_not.as_ref()].into_iter().flatten()
            {
                self.cohorts_of_events(selector, &mut names)?;
            }
            let of = did.times.as_ref().and_then(|times| times.of.as_ref());
            of.map_or(Ok(()), |of| self.cohorts_of_property(of, &mut names))?;
        }
        for name in names {
            self.work_out_one(&name, cohorts, within).await?;
        }
        if let Some(did) = &condition.did {
            return self.who_did(did, universe).await;
        }
        if let Some(did) = &condition.did_not {
            let members = self.who_did(did, universe).await?;
            return universe.without(self, &members).await;
        }
        if let Some(filter) = &condition.filter {
            let mut names = BTreeSet::new();
            self.cohorts_of(filter, &mut names)?;
            for name in names {
                self.work_out_one(&name, cohorts, within).await?;
            }
            let times = self.times_of_profiles(condition, filter)?;
            let everyone = universe.ids(self).await?;
            return match &universe.group_key {
                Some(key) => self.of_profiles(Some(key)).who_is(filter, &times, everyone).await,
                None => self.who_is(filter, &times, everyone).await,
            };
        }
        if let Some(name) = &condition.in_cohort {
            let members = self.work_out_one(name, cohorts, within).await?;
            return Ok(members.as_ref().clone());
        }
        if let Some(name) = &condition.not_in_cohort {
            let members = self.work_out_one(name, cohorts, within).await?;
            return universe.without(self, &members).await;
        }
        if let Some(users) = &condition.users {
            // C-17.
            let identities = &self.tables.snapshot().identities;
            let users = users.iter().map(|id| identities.canonical(id));
            let everyone = universe.ids(self).await?;
            return Ok(users.filter(|id| everyone.contains(id)).map(str::to_owned).collect());
        }
        if let Some(groups) = &condition.groups {
            let everyone = universe.ids(self).await?;
            return Ok(groups.iter().filter(|id| everyone.contains(id)).cloned().collect());
        }
        if let Some(all) = &condition.all {
            return self.combined(all, true, universe, cohorts, within).await;
        }
        if let Some(any) = &condition.any {
            return self.combined(any, false, universe, cohorts, within).await;
        }
        match &condition.not {
            Some(not) => {
                let members = Box::pin(self.meeting(not, universe, cohorts, within)).await?;
                universe.without(self, &members).await
            }
            None => Ok(UserIds::default()),
        }
    }

    /// When a condition on profiles is to hold (C-3 e): from the first to the last instant.
    fn times_of_profiles(&self, condition: &CohortCondition, filter: &Filter) -> Result<ProfileTimes> {
        let to_now = self.as_of.saturating_add(1);
        let mut times = ProfileTimes { from: self.as_of, to: to_now, histories: Vec::new() };
        if let Some(at) = &condition.at {
            times.from = self.calendar.end_of(at)?.min(self.as_of);
            times.to = times.from.saturating_add(1);
        }
        if let Some(range) = &condition.range {
            let range = match range {
                DateRange::Since(since) if self.calendar.start_of(since)? > self.as_of => None,
                range => Some(self.calendar.resolve(range, self.as_of)?),
            };
            (times.from, times.to) = range.map_or((0, 0), |range| (range.from, range.to.min(to_now)));
            let filter = serde_json::to_value(filter).unwrap_or_default();
            for (_, property) in Property::computed_in(&filter) {
                times.histories.push(self.found(&property)?.history());
            }
        }
        Ok(times)
    }

    /// Those whose profile passes (C-16), at any of the times it may have become another.
    async fn who_is(&self, filter: &Filter, times: &ProfileTimes, universe: &UserIds) -> Result<UserIds> {
        let ProfileTimes { from, to, histories } = times;
        let (mut ids, mut instants) = (Vec::new(), Vec::new());
        for id in universe.iter().filter(|_| from < to) {
            let changes = histories.iter().flat_map(|history| history.times_of(id, *from, *to));
            for time in std::iter::once(*from).chain(changes) {
                ids.push(Some(id));
                instants.push(time);
            }
        }
        let schema = Arc::new(Schema::new(vec![
            Field::new(USER_ID, DataType::Utf8View, false),
            Field::new(TIME, timestamp_type(), false),
            Field::new(SEQUENCE, DataType::Int64, false),
            Field::new(EVENT, DataType::Utf8View, false),
        ]));
        let columns: Vec<ArrayRef> = vec![
            Arc::new(ids.into_iter().collect::<StringViewArray>()),
            Arc::new(TimestampMillisecondArray::from(instants.clone()).with_timezone("UTC")),
            // After all that was ever sent, and what is made of that (`Asked::order`).
            Arc::new(Int64Array::from(vec![i64::MAX / 4; instants.len()])),
            Arc::new(StringViewArray::from(vec![""; instants.len()])),
        ];
        let batch = RecordBatch::try_new(Arc::clone(&schema), columns).map_err(arrow_error)?;
        let table = MemTable::try_new(schema, vec![vec![batch]]).map_err(plan_error)?;
        let plan = LogicalPlanBuilder::scan("users", provider_as_source(Arc::new(table)), None)
            .map_err(plan_error)?
            .filter(self.filter(filter)?)
            .map_err(plan_error)?;
        let mut found = Vec::new();
        for batch in self.collect(plan).await? {
            found.extend(ids_of(&batch)?);
        }
        Ok(found.into_iter().collect())
    }

    /// Those who did something so often, or so much (C-4 … C-9).
    async fn who_did(&self, did: &Did, universe: &Universe) -> Result<UserIds> {
        let range = match &did.range {
            // Of the past, a range may not have begun (C-20): nobody has done anything in it.
            Some(DateRange::Since(since)) if self.calendar.start_of(since)? > self.as_of => {
                Instants { from: i64::MAX, to: i64::MAX, days: None }
            }
            Some(range) => self.calendar.resolve(range, self.as_of)?,
            None => EVER,
        };
        if let Some((then, wanted)) =
            did.then.as_ref().map(|then| (then, true)).or(did.then_not.as_ref().map(|then| (then, false)))
        {
            let group_key = universe.group_key.as_deref();
            return self.who_then(&did.event, then, wanted, &range, group_key).await;
        }
        let at_least_once = Times { at_least: Some(1.0), ..Times::default() };
        let times = did.times.as_ref().unwrap_or(&at_least_once);
        let metric = metric_of(&did.event, universe.group_key.as_deref());
        let chosen = self.within(&range).and(self.selected(&metric).await?);
        if times.of.is_none() && times.distinct.is_none() && universe.group_key.is_none() {
            let accepts = times.clone();
            // C-7: who never did it counts too, where that is often enough; then those are looked for who
            // did it otherwise.
            let of_nothing = times.accepts(Some(0.0));
            let test = move |count: u32| accepts.accepts(Some(f64::from(count))) != of_nothing;
            if let Some(users) = self.users_counting(&range, chosen.clone(), test).await? {
                return if of_nothing { universe.without(self, &users).await } else { Ok(users) };
            }
        }
        let (value, of) = match (&times.of, times.distinct) {
            (Some(of), _) => {
                let aggregate = times.aggregate.unwrap_or(Aggregate::Sum);
                let measure = Measure::OfProperty { aggregate, of: of.clone(), cast: None };
                (self.value(&measure)?, Some(aggregate))
            }
            (None, _) => (None, None),
        };
        let mut projected = Vec::new();
        if let Some(value) = &value {
            projected.push(value.label.clone().alias("value"));
        }
        if let Some(unit) = times.distinct {
            projected.push(time_bucket::of(unit, column(TIME), self.calendar).alias("bucket"));
        }
        let plan = self.scan()?.filter(chosen).map_err(plan_error)?;
        let mut plan = by_actor(plan, self.counted(&metric).await?, projected)?;
        if value.as_ref().is_some_and(|value| value.is_list) {
            plan = plan.unnest_column("value").map_err(plan_error)?;
        }
        let number = match (of, times.distinct) {
            (Some(aggregate), _) => over_column(aggregate),
            (None, Some(_)) => aggregate::count_distinct(column("bucket")),
            (None, None) => aggregate::count(lit(1i64)),
        };
        let plan = plan.aggregate([column(USER)], [number.alias("value")]).map_err(plan_error)?;
        // C-8: of nothing, counts and sums are 0, everything else is no number.
        let of_nothing = of.is_none_or(Aggregate::is_zero_of_nothing).then_some(0.0);
        let (mut found, mut met) = (Vec::new(), Vec::new());
        for batch in self.collect(plan).await? {
            let numbers = cast(batch.column(1), &DataType::Float64).map_err(arrow_error)?;
            let numbers = numbers.as_primitive::<Float64Type>();
            for (id, number) in ids_of(&batch)?.into_iter().zip(numbers) {
                if times.accepts(number.or(of_nothing)) {
                    found.push(id.clone());
                }
                met.push(id);
            }
        }
        let (found, met): (UserIds, UserIds) = (found.into_iter().collect(), met.into_iter().collect());
        // C-7: who never did it counts too.
        if times.accepts(of_nothing) {
            return Ok(found.or(&universe.without(self, &met).await?));
        }
        Ok(found)
    }

    /// Whether an event is one of those selected, first times included (C-3 g).
    async fn selected(&self, metric: &Metric) -> Result<Expr> {
        let Some(event) = &metric.event else { return Ok(lit(false)) };
        let selects = self.selects(event)?;
        Ok(match event.first_time {
            Some(first_time) => selects.and(self.is_first(metric, first_time).await?),
            None => selects,
        })
    }

    /// C-9.
    async fn who_then(
        &self,
        first: &EventSelector,
        then: &EventSelector,
        wanted: bool,
        range: &Instants,
        group_key: Option<&str>,
    ) -> Result<UserIds> {
        let (first, then) = (metric_of(first, group_key), metric_of(then, group_key));
        let (is_first, is_then) = (self.selected(&first).await?, self.selected(&then).await?);
        let within = || self.within(range);
        let conditions = vec![within().and(is_first.clone()), within().and(is_then.clone())];
        let test = move |records: &[Record]| {
            let Some(first) = records.iter().position(|record| record.meets(0)) else { return false };
            records[first + 1..].iter().any(|record| record.meets(1)) == wanted
        };
        if group_key.is_none()
            && let Some(users) = self.users_where(range, conditions, test).await?
        {
            return Ok(users);
        }
        let chosen = within().and(is_first.clone().or(is_then.clone()));
        // G-1: by time, then in order of arrival.
        let place = || named_struct(vec![lit("time"), column(TIME), lit("sequence"), self.order()]);
        let when = |is: Expr| {
            let case =
                Case { expr: None, when_then_expr: vec![(Box::new(is), Box::new(place()))], else_expr: None };
            Expr::Case(case)
        };
        let projected = vec![when(is_first).alias("first"), when(is_then).alias("then")];
        let bounds =
            [aggregate::min(column("first")).alias("first"), aggregate::max(column("then")).alias("then")];
        let plan = self.scan()?.filter(chosen).map_err(plan_error)?;
        let plan = by_actor(plan, self.actor(&first)?, projected)?
            .aggregate([column(USER)], bounds)
            .map_err(plan_error)?;
        let mut found = Vec::new();
        for batch in self.collect(plan).await? {
            let place = |at: usize, row: usize| {
                let places = batch.column(at).as_struct();
                let time = places.column(0).as_primitive::<TimestampMillisecondType>();
                let sequence = places.column(1).as_primitive::<Int64Type>();
                places.is_valid(row).then(|| (time.value(row), sequence.value(row)))
            };
            for (row, id) in ids_of(&batch)?.into_iter().enumerate() {
                let Some(first) = place(1, row) else { continue };
                if place(2, row).is_some_and(|later| later > first) == wanted {
                    found.push(id);
                }
            }
        }
        Ok(found.into_iter().collect())
    }
}

/// Events with whom each counts for, and what else is to be known of them; those that count for
/// nobody are left out (G-12).
fn by_actor(plan: LogicalPlanBuilder, actor: Segment, projected: Vec<Expr>) -> Result<LogicalPlanBuilder> {
    let Segment { label, is_list, .. } = actor;
    let plan = if is_list { plan } else { plan.filter(label.clone().is_not_null()).map_err(plan_error)? };
    let plan = plan.project([label.alias(USER)].into_iter().chain(projected)).map_err(plan_error)?;
    if !is_list {
        return Ok(plan);
    }
    plan.unnest_column(USER).and_then(|plan| plan.filter(column(USER).is_not_null())).map_err(plan_error)
}

/// The times that profiles are looked at.
struct ProfileTimes {
    from: i64,
    /// Not included.
    to: i64,
    /// What may change in between.
    histories: Vec<Arc<History>>,
}

/// Finds the users whose events pass a test.
struct Passing<T> {
    test: T,
}

impl<T: Fn(&[Record]) -> bool + Send + Sync + 'static> Matcher for Passing<T> {
    /// Their numbers, ascending.
    type Partial = Vec<u32>;

    fn start(&self) -> Vec<u32> {
        Vec::new()
    }

    fn user(&self, user: &UserEvents<'_>, partial: &mut Vec<u32>) {
        if (self.test)(user.records) {
            partial.push(user.user);
        }
    }

    fn merge(&self, total: &mut Vec<u32>, later: Vec<u32>) {
        total.extend(later);
    }

    fn bytes(&self, partial: &Vec<u32>) -> usize {
        partial.capacity() * size_of::<u32>()
    }
}

/// The first column.
fn ids_of(batch: &RecordBatch) -> Result<Vec<String>> {
    let ids = cast(batch.column(0), &TEXT).map_err(arrow_error)?;
    Ok(ids.as_string_view().iter().flatten().map(str::to_owned).collect())
}

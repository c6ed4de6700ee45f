//! Who is counted: users, or groups; and the first time each did something.

use std::sync::{Arc, PoisonError};

use arrow::array::{AsArray as _, BooleanArray, ListBuilder, StringViewBuilder, TimestampMillisecondArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, TimestampMillisecondType};
use datafusion::common::ScalarValue;
use datafusion::functions::expr_fn::nullif;
use datafusion::functions_aggregate::expr_fn as aggregate;
use datafusion::logical_expr::{Expr, Operator, binary_expr, lit};
use hashbrown::HashMap;
use tallymark_event::columns::{TIME, USER_ID, timestamp_type};
use tallymark_report::{FirstTime, Metric, Property};

use super::super::asked::{Asked, EVER, arrow_error, column, plan_error};
use super::super::chosen::BehaviourScan;
use super::super::convert::{self, TEXT, list_of_text};
use super::super::filter::utf8;
use super::super::segments::Segment;
use super::measure::USER;
use crate::Result;
use crate::functions::made::call;
use crate::resident::by_user::{Matcher, UserEvents, UserScan};
use crate::resident::user_values::UserValues;

/// When somebody did something first.
#[derive(Debug, Clone)]
pub(in super::super) enum FirstTimes {
    /// Of users: Timestamp(ms, UTC).
    Users(Arc<UserValues>),
    /// Of groups by their ids: milliseconds since 1970.
    Groups(Arc<HashMap<String, i64>>),
}

impl Asked {
    /// Whether an event is among the first of its user, or of one of its groups (S-50, S-51).
    pub(in super::super) async fn is_first(&self, metric: &Metric, first_time: FirstTime) -> Result<Expr> {
        let (times, name) = self.first_times(metric, first_time).await?;
        let times = match times {
            FirstTimes::Users(times) => {
                let first = times.of_event(format!("first_time({name})"));
                return Ok(binary_expr(first, Operator::IsNotDistinctFrom, column(TIME)));
            }
            FirstTimes::Groups(times) => times,
        };
        let groups = self.actor(metric)?.label;
        Ok(call(format!("is_first({name})"), DataType::Boolean, vec![groups, column(TIME)], move |args| {
            let happened = args[1].as_primitive::<TimestampMillisecondType>();
            let groups = convert::texts_of(&args[0])?;
            let is_first = groups
                .into_iter()
                .zip(happened)
                .map(|(groups, time)| Some(groups.iter().any(|group| times.get(group).copied() == time)));
            Ok(Arc::new(is_first.collect::<BooleanArray>()))
        }))
    }

    /// When each user, or group, did something for the first time, worked out once a report; and what
    /// tells it from other first times.
    async fn first_times(&self, metric: &Metric, first_time: FirstTime) -> Result<(FirstTimes, String)> {
        let Metric { event, count_by, filter, .. } = metric;
        let asked = format!("{first_time:?} {event:?} {count_by:?} {filter:?} {}", self.as_of);
        let known = || self.first_times.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(times) = known().get(&asked) {
            return Ok((times.clone(), asked));
        }
        let chosen = self.first_of(metric, first_time)?;
        let times = match count_by {
            None => FirstTimes::Users(Arc::new(self.first_times_of_users(chosen).await?)),
            Some(_) => FirstTimes::Groups(Arc::new(self.first_times_of_groups(metric, chosen).await?)),
        };
        known().insert(asked.clone(), times.clone());
        Ok((times, asked))
    }

    /// The events of which one is the first.
    pub(in super::super) fn first_of(&self, metric: &Metric, first_time: FirstTime) -> Result<Expr> {
        let Some(selector) = &metric.event else { return Ok(lit(false)) };
        let mut chosen = match first_time {
            FirstTime::Ever => self.named(&selector.any_of.iter().collect::<Vec<_>>())?,
            FirstTime::Filtered => self.selects(selector)?,
        };
        if let (FirstTime::Filtered, Some(filter)) = (first_time, &metric.filter) {
            chosen = chosen.and(self.filter(filter)?);
        }
        Ok(self.within(&EVER).and(chosen))
    }

    async fn first_times_of_users(&self, chosen: Expr) -> Result<UserValues> {
        let scan = BehaviourScan {
            within: chosen.clone(),
            conditions: vec![chosen],
            labels: Vec::new(),
            numbers: Vec::new(),
        };
        let (found, users) = scan.run_with(self, First, UserScan::once_ever).await?;
        let mut times = vec![None; users.len()];
        for (user, time) in found {
            times[user as usize] = Some(time);
        }
        let times = TimestampMillisecondArray::from(times).with_data_type(timestamp_type());
        Ok(UserValues::new(users, Arc::new(times)))
    }

    async fn first_times_of_groups(&self, metric: &Metric, chosen: Expr) -> Result<HashMap<String, i64>> {
        let actor = self.actor(metric)?;
        let mut plan = self
            .scan()?
            .filter(chosen)
            .and_then(|plan| plan.project([actor.label.alias(USER), column(TIME)]))
            .map_err(plan_error)?;
        if actor.is_list {
            plan = plan.unnest_column(USER).map_err(plan_error)?;
        }
        let first = plan
            .filter(column(USER).is_not_null())
            .and_then(|plan| plan.aggregate([column(USER)], [aggregate::min(column(TIME)).alias(TIME)]))
            .map_err(plan_error)?;
        let mut times = HashMap::new();
        for batch in self.collect(first).await? {
            let groups = cast(batch.column(0), &TEXT).map_err(arrow_error)?;
            let first = batch.column(1).as_primitive::<TimestampMillisecondType>();
            for (group, time) in groups.as_string_view().iter().zip(first) {
                times.extend(group.map(str::to_owned).zip(time));
            }
        }
        Ok(times)
    }

    /// Who is counted for an event: of several groups, under a filter of first times, those whose
    /// first it is (S-52).
    pub(in super::super) async fn counted(&self, metric: &Metric) -> Result<Segment> {
        let actor = self.actor(metric)?;
        let first_time = metric.event.as_ref().and_then(|selector| selector.first_time);
        let Some(first_time) = first_time.filter(|_| actor.is_list) else { return Ok(actor) };
        let (FirstTimes::Groups(times), name) = self.first_times(metric, first_time).await? else {
            return Ok(actor);
        };
        let label =
            call(format!("first_of({name})"), list_of_text(), vec![actor.label, column(TIME)], move |args| {
                let happened = args[1].as_primitive::<TimestampMillisecondType>();
                let mut lists = ListBuilder::new(StringViewBuilder::new());
                for (groups, time) in convert::texts_of(&args[0])?.into_iter().zip(happened) {
                    for group in groups.iter().filter(|group| times.get(*group).copied() == time) {
                        lists.values().append_value(group);
                    }
                    lists.append(true);
                }
                Ok(Arc::new(lists.finish()))
            });
        Ok(Segment { label, is_list: true, is_credited: false })
    }

    /// Who is counted: the user, or the values of a property of the event (U-30, U-31). Null, or an
    /// empty list, where nobody is.
    pub(in super::super) fn actor(&self, metric: &Metric) -> Result<Segment> {
        let Some(key) = &metric.count_by else {
            return Ok(Segment { label: column(USER_ID), is_list: false, is_credited: false });
        };
        self.groups_by(key)
    }

    /// The groups of an event by a key.
    pub(in super::super) fn groups_by(&self, key: &str) -> Result<Segment> {
        let values = self.values(&Property::Event { name: key.to_owned() })?;
        let scalar = values.scalar_text().unwrap_or_else(|| lit(ScalarValue::Utf8View(None)));
        // G-12: the empty id is nobody.
        let scalar = nullif(scalar, utf8(""));
        if values.lists.is_empty() {
            return Ok(Segment { label: scalar, is_list: false, is_credited: false });
        }
        let label = self.items_as_text(&values, scalar, None, "")?;
        Ok(Segment { label, is_list: true, is_credited: false })
    }

    /// Whether an event is some group's where groups are counted (U-32); true where users are.
    pub(super) fn is_attributed(&self, metric: &Metric) -> Result<Expr> {
        if metric.count_by.is_none() {
            return Ok(lit(true));
        }
        let actor = self.actor(metric)?;
        if !actor.is_list {
            return Ok(actor.label.is_not_null());
        }
        Ok(call("has_items", DataType::Boolean, vec![actor.label], |args| {
            let has = convert::texts_of(&args[0])?.into_iter().map(|items| Some(!items.is_empty()));
            Ok(Arc::new(has.collect::<BooleanArray>()))
        }))
    }
}

/// Finds the first event of each user.
struct First;

impl Matcher for First {
    /// Users and times.
    type Partial = Vec<(u32, i64)>;

    fn start(&self) -> Self::Partial {
        Vec::new()
    }

    fn user(&self, user: &UserEvents<'_>, partial: &mut Self::Partial) {
        partial.extend(user.records.first().map(|first| (user.user, first.time)));
    }

    fn merge(&self, total: &mut Self::Partial, later: Self::Partial) {
        total.extend(later);
    }

    fn bytes(&self, partial: &Self::Partial) -> usize {
        partial.capacity() * size_of::<(u32, i64)>()
    }
}

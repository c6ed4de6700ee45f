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
use tallymark_report::{FirstTime, Instants, Metric, Property};

use super::super::asked::{Asked, arrow_error, column, plan_error};
use super::super::convert::{self, TEXT, list_of_text};
use super::super::filter::utf8;
use super::super::segments::Segment;
use super::measure::USER;
use crate::Result;
use crate::functions::made::call;

/// When somebody did something first, by id.
pub(in super::super) type FirstTimes = HashMap<String, i64>;

impl Asked {
    /// Whether an event is among the first of its user, or of one of its groups (S-50, S-51).
    pub(in super::super) async fn is_first(&self, metric: &Metric, first_time: FirstTime) -> Result<Expr> {
        let times = self.first_times(metric, first_time).await?;
        let actor = self.actor(metric)?;
        if metric.count_by.is_none() {
            // Of users alone, so that it is looked up once for each.
            let time = timestamp_type();
            let first = call("first_time", time.clone(), vec![actor.label], move |args| {
                let users = cast(&args[0], &TEXT)?;
                let first = users.as_string_view().iter().map(|user| times.get(user?).copied());
                let first: TimestampMillisecondArray = first.collect();
                Ok(Arc::new(first.with_data_type(time.clone())))
            });
            return Ok(binary_expr(first, Operator::IsNotDistinctFrom, column(TIME)));
        }
        Ok(call("is_first", DataType::Boolean, vec![actor.label, column(TIME)], move |args| {
            let happened = args[1].as_primitive::<TimestampMillisecondType>();
            let groups = convert::texts_of(&args[0])?;
            let is_first = groups
                .into_iter()
                .zip(happened)
                .map(|(groups, time)| Some(groups.iter().any(|group| times.get(group).copied() == time)));
            Ok(Arc::new(is_first.collect::<BooleanArray>()))
        }))
    }

    /// When each user, or group, did something for the first time: worked out once a report.
    async fn first_times(&self, metric: &Metric, first_time: FirstTime) -> Result<Arc<FirstTimes>> {
        let Metric { event, count_by, filter, .. } = metric;
        let asked = format!("{first_time:?} {event:?} {count_by:?} {filter:?} {}", self.as_of);
        let known = || self.first_times.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(times) = known().get(&asked) {
            return Ok(Arc::clone(times));
        }
        let times = Arc::new(self.find_first_times(metric, first_time).await?);
        known().insert(asked, Arc::clone(&times));
        Ok(times)
    }

    async fn find_first_times(&self, metric: &Metric, first_time: FirstTime) -> Result<FirstTimes> {
        let mut times = FirstTimes::new();
        let Some(selector) = &metric.event else { return Ok(times) };
        let mut chosen = match first_time {
            FirstTime::Ever => self.named(&selector.any_of.iter().collect::<Vec<_>>())?,
            FirstTime::Filtered => self.selects(selector)?,
        };
        if let (FirstTime::Filtered, Some(filter)) = (first_time, &metric.filter) {
            chosen = chosen.and(self.filter(filter)?);
        }
        let ever = Instants { from: i64::MIN / 2, to: i64::MAX, days: None };
        let actor = self.actor(metric)?.label.alias(USER);
        let is_list = self.actor(metric)?.is_list;
        let mut plan = self
            .scan()?
            .filter(self.within(&ever).and(chosen))
            .and_then(|plan| plan.project([actor, column(TIME)]))
            .map_err(plan_error)?;
        if is_list {
            plan = plan.unnest_column(USER).map_err(plan_error)?;
        }
        let first = plan
            .filter(column(USER).is_not_null())
            .and_then(|plan| plan.aggregate([column(USER)], [aggregate::min(column(TIME)).alias(TIME)]))
            .map_err(plan_error)?;
        for batch in self.collect(first).await? {
            let users = cast(batch.column(0), &TEXT).map_err(arrow_error)?;
            let first = batch.column(1).as_primitive::<TimestampMillisecondType>();
            for (user, time) in users.as_string_view().iter().zip(first) {
                times.extend(user.map(str::to_owned).zip(time));
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
        let times = self.first_times(metric, first_time).await?;
        let label = call("first_of", list_of_text(), vec![actor.label, column(TIME)], move |args| {
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

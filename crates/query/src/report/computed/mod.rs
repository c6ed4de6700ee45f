//! Properties that come from other events of the same user: borrowed (K-50), computed per user,
//! the time to the next event, and what led to an event.
//!
//! The events such a property is made from are read once for a report, user by user and in order, with
//! their values ([`History`]). The value for an event is found by its user and place in that order when
//! the event is looked at, so that it is the same in filters, breakdowns and measures.
//!
//! 1. `history.rs`: the events; `profile.rs`: what profiles were, in the same form (U-20).
//! 2. This file: what is read for which property, and the values.
//! 3. [`attribution`]: the labels of what led to an event, with their credit.

pub(super) mod attribution;
mod history;
mod items;
mod profile;

use std::collections::BTreeSet;
use std::sync::Arc;

use arrow::array::{
    Array as _, ArrayRef, AsArray as _, Float64Array, ListBuilder, RecordBatch, StringViewBuilder,
    UInt32Array,
};
use arrow::compute::{cast, concat_batches, take};
use arrow::datatypes::{DataType, Float64Type};
use datafusion::common::ScalarValue;
use datafusion::common::tree_node::{Transformed, TreeNode as _};
use datafusion::execution::memory_pool::{MemoryConsumer, MemoryReservation};
use datafusion::logical_expr::{Expr, SortExpr, lit};
use hashbrown::HashMap;
use tallymark_event::columns::{SEQUENCE, TIME, USER_ID};
use tallymark_report::{
    Aggregate, Calendar, DefinitionError, Instants, Measure, PerUser, Period, Property, Question, Report,
    Unit, window_ms,
};

use self::attribution::Touches;
pub(super) use self::history::History;
use self::history::{Place, for_each_place};
use self::items::json_items;
use super::asked::{Asked, Cohorts, EVER, arrow_error, column, plan_error};
use super::convert::{self, TEXT, list_of_text};
use super::filter::ITEM;
use super::insights;
use super::values::{Item, Values};
use crate::Result;
use crate::functions::made::call;

/// of events that have no next one.
const NO_NEXT: &str = "Did not convert";

/// The time that is measured, and the buckets it is cut into where what users do is asked for each.
#[derive(Debug, Clone, Copy)]
pub(super) struct Window {
    pub(super) range: Instants,
    pub(super) interval: Option<Unit>,
    /// Of the range this is left out.
    pub(super) left_out: Option<(i64, i64)>,
}

impl Window {
    /// From when to when what users did counts for an event at a time.
    fn around(&self, time: i64, calendar: Calendar) -> (i64, i64) {
        let Some(unit) = self.interval else { return (self.range.from, self.range.to) };
        let (mut from, to) = (calendar.bucket(time, unit), calendar.next_bucket(time, unit));
        if let Some((left_out, until)) = self.left_out
            && left_out == from
        {
            from = until;
        }
        (from.max(self.range.from), to.min(self.range.to))
    }
}

/// When what users did counts for an event.
#[derive(Debug, Clone, Copy)]
enum When {
    /// In the time that is measured.
    Around(Window),
    /// After it, the end included (R-33, G-7).
    After { millis: i64 },
}

/// What a property is made from.
#[derive(Debug)]
pub(super) struct Computed {
    history: Arc<History>,
    /// The values of the events, by the columns of the history they are in.
    values: Values,
    /// The columns with the values as JSON texts, and with the labels of the events, of what led to
    /// others.
    touches: Option<(usize, usize)>,
}

impl Computed {
    fn new(history: History) -> Self {
        Self { history: Arc::new(history), values: Values::default(), touches: None }
    }
}

impl Asked {
    /// Reads what the properties of a report that come from other events are made from, as far as the
    /// cohorts they need are known.
    pub(super) async fn compute(&mut self, report: &Report, cohorts: &Cohorts) -> Result<()> {
        let definition = report.to_value();
        let mut properties = Property::computed_in(&definition);
        if definition.to_string().contains("cohort") {
            for cohort in cohorts.values().filter_map(|cohort| serde_json::to_value(cohort).ok()) {
                properties.extend(Property::computed_in(&cohort));
            }
        }
        for (_, property) in properties {
            let is_known = self.computed.iter().any(|(known, _)| *known == property);
            // Numbers of attempts are found with the attempts.
            if is_known || matches!(property, Property::PerUser { between_steps: Some(_), .. }) {
                continue;
            }
            let mut names = BTreeSet::new();
            self.cohorts_of_property(&property, &mut names)?;
            if names.iter().all(|name| self.members.contains_key(name)) {
                let computed = self.computed(&property, report).await?;
                Arc::make_mut(&mut self.computed).push((property, Arc::new(computed)));
            }
        }
        Ok(())
    }

    async fn computed(&self, property: &Property, report: &Report) -> Result<Computed> {
        let values_of = |property: &Property| self.values(property);
        Ok(match property {
            Property::PerUser { per_user, event, within, .. } => {
                let values = match per_user.as_ref() {
                    PerUser::OfProperty { aggregate, of, cast } => {
                        let (aggregate, of) = (*aggregate, of.clone());
                        let measure = Measure::OfProperty { aggregate, of, cast: *cast };
                        self.value(&measure)?.map(|value| value.label)
                    }
                    PerUser::Events | PerUser::Sessions => None,
                };
                // Of a time after an event it may lie after that of the report.
                let in_time = if within.is_some() { lit(true) } else { self.is_in_time_of(report)? };
                let is_it = self.selects(event)?.and(in_time);
                Computed::new(self.history(is_it, values.into_iter().collect()).await?)
            }
            Property::SecondsToNext { seconds_to_next } => {
                Computed::new(self.history(self.selects(seconds_to_next)?, Vec::new()).await?)
            }
            Property::Borrowed { borrow, from, .. } => {
                let values = values_of(borrow)?;
                let (columns, values) = numbered(&values);
                let is_it = self.selects(from)?.and(values_of(borrow)?.is_set());
                Computed { values, ..Computed::new(self.history(is_it, columns).await?) }
            }
            Property::Attributed { attributed, touchpoints, .. } => {
                let sent = values_of(attributed)?;
                let (mut columns, values) = numbered(&sent);
                let touches = (columns.len(), columns.len() + 1);
                columns.push(json_items(&sent));
                columns.push(self.property_segment(attributed, None, None, None, None)?.label);
                let is_it = match touchpoints {
                    Some(touchpoints) => self.selects(touchpoints)?.and(sent.is_set()),
                    None => sent.is_set(),
                };
                let history = self.history(is_it, columns).await?;
                Computed { values, touches: Some(touches), ..Computed::new(history) }
            }
            Property::UserHistory { user_history } => {
                let (history, values) = self.profile_history(user_history).await?;
                Computed { values, ..Computed::new(history) }
            }
            Property::Event { .. }
            | Property::User { .. }
            | Property::Group { .. }
            | Property::Sql { .. }
            | Property::ItemCount { .. }
            | Property::Lookup { .. } => {
                let problem = format!("{} does not come from other events", property.label());
                return Err(DefinitionError::new("", problem).into());
            }
        })
    }

    /// Whether an event happened in a time that the report measures: no other counts for what users do
    /// in that time.
    fn is_in_time_of(&self, report: &Report) -> Result<Expr> {
        let Question::Insights(insights) = &report.question else { return Ok(lit(true)) };
        let range = self.calendar.resolve(&report.scope.range, self.as_of)?;
        let mut times = vec![insights::earlier(self, insights, &range)];
        if let Some(comparison) = &insights.compare {
            let before = self.calendar.compared(&range, comparison)?;
            times.push(insights::earlier(self, insights, &before));
        }
        Ok(times.iter().map(|time| self.within(time)).reduce(Expr::or).unwrap_or_else(|| lit(true)))
    }

    /// The events that are meant, up to now.
    async fn history(&self, is_it: Expr, columns: Vec<Expr>) -> Result<History> {
        let mut projected = self.place_columns();
        let named = |(at, expr): (usize, Expr)| expr.alias(format!("column_{at}"));
        projected.extend(columns.into_iter().enumerate().map(named));
        let order = [USER_ID, TIME, SEQUENCE].map(|name| SortExpr::new(column(name), true, false));
        let plan = self
            .scan()?
            .filter(self.within(&EVER).and(column(USER_ID).is_not_null()).and(is_it))
            .and_then(|plan| plan.project(projected))
            .and_then(|plan| plan.sort(order))
            .map_err(plan_error)?;
        let schema = Arc::new(plan.schema().as_arrow().clone());
        let batches = self.collect(plan).await?;
        let schema = batches.first().map_or(schema, RecordBatch::schema);
        let batch = concat_batches(&schema, &batches).map_err(arrow_error)?;
        History::try_new(&batch, self.memory_of_history())
    }

    pub(super) fn memory_of_history(&self) -> MemoryReservation {
        MemoryConsumer::new("events of users").register(&self.state.runtime_env().memory_pool)
    }

    /// The values of a property that comes from other events.
    pub(super) fn computed_values(&self, property: &Property) -> Result<Values> {
        if self.is_of_profiles {
            return Ok(Values::default());
        }
        if self.is_of_attempts && matches!(property, Property::PerUser { .. }) {
            return Ok(Values { number: Some(column(ITEM)), ..Values::default() });
        }
        let computed = self.found(property)?;
        let label = property.label();
        match property {
            Property::PerUser { per_user, within, .. } => self.per_user(&computed, per_user, *within, &label),
            Property::SecondsToNext { .. } => Ok(self.seconds_to_next(&computed, &label)),
            Property::Borrowed { within, .. } => {
                let within_ms = window(within.unwrap_or(Property::BORROWED_WITHIN));
                let name = format!("borrowed({property:?})");
                Ok(taken(self, &computed, &name, move |history, at| {
                    history.before(at, within_ms).next_back()
                }))
            }
            Property::Attributed { .. } => Ok(attributed_values(self, &computed, property)),
            // U-20: a value holds from its very start.
            Property::UserHistory { .. } => Ok(taken(self, &computed, &label, |history, at| {
                history.between(at.user, i64::MIN, at.time.saturating_add(1)).next_back()
            })),
            _ => Ok(Values::default()),
        }
    }

    pub(super) fn found(&self, property: &Property) -> Result<Arc<Computed>> {
        let found = self.computed.iter().find(|(known, _)| known == property);
        found.map(|(_, computed)| Arc::clone(computed)).ok_or_else(|| {
            let problem = format!("{} cannot be computed here: it depends on cohorts", property.label());
            DefinitionError::new("", problem).into()
        })
    }

    /// A-1; `within` so long after the event, R-33.
    fn per_user(
        &self,
        computed: &Computed,
        per_user: &PerUser,
        within: Option<Period>,
        label: &str,
    ) -> Result<Values> {
        let when = match (within, self.window) {
            (Some(within), _) => When::After { millis: window(within) },
            (None, Some(window)) => When::Around(window),
            (None, None) => {
                let problem = format!("{label} is computed for the time of an insights report");
                return Err(DefinitionError::new("", problem).into());
            }
        };
        let (history, calendar) = (Arc::clone(&computed.history), self.calendar);
        let to_now = self.as_of.saturating_add(1);
        let aggregate = match per_user {
            PerUser::OfProperty { aggregate, .. } => Some(*aggregate),
            PerUser::Events | PerUser::Sessions => None,
        };
        let name = format!("per_user({per_user:?}, {label:?}, {when:?}, {calendar:?}, {to_now})");
        let number = call(name, DataType::Float64, self.place_columns(), move |args| {
            let values = history.columns.first();
            let mut known: HashMap<std::ops::Range<usize>, Option<f64>> = HashMap::new();
            let mut numbers = Vec::with_capacity(args[0].len());
            for_each_place(args, |at| {
                let rows = match when {
                    When::Around(window) => {
                        let (from, to) = window.around(at.time, calendar);
                        history.between(at.user, from, to.min(to_now))
                    }
                    When::After { millis } => history.after(at, millis, to_now),
                };
                numbers.push(match (aggregate, values) {
                    _ if at.user.is_none() => None,
                    (Some(aggregate), Some(values)) => {
                        if let Some(number) = known.get(&rows) {
                            *number
                        } else {
                            let number = aggregated(aggregate, &values.slice(rows.start, rows.len()))?;
                            known.insert(rows, number);
                            number
                        }
                    }
                    _ => Some(rows.len() as f64),
                });
                Ok(())
            })?;
            Ok(Arc::new(Float64Array::from(numbers)))
        });
        Ok(Values { number: Some(number), ..Values::default() })
    }

    ///
    fn seconds_to_next(&self, computed: &Computed, label: &str) -> Values {
        let as_of = self.as_of;
        // Where the event is one of them: the milliseconds to the next, or none.
        let next = move |history: &History, at: Place<'_>| -> Option<Option<i64>> {
            let of_user = history.of(at.user);
            let row = history.position(&of_user, at);
            let is_it = of_user.contains(&row) && history.is_at(row, at);
            is_it.then(|| {
                let next = Some(row + 1).filter(|next| of_user.contains(next)).map(|next| history.time(next));
                next.filter(|time| *time <= as_of).map(|time| time - at.time)
            })
        };
        let history = Arc::clone(&computed.history);
        let number =
            call(format!("{label} ({as_of})"), DataType::Float64, self.place_columns(), move |args| {
                let mut numbers = Vec::with_capacity(args[0].len());
                for_each_place(args, |at| {
                    numbers.push(next(&history, at).flatten().map(|millis| millis as f64 / 1000.0));
                    Ok(())
                })?;
                Ok(Arc::new(Float64Array::from(numbers)))
            });
        let history = Arc::clone(&computed.history);
        let text = call(format!("no {label} ({as_of})"), TEXT, self.place_columns(), move |args| {
            let mut texts = StringViewBuilder::with_capacity(args[0].len());
            for_each_place(args, |at| {
                texts.append_option((next(&history, at) == Some(None)).then_some(NO_NEXT));
                Ok(())
            })?;
            Ok(Arc::new(texts.finish()))
        });
        Values { number: Some(number), text: Some(text), ..Values::default() }
    }
}

/// the value of the first or last touch, or those of all.
fn attributed_values(asked: &Asked, computed: &Computed, property: &Property) -> Values {
    let Some(touches) = computed.touches(property) else { return Values::default() };
    let name = format!("attributed_value({property:?})");
    if let Some(is_first) = touches.only() {
        return taken(asked, computed, &name, move |history, at| {
            let mut rows = touches.rows(history, at).into_iter();
            if is_first { rows.next() } else { rows.next_back() }
        });
    }
    let history = Arc::clone(&computed.history);
    let list = call(name, list_of_text(), asked.place_columns(), move |args| {
        let mut lists = ListBuilder::new(StringViewBuilder::new());
        for_each_place(args, |at| {
            let rows = touches.rows(&history, at);
            for row in &rows {
                let items = history.columns[touches.items].as_list::<i32>().value(*row);
                for item in cast(&items, &TEXT)?.as_string_view() {
                    lists.values().append_option(item);
                }
            }
            lists.append(!rows.is_empty());
            Ok(())
        })?;
        Ok(Arc::new(lists.finish()))
    });
    Values { lists: vec![(Item::Json, list)], ..Values::default() }
}

impl Computed {
    pub(super) fn history(&self) -> Arc<History> {
        Arc::clone(&self.history)
    }

    /// How touches are found and weighed, of an attributed property.
    fn touches(&self, property: &Property) -> Option<Touches> {
        let Property::Attributed { model, within, collapse_repeats, .. } = property else { return None };
        let (items, labels) = self.touches?;
        let within_ms = window(within.unwrap_or(Property::ATTRIBUTED_WITHIN));
        Some(Touches { model: *model, within_ms, collapse_repeats: *collapse_repeats, items, labels })
    }
}

fn window(period: Period) -> i64 {
    window_ms(period).unwrap_or(i64::MAX)
}

/// The expressions of values, and the values with the numbers of columns in their place: unsigned
/// numbers, which stand nowhere else in them.
pub(super) fn numbered(values: &Values) -> (Vec<Expr>, Values) {
    let mut columns = Vec::new();
    let numbered = values.map(|expr| {
        columns.push(expr.clone());
        lit(columns.len() as u64 - 1)
    });
    (columns, numbered)
}

/// The values of the event of a history that is chosen for each event.
fn taken(
    asked: &Asked,
    computed: &Computed,
    name: &str,
    choose: impl Fn(&History, Place<'_>) -> Option<usize> + Clone + Send + Sync + 'static,
) -> Values {
    let column = |at: usize| {
        let (history, choose) = (Arc::clone(&computed.history), choose.clone());
        let data_type = history.columns[at].data_type().clone();
        call(format!("{name}[{at}]"), data_type, asked.place_columns(), move |args| {
            let mut rows = Vec::with_capacity(args[0].len());
            for_each_place(args, |place| {
                rows.push(choose(&history, place).map(|row| row as u32));
                Ok(())
            })?;
            Ok(take(&history.columns[at], &UInt32Array::from(rows), None)?)
        })
    };
    let in_place = |expr: Expr| {
        Ok(match &expr {
            Expr::Literal(ScalarValue::UInt64(Some(at)), _) => Transformed::yes(column(*at as usize)),
            _ => Transformed::no(expr),
        })
    };
    computed.values.map(|expr| match expr.clone().transform_up(in_place) {
        Ok(expr) => expr.data,
        Err(_) => lit(ScalarValue::Null),
    })
}

/// An aggregate of what the events of a user have in a time: of numbers, or for the distinct count of
/// texts that stand for values. The sum and the distinct count of nothing are 0.
fn aggregated(aggregate: Aggregate, values: &ArrayRef) -> datafusion::common::Result<Option<f64>> {
    if aggregate == Aggregate::Distinct {
        let texts: BTreeSet<String> = convert::texts_of(values)?.into_iter().flatten().collect();
        return Ok(Some(texts.len() as f64));
    }
    let numbers = cast(values, &DataType::Float64)?;
    Ok(of_numbers(aggregate, numbers.as_primitive::<Float64Type>().iter().flatten().collect()))
}

/// The same of numbers.
pub(super) fn of_numbers(aggregate: Aggregate, numbers: Vec<f64>) -> Option<f64> {
    match aggregate {
        // The sum of no floats is minus zero.
        Aggregate::Sum => Some(numbers.iter().sum::<f64>() + 0.0),
        Aggregate::Average => {
            (!numbers.is_empty()).then(|| numbers.iter().sum::<f64>() / numbers.len() as f64)
        }
        Aggregate::Min => numbers.into_iter().reduce(f64::min),
        Aggregate::Max => numbers.into_iter().reduce(f64::max),
        _ => None,
    }
}

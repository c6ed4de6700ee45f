//! Properties that come from other events of the same user: borrowed (K-50), computed per user,
//! the time to the next event, and what led to an event.
//!
//! The events such a property is made from are read once for a report, user by user and in order, with
//! their values ([`History`]). The value for an event is found by its user and place in that order when
//! the event is looked at, so that it is the same in filters, breakdowns and measures.

use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray as _, BooleanArray, Float64Array, ListBuilder, RecordBatch, StringViewArray,
    StringViewBuilder, UInt32Array,
};
use arrow::compute::{cast, concat_batches, take};
use arrow::datatypes::{DataType, Float64Type, Int64Type, Schema, TimestampMillisecondType};
use datafusion::common::ScalarValue;
use datafusion::common::tree_node::{Transformed, TreeNode as _};
use datafusion::execution::memory_pool::{MemoryConsumer, MemoryReservation};
use datafusion::logical_expr::{Expr, SortExpr, lit};
use hashbrown::HashMap;
use serde_json::Value;
use tallymark_event::columns::{SEQUENCE, TIME, USER_ID};
use tallymark_report::{
    Aggregate, Calendar, DefinitionError, Instants, Measure, PerUser, Period, Property, Report, Unit,
    window_ms,
};

use super::asked::{Asked, Cohorts, arrow_error, column, plan_error};
use super::attribution::Touches;
use super::convert::{self, TEXT, list_of_text};
use super::function::call;
use super::values::{Item, Values};
use crate::{Error, Result};

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

/// Some events of all users with something of each: user by user, in order (G-1).
#[derive(Debug)]
pub(super) struct History {
    users: HashMap<String, Range<usize>>,
    times: Vec<i64>,
    sequences: Vec<i64>,
    pub(super) columns: Vec<ArrayRef>,
    _memory: MemoryReservation,
}

impl History {
    /// From rows with user, time, number in the order of arrival, and further columns, in order.
    pub(super) fn try_new(batch: &RecordBatch, memory: MemoryReservation) -> Result<Self> {
        let text = cast(batch.column(0), &TEXT).map_err(arrow_error)?;
        let ids = text.as_string_view();
        let mut users: HashMap<String, Range<usize>> = HashMap::new();
        let mut from = 0;
        for row in 1..=ids.len() {
            if row == ids.len() || ids.value(row) != ids.value(from) {
                users.insert(ids.value(from).to_owned(), from..row);
                from = row;
            }
        }
        let times = batch.column(1).as_primitive::<TimestampMillisecondType>().values().to_vec();
        let sequences = batch.column(2).as_primitive::<Int64Type>().values().to_vec();
        let columns = batch.columns()[3..].to_vec();
        let bytes = batch.get_array_memory_size() + times.len() * 16 + users.len() * 96;
        memory.try_grow(bytes).map_err(|source| Error::Run { source })?;
        Ok(Self { users, times, sequences, columns, _memory: memory })
    }

    fn of(&self, user: Option<&str>) -> Range<usize> {
        user.and_then(|user| self.users.get(user)).cloned().unwrap_or_default()
    }

    /// The events of a user before an event, and not more than `within_ms` before.
    pub(super) fn before(&self, at: Place<'_>, within_ms: i64) -> Range<usize> {
        let of_user = self.of(at.user);
        let end = self.position(&of_user, at);
        let since = at.time.saturating_sub(within_ms);
        let start = of_user.start + self.times[of_user.clone()].partition_point(|time| *time < since);
        start.min(end)..end
    }

    /// How many events of a user come before an event, counted from the first of all.
    fn position(&self, of_user: &Range<usize>, at: Place<'_>) -> usize {
        let place = |row: usize| (self.times[row], self.sequences[row]);
        let (mut low, mut high) = (of_user.start, of_user.end);
        while low < high {
            let middle = low.midpoint(high);
            if place(middle) < (at.time, at.sequence) { low = middle + 1 } else { high = middle }
        }
        low
    }

    /// The events of a user from a time up to another, which is not included.
    fn between(&self, user: Option<&str>, from: i64, to: i64) -> Range<usize> {
        let of_user = self.of(user);
        let times = &self.times[of_user.clone()];
        let start = of_user.start + times.partition_point(|time| *time < from);
        let end = of_user.start + times.partition_point(|time| *time < to);
        start..end.max(start)
    }

    pub(super) fn time(&self, row: usize) -> i64 {
        self.times[row]
    }
}

/// Where an event is among all.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place<'a> {
    pub(super) user: Option<&'a str>,
    pub(super) time: i64,
    pub(super) sequence: i64,
}

/// What a function over places is called with.
pub(super) fn place_columns() -> Vec<Expr> {
    vec![column(USER_ID), column(TIME), column(SEQUENCE)]
}

/// Each of the places in arguments made by [`place_columns`].
pub(super) fn for_each_place(
    args: &[ArrayRef],
    mut see: impl FnMut(Place<'_>) -> datafusion::common::Result<()>,
) -> datafusion::common::Result<()> {
    let users = cast(&args[0], &TEXT)?;
    let times = cast(&args[1], &DataType::Int64)?;
    let sequences = cast(&args[2], &DataType::Int64)?;
    let (times, sequences) = (times.as_primitive::<Int64Type>(), sequences.as_primitive::<Int64Type>());
    for (row, user) in users.as_string_view().iter().enumerate() {
        see(Place { user, time: times.value(row), sequence: sequences.value(row) })?;
    }
    Ok(())
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
            if self.computed.iter().any(|(known, _)| *known == property) {
                continue;
            }
            let mut names = BTreeSet::new();
            self.cohorts_of_property(&property, &mut names)?;
            if names.iter().all(|name| self.members.contains_key(name)) {
                let computed = self.computed(&property).await?;
                Arc::make_mut(&mut self.computed).push((property, Arc::new(computed)));
            }
        }
        Ok(())
    }

    async fn computed(&self, property: &Property) -> Result<Computed> {
        let values_of = |property: &Property| self.values(property);
        Ok(match property {
            Property::PerUser { per_user, event } => {
                let values = match per_user.as_ref() {
                    PerUser::OfProperty { aggregate, of } => {
                        let measure = Measure::OfProperty { aggregate: *aggregate, of: of.clone() };
                        self.value(&measure)?.map(|value| value.label)
                    }
                    PerUser::Events | PerUser::Sessions => None,
                };
                Computed::new(self.history(self.selects(event)?, values.into_iter().collect()).await?)
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

    /// The events that are meant, up to now.
    async fn history(&self, is_it: Expr, columns: Vec<Expr>) -> Result<History> {
        let ever = Instants { from: i64::MIN / 2, to: i64::MAX, days: None };
        let mut projected = place_columns();
        let named = |(at, expr): (usize, Expr)| expr.alias(format!("column_{at}"));
        projected.extend(columns.into_iter().enumerate().map(named));
        let order = [USER_ID, TIME, SEQUENCE].map(|name| SortExpr::new(column(name), true, false));
        let plan = self
            .scan()?
            .filter(self.within(&ever).and(column(USER_ID).is_not_null()).and(is_it))
            .and_then(|plan| plan.project(projected))
            .and_then(|plan| plan.sort(order))
            .map_err(plan_error)?;
        let schema = Arc::new(Schema::from(plan.schema().as_arrow().clone()));
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
        let computed = self.found(property)?;
        let label = property.label();
        match property {
            Property::PerUser { per_user, .. } => self.per_user(&computed, per_user, &label),
            Property::SecondsToNext { .. } => Ok(self.seconds_to_next(&computed, &label)),
            Property::Borrowed { within, .. } => {
                let within_ms = window(within.unwrap_or(Property::BORROWED_WITHIN));
                let name = format!("borrowed({property:?})");
                Ok(taken(&computed, &name, move |history, at| history.before(at, within_ms).next_back()))
            }
            Property::Attributed { .. } => Ok(self.attributed_values(&computed, property)),
            // U-20: a value holds from its very start.
            Property::UserHistory { .. } => Ok(taken(&computed, &label, |history, at| {
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

    ///
    fn per_user(&self, computed: &Computed, per_user: &PerUser, label: &str) -> Result<Values> {
        let Some(window) = self.window else {
            let problem = format!("{label} is computed for the time of an insights report");
            return Err(DefinitionError::new("", problem).into());
        };
        let (history, calendar) = (Arc::clone(&computed.history), self.calendar);
        let to_now = self.as_of.saturating_add(1);
        let aggregate = match per_user {
            PerUser::OfProperty { aggregate, .. } => Some(*aggregate),
            PerUser::Events | PerUser::Sessions => None,
        };
        let name = format!("per_user({per_user:?}, {label:?}, {window:?}, {calendar:?}, {to_now})");
        let number = call(name, DataType::Float64, place_columns(), move |args| {
            let values = history.columns.first();
            let mut known: HashMap<Range<usize>, Option<f64>> = HashMap::new();
            let mut numbers = Vec::with_capacity(args[0].len());
            for_each_place(args, |at| {
                let (from, to) = window.around(at.time, calendar);
                let rows = history.between(at.user, from, to.min(to_now));
                numbers.push(match (aggregate, values) {
                    _ if at.user.is_none() => None,
                    (Some(aggregate), Some(values)) => match known.get(&rows) {
                        Some(number) => *number,
                        None => {
                            let number = aggregated(aggregate, &values.slice(rows.start, rows.len()))?;
                            known.insert(rows, number);
                            number
                        }
                    },
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
            let is_it = of_user.contains(&row)
                && (history.times[row], history.sequences[row]) == (at.time, at.sequence);
            is_it.then(|| {
                let next =
                    Some(row + 1).filter(|next| of_user.contains(next)).map(|next| history.times[next]);
                next.filter(|time| *time <= as_of).map(|time| time - at.time)
            })
        };
        let history = Arc::clone(&computed.history);
        let number = call(format!("{label} ({as_of})"), DataType::Float64, place_columns(), move |args| {
            let mut numbers = Vec::with_capacity(args[0].len());
            for_each_place(args, |at| {
                numbers.push(next(&history, at).flatten().map(|millis| millis as f64 / 1000.0));
                Ok(())
            })?;
            Ok(Arc::new(Float64Array::from(numbers)))
        });
        let history = Arc::clone(&computed.history);
        let text = call(format!("no {label} ({as_of})"), TEXT, place_columns(), move |args| {
            let mut texts = StringViewBuilder::with_capacity(args[0].len());
            for_each_place(args, |at| {
                texts.append_option((next(&history, at) == Some(None)).then_some(NO_NEXT));
                Ok(())
            })?;
            Ok(Arc::new(texts.finish()))
        });
        Values { number: Some(number), text: Some(text), ..Values::default() }
    }

    /// the value of the first or last touch, or those of all.
    fn attributed_values(&self, computed: &Arc<Computed>, property: &Property) -> Values {
        let Some(touches) = computed.touches(property) else { return Values::default() };
        let name = format!("attributed_value({property:?})");
        match touches.only() {
            Some(is_first) => taken(computed, &name, move |history, at| {
                let mut rows = touches.rows(history, at).into_iter();
                if is_first { rows.next() } else { rows.next_back() }
            }),
            None => {
                let history = Arc::clone(&computed.history);
                let items = touches.items;
                let list = call(name, list_of_text(), place_columns(), move |args| {
                    let mut lists = ListBuilder::new(StringViewBuilder::new());
                    for_each_place(args, |at| {
                        let rows = touches.rows(&history, at);
                        for row in &rows {
                            let of_touch = history.columns[items].as_list::<i32>().value(*row);
                            let of_touch = cast(&of_touch, &TEXT)?;
                            of_touch
                                .as_string_view()
                                .iter()
                                .for_each(|item| lists.values().append_option(item));
                        }
                        lists.append(!rows.is_empty());
                        Ok(())
                    })?;
                    Ok(Arc::new(lists.finish()))
                });
                Values { lists: vec![(Item::Json, list)], ..Values::default() }
            }
        }
    }
}

impl Computed {
    pub(super) fn history(&self) -> Arc<History> {
        Arc::clone(&self.history)
    }

    /// How touches are found and weighed, of an attributed property.
    pub(super) fn touches(&self, property: &Property) -> Option<Touches> {
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
    computed: &Computed,
    name: &str,
    choose: impl Fn(&History, Place<'_>) -> Option<usize> + Clone + Send + Sync + 'static,
) -> Values {
    let column = |at: usize| {
        let (history, choose) = (Arc::clone(&computed.history), choose.clone());
        let data_type = history.columns[at].data_type().clone();
        call(format!("{name}[{at}]"), data_type, place_columns(), move |args| {
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
    let numbers: Vec<f64> = numbers.as_primitive::<Float64Type>().iter().flatten().collect();
    Ok(match aggregate {
        // The sum of no floats is minus zero.
        Aggregate::Sum => Some(numbers.iter().sum::<f64>() + 0.0),
        Aggregate::Average => {
            (!numbers.is_empty()).then(|| numbers.iter().sum::<f64>() / numbers.len() as f64)
        }
        Aggregate::Min => numbers.into_iter().reduce(f64::min),
        Aggregate::Max => numbers.into_iter().reduce(f64::max),
        _ => None,
    })
}

/// The values as lists of JSON texts: the items of a list, or the one value.
fn json_items(values: &Values) -> Expr {
    let none = || lit(ScalarValue::Utf8View(None));
    let mut arguments = vec![
        values.as_sent().unwrap_or_else(none),
        values.number.clone().unwrap_or_else(|| lit(ScalarValue::Float64(None))),
        values.boolean.clone().unwrap_or_else(|| lit(ScalarValue::Boolean(None))),
        values.object.clone().unwrap_or_else(none),
        // The arguments are as long as the rows are many.
        column(USER_ID),
    ];
    let items: Vec<Item> = values.lists.iter().map(|(item, _)| *item).collect();
    arguments.extend(values.lists.iter().map(|(_, list)| list.clone()));
    call(format!("json_items({items:?})"), list_of_text(), arguments, move |args| {
        let sent: StringViewArray = cast(&args[0], &TEXT)?.as_string_view().clone();
        let number: Float64Array = cast(&args[1], &DataType::Float64)?.as_primitive().clone();
        let boolean: BooleanArray = cast(&args[2], &DataType::Boolean)?.as_boolean().clone();
        let object: StringViewArray = cast(&args[3], &TEXT)?.as_string_view().clone();
        let lists = args[5..].iter().zip(&items).map(|(list, item)| json_lists(list, *item));
        let lists = lists.collect::<datafusion::common::Result<Vec<_>>>()?;
        let mut found = ListBuilder::new(StringViewBuilder::new());
        for row in 0..args[4].len() {
            let one = if sent.is_valid(row) {
                Some(Value::from(sent.value(row)).to_string())
            } else if number.is_valid(row) {
                Some(json_number(number.value(row)))
            } else if boolean.is_valid(row) {
                Some(boolean.value(row).to_string())
            } else {
                object.is_valid(row).then(|| object.value(row).to_owned())
            };
            found.values().extend(one.map(Some));
            for items in lists.iter().filter_map(|list| list[row].as_ref()) {
                items.iter().for_each(|item| found.values().append_value(item));
            }
            found.append(true);
        }
        Ok(Arc::new(found.finish()))
    })
}

fn json_lists(list: &ArrayRef, of: Item) -> datafusion::common::Result<Vec<Option<Vec<String>>>> {
    let lists = list.as_list::<i32>();
    let items = cast(lists.values(), &of.data_type())?;
    let json = |at: usize| match of {
        _ if items.is_null(at) => "null".to_owned(),
        Item::Number => json_number(items.as_primitive::<Float64Type>().value(at)),
        Item::Boolean => items.as_boolean().value(at).to_string(),
        Item::Text => Value::from(items.as_string_view().value(at)).to_string(),
        Item::Json => items.as_string_view().value(at).to_owned(),
    };
    let offsets = lists.value_offsets();
    let row = |row: usize| {
        lists.is_valid(row).then(|| (offsets[row] as usize..offsets[row + 1] as usize).map(json).collect())
    };
    Ok((0..lists.len()).map(row).collect())
}

fn json_number(number: f64) -> String {
    tallymark_event::PropertyValue::Float(number).to_string()
}

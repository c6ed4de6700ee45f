//! Filters as expressions: conditions on typed values, complements, lists (section 5.6).

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch};
use arrow::datatypes::{DataType, Field, Schema};
use chrono::NaiveDate;
use datafusion::common::{Column, DFSchema, ScalarValue};
use datafusion::functions::expr_fn::{contains, ends_with, lower, starts_with};
use datafusion::logical_expr::{Expr, lit};
use tallymark_event::Day;
use tallymark_report::{
    CastType, Condition, DateRange, Filter, Instants, Items, Operator, Period, Scalar, Unit,
};

use super::asked::{Asked, instant, plan_error};
use super::convert::DatePart;
use super::values::{Item, Values, items_where};
use crate::Result;

/// The column that stands for an item of a list.
pub(super) const ITEM: &str = "item";

impl Asked {
    /// Whether an event passes; never null.
    pub(super) fn filter(&self, filter: &Filter) -> Result<Expr> {
        Ok(match filter {
            Filter::Sql(sql) => self.sql(sql)?.is_true(),
            Filter::List(all) | Filter::All { all } => {
                self.each(all)?.into_iter().reduce(Expr::and).unwrap_or_else(|| lit(true))
            }
            Filter::Any { any } => self.each(any)?.into_iter().reduce(Expr::or).unwrap_or_else(|| lit(false)),
            Filter::Not { not } => not_true(self.filter(not)?),
            Filter::InCohort { in_cohort } => {
                let any = in_cohort.iter().map(|name| self.in_cohort(name)).reduce(Expr::or);
                any.unwrap_or_else(|| lit(false)).is_true()
            }
            Filter::NotInCohort { not_in_cohort } => {
                // C-10: outside of any of them.
                let any = not_in_cohort.iter().map(|name| not_true(self.in_cohort(name))).reduce(Expr::or);
                any.unwrap_or_else(|| lit(false))
            }
            Filter::ListContains(contains) => self.list_contains(contains)?,
            Filter::Condition(condition) => {
                self.condition_on(self.values(&condition.property)?, condition)?
            }
        })
    }

    fn each(&self, filters: &[Filter]) -> Result<Vec<Expr>> {
        filters.iter().map(|filter| self.filter(filter)).collect()
    }

    /// Whether values, as they were sent, meet a condition, whatever property it names.
    pub(super) fn condition_on(&self, values: Values, condition: &Condition) -> Result<Expr> {
        let Condition { cast, items, match_case, operator, .. } = condition;
        let values = values.cast_if(*cast, self.calendar);
        let (operator, is_negative) = positive(operator);
        if let Operator::IsSet(_) = operator {
            let is_set = match cast {
                // The cast value is tested; a list has one if one of its items has.
                Some(_) => self.any_value(&values, &operator, *items, *match_case, *cast)?,
                None => values.is_set(),
            };
            return Ok(if is_negative { not_true(is_set) } else { is_set.is_true() });
        }
        let is_true = self.any_value(&values, &operator, *items, *match_case, *cast)?;
        // G-9: a negative operator is the exact complement.
        Ok(if is_negative { not_true(is_true) } else { is_true.is_true() })
    }

    /// Whether the scalar, or the items of the list, meet a positive operator.
    fn any_value(
        &self,
        values: &Values,
        operator: &Operator,
        items: Items,
        match_case: Option<bool>,
        cast: Option<CastType>,
    ) -> Result<Expr> {
        let mut any: Vec<Expr> =
            self.scalar(values, operator, match_case)?.map(Expr::is_true).into_iter().collect();
        for (at, (item, list)) in values.lists.iter().enumerate() {
            let predicate = self.item_predicate(*item, operator, match_case, cast)?;
            let Some(predicate) = predicate else { continue };
            let name = format!("{items:?}_item_{at}[{operator:?}, {cast:?}, {match_case:?}, {list}]");
            any.push(items_where(name, list.clone(), items == Items::All, predicate));
        }
        Ok(any.into_iter().reduce(Expr::or).unwrap_or_else(|| lit(false)))
    }

    /// An operator over the items of lists, all at once.
    fn item_predicate(
        &self,
        of: Item,
        operator: &Operator,
        match_case: Option<bool>,
        cast: Option<CastType>,
    ) -> Result<Option<OverItems>> {
        let item = Values::of_item(of, Expr::Column(Column::from_name(ITEM))).cast_if(cast, self.calendar);
        let Some(expr) = self.scalar(&item, operator, match_case)? else { return Ok(None) };
        Ok(Some(self.over_items(expr, of.data_type())?))
    }

    /// An expression over the column `item`, evaluated for all items of lists at once.
    pub(super) fn over_items(&self, expr: Expr, data_type: DataType) -> Result<OverItems> {
        let schema = Arc::new(Schema::new(vec![Field::new(ITEM, data_type.clone(), true)]));
        let df_schema = DFSchema::from_unqualified_fields(schema.fields().clone(), HashMap::new());
        let expr =
            self.state.create_physical_expr(expr, &df_schema.map_err(plan_error)?).map_err(plan_error)?;
        Ok(Arc::new(move |items: &ArrayRef| {
            let items = arrow::compute::cast(items, &data_type)?;
            let batch = RecordBatch::try_new(Arc::clone(&schema), vec![items])?;
            expr.evaluate(&batch)?.into_array(batch.num_rows())
        }))
    }

    /// A positive operator over scalars; `None` where no value can meet it.
    fn scalar(&self, values: &Values, operator: &Operator, match_case: Option<bool>) -> Result<Option<Expr>> {
        let number = |compare: &dyn Fn(Expr) -> Expr| values.number.clone().map(compare);
        let text = |expected: &[String], compare: &dyn Fn(Expr, Expr) -> Expr| {
            let text = values.as_sent()?;
            let exact = match_case.unwrap_or(false);
            let text = if exact { text } else { lower(text) };
            let any = expected.iter().map(|expected| {
                let expected = if exact { expected.clone() } else { expected.to_lowercase() };
                compare(text.clone(), utf8(&expected))
            });
            any.reduce(Expr::or)
        };
        Ok(match operator {
            Operator::Equals(expected) => Self::equals(values, expected, match_case),
            Operator::Contains(expected) => text(expected, &contains),
            Operator::StartsWith(expected) => text(expected, &starts_with),
            Operator::EndsWith(expected) => text(expected, &ends_with),
            Operator::IsSet(_) => Some(values.is_set()),
            Operator::GreaterThan(bound) => number(&|number| number.gt(lit(*bound))),
            Operator::LessThan(bound) => number(&|number| number.lt(lit(*bound))),
            Operator::AtLeast(bound) => number(&|number| number.gt_eq(lit(*bound))),
            Operator::AtMost(bound) => number(&|number| number.lt_eq(lit(*bound))),
            Operator::Between([from, to]) => number(&|number| number.between(lit(*from), lit(*to))),
            Operator::WasOn(day) => self.days(values, Some(self.date(day)?), Some(self.date(day)?)),
            Operator::WasBetween([first, last]) => {
                self.days(values, Some(self.date(first)?), Some(self.date(last)?))
            }
            Operator::WasBefore(day) => {
                let day = self.date(day)?;
                self.day_of(values).map(|value| value.lt(date(day)))
            }
            Operator::WasSince(day) => self.days(values, Some(self.date(day)?), None),
            Operator::WasInTheLast(period) => self.in_the_last(values, *period)?,
            Operator::WasBeforeTheLast(period) => {
                let range = self.last(*period)?;
                match range.days {
                    Some((first, _)) => self.day_of(values).map(|value| value.lt(date(first))),
                    None => self.instant_of(values).map(|value| value.lt(instant(range.from))),
                }
            }
            Operator::WasInTheNext(period) => {
                let until = self.next(*period);
                let later = self.instant_of(values).map(|value| value.gt(instant(self.as_of)));
                let not_after = self.instant_of(values).map(|value| value.lt(instant(until)));
                later.zip(not_after).map(|(later, not_after)| later.and(not_after))
            }
            Operator::DoesNotEqual(_)
            | Operator::DoesNotContain(_)
            | Operator::NotBetween(_)
            | Operator::WasNotOn(_)
            | Operator::WasNotBetween(_)
            | Operator::WasNotInTheLast(_) => None,
        })
    }

    fn equals(values: &Values, expected: &[Scalar], match_case: Option<bool>) -> Option<Expr> {
        let (mut texts, mut numbers, mut booleans) = (Vec::new(), Vec::new(), Vec::new());
        for value in expected {
            match value {
                Scalar::Text(text) => texts.push(text.as_str()),
                Scalar::Number(number) => numbers.push(lit(*number)),
                Scalar::Bool(boolean) => booleans.push(lit(*boolean)),
            }
        }
        let one_of = |value: Expr, mut expected: Vec<Expr>| match (expected.pop(), expected.is_empty()) {
            (Some(only), true) => Some(value.eq(only)),
            (Some(last), false) => {
                expected.push(last);
                Some(value.in_list(expected, false))
            }
            (None, _) => None,
        };
        // P-20: exact unless it is said otherwise.
        let ignore_case = match_case == Some(false);
        let text = values.as_sent().and_then(|text| {
            let expected =
                texts.iter().map(|text| if ignore_case { utf8(&text.to_lowercase()) } else { utf8(text) });
            one_of(if ignore_case { lower(text) } else { text }, expected.collect())
        });
        let number = values.number.clone().and_then(|number| one_of(number, numbers));
        let boolean = values.boolean.clone().and_then(|boolean| one_of(boolean, booleans));
        let any = [text, number, boolean].into_iter().flatten().map(Expr::is_true);
        any.reduce(Expr::or)
    }

    fn day_of(&self, values: &Values) -> Option<Expr> {
        values.date(DatePart::Day, self.calendar)
    }

    fn instant_of(&self, values: &Values) -> Option<Expr> {
        values.date(DatePart::Instant, self.calendar)
    }

    fn date(&self, text: &str) -> Result<NaiveDate> {
        Ok(self.calendar.day_of(text)?)
    }

    /// From the first civil day to the last, both included.
    fn days(&self, values: &Values, first: Option<NaiveDate>, last: Option<NaiveDate>) -> Option<Expr> {
        let day = self.day_of(values)?;
        let from = first.map(|first| day.clone().gt_eq(date(first)));
        let to = last.map(|last| day.lt_eq(date(last)));
        from.into_iter().chain(to).reduce(Expr::and)
    }

    fn last(&self, period: Period) -> Result<Instants> {
        let range = DateRange::Last { period, ending_days_ago: 0 };
        Ok(self.calendar.resolve(&range, self.as_of)?)
    }

    /// G-8, up to now.
    fn in_the_last(&self, values: &Values, period: Period) -> Result<Option<Expr>> {
        let range = self.last(period)?;
        let not_later = self.instant_of(values).map(|value| value.lt_eq(instant(self.as_of)));
        let since = match range.days {
            Some((first, _)) => self.days(values, Some(first), None),
            None => self.instant_of(values).map(|value| value.gt_eq(instant(range.from))),
        };
        Ok(since.zip(not_later).map(|(since, not_later)| since.and(not_later)))
    }

    /// The end of the next so many units (P-23).
    fn next(&self, period: Period) -> i64 {
        let count = i64::from(period.count);
        let today = self.calendar.day(self.as_of);
        let day_after = |last: NaiveDate| self.calendar.start_of_day(last + chrono::Days::new(1));
        match period.unit {
            Unit::Minute => self.as_of + count * 60_000 + 1,
            Unit::Hour => self.as_of + count * 3_600_000 + 1,
            Unit::Day => day_after(today + chrono::Days::new(u64::from(period.count))),
            Unit::Week => day_after(today + chrono::Days::new(7 * u64::from(period.count))),
            Unit::Month | Unit::Quarter | Unit::Year => {
                let months = match period.unit {
                    Unit::Month => 1,
                    Unit::Quarter => 3,
                    _ => 12,
                };
                let until = today + chrono::Months::new(months * period.count);
                // The mirror image of G-8: up to the day before the same day of the month.
                self.calendar.start_of_day(until)
            }
        }
    }
}

/// Something evaluated for all items of lists at once.
pub(super) type OverItems = Arc<dyn Fn(&ArrayRef) -> datafusion::common::Result<ArrayRef> + Send + Sync>;

/// The operator it is the complement of, if it is a negative one.
fn positive(operator: &Operator) -> (Operator, bool) {
    let positive = match operator {
        Operator::DoesNotEqual(values) => Operator::Equals(values.clone()),
        Operator::DoesNotContain(texts) => Operator::Contains(texts.clone()),
        Operator::NotBetween(bounds) => Operator::Between(*bounds),
        Operator::WasNotOn(day) => Operator::WasOn(day.clone()),
        Operator::WasNotBetween(days) => Operator::WasBetween(days.clone()),
        Operator::WasNotInTheLast(period) => Operator::WasInTheLast(*period),
        Operator::IsSet(false) => Operator::IsSet(true),
        other => return (other.clone(), false),
    };
    (positive, true)
}

pub(super) fn not_true(expr: Expr) -> Expr {
    expr.is_not_true()
}

pub(super) fn utf8(text: &str) -> Expr {
    lit(ScalarValue::Utf8View(Some(text.to_owned())))
}

fn date(day: NaiveDate) -> Expr {
    lit(ScalarValue::Date32(Some(Day::from(day).days())))
}

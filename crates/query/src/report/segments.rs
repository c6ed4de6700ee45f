//! Breakdowns as expressions: the label of the segment an event falls in (section 5.7).

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, ListBuilder, StringViewArray, StringViewBuilder};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, Float64Type, TimestampMillisecondType};
use chrono::Timelike as _;
use datafusion::common::{Result as DfResult, ScalarValue};
use datafusion::logical_expr::{Case, Expr, lit};
use tallymark_report::{
    Breakdown, Buckets, Calendar, CastType, DateUnit, EvenBuckets, Property, Recurring, ValueGroup,
};

use super::asked::{Asked, column};
use super::convert::{self, DatePart, TEXT, list_of_text};
use super::filter::{ITEM, OverItems, utf8};
use super::values::{Item, Values, first_set};
use crate::Result;
use crate::functions::made::call;

/// Missing, or null (G-10).
pub(super) const NOT_SET: &str = "(not set)";
/// The empty text (G-10).
const EMPTY: &str = "(empty string)";
/// Set, but no number, where numbers are grouped (G-10).
const NON_NUMERIC: &str = "(non-numeric values)";
/// In none of the named groups (G-10).
const REMAINING: &str = "(remaining values)";

/// What an event is split by: a label, or a list of labels of which each counts (B-20).
#[derive(Debug, Clone)]
pub(super) struct Segment {
    /// Utf8View, or a list of them; never null.
    pub(super) label: Expr,
    pub(super) is_list: bool,
    /// Whether the labels are those of an attributed property, each with its credit.
    pub(super) is_credited: bool,
}

/// Ranges of numbers, each from its lower edge up to the next, which is not included (B-12).
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Ranges {
    edges: Vec<f64>,
    /// The width of chosen ranges, which go on outside of the edges; of others all that lies outside is
    /// one range on each side (B-11).
    width: Option<f64>,
}

impl Ranges {
    /// B-11.
    pub(super) fn even(even: EvenBuckets) -> Self {
        let EvenBuckets { from, to, size } = even;
        let mut edges = Vec::new();
        let mut at = 0u32;
        loop {
            let edge = from + f64::from(at) * size;
            if edge >= to {
                break;
            }
            edges.push(edge);
            at += 1;
        }
        edges.push(to);
        Self { edges, width: None }
    }

    /// Ranges between these edges, and outside of them (B-11).
    pub(super) fn at(edges: Vec<f64>) -> Self {
        Self { edges, width: None }
    }

    /// The label of a number, in ranges if there are any.
    pub(super) fn label_in(ranges: Option<&Self>, number: f64) -> String {
        match ranges {
            Some(ranges) => ranges.label(number),
            None => convert::number_text(number),
        }
    }

    /// B-10: for more than ten distinct values between `min` and `max`.
    pub(super) fn automatic(min: f64, max: f64) -> Self {
        let width = width_of((max - min) / 10.0);
        let first = (min / width).floor();
        let mut edges = Vec::new();
        let mut at = 0.0;
        loop {
            let edge = (first + at) * width;
            edges.push(edge);
            if edge > max {
                break;
            }
            at += 1.0;
        }
        Self { edges, width: Some(width) }
    }

    /// B-10: of these values; none if there are few.
    pub(super) fn chosen(mut values: Vec<f64>) -> Option<Self> {
        values.sort_unstable_by(f64::total_cmp);
        values.dedup();
        match values[..] {
            [min, .., max] if values.len() > 10 => Some(Self::automatic(min, max)),
            _ => None,
        }
    }

    /// The label of the range a number lies in.
    pub(super) fn label(&self, number: f64) -> String {
        let text = convert::number_text;
        let above = self.edges.partition_point(|edge| *edge <= number);
        let last = self.edges.len().saturating_sub(1);
        match (self.edges.get(above.wrapping_sub(1)), self.edges.get(above), self.width) {
            (Some(from), Some(to), _) => format!("[{}, {})", text(*from), text(*to)),
            (_, _, Some(width)) => {
                let from = (number / width).floor();
                format!("[{}, {})", text(from * width), text((from + 1.0) * width))
            }
            (None, Some(first), None) => format!("< {}", text(*first)),
            (Some(_), None, None) => format!("≥ {}", text(self.edges[last])),
            (None, None, None) => text(number),
        }
    }
}

/// The smallest of 1, 2, 2.5, 5 times a power of ten that is not below (B-10).
fn width_of(at_least: f64) -> f64 {
    if at_least <= 0.0 || !at_least.is_finite() {
        return 1.0;
    }
    let mut power = 10f64.powi(at_least.log10().floor() as i32 - 1);
    loop {
        for step in [1.0, 2.0, 2.5, 5.0] {
            if step * power >= at_least * (1.0 - 1e-12) {
                return step * power;
            }
        }
        power *= 10.0;
    }
}

impl Asked {
    /// The breakdowns as columns of their own; cohorts that stand together are one column (B-23).
    /// `automatic` are the ranges of those that choose them from the values.
    pub(super) fn segments(
        &self,
        breakdowns: &[Breakdown],
        automatic: &BTreeMap<usize, Option<Ranges>>,
    ) -> Result<Vec<Segment>> {
        let segment = |(at, breakdown): (usize, &Breakdown)| match breakdown {
            Breakdown::Cohorts { cohorts } => Ok(self.cohort_segment(cohorts)),
            Breakdown::Property { property: property @ Property::Attributed { .. }, .. } => {
                self.attributed_segment(property)
            }
            Breakdown::Property { .. } => {
                self.segment_by_property(breakdown, automatic.get(&at).cloned().flatten())
            }
        };
        breakdowns.iter().enumerate().map(segment).collect()
    }

    /// A breakdown by the value of a property, with chosen ranges if it asks for such.
    pub(super) fn segment_by_property(
        &self,
        breakdown: &Breakdown,
        automatic: Option<Ranges>,
    ) -> Result<Segment> {
        match breakdown {
            Breakdown::Property { property, cast, buckets, unit } => {
                self.property_segment(property, *cast, buckets.as_ref(), *unit, automatic)
            }
            Breakdown::Cohorts { cohorts } => Ok(self.cohort_segment(cohorts)),
        }
    }

    /// The numbers that a breakdown puts into ranges chosen from the values (B-10): lists of Float64,
    /// of one number where the value is no list.
    pub(super) fn numbers_to_group(&self, breakdown: &Breakdown) -> Result<Option<Expr>> {
        let Breakdown::Property { property, cast: to, buckets: Some(Buckets::Auto), .. } = breakdown else {
            return Ok(None);
        };
        let values = self.shown_values(property)?.cast_if(*to, self.calendar);
        let no_number = || lit(ScalarValue::Float64(None));
        let mut arguments = vec![values.number.clone().unwrap_or_else(no_number)];
        let mut of_items = Vec::new();
        for (item, list) in &values.lists {
            let number = Values::of_item(*item, column(ITEM)).cast_if(*to, self.calendar).number;
            arguments.push(list.clone());
            of_items.push(self.over_items(number.unwrap_or_else(no_number), item.data_type())?);
        }
        let item = Arc::new(Field::new("item", DataType::Float64, true));
        Ok(Some(call(format!("numbers({to:?})"), DataType::List(item), arguments, move |args| {
            convert::numbers_of(args, &of_items)
        })))
    }

    fn cohort_segment(&self, cohorts: &[String]) -> Segment {
        // B-23: nobody is neither in a cohort nor outside.
        let label = |name: &String| {
            let member = self.in_cohort(name);
            let case = Case {
                expr: None,
                when_then_expr: vec![
                    (Box::new(member.clone().is_true()), Box::new(utf8(&in_or_out(name, true)))),
                    (Box::new(member.is_false()), Box::new(utf8(&in_or_out(name, false)))),
                ],
                else_expr: None,
            };
            Expr::Case(case)
        };
        let mut names: Vec<&String> = Vec::new();
        for name in cohorts {
            if !names.contains(&name) {
                names.push(name);
            }
        }
        let labels: Vec<Expr> = names.into_iter().map(label).collect();
        let label = call(format!("cohorts({})", cohorts.join(", ")), list_of_text(), labels, |args| {
            let labels = args.iter().map(|labels| cast(labels, &TEXT)).collect::<Result<Vec<_>, _>>()?;
            let rows = labels.first().map_or(0, Array::len);
            let mut lists = ListBuilder::new(StringViewBuilder::new());
            for row in 0..rows {
                for labels in labels.iter().map(AsArray::as_string_view) {
                    if labels.is_valid(row) {
                        lists.values().append_value(labels.value(row));
                    }
                }
                lists.append(true);
            }
            Ok(Arc::new(lists.finish()))
        });
        Segment { label, is_list: true, is_credited: false }
    }

    pub(super) fn property_segment(
        &self,
        property: &Property,
        to: Option<CastType>,
        buckets: Option<&Buckets>,
        unit: Option<DateUnit>,
        automatic: Option<Ranges>,
    ) -> Result<Segment> {
        let labelled = Labels { to, buckets, unit, automatic, calendar: self.calendar };
        self.labelled(self.shown_values(property)?, &labelled)
    }

    /// What values are called that come from somewhere else than a property.
    pub(super) fn segment_of(&self, values: Values) -> Result<Segment> {
        let labelled =
            Labels { to: None, buckets: None, unit: None, automatic: None, calendar: self.calendar };
        self.labelled(values, &labelled)
    }

    fn labelled(&self, sent: Values, labelled: &Labels<'_>) -> Result<Segment> {
        let is_set = sent.is_set();
        let values = sent.cast_if(labelled.to, self.calendar);
        let scalar = labelled.scalar(&values, &is_set);
        if values.lists.is_empty() {
            let label = first_set([scalar, utf8(NOT_SET)]).unwrap_or_else(none);
            return Ok(Segment { label, is_list: false, is_credited: false });
        }
        // The labels of the items of whichever list there is, else of the scalar.
        let mut arguments = vec![scalar];
        let mut of_items = Vec::new();
        for (item, list) in &values.lists {
            arguments.push(list.clone());
            of_items.push(self.item_labels(*item, labelled)?);
        }
        let name = format!("labels({labelled:?})");
        let label = call(name, list_of_text(), arguments, move |args| labels_of_rows(args, &of_items));
        Ok(Segment { label, is_list: true, is_credited: false })
    }

    /// The labels of items, all at once.
    fn item_labels(&self, of: Item, labelled: &Labels<'_>) -> Result<OverItems> {
        let sent = Values::of_item(of, column(ITEM));
        let is_set = sent.is_set();
        let values = sent.cast_if(labelled.to, self.calendar);
        let label = first_set([labelled.scalar(&values, &is_set), utf8(NOT_SET)]).unwrap_or_else(none);
        self.over_items(label, of.data_type())
    }
}

/// The label of who is in a cohort, or who is not (B-23).
pub(super) fn in_or_out(cohort: &str, is_in: bool) -> String {
    format!("{} {cohort}", if is_in { "In" } else { "Not In" })
}

/// The distinct labels of each row; of none it is not set (B-20).
fn labels_of_rows(args: &[ArrayRef], of_items: &[OverItems]) -> DfResult<ArrayRef> {
    let items = convert::distinct_items(args, of_items)?;
    let mut labels = ListBuilder::new(StringViewBuilder::new());
    for items in convert::texts_of(&items)? {
        if items.is_empty() {
            labels.values().append_value(NOT_SET);
        }
        for item in &items {
            labels.values().append_value(item);
        }
        labels.append(true);
    }
    Ok(Arc::new(labels.finish()))
}

/// How the values of a property become labels.
#[derive(Debug)]
struct Labels<'a> {
    to: Option<CastType>,
    buckets: Option<&'a Buckets>,
    unit: Option<DateUnit>,
    automatic: Option<Ranges>,
    calendar: Calendar,
}

impl Labels<'_> {
    /// The label of a scalar; null where it is not set.
    fn scalar(&self, values: &Values, is_set: &Expr) -> Expr {
        if let Some(unit) = self.unit {
            return match values.date(DatePart::Instant, self.calendar) {
                Some(instant) => date_label(instant, unit, self.calendar),
                None => none(),
            };
        }
        match self.buckets {
            Some(Buckets::Auto) => Self::numeric(values, is_set, self.automatic.clone()),
            Some(Buckets::Even(even)) => Self::numeric(values, is_set, Some(Ranges::even(*even))),
            Some(Buckets::At(edges)) => Self::numeric(values, is_set, Some(Ranges::at(edges.clone()))),
            Some(Buckets::Groups(groups)) => match values.scalar_text() {
                Some(text) => grouped(text, groups),
                None => none(),
            },
            None if self.to == Some(CastType::Number) => Self::numeric(values, is_set, None),
            None => {
                let text = values.scalar_text().into_iter().chain(values.object.clone());
                first_set(text).map_or_else(none, all_shown)
            }
        }
    }

    /// Labels of numbers; what is set and none goes to one of its own (D-28).
    fn numeric(values: &Values, is_set: &Expr, ranges: Option<Ranges>) -> Expr {
        let non_numeric = Expr::Case(Case {
            expr: None,
            when_then_expr: vec![(Box::new(is_set.clone()), Box::new(utf8(NON_NUMERIC)))],
            else_expr: None,
        });
        let Some(number) = values.number.clone() else { return non_numeric };
        let label = call(format!("range({ranges:?})"), TEXT, vec![number], move |args| {
            let numbers = cast(&args[0], &DataType::Float64)?;
            let label = |number: f64| Ranges::label_in(ranges.as_ref(), number);
            let labels = numbers.as_primitive::<Float64Type>().iter().map(|number| number.map(label));
            Ok(Arc::new(labels.collect::<StringViewArray>()))
        });
        first_set([label, non_numeric]).unwrap_or_else(none)
    }
}

/// Text as it is shown (G-10).
pub(super) fn shown(text: &str) -> &str {
    if text.is_empty() { EMPTY } else { text }
}

/// Texts as they are shown.
fn all_shown(text: Expr) -> Expr {
    call("shown", TEXT, vec![text], |args| {
        let texts = cast(&args[0], &TEXT)?;
        let texts = texts.as_string_view().iter();
        Ok(Arc::new(texts.map(|text| text.map(shown)).collect::<StringViewArray>()))
    })
}

/// B-13.
fn grouped(text: Expr, groups: &[ValueGroup]) -> Expr {
    let groups = groups.to_vec();
    call(format!("groups({groups:?})"), TEXT, vec![text], move |args| {
        let texts = cast(&args[0], &TEXT)?;
        let group = |text: &str| {
            let found = groups.iter().find(|group| group.values.iter().any(|value| value == text));
            found.map_or(REMAINING, |group| group.name.as_str()).to_owned()
        };
        Ok(Arc::new(texts.as_string_view().iter().map(|text| text.map(group)).collect::<StringViewArray>()))
    })
}

/// The civil start of the unit an instant lies in, with its offset (B-15, G-5); or the hour of the
/// day, or the day of the week (D-52).
fn date_label(instant: Expr, unit: DateUnit, calendar: Calendar) -> Expr {
    call(format!("date({unit}, {calendar:?})"), TEXT, vec![instant], move |args| {
        let times = args[0].as_primitive::<TimestampMillisecondType>().iter();
        let label = |time: i64| match unit {
            DateUnit::Civil(unit) => time_label(calendar.bucket(time, unit), calendar),
            DateUnit::Recurring(Recurring::HourOfDay) => calendar.local(time).hour().to_string(),
            DateUnit::Recurring(Recurring::DayOfWeek) => calendar.local(time).format("%A").to_string(),
        };
        Ok(Arc::new(times.map(|time| time.map(label)).collect::<StringViewArray>()))
    })
}

/// `2024-03-10T00:00:00-08:00`.
pub(super) fn time_label(millis: i64, calendar: Calendar) -> String {
    use chrono::TimeZone as _;
    match calendar.zone.timestamp_millis_opt(millis).single() {
        Some(time) => time.format("%Y-%m-%dT%H:%M:%S%:z").to_string(),
        None => millis.to_string(),
    }
}

fn none() -> Expr {
    lit(ScalarValue::Utf8View(None))
}

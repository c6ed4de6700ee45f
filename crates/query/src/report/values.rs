//! A property as typed values: an expression for each type its values may have (D-20, D-28).

use std::sync::Arc;

use arrow::array::{Array as _, AsArray as _, BooleanArray};
use arrow::compute::cast;
use arrow::datatypes::DataType;
use datafusion::common::{Column, ScalarValue};
use datafusion::logical_expr::{Case, Expr, lit};
use tallymark_event::columns::{DEVICE_ID, DISTINCT_ID, EVENT, INSERT_ID, TIME, USER_ID};
use tallymark_event::{DateShape, LaneKind, PropertyCatalog};
use tallymark_report::{Calendar, CastType};

use super::convert::{self, DatePart, JsonPart, TEXT};
use super::filter::OverItems;
use super::matching::root_of;
use crate::functions::made::call;

/// The values of a property. Of each row at most one slot has a value.
#[derive(Debug, Clone, Default)]
pub(super) struct Values {
    /// Float64.
    pub(super) number: Option<Expr>,
    /// Utf8View.
    pub(super) text: Option<Expr>,
    /// Boolean.
    pub(super) boolean: Option<Expr>,
    /// Dates of one spelling each: Date32, or Timestamp(ms, UTC).
    pub(super) dates: Vec<(DateShape, Expr)>,
    /// Texts that count only as the dates that some of them are; the instants of these.
    pub(super) cast_dates: Option<(Expr, Expr)>,
    /// Lists, and what their items are.
    pub(super) lists: Vec<(Item, Expr)>,
    /// Objects as JSON text.
    pub(super) object: Option<Expr>,
}

/// What the items of a list are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Item {
    Number,
    Text,
    Boolean,
    /// Utf8View with one JSON value each.
    Json,
}

impl Item {
    /// The type that items are looked at in.
    pub(super) fn data_type(self) -> DataType {
        match self {
            Self::Number => DataType::Float64,
            Self::Text | Self::Json => TEXT,
            Self::Boolean => DataType::Boolean,
        }
    }
}

impl Values {
    /// The values of a property of a catalog; `column` gives the expression of a lane by its column.
    /// A name with dots that is no property reaches into the objects of one (D-25).
    pub(super) fn of_property(catalog: &PropertyCatalog, name: &str, column: &dyn Fn(&str) -> Expr) -> Self {
        if let Some(property) = catalog.property(name) {
            let mut values = Self::default();
            for lane in property.lanes.iter().map(|lane| catalog.lane(*lane)) {
                values.add(lane.kind, column(&lane.column));
            }
            return values;
        }
        let root = root_of(catalog, name);
        if let Some((known, path)) = root.and_then(|(root, path)| Some((catalog.property(root)?, path))) {
            let lanes = known.lanes.iter().map(|lane| catalog.lane(*lane));
            let mut values = Self::default();
            for lane in lanes.filter(|lane| lane.kind == LaneKind::Json) {
                values = Self::in_json(&column(&lane.column), &path);
            }
            return values;
        }
        Self::default()
    }

    /// What every event has besides its properties, by the names of the columns.
    pub(super) fn of_system(name: &str) -> Option<Self> {
        let column = Expr::Column(Column::from_name(name));
        match name {
            EVENT | DISTINCT_ID | USER_ID | DEVICE_ID | INSERT_ID => {
                Some(Self { text: Some(column), ..Self::default() })
            }
            TIME => Some(Self { dates: vec![(DateShape::MillisZ, column)], ..Self::default() }),
            _ => None,
        }
    }

    /// The values of an expression, by its type.
    pub(super) fn of_expr(expr: Expr, data_type: &DataType) -> Self {
        let mut values = Self::default();
        match data_type {
            DataType::Boolean => values.boolean = Some(expr),
            DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => values.text = Some(expr),
            DataType::Date32 => values.dates.push((DateShape::Date, expr)),
            DataType::Timestamp(..) => values.dates.push((DateShape::MillisZ, expr)),
            DataType::List(item) => {
                let item = match item.data_type() {
                    DataType::Boolean => Item::Boolean,
                    item if item.is_numeric() => Item::Number,
                    _ => Item::Text,
                };
                values.lists.push((item, expr));
            }
            numeric if numeric.is_numeric() => {
                values.number = Some(datafusion::logical_expr::cast(expr, DataType::Float64));
            }
            _ => {}
        }
        values
    }

    fn add(&mut self, kind: LaneKind, column: Expr) {
        match kind {
            LaneKind::Bool => self.boolean = Some(column),
            LaneKind::Int64 => {
                let number = datafusion::logical_expr::cast(column, DataType::Float64);
                self.number = first_set(self.number.take().into_iter().chain([number]));
            }
            LaneKind::Float64 => self.number = first_set(self.number.take().into_iter().chain([column])),
            LaneKind::String => self.text = Some(column),
            LaneKind::Date(shape) => self.dates.push((shape, column)),
            LaneKind::ListBool => self.lists.push((Item::Boolean, column)),
            LaneKind::ListInt64 | LaneKind::ListFloat64 => self.lists.push((Item::Number, column)),
            LaneKind::ListString => self.lists.push((Item::Text, column)),
            LaneKind::Json => {
                self.lists.push((Item::Json, json(&column, &[], JsonPart::Items)));
                self.object = Some(json(&column, &[], JsonPart::Object));
            }
            LaneKind::Null => {}
        }
    }

    /// The values at a path in JSON texts.
    pub(super) fn in_json(column: &Expr, path: &[String]) -> Self {
        Self {
            number: Some(json(column, path, JsonPart::Number)),
            text: Some(json(column, path, JsonPart::Text)),
            boolean: Some(json(column, path, JsonPart::Boolean)),
            dates: Vec::new(),
            cast_dates: None,
            lists: vec![(Item::Json, json(column, path, JsonPart::Items))],
            object: Some(json(column, path, JsonPart::Object)),
        }
    }

    /// The values of one item; `item` is the expression of it.
    pub(super) fn of_item(of: Item, item: Expr) -> Self {
        match of {
            Item::Number => {
                let number = datafusion::logical_expr::cast(item, DataType::Float64);
                Self { number: Some(number), ..Self::default() }
            }
            Item::Text => Self { text: Some(item), ..Self::default() },
            Item::Boolean => Self { boolean: Some(item), ..Self::default() },
            Item::Json => Self { lists: Vec::new(), ..Self::in_json(&item, &[]) },
        }
    }

    /// The same with other expressions in place of its own.
    pub(super) fn map(&self, mut other: impl FnMut(&Expr) -> Expr) -> Self {
        let mut one = |expr: &Option<Expr>| expr.as_ref().map(&mut other);
        let (number, text, boolean, object) =
            (one(&self.number), one(&self.text), one(&self.boolean), one(&self.object));
        Self {
            number,
            text,
            boolean,
            object,
            dates: self.dates.iter().map(|(shape, date)| (*shape, other(date))).collect(),
            cast_dates: self.cast_dates.as_ref().map(|(text, date)| (other(text), other(date))),
            lists: self.lists.iter().map(|(item, list)| (*item, other(list))).collect(),
        }
    }

    /// Whether there is no such property.
    pub(super) fn is_unknown(&self) -> bool {
        self.scalars().is_empty() && self.lists.is_empty() && self.object.is_none()
    }

    /// These values, and where there is none, those of another.
    pub(super) fn or(self, other: Self) -> Self {
        if self.is_unknown() {
            return other;
        }
        let is_set = self.is_set();
        let otherwise = |value: Expr| {
            let when = (Box::new(is_set.clone().is_not_true()), Box::new(value));
            Expr::Case(Case { expr: None, when_then_expr: vec![when], else_expr: None })
        };
        let one =
            |own: Option<Expr>, other: Option<Expr>| first_set(own.into_iter().chain(other.map(otherwise)));
        let dates = other.dates.into_iter().map(|(shape, date)| (shape, otherwise(date)));
        let lists = other.lists.into_iter().map(|(item, list)| (item, otherwise(list)));
        Self {
            number: one(self.number, other.number),
            text: one(self.text, other.text),
            boolean: one(self.boolean, other.boolean),
            dates: self.dates.into_iter().chain(dates).collect(),
            // Of values as they were sent there are none.
            cast_dates: self.cast_dates,
            lists: self.lists.into_iter().chain(lists).collect(),
            object: one(self.object, other.object),
        }
    }

    /// Everything but lists and objects.
    fn scalars(&self) -> Vec<&Expr> {
        let slots = [&self.number, &self.text, &self.boolean];
        let cast = self.cast_dates.iter().map(|(_, instant)| instant);
        slots.into_iter().flatten().chain(self.dates.iter().map(|(_, date)| date)).chain(cast).collect()
    }

    /// Whether there is a value (D-26).
    pub(super) fn is_set(&self) -> Expr {
        let lists = self.lists.iter().map(|(_, list)| list);
        let all = self.scalars().into_iter().chain(lists).chain(&self.object);
        all.cloned().map(Expr::is_not_null).reduce(Expr::or).unwrap_or_else(|| lit(false))
    }

    /// Scalars as text: the text itself, and dates as they were sent (D-28).
    pub(super) fn as_sent(&self) -> Option<Expr> {
        let dates = self.dates.iter().map(|(shape, date)| text(date, Some(*shape)));
        first_set(self.text.iter().cloned().chain(dates))
    }

    /// Scalars of all types as text (D-27).
    pub(super) fn scalar_text(&self) -> Option<Expr> {
        let others = self.number.iter().chain(&self.boolean).map(|value| text(value, None));
        first_set(self.as_sent().into_iter().chain(others))
    }

    /// Text that is different for different values, of different types too (S-21).
    pub(super) fn tagged(&self) -> Option<Expr> {
        let tagged = |tag: &'static str, text: Expr| {
            call(format!("tagged({tag})"), TEXT, vec![text], move |args| convert::prefixed(&args[0], tag))
        };
        let of = |value: &Option<Expr>| value.as_ref().map(|value| text(value, None));
        let slots = [
            self.as_sent().map(|text| tagged("text", text)),
            of(&self.number).map(|text| tagged("number", text)),
            of(&self.boolean).map(|text| tagged("boolean", text)),
            self.object.clone().map(|text| tagged("object", text)),
        ];
        first_set(slots.into_iter().flatten())
    }

    /// A part of the date, of values that are dates (D-22).
    pub(super) fn date(&self, part: DatePart, calendar: Calendar) -> Option<Expr> {
        let dates = self.dates.iter().map(|(_, date)| date_of(date, part, calendar));
        let cast = self.cast_dates.iter().map(|(text, _)| text);
        let texts = self.text.iter().chain(cast).map(|text| date_of(text, part, calendar));
        first_set(dates.chain(texts))
    }

    /// The values turned into another type, if one is said (D-27).
    pub(super) fn cast_if(self, to: Option<CastType>, calendar: Calendar) -> Self {
        match to {
            Some(to) => self.cast(to, calendar),
            None => self,
        }
    }

    /// Lists are cast item by item.
    fn cast(&self, to: CastType, calendar: Calendar) -> Self {
        let lists = self.lists.clone();
        match to {
            CastType::String => {
                let list_texts = self.object.clone();
                let text = self.scalar_text().into_iter().chain(list_texts);
                Self { text: first_set(text), lists, ..Self::default() }
            }
            CastType::Number => {
                let boolean = self
                    .boolean
                    .iter()
                    .map(|boolean| datafusion::logical_expr::cast(boolean.clone(), DataType::Float64));
                let parsed = self.text.iter().map(|text| {
                    call("number", DataType::Float64, vec![text.clone()], |args| {
                        convert::parsed_number(&args[0])
                    })
                });
                let number = self.number.iter().cloned().chain(boolean).chain(parsed);
                Self { number: first_set(number), lists, ..Self::default() }
            }
            CastType::Boolean => {
                let number = self.number.iter().map(|number| number.clone().not_eq(lit(0.0)));
                let text =
                    self.as_sent().map(|text| text.clone().not_eq(lit("")).and(text.not_eq(lit("false"))));
                let object = self.object.iter().map(|object| object.clone().is_null());
                // An object is true, and so nothing else is looked at; nothing at all is false.
                let object = object.map(|is_none| {
                    Expr::Case(Case {
                        expr: None,
                        when_then_expr: vec![(Box::new(is_none), Box::new(lit(ScalarValue::Boolean(None))))],
                        else_expr: Some(Box::new(lit(true))),
                    })
                });
                let any = self.boolean.iter().cloned().chain(number).chain(text).chain(object);
                let scalar = first_set(any.chain([lit(false)]));
                // A list is cast item by item, and is no scalar that is missing.
                let is_list = lists.iter().map(|(_, list)| list.clone().is_not_null()).reduce(Expr::or);
                let boolean = match (scalar, is_list) {
                    (Some(scalar), Some(is_list)) => Some(Expr::Case(Case {
                        expr: None,
                        when_then_expr: vec![(Box::new(is_list.is_not_true()), Box::new(scalar))],
                        else_expr: None,
                    })),
                    (scalar, _) => scalar,
                };
                Self { boolean, lists, ..Self::default() }
            }
            CastType::Date => {
                let numbers = self.number.iter().map(|number| date_of(number, DatePart::Instant, calendar));
                let mut dates = self.dates.clone();
                dates.extend(numbers.map(|instant| (DateShape::MillisZ, instant)));
                let cast = |text: &Expr| (text.clone(), date_of(text, DatePart::Instant, calendar));
                Self { cast_dates: self.text.as_ref().map(cast), dates, lists, ..Self::default() }
            }
        }
    }
}

/// The first of some expressions that is not null.
pub(super) fn first_set(exprs: impl IntoIterator<Item = Expr>) -> Option<Expr> {
    let mut exprs: Vec<Expr> = exprs.into_iter().collect();
    let last = exprs.pop()?;
    if exprs.is_empty() {
        return Some(last);
    }
    let first = exprs.into_iter().map(|expr| (Box::new(expr.clone().is_not_null()), Box::new(expr)));
    Some(Expr::Case(Case { expr: None, when_then_expr: first.collect(), else_expr: Some(Box::new(last)) }))
}

fn json(column: &Expr, path: &[String], part: JsonPart) -> Expr {
    let name = format!("json_{}({:?})", format!("{part:?}").to_lowercase(), path.join("."));
    let path = path.to_vec();
    call(name, part.data_type(), vec![column.clone()], move |args| convert::json_part(&args[0], &path, part))
}

/// A date as the text it was sent as.
pub(crate) fn text_as_sent(date: &Expr, shape: DateShape) -> Expr {
    text(date, Some(shape))
}

fn text(value: &Expr, shape: Option<DateShape>) -> Expr {
    let name = shape.map_or_else(|| "text".to_owned(), |shape| format!("text_{shape:?}"));
    call(name, TEXT, vec![value.clone()], move |args| convert::text_of(&args[0], shape))
}

fn date_of(value: &Expr, part: DatePart, calendar: Calendar) -> Expr {
    let (name, returns) = match part {
        DatePart::Day => ("day", DataType::Date32),
        DatePart::Instant => ("instant", tallymark_event::columns::timestamp_type()),
    };
    let name = format!("{name}({})", calendar.zone);
    call(name, returns, vec![value.clone()], move |args| convert::date_part(&args[0], part, calendar))
}

/// Whether items of a list are true under a predicate that is evaluated once for all of them.
pub(super) fn items_where(name: String, list: Expr, all: bool, predicate: OverItems) -> Expr {
    call(name, DataType::Boolean, vec![list], move |args| {
        let lists = args[0].as_list::<i32>();
        let met = cast(&predicate(lists.values())?, &DataType::Boolean)?;
        let met = met.as_boolean();
        let offsets = lists.value_offsets();
        let is_met = |item: usize| met.is_valid(item) && met.value(item);
        let rows = (0..lists.len()).map(|row| {
            let mut items = offsets[row] as usize..offsets[row + 1] as usize;
            // P-30: of an empty list, neither any nor all.
            let verdict = if all { !items.is_empty() && items.all(is_met) } else { items.any(is_met) };
            Some(lists.is_valid(row) && verdict)
        });
        Ok(Arc::new(rows.collect::<BooleanArray>()))
    })
}

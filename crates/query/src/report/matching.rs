//! Of lists, the items that met a condition (P-32), and the one object that meets several (P-33).

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::{Array as _, ArrayRef, AsArray as _, ListArray, StringViewArray};
use arrow::buffer::OffsetBuffer;
use arrow::compute::{cast, filter};
use arrow::datatypes::{DataType, Field};
use datafusion::common::Result as DfResult;
use datafusion::logical_expr::{Expr, lit};
use serde_json::Value;
use tallymark_event::{LaneKind, PropertyCatalog};
use tallymark_report::{Filter, Include, ListContains, Property};

use super::asked::{Asked, column};
use super::convert::TEXT;
use super::filter::{ITEM, OverItems};
use super::insights::measure::Question;
use super::values::{Item, Values, items_where};
use crate::Result;
use crate::functions::made::call;

/// The property a name begins with, the longest there is, and the way on from there (D-25).
pub(super) fn root_of<'a>(catalog: &PropertyCatalog, name: &'a str) -> Option<(&'a str, Vec<String>)> {
    if catalog.property(name).is_some() {
        return Some((name, Vec::new()));
    }
    let dots: Vec<usize> = name.match_indices('.').map(|(at, _)| at).collect();
    let known = dots.into_iter().rev().find(|at| catalog.property(&name[..*at]).is_some())?;
    Some((&name[..known], name[known + 1..].split('.').map(str::to_owned).collect()))
}

/// The conditions under which only items that meet them count.
fn including(of: &Filter, found: &mut Vec<Filter>) {
    match of {
        Filter::List(all) | Filter::All { all } => all.iter().for_each(|filter| including(filter, found)),
        Filter::Condition(condition) if condition.include == Include::MatchingItems => found.push(of.clone()),
        Filter::ListContains(contains) if contains.include == Include::MatchingItems => {
            found.push(of.clone());
        }
        _ => {}
    }
}

/// The list of events that a condition is on.
fn list_of(of: &Filter) -> Option<&str> {
    let list = match of {
        Filter::Condition(condition) => &condition.property,
        Filter::ListContains(contains) => &contains.list,
        _ => return None,
    };
    match list {
        Property::Event { name } => Some(name),
        _ => None,
    }
}

impl Asked {
    /// The same for breakdowns and measures of a question, which see of lists what its filters left.
    pub(super) fn showing(&self, question: &Question<'_>) -> Self {
        let mut found = Vec::new();
        let selector = question.metric.event.iter();
        let of_events =
            selector.flat_map(|selector| &selector.any_of).filter_map(|choice| choice.filter.as_ref());
        for filter in of_events.chain(&question.metric.filter).chain(question.filter) {
            including(filter, &mut found);
        }
        Self { matching: Arc::new(found), ..self.clone() }
    }

    /// The values of a property as breakdowns and measures see them (P-32).
    pub(super) fn shown_values(&self, property: &Property) -> Result<Values> {
        let (Property::Event { name } | Property::ItemCount { item_count: name }) = property else {
            return self.values(property);
        };
        let (root, _) = self.read_root(name);
        let of_root = |filter: &Filter| {
            let (list, path) = self.read_root(list_of(filter)?);
            (list == root).then(|| (filter.clone(), path))
        };
        let matching: Vec<(Filter, Vec<String>)> = self.matching.iter().filter_map(of_root).collect();
        if matching.is_empty() || self.is_of_profiles {
            return self.values(property);
        }
        let values = self.read_values(name, |name| {
            let mut lanes = HashMap::new();
            let stored = root_of(self.catalog(), name).and_then(|(root, _)| self.catalog().property(root));
            for lane in stored.into_iter().flat_map(|stored| &stored.lanes) {
                let lane = self.catalog().lane(*lane);
                let mut left = column(&lane.column);
                for (of, path) in &matching {
                    left = self.left_of(of, path, lane.kind, left)?;
                }
                lanes.insert(lane.column.clone(), left);
            }
            let left = |name: &str| lanes.get(name).cloned().unwrap_or_else(|| column(name));
            Ok(Values::of_property(self.catalog(), name, &left))
        })?;
        Ok(match property {
            Property::ItemCount { .. } => Self::item_count(values),
            _ => values,
        })
    }

    /// A lane with the items of lists that meet a condition.
    fn left_of(&self, of: &Filter, path: &[String], kind: LaneKind, lane: Expr) -> Result<Expr> {
        let name = format!("matching({of:?})");
        let item = match kind {
            LaneKind::Json => {
                // A list may come anywhere on the way.
                let predicates = (0..=path.len())
                    .map(|depth| self.item_meets(of, Item::Json, &path[depth..]))
                    .collect::<Result<Vec<_>>>()?;
                let path = path.to_vec();
                return Ok(call(name, TEXT, vec![lane], move |args| json_left(&args[0], &path, &predicates)));
            }
            LaneKind::ListBool => Item::Boolean,
            LaneKind::ListInt64 | LaneKind::ListFloat64 => Item::Number,
            LaneKind::ListString => Item::Text,
            LaneKind::Bool
            | LaneKind::Int64
            | LaneKind::Float64
            | LaneKind::String
            | LaneKind::Date(_)
            | LaneKind::Null => return Ok(lane),
        };
        let predicate = self.item_meets(of, item, path)?;
        let data_type = DataType::List(Arc::new(Field::new("item", item.data_type(), true)));
        let returned = data_type.clone();
        Ok(call(name, data_type, vec![lane], move |args| {
            Ok(cast(&list_left(&args[0], &predicate)?, &returned)?)
        }))
    }

    /// Whether what lies at a path in an item meets a condition, over items at once.
    fn item_meets(&self, of: &Filter, item: Item, path: &[String]) -> Result<OverItems> {
        let of_item = column(ITEM);
        let values = match (item, path) {
            (item, []) => Values::of_item(item, of_item),
            (Item::Json, path) => Values::in_json(&of_item, path),
            // Texts and numbers have no properties.
            (_, _) => Values::default(),
        };
        let meets = match of {
            Filter::Condition(condition) => self.condition_on(values, condition)?,
            Filter::ListContains(contains) if item == Item::Json => {
                return self.object_meets(contains, path);
            }
            _ => lit(false),
        };
        self.over_items(meets, item.data_type())
    }

    /// Whether the object at a path in an item meets all of it.
    fn object_meets(&self, contains: &ListContains, path: &[String]) -> Result<OverItems> {
        let of_object = Self { object_at: Some(path.to_vec()), ..self.clone() };
        let meets = of_object.filter(&contains.filter)?;
        // What is no object has no properties, and meets nothing (P-33).
        let object = Values::in_json(&column(ITEM), path).object.unwrap_or_else(|| lit(false));
        self.over_items(meets.and(object.is_not_null()), Item::Json.data_type())
    }

    /// P-33.
    pub(super) fn list_contains(&self, contains: &ListContains) -> Result<Expr> {
        let mut any = Vec::new();
        for (item, list) in self.values(&contains.list)?.lists {
            if item == Item::Json {
                let name = format!("list_contains({contains:?}, {list})");
                any.push(items_where(name, list, false, self.object_meets(contains, &[])?));
            }
        }
        Ok(any.into_iter().reduce(Expr::or).unwrap_or_else(|| lit(false)))
    }
}

/// Lists with the items that meet a predicate.
fn list_left(lists: &ArrayRef, predicate: &OverItems) -> DfResult<ArrayRef> {
    let lists: &ListArray = lists.as_list();
    let met = cast(&predicate(lists.values())?, &DataType::Boolean)?;
    let met = met.as_boolean();
    let offsets = lists.value_offsets();
    let is_met = |item: usize| met.is_valid(item) && met.value(item);
    let mut kept = vec![false; lists.values().len()];
    let mut lengths = Vec::with_capacity(lists.len());
    for row in 0..lists.len() {
        let items = offsets[row] as usize..offsets[row + 1] as usize;
        let mut length = 0;
        if lists.is_valid(row) {
            for item in items.filter(|item| is_met(*item)) {
                kept[item] = true;
                length += 1;
            }
        }
        lengths.push(length);
    }
    let DataType::List(field) = lists.data_type() else { return Ok(Arc::new(lists.clone())) };
    let values = filter(lists.values(), &kept.into())?;
    let offsets = OffsetBuffer::from_lengths(lengths);
    Ok(Arc::new(ListArray::try_new(Arc::clone(field), offsets, values, lists.nulls().cloned())?))
}

/// JSON texts of which the first list on a path has only the items that meet the predicate for the
/// rest of the path; `predicates` are by how much of the path lies before the list.
fn json_left(texts: &ArrayRef, path: &[String], predicates: &[OverItems]) -> DfResult<ArrayRef> {
    let texts = cast(texts, &TEXT)?;
    let read = |text: Option<&str>| text.and_then(|text| serde_json::from_str::<Value>(text).ok());
    let mut values: Vec<Option<Value>> = texts.as_string_view().iter().map(read).collect();
    // The items of all rows, by where the list was.
    let mut items: Vec<Vec<String>> = vec![Vec::new(); predicates.len()];
    for value in values.iter_mut().flatten() {
        if let Some((depth, list)) = first_list(value, path, 0) {
            items[depth].extend(list.iter().map(Value::to_string));
        }
    }
    let mut met = Vec::with_capacity(predicates.len());
    for (items, predicate) in items.iter().zip(predicates) {
        let items: ArrayRef =
            Arc::new(items.iter().map(|item| Some(item.as_str())).collect::<StringViewArray>());
        met.push(cast(&predicate(&items)?, &DataType::Boolean)?);
    }
    let mut met: Vec<_> = met.iter().map(|met| met.as_boolean().iter()).collect();
    for value in values.iter_mut().flatten() {
        if let Some((depth, list)) = first_list(value, path, 0) {
            list.retain(|_| met[depth].next().flatten().unwrap_or(false));
        }
    }
    let texts = values.iter().map(|value| value.as_ref().map(Value::to_string));
    Ok(Arc::new(texts.collect::<StringViewArray>()))
}

fn first_list<'a>(
    value: &'a mut Value,
    path: &[String],
    depth: usize,
) -> Option<(usize, &'a mut Vec<Value>)> {
    match value {
        Value::Array(items) => Some((depth, items)),
        Value::Object(fields) => first_list(fields.get_mut(path.get(depth)?)?, path, depth + 1),
        _ => None,
    }
}

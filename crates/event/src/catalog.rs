//! Which column holds which values of which property.
//!
//! A property may have values of several types (D-20, D-28). Each type has a column of its own, a
//! *lane*, so that no value is turned into text or null and every lane is typed. The lane opened
//! first carries the property's own name; the others are its siblings, named `price@string`. At
//! most one lane of a property holds a value in any row.
//!
//! - Integers and other numbers share a lane as long as no integer loses precision as a float:
//!   an `Int64` lane then *widens* to `Float64` (files written before keep integers, which a
//!   reader casts without loss).
//! - Strings open a date lane only while every string of the property so far was a date of one
//!   spelling ([`DateShape`]); other strings, dates among them, go to the string lane.
//! - Lists of one scalar type are Arrow lists; objects and other lists are JSON text.
//! - An explicit `null` is marked in the `@null` lane, which only export reads (D-26).
//!
//! The catalog only grows: a lane once opened keeps its id and its column name for good.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use arrow::datatypes::{DataType, Field, FieldRef};
use serde::{Deserialize, Serialize};

use crate::columns::{is_reserved, timestamp_type};
use crate::{DateShape, PropertyValue};

/// Position of a property in its catalog.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct PropertyId(pub u32);

/// Position of a lane in its catalog.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct LaneId(pub u32);

/// The type of the values in a lane.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LaneKind {
    /// Boolean.
    Bool,
    /// Int64.
    Int64,
    /// Float64; holds integers up to 2^53 too.
    Float64,
    /// Utf8View.
    String,
    /// Date32 for [`DateShape::Date`], Timestamp(ms, UTC) for the others; spelled back exactly.
    Date(DateShape),
    /// List of Boolean.
    ListBool,
    /// List of Int64.
    ListInt64,
    /// List of Float64.
    ListFloat64,
    /// List of Utf8View; empty lists of properties with no other list lane too.
    ListString,
    /// Utf8View holding JSON text: objects, nested and mixed lists.
    Json,
    /// Boolean, true where an explicit `null` was sent.
    Null,
}

impl LaneKind {
    /// The Arrow type of the lane's column.
    pub fn data_type(self) -> DataType {
        match self {
            Self::Bool | Self::Null => DataType::Boolean,
            Self::Int64 => DataType::Int64,
            Self::Float64 => DataType::Float64,
            Self::String | Self::Json => DataType::Utf8View,
            Self::Date(DateShape::Date) => DataType::Date32,
            Self::Date(_) => timestamp_type(),
            Self::ListBool => list_of(DataType::Boolean),
            Self::ListInt64 => list_of(DataType::Int64),
            Self::ListFloat64 => list_of(DataType::Float64),
            Self::ListString => list_of(DataType::Utf8View),
        }
    }

    /// Whether this is one of the list lanes.
    pub fn is_list(self) -> bool {
        matches!(self, Self::ListBool | Self::ListInt64 | Self::ListFloat64 | Self::ListString)
    }

    /// The type in the words of the rules (D-20).
    pub fn type_name(self) -> &'static str {
        match self {
            Self::Bool => "boolean",
            Self::Int64 | Self::Float64 => "number",
            Self::String => "string",
            Self::Date(_) => "date",
            Self::ListBool | Self::ListInt64 | Self::ListFloat64 | Self::ListString => "list",
            Self::Json => "object",
            Self::Null => "null",
        }
    }

    /// What a sibling column of this kind is called after the `@`, in order of preference.
    fn suffixes(self) -> &'static [&'static str] {
        match self {
            Self::Bool => &["boolean"],
            Self::Int64 => &["number", "int64"],
            Self::Float64 => &["number", "float64"],
            Self::String => &["string"],
            Self::Date(DateShape::Date) => &["date"],
            Self::Date(_) => &["datetime"],
            Self::ListBool => &["list_boolean"],
            Self::ListInt64 => &["list_number", "list_int64"],
            Self::ListFloat64 => &["list_number", "list_float64"],
            Self::ListString => &["list_string"],
            Self::Json => &["json"],
            Self::Null => &["null"],
        }
    }
}

/// A list type as Parquet names its parts.
fn list_of(item: DataType) -> DataType {
    DataType::List(Arc::new(Field::new("element", item, true)))
}

/// A typed column of a property.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lane {
    /// Whose values these are.
    pub property: PropertyId,
    /// The column's name, unique in the catalog and no system column's.
    pub column: String,
    /// The type of the values.
    pub kind: LaneKind,
    /// Whether every integer stored so far is exact as a float, so that the lane may widen.
    #[serde(default = "yes", skip_serializing_if = "Clone::clone")]
    pub exact: bool,
}

fn yes() -> bool {
    true
}

impl Lane {
    /// The Arrow field of the lane's column.
    pub fn field(&self) -> FieldRef {
        Arc::new(Field::new(&self.column, self.kind.data_type(), true))
    }
}

/// A property and its lanes, the one with the property's own name first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Property {
    /// The name as sent.
    pub name: String,
    /// Its lanes, in the order they were opened.
    pub lanes: Vec<LaneId>,
}

/// What kinds of values a batch holds for one property: what [`PropertyCatalog::open_lanes`] needs
/// to know to give every one of them a lane.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "a set of kinds: each is there or not")]
pub struct ValueKinds {
    /// The lane kind the first set value asks for; it gets the plain name in a new property.
    pub first: Option<LaneKind>,
    /// Booleans.
    pub bools: bool,
    /// Integers, and whether all of them are exact as floats.
    pub ints: bool,
    /// Some integer is beyond ±2^53.
    pub big_ints: bool,
    /// Numbers that are not integers.
    pub floats: bool,
    /// Strings.
    pub strings: bool,
    /// The one shape all strings are dates of, if so.
    pub date: Option<DateShape>,
    /// Lists of booleans.
    pub list_bools: bool,
    /// Lists of integers.
    pub list_ints: bool,
    /// Some list of integers holds one beyond ±2^53.
    pub list_big_ints: bool,
    /// Lists of numbers, not all integers.
    pub list_floats: bool,
    /// Lists of strings.
    pub list_strings: bool,
    /// Empty lists.
    pub empty_lists: bool,
    /// Objects, nested and mixed lists.
    pub json: bool,
    /// Explicit nulls.
    pub nulls: bool,
}

impl ValueKinds {
    /// Notes one more value and says which kind of lane it asks for: the kind it gets in a property
    /// that has no other values. A list without set items, which any list lane takes, asks for
    /// [`LaneKind::ListString`].
    pub fn observe(&mut self, value: &PropertyValue<'_>) -> LaneKind {
        let kind = match value {
            PropertyValue::Null => {
                self.nulls = true;
                return LaneKind::Null;
            }
            PropertyValue::Bool(_) => {
                self.bools = true;
                LaneKind::Bool
            }
            PropertyValue::Int(int) => {
                self.ints = true;
                self.big_ints |= is_big(*int);
                LaneKind::Int64
            }
            PropertyValue::Float(_) => {
                self.floats = true;
                LaneKind::Float64
            }
            PropertyValue::String(text) => {
                // Once one string is no date, the others need no look.
                if !self.strings || self.date.is_some() {
                    let shape = DateShape::recognise(text).map(|(shape, _)| shape);
                    self.date = if self.strings && self.date != shape { None } else { shape };
                }
                self.strings = true;
                LaneKind::String
            }
            PropertyValue::List(items) => {
                let kind = list_kind(items);
                match kind {
                    None => self.empty_lists = true,
                    Some(LaneKind::ListBool) => self.list_bools = true,
                    Some(LaneKind::ListInt64) => {
                        self.list_ints = true;
                        self.list_big_ints |= has_big(items);
                    }
                    Some(LaneKind::ListFloat64) => self.list_floats = true,
                    Some(LaneKind::ListString) => self.list_strings = true,
                    Some(_) => self.json = true,
                }
                kind.unwrap_or(LaneKind::ListString)
            }
            PropertyValue::Object(_) => {
                self.json = true;
                LaneKind::Json
            }
        };
        self.first.get_or_insert(kind);
        kind
    }

    /// What a lane may hold, for values of it that are to go to another property.
    pub fn of_lane(lane: &Lane) -> Self {
        let mut kinds = Self { first: Some(lane.kind), ..Self::default() };
        let held = match lane.kind {
            LaneKind::Bool => &mut kinds.bools,
            LaneKind::Int64 => {
                kinds.big_ints = !lane.exact;
                &mut kinds.ints
            }
            LaneKind::Float64 => &mut kinds.floats,
            LaneKind::String => &mut kinds.strings,
            LaneKind::Date(shape) => {
                kinds.first = Some(LaneKind::String);
                kinds.date = Some(shape);
                &mut kinds.strings
            }
            LaneKind::ListBool => &mut kinds.list_bools,
            LaneKind::ListInt64 => {
                kinds.list_big_ints = !lane.exact;
                &mut kinds.list_ints
            }
            LaneKind::ListFloat64 => &mut kinds.list_floats,
            LaneKind::ListString => &mut kinds.list_strings,
            LaneKind::Json => &mut kinds.json,
            LaneKind::Null => &mut kinds.nulls,
        };
        *held = true;
        kinds
    }

    /// Adds what a later batch holds.
    pub fn merge(&mut self, later: &Self) {
        self.date = match (self.strings, later.strings) {
            (true, true) if self.date == later.date => self.date,
            (true, true) => None,
            (true, false) => self.date,
            (false, _) => later.date,
        };
        self.first = self.first.or(later.first);
        for (mine, theirs) in [
            (&mut self.bools, later.bools),
            (&mut self.ints, later.ints),
            (&mut self.big_ints, later.big_ints),
            (&mut self.floats, later.floats),
            (&mut self.strings, later.strings),
            (&mut self.list_bools, later.list_bools),
            (&mut self.list_ints, later.list_ints),
            (&mut self.list_big_ints, later.list_big_ints),
            (&mut self.list_floats, later.list_floats),
            (&mut self.list_strings, later.list_strings),
            (&mut self.empty_lists, later.empty_lists),
            (&mut self.json, later.json),
            (&mut self.nulls, later.nulls),
        ] {
            *mine |= theirs;
        }
    }
}

/// Whether an integer is not exact as a float.
fn is_big(int: i64) -> bool {
    int.unsigned_abs() > crate::MAX_EXACT_INTEGER as u64
}

fn has_big(items: &[PropertyValue<'_>]) -> bool {
    items.iter().any(|item| matches!(item, PropertyValue::Int(int) if is_big(*int)))
}

/// The lane kind a list asks for: `None` for one without any set item, `Json` for one whose items
/// are not of one scalar type. Null items go with any type.
fn list_kind(items: &[PropertyValue<'_>]) -> Option<LaneKind> {
    let mut kind = None;
    for item in items {
        let item_kind = match item {
            PropertyValue::Null => continue,
            PropertyValue::Bool(_) => LaneKind::ListBool,
            PropertyValue::Int(_) => LaneKind::ListInt64,
            PropertyValue::Float(_) => LaneKind::ListFloat64,
            PropertyValue::String(_) => LaneKind::ListString,
            PropertyValue::List(_) | PropertyValue::Object(_) => return Some(LaneKind::Json),
        };
        kind = match (kind, item_kind) {
            (None, new) => Some(new),
            (Some(old), new) if old == new => kind,
            (
                Some(LaneKind::ListInt64 | LaneKind::ListFloat64),
                LaneKind::ListInt64 | LaneKind::ListFloat64,
            ) => Some(LaneKind::ListFloat64),
            _ => return Some(LaneKind::Json),
        };
    }
    if kind == Some(LaneKind::ListFloat64) && has_big(items) { Some(LaneKind::Json) } else { kind }
}

/// All properties of a dataset and their lanes.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(from = "StoredCatalog", into = "StoredCatalog")]
pub struct PropertyCatalog {
    properties: Vec<Property>,
    lanes: Vec<Lane>,
    by_name: HashMap<String, PropertyId>,
    columns: HashSet<String>,
}

/// The catalog as it is stored: without the indexes.
#[derive(Clone, Serialize, Deserialize)]
struct StoredCatalog {
    properties: Vec<Property>,
    lanes: Vec<Lane>,
}

impl From<StoredCatalog> for PropertyCatalog {
    fn from(stored: StoredCatalog) -> Self {
        let by_name =
            stored.properties.iter().zip(0..).map(|(p, id)| (p.name.clone(), PropertyId(id))).collect();
        let columns = stored.lanes.iter().map(|lane| lane.column.clone()).collect();
        Self { properties: stored.properties, lanes: stored.lanes, by_name, columns }
    }
}

impl From<PropertyCatalog> for StoredCatalog {
    fn from(catalog: PropertyCatalog) -> Self {
        Self { properties: catalog.properties, lanes: catalog.lanes }
    }
}

impl PartialEq for PropertyCatalog {
    fn eq(&self, other: &Self) -> bool {
        self.properties == other.properties && self.lanes == other.lanes
    }
}

impl PropertyCatalog {
    /// All properties, in the order they were first seen.
    pub fn properties(&self) -> &[Property] {
        &self.properties
    }

    /// All lanes, in the order they were opened: position = [`LaneId`].
    pub fn lanes(&self) -> &[Lane] {
        &self.lanes
    }

    /// One lane.
    ///
    /// # Panics
    /// If the id is not of this catalog (or of an older version of it).
    pub fn lane(&self, id: LaneId) -> &Lane {
        &self.lanes[id.0 as usize]
    }

    /// The property of that name.
    pub fn property(&self, name: &str) -> Option<&Property> {
        self.by_name.get(name).map(|id| &self.properties[id.0 as usize])
    }

    /// The lane stored in that column.
    pub fn lane_of_column(&self, column: &str) -> Option<&Lane> {
        self.lanes.iter().find(|lane| lane.column == column)
    }

    /// Makes sure that every value a batch holds for property `name` has a lane, opening or
    /// widening lanes as needed. Afterwards [`PropertyCatalog::route`] finds the lane of each.
    pub fn open_lanes(&mut self, name: &str, kinds: &ValueKinds) -> PropertyId {
        let id = if let Some(id) = self.by_name.get(name) {
            *id
        } else {
            let id = PropertyId(self.properties.len() as u32);
            self.properties.push(Property { name: name.to_owned(), lanes: Vec::new() });
            self.by_name.insert(name.to_owned(), id);
            id
        };
        // The kind of the first value is served first: its lane gets the plain name.
        match kinds.first {
            Some(LaneKind::Bool) => self.ensure(id, LaneKind::Bool),
            Some(LaneKind::String) => self.ensure_text(id, kinds),
            Some(LaneKind::Json) => self.ensure(id, LaneKind::Json),
            Some(kind) if kind.is_list() => self.ensure_lists(id, kinds),
            Some(_) => self.ensure_numbers(id, kinds),
            None => {}
        }
        if kinds.bools {
            self.ensure(id, LaneKind::Bool);
        }
        self.ensure_numbers(id, kinds);
        self.ensure_text(id, kinds);
        self.ensure_lists(id, kinds);
        if kinds.json {
            self.ensure(id, LaneKind::Json);
        }
        if kinds.nulls {
            self.ensure(id, LaneKind::Null);
        }
        id
    }

    /// The lane a value of the property goes to.
    ///
    /// Always `Some` after [`PropertyCatalog::open_lanes`] was told of the value.
    pub fn route(&self, id: PropertyId, value: &PropertyValue<'_>) -> Option<LaneId> {
        match value {
            PropertyValue::Null => self.find(id, LaneKind::Null),
            PropertyValue::Bool(_) => self.find(id, LaneKind::Bool),
            PropertyValue::Int(int) => self.route_int(id, is_big(*int), LaneKind::Int64, LaneKind::Float64),
            PropertyValue::Float(_) => self.find(id, LaneKind::Float64),
            PropertyValue::String(text) => self
                .date_lane(id)
                .filter(|(_, shape)| DateShape::recognise(text).is_some_and(|(found, _)| found == *shape))
                .map(|(lane, _)| lane)
                .or_else(|| self.find(id, LaneKind::String)),
            PropertyValue::List(items) => match list_kind(items) {
                None => self.lanes_of(id).find(|lane| self.lane(*lane).kind.is_list()),
                Some(LaneKind::ListInt64) => {
                    self.route_int(id, has_big(items), LaneKind::ListInt64, LaneKind::ListFloat64)
                }
                Some(kind) => self.find(id, kind),
            },
            PropertyValue::Object(_) => self.find(id, LaneKind::Json),
        }
    }

    /// The lane of the property that takes all values of a lane of another one; dates of another
    /// spelling than its own go to its strings.
    ///
    /// Always `Some` after [`PropertyCatalog::open_lanes`] was told of [`ValueKinds::of_lane`].
    pub fn lane_for(&self, id: PropertyId, from: &Lane) -> Option<LaneId> {
        match from.kind {
            LaneKind::Int64 => self.route_int(id, !from.exact, LaneKind::Int64, LaneKind::Float64),
            LaneKind::ListInt64 => {
                self.route_int(id, !from.exact, LaneKind::ListInt64, LaneKind::ListFloat64)
            }
            LaneKind::Date(shape) => {
                let same = self.date_lane(id).filter(|(_, known)| *known == shape);
                same.map(|(lane, _)| lane).or_else(|| self.find(id, LaneKind::String))
            }
            kind => self.find(id, kind),
        }
    }

    fn lanes_of(&self, id: PropertyId) -> impl Iterator<Item = LaneId> + '_ {
        self.properties[id.0 as usize].lanes.iter().copied()
    }

    /// The property's lane of that kind.
    pub fn find(&self, id: PropertyId, kind: LaneKind) -> Option<LaneId> {
        self.lanes_of(id).find(|lane| self.lane(*lane).kind == kind)
    }

    /// The property's date lane and the shape of its values.
    pub fn date_lane(&self, id: PropertyId) -> Option<(LaneId, DateShape)> {
        self.lanes_of(id).find_map(|lane| match self.lane(lane).kind {
            LaneKind::Date(shape) => Some((lane, shape)),
            _ => None,
        })
    }

    /// Integers stay together in the integer lane, unless the float lane came first: then only
    /// those that are not exact as floats need it.
    fn route_int(&self, id: PropertyId, big: bool, int: LaneKind, float: LaneKind) -> Option<LaneId> {
        let (int, float) = (self.find(id, int), self.find(id, float));
        match (int, float) {
            (Some(int), Some(float)) if float < int && !big => Some(float),
            (Some(int), _) => Some(int),
            (None, float) => float.filter(|_| !big),
        }
    }

    fn ensure(&mut self, id: PropertyId, kind: LaneKind) {
        if self.find(id, kind).is_none() {
            self.open(id, kind);
        }
    }

    fn ensure_numbers(&mut self, id: PropertyId, kinds: &ValueKinds) {
        self.ensure_number_lanes(
            id,
            [kinds.ints, kinds.big_ints, kinds.floats],
            LaneKind::Int64,
            LaneKind::Float64,
        );
    }

    fn ensure_lists(&mut self, id: PropertyId, kinds: &ValueKinds) {
        if kinds.list_bools {
            self.ensure(id, LaneKind::ListBool);
        }
        self.ensure_number_lanes(
            id,
            [kinds.list_ints, kinds.list_big_ints, kinds.list_floats],
            LaneKind::ListInt64,
            LaneKind::ListFloat64,
        );
        if kinds.list_strings {
            self.ensure(id, LaneKind::ListString);
        }
        if kinds.empty_lists && !self.lanes_of(id).any(|lane| self.lane(lane).kind.is_list()) {
            self.open(id, LaneKind::ListString);
        }
    }

    fn ensure_text(&mut self, id: PropertyId, kinds: &ValueKinds) {
        if !kinds.strings {
            return;
        }
        match (kinds.date, self.date_lane(id), self.find(id, LaneKind::String)) {
            (Some(shape), Some((_, known)), _) if shape == known => {}
            (Some(shape), None, None) => self.open(id, LaneKind::Date(shape)),
            (_, _, Some(_)) => {}
            (_, _, None) => self.open(id, LaneKind::String),
        }
    }

    fn ensure_number_lanes(
        &mut self,
        id: PropertyId,
        [ints, big_ints, floats]: [bool; 3],
        int_kind: LaneKind,
        float_kind: LaneKind,
    ) {
        if floats && self.find(id, float_kind).is_none() {
            match self.find(id, int_kind) {
                Some(lane) if self.lane(lane).exact && !big_ints => {
                    self.lanes[lane.0 as usize].kind = float_kind;
                }
                _ => self.open(id, float_kind),
            }
        }
        if !ints {
            return;
        }
        match (self.find(id, int_kind), self.find(id, float_kind)) {
            (Some(int), _) => self.lanes[int.0 as usize].exact &= !big_ints,
            (None, Some(_)) if !big_ints => {}
            (None, _) => {
                self.open(id, int_kind);
                let opened = self.lanes.len() - 1;
                self.lanes[opened].exact = !big_ints;
            }
        }
    }

    fn open(&mut self, id: PropertyId, kind: LaneKind) {
        let column = self.free_column(id, kind);
        self.columns.insert(column.clone());
        let lane = LaneId(self.lanes.len() as u32);
        self.lanes.push(Lane { property: id, column, kind, exact: true });
        self.properties[id.0 as usize].lanes.push(lane);
    }

    /// A column name nobody has: the property's own for its first lane, `name@type` for siblings.
    fn free_column(&self, id: PropertyId, kind: LaneKind) -> String {
        let name = &self.properties[id.0 as usize].name;
        let has_plain = self.lanes_of(id).any(|lane| self.lane(lane).kind != LaneKind::Null);
        let mut candidates: Vec<String> = Vec::new();
        if !has_plain && kind != LaneKind::Null {
            if !name.is_empty() {
                candidates.push(name.clone());
            }
            candidates.push(format!("properties.{name}"));
        }
        candidates.extend(kind.suffixes().iter().map(|suffix| format!("{name}@{suffix}")));
        let last = candidates.last().cloned().unwrap_or_default();
        let numbered = (2u32..).map(|n| format!("{last}_{n}"));
        candidates
            .into_iter()
            .chain(numbered)
            .find(|column| !is_reserved(column) && !self.columns.contains(column))
            .unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Feeds JSON values, one batch a line, to a catalog; returns `column: type` of the lanes.
    fn lanes_after(batches: &[&str]) -> Vec<String> {
        let mut catalog = PropertyCatalog::default();
        for batch in batches {
            add(&mut catalog, "price", batch);
        }
        catalog.lanes().iter().map(|lane| format!("{}: {}", lane.column, lane.kind.type_name())).collect()
    }

    fn add(catalog: &mut PropertyCatalog, name: &str, batch: &str) {
        let values: Vec<PropertyValue<'_>> = serde_json::from_str(batch).unwrap();
        let mut kinds = ValueKinds::default();
        for value in &values {
            kinds.observe(value);
        }
        let id = catalog.open_lanes(name, &kinds);
        for value in &values {
            assert!(catalog.route(id, value).is_some(), "no lane for {value} in {catalog:?}");
        }
    }

    #[test]
    fn d28_each_type_has_its_lane_and_the_first_the_plain_name() {
        assert_eq!(
            lanes_after(&[r#"[5, "5", "abc", null, true, [1, 2], {"a": 1}]"#]),
            [
                "price: number",
                "price@boolean: boolean",
                "price@string: string",
                "price@list_number: list",
                "price@json: object",
                "price@null: null"
            ]
        );
        assert_eq!(
            lanes_after(&[r#"[null, "x"]"#, "[4]"]),
            ["price: string", "price@null: null", "price@number: number"]
        );
        assert_eq!(lanes_after(&["[null]", "[4]"]), ["price@null: null", "price: number"]);
    }

    #[test]
    fn integers_widen_only_where_nothing_is_lost() {
        assert_eq!(lanes_after(&["[1, 2.5]"]), ["price: number"]);
        assert_eq!(lanes_after(&["[1]", "[2.5]"]), ["price: number"]);
        assert_eq!(lanes_after(&["[9007199254740993]", "[2.5]"]), ["price: number", "price@number: number"]);
        assert_eq!(
            lanes_after(&["[2.5]", "[9007199254740993, 1]"]),
            ["price: number", "price@number: number"]
        );
        assert_eq!(lanes_after(&["[[1]]", "[[2.5]]", "[[]]"]), ["price: list"]);
        assert_eq!(lanes_after(&["[[9007199254740993, 0.5]]"]), ["price: object"]);
    }

    #[test]
    fn d22_a_date_lane_is_opened_only_where_all_strings_are_dates_of_one_shape() {
        assert_eq!(
            lanes_after(&[r#"["2024-01-01", "2024-01-02"]"#, r#"["x"]"#]),
            ["price: date", "price@string: string"]
        );
        assert_eq!(lanes_after(&[r#"["2024-01-01", "2024-01-01T00:00:00"]"#]), ["price: string"]);
        assert_eq!(lanes_after(&[r#"["x"]"#, r#"["2024-01-01"]"#]), ["price: string"]);
    }

    #[test]
    fn column_names_never_meet() {
        let mut catalog = PropertyCatalog::default();
        for name in [
            "time",
            "properties.time",
            "price@string",
            "price",
            "Price",
            "",
            "a b",
            "$x",
            "😀",
            "day",
            "@string",
        ] {
            add(&mut catalog, name, r#"[1, "a"]"#);
        }
        let columns: Vec<_> = catalog.lanes().iter().map(|lane| lane.column.as_str()).collect();
        assert_eq!(columns.iter().collect::<HashSet<_>>().len(), columns.len(), "{columns:?}");
        assert!(columns.contains(&"properties.time") && columns.contains(&"Price"));
        assert!(!columns.iter().any(|column| is_reserved(column)));
    }

    #[test]
    fn a_stored_catalog_comes_back_equal() {
        let mut catalog = PropertyCatalog::default();
        add(&mut catalog, "a", r#"[1, "2024-01-01"]"#);
        let text = serde_json::to_string(&catalog).unwrap();
        let mut back: PropertyCatalog = serde_json::from_str(&text).unwrap();
        assert_eq!(back, catalog);
        add(&mut back, "a", "[2.5]");
        assert_eq!(back.lanes().len(), 2);
    }

    fn any_value() -> impl Strategy<Value = PropertyValue<'static>> {
        let leaf = prop_oneof![
            Just(PropertyValue::Null),
            any::<bool>().prop_map(PropertyValue::Bool),
            prop_oneof![-3i64..3, Just(i64::MAX), Just((1 << 53) + 1)].prop_map(PropertyValue::Int),
            (-2.0f64..2.0).prop_map(PropertyValue::Float),
            prop_oneof![Just("2024-01-01"), Just("2024-01-01T00:00:00Z"), Just("x"), Just("")]
                .prop_map(PropertyValue::from),
        ];
        leaf.prop_recursive(2, 8, 4, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(PropertyValue::List),
                inner.prop_map(|value| PropertyValue::Object(vec![("k".into(), value)])),
            ]
        })
    }

    proptest! {
        #[test]
        fn every_value_has_a_lane_whatever_came_before(batches in prop::collection::vec(prop::collection::vec(any_value(), 0..6), 1..6)) {
            let mut catalog = PropertyCatalog::default();
            for batch in &batches {
                let mut kinds = ValueKinds::default();
                for value in batch {
                    kinds.observe(value);
                }
                let id = catalog.open_lanes("p", &kinds);
                for value in batch {
                    let lane = catalog.lane(catalog.route(id, value).unwrap());
                    prop_assert!(lane.kind != LaneKind::Float64 || !matches!(value, PropertyValue::Int(int) if is_big(*int)));
                }
            }
            let columns: HashSet<_> = catalog.lanes().iter().map(|lane| &lane.column).collect();
            prop_assert_eq!(columns.len(), catalog.lanes().len());
        }
    }
}

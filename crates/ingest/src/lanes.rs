//! Values by property → Arrow columns by lane, in stored order.
//!
//! Each property's values were kept by type, in order of arrival. A column is filled by walking
//! them once and putting each value at the position its row was given: no row is ever assembled,
//! and a property of few events costs no more than its values.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

use arrow::array::{
    ArrayRef, BooleanArray, BooleanBufferBuilder, BooleanBuilder, Date32Array, Float64Array, Float64Builder,
    Int64Array, Int64Builder, ListBuilder, StringViewBuilder, TimestampMillisecondArray,
};
use arrow::buffer::{Buffer, NullBuffer};
use arrow::datatypes::{DataType, Field};
use tallymark_event::{
    DateShape, LaneId, LaneKind, MAX_EXACT_INTEGER, PropertyCatalog, PropertyId, PropertyValue, ValueKinds,
    columns,
};

use crate::batch::{PropertyValues, Values, string_views, views_with_nulls};
use crate::partition::{Chunk, Partitioned, rebase, user_column};

/// Not stored: replaced by a later repeat.
const DROPPED: u32 = u32::MAX;

/// The batches that have a property, ascending, and its values there.
type Parts<'a> = Vec<(usize, &'a PropertyValues)>;

/// A lane of a chunk and where its values are.
#[derive(Debug)]
pub(crate) struct LaneSource<'a> {
    pub(crate) lane: LaneId,
    kind: LaneKind,
    property: PropertyId,
    /// The lanes the property's integers go to: exact ones, and those beyond ±2^53.
    int_lanes: [Option<LaneId>; 2],
    date_shape: Option<DateShape>,
    parts: Parts<'a>,
}

/// Opens lanes for everything the chunk holds and returns those it uses, by lane id.
pub(crate) fn open_lanes<'a>(chunk: &Chunk<'a>, catalog: &mut PropertyCatalog) -> Vec<LaneSource<'a>> {
    let mut properties: Vec<(&'a str, ValueKinds, Parts<'a>)> = Vec::new();
    let mut index: HashMap<&'a str, usize> = HashMap::new();
    for (b, batch) in chunk.batches.iter().enumerate() {
        for values in &batch.properties {
            let at = *index.entry(&values.name).or_insert_with(|| {
                properties.push((&values.name, ValueKinds::default(), Vec::new()));
                properties.len() - 1
            });
            properties[at].1.merge(&values.kinds);
            properties[at].2.push((b, values));
        }
    }
    let mut sources = Vec::new();
    for (name, kinds, parts) in properties {
        let property = catalog.open_lanes(name, &kinds);
        let route = |int| catalog.route(property, &PropertyValue::Int(int));
        let int_lanes = [route(0), route(i64::MAX)];
        let date_shape = catalog.date_lane(property).map(|(_, shape)| shape);
        for &lane in &catalog.properties()[property.0 as usize].lanes {
            let kind = catalog.lane(lane).kind;
            let source = LaneSource { lane, kind, property, int_lanes, date_shape, parts: parts.clone() };
            if source.may_hold(&kinds) {
                sources.push(source);
            }
        }
    }
    sources.sort_unstable_by_key(|source| source.lane);
    sources
}

/// One value on its way to a lane.
enum Cell<'v> {
    Bool(bool),
    Int(i64),
    Float(f64),
    /// A string or JSON text, already one of the chunk's views.
    View(u128),
    Date(i64),
    List(&'v PropertyValue<'static>),
}

impl<'a> LaneSource<'a> {
    /// Whether values of these kinds can go to this lane at all.
    fn may_hold(&self, kinds: &ValueKinds) -> bool {
        match self.kind {
            LaneKind::Bool => kinds.bools,
            LaneKind::Int64 => kinds.ints,
            LaneKind::Float64 => kinds.floats || kinds.ints,
            LaneKind::String | LaneKind::Date(_) => kinds.strings,
            LaneKind::ListBool | LaneKind::ListInt64 | LaneKind::ListFloat64 | LaneKind::ListString => {
                kinds.list_bools
                    || kinds.list_ints
                    || kinds.list_floats
                    || kinds.list_strings
                    || kinds.empty_lists
            }
            LaneKind::Json => kinds.json,
            LaneKind::Null => kinds.nulls,
        }
    }

    /// Walks the values of this lane among the given rows of the chunk.
    fn visit(&self, gather: &Gather<'_>, rows: &Range<u32>, mut visit: impl FnMut(u32, Cell<'a>)) {
        for &(b, part) in &self.parts {
            let start = gather.chunk.starts[b];
            if start >= rows.end || gather.chunk.starts[b + 1] <= rows.start {
                continue;
            }
            let local = rows.start.saturating_sub(start)..rows.end.saturating_sub(start);
            match self.kind {
                LaneKind::Bool => {
                    each(&part.bools, &local, |row, value| visit(start + row, Cell::Bool(*value)));
                }
                LaneKind::Int64 => each(&part.ints, &local, |row, int| {
                    if self.takes_int(*int) {
                        visit(start + row, Cell::Int(*int));
                    }
                }),
                LaneKind::Float64 => {
                    each(&part.floats, &local, |row, float| visit(start + row, Cell::Float(*float)));
                    each(&part.ints, &local, |row, int| {
                        if self.takes_int(*int) {
                            visit(start + row, Cell::Float(*int as f64));
                        }
                    });
                }
                LaneKind::String => each(&part.strings, &local, |row, view| {
                    let view = rebase(*view, b);
                    if self.date_shape.is_none_or(|shape| gather.date(view, shape).is_none()) {
                        visit(start + row, Cell::View(view));
                    }
                }),
                LaneKind::Date(shape) => each(&part.strings, &local, |row, view| {
                    if let Some(value) = gather.date(rebase(*view, b), shape) {
                        visit(start + row, Cell::Date(value));
                    }
                }),
                LaneKind::Json => {
                    each(&part.json, &local, |row, view| visit(start + row, Cell::View(rebase(*view, b))));
                }
                LaneKind::Null => {
                    let from = part.nulls.partition_point(|&row| row < local.start);
                    let nulls = part.nulls[from..].iter().take_while(|&&row| row < local.end);
                    nulls.for_each(|&row| visit(start + row, Cell::Bool(true)));
                }
                LaneKind::ListBool | LaneKind::ListInt64 | LaneKind::ListFloat64 | LaneKind::ListString => {
                    each(&part.lists, &local, |row, list| {
                        if gather.catalog.route(self.property, list) == Some(self.lane) {
                            visit(start + row, Cell::List(list));
                        }
                    });
                }
            }
        }
    }

    fn takes_int(&self, int: i64) -> bool {
        let big = int.unsigned_abs() > MAX_EXACT_INTEGER as u64;
        self.int_lanes[usize::from(big)] == Some(self.lane)
    }
}

fn each<'v, T>(values: &'v Values<T>, rows: &Range<u32>, mut visit: impl FnMut(u32, &'v T)) {
    let from = values.rows.partition_point(|&row| row < rows.start);
    let to = values.rows.partition_point(|&row| row < rows.end);
    for (&row, value) in values.rows[from..to].iter().zip(&values.values[from..to]) {
        visit(row, value);
    }
}

/// Everything needed to build columns of a partitioned chunk.
#[derive(Debug)]
pub(crate) struct Gather<'a> {
    pub(crate) chunk: &'a Chunk<'a>,
    pub(crate) partitioned: &'a Partitioned,
    pub(crate) catalog: &'a PropertyCatalog,
    pub(crate) sources: &'a [LaneSource<'a>],
    /// Position of each row, or [`DROPPED`].
    position_of_row: Vec<u32>,
    buffers: Arc<[Buffer]>,
}

impl<'a> Gather<'a> {
    pub(crate) fn new(
        chunk: &'a Chunk<'a>,
        partitioned: &'a Partitioned,
        catalog: &'a PropertyCatalog,
        sources: &'a [LaneSource<'a>],
    ) -> Self {
        let mut position_of_row = vec![DROPPED; chunk.rows()];
        for (position, &row) in partitioned.rows.iter().enumerate() {
            position_of_row[row as usize] = position as u32;
        }
        Self { chunk, partitioned, catalog, sources, position_of_row, buffers: chunk.buffers().into() }
    }

    /// The rows whose content stands at these positions: from the lowest to the highest number.
    pub(crate) fn rows(&self, positions: &Range<usize>) -> Range<u32> {
        let rows = &self.partitioned.rows[positions.clone()];
        match (rows.iter().min(), rows.iter().max()) {
            (Some(&min), Some(&max)) => min..max + 1,
            _ => 0..0,
        }
    }

    /// Whether a lane has any value at these positions.
    pub(crate) fn is_used(
        &self,
        source: &LaneSource<'_>,
        positions: &Range<usize>,
        rows: &Range<u32>,
    ) -> bool {
        let mut used = false;
        source.visit(self, rows, |row, _| used = used || self.slot(row, positions).is_some());
        used
    }

    /// System column `index` (in the order of [`columns`]) at these positions.
    pub(crate) fn system_column(&self, index: usize, positions: Range<usize>) -> ArrayRef {
        let rows = &self.partitioned.rows[positions.clone()];
        let located = || rows.iter().map(|&row| self.chunk.locate(row));
        match index {
            0 => self.views(located(), |batch| &batch.names),
            1 => {
                let times = located().map(|(b, row)| self.chunk.batches[b].times[row]);
                Arc::new(TimestampMillisecondArray::from_iter_values(times).with_timezone("UTC"))
            }
            2 => self.views(located(), |batch| &batch.distinct_ids),
            3 => Arc::new(user_column(self.partitioned, positions)),
            4 => self.views(located(), |batch| &batch.device_ids),
            5 => self.views(located(), |batch| &batch.insert_ids),
            6 => {
                let times = located().map(|(b, _)| self.chunk.batches[b].received_at.millis());
                Arc::new(TimestampMillisecondArray::from_iter_values(times).with_timezone("UTC"))
            }
            _ => Arc::new(Int64Array::from(self.partitioned.sequences[positions].to_vec())),
        }
    }

    fn views(
        &self,
        located: impl ExactSizeIterator<Item = (usize, usize)>,
        column: impl Fn(&'a crate::EventBatch) -> &'a arrow::array::StringViewArray,
    ) -> ArrayRef {
        use arrow::array::Array as _;
        let mut present: Option<Vec<bool>> = None;
        let mut views = Vec::with_capacity(located.len());
        for (b, row) in located {
            let array = column(self.chunk.batches[b]);
            let is_valid = array.is_valid(row);
            if !is_valid && present.is_none() {
                present = Some(vec![true; views.len()]);
            }
            if let Some(present) = &mut present {
                present.push(is_valid);
            }
            views.push(rebase(array.views()[row], b));
        }
        Arc::new(string_views(views, &self.buffers, present))
    }

    /// The column of a lane at these positions, whose rows lie within `rows`.
    pub(crate) fn lane_column(
        &self,
        source: &LaneSource<'_>,
        positions: &Range<usize>,
        rows: &Range<u32>,
    ) -> ArrayRef {
        let len = positions.len();
        let mut valid = BooleanBufferBuilder::new(len);
        valid.append_n(len, false);
        match source.kind {
            LaneKind::Bool | LaneKind::Null => {
                let mut bits = BooleanBufferBuilder::new(len);
                bits.append_n(len, false);
                self.fill(source, positions, rows, &mut valid, |slot, cell| {
                    if let Cell::Bool(value) = cell {
                        bits.set_bit(slot, value);
                    }
                });
                Arc::new(BooleanArray::new(bits.finish(), nulls(valid)))
            }
            LaneKind::Int64 => {
                let mut ints = vec![0; len];
                self.fill(source, positions, rows, &mut valid, |slot, cell| {
                    if let Cell::Int(value) = cell {
                        ints[slot] = value;
                    }
                });
                Arc::new(Int64Array::new(ints.into(), nulls(valid)))
            }
            LaneKind::Float64 => {
                let mut floats = vec![0.0; len];
                self.fill(source, positions, rows, &mut valid, |slot, cell| {
                    if let Cell::Float(value) = cell {
                        floats[slot] = value;
                    }
                });
                Arc::new(Float64Array::new(floats.into(), nulls(valid)))
            }
            LaneKind::String | LaneKind::Json => {
                let mut views = vec![0u128; len];
                self.fill(source, positions, rows, &mut valid, |slot, cell| {
                    if let Cell::View(view) = cell {
                        views[slot] = view;
                    }
                });
                Arc::new(views_with_nulls(views, &self.buffers, nulls(valid)))
            }
            LaneKind::Date(shape) => {
                let mut dates = vec![0i64; len];
                self.fill(source, positions, rows, &mut valid, |slot, cell| {
                    if let Cell::Date(value) = cell {
                        dates[slot] = value;
                    }
                });
                if shape == DateShape::Date {
                    let days = dates.into_iter().map(|day| day as i32).collect::<Vec<_>>();
                    Arc::new(Date32Array::new(days.into(), nulls(valid)))
                } else {
                    Arc::new(TimestampMillisecondArray::new(dates.into(), nulls(valid)).with_timezone("UTC"))
                }
            }
            LaneKind::ListBool | LaneKind::ListInt64 | LaneKind::ListFloat64 | LaneKind::ListString => {
                let mut lists: Vec<Option<&[PropertyValue<'static>]>> = vec![None; len];
                self.fill(source, positions, rows, &mut valid, |slot, cell| {
                    if let Cell::List(PropertyValue::List(items)) = cell {
                        lists[slot] = Some(items);
                    }
                });
                list_array(source.kind, &lists)
            }
        }
    }

    fn fill<'s>(
        &self,
        source: &LaneSource<'s>,
        positions: &Range<usize>,
        rows: &Range<u32>,
        valid: &mut BooleanBufferBuilder,
        mut put: impl FnMut(usize, Cell<'s>),
    ) {
        source.visit(self, rows, |row, cell| {
            if let Some(slot) = self.slot(row, positions) {
                valid.set_bit(slot, true);
                put(slot, cell);
            }
        });
    }

    fn slot(&self, row: u32, positions: &Range<usize>) -> Option<usize> {
        let position = self.position_of_row[row as usize];
        let slot = (position as usize).wrapping_sub(positions.start);
        (position != DROPPED && slot < positions.len()).then_some(slot)
    }

    /// The value of a string (one of the chunk's views), if it is a date of that shape.
    fn date(&self, view: u128, shape: DateShape) -> Option<i64> {
        let bytes = view.to_le_bytes();
        let len = view as u32 as usize;
        let text = if len <= 12 {
            std::str::from_utf8(&bytes[4..4 + len]).ok()?
        } else {
            let (buffer, offset) = ((view >> 64) as u32 as usize, (view >> 96) as u32 as usize);
            std::str::from_utf8(&self.buffers[buffer][offset..offset + len]).ok()?
        };
        DateShape::recognise(text).filter(|(found, _)| *found == shape).map(|(_, value)| value)
    }
}

fn nulls(mut valid: BooleanBufferBuilder) -> Option<NullBuffer> {
    Some(NullBuffer::new(valid.finish())).filter(|nulls| nulls.null_count() > 0)
}

/// Lists of one scalar type; null items stay null.
fn list_array(kind: LaneKind, lists: &[Option<&[PropertyValue<'static>]>]) -> ArrayRef {
    macro_rules! build {
        ($builder:expr, $item:expr, $pattern:pat => $value:expr) => {{
            let field = Arc::new(Field::new("element", $item, true));
            let mut builder = ListBuilder::new($builder).with_field(field);
            for list in lists {
                for item in list.unwrap_or_default() {
                    builder.values().append_option(match item {
                        $pattern => Some($value),
                        _ => None,
                    });
                }
                builder.append(list.is_some());
            }
            Arc::new(builder.finish())
        }};
    }
    match kind {
        LaneKind::ListBool => {
            build!(BooleanBuilder::new(), DataType::Boolean, PropertyValue::Bool(value) => *value)
        }
        LaneKind::ListInt64 => {
            build!(Int64Builder::new(), DataType::Int64, PropertyValue::Int(value) => *value)
        }
        LaneKind::ListFloat64 => {
            build!(Float64Builder::new(), DataType::Float64, item @ (PropertyValue::Int(_) | PropertyValue::Float(_)) => item.as_f64().unwrap_or_default())
        }
        _ => build!(StringViewBuilder::new(), DataType::Utf8View, PropertyValue::String(text) => text),
    }
}

/// How many system columns [`Gather::system_column`] knows.
pub(crate) const SYSTEM_COLUMNS: usize = columns::SYSTEM_COLUMN_COUNT;

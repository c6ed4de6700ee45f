//! Which column of the events is meant, and how one is put together.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, UInt32Array, new_null_array};
use arrow::compute::{cast, concat, take};
use arrow::datatypes::DataType;
use arrow::error::ArrowError;
use tallymark_event::columns::system_fields;
use tallymark_event::{LaneId, LaneKind, PropertyCatalog};

use crate::text;

/// A column of the events.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ColumnId {
    /// A system column: its position in [`tallymark_event::columns::system_fields`].
    System(usize),
    /// A lane of a property.
    Lane(LaneId),
}

impl ColumnId {
    /// `event`.
    pub const EVENT: Self = Self::System(0);
    /// `time`.
    pub const TIME: Self = Self::System(1);
    /// `user_id`.
    pub const USER_ID: Self = Self::System(3);
    pub(crate) const SEQUENCE: Self = Self::System(7);
}

/// A column as a catalog has it: its lane may have widened since an earlier one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Column {
    pub(crate) id: ColumnId,
    pub(crate) name: String,
    pub(crate) data_type: DataType,
    /// Of a lane.
    pub(crate) kind: Option<LaneKind>,
}

impl Column {
    /// # Panics
    /// If there is no such column.
    pub(crate) fn of(id: ColumnId, catalog: &PropertyCatalog) -> Self {
        match id {
            ColumnId::System(position) => {
                let field = &system_fields()[position];
                Self { id, name: field.name().clone(), data_type: field.data_type().clone(), kind: None }
            }
            ColumnId::Lane(lane) => {
                let lane = catalog.lane(lane);
                let data_type = lane.kind.data_type();
                Self { id, name: lane.column.clone(), data_type, kind: Some(lane.kind) }
            }
        }
    }
}

/// Some rows of a column.
#[derive(Debug, Clone)]
pub(crate) enum Part {
    /// Values, of the column's type or one that it can be cast from; text perhaps as a dictionary.
    Values(ArrayRef),
    /// So many rows without a value.
    Nulls(usize),
}

impl Part {
    pub(crate) fn len(&self) -> usize {
        match self {
            Self::Values(array) => array.len(),
            Self::Nulls(rows) => *rows,
        }
    }
}

/// The column of all parts: row `i` is row `order[i]` of the parts one after the other, or row `i`
/// where there is no order. Text is held as [`text::assemble`] says.
pub(crate) fn assemble(
    data_type: &DataType,
    parts: &[Part],
    order: Option<&UInt32Array>,
) -> Result<ArrayRef, ArrowError> {
    if *data_type == DataType::Utf8View {
        return text::assemble(parts, order);
    }
    if parts.iter().all(|part| matches!(part, Part::Nulls(_))) {
        return Ok(new_null_array(data_type, parts.iter().map(Part::len).sum()));
    }
    let arrays = parts
        .iter()
        .map(|part| match part {
            Part::Values(array) if array.data_type() == data_type => Ok(Arc::clone(array)),
            Part::Values(array) => cast(array, data_type),
            Part::Nulls(rows) => Ok(new_null_array(data_type, *rows)),
        })
        .collect::<Result<Vec<_>, _>>()?;
    let column = concatenated(&arrays)?;
    match order {
        Some(order) => take(&column, order, None),
        None => Ok(column),
    }
}

/// The arrays one after the other. There is at least one.
pub(crate) fn concatenated(arrays: &[ArrayRef]) -> Result<ArrayRef, ArrowError> {
    match arrays {
        [one] => Ok(Arc::clone(one)),
        _ => concat(&arrays.iter().map(|array| &**array).collect::<Vec<_>>()),
    }
}

//! The columns of an attached dataset as segments hold them.

use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, RecordBatchOptions, new_null_array};
use arrow::compute::{CastOptions, cast_with_options};
use arrow::datatypes::{DataType, FieldRef, Schema};
use datafusion::catalog::Session;
use datafusion::common::{DFSchema, Result, ScalarValue, TableReference, internal_err};
use datafusion::logical_expr::simplify::SimplifyContext;
use datafusion::logical_expr::{Expr, cast};
use datafusion::optimizer::simplify_expressions::ExprSimplifier;
use datafusion::physical_expr::PhysicalExpr;
use tallymark_event::LaneId;
use tallymark_memory::ColumnId;

use crate::events_table::EventColumn;

/// What the columns of an attached table are to segments.
#[derive(Debug)]
pub(super) struct HeldColumns {
    /// Where each column of the table comes from.
    pub(super) columns: Vec<EventColumn>,
    /// The events' columns by position, as far as there are: event, time, distinct id, user.
    system: Vec<HeldColumn>,
    /// The others; `None` for those of a type that segments do not hold.
    lanes: Vec<Option<HeldColumn>>,
    /// Their names and types.
    pub(super) lane_types: Arc<[(String, DataType)]>,
}

/// How a column is made from one of a file.
#[derive(Debug)]
pub(super) struct HeldColumn {
    pub(super) input: HeldInput,
    data_type: DataType,
    /// Over the input.
    expr: Arc<dyn PhysicalExpr>,
}

/// What a column is made from.
#[derive(Debug)]
pub(super) enum HeldInput {
    /// All rows have one value.
    Nothing,
    /// A column of the file, or nulls where the file does not have it.
    Stored(FieldRef),
    /// The value in the file's path, by its position among these.
    Partition(usize, FieldRef),
}

/// Columns of events before the day.
const SYSTEM_COLUMNS: usize = 4;

impl HeldColumns {
    /// `expressions` make the columns of the table, whose fields are `fields`, from those of the
    /// files, of which the last are `partitions` values of paths.
    pub(super) fn try_new(
        expressions: &[Expr],
        table: &Schema,
        files: &Schema,
        partitions: usize,
        name: &TableReference,
        state: &dyn Session,
    ) -> Result<Self> {
        let held = |expr: &Expr, data_type: DataType| {
            let expr = cast(expr.clone().unalias(), data_type.clone());
            HeldColumn::try_new(expr, data_type, files, partitions, name, state)
        };
        let fields = table.fields();
        if fields.len() != expressions.len() || fields.len() <= SYSTEM_COLUMNS {
            return internal_err!("an attached table has {} columns", fields.len());
        }
        let mut columns: Vec<EventColumn> = (0..SYSTEM_COLUMNS).map(EventColumn::System).collect();
        columns.push(EventColumn::Day);
        let system = expressions[..SYSTEM_COLUMNS]
            .iter()
            .zip(fields)
            .map(|(expr, field)| held(expr, field.data_type().clone()))
            .collect::<Result<_>>()?;
        let mut lanes = Vec::new();
        let mut lane_types = Vec::new();
        for (lane, (expr, field)) in (0..).zip(expressions.iter().zip(fields).skip(SYSTEM_COLUMNS + 1)) {
            columns.push(EventColumn::Lane(LaneId(lane)));
            let data_type = held_type(field.data_type());
            lanes.push(data_type.clone().map(|data_type| held(expr, data_type)).transpose()?);
            lane_types.push((field.name().clone(), data_type.unwrap_or(DataType::Null)));
        }
        Ok(Self { columns, system, lanes, lane_types: lane_types.into() })
    }

    /// A column; `None` if it is not held.
    pub(super) fn get(&self, column: ColumnId) -> Option<&HeldColumn> {
        match column {
            ColumnId::System(at) => self.system.get(at),
            ColumnId::Lane(lane) => self.lanes.get(lane.0 as usize)?.as_ref(),
        }
    }

    /// All columns, those that are not held too.
    pub(super) fn ids(&self) -> impl Iterator<Item = ColumnId> {
        let lanes = (0..self.lanes.len() as u32).map(|lane| ColumnId::Lane(LaneId(lane)));
        (0..self.system.len()).map(ColumnId::System).chain(lanes)
    }

    /// The position of a column among all.
    pub(super) fn position(&self, column: ColumnId) -> Option<usize> {
        match column {
            ColumnId::System(at) => (at < self.system.len()).then_some(at),
            ColumnId::Lane(lane) => Some(self.system.len() + lane.0 as usize),
        }
    }
}

impl HeldColumn {
    fn try_new(
        expr: Expr,
        data_type: DataType,
        files: &Schema,
        partitions: usize,
        name: &TableReference,
        state: &dyn Session,
    ) -> Result<Self> {
        let read: Vec<usize> = expr
            .column_refs()
            .into_iter()
            .map(|column| Ok(files.index_of(&column.name)?))
            .collect::<Result<_>>()?;
        let stored = files.fields().len() - partitions;
        let input = match read[..] {
            [] => HeldInput::Nothing,
            [at] if at < stored => HeldInput::Stored(Arc::clone(&files.fields()[at])),
            [at] => HeldInput::Partition(at - stored, Arc::clone(&files.fields()[at])),
            _ => return internal_err!("{expr} reads several columns"),
        };
        let schema = DFSchema::try_from_qualified_schema(name.clone(), &input.schema())?;
        // Some functions are only ever run as what they are simplified to.
        let context = SimplifyContext::builder().with_schema(Arc::new(schema.clone())).build();
        let expr = ExprSimplifier::new(context).simplify(expr)?;
        Ok(Self { expr: state.create_physical_expr(expr, &schema)?, input, data_type })
    }

    /// Its values, from those of the file: nothing where the file does not have the column.
    pub(super) fn of_stored(&self, stored: Option<ArrayRef>, rows: usize) -> Result<ArrayRef> {
        match &self.input {
            HeldInput::Stored(field) => {
                let array = stored.unwrap_or_else(|| new_null_array(field.data_type(), rows));
                self.evaluate(vec![in_type(&array, field.data_type())?], rows)
            }
            HeldInput::Nothing | HeldInput::Partition(..) => internal_err!("a column is not of the file"),
        }
    }

    /// Its values where they are not stored; `paths` are those of the file's path.
    pub(super) fn of_path(&self, paths: &[ScalarValue], rows: usize) -> Result<ArrayRef> {
        match &self.input {
            HeldInput::Nothing => self.evaluate(Vec::new(), rows),
            HeldInput::Partition(at, field) => {
                let Some(value) = paths.get(*at) else {
                    return internal_err!("a path has no value of {}", field.name());
                };
                self.evaluate(vec![in_type(&value.to_array_of_size(rows)?, field.data_type())?], rows)
            }
            HeldInput::Stored(_) => internal_err!("a column is not of the path"),
        }
    }

    fn evaluate(&self, columns: Vec<ArrayRef>, rows: usize) -> Result<ArrayRef> {
        let options = RecordBatchOptions::new().with_row_count(Some(rows));
        // What a file lacks is null, whatever others say.
        let fields: Vec<FieldRef> = self
            .input
            .schema()
            .fields()
            .iter()
            .map(|field| Arc::new(field.as_ref().clone().with_nullable(true)))
            .collect();
        let batch = RecordBatch::try_new_with_options(Arc::new(Schema::new(fields)), columns, &options)?;
        let values = self.expr.evaluate(&batch)?.into_array(rows)?;
        in_type(&values, &self.data_type)
    }
}

impl HeldInput {
    fn schema(&self) -> Schema {
        match self {
            Self::Nothing => Schema::empty(),
            Self::Stored(field) | Self::Partition(_, field) => Schema::new(vec![Arc::clone(field)]),
        }
    }
}

/// The type a column is held as; `None` if segments do not hold it.
///
/// Text is held as text, however the table has it. Dictionaries with small keys are not held: a
/// day's values from several files may be more than such keys can tell apart.
fn held_type(data_type: &DataType) -> Option<DataType> {
    match data_type {
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => Some(DataType::Utf8View),
        DataType::Dictionary(key, value)
            if matches!(**key, DataType::Int32 | DataType::Int64 | DataType::UInt64) && value.is_string() =>
        {
            Some(DataType::Utf8View)
        }
        DataType::Boolean
        | DataType::Date32
        | DataType::Date64
        | DataType::Time32(_)
        | DataType::Time64(_)
        | DataType::Timestamp(..)
        | DataType::Duration(_) => Some(data_type.clone()),
        number if number.is_numeric() => Some(number.clone()),
        _ => None,
    }
}

/// Values in another type; those that have none there are an error.
fn in_type(array: &ArrayRef, data_type: &DataType) -> Result<ArrayRef> {
    if array.data_type() == data_type {
        return Ok(Arc::clone(array));
    }
    Ok(cast_with_options(array, data_type, &CastOptions { safe: false, ..CastOptions::default() })?)
}

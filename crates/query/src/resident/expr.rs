//! Expressions over segments: evaluated once where one value stands for many rows.
//!
//! An expression that reads one dictionary column is evaluated on the distinct values; one that
//! looks at the time only in whole minutes, on the minutes of the day; one that reads nothing but
//! the day, once; one that reads nothing but the user (and the day), user by user. All others are
//! evaluated row by row, as anywhere else in DataFusion.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

use arrow::array::{
    Array, ArrayRef, AsArray, BooleanArray, BooleanBufferBuilder, RecordBatch, RecordBatchOptions,
    TimestampMillisecondArray, UInt32Array, new_null_array,
};
use arrow::compute::take;
use arrow::datatypes::{DataType, Field, FieldRef, Schema, SchemaRef, TimeUnit};
use datafusion::catalog::Session;
use datafusion::common::tree_node::{Transformed, TreeNode as _, TreeNodeRecursion};
use datafusion::common::{DFSchema, Result, ScalarValue};
use datafusion::logical_expr::{Expr, Operator};
use datafusion::physical_expr::expressions::{BinaryExpr, CastExpr, Column, Literal};
use datafusion::physical_expr::utils::{Guarantee, LiteralGuarantee, collect_columns, reassign_expr_columns};
use datafusion::physical_expr::{PhysicalExpr, ScalarFunctionExpr};
use tallymark_event::columns::{TIME, USER_ID};
use tallymark_memory::{RowsByCode, SparseColumn, UserDirectory};

use super::among::Among;
use super::inputs::{BoundSegment, Dictionary, Inputs, NOBODY, Rows, UserRuns, values_and_null};
use super::user_values::UserValues;
use crate::functions::time_bucket::TIME_BUCKET;

/// Minutes of a day.
pub(crate) const MINUTES: usize = 24 * 60;
/// Milliseconds of a minute.
pub(crate) const MINUTE_MS: u32 = 60_000;
/// From this day on (1973-01-01) all time zones are whole minutes from UTC: Liberia, the last with
/// odd seconds, changed in January 1972.
const WHOLE_MINUTE_ZONES_FROM: i32 = 3 * 365 + 1;

/// A deterministic expression over [`Inputs`].
#[derive(Debug, Clone)]
pub(crate) struct SegmentExpr {
    /// Over `schema`.
    expr: Arc<dyn PhysicalExpr>,
    /// The inputs it reads, as columns of a batch for it, then one for each of `sets` and one for each
    /// of `by_user`.
    schema: SchemaRef,
    /// The positions of the inputs.
    inputs: Vec<usize>,
    /// The sets of users it asks about: answers are columns to the expression.
    sets: Sets,
    /// Parts that read the user alone, where others do not: their values are columns to the
    /// expression.
    by_user: Vec<SegmentExpr>,
    /// Whether it looks at ids of users otherwise.
    reads_ids: bool,
    /// Whether it is the same for all times of a minute.
    by_minute: bool,
    /// The only users it can be true for, if it names them and reads nothing else.
    named_users: Option<Arc<BTreeSet<String>>>,
    of_all_users: Arc<OfAllUsers>,
}

/// The values of an expression over the user alone: once it was asked for as many users as there
/// are, in one segment after the other, it is evaluated for all of them, and looked up from then on.
#[derive(Debug, Default)]
struct OfAllUsers {
    asked: AtomicUsize,
    /// One for each ordinal, and last the one for nobody.
    values: OnceLock<(Arc<UserDirectory>, ArrayRef)>,
}

impl SegmentExpr {
    pub(crate) fn try_new(
        state: &dyn Session,
        expr: Expr,
        inputs: &Inputs,
        schema: &DFSchema,
    ) -> Result<Self> {
        Self::of_physical(&state.create_physical_expr(expr, schema)?, inputs)
    }

    /// An expression planned against [`Inputs::schema`].
    pub(crate) fn of_physical(expr: &Arc<dyn PhysicalExpr>, inputs: &Inputs) -> Result<Self> {
        let mut positions: Vec<usize> = collect_columns(expr).iter().map(Column::index).collect();
        positions.sort_unstable();
        let fields: Vec<_> = positions.iter().map(|at| Arc::clone(&inputs.schema().fields()[*at])).collect();
        let schema = Arc::new(Schema::new(fields.clone()));
        let expr = reassign_expr_columns(Arc::clone(expr), &schema)?;
        let by_minute = same_within_minute(&expr);
        let named_users = named_users(&expr, &schema).map(Arc::new);
        let (expr, sets) = sets_apart(expr, fields.len())?;
        let (expr, by_user) = users_apart(expr, inputs, fields.len() + sets.len())?;
        let answers = (0..sets.len()).map(|at| Field::new(set_column(at), DataType::Boolean, true));
        let mut more: Vec<FieldRef> = answers.map(Arc::new).collect();
        for (at, part) in by_user.iter().enumerate() {
            more.push(Arc::new(Field::new(user_column(at), part.data_type()?, true)));
        }
        let reads_ids = collect_columns(&expr).iter().any(|column| column.name() == USER_ID);
        let schema = Arc::new(Schema::new(fields.into_iter().chain(more).collect::<Vec<_>>()));
        let (inputs, of_all_users) = (positions, Arc::default());
        Ok(Self { expr, schema, inputs, sets, by_user, reads_ids, by_minute, named_users, of_all_users })
    }

    pub(crate) fn data_type(&self) -> Result<DataType> {
        self.expr.data_type(&self.schema)
    }

    /// The position of the input it is, if it is one unchanged.
    pub(crate) fn as_input(&self) -> Option<usize> {
        let is_whole = self.sets.is_empty() && self.by_user.is_empty();
        self.expr.downcast_ref::<Column>().filter(|_| is_whole)?;
        self.inputs.first().copied()
    }

    pub(crate) fn physical(&self) -> &Arc<dyn PhysicalExpr> {
        &self.expr
    }

    pub(crate) fn inputs(&self) -> &[usize] {
        &self.inputs
    }

    /// The only users it can be true for, if it names them and reads nothing else.
    pub(crate) fn named_users(&self) -> Option<&BTreeSet<String>> {
        self.named_users.as_deref()
    }

    /// Prepares it for one segment.
    pub(crate) fn bind(&self, segment: &BoundSegment) -> Result<BoundExpr> {
        let constant = self.inputs.iter().all(|input| segment.is_constant(*input));
        if constant {
            return Ok(BoundExpr::Constant(self.evaluate(segment, &Rows::Range(0..1))?));
        }
        let is_of_user = |input: &usize| segment.is_user(*input) || segment.is_constant(*input);
        if self.as_input().is_none() && self.inputs.iter().all(is_of_user) {
            return Ok(BoundExpr::ByUser);
        }
        if let [input] = self.inputs[..] {
            if let Some(dictionary) = segment.dictionary(input) {
                let values = self.on(vec![values_and_null(dictionary.values())?])?;
                return Ok(BoundExpr::Coded { input, values });
            }
            if segment.is_time(input)
                && self.by_minute
                // On a day of few rows it is less work to look at them.
                && segment.segment().row_count() > MINUTES
                && segment.segment().day().days() >= WHOLE_MINUTE_ZONES_FROM
            {
                let start = segment.segment().day().start().millis();
                let minutes = (0..MINUTES as i64).map(|minute| start + minute * i64::from(MINUTE_MS));
                let minutes: TimestampMillisecondArray = minutes.collect::<Vec<_>>().into();
                let values = self.on(vec![Arc::new(minutes.with_timezone("UTC"))])?;
                // Mostly the days of a report are those of segments.
                let is_one = values.slice(0, MINUTES - 1).as_ref() == values.slice(1, MINUTES - 1).as_ref();
                return Ok(if is_one {
                    BoundExpr::Constant(values.slice(0, 1))
                } else {
                    BoundExpr::ByMinute(values)
                });
            }
        }
        Ok(BoundExpr::ByRow)
    }

    /// The column that decides alone, if few rows have a value in it.
    pub(crate) fn sparse_input<'a>(&self, segment: &'a BoundSegment) -> Option<&'a SparseColumn> {
        match self.inputs[..] {
            [input] if self.sets.is_empty() && self.by_user.is_empty() => segment.sparse(input),
            _ => None,
        }
    }

    /// Its values where [`SegmentExpr::sparse_input`] has one, and last the one for null.
    pub(crate) fn of_sparse(&self, column: &SparseColumn) -> Result<ArrayRef> {
        self.on(vec![values_and_null(column.values())?])
    }

    /// Its values at some rows.
    pub(crate) fn evaluate(&self, segment: &BoundSegment, rows: &Rows) -> Result<ArrayRef> {
        let array = |input: &usize| {
            if segment.is_user(*input) && !self.reads_ids {
                return Ok(new_null_array(&DataType::Utf8View, rows.count()));
            }
            segment.array(*input, rows)
        };
        let mut columns = self.inputs.iter().map(array).collect::<Result<Vec<_>>>()?;
        if !self.sets.is_empty() {
            let mut ordinals = Vec::new();
            segment.ordinals(rows, &mut ordinals);
            columns.extend(self.answers(segment, &ordinals));
        }
        if !self.by_user.is_empty() {
            let runs = UserRuns::of(segment, rows);
            let places = runs.places();
            for part in &self.by_user {
                columns.push(take(&part.of_users(segment, &runs.ordinals)?, &places, None)?);
            }
        }
        self.on_rows(columns, rows.count())
    }

    /// Its values at users of a segment, one for each ordinal.
    pub(crate) fn of_users(&self, segment: &BoundSegment, ordinals: &[u32]) -> Result<ArrayRef> {
        if let Some(known) = UserValues::of_expr(&self.expr, segment.directory()) {
            return known.of_ordinals(ordinals);
        }
        if let Some(values) = self.of_all_users(segment, ordinals.len())? {
            let nobody = values.len() as u32 - 1;
            let places: UInt32Array =
                ordinals.iter().map(|ordinal| (*ordinal).min(nobody)).collect::<Vec<_>>().into();
            return Ok(take(&values, &places, None)?);
        }
        self.on_users(segment, ordinals)
    }

    /// The set of users it asks about, if it does nothing else.
    pub(crate) fn as_set(&self) -> Option<&Among> {
        match &self.sets[..] {
            [set] if self.expr.is::<Column>() => Some(set),
            _ => None,
        }
    }

    /// What is known of each user, if it is true just of the events at that time.
    pub(crate) fn time_of_user(&self) -> Option<&Self> {
        let comparison = self.expr.downcast_ref::<BinaryExpr>()?;
        let (of_user, time) =
            (comparison.left().downcast_ref::<Column>()?, comparison.right().downcast_ref::<Column>()?);
        let [known] = &self.by_user[..] else { return None };
        let is_known = self.sets.is_empty() && of_user.index() == self.inputs.len();
        let is_time = matches!(known.data_type(), Ok(DataType::Timestamp(TimeUnit::Millisecond, Some(_))))
            && time.index() < self.inputs.len()
            && time.name() == TIME;
        (is_known && is_time && *comparison.op() == Operator::IsNotDistinctFrom).then_some(known)
    }

    /// The set of users that are all it is true for, whatever else it is null or false for.
    pub(crate) fn as_true_of_set(&self) -> Option<&Among> {
        let [set] = &self.sets[..] else { return None };
        let is_true = |expr: &BinaryExpr| {
            let literal = expr.right().downcast_ref::<Literal>().map(Literal::value);
            *expr.op() == Operator::IsNotDistinctFrom
                && expr.left().is::<Column>()
                && matches!(literal, Some(ScalarValue::Boolean(Some(true))))
        };
        (self.expr.is::<Column>() || self.expr.downcast_ref::<BinaryExpr>().is_some_and(is_true))
            .then_some(&**set)
    }

    fn on_users(&self, segment: &BoundSegment, ordinals: &[u32]) -> Result<ArrayRef> {
        if let Some(set) = self.as_set() {
            return Ok(Arc::new(set.of_ordinals(segment.directory(), ordinals)));
        }
        let array = |input: &usize| {
            if segment.is_user(*input) && !self.reads_ids {
                return Ok(new_null_array(&DataType::Utf8View, ordinals.len()));
            }
            segment.array_of_users(*input, ordinals)
        };
        let mut columns = self.inputs.iter().map(array).collect::<Result<Vec<_>>>()?;
        columns.extend(self.answers(segment, ordinals));
        for part in &self.by_user {
            columns.push(part.of_users(segment, ordinals)?);
        }
        self.on_rows(columns, ordinals.len())
    }

    /// For each set, whether users are in it.
    fn answers(&self, segment: &BoundSegment, ordinals: &[u32]) -> impl Iterator<Item = ArrayRef> {
        let answer = |set: &Arc<Among>| Arc::new(set.of_ordinals(segment.directory(), ordinals)) as ArrayRef;
        self.sets.iter().map(answer)
    }

    /// See [`OfAllUsers`]; `None` while it is not worth it.
    fn of_all_users(&self, segment: &BoundSegment, count: usize) -> Result<Option<ArrayRef>> {
        let [input] = self.inputs[..] else { return Ok(None) };
        if !segment.is_user(input) || self.expr.is::<Column>() {
            return Ok(None);
        }
        let (all, users) = (&self.of_all_users, segment.directory());
        if let Some((known, values)) = all.values.get() {
            return Ok(Arc::ptr_eq(known, users).then(|| Arc::clone(values)));
        }
        if all.asked.fetch_add(count, Ordering::Relaxed) + count < users.len() {
            return Ok(None);
        }
        let everyone: Vec<u32> = (0..users.len() as u32).chain([NOBODY]).collect();
        let values = self.on_users(segment, &everyone)?;
        let (known, values) = all.values.get_or_init(|| (Arc::clone(users), values));
        Ok(Arc::ptr_eq(known, users).then(|| Arc::clone(values)))
    }

    fn on(&self, columns: Vec<ArrayRef>) -> Result<ArrayRef> {
        let rows = columns.first().map_or(1, Array::len);
        self.on_rows(columns, rows)
    }

    fn on_rows(&self, columns: Vec<ArrayRef>, rows: usize) -> Result<ArrayRef> {
        if let [column] = &columns[..]
            && self.expr.is::<Column>()
        {
            return Ok(Arc::clone(column));
        }
        let options = RecordBatchOptions::new().with_row_count(Some(rows));
        // Values of a dictionary may be null where the column is not.
        let schema = Schema::new(
            self.schema
                .fields()
                .iter()
                .map(|field| field.as_ref().clone().with_nullable(true))
                .collect::<Vec<_>>(),
        );
        let batch = RecordBatch::try_new_with_options(Arc::new(schema), columns, &options)?;
        self.expr.evaluate(&batch)?.into_array(rows)
    }
}

/// An expression prepared for one segment.
#[derive(Debug, Clone)]
pub(crate) enum BoundExpr {
    /// One value for all rows.
    Constant(ArrayRef),
    /// A value for each code of that input's dictionary, and last the one for null.
    Coded { input: usize, values: ArrayRef },
    /// A value for each minute of the day.
    ByMinute(ArrayRef),
    /// To be evaluated on the users of the rows, once for each.
    ByUser,
    /// To be evaluated on the rows.
    ByRow,
}

impl BoundExpr {
    /// The values that stand for many rows each; `None` if there are none such.
    pub(crate) fn values(&self) -> Option<&ArrayRef> {
        match self {
            Self::Constant(values) | Self::Coded { values, .. } | Self::ByMinute(values) => Some(values),
            Self::ByUser | Self::ByRow => None,
        }
    }

    /// Whether rows have the same entries in the tables of both (see [`BoundExpr::map`]).
    pub(crate) fn has_codes_of(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Coded { input, .. }, Self::Coded { input: other, .. }) => input == other,
            (Self::ByMinute(_), Self::ByMinute(_)) => true,
            _ => false,
        }
    }

    /// The code of each row, if there are few different ones and no row has none.
    pub(crate) fn byte_codes<'a>(&self, segment: &'a BoundSegment) -> Option<&'a [u8]> {
        let Self::Coded { input, .. } = self else { return None };
        match segment.dictionary(*input).filter(|_| segment.sparse(*input).is_none())? {
            Dictionary::U8(array) if array.null_count() == 0 => Some(array.keys().values()),
            _ => None,
        }
    }

    /// The column of its codes, if few rows have one.
    pub(crate) fn sparse_codes<'a>(&self, segment: &'a BoundSegment) -> Option<&'a SparseColumn> {
        let Self::Coded { input, .. } = self else { return None };
        segment.sparse(*input)
    }

    /// The rows of each code, where they are known.
    pub(crate) fn rows_by_code<'a>(&self, segment: &'a BoundSegment) -> Option<&'a RowsByCode> {
        let Self::Coded { input, .. } = self else { return None };
        segment.rows_by_code(*input)
    }

    /// The values of `of`, the expression this is the preparation of, at some rows.
    pub(crate) fn evaluate(&self, of: &SegmentExpr, segment: &BoundSegment, rows: &Rows) -> Result<ArrayRef> {
        if let Self::ByUser = self {
            let runs = UserRuns::of(segment, rows);
            return Ok(take(&of.of_users(segment, &runs.ordinals)?, &runs.places(), None)?);
        }
        let Some(values) = self.values().filter(|_| of.as_input().is_none()) else {
            return of.evaluate(segment, rows);
        };
        if let Some(values) = values.as_boolean_opt().filter(|values| values.null_count() == 0) {
            let table: Vec<bool> = values.values().iter().collect();
            let mut bits = BooleanBufferBuilder::new(rows.count());
            self.map(segment, &table, rows, |bit| bits.append(bit))?;
            return Ok(Arc::new(BooleanArray::new(bits.finish(), None)));
        }
        let places: Vec<u32> = (0..values.len() as u32).collect();
        let mut indices = Vec::with_capacity(rows.count());
        self.map(segment, &places, rows, |index| indices.push(index))?;
        Ok(take(values, &UInt32Array::from(indices), None)?)
    }

    /// Gives for each row the entry of `table` that stands for its value in [`BoundExpr::values`].
    pub(crate) fn map<T: Copy>(
        &self,
        segment: &BoundSegment,
        table: &[T],
        rows: &Rows,
        mut each: impl FnMut(T),
    ) -> Result<()> {
        match self {
            Self::Constant(_) => (0..rows.count()).for_each(|_| each(table[0])),
            Self::Coded { input, .. } => {
                segment.map_codes(*input, table, rows, each)?;
            }
            Self::ByMinute(_) => {
                let times = segment.segment().times();
                let mut at = |time: u32| each(table[(time / MINUTE_MS) as usize]);
                match rows {
                    Rows::Range(range) => times[range.clone()].iter().for_each(|time| at(*time)),
                    Rows::List(rows) => rows.values().iter().for_each(|row| at(times[*row as usize])),
                }
            }
            Self::ByUser | Self::ByRow => {}
        }
        Ok(())
    }
}

/// The sets of users an expression asks about.
type Sets = Vec<Arc<Among>>;

/// Replaces questions about sets of users by columns from this position on.
fn sets_apart(expr: Arc<dyn PhysicalExpr>, from: usize) -> Result<(Arc<dyn PhysicalExpr>, Sets)> {
    let mut sets = Vec::new();
    let replaced = expr.transform_down(|expr| {
        let Some(set) = Among::of_expr(&expr) else { return Ok(Transformed::no(expr)) };
        let at = sets.len();
        sets.push(set);
        Ok(Transformed::yes(Arc::new(Column::new(&set_column(at), from + at)) as Arc<dyn PhysicalExpr>))
    });
    Ok((replaced?.data, sets))
}

/// Replaces calls of functions of the user alone by columns from this position on, where the
/// expression reads something else too; and says what they are, over [`Inputs`].
fn users_apart(
    expr: Arc<dyn PhysicalExpr>,
    inputs: &Inputs,
    from: usize,
) -> Result<(Arc<dyn PhysicalExpr>, Vec<SegmentExpr>)> {
    let reads_user_alone = |expr: &Arc<dyn PhysicalExpr>| {
        let read = collect_columns(expr);
        !read.is_empty() && read.iter().all(|column| column.name() == USER_ID)
    };
    let mut parts = Vec::new();
    if reads_user_alone(&expr) {
        return Ok((expr, parts));
    }
    let replaced = expr.transform_down(|expr| {
        if !expr.is::<ScalarFunctionExpr>() || !reads_user_alone(&expr) {
            return Ok(Transformed::no(expr));
        }
        let part = SegmentExpr::of_physical(&reassign_expr_columns(expr, inputs.schema())?, inputs)?;
        let at = parts.len();
        parts.push(part);
        let column = Arc::new(Column::new(&user_column(at), from + at)) as Arc<dyn PhysicalExpr>;
        Ok(Transformed::new(column, true, TreeNodeRecursion::Jump))
    });
    Ok((replaced?.data, parts))
}

fn user_column(at: usize) -> String {
    format!("of_user_{at}")
}

fn set_column(at: usize) -> String {
    format!("is_among_{at}")
}

/// The users that an expression over the user alone names: for all others it is not true.
fn named_users(expr: &Arc<dyn PhysicalExpr>, schema: &Schema) -> Option<BTreeSet<String>> {
    if !schema.fields().iter().all(|field| field.name() == USER_ID) {
        return None;
    }
    let named = LiteralGuarantee::analyze(expr)
        .into_iter()
        .find(|known| known.column.name == USER_ID && known.guarantee == Guarantee::In)?;
    Some(named.literals.iter().filter_map(|id| id.try_as_str().flatten()).map(str::to_owned).collect())
}

/// Whether an expression looks at the time only through functions that are the same for all times
/// of one minute, in any zone a whole number of minutes from UTC.
fn same_within_minute(expr: &Arc<dyn PhysicalExpr>) -> bool {
    if expr.is::<Literal>() {
        return true;
    }
    if expr.is::<Column>() {
        return false;
    }
    if let Some(cast) = expr.downcast_ref::<CastExpr>()
        && cast.cast_type() == &DataType::Date32
        && is_time(cast.expr())
    {
        return true;
    }
    if let Some(function) = expr.downcast_ref::<ScalarFunctionExpr>()
        && function.name() == TIME_BUCKET
        && let [unit, time, others @ ..] = function.args()
    {
        // All units begin with a minute.
        return is_time(time) && [unit].into_iter().chain(others).all(|arg| arg.is::<Literal>());
    }
    if let Some(function) = expr.downcast_ref::<ScalarFunctionExpr>()
        && let [unit, time] = function.args()
        && is_time(time)
        && let Some(ScalarValue::Utf8(Some(unit)) | ScalarValue::Utf8View(Some(unit))) =
            unit.downcast_ref::<Literal>().map(Literal::value)
    {
        let unit = unit.to_lowercase();
        return match function.name() {
            "date_trunc" => {
                matches!(unit.as_str(), "minute" | "hour" | "day" | "week" | "month" | "quarter" | "year")
            }
            "date_part" => matches!(
                unit.as_str(),
                "minute"
                    | "hour"
                    | "day"
                    | "doy"
                    | "dow"
                    | "isodow"
                    | "week"
                    | "month"
                    | "quarter"
                    | "year"
                    | "isoyear"
            ),
            _ => false,
        };
    }
    let children = expr.children();
    !children.is_empty() && children.into_iter().all(same_within_minute)
}

/// The time itself, in any unit and zone.
fn is_time(expr: &Arc<dyn PhysicalExpr>) -> bool {
    if let Some(column) = expr.downcast_ref::<Column>() {
        return column.name() == TIME;
    }
    if let Some(cast) = expr.downcast_ref::<CastExpr>() {
        return matches!(cast.cast_type(), DataType::Timestamp(..)) && is_time(cast.expr());
    }
    match expr.downcast_ref::<ScalarFunctionExpr>() {
        Some(function) if function.name() == "to_local_time" => function.args().iter().all(is_time),
        _ => false,
    }
}

//! The columns a query reads, and one segment's rows of them.

use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, Date32Array, DictionaryArray, TimestampMillisecondArray, UInt32Array,
};
use arrow::compute::{CastOptions, cast_with_options, take};
use arrow::datatypes::{
    ArrowDictionaryKeyType, DataType, Schema, SchemaRef, UInt8Type, UInt16Type, UInt32Type,
};
use datafusion::common::{DFSchema, Result, internal_err};
use datafusion::logical_expr::Expr;
use tallymark_memory::{
    ColumnId, Layout, LayoutNeeds, LoadedSegment, RowsByCode, Segment, SegmentColumn, SparseColumn,
    UserDirectory,
};

use crate::error::not_loaded;
use crate::events_table::{EventColumn, EventsTable};

/// Does something with the dictionary of whatever width.
macro_rules! with_dictionary {
    ($dictionary:expr, $array:ident => $body:expr) => {
        match $dictionary {
            Dictionary::U8($array) => $body,
            Dictionary::U16($array) => $body,
            Dictionary::U32($array) => $body,
        }
    };
}

/// The columns of `events` that some expressions read, in the table's order. Expressions of a query
/// over segments are planned against [`Inputs::schema`].
#[derive(Debug)]
pub(crate) struct Inputs {
    columns: Vec<EventColumn>,
    schema: SchemaRef,
}

impl Inputs {
    /// The columns of these positions in the table's schema.
    pub(crate) fn of_positions(table: &EventsTable, positions: &BTreeSet<usize>) -> Self {
        let fields: Vec<_> = positions.iter().map(|at| Arc::clone(&table.schema.fields()[*at])).collect();
        let columns = positions.iter().map(|at| table.columns[*at]).collect();
        Self { columns, schema: Arc::new(Schema::new(fields)) }
    }

    /// The columns that expressions over the table read.
    pub(crate) fn of_exprs<'a>(table: &EventsTable, exprs: impl IntoIterator<Item = &'a Expr>) -> Self {
        let mut positions = BTreeSet::new();
        for expr in exprs {
            positions.extend(expr.column_refs().iter().filter_map(|column| table.position(&column.name)));
        }
        Self::of_positions(table, &positions)
    }

    pub(crate) fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    pub(crate) fn df_schema(&self) -> Result<DFSchema> {
        DFSchema::try_from(self.schema.as_ref().clone())
    }

    /// What must be resident to read them.
    pub(crate) fn reads(&self) -> Vec<ColumnId> {
        self.columns.iter().filter_map(|column| id_of(*column)).collect()
    }

    /// What a layout has to know for them before columns are loaded.
    pub(crate) fn needs(&self) -> LayoutNeeds {
        LayoutNeeds { users: self.reads().contains(&ColumnId::USER_ID), times: false }
    }

    /// Loads what is missing of one segment.
    pub(crate) async fn bind(&self, layout: &Layout, segment_index: usize) -> Result<BoundSegment> {
        let columns: Vec<ColumnId> = self.columns.iter().filter_map(|column| load_of(*column)).collect();
        let times = async {
            if self.reads().contains(&ColumnId::TIME) {
                layout.load_times(segment_index).await
            } else {
                Ok(0)
            }
        };
        let loaded = futures::future::try_join(layout.load(segment_index, &columns), times).await;
        let (loaded, time_bytes) = loaded.map_err(not_loaded)?;
        let mut bound = BoundSegment::new(self, loaded, Arc::clone(layout.users()))?;
        bound.loaded_bytes += time_bytes;
        Ok(bound)
    }
}

/// A column of the events; a day is one value.
fn id_of(column: EventColumn) -> Option<ColumnId> {
    match column {
        EventColumn::System(at) => Some(ColumnId::System(at)),
        EventColumn::Day => None,
        EventColumn::Lane(lane) => Some(ColumnId::Lane(lane)),
    }
}

/// Times and users are kept by the segment itself.
fn load_of(column: EventColumn) -> Option<ColumnId> {
    id_of(column).filter(|column| !matches!(*column, ColumnId::TIME | ColumnId::USER_ID))
}

/// Some rows of a segment, ascending.
#[derive(Debug, Clone)]
pub(crate) enum Rows {
    /// All of a range.
    Range(Range<usize>),
    /// These.
    List(UInt32Array),
}

impl Rows {
    pub(crate) fn count(&self) -> usize {
        match self {
            Self::Range(range) => range.len(),
            Self::List(rows) => rows.len(),
        }
    }

    /// The first so many, and the others.
    pub(crate) fn split(self, count: usize) -> (Self, Self) {
        let count = count.min(self.count());
        match self {
            Self::Range(range) => {
                let middle = range.start + count;
                (Self::Range(range.start..middle), Self::Range(middle..range.end))
            }
            Self::List(rows) => {
                let rest = rows.slice(count, rows.len() - count);
                (Self::List(rows.slice(0, count)), Self::List(rest))
            }
        }
    }
}

/// Where the values of an input are.
#[derive(Debug)]
enum Source {
    Time,
    User,
    Day,
    Column(ArrayRef),
    /// Few rows have a value.
    Sparse(Arc<SparseColumn>),
}

/// A segment with the columns of a query.
#[derive(Debug)]
pub(crate) struct BoundSegment {
    sources: Vec<Source>,
    /// The input that event names are, with the rows of each code, if they are known.
    rows_by_event: Option<(usize, Arc<RowsByCode>)>,
    users: Arc<UserDirectory>,
    segment: Arc<Segment>,
    /// Bytes that had to be read for it.
    pub(crate) loaded_bytes: u64,
}

impl BoundSegment {
    fn new(inputs: &Inputs, loaded: LoadedSegment, users: Arc<UserDirectory>) -> Result<Self> {
        let mut columns = loaded.columns.into_iter();
        let sources = inputs
            .columns
            .iter()
            .zip(inputs.schema.fields())
            .map(|(column, field)| {
                Ok(match (load_of(*column), column) {
                    (Some(_), _) => match columns.next() {
                        Some(column) => source_of(column, field.data_type())?,
                        None => return internal_err!("column {} was not loaded", field.name()),
                    },
                    (None, EventColumn::Day) => Source::Day,
                    (None, EventColumn::System(at)) if ColumnId::System(*at) == ColumnId::TIME => {
                        Source::Time
                    }
                    (None, _) => Source::User,
                })
            })
            .collect::<Result<_>>()?;
        let events = inputs.columns.iter().position(|column| id_of(*column) == Some(ColumnId::EVENT));
        Ok(Self {
            sources,
            rows_by_event: events.zip(loaded.rows_by_event),
            users,
            segment: loaded.segment,
            loaded_bytes: loaded.loaded_bytes,
        })
    }

    pub(crate) fn segment(&self) -> &Segment {
        &self.segment
    }

    /// Bytes of the segment and these columns.
    pub(crate) fn bytes(&self) -> usize {
        let of_source = |source: &Source| match source {
            Source::Column(array) => array.get_array_memory_size(),
            Source::Sparse(column) => column.bytes(),
            Source::Time | Source::User | Source::Day => 0,
        };
        self.segment.bytes() + self.sources.iter().map(of_source).sum::<usize>()
    }

    /// The users that ordinals are of.
    pub(crate) fn directory(&self) -> &Arc<UserDirectory> {
        &self.users
    }

    /// The dictionary an input is kept as, if it is.
    pub(crate) fn dictionary(&self, input: usize) -> Option<Dictionary<'_>> {
        match &self.sources[input] {
            Source::Column(array) => Dictionary::of(array),
            Source::Sparse(column) => Dictionary::of(column.values()),
            Source::Time | Source::User | Source::Day => None,
        }
    }

    /// For each of some rows the entry of `table` that its code in an input's dictionary stands for:
    /// `table[code]`, and the last entry for null.
    pub(crate) fn map_codes<T: Copy>(
        &self,
        input: usize,
        table: &[T],
        rows: &Rows,
        each: impl FnMut(T),
    ) -> Result<()> {
        let (Some(dictionary), Some(null)) = (self.dictionary(input), table.last().copied()) else {
            return internal_err!("codes have a table with an entry for null");
        };
        match self.sparse(input) {
            Some(column) => {
                with_dictionary!(dictionary, array => map_sparse_codes(array, column, table, null, rows, each));
            }
            None => with_dictionary!(dictionary, array => map_codes(array, table, null, rows, each)),
        }
        Ok(())
    }

    /// The values of an input of which few rows have one.
    pub(crate) fn sparse(&self, input: usize) -> Option<&SparseColumn> {
        match &self.sources[input] {
            Source::Sparse(column) => Some(column),
            _ => None,
        }
    }

    /// The rows of each code of an input's dictionary, if they are known.
    pub(crate) fn rows_by_code(&self, input: usize) -> Option<&RowsByCode> {
        self.rows_by_event.as_ref().filter(|(events, _)| *events == input).map(|(_, rows)| &**rows)
    }

    /// Whether all rows of the segment have one value of this input.
    pub(crate) fn is_constant(&self, input: usize) -> bool {
        matches!(self.sources[input], Source::Day)
    }

    pub(crate) fn is_time(&self, input: usize) -> bool {
        matches!(self.sources[input], Source::Time)
    }

    pub(crate) fn is_user(&self, input: usize) -> bool {
        matches!(self.sources[input], Source::User)
    }

    /// The values of an input at users, one for each ordinal. All rows of a user have the same.
    pub(crate) fn array_of_users(&self, input: usize, ordinals: &[u32]) -> Result<ArrayRef> {
        match &self.sources[input] {
            Source::User => user_ids(&self.users, ordinals),
            Source::Day => Ok(Arc::new(Date32Array::from_value(self.segment.day().days(), ordinals.len()))),
            Source::Time | Source::Column(_) | Source::Sparse(_) => {
                internal_err!("rows of one user differ in an input")
            }
        }
    }

    /// Those of some users that have rows here, and which: ascending.
    pub(crate) fn rows_of_users(&self, ids: &BTreeSet<String>) -> Vec<(u32, Range<u32>)> {
        let (users, starts) = (self.segment.users(), self.segment.starts());
        // Order by id is order by ordinal.
        ids.iter()
            .filter_map(|id| {
                let ordinal = self.users.ordinal(id)?;
                let at = users.binary_search(&ordinal).ok()?;
                Some((ordinal, starts[at]..starts[at + 1]))
            })
            .collect()
    }

    /// The values of an input at some rows, of the type the table has it in.
    pub(crate) fn array(&self, input: usize, rows: &Rows) -> Result<ArrayRef> {
        match &self.sources[input] {
            Source::Column(array) => plain(array, rows),
            Source::Sparse(column) => without_dictionary(match rows {
                Rows::Range(range) => column.range(range.clone())?,
                Rows::List(rows) => column.take(rows)?,
            }),
            Source::Day => Ok(Arc::new(Date32Array::from_value(self.segment.day().days(), rows.count()))),
            Source::Time => Ok(match rows {
                Rows::Range(range) => self.segment.time_array(range.clone()),
                Rows::List(rows) => {
                    let start = self.segment.day().start().millis();
                    let times = self.segment.times();
                    let times: TimestampMillisecondArray = rows
                        .values()
                        .iter()
                        .map(|row| start + i64::from(times[*row as usize]))
                        .collect::<Vec<_>>()
                        .into();
                    Arc::new(times.with_timezone("UTC"))
                }
            }),
            Source::User => match rows {
                Rows::Range(range) => Ok(self.segment.user_id_array(&self.users, range.clone())),
                Rows::List(_) => {
                    let mut ordinals = Vec::with_capacity(rows.count());
                    self.ordinals(rows, &mut ordinals);
                    user_ids(&self.users, &ordinals)
                }
            },
        }
    }

    /// The users of some rows, [`NOBODY`] for nobody.
    pub(crate) fn ordinals(&self, rows: &Rows, out: &mut Vec<u32>) {
        let rows = match rows {
            Rows::Range(range) => return self.segment.ordinals(range.clone(), out),
            Rows::List(rows) => rows.values(),
        };
        let (users, starts) = (self.segment.users(), self.segment.starts());
        out.clear();
        let Some(first) = rows.first() else { return };
        // Rows are ascending, and so are users. Nobody's rows come before `starts[0]`.
        let mut at = starts.partition_point(|start| start <= first);
        for row in rows {
            while at < starts.len() && starts[at] <= *row {
                at += 1;
            }
            out.push(if at == 0 { NOBODY } else { users[at - 1] });
        }
    }
}

/// Some rows of a segment as runs of neighbours of one user.
#[derive(Debug, Default)]
pub(crate) struct UserRuns {
    /// The user of each run, [`NOBODY`] for nobody.
    pub(crate) ordinals: Vec<u32>,
    /// How many rows each run has.
    pub(crate) lengths: Vec<u32>,
}

impl UserRuns {
    pub(crate) fn of(segment: &BoundSegment, rows: &Rows) -> Self {
        let (users, starts) = (segment.segment().users(), segment.segment().starts());
        let user = |at: usize| if at == 0 { NOBODY } else { users[at - 1] };
        let mut runs = Self::default();
        match rows {
            Rows::Range(range) => {
                let (mut row, end) = (range.start as u32, range.end as u32);
                let mut at = starts.partition_point(|start| *start <= row);
                while row < end {
                    let run_end = starts.get(at).map_or(end, |start| end.min(*start));
                    runs.ordinals.push(user(at));
                    runs.lengths.push(run_end - row);
                    row = run_end;
                    at += 1;
                }
            }
            Rows::List(rows) => {
                let Some(first) = rows.values().first() else { return runs };
                let mut at = starts.partition_point(|start| start <= first);
                let mut next = None;
                for row in rows.values() {
                    while at < starts.len() && starts[at] <= *row {
                        at += 1;
                    }
                    if next != Some(at) {
                        runs.ordinals.push(user(at));
                        runs.lengths.push(0);
                        next = Some(at);
                    }
                    if let Some(length) = runs.lengths.last_mut() {
                        *length += 1;
                    }
                }
            }
        }
        runs
    }

    /// The position of the run of each row.
    pub(crate) fn places(&self) -> UInt32Array {
        self.spread(|run| run as u32).into()
    }

    /// What is said of each run, for each of its rows.
    pub(crate) fn spread<T: Copy>(&self, of_run: impl Fn(usize) -> T) -> Vec<T> {
        let mut all = Vec::with_capacity(self.lengths.iter().map(|length| *length as usize).sum());
        for (run, length) in self.lengths.iter().enumerate() {
            all.resize(all.len() + *length as usize, of_run(run));
        }
        all
    }
}

/// Stands for a row of nobody where an ordinal is expected.
pub(crate) const NOBODY: u32 = u32::MAX;

/// The ids of ordinals, null for [`NOBODY`].
pub(crate) fn user_ids(users: &UserDirectory, ordinals: &[u32]) -> Result<ArrayRef> {
    let ordinals: UInt32Array =
        ordinals.iter().map(|ordinal| (*ordinal != NOBODY).then_some(*ordinal)).collect();
    Ok(take(users.ids(), &ordinals, None)?)
}

fn source_of(column: SegmentColumn, data_type: &DataType) -> Result<Source> {
    Ok(match column {
        SegmentColumn::Dense(array) => Source::Column(as_in_table(array, data_type)?),
        SegmentColumn::Sparse(column) if column.values().data_type() == data_type => Source::Sparse(column),
        SegmentColumn::Sparse(column) => {
            let values = as_in_table(Arc::clone(column.values()), data_type)?;
            Source::Sparse(Arc::new(column.with_values(values)?))
        }
    })
}

/// A column whose values, those of its dictionary if it is kept as one, are of the type the table
/// has. Text of an attached dataset may be of another one there.
fn as_in_table(array: ArrayRef, data_type: &DataType) -> Result<ArrayRef> {
    let in_type = |values: &ArrayRef| -> Result<ArrayRef> {
        Ok(cast_with_options(values, data_type, &CastOptions { safe: false, ..CastOptions::default() })?)
    };
    match Dictionary::of(&array) {
        Some(dictionary) if dictionary.values().data_type() == data_type => Ok(array),
        Some(dictionary) => {
            with_dictionary!(dictionary, array => Ok(Arc::new(array.with_values(in_type(array.values())?))))
        }
        None if array.data_type() == data_type => Ok(array),
        None => in_type(&array),
    }
}

/// Values at some rows, without dictionary.
fn plain(array: &ArrayRef, rows: &Rows) -> Result<ArrayRef> {
    let some = match rows {
        Rows::Range(range) => array.slice(range.start, range.len()),
        Rows::List(rows) => take(array, rows, None)?,
    };
    without_dictionary(some)
}

fn without_dictionary(array: ArrayRef) -> Result<ArrayRef> {
    match Dictionary::of(&array) {
        Some(dictionary) => {
            with_dictionary!(dictionary, array => Ok(take(array.values(), array.keys(), None)?))
        }
        None => Ok(array),
    }
}

/// A dictionary-encoded column: codes into distinct values.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Dictionary<'a> {
    U8(&'a DictionaryArray<UInt8Type>),
    U16(&'a DictionaryArray<UInt16Type>),
    U32(&'a DictionaryArray<UInt32Type>),
}

impl<'a> Dictionary<'a> {
    fn of(array: &'a ArrayRef) -> Option<Self> {
        let known = array.as_any_dictionary_opt()?.keys().data_type().clone();
        match known {
            DataType::UInt8 => array.as_dictionary_opt().map(Self::U8),
            DataType::UInt16 => array.as_dictionary_opt().map(Self::U16),
            DataType::UInt32 => array.as_dictionary_opt().map(Self::U32),
            _ => None,
        }
    }

    /// The distinct values; nulls of the column are in its keys.
    pub(crate) fn values(self) -> &'a ArrayRef {
        with_dictionary!(self, array => array.values())
    }
}

/// [`BoundSegment::map_codes`] where each row has a code or null.
fn map_codes<K: ArrowDictionaryKeyType, T: Copy>(
    array: &DictionaryArray<K>,
    table: &[T],
    null: T,
    rows: &Rows,
    mut each: impl FnMut(T),
) where
    K::Native: Into<u64>,
{
    let codes = array.keys().values();
    match (array.nulls(), rows) {
        (None, Rows::Range(range)) => {
            codes[range.clone()].iter().for_each(|code| each(table[(*code).into() as usize]));
        }
        (None, Rows::List(rows)) => {
            rows.values().iter().for_each(|row| each(table[codes[*row as usize].into() as usize]));
        }
        (Some(nulls), Rows::Range(range)) => {
            for row in range.clone() {
                each(if nulls.is_valid(row) { table[codes[row].into() as usize] } else { null });
            }
        }
        (Some(nulls), Rows::List(rows)) => {
            for row in rows.values().iter().map(|row| *row as usize) {
                each(if nulls.is_valid(row) { table[codes[row].into() as usize] } else { null });
            }
        }
    }
}

/// [`BoundSegment::map_codes`] where few rows have a code.
fn map_sparse_codes<K: ArrowDictionaryKeyType, T: Copy>(
    codes: &DictionaryArray<K>,
    column: &SparseColumn,
    table: &[T],
    null: T,
    rows: &Rows,
    mut each: impl FnMut(T),
) where
    K::Native: Into<u64>,
{
    let codes = codes.keys().values();
    match rows {
        Rows::Range(range) => {
            let mut next = 0;
            for (at, place) in column.places(range.clone()) {
                (next..place).for_each(|_| each(null));
                each(table[codes[at].into() as usize]);
                next = place + 1;
            }
            (next..range.len()).for_each(|_| each(null));
        }
        Rows::List(rows) => column.each_place(rows, |place| {
            each(place.map_or(null, |at| table[codes[at].into() as usize]));
        }),
    }
}

/// Distinct values with one null more: what a table for [`BoundSegment::map_codes`] is computed of.
pub(crate) fn values_and_null(values: &ArrayRef) -> Result<ArrayRef> {
    let null = arrow::array::new_null_array(values.data_type(), 1);
    Ok(arrow::compute::concat(&[values.as_ref(), null.as_ref()])?)
}

//! Columns of which few rows have a value.

use std::ops::Range;
use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, ArrowPrimitiveType, BooleanBufferBuilder, PrimitiveArray, UInt32Array,
    downcast_primitive_array,
};
use arrow::buffer::NullBuffer;
use arrow::compute::take;
use arrow::datatypes::DataType;
use arrow::error::ArrowError;

/// A column of a segment as it is held: a value for every row, or, where few rows have one, these.
#[derive(Debug, Clone)]
pub enum SegmentColumn {
    /// A value or null for every row.
    Dense(ArrayRef),
    /// The values there are.
    Sparse(Arc<SparseColumn>),
}

/// The values of the rows that have one: each is found where the row is found.
#[derive(Debug)]
pub struct SparseColumn {
    row_count: usize,
    /// Which rows have a value, ascending.
    rows: UInt32Array,
    /// Theirs; none is null.
    values: ArrayRef,
}

/// One row of so many has a value at most. Where more have, looking a value up by its row is as good.
const ROWS_FOR_ONE: u64 = 8;
/// The same for Boolean, whose values take two bits a row.
const BOOLEAN_ROWS_FOR_ONE: u64 = 32;

/// Whether a column of so many rows is held as its values, other than Boolean.
pub(crate) fn is_sparse(values: u64, rows: u64) -> bool {
    values * ROWS_FOR_ONE <= rows
}

impl SegmentColumn {
    /// The column, held as takes less.
    pub(crate) fn of(array: ArrayRef) -> Result<Self, ArrowError> {
        Ok(match SparseColumn::of(&array)? {
            Some(sparse) => Self::Sparse(Arc::new(sparse)),
            None => Self::Dense(array),
        })
    }

    /// How many rows it has.
    pub fn row_count(&self) -> usize {
        match self {
            Self::Dense(array) => array.len(),
            Self::Sparse(sparse) => sparse.row_count,
        }
    }

    /// The type of its values, or of the dictionary they are held in.
    pub fn data_type(&self) -> &DataType {
        match self {
            Self::Dense(array) => array.data_type(),
            Self::Sparse(sparse) => sparse.values.data_type(),
        }
    }

    /// How many bytes it takes.
    pub fn bytes(&self) -> usize {
        match self {
            Self::Dense(array) => array.get_array_memory_size(),
            Self::Sparse(sparse) => sparse.bytes(),
        }
    }

    /// A value or null for every row.
    ///
    /// # Errors
    /// If Arrow cannot make such an array: it would be too large.
    pub fn to_array(&self) -> Result<ArrayRef, ArrowError> {
        match self {
            Self::Dense(array) => Ok(Arc::clone(array)),
            Self::Sparse(sparse) => sparse.range(0..sparse.row_count),
        }
    }
}

impl SparseColumn {
    fn of(array: &ArrayRef) -> Result<Option<Self>, ArrowError> {
        let Some(nulls) = array.nulls() else { return Ok(None) };
        let (values, rows) = ((array.len() - nulls.null_count()) as u64, array.len() as u64);
        let takes_less = match array.data_type() {
            DataType::Boolean => values * BOOLEAN_ROWS_FOR_ONE <= rows,
            _ => is_sparse(values, rows),
        };
        if !takes_less {
            return Ok(None);
        }
        let rows: UInt32Array = nulls.inner().set_indices_u32().collect::<Vec<_>>().into();
        let values = take(array, &rows, None)?;
        Ok(Some(Self { row_count: array.len(), rows, values }))
    }

    /// How many rows it has.
    pub fn row_count(&self) -> usize {
        self.row_count
    }

    /// How many bytes it takes.
    pub fn bytes(&self) -> usize {
        self.rows.get_array_memory_size() + self.values.get_array_memory_size()
    }

    /// Which rows have a value, ascending.
    pub fn rows(&self) -> &UInt32Array {
        &self.rows
    }

    /// The values of those rows; none is null.
    pub fn values(&self) -> &ArrayRef {
        &self.values
    }

    /// The same rows with other values.
    ///
    /// # Errors
    /// If they are not as many, or some are null.
    pub fn with_values(&self, values: ArrayRef) -> Result<Self, ArrowError> {
        if values.len() != self.values.len() || values.null_count() > 0 {
            let text = format!("{} values for {}", values.len(), self.values.len());
            return Err(ArrowError::InvalidArgumentError(text));
        }
        Ok(Self { row_count: self.row_count, rows: self.rows.clone(), values })
    }

    /// Which values a range of rows has: the place of each among [`SparseColumn::values`], and that of
    /// its row in the range.
    ///
    /// # Panics
    /// If the range does not lie within the rows.
    pub fn places(&self, range: Range<usize>) -> impl Iterator<Item = (usize, usize)> + Clone {
        assert!(range.start <= range.end && range.end <= self.row_count, "{range:?} of {}", self.row_count);
        let before = |row: usize| self.rows.values().partition_point(|known| (*known as usize) < row);
        let found = before(range.start)..before(range.end);
        let rows = &self.rows.values()[found.clone()];
        found.zip(rows).map(move |(at, row)| (at, *row as usize - range.start))
    }

    /// Gives for each of some rows, ascending, the place of its value among [`SparseColumn::values`], if it
    /// has one.
    pub fn each_place(&self, rows: &UInt32Array, mut each: impl FnMut(Option<usize>)) {
        if let Some(places) = self.places_of_all(rows) {
            places.for_each(|at| each(Some(at)));
            return;
        }
        let known = self.rows.values();
        let mut at = self.first_place(rows);
        for row in rows.values() {
            at += steps_to(&known[at..], *row);
            if known.get(at) == Some(row) {
                each(Some(at));
                at += 1;
            } else {
                each(None);
            }
        }
    }

    /// The first value that may be of one of some rows, ascending.
    fn first_place(&self, rows: &UInt32Array) -> usize {
        let known = self.rows.values();
        rows.values().first().map_or(0, |first| known.partition_point(|known| known < first))
    }

    /// The places of the values of some rows, ascending, if all have one and no row between them does, as
    /// where one event alone has the property.
    fn places_of_all(&self, rows: &UInt32Array) -> Option<Range<usize>> {
        let first = self.first_place(rows);
        let places = first..first + rows.len();
        (self.rows.values().get(places.clone())? == &rows.values()[..]).then_some(places)
    }

    /// A value or null for each of a range of rows.
    ///
    /// # Errors
    /// If Arrow cannot make such an array: it would be too large.
    ///
    /// # Panics
    /// If the range does not lie within the rows.
    pub fn range(&self, range: Range<usize>) -> Result<ArrayRef, ArrowError> {
        let places = self.places(range.clone());
        let mut is_known = BooleanBufferBuilder::new(range.len());
        is_known.append_n(range.len(), false);
        places.clone().for_each(|(_, place)| is_known.set_bit(place, true));
        let nulls = Some(NullBuffer::new(is_known.finish()));
        let values = &self.values;
        downcast_primitive_array! {
            values => Ok(Arc::new(spread(values, places, range.len(), nulls))),
            _ => {
                let mut of_rows = vec![0; range.len()];
                places.for_each(|(at, place)| of_rows[place] = at as u32);
                take(&self.values, &UInt32Array::new(of_rows.into(), nulls), None)
            }
        }
    }

    /// A value or null for each of some rows, ascending.
    ///
    /// # Errors
    /// If Arrow cannot make such an array: it would be too large.
    pub fn take(&self, rows: &UInt32Array) -> Result<ArrayRef, ArrowError> {
        if let Some(places) = self.places_of_all(rows) {
            return Ok(self.values.slice(places.start, places.len()));
        }
        let mut places = Vec::with_capacity(rows.len());
        let mut is_known = BooleanBufferBuilder::new(rows.len());
        self.each_place(rows, |place| {
            places.push(place.unwrap_or(0) as u32);
            is_known.append(place.is_some());
        });
        take(&self.values, &UInt32Array::new(places.into(), Some(NullBuffer::new(is_known.finish()))), None)
    }
}

/// Some of the values at places of their own among so many.
fn spread<T: ArrowPrimitiveType>(
    values: &PrimitiveArray<T>,
    places: impl Iterator<Item = (usize, usize)>,
    count: usize,
    nulls: Option<NullBuffer>,
) -> PrimitiveArray<T> {
    let mut all = vec![T::Native::default(); count];
    places.for_each(|(at, place)| all[place] = values.value(at));
    PrimitiveArray::new(all.into(), nulls).with_data_type(values.data_type().clone())
}

/// How many of the ascending numbers are less.
fn steps_to(numbers: &[u32], number: u32) -> usize {
    // Mostly it is the next.
    let mut end = 1;
    while numbers.get(end - 1).is_some_and(|known| *known < number) {
        end *= 2;
    }
    let start = end / 2;
    start + numbers[start..(end - 1).min(numbers.len()).max(start)].partition_point(|known| *known < number)
}

#[cfg(test)]
mod tests {
    use arrow::array::{
        BooleanArray, DictionaryArray, Float64Array, ListArray, StringViewArray, TimestampMillisecondArray,
    };
    use arrow::datatypes::{Int8Type, Int32Type};

    use super::*;

    const ROWS: usize = 10_000;

    fn has_value(row: usize) -> bool {
        row * row % 1_009 % 67 == 3 || (4_000..4_010).contains(&row)
    }

    fn columns() -> Vec<ArrayRef> {
        let some = |row: usize| has_value(row).then_some(row);
        vec![
            Arc::new((0..ROWS).map(|row| some(row).map(|row| row as f64)).collect::<Float64Array>()),
            Arc::new(
                (0..ROWS)
                    .map(|row| some(row).map(|row| row as i64))
                    .collect::<TimestampMillisecondArray>()
                    .with_timezone("UTC"),
            ),
            Arc::new((0..ROWS).map(|row| some(row).map(|row| row % 2 == 0)).collect::<BooleanArray>()),
            Arc::new((0..ROWS).map(|row| some(row).map(|row| row.to_string())).collect::<StringViewArray>()),
            Arc::new(
                (0..ROWS)
                    .map(|row| some(row).map(|row| ["a", "b", "c"][row % 3]))
                    .collect::<DictionaryArray<Int8Type>>(),
            ),
            Arc::new(ListArray::from_iter_primitive::<Int32Type, _, _>(
                (0..ROWS).map(|row| some(row).map(|row| vec![Some(row as i32), None])),
            )),
        ]
    }

    #[test]
    fn a_sparse_column_has_the_values_of_the_dense_one() {
        for dense in columns() {
            let column = SegmentColumn::of(Arc::clone(&dense)).unwrap();
            let SegmentColumn::Sparse(sparse) = &column else { panic!("{} is dense", dense.data_type()) };
            assert_eq!((column.row_count(), column.data_type()), (ROWS, dense.data_type()));
            assert!(column.bytes() < dense.get_array_memory_size());
            assert_eq!(&column.to_array().unwrap(), &dense);
            for range in [0..1, 5..5, 3_990..4_020, 4_002..4_007, 9_000..ROWS, ROWS..ROWS] {
                let expected = dense.slice(range.start, range.len());
                assert_eq!(&sparse.range(range.clone()).unwrap(), &expected, "{range:?}");
                let rows: UInt32Array = range.map(|row| row as u32).collect::<Vec<_>>().into();
                assert_eq!(&sparse.take(&rows).unwrap(), &expected);
            }
            for step in [1, 2, 7, 500] {
                let rows: UInt32Array = (step..ROWS as u32).step_by(step as usize).collect::<Vec<_>>().into();
                assert_eq!(&sparse.take(&rows).unwrap(), &take(&dense, &rows, None).unwrap(), "{step}");
            }
            assert_eq!(&sparse.take(sparse.rows()).unwrap(), sparse.values());
            let some = sparse.rows().slice(3, 40);
            assert_eq!(&sparse.take(&some).unwrap(), &sparse.values().slice(3, 40));
            assert!(sparse.with_values(dense.slice(0, 3)).is_err());
        }
    }

    #[test]
    fn what_is_not_sparse_is_left_as_it_is() {
        let many: ArrayRef =
            Arc::new((0..80).map(|row| (row % 7 == 0).then_some(1.0)).collect::<Float64Array>());
        assert!(matches!(SegmentColumn::of(many).unwrap(), SegmentColumn::Dense(_)));
        let few: ArrayRef =
            Arc::new((0..80).map(|row| (row % 8 == 0).then_some(1.0)).collect::<Float64Array>());
        assert!(matches!(SegmentColumn::of(few).unwrap(), SegmentColumn::Sparse(_)));
        let flags: ArrayRef =
            Arc::new((0..80).map(|row| (row % 8 == 0).then_some(true)).collect::<BooleanArray>());
        assert!(matches!(SegmentColumn::of(flags).unwrap(), SegmentColumn::Dense(_)));
        let all: ArrayRef = Arc::new(Float64Array::from(vec![1.0; 80]));
        assert!(matches!(SegmentColumn::of(all).unwrap(), SegmentColumn::Dense(_)));
    }
}

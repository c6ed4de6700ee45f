//! Values of an Arrow array as property values, whatever its type.

use std::borrow::Cow;
use std::fmt::Write as _;

use arrow::array::{
    Array as _, ArrayRef, AsArray as _, BinaryViewArray, BooleanArray, Date32Array, Decimal128Array,
    Float64Array, Int64Array, StringViewArray, UInt64Array,
};
use arrow::buffer::NullBuffer;
use arrow::compute::cast;
use arrow::datatypes::{DataType, Date32Type, Decimal128Type, Float64Type, Int64Type, TimeUnit, UInt64Type};
use arrow::error::ArrowError;
use arrow::util::display::{ArrayFormatter, FormatOptions};
use chrono::DateTime;
use tallymark_event::{Day, PropertyValue, Timestamp};

/// A column of one batch, in the few types that properties have.
pub(crate) enum Column {
    Null,
    Bool(BooleanArray),
    Int(Int64Array),
    Unsigned(UInt64Array),
    Float(Float64Array),
    /// Whole where the scale says so.
    Decimal(Decimal128Array, i8),
    Text(StringViewArray),
    Bytes(BinaryViewArray),
    Date(Date32Array),
    Time {
        values: Int64Array,
        unit: TimeUnit,
        zoned: bool,
    },
    List {
        nulls: Option<NullBuffer>,
        /// Where each row's items start and end.
        ranges: Vec<(usize, usize)>,
        items: Box<Column>,
    },
    Struct {
        nulls: Option<NullBuffer>,
        fields: Vec<(String, Column)>,
    },
    Map {
        nulls: Option<NullBuffer>,
        ranges: Vec<(usize, usize)>,
        keys: Box<Column>,
        values: Box<Column>,
    },
}

impl Column {
    pub(crate) fn try_new(array: &ArrayRef) -> Result<Self, ArrowError> {
        use DataType as T;
        let to = |data_type: &DataType| cast(array, data_type);
        Ok(match array.data_type() {
            T::Null => Self::Null,
            T::Boolean => Self::Bool(array.as_boolean().clone()),
            T::Int8 | T::Int16 | T::Int32 | T::Int64 | T::UInt8 | T::UInt16 | T::UInt32 => {
                Self::Int(to(&T::Int64)?.as_primitive::<Int64Type>().clone())
            }
            T::UInt64 => Self::Unsigned(array.as_primitive::<UInt64Type>().clone()),
            T::Float16 | T::Float32 | T::Float64 => {
                Self::Float(to(&T::Float64)?.as_primitive::<Float64Type>().clone())
            }
            T::Decimal32(precision, scale)
            | T::Decimal64(precision, scale)
            | T::Decimal128(precision, scale) => {
                let decimal = to(&T::Decimal128(*precision, *scale))?;
                Self::Decimal(decimal.as_primitive::<Decimal128Type>().clone(), *scale)
            }
            T::Decimal256(..) => Self::Float(to(&T::Float64)?.as_primitive::<Float64Type>().clone()),
            T::Utf8 | T::LargeUtf8 | T::Utf8View => Self::Text(to(&T::Utf8View)?.as_string_view().clone()),
            T::Binary | T::LargeBinary | T::BinaryView | T::FixedSizeBinary(_) => {
                let binary = if matches!(array.data_type(), T::FixedSizeBinary(_)) {
                    to(&T::Binary)?
                } else {
                    ArrayRef::clone(array)
                };
                Self::Bytes(cast(&binary, &T::BinaryView)?.as_binary_view().clone())
            }
            T::Date32 | T::Date64 => Self::Date(to(&T::Date32)?.as_primitive::<Date32Type>().clone()),
            T::Timestamp(unit, zone) => Self::Time {
                values: to(&T::Int64)?.as_primitive::<Int64Type>().clone(),
                unit: *unit,
                zoned: zone.is_some(),
            },
            T::Dictionary(_, values) => Self::try_new(&to(values)?)?,
            T::RunEndEncoded(_, values) => Self::try_new(&to(values.data_type())?)?,
            T::List(_) => {
                let list = array.as_list::<i32>();
                Self::list(
                    array,
                    list.offsets().windows(2).map(|pair| (pair[0] as usize, pair[1] as usize)),
                    list.values(),
                )?
            }
            T::LargeList(_) => {
                let list = array.as_list::<i64>();
                Self::list(
                    array,
                    list.offsets().windows(2).map(|pair| (pair[0] as usize, pair[1] as usize)),
                    list.values(),
                )?
            }
            T::FixedSizeList(_, size) => {
                let (list, size) = (array.as_fixed_size_list(), *size as usize);
                Self::list(array, (0..array.len()).map(|row| (row * size, (row + 1) * size)), list.values())?
            }
            T::Struct(fields) => {
                let columns = array.as_struct();
                let fields = fields.iter().zip(columns.columns());
                let fields = fields.map(|(field, array)| Ok((field.name().clone(), Self::try_new(array)?)));
                Self::Struct {
                    nulls: array.logical_nulls(),
                    fields: fields.collect::<Result<_, ArrowError>>()?,
                }
            }
            T::Map(..) => {
                let map = array.as_map();
                let ranges =
                    map.offsets().windows(2).map(|pair| (pair[0] as usize, pair[1] as usize)).collect();
                Self::Map {
                    nulls: array.logical_nulls(),
                    ranges,
                    keys: Box::new(Self::try_new(map.keys())?),
                    values: Box::new(Self::try_new(map.values())?),
                }
            }
            // Times of day, durations, intervals, unions: as Arrow spells them.
            _ => Self::Text(spelled(array)?),
        })
    }

    fn list(
        array: &ArrayRef,
        ranges: impl Iterator<Item = (usize, usize)>,
        items: &ArrayRef,
    ) -> Result<Self, ArrowError> {
        Ok(Self::List {
            nulls: array.logical_nulls(),
            ranges: ranges.collect(),
            items: Box::new(Self::try_new(items)?),
        })
    }

    /// The value of a row.
    pub(crate) fn value(&self, row: usize) -> PropertyValue<'_> {
        if self.is_null(row) {
            return PropertyValue::Null;
        }
        match self {
            Self::Null => PropertyValue::Null,
            Self::Bool(array) => PropertyValue::Bool(array.value(row)),
            Self::Int(array) => PropertyValue::Int(array.value(row)),
            Self::Unsigned(array) => {
                let value = array.value(row);
                i64::try_from(value).map_or(PropertyValue::Float(value as f64), PropertyValue::Int)
            }
            Self::Float(array) => PropertyValue::from(array.value(row)),
            Self::Decimal(array, scale) => decimal(array.value(row), *scale),
            Self::Text(array) => PropertyValue::from(array.value(row)),
            Self::Bytes(array) => PropertyValue::String(text_or_hex(array.value(row))),
            Self::Date(array) => PropertyValue::from(Day::from_days(array.value(row)).to_string()),
            Self::Time { values, unit, zoned } => {
                PropertyValue::from(spell_time(values.value(row), *unit, *zoned))
            }
            Self::List { ranges, items, .. } => {
                let (start, end) = ranges[row];
                PropertyValue::List((start..end).map(|item| items.value(item)).collect())
            }
            Self::Struct { fields, .. } => {
                let entries =
                    fields.iter().map(|(name, column)| (Cow::Borrowed(name.as_str()), column.value(row)));
                PropertyValue::Object(entries.collect())
            }
            Self::Map { ranges, keys, values, .. } => {
                let (start, end) = ranges[row];
                let mut entries: Vec<(Cow<'_, str>, PropertyValue<'_>)> = Vec::with_capacity(end - start);
                for entry in start..end {
                    let key = match keys.value(entry) {
                        PropertyValue::String(key) => key,
                        other => Cow::Owned(other.to_string()),
                    };
                    match entries.iter_mut().find(|(known, _)| *known == key) {
                        Some(slot) => slot.1 = values.value(entry),
                        None => entries.push((key, values.value(entry))),
                    }
                }
                PropertyValue::Object(entries)
            }
        }
    }

    /// The value of a row as an id: an integer that no property could hold keeps its digits.
    pub(crate) fn id(&self, row: usize) -> PropertyValue<'_> {
        match self {
            Self::Unsigned(array) if !array.is_null(row) => PropertyValue::from(array.value(row).to_string()),
            Self::Decimal(array, scale) if *scale <= 0 && !array.is_null(row) => {
                PropertyValue::from(array.value_as_string(row))
            }
            other => other.value(row),
        }
    }

    /// The instant of a row, if the column's type says what its numbers mean.
    pub(crate) fn instant(&self, row: usize) -> Option<Timestamp> {
        match self {
            _ if self.is_null(row) => None,
            Self::Date(array) => Some(Day::from_days(array.value(row)).start()),
            Self::Time { values, unit, .. } => {
                let unit = match unit {
                    TimeUnit::Second => crate::TimeUnit::Seconds,
                    TimeUnit::Millisecond => crate::TimeUnit::Milliseconds,
                    TimeUnit::Microsecond => crate::TimeUnit::Microseconds,
                    TimeUnit::Nanosecond => crate::TimeUnit::Nanoseconds,
                };
                unit.timestamp(values.value(row))
            }
            _ => None,
        }
    }

    fn is_null(&self, row: usize) -> bool {
        match self {
            Self::Null => true,
            Self::Bool(array) => array.is_null(row),
            Self::Int(array) => array.is_null(row),
            Self::Unsigned(array) => array.is_null(row),
            Self::Float(array) => array.is_null(row),
            Self::Decimal(array, _) => array.is_null(row),
            Self::Text(array) => array.is_null(row),
            Self::Bytes(array) => array.is_null(row),
            Self::Date(array) => array.is_null(row),
            Self::Time { values, .. } => values.is_null(row),
            Self::List { nulls, .. } | Self::Struct { nulls, .. } | Self::Map { nulls, .. } => {
                nulls.as_ref().is_some_and(|nulls| nulls.is_null(row))
            }
        }
    }
}

fn decimal(value: i128, scale: i8) -> PropertyValue<'static> {
    match (scale, i64::try_from(value)) {
        (0, Ok(value)) => PropertyValue::Int(value),
        // Through text, because dividing would round twice.
        _ => format!("{value}e{}", -i32::from(scale))
            .parse::<f64>()
            .map_or(PropertyValue::Null, PropertyValue::from),
    }
}

fn text_or_hex(bytes: &[u8]) -> Cow<'_, str> {
    match std::str::from_utf8(bytes) {
        Ok(text) => Cow::Borrowed(text),
        Err(_) => Cow::Owned(bytes.iter().fold(String::with_capacity(2 * bytes.len()), |mut text, byte| {
            let _ = write!(text, "{byte:02x}");
            text
        })),
    }
}

/// A timestamp as D-22 spells it, to the millisecond, or with all digits where that cuts something
/// off. Beyond the years a calendar knows, the bare number.
fn spell_time(value: i64, unit: TimeUnit, zoned: bool) -> String {
    let (time, is_whole_ms) = match unit {
        TimeUnit::Second => (DateTime::from_timestamp(value, 0), true),
        TimeUnit::Millisecond => (DateTime::from_timestamp_millis(value), true),
        TimeUnit::Microsecond => (DateTime::from_timestamp_micros(value), value % 1000 == 0),
        TimeUnit::Nanosecond => (Some(DateTime::from_timestamp_nanos(value)), value % 1_000_000 == 0),
    };
    let Some(time) = time else { return value.to_string() };
    let digits = match unit {
        TimeUnit::Second => "",
        _ if is_whole_ms => "%.3f",
        TimeUnit::Microsecond | TimeUnit::Millisecond => "%.6f",
        TimeUnit::Nanosecond => "%.9f",
    };
    let zone = if zoned { "Z" } else { "" };
    time.format(&format!("%Y-%m-%dT%H:%M:%S{digits}{zone}")).to_string()
}

fn spelled(array: &ArrayRef) -> Result<StringViewArray, ArrowError> {
    let formatter = ArrayFormatter::try_new(array, &FormatOptions::default())?;
    (0..array.len())
        .map(|row| {
            if array.is_null(row) {
                return Ok(None);
            }
            formatter.value(row).try_to_string().map(Some)
        })
        .collect()
}

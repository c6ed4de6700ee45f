//! Text columns: from however their parts are held to one dictionary with the narrowest key.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, ArrowPrimitiveType, AsArray, DictionaryArray, NullBufferBuilder, PrimitiveArray,
    StringViewArray, StringViewBuilder, UInt32Array, downcast_integer_array, new_null_array,
};
use arrow::compute::{cast, take};
use arrow::datatypes::{
    ArrowDictionaryKeyType, ArrowNativeType, DataType, UInt8Type, UInt16Type, UInt32Type,
};
use arrow::error::ArrowError;
use hashbrown::HashMap;

use crate::column::{Part, concatenated};

/// From this many distinct values on it is asked early whether a dictionary is worth it.
const MANY: usize = 1 << 14;

/// One text column of all parts (dictionaries of Utf8 or Utf8View without nulls among the values,
/// or Utf8View): row `i` is row `order[i]` of the parts one after the other, or row `i`
/// where there is no order.
///
/// A dictionary of Utf8View with distinct values and the narrowest key of UInt8, UInt16 and UInt32;
/// Utf8View where more than half of the rows are different.
pub(crate) fn assemble(parts: &[Part], order: Option<&UInt32Array>) -> Result<ArrayRef, ArrowError> {
    if let ([Part::Values(array)], None) = (parts, order)
        && is_assembled(array)
    {
        return Ok(Arc::clone(array));
    }
    let rows = parts.iter().map(Part::len).sum();
    let mut values = Distinct::new(rows);
    let mut coded = Vec::with_capacity(parts.len());
    for part in parts {
        let codes = match part {
            Part::Values(array) => values.codes(array)?,
            Part::Nulls(rows) => Some(Codes::Nulls(*rows)),
        };
        let Some(codes) = codes else { return plain(parts, order) };
        coded.push(codes);
    }
    if values.list.len() * 2 > rows {
        return plain(parts, order);
    }
    match values.list.len() {
        0..=0x100 => dictionary::<UInt8Type>(&values, &coded, rows, order),
        0x101..=0x1_0000 => dictionary::<UInt16Type>(&values, &coded, rows, order),
        _ => dictionary::<UInt32Type>(&values, &coded, rows, order),
    }
}

/// Whether an array is a dictionary made here: nothing else makes dictionaries of views.
fn is_assembled(array: &ArrayRef) -> bool {
    matches!(array.data_type(), DataType::Dictionary(_, values) if **values == DataType::Utf8View)
}

/// The rows of one part, by their codes among all distinct values.
enum Codes<'a> {
    /// Keys of a dictionary, and the code of each of its values.
    Keys { array: &'a dyn Array, codes: Vec<u32> },
    /// The code of each row, 0 for null.
    Rows { array: &'a dyn Array, codes: Vec<u32> },
    /// Only nulls.
    Nulls(usize),
}

/// Distinct values in the order they were met.
struct Distinct<'a> {
    rows: usize,
    codes: HashMap<&'a str, u32>,
    list: Vec<&'a str>,
}

impl<'a> Distinct<'a> {
    fn new(rows: usize) -> Self {
        Self { rows, codes: HashMap::new(), list: Vec::new() }
    }

    fn code(&mut self, value: &'a str) -> u32 {
        let next = self.list.len() as u32;
        let list = &mut self.list;
        *self.codes.entry(value).or_insert_with(|| {
            list.push(value);
            next
        })
    }

    /// The codes of an array's rows; `None` as soon as it is clear that a dictionary is not worth
    /// it.
    fn codes(&mut self, array: &'a ArrayRef) -> Result<Option<Codes<'a>>, ArrowError> {
        if let Some(dictionary) = array.as_any_dictionary_opt() {
            let values = dictionary.values();
            let codes = match values.data_type() {
                DataType::Utf8 => {
                    values.as_string::<i32>().iter().map(|value| self.opt_code(value)).collect()
                }
                DataType::Utf8View => {
                    values.as_string_view().iter().map(|value| self.opt_code(value)).collect()
                }
                other => return Err(unexpected(other)),
            };
            return Ok(Some(Codes::Keys { array: &**array, codes }));
        }
        let Some(views) = array.as_string_view_opt() else { return Err(unexpected(array.data_type())) };
        let mut codes = Vec::with_capacity(views.len());
        let mut last: Option<(&str, u32)> = None;
        for (row, value) in views.iter().enumerate() {
            let code = match (value, last) {
                (None, _) => 0,
                (Some(value), Some((known, code))) if value == known => code,
                (Some(value), _) => {
                    let code = self.code(value);
                    last = Some((value, code));
                    code
                }
            };
            codes.push(code);
            let distinct = self.list.len();
            if distinct * 2 > self.rows || (distinct >= MANY && distinct * 10 > (row + MANY) * 9) {
                return Ok(None);
            }
        }
        Ok(Some(Codes::Rows { array: &**array, codes }))
    }

    fn opt_code(&mut self, value: Option<&'a str>) -> u32 {
        value.map_or(0, |value| self.code(value))
    }
}

fn dictionary<K: ArrowDictionaryKeyType>(
    values: &Distinct<'_>,
    parts: &[Codes<'_>],
    rows: usize,
    order: Option<&UInt32Array>,
) -> Result<ArrayRef, ArrowError> {
    let mut keys: Vec<K::Native> = Vec::with_capacity(rows);
    let mut nulls = NullBufferBuilder::new(rows);
    for part in parts {
        match part {
            Codes::Nulls(count) => {
                keys.resize(keys.len() + count, K::Native::default());
                nulls.append_n_nulls(*count);
            }
            Codes::Rows { array, codes } => {
                keys.extend(codes.iter().map(|code| native::<K>(*code)));
                append_nulls(&mut nulls, *array);
            }
            Codes::Keys { array, codes } => {
                let narrow: Vec<K::Native> = codes.iter().map(|code| native::<K>(*code)).collect();
                push_keys::<K>(&mut keys, *array, &narrow)?;
                append_nulls(&mut nulls, *array);
            }
        }
    }
    let keys = PrimitiveArray::<K>::try_new(keys.into(), nulls.finish())?;
    let keys = match order {
        Some(order) => take(&keys, order, None)?.as_primitive::<K>().clone(),
        None => keys,
    };
    let texts = copied(&values.list);
    Ok(Arc::new(DictionaryArray::<K>::try_new(keys, Arc::new(texts))?))
}

/// The texts as one array that takes no more memory than it needs.
pub(crate) fn copied(texts: &[&str]) -> StringViewArray {
    /// Longest text that lies in its view.
    const INLINE_BYTES: usize = 12;
    /// Views reach no further into one buffer.
    const BLOCK_BYTES_MAX: usize = 1 << 30;
    let bytes: usize = texts.iter().map(|text| text.len()).filter(|length| *length > INLINE_BYTES).sum();
    let block = bytes.clamp(1, BLOCK_BYTES_MAX) as u32;
    let mut array = StringViewBuilder::with_capacity(texts.len()).with_fixed_block_size(block);
    for text in texts {
        array.append_value(text);
    }
    array.finish()
}

/// Appends what `codes` says of each key. Keys of nulls may be anything.
fn push_keys<K: ArrowDictionaryKeyType>(
    out: &mut Vec<K::Native>,
    array: &dyn Array,
    codes: &[K::Native],
) -> Result<(), ArrowError> {
    fn push<K: ArrowPrimitiveType, N: Copy + Default>(
        out: &mut Vec<N>,
        keys: &PrimitiveArray<K>,
        codes: &[N],
    ) {
        out.extend(keys.values().iter().map(|key| codes.get(key.as_usize()).copied().unwrap_or_default()));
    }
    let Some(dictionary) = array.as_any_dictionary_opt() else { return Err(unexpected(array.data_type())) };
    let keys = dictionary.keys();
    downcast_integer_array!(
        keys => push(out, keys, codes),
        other => return Err(unexpected(other)),
    );
    Ok(())
}

fn append_nulls(nulls: &mut NullBufferBuilder, array: &dyn Array) {
    match array.nulls() {
        Some(known) => nulls.append_buffer(known),
        None => nulls.append_n_non_nulls(array.len()),
    }
}

fn native<K: ArrowDictionaryKeyType>(code: u32) -> K::Native {
    // The key was chosen so that every code fits.
    K::Native::from_usize(code as usize).unwrap_or_default()
}

/// The parts as Utf8View, text copied so that nothing else stays in memory with it.
fn plain(parts: &[Part], order: Option<&UInt32Array>) -> Result<ArrayRef, ArrowError> {
    let arrays = parts
        .iter()
        .map(|part| match part {
            Part::Values(array) => cast(array, &DataType::Utf8View),
            Part::Nulls(rows) => Ok(new_null_array(&DataType::Utf8View, *rows)),
        })
        .collect::<Result<Vec<_>, _>>()?;
    let column = concatenated(&arrays)?;
    let column = match order {
        Some(order) => take(&column, order, None)?,
        None => column,
    };
    let views: &StringViewArray = column.as_string_view();
    Ok(Arc::new(views.gc()))
}

fn unexpected(data_type: &DataType) -> ArrowError {
    ArrowError::InvalidArgumentError(format!("a text column cannot be held as {data_type}"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The text of each row, whichever way the column is held.
    fn texts(column: &ArrayRef) -> Vec<Option<String>> {
        let views = cast(column, &DataType::Utf8View).unwrap();
        views.as_string_view().iter().map(|value| value.map(ToOwned::to_owned)).collect()
    }

    fn views(values: &[Option<&str>]) -> Part {
        Part::Values(Arc::new(values.iter().copied().collect::<StringViewArray>()))
    }

    #[test]
    fn few_values_take_one_byte_a_row_and_many_are_left_as_they_are() {
        let key_of = |distinct: usize, rows: usize| {
            let values: StringViewArray =
                (0..rows).map(|row| Some(format!("value number {}", row % distinct))).collect();
            let column = assemble(&[Part::Values(Arc::new(values.clone()))], None).unwrap();
            assert_eq!(texts(&column), texts(&(Arc::new(values) as ArrayRef)));
            match column.data_type() {
                DataType::Dictionary(key, _) => key.to_string(),
                other => other.to_string(),
            }
        };
        assert_eq!(key_of(1, 2), "UInt8");
        assert_eq!(key_of(256, 600), "UInt8");
        assert_eq!(key_of(257, 600), "UInt16");
        assert_eq!(key_of(300, 600), "UInt16");
        assert_eq!(key_of(301, 600), "Utf8View");
        assert_eq!(key_of(65_536, 140_000), "UInt16");
        assert_eq!(key_of(65_537, 140_000), "UInt32");
        assert_eq!(key_of(100_000, 100_000), "Utf8View");
    }

    #[test]
    fn a_column_of_nulls_has_no_values() {
        let column = assemble(&[Part::Nulls(3)], None).unwrap();
        assert_eq!((column.len(), column.null_count()), (3, 3));
        assert!(column.as_dictionary::<UInt8Type>().values().is_empty());
        assert_eq!(assemble(&[], None).unwrap().len(), 0);
    }

    fn part() -> impl Strategy<Value = (Vec<Option<&'static str>>, u8)> {
        let value = prop::sample::select(vec![
            None,
            Some(""),
            Some("a"),
            Some("a text too long to lie in its view"),
            Some("another text too long to lie in its view"),
        ]);
        (prop::collection::vec(value, 0..12), 0..4u8)
    }

    proptest! {
        #[test]
        fn every_row_keeps_its_text(parts in prop::collection::vec(part(), 1..5), turn in any::<bool>()) {
            let expected: Vec<Option<String>> = parts
                .iter()
                .flat_map(|(values, form)| values.iter().map(|value| value.filter(|_| *form != 3)))
                .map(|value| value.map(ToOwned::to_owned))
                .collect();
            let arrays: Vec<Part> = parts
                .iter()
                .map(|(values, form)| match form {
                    0 => views(values),
                    1 => Part::Values(Arc::new(values.iter().copied().collect::<DictionaryArray<UInt32Type>>())),
                    2 => {
                        let utf8: ArrayRef = Arc::new(values.iter().copied().collect::<DictionaryArray<UInt32Type>>());
                        let small = DataType::Dictionary(Box::new(DataType::UInt8), Box::new(DataType::Utf8View));
                        Part::Values(cast(&utf8, &small).unwrap())
                    }
                    _ => Part::Nulls(values.len()),
                })
                .collect();
            let order: UInt32Array = (0..expected.len() as u32).rev().collect::<Vec<_>>().into();
            let column = assemble(&arrays, turn.then_some(&order)).unwrap();
            let mut found = texts(&column);
            if turn {
                found.reverse();
            }
            prop_assert_eq!(found, expected);
            if let Some(dictionary) = column.as_any_dictionary_opt() {
                let mut values = texts(dictionary.values());
                let count = values.len();
                values.sort();
                values.dedup();
                prop_assert_eq!(values.len(), count, "values are distinct");
            }
        }
    }
}

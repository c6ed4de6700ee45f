//! A function said in one constant, and its adapter to DataFusion.

use std::hash::{Hash, Hasher};
use std::ops::RangeInclusive;
use std::sync::Arc;

use arrow::array::{Array as _, ArrayRef, AsArray as _, Int64Array, StringViewArray, StringViewBuilder};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, FieldRef, Int64Type};
use datafusion::common::{Result, ScalarValue, internal_err, plan_err};
use datafusion::logical_expr::{
    ColumnarValue, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};

/// What an argument must be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Takes {
    Text,
    /// A number, of which the whole part is used.
    Integer,
    /// A date, a timestamp, or a text that is one (D-22).
    Date,
    /// A text or a list.
    TextOrList,
    Any,
}

/// Looks at the literals of a call; there is one slot an argument, `None` if it varies.
pub(super) type Check = fn(&[Option<&ScalarValue>]) -> Result<()>;

/// What a function is.
pub(super) struct Definition {
    pub(super) name: &'static str,
    /// The call in words, for errors.
    pub(super) usage: &'static str,
    pub(super) takes: &'static [Takes],
    /// How many of `takes` must be there.
    pub(super) required: usize,
    /// The type of the result, by the number of arguments.
    pub(super) returns: fn(usize) -> DataType,
    /// Whether it can give null.
    pub(super) nullable: bool,
    /// Refuses literals that can mean nothing.
    pub(super) check: Option<Check>,
    pub(super) evaluate: fn(&Arguments) -> Result<ArrayRef>,
}

impl Definition {
    fn counts(&self) -> RangeInclusive<usize> {
        self.required..=self.takes.len()
    }

    /// The types that arguments are cast to.
    fn coerced(&self, types: &[&DataType]) -> Result<Vec<DataType>> {
        if !self.counts().contains(&types.len()) {
            return plan_err!("{} takes {}, not {} arguments", self.name, self.usage, types.len());
        }
        types
            .iter()
            .zip(self.takes)
            .enumerate()
            .map(|(at, (data_type, takes))| {
                takes.coerced(data_type).or_else(|expected| {
                    plan_err!(
                        "{} takes {}; argument {} is {data_type}, but must be {expected}",
                        self.name,
                        self.usage,
                        at + 1
                    )
                })
            })
            .collect()
    }
}

impl Takes {
    /// The type to cast to, or what would be right.
    fn coerced(self, data_type: &DataType) -> Result<DataType, &'static str> {
        use DataType::{
            Date32, Date64, Dictionary, FixedSizeList, Int64, LargeList, LargeUtf8, List, Null, Timestamp,
            Utf8, Utf8View,
        };
        match (self, data_type) {
            (takes, Dictionary(_, values)) => takes.coerced(values),
            (Self::Text | Self::Date | Self::TextOrList, Utf8 | LargeUtf8 | Utf8View)
            | (Self::Text | Self::TextOrList, Null) => Ok(Utf8View),
            (Self::Text, _) => Err("text; string(…) makes text of other values"),
            (Self::Integer, Null) => Ok(Int64),
            (Self::Integer, number) if number.is_numeric() => Ok(Int64),
            (Self::Integer, _) => Err("a whole number"),
            (Self::Date, Null | Date32 | Date64) => Ok(Date32),
            (Self::Date, time @ Timestamp(..)) => Ok(time.clone()),
            (Self::Date, _) => Err("a date, a time, or a text such as '2024-03-01'"),
            (Self::TextOrList, FixedSizeList(item, _) | LargeList(item) | List(item)) => {
                Ok(List(Arc::clone(item)))
            }
            (Self::TextOrList, _) => Err("text or a list"),
            (Self::Any, other) => Ok(other.clone()),
        }
    }
}

/// The arguments of a call, of the types they must have. What is the same for all rows is there once.
pub(super) struct Arguments {
    columns: Vec<ArrayRef>,
    is_one: Vec<bool>,
    pub(super) rows: usize,
}

impl Arguments {
    pub(super) fn len(&self) -> usize {
        self.columns.len()
    }

    /// Argument `at` of all rows.
    pub(super) fn array(&self, at: usize) -> Result<ArrayRef> {
        if self.is_one[at] && self.rows != 1 {
            return ScalarValue::try_from_array(&self.columns[at], 0)?.to_array_of_size(self.rows);
        }
        Ok(Arc::clone(&self.columns[at]))
    }

    pub(super) fn texts(&self, at: usize) -> Texts<'_> {
        Texts { array: self.columns[at].as_string_view(), is_one: self.is_one[at] }
    }

    pub(super) fn integers(&self, at: usize) -> Integers<'_> {
        Integers { array: self.columns[at].as_primitive::<Int64Type>(), is_one: self.is_one[at] }
    }
}

/// A text a row.
#[derive(Clone, Copy)]
pub(super) struct Texts<'a> {
    array: &'a StringViewArray,
    is_one: bool,
}

impl<'a> Texts<'a> {
    pub(super) fn at(&self, row: usize) -> Option<&'a str> {
        let row = if self.is_one { 0 } else { row };
        self.array.is_valid(row).then(|| self.array.value(row))
    }
}

/// A number a row.
#[derive(Clone, Copy)]
pub(super) struct Integers<'a> {
    array: &'a Int64Array,
    is_one: bool,
}

impl Integers<'_> {
    pub(super) fn at(&self, row: usize) -> Option<i64> {
        let row = if self.is_one { 0 } else { row };
        self.array.is_valid(row).then(|| self.array.value(row))
    }
}

/// A text for each of so many rows.
pub(super) fn each_text<T: AsRef<str>>(rows: usize, text: impl FnMut(usize) -> Option<T>) -> ArrayRef {
    let mut texts = StringViewBuilder::with_capacity(rows);
    (0..rows).map(text).for_each(|text| texts.append_option(text));
    Arc::new(texts.finish())
}

/// The text that an argument is for all rows, if it is.
pub(super) fn literal_text<'a>(literals: &[Option<&'a ScalarValue>], at: usize) -> Option<&'a str> {
    literals.get(at).copied().flatten()?.try_as_str().flatten()
}

/// The number that an argument is for all rows, if it is.
pub(super) fn literal_integer(literals: &[Option<&ScalarValue>], at: usize) -> Option<i64> {
    let number = literals.get(at).copied().flatten()?.cast_to(&DataType::Int64).ok()?;
    if let ScalarValue::Int64(number) = number { number } else { None }
}

/// The function, to be registered.
pub(super) fn udf(definition: Definition) -> ScalarUDF {
    let signature = Signature::variadic_any(Volatility::Immutable);
    ScalarUDF::new_from_impl(Formula { definition, signature })
}

/// A [`Definition`] as DataFusion has functions; its name tells it from others.
struct Formula {
    definition: Definition,
    signature: Signature,
}

impl std::fmt::Debug for Formula {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Formula").field(&self.definition.name).finish()
    }
}

impl PartialEq for Formula {
    fn eq(&self, other: &Self) -> bool {
        self.definition.name == other.definition.name
    }
}

impl Eq for Formula {}

impl Hash for Formula {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.definition.name.hash(state);
    }
}

impl ScalarUDFImpl for Formula {
    fn name(&self) -> &str {
        self.definition.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        internal_err!("{} tells its type with its literals", self.name())
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs) -> Result<FieldRef> {
        let types: Vec<&DataType> = args.arg_fields.iter().map(|field| field.data_type()).collect();
        self.definition.coerced(&types)?;
        if let Some(check) = self.definition.check {
            check(args.scalar_arguments)?;
        }
        let data_type = (self.definition.returns)(types.len());
        Ok(Arc::new(Field::new(self.name(), data_type, self.definition.nullable)))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let types: Vec<DataType> = args.args.iter().map(ColumnarValue::data_type).collect();
        let types = self.definition.coerced(&types.iter().collect::<Vec<_>>())?;
        let is_one: Vec<bool> =
            args.args.iter().map(|value| matches!(value, ColumnarValue::Scalar(_))).collect();
        let is_constant = is_one.iter().all(|is_one| *is_one);
        let columns = args
            .args
            .into_iter()
            .zip(&types)
            .map(|(value, data_type)| {
                let rows = if matches!(value, ColumnarValue::Scalar(_)) { 1 } else { args.number_rows };
                Ok(cast(&value.into_array(rows)?, data_type)?)
            })
            .collect::<Result<_>>()?;
        let rows = if is_constant { 1 } else { args.number_rows };
        let found = (self.definition.evaluate)(&Arguments { columns, is_one, rows })?;
        if is_constant {
            return Ok(ColumnarValue::Scalar(ScalarValue::try_from_array(&found, 0)?));
        }
        Ok(ColumnarValue::Array(found))
    }
}

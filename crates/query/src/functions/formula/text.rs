//! `has_prefix`, `has_suffix`, `mid`, `split`, `len` (K-7, K-9, K-10).

use std::sync::Arc;

use arrow::array::{
    Array as _, ArrayRef, AsArray as _, BooleanArray, Int64Array, ListBuilder, StringViewBuilder,
};
use arrow::datatypes::{DataType, Field};
use datafusion::common::{Result, ScalarValue, plan_err};

use super::definition::{Arguments, Definition, Takes, each_text, literal_integer, literal_text};

pub(super) const HAS_PREFIX: Definition = Definition {
    name: "has_prefix",
    usage: "a text and the beginning to look for",
    takes: &[Takes::Text, Takes::Text],
    required: 2,
    returns: |_| DataType::Boolean,
    nullable: true,
    check: None,
    evaluate: |arguments| Ok(compare(arguments, has_prefix)),
};

pub(super) const HAS_SUFFIX: Definition = Definition {
    name: "has_suffix",
    usage: "a text and the end to look for",
    evaluate: |arguments| Ok(compare(arguments, has_suffix)),
    ..HAS_PREFIX
};

pub(super) const MID: Definition = Definition {
    name: "mid",
    usage: "a text, the number of its first character to take, counted from 1, and how many to take",
    takes: &[Takes::Text, Takes::Integer, Takes::Integer],
    required: 3,
    returns: |_| DataType::Utf8View,
    nullable: true,
    check: None,
    evaluate: |arguments| {
        let (texts, starts, counts) = (arguments.texts(0), arguments.integers(1), arguments.integers(2));
        Ok(each_text(arguments.rows, |row| Some(mid(texts.at(row)?, starts.at(row)?, counts.at(row)?))))
    },
};

pub(super) const SPLIT: Definition = Definition {
    name: "split",
    usage: "a text, what stands between its parts, and perhaps the number of a part, counted from 1",
    takes: &[Takes::Text, Takes::Text, Takes::Integer],
    required: 2,
    returns: |count| if count == 3 { DataType::Utf8View } else { list_of_texts() },
    nullable: true,
    check: Some(check_split),
    evaluate: |arguments| Ok(evaluate_split(arguments)),
};

pub(super) const LEN: Definition = Definition {
    name: "len",
    usage: "a text or a list",
    takes: &[Takes::TextOrList],
    required: 1,
    returns: |_| DataType::Int64,
    nullable: true,
    check: None,
    evaluate: |arguments| Ok(lengths(&arguments.array(0)?)),
};

fn list_of_texts() -> DataType {
    DataType::List(Arc::new(Field::new_list_field(DataType::Utf8View, true)))
}

fn compare(arguments: &Arguments, holds: fn(&str, &str) -> bool) -> ArrayRef {
    let (texts, parts) = (arguments.texts(0), arguments.texts(1));
    let holds = |row: usize| Some(holds(texts.at(row)?, parts.at(row)?));
    Arc::new((0..arguments.rows).map(holds).collect::<BooleanArray>())
}

/// Whether a text begins with another, whatever their case.
fn has_prefix(text: &str, prefix: &str) -> bool {
    let mut text = text.chars().flat_map(char::to_lowercase);
    prefix.chars().flat_map(char::to_lowercase).all(|letter| text.next() == Some(letter))
}

/// Whether a text ends with another, whatever their case.
fn has_suffix(text: &str, suffix: &str) -> bool {
    let backwards = |text: &str| text.chars().rev().flat_map(|letter| letter.to_lowercase().rev()).collect();
    let (text, suffix): (String, String) = (backwards(text), backwards(suffix));
    text.starts_with(&suffix)
}

/// The characters from number `start` on, counted from 1, `count` at most. What lies outside the text
/// is not there.
fn mid(text: &str, start: i64, count: i64) -> &str {
    let end = usize::try_from(start.saturating_add(count).saturating_sub(1)).unwrap_or(0);
    let start = usize::try_from(start.saturating_sub(1)).unwrap_or(0);
    let byte = |number: usize| text.char_indices().nth(number).map_or(text.len(), |(at, _)| at);
    text.get(byte(start)..byte(end)).unwrap_or_default()
}

fn check_split(literals: &[Option<&ScalarValue>]) -> Result<()> {
    if literal_text(literals, 1) == Some("") {
        return plan_err!("split: what stands between the parts is empty; it is a character such as ','");
    }
    if let Some(number) = literal_integer(literals, 2)
        && number < 1
    {
        return plan_err!("split: there is no part {number}; parts are counted from 1");
    }
    Ok(())
}

fn evaluate_split(arguments: &Arguments) -> ArrayRef {
    let (texts, delimiters) = (arguments.texts(0), arguments.texts(1));
    let delimiter = |row: usize| delimiters.at(row).filter(|delimiter| !delimiter.is_empty());
    if arguments.len() == 3 {
        let numbers = arguments.integers(2);
        let part = |row: usize| part(texts.at(row)?, delimiter(row)?, numbers.at(row)?);
        return each_text(arguments.rows, part);
    }
    let mut lists = ListBuilder::new(StringViewBuilder::new());
    for row in 0..arguments.rows {
        let parts = texts.at(row).zip(delimiter(row));
        if let Some((text, delimiter)) = parts {
            text.split(delimiter).for_each(|part| lists.values().append_value(part));
        }
        lists.append(parts.is_some());
    }
    Arc::new(lists.finish())
}

/// The part of this number; all of a text that has but one, whatever the number.
fn part<'a>(text: &'a str, delimiter: &str, number: i64) -> Option<&'a str> {
    let index = usize::try_from(number.checked_sub(1)?).ok()?;
    if text.contains(delimiter) { text.split(delimiter).nth(index) } else { Some(text) }
}

fn lengths(values: &ArrayRef) -> ArrayRef {
    let lengths: Int64Array = if let DataType::List(_) = values.data_type() {
        values.as_list::<i32>().iter().map(|list| list.map(|list| list.len() as i64)).collect()
    } else {
        let texts = values.as_string_view().iter();
        texts.map(|text| text.map(|text| text.chars().count() as i64)).collect()
    };
    Arc::new(lengths)
}

//! CSV → records.
//!
//! As RFC 4180 has it: a header, fields quoted where they hold the delimiter, quotes or line ends,
//! quotes doubled. The delimiter is a comma, semicolon, tab or bar, whichever the header has most
//! of. Blank lines are no rows; a row that is ragged, badly quoted or not UTF-8 is refused.
//!
//! # Types
//!
//! Cell by cell, and only where nothing is lost: `true` and `false` (also `True`, `TRUE`, …) are
//! booleans; a text is a number if the number can be spelled like that, trailing zeros of a
//! fraction aside. So `42`, `-3`, `9.50` and `1e-05` are numbers, while `007`, `+1`, `.5`, `1e5`
//! and a number of more digits than a float or 64-bit integer holds stay strings. An empty cell,
//! quoted or not, is not set.

use std::borrow::Cow;
use std::io::Read;

use tallymark_event::PropertyValue;

use crate::frame::{BlockReader, FrameOptions};
use crate::mapping::Roles;
use crate::parse::{RawTime, WireForm, quoted};
use crate::source::RowSink;
use crate::table_row::{TableRow, time_of_number};
use crate::{ColumnMapping, Error, ParseOptions, Record, RecordError, Rejection, Result};

/// Reads CSV text to its end and gives each row to `sink`.
///
/// # Errors
/// [`Error::Column`], before any row; [`Error::Read`], after the rows before it.
pub(crate) fn read_csv(
    name: &str,
    reader: impl Read,
    mapping: &ColumnMapping,
    options: &ParseOptions,
    sink: &mut RowSink<'_>,
) -> Result<()> {
    let options = &ParseOptions { form: WireForm::Lenient, ..options.clone() };
    let frame = FrameOptions { record_bytes_max: options.limits.record_bytes_max, ..FrameOptions::default() };
    let mut blocks = BlockReader::rows(name, reader, frame);
    let mut table: Option<Table<'_>> = None;
    while let Some(mut block) = blocks.next_block()? {
        let mut rejections = block.take_rejections().into_iter().peekable();
        for mut record in block.records() {
            let Some(table) = &table else {
                if record.index > 0
                    && let Some(rejection) = rejections.next()
                {
                    return Err(Error::Header { name: name.to_owned(), message: rejection.message });
                }
                table = Some(Table::new(name, record.text, blocks.delimiter(), mapping)?);
                continue;
            };
            // The header is no record.
            record.index -= 1;
            while rejections.peek().is_some_and(|rejection| rejection.index <= record.index) {
                if !rejections.next().is_none_or(|rejection| sink(Err(past_header(rejection)))) {
                    return Ok(());
                }
            }
            let row = table.row(record.text, options).map_err(|error| Rejection::new(&record, error));
            if !sink(row) {
                return Ok(());
            }
        }
        for rejection in rejections {
            if table.is_none() {
                return Err(Error::Header { name: name.to_owned(), message: rejection.message });
            }
            if !sink(Err(past_header(rejection))) {
                return Ok(());
            }
        }
    }
    Ok(())
}

fn past_header(mut rejection: Rejection) -> Rejection {
    rejection.index -= 1;
    rejection
}

/// A table whose header is read.
struct Table<'m> {
    columns: Vec<String>,
    roles: Roles,
    delimiter: u8,
    mapping: &'m ColumnMapping,
}

impl<'m> Table<'m> {
    fn new(name: &str, header: &[u8], delimiter: u8, mapping: &'m ColumnMapping) -> Result<Self> {
        let fields = utf8(header).and_then(|header| split(header, delimiter));
        let fields = fields.map_err(|message| Error::Header { name: name.to_owned(), message })?;
        let columns: Vec<String> = fields
            .into_iter()
            .enumerate()
            .map(|(at, field)| match field.trim() {
                "" => format!("column_{}", at + 1),
                field => field.to_owned(),
            })
            .collect();
        let roles = mapping.resolve(name, &columns)?;
        Ok(Self { columns, roles, delimiter, mapping })
    }

    fn row<'a>(&'a self, text: &'a [u8], options: &ParseOptions) -> Result<Record<'a>, RecordError> {
        let fields = utf8(text).and_then(|text| split(text, self.delimiter));
        let fields = fields.map_err(|message| RecordError::new("", message))?;
        if fields.len() != self.columns.len() {
            let (found, wanted) = (fields.len(), self.columns.len());
            return Err(RecordError::new("", format!("the row has {found} fields, the header {wanted}")));
        }
        let mut row = TableRow::new(self.mapping, options);
        for (at, (column, field)) in self.columns.iter().zip(fields).enumerate() {
            if self.roles.event == Some(at) {
                row.set_event(PropertyValue::String(field));
            } else if self.roles.time == at {
                row.set_time(column, self.time(field));
            } else if self.roles.user == Some(at) {
                row.set_user(column, PropertyValue::String(field));
            } else if self.roles.insert_id == Some(at) {
                row.set_insert_id(column, PropertyValue::String(field));
            } else if matches!(column.as_str(), "$user_id" | "$device_id") {
                // An id is text, whatever it looks like.
                row.set_property(column, PropertyValue::String(field));
            } else {
                row.set_property(column, typed(field));
            }
        }
        row.finish()
    }

    fn time<'a>(&self, field: Cow<'a, str>) -> RawTime<'a> {
        if field.trim_ascii().is_empty() {
            return RawTime::Value(PropertyValue::Null);
        }
        if self.mapping.time_unit.is_some() {
            let text = field.trim_ascii();
            let number = match (text.parse::<i64>(), text.parse::<f64>()) {
                (Ok(integer), _) => Some(PropertyValue::Int(integer)),
                (Err(_), Ok(float)) if float.is_finite() => Some(PropertyValue::Float(float)),
                _ => None,
            };
            if let Some(number) = number {
                return time_of_number(number, self.mapping.time_unit);
            }
        }
        RawTime::Value(PropertyValue::String(field))
    }
}

pub(crate) fn utf8(text: &[u8]) -> Result<&str, String> {
    std::str::from_utf8(text)
        .map_err(|error| format!("not valid UTF-8 at byte {} of the row", error.valid_up_to()))
}

/// The fields of a row, unquoted.
pub(crate) fn split(row: &str, delimiter: u8) -> Result<Vec<Cow<'_, str>>, String> {
    let delimiter = char::from(delimiter);
    let mut fields = Vec::new();
    let mut rest = row;
    loop {
        let Some(text) = rest.strip_prefix('"') else {
            if let Some((field, after)) = rest.split_once(delimiter) {
                fields.push(Cow::Borrowed(field));
                rest = after;
                continue;
            }
            fields.push(Cow::Borrowed(rest));
            return Ok(fields);
        };
        let (field, after) = unquote(text)?;
        fields.push(field);
        match after.strip_prefix(delimiter) {
            Some(after) => rest = after,
            None if after.trim().is_empty() => return Ok(fields),
            None => {
                return Err(format!(
                    "field {} goes on after its closing quote ({}); a quote inside a quoted field must be doubled",
                    fields.len(),
                    quoted(after)
                ));
            }
        }
    }
}

/// The content of a quoted field, its opening quote removed, and what follows its closing quote.
fn unquote(text: &str) -> Result<(Cow<'_, str>, &str), String> {
    let mut content = Cow::Borrowed("");
    let mut rest = text;
    loop {
        let Some((part, after)) = rest.split_once('"') else {
            return Err(format!("a quote is opened and never closed, before {}", quoted(text)));
        };
        if content.is_empty() {
            content = Cow::Borrowed(part);
        } else {
            content.to_mut().push_str(part);
        }
        match after.strip_prefix('"') {
            Some(after) => {
                content.to_mut().push('"');
                rest = after;
            }
            None => return Ok((content, after)),
        }
    }
}

/// A cell as the value it spells.
pub(crate) fn typed(cell: Cow<'_, str>) -> PropertyValue<'_> {
    match cell.as_ref() {
        "" => PropertyValue::Null,
        "true" | "True" | "TRUE" => PropertyValue::Bool(true),
        "false" | "False" | "FALSE" => PropertyValue::Bool(false),
        text => number(text).unwrap_or(PropertyValue::String(cell)),
    }
}

/// The number a text spells, if nothing of the spelling is lost in it.
fn number(text: &str) -> Option<PropertyValue<'static>> {
    let digits = text.strip_prefix('-').unwrap_or(text);
    if !digits.as_bytes().first()?.is_ascii_digit() {
        return None;
    }
    if let Ok(integer) = text.parse::<i64>() {
        return (integer.to_string() == text).then_some(PropertyValue::Int(integer));
    }
    let (mantissa, exponent) = match digits.split_once(['e', 'E']) {
        // Without a sign it may as well be a code.
        Some((mantissa, exponent)) if exponent.starts_with(['-', '+']) => (mantissa, Some(exponent)),
        Some(_) => return None,
        None => (digits, None),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, "0"));
    let all_digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let leading_zero = whole.len() > 1 && whole.starts_with('0');
    if !all_digits(whole) || !all_digits(fraction) || leading_zero {
        return None;
    }
    let value = text.parse::<f64>().ok().filter(|value| value.is_finite())?;
    let exact = if exponent.is_some() {
        whole.len() + fraction.len() <= 17
    } else if mantissa.contains('.') {
        value.abs().to_string() == digits.trim_end_matches('0').trim_end_matches('.')
    } else {
        value.abs().to_string() == digits
    };
    exact.then_some(PropertyValue::Float(value))
}

#[cfg(test)]
mod tests;

//! Columns some formats have no word for.
//!
//! A value taken out of JSON with `->` may be a number in one row and a string in the next: Arrow
//! has a union type for that, which hardly anything reads. JSON says each value as it is; other
//! formats get its text. CSV knows no lists and objects; they become JSON text there.

use std::sync::Arc;

use arrow::array::cast::AsArray as _;
use arrow::array::{Array, ArrayRef, RecordBatch, StringBuilder, UnionArray};
use arrow::datatypes::{DataType, Field, FieldRef, Schema, SchemaRef};
use arrow::error::ArrowError;
use arrow::json::writer::{Encoder, EncoderFactory, EncoderOptions, NullableEncoder, make_encoder};
use arrow::util::display::{ArrayFormatter, FormatOptions};

use super::Format;

/// The schema of what [`for_format`] returns.
pub(crate) fn schema_for(format: Format, schema: &SchemaRef) -> SchemaRef {
    let fields: Vec<FieldRef> = schema
        .fields()
        .iter()
        .map(|field| {
            if becomes_text(format, field.data_type()) {
                Arc::new(Field::new(field.name(), DataType::Utf8, true))
            } else {
                Arc::clone(field)
            }
        })
        .collect();
    Arc::new(Schema::new(fields))
}

/// `batch` with text in place of what `format` cannot say; `schema` is that of [`schema_for`].
pub(crate) fn for_format(
    format: Format,
    schema: &SchemaRef,
    batch: &RecordBatch,
) -> Result<RecordBatch, ArrowError> {
    let batch_schema = batch.schema();
    let columns = batch_schema
        .fields()
        .iter()
        .zip(batch.columns())
        .map(|(field, column)| {
            if becomes_text(format, field.data_type()) {
                json_text(field, column)
            } else {
                Ok(Arc::clone(column))
            }
        })
        .collect::<Result<Vec<_>, _>>()?;
    RecordBatch::try_new(Arc::clone(schema), columns)
}

/// [`for_format`] for tables.
pub(crate) fn for_table(batch: &RecordBatch) -> Result<RecordBatch, ArrowError> {
    for_format(Format::Table, &schema_for(Format::Table, &batch.schema()), batch)
}

fn becomes_text(format: Format, data_type: &DataType) -> bool {
    match data_type {
        DataType::Union(..) => !matches!(format, Format::Json | Format::Ndjson),
        _ => matches!(format, Format::Csv | Format::Table) && data_type.is_nested(),
    }
}

/// A column as JSON text, but that strings of a union stand without quotes.
fn json_text(field: &FieldRef, column: &ArrayRef) -> Result<ArrayRef, ArrowError> {
    let options =
        EncoderOptions::default().with_explicit_nulls(true).with_encoder_factory(Arc::new(JsonUnions));
    let mut encoder = make_encoder(field, column.as_ref(), &options)?;
    let mut text = StringBuilder::new();
    let mut bytes = Vec::new();
    for row in 0..column.len() {
        if encoder.is_null(row) {
            text.append_null();
            continue;
        }
        bytes.clear();
        encoder.encode(row, &mut bytes);
        text.append_value(match column.as_union_opt() {
            Some(_) => serde_json::from_slice(&bytes)
                .unwrap_or_else(|_| String::from_utf8_lossy(&bytes).into_owned()),
            None => String::from_utf8_lossy(&bytes).into_owned(),
        });
    }
    Ok(Arc::new(text.finish()))
}

/// Encodes the unions of datafusion-functions-json as the JSON they came from.
#[derive(Debug)]
pub(crate) struct JsonUnions;

impl EncoderFactory for JsonUnions {
    fn make_default_encoder<'a>(
        &self,
        _field: &'a FieldRef,
        array: &'a dyn Array,
        _options: &'a EncoderOptions,
    ) -> Result<Option<NullableEncoder<'a>>, ArrowError> {
        let Some(union) = array.as_union_opt() else { return Ok(None) };
        Ok(Some(NullableEncoder::new(Box::new(UnionEncoder(union)), union.logical_nulls())))
    }
}

struct UnionEncoder<'a>(&'a UnionArray);

impl Encoder for UnionEncoder<'_> {
    fn encode(&mut self, row: usize, out: &mut Vec<u8>) {
        let value = self.0.value(row);
        let text = || {
            ArrayFormatter::try_new(value.as_ref(), &FormatOptions::default())
                .map_or_else(|error| error.to_string(), |formatter| formatter.value(0).to_string())
        };
        let json = match value.data_type() {
            DataType::Null => b"null".to_vec(),
            _ if value.is_null(0) => b"null".to_vec(),
            data_type if data_type.is_numeric() || *data_type == DataType::Boolean => text().into_bytes(),
            // Lists and objects are JSON text already, and their field says so.
            _ if self.holds_json(row) => text().into_bytes(),
            _ => serde_json::to_vec(&text()).unwrap_or_else(|_| b"null".to_vec()),
        };
        out.extend_from_slice(&json);
    }
}

impl UnionEncoder<'_> {
    fn holds_json(&self, row: usize) -> bool {
        let DataType::Union(fields, _) = self.0.data_type() else { return false };
        let type_id = self.0.type_id(row);
        fields.iter().any(|(id, field)| id == type_id && matches!(field.name().as_str(), "array" | "object"))
    }
}

#[cfg(test)]
mod tests {
    use arrow::array::{BooleanArray, Int64Array, NullArray, StringArray};
    use arrow::buffer::ScalarBuffer;
    use arrow::datatypes::UnionFields;

    use super::*;

    /// One value of each kind, as `payload -> 'x'` gives them.
    fn column_of_unions() -> RecordBatch {
        let fields: UnionFields = [
            (0, Arc::new(Field::new("null", DataType::Null, true))),
            (1, Arc::new(Field::new("bool", DataType::Boolean, false))),
            (2, Arc::new(Field::new("int", DataType::Int64, false))),
            (4, Arc::new(Field::new("str", DataType::Utf8, false))),
            (6, Arc::new(Field::new("object", DataType::Utf8, false))),
        ]
        .into_iter()
        .collect();
        let children: Vec<ArrayRef> = vec![
            Arc::new(NullArray::new(5)),
            Arc::new(BooleanArray::from(vec![true; 5])),
            Arc::new(Int64Array::from(vec![7; 5])),
            Arc::new(StringArray::from(vec!["say \"hi\""; 5])),
            Arc::new(StringArray::from(vec![r#"{"a":[1]}"#; 5])),
        ];
        let union =
            UnionArray::try_new(fields, ScalarBuffer::from(vec![0i8, 1, 2, 4, 6]), None, children).unwrap();
        RecordBatch::try_from_iter([("x", Arc::new(union) as ArrayRef)]).unwrap()
    }

    #[test]
    fn json_says_each_value_of_a_union_as_it_is() {
        let mut text = Vec::new();
        let mut writer = arrow::json::WriterBuilder::new()
            .with_explicit_nulls(true)
            .with_encoder_factory(Arc::new(JsonUnions))
            .build::<_, arrow::json::writer::LineDelimited>(&mut text);
        writer.write(&column_of_unions()).unwrap();
        writer.finish().unwrap();
        assert_eq!(
            String::from_utf8(text).unwrap(),
            "{\"x\":null}\n{\"x\":true}\n{\"x\":7}\n{\"x\":\"say \\\"hi\\\"\"}\n{\"x\":{\"a\":[1]}}\n"
        );
    }

    #[test]
    fn other_formats_get_the_text_of_a_union() {
        let batch = column_of_unions();
        let texts = for_table(&batch).unwrap();
        let texts = texts.column(0).as_string::<i32>();
        let texts: Vec<_> = texts.iter().collect();
        assert_eq!(texts, [None, Some("true"), Some("7"), Some("say \"hi\""), Some(r#"{"a":[1]}"#)]);
    }
}

//! The formats programs read, written batch by batch.

use std::io::Write as _;
use std::sync::Arc;

use anyhow::Context as _;
use arrow::array::RecordBatch;
use arrow::csv;
use arrow::datatypes::SchemaRef;
use arrow::ipc::writer::StreamWriter;
use arrow::json;
use arrow::json::writer::{JsonArray, LineDelimited};
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::properties::WriterProperties;

use super::text::JsonUnions;
use super::{Format, Sink};
use crate::failure::advised;

/// Rows of a row group: bounds what the Parquet writer holds.
const ROW_GROUP_ROWS: usize = 131_072;

/// One of the formats, over a [`Sink`].
pub(crate) enum RowWriter {
    Csv(Box<csv::Writer<Sink>>),
    Json(json::Writer<Sink, JsonArray>),
    Ndjson(json::Writer<Sink, LineDelimited>),
    Parquet(Box<ArrowWriter<Sink>>),
    Arrow(Box<StreamWriter<Sink>>),
}

impl RowWriter {
    /// Writes what comes before the first row. `format` is not [`Format::Table`].
    pub(crate) fn try_new(format: Format, schema: &SchemaRef, sink: Sink) -> anyhow::Result<Self> {
        let json = || {
            json::WriterBuilder::new().with_explicit_nulls(true).with_encoder_factory(Arc::new(JsonUnions))
        };
        Ok(match format {
            Format::Csv | Format::Table => {
                let mut writer = csv::WriterBuilder::new().with_header(true).build(sink);
                // The header is written with the first batch, which may never come.
                writer.write(&RecordBatch::new_empty(Arc::clone(schema))).context("cannot write CSV")?;
                Self::Csv(Box::new(writer))
            }
            Format::Json => Self::Json(json().build(sink)),
            Format::Ndjson => Self::Ndjson(json().build(sink)),
            Format::Parquet => {
                let properties = WriterProperties::builder()
                    .set_compression(Compression::ZSTD(ZstdLevel::default()))
                    .set_max_row_group_row_count(Some(ROW_GROUP_ROWS))
                    .build();
                let writer = ArrowWriter::try_new(sink, Arc::clone(schema), Some(properties));
                Self::Parquet(Box::new(writer.map_err(|error| {
                    advised(
                        anyhow::Error::new(error).context("cannot write Parquet"),
                        "cast the column to a type Parquet knows, or choose another --output",
                    )
                })?))
            }
            Format::Arrow => Self::Arrow(Box::new(
                StreamWriter::try_new(sink, schema).context("cannot write an Arrow stream")?,
            )),
        })
    }

    /// Writes the rows of one batch.
    pub(crate) fn write(&mut self, batch: &RecordBatch) -> anyhow::Result<()> {
        match self {
            Self::Csv(writer) => writer.write(batch).context("cannot write CSV"),
            Self::Json(writer) => writer.write(batch).context("cannot write JSON"),
            Self::Ndjson(writer) => writer.write(batch).context("cannot write JSON"),
            Self::Parquet(writer) => writer.write(batch).context("cannot write Parquet"),
            Self::Arrow(writer) => writer.write(batch).context("cannot write an Arrow stream"),
        }
    }

    /// Writes what comes after the last row.
    pub(crate) fn finish(self) -> anyhow::Result<()> {
        let mut sink = match self {
            Self::Csv(writer) => writer.into_inner(),
            Self::Json(mut writer) => {
                writer.finish().context("cannot write JSON")?;
                let mut sink = writer.into_inner();
                sink.write_all(b"\n").context("cannot write JSON")?;
                sink
            }
            Self::Ndjson(mut writer) => {
                writer.finish().context("cannot write JSON")?;
                writer.into_inner()
            }
            Self::Parquet(writer) => writer.into_inner().context("cannot write Parquet")?,
            Self::Arrow(writer) => writer.into_inner().context("cannot write an Arrow stream")?,
        };
        sink.flush().context("cannot write")
    }
}

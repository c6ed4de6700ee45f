//! CSV or Parquet → a lookup table (U-40).
//!
//! The first column is the key: text, different in each row, and not empty. Other cells are what events
//! imported from such a file would have (numbers only where nothing of the spelling is lost), and in CSV
//! also lists, where a cell is a JSON array of texts (U-41). Objects are refused.
//!
//! At rest a table is one Parquet file: a column of text for the keys and one for each lane of the other
//! columns. The entry `tallymark.lookup` of its metadata is the catalog of the columns as JSON; the first
//! property of it is the key.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use arrow::array::{ArrayRef, RecordBatch, StringViewArray};
use arrow::datatypes::{Field, Schema};
use bytes::Bytes;
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::metadata::KeyValue;
use parquet::file::properties::WriterProperties;
use tallymark_event::{LaneId, LaneKind, PropertyCatalog, PropertyValue, ValueKinds, lane_array};

use crate::csv_input::{split, typed, utf8};
use crate::frame::{BlockReader, FrameOptions};
use crate::parquet_input::column::Column;
use crate::{Error, InputFile, InputKind, Result};

/// Rows that are turned into columns at a time.
const BATCH_ROWS: usize = 8192;

/// What is known of the values of a property.
#[derive(Debug, Clone, PartialEq)]
pub struct LookupTable {
    /// The name of the column with the keys.
    pub key: String,
    /// The names of the other columns.
    pub columns: Vec<String>,
    /// The key of each row.
    keys: Vec<String>,
    /// The cells of each of the other columns.
    cells: Vec<Vec<PropertyValue<'static>>>,
}

impl LookupTable {
    /// Reads a table.
    ///
    /// # Errors
    /// [`Error::Lookup`] with the row that cannot be used: a key that is empty or there already, a row
    /// that is ragged, an object; for JSON, which is no table. Errors of reading.
    pub fn read(file: &InputFile) -> Result<Self> {
        let wrong = |message: String| Error::Lookup { name: file.name().to_owned(), message };
        match file.kind() {
            InputKind::Csv => Self::read_csv(file, &wrong),
            InputKind::Parquet => Self::read_parquet(file, &wrong),
            InputKind::Json => Err(wrong("it is a CSV or Parquet file, and this is JSON".to_owned())),
        }
    }

    /// How many rows it has.
    pub fn rows(&self) -> usize {
        self.keys.len()
    }

    /// The file it is kept as.
    ///
    /// # Errors
    /// None that data can cause.
    pub fn encode(&self) -> Result<Bytes> {
        let mut catalog = PropertyCatalog::default();
        let texts = ValueKinds { first: Some(LaneKind::String), strings: true, ..ValueKinds::default() };
        catalog.open_lanes(&self.key, &texts);
        for (column, cells) in self.columns.iter().zip(&self.cells) {
            let mut kinds = ValueKinds::default();
            for cell in cells.iter().filter(|cell| **cell != PropertyValue::Null) {
                kinds.observe(cell);
            }
            catalog.open_lanes(column, &kinds);
        }
        let lanes: Vec<_> = (0u32..).map(LaneId).zip(catalog.lanes()).collect();
        let fields = lanes.iter().map(|(id, lane)| {
            let field = lane.field();
            if id.0 == 0 { Arc::new(Field::clone(&field).with_nullable(false)) } else { field }
        });
        let schema = Arc::new(Schema::new(fields.collect::<Vec<_>>()));
        let json = serde_json::to_string(&catalog)
            .map_err(|error| Error::Lookup { name: self.key.clone(), message: error.to_string() })?;
        let properties = WriterProperties::builder()
            .set_compression(Compression::ZSTD(ZstdLevel::default()))
            .set_key_value_metadata(Some(vec![KeyValue::new("tallymark.lookup".to_owned(), json)]))
            .build();
        let write = |source| Error::ReadParquet { name: self.key.clone(), source };
        let mut writer =
            ArrowWriter::try_new(Vec::new(), Arc::clone(&schema), Some(properties)).map_err(write)?;
        for from in (0..self.rows()).step_by(BATCH_ROWS) {
            let rows = from..(from + BATCH_ROWS).min(self.rows());
            let arrays = lanes.iter().map(|(id, lane)| -> ArrayRef {
                let Some(column) = (lane.property.0 as usize).checked_sub(1) else {
                    return Arc::new(self.keys[rows.clone()].iter().map(Some).collect::<StringViewArray>());
                };
                let cells = self.cells[column][rows.clone()].iter();
                let of_lane = |cell| (catalog.route(lane.property, cell) == Some(*id)).then_some(cell);
                lane_array(lane.kind, cells.map(of_lane))
            });
            let batch = RecordBatch::try_new(Arc::clone(&schema), arrays.collect())?;
            writer.write(&batch).map_err(write)?;
        }
        writer.into_inner().map(Bytes::from).map_err(write)
    }

    fn read_csv(file: &InputFile, wrong: &dyn Fn(String) -> Error) -> Result<Self> {
        let counter = Arc::new(AtomicU64::new(0));
        let mut blocks = BlockReader::rows(file.name(), file.open(counter)?, FrameOptions::default());
        let mut table: Option<Rows> = None;
        while let Some(block) = blocks.next_block()? {
            if let Some(refused) = block.rejections().first() {
                let line = refused.line.map_or_else(String::new, |line| format!("line {line}: "));
                return Err(wrong(format!("{line}{}", refused.message)));
            }
            for record in block.records() {
                let line = record.line.unwrap_or_default();
                let at_line = |message: String| wrong(format!("line {line}: {message}"));
                let text = utf8(record.text).map_err(at_line)?;
                let fields = split(text, blocks.delimiter()).map_err(at_line)?;
                let Some(table) = &mut table else {
                    let names = fields.into_iter().map(|name| name.trim().to_owned());
                    table = Some(Rows::new(names.collect()).map_err(at_line)?);
                    continue;
                };
                let mut fields = fields.into_iter();
                let key = fields.next().unwrap_or_default().into_owned();
                let cells = fields.map(|field| match list_of_texts(&field) {
                    Some(list) => list,
                    None => of_any_case(&field).unwrap_or_else(|| typed(field)).into_owned(),
                });
                let place = format!("line {line}");
                table.add(place, key, cells.collect()).map_err(wrong)?;
            }
        }
        table.map(|rows| rows.table).ok_or_else(|| wrong("it is empty".to_owned()))
    }

    fn read_parquet(file: &InputFile, wrong: &dyn Fn(String) -> Error) -> Result<Self> {
        let parquet_error = |source| Error::ReadParquet { name: file.name().to_owned(), source };
        let builder = ParquetRecordBatchReaderBuilder::try_new(file.parquet()?).map_err(parquet_error)?;
        let names = builder.schema().fields().iter().map(|field| field.name().clone()).collect();
        let mut table = Rows::new(names).map_err(wrong)?;
        let rows_error = |source| Error::ReadRows { name: file.name().to_owned(), source };
        for batch in builder.with_batch_size(BATCH_ROWS).build().map_err(parquet_error)? {
            let batch = batch.map_err(rows_error)?;
            let columns = batch.columns().iter().map(Column::try_new).collect::<Result<Vec<_>, _>>();
            let columns = columns.map_err(rows_error)?;
            let Some((keys, others)) = columns.split_first() else { continue };
            for row in 0..batch.num_rows() {
                let key = match keys.id(row) {
                    PropertyValue::Null => String::new(),
                    PropertyValue::String(text) => text.into_owned(),
                    other => other.to_string(),
                };
                let cells = others.iter().map(|column| column.value(row).into_owned()).collect();
                let place = format!("row {}", table.table.rows() + 1);
                table.add(place, key, cells).map_err(wrong)?;
            }
        }
        Ok(table.table)
    }
}

/// A table that grows, and where its keys are.
struct Rows {
    table: LookupTable,
    places: HashMap<String, String>,
}

impl Rows {
    fn new(names: Vec<String>) -> Result<Self, String> {
        let mut seen = BTreeSet::new();
        for (at, name) in names.iter().enumerate() {
            if name.is_empty() {
                return Err(format!("column {} has no name", at + 1));
            }
            if !seen.insert(name) {
                return Err(format!("two columns are named {name:?}"));
            }
        }
        let mut names = names.into_iter();
        let (Some(key), columns) = (names.next(), names.collect::<Vec<_>>()) else {
            return Err("it has no columns".to_owned());
        };
        if columns.is_empty() {
            return Err(format!("besides the key {key:?} it has no column"));
        }
        let cells = columns.iter().map(|_| Vec::new()).collect();
        let table = LookupTable { key, columns, keys: Vec::new(), cells };
        Ok(Self { table, places: HashMap::new() })
    }

    fn add(&mut self, place: String, key: String, cells: Vec<PropertyValue<'static>>) -> Result<(), String> {
        let table = &mut self.table;
        if cells.len() != table.columns.len() {
            let (found, wanted) = (cells.len() + 1, table.columns.len() + 1);
            return Err(format!("{place} has {found} fields, the header {wanted}"));
        }
        if key.is_empty() {
            return Err(format!("{place} has no {:?}, which is the key", table.key));
        }
        if let Some(first) = self.places.get(&key) {
            return Err(format!("{place} has the {:?} {key:?} again; {first} has it already", table.key));
        }
        for (column, cell) in table.columns.iter().zip(&cells) {
            if matches!(cell, PropertyValue::Object(_)) {
                return Err(format!("{place}: {column:?} is an object, and a cell cannot be one"));
            }
        }
        self.places.insert(key.clone(), place);
        table.keys.push(key);
        for (column, cell) in table.cells.iter_mut().zip(cells) {
            column.push(cell);
        }
        Ok(())
    }
}

/// U-41: a JSON array of texts.
fn list_of_texts(cell: &str) -> Option<PropertyValue<'static>> {
    if !cell.trim_start().starts_with('[') {
        return None;
    }
    let texts: Vec<String> = serde_json::from_str(cell).ok()?;
    Some(PropertyValue::List(texts.into_iter().map(PropertyValue::from).collect()))
}

/// U-41: booleans are written in any case.
fn of_any_case(cell: &str) -> Option<PropertyValue<'static>> {
    if cell.eq_ignore_ascii_case("true") {
        Some(PropertyValue::Bool(true))
    } else {
        cell.eq_ignore_ascii_case("false").then_some(PropertyValue::Bool(false))
    }
}

#[cfg(test)]
mod tests {
    use crate::{Input, expand};

    use super::*;

    fn read(name: &str, text: &'static str) -> Result<LookupTable> {
        let files = expand([Input::from_reader(name, text.as_bytes())])?;
        LookupTable::read(&files.files[0])
    }

    #[test]
    fn u_41_cells_are_typed_one_by_one() {
        let table = read(
            "songs.csv",
            "song_id,artist,year,live,tags\n\
             007,\"Ella, Louis\",1956,tRUE,\"[\"\"a\"\",\"\"b\"\"]\"\n\
             x,,2001-02-03,False,[1]\n",
        )
        .unwrap();
        assert_eq!((table.key.as_str(), table.rows()), ("song_id", 2));
        assert_eq!(table.keys, ["007", "x"]);
        let list = PropertyValue::List(vec!["a".into(), "b".into()]);
        let expected: [[PropertyValue<'_>; 2]; 4] = [
            ["Ella, Louis".into(), PropertyValue::Null],
            [PropertyValue::Int(1956), "2001-02-03".into()],
            [PropertyValue::Bool(true), PropertyValue::Bool(false)],
            [list, "[1]".into()],
        ];
        assert_eq!(table.columns, ["artist", "year", "live", "tags"]);
        assert_eq!(table.cells, expected);
    }

    #[test]
    fn u_40_keys_are_there_and_different() {
        let problem = |text| read("t.csv", text).unwrap_err().to_string();
        assert_eq!(
            [
                problem("id,a\n1,x\n2,y\n1,z\n"),
                problem("id,a\n,x\n"),
                problem("id,a\n1\n"),
                problem("id,a,a\n1,2,3\n"),
                problem("id\n1\n"),
                problem("id,\n1,2\n"),
                read("t.json", "{\"a\":1}").unwrap_err().to_string(),
            ],
            [
                "t.csv is no lookup table: line 4 has the \"id\" \"1\" again; line 2 has it already",
                "t.csv is no lookup table: line 2 has no \"id\", which is the key",
                "t.csv is no lookup table: line 2 has 1 fields, the header 2",
                "t.csv is no lookup table: line 1: two columns are named \"a\"",
                "t.csv is no lookup table: line 1: besides the key \"id\" it has no column",
                "t.csv is no lookup table: line 1: column 2 has no name",
                "t.json is no lookup table: it is a CSV or Parquet file, and this is JSON",
            ]
        );
    }

    #[test]
    fn a_table_that_was_kept_reads_as_the_same() {
        let table = read("t.csv", "id,v,w\n1,5,a\n2,5.5,\n3,x,2024-01-02\n4,TRUE,\"[\"\"b\"\"]\"\n").unwrap();
        let bytes = table.encode().unwrap();
        let files = expand([Input::from_reader("kept.parquet", std::io::Cursor::new(bytes))]).unwrap();
        let kept = LookupTable::read(&files.files[0]).unwrap();
        assert_eq!(kept.keys, table.keys);
        // The other columns are one for each lane.
        assert_eq!(kept.columns, ["v", "v@boolean", "v@string", "w", "w@list_string"]);
    }
}

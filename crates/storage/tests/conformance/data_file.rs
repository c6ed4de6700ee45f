//! What a data file holds, how, and what the manifest says of it.

use std::sync::Arc;

use arrow::array::{
    ArrayRef, AsArray as _, BooleanArray, Date32Array, DictionaryArray, Float64Array, Int64Array, ListArray,
    RecordBatch, StringViewArray, TimestampMillisecondArray,
};
use arrow::datatypes::{Int64Type, UInt8Type};
use bytes::Bytes;
use futures::TryStreamExt as _;
use parquet::basic::{Compression, Encoding};
use parquet::file::reader::{FileReader as _, SerializedFileReader};
use tallymark_event::{
    DateShape, Day, Lane, LaneId, LaneKind, PropertyCatalog, PropertyId, PropertyValue, Timestamp, ValueKinds,
};
use tallymark_storage::{
    DataFile, DataFileWriter, Error, EventCount, FileSettings, LaneCount, Projection, Snapshot, paths,
};

use crate::rows::{Row, Table, file};
use crate::support::{Place, START};

fn day() -> Day {
    START.day()
}

fn rows() -> Vec<Row> {
    let time = START.millis();
    let mut rows = vec![
        Row::new("view", "", time + 5).with("ad", true),
        Row::new("view", "u1", time + 1).with("price", 3),
        Row::new("a name longer than a view", "u1", time + 2).with("price", 4),
        Row::new("view", "u2", time).with("a.b", "x"),
        Row::new("buy", "u\u{10ffff}", time + 9),
    ];
    for (row, sequence) in rows.iter_mut().zip([7, 3, 9, 1, 2]) {
        row.sequence = sequence;
    }
    rows[1].insert_id = Some("i1".to_owned());
    rows[3].insert_id = Some("i2".to_owned());
    rows
}

fn write(rows: Vec<Row>, row_group_rows: usize) -> (DataFile, Bytes, PropertyCatalog) {
    let mut table = Table::with(&PropertyCatalog::default(), rows);
    let settings = FileSettings { row_group_rows, ..FileSettings::default() };
    let (file, bytes) = table.files(&settings, 4).remove(0);
    (file, bytes, table.catalog)
}

#[test]
fn the_manifest_knows_what_is_in_a_file() {
    for row_group_rows in [1, 2, 100] {
        let (file, bytes, _) = write(rows(), row_group_rows);
        let count = |name: &str, rows| EventCount { name: name.to_owned(), rows };
        let expected = DataFile {
            path: file.path.clone(),
            day: day(),
            rows: 5,
            bytes: bytes.len() as u64,
            min_time: START,
            max_time: Timestamp::from_millis(START.millis() + 9),
            min_user: Some("u1".to_owned()),
            max_user: Some("u\u{10ffff}".to_owned()),
            nobody_rows: 1,
            distinct_users: 3,
            keyed_rows: 2,
            events: vec![count("a name longer than a view", 1), count("buy", 1), count("view", 3)],
            lanes: [(0, 1), (1, 1), (2, 2)]
                .map(|(lane, rows)| LaneCount { lane: LaneId(lane), rows })
                .to_vec(),
            min_sequence: 1,
            max_sequence: 9,
            identity_version: 4,
        };
        assert_eq!(file, expected, "row groups of {row_group_rows}");
        assert_eq!(paths::parse(&file.path), Some(paths::ObjectKind::Data(day())));
    }
}

#[test]
fn a_file_of_nobody_has_no_users() {
    let (file, ..) = write(vec![Row::new("a", "", START.millis())], 100);
    assert_eq!((file.min_user, file.max_user, file.distinct_users, file.nobody_rows), (None, None, 0, 1));
}

#[test]
fn a_file_explains_itself_to_any_reader() {
    let (_, bytes, _) = write(rows(), 2);
    let reader = SerializedFileReader::new(bytes).unwrap();
    let metadata = reader.metadata();
    let keys = metadata.file_metadata().key_value_metadata().unwrap();
    assert_eq!(keys.len(), 1, "no Arrow schema is embedded: {keys:?}");
    assert_eq!(keys[0].key, "tallymark");
    assert_eq!(
        keys[0].value.as_deref().unwrap(),
        concat!(
            r#"{"version":1,"lanes":[{"column":"a.b","property":"a.b","kind":"string"},"#,
            r#"{"column":"ad","property":"ad","kind":"bool"},{"column":"price","property":"price","kind":"int64"}]}"#
        )
    );
    assert_eq!(metadata.num_row_groups(), 3);
    let group = metadata.row_group(0);
    let sorting: Vec<(i32, bool, bool)> = group
        .sorting_columns()
        .unwrap()
        .iter()
        .map(|column| (column.column_idx, column.descending, column.nulls_first))
        .collect();
    assert_eq!(sorting, [(3, false, true), (1, false, true), (7, false, true)]);
    for column in group.columns() {
        let name = column.column_path().string();
        assert!(matches!(column.compression(), Compression::ZSTD(_)), "{name}");
        let encodings: Vec<Encoding> = column.encodings().collect();
        let is_delta = encodings.contains(&Encoding::DELTA_BINARY_PACKED);
        assert_eq!(is_delta, ["time", "sequence"].contains(&name.as_str()), "{name} {encodings:?}");
        let has_dictionary = column.dictionary_page_offset().is_some();
        let plain = ["time", "sequence", "insert_id", "ad"].contains(&name.as_str());
        assert_eq!(has_dictionary, !plain, "{name}");
        assert_eq!(column.statistics().is_none(), name == "insert_id", "{name}");
    }
    let schema: Vec<String> = metadata
        .file_metadata()
        .schema_descr()
        .columns()
        .iter()
        .map(|column| format!("{} {} {:?}", column.name(), column.physical_type(), column.logical_type_ref()))
        .collect();
    assert!(schema[1].starts_with("time INT64 Some(Timestamp"), "{schema:?}");
    assert!(schema[1].contains("MILLIS"), "{schema:?}");
    assert_eq!(schema[0], "event BYTE_ARRAY Some(String)");
}

/// A catalog with a lane of every kind, and a file with a value in each.
fn every_kind() -> (PropertyCatalog, Vec<(LaneId, Lane)>, Vec<ArrayRef>) {
    let list = |values: Vec<Option<Vec<Option<i64>>>>| {
        let list = ListArray::from_iter_primitive::<Int64Type, _, _>(values);
        arrow::compute::cast(&list, &LaneKind::ListInt64.data_type()).unwrap()
    };
    let to = |array: &ArrayRef, kind: LaneKind| arrow::compute::cast(array, &kind.data_type()).unwrap();
    let numbers = list(vec![Some(vec![Some(1), None, Some(-2)]), None, Some(vec![])]);
    let times = TimestampMillisecondArray::from(vec![None, Some(1), Some(-1)]).with_timezone("UTC");
    let kinds: Vec<(LaneKind, ArrayRef)> = vec![
        (LaneKind::Bool, Arc::new(BooleanArray::from(vec![Some(true), None, Some(false)]))),
        (LaneKind::Int64, Arc::new(Int64Array::from(vec![Some(i64::MIN), None, Some(i64::MAX)]))),
        (LaneKind::Float64, Arc::new(Float64Array::from(vec![None, Some(-0.0), Some(1e300)]))),
        (
            LaneKind::String,
            Arc::new(StringViewArray::from(vec![Some(""), None, Some("a long string with ä and \u{0}")])),
        ),
        (LaneKind::Date(DateShape::Date), Arc::new(Date32Array::from(vec![Some(-1), None, Some(19_000)]))),
        (LaneKind::Date(DateShape::MillisZ), Arc::new(times)),
        (LaneKind::ListBool, to(&numbers, LaneKind::ListBool)),
        (LaneKind::ListInt64, Arc::clone(&numbers)),
        (LaneKind::ListFloat64, to(&numbers, LaneKind::ListFloat64)),
        (LaneKind::ListString, to(&numbers, LaneKind::ListString)),
        (LaneKind::Json, Arc::new(StringViewArray::from(vec![None, Some(r#"{"a":[1]}"#), Some("[]")]))),
        (LaneKind::Null, Arc::new(BooleanArray::from(vec![Some(true), None, None]))),
    ];
    let mut stored = (Vec::new(), Vec::new());
    let mut lanes = Vec::new();
    let mut columns = Vec::new();
    for (index, (kind, column)) in kinds.into_iter().enumerate() {
        let name = format!("property.{index} [x]");
        let lane = Lane { property: PropertyId(index as u32), column: name.clone(), kind, exact: true };
        stored.0.push(serde_json::json!({"name": name, "lanes": [index]}));
        stored.1.push(lane.clone());
        lanes.push((LaneId(index as u32), lane));
        columns.push(column);
    }
    let catalog = serde_json::json!({"properties": stored.0, "lanes": stored.1});
    (serde_json::from_value(catalog).unwrap(), lanes, columns)
}

fn system_columns(rows: usize) -> Vec<ArrayRef> {
    let text = |value: &str| {
        Arc::new(std::iter::repeat_n(Some(value), rows).collect::<StringViewArray>()) as ArrayRef
    };
    let none = || Arc::new(std::iter::repeat_n(None::<&str>, rows).collect::<StringViewArray>()) as ArrayRef;
    let times = || {
        Arc::new(
            TimestampMillisecondArray::from_iter_values(std::iter::repeat_n(START.millis(), rows))
                .with_timezone("UTC"),
        ) as ArrayRef
    };
    let sequences = Arc::new(Int64Array::from_iter_values(0..rows as i64));
    vec![text("e"), times(), text("u"), text("u"), none(), none(), times(), sequences]
}

async fn read(
    place: &Place,
    catalog: &PropertyCatalog,
    file: &DataFile,
    columns: &Projection,
) -> Vec<RecordBatch> {
    let store = place.reader().await;
    let snapshot = Snapshot { catalog: Arc::new(catalog.clone()), ..(*store.snapshot()).clone() };
    store.read_data_file(&snapshot, file, columns).await.unwrap().try_collect().await.unwrap()
}

#[tokio::test]
async fn every_kind_of_lane_comes_back_in_its_type() {
    let (catalog, lanes, columns) = every_kind();
    let all: Vec<ArrayRef> = system_columns(3).into_iter().chain(columns).collect();
    let mut writer = DataFileWriter::try_new(day(), &lanes, &catalog, &FileSettings::default()).unwrap();
    let schema = Arc::clone(writer.schema());
    writer.write_row_group(3, &mut |index| Ok(Arc::clone(&all[index]))).unwrap();
    let (bytes, file) = writer.finish(0).unwrap();
    let place = Place::local();
    let store = place.writer().await;
    store.put_data_file(&file, bytes).await.unwrap();
    let batches = read(&place, &catalog, &file, &Projection::All).await;
    let expected = RecordBatch::try_new(schema, all).unwrap();
    assert_eq!(batches, [expected]);
}

#[tokio::test]
async fn columns_come_in_the_order_asked_for() {
    let (file, bytes, catalog) = write(rows(), 2);
    let place = Place::memory();
    let store = place.writer().await;
    store.put_data_file(&file, bytes).await.unwrap();
    let projection = Projection::columns(["price", "time", "not there", "event", "a.b"]);
    let batches = read(&place, &catalog, &file, &projection).await;
    let schema = batches[0].schema();
    let names: Vec<&str> = schema.fields().iter().map(|field| field.name().as_str()).collect();
    assert_eq!(names, ["price", "time", "event", "a.b"]);
    assert_eq!(batches.iter().map(RecordBatch::num_rows).sum::<usize>(), 5);
    let none = read(&place, &catalog, &file, &Projection::columns([])).await;
    assert_eq!(none.iter().map(RecordBatch::num_rows).sum::<usize>(), 5);
}

#[tokio::test]
async fn a_file_that_is_gone_is_an_error_of_reading() {
    let (file, _, catalog) = write(rows(), 2);
    let place = Place::memory();
    let store = place.writer().await;
    let snapshot = Snapshot { catalog: Arc::new(catalog), ..(*store.snapshot()).clone() };
    let Err(error) = store.read_data_file(&snapshot, &file, &Projection::All).await else { panic!("read") };
    assert!(matches!(&error, Error::Read { path, .. } if *path == file.path), "{error:?}");
}

#[test]
fn text_may_come_as_a_dictionary() {
    let columns = system_columns(3);
    let mut writer =
        DataFileWriter::try_new(day(), &[], &PropertyCatalog::default(), &FileSettings::default()).unwrap();
    writer
        .write_row_group(3, &mut |index| {
            Ok(if index == 0 {
                let values = Arc::new(StringViewArray::from(vec!["x", "y"]));
                let keys = arrow::array::PrimitiveArray::<UInt8Type>::from(vec![1, 0, 1]);
                Arc::new(DictionaryArray::new(keys, values)) as ArrayRef
            } else {
                Arc::clone(&columns[index])
            })
        })
        .unwrap();
    let (_, file) = writer.finish(0).unwrap();
    let counts: Vec<(&str, u64)> =
        file.events.iter().map(|count| (count.name.as_str(), count.rows)).collect();
    assert_eq!(counts, [("x", 1), ("y", 2)]);
}

/// Columns one of which is replaced → the error of writing them.
fn refused(index: usize, column: ArrayRef) -> Error {
    let mut columns = system_columns(3);
    columns[index] = column;
    let mut writer =
        DataFileWriter::try_new(day(), &[], &PropertyCatalog::default(), &FileSettings::default()).unwrap();
    writer.write_row_group(3, &mut |index| Ok(Arc::clone(&columns[index]))).unwrap_err()
}

#[test]
fn rows_that_are_not_as_promised_are_refused() {
    let text =
        |values: &[Option<&str>]| Arc::new(values.iter().copied().collect::<StringViewArray>()) as ArrayRef;
    let times = |values: [i64; 3]| {
        Arc::new(TimestampMillisecondArray::from_iter_values(values).with_timezone("UTC")) as ArrayRef
    };
    let start = START.millis();
    let wrong = [
        ("a column that is too short", 0, text(&[Some("a")])),
        ("a null where none may be", 0, text(&[Some("a"), None, Some("b")])),
        ("users out of order", 3, text(&[Some("b"), Some("a"), Some("c")])),
        ("nobody after somebody", 3, text(&[Some("b"), None, Some("c")])),
        ("a user that comes back", 3, text(&[Some("a"), Some("b"), Some("a")])),
        ("times out of order", 1, times([start, start + 2, start + 1])),
        ("sequences out of order", 7, Arc::new(Int64Array::from(vec![0, 2, 1])) as ArrayRef),
        ("another day", 1, times([start, start + 1, start + 86_400_000])),
    ];
    for (what, index, column) in wrong {
        let error = refused(index, column);
        assert!(matches!(error, Error::Rows { .. }), "{what}: {error:?}");
    }
    let error = refused(7, text(&[Some("a"), Some("b"), Some("c")]));
    assert!(matches!(error, Error::Encode { .. }), "{error:?}");
}

#[test]
fn order_is_checked_across_row_groups() {
    let mut writer =
        DataFileWriter::try_new(day(), &[], &PropertyCatalog::default(), &FileSettings::default()).unwrap();
    let columns = system_columns(2);
    writer.write_row_group(2, &mut |index| Ok(Arc::clone(&columns[index]))).unwrap();
    writer.write_row_group(0, &mut |_| panic!("no columns of no rows")).unwrap();
    let error = writer.write_row_group(2, &mut |index| Ok(Arc::clone(&columns[index]))).unwrap_err();
    assert!(matches!(error, Error::Rows { .. }), "{error:?}");
}

/// A read goes through in batches of bounded size, whatever the row groups.
#[tokio::test]
async fn batches_are_bounded() {
    let rows: Vec<Row> = (0..10_000)
        .map(|sequence| Row { sequence, ..Row::new("e", &format!("u{:05}", sequence / 3), START.millis()) })
        .collect();
    let settings = FileSettings::default();
    let (file, bytes) = file(day(), rows, &PropertyCatalog::default(), &settings, 0);
    assert_eq!(file.distinct_users, 3334);
    let place = Place::memory();
    place.writer().await.put_data_file(&file, bytes).await.unwrap();
    let batches = read(&place, &PropertyCatalog::default(), &file, &Projection::columns(["sequence"])).await;
    assert!(batches.iter().all(|batch| batch.num_rows() <= 8192));
    let sequences: Vec<i64> = batches
        .iter()
        .flat_map(|batch| batch.column(0).as_primitive::<Int64Type>().values().to_vec())
        .collect();
    assert!(sequences.into_iter().eq(0..10_000));
}

/// The example of the documentation of the module.
#[test]
fn a_sibling_lane_is_named_for_its_property() {
    let mut catalog = PropertyCatalog::default();
    let mut kinds = ValueKinds::default();
    for value in [PropertyValue::from(1), PropertyValue::from("x")] {
        kinds.observe(&value);
    }
    catalog.open_lanes("price", &kinds);
    let lanes: Vec<(LaneId, Lane)> = (0..).map(LaneId).zip(catalog.lanes().iter().cloned()).skip(1).collect();
    let writer = DataFileWriter::try_new(day(), &lanes, &catalog, &FileSettings::default()).unwrap();
    let (bytes, _) = writer.finish(0).unwrap();
    let reader = SerializedFileReader::new(bytes).unwrap();
    let keys = reader.metadata().file_metadata().key_value_metadata().unwrap();
    assert_eq!(
        keys[0].value.as_deref(),
        Some(r#"{"version":1,"lanes":[{"column":"price@string","property":"price","kind":"string"}]}"#)
    );
}

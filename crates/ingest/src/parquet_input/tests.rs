use std::sync::Arc;

use arrow::array::{
    ArrayRef, BinaryArray, BooleanArray, Date32Array, Decimal128Array, DictionaryArray, FixedSizeBinaryArray,
    Float32Array, Int32Array, Int64Array, ListArray, MapBuilder, StringArray, StringBuilder, StructArray,
    Time32SecondArray, TimestampMicrosecondArray, TimestampNanosecondArray, TimestampSecondArray,
    UInt64Array,
};
use arrow::datatypes::{DataType, Field, Int32Type};
use parquet::arrow::ArrowWriter;
use tallymark_event::Timestamp;

use super::*;
use crate::TimeUnit;
use crate::table_row::row_text;

fn file(columns: Vec<(&str, ArrayRef)>) -> File {
    let batch = RecordBatch::try_from_iter_with_nullable(
        columns.into_iter().map(|(name, array)| (name, array, true)),
    )
    .unwrap();
    let file = tempfile::tempfile().unwrap();
    let mut writer = ArrowWriter::try_new(file.try_clone().unwrap(), batch.schema(), None).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
    file
}

fn read(file: File, mapping: &ColumnMapping) -> Result<Vec<String>> {
    let (mut rows, counter) = (Vec::new(), AtomicU64::new(0));
    let bytes = file.metadata().unwrap().len();
    let options = ParseOptions::new(Timestamp::from_millis(1_700_000_100_000));
    read_parquet("t.parquet", file, mapping, &options, &counter, &mut |row| {
        rows.push(row_text(row, |Rejection { index, field, message, raw, .. }| {
            format!("{index} {field}: {message} {}", String::from_utf8(raw).unwrap())
        }));
        true
    })?;
    if !rows.is_empty() {
        assert_eq!(counter.into_inner(), bytes, "all of the file counts as read");
    }
    Ok(rows)
}

fn names() -> ArrayRef {
    Arc::new(StringArray::from(vec!["A", "B"]))
}

fn seconds() -> ArrayRef {
    Arc::new(Int64Array::from(vec![1_700_000_000, 1_700_000_001]))
}

/// One property of two rows, as the events have it.
#[track_caller]
fn check(array: impl arrow::array::Array + 'static, expected: [&str; 2]) {
    let rows = read(
        file(vec![("event", names()), ("time", seconds()), ("x", Arc::new(array))]),
        &ColumnMapping::default(),
    );
    let shown: Vec<_> = rows
        .unwrap()
        .into_iter()
        .map(|row| row.split_once('[').unwrap().1.trim_start_matches("x=").to_owned())
        .collect();
    assert_eq!(shown, expected.map(|expected| format!("{expected}]")));
}

#[test]
fn scalars_of_any_type() {
    check(Int32Array::from(vec![Some(-5), None]), ["-5", ""]);
    check(UInt64Array::from(vec![7, u64::MAX]), ["7", "1.8446744073709552e+19"]);
    check(Float32Array::from(vec![0.5, f32::NAN]), ["0.5", ""]);
    check(BooleanArray::from(vec![Some(true), None]), ["true", ""]);
    check(StringArray::from(vec!["é", ""]), ["\"é\"", "\"\""]);
    check(Decimal128Array::from(vec![1050, -1]).with_precision_and_scale(10, 2).unwrap(), ["10.5", "-0.01"]);
    check(
        Decimal128Array::from(vec![42, i128::from(i64::MAX)]).with_precision_and_scale(38, 0).unwrap(),
        ["42", "9223372036854775807"],
    );
    check(BinaryArray::from(vec![b"text".as_slice(), &[0xFF, 0x01]]), ["\"text\"", "\"ff01\""]);
    check(
        FixedSizeBinaryArray::try_from_iter([[0xABu8, 0xCD], [0xFF, 0]].iter()).unwrap(),
        ["\"abcd\"", "\"ff00\""],
    );
    check([Some("a"), None].into_iter().collect::<DictionaryArray<Int32Type>>(), ["\"a\"", ""]);
    check(Time32SecondArray::from(vec![3_661, 0]), ["\"01:01:01\"", "\"00:00:00\""]);
}

#[test]
fn d22_dates_and_timestamps_become_dates() {
    check(Date32Array::from(vec![19_782, 0]), ["\"2024-02-29\"", "\"1970-01-01\""]);
    check(TimestampSecondArray::from(vec![Some(1_700_000_000), None]), ["\"2023-11-14T22:13:20\"", ""]);
    let zoned = TimestampMicrosecondArray::from(vec![1_700_000_000_250_000, 1_700_000_000_250_001])
        .with_timezone("+02:00");
    check(zoned, ["\"2023-11-14T22:13:20.250Z\"", "\"2023-11-14T22:13:20.250001Z\""]);
    check(
        TimestampNanosecondArray::from(vec![1_700_000_000_000_000_000, 1]),
        ["\"2023-11-14T22:13:20.000\"", "\"1970-01-01T00:00:00.000000001\""],
    );
}

#[test]
fn lists_structs_and_maps() {
    check(
        ListArray::from_iter_primitive::<Int32Type, _, _>(vec![Some(vec![Some(1), None]), None]),
        ["[1,null]", ""],
    );
    let inner: ArrayRef = Arc::new(StringArray::from(vec![Some("x"), None]));
    let structs = StructArray::from(vec![(Arc::new(Field::new("a b", DataType::Utf8, true)), inner)]);
    check(structs, ["{\"a b\":\"x\"}", "{\"a b\":null}"]);
    let mut map = MapBuilder::new(None, StringBuilder::new(), StringBuilder::new());
    map.keys().append_value("k");
    map.values().append_value("v");
    map.append(true).unwrap();
    map.append(false).unwrap();
    check(map.finish(), ["{\"k\":\"v\"}", ""]);
}

#[test]
fn times_of_any_type() {
    let expect = |time: ArrayRef, unit: Option<TimeUnit>, expected: &str| {
        let mapping = ColumnMapping { time_unit: unit, ..ColumnMapping::default() };
        let rows = read(file(vec![("event", names()), ("time", time)]), &mapping).unwrap();
        assert!(rows[0].starts_with(expected), "{}", rows[0]);
    };
    let at = "A 1700000000000";
    expect(Arc::new(TimestampNanosecondArray::from(vec![1_700_000_000_000_999_999, 0])), None, at);
    expect(Arc::new(TimestampSecondArray::from(vec![99_000_000, 0])), None, "A 99000000000");
    expect(Arc::new(Date32Array::from(vec![19_675, 0])), None, "A 1699920000000");
    expect(Arc::new(StringArray::from(vec!["2023-11-14 22:13:20", ""])), None, at);
    expect(Arc::new(Int64Array::from(vec![1_700_000_000_000, 0])), None, at);
    expect(Arc::new(Int64Array::from(vec![1_700_000_000_000_000, 0])), Some(TimeUnit::Microseconds), at);
    expect(
        Arc::new(Int64Array::from(vec![99_000_000_000, 0])),
        Some(TimeUnit::Milliseconds),
        "A 99000000000",
    );
    expect(Arc::new(Int64Array::from(vec![None, Some(0)])), None, "0 time: missing");
    expect(Arc::new(BooleanArray::from(vec![true, false])), None, "0 time: true is not a time");
}

#[test]
fn ids_keep_all_their_digits() {
    let rows = read(
        file(vec![
            ("event", names()),
            ("ts", seconds()),
            ("user_id", Arc::new(UInt64Array::from(vec![u64::MAX, 5]))),
        ]),
        &ColumnMapping::default(),
    )
    .unwrap();
    assert_eq!(rows, [r#"A 1700000000000 "18446744073709551615" []"#, r#"B 1700000001000 "5" []"#]);
}

#[test]
fn refused_rows_are_kept_as_json() {
    let columns = vec![
        ("event", Arc::new(StringArray::from(vec![Some(""), Some("B")])) as ArrayRef),
        ("time", seconds()),
    ];
    let rows = read(file(columns), &ColumnMapping::default()).unwrap();
    assert_eq!(rows[0], r#"0 event: empty; every event needs a name {"event":"","time":1700000000}"#);
    assert!(rows[1].starts_with("B "));
}

#[test]
fn what_is_no_parquet_is_an_error() {
    use std::io::Write as _;
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(b"PAR1 and nothing else").unwrap();
    let error = read(file, &ColumnMapping::default()).unwrap_err();
    assert_eq!(error.to_string(), "cannot read Parquet file t.parquet");
}

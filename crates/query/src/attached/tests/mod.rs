mod memory;

use std::path::Path;
use std::sync::Arc;

use arrow::array::{
    ArrayRef, Float64Array, Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray,
    TimestampNanosecondArray,
};
use arrow::datatypes::{Field, Schema};
use datafusion::parquet::arrow::ArrowWriter;
use datafusion::parquet::file::properties::WriterProperties;
use datafusion::prelude::SessionContext;
use tallymark_storage::Attachment;

use super::split_pattern;
use crate::testing::{TestDataset, answer, error, rows};

/// A row group has so many rows in files that have several.
const GROUP_ROWS: usize = 7;

fn write(path: &Path, columns: &[(&str, ArrayRef)]) {
    let fields: Vec<Field> =
        columns.iter().map(|(name, array)| Field::new(*name, array.data_type().clone(), true)).collect();
    let batch = RecordBatch::try_new(
        Arc::new(Schema::new(fields)),
        columns.iter().map(|(_, array)| Arc::clone(array)).collect(),
    )
    .unwrap();
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    let properties = WriterProperties::builder().set_max_row_group_row_count(Some(GROUP_ROWS)).build();
    let mut writer =
        ArrowWriter::try_new(std::fs::File::create(path).unwrap(), batch.schema(), Some(properties)).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
}

fn text(values: &[&str]) -> ArrayRef {
    Arc::new(StringArray::from(values.to_vec()))
}

fn attachment(url: &str, time_column: &str, time_unit: Option<&str>) -> Attachment {
    Attachment {
        url: url.to_owned(),
        event_column: Some("name".to_owned()),
        time_column: time_column.to_owned(),
        user_column: Some("uid".to_owned()),
        time_unit: time_unit.map(str::to_owned),
    }
}

/// Sessions that answer from files and from memory: whatever is asked, they say the same.
fn sessions(dataset: &TestDataset) -> [SessionContext; 2] {
    [dataset.session(), dataset.resident_session()]
}

/// Two days: 2024-01-01T00:00:00Z and a day later.
const TIMES_S: [i64; 2] = [1_704_067_200, 1_704_153_600];

#[tokio::test]
async fn a_file_kept_elsewhere_is_a_table_of_events() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a b").join("log.parquet");
    let times = TimestampMicrosecondArray::from_iter_values(TIMES_S.map(|s| s * 1_000_000 + 250_000));
    write(
        &path,
        &[
            ("ts", Arc::new(times)),
            ("name", text(&["Play", "Buy"])),
            ("uid", text(&["ann", ""])),
            ("time", Arc::new(Int64Array::from(vec![1, 2]))),
            ("Song Length", Arc::new(Float64Array::from(vec![1.5, 2.5]))),
        ],
    );
    let mut dataset = TestDataset::new();
    dataset.attach("log", attachment(path.to_str().unwrap(), "ts", None));
    for session_ctx in sessions(&dataset) {
        let all = answer(&session_ctx, "SELECT * FROM log ORDER BY time").await;
        let columns = answer(&session_ctx, "DESCRIBE log").await;
        insta::allow_duplicates! {
        insta::assert_snapshot!(all, @r"
        +-------+--------------------------+-------------+---------+------------+-----------------+-------------+
        | event | time                     | distinct_id | user_id | day        | properties.time | Song Length |
        +-------+--------------------------+-------------+---------+------------+-----------------+-------------+
        | Play  | 2024-01-01T00:00:00.250Z | ann         | ann     | 2024-01-01 | 1               | 1.5         |
        | Buy   | 2024-01-02T00:00:00.250Z |             |         | 2024-01-02 | 2               | 2.5         |
        +-------+--------------------------+-------------+---------+------------+-----------------+-------------+
        ");
        insta::assert_snapshot!(columns, @r#"
        +-----------------+----------------------+-------------+
        | column_name     | data_type            | is_nullable |
        +-----------------+----------------------+-------------+
        | event           | Utf8View             | YES         |
        | time            | Timestamp(ms, "UTC") | YES         |
        | distinct_id     | Utf8View             | NO          |
        | user_id         | Utf8View             | YES         |
        | day             | Date32               | YES         |
        | properties.time | Int64                | YES         |
        | Song Length     | Float64              | YES         |
        +-----------------+----------------------+-------------+
        "#);
            }
        assert_eq!(
            rows(
                &session_ctx,
                "SELECT event, count(DISTINCT user_id) FROM log WHERE time >= '2024-01-02' GROUP BY event"
            )
            .await,
            ["Buy|0"]
        );
    }
    let session_ctx = dataset.session();
    let plan =
        answer(&session_ctx, "EXPLAIN FORMAT indent SELECT event FROM log WHERE time >= '2024-01-02'").await;
    assert!(plan.contains("pruning_predicate=") && plan.contains("ts_max"), "{plan}");
}

#[tokio::test]
async fn times_of_any_type_are_read() {
    let dir = tempfile::tempdir().unwrap();
    let seconds = || TIMES_S.into_iter();
    let columns: [(&str, Option<&str>, ArrayRef); 9] = [
        (
            "ns",
            None,
            Arc::new(TimestampNanosecondArray::from_iter_values(seconds().map(|s| s * 1_000_000_000))),
        ),
        (
            "zoned",
            None,
            Arc::new(
                TimestampMicrosecondArray::from_iter_values(seconds().map(|s| s * 1_000_000))
                    .with_timezone("Europe/Berlin"),
            ),
        ),
        ("s", Some("s"), Arc::new(Int64Array::from_iter_values(seconds()))),
        ("ms", Some("ms"), Arc::new(Int64Array::from_iter_values(seconds().map(|s| s * 1000)))),
        ("us", Some("us"), Arc::new(Int64Array::from_iter_values(seconds().map(|s| s * 1_000_000)))),
        ("int_ns", Some("ns"), Arc::new(Int64Array::from_iter_values(seconds().map(|s| s * 1_000_000_000)))),
        ("float_s", Some("s"), Arc::new(Float64Array::from_iter_values(seconds().map(|s| s as f64)))),
        ("iso", None, text(&["2024-01-01T00:00:00Z", "2024-01-02T02:00:00+02:00"])),
        ("date", None, Arc::new(arrow::array::Date32Array::from(vec![19_723, 19_724]))),
    ];
    let mut file: Vec<(&str, ArrayRef)> = vec![("name", text(&["A", "B"])), ("uid", text(&["u", "u"]))];
    file.extend(columns.iter().map(|(name, _, array)| (*name, Arc::clone(array))));
    let path = dir.path().join("times.parquet");
    write(&path, &file);
    for (column, unit, _) in &columns {
        let mut dataset = TestDataset::new();
        dataset.attach("times", attachment(path.to_str().unwrap(), column, *unit));
        for session_ctx in sessions(&dataset) {
            assert_eq!(
                rows(&session_ctx, "SELECT event, time FROM times WHERE time < '2025-01-01' ORDER BY time")
                    .await,
                ["A|2024-01-01T00:00:00Z", "B|2024-01-02T00:00:00Z"],
                "{column}"
            );
        }
    }
}

#[tokio::test]
async fn directories_and_patterns_are_listed_anew_by_every_query() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().canonicalize().unwrap();
    let add = |file: &str, name: &str| {
        write(
            &root.join(file),
            &[
                ("ts", Arc::new(Int64Array::from(vec![TIMES_S[0]]))),
                ("name", text(&[name])),
                ("uid", text(&["u"])),
            ],
        );
    };
    add("region=eu/1.parquet", "A");
    add("region=us/2.parquet", "B");
    let mut dataset = TestDataset::new();
    let directory = format!("{}/", root.display());
    let url = url::Url::from_directory_path(&root).unwrap();
    dataset.attach("dir", attachment(&directory, "ts", Some("s")));
    dataset.attach("url", attachment(url.as_str(), "ts", Some("s")));
    dataset.attach("glob", attachment(&format!("{directory}*/1.parquet"), "ts", Some("s")));
    for (session_ctx, new) in sessions(&dataset).iter().zip(["region=eu/3.parquet", "region=eu/4.parquet"]) {
        let count = "SELECT count(*) FROM dir";
        let before: usize = rows(session_ctx, count).await[0].parse().unwrap();
        for table in ["dir", "url"] {
            let query = format!(
                "SELECT DISTINCT event, region FROM {table} WHERE event <> 'C' AND (region = 'eu' OR event = 'B') ORDER BY event"
            );
            assert_eq!(rows(session_ctx, &query).await, ["A|eu", "B|us"], "{table}");
        }
        assert_eq!(rows(session_ctx, "SELECT event FROM glob").await, ["A"]);
        add(new, "C");
        assert_eq!(rows(session_ctx, count).await, [(before + 1).to_string()]);
        assert_eq!(rows(session_ctx, "SELECT count(event) FROM dir").await, [(before + 1).to_string()]);
        assert_eq!(rows(session_ctx, "SELECT count(*) FROM dir JOIN events USING (event)").await, ["0"]);
    }
}

#[tokio::test]
async fn a_store_in_memory_can_be_attached() {
    use object_store::ObjectStoreExt as _;
    let location = tallymark_storage::Location::parse("memory://attached-test/some/dir").unwrap();
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("1.parquet");
    write(
        &path,
        &[
            ("ts", Arc::new(Int64Array::from(vec![TIMES_S[0]]))),
            ("name", text(&["A"])),
            ("uid", text(&["u"])),
        ],
    );
    let bytes = std::fs::read(&path).unwrap();
    location.store().put(&location.path("1.parquet"), bytes.into()).await.unwrap();
    let mut dataset = TestDataset::new();
    dataset.attach("dir", attachment("memory://attached-test/some/dir/", "ts", Some("s")));
    dataset.attach("glob", attachment("memory://attached-test/some/*/1.par*", "ts", Some("s")));
    for table in ["dir", "glob"] {
        for session_ctx in sessions(&dataset) {
            assert_eq!(rows(&session_ctx, &format!("SELECT event FROM {table}")).await, ["A"]);
        }
    }
}

#[tokio::test]
async fn what_is_missing_is_said_with_the_flag_that_helps() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("log.parquet");
    write(
        &path,
        &[
            ("ts", Arc::new(Int64Array::from(vec![1]))),
            ("name", text(&["A"])),
            ("flag", Arc::new(arrow::array::BooleanArray::from(vec![true]))),
        ],
    );
    let url = path.to_str().unwrap();
    let mut dataset = TestDataset::new();
    dataset.attach("no_user", attachment(url, "ts", Some("s")));
    dataset.attach("no_unit", Attachment { user_column: None, ..attachment(url, "ts", None) });
    dataset.attach("bad_unit", Attachment { user_column: None, ..attachment(url, "ts", Some("minutes")) });
    dataset.attach("no_time", Attachment { user_column: None, ..attachment(url, "flag", None) });
    dataset.attach("nowhere", attachment(&format!("{url}.not"), "ts", Some("s")));
    for session_ctx in sessions(&dataset) {
        let mut errors = String::new();
        for table in ["no_user", "no_unit", "bad_unit", "no_time", "nowhere"] {
            let message = error(&session_ctx, &format!("SELECT * FROM {table}")).await;
            errors = format!("{errors}{}\n", message.replace(dir.path().to_str().unwrap(), "DIR"));
        }
        insta::allow_duplicates! {
        insta::assert_snapshot!(errors, @r#"
        "no_user" has no column "uid": name the column of the user with --user-column; its columns are ts (Int64), name (Utf8View), flag (Boolean)
        cannot read column "ts" (Int64) of "no_unit" as the time: say what the number counts with --time-unit s, ms, us or ns
        cannot read column "ts" (Int64) of "bad_unit" as the time: --time-unit is one of s, ms, us and ns
        cannot read column "flag" (Boolean) of "no_time" as the time: name a column of timestamps, dates, numbers or ISO 8601 text with --time-column
        cannot read DIR/log.parquet.not, attached as "nowhere"
          because Error during planning: No files found at file://DIR/log.parquet.not. Cannot infer schema from an empty location; either add data files or declare an explicit schema for the table.
        "#);
        }
    }
}

#[test]
fn a_url_is_split_before_its_pattern() {
    assert_eq!(split_pattern("s3://b/a/x.parquet"), ("s3://b/a/x.parquet", None));
    assert_eq!(split_pattern("s3://b/a/*.parquet"), ("s3://b/a/", Some("*.parquet")));
    assert_eq!(split_pattern("s3://b/a/d?/*/x"), ("s3://b/a/", Some("d?/*/x")));
}

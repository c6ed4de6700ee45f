use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use arrow::array::{
    Array as _, AsArray as _, Int64Array, StringViewArray, TimestampMillisecondArray, UInt32Array,
};
use arrow::compute::take;
use arrow::datatypes::{DataType, Int64Type};
use tallymark_event::{LaneId, PropertyCatalog};
use tallymark_storage::{Location, Manifest, Snapshot};
use tallymark_users::{Identities, Profiles};

use super::*;
use crate::{Layout, MemoryConfig};

const DAY_MS: i64 = 86_400_000;
const NUMBER: ColumnId = ColumnId::Lane(LaneId(0));

/// Rows in row groups: when, who, and a number.
#[derive(Debug, Clone, Default)]
struct Rows {
    groups: Vec<Vec<(i64, Option<&'static str>, i64)>>,
    counts: Vec<usize>,
    fetches: Arc<Mutex<Vec<(ColumnId, usize)>>>,
    /// The store is away.
    is_away: Arc<AtomicUsize>,
    /// Times are text.
    is_wrong: bool,
}

struct Fetched(Vec<ArrayRef>);

impl FetchedRows for Fetched {
    fn bytes(&self) -> u64 {
        8
    }

    fn decode(&self, at: usize) -> Result<ArrayRef, RowsError> {
        Ok(Arc::clone(&self.0[at]))
    }
}

impl AttachedRows for Rows {
    fn group_rows(&self) -> &[usize] {
        &self.counts
    }

    fn column_bytes(&self, _: ColumnId) -> u64 {
        0
    }

    fn fetch<'a>(
        &'a self,
        column: ColumnId,
        groups: &'a [usize],
    ) -> BoxFuture<'a, Result<Arc<dyn FetchedRows>, RowsError>> {
        self.fetches.lock().unwrap().push((column, groups.len()));
        let array = |group: &usize| -> ArrayRef {
            let rows = &self.groups[*group];
            match column {
                ColumnId::TIME if self.is_wrong => Arc::new(StringViewArray::new_null(rows.len())),
                ColumnId::TIME => Arc::new(
                    TimestampMillisecondArray::from_iter_values(rows.iter().map(|row| row.0))
                        .with_timezone("UTC"),
                ),
                ColumnId::USER_ID => Arc::new(rows.iter().map(|row| row.1).collect::<StringViewArray>()),
                _ => Arc::new(Int64Array::from_iter_values(rows.iter().map(|row| row.2))),
            }
        };
        let fetched = Fetched(groups.iter().map(array).collect());
        let is_away = self.is_away.load(Ordering::Relaxed) > 0;
        async move { if is_away { Err("away".into()) } else { Ok(Arc::new(fetched) as Arc<dyn FetchedRows>) } }.boxed()
    }
}

fn rows(groups: &[&[(i64, Option<&'static str>, i64)]]) -> Rows {
    Rows {
        groups: groups.iter().map(|group| group.to_vec()).collect(),
        counts: groups.iter().map(|group| group.len()).collect(),
        ..Rows::default()
    }
}

fn resident(budget_bytes: usize) -> ResidentEvents {
    let dataset = ResidentEvents::new(MemoryConfig { budget_bytes, threads: 2 });
    dataset.attached(Arc::new([("number".to_owned(), DataType::Int64)]))
}

fn file(resident: &ResidentEvents, key: &str, rows: &Rows) -> Arc<AttachedFile> {
    Arc::new(AttachedFile::new(key.to_owned(), key.to_owned(), Box::new(rows.clone()), resident))
}

async fn layout(resident: &ResidentEvents, files: &[Arc<AttachedFile>], version: u64) -> Arc<Layout> {
    let files = resident.list(files.to_vec()).await.unwrap();
    resident.retain(&files);
    let manifest: Manifest = serde_json::from_value(serde_json::json!({
        "format_version": 1, "version": version, "created_at": 0, "settings": {"identity": "simplified"},
        "next_sequence": 0, "wal_flushed": 0, "fence": {"epoch": 0, "next": 0},
        "catalog": PropertyCatalog::default(), "files": files.data_files(), "people": [],
    }))
    .unwrap();
    let snapshot = Snapshot {
        location: Location::parse("memory://attached-files").unwrap(),
        manifest: Arc::new(manifest),
        catalog: Arc::default(),
        memtable: Vec::new().into(),
        pending: Vec::new().into(),
        identities: Arc::new(Identities::new(tallymark_users::IdentitySystem::Simplified)),
        profiles: Arc::new(Profiles::default()),
        next_sequence: 0,
        last_wal: None,
    };
    resident.with_files(Arc::new(files)).layout(&Arc::new(snapshot), None).await.unwrap()
}

/// All rows as (time, user, number), in order.
async fn found(layout: &Layout) -> Vec<(i64, Option<String>, i64)> {
    let mut all = Vec::new();
    for (at, segment) in layout.segments().iter().enumerate() {
        let columns = layout.load(at, &[NUMBER]).await.unwrap().columns;
        let numbers = columns[0].to_array().unwrap();
        let numbers = numbers.as_primitive::<Int64Type>();
        let users = segment.user_id_array(layout.users(), 0..segment.row_count());
        let users = users.as_string_view();
        for row in 0..segment.row_count() {
            let time = segment.day().start().millis() + i64::from(segment.times()[row]);
            let user = users.is_valid(row).then(|| users.value(row).to_owned());
            all.push((time, user, numbers.value(row)));
        }
    }
    all
}

#[tokio::test]
async fn a_column_is_decoded_once_for_all_days_that_lie_mixed() {
    let mixed: Vec<_> =
        (0..60).map(|n| ((n % 5) * DAY_MS + n, Some(["u", "v", "w"][n as usize % 3]), n)).collect();
    let rows = rows(&[&mixed[..25], &mixed[25..]]);
    let resident = resident(1 << 20);
    let files = [file(&resident, "a", &rows)];
    let layout = layout(&resident, &files, 1).await;
    assert_eq!(layout.segments().len(), 5);
    let mut expected: Vec<_> =
        mixed.iter().map(|(time, user, n)| (*time, user.map(str::to_owned), *n)).collect();
    expected.sort_by_key(|(time, user, n)| (time / DAY_MS, user.clone(), *time, *n));
    assert_eq!(found(&layout).await, expected);
    let fetches = rows.fetches.lock().unwrap().clone();
    assert_eq!(fetches, [(ColumnId::TIME, 2), (ColumnId::USER_ID, 2), (NUMBER, 2)]);
    assert_eq!(files[0].decoded_bytes_per_day(), 0, "nothing is left when all days have it");
}

#[tokio::test]
async fn days_that_lie_apart_read_their_own_row_groups() {
    let rows = rows(&[&[(0, None, 1), (1, Some("u"), 2)], &[(DAY_MS, Some("v"), 3), (DAY_MS, Some("u"), 4)]]);
    let resident = resident(1 << 20);
    let layout = layout(&resident, &[file(&resident, "a", &rows)], 1).await;
    let user = |user: &str| Some(user.to_owned());
    assert_eq!(
        found(&layout).await,
        [(0, None, 1), (1, user("u"), 2), (DAY_MS, user("u"), 4), (DAY_MS, user("v"), 3)]
    );
    let columns: Vec<usize> = rows
        .fetches
        .lock()
        .unwrap()
        .iter()
        .filter(|(column, _)| *column == NUMBER)
        .map(|(_, groups)| *groups)
        .collect();
    assert_eq!(columns, [1, 1]);
}

#[tokio::test]
async fn ties_are_in_order_of_files_also_when_one_comes_before() {
    let (a, b) =
        (rows(&[&[(5, Some("u"), 1), (5, Some("u"), 2)]]), rows(&[&[(5, Some("u"), 3), (4, Some("u"), 4)]]));
    let resident = resident(1 << 20);
    let (a, b) = (file(&resident, "a", &a), file(&resident, "b", &b));
    let numbers = async |layout: &Layout| found(layout).await.iter().map(|row| row.2).collect::<Vec<_>>();
    let before = layout(&resident, &[Arc::clone(&b)], 1).await;
    assert_eq!(numbers(&before).await, [4, 3]);
    let after = layout(&resident, &[b, a], 2).await;
    assert_eq!(numbers(&after).await, [4, 1, 2, 3]);
    assert_eq!(numbers(&before).await, [4, 3], "a layout does not change");
    assert_eq!(resident.usage().segments.len(), 1, "what is of fewer files is forgotten");
}

#[tokio::test]
async fn what_is_wrong_is_remembered_and_what_is_away_is_asked_for_again() {
    let good = rows(&[&[(0, None, 1)]]);
    let wrong = Rows { is_wrong: true, ..good.clone() };
    let resident = resident(1 << 20);
    let file_of_wrong = file(&resident, "wrong", &wrong);
    for _ in 0..2 {
        let files = resident.list(vec![Arc::clone(&file_of_wrong)]).await.unwrap();
        assert!(files.any_unusable() && files.data_files().is_empty());
    }
    assert_eq!(wrong.fetches.lock().unwrap().len(), 2, "times and users, once");

    let away = Rows { fetches: Arc::default(), ..good };
    away.is_away.store(1, Ordering::Relaxed);
    let file_of_away = file(&resident, "away", &away);
    let error = resident.list(vec![Arc::clone(&file_of_away)]).await.unwrap_err();
    assert!(matches!(error, crate::Error::Attached { file, .. } if file == "away"));
    away.is_away.store(0, Ordering::Relaxed);
    assert!(!resident.list(vec![file_of_away]).await.unwrap().any_unusable());
}

#[tokio::test]
async fn without_room_columns_are_read_and_not_kept() {
    let mixed: Vec<_> = (0..60).map(|n| ((n % 5) * DAY_MS + n, Some("u"), n)).collect();
    let resident = resident(300);
    let layout = layout(&resident, &[file(&resident, "a", &rows(&[&mixed]))], 1).await;
    let numbers: Vec<i64> = found(&layout).await.iter().map(|row| row.2).collect();
    let order = UInt32Array::from_iter_values((0..5).flat_map(|day| (0..12).map(move |n| day + n * 5)));
    let expected = take(&Int64Array::from_iter_values(0..60), &order, None).unwrap();
    assert_eq!(numbers, expected.as_primitive::<Int64Type>().values().to_vec());
    let usage = resident.usage();
    assert!(usage.used_bytes <= 300, "{usage:?}");
}

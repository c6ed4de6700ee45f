//! From events to columns and back: what the batch, partition, lane and write steps do together.

use std::collections::BTreeMap;

use arrow::array::{Array, AsArray as _, RecordBatch};
use arrow::datatypes::{Date32Type, Float64Type, Int64Type, TimestampMillisecondType};
use proptest::prelude::*;
use tallymark_event::{
    DateShape, Event, LaneId, LaneKind, PropertyCatalog, PropertyValue, Timestamp, columns,
};
use tallymark_storage::FileSettings;
use tallymark_users::{Identities, IdentitySystem};

use crate::lanes::{Gather, open_lanes};
use crate::partition::{Chunk, partition};
use crate::write::{encode, mem_batch};
use crate::{BatchBuilder, EventBatch};

const NOW: Timestamp = Timestamp::from_millis(1_800_000_000_000);

/// Batches of events, in order.
fn batches(events: &[Vec<Event<'_>>]) -> Vec<EventBatch> {
    let of = |events: &Vec<Event<'_>>| {
        let mut builder = BatchBuilder::without_text(NOW, IdentitySystem::Simplified);
        for event in events {
            builder.push_event(event);
        }
        builder.finish()
    };
    events.iter().map(of).collect()
}

/// The stored rows of a history: sequence → (user, event as read back from its columns).
fn stored(history: &[Vec<Event<'_>>]) -> (BTreeMap<i64, (Option<String>, Event<'static>)>, usize) {
    let batches = batches(history);
    let mut sequence = 0;
    let chunk = Chunk::new(batches.iter().map(|batch| {
        let first = sequence;
        sequence += batch.records() as i64;
        (batch, first)
    }));
    let identities = Identities::new(IdentitySystem::Simplified);
    let partitioned = partition(&chunk, &identities);
    let mut catalog = PropertyCatalog::default();
    let sources = open_lanes(&chunk, &mut catalog);
    let gather = Gather::new(&chunk, &partitioned, &catalog, &sources);
    let memory = mem_batch(&gather, 0, 0).unwrap();
    check_order(&memory.batch);

    // Files hold the same rows, whatever their sizes.
    let settings = FileSettings { row_group_rows: 3, rows_max: 5, ..FileSettings::default() };
    let files = encode(&gather, 0, &settings).unwrap();
    let rows: u64 = files.iter().map(|(_, file)| file.rows).sum();
    assert_eq!(rows, memory.batch.num_rows() as u64);
    assert!(files.iter().all(|(_, file)| file.rows <= 5));

    let rows = (0..memory.batch.num_rows())
        .map(|row| read_row(&memory.batch, &memory.lanes, &catalog, row))
        .collect();
    (rows, partitioned.duplicates)
}

fn text(batch: &RecordBatch, name: &str, row: usize) -> Option<String> {
    let column = batch.column_by_name(name).unwrap().as_string_view();
    column.is_valid(row).then(|| column.value(row).to_owned())
}

fn time(batch: &RecordBatch, row: usize) -> Timestamp {
    let times = batch.column_by_name(columns::TIME).unwrap().as_primitive::<TimestampMillisecondType>();
    Timestamp::from_millis(times.value(row))
}

fn sequence(batch: &RecordBatch, row: usize) -> i64 {
    batch.column_by_name(columns::SEQUENCE).unwrap().as_primitive::<Int64Type>().value(row)
}

/// Rows stand by day, user (nobody first), time and sequence.
fn check_order(batch: &RecordBatch) {
    let key = |row| {
        (time(batch, row).day(), text(batch, columns::USER_ID, row), time(batch, row), sequence(batch, row))
    };
    assert!((1..batch.num_rows()).all(|row| key(row - 1) < key(row)));
}

fn read_row(
    batch: &RecordBatch,
    lanes: &[LaneId],
    catalog: &PropertyCatalog,
    row: usize,
) -> (i64, (Option<String>, Event<'static>)) {
    let mut event = Event::new(
        text(batch, columns::EVENT, row).unwrap(),
        time(batch, row),
        text(batch, columns::DISTINCT_ID, row).unwrap(),
    );
    event.device_id = text(batch, columns::DEVICE_ID, row).map(Into::into);
    event.insert_id = text(batch, columns::INSERT_ID, row).map(Into::into);
    for (lane, column) in lanes.iter().zip(&batch.columns()[columns::SYSTEM_COLUMN_COUNT..]) {
        let lane = catalog.lane(*lane);
        if column.is_valid(row) {
            let name = catalog.properties()[lane.property.0 as usize].name.clone();
            let value = read_value(lane.kind, column, row);
            if let ("$user_id", PropertyValue::String(id)) = (&*name, &value) {
                event.user_id = Some(id.clone());
            } else {
                assert!(event.property(&name).is_none(), "two lanes of {name:?} hold a value");
                event.properties.push((name.into(), value));
            }
        }
    }
    (sequence(batch, row), (text(batch, columns::USER_ID, row), event))
}

fn read_value(kind: LaneKind, column: &dyn Array, row: usize) -> PropertyValue<'static> {
    match kind {
        LaneKind::Null => PropertyValue::Null,
        LaneKind::Bool => PropertyValue::Bool(column.as_boolean().value(row)),
        LaneKind::Int64 => PropertyValue::Int(column.as_primitive::<Int64Type>().value(row)),
        LaneKind::Float64 => PropertyValue::Float(column.as_primitive::<Float64Type>().value(row)),
        LaneKind::String => PropertyValue::from(column.as_string_view().value(row).to_owned()),
        LaneKind::Json => serde_json::from_str::<PropertyValue<'_>>(column.as_string_view().value(row))
            .unwrap()
            .into_owned(),
        LaneKind::Date(DateShape::Date) => {
            let day = column.as_primitive::<Date32Type>().value(row);
            PropertyValue::from(DateShape::Date.spell(day.into()).unwrap())
        }
        LaneKind::Date(shape) => PropertyValue::from(
            shape.spell(column.as_primitive::<TimestampMillisecondType>().value(row)).unwrap(),
        ),
        LaneKind::ListBool | LaneKind::ListInt64 | LaneKind::ListFloat64 | LaneKind::ListString => {
            let items = column.as_list::<i32>().value(row);
            let item_kind = match kind {
                LaneKind::ListBool => LaneKind::Bool,
                LaneKind::ListInt64 => LaneKind::Int64,
                LaneKind::ListFloat64 => LaneKind::Float64,
                _ => LaneKind::String,
            };
            let item =
                |i| if items.is_valid(i) { read_value(item_kind, &items, i) } else { PropertyValue::Null };
            PropertyValue::List((0..items.len()).map(item).collect())
        }
    }
}

fn event(name: &'static str, ms: i64, user: &'static str, insert_id: Option<&'static str>) -> Event<'static> {
    let event = Event::new(name, Timestamp::from_millis(ms), user);
    match insert_id {
        Some(id) => event.with_insert_id(id),
        None => event,
    }
}

#[test]
fn d9_the_latest_content_stands_at_the_first_place() {
    let city = |event: Event<'static>, city: &'static str| event.with("city", city);
    let history = vec![
        vec![
            city(event("Buy", 1000, "u1", Some("a1")), "Rome"),
            city(event("Buy", 1000, "u1", Some("a1")), "Oslo"),
        ],
        vec![
            city(event("Buy", 2000, "u1", Some("a1")), "Rome"),
            city(event("buy", 1000, "u1", Some("a1")), "Rome"),
        ],
    ];
    let (rows, duplicates) = stored(&history);
    assert_eq!(duplicates, 1);
    let cities: Vec<_> = rows
        .iter()
        .map(|(sequence, (_, event))| (*sequence, event.property("city").unwrap().to_string()))
        .collect();
    assert_eq!(cities, [(0, "\"Oslo\"".into()), (2, "\"Rome\"".into()), (3, "\"Rome\"".into())]);
}

#[test]
fn d10_the_key_uses_the_assigned_id_and_d11_needs_an_insert_id() {
    let on_device = |sent| {
        let mut event = event("View", 5, sent, Some("i"));
        event.device_id = Some("d1".into());
        event
    };
    // Both are assigned to $device:d1 (I-2).
    assert_eq!(stored(&[vec![on_device("x"), on_device("y")]]).1, 1);
    assert_eq!(stored(&[vec![event("View", 5, "u", None), event("View", 5, "u", None)]]).1, 0);
    assert_eq!(stored(&[vec![event("View", 5, "u", Some("i")), event("View", 5, "w", Some("i"))]]).1, 0);
}

#[test]
fn g12_an_event_of_nobody_has_no_user() {
    let (rows, _) = stored(&[vec![event("Ad", 5, "", None)]]);
    assert_eq!(rows[&0].0, None);
    assert_eq!(rows[&0].1.distinct_id, "");
}

#[test]
fn i8_a_refused_link_is_noted_on_its_event() {
    let mut batches = batches(&[vec![event("View", 5, "u", None), event("View", 6, "u", None)]]);
    let reason = "the device is linked to another user";
    batches[0].note_identity_failure(1, reason);
    batches[0].note_identity_failure(1, reason);
    let chunk = Chunk::new([(&batches[0], 0)]);
    let partitioned = partition(&chunk, &Identities::new(IdentitySystem::Simplified));
    let mut catalog = PropertyCatalog::default();
    let sources = open_lanes(&chunk, &mut catalog);
    let memory = mem_batch(&Gather::new(&chunk, &partitioned, &catalog, &sources), 0, 0).unwrap();
    assert_eq!(text(&memory.batch, "$identity_failure_reason", 0), None);
    assert_eq!(text(&memory.batch, "$identity_failure_reason", 1).as_deref(), Some(reason));
}

fn any_value() -> impl Strategy<Value = PropertyValue<'static>> {
    let leaf = prop_oneof![
        Just(PropertyValue::Null),
        any::<bool>().prop_map(PropertyValue::Bool),
        prop_oneof![-3i64..3, any::<i64>()].prop_map(PropertyValue::Int),
        prop_oneof![-2.0f64..2.0, any::<i32>().prop_map(f64::from)].prop_map(PropertyValue::Float),
        prop_oneof![
            Just("2024-01-01".to_owned()),
            Just("2024-01-02".to_owned()),
            Just("2024-01-01T10:00:00Z".to_owned()),
            "\\PC{0,20}"
        ]
        .prop_map(PropertyValue::from),
    ];
    leaf.prop_recursive(2, 8, 3, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(PropertyValue::List),
            ("[a-b]", inner).prop_map(|(key, value)| PropertyValue::Object(vec![(key.into(), value)])),
        ]
    })
}

fn any_event() -> impl Strategy<Value = Event<'static>> {
    let names = prop::sample::select(vec!["time", "plan", "Plan", "a long name with blanks", "event"]);
    let properties = prop::collection::btree_map(names, any_value(), 0..4);
    let users = prop::sample::select(vec!["", "u1", "u2", "a user with a long id"]);
    let insert_ids = prop::sample::select(vec![None, Some("i1"), Some("i2")]);
    (prop::sample::select(vec!["A", "B"]), 0i64..4, users, insert_ids, properties).prop_map(
        |(name, halves, user, insert_id, properties)| {
            let mut event = event(name, halves * 43_200_000, user, insert_id);
            event.properties = properties.into_iter().map(|(name, value)| (name.into(), value)).collect();
            event
        },
    )
}

proptest! {
    #[test]
    fn every_event_comes_back_as_it_was_with_repeats_replaced(
        history in prop::collection::vec(prop::collection::vec(any_event(), 0..12), 1..4)
    ) {
        let mut expected: BTreeMap<i64, Event<'static>> = BTreeMap::new();
        let mut repeats = 0;
        for (sequence, event) in (0..).zip(history.iter().flatten()) {
            let first = expected.iter().find(|(_, known)| {
                event.insert_id.is_some()
                    && (&known.name, known.time, &known.distinct_id, &known.insert_id)
                        == (&event.name, event.time, &event.distinct_id, &event.insert_id)
            });
            let place = first.map_or(sequence, |(place, _)| *place);
            repeats += usize::from(expected.insert(place, event.clone()).is_some());
        }
        let (rows, duplicates) = stored(&history);
        prop_assert_eq!(duplicates, repeats);
        prop_assert_eq!(rows.len(), expected.len());
        for (sequence, event) in &expected {
            let (user, found) = &rows[sequence];
            prop_assert_eq!(user.as_deref().unwrap_or_default(), &*event.distinct_id);
            prop_assert_eq!(&found.name, &event.name);
            prop_assert_eq!(found.properties.len(), event.properties.len());
            for (name, value) in &event.properties {
                prop_assert_eq!(found.property(name), Some(value));
            }
        }
    }
}

//! Rows as plain structs, and their way into batches and files, written without the crate's code.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{
    Array as _, ArrayRef, AsArray as _, BooleanArray, Float64Array, Int64Array, RecordBatch, StringViewArray,
    TimestampMillisecondArray,
};
use arrow::datatypes::{Float64Type, Int64Type, Schema, TimestampMillisecondType};
use bytes::Bytes;
use futures::TryStreamExt as _;
use serde::{Deserialize, Serialize};
use tallymark_event::columns::{SYSTEM_COLUMN_COUNT, system_fields};
use tallymark_event::{Day, Lane, LaneId, LaneKind, PropertyCatalog, PropertyValue, Timestamp, ValueKinds};
use tallymark_storage::{
    DataFile, DataFileWriter, EventStore, FileSettings, MemBatch, Projection, Result, Snapshot,
};

/// One event.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub(crate) struct Row {
    pub(crate) event: String,
    pub(crate) time: i64,
    pub(crate) distinct_id: String,
    pub(crate) user: Option<String>,
    pub(crate) device_id: Option<String>,
    pub(crate) insert_id: Option<String>,
    pub(crate) received_at: i64,
    pub(crate) sequence: i64,
    pub(crate) properties: BTreeMap<String, serde_json::Value>,
}

impl Row {
    pub(crate) fn new(event: &str, user: &str, time: i64) -> Self {
        Self {
            event: event.to_owned(),
            time,
            distinct_id: user.to_owned(),
            user: Some(user.to_owned()).filter(|user| !user.is_empty()),
            ..Self::default()
        }
    }

    pub(crate) fn with(mut self, property: &str, value: impl Into<serde_json::Value>) -> Self {
        self.properties.insert(property.to_owned(), value.into());
        self
    }

    pub(crate) fn write_all(rows: &[Self]) -> Bytes {
        Bytes::from(serde_json::to_vec(rows).unwrap())
    }

    pub(crate) fn read_all(bytes: &[u8]) -> Vec<Self> {
        serde_json::from_slice(bytes).unwrap()
    }

    pub(crate) fn day(&self) -> Day {
        Timestamp::from_millis(self.time).day()
    }

    /// What rows are sorted by.
    pub(crate) fn key(&self) -> (Option<&str>, i64, i64) {
        (self.user.as_deref(), self.time, self.sequence)
    }

    fn value(&self, property: &str) -> Option<PropertyValue<'static>> {
        Some(match self.properties.get(property)? {
            serde_json::Value::Bool(value) => PropertyValue::from(*value),
            serde_json::Value::Number(number) => match number.as_i64() {
                Some(int) => PropertyValue::from(int),
                None => PropertyValue::from(number.as_f64().unwrap()),
            },
            serde_json::Value::String(text) => PropertyValue::from(text.clone()),
            other => panic!("not used in these tests: {other}"),
        })
    }

    /// The rows of a batch; lanes by the catalog.
    pub(crate) fn of_batch(batch: &RecordBatch, catalog: &PropertyCatalog) -> Vec<Self> {
        let text = |name: &str| batch.column_by_name(name).unwrap().as_string_view().clone();
        let optional =
            |column: &StringViewArray, row| column.is_valid(row).then(|| column.value(row).to_owned());
        let number =
            |name: &str, row| batch.column_by_name(name).unwrap().as_primitive::<Int64Type>().value(row);
        let time = |name: &str, row| {
            batch.column_by_name(name).unwrap().as_primitive::<TimestampMillisecondType>().value(row)
        };
        (0..batch.num_rows())
            .map(|row| {
                let schema = batch.schema();
                let properties = schema.fields()[SYSTEM_COLUMN_COUNT..]
                    .iter()
                    .filter_map(|field| {
                        let lane = catalog.lane_of_column(field.name()).unwrap();
                        let value = json(batch.column_by_name(field.name()).unwrap(), row, lane.kind)?;
                        Some((catalog.properties()[lane.property.0 as usize].name.clone(), value))
                    })
                    .collect();
                Self {
                    event: text("event").value(row).to_owned(),
                    time: time("time", row),
                    distinct_id: text("distinct_id").value(row).to_owned(),
                    user: optional(&text("user_id"), row),
                    device_id: optional(&text("device_id"), row),
                    insert_id: optional(&text("insert_id"), row),
                    received_at: time("received_at", row),
                    sequence: number("sequence", row),
                    properties,
                }
            })
            .collect()
    }
}

fn json(column: &ArrayRef, row: usize, kind: LaneKind) -> Option<serde_json::Value> {
    if column.is_null(row) {
        return None;
    }
    Some(match kind {
        LaneKind::Bool => column.as_boolean().value(row).into(),
        LaneKind::Int64 => column.as_primitive::<Int64Type>().value(row).into(),
        LaneKind::Float64 => column.as_primitive::<Float64Type>().value(row).into(),
        LaneKind::String => column.as_string_view().value(row).into(),
        LaneKind::Date(shape) => {
            let value = match column.as_primitive_opt::<arrow::datatypes::Date32Type>() {
                Some(days) => days.value(row).into(),
                None => column.as_primitive::<TimestampMillisecondType>().value(row),
            };
            shape.spell(value).unwrap().into()
        }
        other => panic!("not used in these tests: {other:?}"),
    })
}

/// Rows to be written, and the catalog their properties are in.
pub(crate) struct Table {
    pub(crate) rows: Vec<Row>,
    pub(crate) catalog: PropertyCatalog,
}

impl Table {
    pub(crate) fn of(catalog: &PropertyCatalog) -> Self {
        Self { rows: Vec::new(), catalog: catalog.clone() }
    }

    pub(crate) fn with(catalog: &PropertyCatalog, rows: Vec<Row>) -> Self {
        Self { rows, catalog: catalog.clone() }
    }

    /// Opens lanes for all values.
    fn open_lanes(&mut self) {
        let mut kinds: BTreeMap<&str, ValueKinds> = BTreeMap::new();
        for row in &self.rows {
            for property in row.properties.keys() {
                kinds.entry(property).or_default().observe(&row.value(property).unwrap());
            }
        }
        for (property, kinds) in kinds {
            self.catalog.open_lanes(property, &kinds);
        }
    }

    pub(crate) fn mem_batch(&mut self) -> MemBatch {
        self.open_lanes();
        self.rows.sort_by(|a, b| a.key().cmp(&b.key()));
        let lanes = used_lanes(&self.rows, &self.catalog);
        let schema = Schema::new(
            system_fields()
                .into_iter()
                .chain(lanes.iter().map(|lane| self.catalog.lane(*lane).field()))
                .collect::<Vec<_>>(),
        );
        let columns = columns(&self.rows, &self.catalog, &lanes);
        let batch = RecordBatch::try_new(Arc::new(schema), columns).unwrap();
        MemBatch { batch, lanes, identity_version: 0, last_wal: 0 }
    }

    /// One file a day.
    pub(crate) fn files(&mut self, settings: &FileSettings, identity_version: u64) -> Vec<(DataFile, Bytes)> {
        self.open_lanes();
        let mut days: BTreeMap<Day, Vec<Row>> = BTreeMap::new();
        for row in &self.rows {
            days.entry(row.day()).or_default().push(row.clone());
        }
        days.into_iter()
            .map(|(day, rows)| file(day, rows, &self.catalog, settings, identity_version))
            .collect()
    }
}

/// Encodes rows of one day.
pub(crate) fn file(
    day: Day,
    mut rows: Vec<Row>,
    catalog: &PropertyCatalog,
    settings: &FileSettings,
    identity_version: u64,
) -> (DataFile, Bytes) {
    rows.sort_by(|a, b| a.key().cmp(&b.key()));
    let ids = used_lanes(&rows, catalog);
    let lanes: Vec<(LaneId, Lane)> = ids.iter().map(|id| (*id, catalog.lane(*id).clone())).collect();
    let mut writer = DataFileWriter::try_new(day, &lanes, catalog, settings).unwrap();
    for group in rows.chunks(settings.row_group_rows) {
        let columns = columns(group, catalog, &ids);
        writer.write_row_group(group.len(), &mut |index| Ok(Arc::clone(&columns[index]))).unwrap();
    }
    let (bytes, file) = writer.finish(identity_version).unwrap();
    (file, bytes)
}

fn lane_of(row: &Row, property: &str, catalog: &PropertyCatalog) -> Option<LaneId> {
    let id = catalog.properties().iter().position(|known| known.name == property)? as u32;
    catalog.route(tallymark_event::PropertyId(id), &row.value(property)?)
}

fn used_lanes(rows: &[Row], catalog: &PropertyCatalog) -> Vec<LaneId> {
    let mut lanes: Vec<LaneId> = rows
        .iter()
        .flat_map(|row| row.properties.keys().map(|property| lane_of(row, property, catalog).unwrap()))
        .collect();
    lanes.sort_unstable();
    lanes.dedup();
    lanes
}

fn columns(rows: &[Row], catalog: &PropertyCatalog, lanes: &[LaneId]) -> Vec<ArrayRef> {
    let text = |value: fn(&Row) -> Option<&str>| {
        Arc::new(rows.iter().map(value).collect::<StringViewArray>()) as ArrayRef
    };
    let time = |value: fn(&Row) -> i64| {
        Arc::new(TimestampMillisecondArray::from_iter_values(rows.iter().map(value)).with_timezone("UTC"))
            as ArrayRef
    };
    let mut columns = vec![
        text(|row| Some(&row.event)),
        time(|row| row.time),
        text(|row| Some(&row.distinct_id)),
        text(|row| row.user.as_deref()),
        text(|row| row.device_id.as_deref()),
        text(|row| row.insert_id.as_deref()),
        time(|row| row.received_at),
        Arc::new(rows.iter().map(|row| row.sequence).collect::<Int64Array>()),
    ];
    columns.extend(lanes.iter().map(|lane| lane_column(rows, catalog, *lane)));
    columns
}

fn lane_column(rows: &[Row], catalog: &PropertyCatalog, id: LaneId) -> ArrayRef {
    let lane = catalog.lane(id);
    let property = &catalog.properties()[lane.property.0 as usize].name;
    let values: Vec<Option<PropertyValue<'_>>> = rows
        .iter()
        .map(|row| row.value(property).filter(|_| lane_of(row, property, catalog) == Some(id)))
        .collect();
    let float = |value: &Option<PropertyValue<'_>>| value.as_ref().and_then(PropertyValue::as_f64);
    match lane.kind {
        LaneKind::Bool => Arc::new(
            values
                .iter()
                .map(|value| match value {
                    Some(PropertyValue::Bool(value)) => Some(*value),
                    _ => None,
                })
                .collect::<BooleanArray>(),
        ),
        LaneKind::Int64 => Arc::new(
            values
                .iter()
                .map(|value| match value {
                    Some(PropertyValue::Int(value)) => Some(*value),
                    _ => None,
                })
                .collect::<Int64Array>(),
        ),
        LaneKind::Float64 => Arc::new(values.iter().map(float).collect::<Float64Array>()),
        LaneKind::String => {
            let text = values.iter().map(|value| value.as_ref().and_then(|value| value.as_str()));
            Arc::new(text.collect::<StringViewArray>())
        }
        LaneKind::Date(_) => {
            let value = |value: &Option<PropertyValue<'_>>| {
                Some(tallymark_event::DateShape::recognise(value.as_ref()?.as_str()?)?.1)
            };
            let values: Int64Array = values.iter().map(value).collect();
            match lane.kind.data_type() {
                arrow::datatypes::DataType::Date32 => {
                    let days = arrow::compute::cast(&values, &arrow::datatypes::DataType::Int32).unwrap();
                    arrow::compute::cast(&days, &arrow::datatypes::DataType::Date32).unwrap()
                }
                other => arrow::compute::cast(&values, &other).unwrap(),
            }
        }
        other => panic!("not used in these tests: {other:?}"),
    }
}

/// The rows of files, in the order of the files.
pub(crate) async fn read_files(
    store: &EventStore,
    snapshot: &Snapshot,
    files: &[DataFile],
) -> Result<Vec<Row>> {
    let mut rows = Vec::new();
    for file in files {
        let batches: Vec<RecordBatch> =
            store.read_data_file(snapshot, file, &Projection::All).await?.try_collect().await?;
        for batch in batches {
            rows.extend(Row::of_batch(&batch, &snapshot.catalog));
        }
    }
    Ok(rows)
}

//! The tables `event_catalog` and `property_catalog`: what a dataset holds, from the manifest and
//! the memtable, without reading a file.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, BooleanBuilder, Date32Array, Float64Array, ListBuilder, RecordBatch,
    StringViewArray, StringViewBuilder, UInt64Array,
};
use arrow::datatypes::{DataType, Field, Schema, TimestampMillisecondType};
use datafusion::catalog::TableProvider;
use datafusion::common::{DataFusionError, Result};
use datafusion::datasource::MemTable;
use tallymark_event::columns::{EVENT, SYSTEM_COLUMN_COUNT, TIME};
use tallymark_event::{Day, LaneKind, PropertyCatalog, Timestamp};
use tallymark_report::LexiconEntry;
use tallymark_storage::Snapshot;

use crate::definitions::lexicon;

use super::profiles::ProfilesTable;
use super::{EVENTS, GROUPS, USERS};

/// One row per event name: `event`, `rows`, `first_day`, `last_day`, `days` (UTC days with at least
/// one such event), and what the lexicon says: `display_name`, `description`, `tags`, `hidden`, `merged_into`;
/// sorted by name.
pub(super) fn event_catalog(snapshot: &Snapshot) -> Result<Arc<dyn TableProvider>> {
    let mut events: BTreeMap<&str, (u64, BTreeSet<Day>)> = BTreeMap::new();
    for file in &snapshot.manifest.files {
        for event in &file.events {
            let (rows, days) = events.entry(&event.name).or_default();
            *rows += event.rows;
            days.insert(file.day);
        }
    }
    for batch in snapshot.memtable.iter() {
        let names = batch.batch.column_by_name(EVENT).and_then(|names| names.as_string_view_opt());
        let times = batch
            .batch
            .column_by_name(TIME)
            .and_then(|times| times.as_primitive_opt::<TimestampMillisecondType>());
        let (Some(names), Some(times)) = (names, times) else { continue };
        for row in 0..batch.batch.num_rows() {
            let (rows, days) = events.entry(names.value(row)).or_default();
            *rows += 1;
            days.insert(Timestamp::from_millis(times.value(row)).day());
        }
    }
    let mut fields = vec![
        Field::new(EVENT, DataType::Utf8View, false),
        Field::new("rows", DataType::UInt64, false),
        Field::new("first_day", DataType::Date32, false),
        Field::new("last_day", DataType::Date32, false),
        Field::new("days", DataType::UInt64, false),
    ];
    fields.extend(LexiconColumns::fields());
    let schema = Arc::new(Schema::new(fields));
    let lexicon = lexicon(snapshot).map_err(|error| DataFusionError::External(Box::new(error)))?;
    let mut said = LexiconColumns::default();
    for name in events.keys() {
        said.push(lexicon.events.get(*name));
    }
    let day = |day: Option<&Day>| day.map_or(0, |day| day.days());
    let mut columns: Vec<ArrayRef> = vec![
        Arc::new(events.keys().map(Some).collect::<StringViewArray>()),
        Arc::new(UInt64Array::from_iter_values(events.values().map(|(rows, _)| *rows))),
        Arc::new(Date32Array::from_iter_values(events.values().map(|(_, days)| day(days.first())))),
        Arc::new(Date32Array::from_iter_values(events.values().map(|(_, days)| day(days.last())))),
        Arc::new(UInt64Array::from_iter_values(events.values().map(|(_, days)| days.len() as u64))),
    ];
    columns.extend(said.finish());
    let batch = RecordBatch::try_new(Arc::clone(&schema), columns)?;
    Ok(Arc::new(MemTable::try_new(schema, vec![vec![batch]])?))
}

/// One row per lane: `source` (the table the property is in), `property` (its name as sent),
/// `column` (its SQL column; null for explicit nulls, which have none), `type` (D-20),
/// `arrow_type`, `rows` (rows with a value there), `share` (of all rows of `source`, 0 to 1; null
/// if it has none), and what the lexicon says of the property: `display_name`, `description`,
/// `tags`, `hidden`, `merged_into`. Sorted by source, then in the order properties were first seen.
pub(super) fn property_catalog(
    snapshot: &Snapshot,
    users: &ProfilesTable,
    groups: &ProfilesTable,
) -> Result<Arc<dyn TableProvider>> {
    let lexicon = lexicon(snapshot).map_err(|error| DataFusionError::External(Box::new(error)))?;
    let nothing_said = BTreeMap::new();
    let mut rows = PropertyRows::default();
    let (counts, total) = (event_lane_rows(snapshot), event_rows(snapshot));
    rows.add((EVENTS, &lexicon.event_properties), &snapshot.catalog, None, &counts, total);
    for (source, said, profiles) in
        [(USERS, &lexicon.user_properties, users), (GROUPS, &nothing_said, groups)]
    {
        let counts = profiles.lane_rows();
        rows.add((source, said), profiles.catalog(), Some(profiles), &counts, profiles.rows());
    }
    rows.table()
}

fn event_rows(snapshot: &Snapshot) -> u64 {
    let stored: u64 = snapshot.manifest.files.iter().map(|file| file.rows).sum();
    let in_memory: usize = snapshot.memtable.iter().map(|batch| batch.batch.num_rows()).sum();
    stored + in_memory as u64
}

/// Rows with a value, by lane.
fn event_lane_rows(snapshot: &Snapshot) -> Vec<u64> {
    let mut rows = vec![0; snapshot.catalog.lanes().len()];
    let mut add = |lane: u32, count: u64| {
        if let Some(sum) = rows.get_mut(lane as usize) {
            *sum += count;
        }
    };
    for file in &snapshot.manifest.files {
        file.lanes.iter().for_each(|count| add(count.lane.0, count.rows));
    }
    for batch in snapshot.memtable.iter() {
        for (lane, column) in batch.lanes.iter().zip(batch.batch.columns().iter().skip(SYSTEM_COLUMN_COUNT)) {
            add(lane.0, (column.len() - column.null_count()) as u64);
        }
    }
    rows
}

/// The columns of `property_catalog` while they grow.
#[derive(Default)]
struct PropertyRows {
    source: StringViewBuilder,
    property: StringViewBuilder,
    column: StringViewBuilder,
    r#type: StringViewBuilder,
    arrow_type: StringViewBuilder,
    rows: Vec<u64>,
    share: Vec<Option<f64>>,
    said: LexiconColumns,
}

impl PropertyRows {
    /// The lanes of one source, property by property, and what is said of those.
    fn add(
        &mut self,
        (source, said): (&str, &BTreeMap<String, LexiconEntry>),
        catalog: &PropertyCatalog,
        profiles: Option<&ProfilesTable>,
        counts: &[u64],
        total: u64,
    ) {
        for property in catalog.properties() {
            for id in &property.lanes {
                let lane = catalog.lane(*id);
                let count = counts.get(id.0 as usize).copied().unwrap_or(0);
                let column = match (lane.kind, profiles) {
                    (LaneKind::Null, _) => None,
                    (_, Some(profiles)) => profiles.column_name(*id),
                    (_, None) => Some(lane.column.as_str()),
                };
                self.source.append_value(source);
                self.property.append_value(&property.name);
                self.column.append_option(column);
                self.r#type.append_value(lane.kind.type_name());
                self.arrow_type.append_value(lane.kind.data_type().to_string());
                self.rows.push(count);
                self.share.push((total > 0).then(|| count as f64 / total as f64));
                self.said.push(said.get(&property.name));
            }
        }
    }

    fn table(mut self) -> Result<Arc<dyn TableProvider>> {
        let mut fields = vec![
            Field::new("source", DataType::Utf8View, false),
            Field::new("property", DataType::Utf8View, false),
            Field::new("column", DataType::Utf8View, true),
            Field::new("type", DataType::Utf8View, false),
            Field::new("arrow_type", DataType::Utf8View, false),
            Field::new("rows", DataType::UInt64, false),
            Field::new("share", DataType::Float64, true),
        ];
        fields.extend(LexiconColumns::fields());
        let schema = Arc::new(Schema::new(fields));
        let mut columns: Vec<ArrayRef> = vec![
            Arc::new(self.source.finish()),
            Arc::new(self.property.finish()),
            Arc::new(self.column.finish()),
            Arc::new(self.r#type.finish()),
            Arc::new(self.arrow_type.finish()),
            Arc::new(UInt64Array::from(self.rows)),
            Arc::new(Float64Array::from(self.share)),
        ];
        columns.extend(self.said.finish());
        let batch = RecordBatch::try_new(Arc::clone(&schema), columns)?;
        Ok(Arc::new(MemTable::try_new(schema, vec![vec![batch]])?))
    }
}

/// What the lexicon says, a row each.
#[derive(Default)]
struct LexiconColumns {
    display_name: StringViewBuilder,
    description: StringViewBuilder,
    tags: TagsBuilder,
    hidden: BooleanBuilder,
    merged_into: StringViewBuilder,
}

/// A list of texts a row.
struct TagsBuilder(ListBuilder<StringViewBuilder>);

impl Default for TagsBuilder {
    fn default() -> Self {
        let item = Arc::new(Field::new("element", DataType::Utf8View, true));
        Self(ListBuilder::new(StringViewBuilder::new()).with_field(item))
    }
}

impl LexiconColumns {
    fn fields() -> [Field; 5] {
        [
            Field::new("display_name", DataType::Utf8View, true),
            Field::new("description", DataType::Utf8View, true),
            Field::new("tags", LaneKind::ListString.data_type(), false),
            Field::new("hidden", DataType::Boolean, false),
            Field::new("merged_into", DataType::Utf8View, true),
        ]
    }

    fn push(&mut self, entry: Option<&LexiconEntry>) {
        self.display_name.append_option(entry.and_then(|entry| entry.display_name.as_ref()));
        self.description.append_option(entry.and_then(|entry| entry.description.as_ref()));
        self.hidden.append_value(entry.is_some_and(|entry| entry.hidden));
        self.merged_into.append_option(entry.and_then(|entry| entry.merged_into.as_ref()));
        entry.iter().flat_map(|entry| &entry.tags).for_each(|tag| self.tags.0.values().append_value(tag));
        self.tags.0.append(true);
    }

    fn finish(mut self) -> [ArrayRef; 5] {
        [
            Arc::new(self.display_name.finish()),
            Arc::new(self.description.finish()),
            Arc::new(self.tags.0.finish()),
            Arc::new(self.hidden.finish()),
            Arc::new(self.merged_into.finish()),
        ]
    }
}

//! The tables `users` and `groups`: the current profiles, one row each, properties in typed lanes
//! as on events (D-20, U-15).
//!
//! Columns are built from the profiles when first read, one by one, and kept with the snapshot.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, OnceLock};

use arrow::array::{
    Array as _, ArrayRef, AsArray as _, RecordBatch, RecordBatchOptions, StringViewArray,
    TimestampMillisecondArray, UInt32Array,
};
use arrow::compute::{cast, take};
use arrow::datatypes::{DataType, Field, FieldRef, Schema, SchemaRef};
use async_trait::async_trait;
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::{Column, JoinType, Result, TableReference};
use datafusion::datasource::memory::MemorySourceConfig;
use datafusion::datasource::provider_as_source;
use datafusion::datasource::source::DataSourceExec;
use datafusion::functions_aggregate::expr_fn::min;
use datafusion::logical_expr::{Expr, LogicalPlanBuilder, TableType};
use datafusion::physical_plan::ExecutionPlan;
use tallymark_event::columns::{TIME, USER_ID, timestamp_type};
use tallymark_event::{LaneId, LaneKind, PropertyCatalog, catalog_of, lane_array};
use tallymark_storage::Snapshot;
use tallymark_users::Profile;

use crate::events_table::EventsTable;
use crate::functions::made::call;

/// `$last_seen` (U-12).
const LAST_SEEN: &str = "last_seen";
/// When the user's first event happened (D-44).
const FIRST_EVENT_TIME: &str = "first_event_time";
/// Slices of this many rows go to the operators.
const SLICE_ROWS: usize = 8192;

/// The profiles of users, or of groups, of one snapshot.
#[derive(Debug)]
pub(crate) struct ProfilesTable {
    snapshot: Arc<Snapshot>,
    of: Of,
    rows: usize,
    catalog: PropertyCatalog,
    schema: SchemaRef,
    columns: Vec<ProfileColumn>,
    built: Vec<OnceLock<ArrayRef>>,
    rows_of_groups: OnceLock<HashMap<String, u32>>,
}

#[derive(Debug)]
enum Of {
    Users { events: Arc<EventsTable> },
    Groups,
}

/// Where the values of a column come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ProfileColumn {
    UserId,
    GroupKey,
    GroupId,
    LastSeen,
    FirstEventTime,
    Lane(LaneId),
}

impl ProfileColumn {
    fn field(self, catalog: &PropertyCatalog, taken: &mut HashSet<String>) -> FieldRef {
        let fixed =
            |name: &str, data_type: DataType, nullable| Arc::new(Field::new(name, data_type, nullable));
        match self {
            Self::UserId => fixed(USER_ID, DataType::Utf8View, false),
            Self::GroupKey => fixed("group_key", DataType::Utf8View, false),
            Self::GroupId => fixed("group_id", DataType::Utf8View, false),
            Self::LastSeen => fixed(LAST_SEEN, timestamp_type(), true),
            Self::FirstEventTime => fixed(FIRST_EVENT_TIME, timestamp_type(), true),
            Self::Lane(lane) => {
                let lane = catalog.lane(lane);
                let name = free_name(&lane.column, taken);
                fixed(&name, lane.kind.data_type(), true)
            }
        }
    }
}

impl ProfilesTable {
    /// `user_id`, `last_seen`, `first_event_time`, then the properties; one row per user who has a
    /// profile. `first_event_time` reads the events when a query names it.
    pub(super) fn users(snapshot: Arc<Snapshot>, events: Arc<EventsTable>) -> Self {
        let fixed = [ProfileColumn::UserId, ProfileColumn::LastSeen, ProfileColumn::FirstEventTime];
        Self::new(snapshot, Of::Users { events }, &fixed)
    }

    /// `group_key`, `group_id`, `last_seen`, then the properties of the groups of all keys.
    pub(super) fn groups(snapshot: Arc<Snapshot>) -> Self {
        Self::new(
            snapshot,
            Of::Groups,
            &[ProfileColumn::GroupKey, ProfileColumn::GroupId, ProfileColumn::LastSeen],
        )
    }

    fn new(snapshot: Arc<Snapshot>, of: Of, fixed: &[ProfileColumn]) -> Self {
        let catalog = catalog_of(profiles_of(&snapshot, &of).map(|profile| &profile.properties));
        let lanes = (0u32..).zip(catalog.lanes()).filter(|(_, lane)| lane.kind != LaneKind::Null);
        let columns: Vec<ProfileColumn> =
            fixed.iter().copied().chain(lanes.map(|(id, _)| ProfileColumn::Lane(LaneId(id)))).collect();
        let mut taken: HashSet<String> = HashSet::new();
        let fields: Vec<FieldRef> = columns
            .iter()
            .map(|column| {
                let field = column.field(&catalog, &mut taken);
                taken.insert(field.name().clone());
                field
            })
            .collect();
        let rows = profiles_of(&snapshot, &of).count();
        let built = columns.iter().map(|_| OnceLock::new()).collect();
        Self {
            of,
            rows,
            catalog,
            schema: Arc::new(Schema::new(fields)),
            columns,
            built,
            rows_of_groups: OnceLock::new(),
            snapshot,
        }
    }

    /// The properties and their lanes.
    pub(crate) fn catalog(&self) -> &PropertyCatalog {
        &self.catalog
    }

    /// The fields of the properties, by the names of their lanes.
    pub(crate) fn lane_fields(&self) -> impl Iterator<Item = FieldRef> {
        let lanes = self.catalog.lanes().iter().filter(|lane| lane.kind != LaneKind::Null);
        lanes.map(|lane| Arc::new(Field::new(&lane.column, lane.kind.data_type(), true)))
    }

    /// The position in the table of the lane whose column in the catalog is called that, and its
    /// type.
    pub(crate) fn lane_position(&self, lane_column: &str) -> Option<(usize, DataType)> {
        let id = self.catalog.lanes().iter().position(|lane| lane.column == lane_column)?;
        let at = self.columns.iter().position(|column| *column == ProfileColumn::Lane(LaneId(id as u32)))?;
        Some((at, self.schema.field(at).data_type().clone()))
    }

    /// Whether these are users.
    pub(crate) fn is_of_users(&self) -> bool {
        matches!(self.of, Of::Users { .. })
    }

    /// A column of the user that an expression names, null for those without a profile; `None` if it
    /// takes events to know it, or there is no such column.
    pub(crate) fn value_of(self: &Arc<Self>, column: &str, user: Expr) -> Option<Expr> {
        let (at, _) = self.schema.column_with_name(column)?;
        (!self.is_first_event(at)).then(|| self.value_at(at, user))
    }

    /// The same by the position of the column.
    pub(crate) fn value_at(self: &Arc<Self>, at: usize, user: Expr) -> Expr {
        let (profiles, field) = (Arc::clone(self), self.schema.field(at));
        call(format!("users.{}", field.name()), field.data_type().clone(), vec![user], move |args| {
            let ids = cast(&args[0], &DataType::Utf8View)?;
            let rows = profiles.rows_of_users(ids.as_string_view());
            Ok(take(profiles.array(at), &rows, None)?)
        })
    }

    /// The row of each user; null without a profile. Cheapest where ids ascend.
    pub(crate) fn rows_of_users<'a>(&self, ids: &'a StringViewArray) -> UInt32Array {
        let known = self.array(0).as_string_view();
        let mut at = 0;
        let mut before: Option<&'a str> = None;
        let row = |id: Option<&'a str>| {
            let id = id?;
            if before.is_some_and(|before| id < before) {
                at = 0;
            }
            before = Some(id);
            // As far as twice what was skipped so far, then by halves.
            let mut step = 1;
            while at + step < known.len() && known.value(at + step) < id {
                step *= 2;
            }
            let (mut low, mut high) = (at + step / 2, (at + step).min(known.len()));
            while low < high {
                let middle = low.midpoint(high);
                if known.value(middle) < id {
                    low = middle + 1;
                } else {
                    high = middle;
                }
            }
            at = low;
            (at < known.len() && known.value(at) == id).then_some(at as u32)
        };
        ids.iter().map(row).collect()
    }

    /// The row of each group, by [`ProfilesTable::group_row_key`].
    pub(crate) fn rows_of_groups(&self) -> &HashMap<String, u32> {
        self.rows_of_groups.get_or_init(|| {
            let groups = self.snapshot.profiles.groups().zip(0..);
            groups.map(|((key, id, _), row)| (Self::group_row_key(key, id), row)).collect()
        })
    }

    /// What a group's row is found by.
    pub(crate) fn group_row_key(group_key: &str, id: &str) -> String {
        format!("{}:{group_key}{id}", group_key.len())
    }

    /// How many profiles there are.
    pub(super) fn rows(&self) -> u64 {
        self.rows as u64
    }

    /// The SQL column of a lane; `None` for explicit nulls.
    pub(super) fn column_name(&self, lane: LaneId) -> Option<&str> {
        let at = self.columns.iter().position(|column| *column == ProfileColumn::Lane(lane))?;
        Some(self.schema.field(at).name())
    }

    /// Profiles with a value, by lane.
    pub(super) fn lane_rows(&self) -> Vec<u64> {
        let mut rows = vec![0; self.catalog.lanes().len()];
        for profile in profiles_of(&self.snapshot, &self.of) {
            for (name, value) in &profile.properties.0 {
                let first = self.catalog.property(name).and_then(|property| property.lanes.first());
                let lane =
                    first.and_then(|first| self.catalog.route(self.catalog.lane(*first).property, value));
                if let Some(sum) = lane.and_then(|lane| rows.get_mut(lane.0 as usize)) {
                    *sum += 1;
                }
            }
        }
        rows
    }

    pub(crate) fn array(&self, at: usize) -> &ArrayRef {
        self.built[at].get_or_init(|| self.build(self.columns[at]))
    }

    fn build(&self, column: ProfileColumn) -> ArrayRef {
        let profiles = &self.snapshot.profiles;
        match column {
            ProfileColumn::UserId => {
                Arc::new(profiles.users().map(|(id, _)| Some(id)).collect::<StringViewArray>())
            }
            ProfileColumn::GroupKey => {
                Arc::new(profiles.groups().map(|(key, _, _)| Some(key)).collect::<StringViewArray>())
            }
            ProfileColumn::GroupId => {
                Arc::new(profiles.groups().map(|(_, id, _)| Some(id)).collect::<StringViewArray>())
            }
            ProfileColumn::LastSeen => Arc::new(
                profiles_of(&self.snapshot, &self.of)
                    .map(|profile| profile.last_seen.map(tallymark_event::Timestamp::millis))
                    .collect::<TimestampMillisecondArray>()
                    .with_timezone("UTC"),
            ),
            ProfileColumn::FirstEventTime => arrow::array::new_null_array(&timestamp_type(), self.rows),
            ProfileColumn::Lane(id) => {
                let lane = self.catalog.lane(id);
                let name = &self.catalog.properties()[lane.property.0 as usize].name;
                let values = profiles_of(&self.snapshot, &self.of).map(|profile| {
                    let value = profile.property(name)?;
                    (self.catalog.route(lane.property, value) == Some(id)).then_some(value)
                });
                lane_array(lane.kind, values)
            }
        }
    }

    /// The profiles alone, without what has to be read from events.
    fn stored(&self, projection: &[usize], partitions: usize) -> Result<Arc<dyn ExecutionPlan>> {
        let schema = Arc::new(self.schema.project(projection)?);
        let arrays = projection.iter().map(|at| Arc::clone(self.array(*at))).collect();
        let options = RecordBatchOptions::new().with_row_count(Some(self.rows));
        let batch = RecordBatch::try_new_with_options(Arc::clone(&schema), arrays, &options)?;
        let slices =
            (0..self.rows).step_by(SLICE_ROWS).map(|at| batch.slice(at, SLICE_ROWS.min(self.rows - at)));
        let mut parts = vec![Vec::new(); partitions.clamp(1, self.rows.div_ceil(SLICE_ROWS).max(1))];
        let count = parts.len();
        for (index, slice) in slices.enumerate() {
            parts[index % count].push(slice);
        }
        let source = MemorySourceConfig::try_new(&parts, schema, None)?;
        Ok(DataSourceExec::from_data_source(source))
    }

    /// The profiles joined with the first event of each user.
    async fn with_first_events(
        &self,
        state: &dyn Session,
        events: &Arc<EventsTable>,
        projection: &[usize],
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let (profiles, first) = (TableReference::bare("profiles"), TableReference::bare("first"));
        let column =
            |table: &TableReference, name: &str| Expr::Column(Column::new(Some(table.clone()), name));
        // What the profiles themselves say, user_id first for the join.
        let own: Vec<usize> = (0..self.columns.len())
            .filter(|at| *at == 0 || (projection.contains(at) && !self.is_first_event(*at)))
            .collect();
        let schema = Arc::new(self.schema.project(&own)?);
        let arrays = own.iter().map(|at| Arc::clone(self.array(*at))).collect();
        let batch = RecordBatch::try_new(Arc::clone(&schema), arrays)?;
        let stored = datafusion::datasource::MemTable::try_new(schema, vec![vec![batch]])?;

        let events: Arc<dyn TableProvider> = Arc::clone(events) as _;
        let earliest = LogicalPlanBuilder::scan("events", provider_as_source(events), None)?
            .aggregate(
                vec![Expr::Column(Column::new(Some("events"), USER_ID))],
                vec![min(Expr::Column(Column::new(Some("events"), TIME))).alias(FIRST_EVENT_TIME)],
            )?
            .alias(first.clone())?
            .build()?;
        let output = projection.iter().map(|at| {
            let name = self.schema.field(*at).name();
            column(if self.is_first_event(*at) { &first } else { &profiles }, name).alias(name)
        });
        let plan = LogicalPlanBuilder::scan(profiles.clone(), provider_as_source(Arc::new(stored)), None)?
            .join(
                earliest,
                JoinType::Left,
                (
                    vec![Column::new(Some(profiles.clone()), USER_ID)],
                    vec![Column::new(Some(first.clone()), USER_ID)],
                ),
                None,
            )?
            .project(output.collect::<Vec<_>>())?
            .build()?;
        state.create_physical_plan(&plan).await
    }

    fn is_first_event(&self, at: usize) -> bool {
        self.columns[at] == ProfileColumn::FirstEventTime
    }
}

fn profiles_of<'a>(snapshot: &'a Snapshot, of: &Of) -> Box<dyn Iterator<Item = &'a Profile> + 'a> {
    match of {
        Of::Users { .. } => Box::new(snapshot.profiles.users().map(|(_, profile)| profile)),
        Of::Groups => Box::new(snapshot.profiles.groups().map(|(_, _, profile)| profile)),
    }
}

/// A lane's own column name, unless a column of the table has it already.
fn free_name(column: &str, taken: &HashSet<String>) -> String {
    let candidates = [column.to_owned(), format!("properties.{column}")];
    let numbered = (2u32..).map(|n| format!("properties.{column}_{n}"));
    candidates.into_iter().chain(numbered).find(|name| !taken.contains(name)).unwrap_or_default()
}

#[async_trait]
impl TableProvider for ProfilesTable {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    async fn scan(
        &self,
        state: &dyn Session,
        projection: Option<&Vec<usize>>,
        _filters: &[Expr],
        _limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let projection = projection.cloned().unwrap_or_else(|| (0..self.columns.len()).collect());
        match &self.of {
            Of::Users { events } if projection.iter().any(|at| self.is_first_event(*at)) => {
                self.with_first_events(state, events, &projection).await
            }
            _ => self.stored(&projection, state.config().target_partitions()),
        }
    }
}

//! What a property of a user's profile was over time (U-20).

use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array, RecordBatch, StringViewArray, TimestampMillisecondArray};
use datafusion::common::DataFusionError;
use datafusion::logical_expr::lit;
use tallymark_event::{LaneId, Properties, catalog_of, lane_array};
use tallymark_storage::PeopleChange;
use tallymark_users::{Identities, IdentitySystem, ProfileKey, ProfileOp, ProfileUpdate, Profiles};

use super::super::asked::{Asked, arrow_error};
use super::super::values::Values;
use super::history::History;
use crate::{Error, Result};

/// What the property was after a record.
struct Row {
    user: String,
    /// When the record was sent, or reached us.
    start: i64,
    value: Properties,
}

impl Asked {
    /// What each record that names the property made of it, for each user in order of time; and the
    /// values by the columns they are in.
    pub(super) async fn profile_history(&self, name: &str) -> Result<(History, Values)> {
        let mut rows = self.profile_rows(name).await?;
        // Of one start, the last to arrive counts.
        rows.sort_by(|a, b| (&a.user, a.start).cmp(&(&b.user, b.start)));
        let catalog = catalog_of(rows.iter().map(|row| &row.value));
        let mut columns: Vec<(String, ArrayRef)> = vec![
            (
                "user".to_owned(),
                Arc::new(rows.iter().map(|row| Some(&row.user)).collect::<StringViewArray>()),
            ),
            (
                "start".to_owned(),
                Arc::new(
                    rows.iter()
                        .map(|row| Some(row.start))
                        .collect::<TimestampMillisecondArray>()
                        .with_timezone("UTC"),
                ),
            ),
            ("place".to_owned(), Arc::new((0..rows.len() as i64).collect::<Int64Array>())),
        ];
        for (id, lane) in (0u32..).map(LaneId).zip(catalog.lanes()) {
            let values = rows.iter().map(|row| {
                let value = row.value.0.first().map(|(_, value)| value)?;
                (catalog.route(lane.property, value) == Some(id)).then_some(value)
            });
            columns.push((lane.column.clone(), lane_array(lane.kind, values)));
        }
        let place = |lane: &str| {
            let at = catalog.lanes().iter().position(|known| known.column == lane);
            lit(at.unwrap_or_default() as u64)
        };
        let values = Values::of_property(&catalog, name, &place);
        let batch = RecordBatch::try_from_iter(columns).map_err(arrow_error)?;
        Ok((History::try_new(&batch, self.memory_of_history())?, values))
    }

    async fn profile_rows(&self, name: &str) -> Result<Vec<Row>> {
        let snapshot = self.tables.snapshot();
        let log = snapshot
            .people_log()
            .await
            .map_err(|error| Error::Run { source: DataFusionError::External(Box::new(error)) })?;
        let system = snapshot.manifest.settings.identity;
        let (mut identities, mut profiles) = (Identities::new(system), Profiles::default());
        let mut rows = Vec::new();
        for entry in log {
            entry.apply(&mut identities, &mut profiles);
            let PeopleChange::Profile(update) = &entry.change else { continue };
            let ProfileKey::User(id) = &update.key else { continue };
            let canonical = identities.canonical(id);
            let is_left_behind = update.ignore_alias && canonical != id;
            if id.is_empty() || is_left_behind || !names(update, name) {
                continue;
            }
            let profile = profiles.get(&ProfileKey::User(canonical.to_owned()));
            let value = profile.and_then(|profile| profile.property(name)).cloned();
            // Under simplified identity what a device had is not the user's (U-18).
            let user = match system {
                IdentitySystem::Simplified => canonical,
                IdentitySystem::Original | IdentitySystem::None => snapshot.identities.canonical(canonical),
            };
            rows.push(Row {
                user: user.to_owned(),
                start: update.time.unwrap_or(entry.received_at).millis(),
                value: Properties(value.map(|value| (name.to_owned(), value)).into_iter().collect()),
            });
        }
        Ok(rows)
    }
}

/// Whether an update says something of a property.
fn names(update: &ProfileUpdate, name: &str) -> bool {
    let is_in = |properties: &Properties| properties.0.iter().any(|(known, _)| known == name);
    update.ops.iter().any(|op| match op {
        ProfileOp::Delete => true,
        ProfileOp::Unset(names) => names.iter().any(|known| known == name),
        ProfileOp::Set(properties)
        | ProfileOp::SetOnce(properties)
        | ProfileOp::Add(properties)
        | ProfileOp::Append(properties)
        | ProfileOp::Union(properties)
        | ProfileOp::Remove(properties) => is_in(properties),
    })
}

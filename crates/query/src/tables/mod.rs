//! The tables of a dataset besides `events`, and the schema that holds them all.
//!
//! A table is made when a query first names it and kept with the snapshot; a query on `events`
//! never pays for profiles.

mod catalogs;
mod definitions;
mod identities;
mod merged;
mod profiles;

use std::sync::{Arc, OnceLock};

use async_trait::async_trait;
use datafusion::catalog::{MemorySchemaProvider, SchemaProvider, TableProvider};
use datafusion::common::{DataFusionError, Result, exec_err};
use datafusion::execution::SessionStateBuilder;
use datafusion::execution::runtime_env::RuntimeEnv;
use datafusion::logical_expr::TableType;
use datafusion::prelude::SessionConfig;
use tallymark_storage::Snapshot;

use crate::attached::{self, AttachedMemories};
use crate::events_table::{EventsTable, Resident};
use crate::lookups::LoadedLookups;
pub(crate) use profiles::ProfilesTable;

/// The events: see [`EventsTable`].
pub const EVENTS: &str = "events";
/// The events as reports read them: events and properties under the names they are merged into (M-22).
pub const MERGED_EVENTS: &str = "merged_events";
/// User profiles: `user_id`, `last_seen`, `first_event_time`, then the profile properties.
pub const USERS: &str = "users";
/// Group profiles (U-34): `group_key`, `group_id`, `last_seen`, then the profile properties.
pub const GROUPS: &str = "groups";
/// Which id is which user (I-30): `id`, `user_id`.
pub const IDENTITIES: &str = "identities";
/// The event names: `event`, `rows`, `first_day`, `last_day`, `days`, and what the lexicon says:
/// `display_name`, `description`, `tags`, `hidden`, `merged_into`.
pub const EVENT_CATALOG: &str = "event_catalog";
/// The properties and their columns: `source`, `property`, `column`, `type`, `arrow_type`, `rows`,
/// `share`, and what the lexicon says: `display_name`, `description`, `tags`, `hidden`, `merged_into`.
pub const PROPERTY_CATALOG: &str = "property_catalog";
/// What was saved by name: `kind`, `name`, `definition`, `saved_at`.
pub const DEFINITIONS: &str = "definitions";

/// All tables every dataset has, in the order to list them.
pub const TABLES: [&str; 8] =
    [EVENTS, MERGED_EVENTS, USERS, GROUPS, IDENTITIES, EVENT_CATALOG, PROPERTY_CATALOG, DEFINITIONS];

/// The tables of one snapshot, each made on first use.
#[derive(Debug)]
pub struct DatasetTables {
    snapshot: Arc<Snapshot>,
    resident: Option<Resident>,
    attached: Arc<AttachedMemories>,
    events: OnceLock<Arc<EventsTable>>,
    merged_events: OnceLock<Arc<dyn TableProvider>>,
    users: OnceLock<Arc<ProfilesTable>>,
    groups: OnceLock<Arc<ProfilesTable>>,
    identities: OnceLock<Arc<dyn TableProvider>>,
    event_catalog: OnceLock<Arc<dyn TableProvider>>,
    property_catalog: OnceLock<Arc<dyn TableProvider>>,
    definitions: OnceLock<Arc<dyn TableProvider>>,
    loaded_lookups: Arc<LoadedLookups>,
}

impl DatasetTables {
    /// The tables of a snapshot; nothing is computed yet.
    pub fn new(snapshot: Arc<Snapshot>) -> Self {
        Self {
            snapshot,
            resident: None,
            attached: Arc::default(),
            events: OnceLock::new(),
            merged_events: OnceLock::new(),
            users: OnceLock::new(),
            groups: OnceLock::new(),
            identities: OnceLock::new(),
            event_catalog: OnceLock::new(),
            property_catalog: OnceLock::new(),
            definitions: OnceLock::new(),
            loaded_lookups: Arc::default(),
        }
    }

    /// The same, with lookup tables that may be there already.
    pub(crate) fn with_loaded_lookups(self, loaded_lookups: Arc<LoadedLookups>) -> Self {
        loaded_lookups.retain(&self.snapshot);
        Self { loaded_lookups, ..self }
    }

    pub(crate) fn loaded_lookups(&self) -> &LoadedLookups {
        &self.loaded_lookups
    }

    /// The same, with events answered from memory where there is room.
    pub(crate) fn with_resident(self, resident: Option<Resident>) -> Self {
        Self { resident, ..self }
    }

    /// The same, with attached datasets of which something may be in memory already.
    pub(crate) fn with_attached(self, attached: Arc<AttachedMemories>) -> Self {
        attached.retain(&self.snapshot);
        Self { attached, ..self }
    }

    /// Those of a snapshot that was made from theirs, with the same columns in memory.
    pub(crate) fn of_derived(&self, snapshot: Arc<Snapshot>) -> Self {
        let tables = Self::new(snapshot).with_resident(self.resident.clone());
        Self {
            loaded_lookups: Arc::clone(&self.loaded_lookups),
            attached: Arc::clone(&self.attached),
            ..tables
        }
    }

    /// The snapshot they show.
    pub fn snapshot(&self) -> &Arc<Snapshot> {
        &self.snapshot
    }

    /// The table [`EVENTS`].
    pub fn events(&self) -> Arc<EventsTable> {
        let make = || {
            let table = EventsTable::new(Arc::clone(&self.snapshot));
            Arc::new(match &self.resident {
                Some(resident) => table.with_resident(resident.clone()),
                None => table,
            })
        };
        Arc::clone(self.events.get_or_init(make))
    }

    /// One of [`TABLES`]; `None` for any other name.
    ///
    /// # Errors
    /// None that data can cause; DataFusion's, if a batch did not fit its schema.
    pub fn table(&self, name: &str) -> Result<Option<Arc<dyn TableProvider>>> {
        let made = |slot: &OnceLock<Arc<dyn TableProvider>>,
                    make: &dyn Fn() -> Result<Arc<dyn TableProvider>>| {
            if let Some(table) = slot.get() {
                return Ok(Arc::clone(table));
            }
            let table = make()?;
            Ok::<_, DataFusionError>(Arc::clone(slot.get_or_init(|| table)))
        };
        Ok(Some(match name {
            EVENTS => self.events(),
            MERGED_EVENTS => made(&self.merged_events, &|| merged::table(self.events()))?,
            USERS => self.users(),
            GROUPS => self.groups(),
            IDENTITIES => made(&self.identities, &|| identities::table(&self.snapshot))?,
            EVENT_CATALOG => made(&self.event_catalog, &|| catalogs::event_catalog(&self.snapshot))?,
            PROPERTY_CATALOG => made(&self.property_catalog, &|| {
                catalogs::property_catalog(&self.snapshot, &self.users(), &self.groups())
            })?,
            DEFINITIONS => made(&self.definitions, &|| definitions::table(&self.snapshot))?,
            _ => return Ok(None),
        }))
    }

    pub(crate) fn users(&self) -> Arc<ProfilesTable> {
        Arc::clone(
            self.users
                .get_or_init(|| Arc::new(ProfilesTable::users(Arc::clone(&self.snapshot), self.events()))),
        )
    }

    pub(crate) fn groups(&self) -> Arc<ProfilesTable> {
        Arc::clone(self.groups.get_or_init(|| Arc::new(ProfilesTable::groups(Arc::clone(&self.snapshot)))))
    }
}

/// The schema a session sees: the dataset's tables, those attached, and what the caller or a
/// `CREATE VIEW` adds under other names.
#[derive(Debug)]
pub(crate) struct DatasetSchema {
    tables: Arc<DatasetTables>,
    added: MemorySchemaProvider,
    session_config: SessionConfig,
    env: Arc<RuntimeEnv>,
}

impl DatasetSchema {
    pub(crate) fn new(
        tables: Arc<DatasetTables>,
        session_config: SessionConfig,
        env: Arc<RuntimeEnv>,
    ) -> Self {
        Self { tables, added: MemorySchemaProvider::new(), session_config, env }
    }

    fn is_ours(&self, name: &str) -> bool {
        TABLES.contains(&name) || self.tables.snapshot.manifest.attachments.contains_key(name)
    }
}

#[async_trait]
impl SchemaProvider for DatasetSchema {
    fn table_names(&self) -> Vec<String> {
        let attached = self.tables.snapshot.manifest.attachments.keys().cloned();
        TABLES.iter().map(|&name| name.to_owned()).chain(attached).chain(self.added.table_names()).collect()
    }

    async fn table(&self, name: &str) -> Result<Option<Arc<dyn TableProvider>>> {
        if let Some(table) = self.tables.table(name)? {
            return Ok(Some(table));
        }
        let Some(attachment) = self.tables.snapshot.manifest.attachments.get(name) else {
            return self.added.table(name).await;
        };
        let state = SessionStateBuilder::new()
            .with_config(self.session_config.clone())
            .with_runtime_env(Arc::clone(&self.env))
            .build();
        let tables = &self.tables;
        let table = match &tables.resident {
            Some(resident) => {
                let (dataset, memories) = (&tables.snapshot, &tables.attached);
                attached::resident_table(name, attachment, &state, dataset, resident, memories).await
            }
            None => attached::table(name, attachment, &state).await,
        };
        table.map(Some).map_err(|error| DataFusionError::External(Box::new(error)))
    }

    async fn table_type(&self, name: &str) -> Result<Option<TableType>> {
        if self.is_ours(name) { Ok(Some(TableType::Base)) } else { self.added.table_type(name).await }
    }

    fn register_table(
        &self,
        name: String,
        table: Arc<dyn TableProvider>,
    ) -> Result<Option<Arc<dyn TableProvider>>> {
        if self.is_ours(&name) {
            return exec_err!("{name} is a table of the dataset: choose another name");
        }
        self.added.register_table(name, table)
    }

    fn deregister_table(&self, name: &str) -> Result<Option<Arc<dyn TableProvider>>> {
        if self.is_ours(name) {
            return exec_err!("{name} is a table of the dataset: it cannot be dropped or replaced");
        }
        self.added.deregister_table(name)
    }

    fn table_exist(&self, name: &str) -> bool {
        self.is_ours(name) || self.added.table_exist(name)
    }
}

#[cfg(test)]
mod tests;

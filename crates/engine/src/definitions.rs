//! What is saved by name: cohorts, reports and so on.

use serde::Serialize;
use tallymark_event::Timestamp;
use tallymark_ingest::Blocked;
use tallymark_query::definitions;
use tallymark_report::{
    CohortNeeds, DefinitionError, DefinitionKind, Lexicon, LexiconKind, Lookup, Property, check_acyclic,
    check_saved, closest,
};
use tallymark_storage::{Commit, Definition, Definitions, Snapshot};

use crate::{Engine, Error, Result, View};

/// How long a name may be.
const NAME_BYTES_MAX: usize = 255;
/// How large a definition may be: each commit writes all of them.
const JSON_BYTES_MAX: usize = 4 << 20;

/// Something saved.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SavedDefinition {
    /// What it is of.
    #[serde(serialize_with = "kind_name")]
    pub kind: DefinitionKind,
    /// Its name, one of its kind.
    pub name: String,
    /// What it says, as JSON text.
    #[serde(rename = "definition")]
    pub json: String,
    /// When it was saved last.
    pub saved_at: Timestamp,
}

impl Engine {
    /// Saves a definition given as JSON text under a name, in place of what this kind had under it:
    /// durable and visible to queries when this returns.
    ///
    /// ```
    /// # tokio::runtime::Runtime::new().unwrap().block_on(async {
    /// use tallymark::{DefinitionKind, Engine, EngineConfig};
    ///
    /// let engine = Engine::open("memory:///cohorts", EngineConfig::default()).await?;
    /// let active = r#"{"all": [{"did": {"event": "Play", "in": "last 7 days"}}]}"#;
    /// engine.save_definition(DefinitionKind::Cohort, "Active", active).await?;
    /// assert_eq!(engine.definitions()[0].name, "Active");
    /// # Ok::<(), tallymark::Error>(())
    /// # }).unwrap();
    /// ```
    ///
    /// # Errors
    /// [`Error::Definition`] with what is wrong and where: also if it names a cohort, metric or
    /// formula that is not saved, or if a cohort would need itself.
    pub async fn save_definition(&self, kind: DefinitionKind, name: &str, json: &str) -> Result<()> {
        let wrong = |source| Error::Definition { kind, name: name.to_owned(), source };
        if kind == DefinitionKind::Lookup {
            let error = DefinitionError::new("", "a lookup table comes from a file with its rows");
            return Err(wrong(error.hint("save the file")));
        }
        let json = read(kind, name, json).map_err(wrong)?;
        let saved_at = self.now();
        self.change_definitions(|_, definitions| {
            insert(definitions, kind, name, Definition { saved_at, json, file: None });
            check_needs(kind, name, definitions).map_err(wrong)
        })
        .await
    }

    /// Forgets a saved definition.
    ///
    /// # Errors
    /// [`Error::NoDefinition`] if there is none, [`Error::DefinitionInUse`] for a cohort, event, metric or
    /// formula that other definitions name.
    pub async fn delete_definition(&self, kind: DefinitionKind, name: &str) -> Result<()> {
        self.change_definitions(|_, definitions| {
            let users = users_of(kind, name, definitions);
            if !users.is_empty() {
                return Err(Error::DefinitionInUse { kind, name: name.to_owned(), users });
            }
            let saved = definitions.entry(kind.name().to_owned()).or_default();
            if saved.remove(name).is_none() {
                return Err(unknown(kind, name, saved.keys()));
            }
            definitions.retain(|_, saved| !saved.is_empty());
            Ok(())
        })
        .await
    }

    /// One saved definition of the newest state.
    ///
    /// # Errors
    /// [`Error::NoDefinition`].
    pub fn definition(&self, kind: DefinitionKind, name: &str) -> Result<SavedDefinition> {
        let snapshot = self.snapshot();
        let saved = definitions::saved(&snapshot, kind);
        let names = saved.map(|(name, _)| name);
        let mut found = saved_in(&snapshot).into_iter();
        found.find(|saved| saved.kind == kind && saved.name == name).ok_or_else(|| unknown(kind, name, names))
    }

    /// What is saved in the newest state, sorted by kind and name. In SQL it is the table
    /// `definitions`.
    pub fn definitions(&self) -> Vec<SavedDefinition> {
        saved_in(&self.snapshot())
    }

    /// What is said of events and properties in the newest state. In SQL it is in `event_catalog`
    /// and `property_catalog`.
    ///
    /// # Errors
    /// If a newer version has saved it.
    pub fn lexicon(&self) -> Result<Lexicon> {
        Ok(definitions::lexicon(&self.snapshot())?)
    }

    /// Changes what is said of events and properties, all at once.
    ///
    /// # Errors
    /// As for [`Engine::save_definition`].
    pub async fn change_lexicon(&self, change: impl FnOnce(&mut Lexicon)) -> Result<()> {
        let (kind, name) = (DefinitionKind::Lexicon, Lexicon::NAME);
        let wrong = |source| Error::Definition { kind, name: name.to_owned(), source };
        let saved_at = self.now();
        self.change_definitions(|snapshot, definitions| {
            let mut lexicon = definitions::lexicon(snapshot)?;
            change(&mut lexicon);
            lexicon.tidy();
            let not_said = |error: serde_json::Error| wrong(DefinitionError::new("", error.to_string()));
            let json = serde_json::to_string(&lexicon).map_err(not_said)?;
            let json = read(kind, name, &json).map_err(wrong)?;
            insert(definitions, kind, name, Definition { saved_at, json, file: None });
            Ok(())
        })
        .await
    }

    pub(crate) async fn change_definitions(
        &self,
        change: impl FnOnce(&Snapshot, &mut Definitions) -> Result<()>,
    ) -> Result<()> {
        let mut guard = self.inner.store.write().await?;
        let snapshot = guard.snapshot();
        let mut definitions = snapshot.manifest.definitions.clone();
        change(&snapshot, &mut definitions)?;
        guard.commit(Commit { definitions: Some(definitions), ..Commit::of(&snapshot) }).await?;
        // While no other change comes in between.
        self.inner.ingestor.block(blocked(&self.snapshot())?);
        drop(guard);
        Ok(())
    }
}

/// What new data is not stored of (M-24).
pub(crate) fn blocked(snapshot: &Snapshot) -> Result<Blocked> {
    let lexicon = definitions::lexicon(snapshot)?;
    let names = |kind| lexicon.blocked(kind).map(str::to_owned).collect();
    Ok(Blocked { events: names(LexiconKind::Event), event_properties: names(LexiconKind::EventProperty) })
}

impl View {
    /// What was saved in this state, sorted by kind and name.
    pub fn definitions(&self) -> Vec<SavedDefinition> {
        saved_in(&self.snapshot)
    }
}

fn saved_in(snapshot: &Snapshot) -> Vec<SavedDefinition> {
    let of_kind = |kind| {
        definitions::saved(snapshot, kind).map(move |(name, definition)| SavedDefinition {
            kind,
            name: name.clone(),
            json: definition.json.to_string(),
            saved_at: definition.saved_at,
        })
    };
    DefinitionKind::ALL.into_iter().flat_map(of_kind).collect()
}

/// All definitions without the ids of a user on their lists, and how many had any.
pub(crate) fn without_user(definitions: &Definitions, ids: &[String]) -> (Definitions, u64) {
    let (mut rest, mut changed) = (definitions.clone(), 0);
    for kind in DefinitionKind::ALL {
        for definition in rest.get_mut(kind.name()).into_iter().flat_map(|saved| saved.values_mut()) {
            changed += u64::from(kind.forget_users(&mut definition.json, ids));
        }
    }
    (rest, changed)
}

pub(crate) fn insert(
    definitions: &mut Definitions,
    kind: DefinitionKind,
    name: &str,
    definition: Definition,
) {
    definitions.entry(kind.name().to_owned()).or_default().insert(name.to_owned(), definition);
}

fn unknown<'a>(kind: DefinitionKind, name: &str, names: impl Iterator<Item = &'a String>) -> Error {
    let closest = closest(name, names.map(String::as_str)).map(str::to_owned);
    Error::NoDefinition { kind, name: name.to_owned(), closest }
}

/// What is to be saved, checked by itself.
pub(crate) fn read(
    kind: DefinitionKind,
    name: &str,
    json: &str,
) -> Result<serde_json::Value, DefinitionError> {
    if name.is_empty()
        || name.len() > NAME_BYTES_MAX
        || name.trim() != name
        || name.contains(char::is_control)
    {
        let problem = "it needs a name that neither begins nor ends with a blank";
        return Err(DefinitionError::new("", problem).hint(format!("of at most {NAME_BYTES_MAX} bytes")));
    }
    if json.len() > JSON_BYTES_MAX {
        let problem = format!("it has {} bytes; a definition may have {JSON_BYTES_MAX}", json.len());
        return Err(DefinitionError::new("", problem));
    }
    let json: serde_json::Value = serde_json::from_str(json)
        .map_err(|error| DefinitionError::new("", format!("this is not JSON: {error}")))?;
    kind.check(name, json.clone())?;
    Ok(json)
}

/// Whether the cohorts and metrics that a definition names are saved and do not need it.
fn check_needs(kind: DefinitionKind, name: &str, definitions: &Definitions) -> Result<(), DefinitionError> {
    let saved = |kind: DefinitionKind| definitions.get(kind.name()).into_iter().flatten();
    let Some((_, definition)) = saved(kind).find(|(saved, _)| *saved == name) else { return Ok(()) };
    let (cohort, metric) = (DefinitionKind::Cohort, DefinitionKind::Metric);
    let names = |kind| saved(kind).map(|(name, _)| name.as_str()).collect();
    check_saved(cohort, &kind.cohorts_named_in(&definition.json), &names(cohort))?;
    check_saved(metric, &kind.metrics_named_in(&definition.json), &names(metric))?;
    let formula = DefinitionKind::Formula;
    check_saved(formula, &kind.formulas_named_in(&definition.json), &names(formula))?;
    check_lookups(kind, &definition.json, definitions)?;
    if kind != cohort {
        return Ok(());
    }
    let needs: CohortNeeds<'_> = saved(cohort)
        .map(|(name, definition)| (name.as_str(), cohort.cohorts_named_in(&definition.json)))
        .collect();
    check_acyclic(name, &needs)
}

/// Whether the lookup tables that a definition names are saved.
fn check_lookups(
    kind: DefinitionKind,
    json: &serde_json::Value,
    definitions: &Definitions,
) -> Result<(), DefinitionError> {
    let saved = definitions.get(DefinitionKind::Lookup.name());
    for property in kind.lookups_in(json) {
        let Property::Lookup { table: Some(table), .. } = &property else { continue };
        if !saved.is_some_and(|saved| saved.contains_key(table)) {
            let error = DefinitionError::new("", format!("there is no lookup table {table:?}"));
            let names = saved.into_iter().flat_map(|saved| saved.keys()).map(String::as_str);
            return Err(match closest(table, names) {
                Some(known) => error.hint(format!("did you mean {known:?}?")),
                None => error.hint("save it first"),
            });
        }
    }
    Ok(())
}

/// The definitions that name a cohort, event, metric or lookup table, such as `cohort "Active"`.
fn users_of(kind: DefinitionKind, name: &str, definitions: &Definitions) -> Vec<String> {
    let of_table: Vec<Property> = match (kind, definitions.get(kind.name()).and_then(|saved| saved.get(name)))
    {
        (DefinitionKind::Lookup, Some(table)) => {
            Lookup::from_value(table.json.clone()).map(|lookup| lookup.properties).unwrap_or_default()
        }
        _ => Vec::new(),
    };
    let is_named = |user: DefinitionKind, json: &serde_json::Value| match kind {
        DefinitionKind::Cohort => user.cohorts_named_in(json).contains(name),
        DefinitionKind::Event => user.events_named_in(json).contains(name),
        DefinitionKind::Metric => user.metrics_named_in(json).contains(name),
        DefinitionKind::Formula => user.formulas_named_in(json).contains(name),
        DefinitionKind::Lookup => user.lookups_in(json).iter().any(|property| match property {
            Property::Lookup { table: Some(table), .. } => table == name,
            Property::Lookup { table: None, of, .. } => of_table.contains(of),
            _ => false,
        }),
        _ => false,
    };
    let mut users = Vec::new();
    for kind in DefinitionKind::ALL {
        for (user, definition) in definitions.get(kind.name()).into_iter().flatten() {
            if is_named(kind, &definition.json) {
                users.push(format!("{kind} {user:?}"));
            }
        }
    }
    users
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks for it")]
fn kind_name<S: serde::Serializer>(kind: &DefinitionKind, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(kind.name())
}

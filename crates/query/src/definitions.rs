//! What a snapshot has saved by name, read.

use std::collections::{BTreeMap, BTreeSet};

use tallymark_report::{
    Cohort, DefinitionError, DefinitionKind, EventSelector, Formula, Lexicon, Lookup, Metric, Report,
};
use tallymark_storage::{Definition, DefinitionFile, Snapshot};

use crate::{Error, Result};

/// The saved definitions of one kind as they stand, by name.
pub fn saved(snapshot: &Snapshot, kind: DefinitionKind) -> impl Iterator<Item = (&String, &Definition)> {
    snapshot.manifest.definitions.get(kind.name()).into_iter().flatten()
}

/// The saved cohorts, by name. Those they name in turn are among them (C-23).
///
/// # Errors
/// [`Error::SavedDefinition`] for one that a newer version has saved.
pub fn cohorts(snapshot: &Snapshot) -> Result<BTreeMap<String, Cohort>> {
    read_all(snapshot, DefinitionKind::Cohort, |_, json| Cohort::from_value(json))
}

/// The saved definitions of a kind, read.
fn read_all<T>(
    snapshot: &Snapshot,
    kind: DefinitionKind,
    read: impl Fn(&str, serde_json::Value) -> tallymark_report::Result<T>,
) -> Result<BTreeMap<String, T>> {
    let read = |(name, definition): (&String, &Definition)| match read(name, definition.json.clone()) {
        Ok(read) => Ok((name.clone(), read)),
        Err(source) => Err(Error::SavedDefinition { kind, name: name.clone(), source }),
    };
    saved(snapshot, kind).map(read).collect()
}

/// The saved events, by name (P-41).
///
/// # Errors
/// [`Error::SavedDefinition`] for one that a newer version has saved.
pub fn events(snapshot: &Snapshot) -> Result<BTreeMap<String, EventSelector>> {
    read_all(snapshot, DefinitionKind::Event, EventSelector::from_value)
}

/// The saved metrics, by name (S-90).
///
/// # Errors
/// [`Error::SavedDefinition`] for one that a newer version has saved.
pub fn metrics(snapshot: &Snapshot) -> Result<BTreeMap<String, Metric>> {
    read_all(snapshot, DefinitionKind::Metric, |_, json| Metric::from_value(json))
}

/// The saved formulas, by name (S-90).
///
/// # Errors
/// [`Error::SavedDefinition`] for one that a newer version has saved.
pub fn formulas(snapshot: &Snapshot) -> Result<BTreeMap<String, Formula>> {
    read_all(snapshot, DefinitionKind::Formula, |_, json| Formula::from_value(json))
}

/// A report with what is saved in the places where it is named (S-90).
pub(crate) fn with_saved(snapshot: &Snapshot, report: Report) -> Result<Report> {
    Ok(report.with_saved(&metrics(snapshot)?, &formulas(snapshot)?)?)
}

/// What events and properties mean; says nothing if nobody did.
///
/// # Errors
/// [`Error::SavedDefinition`] if a newer version has saved it.
pub fn lexicon(snapshot: &Snapshot) -> Result<Lexicon> {
    let kind = DefinitionKind::Lexicon;
    match saved(snapshot, kind).find(|(name, _)| *name == Lexicon::NAME) {
        None => Ok(Lexicon::default()),
        Some((name, definition)) => Lexicon::from_value(definition.json.clone())
            .map_err(|source| Error::SavedDefinition { kind, name: name.clone(), source }),
    }
}

/// The lookup tables, by name, each with the file that has its rows.
///
/// # Errors
/// [`Error::SavedDefinition`] for one that a newer version has saved.
pub fn lookups(snapshot: &Snapshot) -> Result<BTreeMap<String, (Lookup, DefinitionFile)>> {
    let kind = DefinitionKind::Lookup;
    let mut found = BTreeMap::new();
    for (name, definition) in saved(snapshot, kind) {
        let wrong = |source| Error::SavedDefinition { kind, name: name.clone(), source };
        let lookup = Lookup::from_value(definition.json.clone()).map_err(wrong)?;
        let file = definition.file.clone();
        let file = file.ok_or_else(|| wrong(DefinitionError::new("", "it has no table")))?;
        found.insert(name.clone(), (lookup, file));
    }
    Ok(found)
}

/// The names of hidden events: they stay out of `$all_events` (M-20, P-40).
///
/// # Errors
/// As for [`lexicon`].
pub fn hidden_events(snapshot: &Snapshot) -> Result<BTreeSet<String>> {
    let events = lexicon(snapshot)?.events.into_iter();
    Ok(events.filter(|(_, entry)| entry.hidden).map(|(name, _)| name).collect())
}

//! What a snapshot has saved by name, read.

use std::collections::BTreeMap;

use tallymark_report::{Cohort, DefinitionKind};
use tallymark_storage::{Definition, Snapshot};

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
    let kind = DefinitionKind::Cohort;
    let read = |(name, definition): (&String, &Definition)| match Cohort::from_value(definition.json.clone())
    {
        Ok(cohort) => Ok((name.clone(), cohort)),
        Err(source) => Err(Error::SavedDefinition { kind, name: name.clone(), source }),
    };
    saved(snapshot, kind).map(read).collect()
}

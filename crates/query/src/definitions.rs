//! Definitions that are saved with a dataset.

use std::collections::BTreeMap;

use tallymark_report::Cohort;
use tallymark_storage::Snapshot;

use crate::Result;

/// The saved cohorts, by name.
///
/// # Errors
/// [`crate::Error::Definition`] for one that cannot be read.
pub fn cohorts(_snapshot: &Snapshot) -> Result<BTreeMap<String, Cohort>> {
    Ok(BTreeMap::new())
}

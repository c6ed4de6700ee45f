//! What the people log of a manifest makes: identity and profiles.

use std::sync::Arc;

use tallymark_users::{Identities, IdentitySystem, Profiles};

use super::Inner;
use crate::error::Result;
use crate::manifest::{LogFile, Manifest};
use crate::{Location, Snapshot, people_log};

/// State after some files of the log.
#[derive(Debug, Clone)]
pub(super) struct PeopleState {
    files: Vec<LogFile>,
    identities: Arc<Identities>,
    profiles: Arc<Profiles>,
}

impl PeopleState {
    pub(super) fn new(system: IdentitySystem) -> Self {
        Self { files: Vec::new(), identities: Arc::new(Identities::new(system)), profiles: Arc::default() }
    }

    /// The state of `manifest`, read from where this one ends if its files are the first of it.
    async fn advanced_to(&self, location: &Location, manifest: &Manifest) -> Result<Self> {
        let mut state = if manifest.people.starts_with(&self.files) {
            self.clone()
        } else {
            Self::new(manifest.settings.identity)
        };
        if state.files.len() == manifest.people.len() {
            return Ok(state);
        }
        let mut identities = (*state.identities).clone();
        let mut profiles = (*state.profiles).clone();
        for file in &manifest.people[state.files.len()..] {
            for entry in people_log::read(location, file).await? {
                entry.apply(&mut identities, &mut profiles);
            }
            state.files.push(file.clone());
        }
        state.identities = Arc::new(identities);
        state.profiles = Arc::new(profiles);
        Ok(state)
    }
}

impl Inner {
    /// The view of what `manifest` has in files.
    pub(super) async fn view(&self, manifest: Arc<Manifest>) -> Result<Snapshot> {
        let mut known = self.people.lock().await;
        let state = known.advanced_to(&self.location, &manifest).await?;
        // Kept is the longer log: older snapshots are asked for less often than newer ones.
        if state.files.len() >= known.files.len() || !known.files.starts_with(&state.files) {
            *known = state.clone();
        }
        drop(known);
        Ok(view(&self.location, manifest, &state))
    }
}

/// The view of what `manifest` has in files, read anew.
pub(super) async fn first_view(
    location: &Location,
    manifest: Arc<Manifest>,
) -> Result<(Snapshot, PeopleState)> {
    let state = PeopleState::new(manifest.settings.identity).advanced_to(location, &manifest).await?;
    Ok((view(location, manifest, &state), state))
}

fn view(location: &Location, manifest: Arc<Manifest>, state: &PeopleState) -> Snapshot {
    Snapshot {
        location: location.clone(),
        catalog: Arc::new(manifest.catalog.clone()),
        memtable: Arc::default(),
        pending: Arc::default(),
        identities: Arc::clone(&state.identities),
        profiles: Arc::clone(&state.profiles),
        next_sequence: manifest.next_sequence,
        last_wal: None,
        manifest,
    }
}

//! Finding manifests, and opening a dataset by its newest one.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, RwLock};

use tallymark_event::{Clock, PropertyCatalog};
use tracing::{debug, info, warn};
use uuid::Uuid;

use super::people::{PeopleState, first_view};
use super::write::WriterState;
use super::{EventStore, Inner, StorageConfig, Writer};
use crate::error::{Error, Result};
use crate::lease::Lease;
use crate::local::FileSystem;
use crate::manifest::{self, DatasetSettings, FORMAT_VERSION, Manifest, WalFence};
use crate::objects::PutOnce;
use crate::paths::ObjectKind;
use crate::wal::Log;
use crate::{Location, Snapshot, objects, paths, wal};

/// How often to start over when another writer commits while we take over.
const TRIES: usize = 10;

pub(super) async fn for_reading(
    location: Location,
    config: StorageConfig,
    clock: Arc<dyn Clock>,
) -> Result<EventStore> {
    let (snapshot, people) = loop {
        let manifest = newest(&location).await?;
        let version = manifest.version;
        match first_view(&location, manifest).await {
            Err(error) if newer_than(&location, version).await?.is_some() => {
                debug!(version, error = %error, "a commit was replaced, and its files deleted, while it was read");
            }
            view => break view?,
        }
    };
    Ok(opened(location, config, clock, (snapshot, people), None))
}

pub(super) async fn for_writing(
    location: Location,
    config: StorageConfig,
    clock: Arc<dyn Clock>,
) -> Result<EventStore> {
    let lease = Arc::new(Lease::take(&location, &config.holder, config.lease, &clock).await?);
    let id = Uuid::now_v7();
    let (manifest, log) = take_over(&location, &config, &clock, &lease, id).await?;
    let (snapshot, people) = first_view(&location, Arc::new(manifest)).await?;
    let file_system = match location.local_root() {
        Some(root) => Some(FileSystem::open(root.to_owned()).await?),
        None => None,
    };
    info!(
        url = %location.url(),
        version = snapshot.manifest.version,
        files = snapshot.manifest.files.len(),
        unflushed = log.entries.len(),
        "opened for writing"
    );
    let state = WriterState::new(log.next, snapshot.manifest.fence.epoch);
    let writer = Writer {
        id,
        lease,
        state: tokio::sync::Mutex::new(state),
        unreplayed: Mutex::new(log.entries),
        closed: false.into(),
        file_system,
    };
    Ok(opened(location, config, clock, (snapshot, people), Some(writer)))
}

/// A store over what was found, for reading if there is no writer.
fn opened(
    location: Location,
    config: StorageConfig,
    clock: Arc<dyn Clock>,
    (snapshot, people): (Snapshot, PeopleState),
    writer: Option<Writer>,
) -> EventStore {
    EventStore {
        inner: Arc::new(Inner {
            location,
            config,
            clock,
            current: RwLock::new(Arc::new(snapshot)),
            people: tokio::sync::Mutex::new(people),
            unnamed: Mutex::default(),
            unsynced: Mutex::default(),
            unsafe_to_name: Mutex::default(),
            writer,
        }),
    }
}

/// The state to go on from, with every earlier writer fenced off.
///
/// Where an earlier holder of the lease may not know that it lost it, a commit of our own takes
/// the next number, so that none of its commits can be put any more, and raises the epoch, so that
/// no write-ahead log entry it still puts counts.
async fn take_over(
    location: &Location,
    config: &StorageConfig,
    clock: &Arc<dyn Clock>,
    lease: &Arc<Lease>,
    writer: Uuid,
) -> Result<(Manifest, Log)> {
    for _ in 0..TRIES {
        let Found { manifest, broken_off } = find_newest(location).await?;
        for version in broken_off {
            // Its number is needed.
            objects::delete(location, &paths::manifest(version)).await?;
        }
        let Some(mut manifest) = manifest else {
            let first = first_manifest(location, config, clock).await?;
            if put(location, lease, &first, writer).await? == PutOnce::Done {
                return Ok((first, Log::default()));
            }
            continue;
        };
        let log = wal::read(location, &manifest).await?;
        if !lease.can_be_stolen() {
            return Ok((manifest, log));
        }
        manifest.version += 1;
        manifest.created_at = clock.now().max(manifest.created_at);
        manifest.fence = WalFence {
            epoch: manifest.fence.epoch + 1,
            acknowledged: log.entries.last().map(|entry| entry.number),
            next: log.next,
        };
        if put(location, lease, &manifest, writer).await? == PutOnce::Done {
            return Ok((manifest, log));
        }
        debug!(version = manifest.version, "another writer committed while we took over");
    }
    Err(Error::Conflict { evidence: "it keeps committing".to_owned() })
}

async fn first_manifest(
    location: &Location,
    config: &StorageConfig,
    clock: &Arc<dyn Clock>,
) -> Result<Manifest> {
    for directory in [paths::EVENTS_DIR, paths::PEOPLE_DIR] {
        let objects = objects::list(location, directory).await?;
        if objects.iter().any(|(path, _)| paths::parse(path).is_some()) {
            return Err(Error::ManifestMissing { url: location.url().to_string() });
        }
    }
    Ok(Manifest {
        format_version: FORMAT_VERSION,
        version: 1,
        created_at: clock.now(),
        settings: DatasetSettings { identity: config.identity },
        next_sequence: 0,
        wal_flushed: 0,
        fence: WalFence::default(),
        catalog: PropertyCatalog::default(),
        erased_before: 0,
        files: Vec::new(),
        people: Vec::new(),
        attachments: BTreeMap::new(),
        definitions: BTreeMap::new(),
    })
}

/// Puts a manifest, durably.
pub(super) async fn put(
    location: &Location,
    lease: &Arc<Lease>,
    manifest: &Manifest,
    writer: Uuid,
) -> Result<PutOnce> {
    let path = paths::manifest(manifest.version);
    let bytes = manifest::encode(manifest, writer, &path)?;
    objects::put_once(location, lease, &path, &bytes).await
}

/// The versions of all manifests there are, ascending.
pub(crate) async fn versions(location: &Location) -> Result<Vec<u64>> {
    let listed = objects::list(location, paths::MANIFEST_DIR).await?;
    Ok(listed
        .iter()
        .filter_map(|(path, _)| match paths::parse(path) {
            Some(ObjectKind::Manifest(version)) => Some(version),
            _ => None,
        })
        .collect())
}

/// The newest manifest, and those after it that break off.
struct Found {
    manifest: Option<Manifest>,
    broken_off: Vec<u64>,
}

async fn find_newest(location: &Location) -> Result<Found> {
    'listing: loop {
        let mut broken_off = Vec::new();
        for version in versions(location).await?.into_iter().rev() {
            match manifest(location, version).await {
                Ok(Some(manifest)) => return Ok(Found { manifest: Some(manifest), broken_off }),
                // Replaced and cleaned up since it was listed.
                Ok(None) => continue 'listing,
                Err(error) if error.is_broken_off() => {
                    warn!(version, "passed over a commit that was cut short");
                    broken_off.push(version);
                }
                Err(error) => return Err(error),
            }
        }
        return Ok(Found { manifest: None, broken_off });
    }
}

/// The newest manifest.
pub(super) async fn newest(location: &Location) -> Result<Arc<Manifest>> {
    let found = find_newest(location).await?;
    found.manifest.map(Arc::new).ok_or_else(|| Error::NoDataset { url: location.url().to_string() })
}

/// The newest manifest, if it is newer than `known`.
pub(super) async fn newer_than(location: &Location, known: u64) -> Result<Option<Arc<Manifest>>> {
    if versions(location).await?.last().is_none_or(|version| *version <= known) {
        return Ok(None);
    }
    Ok(Some(newest(location).await?).filter(|newest| newest.version > known))
}

/// The manifest of a version, if it is still there.
pub(crate) async fn manifest(location: &Location, version: u64) -> Result<Option<Manifest>> {
    let path = paths::manifest(version);
    match objects::read(location, &path).await? {
        Some(bytes) => manifest::decode(&bytes, version, &path).map(Some),
        None => Ok(None),
    }
}

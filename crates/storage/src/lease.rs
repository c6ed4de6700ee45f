//! Who may write: one writer at a time.
//!
//! In a local directory it is a lock of the operating system on `writer.lock`, which ends with its
//! process. Elsewhere it is the object `writer.lease`, which runs out unless it is renewed; one
//! that ran out may be taken over. The holder of a stolen lease may not know yet, so a lease alone
//! protects nothing: commits are fenced by their numbers ([`crate::manifest`]) and
//! acknowledgements by [`Lease::verify`] after the fact.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read as _, Seek as _, Write as _};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use bytes::Bytes;
use object_store::{Error as StoreError, PutMode, PutOptions, UpdateVersion};
use serde::{Deserialize, Serialize};
use tallymark_event::{Clock, Timestamp};
use tokio::task::JoinHandle;
use tracing::warn;
use uuid::Uuid;

use crate::error::{Error, Result};
use crate::{Location, local, objects, paths};

/// The right to write, until it is dropped or lost.
#[derive(Debug)]
pub(crate) enum Lease {
    /// A lock of the operating system, held as long as the file is open.
    Local {
        /// Keeps the lock; `None` once given back.
        file: Mutex<Option<LockedFile>>,
    },
    /// An object that is renewed by a task.
    Remote {
        /// What the task and we share.
        shared: Arc<RemoteLease>,
        /// The task.
        renewal: JoinHandle<()>,
    },
}

/// Keeps a local dataset locked, while any clone lives.
pub(crate) type LockedFile = Arc<File>;

/// The stored form of both kinds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Holder {
    #[serde(rename = "holder")]
    name: String,
    since: Timestamp,
    /// Unique to one opening for writing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    token: Option<Uuid>,
    /// When it runs out unless renewed; `None` for a lock.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    expires_at: Option<Timestamp>,
}

impl Lease {
    /// Takes the right to write.
    ///
    /// # Errors
    /// [`Error::Locked`] where someone else has it.
    pub(crate) async fn take(
        location: &Location,
        holder: &str,
        duration: Duration,
        clock: &Arc<dyn Clock>,
    ) -> Result<Self> {
        let holder = Holder { name: holder.to_owned(), since: clock.now(), token: None, expires_at: None };
        if let Some(file) = location.local_file(paths::LOCK) {
            return local::blocking(move || lock(&file, &holder)).await;
        }
        let shared = Arc::new(RemoteLease {
            location: location.clone(),
            clock: Arc::clone(clock),
            duration,
            token: Uuid::now_v7(),
            holder: holder.name,
            since: holder.since,
            held: RwLock::new(Held::Lost { to: "nobody yet".to_owned() }),
        });
        shared.acquire().await?;
        let renewal = tokio::spawn(Arc::clone(&shared).keep_renewing());
        Ok(Self::Remote { shared, renewal })
    }

    /// Whether an earlier holder may still believe to hold it.
    pub(crate) fn can_be_stolen(&self) -> bool {
        matches!(self, Self::Remote { .. })
    }

    /// Makes sure that nobody had taken it over before this call.
    ///
    /// # Errors
    /// [`Error::Conflict`] if somebody did; [`Error::Read`] if that cannot be found out.
    pub(crate) async fn verify(&self) -> Result<()> {
        match self {
            Self::Local { .. } => Ok(()),
            Self::Remote { shared, .. } => shared.verify().await,
        }
    }

    /// The lock of a local dataset, for whoever must not be overtaken by the next writer.
    pub(crate) fn locked_file(&self) -> Option<LockedFile> {
        match self {
            Self::Local { file } => file.lock().unwrap_or_else(PoisonError::into_inner).clone(),
            Self::Remote { .. } => None,
        }
    }

    /// Lets the next writer in at once. Failing to do so is no error: the lease runs out.
    pub(crate) async fn release(&self) {
        match self {
            Self::Local { file } => *file.lock().unwrap_or_else(PoisonError::into_inner) = None,
            Self::Remote { shared, renewal } => {
                renewal.abort();
                shared.release().await;
            }
        }
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        if let Self::Remote { shared, renewal } = self {
            renewal.abort();
            if shared.is_held()
                && let Ok(runtime) = tokio::runtime::Handle::try_current()
            {
                let shared = Arc::clone(shared);
                drop(runtime.spawn(async move { shared.release().await }));
            }
        }
    }
}

fn lock(path: &PathBuf, holder: &Holder) -> Result<Lease> {
    let failed = |source| Error::LocalFile { action: "lock", path: path.display().to_string(), source };
    if let Some(directory) = path.parent() {
        local::create_directory(directory).map_err(failed)?;
    }
    let mut file =
        OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path).map_err(failed)?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::Error(source)) => return Err(failed(source)),
        Err(TryLockError::WouldBlock) => {
            let mut text = String::new();
            // Where its holder cannot be read, it is locked all the same.
            let _ = file.read_to_string(&mut text);
            let known: Option<Holder> = serde_json::from_str(&text).ok();
            return Err(Error::Locked {
                holder: known
                    .as_ref()
                    .map_or_else(|| "an unnamed writer".to_owned(), |known| known.name.clone()),
                since: known.map_or(holder.since, |known| known.since),
                expires_at: None,
            });
        }
    }
    let text = serialise(holder)?;
    file.set_len(0).and_then(|()| file.rewind()).and_then(|()| file.write_all(&text)).map_err(failed)?;
    Ok(Lease::Local { file: Mutex::new(Some(Arc::new(file))) })
}

/// A lease as its holder knows it.
#[derive(Debug)]
pub(crate) struct RemoteLease {
    location: Location,
    clock: Arc<dyn Clock>,
    duration: Duration,
    token: Uuid,
    holder: String,
    since: Timestamp,
    held: RwLock<Held>,
}

#[derive(Debug, Clone)]
enum Held {
    /// Ours, and which version of the object we wrote.
    Ours(UpdateVersion),
    /// Given back, or somebody else's.
    Lost { to: String },
}

impl RemoteLease {
    async fn acquire(&self) -> Result<()> {
        for _ in 0..3 {
            let mode = match self.stored().await? {
                None => PutMode::Create,
                Some((stored, version)) if self.has_run_out(&stored) => PutMode::Update(version),
                Some((stored, _)) => {
                    return Err(Error::Locked {
                        holder: stored.name,
                        since: stored.since,
                        expires_at: stored.expires_at,
                    });
                }
            };
            if self.put(mode, self.expiry()).await? {
                return Ok(());
            }
        }
        Err(Error::Conflict { evidence: "several writers reach for the lease at once".to_owned() })
    }

    /// Writes the lease if it is still what we saw. `false` if it is somebody else's now.
    async fn put(&self, mut mode: PutMode, expires_at: Timestamp) -> Result<bool> {
        let holder = Holder {
            name: self.holder.clone(),
            since: self.since,
            token: Some(self.token),
            expires_at: Some(expires_at),
        };
        let bytes = Bytes::from(serialise(&holder)?);
        let path = self.location.path(paths::LEASE);
        let mut attempt = 0;
        loop {
            objects::pause(&self.location, attempt).await;
            let options = PutOptions::from(mode.clone());
            let source = match self.location.store().put_opts(&path, bytes.clone().into(), options).await {
                Ok(result) => {
                    self.set(Held::Ours(result.into()));
                    return Ok(true);
                }
                Err(source) => source,
            };
            // It may have taken effect all the same: what is there now decides.
            match self.stored().await? {
                Some((stored, version)) if stored.token == Some(self.token) => {
                    self.set(Held::Ours(version.clone()));
                    if stored.expires_at == Some(expires_at) {
                        return Ok(true);
                    }
                    mode = PutMode::Update(version);
                }
                // Half of ours, or half of another one's, who will find out when verifying.
                Some((stored, version)) if stored.token.is_none() => mode = PutMode::Update(version),
                stored
                    if matches!(
                        source,
                        StoreError::AlreadyExists { .. } | StoreError::Precondition { .. }
                    ) =>
                {
                    let to = stored.map_or_else(|| "nobody".to_owned(), |(stored, _)| stored.name);
                    self.set(Held::Lost { to });
                    return Ok(false);
                }
                _ => {}
            }
            attempt += 1;
            if attempt == objects::TRIES {
                return Err(Error::Write { path: paths::LEASE.to_owned(), source });
            }
        }
    }

    async fn verify(&self) -> Result<()> {
        if let Held::Lost { to } = self.held() {
            return Err(conflict(&to));
        }
        match self.stored().await? {
            Some((stored, _)) if stored.token == Some(self.token) => Ok(()),
            stored => {
                let to =
                    stored.map_or_else(|| "nobody: it was deleted".to_owned(), |(stored, _)| stored.name);
                self.set(Held::Lost { to: to.clone() });
                Err(conflict(&to))
            }
        }
    }

    async fn keep_renewing(self: Arc<Self>) {
        let mut ticks = tokio::time::interval((self.duration / 3).max(Duration::from_millis(1)));
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        ticks.tick().await;
        loop {
            ticks.tick().await;
            let Held::Ours(version) = self.held() else { return };
            match self.put(PutMode::Update(version), self.expiry()).await {
                Ok(true) => {}
                Ok(false) => {
                    warn!(holder = self.holder, "another writer took the lease over");
                    return;
                }
                Err(error) => warn!(error = %error, "could not renew the lease, trying again"),
            }
        }
    }

    async fn release(&self) {
        let Held::Ours(version) = self.held() else { return };
        if let Err(error) = self.put(PutMode::Update(version), self.clock.now()).await {
            warn!(error = %error, "could not give the lease back; it runs out by itself");
        }
        self.set(Held::Lost { to: "the next one: it was given back".to_owned() });
    }

    async fn stored(&self) -> Result<Option<(Holder, UpdateVersion)>> {
        let Some((bytes, version)) = objects::read_with_version(&self.location, paths::LEASE).await? else {
            return Ok(None);
        };
        // One that cannot be read keeps nobody out: it protects nothing that fencing does not.
        let holder = serde_json::from_slice(&bytes).unwrap_or_else(|_| Holder {
            name: "an unreadable lease".to_owned(),
            since: self.since,
            token: None,
            expires_at: None,
        });
        Ok(Some((holder, version)))
    }

    fn has_run_out(&self, stored: &Holder) -> bool {
        stored.expires_at.is_none_or(|expires_at| expires_at <= self.clock.now())
    }

    fn expiry(&self) -> Timestamp {
        let duration = i64::try_from(self.duration.as_millis()).unwrap_or(i64::MAX);
        Timestamp::from_millis(self.clock.now().millis().saturating_add(duration))
    }

    fn held(&self) -> Held {
        self.held.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn is_held(&self) -> bool {
        matches!(self.held(), Held::Ours(_))
    }

    fn set(&self, held: Held) {
        *self.held.write().unwrap_or_else(PoisonError::into_inner) = held;
    }
}

fn conflict(to: &str) -> Error {
    Error::Conflict { evidence: format!("the lease belongs to {to}") }
}

fn serialise(holder: &Holder) -> Result<Vec<u8>> {
    serde_json::to_vec(holder).map_err(|source| Error::Serialise { path: paths::LEASE.to_owned(), source })
}

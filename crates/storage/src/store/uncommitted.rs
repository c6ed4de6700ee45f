//! Data files put for a commit to come, and what becomes of them if it does not come.
//!
//! A file is *in flight* from before it is put until a commit has named it, and no cleanup takes
//! it. If its commit is refused, fails or is not even tried, it is *given up*, and deleted. The one
//! thing that must not be deleted is a file *in doubt*: named by a commit of which nobody knows
//! whether it took effect. [`super::WriteGuard::settle`] ends the doubt; a writer that was deposed
//! leaves such files to its successor, who may have adopted the commit.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use futures::StreamExt as _;
use futures::stream;
use tracing::warn;

use super::{EventStore, Inner};
use crate::error::{Error, Result};
use crate::manifest::{DataFile, DefinitionFile};
use crate::objects;

/// How many files are deleted at a time.
const DELETES_AT_ONCE: usize = 8;

/// Files put, or being put, that no commit is known to have named.
#[derive(Debug, Default)]
pub(super) struct UnnamedFiles {
    in_flight: BTreeSet<String>,
    given_up: BTreeSet<String>,
    in_doubt: BTreeSet<String>,
}

/// The files put for one commit. Those of them that no commit named are deleted when this is
/// discarded; when it is dropped instead, by the next write or cleanup. As long as it is not known
/// whether the commit took effect, nothing is deleted.
///
/// Nothing may name them any more afterwards.
pub struct Uncommitted {
    inner: Arc<Inner>,
    paths: Mutex<Vec<String>>,
}

impl fmt::Debug for Uncommitted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Uncommitted").field("paths", &self.paths()).finish_non_exhaustive()
    }
}

impl Uncommitted {
    pub(super) fn new(inner: &Arc<Inner>) -> Self {
        Self { inner: Arc::clone(inner), paths: Mutex::default() }
    }

    /// Uploads a data file. It is visible and durable once a commit names it. Several may be
    /// uploaded at a time.
    ///
    /// # Errors
    /// [`Error::Write`], after several tries; [`Error::ReadOnly`].
    pub async fn put(&self, file: &DataFile, bytes: Bytes) -> Result<()> {
        if self.inner.writer.is_none() {
            return Err(Error::ReadOnly);
        }
        self.put_object(&file.path, bytes).await
    }

    /// Uploads a file that belongs to a definition. It is there for good once a commit of definitions
    /// names it.
    ///
    /// # Errors
    /// As for [`Uncommitted::put`].
    pub async fn put_definition_file(&self, file: &DefinitionFile, bytes: Bytes) -> Result<()> {
        if self.inner.writer.is_none() {
            return Err(Error::ReadOnly);
        }
        self.put_object(&file.path, bytes).await
    }

    pub(super) async fn put_object(&self, path: &str, bytes: Bytes) -> Result<()> {
        self.paths().push(path.to_owned());
        self.inner.put_file(path, bytes).await
    }

    /// Looks after these files too: ones put elsewhere, such as by a merge, for the same commit.
    pub fn adopt(&self, files: &[DataFile]) {
        self.paths().extend(files.iter().map(|file| file.path.clone()));
    }

    /// Looks after the files of another one, which no longer does.
    pub fn take_over(&self, other: &Self) {
        let paths = std::mem::take(&mut *other.paths());
        self.paths().extend(paths);
    }

    /// Leaves the files to somebody else.
    pub(crate) fn release(self) {
        self.paths().clear();
    }

    /// Deletes those that no commit named: all of them, if their commit failed. What cannot be
    /// deleted now, the next cleanup will find.
    pub async fn discard(self) {
        let inner = Arc::clone(&self.inner);
        drop(self);
        inner.delete_given_up().await;
    }

    fn paths(&self) -> MutexGuard<'_, Vec<String>> {
        self.paths.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Uncommitted {
    fn drop(&mut self) {
        let paths = std::mem::take(&mut *self.paths());
        self.inner.unnamed().give_up(paths.into_iter());
    }
}

impl UnnamedFiles {
    /// Files that are still in flight are given up.
    fn give_up(&mut self, paths: impl Iterator<Item = String>) {
        for path in paths {
            if self.in_flight.remove(&path) {
                self.given_up.insert(path);
            }
        }
    }
}

impl EventStore {
    /// To put data files for one commit with.
    pub fn uncommitted(&self) -> Uncommitted {
        Uncommitted::new(&self.inner)
    }

    /// Uploads a data file. It is visible and durable once a commit names it. Nobody looks after
    /// it if none does: [`EventStore::uncommitted`] is for writes that may fail.
    ///
    /// # Errors
    /// [`Error::Write`], after several tries; [`Error::ReadOnly`].
    pub async fn put_data_file(&self, file: &DataFile, bytes: Bytes) -> Result<()> {
        if !self.is_writable() {
            return Err(Error::ReadOnly);
        }
        self.inner.put_file(&file.path, bytes).await
    }

    /// Deletes data files that were put but will not be committed, so that readers of the bare
    /// directories do not find their rows. Those that are visible stay, and so do those that a
    /// commit named of which it is not known whether it took effect. What cannot be deleted now,
    /// the next cleanup will find.
    pub async fn discard(&self, files: &[DataFile]) {
        let put = self.uncommitted();
        put.adopt(files);
        put.discard().await;
    }

    /// Data files put or being put that no commit has named yet.
    pub(crate) fn in_flight(&self) -> BTreeSet<String> {
        self.inner.unnamed().in_flight.clone()
    }
}

impl Inner {
    fn unnamed(&self) -> MutexGuard<'_, UnnamedFiles> {
        self.unnamed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Uploads a file under a name of its own.
    async fn put_file(&self, path: &str, bytes: Bytes) -> Result<()> {
        // Noted before it exists, so that no cleanup ever takes it for an orphan.
        self.unnamed().in_flight.insert(path.to_owned());
        let put = objects::put_unique(&self.location, path, bytes).await;
        if put.is_ok() && self.location.local_root().is_some() {
            self.unsafe_to_name.lock().unwrap_or_else(PoisonError::into_inner).remove(path);
            self.unsynced.lock().unwrap_or_else(PoisonError::into_inner).insert(path.to_owned());
        }
        put
    }

    /// A commit is about to name these files.
    pub(super) fn doubt<'a>(&self, paths: impl Iterator<Item = &'a String>) {
        self.unnamed().in_doubt.extend(paths.cloned());
    }

    /// The commit that was about to name these files has.
    pub(super) fn landed<'a>(&self, paths: impl Iterator<Item = &'a String>) {
        let mut unnamed = self.unnamed();
        for path in paths {
            unnamed.in_flight.remove(path);
        }
        unnamed.in_doubt.clear();
    }

    /// Deletes what was given up, after it is settled that no commit named it.
    pub(super) async fn delete_settled(&self) {
        self.unnamed().in_doubt.clear();
        self.delete_given_up().await;
    }

    /// Deletes what was given up and is not in doubt.
    async fn delete_given_up(&self) {
        let doomed: Vec<String> = {
            let mut unnamed = self.unnamed();
            let UnnamedFiles { given_up, in_doubt, .. } = &mut *unnamed;
            // Tried once: a cleanup finds what is left, as nothing protects it any more.
            let doomed = given_up.difference(in_doubt).cloned().collect();
            given_up.retain(|path| in_doubt.contains(path));
            doomed
        };
        stream::iter(doomed)
            .for_each_concurrent(DELETES_AT_ONCE, |path| async move {
                if let Err(error) = objects::delete(&self.location, &path).await {
                    warn!(path, error = %error, "could not delete a file no commit named; a cleanup will");
                }
                self.unsynced.lock().unwrap_or_else(PoisonError::into_inner).remove(&path);
                self.unsafe_to_name.lock().unwrap_or_else(PoisonError::into_inner).remove(&path);
            })
            .await;
    }
}

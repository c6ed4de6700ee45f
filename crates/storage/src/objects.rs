//! Objects of a dataset: put once and whole, read, listed, deleted.
//!
//! A put that returned an error may have taken effect, or may yet. [`put_once`] finds out where it
//! can; where it cannot, its callers make sure that the object will not count.

use bytes::Bytes;
use futures::future::BoxFuture;
use futures::{FutureExt as _, TryStreamExt as _};
use object_store::{
    Error as StoreError, GetOptions, ObjectMeta, ObjectStoreExt as _, PutMode, PutOptions, PutPayload,
    UpdateVersion, WriteMultipart,
};

use crate::Location;
use crate::error::{Error, Result};
use crate::lease::Lease;
use crate::local;

/// How often a call is tried on a store that may fail.
pub(crate) const TRIES: u32 = 4;
/// Objects beyond this size are uploaded in parts of it.
const PART_BYTES: usize = 8 << 20;
/// How many parts are uploaded at a time.
const PARTS_AT_ONCE: usize = 4;

/// What came of [`put_once`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PutOnce {
    /// The object holds what was given, and is durable.
    Done,
    /// The object held something else already, and still does.
    Taken,
}

/// Puts an object where none is, durably.
///
/// What is put must differ from what anybody else would put there, so that it is recognised after
/// an ambiguous error.
///
/// # Errors
/// [`Error::Write`] and [`Error::LocalFile`] leave open whether the object exists, or will.
pub(crate) async fn put_once(
    location: &Location,
    lease: &Lease,
    relative: &str,
    bytes: &Bytes,
) -> Result<PutOnce> {
    match location.local_file(relative) {
        Some(file) => local::put_once(file, bytes.clone(), lease.locked_file()).await,
        None => put_once_remote(location, relative, bytes).await,
    }
}

async fn put_once_remote(location: &Location, relative: &str, bytes: &Bytes) -> Result<PutOnce> {
    let path = location.path(relative);
    let mut mode = PutMode::Create;
    let mut failure = None;
    for attempt in 0..TRIES {
        pause(location, attempt).await;
        let options = PutOptions::from(mode.clone());
        let put = location.store().put_opts(&path, PutPayload::from(bytes.clone()), options).await;
        let Err(mut source) = put else { return Ok(PutOnce::Done) };
        // Whatever the error says, what is there now decides.
        match read_with_version(location, relative).await {
            Ok(Some((found, _))) if found == bytes => return Ok(PutOnce::Done),
            // Half of ours, left by a put that broke off: nobody was told that it is there.
            Ok(Some((found, version))) if bytes.starts_with(&found) => mode = PutMode::Update(version),
            Ok(Some(_)) => return Ok(PutOnce::Taken),
            Ok(None) => mode = PutMode::Create,
            Err(Error::Read { source: cause, .. }) => source = cause,
            Err(error) => return Err(error),
        }
        failure = Some(source);
    }
    let source = failure
        .unwrap_or(StoreError::NotImplemented { operation: "put".into(), implementer: "storage".into() });
    Err(Error::Write { path: relative.to_owned(), source })
}

/// Puts an object of a name nobody else uses, over whatever is there. On a local directory it is
/// durable only after [`local::FileSystem::sync`].
pub(crate) async fn put_unique(location: &Location, relative: &str, bytes: Bytes) -> Result<()> {
    retrying(location, || upload(location, relative, bytes.clone()).boxed())
        .await
        .map_err(|source| Error::Write { path: relative.to_owned(), source })
}

async fn upload(location: &Location, relative: &str, bytes: Bytes) -> Result<(), StoreError> {
    let path = location.path(relative);
    if location.local_root().is_some() || bytes.len() <= PART_BYTES {
        location.store().put(&path, PutPayload::from(bytes)).await?;
        return Ok(());
    }
    let parts = location.store().put_multipart(&path).await?;
    let mut writer = WriteMultipart::new_with_chunk_size(parts, PART_BYTES);
    let mut rest = bytes;
    while !rest.is_empty() {
        writer.wait_for_capacity(PARTS_AT_ONCE).await?;
        writer.put(rest.split_to(rest.len().min(PART_BYTES)));
    }
    writer.finish().await?;
    Ok(())
}

/// The contents of an object; `None` if there is none.
pub(crate) async fn read(location: &Location, relative: &str) -> Result<Option<Bytes>> {
    Ok(read_with_version(location, relative).await?.map(|(bytes, _)| bytes))
}

/// The contents of an object and which version of it that is; `None` if there is none.
pub(crate) async fn read_with_version(
    location: &Location,
    relative: &str,
) -> Result<Option<(Bytes, UpdateVersion)>> {
    let path = &location.path(relative);
    let read = || async move {
        let result = location.store().get_opts(path, GetOptions::default()).await?;
        let version =
            UpdateVersion { e_tag: result.meta.e_tag.clone(), version: result.meta.version.clone() };
        Ok((result.bytes().await?, version))
    };
    match retrying(location, || read().boxed()).await {
        Ok(found) => Ok(Some(found)),
        Err(StoreError::NotFound { .. }) => Ok(None),
        Err(source) => Err(Error::Read { path: relative.to_owned(), source }),
    }
}

/// All objects under a directory, by their path relative to the dataset, sorted by it.
pub(crate) async fn list(location: &Location, directory: &str) -> Result<Vec<(String, ObjectMeta)>> {
    let prefix = location.path(directory);
    let listed =
        retrying(location, || location.store().list(Some(&prefix)).try_collect::<Vec<_>>().boxed()).await;
    let objects = match listed {
        Ok(objects) => objects,
        // A local directory that is not there.
        Err(StoreError::NotFound { .. }) => Vec::new(),
        Err(source) => return Err(Error::List { path: directory.to_owned(), source }),
    };
    let mut named: Vec<_> =
        objects.into_iter().filter_map(|meta| Some((location.relative(&meta.location)?, meta))).collect();
    named.sort_by(|(a, _), (b, _)| a.cmp(b));
    Ok(named)
}

/// Deletes an object; one that is not there is no error.
pub(crate) async fn delete(location: &Location, relative: &str) -> Result<()> {
    let path = location.path(relative);
    match retrying(location, || location.store().delete(&path).boxed()).await {
        Ok(()) | Err(StoreError::NotFound { .. }) => Ok(()),
        Err(source) => Err(Error::Delete { path: relative.to_owned(), source }),
    }
}

/// Makes a call that does no harm when made twice, until it succeeds or has failed several times.
pub(crate) async fn retrying<'a, T>(
    location: &Location,
    call: impl Fn() -> BoxFuture<'a, Result<T, StoreError>> + Send,
) -> Result<T, StoreError> {
    let mut attempt = 0;
    loop {
        match call().await {
            Err(error) if !matches!(error, StoreError::NotFound { .. }) && attempt + 1 < TRIES => {
                tracing::debug!(%error, "a call to the object store failed, trying again");
                attempt += 1;
                pause(location, attempt).await;
            }
            result => return result,
        }
    }
}

/// Waits before try number `attempt`; not before the first.
pub(crate) async fn pause(location: &Location, attempt: u32) {
    if attempt > 0 && !location.retry_pause().is_zero() {
        tokio::time::sleep(location.retry_pause() * 2u32.pow(attempt - 1)).await;
    }
}

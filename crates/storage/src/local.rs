//! Durable files in a local directory.
//!
//! A rename does not make a file durable, and a file is not durable before its directory is. What
//! acknowledges a write goes through here; data files are written by the object store and synced
//! together by the commit that names them.

use std::collections::BTreeSet;
use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
#[cfg(target_os = "linux")]
use std::sync::Arc;

use bytes::Bytes;

use crate::error::{Error, Result};
use crate::lease::LockedFile;
use crate::objects::PutOnce;

/// What the name of an unfinished file ends in. The object store does not list such names.
const UNFINISHED: &str = "#0";

/// Creates a file whole and durable, or finds it there.
///
/// The lock is held until the file system is done, even if the caller stops waiting.
pub(crate) async fn put_once(file: PathBuf, bytes: Bytes, lock: Option<LockedFile>) -> Result<PutOnce> {
    blocking(move || {
        let result = create(&file, &bytes);
        drop(lock);
        result.map_err(|source| Error::LocalFile {
            action: "write",
            path: file.display().to_string(),
            source,
        })
    })
    .await
}

/// Makes durable what the object store wrote to a local dataset.
#[derive(Debug, Clone)]
pub(crate) struct FileSystem {
    root: PathBuf,
    /// Open from before anything is written: the kernel reports a failure to write data out only
    /// to handles opened before it.
    #[cfg(target_os = "linux")]
    handle: Arc<File>,
}

impl FileSystem {
    /// That of the dataset at `root`, which exists.
    pub(crate) async fn open(root: PathBuf) -> Result<Self> {
        blocking(move || {
            #[cfg(target_os = "linux")]
            let handle = Arc::new(File::open(&root).map_err(|source| Error::LocalFile {
                action: "open",
                path: root.display().to_string(),
                source,
            })?);
            Ok(Self {
                root,
                #[cfg(target_os = "linux")]
                handle,
            })
        })
        .await
    }

    /// Makes `files`, relative to the dataset, durable. After an error none of them can be trusted,
    /// even if a later call succeeds: the kernel reports lost data once.
    pub(crate) async fn sync(&self, files: BTreeSet<String>) -> Result<()> {
        let file_system = self.clone();
        blocking(move || {
            file_system.sync_blocking(&files).map_err(|source| Error::LocalFile {
                action: "make durable",
                path: file_system.root.display().to_string(),
                source,
            })
        })
        .await
    }

    /// One call for all of them: the kernel writes out everything the file system holds back.
    #[cfg(target_os = "linux")]
    fn sync_blocking(&self, _files: &BTreeSet<String>) -> io::Result<()> {
        Ok(rustix::fs::syncfs(&*self.handle)?)
    }

    #[cfg(not(target_os = "linux"))]
    fn sync_blocking(&self, files: &BTreeSet<String>) -> io::Result<()> {
        let mut directories = BTreeSet::new();
        for file in files.iter().map(|file| self.root.join(file)) {
            match File::open(&file) {
                Ok(handle) => handle.sync_all()?,
                // Discarded since.
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                Err(error) => return Err(error),
            }
            let above = file.ancestors().skip(1).take_while(|directory| directory.starts_with(&self.root));
            directories.extend(above.map(Path::to_owned));
        }
        directories.iter().try_for_each(|directory| sync_directory(directory))
    }
}

/// Files in the dataset at `root` that writes left unfinished, and their sizes: a process died.
pub(crate) async fn unfinished(root: PathBuf) -> Result<Vec<(PathBuf, u64)>> {
    blocking(move || {
        let mut found = Vec::new();
        walk(&root, &mut found).map_err(|source| Error::LocalFile {
            action: "list",
            path: root.display().to_string(),
            source,
        })?;
        Ok(found)
    })
    .await
}

/// Deletes a file; one that is not there is no error.
pub(crate) async fn remove(file: PathBuf) -> Result<()> {
    blocking(move || match std::fs::remove_file(&file) {
        Err(source) if source.kind() != io::ErrorKind::NotFound => {
            Err(Error::LocalFile { action: "delete", path: file.display().to_string(), source })
        }
        _ => Ok(()),
    })
    .await
}

/// Runs file operations where they may block.
pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T> + Send + 'static,
) -> Result<T> {
    tokio::task::spawn_blocking(work).await.map_err(|source| Error::Task { source })?
}

/// Creates a directory and those above it, durably.
pub(crate) fn create_directory(directory: &Path) -> io::Result<()> {
    if directory.is_dir() {
        return Ok(());
    }
    let parent = directory.parent().ok_or(io::ErrorKind::NotFound)?;
    create_directory(parent)?;
    match std::fs::create_dir(directory) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
        _ => sync_directory(parent),
    }
}

fn create(file: &Path, bytes: &[u8]) -> io::Result<PutOnce> {
    let directory = file.parent().ok_or(io::ErrorKind::NotFound)?;
    create_directory(directory)?;
    let mut unfinished = file.as_os_str().to_owned();
    unfinished.push(UNFINISHED);
    let unfinished = PathBuf::from(unfinished);
    let mut handle = OpenOptions::new().write(true).create(true).truncate(true).open(&unfinished)?;
    handle.write_all(bytes)?;
    handle.sync_all()?;
    drop(handle);
    let created = name_if_free(&unfinished, file);
    if !matches!(created, Ok(PutOnce::Done)) {
        // What it was for has not happened, so that it does not matter if it stays.
        let _ = std::fs::remove_file(&unfinished);
        return created;
    }
    sync_directory(directory)?;
    created
}

/// Gives a finished file its name, unless another one has it.
#[cfg(target_os = "linux")]
fn name_if_free(unfinished: &Path, file: &Path) -> io::Result<PutOnce> {
    use rustix::fs::{CWD, RenameFlags, renameat_with};
    use rustix::io::Errno;

    match renameat_with(CWD, unfinished, CWD, file, RenameFlags::NOREPLACE) {
        Ok(()) => Ok(PutOnce::Done),
        Err(Errno::EXIST) => Ok(PutOnce::Taken),
        // Some network file systems do not know the flag.
        Err(Errno::INVAL | Errno::NOSYS) => link_if_free(unfinished, file),
        Err(errno) => Err(errno.into()),
    }
}

#[cfg(not(target_os = "linux"))]
fn name_if_free(unfinished: &Path, file: &Path) -> io::Result<PutOnce> {
    link_if_free(unfinished, file)
}

fn link_if_free(unfinished: &Path, file: &Path) -> io::Result<PutOnce> {
    match std::fs::hard_link(unfinished, file) {
        Ok(()) => {
            std::fs::remove_file(unfinished)?;
            Ok(PutOnce::Done)
        }
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(PutOnce::Taken),
        Err(error) => Err(error),
    }
}

#[cfg(unix)]
fn sync_directory(directory: &Path) -> io::Result<()> {
    File::open(directory)?.sync_all()
}

/// Other systems cannot open a directory; there a new name is durable with its file.
#[cfg(not(unix))]
fn sync_directory(_directory: &Path) -> io::Result<()> {
    Ok(())
}

/// The name a file gets when it is finished, if `name` is that of an unfinished one.
pub(crate) fn finished_name(name: &str) -> Option<&str> {
    let (finished, number) = name.rsplit_once('#')?;
    (!number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit())).then_some(finished)
}

fn walk(directory: &Path, found: &mut Vec<(PathBuf, u64)>) -> io::Result<()> {
    let entries = match std::fs::read_dir(directory) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        entries => entries?,
    };
    for entry in entries {
        let entry = entry?;
        let kind = entry.file_type()?;
        if kind.is_dir() {
            walk(&entry.path(), found)?;
        } else if kind.is_file()
            && entry.file_name().to_str().is_some_and(|name| finished_name(name).is_some())
        {
            match entry.metadata() {
                Ok(metadata) => found.push((entry.path(), metadata.len())),
                // Finished, or given up, since we listed it.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
        }
    }
    Ok(())
}

//! URL or path → object store and the dataset's prefix in it.

use std::collections::HashMap;
use std::path::{Component, PathBuf};
use std::sync::{Arc, LazyLock, Mutex, PoisonError};
use std::time::Duration;

use object_store::aws::AmazonS3Builder;
use object_store::azure::MicrosoftAzureBuilder;
use object_store::gcp::GoogleCloudStorageBuilder;
use object_store::local::LocalFileSystem;
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreScheme};
use url::Url;
use uuid::Uuid;

use crate::error::{Error, LocationError, Result};

/// Where a dataset is kept: a prefix in an object store.
///
/// | given | kept |
/// |---|---|
/// | `data/app`, `/data/app`, `file:///data/app` | in a local directory |
/// | `memory://NAME` | in memory, under that name, until the process ends |
/// | `s3://bucket/app` | in S3, set up by the `AWS_*` environment |
/// | `gs://bucket/app` | in Google Cloud Storage, set up by the `GOOGLE_*` environment |
/// | `az://container/app`, `abfss://…` | in Azure, set up by the `AZURE_*` environment |
#[derive(Debug, Clone)]
pub struct Location {
    url: Url,
    store: Arc<dyn ObjectStore>,
    prefix: Path,
    local_root: Option<PathBuf>,
    retry_pause: Duration,
}

/// How long to wait before a call that failed is tried again.
const RETRY_PAUSE: Duration = Duration::from_millis(50);

impl Location {
    /// Reads a path, relative ones from the current directory, or a URL. Nothing needs to exist
    /// there yet, and nothing is contacted.
    ///
    /// # Errors
    /// [`Error::Location`]
    pub fn parse(url_or_path: &str) -> Result<Self> {
        let parsed = if url_or_path.contains("://") {
            Url::parse(url_or_path).map_err(LocationError::Url).and_then(from_url)
        } else {
            from_directory(std::path::Path::new(url_or_path))
        };
        parsed.map_err(|source| Error::Location { location: url_or_path.to_owned(), source })
    }

    /// A dataset under `prefix` of a store made elsewhere.
    ///
    /// The store must know conditional puts ([`object_store::PutMode::Create`] and, to be written
    /// to, `Update`). It is taken as durable once a put returns. Its URL is made up and unique.
    #[expect(clippy::missing_panics_doc, reason = "the URL made up is one")]
    pub fn with_store(store: Arc<dyn ObjectStore>, prefix: Path) -> Self {
        let text = format!("store://{}/{prefix}", Uuid::now_v7());
        let url = Url::parse(&text).expect("a UUID is a host name, and any path can follow it");
        Self { url, store, prefix, local_root: None, retry_pause: RETRY_PAUSE }
    }

    /// The same place, with another pause before a call that failed is tried again; it doubles with
    /// every further try. 50 milliseconds. Cloud stores have retries of their own besides.
    #[must_use]
    pub fn with_retry_pause(mut self, pause: Duration) -> Self {
        self.retry_pause = pause;
        self
    }

    /// How long to wait before the second try of a call.
    pub(crate) fn retry_pause(&self) -> Duration {
        self.retry_pause
    }

    /// The dataset's URL; of a local one `file:///…`.
    pub fn url(&self) -> &Url {
        &self.url
    }

    /// The store.
    pub fn store(&self) -> &Arc<dyn ObjectStore> {
        &self.store
    }

    /// The dataset's prefix in the store.
    pub fn prefix(&self) -> &Path {
        &self.prefix
    }

    /// The dataset's directory, if it is a local one: absolute.
    pub fn local_root(&self) -> Option<&std::path::Path> {
        self.local_root.as_deref()
    }

    /// The path in the store of a path relative to the dataset.
    pub fn path(&self, relative: &str) -> Path {
        relative.split('/').filter(|part| !part.is_empty()).fold(self.prefix.clone(), Path::join)
    }

    /// The path relative to the dataset of a path in the store.
    pub(crate) fn relative(&self, path: &Path) -> Option<String> {
        let parts: Vec<String> =
            path.prefix_match(&self.prefix)?.map(|part| part.as_ref().to_owned()).collect();
        Some(parts.join("/"))
    }

    /// The local file of a path relative to the dataset.
    pub(crate) fn local_file(&self, relative: &str) -> Option<PathBuf> {
        self.local_root.as_ref().map(|root| root.join(relative))
    }
}

fn from_url(url: Url) -> Result<Location, LocationError> {
    match url.scheme() {
        "file" => {
            let path =
                url.to_file_path().map_err(|()| LocationError::Scheme { scheme: "file".to_owned() })?;
            return from_directory(&path);
        }
        "memory" => {
            let prefix = Path::from_url_path(url.path()).map_err(LocationError::Path)?;
            let store = named_memory(url.host_str().unwrap_or_default());
            return Ok(Location { url, store, prefix, local_root: None, retry_pause: RETRY_PAUSE });
        }
        _ => {}
    }
    let unsupported = || LocationError::Scheme { scheme: url.scheme().to_owned() };
    let (scheme, prefix) = ObjectStoreScheme::parse(&url).map_err(|_| unsupported())?;
    let store: Arc<dyn ObjectStore> = match scheme {
        ObjectStoreScheme::AmazonS3 => Arc::new(
            AmazonS3Builder::from_env().with_url(url.as_str()).build().map_err(LocationError::Store)?,
        ),
        ObjectStoreScheme::GoogleCloudStorage => Arc::new(
            GoogleCloudStorageBuilder::from_env()
                .with_url(url.as_str())
                .build()
                .map_err(LocationError::Store)?,
        ),
        ObjectStoreScheme::MicrosoftAzure => Arc::new(
            MicrosoftAzureBuilder::from_env().with_url(url.as_str()).build().map_err(LocationError::Store)?,
        ),
        _ => return Err(unsupported()),
    };
    Ok(Location { url, store, prefix, local_root: None, retry_pause: RETRY_PAUSE })
}

fn from_directory(path: &std::path::Path) -> Result<Location, LocationError> {
    let root = resolve(path).map_err(LocationError::Resolve)?;
    let prefix = Path::from_absolute_path(&root).map_err(LocationError::Path)?;
    let url = Url::from_directory_path(&root)
        .map_err(|()| LocationError::Resolve(std::io::ErrorKind::InvalidInput.into()))?;
    Ok(Location {
        url,
        store: Arc::new(LocalFileSystem::new().with_automatic_cleanup(true)),
        prefix,
        local_root: Some(root),
        retry_pause: RETRY_PAUSE,
    })
}

/// Makes a path absolute, following links and `..` as far as it exists.
fn resolve(path: &std::path::Path) -> std::io::Result<PathBuf> {
    let path = if path.as_os_str().is_empty() { std::path::Path::new(".") } else { path };
    let absolute = std::path::absolute(path)?;
    let mut resolved = PathBuf::new();
    for component in absolute.components() {
        match component {
            Component::ParentDir => {
                resolved.pop();
            }
            Component::CurDir => {}
            part => resolved.push(part),
        }
        match resolved.canonicalize() {
            Ok(canonical) => resolved = canonical,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    Ok(resolved)
}

/// The store of that name, so that a dataset in memory can be opened again.
fn named_memory(name: &str) -> Arc<dyn ObjectStore> {
    static STORES: LazyLock<Mutex<HashMap<String, Arc<InMemory>>>> = LazyLock::new(Mutex::default);
    let mut stores = STORES.lock().unwrap_or_else(PoisonError::into_inner);
    Arc::clone(stores.entry(name.to_owned()).or_default()) as _
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_and_its_url_are_one_place() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().canonicalize().unwrap().join("a b").join("new");
        let by_path = Location::parse(path.to_str().unwrap()).unwrap();
        let by_url = Location::parse(by_path.url().as_str()).unwrap();
        assert_eq!(by_path.local_root(), Some(path.as_path()));
        assert_eq!(by_url.local_root(), Some(path.as_path()));
        assert_eq!(by_path.prefix(), by_url.prefix());
        assert!(by_path.url().as_str().ends_with("/a%20b/new/"), "{}", by_path.url());
        assert_eq!(
            format!("/{}", by_path.path("events/day=2024-01-01/x")),
            format!("{}/events/day=2024-01-01/x", path.display())
        );
    }

    #[test]
    fn a_relative_path_starts_at_the_current_directory() {
        let here = std::env::current_dir().unwrap().canonicalize().unwrap();
        let check = |given: &str, expected: PathBuf| {
            assert_eq!(Location::parse(given).unwrap().local_root(), Some(expected.as_path()), "{given}");
        };
        check("not/there", here.join("not/there"));
        check("./not/../there", here.join("there"));
        check("", here.clone());
    }

    #[test]
    fn a_name_in_memory_is_the_same_store_again() {
        let [one, again, other] =
            ["memory://one/sub", "memory://one", "memory://other"].map(|url| Location::parse(url).unwrap());
        assert!(Arc::ptr_eq(one.store(), again.store()));
        assert!(!Arc::ptr_eq(one.store(), other.store()));
        assert_eq!(one.path("people/x").as_ref(), "sub/people/x");
        assert_eq!(one.relative(&one.path("people/x")).as_deref(), Some("people/x"));
        assert_eq!(one.relative(&again.path("people/x")), None);
    }

    #[test]
    fn other_kinds_of_stores_are_refused_by_name() {
        for url in ["ftp://host/x", "http://host/x", "s4://bucket"] {
            let error = Location::parse(url).unwrap_err();
            let Error::Location { source: LocationError::Scheme { scheme }, .. } = &error else {
                panic!("{error:?}")
            };
            assert!(url.starts_with(scheme.as_str()));
        }
        assert!(matches!(Location::parse("://"), Err(Error::Location { source: LocationError::Url(_), .. })));
    }
}

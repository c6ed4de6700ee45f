//! URL or path → object store and the dataset's prefix in it.

use std::path::PathBuf;
use std::sync::Arc;

use object_store::ObjectStore;
use object_store::path::Path;
use url::Url;

use crate::error::Result;

/// Where a dataset is kept.
#[derive(Debug, Clone)]
pub struct Location {
    url: Url,
    store: Arc<dyn ObjectStore>,
    prefix: Path,
    local_root: Option<PathBuf>,
}

impl Location {
    /// Reads a path, or a URL.
    pub fn parse(url_or_path: &str) -> Result<Self> {
        unimplemented!("{url_or_path}")
    }

    /// A dataset under `prefix` of a store made elsewhere.
    pub fn with_store(store: Arc<dyn ObjectStore>, prefix: Path) -> Self {
        unimplemented!("{store} {prefix}")
    }

    /// The dataset's URL.
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

    /// The dataset's directory, if it is a local one.
    pub fn local_root(&self) -> Option<&std::path::Path> {
        self.local_root.as_deref()
    }

    /// The path in the store of a path relative to the dataset.
    pub fn path(&self, relative: &str) -> Path {
        unimplemented!("{relative}")
    }
}

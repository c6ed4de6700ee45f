//! Multipart uploads through a faulty store.

use async_trait::async_trait;
use object_store::path::Path;
use object_store::{MultipartUpload, PutPayload, PutResult, Result, UploadPart};

use super::{FaultyStore, Operation};

/// An upload each of whose calls meets the plan of its store.
///
/// The number of a part and its fate are decided when `put_part` is called, not when its future
/// runs, so that both follow the order of calls.
#[derive(Debug)]
pub(super) struct FaultyUpload {
    store: FaultyStore,
    path: Path,
    inner: Box<dyn MultipartUpload>,
}

impl FaultyUpload {
    pub(super) fn boxed(
        store: FaultyStore,
        path: Path,
        inner: Box<dyn MultipartUpload>,
    ) -> Box<dyn MultipartUpload> {
        Box::new(Self { store, path, inner })
    }
}

#[async_trait]
impl MultipartUpload for FaultyUpload {
    fn put_part(&mut self, data: PutPayload) -> UploadPart {
        let fate = match self.store.admit(Operation::UploadPart, Some(&self.path), data.content_length()) {
            Ok(fate) => fate,
            Err(error) => return Box::pin(async move { Err(error) }),
        };
        let part = self.inner.put_part(fate.cut(data));
        let store = self.store.clone();
        Box::pin(async move {
            fate.wait(&store).await?;
            fate.end(part.await)
        })
    }

    async fn complete(&mut self) -> Result<PutResult> {
        let fate = self.store.begin(Operation::CompleteUpload, Some(&self.path), 0).await?;
        fate.end(self.inner.complete().await)
    }

    async fn abort(&mut self) -> Result<()> {
        let fate = self.store.begin(Operation::AbortUpload, Some(&self.path), 0).await?;
        fate.end(self.inner.abort().await)
    }
}

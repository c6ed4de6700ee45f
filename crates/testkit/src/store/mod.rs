//! An object store with faults.

mod plan;
mod upload;

#[cfg(test)]
mod tests;

use std::fmt;
use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::{self, BoxStream, StreamExt as _, TryStreamExt as _};
use object_store::path::Path;
use object_store::{
    CopyOptions, Error, GetOptions, GetResult, GetResultPayload, ListResult, MultipartUpload, ObjectMeta,
    ObjectStore, PutMultipartOptions, PutOptions, PutPayload, PutResult, RenameOptions, Result,
};

pub use plan::{Call, Effect, Fault, FaultPlan, FaultRates, Operation};

/// Wraps a store; each call is counted, listed and put before a [`FaultPlan`].
///
/// Clones share everything: the calls made, the plan, the crash. After a crash every call fails
/// without effect until [`restart`](Self::restart), as if the process that made them were gone; the
/// objects stay, as they would on a disk. Streams handed out before a crash run to their end.
///
/// ```
/// use std::sync::Arc;
/// use object_store::{ObjectStoreExt as _, memory::InMemory, path::Path};
/// use tallymark_testkit::{Effect, Fault, FaultPlan, FaultyStore, is_injected};
///
/// # futures::executor::block_on(async {
/// let store = FaultyStore::new(Arc::new(InMemory::new()));
/// store.set_plan(FaultPlan::at(1, Fault::Crash(Effect::Whole)));
/// store.put(&Path::from("a"), "1".into()).await.unwrap();
/// let error = store.put(&Path::from("b"), "2".into()).await.unwrap_err();
/// assert!(is_injected(&error) && store.has_crashed());
///
/// store.restart();
/// assert!(store.get(&Path::from("b")).await.is_ok(), "it was written before the crash");
/// # });
/// ```
#[derive(Debug, Clone)]
pub struct FaultyStore {
    inner: Arc<dyn ObjectStore>,
    state: Arc<Mutex<State>>,
}

#[derive(Debug)]
struct State {
    plan: FaultPlan,
    calls: Vec<Call>,
    faults: Vec<(Call, Fault)>,
    crashed: bool,
}

/// The cause inside every error a [`FaultyStore`] makes up.
#[derive(Debug, Clone, PartialEq)]
pub struct InjectedFault {
    /// The call that failed.
    pub call: Call,
    /// Why; `None` for calls made after a crash.
    pub fault: Option<Fault>,
}

impl fmt::Display for InjectedFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.fault {
            Some(fault) => write!(f, "injected {fault:?} at {}", self.call),
            None => write!(f, "{} after a crash", self.call),
        }
    }
}

impl std::error::Error for InjectedFault {}

impl InjectedFault {
    fn into_error(self) -> Error {
        Error::Generic { store: "FaultyStore", source: Box::new(self) }
    }
}

/// Whether an error was made up by a [`FaultyStore`]; looks through the chain of sources.
pub fn is_injected(error: &(dyn std::error::Error + 'static)) -> bool {
    let mut next = Some(error);
    while let Some(error) = next {
        if error.is::<InjectedFault>() {
            return true;
        }
        next = error.source();
    }
    false
}

impl FaultyStore {
    /// A store without faults so far: it only counts.
    pub fn new(inner: Arc<dyn ObjectStore>) -> Self {
        let state = State { plan: FaultPlan::none(), calls: Vec::new(), faults: Vec::new(), crashed: false };
        Self { inner, state: Arc::new(Mutex::new(state)) }
    }

    /// The store inside, which never fails: to look at what really is there.
    pub fn inner(&self) -> &Arc<dyn ObjectStore> {
        &self.inner
    }

    /// What happens to the calls from now on.
    pub fn set_plan(&self, plan: FaultPlan) {
        self.state().plan = plan;
    }

    /// Lets every later call fail.
    pub fn crash(&self) {
        self.state().crashed = true;
    }

    /// Whether it has crashed and not been restarted.
    pub fn has_crashed(&self) -> bool {
        self.state().crashed
    }

    /// Ends a crash and drops the plan, so that what was written can be opened again.
    pub fn restart(&self) {
        let mut state = self.state();
        state.crashed = false;
        state.plan = FaultPlan::none();
    }

    /// Every call since the store was made or [`forget_calls`](Self::forget_calls), in order; those
    /// made after a crash are not listed.
    pub fn calls(&self) -> Vec<Call> {
        self.state().calls.clone()
    }

    /// How many of those were of this operation.
    pub fn count(&self, operation: Operation) -> usize {
        self.state().calls.iter().filter(|call| call.operation == operation).count()
    }

    /// Which faults came to pass, in order.
    pub fn faults(&self) -> Vec<(Call, Fault)> {
        self.state().faults.clone()
    }

    /// Starts the lists of calls and faults anew.
    pub fn forget_calls(&self) {
        let mut state = self.state();
        state.calls.clear();
        state.faults.clear();
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts a call and decides its fate: an error for one that fails without effect, otherwise
    /// what has to happen around it.
    fn admit(&self, operation: Operation, path: Option<&Path>, bytes: usize) -> Result<Fate> {
        let call = Call { operation, path: path.cloned(), bytes: bytes as u64 };
        let mut state = self.state();
        if state.crashed {
            return Err(InjectedFault { call, fault: None }.into_error());
        }
        state.calls.push(call.clone());
        let fault = state.plan.fault_for(&call);
        if let Some(fault) = fault {
            state.crashed = matches!(fault, Fault::Crash(_));
            state.faults.push((call.clone(), fault));
        }
        match fault {
            None | Some(Fault::Delay(_)) => Ok(Fate { call, effect: Effect::Whole, fault, fails: false }),
            Some(Fault::Fail(Effect::None) | Fault::Crash(Effect::None)) => {
                Err(InjectedFault { call, fault }.into_error())
            }
            Some(Fault::Fail(effect) | Fault::Crash(effect)) => Ok(Fate { call, effect, fault, fails: true }),
        }
    }

    /// The same, with delays over when it returns.
    async fn begin(&self, operation: Operation, path: Option<&Path>, bytes: usize) -> Result<Fate> {
        let fate = self.admit(operation, path, bytes)?;
        fate.wait(self).await?;
        Ok(fate)
    }
}

/// What is to happen to a call that was let through.
struct Fate {
    call: Call,
    effect: Effect,
    fault: Option<Fault>,
    fails: bool,
}

impl Fate {
    /// Sits out a delay. Fails when the store has crashed meanwhile, by another call.
    async fn wait(&self, store: &FaultyStore) -> Result<()> {
        if let Some(Fault::Delay(duration)) = self.fault {
            tokio::time::sleep(duration).await;
            if store.has_crashed() {
                return Err(InjectedFault { call: self.call.clone(), fault: None }.into_error());
            }
        }
        Ok(())
    }

    /// The error of a call that is to fail after its effect.
    fn error(&self) -> Option<Error> {
        self.fails.then(|| InjectedFault { call: self.call.clone(), fault: self.fault }.into_error())
    }

    /// The result of the call: the store's own, unless only the answer is to be lost.
    fn end<T>(&self, result: Result<T>) -> Result<T> {
        match self.error() {
            Some(error) => result.and(Err(error)),
            None => result,
        }
    }

    /// The payload, or its first half.
    fn cut(&self, payload: PutPayload) -> PutPayload {
        if self.effect == Effect::Part {
            let bytes = Bytes::from(payload);
            PutPayload::from(bytes.slice(..bytes.len() / 2))
        } else {
            payload
        }
    }

    /// Items to be read: all of them or half, and then the error.
    fn stream<T: Send + 'static>(&self, items: Vec<T>) -> BoxStream<'static, Result<T>> {
        let kept = if self.effect == Effect::Part { items.len() / 2 } else { items.len() };
        let items: Vec<Result<T>> =
            items.into_iter().take(kept).map(Ok).chain(self.error().map(Err)).collect();
        stream::iter(items).boxed()
    }
}

impl fmt::Display for FaultyStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "FaultyStore({})", self.inner)
    }
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl ObjectStore for FaultyStore {
    async fn put_opts(&self, location: &Path, payload: PutPayload, opts: PutOptions) -> Result<PutResult> {
        let fate = self.begin(Operation::Put, Some(location), payload.content_length()).await?;
        let result = self.inner.put_opts(location, fate.cut(payload), opts).await;
        fate.end(result)
    }

    async fn put_multipart_opts(
        &self,
        location: &Path,
        opts: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        let fate = self.begin(Operation::StartUpload, Some(location), 0).await?;
        let upload = self.inner.put_multipart_opts(location, opts).await;
        let upload = fate.end(upload)?;
        Ok(upload::FaultyUpload::boxed(self.clone(), location.clone(), upload))
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        let fate = self.begin(Operation::Get, Some(location), 0).await?;
        let result = self.inner.get_opts(location, options).await?;
        if !fate.fails {
            return Ok(result);
        }
        // A read that fails late: the head arrives, then some of the body, then the error.
        let GetResult { payload, meta, range, attributes } = result;
        let whole =
            GetResult { payload, meta: meta.clone(), range: range.clone(), attributes: attributes.clone() };
        let chunks: Vec<Bytes> = whole.into_stream().try_collect().await?;
        let payload = GetResultPayload::Stream(fate.stream(chunks));
        Ok(GetResult { payload, meta, range, attributes })
    }

    async fn get_ranges(&self, location: &Path, ranges: &[Range<u64>]) -> Result<Vec<Bytes>> {
        let bytes: u64 = ranges.iter().map(|range| range.end - range.start).sum();
        let fate = self.begin(Operation::GetRanges, Some(location), bytes as usize).await?;
        let result = self.inner.get_ranges(location, ranges).await;
        fate.end(result)
    }

    fn delete_stream(&self, locations: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        let store = self.clone();
        locations
            .then(move |location| {
                let store = store.clone();
                async move {
                    let location = location?;
                    let fate = store.begin(Operation::Delete, Some(&location), 0).await?;
                    let one = stream::once(async move { Ok(location) }).boxed();
                    let deleted: Result<Vec<Path>> = store.inner.delete_stream(one).try_collect().await;
                    fate.end(deleted)
                }
            })
            .map_ok(|deleted| stream::iter(deleted.into_iter().map(Ok)))
            .try_flatten()
            .boxed()
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        self.listing(prefix, None)
    }

    fn list_with_offset(
        &self,
        prefix: Option<&Path>,
        offset: &Path,
    ) -> BoxStream<'static, Result<ObjectMeta>> {
        self.listing(prefix, Some(offset.clone()))
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        let fate = self.begin(Operation::List, prefix, 0).await?;
        let result = self.inner.list_with_delimiter(prefix).await;
        fate.end(result)
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        let fate = self.begin(Operation::Copy, Some(to), 0).await?;
        let result = self.inner.copy_opts(from, to, options).await;
        fate.end(result)
    }

    async fn rename_opts(&self, from: &Path, to: &Path, options: RenameOptions) -> Result<()> {
        let fate = self.begin(Operation::Rename, Some(to), 0).await?;
        let result = self.inner.rename_opts(from, to, options).await;
        fate.end(result)
    }
}

impl FaultyStore {
    fn listing(&self, prefix: Option<&Path>, offset: Option<Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        let (store, prefix) = (self.clone(), prefix.cloned());
        let listed = async move {
            let fate = store.begin(Operation::List, prefix.as_ref(), 0).await?;
            let listing = match offset {
                Some(offset) => store.inner.list_with_offset(prefix.as_ref(), &offset),
                None => store.inner.list(prefix.as_ref()),
            };
            let listing: Result<_> = if fate.fails {
                listing.try_collect().await.map(|items| fate.stream(items))
            } else {
                Ok(listing)
            };
            listing
        };
        stream::once(listed).try_flatten().boxed()
    }
}

//! The columns of a segment and its times, each read when it is first asked for.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use arrow::error::ArrowError;
use futures::{FutureExt as _, StreamExt as _, TryStreamExt as _, stream};
use hashbrown::HashMap;
use tallymark_event::LaneKind;
use tallymark_event::columns::TIME;
use tokio::sync::OnceCell;

use crate::column::{Column, Part, assemble};
use crate::order::RowOrder;
use crate::pool::Pool;
use crate::rows_by_code::RowsByCode;
use crate::segment::Core;
use crate::source::{SourceColumn, SourceTimes};
use crate::{ColumnId, Error, Result, SegmentColumn};

/// How many sources are read at a time.
const READS: usize = 8;

/// A column of one kind: a lane that widens is read again.
type Key = (ColumnId, Option<LaneKind>);

/// The columns of one segment.
#[derive(Debug, Default)]
pub(crate) struct Columns {
    slots: Mutex<HashMap<Key, Arc<Slot>>>,
    inherited: Mutex<Option<Inherited>>,
    /// Of the event names, while they are resident and there is room.
    rows_by_event: Mutex<Option<Arc<RowsByCode>>>,
    /// In milliseconds since the start of the day; they stay as long as the segment.
    times: OnceCell<Vec<u32>>,
}

/// A column, resident or about to be.
#[derive(Debug)]
pub(crate) struct Slot {
    name: String,
    cell: OnceCell<SegmentColumn>,
    used_at: AtomicU64,
    /// How often it was asked for.
    uses: AtomicU32,
}

/// Columns of the segment that another was made from, until it needs them.
#[derive(Debug)]
pub(crate) struct Inherited {
    columns: HashMap<Key, SegmentColumn>,
    /// How many sources they are of: the first ones.
    sources: usize,
    /// Where each row is among those of the former segment, and of the further sources after them.
    order: Option<Arc<RowOrder>>,
}

/// A resident column, for whoever looks at all of them.
#[derive(Debug, Clone)]
pub(crate) struct Resident {
    key: Key,
    pub(crate) name: String,
    pub(crate) values: SegmentColumn,
    pub(crate) used_at: u64,
}

impl Slot {
    pub(crate) fn values(&self) -> Option<&SegmentColumn> {
        self.cell.get()
    }

    pub(crate) fn touch(&self, now: u64) {
        self.used_at.store(now, Ordering::Relaxed);
        self.uses.fetch_add(1, Ordering::Relaxed);
    }

    /// Whether an earlier query asked for it too: one asks twice, ahead and when it is needed.
    fn is_used_again(&self) -> bool {
        self.uses.load(Ordering::Relaxed) > 2
    }
}

impl Columns {
    /// Those of a segment made from another one: `sources` are how many the other has.
    pub(crate) fn inheriting(from: &Self, sources: usize, order: Option<Arc<RowOrder>>) -> Self {
        let columns: HashMap<Key, SegmentColumn> =
            from.resident().into_iter().map(|column| (column.key, column.values)).collect();
        let inherited = (!columns.is_empty()).then_some(Inherited { columns, sources, order });
        Self { inherited: Mutex::new(inherited), ..Self::default() }
    }

    /// The same with times, if they are known already.
    pub(crate) fn with_times(self, times: Option<Vec<u32>>) -> Self {
        Self { times: OnceCell::new_with(times), ..self }
    }

    /// The times, if somebody asked for them.
    pub(crate) fn times(&self) -> Option<&Vec<u32>> {
        self.times.get()
    }

    fn slots(&self) -> MutexGuard<'_, HashMap<Key, Arc<Slot>>> {
        self.slots.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn inherited(&self) -> MutexGuard<'_, Option<Inherited>> {
        self.inherited.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The slot of a column; all who want it get the same.
    pub(crate) fn slot(&self, column: &Column) -> Arc<Slot> {
        let mut slots = self.slots();
        let slot = slots.entry((column.id, column.kind)).or_insert_with(|| {
            Arc::new(Slot {
                name: column.name.clone(),
                cell: OnceCell::new(),
                used_at: AtomicU64::new(0),
                uses: AtomicU32::new(0),
            })
        });
        Arc::clone(slot)
    }

    /// Forgets a slot, if it is still this one.
    pub(crate) fn forget(&self, column: &Column, slot: &Arc<Slot>) {
        let mut slots = self.slots();
        let key = (column.id, column.kind);
        if slots.get(&key).is_some_and(|known| Arc::ptr_eq(known, slot)) {
            slots.remove(&key);
        }
    }

    /// All that are resident, by name.
    pub(crate) fn resident(&self) -> Vec<Resident> {
        let slots = self.slots();
        let mut resident: Vec<Resident> = slots
            .iter()
            .filter_map(|(key, slot)| {
                Some(Resident {
                    key: *key,
                    name: slot.name.clone(),
                    values: slot.values()?.clone(),
                    used_at: slot.used_at.load(Ordering::Relaxed),
                })
            })
            .collect();
        resident.sort_unstable_by(|a, b| a.name.cmp(&b.name).then(a.key.0.cmp(&b.key.0)));
        resident
    }

    /// Forgets a resident column.
    pub(crate) fn evict(&self, column: &Resident) {
        self.slots().remove(&column.key);
        if column.key.0 == ColumnId::EVENT {
            self.forget_rows_by_event();
        }
    }

    /// The rows of each event name, if somebody made that.
    pub(crate) fn rows_by_event(&self) -> Option<Arc<RowsByCode>> {
        self.rows_by_event.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Keeps the rows of each event name.
    pub(crate) fn keep_rows_by_event(&self, rows: &Arc<RowsByCode>) {
        *self.rows_by_event.lock().unwrap_or_else(PoisonError::into_inner) = Some(Arc::clone(rows));
    }

    pub(crate) fn forget_rows_by_event(&self) {
        *self.rows_by_event.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// Bytes of the rows of each event name.
    pub(crate) fn rows_by_event_bytes(&self) -> usize {
        self.rows_by_event().map_or(0, |rows| rows.bytes())
    }

    /// Bytes of inherited columns nobody asked for yet.
    pub(crate) fn inherited_bytes(&self) -> usize {
        self.inherited().as_ref().map_or(0, |inherited| {
            inherited.columns.values().map(SegmentColumn::bytes).sum::<usize>()
                + inherited.order.as_ref().map_or(0, |order| order.bytes())
        })
    }

    /// Forgets inherited columns.
    pub(crate) fn disinherit(&self) {
        *self.inherited() = None;
    }

    /// An inherited column, of how many sources it is, and the order to bring it to.
    fn inherit(&self, column: &Column) -> Option<(SegmentColumn, usize, Option<Arc<RowOrder>>)> {
        let mut inherited = self.inherited();
        let from = inherited.as_mut()?;
        let values = from.columns.remove(&(column.id, column.kind))?;
        let taken = (values, from.sources, from.order.clone());
        if from.columns.is_empty() {
            *inherited = None;
        }
        Some(taken)
    }
}

/// A column of a segment that was just asked for.
#[derive(Debug)]
pub(crate) struct Loaded {
    pub(crate) values: SegmentColumn,
    /// Bytes read from storage for it now.
    pub(crate) read_bytes: u64,
    /// Whether it was made now.
    pub(crate) is_new: bool,
    /// Whether an earlier query asked for it too.
    pub(crate) is_used_again: bool,
}

/// The times of a segment whose rows are those of its sources in their order, for others have them
/// from the start; `None` if they were there. Says how many bytes were read for it.
pub(crate) async fn load_times(pool: &Pool, core: &Core) -> Result<Option<u64>> {
    let mut made = None;
    let times = core.columns.times.get_or_try_init(|| async {
        let reads: Vec<_> = core.sources.iter().map(|source| source.times(pool).boxed()).collect();
        let read: Vec<SourceTimes> = stream::iter(reads).buffered(READS).try_collect().await?;
        made = Some(read.iter().map(|times| times.loaded_bytes).sum());
        let mut times: Vec<Vec<u32>> = read.into_iter().map(|read| read.times).collect();
        let times = if let [one] = times.as_mut_slice() { std::mem::take(one) } else { times.concat() };
        if times.len() != core.rows {
            let source = ArrowError::InvalidArgumentError(format!("{} of {} times", times.len(), core.rows));
            return Err(Error::Column { column: TIME.to_owned(), day: core.day, source });
        }
        Ok(times)
    });
    times.await?;
    Ok(made)
}

/// A column that is neither `time` nor `user_id`: from its slot, or made and put there.
///
/// Of those who want it at the same time one makes it; if that one fails or gives up, the next
/// does.
pub(crate) async fn load(pool: &Pool, core: &Arc<Core>, column: &Column, slot: &Slot) -> Result<Loaded> {
    let mut made = None;
    let values = slot
        .cell
        .get_or_try_init(|| async {
            let (values, loaded_bytes) = read(pool, core, column).await?;
            made = Some(loaded_bytes);
            Ok::<_, Error>(values)
        })
        .await?;
    Ok(Loaded {
        values: values.clone(),
        read_bytes: made.unwrap_or(0),
        is_new: made.is_some(),
        is_used_again: slot.is_used_again(),
    })
}

/// Makes a column, and says how many bytes were read for it.
pub(crate) async fn read(pool: &Pool, core: &Arc<Core>, column: &Column) -> Result<(SegmentColumn, u64)> {
    let inherited = core.columns.inherit(column);
    let failed = |source| Error::Column { column: column.name.clone(), day: core.day, source };
    let (mut parts, from, order) = match inherited {
        Some((values, sources, order)) => {
            (vec![Part::Values(values.to_array().map_err(failed)?)], sources, order)
        }
        None => (Vec::new(), 0, core.order.clone()),
    };
    let reads: Vec<_> =
        core.sources[from..].iter().map(|source| source.column(pool, column).boxed()).collect();
    let read: Vec<SourceColumn> = stream::iter(reads).buffered(READS).try_collect().await?;
    let loaded_bytes = read.iter().map(|column| column.loaded_bytes).sum();
    parts.extend(read.into_iter().flat_map(|column| column.parts));
    let data_type = column.data_type.clone();
    let values = pool
        .run(move || {
            let order = order.map(|order| order.rows());
            SegmentColumn::of(assemble(&data_type, &parts, order.as_ref())?)
        })
        .await?;
    Ok((values.map_err(failed)?, loaded_bytes))
}

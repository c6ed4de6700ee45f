//! How many bytes may be resident, and who gives way when they are more.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use crate::resident::{Inner, State};

/// The budget of a dataset and of all that are attached to it.
#[derive(Debug)]
pub(crate) struct Budget {
    /// How many bytes may be resident that no query is using.
    pub(crate) bytes: usize,
    members: Mutex<Vec<Weak<Inner>>>,
    /// Counts layouts, and the uses of columns, so that the least recent is known.
    layouts: AtomicU64,
    uses: AtomicU64,
}

impl Budget {
    pub(crate) fn new(bytes: usize) -> Self {
        Self { bytes, members: Mutex::default(), layouts: AtomicU64::new(0), uses: AtomicU64::new(0) }
    }

    fn members(&self) -> MutexGuard<'_, Vec<Weak<Inner>>> {
        self.members.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn join(&self, member: &Arc<Inner>) {
        self.members().push(Arc::downgrade(member));
    }

    /// Notes that another layout is asked for.
    pub(crate) fn begin(&self) {
        self.layouts.fetch_add(1, Ordering::Relaxed);
    }

    /// When a column is used now: grows with every layout, and with every use in between.
    pub(crate) fn now(&self) -> u64 {
        let uses = self.uses.fetch_add(1, Ordering::Relaxed) & u64::from(u32::MAX);
        (self.layouts.load(Ordering::Relaxed) << 32) | uses
    }

    /// Whether so many bytes more would be within the budget.
    ///
    /// Nobody who calls it holds the state of a member.
    pub(crate) fn has_room(&self, bytes: usize) -> bool {
        let members: Vec<Arc<Inner>> = self.members().iter().filter_map(Weak::upgrade).collect();
        let kept: usize = members.iter().map(|member| member.state().bytes_max).sum();
        kept.saturating_add(bytes) <= self.bytes
    }

    /// Evicts what was not used for longest, whosever it is, until the rest is within the budget.
    ///
    /// Nobody who calls it holds the state of a member.
    pub(crate) fn enforce(&self) {
        // Held to the end: one does it at a time, so that states are locked in one order.
        let mut known = self.members();
        known.retain(|member| member.strong_count() > 0);
        let members: Vec<Arc<Inner>> = known.iter().filter_map(Weak::upgrade).collect();
        if members.iter().map(|member| member.state().bytes_max).sum::<usize>() <= self.bytes {
            return;
        }
        let mut states: Vec<MutexGuard<'_, State>> = members.iter().map(|member| member.state()).collect();
        let mut bytes: Vec<usize> = states.iter().map(|state| state.bytes()).collect();
        if bytes.iter().sum::<usize>() > self.bytes {
            for (state, bytes) in states.iter().zip(&mut bytes) {
                state.drop_unused();
                *bytes = state.bytes();
            }
            let mut victims: Vec<_> = states
                .iter()
                .enumerate()
                .flat_map(|(at, state)| {
                    state.victims().into_iter().map(move |(used_at, victim)| (used_at, at, victim))
                })
                .collect();
            victims.sort_by_key(|(used_at, ..)| *used_at);
            for (_, at, victim) in victims {
                if bytes.iter().sum::<usize>() <= self.bytes {
                    break;
                }
                members[at].counters.evictions.fetch_add(1, Ordering::Relaxed);
                let freed = victim.bytes();
                states[at].evict(victim);
                bytes[at] = match freed {
                    Some(freed) => bytes[at].saturating_sub(freed),
                    None => states[at].bytes(),
                };
            }
        }
        for (state, bytes) in states.iter_mut().zip(bytes) {
            state.bytes_max = bytes;
        }
    }
}

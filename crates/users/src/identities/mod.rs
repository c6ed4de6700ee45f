//! Which ids are one user.
//!
//! 1. `op.rs`: what is sent, as [`IdentityOp`]s.
//! 2. `devices.rs` (simplified) and `clusters.rs` (original): the rules; each operation is refused,
//!    changes nothing, or makes some canonical ids give way to another.
//! 3. This file: the version and the list of ids that gave way, so that what was resolved at an
//!    older version is corrected without looking at every id again.

mod clusters;
mod devices;
mod op;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::sync::Arc;

use self::clusters::Clusters;
use self::devices::Devices;
pub use self::op::{IdentityOp, IdentityOutcome, IdentitySystem, Mapping};
use crate::shared::SharedLog;

/// The state of identity: which ids are one user.
///
/// Cheap to clone (a clone shares what neither side changes), so every snapshot holds its own.
///
/// ```
/// use tallymark_users::{Identities, IdentityOp, IdentitySystem};
///
/// let mut identities = Identities::new(IdentitySystem::Simplified);
/// identities.apply(&IdentityOp::Link { device_id: "D1".to_owned(), user_id: "U1".to_owned() });
/// assert_eq!(identities.canonical("$device:D1"), "U1");
/// assert_eq!(identities.canonical("$device:D2"), "$device:D2");
/// ```
#[derive(Debug, Clone, Default)]
pub struct Identities {
    rules: Rules,
    cluster_ids_max: Option<usize>,
    version: u64,
    succeeded: SharedLog<Succession>,
}

#[derive(Debug, Clone)]
enum Rules {
    Simplified(Devices),
    Original(Clusters),
    None,
}

impl Default for Rules {
    fn default() -> Self {
        Self::Simplified(Devices::default())
    }
}

/// A canonical id gave way to another one.
#[derive(Debug, Clone)]
pub(crate) struct Succession {
    /// The version it happened in.
    version: u64,
    /// What was canonical until then (any id is its own before it is joined to another).
    pub(crate) former: Arc<str>,
    /// What was canonical from then on.
    pub(crate) canonical: Arc<str>,
}

/// What the rules say to an operation.
enum Verdict {
    Unchanged,
    Refused(&'static str),
    /// It took effect: `former` canonical ids, in the order they were first seen, gave way to
    /// `canonical`. None did if only which operations are refused from now on has changed.
    Joined {
        former: Vec<Arc<str>>,
        canonical: Arc<str>,
    },
}

impl Identities {
    /// No links yet.
    pub fn new(system: IdentitySystem) -> Self {
        let rules = match system {
            IdentitySystem::Simplified => Rules::Simplified(Devices::default()),
            IdentitySystem::Original => Rules::Original(Clusters::default()),
            IdentitySystem::None => Rules::None,
        };
        Self { rules, ..Self::default() }
    }

    /// Refuses from now on, under original identity, operations that would give a user more than
    /// this many ids (I-24). `None`, the default, is no limit; Mixpanel's is 500.
    #[must_use]
    pub fn with_cluster_ids_max(mut self, ids_max: Option<usize>) -> Self {
        self.cluster_ids_max = ids_max;
        self
    }

    /// The system in force.
    pub fn system(&self) -> IdentitySystem {
        match self.rules {
            Rules::Simplified(_) => IdentitySystem::Simplified,
            Rules::Original(_) => IdentitySystem::Original,
            Rules::None => IdentitySystem::None,
        }
    }

    /// Applies the next operation. One of another system's kind has no effect (I-7).
    ///
    /// A log of the operations that came out as [`IdentityOutcome::Joined`] and of every
    /// [`IdentityOp::Erased`], applied again in order, gives the same state with the same version.
    pub fn apply(&mut self, op: &IdentityOp) -> IdentityOutcome {
        let next = self.version + 1;
        let verdict = match (&mut self.rules, op) {
            (_, IdentityOp::Erased) => {
                self.version = next;
                return IdentityOutcome::Unchanged;
            }
            (Rules::Simplified(devices), IdentityOp::Link { device_id, user_id }) => {
                devices.link(device_id, user_id)
            }
            (Rules::Original(clusters), IdentityOp::Identify { identified_id, anon_id }) => {
                clusters.identify(identified_id, anon_id, next, self.cluster_ids_max)
            }
            (Rules::Original(clusters), IdentityOp::Alias { distinct_id, alias }) => {
                clusters.alias(distinct_id, alias, next, self.cluster_ids_max)
            }
            (Rules::Original(clusters), IdentityOp::Merge { first, second }) => {
                clusters.merge(first, second, next, self.cluster_ids_max)
            }
            (
                Rules::Simplified(_) | Rules::Original(_) | Rules::None,
                IdentityOp::Link { .. }
                | IdentityOp::Identify { .. }
                | IdentityOp::Alias { .. }
                | IdentityOp::Merge { .. },
            ) => Verdict::Unchanged,
        };
        match verdict {
            Verdict::Unchanged => IdentityOutcome::Unchanged,
            Verdict::Refused(reason) => IdentityOutcome::Refused(reason),
            Verdict::Joined { former, canonical } => {
                self.version = next;
                for former in former {
                    let canonical = Arc::clone(&canonical);
                    self.succeeded.push(Succession { version: next, former, canonical });
                }
                IdentityOutcome::Joined
            }
        }
    }

    /// Grows by one with every operation that joined ids: two states of one dataset with equal
    /// versions resolve every id alike.
    pub fn version(&self) -> u64 {
        self.version
    }

    /// The canonical id of the user that `id` (as assigned, D-10, or once canonical) belongs to.
    /// An unknown id is its own.
    pub fn canonical<'a>(&'a self, id: &'a str) -> &'a str {
        match &self.rules {
            Rules::Simplified(devices) => devices.canonical(id),
            Rules::Original(clusters) => clusters.canonical(id),
            Rules::None => id,
        }
    }

    /// The user a device (without `$device:`) is linked to: `None` before it is, and under the
    /// other systems. Lets a sender of many events tell cheaply that a link is nothing new.
    pub fn linked_user(&self, device_id: &str) -> Option<&str> {
        match &self.rules {
            Rules::Simplified(devices) => devices.linked_user(device_id),
            Rules::Original(_) | Rules::None => None,
        }
    }

    /// Whether no id resolves to another one.
    pub fn is_trivial(&self) -> bool {
        match &self.rules {
            Rules::Simplified(devices) => devices.is_empty(),
            Rules::Original(clusters) => clusters.is_empty(),
            Rules::None => true,
        }
    }

    /// All ids of the user `id` belongs to, sorted, `id` among them.
    pub fn ids_of(&self, id: &str) -> Vec<String> {
        let mut ids = match &self.rules {
            Rules::Simplified(devices) => devices.ids_of(id),
            Rules::Original(clusters) => clusters.ids_of(id),
            Rules::None => vec![id.to_owned()],
        };
        ids.sort_unstable();
        ids
    }

    /// Every id that was ever joined, and its user; sorted by id (I-30). Ids that are their own
    /// canonical id are included.
    pub fn mappings(&self) -> Vec<Mapping> {
        let mapping =
            |(id, user_id): (&str, &str)| Mapping { id: id.to_owned(), user_id: user_id.to_owned() };
        let mut mappings: Vec<_> = match &self.rules {
            Rules::Simplified(devices) => devices.iter().map(mapping).collect(),
            Rules::Original(clusters) => clusters.iter().map(mapping).collect(),
            Rules::None => Vec::new(),
        };
        mappings.sort_unstable();
        mappings
    }

    /// The ids that were canonical at `version` or since and are not now, each with its canonical
    /// id now; sorted by id.
    ///
    /// These are all the corrections that ids resolved at `version` (or later) need: replacing
    /// every id listed by its canonical id, and keeping all others, is the same as resolving again.
    /// Ids that were resolved before `version` need an older one.
    pub fn changed_since(&self, version: u64) -> impl Iterator<Item = (&str, &str)> + '_ {
        let former: BTreeSet<&str> = self.successions_since(version).map(|change| &*change.former).collect();
        former.into_iter().map(|id| (id, self.canonical(id))).filter(|(id, canonical)| id != canonical)
    }

    /// What changed after `version`, in order.
    pub(crate) fn successions_since(&self, version: u64) -> impl Iterator<Item = &Succession> + '_ {
        self.succeeded.iter_from(move |change| change.version <= version)
    }

    /// Forgets everything about the user `id` belongs to and returns all ids they had, sorted,
    /// `id` among them: afterwards each of these ids is its own, and may be linked anew.
    ///
    /// The version grows by one. So that a log applied again gives the same versions, replace in
    /// it every operation that names one of the ids ([`IdentityOp::ids`]) by
    /// [`IdentityOp::Erased`], and append one more `Erased` for the removal itself.
    pub fn remove_user(&mut self, id: &str) -> Vec<String> {
        let ids = self.ids_of(id);
        match &mut self.rules {
            Rules::Simplified(devices) => devices.remove(&ids),
            Rules::Original(clusters) => clusters.remove(&ids),
            Rules::None => {}
        }
        let is_kept = |change: &&Succession| ids.binary_search_by(|id| (**id).cmp(&*change.former)).is_err();
        if !self.succeeded.iter().all(|change| is_kept(&change)) {
            self.succeeded = self.succeeded.iter().filter(is_kept).cloned().collect();
        }
        self.version += 1;
        ids
    }
}

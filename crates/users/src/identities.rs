//! Which ids are one user.

use serde::{Deserialize, Serialize};

/// How ids are resolved to users: one setting per dataset (section 3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum IdentitySystem {
    /// Devices link to users (I-1 … I-11).
    #[default]
    Simplified,
    /// `$identify`, `$create_alias` and `$merge` build clusters (I-20 … I-26).
    Original,
    /// Every `distinct_id` is a user.
    None,
}

/// One operation on identities, in the order of ingestion.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "op", rename_all = "snake_case")]
pub enum IdentityOp {
    /// An event carried both ids (I-4).
    Link {
        /// The device, without `$device:`.
        device_id: String,
        /// The user.
        user_id: String,
    },
    /// `$identify` (I-21).
    Identify {
        /// The user's id.
        identified_id: String,
        /// The anonymous id.
        anon_id: String,
    },
    /// `$create_alias` (I-22).
    Alias {
        /// The id the alias is added to.
        distinct_id: String,
        /// The alias.
        alias: String,
    },
    /// `$merge` (I-23).
    Merge {
        /// One id.
        first: String,
        /// The other.
        second: String,
    },
}

/// What an operation did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IdentityOutcome {
    /// Ids came together that were apart.
    Joined,
    /// They were together already.
    Unchanged,
    /// The rules refuse it; the event keeps this text as `$identity_failure_reason` (I-8).
    Refused(&'static str),
}

/// One row of the mapping table (I-30).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Mapping {
    /// An id as assigned to events (devices as `$device:…`).
    pub id: String,
    /// The canonical id of its user.
    pub user_id: String,
}

/// The state of identity: which ids are one user.
#[derive(Debug, Clone, Default)]
pub struct Identities {
    system: IdentitySystem,
}

impl Identities {
    /// No links yet.
    pub fn new(system: IdentitySystem) -> Self {
        Self { system }
    }

    /// The system in force.
    pub fn system(&self) -> IdentitySystem {
        self.system
    }

    /// Applies the next operation. One of another system's kind has no effect (I-7).
    pub fn apply(&mut self, op: &IdentityOp) -> IdentityOutcome {
        unimplemented!("{op:?}")
    }

    /// Grows by one with every operation that joined ids: two states of one dataset with equal
    /// versions resolve every id alike.
    pub fn version(&self) -> u64 {
        unimplemented!()
    }

    /// The canonical id of the user that `id` (as assigned, D-10, or once canonical) belongs to.
    /// An unknown id is its own.
    pub fn canonical<'a>(&'a self, id: &'a str) -> &'a str {
        unimplemented!("{id}")
    }

    /// Whether any id resolves to another one.
    pub fn is_trivial(&self) -> bool {
        unimplemented!()
    }

    /// All ids of the user `id` belongs to, sorted, `id` among them.
    pub fn ids_of(&self, id: &str) -> Vec<String> {
        unimplemented!("{id}")
    }

    /// Every id that was ever joined, and its user; sorted by id. Ids that are their own canonical
    /// id are included.
    pub fn mappings(&self) -> Vec<Mapping> {
        unimplemented!()
    }
}

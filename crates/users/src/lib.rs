//! Who did it: identity and profiles, as pure state fed in order of arrival.
//!
//! In come identity operations and profile updates in ingestion order; kept is the current state
//! and what of its past is needed to correct ids resolved earlier; out go canonical ids and profile
//! properties. No I/O, no clock.
//!
//! 1. [`assign`]: which id an event is taken under (I-2, I-3).
//! 2. [`Identities`]: links, aliases and merges → which ids are one user, and that user's
//!    canonical id (I-4 … I-26).
//! 3. [`ProfileUpdate::from_record`]: a record of `/engage` or `/groups` → operations (N-32, N-33).
//! 4. [`Profiles`]: profile and group updates → the current properties (U-1 … U-14, U-34).
//!
//! Both states are cheap to clone, even with millions of users: see `shared/mod.rs`.

mod assign;
mod identities;
mod profiles;
mod shared;
mod update;

pub use assign::{Assigned, assign};
pub use identities::{Identities, IdentityOp, IdentityOutcome, IdentitySystem, Mapping};
pub use profiles::{Profile, Profiles};
pub use update::{ProfileKey, ProfileOp, ProfileUpdate, UpdateError};

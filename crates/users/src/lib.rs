//! Who did it: identity and profiles, as pure state fed in order of arrival.
//!
//! In come identity operations and profile updates in ingestion order; kept is the current state
//! and the log's meaning; out go canonical ids and profile properties. No I/O, no clock.
//!
//! 1. [`assign`]: which id an event is taken under (I-2, I-3).
//! 2. [`Identities`]: links, aliases and merges → which ids are one user, and that user's
//!    canonical id (I-4 … I-26).
//! 3. [`Profiles`]: profile and group updates → the current properties (U-1 … U-14, U-34).

mod assign;
mod identities;
mod profiles;
mod update;

pub use assign::{Assigned, assign};
pub use identities::{Identities, IdentityOp, IdentityOutcome, IdentitySystem, Mapping};
pub use profiles::{Profile, Profiles};
pub use update::{ProfileKey, ProfileOp, ProfileUpdate};

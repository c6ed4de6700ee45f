//! Attempts to go through steps (sections 6.2 to 6.6), of funnels and of flows.
//!
//! 1. `stream.rs`: everything an actor did, in order; which events are which step.
//! 2. `matching.rs`: what one attempt reaches, and how it ends (F-5 … F-19, F-40, F-45).
//! 3. `reentry.rs`: which attempts there are, and which of them is the actor's (F-20 … F-32).
//!
//! Where the rules leave something open, this is how it is read:
//!
//! - F-7: what lies outside of every session does not exist where sessions are the window: it is
//!   no step, excludes nothing, and is no "other event" of F-17.
//! - F-9: "the step before" is the last one reached in the attempt, and a repeated step (F-19) comes
//!   in time if each of its events does.
//! - F-17: an event that is also excluded by name (F-45) does not start the next attempt.
//! - F-18, F-45: an exclusion after step i holds while i is the last step reached.
//! - F-19: an attempt starts, and its window with it, at the first event of a repeated first step; one
//!   without the others has reached nothing. Exclusions everywhere hold between the repeats too.
//! - F-32: a conversion ends with its latest event in order of G-1. Of conversions of several held values
//!   the first is the one that starts first (F-41).
//! - F-46, F-47: an event that was a step excludes too, if it lies in between.

mod matching;
mod reentry;
mod stream;

pub(super) use matching::{Attempt, Course, End, Limit, Rules, StepRule};
pub(super) use reentry::{all_attempts, picked, starts};
pub(super) use stream::{Stream, marks, streams};

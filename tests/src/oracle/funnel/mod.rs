//! What a funnel answers (section 6), the long way round.
//!
//! 1. `../attempts/`: which attempts there are.
//! 2. `attribution.rs`: the values an attempt has, its segments, and whether filters keep it
//!    (F-51, F-60).
//! 3. `rows.rs`: who is counted in which row, and what is measured (F-22 … F-25, F-70 … F-77).
//! 4. `significance.rs`: whether segments differ (F-80).
//!
//! Not here: `windowFunnel` (F-34), explanations (F-35).
//!
//! Where the rules leave something open, besides what `../attempts/mod.rs` tells, this is how it is
//! read:
//!
//! - B-6: a segment is listed if some counted attempt of some bucket reached step 1. B-31, B-32: with an interval
//!   the rank is the count of step 1 in the funnel of the whole range. B-30: in `$other` an actor
//!   counts once, with their first attempt in any segment not shown.
//! - F-31, F-71, F-73: times and measures go over all attempts that count as totals, of sessions over
//!   one a session; filters come before.
//! - F-51: a value is defined if the property is set, whatever it is cast to. With a filter of several
//!   properties each is attributed on its own.
//! - F-72: what has no time from the one step to the other, because either was not reached, did not
//!   convert.
//! - F-71: the seconds from a step are null for that step and those before.
//! - F-76: an independent funnel looks at nothing before its bucket. In a shared one an attempt is where
//!   its first event is.
//! - F-82: the control
//!   itself, and the overall row, have none. F-81 looks at the segment alone.
//! - M-4: who dropped off reached the step and none after it.

mod attribution;
mod rows;
mod significance;
#[cfg(test)]
mod tests;

pub use rows::{answer, behind, of_others};

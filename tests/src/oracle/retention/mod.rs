//! What retention, frequency, lifecycle and stickiness answer (section 7), the long way round.
//!
//! 1. `births.rs`: who was born in which unit of time, when they came back, and who is retained
//!    (R-2 … ).
//! 2. `rows.rs`: the rows of cohorts and the averages over them (R-20 … R-32).
//! 3. `activity.rs`: frequency, lifecycle, stickiness.
//!
//! Where the rules leave something open, this is how it is read:
//!
//! - the birth event satisfies bucket 0 of a streak, but is not among the events that are
//!   counted or summed.
//! - `pooled` has the value of R-22 where that is no rate and no property average. Rows in
//!   which nobody was born are complete like others; without a complete row values are null.
//! - B-31: the rank is the sum of the sizes. B-30: in
//!   `$other` are the births in any segment not shown.
//! - the unit before a unit of the range is that unit as far as it is in the range.

mod activity;
mod births;
mod rows;
#[cfg(test)]
mod tests;

pub use activity::{active_behind, frequency, lifecycle, stickiness};
pub use rows::{answer, behind, of_others};

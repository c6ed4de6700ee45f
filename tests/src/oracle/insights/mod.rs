//! What an insights report answers (section 5), the long way round.
//!
//! In come a [`World`] and a definition; [`answer`] gives the rows.
//!
//! 1. `civil.rs`, `range.rs`: what the clock shows, and which instants a range means (G-3 … G-8).
//! 2. `value.rs`, `property.rs`, `filter.rs`: what an event has, and whether it passes (D-…, P-…).
//! 3. `selector.rs`, `cohort.rs`, `sessions.rs`: which events, whose, in which session (S-50, C-…, X-…).
//! 4. `ranges.rs`, `breakdown.rs`: in which segments (B-…).
//! 5. `metric.rs`, `measure.rs`: for each bucket and segment the list of events, and its measure.
//! 6. `formula.rs`, `rows.rs`: what is made of the measures (S-70 … S-76), and the rows.

mod breakdown;
mod civil;
mod cohort;
mod filter;
mod formula;
mod measure;
mod metric;
mod property;
mod range;
mod ranges;
mod rows;
mod selector;
mod sessions;
mod value;
mod world;

pub use rows::{OTHER, OVERALL, Row, answer, members};
pub use world::{Event, World};

#[cfg(test)]
mod tests;

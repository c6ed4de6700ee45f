//! What an insights report answers (section 5), the long way round.
//!
//! In come a [`World`] and a definition; [`answer`] gives the rows.
//!
//! 1. `civil.rs`, `range.rs`: what the clock shows, and which instants a range means (G-3 … G-8).
//! 2. `value.rs`, `property.rs`, `filter.rs`, `matching.rs`: what an event has, whether it passes, and
//!    what a filter leaves of its lists (D-…, P-…). `lookup.rs`, `other_events.rs`: what tables and other
//!    events say of it (U-40, K-50, A-…).
//! 3. `selector.rs`, `cohort.rs`, `sessions.rs`: which events, whose, in which session (S-50, C-…, X-…).
//! 4. `ranges.rs`, `breakdown.rs`: in which segments (B-…).
//! 5. `metric.rs`, `measure.rs`: for each bucket and segment the list of events, and its measure.
//!    `behaviour.rs`: those of funnels and of retention (S-26, S-27).
//! 6. `formula.rs`, `rows.rs`: what is made of the measures (S-70 … S-76), and the rows.
//!
//! Not here: SQL in filters and properties. A world has session events if it is given them
//! (`World::seen_by`).
//!
//! Where the rules leave something open, this is how it is read:
//!
//! - B-6: all matching events are counted, with a number or without; for trailing users (S-40) those
//!   of the trailing days, for sessions those in a session that starts in the bucket. The lead of a
//!   rolling mean and the range of a comparison list no segments.
//! - B-31: the least minimum ranks first, nothing ranks last; keys are compared as text. B-32: shown
//!   are the segments that any metric lists; one that the first does not list ranks as nothing does.
//! - B-4: a user is in all segments of the deciding event, with all they did in the bucket.
//! - B-10: the ranges of a comparison are those of the report.
//! - C-8: the distinct count of nothing is 0. C-9: both ends lie in the one time of the condition.
//! - C-20: "now" is the last millisecond of the bucket as clipped (G-5).
//! - D-27: lists are cast item by item everywhere; the table's "list" is a list in a list.
//! - G-9: nobody's events pass "not in cohort", as they do not pass "in cohort".
//! - P-32: an item matches a negative operator if it does not match the positive one; several such
//!   conditions on a list leave the items that match all of them. A property that is no list stays.
//! - P-23: "in the next N months" ends with the day of that number N months on; a civil date lies
//!   where its first instant does.
//! - S-21: the number 5 and the text "5" are two values. S-28: the first value is that of the
//!   first event, null if that is no number; as a string, null if it is not set or a list. As
//!   strings, each different item of a list counts once.
//! - S-79: a segment is compared with the one named, all rows but the overall one with a segment; a
//!   segment that nothing is counted in is none.
//! - S-51: "filtered" looks at the filters of the events chosen, not at those of metric and report.
//! - S-73, S-74: a running sum passes over nulls and starts at 0; a mean has the first bucket as
//!   clipped, and whole ones before it.
//! - U-32, X-8: with a group key a session needs an event of a group. X-20: users without a session
//!   are not in "sessions per user".

mod behaviour;
pub(in crate::oracle) mod breakdown;
pub(in crate::oracle) mod civil;
mod cohort;
pub(in crate::oracle) mod filter;
pub(in crate::oracle) mod formula;
mod lookup;
mod matching;
pub(in crate::oracle) mod measure;
pub(in crate::oracle) mod metric;
pub(in crate::oracle) mod other_events;
pub(in crate::oracle) mod property;
pub(in crate::oracle) mod range;
pub(in crate::oracle) mod ranges;
pub(in crate::oracle) mod rows;
mod sample;
pub(in crate::oracle) mod selector;
pub(in crate::oracle) mod sessions;
pub(in crate::oracle) mod value;
pub(in crate::oracle) mod world;

pub use rows::{OTHER, OVERALL, Row, answer, members};
pub use world::{Event, World};

#[cfg(test)]
pub(in crate::oracle) mod tests;

//! What flows answer (section 8), the long way round.
//!
//! 1. `../attempts/`: which anchors an actor reaches (W-4).
//! 2. `path.rs`: the flows: anchors, and the labelled events around them (W-2, W-3, W-5, W-8, W-14 … W-18).
//! 3. `rows.rs`: nodes and edges, paths, trees (W-10 … W-13, W-20).
//!
//! Not here: session events as anchors (W-21).
//!
//! Where the rules leave something open, this is how it is read:
//!
//! - P-1: an event that the filter of the report drops is no anchor, no step, and excludes nothing.
//! - W-2: what is an anchor by its name (not as one of `$all_events`) is a path event wherever it
//!   happens, even if it is hidden; as one of `$all_events` it has to be a path event to be an anchor.
//! - W-4: two seconds of grace between anchors, as in funnels (F-13). What is between an anchor and
//!   one that came before it is nothing; steps after an anchor are after all anchors reached so far.
//! - W-6: the window is that from the first to the last anchor; steps after the last one are all in range.
//! - W-10: an anchor's node is not expanded. There are no edges to drop-offs (first worked example). The
//!   share of an edge is that of the flows at the anchor of its first node.
//! - W-14: expanded are events that no custom event replaces (W-16), by their own name; of an empty list
//!   the value is not set.
//! - W-17: events just before an anchor that have its label are that one step too.
//! - W-18: of several values totals run in parallel, as in F-41.
//! - W-20: paths have labels as they are, without `$other` and drop-offs. The tree is that of all paths
//!   that are told; nodes are numbered from 1, each before its children, the most frequent first.

mod path;
mod rows;
#[cfg(test)]
mod tests;

pub use rows::{answer, behind};

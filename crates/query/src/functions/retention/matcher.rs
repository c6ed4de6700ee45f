//! From what a user ever met to the answer.

use crate::functions::record::Conditions;

/// Whether each of `count` conditions counts as met, given all that any event of the user met: none
/// without the first.
pub fn retained<C: Conditions>(ever_met: C, count: usize) -> impl Iterator<Item = bool> {
    (0..count).map(move |condition| ever_met.meets(0) && ever_met.meets(condition))
}

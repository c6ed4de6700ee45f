//! Finding the event that follows a chain: plain Rust over one user's events in order.

use crate::functions::record::{Conditions, Record};

/// Where the chain goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// To later events.
    Forward,
    /// To earlier events.
    Backward,
}

/// Where the chain starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Base {
    /// At the first event.
    Head,
    /// At the last event.
    Tail,
    /// At the first event that meets the base condition and condition 1.
    FirstMatch,
    /// At the last such event.
    LastMatch,
}

/// One call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NextNode {
    /// Where the chain goes.
    pub direction: Direction,
    /// Where it starts.
    pub base: Base,
    /// How many conditions there are besides the base condition.
    pub conditions: usize,
}

impl NextNode {
    /// The place of the event that follows the chain.
    ///
    /// Shape: all events of one user in order. Of each record condition 0 is the base condition,
    /// condition *n* the function's condition *n*.
    pub fn find<C: Conditions>(&self, records: &[Record<C>]) -> Option<usize> {
        let base = self.base_of(records)?;
        let chain = &records[base..];
        let meets = |(index, record): (usize, &Record<C>)| record.conditions.meets(index + 1);
        match self.direction {
            Direction::Forward => {
                let next = base + self.conditions;
                (next < records.len() && chain.iter().take(self.conditions).enumerate().all(meets))
                    .then_some(next)
            }
            Direction::Backward => {
                let next = base.checked_sub(self.conditions)?;
                let chain = records[..=base].iter().rev().take(self.conditions);
                chain.enumerate().all(meets).then_some(next)
            }
        }
    }

    fn base_of<C: Conditions>(&self, records: &[Record<C>]) -> Option<usize> {
        let last = records.len().checked_sub(1)?;
        let may_be = |record: &Record<C>| record.conditions.meets(0);
        let matches = |record: &Record<C>| may_be(record) && record.conditions.meets(1);
        match self.base {
            Base::Head => may_be(&records[0]).then_some(0),
            Base::Tail => may_be(&records[last]).then_some(last),
            Base::FirstMatch => records.iter().position(matches),
            Base::LastMatch => records.iter().rposition(matches),
        }
    }
}

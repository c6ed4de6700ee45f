//! Which column of the events is meant.

use tallymark_event::LaneId;

/// A column of the events.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ColumnId {
    /// A system column: its position in [`tallymark_event::columns::system_fields`].
    System(usize),
    /// A lane of a property.
    Lane(LaneId),
}

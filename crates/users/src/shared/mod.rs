//! Collections that are cheap to clone and copy only what is changed.
//!
//! The states of this crate are held by readers while the writer goes on: every append clones the
//! state, changes a few entries and publishes the clone. With the collections of the standard
//! library each append would copy everything. Here a clone shares all data, and the first change
//! after it copies only the path to the changed entry. A collection nobody shares is changed in
//! place, so folding a whole log costs no copies.
//!
//! Nothing here iterates in an order that depends on anything but the contents.

mod log;
mod map;
mod sorted;

pub(crate) use log::SharedLog;
pub(crate) use map::SharedMap;
pub(crate) use sorted::SharedSortedMap;

//! What an event is: the vocabulary every other crate shares.
//!
//! Nothing here does I/O or knows a query engine. In come the words of product analytics (event,
//! time, user, property); out go their types, and the one description of how they become Arrow
//! columns:
//!
//! 1. [`Event`] and [`PropertyValue`]: one thing one user did, owned or borrowed from its text.
//! 2. [`Timestamp`], [`Day`], [`Clock`]: milliseconds UTC, UTC days, and who knows what time it is.
//! 3. [`columns`]: the system columns, their Arrow types and their order.
//! 4. [`PropertyCatalog`]: which typed column (*lane*) holds which values of which property.
//! 5. [`lane_array`]: values held in memory → the column of a lane.
//!
//! Rule ids such as D-22 refer to `crates/query/SEMANTICS.md`.

mod catalog;
pub mod columns;
mod date;
mod event;
mod lanes;
mod time;
mod value;

pub use catalog::{Lane, LaneId, LaneKind, Property, PropertyCatalog, PropertyId, ValueKinds};
pub use date::{DateShape, DateValue, parse_date};
pub use event::{DistinctId, Event};
pub use lanes::{catalog_of, lane_array};
pub use time::{Clock, Day, FixedClock, Timestamp};
pub use value::{MAX_EXACT_INTEGER, Properties, PropertyValue};

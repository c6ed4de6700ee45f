//! What the suites compare the product with.
//!
//! [`oracle`] is a second definition of everything a dataset answers, written from
//! `crates/query/SEMANTICS.md` alone: slow, obvious, and sharing no code with the product. [`cases`]
//! are the examples of that document, which oracle and product both have to answer. The suites
//! themselves are in `suites/`, one binary; SQL with its answers is in `slt/`.

pub mod behaviours;
pub mod cases;
pub mod definitions;
pub mod histories;
pub mod lookups;
pub mod oracle;

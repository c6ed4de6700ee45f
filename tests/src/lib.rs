//! What the suites compare the product with.
//!
//! [`oracle`] is a second definition of everything a dataset answers, written from
//! `crates/query/SEMANTICS.md` alone: slow, obvious, and sharing no code with the product. The suites
//! themselves are in `suites/`, one binary; SQL with its answers is in `slt/`.

pub mod oracle;

//! CSV → records.

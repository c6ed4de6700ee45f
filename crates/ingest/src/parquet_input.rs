//! Parquet rows → records.

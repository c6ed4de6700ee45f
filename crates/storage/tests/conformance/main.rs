//! One suite for every kind of store: memory, a local directory, and a store whose calls fail now
//! and then. Suites that are about faults or about merging as such choose their store themselves.

#![allow(clippy::unwrap_used, clippy::panic, clippy::missing_panics_doc, reason = "helpers of tests")]

mod cleanup;
mod commit;
mod data_file;
mod faults;
mod lease;
mod local;
mod merge;
mod rows;
mod support;
mod wal;

/// Makes a test of each named function for every kind of store.
macro_rules! conformance {
    ($($name:ident),+ $(,)?) => {
        mod memory {
            $(#[tokio::test]
            async fn $name() {
                super::$name(crate::support::Place::memory()).await;
            })+
        }
        mod local_directory {
            $(#[tokio::test]
            async fn $name() {
                super::$name(crate::support::Place::local()).await;
            })+
        }
        mod faulty {
            $(#[tokio::test]
            async fn $name() {
                super::$name(crate::support::Place::faulty()).await;
            })+
        }
    };
}
pub(crate) use conformance;

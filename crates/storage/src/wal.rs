//! The write-ahead log: records acknowledged before they are in a file.

use bytes::Bytes;

/// One acknowledged write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WalEntry {
    /// Its number; later writes have greater ones.
    pub number: u64,
    /// What was written, unchanged.
    pub payload: Bytes,
}

//! How much memory and how many threads.

/// Limits of [`crate::ResidentEvents`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MemoryConfig {
    /// How many bytes may be resident that no query is using. 2 GiB.
    pub budget_bytes: usize,
    /// How many threads decode columns; at least 1. As many as the machine has processors.
    pub threads: usize,
}

impl Default for MemoryConfig {
    fn default() -> Self {
        let threads = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        Self { budget_bytes: 2 << 30, threads }
    }
}

//! Compressed input, recognised by its first bytes.

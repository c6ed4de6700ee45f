//! Who may write.

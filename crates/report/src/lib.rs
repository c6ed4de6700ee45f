//! What a report asks.

//! Retention, frequency, lifecycle and stickiness (section 7).

super::behaviour_cases! {}

//! Flows (section 8).

super::behaviour_cases! {}

//! The questions: one file each, with what it asks, how each system is asked, and the hand loop.
//!
//! Text says the same to all; where a system has a better way to say it, the file lists that too, and
//! the faster one counts.

mod cohort_events;
mod correlation;
mod events_by_day;
mod experiment;
mod feed;
mod first_paths;
mod frequency;
mod funnel_20;
mod funnel_3;
mod funnel_5;
mod funnel_country;
mod lifecycle;
mod median_per_user;
mod paths;
mod plain_count_distinct;
mod plain_filter;
mod plain_local_days;
mod plain_min_max_avg;
mod plain_prefix;
mod plain_top;
mod plain_two_properties;
mod plain_week;
mod property_percentiles;
mod property_sums;
mod retention;
mod rolling_users;
mod segmentation;
mod sessions;
mod users_by_country;
mod users_by_day;

use super::dataset::Facts;
use super::system::Dialect;
use crate::hand::{Columns, Rows};

/// Something asked of every system.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Question {
    pub name: &'static str,
    /// For people.
    pub asks: &'static str,
    /// The texts to try, for a spelling of SQL and a table of events.
    pub sql: fn(Dialect, &str, &Facts) -> Vec<String>,
    /// The loop that answers it.
    pub hand: fn(&Columns, &Facts) -> Rows,
}

/// All of them, in the order of the table.
pub(crate) const ALL: [Question; 30] = [
    events_by_day::QUESTION,
    users_by_day::QUESTION,
    users_by_country::QUESTION,
    segmentation::QUESTION,
    property_sums::QUESTION,
    property_percentiles::QUESTION,
    rolling_users::QUESTION,
    frequency::QUESTION,
    median_per_user::QUESTION,
    funnel_3::QUESTION,
    funnel_5::QUESTION,
    funnel_20::QUESTION,
    funnel_country::QUESTION,
    retention::QUESTION,
    lifecycle::QUESTION,
    cohort_events::QUESTION,
    sessions::QUESTION,
    paths::QUESTION,
    first_paths::QUESTION,
    correlation::QUESTION,
    experiment::QUESTION,
    feed::QUESTION,
    plain_two_properties::QUESTION,
    plain_filter::QUESTION,
    plain_prefix::QUESTION,
    plain_week::QUESTION,
    plain_local_days::QUESTION,
    plain_min_max_avg::QUESTION,
    plain_count_distinct::QUESTION,
    plain_top::QUESTION,
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::query::system::System;

    #[test]
    fn questions_have_names_of_their_own_and_texts_for_all() {
        let names: BTreeSet<&str> = ALL.iter().map(|question| question.name).collect();
        assert_eq!(names.len(), ALL.len());
        let facts = Facts { busiest_user: "u1".to_owned(), ..Facts::default() };
        for question in ALL {
            for dialect in System::ALL.into_iter().filter_map(System::dialect) {
                let texts = (question.sql)(dialect, "the_events", &facts);
                assert!(!texts.is_empty(), "{}", question.name);
                for text in texts {
                    // Reports are over the events of the dataset, under whatever name.
                    let is_report = text.contains("('{");
                    assert!(text.contains("the_events") || is_report, "{}: {text}", question.name);
                }
            }
        }
    }
}

//! A funnel by country.

use super::Question;
use crate::hand::funnel;
use crate::query::funnel_sql::{WEEK_MS, levels};

const STEPS: [&str; 4] = ["Page View", "View Item", "Add to Cart", "Purchase"];

pub(crate) const QUESTION: Question = Question {
    name: "funnel-country",
    asks: "4-step funnel, 7-day window, by country: users by last step reached",
    sql: |dialect, events, _| levels(dialect, events, &STEPS, true),
    hand: |columns, _| funnel::levels(columns, &STEPS, WEEK_MS, true),
};

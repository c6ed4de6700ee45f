//! A funnel of five steps.

use super::Question;
use crate::hand::funnel;
use crate::query::funnel_sql::{WEEK_MS, levels};

const STEPS: [&str; 5] = ["App Open", "Search", "View Item", "Add to Cart", "Checkout"];

pub(crate) const QUESTION: Question = Question {
    name: "funnel-5",
    asks: "5-step funnel, 7-day window: users by last step reached",
    sql: |dialect, events, _| levels(dialect, events, &STEPS, false),
    hand: |columns, _| funnel::levels(columns, &STEPS, WEEK_MS, false),
};

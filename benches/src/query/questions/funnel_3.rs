//! A funnel of three steps.

use super::Question;
use crate::hand::funnel;
use crate::query::funnel_sql::{WEEK_MS, levels};

const STEPS: [&str; 3] = ["View Item", "Add to Cart", "Purchase"];

pub(crate) const QUESTION: Question = Question {
    name: "funnel-3",
    asks: "3-step funnel, 7-day window: users by last step reached",
    sql: |dialect, events, _| levels(dialect, events, &STEPS, false),
    hand: |columns, _| funnel::levels(columns, &STEPS, WEEK_MS, false),
};

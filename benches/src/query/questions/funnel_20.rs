//! A funnel of twenty steps.

use super::Question;
use crate::hand::funnel;
use crate::query::funnel_sql::{WEEK_MS, levels};

const STEPS: [&str; 20] = [
    "Page View",
    "View Item",
    "Search",
    "Add to Cart",
    "Like",
    "App Open",
    "Watch Video",
    "Checkout",
    "Share",
    "Comment",
    "Notification Opened",
    "Enter Shipping",
    "Remove from Cart",
    "Enter Payment",
    "Purchase",
    "Change Setting",
    "Error",
    "Support Chat",
    "Log Out",
    "Log In",
];

pub(crate) const QUESTION: Question = Question {
    name: "funnel-20",
    asks: "20-step funnel, 7-day window: users by last step reached",
    sql: |dialect, events, _| levels(dialect, events, &STEPS, false),
    hand: |columns, _| funnel::levels(columns, &STEPS, WEEK_MS, false),
};

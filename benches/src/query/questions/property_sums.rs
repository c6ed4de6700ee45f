//! Sum and average of a property.

use super::Question;
use crate::hand::properties;

pub(crate) const QUESTION: Question = Question {
    name: "property-sums",
    asks: "count, sum, average, least and largest amount of one event by currency",
    sql: |_, events, _| {
        vec![format!(
            "SELECT currency, count(amount), sum(amount), avg(amount), min(amount), max(amount) \
             FROM {events} WHERE event = 'Purchase' GROUP BY currency"
        )]
    },
    hand: |columns, _| {
        let amount = |amount: f64| (!amount.is_nan()).then_some(amount);
        properties::sums(columns, "Purchase", &columns.currency, &columns.amount, amount)
    },
};

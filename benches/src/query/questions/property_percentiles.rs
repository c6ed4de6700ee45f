//! Percentiles of a property.

use super::Question;
use crate::hand::properties;

const SHARES: [f64; 3] = [0.5, 0.9, 0.99];

pub(crate) const QUESTION: Question = Question {
    name: "property-percentiles",
    asks: "median, 90th and 99th percentile of an amount by currency, exact",
    sql: |dialect, events, _| {
        let [median, p90, p99] = SHARES.map(|share| dialect.percentile("amount", share));
        vec![format!(
            "SELECT currency, {median}, {p90}, {p99} FROM {events} WHERE event = 'Purchase' GROUP BY currency"
        )]
    },
    hand: |columns, _| properties::percentiles(columns, "Purchase", &columns.currency, &SHARES),
};

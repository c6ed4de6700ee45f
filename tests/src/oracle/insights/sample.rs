//! Who is in a sample, and what is told as of all (S-91).

use tallymark_report::{Aggregate, Insights, Measure};

/// Whether an id is in the sample of a report; all are where it has none, nobody's too.
pub(super) fn has(insights: &Insights, id: Option<&str>) -> bool {
    match (insights.sample, id) {
        (None, _) => true,
        (Some(_), None) => false,
        (Some(share), Some(id)) => {
            let mut hash = xxhash_rust::xxh3::Xxh3Builder::new().with_seed(0).build();
            hash.update(id.as_bytes());
            let upper = hash.digest() / 2048;
            upper as f64 / 9_007_199_254_740_992.0 < share
        }
    }
}

/// What is divided by the share.
pub(super) fn is_scaled(measure: &Measure) -> bool {
    let over = |aggregate: &Aggregate| {
        [Aggregate::Sum, Aggregate::Count, Aggregate::Distribution].contains(aggregate)
    };
    match measure {
        Measure::OfProperty { aggregate, .. } | Measure::OverUsers { aggregate, .. } => over(aggregate),
        _ => true,
    }
}

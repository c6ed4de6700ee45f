//! When a launch was taken up.

use datafusion::logical_expr::Expr;
use tallymark_report::Instants;

use crate::Result;
use crate::report::asked::Asked;
use crate::report::chosen::BehaviourScan;
use crate::resident::by_user::{Matcher, UserEvents, UserScan};

/// The first and the last time that a user did it first, of the times in the range; the start of the range
/// if nobody did (M-80).
pub(super) async fn adopted(
    asked: &Asked,
    launch: Expr,
    ever: &Instants,
    range: Instants,
) -> Result<(i64, i64)> {
    let within = asked.within(ever);
    let scan = BehaviourScan { within, conditions: vec![launch], labels: Vec::new(), numbers: Vec::new() };
    let (found, _) = scan.run_with(asked, First { range }, UserScan::once_ever).await?;
    Ok(found.unwrap_or((range.from, range.from)))
}

/// Finds the first times.
struct First {
    range: Instants,
}

impl Matcher for First {
    type Partial = Option<(i64, i64)>;

    fn start(&self) -> Self::Partial {
        None
    }

    fn user(&self, user: &UserEvents<'_>, found: &mut Self::Partial) {
        let Some(time) = user.records.first().map(|record| record.time) else { return };
        if self.range.from <= time && time < self.range.to {
            self.merge(found, Some((time, time)));
        }
    }

    fn merge(&self, total: &mut Self::Partial, later: Self::Partial) {
        *total = match (*total, later) {
            (Some((first, last)), Some(other)) => Some((first.min(other.0), last.max(other.1))),
            (one, other) => one.or(other),
        };
    }

    fn bytes(&self, _: &Self::Partial) -> usize {
        0
    }
}

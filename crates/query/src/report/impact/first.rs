//! When a launch was taken up.

use tallymark_report::Instants;

use crate::Result;
use crate::report::asked::Asked;
use crate::report::chosen::BehaviourScan;
use crate::report::groups::Collect;
use crate::resident::by_user::{Matcher, UserEvents, UserScan};

/// The first and the last time that a user, or group, did it first, of the times in the range; the start of the
/// range if nobody did (M-80). The launch is the only condition of the scan.
pub(super) async fn adopted(
    asked: &Asked,
    scan: BehaviourScan,
    collect: Option<Collect>,
    range: Instants,
) -> Result<(i64, i64)> {
    let found = scan.run_of_actors(asked, First { range }, collect, UserScan::once_ever).await?;
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

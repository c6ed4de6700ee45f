//! Funnels (section 6): how many get from step to step.
//!
//! 1. [`question`]: a definition → what a scan has to know of each event, and [`Steps`].
//! 2. [`attempts`]: the events of one actor → their attempts. Plain code over numbers.
//! 3. [`filter`]: whether an attempt passes the filter of the report, by the values of its steps.
//! 4. [`tally`]: attempts → counts, times and numbers for each segment, added up over actors.
//!    [`attribution`] says in which segments an attempt is, [`levels`] counts as ClickHouse does.
//! 5. [`groups`]: the same where actors are groups.
//! 6. [`explain`]: the attempts of one user, step by step.
//! 7. [`rows`]: the answer, with [`significance`].

pub(super) mod attempts;
mod attribution;
mod explain;
mod filter;
mod groups;
mod levels;
pub(super) mod question;
mod rows;
mod significance;
pub(super) mod tally;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::sync::Arc;

use arrow::array::RecordBatch;
use tallymark_report::{Buckets, DefinitionError, Funnel, Instants, IntervalAttempts, Scope};

use self::question::Asking;
pub(super) use self::rows::schema;
use self::tally::{Cell, Tally, Wanted};
use super::asked::Asked;
use super::insights::OTHER;
use super::segments::Ranges;
use crate::Result;

/// The rows of a funnel: see [`super::schema`].
pub(super) async fn run(asked: &Asked, scope: &Scope, funnel: &Funnel) -> Result<RecordBatch> {
    let asking = Asking::try_new(asked, scope, funnel).await?;
    if let Some(user) = &funnel.explain {
        let user = asked.tables.snapshot().identities.canonical(user).to_owned();
        return explain::batch(scope, &asking.explained(&user).await?);
    }
    let time_ranges = time_ranges(&asking).await?;
    let shown = shown(&asking).await?;
    let other = other(&shown);
    let wanted = Wanted { time_ranges, other, ..Wanted::default() };
    let tallies = asking.tallies(wanted).await?;
    rows::batch(&asking, &shown.segments, tallies)
}

/// The users behind a number of a funnel (M-4).
pub(super) async fn users(asked: &Asked, scope: &Scope, funnel: &Funnel) -> Result<BTreeSet<String>> {
    let asking = Asking::try_new(asked, scope, funnel).await?;
    let Some(step_of) = &funnel.users_of else { return Ok(BTreeSet::new()) };
    let is_split = step_of.segments.iter().any(|label| label != super::insights::OVERALL);
    let segments = is_split.then(|| step_of.segments.clone());
    let is_other = is_split && step_of.segments.iter().all(|label| label == OTHER);
    let other = if is_other { other(&shown(&asking).await?) } else { None };
    let bucket = match (&step_of.time, funnel.interval) {
        (Some(time), Some(unit)) => {
            let inside = asked.calendar.start_of(time).map_err(|error| error.within("users_of.time"))?;
            let start = asked.calendar.bucket(inside, unit);
            let Some(at) = asking.buckets.iter().position(|bucket| *bucket == start) else {
                return Err(DefinitionError::new("users_of.time", "is not in the range of the report").into());
            };
            Some(at)
        }
        _ => None,
    };
    let cell = Cell { step: step_of.step - 1, dropped_off: step_of.dropped_off, bucket, segments };
    let tallies = asking.tallies(Wanted { other, users_of: Some(cell), ..Wanted::default() }).await?;
    Ok(tallies.actors.into_iter().collect())
}

/// The segments that are shown, in order of rank (B-31), and whether there are more.
#[derive(Debug, Default)]
struct Shown {
    segments: Vec<Vec<String>>,
    has_other: bool,
}

/// The segments that are not `$other`, where there is such a one.
fn other(shown: &Shown) -> Option<Arc<hashbrown::HashSet<Vec<String>>>> {
    shown.has_other.then(|| Arc::new(shown.segments.iter().cloned().collect()))
}

async fn shown(asking: &Asking<'_>) -> Result<Shown> {
    let Funnel { breakdowns, top, other, .. } = asking.funnel;
    if breakdowns.is_empty() {
        return Ok(Shown::default());
    }
    // B-32: over the whole range.
    let tallies = asking.tallies(Wanted { counts_only: true, ..Wanted::default() }).await?;
    let mut ranked: Vec<(u64, Vec<String>)> = tallies
        .segments
        .into_iter()
        .map(|(labels, tallies)| (tallies.iter().map(Tally::started).sum(), labels))
        .collect();
    ranked.retain(|(count, _)| *count > 0);
    ranked.sort_by(|(a_count, a), (b_count, b)| b_count.cmp(a_count).then_with(|| a.cmp(b)));
    let top = top.unwrap_or(usize::MAX);
    let has_other = *other && ranked.len() > top;
    ranked.truncate(top);
    Ok(Shown { segments: ranked.into_iter().map(|(_, labels)| labels).collect(), has_other })
}

/// The ranges of seconds that attempts are split by (F-72); those chosen from the values need a look
/// at all of them (B-10).
async fn time_ranges(asking: &Asking<'_>) -> Result<Option<Arc<Option<Ranges>>>> {
    let Some(split) = &asking.funnel.time_buckets else { return Ok(None) };
    let ranges = match &split.buckets {
        Buckets::Even(even) => Some(Ranges::even(*even)),
        Buckets::At(edges) => Some(Ranges::at(edges.clone())),
        Buckets::Auto | Buckets::Groups(_) => {
            let tallies = asking.tallies(Wanted { split_times: true, ..Wanted::default() }).await?;
            let mut times = tallies.split_times;
            times.sort_unstable();
            times.dedup();
            match (times.first(), times.last()) {
                (Some(min), Some(max)) if times.len() > 10 => {
                    Some(Ranges::automatic(*min as f64 / 1000.0, *max as f64 / 1000.0))
                }
                _ => None,
            }
        }
    };
    Ok(Some(Arc::new(ranges)))
}

/// Whether the attempts of each bucket are found without those of the others (F-76).
fn is_independent(funnel: &Funnel) -> bool {
    funnel.interval.is_some() && funnel.interval_attempts == IntervalAttempts::Independent
}

/// The buckets of a range; the whole range if there is no interval.
fn buckets(asked: &Asked, funnel: &Funnel, range: &Instants) -> Vec<i64> {
    match funnel.interval {
        Some(unit) => asked.calendar.buckets(range, unit),
        None => vec![range.from],
    }
}

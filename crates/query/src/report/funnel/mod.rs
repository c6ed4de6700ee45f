//! Funnels (section 6): how many get from step to step.
//!
//! 1. [`question`]: a definition → what a scan has to know of each event, and [`Steps`].
//! 2. [`attempts`]: the events of one actor → their attempts. Plain code over numbers.
//! 3. [`filter`]: whether an attempt passes the filter of the report, by the values of its steps.
//! 4. [`tally`]: attempts → counts, times and numbers for each segment, added up over actors.
//!    [`attribution`] says in which segments an attempt is, [`between`] what happened between its steps,
//!    [`levels`] counts as ClickHouse does.
//! 5. [`groups`]: the same where actors are groups.
//! 6. [`explain`]: the attempts of one user, step by step.
//! 7. [`rows`]: the answer, with [`significance`].

pub(super) mod attempts;
mod attribution;
mod between;
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
use hashbrown::HashMap;
use tallymark_report::{
    Breakdown, Buckets, DefinitionError, Funnel, Instants, IntervalAttempts, Scope, TimeBuckets, Unit,
};

use self::between::{OfNumbers, is_of_attempts};
use self::question::Asking;
pub(super) use self::rows::schema;
use self::tally::{Cell, Tallies, Tally, Wanted};
use super::asked::Asked;
use super::insights::{self, OTHER};
use super::segments::Ranges;
use super::units::Units;
use crate::Result;

/// The rows of a funnel: see [`super::schema`].
pub(super) async fn run(asked: &Asked, scope: &Scope, funnel: &Funnel) -> Result<RecordBatch> {
    let compared = funnel.compared();
    if compared.is_empty() {
        return one(asked, scope, funnel, None).await;
    }
    // F-77.
    let mut answers = Vec::with_capacity(compared.len());
    for (label, alternative) in compared {
        answers.push((label, one(asked, scope, &alternative, None).await?));
    }
    rows::side_by_side(scope, funnel, answers)
}

/// The rows of a funnel for the segments that are told, and for all others as one (S-26).
pub(super) async fn of_segments(
    asked: &Asked,
    scope: &Scope,
    funnel: &Funnel,
    told: &[Vec<String>],
) -> Result<RecordBatch> {
    one(asked, scope, funnel, Some(told)).await
}

async fn one(
    asked: &Asked,
    scope: &Scope,
    funnel: &Funnel,
    told: Option<&[Vec<String>]>,
) -> Result<RecordBatch> {
    let asking = Asking::try_new(asked, scope, funnel).await?;
    if let Some(user) = &funnel.explain {
        let user = asked.tables.snapshot().identities.canonical(user).to_owned();
        return explain::batch(scope, &asking.explained(&user).await?);
    }
    let chosen = chosen(&asking).await?;
    let time_ranges = time_ranges(&asking, &chosen);
    let number_labels = number_labels(&asking, &chosen)?;
    let wanted = Wanted { number_labels, time_ranges, ..Wanted::default() };
    let (shown, tallies) = if let Some(told) = told {
        (Shown { segments: told.to_vec(), has_other: true }, None)
    } else if asking.shape.is_independent {
        (shown(&asking, &wanted.number_labels).await?, None)
    } else {
        // What is counted also ranks: the attempts of buckets are those of the range.
        let tallies = asking.tallies(wanted.clone()).await?;
        (ranked(funnel, started(funnel, &tallies)), Some(tallies))
    };
    let other = other(&shown);
    let tallies = match tallies {
        Some(tallies) if other.is_none() => tallies,
        _ => asking.tallies(Wanted { other, ..wanted }).await?,
    };
    rows::batch(&asking, &shown.segments, tallies)
}

/// The users behind a number of a funnel (M-4); what is no segment that is `told` is another, if that is
/// said.
pub(super) async fn users(
    asked: &Asked,
    scope: &Scope,
    funnel: &Funnel,
    told: Option<&[Vec<String>]>,
) -> Result<BTreeSet<String>> {
    let asking = Asking::try_new(asked, scope, funnel).await?;
    let Some(step_of) = &funnel.users_of else { return Ok(BTreeSet::new()) };
    let is_split = step_of.segments.iter().any(|label| label != insights::OVERALL);
    let segments = is_split.then(|| step_of.segments.clone());
    let is_other = is_split && step_of.segments.iter().all(|label| label == OTHER);
    let number_labels = number_labels(&asking, &chosen(&asking).await?)?;
    let other = match told {
        _ if !is_other => None,
        Some(told) => Some(Arc::new(told.iter().cloned().collect())),
        None => other(&shown(&asking, &number_labels).await?),
    };
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
    let tallies =
        asking.tallies(Wanted { number_labels, other, users_of: Some(cell), ..Wanted::default() }).await?;
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

/// By the whole range (B-32); segments that only a bucket has come last.
async fn shown(asking: &Asking<'_>, number_labels: &Arc<[OfNumbers]>) -> Result<Shown> {
    let funnel = asking.funnel;
    if funnel.breakdowns.is_empty() {
        return Ok(Shown::default());
    }
    let number_labels = Arc::clone(number_labels);
    let wanted = Wanted { counts_only: true, number_labels, ..Wanted::default() };
    let whole = Wanted { whole_range: true, ..wanted.clone() };
    let mut counts = started(funnel, &asking.tallies(whole).await?);
    if asking.shape.is_independent {
        // B-6: what an attempt of the range has taken may start one of a bucket.
        for labels in started(funnel, &asking.tallies(wanted).await?).into_keys() {
            counts.entry(labels).or_insert(0);
        }
    }
    Ok(ranked(funnel, counts))
}

/// How many started in each segment in which somebody did, whatever time it took them.
fn started(funnel: &Funnel, tallies: &Tallies) -> HashMap<Vec<String>, u64> {
    let mut counts: HashMap<Vec<String>, u64> = HashMap::new();
    for (labels, tallies) in tallies.segments.iter().filter(|_| !funnel.breakdowns.is_empty()) {
        let count = tallies.iter().map(Tally::started).sum::<u64>();
        if count > 0 {
            *counts.entry_ref(&labels[..funnel.breakdowns.len()]).or_default() += count;
        }
    }
    counts
}

/// The segments in order of rank (B-31), as many as are shown.
fn ranked(funnel: &Funnel, counts: HashMap<Vec<String>, u64>) -> Shown {
    let mut ranked: Vec<(Vec<String>, u64)> = counts.into_iter().collect();
    ranked.sort_by(|(a, a_count), (b, b_count)| b_count.cmp(a_count).then_with(|| a.cmp(b)));
    let top = funnel.top.unwrap_or(usize::MAX);
    let has_other = funnel.other && ranked.len() > top;
    ranked.truncate(top);
    Shown { segments: ranked.into_iter().map(|(labels, _)| labels).collect(), has_other }
}

/// What ranges are chosen from that come from the attempts of the whole range (B-10): how long they took,
/// and their numbers.
async fn chosen(asking: &Asking<'_>) -> Result<Tallies> {
    let Funnel { time_buckets, breakdowns, .. } = asking.funnel;
    let by_time = matches!(time_buckets, Some(TimeBuckets { buckets: Buckets::Auto, .. }));
    let by_number = breakdowns.iter().any(|of| is_by_number(of) && insights::chooses_ranges(of));
    if !by_time && !by_number {
        return Ok(Tallies::default());
    }
    asking.tallies(Wanted { whole_range: true, to_choose_from: true, ..Wanted::default() }).await
}

fn is_by_number(breakdown: &Breakdown) -> bool {
    matches!(breakdown, Breakdown::Property { property, .. } if is_of_attempts(property))
}

/// The ranges of seconds that attempts are split by (F-72).
fn time_ranges(asking: &Asking<'_>, chosen: &Tallies) -> Option<Arc<Option<Ranges>>> {
    let split = asking.funnel.time_buckets.as_ref()?;
    Some(Arc::new(match &split.buckets {
        Buckets::Even(even) => Some(Ranges::even(*even)),
        Buckets::At(edges) => Some(Ranges::at(edges.clone())),
        Buckets::Auto | Buckets::Groups(_) => {
            let seconds = chosen.split_times.iter().map(|millis| *millis as f64 / 1000.0);
            Ranges::chosen(seconds.collect())
        }
    }))
}

/// How the numbers of attempts are called that breakdowns go by (F-75).
fn number_labels(asking: &Asking<'_>, chosen: &Tallies) -> Result<Arc<[OfNumbers]>> {
    let breakdowns = asking.funnel.breakdowns.iter().filter(|of| is_by_number(of)).enumerate();
    let labels = breakdowns.map(|(at, breakdown)| {
        let numbers = chosen.numbers.get(at).filter(|_| insights::chooses_ranges(breakdown));
        let ranges = numbers.cloned().and_then(Ranges::chosen);
        OfNumbers::labels(asking.asked, breakdown, ranges)
    });
    labels.collect()
}

/// Whether the attempts of each bucket are found without those of the others (F-76).
fn is_independent(funnel: &Funnel) -> bool {
    funnel.interval.is_some() && funnel.interval_attempts == IntervalAttempts::Independent
}

/// When buckets of a range begin, and which: of a repeated hour, that is later than it is known by (G-6).
fn bucket_begins(asked: &Asked, funnel: &Funnel, range: &Instants) -> Vec<(i64, usize)> {
    match funnel.interval {
        None | Some(Unit::Minute) => buckets(asked, funnel, range).into_iter().zip(0..).collect(),
        Some(unit) => {
            let units = Units::new(asked.calendar, unit, range.from, range.to);
            let mut near = 0;
            let of = |begin: &i64| Some((*begin, units.at(*begin, &mut near)?));
            units.begins().iter().filter_map(of).collect()
        }
    }
}

/// The buckets of a range; the whole range if there is no interval.
fn buckets(asked: &Asked, funnel: &Funnel, range: &Instants) -> Vec<i64> {
    match funnel.interval {
        Some(unit) => asked.calendar.buckets(range, unit),
        None => vec![range.from],
    }
}

//! Daily, weekly and monthly active users (S-40).

use std::collections::BTreeMap;

use arrow::array::AsArray as _;
use arrow::compute::cast;
use arrow::datatypes::TimestampMillisecondType;
use chrono::{Days, NaiveDate};
use datafusion::functions_aggregate::expr_fn as aggregate;
use datafusion::logical_expr::Expr;
use tallymark_report::{Measure, Unit};

use super::super::asked::{Asked, arrow_error, column, plan_error};
use super::super::convert::TEXT;
use super::combinations::Combinations;
use super::measure::{BUCKET, Cell, Question, USER};
use crate::resident::by_user::{Matcher, Record, UserEvents, UserScan};
use crate::{Error, Result};

/// How many days back an active user is one (S-12), if that is measured.
pub(super) fn days_of(measure: &Measure) -> Option<u32> {
    match measure {
        Measure::DailyActiveUsers => Some(1),
        Measure::WeeklyActiveUsers => Some(7),
        // S-41.
        Measure::MonthlyActiveUsers => Some(30),
        _ => None,
    }
}

/// For each bucket, the different users of so many civil days up to its last.
pub(super) async fn measured(asked: &Asked, question: &Question<'_>, days: u32) -> Result<Vec<Cell>> {
    let calendar = asked.calendar;
    let range = question.range;
    let ends: Vec<(Option<i64>, NaiveDate)> = match question.interval {
        Some(unit) => {
            let buckets = calendar.buckets(&range, unit);
            let next = |at: usize| buckets.get(at + 1).copied().unwrap_or(range.to).min(range.to);
            (0..buckets.len()).map(|at| (Some(buckets[at]), calendar.day(next(at) - 1))).collect()
        }
        None => vec![(None, calendar.day(range.to - 1))],
    };
    let (Some((_, first)), Some((_, last))) = (ends.first(), ends.last()) else { return Ok(Vec::new()) };
    let from = first.checked_sub_days(Days::new(u64::from(days) - 1)).unwrap_or(*first);
    let looked_at = calendar.days(from, *last);
    let by_day = Question { range: looked_at, left_out: None, ..question.clone() };
    let starts = calendar.day_starts(from, *last);
    let days = ActiveDays::new(&starts, &ends, days);
    let counts = if question.metric.count_by.is_some() {
        of_groups(asked, &by_day, days, ends.len()).await?
    } else {
        of_users(asked, &by_day, days, ends.len()).await?
    };
    let cells = counts.0.into_iter().flat_map(|(segments, changes)| {
        let of_end = |((bucket, _), count): (&(Option<i64>, NaiveDate), i64)| Cell {
            segments: segments.clone(),
            bucket: *bucket,
            of: None,
            text: None,
            value: Some(count as f64),
        };
        ends.iter().zip(changes.at_ends()).map(of_end).collect::<Vec<_>>()
    });
    Ok(cells.collect())
}

/// Users are looked at one after the other.
async fn of_users(
    asked: &Asked,
    question: &Question<'_>,
    days: ActiveDays,
    end_count: usize,
) -> Result<Counts> {
    let segments = asked.segments(question.breakdowns, &question.automatic)?;
    let labels: Vec<Expr> = segments.into_iter().map(|segment| segment.label).collect();
    let has_labels = !labels.is_empty();
    let events = asked.events();
    let chosen = asked.chosen(question).await?;
    let mut users = UserScan::try_new(&asked.state, &events, vec![chosen], labels).map_err(plan_error)?;
    if !has_labels {
        users = users.once_between(days.starts.clone());
    }
    let failed = |source| Error::Run { source };
    let within = asked.within(&question.range);
    let layout = events.layout_of(&asked.state, &[within], users.inputs()).await.map_err(failed)?;
    let matcher = Active { days, end_count, combinations: Combinations::of(question) };
    users.run(layout, matcher, &asked.state.runtime_env().memory_pool).await.map_err(failed)
}

/// Groups have events of several users, and of nobody: the days of each are collected by a plan.
async fn of_groups(
    asked: &Asked,
    question: &Question<'_>,
    days: ActiveDays,
    end_count: usize,
) -> Result<Counts> {
    let by_day = Question { interval: Some(Unit::Day), ..question.clone() };
    let (plan, keys) = asked.prepared(&by_day).await?;
    let segments: Vec<Expr> = keys.into_iter().filter(|key| *key != column(BUCKET)).collect();
    let segment_count = segments.len();
    let of_group: Vec<Expr> = segments.into_iter().chain([column(USER)]).collect();
    let of_day: Vec<Expr> = of_group.iter().cloned().chain([column(BUCKET)]).collect();
    let plan = plan
        .aggregate(of_day, Vec::<Expr>::new())
        .and_then(|plan| plan.aggregate(of_group, [aggregate::array_agg(column(BUCKET))]))
        .map_err(plan_error)?;
    let mut counts = Counts::default();
    for batch in asked.collect(plan).await? {
        let labels = (0..segment_count)
            .map(|at| cast(batch.column(at), &TEXT).map_err(arrow_error))
            .collect::<Result<Vec<_>>>()?;
        let active = batch.column(segment_count + 1).as_list::<i32>();
        for row in 0..batch.num_rows() {
            let times = active.value(row);
            let mut times: Vec<i64> =
                times.as_primitive::<TimestampMillisecondType>().iter().flatten().collect();
            times.sort_unstable();
            let segments =
                labels.iter().map(|labels| labels.as_string_view().value(row).to_owned()).collect();
            let changes = counts.0.entry(segments).or_default();
            let mut counted = 0;
            days.each(times, |_, ends| changes.add(ends, &mut counted, end_count));
        }
    }
    Ok(counts)
}

/// Which ends of buckets a day counts for.
struct ActiveDays {
    /// Where days begin.
    starts: Vec<i64>,
    /// The ends that each of them counts for: from the first to the one after the last.
    ends: Vec<(u32, u32)>,
}

impl ActiveDays {
    fn new(starts: &[(i64, NaiveDate)], ends: &[(Option<i64>, NaiveDate)], days: u32) -> Self {
        let of_day = |day: NaiveDate| {
            let from = ends.partition_point(|(_, end)| *end < day);
            let to = ends.partition_point(|(_, end)| (*end - day).num_days() < i64::from(days));
            (from as u32, to as u32)
        };
        Self {
            starts: starts.iter().map(|(start, _)| *start).collect(),
            ends: starts.iter().map(|(_, day)| of_day(*day)).collect(),
        }
    }

    /// Gives the ends that each of these counts for, which are ascending in time.
    fn each<T: At>(&self, all: impl IntoIterator<Item = T>, mut each: impl FnMut(T, (u32, u32))) {
        // How many days have begun.
        let mut begun = 0;
        for one in all {
            let later = &self.starts[begun..];
            if later.first().is_some_and(|start| *start <= one.at()) {
                begun += later.partition_point(|start| *start <= one.at());
            }
            if let Some(day) = begun.checked_sub(1) {
                each(one, self.ends[day]);
            }
        }
    }
}

/// Something that happened.
trait At: Copy {
    /// When, in milliseconds.
    fn at(self) -> i64;
}

impl At for i64 {
    fn at(self) -> i64 {
        self
    }
}

impl At for &Record {
    fn at(self) -> i64 {
        self.time
    }
}

/// Counts active users.
struct Active {
    days: ActiveDays,
    end_count: usize,
    combinations: Combinations,
}

/// How many are active, by segments.
#[derive(Default)]
struct Counts(BTreeMap<Vec<String>, Changes>);

/// How many more are active at each end than at the one before.
#[derive(Default)]
struct Changes(Vec<i64>);

impl Changes {
    /// Somebody is active at these ends; `counted` is the end after the last one they were counted at.
    fn add(&mut self, (from, to): (u32, u32), counted: &mut u32, end_count: usize) {
        let from = from.max(*counted);
        if from < to {
            self.0.resize(end_count + 1, 0);
            self.0[from as usize] += 1;
            self.0[to as usize] -= 1;
            *counted = to;
        }
    }

    /// How many are active at each end, and then nobody.
    fn at_ends(self) -> impl Iterator<Item = i64> {
        let mut count = 0;
        self.0.into_iter().chain(std::iter::repeat(0)).map(move |change| {
            count += change;
            count
        })
    }
}

impl Matcher for Active {
    type Partial = Counts;

    fn start(&self) -> Counts {
        Counts::default()
    }

    fn user(&self, user: &UserEvents<'_>, partial: &mut Counts) {
        if self.combinations.count == 0 {
            let changes = match partial.0.first_entry() {
                Some(entry) => entry.into_mut(),
                None => partial.0.entry(Vec::new()).or_default(),
            };
            let mut counted = 0;
            self.days.each(user.records, |_, ends| changes.add(ends, &mut counted, self.end_count));
            return;
        }
        // The end after the last one that was counted, by segments.
        let mut counted: Vec<(Vec<String>, u32)> = Vec::new();
        self.days.each(user.records, |record, ends| {
            for segments in self.combinations.segments(user, record) {
                let known = counted.iter().position(|(known, _)| *known == segments);
                let known = known.unwrap_or_else(|| {
                    counted.push((segments, 0));
                    counted.len() - 1
                });
                let (segments, counted) = &mut counted[known];
                let changes = match partial.0.get_mut(segments) {
                    Some(changes) => changes,
                    None => partial.0.entry(segments.clone()).or_default(),
                };
                changes.add(ends, counted, self.end_count);
            }
        });
    }

    fn merge(&self, total: &mut Counts, later: Counts) {
        for (segments, Changes(later)) in later.0 {
            let Changes(changes) = total.0.entry(segments).or_default();
            changes.resize(later.len().max(changes.len()), 0);
            changes.iter_mut().zip(later).for_each(|(change, more)| *change += more);
        }
    }

    fn bytes(&self, partial: &Counts) -> usize {
        partial.0.values().map(|changes| changes.0.capacity() * 8 + 96).sum()
    }
}

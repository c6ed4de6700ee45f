//! Births and returns.

use std::collections::BTreeSet;

use tallymark_report::{Alignment, Criterion, EventSelector, Retention, Scope, Unit};

use crate::oracle::insights::breakdown::Segment;
use crate::oracle::insights::civil::{Bucket, Span};
use crate::oracle::insights::filter::passes;
use crate::oracle::insights::selector::occurrences;
use crate::oracle::insights::world::{Event, Subject, View};

const HOUR: i64 = 3_600_000;

/// An actor born in a unit of time.
#[derive(Debug, Clone)]
pub(super) struct Birth<'a> {
    pub(super) actor: String,
    pub(super) event: &'a Event,
    /// The return events after it, in order.
    pub(super) returns: Vec<&'a Event>,
    /// Whether births are returns too.
    is_return: bool,
    /// For each bracket the instants between which a return is in it; the end is not one of them.
    bounds: Vec<(i64, i64)>,
    pub(super) segments: BTreeSet<Segment>,
}

/// Whether the same events are chosen, in whatever order and however often each is named.
fn is_same<T: PartialEq>(one: &[T], other: &[T]) -> bool {
    one.iter().all(|choice| other.contains(choice)) && other.iter().all(|choice| one.contains(choice))
}

/// A unit of time, and who was born in it.
#[derive(Debug, Clone)]
pub(super) struct Cohort<'a> {
    pub(super) bucket: Bucket,
    /// The starts of the unit and of those after it.
    starts: Vec<i64>,
    pub(super) births: Vec<Birth<'a>>,
}

/// Which units after the birth a bucket is; the end is not one of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Bracket {
    pub(super) from: u32,
    pub(super) to: u32,
}

/// The events of a range that users are born with, whoever did them (B-10).
pub(super) fn all_births<'a>(
    view: View<'a>,
    scope: &Scope,
    retention: &Retention,
    range: Span,
) -> Vec<Subject<'a>> {
    let all = events_of(view, scope, &retention.birth, retention.count_by.as_deref()).into_iter();
    all.filter(|(event, _)| range.contains(event.time)).map(|(event, _)| Subject::of_event(event)).collect()
}

/// An event of some actors, that passes the filter of the report.
fn events_of<'a>(
    view: View<'a>,
    scope: &Scope,
    selector: &EventSelector,
    group_key: Option<&str>,
) -> Vec<(&'a Event, Vec<String>)> {
    occurrences(view, selector, group_key)
        .into_iter()
        .filter(|one| scope.filter.iter().all(|filter| passes(view, filter, Subject::of_event(one.event))))
        .map(|one| (one.event, one.actors))
        .collect()
}

/// The cohorts of the buckets of a range.
pub(super) fn cohorts<'a>(
    view: View<'a>,
    scope: &Scope,
    retention: &Retention,
    buckets: Vec<Bucket>,
    brackets: &[Bracket],
) -> Vec<Cohort<'a>> {
    let key = retention.count_by.as_deref();
    let born = events_of(view, scope, &retention.birth, key);
    let returned = events_of(view, scope, &retention.return_event, key);
    let place = |event: &Event| event.place;
    let units = brackets.last().map_or(1, |last| last.to);
    let born_in = |bucket: &Bucket, starts: &[i64]| {
        let mut births: Vec<Birth<'a>> = Vec::new();
        for (event, actors) in born.iter().filter(|(event, _)| bucket.span.contains(event.time)) {
            for actor in actors {
                // the first in the bucket.
                if births.iter().any(|birth| birth.actor == *actor) {
                    continue;
                }
                let theirs = returned.iter().filter(|(_, actors)| actors.contains(actor));
                let theirs: Vec<&'a Event> = theirs.map(|(event, _)| *event).collect();
                births.push(Birth {
                    actor: actor.clone(),
                    event,
                    is_return: is_same(&retention.birth.any_of, &retention.return_event.any_of),
                    returns: theirs.into_iter().filter(|own| place(own) > place(event)).collect(),
                    bounds: brackets
                        .iter()
                        .map(|bracket| bounds(retention, starts, event.time, *bracket))
                        .collect(),
                    segments: BTreeSet::new(),
                });
            }
        }
        births
    };
    let cohort = |bucket: Bucket| {
        let starts = civil_starts(view, retention.unit, bucket.span.from, units);
        Cohort { births: born_in(&bucket, &starts), bucket, starts }
    };
    buckets.into_iter().map(cohort).collect()
}

/// The buckets that are counted after a birth.
pub(super) fn brackets(retention: &Retention, units_of_range: usize) -> Vec<Bracket> {
    let mut brackets: Vec<Bracket> = Vec::new();
    let one_more = u32::try_from(units_of_range + 1).unwrap();
    let sizes = match retention.brackets.as_slice() {
        [] => vec![1; retention.buckets.unwrap_or(one_more) as usize],
        sizes => sizes.to_vec(),
    };
    for size in sizes {
        let from = brackets.last().map_or(0, |before| before.to);
        brackets.push(Bracket { from, to: from + size });
    }
    brackets
}

/// The length of a unit of a rolling bucket.
pub(super) fn length(unit: Unit) -> i64 {
    match unit {
        Unit::Hour => HOUR,
        Unit::Day => 24 * HOUR,
        Unit::Week => 7 * 24 * HOUR,
        Unit::Month => 30 * 24 * HOUR,
        Unit::Minute | Unit::Quarter | Unit::Year => panic!("{unit}s are not counted from a birth"),
    }
}

/// The starts of a civil unit and of so many after it.
fn civil_starts(view: View<'_>, unit: Unit, within: i64, count: u32) -> Vec<i64> {
    let mut starts = vec![view.civil.start_of_bucket(within, unit)];
    for _ in 0..count {
        starts.push(view.civil.end_of_bucket(*starts.last().unwrap(), unit));
    }
    starts
}

fn bounds(retention: &Retention, starts: &[i64], birth: i64, bracket: Bracket) -> (i64, i64) {
    let after = |units: u32| match retention.alignment {
        Alignment::Rolling => birth + i64::from(units) * length(retention.unit),
        Alignment::Calendar => starts[units as usize],
    };
    (after(bracket.from), after(bracket.to))
}

impl Cohort<'_> {
    /// Whether a bracket is over for everybody who could be born in the unit.
    pub(super) fn is_complete(&self, view: View<'_>, retention: &Retention, bracket: Bracket) -> bool {
        let end = match retention.alignment {
            Alignment::Rolling => self.starts[1] + i64::from(bracket.to) * length(retention.unit),
            Alignment::Calendar => self.starts[bracket.to as usize],
        };
        end <= view.now
    }
}

impl<'a> Birth<'a> {
    /// The returns in a bracket.
    fn returns_in(&self, bucket: usize) -> Vec<&'a Event> {
        let (from, to) = self.bounds[bucket];
        self.returns.iter().filter(|event| from <= event.time && event.time < to).copied().collect()
    }

    /// Whether the actor is retained in a bucket (R-14 … R-17).
    pub(super) fn is_retained(&self, retention: &Retention, bucket: usize) -> bool {
        match retention.criterion {
            Criterion::Streak => self.has_streak(bucket),
            _ => !self.counted(retention, bucket).is_empty(),
        }
    }

    /// Whether there is a return in every bucket up to this one; the birth itself may be that in the
    /// first one.
    fn has_streak(&self, bucket: usize) -> bool {
        (0..=bucket).all(|bucket| !self.returns_in(bucket).is_empty() || (bucket == 0 && self.is_return))
    }

    /// The returns that a bucket counts.
    pub(super) fn counted(&self, retention: &Retention, bucket: usize) -> Vec<&'a Event> {
        let of = |bucket: usize| self.returns_in(bucket);
        match retention.criterion {
            Criterion::On => of(bucket),
            Criterion::OnOrBefore => (0..=bucket).flat_map(of).collect(),
            Criterion::OnOrAfter => {
                let (from, _) = self.bounds[bucket];
                self.returns.iter().filter(|event| event.time >= from).copied().collect()
            }
            Criterion::Streak if self.has_streak(bucket) => of(bucket),
            Criterion::Streak => Vec::new(),
        }
    }
}

//! How many sessions have such an event (S-13, X-20), in all or for each user.

use std::collections::BTreeMap;

use datafusion::common::ScalarValue;
use datafusion::logical_expr::{Expr, lit};
use tallymark_report::{Calendar, Instants, Measure, Scope, SessionRule, Unit};

use super::super::asked::{Asked, plan_error};
use super::super::filter::utf8;
use super::super::statistics::{aggregate, distribution};
use super::measure::{Cell, Question, column};
use super::series::is_distribution;
use crate::resident::by_user::{Matcher, Record, UserEvents, UserScan};
use crate::{Error, Result};

/// The event takes part in sessions.
const TAKES_PART: usize = 0;
/// The event is one of those asked for.
const CHOSEN: usize = 1;
/// The event starts a session.
const STARTS: usize = 2;
/// The event ends a session.
const ENDS: usize = 3;

pub(super) async fn measured(asked: &Asked, scope: &Scope, question: &Question<'_>) -> Result<Vec<Cell>> {
    let default = SessionRule::default();
    let rule = scope.sessions.as_ref().unwrap_or(&default);
    let range = question.range;
    // no session reaches beyond the civil days of its events, unless that is switched off.
    let looked_at = if rule.midnight_cut {
        asked.calendar.days(asked.calendar.day(range.from), asked.calendar.day(range.to - 1))
    } else {
        Instants { from: i64::MIN / 2, to: i64::MAX, days: None }
    };
    let within = asked.within(&looked_at);
    let excluded = SessionRule::EXCLUDED_EVENTS.iter().copied();
    let excluded = excluded
        .chain(rule.excluded_events.iter().map(String::as_str))
        .chain(asked.hidden_events.iter().map(String::as_str));
    let excluded: Vec<Expr> = excluded.map(utf8).collect();
    let takes_part = column(tallymark_event::columns::EVENT).in_list(excluded, true);
    let mut conditions = vec![within.clone().and(takes_part), asked.chosen(question).await?];
    if let (Some(start), Some(end)) = (&rule.start, &rule.end) {
        conditions.push(within.clone().and(asked.selects(start)?));
        conditions.push(within.clone().and(asked.selects(end)?));
    }
    let segments = asked.segments(question.breakdowns, &question.automatic)?;
    let mut labels: Vec<Expr> = segments.into_iter().map(|segment| segment.label).collect();
    if let Some(id) = &rule.id {
        let id = asked.values(id)?.scalar_text();
        labels.push(id.unwrap_or_else(|| lit(ScalarValue::Utf8View(None))));
    }
    let events = asked.events();
    let scan =
        UserScan::try_new(&asked.state, &events, conditions, Vec::new(), labels).map_err(plan_error)?;
    let layout = events.layout_of(&asked.state, &[within], scan.inputs()).await;
    let layout = layout.map_err(|source| Error::Run { source })?;
    let matcher = Sessions {
        kind: kind_of(rule, question.breakdowns.len()),
        midnight_cut: rule.midnight_cut,
        calendar: asked.calendar,
        range,
        interval: question.interval,
        breakdown_count: question.breakdowns.len(),
        except: question.except.map(|except| except.iter().cloned().collect()),
    };
    let counted = scan.run(layout, matcher, &asked.state.runtime_env().memory_pool).await;
    let counted = counted.map_err(|source| Error::Run { source })?;
    Ok(cells(question, counted))
}

fn kind_of(rule: &SessionRule, breakdown_count: usize) -> Kind {
    if rule.start.is_some() {
        Kind::Events
    } else if rule.id.is_some() {
        Kind::Id { label: breakdown_count }
    } else {
        let seconds = rule.timeout_seconds.unwrap_or(SessionRule::TIMEOUT_SECONDS);
        Kind::Timeout { millis: i64::from(seconds) * 1000 }
    }
}

/// Each user's sessions, by bucket and segments.
type Counts = BTreeMap<(Option<i64>, Vec<String>), Vec<u32>>;

fn cells(question: &Question<'_>, counts: Counts) -> Vec<Cell> {
    let measure = &question.metric.measure;
    let mut cells = Vec::new();
    for ((bucket, segments), of_users) in counts {
        let cell =
            |of: Option<f64>, value: Option<f64>| Cell { segments: segments.clone(), bucket, of, value };
        let numbers = || of_users.iter().map(|count| f64::from(*count)).collect::<Vec<_>>();
        match measure {
            Measure::OverUsers { .. } if is_distribution(measure) => {
                let bins = distribution(numbers());
                cells.extend(bins.into_iter().map(|(of, count)| cell(Some(of), Some(count))));
            }
            Measure::OverUsers { aggregate: of, .. } => cells.push(cell(None, aggregate(*of, numbers()))),
            _ => cells.push(cell(None, Some(numbers().iter().sum()))),
        }
    }
    cells
}

/// What makes a session (X-2 … X-4).
#[derive(Debug, Clone, Copy)]
enum Kind {
    Timeout {
        millis: i64,
    },
    Events,
    /// The property's value is that label.
    Id {
        label: usize,
    },
}

#[derive(Debug)]
struct Sessions {
    kind: Kind,
    midnight_cut: bool,
    calendar: Calendar,
    range: Instants,
    interval: Option<Unit>,
    breakdown_count: usize,
    except: Option<hashbrown::HashSet<Vec<String>>>,
}

/// A session that goes on.
struct Open {
    start: i64,
    last: i64,
    /// The civil day it lies in.
    day: std::ops::Range<i64>,
    id: Option<u32>,
    segments: Vec<Vec<String>>,
}

impl Sessions {
    /// The civil day of an instant.
    fn day(&self, time: i64, known: Option<&Open>) -> std::ops::Range<i64> {
        if !self.midnight_cut {
            return i64::MIN..i64::MAX;
        }
        if let Some(open) = known.filter(|open| open.day.contains(&time)) {
            return open.day.clone();
        }
        self.calendar.bucket(time, Unit::Day)..self.calendar.next_bucket(time, Unit::Day)
    }

    /// Whether an event belongs to the open session.
    fn continues(&self, open: &Open, record: &Record, id: Option<u32>) -> bool {
        open.day.contains(&record.time)
            && match self.kind {
                Kind::Timeout { millis } => record.time - open.last <= millis,
                Kind::Events => true,
                Kind::Id { .. } => open.id == id,
            }
    }

    /// The combinations of labels of an event.
    fn segments(&self, user: &UserEvents<'_>, record: &Record) -> Vec<Vec<String>> {
        let mut all = vec![Vec::new()];
        for at in 0..self.breakdown_count {
            let labels = user.labels(at, record);
            all = all
                .iter()
                .flat_map(|before: &Vec<String>| {
                    labels.iter().map(|label| {
                        let mut segments = before.clone();
                        segments.push(user.text(at, *label).to_owned());
                        segments
                    })
                })
                .collect();
        }
        match &self.except {
            None => all,
            Some(except) if all.iter().any(|segments| !except.contains(segments)) => vec![Vec::new()],
            Some(_) => Vec::new(),
        }
    }

    fn close(&self, open: Option<Open>, counts: &mut BTreeMap<(Option<i64>, Vec<String>), u32>) {
        let Some(open) = open else { return };
        // a session counts where it starts.
        if !(self.range.from..self.range.to).contains(&open.start) {
            return;
        }
        let bucket = self.interval.map(|unit| self.calendar.bucket(open.start, unit));
        for segments in open.segments {
            *counts.entry((bucket, segments)).or_default() += 1;
        }
    }
}

impl Matcher for Sessions {
    type Partial = Counts;

    fn start(&self) -> Counts {
        Counts::new()
    }

    fn user(&self, user: &UserEvents<'_>, partial: &mut Counts) {
        let mut counts = BTreeMap::new();
        let mut open: Option<Open> = None;
        for record in user.records.iter().filter(|record| record.meets(TAKES_PART)) {
            let id = match self.kind {
                Kind::Id { label } => match user.labels(label, record) {
                    [id] => Some(*id),
                    // takes no part.
                    _ => continue,
                },
                Kind::Timeout { .. } | Kind::Events => None,
            };
            if !open.as_ref().is_some_and(|open| self.continues(open, record, id)) {
                self.close(open.take(), &mut counts);
                let is_start = !matches!(self.kind, Kind::Events) || record.meets(STARTS);
                if is_start {
                    let day = self.day(record.time, None);
                    open =
                        Some(Open { start: record.time, last: record.time, day, id, segments: Vec::new() });
                }
            }
            if let Some(open) = &mut open {
                open.last = record.time;
                if record.meets(CHOSEN) {
                    for segments in self.segments(user, record) {
                        if !open.segments.contains(&segments) {
                            open.segments.push(segments);
                        }
                    }
                }
            }
            if matches!(self.kind, Kind::Events) && record.meets(ENDS) {
                self.close(open.take(), &mut counts);
            }
        }
        self.close(open, &mut counts);
        for (key, count) in counts {
            partial.entry(key).or_default().push(count);
        }
    }

    fn merge(&self, total: &mut Counts, later: Counts) {
        for (key, counts) in later {
            total.entry(key).or_default().extend(counts);
        }
    }

    fn bytes(&self, partial: &Counts) -> usize {
        partial.values().map(|counts| counts.capacity() * 4 + 96).sum()
    }
}

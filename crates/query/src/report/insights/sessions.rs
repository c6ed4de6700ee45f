//! How many sessions have such an event (S-13, X-20), in all or for each user; and whose they are.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use datafusion::logical_expr::Expr;
use tallymark_memory::UserDirectory;
use tallymark_report::{Calendar, Instants, Measure, Scope, Unit};

use super::super::asked::{Asked, plan_error};
use super::super::sessions::{CHOSEN, Session, SessionWalk};
use super::super::statistics::{aggregate, distribution};
use super::combinations::Combinations;
use super::measure::{Cell, Question};
use crate::resident::by_user::{Matcher, UserEvents, UserScan};
use crate::{Error, Result};

pub(super) async fn measured(asked: &Asked, scope: &Scope, question: &Question<'_>) -> Result<Vec<Cell>> {
    let (counts, _) = counted(asked, scope, question, None).await?;
    Ok(cells(question, counts))
}

/// Who has the sessions of one cell: users, or groups where each of them has sessions (U-30).
pub(super) async fn behind(
    asked: &Asked,
    scope: &Scope,
    question: &Question<'_>,
    bucket: Option<i64>,
    segments: &[String],
) -> Result<BTreeSet<String>> {
    let cell = (bucket, segments.to_vec());
    let (mut counts, users) = counted(asked, scope, question, Some(cell.clone())).await?;
    let of_actors = counts.remove(&cell).unwrap_or_default();
    let ids = of_actors.ordinals.iter().map(|user| users.ids().value(*user as usize).to_owned());
    Ok(ids.chain(of_actors.groups.into_keys()).collect())
}

async fn counted(
    asked: &Asked,
    scope: &Scope,
    question: &Question<'_>,
    wanted: Option<(Option<i64>, Vec<String>)>,
) -> Result<(Counts, Arc<UserDirectory>)> {
    // sessions are those of users, whoever is counted; events are those of groups (U-32).
    let chosen = asked.chosen(question).await?.and(asked.is_attributed(question.metric)?);
    let scan = asked.session_scan(scope, &question.range, chosen)?;
    let segments = asked.showing(question).segments(question.breakdowns, &question.automatic)?;
    let mut labels: Vec<Expr> = segments.into_iter().map(|segment| segment.label).collect();
    // U-30: each of the groups has the sessions its events are in.
    let by_group =
        question.metric.count_by.is_some() && matches!(question.metric.measure, Measure::OverUsers { .. });
    if by_group {
        labels.push(asked.counted(question.metric).await?.label);
    }
    let walk = asked.session_walk(scope, labels.len());
    labels.extend(scan.id);
    let events = asked.events();
    let users = UserScan::try_new(&asked.state, &events, scan.conditions, labels).map_err(plan_error)?;
    let failed = |source| Error::Run { source };
    let layout = events.layout_of(&asked.state, &[scan.within], users.inputs()).await.map_err(failed)?;
    let matcher = Counted {
        walk,
        calendar: asked.calendar,
        range: question.range,
        left_out: question.left_out,
        interval: question.interval,
        combinations: Combinations::of(question),
        by_group,
        wanted,
    };
    let directory = Arc::clone(layout.users());
    let counted = users.run(layout, matcher, &asked.state.runtime_env().memory_pool).await;
    Ok((counted.map_err(failed)?, directory))
}

/// Sessions by bucket and segments.
type Counts = BTreeMap<(Option<i64>, Vec<String>), OfActors>;

/// How many sessions each has.
#[derive(Debug, Default)]
struct OfActors {
    users: Vec<u32>,
    /// The users of the cell that is wanted.
    ordinals: Vec<u32>,
    /// Groups have sessions of several users.
    groups: BTreeMap<String, u32>,
}

fn cells(question: &Question<'_>, counts: Counts) -> Vec<Cell> {
    let measure = &question.metric.measure;
    let mut cells = Vec::new();
    for ((bucket, segments), OfActors { users, groups, .. }) in counts {
        let cell = |of: Option<f64>, value: Option<f64>| Cell {
            segments: segments.clone(),
            bucket,
            of,
            text: None,
            value,
        };
        let numbers =
            || users.iter().chain(groups.values()).map(|count| f64::from(*count)).collect::<Vec<_>>();
        match measure {
            Measure::OverUsers { .. } if measure.is_distribution() => {
                let bins = distribution(numbers());
                cells.extend(bins.into_iter().map(|(of, count)| cell(Some(of), Some(count))));
            }
            Measure::OverUsers { aggregate: of, .. } => cells.push(cell(None, aggregate(*of, numbers()))),
            _ => cells.push(cell(None, Some(numbers().iter().sum()))),
        }
    }
    cells
}

/// Counts sessions.
struct Counted {
    walk: SessionWalk,
    calendar: Calendar,
    range: Instants,
    left_out: Option<(i64, i64)>,
    interval: Option<Unit>,
    combinations: Combinations,
    /// Whether the label after those of breakdowns says whose sessions are counted.
    by_group: bool,
    /// The cell whose users are asked for.
    wanted: Option<(Option<i64>, Vec<String>)>,
}

impl Counted {
    /// Adds a session to each segment that one of the events asked for is in.
    fn add(&self, user: &UserEvents<'_>, session: &Session<'_>, counts: &mut OfUser) {
        // a session counts where it starts.
        let start = session.start();
        let is_left_out = self.left_out.is_some_and(|(from, to)| (from..to).contains(&start));
        if is_left_out || !(self.range.from..self.range.to).contains(&start) {
            return;
        }
        let mut found: Vec<(Vec<String>, Option<String>)> = Vec::new();
        for record in session.events().filter(|record| record.meets(CHOSEN)) {
            if self.combinations.count == 0 && !self.by_group && !found.is_empty() {
                break;
            }
            let groups: Vec<Option<String>> = if self.by_group {
                let at = self.combinations.count;
                user.labels(at, record).iter().map(|label| Some(user.text(at, *label).to_owned())).collect()
            } else {
                vec![None]
            };
            for segments in self.combinations.segments(user, record) {
                for group in &groups {
                    let one = (segments.clone(), group.clone());
                    if !found.contains(&one) {
                        found.push(one);
                    }
                }
            }
        }
        let bucket = self.interval.map(|unit| self.calendar.bucket(start, unit));
        for (segments, group) in found {
            *counts.entry((bucket, segments, group)).or_default() += 1;
        }
    }
}

/// One user's sessions, by bucket, segments and group.
type OfUser = BTreeMap<(Option<i64>, Vec<String>, Option<String>), u32>;

impl Matcher for Counted {
    type Partial = Counts;

    fn start(&self) -> Counts {
        Counts::new()
    }

    fn user(&self, user: &UserEvents<'_>, partial: &mut Counts) {
        let mut counts = OfUser::new();
        self.walk.sessions(user, |session| self.add(user, session, &mut counts));
        for ((bucket, segments, group), count) in counts {
            let cell = (bucket, segments);
            let is_wanted = self.wanted.as_ref() == Some(&cell);
            let of_actors = partial.entry(cell).or_default();
            match group {
                None => {
                    of_actors.users.push(count);
                    of_actors.ordinals.extend(is_wanted.then_some(user.user));
                }
                Some(group) => *of_actors.groups.entry(group).or_default() += count,
            }
        }
    }

    fn merge(&self, total: &mut Counts, later: Counts) {
        for (key, OfActors { users, ordinals, groups }) in later {
            let of_actors = total.entry(key).or_default();
            of_actors.users.extend(users);
            of_actors.ordinals.extend(ordinals);
            for (group, count) in groups {
                *of_actors.groups.entry(group).or_default() += count;
            }
        }
    }

    fn bytes(&self, partial: &Counts) -> usize {
        let of = |counts: &OfActors| {
            (counts.users.capacity() + counts.ordinals.capacity()) * 4 + counts.groups.len() * 64 + 96
        };
        partial.values().map(of).sum()
    }
}

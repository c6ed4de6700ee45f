//! How many sessions have such an event (S-13, X-20), in all or for each user.

use std::collections::BTreeMap;

use datafusion::logical_expr::Expr;
use tallymark_report::{Calendar, Instants, Measure, Scope, Unit};

use super::super::asked::{Asked, plan_error};
use super::super::sessions::{CHOSEN, Session, SessionWalk};
use super::super::statistics::{aggregate, distribution};
use super::measure::{Cell, Question};
use super::series::is_distribution;
use crate::resident::by_user::{Matcher, Record, UserEvents, UserScan};
use crate::{Error, Result};

pub(super) async fn measured(asked: &Asked, scope: &Scope, question: &Question<'_>) -> Result<Vec<Cell>> {
    // sessions are those of users, whoever is counted; events are those of groups (U-32).
    let chosen = asked.chosen(question).await?.and(asked.is_attributed(question.metric)?);
    let scan = asked.session_scan(scope, &question.range, chosen)?;
    let segments = asked.segments(question.breakdowns, &question.automatic)?;
    let mut labels: Vec<Expr> = segments.into_iter().map(|segment| segment.label).collect();
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
        breakdown_count: question.breakdowns.len(),
        except: question.except.map(|except| except.iter().cloned().collect()),
    };
    let counted = users.run(layout, matcher, &asked.state.runtime_env().memory_pool).await;
    Ok(cells(question, counted.map_err(failed)?))
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

/// Counts sessions.
struct Counted {
    walk: SessionWalk,
    calendar: Calendar,
    range: Instants,
    left_out: Option<(i64, i64)>,
    interval: Option<Unit>,
    breakdown_count: usize,
    except: Option<hashbrown::HashSet<Vec<String>>>,
}

impl Counted {
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

    /// Adds a session to each segment that one of the events asked for is in.
    fn add(&self, user: &UserEvents<'_>, session: &Session<'_>, counts: &mut OfUser) {
        // a session counts where it starts.
        let start = session.start();
        let is_left_out = self.left_out.is_some_and(|(from, to)| (from..to).contains(&start));
        if is_left_out || !(self.range.from..self.range.to).contains(&start) {
            return;
        }
        let mut found: Vec<Vec<String>> = Vec::new();
        for record in session.records.iter().filter(|record| record.meets(CHOSEN)) {
            if self.breakdown_count == 0 && !found.is_empty() {
                break;
            }
            for segments in self.segments(user, record) {
                if !found.contains(&segments) {
                    found.push(segments);
                }
            }
        }
        let bucket = || self.interval.map(|unit| self.calendar.bucket(start, unit));
        for segments in found {
            *counts.entry((bucket(), segments)).or_default() += 1;
        }
    }
}

/// One user's sessions, by bucket and segments.
type OfUser = BTreeMap<(Option<i64>, Vec<String>), u32>;

impl Matcher for Counted {
    type Partial = Counts;

    fn start(&self) -> Counts {
        Counts::new()
    }

    fn user(&self, user: &UserEvents<'_>, partial: &mut Counts) {
        let mut counts = OfUser::new();
        self.walk.sessions(user, |session| self.add(user, session, &mut counts));
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

//! The attempts of one user, step by step, and why each ended (F-35).

use std::sync::Arc;

use arrow::array::{BooleanArray, Int64Array, RecordBatch, StringArray, TimestampMillisecondArray};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit};
use tallymark_report::{CountOf, Scope};

use super::super::asked::arrow_error;
use super::attempts::{Attempt, End, Events as _, Limit};
use super::between::Known;
use super::tally::{Scratch, View, Walk};
use crate::Result;
use crate::resident::by_user::{Matcher, UserEvents};

/// A line of the story.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Explained {
    attempt: usize,
    counts: bool,
    time: i64,
    event: Option<String>,
    /// The step, from 1; null for the end.
    step: Option<usize>,
    what: String,
}

/// Tells what a user did.
pub(super) struct Explain {
    pub(super) walk: Walk,
    /// The label that is the name of the event.
    pub(super) event_label: usize,
    pub(super) as_of: i64,
}

impl Explain {
    fn tell(&self, view: &View<'_>, scratch: &Scratch, rows: &mut Vec<Explained>) {
        let shape = &*self.walk.shape;
        let attempts = &scratch.attempts;
        let counted = match shape.count {
            CountOf::UniqueUsers => shape.steps.counted(attempts, 0..attempts.len()),
            CountOf::Totals | CountOf::Sessions => None,
        };
        let before = rows.last().map_or(0, |row| row.attempt);
        let mut known = Known::default();
        for (at, attempt) in attempts.iter().enumerate() {
            let taken = attempts.taken(attempt);
            let mut reached = Vec::new();
            self.walk.reached(taken, &mut reached);
            let passes = self.walk.passes(view, taken, &reached, &mut known);
            let is_counted = shape.count != CountOf::UniqueUsers || counted == Some(at);
            let row = |time: i64, event: Option<u32>, step: Option<usize>, what: String| Explained {
                attempt: before + at + 1,
                counts: passes && is_counted,
                time,
                event: event.map(|event| self.event(view.user, event)),
                step,
                what,
            };
            for (position, one) in taken.iter().enumerate() {
                let in_order = shape.reached_with[one.step as usize];
                let step = if shape.is_any_order { Some(position) } else { in_order };
                let what = match step {
                    Some(step) => format!("step {}", step + 1),
                    // F-19.
                    None => "once more".to_owned(),
                };
                rows.push(row(view.time(one.at as usize), Some(one.at), step.map(|step| step + 1), what));
            }
            let (time, event, mut what) =
                self.end(view, attempt, attempts.start(attempt), taken[taken.len() - 1].at);
            if !passes {
                what += "; does not pass the filter";
            } else if !is_counted {
                what += "; another attempt counts for the user";
            }
            rows.push(row(time, event, None, what));
        }
    }

    /// When, with which event, and why an attempt ended.
    fn end(&self, view: &View<'_>, attempt: &Attempt, start: usize, last: u32) -> (i64, Option<u32>, String) {
        let of = |event: u32, what: &str| (view.time(event as usize), Some(event), what.to_owned());
        match attempt.end() {
            End::Converted => (view.time(last as usize), None, "converted".to_owned()),
            End::Excluded(event) => of(event, "ended by an excluded event"),
            End::Interrupted(event) => of(event, "interrupted by another event"),
            End::TimedOut => match self.walk.shape.steps.limit {
                Limit::Millis(millis) => {
                    let over = view.time(start).saturating_add(millis);
                    if over < self.as_of {
                        (over, None, "ran out of time".to_owned())
                    } else {
                        (self.as_of, None, "still open".to_owned())
                    }
                }
                Limit::Sessions(_) => {
                    (view.time(last as usize), None, "no further step in its sessions".to_owned())
                }
            },
        }
    }

    fn event(&self, user: &UserEvents<'_>, event: u32) -> String {
        let labels = user.labels(self.event_label, &user.records[event as usize]);
        labels.first().map_or("", |label| user.text(self.event_label, *label)).to_owned()
    }
}

impl Matcher for Explain {
    type Partial = Vec<Explained>;

    fn start(&self) -> Vec<Explained> {
        Vec::new()
    }

    fn user(&self, user: &UserEvents<'_>, rows: &mut Vec<Explained>) {
        let mut scratch = Scratch::default();
        self.walk.each_funnel(user, &mut scratch, |view, _, scratch| self.tell(view, scratch, rows));
    }

    fn merge(&self, total: &mut Vec<Explained>, later: Vec<Explained>) {
        total.extend(later);
    }

    fn bytes(&self, rows: &Vec<Explained>) -> usize {
        rows.len() * (size_of::<Explained>() + 64)
    }
}

/// The columns: see [`super::super::schema`].
pub(super) fn schema(scope: &Scope) -> Result<SchemaRef> {
    let time = DataType::Timestamp(TimeUnit::Millisecond, Some(scope.zone()?.name().into()));
    Ok(Arc::new(Schema::new(vec![
        Field::new("attempt", DataType::Int64, false),
        Field::new("counts", DataType::Boolean, false),
        Field::new("time", time, false),
        Field::new("event", DataType::Utf8, true),
        Field::new("step", DataType::Int64, true),
        Field::new("what", DataType::Utf8, false),
    ])))
}

pub(super) fn batch(scope: &Scope, rows: &[Explained]) -> Result<RecordBatch> {
    let times: TimestampMillisecondArray = rows.iter().map(|row| row.time).collect::<Vec<_>>().into();
    let batch = RecordBatch::try_new(
        schema(scope)?,
        vec![
            Arc::new(rows.iter().map(|row| row.attempt as i64).collect::<Int64Array>()),
            Arc::new(BooleanArray::from(rows.iter().map(|row| row.counts).collect::<Vec<_>>())),
            Arc::new(times.with_timezone(scope.zone()?.name())),
            Arc::new(rows.iter().map(|row| row.event.as_deref()).collect::<StringArray>()),
            Arc::new(rows.iter().map(|row| row.step.map(|step| step as i64)).collect::<Int64Array>()),
            Arc::new(rows.iter().map(|row| Some(row.what.as_str())).collect::<StringArray>()),
        ],
    );
    batch.map_err(arrow_error)
}

//! The values an attempt has.

use std::collections::BTreeSet;

use serde_json::Value;
use tallymark_report::{Attribution, Breakdown, Filter, Property};

use crate::oracle::attempts::{Attempt, Stream};
use crate::oracle::insights::breakdown::{NOT_SET, Splitter};
use crate::oracle::insights::filter::{meets, passes};
use crate::oracle::insights::other_events::number_of_events;
use crate::oracle::insights::property::value;
use crate::oracle::insights::selector::is_meant;
use crate::oracle::insights::world::{Event, Subject, View};

/// Whether a property is a number of attempts (F-75).
pub(super) fn is_of_attempts(property: &Property) -> bool {
    matches!(property, Property::PerUser { between_steps: Some(_), .. })
}

/// An attempt and whose it is.
#[derive(Debug, Clone, Copy)]
pub(super) struct Whose<'a> {
    pub(super) stream: &'a Stream<'a>,
    pub(super) attempt: &'a Attempt,
}

impl<'a> Whose<'a> {
    /// The event of a step, counted from 0, if it was reached.
    pub(super) fn event(self, step: usize) -> Option<Subject<'a>> {
        let place = self.attempt.reached[step]?;
        Some(Subject::of_event(self.stream.events[place]))
    }

    /// The seconds from one step to another, if both were reached (F-14, F-71).
    pub(super) fn seconds(self, from: usize, to: usize) -> Option<f64> {
        let (from, to) = (self.event(from)?.event?.time, self.event(to)?.event?.time);
        Some((to - from).max(0) as f64 / 1000.0)
    }

    /// A number of the events between two steps that were no step (F-75); none of an attempt that did not
    /// reach both.
    pub(super) fn number(self, view: View<'_>, property: &Property) -> Option<Option<Value>> {
        let Property::PerUser { per_user, event, between_steps: Some([from, to]), .. } = property else {
            panic!("{} is of no attempt", property.label())
        };
        let (from, to) = (self.attempt.reached[from - 1]?, self.attempt.reached[to - 1]?);
        let is_one = |place: &usize| {
            !self.attempt.taken.contains(place) && is_meant(view, event, self.stream.events[*place])
        };
        let events: Vec<&Event> =
            (from + 1..to).filter(is_one).map(|place| self.stream.events[place]).collect();
        Some(number_of_events(view, per_user, &events))
    }

    /// The actor alone.
    fn actor(self) -> Subject<'a> {
        Subject { event: None, user: self.stream.user.as_deref(), object: None, at: None, group: None }
    }

    /// What gives the value of a property for the whole attempt (F-51).
    pub(super) fn subject(
        self,
        view: View<'_>,
        attribution: Attribution,
        property: &Property,
    ) -> Subject<'a> {
        let steps = 0..self.attempt.reached.len();
        let mut defined =
            steps.filter_map(|step| self.event(step)).filter(|event| value(view, property, *event).is_some());
        let found = match attribution {
            //
            _ if matches!(property, Property::Attributed { .. }) => self.event(0),
            Attribution::Step(step) => self.event(step - 1),
            Attribution::FirstStepDefined => defined.next(),
            Attribution::LastStepDefined => defined.next_back(),
        };
        found.unwrap_or(self.actor())
    }

    /// The labels of a breakdown.
    pub(super) fn labels(
        self,
        view: View<'_>,
        attribution: Attribution,
        breakdown: &Breakdown,
        splitter: &Splitter<'_>,
    ) -> BTreeSet<String> {
        if let Breakdown::Property { property, .. } = breakdown
            && is_of_attempts(property)
        {
            let not_set = || BTreeSet::from([NOT_SET.to_owned()]);
            return self.number(view, property).map_or_else(not_set, |value| splitter.labels_of(view, value));
        }
        let subject = self.split(view, attribution, breakdown);
        match breakdown {
            // The step was not reached; and what is not there is not cast either.
            Breakdown::Property { property, .. }
                if subject.event.is_none()
                    && matches!(attribution, Attribution::Step(_))
                    && !matches!(property, Property::User { .. }) =>
            {
                BTreeSet::from([NOT_SET.to_owned()])
            }
            _ => splitter.labels(view, subject),
        }
    }

    /// What a breakdown looks at.
    pub(super) fn split(
        self,
        view: View<'_>,
        attribution: Attribution,
        breakdown: &Breakdown,
    ) -> Subject<'a> {
        match breakdown {
            Breakdown::Property { property, .. } => self.subject(view, attribution, property),
            Breakdown::Cohorts { .. } => self.actor(),
        }
    }

    /// Whether a filter of the whole report keeps the attempt (F-60, F-61).
    pub(super) fn is_kept(self, view: View<'_>, attribution: Attribution, filter: &Filter) -> bool {
        match filter {
            Filter::All { all } | Filter::List(all) => {
                all.iter().all(|filter| self.is_kept(view, attribution, filter))
            }
            Filter::Any { any } => any.iter().any(|filter| self.is_kept(view, attribution, filter)),
            Filter::Not { not } => !self.is_kept(view, attribution, not),
            Filter::Condition(condition) if is_of_attempts(&condition.property) => {
                meets(view, condition, self.number(view, &condition.property).flatten())
            }
            Filter::Condition(condition) => {
                passes(view, filter, self.subject(view, attribution, &condition.property))
            }
            Filter::ListContains(contains) => {
                passes(view, filter, self.subject(view, attribution, &contains.list))
            }
            Filter::InCohort { .. } | Filter::NotInCohort { .. } | Filter::Sql(_) => {
                passes(view, filter, self.actor())
            }
        }
    }
}

//! The values an attempt has.

use std::collections::BTreeSet;

use serde_json::Value;
use tallymark_report::{Attribution, Breakdown, Filter, Property};

use crate::oracle::attempts::{Attempt, Stream};
use crate::oracle::insights::breakdown::{NOT_SET, Splitter};
use crate::oracle::insights::filter::{asked_about, is_member, meets, passes};
use crate::oracle::insights::other_events::number_of_events;
use crate::oracle::insights::property::value;
use crate::oracle::insights::selector::is_meant;
use crate::oracle::insights::world::{Event, Subject, View};

/// An attempt did not reach a step.
#[derive(Debug, Clone, Copy)]
pub(super) struct NotReached;

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

    /// A number of the events between two steps that were no step (F-75).
    pub(super) fn number(self, view: View<'_>, property: &Property) -> Result<Option<Value>, NotReached> {
        let Property::PerUser { per_user, event, between_steps: Some([from, to]), .. } = property else {
            panic!("{} is of no attempt", property.label())
        };
        let reached = |step: usize| self.attempt.reached[step - 1].ok_or(NotReached);
        let (from, to) = (reached(*from)?, reached(*to)?);
        let is_one = |place: &usize| {
            !self.attempt.taken.contains(place) && is_meant(view, event, self.stream.events[*place])
        };
        let events: Vec<&Event> =
            (from + 1..to).filter(is_one).map(|place| self.stream.events[place]).collect();
        Ok(number_of_events(view, per_user, &events))
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
            return self
                .number(view, property)
                .map_or_else(|_| not_set(), |value| splitter.labels_of(view, value));
        }
        let property = match breakdown {
            Breakdown::Property { property, .. } => property,
            Breakdown::Cohorts { cohorts } => {
                let whose = |cohort| self.of_cohort(view, attribution, cohort);
                let asked =
                    cohorts.iter().filter(|cohort| !asked_about(view, cohort, whose(cohort)).is_empty());
                return asked
                    .map(|cohort| {
                        let is = if is_member(view, cohort, whose(cohort)) { "In" } else { "Not In" };
                        format!("{is} {cohort}")
                    })
                    .collect();
            }
        };
        let subject = self.subject(view, attribution, property);
        // The step was not reached; and what is not there is not cast either.
        let is_nothing = subject.event.is_none()
            && matches!(attribution, Attribution::Step(_))
            && !matches!(property, Property::User { .. });
        if is_nothing { BTreeSet::from([NOT_SET.to_owned()]) } else { splitter.labels(view, subject) }
    }

    /// Of whom it is asked whether they are in a cohort: of the actor if it is one of such, else of the
    /// user or the groups of an event (F-52).
    fn of_cohort(self, view: View<'_>, attribution: Attribution, cohort: &str) -> Subject<'a> {
        match (&view.world.cohorts[cohort].group_key, &self.stream.group_key) {
            (None, None) => self.actor(),
            (Some(key), Some(own)) if key == own => Subject::of_group(own, &self.stream.actor),
            _ => {
                let steps = 0..self.attempt.reached.len();
                let mut defined = steps
                    .filter_map(|step| self.event(step))
                    .filter(|event| !asked_about(view, cohort, *event).is_empty());
                let found = match attribution {
                    Attribution::Step(step) => self.event(step - 1),
                    Attribution::FirstStepDefined => defined.next(),
                    Attribution::LastStepDefined => defined.next_back(),
                };
                found.unwrap_or(self.actor())
            }
        }
    }

    fn is_in(self, view: View<'_>, attribution: Attribution, cohort: &str) -> bool {
        is_member(view, cohort, self.of_cohort(view, attribution, cohort))
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
                meets(view, condition, self.number(view, &condition.property).unwrap_or(None))
            }
            Filter::Condition(condition) => {
                passes(view, filter, self.subject(view, attribution, &condition.property))
            }
            Filter::ListContains(contains) => {
                passes(view, filter, self.subject(view, attribution, &contains.list))
            }
            Filter::InCohort { in_cohort: any } => {
                any.iter().any(|cohort| self.is_in(view, attribution, cohort))
            }
            Filter::NotInCohort { not_in_cohort: any } => {
                any.iter().any(|cohort| !self.is_in(view, attribution, cohort))
            }
            Filter::Sql(_) => passes(view, filter, self.actor()),
        }
    }
}

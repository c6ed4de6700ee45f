//! Flows: the anchors of an attempt and what is around them.

use std::collections::BTreeSet;

use serde_json::Value;
use tallymark_report::{CountOf, EventChoice, EventSelector, Flows, Reentry, Scope, StepOrder};

use crate::oracle::attempts::{
    Attempt, Course, End, Limit, Rules, StepRule, Stream, all_attempts, marks, starts, streams,
};
use crate::oracle::insights::breakdown::NOT_SET;
use crate::oracle::insights::civil::Span;
use crate::oracle::insights::filter::passes;
use crate::oracle::insights::property::value;
use crate::oracle::insights::selector::{is_meant, occurrences};
use crate::oracle::insights::value::text_of;
use crate::oracle::insights::world::{Event, Subject, View};

/// Events about identity, which are no steps (W-2).
const IDENTITY: [&str; 3] = ["$identify", "$create_alias", "$merge"];

/// A flow.
#[derive(Debug, Clone)]
pub(super) struct Flow<'a> {
    /// The number of the user.
    pub(super) user: usize,
    /// The event of the first anchor.
    pub(super) first: &'a Event,
    /// How many anchors it reached.
    pub(super) reached: usize,
    /// The labels before the first anchor, between it and the second, … after the last one reached.
    pub(super) gaps: Vec<Vec<String>>,
}

/// What flows are made of.
struct Maker<'a> {
    view: View<'a>,
    flows: &'a Flows,
    course: &'a Course<'a>,
    /// Which events of the stream can be steps.
    is_path: Vec<bool>,
}

/// All flows that count as totals, or one a session, each user's in the order they start.
pub(super) fn all_flows<'a>(view: View<'a>, scope: &Scope, flows: &Flows, range: Span) -> Vec<Flow<'a>> {
    let by_session = flows.count == CountOf::Sessions;
    let rules = Rules {
        steps: flows.anchors.iter().map(|_| StepRule::plain()).collect(),
        order: StepOrder::Specific,
        limit: match flows.window.millis() {
            _ if by_session => Limit::Sessions(1),
            // The window is that between anchors (W-6).
            _ if flows.anchors.len() == 1 => Limit::Millis(0),
            Some(millis) => Limit::Millis(millis),
            None => Limit::Sessions(flows.window.count as usize),
        },
        grace_ms: 2000.0,
        exclusions: flows.exclude.iter().map(|exclusion| exclusion.after_step).collect(),
        entries: range,
        looked_at: range,
    };
    let streams = streams(view, scope, None);
    let anchors: Vec<Vec<Vec<bool>>> =
        flows.anchors.iter().map(|anchor| marks(view, &streams, &anchor.event, None)).collect();
    let excluded: Vec<Vec<Vec<bool>>> =
        flows.exclude.iter().map(|one| marks(view, &streams, &one.event, None)).collect();
    let mut found = Vec::new();
    for (user, stream) in streams.iter().enumerate() {
        let is_kept =
            |event: &Event| scope.filter.iter().all(|filter| passes(view, filter, Subject::of_event(event)));
        let kept: Vec<bool> = stream.events.iter().map(|event| is_kept(event)).collect();
        let both = |a: &[bool], b: &[bool]| a.iter().zip(b).map(|(a, b)| *a && *b).collect::<Vec<_>>();
        let named =
            |event: &Event| flows.anchors.iter().any(|anchor| is_named(view, flows, &anchor.event, event));
        let shown: Vec<bool> = stream.events.iter().map(|event| is_shown(flows, event)).collect();
        let steps = flows.anchors.iter().zip(&anchors).map(|(anchor, marks)| {
            let counts = stream.events.iter().zip(&shown);
            let counts: Vec<bool> =
                counts.map(|(event, shown)| *shown || is_named(view, flows, &anchor.event, event)).collect();
            both(&both(&marks[user], &counts), &kept)
        });
        let held = |event: &&Event| {
            let properties = flows.hold_constant.iter();
            properties.map(|property| value(view, property, Subject::of_event(event))).collect()
        };
        let is_path = stream.events.iter().zip(&shown).map(|(event, shown)| *shown || named(event));
        let course = Course {
            rules: &rules,
            stream,
            steps: steps.collect(),
            excluded: excluded.iter().map(|marks| both(&marks[user], &kept)).collect(),
            held: stream.events.iter().map(held).collect(),
        };
        let is_path = both(&is_path.collect::<Vec<_>>(), &kept);
        let maker = Maker { view, flows, course: &course, is_path };
        found.extend(maker.attempts().iter().map(|attempt| maker.flow(user, stream, attempt)));
    }
    found
}

/// The events of a range that are the first anchor, whoever did them (B-10).
pub(super) fn first_anchors<'a>(
    view: View<'a>,
    scope: &Scope,
    flows: &Flows,
    range: Span,
) -> Vec<Subject<'a>> {
    let anchor = &flows.anchors[0].event;
    occurrences(view, anchor, None)
        .into_iter()
        .map(|one| one.event)
        .filter(|event| range.contains(event.time))
        .filter(|event| is_shown(flows, event) || is_named(view, flows, anchor, event))
        .map(Subject::of_event)
        .filter(|subject| scope.filter.iter().all(|filter| passes(view, filter, *subject)))
        .collect()
}

/// Whether an event is meant by its name, or as a saved event, and not as one of `$all_events`; in a saved
/// event these leave out what is hidden too (W-2).
fn is_named(view: View<'_>, flows: &Flows, selector: &EventSelector, event: &Event) -> bool {
    let is_hidden = flows.hide.contains(&event.name);
    let passes = |choice: &EventChoice| {
        choice.filter.iter().all(|filter| passes(view, filter, Subject::of_event(event)))
    };
    let stored = |choice: &EventChoice| {
        // W-21: "all events" are not those of sessions.
        let is_one_of_all = choice.is_all() && !is_hidden && !event.is_of_sessions();
        (choice.event == event.name || is_one_of_all) && passes(choice)
    };
    let mut choices = selector.any_of.iter().filter(|choice| !choice.is_all());
    choices.any(|choice| match view.world.saved_events.get(&choice.event) {
        Some(saved) => passes(choice) && saved.any_of.iter().any(stored),
        None => stored(choice),
    })
}

/// W-2.
fn is_shown(flows: &Flows, event: &Event) -> bool {
    let is_wanted = flows.show_only.is_empty() || flows.show_only.contains(&event.name);
    // W-21.
    let is_wanted = is_wanted && (!event.is_of_sessions() || !flows.show_only.is_empty());
    is_wanted && !flows.hide.contains(&event.name) && !IDENTITY.contains(&event.name.as_str())
}

impl Maker<'_> {
    /// W-4, W-5.
    fn attempts(&self) -> Vec<Attempt> {
        let course = self.course;
        match self.flows.count {
            CountOf::Sessions => all_attempts(course, Reentry::Default, true),
            _ if self.flows.anchors.len() == 1 => self.one_after_the_other(),
            _ => all_attempts(course, Reentry::Default, false),
        }
    }

    /// W-5: for each held value, a flow starts after the last shown step of the one before.
    fn one_after_the_other(&self) -> Vec<Attempt> {
        let mut attempts: Vec<Attempt> = Vec::new();
        let mut ends: Vec<(&Option<Vec<Value>>, usize)> = Vec::new();
        for start in starts(self.course) {
            let held = &self.course.held[start];
            let end = ends.iter().rev().find(|(other, _)| *other == held);
            if end.is_some_and(|(_, end)| start <= *end) {
                continue;
            }
            let attempt = self.course.attempt(start, &BTreeSet::new());
            let mut end = start;
            let mut shown = 0;
            let mut last = self.label(self.course.stream.events[start]);
            for (place, label) in self.events(&attempt, 1) {
                let is_repeated = self.flows.collapse_repeated && label == last;
                shown += u32::from(!is_repeated);
                if shown > self.flows.after(0) {
                    break;
                }
                (end, last) = (place, label);
            }
            ends.push((held, end));
            attempts.push(attempt);
        }
        attempts
    }

    fn flow<'e>(&self, user: usize, stream: &Stream<'e>, attempt: &Attempt) -> Flow<'e> {
        let reached = attempt.taken.len();
        let gaps = (0..=reached).map(|gap| self.steps(attempt, gap)).collect();
        Flow { user, first: stream.events[attempt.start], reached, gaps }
    }

    /// The labels of the steps of a gap (W-17).
    fn steps(&self, attempt: &Attempt, gap: usize) -> Vec<String> {
        let mut steps: Vec<String> = self.events(attempt, gap).into_iter().map(|(_, label)| label).collect();
        if self.flows.collapse_repeated {
            let anchor = |number: usize| self.label(self.course.stream.events[attempt.taken[number]]);
            let mut last = gap.checked_sub(1).map(anchor);
            steps.retain(|label| last.replace(label.clone()).as_ref() != Some(label));
            if gap < attempt.taken.len() && steps.last() == Some(&anchor(gap)) {
                steps.pop();
            }
        }
        steps
    }

    /// The events of a gap and their labels: gap 0 is before the first anchor, gap 1 after it, and so on.
    fn events(&self, attempt: &Attempt, gap: usize) -> Vec<(usize, String)> {
        let anchors = &attempt.taken;
        let after = anchors[..gap].iter().max().copied();
        let before = match anchors.get(gap) {
            Some(next) => Some(*next),
            None => self.end(attempt),
        };
        let is_here = |place: &usize| {
            after.is_none_or(|after| *place > after) && before.is_none_or(|before| *place < before)
        };
        let session = |place: usize| self.course.stream.session[place];
        let is_in_session = |place: &usize| {
            self.flows.count != CountOf::Sessions || session(*place) == session(attempt.start)
        };
        let places = (0..self.course.stream.events.len())
            .filter(|place| self.course.rules.looked_at.contains(self.course.time(*place)))
            .filter(|place| self.is_path[*place] && !anchors.contains(place))
            .filter(|place| self.course.held[*place] == self.course.held[attempt.start])
            .filter(|place| is_here(place) && is_in_session(place));
        places.map(|place| (place, self.label(self.course.stream.events[place]))).collect()
    }

    /// Where a flow ends that does not reach the next anchor (W-8).
    fn end(&self, attempt: &Attempt) -> Option<usize> {
        match attempt.end {
            End::Converted => None,
            End::Excluded { place, .. } => Some(place),
            End::TimedOut => (attempt.start..self.course.stream.events.len())
                .find(|place| self.course.is_over(attempt.start, *place)),
        }
    }

    /// W-14, W-16.
    fn label(&self, event: &Event) -> String {
        let custom = self.flows.custom_events.iter().find(|custom| is_meant(self.view, custom, event));
        if let Some(custom) = custom {
            return custom.label();
        }
        let label = event.name.clone();
        let Some(expansion) = self.flows.expand.iter().find(|expansion| expansion.event == label) else {
            return label;
        };
        let first = match value(self.view, &expansion.property, Subject::of_event(event)) {
            Some(Value::Array(items)) => items.into_iter().next().filter(|item| !item.is_null()),
            other => other,
        };
        let value = match first {
            None => NOT_SET.to_owned(),
            Some(value) if value == "" => "(empty string)".to_owned(),
            Some(value) => text_of(&value),
        };
        format!("{label} · {value}")
    }
}

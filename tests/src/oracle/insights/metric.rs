//! One metric: what it counts, in which bucket, in which segment.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use tallymark_report::{CountOnce, Filter, Insights, Measure, Metric, PerUser, Scope, Unit};

use super::behaviour::Behaviour;
use super::breakdown::{Segment, Splitter, segments};
use super::civil::{Bucket, Span, shifted};
use super::filter::passes;
use super::matching::{including, left};
use super::measure::{Outcome, measured, one, rank};
use super::other_events::share;
use super::range::Range;
use super::ranges::Ranges;
use super::sample;
use super::selector::occurrences;
use super::sessions::{Session, sessions};
use super::world::{Event, Subject, View};

/// An event that a metric counts, or a profile.
#[derive(Debug, Clone)]
pub(in crate::oracle) struct Hit<'a> {
    /// As breakdowns and measures see it (P-32).
    event: Option<Rc<Event>>,
    user: Option<&'a str>,
    /// Whom it counts for.
    pub(in crate::oracle) actors: Vec<String>,
    /// The session it is in, by number.
    pub(in crate::oracle) session: Option<usize>,
    segments: BTreeSet<Segment>,
    /// The credit of each label, where events are split by what led to them.
    credits: BTreeMap<String, f64>,
}

impl Hit<'_> {
    pub(in crate::oracle) fn subject(&self) -> Subject<'_> {
        let event = self.event.as_deref();
        Subject { event, user: self.user, object: None, at: self.time(), group: None }
    }

    fn time(&self) -> Option<i64> {
        self.event.as_ref().map(|event| event.time)
    }
}

/// Which hits a row of a report is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::oracle) enum Line {
    Overall,
    Segment(Segment),
    /// Everything in a segment that is not among these (B-30).
    Other(Vec<Segment>),
}

impl Line {
    pub(in crate::oracle) fn has(&self, segment: &Segment) -> bool {
        match self {
            Self::Overall => true,
            Self::Segment(own) => own == segment,
            Self::Other(shown) => !shown.contains(segment),
        }
    }
}

/// A metric and all it counts, at any time.
pub(in crate::oracle) struct Counted<'a> {
    view: View<'a>,
    metric: &'a Metric,
    hits: Vec<Hit<'a>>,
    sessions: Vec<Session<'a>>,
    /// Which of the breakdowns is by what led to events.
    attributed: Option<usize>,
    /// What a funnel or retention answers (S-26, S-27).
    behaviour: Option<Behaviour<'a>>,
    insights: Insights,
}

impl<'a> Counted<'a> {
    pub(in crate::oracle) fn new(
        view: View<'a>,
        scope: &Scope,
        insights: &Insights,
        metric: &'a Metric,
        range: Range,
        time: Range,
    ) -> Self {
        // What users do in a time is that of the time measured; ranges are those of the report.
        let ranges = of_time(view, scope, insights, metric, range);
        let view = View { measured: Some((time.span, insights.interval)), ..view };
        let sessions = sessions(view, &scope.sessions.clone().unwrap_or_default());
        let mut hits = match &metric.profiles {
            Some(filter) => of_profiles(view, filter),
            None => of_events(view, scope, metric, &sessions),
        };
        hits.retain(|hit| sample::has(insights, hit.user));
        let splitters: Vec<Splitter<'_>> =
            insights.breakdowns.iter().zip(ranges).map(|(by, ranges)| Splitter::new(by, ranges)).collect();
        let attributed = splitters.iter().position(Splitter::is_attributed);
        for hit in &mut hits {
            let segments = segments(view, &splitters, hit.subject());
            let credits = attributed.map(|at| splitters[at].credits(view, hit.subject()));
            hit.segments = segments;
            if let Some(credits) = credits {
                hit.credits = credits;
            }
        }
        let behaviour = Behaviour::of(view, scope, insights, metric, time);
        Self { view, metric, hits, sessions, attributed, behaviour, insights: insights.clone() }
    }

    /// The measure of a bucket and line, as of all users (S-91).
    pub(in crate::oracle) fn outcome(&self, range: Range, bucket: Bucket, line: &Line) -> Outcome {
        let mut outcome = self.found(range, bucket, line);
        if let Some(share) = self.insights.sample.filter(|_| sample::is_scaled(&self.metric.measure)) {
            for measured in &mut outcome {
                measured.value = measured.value.map(|value| value / share);
            }
        }
        outcome
    }

    fn found(&self, range: Range, bucket: Bucket, line: &Line) -> Outcome {
        if let Some(behaviour) = &self.behaviour {
            return one(behaviour.value(bucket, line));
        }
        if let Some(cohort) = &self.metric.cohort {
            // C-20.
            let now = self.view.now.min(bucket.span.to - 1);
            let members = View { now, ..self.view }.members(cohort);
            let members = members.iter().filter(|id| sample::has(&self.insights, Some(id)));
            return one(Some(members.count() as f64));
        }
        if *line != Line::Overall
            && let Some(at) = self.attributed
        {
            return one(Some(self.credit(at, range, bucket, line)));
        }
        measured(self.view, &self.metric.measure, &self.counted(&self.metric.measure, range, bucket, line))
    }

    /// told to a billionth.
    fn credit(&self, at: usize, range: Range, bucket: Bucket, line: &Line) -> f64 {
        let measure = &self.metric.measure;
        let of_hit = |hit: &Hit<'a>| -> f64 {
            let labels: BTreeSet<&String> =
                hit.segments.iter().filter(|segment| line.has(segment)).map(|segment| &segment[at]).collect();
            labels.into_iter().map(|label| hit.credits[label]).sum()
        };
        let hits: Vec<&Hit<'a>> =
            self.hits.iter().filter(|hit| self.is_in(measure, range, bucket, hit)).collect();
        let credit: f64 = match measure {
            Measure::TotalEvents => hits.into_iter().map(of_hit).sum(),
            Measure::OfProperty { of, .. } => {
                hits.into_iter().filter_map(|hit| share(self.view, of, hit.subject(), of_hit(hit))).sum()
            }
            Measure::UniqueUsers => {
                let actors: BTreeSet<&String> = hits.iter().flat_map(|hit| &hit.actors).collect();
                let decisive = |actor: &&String| {
                    let mut theirs = hits.iter().filter(|hit| hit.actors.contains(actor));
                    match self.metric.count_once {
                        Some(CountOnce::First) => theirs.next(),
                        _ => theirs.next_back(),
                    }
                };
                actors.iter().filter_map(decisive).map(|hit| of_hit(hit)).sum()
            }
            other => panic!("{other:?} is not attributed"),
        };
        (credit * 1e9).round() / 1e9
    }

    /// The segments that something counted falls in, in some bucket (B-6).
    pub(in crate::oracle) fn listed(&self, range: Range, buckets: &[Bucket]) -> BTreeSet<Segment> {
        if let Some(behaviour) = &self.behaviour {
            return behaviour.entered().keys().cloned().collect();
        }
        let measure = &self.metric.measure;
        let per_actor = !matches!(measure, Measure::TotalEvents | Measure::OfProperty { .. });
        let all: BTreeSet<&Segment> = self.hits.iter().flat_map(|hit| &hit.segments).collect();
        let is_listed = |segment: &Segment| {
            let line = Line::Segment(segment.clone());
            let mut counted = buckets.iter().flat_map(|bucket| self.counted(measure, range, *bucket, &line));
            counted.any(|hit| !per_actor || !hit.actors.is_empty())
        };
        all.into_iter().filter(|segment| is_listed(segment)).cloned().collect()
    }

    /// The rank of a segment over the whole range (B-31, B-32).
    pub(in crate::oracle) fn rank(&self, range: Range, segment: &Segment) -> Option<f64> {
        if let Some(behaviour) = &self.behaviour {
            return Some(behaviour.entered().get(segment).copied().unwrap_or_default());
        }
        let measure = match &self.metric.measure {
            Measure::DailyActiveUsers | Measure::WeeklyActiveUsers | Measure::MonthlyActiveUsers => {
                &Measure::UniqueUsers
            }
            measure => measure,
        };
        let whole = Bucket { key: range.span.from, span: range.span };
        if let Some(at) = self.attributed {
            return Some(self.credit(at, range, whole, &Line::Segment(segment.clone())));
        }
        rank(self.view, measure, &self.counted(measure, range, whole, &Line::Segment(segment.clone())))
    }

    fn counted(&self, measure: &Measure, range: Range, bucket: Bucket, line: &Line) -> Vec<Hit<'a>> {
        let in_bucket = self.hits.iter().filter(|hit| self.is_in(measure, range, bucket, hit));
        let in_bucket: Vec<Hit<'a>> = in_bucket.cloned().collect();
        let falls_in = |hit: &Hit<'a>| *line == Line::Overall || hit.segments.iter().any(|s| line.has(s));
        let of_attribution =
            (self.attributed.is_some() && *measure == Measure::UniqueUsers).then_some(CountOnce::Last);
        match self.metric.count_once.or(of_attribution).filter(|_| *line != Line::Overall) {
            None => in_bucket.into_iter().filter(falls_in).collect(),
            Some(once) => counted_once(&in_bucket, once, falls_in),
        }
    }

    /// Whether a hit counts in a bucket.
    fn is_in(&self, measure: &Measure, range: Range, bucket: Bucket, hit: &Hit<'a>) -> bool {
        let Some(time) = hit.time() else { return true };
        let civil = self.view.civil;
        // S-40.
        let trailing = |days: i64| {
            let last = civil.date(bucket.span.to - 1);
            civil.days(shifted(last, 1 - days, Unit::Day), last).contains(time)
        };
        match measure {
            Measure::DailyActiveUsers => trailing(1),
            Measure::WeeklyActiveUsers => trailing(7),
            Measure::MonthlyActiveUsers => trailing(30),
            Measure::CumulativeUniqueUsers => {
                Span { from: range.span.from, to: bucket.span.to }.contains(time)
            }
            // A session is where it starts.
            Measure::Sessions | Measure::OverUsers { per_user: PerUser::Sessions, .. } => {
                let start = hit.session.map(|session| self.sessions[session].start());
                let is_before = bucket.span.to <= range.span.from;
                start.is_some_and(|start| bucket.span.contains(start))
                    && (is_before || range.span.contains(time))
            }
            _ => bucket.span.contains(time),
        }
    }
}

/// B-4: whoever's first or last hit falls in, with all they did; nobody's events as they are.
fn counted_once<'a>(hits: &[Hit<'a>], once: CountOnce, falls_in: impl Fn(&Hit<'a>) -> bool) -> Vec<Hit<'a>> {
    let decides = |actor: &str| {
        let mut theirs = hits.iter().filter(|hit| hit.actors.iter().any(|own| own == actor));
        let decisive = match once {
            CountOnce::First => theirs.next(),
            CountOnce::Last => theirs.next_back(),
        };
        decisive.is_some_and(&falls_in)
    };
    let mut kept = Vec::new();
    for hit in hits {
        let mut hit = hit.clone();
        let is_nobodys = hit.actors.is_empty();
        hit.actors.retain(|actor| decides(actor));
        if !hit.actors.is_empty() || (is_nobodys && falls_in(&hit)) {
            kept.push(hit);
        }
    }
    kept
}

/// The ranges of the breakdowns, from what is measured in the range of the report (B-10).
fn of_time(view: View<'_>, scope: &Scope, insights: &Insights, metric: &Metric, range: Range) -> Vec<Ranges> {
    let view = View { measured: Some((range.span, insights.interval)), ..view };
    let hits = match &metric.profiles {
        Some(filter) => of_profiles(view, filter),
        None => of_events(view, scope, metric, &[]),
    };
    let sampled = hits.iter().filter(|hit| sample::has(insights, hit.user));
    let in_range = sampled.filter(|hit| hit.time().is_none_or(|time| range.span.contains(time)));
    let in_range: Vec<Subject<'_>> = in_range.map(Hit::subject).collect();
    insights.breakdowns.iter().map(|breakdown| Splitter::ranges(view, breakdown, &in_range)).collect()
}

/// S-24.
fn of_profiles<'a>(view: View<'a>, filter: &Filter) -> Vec<Hit<'a>> {
    let users = view.world.users.keys();
    users
        .filter(|user| passes(view, filter, Subject::of_user(user)))
        .map(|user| Hit {
            event: None,
            user: Some(user),
            actors: vec![user.clone()],
            session: None,
            segments: BTreeSet::new(),
            credits: BTreeMap::new(),
        })
        .collect()
}

fn of_events<'a>(view: View<'a>, scope: &Scope, metric: &Metric, sessions: &[Session<'a>]) -> Vec<Hit<'a>> {
    let Some(selector) = &metric.event else { return Vec::new() };
    let mut matching = Vec::new();
    let of_choices = selector.any_of.iter().filter_map(|choice| choice.filter.as_ref());
    for filter in of_choices.chain(&metric.filter).chain(&scope.filter) {
        including(filter, &mut matching);
    }
    let session = |event: &Event| sessions.iter().position(|session| session.contains(event));
    occurrences(view, selector, metric.count_by.as_deref())
        .into_iter()
        .filter(|occurrence| {
            let filters = scope.filter.iter().chain(&metric.filter);
            filters.into_iter().all(|filter| passes(view, filter, Subject::of_event(occurrence.event)))
        })
        .map(|occurrence| Hit {
            event: Some(Rc::new(left(view, occurrence.event, &matching))),
            user: occurrence.event.user.as_deref(),
            session: session(occurrence.event),
            actors: occurrence.actors,
            segments: BTreeSet::new(),
            credits: BTreeMap::new(),
        })
        .collect()
}

//! A definition → what a scan has to know of each event, and the steps.

use std::ops::Range;
use std::sync::Arc;

use arrow::array::{Array, AsArray as _, ListBuilder, StringViewArray, StringViewBuilder};
use arrow::compute::cast;
use datafusion::common::ScalarValue;
use datafusion::logical_expr::{Case, Expr, lit};
use tallymark_report::{
    Aggregate, Attribution, Breakdown, ClickhouseMode, CountOf, DefinitionError, EventChoice, EventSelector,
    Funnel, Instants, Measure, PerUser, Property, Reentry, Scope, StepOrder, Window,
};

use super::super::asked::{Asked, plan_error};
use super::super::chosen::{BehaviourScan, metric_of};
use super::super::convert::{self, TEXT};
use super::super::filter::utf8;
use super::super::insights::{chooses_ranges, ranges_among};
use super::super::sessions::SessionWalk;
use super::super::values::{Item, Values, first_set};
use super::attempts::{Excluded, Limit, Step, Steps};
use super::attribution::{OfCohort, Source};
use super::between::{Amount, Between, is_of_attempts};
use super::explain::{Explain, Explained};
use super::filter::{AttemptFilter, Conditions, Whose};
use super::tally::{Tallies, Walk, Wanted};
use super::{bucket_begins, buckets, groups, is_independent};
use crate::Result;
use crate::functions::made::call;
use crate::functions::window_funnel;
use crate::resident::among::UserIds;
use crate::resident::by_user::CONDITIONS_MAX;

/// A funnel that is asked.
pub(super) struct Asking<'a> {
    pub(super) asked: &'a Asked,
    pub(super) scope: &'a Scope,
    pub(super) funnel: &'a Funnel,
    /// The instants that buckets are known by (G-5).
    pub(super) buckets: Vec<i64>,
    pub(super) shape: Arc<Shape>,
    conditions: Vec<Expr>,
    labels: Vec<Expr>,
    numbers: Vec<Expr>,
    /// The numbers that are aggregated between steps, put after the others.
    between_numbers: Vec<Expr>,
    /// Which events are of each step.
    steps: Vec<Expr>,
    /// The events that are looked at.
    within: Expr,
}

/// What is made of the events of an actor.
#[derive(Debug)]
pub(super) struct Shape {
    pub(super) steps: Steps,
    /// Of each step as it is taken, which step of the definition is reached with it.
    pub(super) reached_with: Vec<Option<usize>>,
    /// How many steps the definition has.
    pub(super) step_count: usize,
    pub(super) is_any_order: bool,
    pub(super) count: CountOf,
    /// What each breakdown goes by.
    pub(super) breakdowns: Vec<Source>,
    /// The numbers of attempts that breakdowns and filters ask for (F-75).
    pub(super) between: Vec<Between>,
    /// The cohorts of groups that actors may be in (F-52).
    pub(super) actor_cohorts: Vec<Arc<UserIds>>,
    /// The labels of what is held constant.
    pub(super) held: Range<usize>,
    pub(super) filter: Option<AttemptFilter>,
    /// The label that says which group an event is of.
    pub(super) group: Option<usize>,
    /// Conditions of first times of groups, each with the label that names the groups whose first it is
    /// (S-52).
    pub(super) only_of: Vec<(usize, usize)>,
    pub(super) sessions: Option<SessionWalk>,
    pub(super) range: Instants,
    /// When another bucket begins, and which: not always when it is known by (G-6).
    pub(super) bucket_begins: Vec<(i64, usize)>,
    pub(super) is_independent: bool,
    /// The first step of each of `times`.
    pub(super) times_from: Vec<usize>,
    /// How many `measures` there are: the numbers of events.
    pub(super) measure_count: usize,
    /// From which to which step attempts are split by time.
    pub(super) split_steps: (usize, usize),
    /// F-34.
    pub(super) clickhouse: Option<window_funnel::Funnel>,
    /// Of each condition of the scan, the steps that an event takes with it, a bit each: of the first 64.
    pub(super) steps_of: [u64; CONDITIONS_MAX],
    /// Where there are more conditions than a scan takes.
    pub(super) many: Option<ManyConditions>,
}

/// Conditions that are told by a label: the numbers of those that an event meets.
#[derive(Debug, Clone, Copy)]
pub(super) struct ManyConditions {
    pub(super) label: usize,
    /// Those before are conditions of the scan.
    pub(super) first: usize,
}

impl<'a> Asking<'a> {
    pub(super) async fn try_new(asked: &'a Asked, scope: &'a Scope, funnel: &'a Funnel) -> Result<Self> {
        let range = asked.calendar.resolve(&scope.range, asked.as_of)?;
        let limit = match (funnel.count, funnel.window.millis()) {
            (CountOf::Sessions, _) => Limit::Sessions(1),
            (_, Some(millis)) => Limit::Millis(millis),
            (_, None) => Limit::Sessions(funnel.window.count),
        };
        let mut looked_at = Instants { from: range.from, to: i64::MAX, days: None };
        let (mut conditions, mut session_id, mut sessions) = (Vec::new(), None, false);
        let mut session_condition_count = 0;
        let within = match limit {
            Limit::Millis(millis) => {
                looked_at.to = range.to.saturating_add(millis).saturating_add(1);
                asked.within(&looked_at)
            }
            Limit::Sessions(_) => {
                let to = asked.as_of.max(range.from).saturating_add(1);
                let scan = asked.session_scan(scope, &Instants { to, ..looked_at }, lit(false))?;
                (conditions, session_id, sessions) = (scan.conditions, scan.id, true);
                session_condition_count = conditions.len();
                scan.within
            }
        };
        let mut asking = Self {
            asked,
            scope,
            funnel,
            buckets: buckets(asked, funnel, &range),
            shape: Arc::new(Shape::empty(range)),
            conditions,
            labels: Vec::new(),
            numbers: Vec::new(),
            between_numbers: Vec::new(),
            steps: Vec::new(),
            // F-2: no step is taken before the range.
            within: within.and(asked.within(&looked_at)),
        };
        let mut shape = Shape::empty(range);
        asking.take_steps(&mut shape, limit).await?;
        asking.take_labels(&mut shape).await?;
        asking.take_clickhouse(&mut shape)?;
        if sessions {
            shape.sessions = Some(asked.session_walk(scope, asking.labels.len()));
            asking.labels.extend(session_id);
        }
        asking.take_times(&mut shape)?;
        if !shape.only_of.is_empty() && asking.conditions.len() > CONDITIONS_MAX {
            let problem = "so many steps go without first times of groups";
            return Err(DefinitionError::new("steps", problem).into());
        }
        asking.put_together(&mut shape, session_condition_count);
        shape.bucket_begins = bucket_begins(asked, funnel, &range);
        shape.is_independent = is_independent(funnel);
        asking.shape = Arc::new(shape);
        Ok(asking)
    }

    /// The position of a condition, which is added if it is new.
    fn condition(&mut self, condition: Expr) -> usize {
        let condition = self.within.clone().and(condition);
        self.conditions.iter().position(|known| *known == condition).unwrap_or_else(|| {
            self.conditions.push(condition);
            self.conditions.len() - 1
        })
    }

    /// The position of the condition that any event meets.
    fn any_event(&mut self) -> Result<usize> {
        let all = EventChoice { event: tallymark_report::ALL_EVENTS.to_owned(), filter: None };
        let all = self.asked.named(&[&all])?;
        Ok(self.condition(all))
    }

    async fn take_steps(&mut self, shape: &mut Shape, limit: Limit) -> Result<()> {
        let (asked, funnel) = (self.asked, self.funnel);
        let is_any_order = funnel.order == StepOrder::Any;
        let mut steps = Vec::new();
        // Where the steps of each step of the definition begin.
        let mut starts = Vec::new();
        for (at, step) in funnel.steps.iter().enumerate() {
            let mut selected = asked.selects(&step.event)?;
            let metric = metric_of(&step.event, funnel.count_by.as_deref());
            if let Some(first_time) = step.event.first_time {
                selected = selected.and(asked.is_first(&metric, first_time).await?);
            }
            self.steps.push(selected.clone());
            let condition = self.condition(selected);
            if step.event.first_time.is_some() && funnel.count_by.is_some() {
                shape.only_of.push((condition, self.labels.len()));
                self.labels.push(asked.counted(&metric).await?.label);
            }
            starts.push(steps.len());
            let within = step.within.and_then(Window::millis).map(|millis| (millis, steps.len()));
            for _ in 0..step.times {
                shape.reached_with.push(None);
                steps.push(Step { condition, is_optional: step.optional, within });
            }
            if let Some(last) = shape.reached_with.last_mut() {
                *last = Some(at);
            }
        }
        starts.push(steps.len());
        let mut exclusions = Vec::new();
        for exclusion in &funnel.exclude {
            let selected = asked.selects(&exclusion.event)?;
            let condition = self.condition(selected);
            let (from, to) = match exclusion.after_step {
                // From the last event of one step, if it is reached (F-18), to that of the next.
                Some(step) => (starts[step], starts[step + 1] - 1),
                None => (1, steps.len()),
            };
            exclusions.push(Excluded { condition, from, to: to.max(from) });
        }
        let strict = if funnel.order == StepOrder::Strict { Some(self.any_event()?) } else { None };
        let mut blocks: Vec<Range<usize>> = Vec::new();
        for (at, step) in funnel.steps.iter().enumerate() {
            let follows = at > 0 && is_any_order && !step.anchored && !funnel.steps[at - 1].anchored;
            match blocks.last_mut() {
                Some(block) if follows => block.end = at + 1,
                _ if is_any_order => blocks.push(at..at + 1),
                _ => blocks.extend((starts[at]..starts[at + 1]).map(|step| step..step + 1)),
            }
        }
        let grace = if strict.is_some() { 0 } else { (funnel.grace_seconds * 1000.0).round() as i64 };
        shape.step_count = funnel.steps.len();
        shape.is_any_order = is_any_order;
        shape.steps = Steps {
            steps,
            blocks,
            limit,
            grace,
            exclusions,
            strict,
            holds: !funnel.hold_constant.is_empty(),
            optimized: funnel.reentry == Reentry::Optimized,
        };
        Ok(())
    }

    async fn take_labels(&mut self, shape: &mut Shape) -> Result<()> {
        let (asked, funnel) = (self.asked, self.funnel);
        // B-10: the values of all events of steps in the range.
        let steps = self.steps.clone().into_iter().reduce(Expr::or).unwrap_or_else(|| lit(false));
        let steps = asked.within(&shape.range).and(steps);
        let among = asked.scan()?.filter(steps).map_err(plan_error)?;
        // What attempts have is known with them.
        let plain = |breakdown: &Breakdown| !matches!(breakdown, Breakdown::Property { property, .. } if is_of_attempts(property));
        let breakdowns: Vec<Breakdown> = funnel.breakdowns.iter().filter(|of| plain(of)).cloned().collect();
        let mut automatic = ranges_among(asked, asked, &breakdowns, &among).await?.into_values();
        let (mut of_attempts, mut actor_cohorts) = (Vec::new(), Vec::new());
        for breakdown in &funnel.breakdowns {
            let label = self.labels.len();
            let source = match breakdown {
                Breakdown::Cohorts { cohorts } => self.take_cohorts(cohorts, &mut actor_cohorts)?,
                Breakdown::Property { property, .. } if is_of_attempts(property) => {
                    of_attempts.push(property.clone());
                    Source::Number(of_attempts.len() - 1)
                }
                //
                Breakdown::Property { property: property @ Property::Attributed { .. }, .. } => {
                    self.labels.push(asked.attributed_labels(property)?);
                    Source::Step { label, attribution: Attribution::Step(1), defined: None }
                }
                Breakdown::Property { property, .. } => {
                    let ranges = if chooses_ranges(breakdown) { automatic.next().flatten() } else { None };
                    self.labels.push(asked.segment_by_property(breakdown, ranges)?.label);
                    let of_user = matches!(property, Property::User { .. });
                    let decides = !of_user && !matches!(funnel.attribution, Attribution::Step(_));
                    let defined = decides.then_some(self.labels.len());
                    if decides {
                        let is_set = asked.values(property)?.is_set();
                        self.labels.push(Expr::Case(Case {
                            expr: None,
                            when_then_expr: vec![(Box::new(is_set), Box::new(utf8("set")))],
                            else_expr: None,
                        }));
                    }
                    let attribution = funnel.attribution;
                    if of_user {
                        Source::User { label }
                    } else {
                        Source::Step { label, attribution, defined }
                    }
                }
            };
            shape.breakdowns.push(source);
        }
        let first_held = self.labels.len();
        for property in &funnel.hold_constant {
            self.labels.push(held(&asked.values(property)?));
        }
        shape.held = first_held..self.labels.len();
        if let Some(filter) = self.scope.filter.as_ref().filter(|_| funnel.clickhouse.is_none()) {
            let mut conditions = Conditions {
                asked,
                attribution: funnel.attribution,
                count_by: funnel.count_by.as_deref(),
                labels: &mut self.labels,
                numbers: &mut of_attempts,
                cohorts: &mut actor_cohorts,
            };
            shape.filter = Some(conditions.filter(filter)?);
        }
        let members = |name: &String| asked.members.get(name).cloned().unwrap_or_default();
        shape.actor_cohorts = actor_cohorts.iter().map(members).collect();
        if funnel.count_by.is_some() {
            shape.group = Some(self.labels.len());
            let any = EventSelector::named(tallymark_report::ALL_EVENTS);
            self.labels.push(asked.actor(&metric_of(&any, funnel.count_by.as_deref()))?.label);
        }
        shape.count = funnel.count;
        for property in &of_attempts {
            self.take_between(shape, property)?;
        }
        Ok(())
    }

    /// Cohorts of the actors' own kind are per actor, others of the event of a step (F-52).
    fn take_cohorts(&mut self, cohorts: &[String], of_actors: &mut Vec<String>) -> Result<Source> {
        let Funnel { count_by, attribution, .. } = self.funnel;
        let mut found = Vec::new();
        for (at, name) in cohorts.iter().enumerate() {
            if cohorts[..at].contains(name) {
                continue;
            }
            let whose = Whose::of(self.asked, name, count_by.as_deref());
            if whose == Whose::Group {
                found.push(OfCohort::Actor(of_actors.len(), name.clone()));
                of_actors.push(name.clone());
                continue;
            }
            let label = self.labels.len();
            let cohort = Breakdown::Cohorts { cohorts: vec![name.clone()] };
            self.labels.push(self.asked.segment_by_property(&cohort, None)?.label);
            found.push(OfCohort::Source(match whose {
                // Who is neither in nor out has no label.
                Whose::Event => Source::Step { label, attribution: *attribution, defined: Some(label) },
                Whose::User | Whose::Group => Source::User { label },
            }));
        }
        // A label of users alone is looked up without more ado.
        Ok(match found.as_mut_slice() {
            [OfCohort::Source(source @ Source::User { .. })] => source.clone(),
            _ => Source::Cohorts(found),
        })
    }

    /// F-75.
    fn take_between(&mut self, shape: &mut Shape, property: &Property) -> Result<()> {
        let Property::PerUser { per_user, event, between_steps: Some([from, to]), .. } = property else {
            return Ok(());
        };
        let amount = match per_user.as_ref() {
            PerUser::Events | PerUser::Sessions => Amount::Events,
            PerUser::OfProperty { aggregate, of, cast } => {
                let measure = Measure::OfProperty { aggregate: *aggregate, of: of.clone(), cast: *cast };
                let value = self.asked.value(&measure)?.map(|value| value.label);
                if *aggregate == Aggregate::Distinct {
                    self.labels.push(value.unwrap_or_else(|| lit(ScalarValue::Utf8View(None))));
                    Amount::Distinct(self.labels.len() - 1)
                } else {
                    self.between_numbers.push(value.unwrap_or_else(|| lit(ScalarValue::Float64(None))));
                    Amount::Numbers(*aggregate, self.between_numbers.len() - 1)
                }
            }
        };
        let selected = self.asked.selects(event)?;
        let condition = self.condition(selected);
        shape.between.push(Between { condition, steps: (from - 1, to - 1), amount });
        Ok(())
    }

    /// F-34: steps and filters are conditions of events.
    fn take_clickhouse(&mut self, shape: &mut Shape) -> Result<()> {
        let Some(modes) = &self.funnel.clickhouse else { return Ok(()) };
        if let Some(filter) = &self.scope.filter {
            let filter = self.asked.filter(filter)?;
            self.within = self.within.clone().and(filter.clone());
            for condition in &mut self.conditions {
                *condition = condition.clone().and(filter.clone());
            }
        }
        let mut strict = window_funnel::Modes::default();
        for mode in modes {
            match mode {
                ClickhouseMode::StrictOrder => strict.order = true,
                ClickhouseMode::StrictDeduplication => strict.deduplication = true,
                ClickhouseMode::StrictIncrease => strict.increase = true,
                ClickhouseMode::StrictOnce => strict.once = true,
                ClickhouseMode::AllowReentry => strict.reentry = true,
            }
        }
        if strict.order {
            // Events of no step matter too.
            self.any_event()?;
        }
        let Limit::Millis(window) = shape.steps.limit else { return Ok(()) };
        for (at, step) in shape.steps.steps.iter().enumerate().take(64) {
            if let Some(steps) = shape.steps_of.get_mut(step.condition) {
                *steps |= 1 << at;
            }
        }
        shape.clickhouse =
            Some(window_funnel::Funnel { steps: shape.steps.steps.len(), window, modes: strict });
        Ok(())
    }

    fn take_times(&mut self, shape: &mut Shape) -> Result<()> {
        let funnel = self.funnel;
        for measure in &funnel.measures {
            let number = self.asked.values(&measure.of)?.number;
            self.numbers.push(number.unwrap_or_else(|| lit(ScalarValue::Float64(None))));
        }
        shape.measure_count = self.numbers.len();
        if shape.group.is_some() {
            // G-1: events of one instant come in the order they arrived in, whoever did them.
            let order = self.asked.order();
            self.numbers.push(datafusion::logical_expr::cast(order, arrow::datatypes::DataType::Float64));
        }
        let first = self.numbers.len();
        self.numbers.append(&mut self.between_numbers);
        for between in &mut shape.between {
            if let Amount::Numbers(_, at) = &mut between.amount {
                *at += first;
            }
        }
        shape.times_from = funnel.times.iter().map(|time| time.from_step - 1).collect();
        if let Some(split) = &funnel.time_buckets {
            let to = split.to_step.unwrap_or(funnel.steps.len());
            shape.split_steps = (split.from_step - 1, to - 1);
        }
        Ok(())
    }

    /// More conditions than a scan takes become one of it, and a label.
    fn put_together(&mut self, shape: &mut Shape, first: usize) {
        if self.conditions.len() <= CONDITIONS_MAX {
            return;
        }
        let many = self.conditions.split_off(first);
        self.conditions.extend(many.iter().cloned().reduce(Expr::or));
        shape.many = Some(ManyConditions { label: self.labels.len(), first });
        self.labels.push(call("met", convert::list_of_text(), many, |args| {
            let mut lists = ListBuilder::new(StringViewBuilder::new());
            for row in 0..args.first().map_or(0, Array::len) {
                for (number, condition) in args.iter().enumerate() {
                    let condition = condition.as_boolean();
                    if condition.is_valid(row) && condition.value(row) {
                        lists.values().append_value(number.to_string());
                    }
                }
                lists.append(true);
            }
            Ok(Arc::new(lists.finish()))
        }));
    }

    /// The attempts of one user (F-35).
    pub(super) async fn explained(&self, user: &str) -> Result<Vec<Explained>> {
        let asked = self.asked;
        let is_user = super::super::asked::column(tallymark_event::columns::USER_ID).eq(utf8(user));
        let conditions = self.conditions.iter().map(|condition| condition.clone().and(is_user.clone()));
        let event_label = self.labels.len();
        let scan = BehaviourScan {
            within: self.within.clone().and(is_user.clone()),
            conditions: conditions.collect(),
            labels: self.labels.iter().cloned().chain([asked.event_name()]).collect(),
            numbers: Vec::new(),
        };
        let walk = Walk::new(Arc::clone(&self.shape), Wanted::default());
        let explain = Explain { walk, event_label, as_of: asked.as_of };
        Ok(scan.run(asked, explain).await?.0)
    }

    /// What all actors come to.
    pub(super) async fn tallies(&self, wanted: Wanted) -> Result<Tallies> {
        let scan = BehaviourScan {
            within: self.within.clone(),
            conditions: self.conditions.clone(),
            labels: self.labels.clone(),
            numbers: self.numbers.clone(),
        };
        let walk = Walk::new(Arc::clone(&self.shape), wanted);
        if self.shape.group.is_some() {
            return groups::tallies(self.asked, scan, walk).await;
        }
        let (partial, directory) = scan.run(self.asked, walk).await?;
        let id = |actor: u32| directory.ids().value(actor as usize).to_owned();
        Ok(partial.finish(id))
    }
}

impl Shape {
    fn empty(range: Instants) -> Self {
        Self {
            steps: Steps {
                steps: Vec::new(),
                blocks: Vec::new(),
                limit: Limit::Sessions(1),
                grace: 0,
                exclusions: Vec::new(),
                strict: None,
                holds: false,
                optimized: false,
            },
            reached_with: Vec::new(),
            step_count: 0,
            is_any_order: false,
            count: CountOf::default(),
            breakdowns: Vec::new(),
            between: Vec::new(),
            actor_cohorts: Vec::new(),
            held: 0..0,
            filter: None,
            group: None,
            only_of: Vec::new(),
            sessions: None,
            range,
            bucket_begins: Vec::new(),
            is_independent: false,
            times_from: Vec::new(),
            measure_count: 0,
            split_steps: (0, 0),
            clickhouse: None,
            steps_of: [0; CONDITIONS_MAX],
            many: None,
        }
    }
}

/// Text that is different for different values, lists too; null where there is none (F-40).
pub(in crate::report) fn held(values: &Values) -> Expr {
    let lists = values.lists.iter().map(|(item, list)| {
        let item = *item;
        call(format!("list({item:?})"), TEXT, vec![list.clone()], move |args| {
            let lists = args[0].as_list::<i32>();
            let items = match item {
                Item::Number => cast(&cast(lists.values(), &arrow::datatypes::DataType::Float64)?, &TEXT)?,
                _ => cast(lists.values(), &TEXT)?,
            };
            let items = items.as_string_view();
            let offsets = lists.value_offsets();
            let text = |row: usize| {
                let of_row = offsets[row] as usize..offsets[row + 1] as usize;
                let of_row = of_row.map(|at| items.is_valid(at).then(|| items.value(at)));
                // A list without items is the same whatever it could have.
                lists.is_valid(row).then(|| match of_row.len() {
                    0 => "[]".to_owned(),
                    _ => format!("{item:?}{:?}", of_row.collect::<Vec<_>>()),
                })
            };
            let texts: StringViewArray = (0..lists.len()).map(text).collect();
            Ok(Arc::new(texts))
        })
    });
    first_set(values.tagged().into_iter().chain(lists)).unwrap_or_else(|| lit(ScalarValue::Utf8View(None)))
}

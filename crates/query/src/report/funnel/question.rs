//! A definition → what a scan has to know of each event, and the steps.

use std::ops::Range;
use std::sync::Arc;

use arrow::array::{Array, AsArray as _, ListBuilder, StringViewArray, StringViewBuilder};
use arrow::compute::cast;
use datafusion::common::ScalarValue;
use datafusion::logical_expr::{Case, Expr, lit};
use tallymark_report::{
    Attribution, Breakdown, ClickhouseMode, CountOf, EventChoice, EventSelector, Funnel, Instants, Property,
    Reentry, Scope, StepOrder, Window,
};

use super::super::asked::{Asked, plan_error};
use super::super::chosen::metric_of;
use super::super::convert::{self, TEXT};
use super::super::filter::utf8;
use super::super::function::call;
use super::super::insights::chosen_ranges;
use super::super::sessions::SessionWalk;
use super::super::values::{Item, Values, first_set};
use super::attempts::{Excluded, Limit, Step, Steps};
use super::explain::{Explain, Explained};
use super::filter::AttemptFilter;
use super::tally::{Tallies, Walk, Wanted};
use super::{buckets, groups, is_independent};
use crate::functions::window_funnel;
use crate::resident::by_user::{CONDITIONS_MAX, UserScan};
use crate::{Error, Result};

/// A funnel that is asked.
pub(super) struct Asking<'a> {
    pub(super) asked: &'a Asked,
    pub(super) scope: &'a Scope,
    pub(super) funnel: &'a Funnel,
    /// Where buckets start.
    pub(super) buckets: Vec<i64>,
    pub(super) shape: Arc<Shape>,
    conditions: Vec<Expr>,
    labels: Vec<Expr>,
    numbers: Vec<Expr>,
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
    pub(super) attribution: Attribution,
    /// Of each breakdown, whether it is the same for all events of a user (F-52). Their labels come first.
    pub(super) breakdowns: Vec<bool>,
    /// Of each breakdown, the label that an event has if it has a value, where that decides which step
    /// gives it (F-51).
    pub(super) defined: Vec<Option<usize>>,
    /// The labels of what is held constant.
    pub(super) held: Range<usize>,
    pub(super) filter: Option<AttemptFilter>,
    /// The label that says which group an event is of.
    pub(super) group: Option<usize>,
    pub(super) sessions: Option<SessionWalk>,
    pub(super) range: Instants,
    pub(super) buckets: Vec<i64>,
    pub(super) is_independent: bool,
    /// The first step of each of `times`.
    pub(super) times_from: Vec<usize>,
    /// How many `measures` there are: the numbers of events.
    pub(super) measure_count: usize,
    /// From which to which step attempts are split by time.
    pub(super) split_steps: (usize, usize),
    /// F-34.
    pub(super) clickhouse: Option<window_funnel::Funnel>,
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
        asking.put_together(&mut shape, session_condition_count);
        shape.buckets.clone_from(&asking.buckets);
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
            if let Some(first_time) = step.event.first_time {
                let metric = metric_of(&step.event, funnel.count_by.as_deref());
                selected = selected.and(asked.is_first(&metric, first_time).await?);
            }
            let condition = self.condition(selected);
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
            let (mut from, to) = match exclusion.after_step {
                // From the last event of one step to that of the next.
                Some(step) => (starts[step], starts[step + 1] - 1),
                None => (1, steps.len()),
            };
            if exclusion.after_step.is_some() {
                // F-18: what comes after an optional step comes after the one before too.
                while from > 1 && steps[from - 1].is_optional {
                    from -= 1;
                }
            }
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
        // B-10: the values of all steps in the range.
        let any = funnel.steps.iter().flat_map(|step| step.event.any_of.clone()).collect();
        let any = EventSelector { any_of: any, name: None, first_time: None };
        let any = metric_of(&any, funnel.count_by.as_deref());
        let automatic = chosen_ranges(asked, None, &funnel.breakdowns, &any, &shape.range, None).await?;
        let segments = asked.segments(&funnel.breakdowns, &automatic)?;
        self.labels.extend(segments.into_iter().map(|segment| segment.label));
        let of_user = |breakdown: &Breakdown| match breakdown {
            Breakdown::Property { property, .. } => matches!(property, Property::User { .. }),
            Breakdown::Cohorts { .. } => true,
        };
        shape.breakdowns = funnel.breakdowns.iter().map(of_user).collect();
        for (breakdown, of_user) in funnel.breakdowns.iter().zip(&shape.breakdowns) {
            let property = match breakdown {
                Breakdown::Property { property, .. } => Some(property),
                Breakdown::Cohorts { .. } => None,
            };
            let decides = !of_user && !matches!(funnel.attribution, Attribution::Step(_));
            let property = property.filter(|_| decides);
            shape.defined.push(property.map(|_| self.labels.len()));
            if let Some(property) = property {
                let is_set = asked.values(property)?.is_set();
                self.labels.push(Expr::Case(Case {
                    expr: None,
                    when_then_expr: vec![(Box::new(is_set), Box::new(utf8("set")))],
                    else_expr: None,
                }));
            }
        }
        let first_held = self.labels.len();
        for property in &funnel.hold_constant {
            self.labels.push(held(&asked.values(property)?));
        }
        shape.held = first_held..self.labels.len();
        if let Some(filter) = self.scope.filter.as_ref().filter(|_| funnel.clickhouse.is_none()) {
            shape.filter = Some(AttemptFilter::try_new(asked, filter, &mut self.labels)?);
        }
        if funnel.count_by.is_some() {
            shape.group = Some(self.labels.len());
            self.labels.push(asked.actor(&any)?.label);
        }
        shape.count = funnel.count;
        shape.attribution = funnel.attribution;
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
        let labels = self.labels.iter().cloned().chain([asked.event_name()]).collect();
        let events = asked.events();
        let users = UserScan::try_new(&asked.state, &events, conditions.collect(), labels);
        let users = users.map_err(plan_error)?;
        let failed = |source| Error::Run { source };
        let filters = [self.within.clone(), is_user];
        let layout = events.layout_of(&asked.state, &filters, users.inputs()).await.map_err(failed)?;
        let walk = Walk { shape: Arc::clone(&self.shape), wanted: Wanted::default() };
        let explain = Explain { walk, event_label, as_of: asked.as_of };
        users.run(layout, explain, &asked.state.runtime_env().memory_pool).await.map_err(failed)
    }

    /// What all actors come to.
    pub(super) async fn tallies(&self, wanted: Wanted) -> Result<Tallies> {
        let asked = self.asked;
        let events = asked.events();
        let (conditions, labels) = (self.conditions.clone(), self.labels.clone());
        let numbers = self.numbers.clone();
        let users = UserScan::with_numbers(&asked.state, &events, conditions, labels, numbers);
        let users = users.map_err(plan_error)?;
        let failed = |source| Error::Run { source };
        let layout = events.layout_of(&asked.state, std::slice::from_ref(&self.within), users.inputs()).await;
        let layout = layout.map_err(failed)?;
        let walk = Walk { shape: Arc::clone(&self.shape), wanted };
        let pool = &asked.state.runtime_env().memory_pool;
        if self.shape.group.is_some() {
            return groups::tallies(walk, users, layout, pool).await.map_err(failed);
        }
        let directory = Arc::clone(layout.users());
        let partial = users.run(layout, walk, pool).await.map_err(failed)?;
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
            attribution: Attribution::default(),
            breakdowns: Vec::new(),
            defined: Vec::new(),
            held: 0..0,
            filter: None,
            group: None,
            sessions: None,
            range,
            buckets: Vec::new(),
            is_independent: false,
            times_from: Vec::new(),
            measure_count: 0,
            split_steps: (0, 0),
            clickhouse: None,
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
                lists.is_valid(row).then(|| format!("{item:?}{:?}", of_row.collect::<Vec<_>>()))
            };
            let texts: StringViewArray = (0..lists.len()).map(text).collect();
            Ok(Arc::new(texts))
        })
    });
    first_set(values.tagged().into_iter().chain(lists)).unwrap_or_else(|| lit(ScalarValue::Utf8View(None)))
}

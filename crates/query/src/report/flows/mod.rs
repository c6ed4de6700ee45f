//! Flows: what users do before and after something (section 8).
//!
//! 1. [`Prepared`]: which events are anchors and steps of paths, and how they are called.
//! 2. [`walk`]: the events of one user → flows. Anchors follow each other as the steps of a
//!    [`funnel`](super::funnel) do.
//! 3. [`tally`]: flows → nodes, edges and paths for each segment, added up over users.
//! 4. [`rows`]: the answer: a graph, paths, or a tree; or [`behind`] a node or edge of it, or a path, users.

mod behind;
mod rows;
mod tally;
#[cfg(test)]
mod tests;
mod walk;

use std::sync::Arc;

use arrow::array::{RecordBatch, StringViewArray};
use datafusion::logical_expr::{Case, Expr, lit};
use tallymark_report::{
    Breakdown, CountOf, EventSelector, Expansion, Flows, Instants, SESSION_END, SESSION_START, Scope,
};

pub(super) use self::behind::users;
pub(super) use self::rows::schema;
use self::tally::{Counted, Partial};
use self::walk::{Shown, Walk};
use super::asked::{Asked, plan_error};
use super::chosen::BehaviourScan;
use super::convert::{self, TEXT};
use super::filter::utf8;
use super::funnel::attempts::{Excluded, Limit, Step, Steps};
use super::funnel::question::held;
use super::insights::ranges_among;
use super::split::Split;
use crate::Result;
use crate::functions::made::call;

/// What tells who somebody is, and is no step of a path (W-2).
const IDENTITY_EVENTS: [&str; 3] = ["$identify", "$create_alias", "$merge"];
/// As close in time, anchors may come in either order (F-14).
const GRACE_MS: i64 = 2000;

/// The answer.
pub(super) async fn answer(asked: &Asked, scope: &Scope, flows: &Flows) -> Result<RecordBatch> {
    rows::batch(flows, counted(asked, scope, flows).await?)
}

/// The flows of all users.
async fn counted(asked: &Asked, scope: &Scope, flows: &Flows) -> Result<Partial> {
    let Prepared { scan, walk } = Prepared::try_new(asked, scope, flows).await?;
    let counted = Counted { walk, split: Split::by(&flows.breakdowns), form: flows.form };
    Ok(scan.run(asked, counted).await?.0)
}

/// What a report needs.
struct Prepared {
    scan: BehaviourScan,
    walk: Walk,
}

impl Prepared {
    async fn try_new(asked: &Asked, scope: &Scope, flows: &Flows) -> Result<Self> {
        let range = asked.calendar.resolve(&scope.range, asked.as_of)?;
        let limit = match (flows.count, flows.window.millis()) {
            (CountOf::Sessions, _) => Limit::Sessions(1),
            (_, Some(millis)) => Limit::Millis(millis),
            (_, None) => Limit::Sessions(flows.window.count),
        };
        let (mut conditions, mut within) = (Vec::new(), asked.within(&range));
        let mut session_id = None;
        let has_sessions = matches!(limit, Limit::Sessions(_));
        if has_sessions {
            let scan = asked.session_scan(scope, &range, lit(false))?;
            (conditions, session_id, within) = (scan.conditions, scan.id, scan.within);
        }
        let mut condition = |expr: Expr| {
            conditions.push(expr);
            conditions.len() - 1
        };
        let mut named = Vec::new();
        let mut first_anchor = lit(false);
        let mut steps = Vec::new();
        // What is hidden is an anchor only if it is named.
        let hidden_events = asked.hidden_events.iter().chain(&flows.hide).cloned().collect();
        let hiding = Asked { hidden_events: Arc::new(hidden_events), ..asked.clone() };
        for anchor in &flows.anchors {
            let mut is_anchor = asked.happened(&anchor.event, scope, &range, None).await?;
            if !flows.hide.is_empty() {
                // What is hidden may be a first time, and then no later event is one.
                is_anchor = is_anchor.and(hiding.selects(&anchor.event)?);
            }
            let mut shown = asked.is_shown(flows);
            // What is named in an anchor counts, whatever it is and wherever it happens.
            if anchor.event.any_of.iter().any(|choice| !choice.is_all()) {
                let any_of = anchor.event.any_of.iter().filter(|choice| !choice.is_all()).cloned().collect();
                let event = EventSelector { any_of, first_time: None, ..anchor.event.clone() };
                let is_named = hiding.happened(&event, scope, &range, None).await?;
                shown = shown.or(is_named.clone());
                named.push(is_named);
            }
            if !flows.show_only.is_empty() {
                is_anchor = is_anchor.and(shown);
            }
            if steps.is_empty() {
                first_anchor = is_anchor.clone();
            }
            steps.push(Step { condition: condition(is_anchor), is_optional: false, within: None });
        }
        let mut exclusions = Vec::new();
        for exclusion in &flows.exclude {
            let excluded = condition(asked.happened(&exclusion.event, scope, &range, None).await?);
            let (from, to) = exclusion.after_step.map_or((1, steps.len()), |step| (step, step));
            exclusions.push(Excluded { condition: excluded, from, to });
        }
        let path = named.into_iter().fold(asked.path_event(flows, scope, &range)?, Expr::or);
        let path = condition(path);
        // B-10: the values of the events W-15 is about.
        let first_anchors = asked.scan()?.filter(first_anchor).map_err(plan_error)?;
        let automatic = ranges_among(asked, asked, &flows.breakdowns, &first_anchors).await?;
        let segments = asked.segments(&flows.breakdowns, &automatic)?;
        let mut labels: Vec<Expr> = segments.into_iter().map(|segment| segment.label).collect();
        let event_label = labels.len();
        labels.push(asked.event_label(flows)?);
        for property in &flows.hold_constant {
            labels.push(held(&asked.values(property)?));
        }
        let held = event_label + 1..labels.len();
        let sessions = has_sessions.then(|| asked.session_walk(scope, labels.len()));
        labels.extend(session_id);
        let shown =
            |at: usize| Shown { before: flows.anchors[at].before as usize, after: flows.after(at) as usize };
        let walk = Walk {
            steps: Steps {
                blocks: (0..steps.len()).map(|step| step..step + 1).collect(),
                steps,
                limit,
                grace: GRACE_MS,
                exclusions,
                strict: None,
                holds: !held.is_empty(),
                optimized: false,
            },
            shown: (0..flows.anchors.len()).map(shown).collect(),
            path,
            event_label,
            held,
            sessions,
            count: flows.count,
            collapse: flows.collapse_repeated,
            every_flow: !flows.breakdowns.is_empty(),
        };
        Ok(Self { scan: BehaviourScan { within, conditions, labels, numbers: Vec::new() }, walk })
    }
}

impl Asked {
    /// Whether an event is a step of paths, anchors apart (W-2).
    fn path_event(&self, flows: &Flows, scope: &Scope, range: &Instants) -> Result<Expr> {
        let mut path = self.within(range);
        if let Some(filter) = &scope.filter {
            path = path.and(self.filter(filter)?);
        }
        Ok(path.and(self.is_shown(flows)))
    }

    /// Whether events of its name are shown in paths.
    fn is_shown(&self, flows: &Flows) -> Expr {
        let names = |names: &mut dyn Iterator<Item = &str>| names.map(utf8).collect::<Vec<_>>();
        if flows.show_only.is_empty() {
            let hidden = self.hidden_events.iter().chain(&flows.hide).map(String::as_str);
            // W-21: session events are shown where they are named.
            let of_sessions =
                [SESSION_START, SESSION_END].into_iter().filter(|_| self.merged.has_session_events);
            let mut hidden = hidden.chain(IDENTITY_EVENTS).chain(of_sessions);
            self.event_name().in_list(names(&mut hidden), true)
        } else {
            self.event_name().in_list(names(&mut flows.show_only.iter().map(String::as_str)), false)
        }
    }

    /// How an event is called in paths: by a custom event (W-16), with the value of a property (W-14),
    /// or by its name.
    fn event_label(&self, flows: &Flows) -> Result<Expr> {
        let mut cases: Vec<(Box<Expr>, Box<Expr>)> = Vec::new();
        for custom in &flows.custom_events {
            cases.push((Box::new(self.selects(custom)?), Box::new(utf8(&custom.label()))));
        }
        for expansion in &flows.expand {
            // W-14 is of names, not of saved events that may have the same.
            let is_it = self.event_name().eq(utf8(&expansion.event));
            cases.push((Box::new(is_it), Box::new(self.expanded(expansion)?)));
        }
        if cases.is_empty() {
            return Ok(self.event_name());
        }
        let name = datafusion::logical_expr::cast(self.event_name(), TEXT);
        Ok(Expr::Case(Case { expr: None, when_then_expr: cases, else_expr: Some(Box::new(name)) }))
    }

    /// `event · value`; of a list its first item (W-14).
    fn expanded(&self, expansion: &Expansion) -> Result<Expr> {
        let property = expansion.property.clone();
        let breakdown = Breakdown::Property { property, cast: None, buckets: None, unit: None };
        let values = self.segments(&[breakdown], &std::collections::BTreeMap::new())?;
        let values = values.into_iter().map(|segment| segment.label).collect();
        let event = expansion.event.clone();
        let name = format!("expanded({event}, {})", expansion.property.label());
        Ok(call(name, TEXT, values, move |args| {
            let labels = convert::texts_of(&args[0])?;
            let first = |labels: &Vec<String>| labels.first().map(|label| format!("{event} · {label}"));
            let labels: StringViewArray = labels.iter().map(first).collect();
            Ok(Arc::new(labels))
        }))
    }
}

//! Metrics of profiles (S-24).

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{AsArray as _, BooleanArray};
use arrow::compute::cast;
use arrow::datatypes::DataType;
use datafusion::datasource::provider_as_source;
use datafusion::functions_aggregate::expr_fn as aggregate;
use datafusion::logical_expr::{Expr, LogicalPlanBuilder};
use tallymark_event::columns::USER_ID;
use tallymark_report::{Breakdown, Filter, Measure, Metric};

use super::super::asked::{Asked, column, plan_error};
use super::super::convert::TEXT;
use super::super::segments::Ranges;
use super::measure::{Cell, VALUE, apart, is_other, over_property, read_cells, segment_column};
use crate::Result;
use crate::functions::made::call;
use crate::tables::USERS;

/// The profiles as they are now that pass.
pub(super) fn matching(asked: &Asked, filter: &Filter) -> Result<LogicalPlanBuilder> {
    let snapshot = Arc::clone(asked.tables.snapshot());
    // U-18: a profile under an id that became somebody else's is no user's.
    let is_own = call("is_canonical", DataType::Boolean, vec![column(USER_ID)], move |args| {
        let ids = cast(&args[0], &TEXT)?;
        let is_own = |id: Option<&str>| Some(id.is_some_and(|id| snapshot.identities.canonical(id) == id));
        Ok(Arc::new(ids.as_string_view().iter().map(is_own).collect::<BooleanArray>()))
    });
    LogicalPlanBuilder::scan(USERS, provider_as_source(asked.tables.users()), None)
        .and_then(|plan| plan.filter(is_own))
        .map_err(plan_error)?
        .filter(asked.filter(filter)?)
        .map_err(plan_error)
}

/// What is measured of them; with `except`, of those in a segment that is none of these, together
/// (B-30).
pub(super) async fn measured(
    asked: &Asked,
    metric: &Metric,
    filter: &Filter,
    breakdowns: &[Breakdown],
    automatic: &BTreeMap<usize, Option<Ranges>>,
    except: Option<&[Vec<String>]>,
) -> Result<Vec<Cell>> {
    let asked = asked.of_profiles(None);
    let segments = asked.segments(breakdowns, automatic)?;
    let value = asked.value(&metric.measure)?;
    let labels = segments.iter().enumerate();
    let mut projected: Vec<Expr> =
        labels.map(|(at, segment)| segment.label.clone().alias(segment_column(at))).collect();
    projected.push(match &value {
        Some(value) => value.label.clone().alias(VALUE),
        None => column(USER_ID).alias(VALUE),
    });
    projected.push(column(USER_ID));
    let plan = matching(&asked, filter)?.project(projected).map_err(plan_error)?;
    let mut plan = apart(plan, &segments)?;
    if let Some(shown) = except {
        plan = plan
            .filter(is_other(segments.len(), shown))
            .and_then(|plan| plan.project([column(USER_ID), column(VALUE)]))
            .and_then(LogicalPlanBuilder::distinct)
            .map_err(plan_error)?;
    }
    if value.as_ref().is_some_and(|value| value.is_list) {
        plan = plan.unnest_column(VALUE).map_err(plan_error)?;
    }
    let segment_count = if except.is_some() { 0 } else { segments.len() };
    let keys: Vec<Expr> = (0..segment_count).map(|at| column(&segment_column(at))).collect();
    let plan = match &metric.measure {
        Measure::OfProperty { aggregate, .. } => over_property(plan, *aggregate, keys),
        _ => plan.aggregate(keys, [aggregate::count(column(VALUE)).alias(VALUE)]),
    };
    read_cells(&asked.collect(plan.map_err(plan_error)?).await?, segment_count)
}

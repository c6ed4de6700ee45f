//! Metrics of profiles (S-24).

use std::sync::Arc;

use arrow::array::{AsArray as _, BooleanArray};
use arrow::compute::cast;
use arrow::datatypes::DataType;
use datafusion::datasource::provider_as_source;
use datafusion::functions_aggregate::expr_fn as aggregate;
use datafusion::logical_expr::{Expr, LogicalPlanBuilder};
use tallymark_event::columns::USER_ID;
use tallymark_report::{Filter, Measure, Metric};

use super::super::asked::{Asked, plan_error};
use super::super::convert::TEXT;
use super::super::function::call;
use super::measure::{Cell, VALUE, column, over_property, read_cells};
use crate::Result;
use crate::tables::USERS;

/// What is measured of the profiles as they are now.
pub(super) async fn measured(asked: &Asked, metric: &Metric, filter: &Filter) -> Result<Vec<Cell>> {
    let snapshot = Arc::clone(asked.tables.snapshot());
    // U-18: a profile under an id that became somebody else's is no user's.
    let is_own = call("is_canonical", DataType::Boolean, vec![column(USER_ID)], move |args| {
        let ids = cast(&args[0], &TEXT)?;
        let is_own = |id: Option<&str>| Some(id.is_some_and(|id| snapshot.identities.canonical(id) == id));
        Ok(Arc::new(ids.as_string_view().iter().map(is_own).collect::<BooleanArray>()))
    });
    let users = asked.tables.users();
    let plan = LogicalPlanBuilder::scan(USERS, provider_as_source(users), None)
        .and_then(|plan| plan.filter(is_own))
        .map_err(plan_error)?
        .filter(asked.filter(filter)?)
        .map_err(plan_error)?;
    let plan = match &metric.measure {
        Measure::OfProperty { aggregate, .. } => {
            let value = asked.value(&metric.measure)?;
            let Some(value) = value else { return Ok(Vec::new()) };
            let mut plan = plan.project([value.label.alias(VALUE)]).map_err(plan_error)?;
            if value.is_list {
                plan = plan.unnest_column(VALUE).map_err(plan_error)?;
            }
            over_property(plan, *aggregate, Vec::new())
        }
        _ => plan.aggregate(Vec::<Expr>::new(), [aggregate::count(column(USER_ID)).alias(VALUE)]),
    };
    read_cells(&asked.collect(plan.map_err(plan_error)?).await?, 0)
}

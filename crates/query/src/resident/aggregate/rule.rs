//! Finds aggregations that segments answer.

use std::sync::Arc;

use arrow::datatypes::{DataType, Schema};
use datafusion::common::tree_node::{Transformed, TreeNodeRecursion};
use datafusion::common::{Column, Result, TableReference};
use datafusion::datasource::provider_as_source;
use datafusion::logical_expr::expr::AggregateFunction;
use datafusion::logical_expr::{Aggregate, Expr, LogicalPlan, LogicalPlanBuilder};
use datafusion::optimizer::optimizer::ApplyOrder;
use datafusion::optimizer::{OptimizerConfig, OptimizerRule};

use super::super::source::{Source, events};
use super::plan::Aggregation;
use super::table::{AggregatedEvents, result_field};

/// Functions whose result depends on the order of the rows: left to DataFusion.
const ORDERED: [&str; 6] = ["array_agg", "first_value", "last_value", "nth_value", "string_agg", "any_value"];

/// Replaces `Aggregate(… TableScan(events))` by a scan of a table of its result.
///
/// Between the two there may be projections, aliases and filters. It stands before the rule that
/// takes `count(DISTINCT …)` apart, and after filters were pushed down.
#[derive(Debug)]
pub(crate) struct AggregateSegments;

impl OptimizerRule for AggregateSegments {
    fn name(&self) -> &'static str {
        "aggregate_segments"
    }

    fn apply_order(&self) -> Option<ApplyOrder> {
        Some(ApplyOrder::TopDown)
    }

    fn rewrite(&self, plan: LogicalPlan, _config: &dyn OptimizerConfig) -> Result<Transformed<LogicalPlan>> {
        let LogicalPlan::Aggregate(aggregate) = &plan else { return Ok(Transformed::no(plan)) };
        let Some(aggregation) = aggregation(aggregate)? else { return Ok(Transformed::no(plan)) };
        let names: Vec<Expr> = aggregation
            .schema
            .fields()
            .iter()
            .zip(aggregate.schema.iter())
            .map(|(field, (qualifier, original))| {
                let column = Expr::Column(Column::new(Some(RESULT), field.name()));
                column.alias_qualified(qualifier.cloned(), original.name())
            })
            .collect();
        let source = provider_as_source(Arc::new(AggregatedEvents(aggregation)));
        let scan = LogicalPlanBuilder::scan(TableReference::bare(RESULT), source, None)?;
        Ok(Transformed::new(scan.project(names)?.build()?, true, TreeNodeRecursion::Jump))
    }
}

/// What the table of the result is called in plans.
const RESULT: &str = "aggregated_events";

fn aggregation(aggregate: &Aggregate) -> Result<Option<Aggregation>> {
    let Some(source) = Source::of(&aggregate.input, &events)? else { return Ok(None) };
    let input_schema = aggregate.input.schema();
    let rewrite = |exprs: &[Expr]| {
        exprs
            .iter()
            .map(|expr| source.rewrite(expr.clone().unalias_nested().data, input_schema))
            .collect::<Result<Option<Vec<Expr>>>>()
    };
    let (Some(keys), Some(aggregates)) = (rewrite(&aggregate.group_expr)?, rewrite(&aggregate.aggr_expr)?)
    else {
        return Ok(None);
    };
    let fields: Vec<_> = aggregate.schema.fields().iter().map(AsRef::as_ref).collect();
    let counts_all = keys.is_empty() && source.filters.is_empty() && aggregates.iter().all(is_count_of_rows);
    let supported = fields.len() == keys.len() + aggregates.len()
        && fields[..keys.len()].iter().all(|field| is_key_type(field.data_type()))
        && aggregates.iter().all(is_supported)
        // Statistics know that one.
        && !counts_all;
    if !supported {
        return Ok(None);
    }
    let fields: Vec<_> = fields.iter().enumerate().map(|(at, field)| result_field(at, field)).collect();
    let schema = Arc::new(Schema::new(fields));
    let shown_keys = vec![true; keys.len()];
    Ok(Some(Aggregation {
        table: source.table,
        filters: source.filters,
        keys,
        shown_keys,
        aggregates,
        schema,
    }))
}

fn is_count_of_rows(call: &Expr) -> bool {
    matches!(call, Expr::AggregateFunction(AggregateFunction { func, params })
        if func.name() == "count" && !params.distinct && params.filter.is_none()
            && params.args.iter().all(|arg| matches!(arg, Expr::Literal(..))))
}

fn is_supported(call: &Expr) -> bool {
    matches!(call, Expr::AggregateFunction(AggregateFunction { func, params })
        if params.order_by.is_empty() && !ORDERED.contains(&func.name()))
}

/// Types whose values the group tables number.
fn is_key_type(data_type: &DataType) -> bool {
    data_type.is_integer()
        || data_type.is_floating()
        || matches!(
            data_type,
            DataType::Boolean
                | DataType::Utf8
                | DataType::LargeUtf8
                | DataType::Utf8View
                | DataType::Date32
                | DataType::Timestamp(..)
        )
}

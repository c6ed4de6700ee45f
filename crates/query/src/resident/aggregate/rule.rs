//! Finds aggregations that segments answer.

use std::sync::Arc;

use arrow::datatypes::{DataType, Schema};
use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::common::{Column, DFSchema, Result, TableReference};
use datafusion::datasource::{provider_as_source, source_as_provider};
use datafusion::logical_expr::expr::AggregateFunction;
use datafusion::logical_expr::expr_rewriter::unnormalize_cols;
use datafusion::logical_expr::{
    Aggregate, Expr, LogicalPlan, LogicalPlanBuilder, Projection, SubqueryAlias, TableScan,
};
use datafusion::optimizer::optimizer::ApplyOrder;
use datafusion::optimizer::{OptimizerConfig, OptimizerRule};

use super::plan::Aggregation;
use super::table::{AggregatedEvents, result_field};
use crate::events_table::EventsTable;
use crate::events_table::scan::is_of_row;

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
    let Some(source) = Source::of(&aggregate.input)? else { return Ok(None) };
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
    Ok(Some(Aggregation { table: source.table, filters: source.filters, keys, aggregates, schema }))
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

/// What a plan takes from the events, without having changed how many rows there are but by
/// filters.
struct Source {
    table: Arc<EventsTable>,
    filters: Vec<Expr>,
    /// For each column of the plan, what it is of the table's columns (unqualified).
    columns: Vec<Expr>,
}

impl Source {
    fn of(plan: &LogicalPlan) -> Result<Option<Self>> {
        match plan {
            LogicalPlan::TableScan(scan) => Ok(Self::of_scan(scan)),
            LogicalPlan::SubqueryAlias(SubqueryAlias { input, .. }) => Self::of(input),
            LogicalPlan::Projection(Projection { input, expr, .. }) => {
                let Some(mut source) = Self::of(input)? else { return Ok(None) };
                let columns = expr
                    .iter()
                    .map(|expr| source.rewrite(expr.clone().unalias_nested().data, input.schema()))
                    .collect::<Result<Option<Vec<_>>>>()?;
                let Some(columns) = columns else { return Ok(None) };
                source.columns = columns;
                Ok(Some(source))
            }
            LogicalPlan::Filter(filter) => {
                let Some(mut source) = Self::of(&filter.input)? else { return Ok(None) };
                let Some(predicate) = source.rewrite(filter.predicate.clone(), filter.input.schema())? else {
                    return Ok(None);
                };
                source.filters.push(predicate);
                Ok(Some(source))
            }
            _ => Ok(None),
        }
    }

    fn of_scan(scan: &TableScan) -> Option<Self> {
        let provider = source_as_provider(&scan.source).ok()?;
        let table = (provider.as_ref() as &dyn std::any::Any).downcast_ref::<EventsTable>()?;
        if !table.is_resident() || scan.fetch.is_some() || !scan.filters.iter().all(is_plain) {
            return None;
        }
        let columns = scan.projected_schema.columns().into_iter();
        Some(Self {
            table: Arc::new(table.clone()),
            filters: unnormalize_cols(scan.filters.iter().cloned()),
            columns: columns.map(|column| Expr::Column(Column::new_unqualified(column.name))).collect(),
        })
    }

    /// An expression over a plan's columns in terms of the table's; `None` if segments cannot
    /// evaluate it.
    fn rewrite(&self, expr: Expr, schema: &DFSchema) -> Result<Option<Expr>> {
        if !is_plain(&expr) {
            return Ok(None);
        }
        let rewritten = expr.transform_up(|expr| match &expr {
            Expr::Column(column) => {
                Ok(Transformed::yes(self.columns[schema.index_of_column(column)?].clone()))
            }
            _ => Ok(Transformed::no(expr)),
        })?;
        Ok(Some(rewritten.data))
    }
}

/// Whether segments can evaluate it, row by row.
fn is_plain(expr: &Expr) -> bool {
    let other = expr
        .exists(|expr| Ok(matches!(expr, Expr::WindowFunction(_) | Expr::GroupingSet(_) | Expr::Unnest(_))));
    is_of_row(expr) && !other.unwrap_or(true)
}

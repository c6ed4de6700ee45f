//! What a logical plan takes from one table.

use std::sync::Arc;

use datafusion::common::tree_node::{Transformed, TreeNode as _};
use datafusion::common::{Column, DFSchema, Result};
use datafusion::datasource::source_as_provider;
use datafusion::logical_expr::expr_rewriter::unnormalize_cols;
use datafusion::logical_expr::{Expr, LogicalPlan, Projection, SubqueryAlias, TableScan};

use crate::events_table::EventsTable;
use crate::events_table::scan::is_of_row;

/// What a plan takes from a table by projections, aliases and filters: there are no more rows than
/// the table has, and fewer only by filters.
pub(super) struct Source<T> {
    pub(super) table: T,
    pub(super) filters: Vec<Expr>,
    /// For each column of the plan, what it is of the table's columns (unqualified).
    pub(super) columns: Vec<Expr>,
}

impl<T> Source<T> {
    /// `None` if the plan does something else, or `table_of` does not know the table.
    pub(super) fn of(
        plan: &LogicalPlan,
        table_of: &impl Fn(&TableScan) -> Option<T>,
    ) -> Result<Option<Self>> {
        match plan {
            LogicalPlan::TableScan(scan) => Ok(Self::of_scan(scan, table_of)),
            LogicalPlan::SubqueryAlias(SubqueryAlias { input, .. }) => Self::of(input, table_of),
            LogicalPlan::Projection(Projection { input, expr, .. }) => {
                let Some(mut source) = Self::of(input, table_of)? else { return Ok(None) };
                let columns = expr
                    .iter()
                    .map(|expr| source.rewrite(expr.clone().unalias_nested().data, input.schema()))
                    .collect::<Result<Option<Vec<_>>>>()?;
                let Some(columns) = columns else { return Ok(None) };
                source.columns = columns;
                Ok(Some(source))
            }
            LogicalPlan::Filter(filter) => {
                let Some(mut source) = Self::of(&filter.input, table_of)? else { return Ok(None) };
                let Some(predicate) = source.rewrite(filter.predicate.clone(), filter.input.schema())? else {
                    return Ok(None);
                };
                source.filters.push(predicate);
                Ok(Some(source))
            }
            _ => Ok(None),
        }
    }

    fn of_scan(scan: &TableScan, table_of: &impl Fn(&TableScan) -> Option<T>) -> Option<Self> {
        if scan.fetch.is_some() || !scan.filters.iter().all(is_plain) {
            return None;
        }
        let table = table_of(scan)?;
        let columns = scan.projected_schema.columns().into_iter();
        Some(Self {
            table,
            filters: unnormalize_cols(scan.filters.iter().cloned()),
            columns: columns.map(|column| Expr::Column(Column::new_unqualified(column.name))).collect(),
        })
    }

    /// An expression over a plan's columns in terms of the table's; `None` if segments cannot
    /// evaluate it.
    pub(super) fn rewrite(&self, expr: Expr, schema: &DFSchema) -> Result<Option<Expr>> {
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

/// The table of events that are in memory.
pub(super) fn events(scan: &TableScan) -> Option<Arc<EventsTable>> {
    let provider = source_as_provider(&scan.source).ok()?;
    let table = (provider.as_ref() as &dyn std::any::Any).downcast_ref::<EventsTable>()?;
    table.is_resident().then(|| Arc::new(table.clone()))
}

/// Whether segments can evaluate it, row by row.
fn is_plain(expr: &Expr) -> bool {
    let other = expr
        .exists(|expr| Ok(matches!(expr, Expr::WindowFunction(_) | Expr::GroupingSet(_) | Expr::Unnest(_))));
    is_of_row(expr) && !other.unwrap_or(true)
}

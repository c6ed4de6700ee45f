//! Filters such as `date_trunc('month', time) = …` prune files too.
//!
//! These functions never fall while the time grows, so that their values at a file's first and
//! last time bound those of all its rows. In filters used for pruning they are replaced by a
//! column of which only these bounds are known. Zoned times are left alone: where clocks go back
//! over midnight, local dates fall while the time grows.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, RecordBatch};
use arrow::datatypes::{DataType, Field, FieldRef, Schema};
use datafusion::catalog::Session;
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode};
use datafusion::common::{Column, DFSchema, Result};
use datafusion::logical_expr::{Expr, ExprSchemable};
use datafusion::physical_expr::PhysicalExpr;
use tallymark_event::columns::{TIME, system_fields};

/// Functions that never fall while their only argument that is no literal grows.
const GROWING: [&str; 2] = ["date_bin", "date_trunc"];

/// An expression of the time that grows with it, and the column that stands for it.
pub(super) struct DerivedTime {
    pub(super) field: FieldRef,
    expr: Arc<dyn PhysicalExpr>,
}

impl DerivedTime {
    /// Replaces such expressions in a filter by columns, which are added to `derived`.
    pub(super) fn take(state: &dyn Session, filter: Expr, derived: &mut Vec<Self>) -> Result<Expr> {
        let replace = |expr: Expr| {
            if !grows_with_time(&expr) {
                return Ok(Transformed::no(expr));
            }
            let schema = DFSchema::try_from(time_schema())?;
            let name = expr.to_string();
            if !derived.iter().any(|known| *known.field.name() == name) {
                let field = Arc::new(Field::new(&name, expr.get_type(&schema)?, true));
                derived.push(Self { field, expr: state.create_physical_expr(expr, &schema)? });
            }
            Ok(Transformed::yes(Expr::Column(Column::new_unqualified(name))))
        };
        filter.transform_up(replace).data()
    }

    /// The expression's value at each time.
    pub(super) fn of_times(&self, times: ArrayRef) -> Result<ArrayRef> {
        let rows = times.len();
        let batch = RecordBatch::try_new(Arc::new(time_schema()), vec![times])?;
        self.expr.evaluate(&batch)?.into_array(rows)
    }
}

fn grows_with_time(expr: &Expr) -> bool {
    let Expr::ScalarFunction(function) = expr else { return false };
    GROWING.contains(&function.func.name())
        && function.args.iter().filter(|arg| is_time(arg)).count() == 1
        && function.args.iter().filter(|arg| !is_time(arg)).all(|arg| matches!(arg, Expr::Literal(..)))
}

/// The column itself, in UTC, of any unit.
fn is_time(expr: &Expr) -> bool {
    match expr {
        Expr::Column(column) => column.name == TIME,
        Expr::Cast(cast) => {
            let in_utc = match cast.field.data_type() {
                DataType::Timestamp(_, zone) => zone.as_deref().is_none_or(|zone| zone == "UTC"),
                _ => false,
            };
            in_utc && is_time(&cast.expr)
        }
        _ => false,
    }
}

fn time_schema() -> Schema {
    Schema::new(system_fields().into_iter().filter(|field| field.name() == TIME).collect::<Vec<_>>())
}

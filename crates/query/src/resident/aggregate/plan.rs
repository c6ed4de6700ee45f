//! An aggregation in terms of `events`, and the same ready to run over segments.

use std::sync::Arc;

use arrow::datatypes::{DataType, Schema, SchemaRef};
use datafusion::catalog::Session;
use datafusion::common::{Result, internal_err};
use datafusion::logical_expr::execution_props::ExecutionProps;
use datafusion::logical_expr::expr::AggregateFunction;
use datafusion::logical_expr::physical_planning_context::PhysicalPlanningContext;
use datafusion::logical_expr::{Expr, ExprSchemable as _};
use datafusion::physical_expr::aggregate::LoweredAggregateBuilder;
use tallymark_event::columns::USER_ID;

use super::super::expr::SegmentExpr;
use super::super::filter::RowFilter;
use super::super::inputs::Inputs;
use super::accumulate::{Aggregate, AggregateKind, Conditions};
use super::groups::Key;
use crate::events_table::EventsTable;
use crate::functions;

/// `SELECT keys, aggregates FROM events WHERE filters GROUP BY keys`; columns are unqualified.
#[derive(Debug, Clone)]
pub(super) struct Aggregation {
    pub(super) table: Arc<EventsTable>,
    pub(super) filters: Vec<Expr>,
    pub(super) keys: Vec<Expr>,
    /// Which keys are columns of the result.
    pub(super) shown_keys: Vec<bool>,
    /// Calls of aggregate functions.
    pub(super) aggregates: Vec<Expr>,
    /// The keys that are shown, then the aggregates; names are made up and unique.
    pub(super) schema: SchemaRef,
}

/// An aggregation over [`Inputs`].
#[derive(Debug)]
pub(super) struct Plan {
    pub(super) inputs: Arc<Inputs>,
    pub(super) filter: RowFilter,
    pub(super) keys: Vec<Key>,
    pub(super) shown_keys: Vec<bool>,
    pub(super) aggregates: Vec<Aggregate>,
    pub(super) schema: SchemaRef,
}

impl Aggregation {
    /// What is not at these positions of the schema is left out; only where groups of the same keys may
    /// come more than once, keys are not.
    pub(super) fn project(&self, positions: &[usize]) -> Result<Self> {
        let by_user = self.keys.iter().any(is_user);
        let shown_keys: Vec<bool> =
            (0..self.keys.len()).map(|at| !by_user || positions.contains(&at)).collect();
        let aggregates = (0..self.aggregates.len())
            .filter(|at| positions.contains(&(self.keys.len() + at)))
            .map(|at| self.aggregates[at].clone())
            .collect();
        let kept: Vec<usize> = (0..self.schema.fields().len())
            .filter(|at| shown_keys.get(*at).copied().unwrap_or_else(|| positions.contains(at)))
            .collect();
        Ok(Self { shown_keys, aggregates, schema: Arc::new(self.schema.project(&kept)?), ..self.clone() })
    }

    pub(super) fn expressions(&self) -> impl Iterator<Item = &Expr> {
        self.filters.iter().chain(&self.keys).chain(&self.aggregates)
    }

    pub(super) fn plan(&self, state: &dyn Session) -> Result<Plan> {
        let inputs = Inputs::of_exprs(&self.table, self.expressions());
        let schema = inputs.df_schema()?;
        let filter = RowFilter::try_new(state, self.filters.iter().cloned(), &inputs, &schema)?;
        let key = |key: &Expr| {
            Ok(if is_user(key) {
                Key::User
            } else {
                Key::Value(SegmentExpr::try_new(state, key.clone(), &inputs, &schema)?)
            })
        };
        let keys = self.keys.iter().map(key).collect::<Result<_>>()?;
        let aggregates =
            self.aggregates.iter().map(|call| aggregate(call, state, &inputs)).collect::<Result<_>>()?;
        Ok(Plan {
            inputs: Arc::new(inputs),
            filter,
            keys,
            shown_keys: self.shown_keys.clone(),
            aggregates,
            schema: Arc::clone(&self.schema),
        })
    }
}

impl Plan {
    pub(super) fn groups_by_user(&self) -> bool {
        self.keys.iter().any(|key| matches!(key, Key::User))
    }

    /// Whether the rows must come morsel by morsel of users.
    pub(super) fn needs_users(&self) -> bool {
        self.groups_by_user()
            || self.aggregates.iter().any(|aggregate| matches!(aggregate.kind, AggregateKind::Users))
    }
}

/// Whether it is the column `user_id` itself.
fn is_user(expr: &Expr) -> bool {
    matches!(expr, Expr::Column(column) if column.name == USER_ID)
}

fn aggregate(call: &Expr, state: &dyn Session, inputs: &Inputs) -> Result<Aggregate> {
    let Expr::AggregateFunction(called) = call else {
        return internal_err!("{call} is no call of an aggregate function");
    };
    let schema = inputs.df_schema()?;
    let filter_of = |condition: &Expr| RowFilter::try_new(state, [condition.clone()], inputs, &schema);
    let AggregateFunction { func, params } = called;
    let filter = params.filter.as_deref().map(filter_of).transpose()?;
    if func.name() == "count" {
        if params.distinct
            && let [arg] = &params.args[..]
            && is_user(arg)
        {
            return Ok(Aggregate { kind: AggregateKind::Users, filter });
        }
        let is_constant = |arg: &Expr| matches!(arg, Expr::Literal(value, _) if !value.is_null());
        if !params.distinct && params.args.iter().all(is_constant) {
            return Ok(Aggregate { kind: AggregateKind::Rows, filter });
        }
    }
    if let ("min" | "max", [of]) = (func.name(), &params.args[..])
        && of.get_type(&schema)? == DataType::Utf8View
    {
        let of = SegmentExpr::try_new(state, of.clone(), inputs, &schema)?;
        return Ok(Aggregate {
            kind: AggregateKind::Extreme { of, is_greatest: func.name() == "max" },
            filter,
        });
    }
    let types = params.args.iter().map(|arg| arg.get_type(&schema)).collect::<Result<Vec<_>>>()?;
    let relevant = match functions::conditions(called, &types) {
        Some(places) => {
            let filters = params.args[places.clone()].iter().map(filter_of).collect::<Result<_>>()?;
            Some(Conditions { places, filters })
        }
        None => None,
    };
    let physical: &Schema = inputs.schema();
    let planning = PhysicalPlanningContext::default();
    let props: &ExecutionProps = state.execution_props();
    let lowered = LoweredAggregateBuilder::new(call, &schema, physical, props, &planning).build()?;
    let function = lowered.aggregate;
    let args = function.expressions();
    let args = args.iter().map(|arg| SegmentExpr::of_physical(arg, inputs)).collect::<Result<_>>()?;
    Ok(Aggregate { kind: AggregateKind::Function { function, args, relevant }, filter })
}

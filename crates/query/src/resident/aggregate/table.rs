//! The table an aggregation is replaced by: what it gives is the result.

use std::sync::Arc;

use arrow::datatypes::{Field, SchemaRef};
use async_trait::async_trait;
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::Result;
use datafusion::datasource::provider_as_source;
use datafusion::logical_expr::utils::conjunction;
use datafusion::logical_expr::{Expr, LogicalPlan, LogicalPlanBuilder, TableType};
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::projection::ProjectionExec;

use super::super::listed;
use super::exec::SegmentAggregateExec;
use super::plan::Aggregation;
use crate::tables::EVENTS;

/// The result of an [`Aggregation`].
#[derive(Debug)]
pub(super) struct AggregatedEvents(pub(super) Aggregation);

#[async_trait]
impl TableProvider for AggregatedEvents {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.0.schema)
    }

    fn table_type(&self) -> TableType {
        TableType::Temporary
    }

    async fn scan(
        &self,
        state: &dyn Session,
        projection: Option<&Vec<usize>>,
        _filters: &[Expr],
        _limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let all: Vec<usize> = (0..self.0.schema.fields().len()).collect();
        let positions = projection.unwrap_or(&all);
        let wanted = self.0.project(positions)?;
        let plan = wanted.execution_plan(state).await?;
        if positions.len() == wanted.schema.fields().len() && positions.is_sorted() {
            return Ok(plan);
        }
        let schema = &self.0.schema;
        let columns = positions.iter().map(|at| {
            let name = schema.field(*at).name();
            let column = datafusion::physical_expr::expressions::col(name, &plan.schema())?;
            Ok((column, name.clone()))
        });
        let columns = columns.collect::<Result<Vec<_>>>()?;
        Ok(Arc::new(ProjectionExec::try_new(columns, plan)?))
    }
}

impl Aggregation {
    /// Over segments if the columns have room in memory; else as any aggregation over Parquet.
    async fn execution_plan(&self, state: &dyn Session) -> Result<Arc<dyn ExecutionPlan>> {
        let plan = self.plan(state)?;
        let listed = self.table.listed(state, &plan.inputs, &self.filters, true).await;
        let segments = match &listed {
            Some(table) => table.segments(state, &self.filters, &plan.inputs)?,
            None => None,
        };
        let Some(segments) = segments else {
            return state.create_physical_plan(&self.over_files()?).await;
        };
        let threads = state.config().target_partitions();
        Ok(Arc::new(SegmentAggregateExec::new(plan, segments, threads, self.to_string())))
    }

    fn over_files(&self) -> Result<LogicalPlan> {
        let source = provider_as_source(Arc::new(self.table.without_resident()));
        let mut builder = LogicalPlanBuilder::scan(EVENTS, source, None)?;
        if let Some(filter) = conjunction(self.filters.iter().cloned()) {
            builder = builder.filter(filter)?;
        }
        let builder = builder.aggregate(self.keys.iter().cloned(), self.aggregates.iter().cloned())?;
        let is_shown = |at: usize| self.shown_keys.get(at).copied().unwrap_or(true);
        let columns = builder.schema().columns().into_iter().enumerate();
        let columns = columns.filter(|(at, _)| is_shown(*at)).map(|(_, column)| Expr::Column(column));
        let names = self.schema.fields().iter().map(|field| field.name().clone());
        builder.project(columns.zip(names).map(|(column, name)| column.alias(name)))?.build()
    }
}

impl std::fmt::Display for Aggregation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "keys=[{}], aggregates=[{}]", listed(&self.keys, ", "), listed(&self.aggregates, ", "))?;
        if self.filters.is_empty() {
            return Ok(());
        }
        write!(f, ", filter=[{}]", listed(&self.filters, " AND "))
    }
}

/// The field of one column of the result, under a name of its own.
pub(super) fn result_field(at: usize, field: &Field) -> Field {
    field.clone().with_name(format!("{at}:{}", field.name()))
}

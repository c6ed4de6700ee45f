//! The physical plan: parts in parallel, put together in order.

use std::fmt;
use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, RecordBatchOptions};
use arrow::datatypes::SchemaRef;
use datafusion::common::runtime::SpawnedTask;
use datafusion::common::{DataFusionError, Result};
use datafusion::execution::memory_pool::MemoryConsumer;
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::logical_expr::EmitTo;
use datafusion::physical_expr::{EquivalenceProperties, Partitioning};
use datafusion::physical_plan::aggregates::group_values::{GroupValues, new_group_values};
use datafusion::physical_plan::aggregates::order::GroupOrdering;
use datafusion::physical_plan::execution_plan::{Boundedness, EmissionType};
use datafusion::physical_plan::metrics::{BaselineMetrics, Count, ExecutionPlanMetricsSet, MetricBuilder};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{DisplayAs, DisplayFormatType, ExecutionPlan, PlanProperties};
use futures::{Stream, StreamExt as _, TryStreamExt as _, stream};
use tokio::sync::OnceCell;

use super::super::segments::Segments;
use super::super::slices;
use super::accumulate::{Accumulator, Aggregate};
use super::part::{Counters, Part, Partial, PreparedSegments, divide, run};
use super::plan::Plan;
use crate::leaf::leaf_methods;

/// An aggregation over segments.
///
/// Output: the keys, then the aggregates. Grouped by user, each output partition has users of its
/// own; else there is one output partition.
#[derive(Debug)]
pub(super) struct SegmentAggregateExec {
    plan: Arc<Plan>,
    segments: Arc<Segments>,
    prepared: Arc<OnceCell<(Arc<PreparedSegments>, Vec<Part>)>>,
    /// How many parts run at a time.
    threads: usize,
    /// The query in SQL's words, for EXPLAIN.
    description: String,
    properties: Arc<PlanProperties>,
    metrics: ExecutionPlanMetricsSet,
}

impl SegmentAggregateExec {
    pub(super) fn new(plan: Plan, segments: Segments, threads: usize, description: String) -> Self {
        let partitions = if plan.groups_by_user() { threads } else { 1 };
        let properties = PlanProperties::new(
            EquivalenceProperties::new(Arc::clone(&plan.schema)),
            Partitioning::UnknownPartitioning(partitions),
            EmissionType::Incremental,
            Boundedness::Bounded,
        );
        Self {
            plan: Arc::new(plan),
            segments: Arc::new(segments),
            prepared: Arc::default(),
            threads,
            description,
            properties: Arc::new(properties),
            metrics: ExecutionPlanMetricsSet::new(),
        }
    }
}

impl DisplayAs for SegmentAggregateExec {
    fn fmt_as(&self, format: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match format {
            DisplayFormatType::Default | DisplayFormatType::Verbose => {
                write!(f, "SegmentAggregateExec: days={}, ", self.segments.day_count())?;
                if let Some(users) = self.plan.filter.named_users() {
                    write!(f, "users={users}, ")?;
                }
                f.write_str(&self.description)
            }
            DisplayFormatType::TreeRender => write!(f, "{}", self.description),
        }
    }
}

impl ExecutionPlan for SegmentAggregateExec {
    fn name(&self) -> &'static str {
        "SegmentAggregateExec"
    }

    leaf_methods!();

    fn execute(&self, partition: usize, context: Arc<TaskContext>) -> Result<SendableRecordBatchStream> {
        let run = Run {
            plan: Arc::clone(&self.plan),
            segments: Arc::clone(&self.segments),
            prepared: Arc::clone(&self.prepared),
            threads: self.threads,
            partition,
            selected: MetricBuilder::new(&self.metrics).counter("rows_selected", partition),
            counters: Counters {
                segments: MetricBuilder::new(&self.metrics).counter("segments", partition),
                loaded: MetricBuilder::new(&self.metrics).counter("bytes_loaded", partition),
            },
            context,
        };
        let schema = Arc::clone(&self.plan.schema);
        let baseline = BaselineMetrics::new(&self.metrics, partition);
        let batches = run.batches().inspect_ok(move |batch| {
            baseline.record_output(batch.num_rows());
        });
        Ok(Box::pin(RecordBatchStreamAdapter::new(schema, batches)))
    }
}

/// One output partition at work.
struct Run {
    plan: Arc<Plan>,
    segments: Arc<Segments>,
    prepared: Arc<OnceCell<(Arc<PreparedSegments>, Vec<Part>)>>,
    threads: usize,
    partition: usize,
    selected: Count,
    /// Those of the partition that comes first count for all.
    counters: Counters,
    context: Arc<TaskContext>,
}

impl Run {
    fn batches(self) -> impl Stream<Item = Result<RecordBatch>> {
        let batch_rows = self.context.session_config().batch_size();
        let batches = async move {
            if self.plan.groups_by_user() { self.by_user().await } else { self.together().await }
        };
        stream::once(batches)
            .try_flatten()
            .map_ok(move |batch| stream::iter(slices(batch, batch_rows).map(Ok)))
            .try_flatten()
    }

    async fn prepared(&self) -> Result<&(Arc<PreparedSegments>, Vec<Part>)> {
        self.prepared
            .get_or_try_init(|| async {
                let columns = self.plan.inputs.reads();
                let (layout, loaded_bytes) = self.segments.layout_and_columns(&columns).await?;
                self.counters.loaded.add(loaded_bytes as usize);
                let parts = divide(&self.plan, &layout);
                let segments = PreparedSegments::new(Arc::clone(&self.plan), layout, self.counters.clone());
                Ok((Arc::new(segments), parts))
            })
            .await
    }

    /// Every so-many-eth part, each with groups of its own.
    async fn by_user(self) -> Result<BatchStream> {
        let (segments, parts) = self.prepared().await?;
        let segments = Arc::clone(segments);
        let parts: Vec<Part> = parts.iter().skip(self.partition).step_by(self.threads).cloned().collect();
        let schema = Arc::clone(&self.plan.schema);
        let batches = stream::iter(parts).then(move |part| {
            let (segments, schema) = (Arc::clone(&segments), Arc::clone(&schema));
            let reservation =
                MemoryConsumer::new("SegmentAggregateExec").register(self.context.memory_pool());
            let selected = self.selected.clone();
            async move {
                let partial = run(&segments, part, true, reservation).await?;
                selected.add(partial.rows);
                if partial.group_count == 0 {
                    return Ok(RecordBatch::new_empty(schema));
                }
                let columns = partial.keys.into_iter().chain(partial.aggregates.into_iter().flatten());
                batch(&schema, columns.collect(), partial.group_count)
            }
        });
        Ok(batches.boxed())
    }

    /// All parts, put together.
    async fn together(self) -> Result<BatchStream> {
        let (segments, parts) = self.prepared().await?;
        let reservation = MemoryConsumer::new("SegmentAggregateExec").register(self.context.memory_pool());
        // Those that no part is at yet are loaded meanwhile. Parts tell of what fails.
        let ahead = Arc::clone(segments);
        let _ahead = SpawnedTask::spawn(async move { ahead.prepare().await });
        let mut partials = stream::iter(parts.clone())
            .map(|part| {
                let segments = Arc::clone(segments);
                let part_reservation =
                    MemoryConsumer::new("SegmentAggregateExec part").register(self.context.memory_pool());
                SpawnedTask::spawn(async move { run(&segments, part, false, part_reservation).await })
            })
            .buffered(self.threads);
        let mut total = Total::try_new(&self.plan)?;
        while let Some(partial) = partials.next().await {
            let partial = partial.map_err(|stopped| DataFusionError::ExecutionJoin(Box::new(stopped)))??;
            self.selected.add(partial.rows);
            total.add(&partial)?;
            reservation.try_resize(total.size())?;
        }
        drop(partials);
        let result = total.finish()?;
        drop(reservation);
        Ok(stream::once(async { Ok(result) }).boxed())
    }
}

type BatchStream = stream::BoxStream<'static, Result<RecordBatch>>;

/// What all parts so far have counted.
struct Total<'a> {
    plan: &'a Plan,
    /// The keys of the groups; `None` if there are no keys.
    keys: Option<Box<dyn GroupValues>>,
    accumulators: Vec<Accumulator>,
    groups: Vec<usize>,
}

impl<'a> Total<'a> {
    fn try_new(plan: &'a Plan) -> Result<Self> {
        let keys: Vec<usize> = (0..plan.keys.len()).collect();
        let schema = Arc::new(plan.schema.project(&keys)?);
        Ok(Self {
            plan,
            keys: if keys.is_empty() { None } else { Some(new_group_values(schema, &GroupOrdering::None)?) },
            accumulators: plan.aggregates.iter().map(Aggregate::accumulator).collect::<Result<_>>()?,
            groups: Vec::new(),
        })
    }

    fn size(&self) -> usize {
        let keys = self.keys.as_ref().map_or(0, |keys| keys.size());
        keys + self.accumulators.iter().map(Accumulator::size).sum::<usize>()
    }

    fn group_count(&self) -> usize {
        self.keys.as_ref().map_or(1, |keys| keys.len())
    }

    fn add(&mut self, partial: &Partial) -> Result<()> {
        if partial.group_count == 0 {
            return Ok(());
        }
        self.groups.clear();
        match &mut self.keys {
            Some(keys) => keys.intern(&partial.keys, &mut self.groups)?,
            None => self.groups.push(0),
        }
        let group_count = self.group_count();
        for (accumulator, states) in self.accumulators.iter_mut().zip(&partial.aggregates) {
            accumulator.merge(states, &self.groups, group_count)?;
        }
        Ok(())
    }

    fn finish(mut self) -> Result<RecordBatch> {
        let group_count = self.group_count();
        if group_count == 0 {
            // Some accumulators cannot say nothing.
            return Ok(RecordBatch::new_empty(Arc::clone(&self.plan.schema)));
        }
        let mut columns = match &mut self.keys {
            Some(keys) => keys.emit(EmitTo::All)?,
            None => Vec::new(),
        };
        for (aggregate, accumulator) in self.plan.aggregates.iter().zip(&mut self.accumulators) {
            aggregate.make_room(accumulator, group_count)?;
            columns.push(accumulator.finish(group_count)?);
        }
        batch(&self.plan.schema, columns, group_count)
    }
}

fn batch(schema: &SchemaRef, columns: Vec<ArrayRef>, rows: usize) -> Result<RecordBatch> {
    let options = RecordBatchOptions::new().with_row_count(Some(rows));
    Ok(RecordBatch::try_new_with_options(Arc::clone(schema), columns, &options)?)
}

//! The scan of `events` over segments.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use arrow::array::{RecordBatch, RecordBatchOptions};
use arrow::datatypes::SchemaRef;
use datafusion::common::runtime::SpawnedTask;
use datafusion::common::stats::Precision;
use datafusion::common::{DataFusionError, Result, Statistics};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_expr::{EquivalenceProperties, Partitioning};
use datafusion::physical_plan::execution_plan::{Boundedness, EmissionType};
use datafusion::physical_plan::metrics::{BaselineMetrics, Count, ExecutionPlanMetricsSet, MetricBuilder};
use datafusion::physical_plan::statistics::StatisticsArgs;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{DisplayAs, DisplayFormatType, ExecutionPlan, PlanProperties};
use futures::{FutureExt as _, Stream, StreamExt as _, TryStreamExt as _, stream};
use tallymark_memory::Layout;
use tokio::sync::OnceCell;

use super::filter::{BoundFilter, RowFilter};
use super::inputs::{BoundSegment, Inputs, Rows};
use super::segments::{LOADS_AT_ONCE, Segments};
use crate::leaf::leaf_methods;

/// Rows the filter looks at in one go.
const BLOCK_ROWS: usize = 64 << 10;

/// What a scan over segments gives.
#[derive(Debug)]
pub(crate) struct SegmentScan {
    pub(crate) inputs: Arc<Inputs>,
    /// Positions among the inputs of the columns that go out.
    pub(crate) output: Vec<usize>,
    pub(crate) filter: RowFilter,
    /// The filter in SQL's words, for EXPLAIN.
    pub(crate) filter_text: String,
    /// How many rows there are, if known without looking at them.
    pub(crate) rows: Option<usize>,
}

/// Rows of segments that pass a filter. Each output partition has a range of the rows, in order of
/// (day, user, time); where the filter names users, the last day comes first.
#[derive(Debug)]
pub(crate) struct SegmentScanExec {
    scan: Arc<SegmentScan>,
    segments: Arc<Segments>,
    bound: Arc<OnceCell<Bound>>,
    properties: Arc<PlanProperties>,
    metrics: ExecutionPlanMetricsSet,
}

/// The layout, and its segments with the columns of the query.
#[derive(Debug)]
struct Bound {
    layout: Arc<Layout>,
    segments: Vec<OnceCell<(BoundSegment, BoundFilter)>>,
}

impl SegmentScanExec {
    pub(crate) fn try_new(scan: SegmentScan, segments: Segments, partitions: usize) -> Result<Self> {
        let schema = Arc::new(scan.inputs.schema().project(&scan.output)?);
        let properties = PlanProperties::new(
            EquivalenceProperties::new(schema),
            Partitioning::UnknownPartitioning(partitions.max(1)),
            EmissionType::Incremental,
            Boundedness::Bounded,
        );
        Ok(Self {
            scan: Arc::new(scan),
            segments: Arc::new(segments),
            bound: Arc::default(),
            properties: Arc::new(properties),
            metrics: ExecutionPlanMetricsSet::new(),
        })
    }
}

impl DisplayAs for SegmentScanExec {
    fn fmt_as(&self, format: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match format {
            DisplayFormatType::Default | DisplayFormatType::Verbose => {
                let schema = self.properties.eq_properties.schema();
                let columns: Vec<&str> = schema.fields().iter().map(|field| field.name().as_str()).collect();
                write!(
                    f,
                    "SegmentScanExec: days={}, columns=[{}]",
                    self.segments.day_count(),
                    columns.join(", ")
                )?;
                if let Some(users) = self.scan.filter.named_users() {
                    write!(f, ", users={users}")?;
                }
                if self.scan.filter_text.is_empty() {
                    return Ok(());
                }
                write!(f, ", filter=[{}]", self.scan.filter_text)
            }
            DisplayFormatType::TreeRender => write!(f, "{}", self.scan.filter_text),
        }
    }
}

impl ExecutionPlan for SegmentScanExec {
    fn name(&self) -> &'static str {
        "SegmentScanExec"
    }

    leaf_methods!();

    fn statistics_from_inputs(
        &self,
        _input_statistics: &[Arc<Statistics>],
        args: &StatisticsArgs,
    ) -> Result<Arc<Statistics>> {
        let mut statistics = Statistics::new_unknown(self.properties.eq_properties.schema());
        if let (Some(rows), None) = (self.scan.rows, args.partition()) {
            statistics.num_rows = Precision::Exact(rows);
        }
        Ok(Arc::new(statistics))
    }

    fn execute(&self, partition: usize, context: Arc<TaskContext>) -> Result<SendableRecordBatchStream> {
        let schema = Arc::clone(self.properties.eq_properties.schema());
        let reader = Reader {
            scan: Arc::clone(&self.scan),
            segments: Arc::clone(&self.segments),
            bound: Arc::clone(&self.bound),
            schema: Arc::clone(&schema),
            batch_rows: context.session_config().batch_size().max(1),
            loaded: MetricBuilder::new(&self.metrics).counter("bytes_loaded", partition),
            segment_count: MetricBuilder::new(&self.metrics).counter("segments", partition),
            partition,
            partitions: self.properties.partitioning.partition_count(),
        };
        let baseline = BaselineMetrics::new(&self.metrics, partition);
        let batches = reader.batches().inspect_ok(move |batch| baseline.record_output(batch.num_rows()));
        Ok(Box::pin(RecordBatchStreamAdapter::new(schema, batches)))
    }
}

/// One output partition at work.
struct Reader {
    scan: Arc<SegmentScan>,
    segments: Arc<Segments>,
    bound: Arc<OnceCell<Bound>>,
    schema: SchemaRef,
    batch_rows: usize,
    loaded: Count,
    segment_count: Count,
    partition: usize,
    partitions: usize,
}

/// Where a partition is: the slices still to read, and rows of the first that passed already.
struct Position {
    slices: std::vec::IntoIter<(usize, Range<usize>)>,
    current: Option<(usize, Range<usize>)>,
    selected: Option<Rows>,
    _ahead: SpawnedTask<()>,
}

impl Reader {
    fn batches(self) -> impl Stream<Item = Result<RecordBatch>> {
        let start = async move {
            let slices = self.slices().await?;
            let reader = Arc::new(self);
            let ahead = Arc::clone(&reader).prepare(slices.iter().map(|(at, _)| *at).collect());
            let position =
                Position { slices: slices.into_iter(), current: None, selected: None, _ahead: ahead };
            Ok::<_, DataFusionError>(stream::try_unfold(
                (reader, position),
                |(reader, mut position)| async move {
                    let next = reader.next(&mut position).await?;
                    Ok(next.map(|batch| (batch, (reader, position))))
                },
            ))
        };
        stream::once(start).try_flatten()
    }

    /// Loads segments while others are scanned, until it is dropped. Who scans them tells of what
    /// fails.
    fn prepare(self: Arc<Self>, segments: Vec<usize>) -> SpawnedTask<()> {
        SpawnedTask::spawn(async move {
            let loads: Vec<_> = segments.into_iter().map(|at| self.segment(at).boxed()).collect();
            let mut loads = stream::iter(loads).buffered(LOADS_AT_ONCE.div_ceil(self.partitions));
            while let Some(Ok(_)) = loads.next().await {}
        })
    }

    async fn bound(&self) -> Result<&Bound> {
        self.bound
            .get_or_try_init(|| async {
                let layout = self.segments.layout().await?;
                self.loaded.add(layout.loaded_bytes() as usize);
                let segments = layout.segments().iter().map(|_| OnceCell::new()).collect();
                Ok(Bound { layout, segments })
            })
            .await
    }

    /// This partition's share of the rows.
    async fn slices(&self) -> Result<Vec<(usize, Range<usize>)>> {
        let segments = self.bound().await?.layout.segments();
        let all: usize = segments.iter().map(|segment| segment.row_count()).sum();
        let bound = |partition: usize| all * partition / self.partitions;
        let share = bound(self.partition)..bound(self.partition + 1);
        let mut slices = Vec::new();
        let mut first = 0;
        for (at, segment) in segments.iter().enumerate() {
            let last = first + segment.row_count();
            let rows = share.start.max(first)..share.end.min(last);
            if rows.start < rows.end {
                slices.push((at, rows.start - first..rows.end - first));
            }
            first = last;
        }
        self.segment_count.add(slices.len());
        if self.scan.filter.named_users().is_some() {
            // Who asks for the events of few users mostly wants the last ones: sorted that way, all
            // others are left behind at once.
            slices.reverse();
        }
        Ok(slices)
    }

    async fn segment(&self, at: usize) -> Result<&(BoundSegment, BoundFilter)> {
        let bound = self.bound().await?;
        bound.segments[at]
            .get_or_try_init(|| async {
                let segment = self.scan.inputs.bind(&bound.layout, at).await?;
                self.loaded.add(segment.loaded_bytes as usize);
                let filter = self.scan.filter.bind(&segment)?;
                Ok((segment, filter))
            })
            .await
    }

    async fn next(&self, position: &mut Position) -> Result<Option<RecordBatch>> {
        loop {
            let Some((at, rows)) = position.current.take().or_else(|| position.slices.next()) else {
                return Ok(None);
            };
            let (segment, filter) = self.segment(at).await?;
            let (selected, rest) = if let Some(selected) = position.selected.take() {
                (selected, rows)
            } else {
                let rows = filter.narrow(rows);
                let block = rows.start..(rows.start + BLOCK_ROWS).min(rows.end);
                let rest = block.end..rows.end;
                (filter.select(segment, Rows::Range(block))?, rest)
            };
            let (now, later) = selected.split(self.batch_rows);
            if later.count() > 0 {
                position.selected = Some(later);
                position.current = Some((at, rest));
            } else if !rest.is_empty() {
                position.current = Some((at, rest));
            }
            if now.count() > 0 {
                return self.batch(segment, &now).map(Some);
            }
            tokio::task::yield_now().await;
        }
    }

    fn batch(&self, segment: &BoundSegment, rows: &Rows) -> Result<RecordBatch> {
        let columns = self.scan.output.iter().map(|input| segment.array(*input, rows));
        let columns = columns.collect::<Result<Vec<_>>>()?;
        let options = RecordBatchOptions::new().with_row_count(Some(rows.count()));
        Ok(RecordBatch::try_new_with_options(Arc::clone(&self.schema), columns, &options)?)
    }
}

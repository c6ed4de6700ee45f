//! What is run to answer a report, for `EXPLAIN ANALYZE`: the plans and scans below the report's own line.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use arrow::datatypes::Schema;
use datafusion::common::{Result, internal_err};
use datafusion::execution::{SendableRecordBatchStream, SessionState, TaskContext};
use datafusion::physical_expr::{EquivalenceProperties, Partitioning};
use datafusion::physical_plan::execution_plan::{Boundedness, EmissionType};
use datafusion::physical_plan::metrics::{ExecutionPlanMetricsSet, MetricBuilder};
use datafusion::physical_plan::{DisplayAs, DisplayFormatType, ExecutionPlan, PlanProperties};

use crate::leaf::leaf_methods;

/// The steps so far, an extension of the session of what is explained. Without it nothing is noted:
/// plans hold what they read as long as they are kept.
#[derive(Debug, Default)]
pub(crate) struct Steps(Mutex<Vec<Arc<dyn ExecutionPlan>>>);

impl Steps {
    /// Those of a session, if it is about an explanation.
    pub(crate) fn of(state: &SessionState) -> Option<Arc<Self>> {
        state.config().get_extension::<Self>()
    }

    /// Lets a session note steps of its own.
    pub(crate) fn begin(state: &mut SessionState) -> Arc<Self> {
        let steps = Arc::new(Self::default());
        state.config_mut().set_extension(Arc::clone(&steps));
        steps
    }

    /// Notes a plan that is about to run.
    pub(crate) fn add(&self, plan: Arc<dyn ExecutionPlan>) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(plan);
    }

    /// All of them, in the order they began.
    pub(crate) fn take(&self) -> Vec<Arc<dyn ExecutionPlan>> {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// A step that is no plan of DataFusion's, before it runs.
#[derive(Debug)]
pub(crate) struct Step {
    steps: Arc<Steps>,
    name: &'static str,
    description: String,
}

impl Step {
    /// `None` if nobody wants to know.
    pub(crate) fn of(
        state: &SessionState,
        name: &'static str,
        description: impl FnOnce() -> String,
    ) -> Option<Self> {
        Some(Self { steps: Steps::of(state)?, name, description: description() })
    }

    /// Notes it.
    pub(crate) fn start(self) -> RunningStep {
        let Self { steps, name, description } = self;
        let metrics = ExecutionPlanMetricsSet::new();
        let properties = PlanProperties::new(
            EquivalenceProperties::new(Arc::new(Schema::empty())),
            Partitioning::UnknownPartitioning(1),
            EmissionType::Final,
            Boundedness::Bounded,
        );
        let exec = StepExec { name, description, properties: Arc::new(properties), metrics: metrics.clone() };
        steps.add(Arc::new(exec));
        RunningStep { metrics, started: Instant::now() }
    }
}

/// A step at work: what is told of it. The time is that until it is dropped.
#[derive(Debug)]
pub(crate) struct RunningStep {
    metrics: ExecutionPlanMetricsSet,
    started: Instant,
}

impl RunningStep {
    /// Tells how many there were of something.
    pub(crate) fn count(&self, of: &'static str, count: usize) {
        MetricBuilder::new(&self.metrics).global_counter(of).add(count);
    }
}

impl Drop for RunningStep {
    fn drop(&mut self) {
        MetricBuilder::new(&self.metrics).subset_time("elapsed", 0).add_duration(self.started.elapsed());
    }
}

/// Shows a step.
#[derive(Debug)]
struct StepExec {
    name: &'static str,
    description: String,
    properties: Arc<PlanProperties>,
    metrics: ExecutionPlanMetricsSet,
}

impl DisplayAs for StepExec {
    fn fmt_as(&self, _format: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.name, self.description)
    }
}

impl ExecutionPlan for StepExec {
    fn name(&self) -> &str {
        self.name
    }

    leaf_methods!();

    fn execute(&self, _partition: usize, _context: Arc<TaskContext>) -> Result<SendableRecordBatchStream> {
        internal_err!("{} is shown, not run", self.name)
    }
}

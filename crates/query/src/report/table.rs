//! Reports in SQL: `FROM insights('{…}')`, `FROM sessions('{…}')`, `FROM cohort('NAME')`, and `cohort('NAME')` as a
//! predicate in the SQL of reports.

use std::fmt;
use std::sync::{Arc, OnceLock};

use arrow::array::RecordBatch;
use arrow::datatypes::{DataType, SchemaRef};
use async_trait::async_trait;
use datafusion::catalog::{Session, TableFunctionArgs, TableFunctionImpl, TableProvider};
use datafusion::common::{DataFusionError, Result, plan_err};
use datafusion::execution::{SendableRecordBatchStream, SessionState, TaskContext};
use datafusion::logical_expr::{ColumnarValue, Expr, TableType, Volatility, create_udf};
use datafusion::physical_expr::{EquivalenceProperties, Partitioning};
use datafusion::physical_plan::execution_plan::{Boundedness, EmissionType};
use datafusion::physical_plan::metrics::{BaselineMetrics, ExecutionPlanMetricsSet};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{DisplayAs, DisplayFormatType, ExecutionPlan, PlanProperties};
use datafusion::prelude::{DataFrame, SessionContext};
use futures::{TryStreamExt as _, stream};
use tallymark_event::Timestamp;
use tallymark_report::{Cohort, CohortCondition, DefinitionError, Question, REPORT_KINDS, Report, Scope};

use super::asked::COHORT;
use crate::leaf::leaf_methods;
use crate::resident::slices;
use crate::steps::Steps;
use crate::tables::DatasetTables;
use crate::{Error, definitions};

/// Registers the table functions and the predicate.
pub(crate) fn register(session: &SessionContext, tables: &Arc<DatasetTables>) {
    for kind in REPORT_KINDS {
        session.register_udtf(kind, Arc::new(ReportFunction { kind, tables: Arc::clone(tables) }));
    }
    let outside = |_: &[ColumnarValue]| -> Result<ColumnarValue> {
        plan_err!(
            "cohort('NAME') is a condition in the SQL of reports; here write: user_id IN (SELECT user_id FROM \
             cohort('NAME'))"
        )
    };
    let takes = vec![DataType::Utf8];
    let predicate = create_udf(COHORT, takes, DataType::Boolean, Volatility::Stable, Arc::new(outside));
    session.register_udf(predicate);
}

/// The answer of a report, asked at a time.
pub(super) fn frame(session: &SessionContext, report: Report, now: Timestamp) -> crate::Result<DataFrame> {
    let tables = session.state_ref().read().config().get_extension::<DatasetTables>();
    let plan = |source| Error::Plan { source };
    let Some(tables) = tables else {
        return Err(plan(DataFusionError::Plan(
            "reports are answered in sessions of this engine".to_owned(),
        )));
    };
    let report = definitions::with_saved(tables.snapshot(), report)?;
    let schema = super::schema(&report)?;
    let table = ReportTable { report: Arc::new(report), schema, tables, now: Some(now) };
    session.read_table(Arc::new(table)).map_err(plan)
}

/// A table function that answers a definition.
#[derive(Debug)]
struct ReportFunction {
    kind: &'static str,
    tables: Arc<DatasetTables>,
}

impl ReportFunction {
    /// The definition in the argument: JSON, with or without its `report`; of cohorts, a name too.
    fn definition(&self, text: &str) -> crate::Result<Report> {
        if self.kind == COHORT && !text.trim_start().starts_with('{') {
            let condition =
                CohortCondition { in_cohort: Some(text.to_owned()), ..CohortCondition::default() };
            // Without such a cohort it is one of users, which says so when it is asked for.
            let saved = definitions::cohorts(self.tables.snapshot())?.remove(text);
            let group_key = saved.and_then(|saved| saved.group_key);
            let cohort = Cohort { group_key, all: Some(vec![condition]), any: None };
            return Ok(Report { scope: Scope::default(), question: Question::Cohort(cohort) });
        }
        let mut value: serde_json::Value = serde_json::from_str(text)
            .map_err(|error| DefinitionError::new("", format!("this is not JSON: {error}")))?;
        if let Some(fields) = value.as_object_mut() {
            let kind = fields.entry("report").or_insert_with(|| self.kind.into());
            if kind != self.kind {
                let problem = format!("{} answers reports of its kind, not {kind}", self.kind);
                return Err(DefinitionError::new("report", problem).into());
            }
        }
        definitions::with_saved(self.tables.snapshot(), Report::from_value(value)?)
    }
}

impl TableFunctionImpl for ReportFunction {
    fn call_with_args(&self, args: TableFunctionArgs) -> Result<Arc<dyn TableProvider>> {
        let text = match args.exprs() {
            [Expr::Literal(text, _)] => text.try_as_str().flatten(),
            _ => None,
        };
        let Some(text) = text else {
            return plan_err!("{}('…') takes one text: the definition as JSON", self.kind);
        };
        let own = |error: Error| DataFusionError::External(Box::new(error));
        let report = self.definition(text).map_err(own)?;
        let schema = super::schema(&report).map_err(own)?;
        Ok(Arc::new(ReportTable {
            report: Arc::new(report),
            schema,
            tables: Arc::clone(&self.tables),
            now: None,
        }))
    }
}

/// The answer of a report as a table.
#[derive(Debug)]
struct ReportTable {
    report: Arc<Report>,
    schema: SchemaRef,
    tables: Arc<DatasetTables>,
    /// When it is asked; when the query started, if it does not say.
    now: Option<Timestamp>,
}

#[async_trait]
impl TableProvider for ReportTable {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
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
        let Some(session) = state.as_any().downcast_ref::<SessionState>() else {
            return plan_err!("reports are answered in sessions of this engine");
        };
        let started = state.execution_props().query_execution_start_time;
        let started = Timestamp::from_millis(started.map_or(0, |started| started.timestamp_millis()));
        let places = projection.cloned().unwrap_or_else(|| (0..self.schema.fields().len()).collect());
        let schema = Arc::new(self.schema.project(&places)?);
        let properties = PlanProperties::new(
            EquivalenceProperties::new(schema),
            Partitioning::UnknownPartitioning(1),
            EmissionType::Final,
            Boundedness::Bounded,
        );
        Ok(Arc::new(ReportExec {
            report: Arc::clone(&self.report),
            places,
            tables: Arc::clone(&self.tables),
            state: session.clone(),
            now: self.now.unwrap_or(started),
            properties: Arc::new(properties),
            steps: Arc::default(),
            metrics: ExecutionPlanMetricsSet::new(),
        }))
    }
}

/// Answers a report.
struct ReportExec {
    report: Arc<Report>,
    /// The columns that are asked for.
    places: Vec<usize>,
    tables: Arc<DatasetTables>,
    state: SessionState,
    now: Timestamp,
    properties: Arc<PlanProperties>,
    /// What was run for the answer, once it is there and if it is explained.
    steps: Arc<OnceLock<Vec<Arc<dyn ExecutionPlan>>>>,
    metrics: ExecutionPlanMetricsSet,
}

impl fmt::Debug for ReportExec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReportExec").field("report", &self.report).finish_non_exhaustive()
    }
}

impl DisplayAs for ReportExec {
    fn fmt_as(&self, format: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match format {
            DisplayFormatType::Default | DisplayFormatType::Verbose => {
                write!(f, "ReportExec: {}", self.report.to_value())
            }
            DisplayFormatType::TreeRender => write!(f, "{}", self.report.to_value()),
        }
    }
}

impl ExecutionPlan for ReportExec {
    fn name(&self) -> &'static str {
        "ReportExec"
    }

    /// It has none while it is planned and run; an explanation is told of its steps.
    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        self.steps.get().into_iter().flatten().collect()
    }

    leaf_methods!(but_children);

    fn execute(&self, partition: usize, context: Arc<TaskContext>) -> Result<SendableRecordBatchStream> {
        let (report, tables) = (Arc::clone(&self.report), Arc::clone(&self.tables));
        let (mut state, places, now) = (self.state.clone(), self.places.clone(), self.now);
        let noted = Steps::of(&state).map(|_| (Steps::begin(&mut state), Arc::clone(&self.steps)));
        let baseline = BaselineMetrics::new(&self.metrics, partition);
        let batch_rows = context.session_config().batch_size();
        let answer = async move {
            let answer = Box::pin(super::answer(state, tables, &report, &places, now)).await;
            if let Some((steps, told)) = noted {
                let _ = told.set(steps.take());
            }
            let batches = answer.map_err(|error| match error {
                Error::Run { source } | Error::Plan { source } => source,
                other => DataFusionError::External(Box::new(other)),
            })?;
            baseline.record_output(batches.iter().map(RecordBatch::num_rows).sum());
            let slices = batches.into_iter().flat_map(move |batch| slices(batch, batch_rows));
            Ok::<_, DataFusionError>(stream::iter(slices.map(Ok)))
        };
        let schema = Arc::clone(self.properties.eq_properties.schema());
        Ok(Box::pin(RecordBatchStreamAdapter::new(schema, stream::once(answer).try_flatten())))
    }
}

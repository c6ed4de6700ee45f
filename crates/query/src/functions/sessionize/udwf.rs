//! `sessionize` for DataFusion.

use std::ops::Range;
use std::sync::Arc;

use arrow::array::{Array as _, ArrayRef, Int64Array};
use arrow::datatypes::{DataType, Field, FieldRef};
use datafusion::common::{Result, ScalarValue, exec_datafusion_err, plan_err};
use datafusion::logical_expr::expr::WindowFunction;
use datafusion::logical_expr::function::{
    PartitionEvaluatorArgs, WindowFunctionSimplification, WindowUDFFieldArgs,
};
use datafusion::logical_expr::{
    Expr, ExprSchemable as _, LimitEffect, PartitionEvaluator, Signature, TypeSignature, Volatility,
    WindowUDFImpl,
};
use datafusion::physical_expr::PhysicalExpr;

use super::matcher::Sessions;
use crate::functions::arguments::{TimeKind, logical_literals, physical_literals};

const NAME: &str = "sessionize";

/// `sessionize(time, timeout)`
#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) struct Sessionize {
    signature: Signature,
}

impl Sessionize {
    pub(super) fn new() -> Self {
        let any = vec![TypeSignature::Nullary, TypeSignature::VariadicAny];
        Self { signature: Signature::one_of(any, Volatility::Immutable) }
    }
}

fn time_kind(types: &[DataType]) -> Result<TimeKind> {
    if types.len() != 2 {
        return plan_err!("{NAME}: expects a time and a timeout, such as time, INTERVAL '30 minutes'");
    }
    TimeKind::try_new(NAME, types.first())
}

fn start(types: &[DataType], literals: &[Option<ScalarValue>]) -> Result<SessionNumbers> {
    let kind = time_kind(types)?;
    let timeout = kind.length(NAME, "the timeout", literals.get(1))?;
    Ok(SessionNumbers { kind, sessions: Sessions::new(timeout) })
}

impl WindowUDFImpl for Sessionize {
    fn name(&self) -> &str {
        NAME
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn field(&self, field_args: WindowUDFFieldArgs) -> Result<FieldRef> {
        let types: Vec<DataType> =
            field_args.input_fields().iter().map(|field| field.data_type().clone()).collect();
        time_kind(&types)?;
        Ok(Arc::new(Field::new(field_args.name(), DataType::Int64, true)))
    }

    fn partition_evaluator(&self, args: PartitionEvaluatorArgs) -> Result<Box<dyn PartitionEvaluator>> {
        let types: Vec<DataType> =
            args.input_fields().iter().map(|field| field.data_type().clone()).collect();
        Ok(Box::new(start(&types, &physical_literals(args.input_exprs()))?))
    }

    fn simplify(&self) -> Option<WindowFunctionSimplification> {
        // Nothing becomes simpler, but here literals are seen before the query runs.
        Some(Box::new(|call: WindowFunction, info| {
            let args = &call.params.args;
            let types: Vec<DataType> =
                args.iter().map(|arg| arg.get_type(info.schema().as_ref())).collect::<Result<_>>()?;
            start(&types, &logical_literals(args))?;
            Ok(Expr::from(call))
        }))
    }

    fn limit_effect(&self, _args: &[Arc<dyn PhysicalExpr>]) -> LimitEffect {
        LimitEffect::None
    }
}

/// The numbers of one partition.
#[derive(Debug)]
struct SessionNumbers {
    kind: TimeKind,
    sessions: Sessions,
}

impl SessionNumbers {
    fn number(&mut self, times: &Int64Array, row: usize) -> Result<Option<i64>> {
        if times.is_null(row) {
            return Ok(None);
        }
        let number = self.sessions.number(times.value(row)).map_err(|error| {
            exec_datafusion_err!("{NAME}: {error}; add ORDER BY to its window, such as OVER (PARTITION BY user_id ORDER BY time)")
        })?;
        Ok(Some(number))
    }
}

impl PartitionEvaluator for SessionNumbers {
    fn evaluate_all(&mut self, values: &[ArrayRef], num_rows: usize) -> Result<ArrayRef> {
        let times = self.kind.ticks(&values[0])?;
        let numbers: Vec<Option<i64>> =
            (0..num_rows).map(|row| self.number(&times, row)).collect::<Result<_>>()?;
        Ok(Arc::new(Int64Array::from(numbers)))
    }

    fn evaluate(&mut self, values: &[ArrayRef], range: &Range<usize>) -> Result<ScalarValue> {
        let time = self.kind.ticks(&values[0].slice(range.start, 1))?;
        Ok(ScalarValue::Int64(self.number(&time, 0)?))
    }

    fn supports_bounded_execution(&self) -> bool {
        true
    }

    fn is_causal(&self) -> bool {
        true
    }
}

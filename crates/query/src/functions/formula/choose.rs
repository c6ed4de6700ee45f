//! `if` and `ifs` (K-1, K-2): another spelling of `CASE`.

use std::sync::Arc;

use arrow::array::{Array as _, AsArray as _, new_null_array};
use arrow::compute::kernels::zip::zip;
use arrow::compute::{cast as cast_array, prep_null_mask_filter};
use arrow::datatypes::{DataType, Field, FieldRef};
use datafusion::common::{Result, plan_err};
use datafusion::logical_expr::expr::Case;
use datafusion::logical_expr::simplify::{ExprSimplifyResult, SimplifyContext};
use datafusion::logical_expr::type_coercion::binary::type_union_resolution;
use datafusion::logical_expr::{
    ColumnarValue, Expr, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature,
    Volatility, cast,
};

/// The functions, to be registered.
pub(super) fn choose_udfs() -> Vec<ScalarUDF> {
    [Form::If, Form::Ifs]
        .map(|form| {
            let signature = Signature::variadic_any(Volatility::Immutable);
            ScalarUDF::new_from_impl(Choose { form, signature })
        })
        .into()
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Form {
    /// A condition, what it is if that is met, and what it is otherwise.
    If,
    /// Conditions, each with what it is if that is the first that is met; null if none is.
    Ifs,
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Choose {
    form: Form,
    signature: Signature,
}

impl Form {
    /// Whether argument `at` is a condition.
    fn is_condition(self, at: usize) -> bool {
        at.is_multiple_of(2) && (self == Self::Ifs || at == 0)
    }

    fn check_count(self, count: usize) -> Result<()> {
        match self {
            Self::If if count != 3 => plan_err!(
                "if takes a condition, a value if it is met, and a value otherwise, not {count} arguments"
            ),
            Self::Ifs if count == 0 || count % 2 == 1 => {
                plan_err!("ifs takes conditions, each with a value after it, not {count} arguments")
            }
            Self::If | Self::Ifs => Ok(()),
        }
    }
}

impl Choose {
    /// The type of all values; whether the conditions are such.
    fn value_type(&self, types: &[DataType]) -> Result<DataType> {
        self.form.check_count(types.len())?;
        let plain = |data_type: &DataType| match data_type {
            DataType::Dictionary(_, values) => values.as_ref().clone(),
            other => other.clone(),
        };
        let mut values = Vec::new();
        for (at, data_type) in types.iter().map(plain).enumerate() {
            if !self.form.is_condition(at) {
                values.push(data_type);
            } else if !matches!(data_type, DataType::Boolean | DataType::Null) {
                return plan_err!(
                    "{}: the condition that is argument {} is {data_type}, but must be true or false",
                    self.name(),
                    at + 1
                );
            }
        }
        let Some(value) = type_union_resolution(&values) else {
            let values: Vec<String> = values.iter().map(ToString::to_string).collect();
            return plan_err!("{} gives values of one type, not {}", self.name(), values.join(", "));
        };
        Ok(value)
    }

    /// What argument `at` is cast to.
    fn argument_type<'a>(&self, at: usize, value: &'a DataType) -> &'a DataType {
        if self.form.is_condition(at) { &DataType::Boolean } else { value }
    }
}

impl ScalarUDFImpl for Choose {
    fn name(&self) -> &'static str {
        match self.form {
            Form::If => "if",
            Form::Ifs => "ifs",
        }
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        self.value_type(types)
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs) -> Result<FieldRef> {
        let fields = args.arg_fields;
        let types: Vec<DataType> = fields.iter().map(|field| field.data_type().clone()).collect();
        let mut values = (0..fields.len()).filter(|at| !self.form.is_condition(*at));
        let is_nullable = self.form == Form::Ifs || values.any(|at| fields[at].is_nullable());
        Ok(Arc::new(Field::new(self.name(), self.return_type(&types)?, is_nullable)))
    }

    fn simplify(&self, args: Vec<Expr>, info: &SimplifyContext) -> Result<ExprSimplifyResult> {
        let types = args.iter().map(|expr| info.get_data_type(expr)).collect::<Result<Vec<_>>>()?;
        let value = self.value_type(&types)?;
        let of_type = |(at, expr): (usize, Expr)| {
            let wanted = self.argument_type(at, &value);
            if types[at] == *wanted { expr } else { cast(expr, wanted.clone()) }
        };
        let mut args: Vec<Expr> = args.into_iter().enumerate().map(of_type).collect();
        let otherwise = if self.form == Form::If { args.pop().map(Box::new) } else { None };
        let mut rest = args.into_iter();
        let mut cases = Vec::new();
        while let (Some(condition), Some(value)) = (rest.next(), rest.next()) {
            cases.push((Box::new(condition), Box::new(value)));
        }
        Ok(ExprSimplifyResult::Simplified(Expr::Case(Case::new(None, cases, otherwise))))
    }

    /// Only where nothing simplified the call.
    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let rows = args.number_rows;
        let types: Vec<DataType> = args.args.iter().map(ColumnarValue::data_type).collect();
        let value = self.value_type(&types)?;
        let of_type = |(at, column): (usize, ColumnarValue)| {
            Ok(cast_array(&column.into_array(rows)?, self.argument_type(at, &value))?)
        };
        let mut values = args.args.into_iter().enumerate().map(of_type).collect::<Result<Vec<_>>>()?;
        let mut chosen = match self.form {
            Form::If => values.pop(),
            Form::Ifs => None,
        }
        .unwrap_or_else(|| new_null_array(&value, rows));
        while let (Some(value), Some(condition)) = (values.pop(), values.pop()) {
            let condition = condition.as_boolean();
            // A condition that is null is not met.
            let met =
                if condition.null_count() > 0 { prep_null_mask_filter(condition) } else { condition.clone() };
            chosen = zip(&met, &value, &chosen)?;
        }
        Ok(ColumnarValue::Array(chosen))
    }

    fn short_circuits(&self) -> bool {
        true
    }

    fn conditional_arguments<'a>(&self, args: &'a [Expr]) -> Option<(Vec<&'a Expr>, Vec<&'a Expr>)> {
        let (first, others) = args.split_at(args.len().min(1));
        Some((first.iter().collect(), others.iter().collect()))
    }
}

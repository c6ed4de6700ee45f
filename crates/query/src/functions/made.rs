//! Scalar functions made for one question, such as "is the user in this set".

use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use arrow::array::ArrayRef;
use arrow::datatypes::DataType;
use datafusion::common::Result;
use datafusion::logical_expr::{
    ColumnarValue, Expr, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};

type Body = dyn Fn(&[ArrayRef]) -> Result<ArrayRef> + Send + Sync;

/// A function that lives as long as the plans it is in. Two of one name are the same function.
struct Made {
    name: String,
    signature: Signature,
    returns: DataType,
    body: Arc<Body>,
}

/// `arguments` go through `body`, row by row: it gives an array of `returns` as long as they are.
/// `name` tells it from all other functions in a plan.
pub(crate) fn call(
    name: impl Into<String>,
    returns: DataType,
    arguments: Vec<Expr>,
    body: impl Fn(&[ArrayRef]) -> Result<ArrayRef> + Send + Sync + 'static,
) -> Expr {
    let made = Made {
        name: name.into(),
        signature: Signature::any(arguments.len(), Volatility::Immutable),
        returns,
        body: Arc::new(body),
    };
    ScalarUDF::new_from_impl(made).call(arguments)
}

impl fmt::Debug for Made {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}

impl PartialEq for Made {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl Eq for Made {}

impl Hash for Made {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.name.hash(state);
    }
}

impl ScalarUDFImpl for Made {
    fn name(&self) -> &str {
        &self.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _arg_types: &[DataType]) -> Result<DataType> {
        Ok(self.returns.clone())
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let arrays = args
            .args
            .iter()
            .map(|argument| argument.clone().into_array(args.number_rows))
            .collect::<Result<Vec<_>>>()?;
        Ok(ColumnarValue::Array((self.body)(&arrays)?))
    }
}

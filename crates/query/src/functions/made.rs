//! Scalar functions made for one question, such as "is the user in this set".

use std::any::Any;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use arrow::array::ArrayRef;
use arrow::datatypes::DataType;
use datafusion::common::Result;
use datafusion::logical_expr::{
    ColumnarValue, Expr, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};
use datafusion::physical_expr::{PhysicalExpr, ScalarFunctionExpr};

type Body = dyn Fn(&[ArrayRef]) -> Result<ArrayRef> + Send + Sync;
type About = dyn Any + Send + Sync;

/// A function that lives as long as the plans it is in. Two of one name are the same function.
struct Made {
    name: String,
    signature: Signature,
    returns: DataType,
    body: Arc<Body>,
    /// What it asks, for who can tell otherwise: see [`about`].
    about: Option<Arc<About>>,
}

/// `arguments` go through `body`, row by row: it gives an array of `returns` as long as they are.
/// `name` tells it from all other functions in a plan.
pub(crate) fn call(
    name: impl Into<String>,
    returns: DataType,
    arguments: Vec<Expr>,
    body: impl Fn(&[ArrayRef]) -> Result<ArrayRef> + Send + Sync + 'static,
) -> Expr {
    made(name.into(), returns, arguments, Arc::new(body), None)
}

/// The same for a function that says what it asks: who finds it in a plan ([`about`]) may answer
/// otherwise than by calling it.
pub(crate) fn call_about<T: Send + Sync + 'static>(
    name: impl Into<String>,
    returns: DataType,
    arguments: Vec<Expr>,
    about: Arc<T>,
    body: impl Fn(&T, &[ArrayRef]) -> Result<ArrayRef> + Send + Sync + 'static,
) -> Expr {
    let asked = Arc::clone(&about);
    let body = move |args: &[ArrayRef]| body(&asked, args);
    made(name.into(), returns, arguments, Arc::new(body), Some(about))
}

/// What a function of [`call_about`] asks, if an expression is a call of one of that kind.
pub(crate) fn about<T: Send + Sync + 'static>(expr: &Arc<dyn PhysicalExpr>) -> Option<Arc<T>> {
    let function = expr.downcast_ref::<ScalarFunctionExpr>()?;
    let made = function.fun().inner().downcast_ref::<Made>()?;
    Arc::clone(made.about.as_ref()?).downcast().ok()
}

fn made(
    name: String,
    returns: DataType,
    arguments: Vec<Expr>,
    body: Arc<Body>,
    about: Option<Arc<About>>,
) -> Expr {
    let signature = Signature::any(arguments.len(), Volatility::Immutable);
    ScalarUDF::new_from_impl(Made { name, signature, returns, body, about }).call(arguments)
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

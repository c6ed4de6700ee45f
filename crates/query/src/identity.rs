//! Who a stored user is now.
//!
//! Files hold the user as of their writing. Where ids were joined since, the column goes through
//! [`Identities::canonical`] on its way out of the scan, as a function in the scan's projection:
//! predicates and statistics on `user_id` then cannot reach the stored column by mistake, for the
//! optimizer does not know what the function does.

use std::hash::{Hash, Hasher};
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, StringViewArray, StringViewBuilder};
use arrow::datatypes::DataType;
use datafusion::common::Result;
use datafusion::common::cast::as_string_view_array;
use datafusion::logical_expr::{
    ColumnarValue, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, TypeSignature, Volatility,
};
use tallymark_users::Identities;

/// The SQL function `canonical_user(id)`: the canonical id of the user that an id belongs to as of
/// the session's snapshot; null for null. Utf8View to Utf8View.
pub fn canonical_user_udf(identities: Arc<Identities>) -> ScalarUDF {
    let signature =
        Signature::one_of(vec![TypeSignature::Exact(vec![DataType::Utf8View])], Volatility::Immutable);
    ScalarUDF::new_from_impl(CanonicalUser { identities, signature })
}

/// The canonical id of each id. Neighbours are often equal, as files are sorted by user.
pub(crate) fn canonical_users(identities: &Identities, ids: &StringViewArray) -> ArrayRef {
    let mut users = StringViewBuilder::with_capacity(ids.len());
    let mut last: Option<(&str, &str)> = None;
    for id in ids {
        let Some(id) = id else {
            users.append_null();
            continue;
        };
        let user = match last {
            Some((known, user)) if known == id => user,
            _ => identities.canonical(id),
        };
        last = Some((id, user));
        users.append_value(user);
    }
    Arc::new(users.finish())
}

#[derive(Debug)]
struct CanonicalUser {
    identities: Arc<Identities>,
    signature: Signature,
}

impl PartialEq for CanonicalUser {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.identities, &other.identities)
    }
}

impl Eq for CanonicalUser {}

impl Hash for CanonicalUser {
    fn hash<H: Hasher>(&self, state: &mut H) {
        Arc::as_ptr(&self.identities).hash(state);
    }
}

impl ScalarUDFImpl for CanonicalUser {
    fn name(&self) -> &'static str {
        "canonical_user"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _arg_types: &[DataType]) -> Result<DataType> {
        Ok(DataType::Utf8View)
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let scalar = args.args.iter().all(|arg| matches!(arg, ColumnarValue::Scalar(_)));
        let arrays = ColumnarValue::values_to_arrays(&args.args)?;
        let users = canonical_users(&self.identities, as_string_view_array(&arrays[0])?);
        if scalar {
            return Ok(ColumnarValue::Scalar(datafusion::common::ScalarValue::try_from_array(&users, 0)?));
        }
        Ok(ColumnarValue::Array(users))
    }
}

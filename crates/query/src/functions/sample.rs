//! `in_sample(id, share)`: whether an id is in a sample of so many (S-91).

use std::sync::Arc;

use arrow::array::{Array as _, AsArray as _, BooleanArray};
use arrow::datatypes::{DataType, Float64Type};
use datafusion::common::{Result, exec_err};
use datafusion::logical_expr::{
    ColumnarValue, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, TypeSignature, Volatility,
};
use xxhash_rust::xxh3::xxh3_64;

/// What it is called in SQL.
pub(crate) const IN_SAMPLE: &str = "in_sample";

/// Whether an id is in the sample of a share from 0 to 1: the same answer everywhere and at any time.
/// The sample of a smaller share is part of that of a greater one.
pub(crate) fn is_in_sample(id: &str, share: f64) -> bool {
    // The upper 53 bits are exact as a float.
    const HASHES: f64 = (1u64 << 53) as f64;
    ((xxh3_64(id.as_bytes()) >> 11) as f64 / HASHES) < share
}

/// `in_sample(id Utf8View, share Float64)` → Boolean; false for a null id, which is nobody's.
pub(super) fn in_sample_udf() -> ScalarUDF {
    let arguments = TypeSignature::Exact(vec![DataType::Utf8View, DataType::Float64]);
    ScalarUDF::new_from_impl(InSample {
        signature: Signature::one_of(vec![arguments], Volatility::Immutable),
    })
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct InSample {
    signature: Signature,
}

impl ScalarUDFImpl for InSample {
    fn name(&self) -> &'static str {
        IN_SAMPLE
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _arg_types: &[DataType]) -> Result<DataType> {
        Ok(DataType::Boolean)
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let arrays = ColumnarValue::values_to_arrays(&args.args)?;
        let (ids, shares) = (arrays[0].as_string_view(), arrays[1].as_primitive::<Float64Type>());
        let mut found = Vec::with_capacity(ids.len());
        // Neighbours are often equal, as events are sorted by user.
        let mut last: Option<(&str, f64, bool)> = None;
        for (id, share) in ids.iter().zip(shares) {
            let share = share.unwrap_or(f64::NAN);
            if !(0.0..=1.0).contains(&share) {
                return exec_err!("{IN_SAMPLE} takes a share from 0 to 1, such as 0.1");
            }
            let is_in = id.is_some_and(|id| match last {
                Some((known, of, is_in)) if known == id && of.total_cmp(&share).is_eq() => is_in,
                _ => is_in_sample(id, share),
            });
            last = id.map(|id| (id, share, is_in));
            found.push(is_in);
        }
        Ok(ColumnarValue::Array(Arc::new(BooleanArray::from(found))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{TestDataset, answer, error, event, rows};

    #[test]
    fn s_91_the_hash_is_that_of_the_rule() {
        // XXH3 of no bytes is 0x2D06800538D394C2, which is 0.1758… of all.
        assert_eq!(xxh3_64(b""), 0x2D06_8005_38D3_94C2);
        assert!(is_in_sample("", 0.1759) && !is_in_sample("", 0.1758));
        let of = |share: f64| (0..10_000).filter(move |id| is_in_sample(&format!("user-{id}"), share));
        assert_eq!(of(1.0).count(), 10_000);
        assert_eq!(of(0.0).count(), 0);
        let (small, great): (Vec<i32>, Vec<i32>) = (of(0.1).collect(), of(0.3).collect());
        // Within five standard deviations.
        assert!((850..1150).contains(&small.len()), "{}", small.len());
        assert!(small.iter().all(|id| great.contains(id)));
    }

    #[tokio::test]
    async fn s_91_samples_are_drawn_in_sql() {
        let mut dataset = TestDataset::new();
        let events: Vec<_> =
            (0..40).map(|at| event("E", &format!("u{at}"), "2024-01-01T00:00:00Z", "{}")).collect();
        dataset.files(&events).await.memory(&[event("E", "", "2024-01-01T00:00:00Z", "{}")]);
        let expected = (0..40).filter(|at| is_in_sample(&format!("u{at}"), 0.5)).count().to_string();
        for session_ctx in [dataset.session(), dataset.resident_session()] {
            let count = async |share: &str| {
                let query = format!("SELECT count(*) FROM events WHERE in_sample(user_id, {share})");
                rows(&session_ctx, &query).await
            };
            assert_eq!(count("0.5").await.join("|"), expected);
            assert_eq!(count("1").await, ["40"]);
            assert_eq!(count("0").await, ["0"]);
            let wrong = error(&session_ctx, "SELECT in_sample(user_id, 10) FROM events").await;
            assert!(wrong.contains("a share from 0 to 1"), "{wrong}");
            let nobody = "SELECT in_sample(user_id, 1) FROM events WHERE user_id IS NULL";
            assert_eq!(rows(&session_ctx, nobody).await, ["false"]);
        }
        let plan = "EXPLAIN FORMAT indent SELECT count(*) FROM events WHERE in_sample(user_id, 0.1)";
        let plan = answer(&dataset.resident_session(), plan).await;
        assert!(plan.contains("aggregated_events"), "{plan}");
    }
}

//! Exposures to many experiments at once (M-70).

use std::sync::Arc;

use arrow::array::{ListBuilder, StringViewBuilder};
use datafusion::common::ScalarValue;
use datafusion::logical_expr::{Expr, lit};
use tallymark_report::Property;

use crate::Result;
use crate::functions::made::call;
use crate::report::asked::Asked;
use crate::report::convert::{list_of_text, texts_of};
use crate::report::segments::shown;
use crate::report::values::Values;

/// The variants that a property names for an experiment: a list of labels, not set among them or none
/// where it names none.
pub(super) fn variants(asked: &Asked, of: &Property, experiment: &str) -> Result<Expr> {
    let values = asked.values(of)?;
    let no_text = || lit(ScalarValue::Utf8View(None));
    // Keys are as they are, dots in them too.
    let in_object = match &values.object {
        Some(object) => {
            let value = Values::in_json(object, &[experiment.to_owned()]);
            asked.segment_of(value)?.label
        }
        None => no_text(),
    };
    let texts = asked.items_as_text(&values, values.scalar_text().unwrap_or_else(no_text), None, "")?;
    let begin = format!("{experiment}:");
    let arguments = vec![texts, in_object];
    Ok(call(format!("variants({experiment})"), list_of_text(), arguments, move |args| {
        let mut variants = ListBuilder::new(StringViewBuilder::new());
        for (texts, in_object) in texts_of(&args[0])?.into_iter().zip(texts_of(&args[1])?) {
            let in_texts = texts.iter().filter_map(|text| text.strip_prefix(&begin)).map(shown);
            for variant in in_texts.chain(in_object.iter().map(String::as_str).filter(|_| texts.is_empty())) {
                variants.values().append_value(variant);
            }
            variants.append(true);
        }
        Ok(Arc::new(variants.finish()))
    }))
}

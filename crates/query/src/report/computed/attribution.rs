//! What led to an event, and how much of it.

use std::sync::Arc;

use arrow::array::{
    Array as _, ArrayRef, AsArray as _, Float64Array, ListBuilder, StringViewArray, StringViewBuilder,
};
use arrow::compute::cast;
use arrow::datatypes::DataType;
use datafusion::logical_expr::{Expr, LogicalPlanBuilder};
use tallymark_report::{AttributionModel, Property};

use super::super::asked::{Asked, column, plan_error};
use super::super::convert::{self, TEXT, list_of_text};
use super::super::segments::{NOT_SET, Segment};
use super::history::{History, Place, for_each_place};
use crate::Result;
use crate::functions::made::call;

/// The column with the credit of a label.
pub(in super::super) const CREDIT: &str = "credit";
/// Between the credit and the label while both are one text.
const BETWEEN: char = '\u{1}';
/// what a touch is worth halves in this time.
const HALF_LIFE_MS: f64 = 7.0 * 86_400_000.0;
/// Credits are told to a billionth: the order they are added in does not show.
const PRECISION: f64 = 1e9;

/// How touches are found and weighed.
#[derive(Debug, Clone, Copy)]
pub(super) struct Touches {
    pub(super) model: AttributionModel,
    pub(super) within_ms: i64,
    pub(super) collapse_repeats: bool,
    /// The column of the history with the values as JSON texts.
    pub(super) items: usize,
    /// The column with the labels.
    pub(super) labels: usize,
}

impl Touches {
    /// Whether one touch counts alone: the first, or the last.
    pub(super) fn only(&self) -> Option<bool> {
        match self.model {
            AttributionModel::First => Some(true),
            AttributionModel::Last => Some(false),
            _ => None,
        }
    }

    /// The touches that led to an event, in order.
    pub(super) fn rows(&self, history: &History, at: Place<'_>) -> Vec<usize> {
        let rows = history.before(at, self.within_ms);
        if !self.collapse_repeats {
            return rows.collect();
        }
        let values = history.columns[self.items].as_list::<i32>();
        let mut kept: Vec<usize> = Vec::new();
        for row in rows {
            match kept.last_mut() {
                // the last of those that follow each other stands for all.
                Some(last) if values.value(*last).as_ref() == values.value(row).as_ref() => *last = row,
                _ => kept.push(row),
            }
        }
        kept
    }

    /// The credit of each touch.
    fn credits(&self, history: &History, at: Place<'_>, rows: &[usize]) -> Vec<f64> {
        let count = rows.len();
        let of_ends = |first: f64, middle: f64, last: f64| {
            let middle = middle / count.saturating_sub(2).max(1) as f64;
            (0..count)
                .map(|touch| match touch {
                    _ if count == 1 => 1.0,
                    // Weights of nothing at both ends leave nothing to share but evenly.
                    _ if count == 2 && first + last == 0.0 => 1.0,
                    0 => first,
                    last_touch if last_touch == count - 1 => last,
                    _ => middle,
                })
                .collect::<Vec<f64>>()
        };
        let credits = match self.model {
            AttributionModel::First => of_ends(1.0, 0.0, 0.0),
            AttributionModel::Last => of_ends(0.0, 0.0, 1.0),
            AttributionModel::Linear => vec![1.0; count],
            AttributionModel::Participation => return vec![1.0; count],
            AttributionModel::TimeDecay => {
                // Ages from the last touch on are in the same proportion, and no weight vanishes.
                let last = rows.last().map_or(at.time, |row| history.time(*row));
                let age = |row: &usize| (last - history.time(*row)) as f64;
                rows.iter().map(|row| (-age(row) / HALF_LIFE_MS).exp2()).collect()
            }
            AttributionModel::UShaped => of_ends(40.0, 20.0, 40.0),
            AttributionModel::JShaped => of_ends(20.0, 20.0, 60.0),
            AttributionModel::InverseJShaped => of_ends(60.0, 20.0, 20.0),
            AttributionModel::Weights { first, middle, last } => of_ends(first, middle, last),
        };
        let sum: f64 = credits.iter().sum();
        credits.into_iter().map(|credit| credit / sum).collect()
    }
}

impl Asked {
    /// The labels of what led to an event, each once and with its credit.
    pub(in super::super) fn attributed_segment(&self, property: &Property) -> Result<Segment> {
        let label =
            self.credited(property, "attributed", |label, credit| format!("{credit}{BETWEEN}{label}"))?;
        Ok(Segment { label, is_list: true, is_credited: true })
    }

    /// The labels alone.
    pub(in super::super) fn attributed_labels(&self, property: &Property) -> Result<Expr> {
        self.credited(property, "attributed_labels", |label, _| label)
    }

    fn credited(
        &self,
        property: &Property,
        called: &str,
        written: impl Fn(String, f64) -> String + Send + Sync + 'static,
    ) -> Result<Expr> {
        let computed = self.found(property)?;
        let history = computed.history();
        let Some(touches) = computed.touches(property) else { return Ok(column(CREDIT)) };
        let name = format!("{called}({property:?})");
        Ok(call(name, list_of_text(), self.place_columns(), move |args| {
            let mut lists = ListBuilder::new(StringViewBuilder::new());
            for_each_place(args, |at| {
                let mut credited: Vec<(String, f64)> = Vec::new();
                let rows = touches.rows(&history, at);
                let credits = touches.credits(&history, at, &rows);
                for (row, credit) in rows.iter().zip(credits).filter(|(_, credit)| *credit > 0.0) {
                    for label in convert::texts_of(&history.columns[touches.labels].slice(*row, 1))?.concat()
                    {
                        match credited.iter_mut().find(|(known, _)| *known == label) {
                            Some(_) if touches.model == AttributionModel::Participation => {}
                            Some((_, sum)) => *sum += credit,
                            None => credited.push((label, credit)),
                        }
                    }
                }
                if credited.is_empty() {
                    //
                    credited.push((NOT_SET.to_owned(), 1.0));
                }
                for (label, credit) in credited {
                    lists.values().append_value(written(label, credit));
                }
                lists.append(true);
                Ok(())
            })?;
            Ok(Arc::new(lists.finish()))
        }))
    }
}

/// The labels of a column, and their credit in a column of its own.
pub(in super::super) fn told_apart(plan: LogicalPlanBuilder, labels: &str) -> Result<LogicalPlanBuilder> {
    let part =
        |name: &str, data_type: DataType, body: fn(&ArrayRef) -> datafusion::common::Result<ArrayRef>| {
            call(name, data_type, vec![column(labels)], move |args| body(&args[0]))
        };
    let kept: Vec<Expr> = plan
        .schema()
        .columns()
        .into_iter()
        .map(|of_plan| {
            if of_plan.name == labels {
                part("label", TEXT, labels_of).alias(labels)
            } else {
                Expr::Column(of_plan)
            }
        })
        .chain([part("credit", DataType::Float64, credits_of).alias(CREDIT)])
        .collect();
    plan.project(kept).map_err(plan_error)
}

fn labels_of(texts: &ArrayRef) -> datafusion::common::Result<ArrayRef> {
    let texts = cast(texts, &TEXT)?;
    let label = |text: &str| text.split_once(BETWEEN).map(|(_, label)| label.to_owned());
    Ok(Arc::new(texts.as_string_view().iter().map(|text| text.and_then(label)).collect::<StringViewArray>()))
}

fn credits_of(texts: &ArrayRef) -> datafusion::common::Result<ArrayRef> {
    let texts = cast(texts, &TEXT)?;
    let credit = |text: &str| text.split_once(BETWEEN).and_then(|(credit, _)| credit.parse::<f64>().ok());
    Ok(Arc::new(texts.as_string_view().iter().map(|text| text.and_then(credit)).collect::<Float64Array>()))
}

/// A sum of credits as it is told.
pub(in super::super) fn rounded(credit: f64) -> f64 {
    (credit * PRECISION).round() / PRECISION
}

//! The events of groups, which are those of several users, or of nobody: read by a plan, put in order
//! (G-1) group by group.

use std::collections::BTreeMap;

use arrow::array::{Array as _, AsArray as _};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Float64Type, Int64Type, TimestampMillisecondType};
use datafusion::logical_expr::Expr;
use tallymark_event::columns::{SEQUENCE, TIME};

use super::super::asked::{Asked, arrow_error, column, plan_error};
use super::super::convert;
use super::super::split::{Segments, Split};
use super::walk::Happened;
use super::{Amount, Prepared};
use crate::Result;

/// An event of a group.
#[derive(Debug)]
pub(super) struct GroupEvent {
    time: i64,
    sequence: i64,
    is_birth: bool,
    is_return: bool,
    pub(super) amount: f64,
    /// Of a birth: the labels of each breakdown.
    labels: Vec<Vec<String>>,
}

impl Happened for GroupEvent {
    fn time(&self) -> i64 {
        self.time
    }

    fn is_birth(&self) -> bool {
        self.is_birth
    }

    fn is_return(&self) -> bool {
        self.is_return
    }
}

impl GroupEvent {
    /// The numbers of the segments it is in, each once.
    pub(super) fn segments(&self, split: &Split, segments: &mut Segments, found: &mut Vec<usize>) {
        found.clear();
        if split.breakdown_count == 0 {
            return;
        }
        let mut all = vec![Vec::new()];
        for labels in &self.labels {
            let with = |before: &Vec<String>| {
                let before = before.clone();
                labels.iter().map(move |label| before.iter().chain([label]).cloned().collect())
            };
            all = all.iter().flat_map(with).collect();
        }
        for labels in all {
            found.extend(segments.of_labels(split, labels).filter(|segment| !found.contains(segment)));
        }
    }
}

/// The births and returns of each group, in order.
pub(super) async fn events(asked: &Asked, of: &Prepared) -> Result<BTreeMap<String, Vec<GroupEvent>>> {
    let mut groups: BTreeMap<String, Vec<GroupEvent>> = BTreeMap::new();
    let Some((born, back)) = &of.count_by else { return Ok(groups) };
    let mut projected = vec![
        column(TIME),
        asked.order().alias(SEQUENCE),
        of.birth.clone().is_true().alias("birth"),
        of.back.clone().is_true().alias("return"),
        born.label.clone().alias("born"),
        back.label.clone().alias("back"),
    ];
    let labels_from = projected.len();
    let named = |(at, label): (usize, &Expr)| label.clone().alias(format!("label_{at}"));
    projected.extend(of.labels.iter().enumerate().map(named));
    let numbers_from = projected.len();
    projected.extend(of.numbers.iter().map(|number| number.clone().alias("number")));
    let plan = asked
        .scan()?
        .filter(of.birth.clone().or(of.back.clone()))
        .and_then(|plan| plan.project(projected))
        .map_err(plan_error)?;
    for batch in asked.collect(plan).await? {
        let times = batch.column(0).as_primitive::<TimestampMillisecondType>();
        let sequences = cast(batch.column(1), &DataType::Int64).map_err(arrow_error)?;
        let sequences = sequences.as_primitive::<Int64Type>();
        let (is_birth, is_return) = (batch.column(2).as_boolean(), batch.column(3).as_boolean());
        let texts =
            |at: usize| convert::texts_of(batch.column(at)).map_err(|source| crate::Error::Run { source });
        let (born, back) = (texts(4)?, texts(5)?);
        let labels = (labels_from..numbers_from).map(texts).collect::<Result<Vec<_>>>()?;
        let numbers = match of.amount {
            Amount::Number => {
                Some(cast(batch.column(numbers_from), &DataType::Float64).map_err(arrow_error)?)
            }
            Amount::None | Amount::One => None,
        };
        for row in 0..batch.num_rows() {
            let amount = match &numbers {
                None => f64::from(u8::from(of.amount == Amount::One)),
                Some(numbers) if numbers.is_valid(row) => numbers.as_primitive::<Float64Type>().value(row),
                Some(_) => 0.0,
            };
            let none = Vec::new();
            let born = if is_birth.value(row) { &born[row] } else { &none };
            let back = if is_return.value(row) { &back[row] } else { &none };
            for group in born.iter().chain(back.iter().filter(|group| !born.contains(group))) {
                let is_birth = born.contains(group);
                groups.entry(group.clone()).or_default().push(GroupEvent {
                    time: times.value(row),
                    sequence: sequences.value(row),
                    is_birth,
                    is_return: back.contains(group),
                    amount,
                    labels: if is_birth {
                        labels.iter().map(|labels| labels[row].clone()).collect()
                    } else {
                        Vec::new()
                    },
                });
            }
        }
    }
    for events in groups.values_mut() {
        events.sort_by_key(|event| (event.time, event.sequence));
    }
    Ok(groups)
}

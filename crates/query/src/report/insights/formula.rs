//! Arithmetic over metrics (S-70 … S-72).

use std::ops::Range;

use datafusion::sql::sqlparser::ast::{BinaryOperator, Expr as SqlExpr, UnaryOperator, Value};
use datafusion::sql::sqlparser::dialect::GenericDialect;
use datafusion::sql::sqlparser::parser::Parser;
use tallymark_report::{DefinitionError, Metric};

use super::letter;
use super::series::{Point, Series};

/// The formulas of a report of so many metrics: over these, or over their own, which come after them one
/// formula after the other (S-90). Each is checked with the metrics its letters stand for.
pub(in super::super) fn parsed(
    formulas: &[tallymark_report::Formula],
    metric_count: usize,
    check: impl Fn(&Formula, Range<usize>) -> Result<(), DefinitionError>,
) -> Result<Vec<Formula>, DefinitionError> {
    let mut own_from = metric_count;
    let one = |(at, formula): (usize, &tallymark_report::Formula)| {
        let own = own_from..own_from + formula.metrics.len();
        own_from = own.end;
        let metrics = if own.is_empty() { 0..metric_count } else { own };
        let read = Formula::parse(&formula.formula, metrics.len());
        let read = read.and_then(|read| check(&read, metrics.clone()).map(|()| read.after(metrics.start)));
        read.map_err(|error| error.within(&format!("formulas[{at}].formula")))
    };
    formulas.iter().enumerate().map(one).collect()
}

/// A formula that was read.
#[derive(Debug, Clone, PartialEq)]
pub(in super::super) enum Formula {
    Number(f64),
    /// The metric at that position.
    Metric(usize),
    Negative(Box<Formula>),
    Pair(Box<Formula>, Operation, Box<Formula>),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in super::super) enum Operation {
    Plus,
    Minus,
    Times,
    Over,
}

impl Formula {
    /// Reads a formula over so many metrics.
    pub(in super::super) fn parse(text: &str, metric_count: usize) -> Result<Self, DefinitionError> {
        let wrong = |problem: String| {
            DefinitionError::new("", problem)
                .hint("a formula has letters of metrics, numbers, + - * / and ( )")
        };
        let parser = Parser::new(&GenericDialect {}).try_with_sql(text);
        let parsed = parser.and_then(|mut parser| {
            let expr = parser.parse_expr()?;
            parser.expect_token(&datafusion::sql::sqlparser::tokenizer::Token::EOF)?;
            Ok(expr)
        });
        let parsed = parsed.map_err(|_| wrong(format!("\"{text}\" is no formula")))?;
        Self::of(&parsed, metric_count).map_err(wrong)
    }

    /// Whether every metric in it is one number.
    pub(super) fn check(&self, metrics: &[Metric]) -> Result<(), DefinitionError> {
        match self {
            Self::Number(_) => Ok(()),
            Self::Metric(at) => {
                let measure = &metrics[*at].measure;
                if measure.is_text() || measure.is_distribution() {
                    let what = if measure.is_text() { "a text" } else { "a distribution" };
                    let problem = format!("{} is {what}, which formulas do not take", letter(*at));
                    return Err(DefinitionError::new("", problem));
                }
                Ok(())
            }
            Self::Negative(inner) => inner.check(metrics),
            Self::Pair(left, _, right) => left.check(metrics).and_then(|()| right.check(metrics)),
        }
    }

    /// The same of metrics that come after so many others.
    fn after(self, first: usize) -> Self {
        match self {
            Self::Number(number) => Self::Number(number),
            Self::Metric(at) => Self::Metric(first + at),
            Self::Negative(inner) => Self::Negative(Box::new(inner.after(first))),
            Self::Pair(left, operation, right) => {
                Self::Pair(Box::new(left.after(first)), operation, Box::new(right.after(first)))
            }
        }
    }

    fn of(expr: &SqlExpr, metric_count: usize) -> Result<Self, String> {
        match expr {
            SqlExpr::Nested(inner) => Self::of(inner, metric_count),
            SqlExpr::Identifier(name) => {
                let upper = name.value.to_uppercase();
                let found = (0..metric_count).find(|at| letter(*at) == upper);
                found.map(Self::Metric).ok_or_else(|| match metric_count.checked_sub(1) {
                    Some(last) => {
                        format!("there is no metric {}; there are A to {}", name.value, letter(last))
                    }
                    None => format!("there is no metric {}", name.value),
                })
            }
            SqlExpr::Value(value) => match &value.value {
                Value::Number(number, _) => {
                    number.parse().map(Self::Number).map_err(|_| format!("{number} is no number"))
                }
                other => Err(format!("{other} is no number")),
            },
            SqlExpr::UnaryOp { op: UnaryOperator::Minus, expr } => {
                Ok(Self::Negative(Box::new(Self::of(expr, metric_count)?)))
            }
            SqlExpr::UnaryOp { op: UnaryOperator::Plus, expr } => Self::of(expr, metric_count),
            SqlExpr::BinaryOp { left, op, right } => {
                let operation = match op {
                    BinaryOperator::Plus => Operation::Plus,
                    BinaryOperator::Minus => Operation::Minus,
                    BinaryOperator::Multiply => Operation::Times,
                    BinaryOperator::Divide => Operation::Over,
                    other => return Err(format!("{other} is not possible")),
                };
                let (left, right) = (Self::of(left, metric_count)?, Self::of(right, metric_count)?);
                Ok(Self::Pair(Box::new(left), operation, Box::new(right)))
            }
            other => Err(format!("{other} is not possible")),
        }
    }

    /// The metrics it reads.
    pub(in super::super) fn metrics(&self, found: &mut Vec<usize>) {
        match self {
            Self::Number(_) => {}
            Self::Metric(at) => found.push(*at),
            Self::Negative(inner) => inner.metrics(found),
            Self::Pair(left, _, right) => {
                left.metrics(found);
                right.metrics(found);
            }
        }
    }

    /// Its value where metrics have these; null of null, and of a division by 0 (S-71).
    pub(in super::super) fn value(&self, metric: &impl Fn(usize) -> Option<f64>) -> Option<f64> {
        Some(match self {
            Self::Number(number) => *number,
            Self::Metric(at) => metric(*at)?,
            Self::Negative(inner) => -inner.value(metric)?,
            Self::Pair(left, operation, right) => {
                let (left, right) = (left.value(metric)?, right.value(metric)?);
                match operation {
                    Operation::Plus => left + right,
                    Operation::Minus => left - right,
                    Operation::Times => left * right,
                    Operation::Over if right == 0.0 => return None,
                    Operation::Over => left / right,
                }
            }
        })
    }

    /// Its series: one for each segment that metrics have.
    pub(super) fn series(
        &self,
        series: &[Series],
        metric_count: usize,
        metric: &str,
        name: &str,
    ) -> Vec<Series> {
        let letters: Vec<String> = (0..metric_count).map(letter).collect();
        let of = |at: usize, segments: &Option<Vec<String>>| {
            let of_metric = || series.iter().filter(|one| one.metric == letters[at]);
            // S-72: what has no breakdown is the same for every segment.
            let found = of_metric().find(|one| one.segments == *segments);
            found.or_else(|| of_metric().find(|one| one.segments.is_none() && !one.has_breakdown))
        };
        let mut used = Vec::new();
        self.metrics(&mut used);
        let mut keys: Vec<Option<Vec<String>>> = Vec::new();
        let with_breakdown =
            used.iter().any(|at| series.iter().any(|one| one.metric == letters[*at] && one.has_breakdown));
        for one in series.iter().filter(|one| one.has_breakdown == with_breakdown) {
            if !keys.contains(&one.segments) {
                keys.push(one.segments.clone());
            }
        }
        if keys.is_empty() {
            keys.push(None);
        }
        keys.into_iter()
            .map(|segments| {
                let template = series.iter().find(|one| one.segments == segments).or_else(|| series.first());
                let points = template.map(|one| one.points.as_slice()).unwrap_or_default();
                let mut positions: Vec<(usize, Option<i64>)> =
                    points.iter().map(|point| (point.position, point.bucket)).collect();
                positions.dedup();
                let points = positions
                    .into_iter()
                    .map(|(position, bucket)| {
                        let metric = |at: usize| {
                            let points = &of(at, &segments)?.points;
                            points.iter().find(|point| point.position == position)?.value
                        };
                        Point { position, bucket, bin: None, value: self.value(&metric), text: None }
                    })
                    .collect();
                Series {
                    metric: metric.to_owned(),
                    name: name.to_owned(),
                    segments,
                    has_breakdown: with_breakdown,
                    points,
                }
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(text: &str, metrics: &[Option<f64>]) -> Option<f64> {
        Formula::parse(text, metrics.len()).ok()?.value(&|at| metrics[at])
    }

    #[test]
    fn s_71_null_and_zero_give_null() {
        assert_eq!(value("A / B * 100", &[Some(8.0), Some(3.0)]), Some(8.0 / 3.0 * 100.0));
        assert_eq!(value("-(a + 2) * 3", &[Some(1.0)]), Some(-9.0));
        assert_eq!(value("A / B", &[Some(1.0), Some(0.0)]), None);
        assert_eq!(value("A + B", &[Some(1.0), None]), None);
    }

    #[test]
    fn s_70_wrong_formulas_say_why() {
        let wrong =
            |text: &str| Formula::parse(text, 2).map_or_else(|error| error.to_string(), |_| String::new());
        assert!(wrong("A / C").contains("there is no metric C; there are A to B"));
        assert!(wrong("A ** 2").contains("no formula"));
        assert!(wrong("round(A)").contains("not possible"));
        assert!(wrong("A B").contains("no formula"));
    }
}

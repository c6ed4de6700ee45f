//! Numbers put together in ranges (B-10 … B-12), and how they are spelled.

use serde_json::Value;
use tallymark_report::EvenBuckets;

use crate::oracle::canonical;

/// Above so many different values ranges take the place of the values (B-10).
const VALUES_MAX: usize = 10;

/// How numbers are put together.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::oracle) enum Ranges {
    /// Not at all.
    Raw,
    /// By multiples of this.
    Width(f64),
    /// Between these borders.
    Borders(Vec<f64>),
}

impl Ranges {
    /// B-10.
    pub(in crate::oracle) fn auto(numbers: &[f64]) -> Self {
        let mut distinct = numbers.to_vec();
        distinct.sort_by(f64::total_cmp);
        distinct.dedup();
        if distinct.len() <= VALUES_MAX {
            return Self::Raw;
        }
        let spread = distinct.last().unwrap() - distinct[0];
        let widths = (-300..300)
            .flat_map(|exponent| ["1", "2", "2.5", "5"].map(|digits| format!("{digits}e{exponent}")));
        let mut widths = widths.map(|width| width.parse::<f64>().unwrap());
        Self::Width(widths.find(|width| spread / width <= 10.0).unwrap())
    }

    /// B-11.
    pub(in crate::oracle) fn even(even: EvenBuckets) -> Self {
        let mut borders = vec![even.from];
        let mut next = even.from + even.size;
        while next < even.to {
            borders.push(next);
            next = even.from + even.size * borders.len() as f64;
        }
        borders.push(even.to);
        Self::Borders(borders)
    }

    /// The label of the range a number is in.
    pub(in crate::oracle) fn label(&self, number: f64) -> String {
        match self {
            Self::Raw => spell(number),
            Self::Width(width) => {
                let multiple = (number / width).floor();
                format!("[{}, {})", spell(multiple * width), spell((multiple + 1.0) * width))
            }
            Self::Borders(borders) => {
                let next = borders.iter().position(|border| number < *border);
                match next {
                    Some(0) => format!("< {}", spell(borders[0])),
                    Some(next) => format!("[{}, {})", spell(borders[next - 1]), spell(borders[next])),
                    None => format!("≥ {}", spell(*borders.last().unwrap())),
                }
            }
        }
    }
}

/// A number as JSON spells it: 5, 5.5.
pub(in crate::oracle) fn spell(number: f64) -> String {
    canonical(&Value::from(number)).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn b_10_a_hundred_integers_by_tens() {
        let numbers: Vec<f64> = (1..=100).map(f64::from).collect();
        let ranges = Ranges::auto(&numbers);
        assert_eq!(ranges, Ranges::Width(10.0));
        let count = |label: &str| numbers.iter().filter(|number| ranges.label(**number) == label).count();
        assert_eq!((count("[0, 10)"), count("[10, 20)"), count("[100, 110)")), (9, 10, 1));
    }

    #[test]
    fn b_10_up_to_ten_values_stay_as_they_are() {
        let numbers: Vec<f64> = (1..=10).flat_map(|n| [f64::from(n) * 100.0; 3]).collect();
        assert_eq!(Ranges::auto(&numbers), Ranges::Raw);
        assert_eq!(
            Ranges::auto(&[0.5, 1.0, 1.5, 2.0, 2.5, 3.0, 3.5, 4.0, 4.5, 5.0, 6.0]),
            Ranges::Width(1.0)
        );
    }

    #[test]
    fn b_11_even_ranges_have_two_outer_ones() {
        let ranges = Ranges::even(EvenBuckets { from: 50.0, to: 100.0, size: 10.0 });
        let labels = [49.0, 50.0, 59.9, 60.0, 99.0, 100.0].map(|number| ranges.label(number));
        assert_eq!(labels, ["< 50", "[50, 60)", "[50, 60)", "[60, 70)", "[90, 100)", "≥ 100"]);
    }
}

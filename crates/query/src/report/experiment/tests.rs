use tallymark_report::Correction;

use super::believe::Believed;
use super::compare::{Difference, Spread, Summary, sample_ratio_p, significant};
use super::formula::of_group;
use crate::report::insights::formula::Formula;

fn close(found: Option<f64>, expected: f64, within: f64) {
    assert!(found.is_some_and(|found| (found - expected).abs() < within), "{found:?} {expected}");
}

fn share(of: usize, count: usize) -> Summary {
    let values: Vec<f64> = (0..count).map(|at| f64::from(u8::from(at < of))).collect();
    Summary::of(&values, Spread::Share)
}

#[test]
fn m_73_the_example_of_the_rules() {
    let found = Difference::between(&share(5, 10), &share(6, 10), 0.95, 0.1);
    close(found.standard_error, 0.2214, 5e-5);
    close(found.z, 0.4518, 5e-5);
    close(found.p, 0.6514, 5e-5);
    close(found.lift, 0.2, 1e-12);
    // 1.959964 errors to each side.
    close(found.low, 0.1 - 0.433_861, 1e-5);
    close(found.high, 0.1 + 0.433_861, 1e-5);
}

/// To the last digits.
#[test]
fn m_73_p_is_exact() {
    let of =
        |mean: f64| Summary { count: 1, total: mean, mean: Some(mean), variance: Some(0.5), ..share(1, 2) };
    for (z, p) in
        [(0.5, 0.617_075_077_451_973_8), (0.9, 0.368_120_250_693_519), (2.0, 0.045_500_263_896_358_42)]
    {
        close(Difference::between(&of(0.0), &of(z), 0.95, 0.1).p, p, 1e-14);
    }
}

#[test]
fn m_71_the_lift_of_the_rules() {
    let lift = |control: (f64, u64), variant: (f64, u64)| {
        let of = |(total, count): (f64, u64)| Summary {
            count,
            total,
            mean: Some(total / count as f64),
            variance: None,
            squares: 0.0,
            greatest: 1.0,
        };
        Difference::between(&of(control), &of(variant), 0.95, 0.1).lift
    };
    close(lift((2289.0, 35_350), (2480.0, 35_620)), 0.075, 5e-4);
}

#[test]
fn m_74_looking_often_asks_for_more() {
    let found = Difference::between(&share(500, 10_000), &share(600, 10_000), 0.95, 0.1);
    let (Some(p), Some(sequential)) = (found.p, found.sequential_p) else { panic!("{found:?}") };
    assert!(p < sequential && sequential < 1.0, "{found:?}");
    // By hand: V = SE², τ = 0.005.
    let (v, t, d) = (0.05 * 0.95 / 1e4 + 0.06 * 0.94 / 1e4, 0.005_f64.powi(2), 0.01_f64);
    let ratio = (v / (v + t)).sqrt() * (t * d * d / (2.0 * v * (v + t))).exp();
    close(found.sequential_p, 1.0 / ratio, 1e-9);
    let same = Difference::between(&share(500, 10_000), &share(500, 10_000), 0.95, 0.1);
    assert_eq!(same.sequential_p, Some(1.0));
}

#[test]
fn m_76_the_examples_of_the_rules() {
    let p = [0.041, 0.003, 0.062, 0.012, 0.018].map(Some);
    let of = |correction| {
        let found = significant(&p, 0.95, correction);
        found.into_iter().map(Option::unwrap_or_default).collect::<Vec<_>>()
    };
    assert_eq!(of(Correction::BenjaminiHochberg), [false, true, false, true, true]);
    assert_eq!(of(Correction::Bonferroni), [false, true, false, false, false]);
    assert_eq!(of(Correction::None), [true, true, false, true, true]);
    // 6 comparisons at 95 %: 99.17 %.
    let six = [Some(0.0084), Some(0.0083), None, None, None, None];
    let expected = [Some(false), Some(true), None, None, None, None];
    assert_eq!(significant(&six, 0.95, Correction::Bonferroni), expected);
}

#[test]
fn m_77_users_who_are_not_divided_as_planned() {
    // χ² = 4 of one degree of freedom.
    close(sample_ratio_p(&[60, 40], &[50.0, 50.0]), 0.045_500, 1e-6);
    close(sample_ratio_p(&[50, 50], &[50.0, 50.0]), 1.0, 1e-12);
    assert_eq!(sample_ratio_p(&[50], &[50.0]), None);
    assert_eq!(sample_ratio_p(&[0, 0], &[0.0, 0.0]), None);
}

#[test]
fn m_72_variances() {
    let numbers = [1.0, 2.0, 6.0];
    close(Summary::of(&numbers, Spread::Sample).variance, 7.0, 1e-12);
    close(Summary::of(&numbers, Spread::Poisson).variance, 3.0, 1e-12);
    close(share(6, 10).variance, 0.24, 1e-12);
    assert_eq!(Summary::of(&[1.0], Spread::Sample).variance, None);
    // Thirds that are not quite alike are.
    let thirds = [1.0 / 3.0, 1.0 - 2.0 / 3.0, 1.0 / 3.0];
    assert_eq!(Summary::of(&thirds, Spread::Sample).variance, Some(0.0));
}

#[test]
fn m_75_the_chance_to_beat_the_control() {
    let shares = [share(5, 10), share(6, 10)];
    let found = Believed::between(&shares, 1, true, 0.95);
    close(found.chance, 0.6728, 0.01);
    assert_eq!(found, Believed::between(&shares, 1, true, 0.95));
    assert_eq!(found.is_a_difference(), Some(false));
    let of = |values: &[f64]| Summary::of(values, Spread::Sample);
    let means = [of(&[1.0, 2.0, 3.0, 4.0, 5.0]), of(&[3.0, 4.0, 5.0, 6.0, 7.0])];
    close(Believed::between(&means, 1, false, 0.95).chance, 0.9444, 0.01);
}

#[test]
fn m_75_many_users_leave_little_to_believe() {
    let shares = [share(500, 10_000), share(600, 10_000)];
    let found = Believed::between(&shares, 1, true, 0.95);
    // Like the interval of the ratio of two normal ones.
    close(found.lift, 0.2, 0.01);
    close(found.low, 0.07, 0.02);
    close(found.high, 0.33, 0.02);
    assert_eq!(found.is_a_difference(), Some(true));
    assert!(found.chance.is_some_and(|chance| chance > 0.995), "{found:?}");
}

#[test]
fn m_75_of_nobody_and_of_all_alike_nothing_is_believed() {
    let nobody = Summary::of(&[], Spread::Share);
    assert_eq!(Believed::between(&[share(5, 10), nobody], 1, true, 0.95), Believed::default());
    assert_eq!(Believed::between(&[share(0, 10), share(0, 5)], 1, true, 0.95), Believed::default());
    let alike = Summary::of(&[2.0; 7], Spread::Sample);
    assert_eq!(Believed::between(&[alike, alike], 1, false, 0.95), Believed::default());
}

fn formed(text: &str, metrics: &[Summary], exposed: u64) -> Summary {
    let formula = Formula::parse(text, metrics.len());
    formula.map_or_else(|error| panic!("{error}"), |formula| of_group(&formula, exposed, &|at| metrics[at]))
}

#[test]
fn m_72_the_variance_of_a_formula() {
    let metrics = [Summary::of(&[1.0, 2.0, 6.0], Spread::Sample), share(3, 4)];
    // A has the mean 3 and the variance 7 of three, B 0.75 and 0.1875 of four.
    let ratio = formed("A / B", &metrics, 4);
    close(ratio.mean, 4.0, 1e-12);
    let (by_a, by_b) = (1.0 / 0.75, 3.0 / 0.75 / 0.75);
    close(ratio.variance, 4.0 * (by_a * by_a * 7.0 / 3.0 + by_b * by_b * 0.1875 / 4.0), 1e-9);
    // A named twice is one metric: 2A.
    close(formed("A + A", &metrics, 3).variance, 4.0 * 7.0, 1e-9);
    close(formed("A * A", &metrics, 3).variance, 36.0 * 7.0, 1e-9);
    close(formed("A - A + 2", &metrics, 3).variance, 0.0, 1e-12);
    // The variance of the metric itself.
    close(formed("a", &metrics, 3).variance, 7.0, 1e-12);
    assert_eq!(formed("A / (B - 0.75)", &metrics, 3), Summary { count: 3, ..Summary::default() });
    let of_one = [Summary::of(&[1.0], Spread::Sample), share(3, 4)];
    close(formed("A * B", &of_one, 4).mean, 0.75, 1e-12);
    assert_eq!(formed("A * B", &of_one, 4).variance, None);
}

#[test]
fn m_75_what_is_believed_of_a_formula() {
    let (few, more) = ([share(500, 10_000), share(600, 10_000)], [share(250, 10_000), share(250, 10_000)]);
    let metrics: [(&[Summary], bool); 2] = [(&few, true), (&more, true)];
    let believed = |text: &str| {
        let formula = Formula::parse(text, 2);
        formula.map(|formula| Believed::of_formula(&formula, &metrics, 1, 0.95))
    };
    // The lift of A over a B that is the same, but not known exactly: like two normal ones.
    let found = believed("A / B").unwrap_or_default();
    close(found.lift, 0.2, 0.01);
    let error = 1.2 * (0.95 / 500.0 + 0.94 / 600.0 + 2.0 * 0.975 / 250.0_f64).sqrt();
    close(found.high.zip(found.low).map(|(high, low)| high - low), 2.0 * 1.96 * error, 0.03);
    // The same metric is drawn once, and another one by itself.
    assert_eq!(believed("A - A").unwrap_or_default().chance, Some(0.0));
    close(believed("B").unwrap_or_default().chance, 0.5, 0.01);
    assert_eq!(believed("A / B"), believed("A / B"));
}

use tallymark_report::Correction;

use super::believe::Believed;
use super::compare::{Difference, Spread, Summary, sample_ratio_p, significant};

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
    let found = Believed::between(&shares, 0, 1, true, 0.95);
    close(found.chance, 0.6728, 0.01);
    assert_eq!(found, Believed::between(&shares, 0, 1, true, 0.95));
    assert_eq!(found.is_a_difference(), Some(false));
    let of = |values: &[f64]| Summary::of(values, Spread::Sample);
    let means = [of(&[1.0, 2.0, 3.0, 4.0, 5.0]), of(&[3.0, 4.0, 5.0, 6.0, 7.0])];
    close(Believed::between(&means, 0, 1, false, 0.95).chance, 0.9444, 0.01);
}

#[test]
fn m_75_many_users_leave_little_to_believe() {
    let shares = [share(500, 10_000), share(600, 10_000)];
    let found = Believed::between(&shares, 0, 1, true, 0.95);
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
    assert_eq!(Believed::between(&[share(5, 10), nobody], 0, 1, true, 0.95), Believed::default());
    assert_eq!(Believed::between(&[share(0, 10), share(0, 5)], 0, 1, true, 0.95), Believed::default());
    let alike = Summary::of(&[2.0; 7], Spread::Sample);
    assert_eq!(Believed::between(&[alike, alike], 0, 1, false, 0.95), Believed::default());
}

use super::tally::Confusion;

fn confusion([true_positives, false_positives, false_negatives, true_negatives]: [u64; 4]) -> Confusion {
    Confusion { true_positives, false_positives, false_negatives, true_negatives }
}

fn close(found: Option<f64>, expected: f64) {
    assert!(found.is_some_and(|found| (found - expected).abs() < 5e-4), "{found:?} {expected}");
}

#[test]
fn m_90_the_example_of_the_rules() {
    let table = confusion([30, 20, 10, 40]);
    close(table.precision(), 0.6);
    close(table.false_omission(), 0.2);
    close(table.recall(), 0.75);
    close(table.fall_out(), 0.333);
    close(table.phi(), 0.408);
    assert_eq!(table.users(), 100);
}

#[test]
fn m_90_of_nobody_there_is_no_number() {
    let all_reach = confusion([3, 0, 2, 0]);
    assert_eq!(all_reach.phi(), None);
    assert_eq!(all_reach.fall_out(), None);
    assert_eq!(confusion([0, 0, 2, 3]).precision(), None);
    assert_eq!(confusion([0, 0, 2, 3]).phi(), None);
}

#[test]
fn m_90_many_users_are_no_trouble() {
    let billion = 1_000_000_000;
    close(confusion([30 * billion, 20 * billion, 10 * billion, 40 * billion]).phi(), 0.408);
}

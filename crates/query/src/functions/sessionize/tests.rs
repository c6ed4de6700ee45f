use super::{NotInOrder, Sessions};

fn numbers(timeout: i64, times: &[i64]) -> Result<Vec<i64>, NotInOrder> {
    let mut sessions = Sessions::new(timeout);
    times.iter().map(|time| sessions.number(*time)).collect()
}

#[test]
fn a_gap_longer_than_the_timeout_starts_a_session() {
    assert_eq!(numbers(30, &[0, 30, 61, 61, 91, 1000]).unwrap(), [1, 1, 2, 2, 2, 3]);
    assert_eq!(numbers(0, &[5, 5, 6]).unwrap(), [1, 1, 2]);
    assert_eq!(numbers(i64::MAX, &[i64::MIN, i64::MAX]).unwrap(), [1, 2]);
}

#[test]
fn times_may_fall_but_not_turn() {
    assert_eq!(numbers(30, &[100, 70, 39, 39]).unwrap(), [1, 1, 2, 2]);
    assert_eq!(numbers(30, &[1, 2, 1]), Err(NotInOrder));
    assert_eq!(numbers(30, &[2, 2, 1, 2]), Err(NotInOrder));
}

use super::retained;

fn flags(ever_met: u64, count: usize) -> Vec<bool> {
    retained(ever_met, count).collect()
}

#[test]
fn nothing_counts_without_the_first_condition() {
    assert_eq!(flags(0b110, 3), [false, false, false]);
    assert_eq!(flags(0b101, 3), [true, false, true]);
    assert_eq!(flags(0b1, 1), [true]);
}

#[test]
fn any_number_of_conditions() {
    let met: &[u64] = &[1, 0b10];
    let places: Vec<usize> =
        retained(met, 70).enumerate().filter(|(_, met)| *met).map(|(place, _)| place).collect();
    assert_eq!(places, [0, 65]);
}

//! Numbers and sizes as people read them, and how wide text is.

use std::time::Duration;

use tallymark::Timestamp;

/// `1234567` → `1,234,567`.
pub(crate) fn count(number: u64) -> String {
    grouped(&number.to_string())
}

/// Digits with a comma before each three.
fn grouped(digits: &str) -> String {
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// How many decimals numbers that stand below each other need: none if all are whole, two if any is
/// 1 or more, else four.
pub(crate) fn decimals(numbers: impl IntoIterator<Item = f64>) -> usize {
    let (mut all_whole, mut greatest) = (true, 0.0_f64);
    for number in numbers.into_iter().filter(|number| number.is_finite()) {
        all_whole &= number.fract() == 0.0;
        greatest = greatest.max(number.abs());
    }
    match (all_whole, greatest >= 1.0) {
        (true, _) => 0,
        (false, true) => 2,
        (false, false) => 4,
    }
}

/// `-1234.5` → `-1,234.50`, with so many decimals; nothing is –.
pub(crate) fn number(number: Option<f64>, decimals: usize) -> String {
    let Some(number) = number else { return "–".to_owned() };
    if !number.is_finite() {
        return number.to_string();
    }
    let digits = format!("{:.decimals$}", number.abs());
    let (whole, rest) = digits.split_at(digits.find('.').unwrap_or(digits.len()));
    let is_zero = digits.chars().all(|c| matches!(c, '0' | '.'));
    let sign = if number < 0.0 && !is_zero { "-" } else { "" };
    format!("{sign}{}{rest}", grouped(whole))
}

/// `1 file`, `2 files`: a count and what is counted, whose plural ends in `s`.
pub(crate) fn counted(number: u64, noun: &str) -> String {
    format!("{} {noun}{}", count(number), if number == 1 { "" } else { "s" })
}

/// `1536` → `1.5 KB`, in powers of 1000.
pub(crate) fn bytes(bytes: u64) -> String {
    const UNITS: [&str; 5] = ["KB", "MB", "GB", "TB", "PB"];
    if bytes < 1000 {
        return format!("{bytes} B");
    }
    let mut value = bytes as f64 / 1000.0;
    let mut unit = 0;
    while value >= 999.95 && unit + 1 < UNITS.len() {
        value /= 1000.0;
        unit += 1;
    }
    format!("{value:.1} {}", UNITS[unit])
}

/// `0.42 s`, `12 s`, `3 min 20 s`: as exact as anybody cares.
pub(crate) fn duration(elapsed: Duration) -> String {
    let seconds = elapsed.as_secs_f64();
    match elapsed.as_secs() {
        0 => format!("{seconds:.2} s"),
        1..=9 => format!("{seconds:.1} s"),
        10..=119 => format!("{seconds:.0} s"),
        whole => format!("{} min {} s", whole / 60, whole % 60),
    }
}

/// `0.0123` → `1.2 %`; what is there but rounds to nothing is `<0.1 %`.
pub(crate) fn share(share: f64) -> String {
    let percent = share * 100.0;
    if percent > 0.0 && percent < 0.1 { "<0.1 %".to_owned() } else { format!("{percent:.1} %") }
}

/// `2024-06-29 22:02`: an instant without its seconds, in UTC.
pub(crate) fn minute(time: Timestamp) -> String {
    time.to_string().get(..16).map_or_else(|| time.to_string(), |text| text.replace('T', " "))
}

/// How many terminal cells `text` takes. Control characters are expected to be gone.
pub(crate) fn width(text: &str) -> usize {
    text.chars().map(char_width).sum()
}

/// `text` cut to at most `cells` terminal cells, the last being `…` where something was cut.
pub(crate) fn clip(text: &str, cells: usize) -> String {
    if width(text) <= cells {
        return text.to_owned();
    }
    let mut clipped = String::new();
    let mut used = 1;
    for c in text.chars() {
        used += char_width(c);
        if used > cells {
            break;
        }
        clipped.push(c);
    }
    clipped.push('…');
    clipped
}

/// Terminal cells of one character: 0 for marks that go onto the one before, 2 for East Asian wide
/// characters and emoji, else 1. Coarse blocks, not the whole of Unicode's table: a wrong guess
/// costs a table line its alignment and nothing else.
fn char_width(c: char) -> usize {
    match u32::from(c) {
        0x0300..=0x036F
        | 0x0591..=0x05BD
        | 0x0610..=0x061A
        | 0x064B..=0x065F
        | 0x0E31
        | 0x0E34..=0x0E3A
        | 0x0E47..=0x0E4E
        | 0x1AB0..=0x1AFF
        | 0x1DC0..=0x1DFF
        | 0x200B..=0x200F
        | 0x202A..=0x202E
        | 0x2060..=0x2064
        | 0x20D0..=0x20FF
        | 0xFE00..=0xFE0F
        | 0xFE20..=0xFE2F
        | 0xFEFF
        | 0x1F3FB..=0x1F3FF
        | 0xE0001..=0xE01EF => 0,
        0x1100..=0x115F
        | 0x231A..=0x231B
        | 0x23E9..=0x23EC
        | 0x25FD..=0x25FE
        | 0x2614..=0x2615
        | 0x2648..=0x2653
        | 0x26A1
        | 0x26BD..=0x26BE
        | 0x2705
        | 0x270A..=0x270B
        | 0x2728
        | 0x274C
        | 0x2753..=0x2755
        | 0x2B50
        | 0x2E80..=0x303E
        | 0x3041..=0xA4CF
        | 0xA960..=0xA97F
        | 0xAC00..=0xD7A3
        | 0xF900..=0xFAFF
        | 0xFE30..=0xFE6F
        | 0xFF00..=0xFF60
        | 0xFFE0..=0xFFE6
        | 0x1F300..=0x1F64F
        | 0x1F680..=0x1F6FF
        | 0x1F7E0..=0x1F7EB
        | 0x1F900..=0x1F9FF
        | 0x1FA70..=0x1FAFF
        | 0x20000..=0x3FFFD => 2,
        _ => 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_have_thousands_separators() {
        for (number, text) in
            [(0, "0"), (999, "999"), (1000, "1,000"), (31_106, "31,106"), (1_234_567, "1,234,567")]
        {
            assert_eq!(count(number), text);
        }
        assert_eq!((counted(1, "file"), counted(2, "file")), ("1 file".to_owned(), "2 files".to_owned()));
    }

    #[test]
    fn numbers_that_stand_together_have_as_many_decimals() {
        assert_eq!(
            [decimals([]), decimals([1.0, -20.0]), decimals([1.0, 0.5]), decimals([0.1, 0.2])],
            [0, 0, 2, 4]
        );
        for (value, places, text) in [
            (Some(1_234_567.0), 0, "1,234,567"),
            (Some(-1234.5), 2, "-1,234.50"),
            (Some(-0.001), 2, "0.00"),
            (Some(0.1234), 4, "0.1234"),
            (Some(f64::INFINITY), 2, "inf"),
            (None, 2, "–"),
        ] {
            assert_eq!(number(value, places), text);
        }
    }

    #[test]
    fn sizes_choose_their_unit() {
        for (size, text) in [
            (0, "0 B"),
            (999, "999 B"),
            (1000, "1.0 KB"),
            (999_949, "999.9 KB"),
            (999_950, "1.0 MB"),
            (1_500_000, "1.5 MB"),
            (u64::MAX, "18446.7 PB"),
        ] {
            assert_eq!(bytes(size), text);
        }
    }

    #[test]
    fn durations_are_as_exact_as_they_need_to_be() {
        for (ms, text) in
            [(0, "0.00 s"), (420, "0.42 s"), (2_340, "2.3 s"), (59_600, "60 s"), (200_000, "3 min 20 s")]
        {
            assert_eq!(duration(Duration::from_millis(ms)), text);
        }
    }

    #[test]
    fn small_shares_are_not_nothing() {
        assert_eq!(
            [share(0.0), share(0.000_1), share(0.012_3), share(1.0)],
            ["0.0 %", "<0.1 %", "1.2 %", "100.0 %"]
        );
    }

    #[test]
    fn wide_characters_take_two_cells() {
        assert_eq!(width("Zürich"), 6);
        assert_eq!(width("東京"), 4);
        assert_eq!(width("e\u{301}"), 1);
        assert_eq!(clip("purchase", 8), "purchase");
        assert_eq!(clip("purchases", 8), "purchas…");
        assert_eq!(clip("東京都", 4), "東…");
    }

    #[test]
    fn instants_lose_their_seconds() {
        assert_eq!(minute(Timestamp::from_millis(1_719_698_560_123)), "2024-06-29 22:02");
    }
}

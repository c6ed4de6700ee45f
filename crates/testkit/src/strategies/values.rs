//! Values of properties.

use std::borrow::Cow;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use tallymark_event::{MAX_EXACT_INTEGER, PropertyValue};

/// Numbers around every border of integers and floats; always finite.
pub fn number() -> impl Strategy<Value = PropertyValue<'static>> {
    let edges = [
        0,
        1,
        -1,
        5,
        i64::from(i32::MAX),
        i64::from(i32::MIN),
        MAX_EXACT_INTEGER - 1,
        MAX_EXACT_INTEGER,
        MAX_EXACT_INTEGER + 1,
        -MAX_EXACT_INTEGER,
        -MAX_EXACT_INTEGER - 1,
        i64::MAX,
        i64::MIN,
    ];
    let float_edges = [
        0.0,
        -0.0,
        0.5,
        5.0,
        0.1,
        -2.5,
        1e16,
        1.5e300,
        f64::MIN_POSITIVE,
        5e-324,
        f64::MAX,
        f64::MIN,
        9_007_199_254_740_992.0,
        18_446_744_073_709_551_615.0,
    ];
    prop_oneof![
        3 => (-10_i64..10).prop_map(PropertyValue::Int),
        2 => select(edges.to_vec()).prop_map(PropertyValue::Int),
        1 => any::<i64>().prop_map(PropertyValue::Int),
        2 => select(float_edges.to_vec()).prop_map(PropertyValue::Float),
        1 => proptest::num::f64::NORMAL.prop_map(PropertyValue::Float),
    ]
}

/// Strings shaped like dates (D-22), and some that only nearly are.
pub fn date_text() -> impl Strategy<Value = String> {
    let date = (1_u32..=9999, 1_u32..=12, 1_u32..=28).prop_map(|(y, m, d)| format!("{y:04}-{m:02}-{d:02}"));
    let clock = (0_u32..24, 0_u32..60, 0_u32..60).prop_map(|(h, m, s)| format!("T{h:02}:{m:02}:{s:02}"));
    let ending =
        select(vec!["", "Z", ".000", ".250", ".250Z", ".1234567Z", "+02:00", "-00:30", ".5", "z", " "]);
    let odd = select(vec![
        "2024-02-29",
        "2023-02-29",
        "2024-02-30",
        "0000-01-01",
        "9999-12-31",
        "2024-01-01T24:00:00",
        "2024-01-01T23:59:60",
        "2024-01-01 00:00:00",
        "2024-1-1",
        "20240101",
        "2024-01-01T",
        "24-01-01",
        "+2024-01-01",
        "10000-01-01",
    ]);
    prop_oneof![
        3 => date.clone(),
        4 => (date, clock, ending).prop_map(|(date, clock, ending)| format!("{date}{clock}{ending}")),
        2 => odd.prop_map(str::to_owned),
    ]
}

/// Strings: plain, empty, date-like, number-like, JSON-like, any.
pub fn text() -> impl Strategy<Value = String> {
    let odd = select(vec![
        "",
        " ",
        "5",
        "5.0",
        "-0",
        "1e3",
        "NaN",
        "Infinity",
        "true",
        "false",
        "null",
        "undefined",
        "[]",
        "{}",
        "[1]",
        "{\"a\":1}",
        "\"",
        "\\",
        "\\u0041",
        "\n",
        "\0",
        "'; DROP TABLE events; --",
        "(not set)",
        "🙂",
        "\u{feff}",
        "\u{2028}",
        "a\u{308}",
    ]);
    prop_oneof![
        4 => select(vec!["x", "y", "free", "pro", "X"]).prop_map(str::to_owned),
        2 => odd.prop_map(str::to_owned),
        2 => date_text(),
        1 => any::<String>(),
        1 => "[a-z]{1,3}".prop_map(|piece| piece.repeat(700)),
    ]
}

/// A value that is neither list nor object.
pub fn scalar() -> impl Strategy<Value = PropertyValue<'static>> {
    prop_oneof![
        1 => Just(PropertyValue::Null),
        2 => any::<bool>().prop_map(PropertyValue::Bool),
        4 => number(),
        5 => text().prop_map(|text| PropertyValue::String(Cow::Owned(text))),
    ]
}

/// Flat lists: of one type, of any, empty.
pub fn list() -> impl Strategy<Value = PropertyValue<'static>> {
    prop_oneof![
        1 => Just(Vec::new()),
        2 => vec(text().prop_map(PropertyValue::from), 1..5),
        2 => vec(any::<i64>().prop_map(PropertyValue::Int), 1..5),
        1 => vec((-3_i64..3).prop_map(PropertyValue::Int), 1..5),
        2 => vec(number(), 1..5),
        1 => vec(any::<bool>().prop_map(PropertyValue::Bool), 1..5),
        1 => vec(Just(PropertyValue::Null), 1..3),
        2 => vec(scalar(), 1..5),
    ]
    .prop_map(PropertyValue::List)
}

/// Any JSON value: scalars, lists, objects with odd keys, nested up to four levels.
pub fn value() -> impl Strategy<Value = PropertyValue<'static>> {
    let nested = prop_oneof![scalar(), list()].prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..4).prop_map(PropertyValue::List),
            vec((super::any_name(), inner), 0..4).prop_map(|entries| {
                let mut kept: Vec<(Cow<'static, str>, PropertyValue<'static>)> = Vec::new();
                for (key, value) in entries {
                    if kept.iter().all(|(known, _)| *known != key) {
                        kept.push((Cow::Owned(key), value));
                    }
                }
                PropertyValue::Object(kept)
            }),
        ]
    });
    prop_oneof![3 => scalar(), 1 => list(), 1 => nested]
}

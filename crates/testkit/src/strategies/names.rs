//! Names of events and properties.

use proptest::prelude::*;
use proptest::sample::select;
use tallymark_event::columns;

/// Names that break what takes names for identifiers, file names, paths, SQL or JSON.
const ODD_NAMES: &[&str] = &[
    "",
    " ",
    "a b",
    " leading and trailing ",
    "a.b",
    "a.b.c",
    ".",
    "..",
    "a/b",
    "a\\b",
    "it's",
    "say \"hi\"",
    "`tick`",
    "[0]",
    "a[0]",
    "$set",
    "$price",
    "$",
    "mp_lib",
    "a@string",
    "a@number",
    "@null",
    "price@list_string",
    "select",
    "NULL",
    "null",
    "true",
    "1",
    "1.0",
    "-",
    "a;b",
    "a,b",
    "a=b",
    "day=2024-01-01",
    "%",
    "%00",
    "a%b_c",
    "*",
    "?",
    "(not set)",
    "__proto__",
    "list",
    "element",
    "key_value",
    "tab\tname",
    "line\nbreak",
    "nul\0name",
    "\u{feff}bom",
    "\u{200b}",
    "ä",
    "a\u{308}",
    "ß",
    "SS",
    "İ",
    "日本語",
    "🙂",
    "👩‍👩‍👧",
    "עברית",
    "\u{202e}right to left",
];

/// Names of which pairs differ by case or blanks only (D-2).
const TWIN_NAMES: &[&str] =
    &["price", "Price", "PRICE", "price ", "plan", "Plan", "a", "A", "b", "B", "user", "User"];

/// Names of system columns.
const COLUMN_NAMES: &[&str] = &[
    columns::EVENT,
    columns::TIME,
    columns::DISTINCT_ID,
    columns::USER_ID,
    columns::DEVICE_ID,
    columns::INSERT_ID,
    columns::RECEIVED_AT,
    columns::SEQUENCE,
    columns::DAY,
    "Event",
    "Time",
    "USER_ID",
    "events",
];

/// Any name a property could be given in memory: plain, odd, twins, column names, any text, up to
/// 300 characters.
pub fn any_name() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => select(TWIN_NAMES).prop_map(str::to_owned),
        3 => select(ODD_NAMES).prop_map(str::to_owned),
        2 => select(COLUMN_NAMES).prop_map(str::to_owned),
        1 => any::<String>(),
        1 => "[a-z]{1,300}",
    ]
}

/// Whether a property of this name is taken for something else on arrival, so that it is not among
/// the properties of the event that was sent (D-40, I-1).
pub fn is_consumed(name: &str) -> bool {
    matches!(
        name,
        "time"
            | "$time"
            | "distinct_id"
            | "$distinct_id"
            | "insert_id"
            | "$insert_id"
            | "$device_id"
            | "$user_id"
            | "token"
            | "$token"
            | "ip"
            | "$ignore"
            | "bucket"
            | "$bucket"
    )
}

/// The names that are still there after parsing.
pub fn property_name() -> impl Strategy<Value = String> {
    any_name().prop_filter("consumed on arrival", |name| !is_consumed(name))
}

/// Event names (never empty, none with a meaning of its own such as `$identify`).
pub fn event_name() -> impl Strategy<Value = String> {
    prop_oneof![
        6 => select(&["a", "A", "b", "Sign Up", "sign_up", "Buy"][..]).prop_map(str::to_owned),
        2 => select(ODD_NAMES).prop_map(str::to_owned),
        1 => any::<String>(),
    ]
    .prop_filter("an event has a name, and this one has no meaning of its own", |name| {
        !name.is_empty() && !matches!(name.as_str(), "$identify" | "$create_alias" | "$merge")
    })
}

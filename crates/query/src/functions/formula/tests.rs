//! The worked values of 5.8 and 5.11, asked in SQL.

use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray as _, BooleanArray, Int64Array};
use arrow::datatypes::{DataType, Field, Int64Type};
use datafusion::common::config::ConfigOptions;
use datafusion::logical_expr::{ColumnarValue, ScalarFunctionArgs};

use super::choose::choose_udfs;
use crate::testing::{TestDataset, error, rows};

/// What expressions of literals are.
async fn check(expected: &[(&str, &str)]) {
    let session_ctx = TestDataset::new().session();
    for (expression, expected) in expected {
        let text = format!("SELECT coalesce(CAST({expression} AS VARCHAR), 'undefined')");
        assert_eq!(rows(&session_ctx, &text).await, [*expected], "{expression}");
    }
}

/// What an expression of columns is in each row of `values`; the columns are `a` and `b`.
async fn check_rows(expression: &str, values: &str, expected: &[&str]) {
    let session_ctx = TestDataset::new().session();
    let names = if expression.contains("b,") || expression.contains("b)") { "a, b" } else { "a" };
    let text = format!(
        "SELECT coalesce(CAST({expression} AS VARCHAR), 'undefined') FROM (VALUES {values}) t({names})"
    );
    assert_eq!(rows(&session_ctx, &text).await, expected, "{expression}");
}

/// How a query is refused.
async fn refusal(expression: &str) -> String {
    error(&TestDataset::new().session(), &format!("SELECT {expression}")).await
}

#[tokio::test]
async fn k1_if_takes_the_second_when_the_condition_is_false_or_undefined() {
    check(&[
        ("if(true, 'a', 'b')", "a"),
        ("if(false, 'a', 'b')", "b"),
        ("if(NULL, 'a', 'b')", "b"),
        ("if(1 > 2, 1, 2.5)", "2.5"),
        ("IF(true, NULL, 'b')", "undefined"),
    ])
    .await;
    check_rows("if(a > 2, 'big', 'small')", "(1), (3), (NULL)", &["small", "big", "small"]).await;
}

#[tokio::test]
async fn k1_only_the_branch_taken_is_evaluated() {
    check_rows("if(a <> 0, 10 / a, -1)", "(0), (5)", &["-1", "2"]).await;
}

#[tokio::test]
async fn k2_ifs_takes_the_first_that_is_true() {
    let ifs = "ifs(a < 60, 'a', a < 120, 'b')";
    check_rows(ifs, "(10), (60), (200), (NULL)", &["a", "b", "undefined", "undefined"]).await;
    check(&[("ifs(200 < 60, 'a', 200 < 120, 'b')", "undefined")]).await;
}

#[test]
fn k1_and_k2_hold_where_nothing_simplified_the_call() {
    let conditions = BooleanArray::from(vec![Some(true), Some(false), None]);
    let numbers: ArrayRef = Arc::new(Int64Array::from(vec![1, 2, 3]));
    let arguments = [Arc::new(conditions) as ArrayRef, numbers, Arc::new(Int64Array::from(vec![7, 8, 9]))]
        .map(ColumnarValue::Array);
    let call = |function: usize, count: usize| {
        let args = ScalarFunctionArgs {
            args: arguments[..count].to_vec(),
            arg_fields: vec![],
            number_rows: 3,
            return_field: Arc::new(Field::new("it", DataType::Int64, true)),
            config_options: Arc::new(ConfigOptions::default()),
        };
        let chosen = choose_udfs()[function].invoke_with_args(args).unwrap().into_array(3).unwrap();
        chosen.as_primitive::<Int64Type>().iter().collect::<Vec<_>>()
    };
    assert_eq!(call(0, 3), [Some(1), Some(8), Some(9)]);
    assert_eq!(call(1, 2), [Some(1), None, None]);
}

#[tokio::test]
async fn k3_and_k61_not_undefined_is_true_when_asked_with_is_not_true() {
    check(&[("NULL IS NOT TRUE", "true"), ("true IS NOT TRUE", "false"), ("NOT boolean(NULL)", "true")])
        .await;
}

#[tokio::test]
async fn k5_numbers_of_other_types() {
    check(&[
        ("number('12.5')", "12.5"),
        ("number(' 7 ')", "7.0"),
        ("number('n/a')", "undefined"),
        ("number('')", "undefined"),
        ("number('inf')", "undefined"),
        ("number(5)", "5.0"),
        ("number(true)", "1.0"),
        ("number(false)", "0.0"),
        ("number(NULL)", "undefined"),
        ("number(DATE '1970-01-02')", "86400.0"),
        ("number(TIMESTAMP '2024-03-01T00:00:00.5')", "1709251200.5"),
        ("number([1, 2])", "undefined"),
    ])
    .await;
}

/// Fixture ALPHA: minutes of Play.
#[tokio::test]
async fn k5_sum_of_numbers_leaves_out_what_is_none() {
    let minutes = "('10'), ('20'), ('30'), ('5'), ('n/a'), ('15'), ('7'), ('40')";
    check_rows("sum(number(a))", minutes, &["127.0"]).await;
}

#[tokio::test]
async fn k5_booleans_of_other_types() {
    check(&[
        ("boolean('')", "false"),
        ("boolean('false')", "false"),
        ("boolean('no')", "true"),
        ("boolean(0)", "false"),
        ("boolean(-0.5)", "true"),
        ("boolean(true)", "true"),
        ("boolean(NULL)", "false"),
        ("boolean([1])", "true"),
    ])
    .await;
    check_rows("boolean(a)", "(true), (false), (NULL)", &["true", "false", "false"]).await;
    check_rows("boolean(a)", "('x'), (''), (NULL)", &["true", "false", "false"]).await;
}

#[tokio::test]
async fn k5_strings_of_other_types() {
    check(&[
        ("string(5)", "5"),
        ("string(5.0)", "5"),
        ("string(0.25)", "0.25"),
        ("string(true)", "true"),
        ("string('as is')", "as is"),
        ("string(NULL)", "undefined"),
        ("string(DATE '2024-03-01')", "2024-03-01"),
        ("string(TIMESTAMP '2024-03-01T12:30:00')", "2024-03-01T12:30:00.000Z"),
        ("string([1, NULL])", "[1,null]"),
        ("string(['a\"', 'b'])", r#"["a\"","b"]"#),
        ("string(named_struct('a', 1, 'b', [2.0]))", r#"{"a":1,"b":[2]}"#),
    ])
    .await;
    check_rows("string(a)", "(1.5), (NULL), (2)", &["1.5", "undefined", "2"]).await;
}

#[tokio::test]
async fn k6_defined_is_false_for_null_only() {
    check(&[
        ("defined(NULL)", "false"),
        ("defined('')", "true"),
        ("defined(0)", "true"),
        ("defined([])", "true"),
    ])
    .await;
    check_rows("defined(a)", "('x'), (NULL)", &["true", "false"]).await;
}

#[tokio::test]
async fn k7_prefixes_and_suffixes_ignore_case() {
    check(&[
        ("has_prefix('Canada', 'can')", "true"),
        ("has_prefix('canada', 'CAN')", "true"),
        ("has_prefix('Can', 'Canada')", "false"),
        ("has_prefix('Canada', '')", "true"),
        ("has_suffix('Canada', 'DA')", "true"),
        ("has_suffix('Canada', 'can')", "false"),
        ("has_suffix('ÄRGER', 'rger')", "true"),
        ("has_prefix('ÄRGER', 'är')", "true"),
        ("has_prefix(NULL, 'a')", "undefined"),
    ])
    .await;
    check_rows(
        "has_prefix(a, b)",
        "('abc', 'AB'), ('abc', 'b'), (NULL, 'a')",
        &["true", "false", "undefined"],
    )
    .await;
}

#[tokio::test]
async fn k8_the_functions_of_sql_are_those_of_the_rule() {
    check(&[
        ("round(2.5)", "3.0"),
        ("round(-2.5)", "-3.0"),
        ("floor(-0.5)", "-1.0"),
        ("ceil(-0.5) = 0", "true"),
        ("least(1, 2)", "1"),
        ("greatest(1, 2)", "2"),
    ])
    .await;
}

#[tokio::test]
async fn k9_and_k20_parts_of_texts() {
    check(&[
        ("mid('Canada', 1, 4)", "Cana"),
        ("mid('Canada', 5, 10)", "da"),
        ("mid('Canada', 7, 1)", ""),
        ("mid('Canada', 99, 9223372036854775807)", ""),
        ("mid('Canada', 2, 0)", ""),
        ("mid('Canada', 2, -3)", ""),
        ("mid('Canada', 0, 3)", "Ca"),
        ("mid('Canada', -9223372036854775808, -1)", ""),
        ("mid('héé', 2, 1)", "é"),
        ("mid(NULL, 1, 1)", "undefined"),
        ("left('Canada', 3)", "Can"),
        ("left('ab', 5)", "ab"),
        ("right('Canada', 2)", "da"),
        ("upper('é')", "É"),
        ("lower('AB')", "ab"),
        ("len('é')", "1"),
        ("len([1, 2])", "2"),
        ("len([])", "0"),
        ("len('')", "0"),
        ("len(NULL)", "undefined"),
    ])
    .await;
    check_rows("mid(a, b, 2)", "('Canada', 2), ('ab', 2), (NULL, 1)", &["an", "b", "undefined"]).await;
}

#[tokio::test]
async fn k10_and_k20_split() {
    check(&[
        ("split('dwight@dm.com', '@', 2)", "dm.com"),
        ("split('dwight@dm.com', '@', 4)", "undefined"),
        ("split('dwight@dm.com', '/', 2)", "dwight@dm.com"),
        ("split('empty//string/', '/', 2)", ""),
        ("split('a//b', '/') = ['a', '', 'b']", "true"),
        ("split(NULL, '/')", "undefined"),
        ("split('a/b', '/')[2]", "b"),
    ])
    .await;
    check_rows("split(a, b, 1)", "('x-y', '-'), ('x+y', '+'), ('x', '')", &["x", "x", "undefined"]).await;
    check_rows("len(split(a, '-'))", "('x-y'), (NULL), ('')", &["2", "undefined", "1"]).await;
}

#[tokio::test]
async fn k11_domains_of_addresses() {
    check(&[
        ("parse_url('google.co.uk', 'domain')", "google"),
        ("parse_url('google.co.uk', 'full_domain')", "google.co.uk"),
        ("parse_url('https://www.google.co.uk:443/search?q=a.b/c', 'domain')", "google"),
        ("parse_url('https://www.google.co.uk:443/search?q=a.b/c', 'full_domain')", "google.co.uk"),
        ("parse_url('HTTP://user:pass@Mail.Example.COM', 'full_domain')", "example.com"),
        ("parse_url('//news.abc.net.au/x', 'domain')", "abc"),
        ("parse_url('https://t.co/x', 'full_domain')", "t.co"),
        ("parse_url('https://www.go.com', 'domain')", "go"),
        ("parse_url('http://localhost:3000/', 'domain')", "localhost"),
        ("parse_url('http://127.0.0.1:80/', 'full_domain')", "127.0.0.1"),
        ("parse_url('http://[::1]:80/', 'domain')", "::1"),
        ("parse_url('mailto:someone', 'domain')", "undefined"),
        ("parse_url('/only/a/path.html', 'domain')", "undefined"),
        ("parse_url('not an address', 'domain')", "undefined"),
        ("parse_url('', 'domain')", "undefined"),
    ])
    .await;
    check_rows("parse_url(a, 'domain')", "('a.b.de'), (NULL)", &["b", "undefined"]).await;
}

#[tokio::test]
async fn k12_and_k20_patterns_ignore_case_and_match_anywhere() {
    check(&[
        ("regex_match('HAYSTACK', 'haystack')", "true"),
        ("regex_match('HAYSTACK', '(?-i)haystack')", "false"),
        ("regex_match('a needle', 'NEED')", "true"),
        ("regex_match(NULL, 'x')", "undefined"),
        ("regex_extract('iPhone5.1', 'iPhone(...)', 1)", "5.1"),
        ("regex_extract('iPhone5.1', 'iphone...')", "iPhone5.1"),
        ("regex_extract('Pixel', 'iPhone(...)', 1)", "undefined"),
        ("regex_extract('b', '(a)|b', 1)", "undefined"),
        ("regex_replace('$1,234,567', '[^.0-9]*', '')", "1234567"),
        ("regex_replace('John Smith', '(\\w+) (\\w+)', '$2x, ${1}$$')", "Smithx, John$"),
        ("regex_replace('a-b', '(?<first>a)-b', '${first}$9 $')", "a $"),
    ])
    .await;
    check_rows(
        "regex_extract(a, b, 1)",
        "('ab', 'A(.)'), ('ab', '(-'), ('xyz', '(Z)'), (NULL, 'a')",
        &["b", "undefined", "z", "undefined"],
    )
    .await;
    check_rows("regex_replace(a, 'A', b)", "('aba', 'x'), ('ba', '<$0>')", &["xbx", "b<a>"]).await;
    check_rows("regex_match(a, 'a+')", "('AA'), ('b'), (NULL)", &["true", "false", "undefined"]).await;
}

#[tokio::test]
async fn k13_differences_of_dates() {
    let units = ["D", "M", "Y", "MD", "YM", "YD"];
    let between = |start: &str, end: &str| {
        let call = |unit: &str| format!("string(datedif('{start}', '{end}', '{unit}'))");
        format!("concat_ws(', ', {})", units.map(call).join(", "))
    };
    check(&[
        (&between("2020-02-29", "2024-03-01"), "1462, 48, 4, 1, 0, 1"),
        (&between("2023-01-31", "2023-03-01"), "29, 1, 0, 1, 1, 29"),
        (&between("2024-01-15", "2024-01-15T23:59:59"), "0, 0, 0, 0, 0, 0"),
        ("datedif('2024-01-02', '2024-01-01', 'D')", "undefined"),
        ("datedif('soon', '2024-01-01', 'D')", "undefined"),
        ("datedif(DATE '2024-01-01', TIMESTAMP '2024-03-01T10:00:00Z', 'm')", "2"),
    ])
    .await;
    check_rows(
        "datedif(a, b, 'D')",
        "(DATE '2024-01-01', DATE '2024-01-31'), (NULL, DATE '2024-01-31')",
        &["30", "undefined"],
    )
    .await;
    // The day is that of the zone the time is in.
    let time = "arrow_cast('2024-01-01T23:30:00Z', 'Timestamp(Millisecond, Some(\"UTC\"))')";
    check(&[
        (&format!("datedif('2024-01-01', {time}, 'D')"), "0"),
        (&format!("datedif('2024-01-01', {time} AT TIME ZONE 'Asia/Tokyo', 'D')"), "1"),
    ])
    .await;
}

#[tokio::test]
async fn k14_today_is_the_current_date() {
    check(&[("today() = current_date", "true")]).await;
}

#[tokio::test]
async fn k16_k17_and_k20_lists() {
    let list = "[5, 205, 178, 12, 22]";
    check(&[
        (&format!("sum_items(array_filter({list}, x -> x > 100))"), "383.0"),
        (&format!("any_match({list}, x -> x > 300)"), "false"),
        (&format!("NOT any_match({list}, x -> NOT (x > 5 AND x < 200))"), "false"),
        (&format!("NOT any_match({list}, x -> NOT (x > 4 AND x < 206))"), "true"),
        (&format!("array_transform({list}, x -> x * 2)[1]"), "10"),
        ("sum_items([])", "0.0"),
        ("sum_items(NULL)", "undefined"),
        ("sum_items(['a', 'b'])", "0.0"),
        (r#"sum_items('[1, "2", null, 2.5]')"#, "3.5"),
        ("sum_items('[]')", "0.0"),
        ("sum_items('no list')", "undefined"),
    ])
    .await;
    check_rows("sum_items(a)", "([1, NULL, 2]), (NULL), ([4, 5])", &["3.0", "undefined", "9.0"]).await;
}

#[tokio::test]
async fn k18_k19_and_k61_what_to_write_in_sql() {
    check(&[
        ("7 % 3", "1"),
        ("-7 % 3", "-1"),
        ("1 / nullif(0, 0)", "undefined"),
        ("'a' || 'b'", "ab"),
        ("lower('FACEBOOK') = lower('facebook')", "true"),
        ("contains(lower('a Needle'), lower('needle'))", "true"),
        ("any_match(['A', 'b'], x -> lower(x) = lower('a'))", "true"),
    ])
    .await;
}

#[tokio::test]
async fn dictionaries_are_taken_too() {
    let text = "arrow_cast(a, 'Dictionary(Int32, Utf8View)')";
    let values = "('a@B.com'), (NULL), ('x')";
    let calls = [
        (format!("split({text}, '@', 2)"), ["B.com", "undefined", "x"]),
        (format!("has_suffix({text}, '.COM')"), ["true", "undefined", "false"]),
        (format!("regex_extract({text}, '@(.)', 1)"), ["B", "undefined", "undefined"]),
        (format!("len({text})"), ["7", "undefined", "1"]),
        (format!("string({text})"), ["a@B.com", "undefined", "x"]),
        (format!("boolean({text})"), ["true", "false", "true"]),
        (format!("number({text})"), ["undefined"; 3]),
        (format!("defined({text})"), ["true", "false", "true"]),
        (format!("if({text} = 'x', {text}, 'other')"), ["other", "other", "x"]),
    ];
    for (call, expected) in calls {
        check_rows(&call, values, &expected).await;
    }
}

#[tokio::test]
async fn wrong_calls_are_refused_with_what_would_be_right() {
    let expected = [
        ("split('a', '', 1)", "it is a character such as ','"),
        ("split('a', ',', 0)", "parts are counted from 1"),
        ("split('a')", "split takes a text, what stands between its parts"),
        ("mid(5, 1, 2)", "argument 1 is Int64, but must be text; string(…) makes text of other values"),
        ("len(5)", "argument 1 is Int64, but must be text or a list"),
        ("parse_url('a.de', 'host')", "there are 'domain' and 'full_domain'"),
        ("regex_match('a', '(')", "unclosed group"),
        ("regex_match('a', '(?=a)')", "look-around"),
        ("regex_extract('a', '(a)', 2)", "the pattern has 1, and 0 is all that it matches"),
        ("datedif('2024-01-01', '2024-01-02', 'days')", "there are 'D' (days), 'M' (whole months)"),
        ("datedif(1, '2024-01-02', 'D')", "must be a date, a time, or a text such as '2024-03-01'"),
        ("if(1, 'a', 'b')", "argument 1 is Int64, but must be true or false"),
        ("if(true, 'a')", "if takes a condition, a value if it is met, and a value otherwise"),
        ("if(true, 1, [1])", "if gives values of one type"),
        ("ifs(true, 'a', false)", "ifs takes conditions, each with a value after it, not 3 arguments"),
        ("sum_items(5)", "sum_items takes a list, or the JSON text of one"),
    ];
    for (call, expected) in expected {
        let refused = refusal(call).await;
        assert!(refused.contains(expected), "{call}: {refused}");
    }
}

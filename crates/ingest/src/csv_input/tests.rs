use proptest::prelude::*;
use tallymark_event::Timestamp;

use super::*;
use crate::TimeUnit;
use crate::table_row::row_text;

fn options() -> ParseOptions {
    ParseOptions::new(Timestamp::from_millis(1_700_000_100_000))
}

/// The rows of a table, a line each: `name ms user [properties]`, or `line field: message`.
fn read(text: &[u8], mapping: &ColumnMapping) -> Result<Vec<String>> {
    let mut rows = Vec::new();
    read_csv("t.csv", text, mapping, &options(), &mut |row| {
        rows.push(row_text(row, |Rejection { index, line, field, message, .. }| {
            format!("{index}/{} {field}: {message}", line.unwrap())
        }));
        true
    })?;
    Ok(rows)
}

#[track_caller]
fn check(text: &str, expected: &[&str]) {
    assert_eq!(read(text.as_bytes(), &ColumnMapping::default()).unwrap(), expected);
}

#[test]
fn usual_columns_are_recognised_and_others_are_properties() {
    check(
        "event,time,user_id,plan,seats\nBuy,1700000000,u1,pro,5\n\nSell,1700000000500,007,,\n",
        &[r#"Buy 1700000000000 "u1" [plan="pro",seats=5]"#, r#"Sell 1700000000500 "007" []"#],
    );
    // With a byte order mark, semicolons and carriage returns.
    check("\u{feff}Event;Timestamp\r\nA;2023-11-14 22:13:20\r\n", &[r#"A 1700000000000 "" []"#]);
    check("event,time\n", &[]);
}

#[test]
fn cells_are_typed_only_where_nothing_is_lost() {
    let (int, float) = (PropertyValue::Int, PropertyValue::Float);
    for (cell, value) in [
        ("true", PropertyValue::Bool(true)),
        ("False", PropertyValue::Bool(false)),
        ("TRUE", PropertyValue::Bool(true)),
        ("", PropertyValue::Null),
        ("42", int(42)),
        ("-3", int(-3)),
        ("0", int(0)),
        ("9223372036854775807", int(i64::MAX)),
        ("9.50", float(9.5)),
        ("10.00", float(10.0)),
        ("-0.125", float(-0.125)),
        ("0.30000000000000004", float(0.300_000_000_000_000_04)),
        ("1e-05", float(1e-5)),
        ("1.5E+3", float(1500.0)),
    ] {
        let typed = typed(Cow::Borrowed(cell));
        assert!(
            typed == value && std::mem::discriminant(&typed) == std::mem::discriminant(&value),
            "{cell}: {typed:?}"
        );
    }
    for text in [
        "007",
        "+1",
        ".5",
        "5.",
        "1e5",
        "1_000",
        "0x10",
        "NaN",
        "inf",
        "-",
        "--1",
        "9223372036854775808",
        "1e+999",
        "01.5",
        "0.1234567890123456789",
        "1.2.3",
        " 5",
        "tRue",
        "2024-02-29",
        "1e+",
        "-e5",
    ] {
        assert_eq!(typed(Cow::Borrowed(text)), PropertyValue::from(text));
    }
    check("event,time,x\nA,1700000000,\"\"\n", &[r#"A 1700000000000 "" []"#]);
}

#[test]
fn fields_are_unquoted() {
    check(
        "event,time,\"a \"\"b\"\", c\"\n\"Buy, now\",1700000000,\"line one\r\nline \"\"two\"\"\"\nA,1700000000,5\" pipe\n",
        &[
            r#"Buy, now 1700000000000 "" [a "b", c="line one\r\nline \"two\""]"#,
            r#"A 1700000000000 "" [a "b", c="5\" pipe"]"#,
        ],
    );
}

#[test]
fn bad_rows_are_refused_with_their_line() {
    let text = b"event,time,x\nA,1700000000\nB,1700000000,1,2\nC,1700000000,\"q\"z\nD,1700000000,\xFF\n,1700000000,1\nE,,1\nF,soon,1\nG,1700000000,\"never closed\n";
    let rows = read(text, &ColumnMapping::default()).unwrap();
    let starts = [
        "0/2 : the row has 2 fields, the header 3",
        "1/3 : the row has 4 fields, the header 3",
        "2/4 : field 3 goes on after its closing quote (\"z\"); a quote inside a quoted field must be doubled",
        "3/5 : not valid UTF-8 at byte 13 of the row",
        "4/6 event: empty",
        "5/7 time: missing",
        "6/8 time: \"soon\" is not a time",
        "7/9 : a quote is opened and never closed",
    ];
    assert_eq!(rows.len(), starts.len(), "{rows:#?}");
    for (row, start) in rows.iter().zip(starts) {
        assert!(row.starts_with(start), "{row}");
    }
}

#[test]
fn columns_may_be_named() {
    let mapping = ColumnMapping {
        event_column: Some("what".into()),
        time_column: Some("when".into()),
        user_column: Some("who".into()),
        insert_id_column: Some("key".into()),
        time_unit: Some(TimeUnit::Microseconds),
        event_name: None,
    };
    let rows = read(
        b"who,what,when,hour,key\nu,A,1700000000000000,noon,k1\nu,A,1700000000000999.5,noon,k2\n",
        &mapping,
    )
    .unwrap();
    assert_eq!(rows, [r#"A 1700000000000 "u" [hour="noon"]"#, r#"A 1700000000000 "u" [hour="noon"]"#]);
    // Small numbers of a unit are not taken for seconds.
    let early = ColumnMapping { time_unit: Some(TimeUnit::Milliseconds), ..ColumnMapping::default() };
    assert_eq!(read(b"event,time\nA,99000000000\n", &early).unwrap(), [r#"A 99000000000 "" []"#]);
    let named = ColumnMapping { event_name: Some("Order".into()), ..ColumnMapping::default() };
    assert_eq!(read(b"date,event\n2023-11-14,5\n", &named).unwrap(), [r#"Order 1699920000000 "" [event=5]"#]);
    let error = read(b"a,b\n1,2\n", &ColumnMapping::default()).unwrap_err().to_string();
    assert_eq!(
        error,
        r#"t.csv has no column for the event's name (--event-column): its columns are "a", "b""#
    );
}

#[test]
fn special_columns_mean_what_they_mean_in_json() {
    check(
        "event,time,$user_id,$device_id,token,ip,\nA,1700000000,007,d,T,192.0.2.1,x\n",
        &[r#"A 1700000000000 "" [column_7="x"]"#],
    );
    check(
        "event,time,$ignore\nA,1700000000,true\nB,1700000000,false\n",
        &["Ignored", r#"B 1700000000000 "" []"#],
    );
}

#[test]
fn a_broken_header_is_an_error() {
    let error = |text: &[u8]| read(text, &ColumnMapping::default()).unwrap_err().to_string();
    assert!(error(b"event,\"time\n").contains("header of t.csv: a quote is opened"));
    assert!(error(b"event,\xFF\n").contains("not valid UTF-8"));
    let long = [b"event,time,".as_slice(), &vec![b'x'; 2 << 20], b"\nA,1700000000,1\n"].concat();
    assert!(error(&long).contains("the record has"), "{}", error(&long));
}

proptest! {
    /// Any cells, quoted as RFC 4180 has it, come back as they were.
    #[test]
    fn any_cells_come_back(cells in prop::collection::vec("[a-c\",;\r\n é\\x00]{0,8}", 1..6)) {
        let quoted: Vec<String> = cells.iter().map(|cell| format!("\"{}\"", cell.replace('"', "\"\""))).collect();
        let row = quoted.join(",");
        let fields = split(&row, b',').unwrap();
        prop_assert_eq!(fields, cells);
    }

    #[test]
    fn any_text_is_taken_without_panic(text in "[a-c\",;\r\n é0-9.eE+-]{0,60}") {
        let _ = split(&text, b',');
        let _ = typed(Cow::Borrowed(&text));
        let _ = read(format!("event,time,x\n{text}").as_bytes(), &ColumnMapping::default());
    }

    /// A number spells its cell again, trailing zeros and exponents aside.
    #[test]
    fn numbers_lose_nothing(cell in "-?[0-9]{1,20}(\\.[0-9]{1,20})?") {
        match number(&cell) {
            Some(PropertyValue::Int(value)) => prop_assert_eq!(value.to_string(), cell),
            Some(PropertyValue::Float(value)) => {
                let trimmed = if cell.contains('.') { cell.trim_end_matches('0').trim_end_matches('.') } else { &cell };
                prop_assert_eq!(value.to_string(), trimmed);
            }
            _ => {}
        }
    }
}

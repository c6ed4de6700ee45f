//! What answers look like on a terminal.

use std::sync::Arc;

use arrow::array::{
    ArrayRef, BooleanArray, Float64Array, Int64Array, ListArray, StringArray, TimestampMillisecondArray,
};
use arrow::buffer::OffsetBuffer;
use arrow::datatypes::DataType;

use super::*;

const HOUR_MS: i64 = 3_600_000;

/// A cell of an answer.
#[derive(Clone)]
enum Cell {
    Text(&'static str),
    Time(i64),
    Number(f64),
    Nothing,
}

use Cell::{Nothing, Number, Text, Time};

/// The form of these rows as the answer of a report.
fn form(definition: &str, rows: &[Vec<Cell>], width: usize, rows_max: usize) -> String {
    let report = Report::parse(definition).unwrap();
    let schema = tallymark::report_schema(&report).unwrap();
    let column = |at: usize| -> ArrayRef {
        let cells = rows.iter().map(|row| &row[at]);
        match schema.field(at).data_type() {
            DataType::Float64 => Arc::new(
                cells
                    .map(|cell| if let Number(number) = cell { Some(*number) } else { None })
                    .collect::<Float64Array>(),
            ),
            DataType::Int64 => Arc::new(
                cells
                    .map(|cell| if let Number(number) = cell { Some(*number as i64) } else { None })
                    .collect::<Int64Array>(),
            ),
            DataType::Boolean => Arc::new(
                cells
                    .map(|cell| Some(matches!(cell, Number(number) if *number > 0.0)))
                    .collect::<BooleanArray>(),
            ),
            DataType::List(item) => {
                let texts = cells.map(|cell| if let Text(text) = cell { *text } else { "" });
                let lists: Vec<Vec<&str>> = texts.map(|text| text.split(' ').collect()).collect();
                let items: StringArray = lists.iter().flatten().map(|item| Some(*item)).collect();
                let offsets = OffsetBuffer::from_lengths(lists.iter().map(Vec::len));
                Arc::new(ListArray::new(Arc::clone(item), offsets, Arc::new(items), None))
            }
            DataType::Timestamp(_, zone) => {
                let times = cells.map(|cell| if let Time(time) = cell { Some(*time) } else { None });
                Arc::new(times.collect::<TimestampMillisecondArray>().with_timezone_opt(zone.clone()))
            }
            _ => Arc::new(
                cells
                    .map(|cell| if let Text(text) = cell { Some(*text) } else { None })
                    .collect::<StringArray>(),
            ),
        }
    };
    let columns = (0..schema.fields().len()).map(column).collect();
    let batch = RecordBatch::try_new(Arc::clone(&schema), columns).unwrap();
    let style = TableStyle { rows_max, width: Some(width), limit_advice: "--limit-rows 0", timing: false };
    let page = Page { style, width, elapsed: None, paint: Paint(false) };
    let mut text = Vec::new();
    match &report.question {
        Question::Insights(insights) => {
            let answered = Answered::read(insights, &batch).unwrap();
            Form { insights, page }.write(&answered, &mut text).unwrap();
        }
        other => written(other, &batch, &page, &mut text).unwrap(),
    }
    String::from_utf8(text).unwrap()
}

fn insights(rest: &str) -> String {
    format!(r#"{{"report": "insights", "metrics": [{{"event": "Visit"}}], {rest}}}"#)
}

/// Two segments over so many days from 2024-01-01 on.
fn days(count: i64) -> Vec<Vec<Cell>> {
    let segments: [(&'static str, f64); 2] = [("$overall", 1000.0), ("東京", 0.5)];
    let rows = segments.into_iter().flat_map(|(segment, scale)| {
        (0..count).map(move |day| {
            let time = 1_704_067_200_000 + day * 24 * HOUR_MS;
            let number = if day == 1 { Nothing } else { Number(day as f64 * scale) };
            vec![Text("A"), Text("Visit: unique_users"), Time(time), Text(segment), number]
        })
    });
    rows.collect()
}

#[test]
fn s_91_a_sample_is_told_to_be_one() {
    let row = |number: f64| vec![Text("A"), Text("Visit: unique_users"), Number(number), Number(0.07)];
    insta::assert_snapshot!(form(&insights(r#""sample": 0.07"#), &[row(300.0)], 80, 50), @r"
        Visit: unique_users
          300
        1 line, estimated from a sample of 7 % of the users, without events of nobody
        ");
    let row = |segment| {
        vec![
            Text("A"),
            Text("Visit: unique_users"),
            Text(segment),
            Number(300.0),
            Number(200.0),
            Number(0.5),
            Number(0.07),
        ]
    };
    let compared = insights(r#""sample": 0.07, "compare": {"previous": "week"}, "breakdowns": ["city"]"#);
    insta::assert_snapshot!(form(&compared, &[row("$overall"), row("Rome")], 80, 50), @r"
        Visit: unique_users
        ┌──────────┬─────┬────────┬─────────┐
        │ city     │ now │ before │  change │
        ├──────────┼─────┼────────┼─────────┤
        │ $overall │ 300 │    200 │ +50.0 % │
        │ Rome     │ 300 │    200 │ +50.0 % │
        └──────────┴─────┴────────┴─────────┘
        2 lines, estimated from a sample of 7 % of the users, without events of nobody
        ");
}

#[test]
fn few_buckets_are_columns_and_many_are_blocks() {
    let definition = insights(r#""interval": "day", "breakdowns": ["city"]"#);
    insta::assert_snapshot!("few_buckets", form(&definition, &days(4), 100, 50));
    insta::assert_snapshot!("many_buckets", form(&definition, &days(60), 110, 50));
    insta::assert_snapshot!("more_buckets_than_blocks", form(&definition, &days(366), 80, 1));
    for width in 20..200 {
        let text = form(&definition, &days(60), width, 50);
        let widest = text.lines().filter(|line| line.starts_with('│')).map(crate::text::width).max();
        assert!(widest.unwrap() <= width.max(90), "{width}: {text}");
    }
}

#[test]
fn two_hours_of_one_name_are_told_apart() {
    let definition = insights(r#""interval": "hour", "time_zone": "Europe/Berlin""#);
    // 2024-10-27, 00:00 to 02:00 in UTC.
    let row = |hour: i64| {
        vec![Text("A"), Text("Visit"), Time(1_729_987_200_000 + hour * HOUR_MS), Number(hour as f64)]
    };
    insta::assert_snapshot!(form(&definition, &[row(0), row(1), row(2)], 100, 50));
}

#[test]
fn larger_units_are_named_as_people_do() {
    let named = |unit: &str, time: i64| {
        let definition = insights(&format!(r#""interval": "{unit}""#));
        let row = |time| vec![Text("A"), Text("Visit"), Time(time), Number(1.0)];
        form(&definition, &[row(time), row(time + 400 * 24 * HOUR_MS)], 100, 50)
    };
    for (unit, name) in [
        ("week", "2024-04-01"),
        ("month", "2024-04"),
        ("quarter", "2024-Q2"),
        ("year", "2024"),
        ("hour", "2024-04-01 00:00"),
    ] {
        let text = named(unit, 1_711_929_600_000);
        assert!(text.contains(&format!(" {name} ")), "{text}");
    }
}

#[test]
fn a_whole_range_is_bars_with_the_longest_first() {
    let rows = |segments: &[(&'static str, Cell)]| -> Vec<Vec<Cell>> {
        let number = |cell: &Cell| if let Number(number) = cell { Number(*number) } else { Nothing };
        let row = |(segment, cell): &(&'static str, Cell)| {
            vec![Text("A"), Text("Visit: unique_users"), Text(segment), number(cell)]
        };
        segments.iter().map(row).collect()
    };
    let cities = [
        ("$overall", Number(12_000.0)),
        ("Łódź", Number(3.0)),
        ("東京", Number(10_500.25)),
        ("(not set)", Nothing),
        ("a city with a name that is longer than half of the line", Number(1_000.0)),
        ("Graz", Number(-500.0)),
    ];
    let definition = insights(r#""breakdowns": ["city"]"#);
    insta::assert_snapshot!("bars", form(&definition, &rows(&cities), 70, 50));
    insta::assert_snapshot!("some_bars", form(&definition, &rows(&cities), 70, 3));
    // Ranges of numbers have an order of their own.
    let ages =
        [("$overall", Number(9.0)), ("< 20", Number(1.0)), ("20 – 40", Number(6.0)), ("≥ 40", Number(2.0))];
    let definition = insights(r#""breakdowns": [{"property": "age", "buckets": {"at": [20, 40]}}]"#);
    insta::assert_snapshot!("ordered_bars", form(&definition, &rows(&ages), 70, 50));
}

#[test]
fn a_distribution_is_a_histogram() {
    let definition = r#"{"report": "insights", "metrics": [{"event": "Visit",
        "measure": {"aggregate": "distribution", "per_user": "events"}}]}"#;
    let row = |bin, users| vec![Text("A"), Text("Visit"), Text(bin), Number(users)];
    insta::assert_snapshot!(form(definition, &[row("1", 20.0), row("2", 35.0), row("3", 1.0)], 60, 50));
}

#[test]
fn what_is_compared_has_a_change_in_percent() {
    let definition = insights(r#""breakdowns": ["city"], "compare": {"previous": "month"}"#);
    let row = |segment, now, before, change| {
        vec![Text("A"), Text("Visit: unique_users"), Text(segment), now, before, change]
    };
    let rows = [
        row("$overall", Number(1500.0), Number(1200.0), Number(0.25)),
        row("Graz", Number(0.0), Number(10.0), Number(-1.0)),
        row("Łódź", Number(5.0), Number(0.0), Nothing),
    ];
    insta::assert_snapshot!("compared", form(&definition, &rows, 100, 50));
    let definition = insights(r#""interval": "day", "compare": {"previous": "week"}"#);
    let row = |day: i64, now, before, change| {
        vec![Text("A"), Text("Visit"), Time(1_704_067_200_000 + day * 24 * HOUR_MS), now, before, change]
    };
    let rows = [row(0, Number(4.0), Number(5.0), Number(-0.2)), row(1, Number(3.0), Number(0.0), Nothing)];
    insta::assert_snapshot!("compared_over_time", form(&definition, &rows, 100, 50));
}

#[test]
fn metrics_without_segments_are_a_list() {
    let definition = r#"{"report": "insights", "metrics": [{"event": "Visit"}, {"event": "Buy"}]}"#;
    let rows = [
        vec![Text("A"), Text("Visit: unique_users"), Number(1234.0)],
        vec![Text("B"), Text("Buy: unique_users"), Number(0.5)],
    ];
    insta::assert_snapshot!("several_metrics", form(definition, &rows, 100, 50));
    insta::assert_snapshot!("one_number", form(&insights(r#""top": 3"#), &rows[..1], 100, 50));
    insta::assert_snapshot!("no_rows", form(definition, &[], 100, 50));
}

/// A step of a funnel: segment, step, event, count, conversions and times.
fn step(
    segment: Option<&'static str>,
    at: f64,
    event: &'static str,
    count: f64,
    of: f64,
    first: f64,
) -> Vec<Cell> {
    let mut cells: Vec<Cell> = segment.map(Text).into_iter().collect();
    cells.extend([Number(at), Text(event), Number(count)]);
    if at < 1.5 {
        cells.extend([Nothing, Number(1.0), Nothing, Nothing, Nothing, Nothing]);
    } else {
        cells.extend([Number(count / of), Number(count / first)]);
        cells.extend([Number(200.0), Number(93.5), Number(4000.0), Number(90_000.0)]);
    }
    cells
}

#[test]
fn a_funnel_is_a_bar_a_step() {
    let rows = [
        step(None, 1.0, "Browse", 12_345.0, 0.0, 12_345.0),
        step(None, 2.0, "Add to cart", 4567.0, 12_345.0, 12_345.0),
        step(None, 3.0, "Buy", 3.0, 4567.0, 12_345.0),
    ];
    let definition = r#"{"report": "funnel", "steps": ["Browse", "Add to cart", "Buy"]}"#;
    insta::assert_snapshot!(form(definition, &rows, 80, 40));
}

#[test]
fn a_funnel_of_segments_is_a_block_a_segment() {
    let mut rows = Vec::new();
    for (segment, scale) in [("$overall", 3.0), ("DE", 2.0), ("FR", 1.0)] {
        rows.push(step(Some(segment), 1.0, "Browse", 100.0 * scale, 0.0, 100.0 * scale));
        rows.push(step(Some(segment), 2.0, "Buy", 20.0 * scale, 100.0 * scale, 100.0 * scale));
    }
    let definition = r#"{"report": "funnel", "steps": ["Browse", "Buy"], "breakdowns": ["country"]}"#;
    insta::assert_snapshot!(form(definition, &rows, 60, 4));
}

#[test]
fn funnels_that_are_compared_are_blocks() {
    let rows = [
        step(Some("Buy"), 1.0, "Browse", 100.0, 0.0, 100.0),
        step(Some("Buy"), 2.0, "Buy", 20.0, 100.0, 100.0),
        step(Some("Wish"), 1.0, "Browse", 100.0, 0.0, 100.0),
        step(Some("Wish"), 2.0, "Wish", 40.0, 100.0, 100.0),
    ];
    let definition =
        r#"{"report": "funnel", "steps": ["Browse", "Buy"], "compare": {"step": 2, "with": ["Wish"]}}"#;
    insta::assert_snapshot!(form(definition, &rows, 60, 40));
}

#[test]
fn a_funnel_over_time_is_a_line_a_bucket() {
    let mut rows = Vec::new();
    for day in 0..3 {
        for (at, event, count) in [(1.0, "Browse", 50.0), (2.0, "Buy", 20.0)] {
            let mut cells = step(None, at, event, count, 50.0, 50.0);
            cells.insert(0, Time(1_704_067_200_000 + day * 24 * HOUR_MS));
            rows.push(cells);
        }
    }
    let definition = r#"{"report": "funnel", "steps": ["Browse", "Buy"], "interval": "day"}"#;
    insta::assert_snapshot!(form(definition, &rows, 80, 40));
}

/// A bucket of a row of retention: of those born, how many came back.
fn bucket(
    (row, day): (&'static str, Option<i64>),
    segment: Option<&'static str>,
    at: f64,
    (size, retained): (f64, f64),
    is_complete: bool,
) -> Vec<Cell> {
    let time = day.map_or(Nothing, |day| Time(1_704_067_200_000 + day * 24 * HOUR_MS));
    let mut cells = vec![Text(row), time];
    cells.extend(segment.map(Text));
    cells.extend([Number(at), Number(at), Number(at + 1.0), Number(size), Number(retained)]);
    cells.extend([
        Number(retained / size),
        Number(retained / size),
        Number(f64::from(u8::from(is_complete))),
    ]);
    cells
}

fn triangle(segment: Option<&'static str>, scale: f64) -> Vec<Vec<Cell>> {
    let mut rows = Vec::new();
    for day in 0..3 {
        for at in 0..4 {
            let retained = if at + day < 4 { scale * (40 - 12 * at) as f64 } else { 0.0 };
            rows.push(bucket(
                ("cohort", Some(day)),
                segment,
                at as f64,
                (scale * 50.0, retained),
                at + day < 3,
            ));
        }
    }
    for name in ["average", "pooled"] {
        for at in 0..4 {
            rows.push(bucket(
                (name, None),
                segment,
                f64::from(at),
                (150.0, 120.0 - 30.0 * f64::from(at)),
                at < 3,
            ));
        }
    }
    rows
}

#[test]
fn retention_is_a_triangle() {
    let definition = r#"{"report": "retention", "birth": "Signup"}"#;
    insta::assert_snapshot!(form(definition, &triangle(None, 25.0), 80, 40));
    insta::assert_snapshot!("a_narrow_triangle", form(definition, &triangle(None, 25.0), 40, 3));
    let by_country = r#"{"report": "retention", "birth": "Signup", "breakdowns": ["country"]}"#;
    let mut rows = triangle(Some("$overall"), 2.0);
    rows.extend(triangle(Some("DE"), 1.0));
    insta::assert_snapshot!("triangles_of_segments", form(by_country, &rows, 80, 40));
}

#[test]
fn frequency_lifecycle_and_stickiness_are_a_line_a_unit() {
    let day = |day: i64| Time(1_704_067_200_000 + day * 24 * HOUR_MS);
    let users = [120.0, 40.0, 3.0, 0.0, 0.0, 0.0, 0.0];
    let rows: Vec<Vec<Cell>> = (0..14)
        .map(|at| {
            let (week, count) = (at / 7, at % 7);
            let number = if week == 0 { users[count] } else { 0.0 };
            vec![day(7 * week as i64), Number(count as f64 + 1.0), Number(number), Number(number / 120.0)]
        })
        .collect();
    insta::assert_snapshot!("frequency", form(r#"{"report": "frequency"}"#, &rows, 80, 40));
    let statuses = ["new", "returning", "resurrected", "dormant"];
    let row = |at: usize| vec![day(7 * (at / 4) as i64), Text(statuses[at % 4]), Number(1000.0 * at as f64)];
    let rows: Vec<Vec<Cell>> = (0..8).map(row).collect();
    insta::assert_snapshot!("lifecycle", form(r#"{"report": "lifecycle"}"#, &rows, 80, 40));
    let rows = [
        vec![day(0), Number(0.0), Number(0.0), Nothing],
        vec![day(1), Number(900.0), Number(1200.0), Number(0.75)],
        vec![day(2), Number(0.0), Number(1200.0), Number(0.0)],
    ];
    insta::assert_snapshot!("stickiness", form(r#"{"report": "stickiness"}"#, &rows, 70, 40));
}

#[test]
fn flows_are_bars_a_step_paths_or_a_tree() {
    let node = |segment, offset: f64, label, count: f64| {
        let to = [Nothing, Nothing, Nothing];
        let mut cells = vec![Text(segment), Text("node"), Number(1.0), Number(offset), Text(label)];
        cells.extend(to);
        cells.extend([Number(count), Number(count / 5000.0)]);
        cells
    };
    let rows = [
        node("$overall", -1.0, "Visit", 1.0),
        node("$overall", 0.0, "Search", 5000.0),
        node("$overall", 1.0, "View", 3000.0),
        node("$overall", 1.0, "$other", 1500.0),
        node("$overall", 1.0, "$drop_off", 500.0),
        node("DE", 0.0, "Search", 2500.0),
    ];
    let definition = r#"{"report": "flows", "anchors": ["Search"], "breakdowns": ["country"]}"#;
    insta::assert_snapshot!("flows", form(definition, &rows, 60, 40));
    let path = |rank: f64, path, count: f64| {
        vec![Number(rank), Text(path), Number(3.0), Number(count), Number(count / 5000.0)]
    };
    let rows = [path(1.0, "Search View Buy", 3000.0), path(2.0, "Search", 1.0)];
    let definition = r#"{"report": "flows", "anchors": ["Search"], "form": "paths"}"#;
    insta::assert_snapshot!("paths", form(definition, &rows, 60, 40));
    let branch = |node: f64, parent, depth: f64, label, count: f64, conversion| {
        vec![Number(node), parent, Number(depth), Text(label), Number(count), conversion]
    };
    let rows = [
        branch(1.0, Nothing, 0.0, "Search", 5000.0, Nothing),
        branch(2.0, Number(1.0), 1.0, "View", 3000.0, Number(0.6)),
        branch(3.0, Number(2.0), 2.0, "Buy", 1.0, Number(1.0 / 3000.0)),
    ];
    let definition = r#"{"report": "flows", "anchors": ["Search"], "form": "tree"}"#;
    insta::assert_snapshot!("tree", form(definition, &rows, 60, 40));
}

#[test]
fn correlations_are_a_line_a_candidate() {
    let row = |event,
               value: Option<&'static str>,
               times: f64,
               is_best: bool,
               counts: [f64; 4],
               phi: Option<f64>| {
        let mut cells = vec![Text(event)];
        cells.push(value.map_or(Nothing, |_| Text("platform")));
        cells.push(value.map_or(Nothing, Text));
        cells.extend([times, 7.0, f64::from(u8::from(is_best)), counts.iter().sum()].map(Number));
        cells.extend(counts.map(Number));
        let [tp, fp, fn_, tn] = counts;
        cells.push(phi.map_or(Nothing, Number));
        cells.extend([tp / (tp + fp), fn_ / (fn_ + tn), tp / (tp + fn_), fp / (fp + tn)].map(Number));
        cells
    };
    let rows = [
        row("View cart", None, 3.0, true, [3000.0, 2000.0, 1000.0, 4000.0], Some(0.408_248)),
        row("View cart", None, 4.0, false, [2.0, 2000.0, 1000.0, 4000.0], Some(0.2)),
        row("$all_events", Some("ios"), 1.0, true, [30.0, 20.0, 10.0, 40.0], Some(-0.25)),
        row("Sign up", None, 1.0, true, [40.0, 60.0, 1.0, 0.0], None),
    ];
    let definition = r#"{"report": "correlation", "goal": "Buy", "all_cells": true}"#;
    insta::assert_snapshot!("correlation", form(definition, &rows, 100, 40));
    insta::assert_snapshot!("a_narrow_correlation", form(definition, &rows, 60, 2));
}

#[test]
fn experiments_are_a_table_a_metric() {
    let variant =
        |metric, name, variant, numbers: [f64; 4], compared: Option<[f64; 8]>, is_significant: bool| {
            let [exposed, total, value, variance] = numbers;
            let mut cells = vec![Text(metric), Text(name), Text(variant)];
            cells.extend([f64::from(u8::from(compared.is_none())), exposed, 5000.0, exposed].map(Number));
            cells.push(if total.is_nan() { Nothing } else { Number(total) });
            cells.extend([value, variance].map(Number));
            match compared {
                Some(compared) => cells.extend(compared.map(Number)),
                None => cells.extend([(); 8].map(|()| Nothing)),
            }
            cells.extend([Number(f64::from(u8::from(is_significant))), Number(0.0002)]);
            cells
        };
    let better = [0.02, 0.2, 0.004, 0.012, 0.028, 5.0, 0.000_001, 0.000_4];
    let rows = [
        variant("A", "Buy", "off", [5200.0, 520.0, 0.1, 0.09], None, false),
        variant("A", "Buy", "on", [4800.0, 576.0, 0.12, 0.1056], Some(better), true),
        variant("B", "sum of price of Buy", "off", [5200.0, 26_000.0, 5.0, 40.0], None, false),
        variant(
            "B",
            "sum of price of Buy",
            "on",
            [4800.0, 23_520.0, 4.9, 41.0],
            Some([-0.1, -0.02, 0.13, -0.35, 0.15, -0.77, 0.44, 1.0]),
            false,
        ),
    ];
    let definition = r#"{"report": "experiment", "experiment": "green button", "control": "off",
        "metrics": [{"event": "Buy"}, {"event": "Buy", "measure": {"aggregate": "sum", "of": "price"}}]}"#;
    insta::assert_snapshot!("experiment", form(definition, &rows, 100, 40));
    let formula = [
        variant("C", "price", "off", [5200.0, f64::NAN, 50.0, 900.0], None, false),
        variant(
            "C",
            "price",
            "on",
            [4800.0, f64::NAN, 40.75, 810.0],
            Some([-9.25, -0.185, 0.58, -10.4, -8.1, -15.8, 0.0, 0.0]),
            true,
        ),
    ];
    let of_groups = definition.replace(
        "\"control\"",
        r#""formulas": [{"formula": "B / A", "name": "price"}], "count_by": "company", "control""#,
    );
    let with_formula: Vec<Vec<Cell>> = rows.iter().cloned().chain(formula).collect();
    insta::assert_snapshot!("experiment_with_a_formula", form(&of_groups, &with_formula, 100, 40));
    // The chance comes before the last column.
    let bayesian: Vec<Vec<Cell>> = rows
        .into_iter()
        .zip([None, Some(0.9987), None, Some(0.22)])
        .map(|(mut row, chance)| {
            let last = row.len() - 1;
            let numbers = [chance, chance.map(|_| 0.2), chance.map(|_| 0.1), chance.map(|_| 0.3)];
            row.splice(last..last, numbers.map(|number| number.map_or(Nothing, Number)));
            row
        })
        .collect();
    let definition = definition.replace("\"control\"", "\"test\": \"bayesian\", \"control\"");
    insta::assert_snapshot!("bayesian_experiment", form(&definition, &bayesian, 100, 40));
}

#[test]
fn impact_is_a_table_a_metric() {
    let rows_of = |metric: &'static str, name: &'static str, observed: [f64; 2], result: [Option<f64>; 5]| {
        let groups: [(&str, f64, [f64; 5]); 2] = [
            ("adopters", 1200.0, [2.0, 4.0, 9.0, 5.0, 3.0]),
            ("non_adopters", 4800.0, [2.0, 2.0, 2.0, 2.4, 2.0]),
        ];
        let mut rows = Vec::new();
        for (at, (who, users, days)) in groups.into_iter().enumerate() {
            let parts = ["day", "day", "day", "day", "day", "before", "after"];
            let values =
                [days[0], days[1], days[2], days[3], days[4], 3.0 - at as f64, 4.0 - 1.8 * at as f64];
            for (place, (part, value)) in parts.into_iter().zip(values).enumerate() {
                let is_day = part == "day";
                let is_result = at == 0 && part == "after";
                let mut cells = vec![Text(metric), Text(name), Text(who), Text(part)];
                cells.push(if is_day { Number(place as f64 - 2.0) } else { Nothing });
                cells.push(if is_day && at == 1 { Time(place as i64 * 24 * HOUR_MS) } else { Nothing });
                cells.extend([users, observed[at], value * observed[at]].map(Number));
                cells.push(if observed[at] > 0.0 { Number(value) } else { Nothing });
                let told = result.map(|number| number.filter(|_| is_result).map_or(Nothing, Number));
                cells.extend(told);
                cells.push(Number(0.2));
                rows.push(cells);
            }
        }
        rows
    };
    let definition = r#"{"report": "impact", "launch": "Playlist Created", "metrics": [{"event": "Play"}],
        "days_before": 2, "days_after": 2}"#;
    let more = [Some(0.82), Some(3.3), Some(0.7), Some(0.2121), Some(0.9876)];
    insta::assert_snapshot!(
        "impact",
        form(definition, &rows_of("A", "Play", [1200.0, 4800.0], more), 100, 40)
    );
    insta::assert_snapshot!(
        "impact_narrow",
        form(definition, &rows_of("A", "Play", [1200.0, 4800.0], more), 60, 40)
    );
    let less = [Some(0.82), Some(4.5), Some(-0.5), Some(-0.1111), Some(0.999_99)];
    let several =
        definition.replace("[{\"event\"", "[{\"event\": \"Buy\"}, {\"event\": \"Stop\"}, {\"event\"");
    let rows = [
        rows_of("A", "Buy", [900.0, 4800.0], less),
        rows_of("B", "Stop", [0.0, 0.0], [None; 5]),
        rows_of("C", "Play", [900.0, 4800.0], [Some(0.1), Some(4.0), Some(0.0), Some(0.0), None]),
    ]
    .concat();
    insta::assert_snapshot!("impact_of_several", form(&several, &rows, 100, 40));
    let of_groups = several.replace("\"launch\"", "\"count_by\": \"company\", \"launch\"");
    insta::assert_snapshot!("impact_of_groups", form(&of_groups, &rows, 100, 2));
    insta::assert_snapshot!("impact_cut_short", form(&several, &rows, 100, 3));
}

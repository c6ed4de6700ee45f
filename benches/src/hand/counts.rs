//! Loops that count rows.

use arrow::array::timezone::Tz;
use chrono::{DateTime, Offset as _, TimeZone as _};
use serde_json::json;
use tallymark_event::Day;

use super::{Codes, Columns, Rows, add_up};

const MS_PER_HOUR: i64 = 3_600_000;

/// Events by name and day.
pub(crate) fn events_by_day(columns: &Columns) -> Rows {
    let days = columns.days;
    let counts = add_up(columns.parallel(|range| {
        let mut counts = vec![0_u64; 256 * days];
        for (&event, &day) in columns.event.of_row[range.clone()].iter().zip(&columns.day[range]) {
            counts[usize::from(event) * days + usize::from(day)] += 1;
        }
        counts
    }));
    let cells = counts.iter().enumerate().filter(|(_, count)| **count > 0);
    cells
        .map(|(at, &count)| vec![columns.event.value(at / days), columns.day_value(at % days), json!(count)])
        .collect()
}

/// Events by two properties.
pub(crate) fn by_two(columns: &Columns, one: &Codes<u8>, two: &Codes<u8>) -> Rows {
    let counts = add_up(columns.parallel(|range| {
        let mut counts = vec![0_u64; 256 * 256];
        for (&one, &two) in one.of_row[range.clone()].iter().zip(&two.of_row[range]) {
            counts[usize::from(one) * 256 + usize::from(two)] += 1;
        }
        counts
    }));
    let cells = counts.iter().enumerate().filter(|(_, count)| **count > 0);
    cells.map(|(at, &count)| vec![one.value(at / 256), two.value(at % 256), json!(count)]).collect()
}

/// Events of a name, by day and a property.
pub(crate) fn of_event(columns: &Columns, event: &str, property: &Codes<u8>) -> Rows {
    let (event, days) = (columns.event.code(event), columns.days);
    let counts = add_up(columns.parallel(|range| {
        let mut counts = vec![0_u64; 256 * days];
        for row in range {
            if usize::from(columns.event.of_row[row]) == event {
                counts[usize::from(property.of_row[row]) * days + usize::from(columns.day[row])] += 1;
            }
        }
        counts
    }));
    let cells = counts.iter().enumerate().filter(|(_, count)| **count > 0);
    cells
        .map(|(at, &count)| vec![columns.day_value(at % days), property.value(at / days), json!(count)])
        .collect()
}

/// Events with two properties having these values.
pub(crate) fn matching(columns: &Columns, country: &str, platform: &str) -> Rows {
    let (country, platform) = (columns.country.code(country), columns.platform.code(platform));
    let counts = columns.parallel(|range| {
        let (countries, platforms) =
            (&columns.country.of_row[range.clone()], &columns.platform.of_row[range]);
        let rows = countries.iter().zip(platforms);
        rows.filter(|(c, p)| usize::from(**c) == country && usize::from(**p) == platform).count()
    });
    vec![vec![json!(counts.into_iter().sum::<usize>())]]
}

/// Events whose item starts so.
pub(crate) fn item_prefix(columns: &Columns, prefix: &str) -> Rows {
    let mut wanted = vec![false; usize::from(u16::MAX) + 1];
    for (code, name) in columns.item.names.iter().enumerate() {
        wanted[code] = name.starts_with(prefix);
    }
    let counts = columns.parallel(|range| {
        columns.item.of_row[range].iter().filter(|item| wanted[usize::from(**item)]).count()
    });
    vec![vec![json!(counts.into_iter().sum::<usize>())]]
}

/// Events by country in a range of time.
pub(crate) fn between(columns: &Columns, from: i64, to: i64) -> Rows {
    let counts = add_up(columns.parallel(|range| {
        let mut counts = vec![0_u64; 256];
        for (&time, &country) in columns.time[range.clone()].iter().zip(&columns.country.of_row[range]) {
            if from <= time && time < to {
                counts[usize::from(country)] += 1;
            }
        }
        counts
    }));
    let cells = counts.iter().enumerate().filter(|(_, count)| **count > 0);
    cells.map(|(at, &count)| vec![columns.country.value(at), json!(count)]).collect()
}

/// Events by civil day of a zone. Offsets change on whole hours there.
pub(crate) fn by_civil_day(columns: &Columns, zone: Tz) -> Rows {
    let first_hour = i64::from(columns.first_day) * 24;
    let day_of_hour: Vec<usize> = (0..columns.days as i64 * 24)
        .map(|hour| {
            let seconds = (first_hour + hour) * 3_600;
            let utc = DateTime::from_timestamp(seconds, 0).unwrap_or_default().naive_utc();
            let offset = zone.offset_from_utc_datetime(&utc).fix().local_minus_utc();
            ((seconds + i64::from(offset)).div_euclid(86_400) - i64::from(columns.first_day) + 1) as usize
        })
        .collect();
    let counts = add_up(columns.parallel(|range| {
        let mut counts = vec![0_u64; columns.days + 2];
        for &time in &columns.time[range] {
            counts[day_of_hour[(time / MS_PER_HOUR - first_hour) as usize]] += 1;
        }
        counts
    }));
    let cells = counts.iter().enumerate().filter(|(_, count)| **count > 0);
    cells
        .map(|(at, &count)| {
            let day = Day::from_days(columns.first_day + at as i32 - 1);
            vec![json!(day.to_string()), json!(count)]
        })
        .collect()
}

/// The most frequent items.
pub(crate) fn top_items(columns: &Columns, limit: usize) -> Rows {
    let counts = add_up(columns.parallel(|range| {
        let mut counts = vec![0_u64; usize::from(u16::MAX) + 1];
        for &item in &columns.item.of_row[range] {
            counts[usize::from(item)] += 1;
        }
        counts
    }));
    let mut items: Vec<(u64, &str)> =
        columns.item.names.iter().enumerate().map(|(code, name)| (counts[code], name.as_str())).collect();
    items.sort_unstable_by(|a, b| b.0.cmp(&a.0).then(a.1.cmp(b.1)));
    items.into_iter().take(limit).map(|(count, name)| vec![json!(name), json!(count)]).collect()
}

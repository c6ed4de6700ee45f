//! Which columns of a table are the event, its time and its user.

use std::str::FromStr;

use tallymark_event::Timestamp;

use crate::{Error, Result};

const EVENT_COLUMNS: &[&str] = &["event", "event_name", "event_type", "name", "action"];
const TIME_COLUMNS: &[&str] =
    &["time", "timestamp", "ts", "event_time", "event_timestamp", "created_at", "datetime", "date"];
const USER_COLUMNS: &[&str] = &["distinct_id", "user_id", "userid", "user", "customer_id"];
const INSERT_ID_COLUMNS: &[&str] = &["$insert_id", "insert_id"];

/// Which columns of CSV and Parquet input mean what.
///
/// A column not named here is looked for under its usual names, in any letter case, in this order:
///
/// - the event: `event`, `event_name`, `event_type`, `name`, `action`;
/// - the time: `time`, `timestamp`, `ts`, `event_time`, `event_timestamp`, `created_at`,
///   `datetime`, `date`;
/// - the user: `distinct_id`, `user_id`, `userid`, `user`, `customer_id`;
/// - the insert id: `$insert_id`, `insert_id`.
///
/// All other columns become properties of their names, except that `token`, `ip`, `$ignore`,
/// `bucket`, `$bucket`, `$device_id` and `$user_id` mean what they mean in JSON. A table with a
/// column `time`, `distinct_id` or `$insert_id` that is said to be another one is not read: events
/// have no property of such a name. A cell that is null or empty is a property not sent.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ColumnMapping {
    /// The column that names the event.
    pub event_column: Option<String>,
    /// The column that says when it happened.
    pub time_column: Option<String>,
    /// The column that says who did it; without one, nobody did (D-4).
    pub user_column: Option<String>,
    /// The column with the sender's id of the event; without one, repeats are not recognised.
    pub insert_id_column: Option<String>,
    /// The name of every event, where no column names it.
    pub event_name: Option<String>,
    /// What numbers in the time column count; without it, D-6 decides value by value.
    pub time_unit: Option<TimeUnit>,
}

/// The positions of the columns that mean something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Roles {
    /// `None` where every event has the same name.
    pub(crate) event: Option<usize>,
    pub(crate) time: usize,
    pub(crate) user: Option<usize>,
    pub(crate) insert_id: Option<usize>,
}

impl Roles {
    /// A column that would be a property of a name that means something else in JSON, and what.
    fn conflict(self, at: usize, column: &str) -> Option<(&str, &'static str)> {
        let has_role = self.time == at
            || [self.event, self.user, self.insert_id].into_iter().flatten().any(|role| role == at);
        let role = match column {
            _ if has_role => return None,
            "time" => "the event's time (--time-column)",
            "distinct_id" => "the user (--user-column)",
            "$insert_id" => "the insert id",
            _ => return None,
        };
        Some((column, role))
    }
}

impl ColumnMapping {
    /// Finds the columns in a table's header.
    pub(crate) fn resolve(&self, name: &str, columns: &[String]) -> Result<Roles> {
        let find = |wanted: &Option<String>, usual: &[&str], role| match wanted {
            Some(wanted) => match columns.iter().position(|column| column == wanted) {
                Some(at) => Ok(Some(at)),
                None => Err(missing(name, role, Some(wanted), columns)),
            },
            None => Ok(usual
                .iter()
                .find_map(|usual| columns.iter().position(|column| column.eq_ignore_ascii_case(usual)))),
        };
        let event = match (&self.event_column, &self.event_name) {
            (None, Some(_)) => None,
            (column, _) => {
                const ROLE: &str = "the event's name (--event-column)";
                Some(find(column, EVENT_COLUMNS, ROLE)?.ok_or_else(|| missing(name, ROLE, None, columns))?)
            }
        };
        let time_role = "the event's time (--time-column)";
        let time = find(&self.time_column, TIME_COLUMNS, time_role)?
            .ok_or_else(|| missing(name, time_role, None, columns))?;
        let user = find(&self.user_column, USER_COLUMNS, "the user (--user-column)")?;
        let insert_id = find(&self.insert_id_column, INSERT_ID_COLUMNS, "the insert id")?;
        let roles = Roles { event, time, user, insert_id };
        match columns.iter().enumerate().find_map(|(at, column)| roles.conflict(at, column)) {
            None => Ok(roles),
            Some((column, role)) => {
                Err(Error::ReservedColumn { name: name.to_owned(), column: column.to_owned(), role })
            }
        }
    }
}

fn missing(name: &str, role: &'static str, wanted: Option<&String>, columns: &[String]) -> Error {
    const SHOWN: usize = 50;
    let mut list =
        columns.iter().take(SHOWN).map(|column| format!("{column:?}")).collect::<Vec<_>>().join(", ");
    if columns.len() > SHOWN {
        list.push_str(", …");
    }
    Error::Column { name: name.to_owned(), role, wanted: wanted.cloned(), columns: list }
}

/// What a number of a time column counts since 1970-01-01T00:00:00Z.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TimeUnit {
    /// `s`
    Seconds,
    /// `ms`
    Milliseconds,
    /// `us`
    Microseconds,
    /// `ns`
    Nanoseconds,
}

impl TimeUnit {
    /// The instant of `value` units; finer than a millisecond is cut off towards the past.
    /// `None` where milliseconds in 64 bits cannot say it.
    pub fn timestamp(self, value: i64) -> Option<Timestamp> {
        let ms = match self {
            Self::Seconds => value.checked_mul(1000)?,
            Self::Milliseconds => value,
            Self::Microseconds => value.div_euclid(1000),
            Self::Nanoseconds => value.div_euclid(1_000_000),
        };
        Some(Timestamp::from_millis(ms))
    }

    /// The same for a number that may have a fraction.
    pub(crate) fn timestamp_of(self, value: f64) -> Option<Timestamp> {
        let ms = match self {
            Self::Seconds => value * 1e3,
            Self::Milliseconds => value,
            Self::Microseconds => value / 1e3,
            Self::Nanoseconds => value / 1e6,
        };
        (ms.abs() < 9.0e18).then(|| Timestamp::from_millis(ms.floor() as i64))
    }
}

/// Not one of `s`, `ms`, `us`, `ns`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no unit of time: expected s, ms, us or ns")]
pub struct UnknownTimeUnit(pub String);

impl FromStr for TimeUnit {
    type Err = UnknownTimeUnit;

    fn from_str(text: &str) -> Result<Self, UnknownTimeUnit> {
        match text {
            "s" => Ok(Self::Seconds),
            "ms" => Ok(Self::Milliseconds),
            "us" => Ok(Self::Microseconds),
            "ns" => Ok(Self::Nanoseconds),
            other => Err(UnknownTimeUnit(other.to_owned())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn columns(names: &str) -> Vec<String> {
        names.split(' ').map(str::to_owned).collect()
    }

    #[test]
    fn usual_names_are_found_in_any_case_and_in_order() {
        let found =
            ColumnMapping::default().resolve("t", &columns("name Timestamp EVENT User_Id amount")).unwrap();
        assert_eq!(found, Roles { event: Some(2), time: 1, user: Some(3), insert_id: None });
    }

    #[test]
    fn a_named_column_must_be_there_exactly() {
        let mapping = ColumnMapping { time_column: Some("When".into()), ..ColumnMapping::default() };
        let error = mapping.resolve("a.csv", &columns("event when")).unwrap_err().to_string();
        assert_eq!(
            error,
            "a.csv has no column for the event's time (--time-column) named \"When\": its columns are \"event\", \"when\""
        );
    }

    #[test]
    fn a_table_without_an_event_column_needs_a_name_for_all() {
        let names = columns("at who");
        let mapping = ColumnMapping { time_column: Some("at".into()), ..ColumnMapping::default() };
        assert!(mapping.resolve("t", &names).unwrap_err().to_string().contains("--event-column"));
        let named = ColumnMapping { event_name: Some("Order".into()), ..mapping };
        assert_eq!(named.resolve("t", &names).unwrap().event, None);
    }

    #[test]
    fn d40_a_column_that_would_be_no_property_in_json_is_refused() {
        let mapping = ColumnMapping { time_column: Some("at".into()), ..ColumnMapping::default() };
        let error = mapping.resolve("a.csv", &columns("event at time")).unwrap_err().to_string();
        assert_eq!(
            error,
            "a.csv: its column \"time\" cannot be a property, as in JSON this is the name of the event's time \
             (--time-column): give it that role, or rename or drop the column"
        );
        let mapping = ColumnMapping { user_column: Some("who".into()), ..ColumnMapping::default() };
        mapping.resolve("t", &columns("event time who distinct_id")).unwrap_err();
        mapping.resolve("t", &columns("event time who Distinct_Id user_id Time")).unwrap();
    }

    #[test]
    fn units_of_time_cut_towards_the_past() {
        assert_eq!("us".parse::<TimeUnit>().unwrap().timestamp(-1), Some(Timestamp::from_millis(-1)));
        assert_eq!(TimeUnit::Nanoseconds.timestamp(1_999_999), Some(Timestamp::from_millis(1)));
        assert_eq!(TimeUnit::Seconds.timestamp(i64::MAX), None);
        assert_eq!(TimeUnit::Seconds.timestamp_of(1.5), Some(Timestamp::from_millis(1500)));
        assert_eq!(TimeUnit::Seconds.timestamp_of(f64::NAN), None);
        assert!("m".parse::<TimeUnit>().is_err());
    }
}

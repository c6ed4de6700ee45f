//! Which columns of a table are the event, its time and its user.

use tallymark_event::Timestamp;

/// Which columns of CSV and Parquet input mean what. All other columns become properties.
///
/// A column not named is looked for under its usual names, in any letter case: `event`,
/// `event_name`, `event_type`, `name`, `action` for the event; `time`, `timestamp`, `ts`, `event_time`,
/// `event_timestamp`, `created_at`, `datetime`, `date` for the time; `distinct_id`, `user_id`,
/// `userid`, `user`, `customer_id` for the user; `$insert_id`, `insert_id`, `event_id` for the
/// insert id.
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
}

//! One user: who they are and what they did (M-2).

use arrow::array::{Array as _, AsArray as _};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Int64Type, TimestampMillisecondType};
use datafusion::error::DataFusionError;
use serde::Serialize;
use serde_json::{Map, Value};
use tallymark_event::{Properties, Timestamp};
use tallymark_query::plan::sql_text;
use tallymark_query::{FeedOptions, feed};
use tallymark_users::ProfileKey;

use crate::{Engine, Error, Result, View};

const DAY_MS: i64 = 86_400_000;
/// Ids suggested in place of one that is not known.
const SUGGESTIONS: usize = 3;

/// Which events of a user are told one by one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UserOptions {
    /// Those of so many days up to the user's last event: 30. `None` is all.
    pub days: Option<u32>,
    /// But none of these names.
    pub hide: Vec<String>,
    /// The most there are: 100.
    pub limit: usize,
}

impl Default for UserOptions {
    fn default() -> Self {
        Self { days: Some(30), hide: Vec::new(), limit: 100 }
    }
}

/// A user.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct User {
    /// The canonical id.
    pub user_id: String,
    /// All ids, sorted, the canonical one among them.
    pub ids: Vec<String>,
    /// The properties of the profile; `None` if there is none.
    pub profile: Option<Properties>,
    /// When the profile was changed last, or says so itself (U-12).
    pub profile_last_seen: Option<Timestamp>,
    /// The time of the first event.
    pub first_event_time: Option<Timestamp>,
    /// The time of the last event.
    pub last_event_time: Option<Timestamp>,
    /// All events by name, most frequent first.
    pub events: Vec<UserEvents>,
    /// Single events, newest first.
    pub feed: Vec<FeedEvent>,
}

/// A user's events of one name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct UserEvents {
    /// The name.
    pub event: String,
    /// How many.
    pub events: u64,
    /// The time of the first.
    pub first: Timestamp,
    /// The time of the last.
    pub last: Timestamp,
}

/// A single event.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct FeedEvent {
    /// When.
    pub time: Timestamp,
    /// What.
    pub event: String,
    /// The id it was sent with.
    pub distinct_id: String,
    /// Its insert id, if it has one.
    pub insert_id: Option<String>,
    /// Its properties, as they were sent.
    pub properties: Map<String, Value>,
}

impl Engine {
    /// The user that an id belongs to, whichever of their ids it is.
    ///
    /// ```
    /// # tokio::runtime::Runtime::new().unwrap().block_on(async {
    /// use tallymark::{Engine, EngineConfig, Event, Timestamp, UserOptions};
    ///
    /// let engine = Engine::open("memory:///people", EngineConfig::default()).await?;
    /// let time = Timestamp::from_millis(1_700_000_000_000);
    /// engine.append([Event::new("Play", time, "u1").with("mins", 3)]).await?;
    /// let user = engine.user("u1", &UserOptions::default()).await?;
    /// assert_eq!(user.feed[0].properties["mins"], 3);
    /// # Ok::<(), tallymark::Error>(())
    /// # }).unwrap();
    /// ```
    ///
    /// # Errors
    /// [`Error::NoUser`] if there is neither an event nor a profile nor a link of this id, with the
    /// ids that were probably meant.
    pub async fn user(&self, id: &str, options: &UserOptions) -> Result<User> {
        self.view().user(id, options).await
    }
}

impl View {
    /// [`Engine::user`] as of this state.
    ///
    /// # Errors
    /// As [`Engine::user`].
    pub async fn user(&self, id: &str, options: &UserOptions) -> Result<User> {
        let identities = &self.snapshot.identities;
        let user_id = identities.canonical(id).to_owned();
        let ids = identities.ids_of(&user_id);
        let profile = self.snapshot.profiles.get(&ProfileKey::User(user_id.clone()));
        let events = self.events_of(&user_id).await?;
        if profile.is_none() && events.is_empty() && ids.len() <= 1 {
            return Err(Error::NoUser { id: id.to_owned(), closest: self.ids_like(id).await? });
        }
        let first_event_time = events.iter().map(|of_name| of_name.first).min();
        let last_event_time = events.iter().map(|of_name| of_name.last).max();
        let feed = match first_event_time.zip(last_event_time) {
            Some(times) => self.feed_of(&user_id, times, options).await?,
            None => Vec::new(),
        };
        Ok(User {
            profile: profile.map(|profile| profile.properties.clone()),
            profile_last_seen: profile.and_then(|profile| profile.last_seen),
            user_id,
            ids,
            first_event_time,
            last_event_time,
            events,
            feed,
        })
    }

    async fn events_of(&self, user_id: &str) -> Result<Vec<UserEvents>> {
        let query = format!(
            "SELECT event, count(*) AS events, min(time) AS first, max(time) AS last FROM events \
             WHERE user_id = {} GROUP BY event ORDER BY events DESC, event",
            sql_text(user_id)
        );
        let mut events = Vec::new();
        for batch in self.sql(&query).await?.collect().await? {
            let names = cast(batch.column(0), &DataType::Utf8).map_err(DataFusionError::from)?;
            let counts = batch.column(1).as_primitive::<Int64Type>();
            let time = |column: usize, row| {
                Timestamp::from_millis(
                    batch.column(column).as_primitive::<TimestampMillisecondType>().value(row),
                )
            };
            events.extend((0..batch.num_rows()).map(|row| UserEvents {
                event: names.as_string::<i32>().value(row).to_owned(),
                events: counts.value(row) as u64,
                first: time(2, row),
                last: time(3, row),
            }));
        }
        Ok(events)
    }

    /// The single events of a user whose first and last event are at these times.
    async fn feed_of(
        &self,
        user_id: &str,
        (first, last): (Timestamp, Timestamp),
        options: &UserOptions,
    ) -> Result<Vec<FeedEvent>> {
        let from = options.days.map_or(first, |days| {
            first.max(Timestamp::from_millis(last.millis().saturating_sub(i64::from(days) * DAY_MS)))
        });
        let feed_options = FeedOptions {
            user_id: user_id.to_owned(),
            from,
            to: last,
            hidden: options.hide.clone(),
            limit: options.limit,
        };
        let events = feed(&self.session()?, &self.snapshot, &feed_options).await?;
        Ok(events.into_iter().filter_map(|(time, line)| feed_event(time, &line)).collect())
    }

    /// Ids that are close to one, or contain it.
    async fn ids_like(&self, id: &str) -> Result<Vec<String>> {
        let (text, length) = (sql_text(&id.to_lowercase()), id.chars().count());
        let near = (length / 3).clamp(1, 3);
        let query = format!(
            "SELECT id FROM (SELECT id, \
               CASE WHEN abs(length(id) - {length}) <= {near} THEN levenshtein(lower(id), {text}) \
               WHEN {length} >= 3 AND strpos(lower(id), {text}) > 0 THEN length(id) END AS apart FROM (\
               SELECT user_id AS id FROM events WHERE user_id IS NOT NULL \
               UNION SELECT user_id FROM users UNION SELECT id FROM identities)) \
             WHERE apart <= {near} OR strpos(lower(id), {text}) > 0 AND {length} >= 3 \
             ORDER BY apart, id LIMIT {SUGGESTIONS}"
        );
        let mut ids = Vec::new();
        for batch in self.sql(&query).await?.collect().await? {
            let column = cast(batch.column(0), &DataType::Utf8).map_err(DataFusionError::from)?;
            let column = column.as_string::<i32>();
            ids.extend((0..column.len()).map(|row| column.value(row).to_owned()));
        }
        Ok(ids)
    }
}

/// An event from its line in an export.
fn feed_event(time: Timestamp, line: &str) -> Option<FeedEvent> {
    let Value::Object(mut fields) = serde_json::from_str(line).ok()? else { return None };
    let Some(Value::Object(mut properties)) = fields.shift_remove("properties") else { return None };
    properties.shift_remove("time");
    let mut text = |name: &str| match properties.shift_remove(name) {
        Some(Value::String(text)) => Some(text),
        _ => None,
    };
    let (distinct_id, insert_id) = (text("distinct_id").unwrap_or_default(), text("$insert_id"));
    let Some(Value::String(event)) = fields.shift_remove("event") else { return None };
    Some(FeedEvent { time, event, distinct_id, insert_id, properties })
}

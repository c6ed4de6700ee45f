//! What is stored when a case asks.

use std::collections::BTreeMap;

use chrono::DateTime;
use serde_json::{Map, Value, json};
use tallymark_report::{Cohort, EventSelector, Lexicon, Report};

use crate::lookups::{Lookup, items};
use crate::oracle::insights::World;
use crate::oracle::{Dataset, System};

/// What is stored, and what definitions do not have to say.
#[derive(Debug, Clone)]
pub struct Fixture {
    /// The records, in order of arrival, as they are imported.
    pub records: Vec<Value>,
    /// The saved cohorts, definitions as JSON by name.
    pub cohorts: BTreeMap<String, Value>,
    /// The saved events, definitions as JSON by name.
    pub events: BTreeMap<String, Value>,
    /// The lexicon.
    pub lexicon: Value,
    /// The lookup tables.
    pub lookups: Vec<Lookup>,
    /// What is now.
    pub as_of: i64,
    /// The range, unless a definition says another.
    range: &'static str,
}

impl Fixture {
    /// The definition with what the fixture adds.
    pub fn report(&self, definition: &Value) -> Report {
        let mut whole = json!({"report": super::kind(definition), "range": self.range});
        whole.as_object_mut().unwrap().extend(definition.as_object().unwrap().clone());
        match Report::from_value(whole) {
            Ok(report) => report,
            Err(error) => panic!("{definition}: {error}"),
        }
    }

    /// The cohorts, read.
    pub fn definitions(&self) -> BTreeMap<String, Cohort> {
        let read = |value: &Value| serde_json::from_value(value.clone()).unwrap();
        self.cohorts.iter().map(|(name, value)| (name.clone(), read(value))).collect()
    }

    /// What the oracle makes of the records.
    pub fn world(&self) -> World {
        let dataset = Dataset::of(System::Simplified, &self.records, self.as_of);
        assert_eq!((dataset.refused, dataset.duplicates), (0, 0));
        let read = |(name, event): (&String, &Value)| {
            (name.clone(), EventSelector::from_value(name, event.clone()).unwrap())
        };
        let saved_events = self.events.iter().map(read).collect();
        let lexicon = Lexicon::from_value(self.lexicon.clone()).unwrap();
        let world = World::of(&dataset, self.definitions()).with_lookups(self.lookups.clone());
        let world = World { saved_events, ..world };
        world.merged(&lexicon.merged_events(), &lexicon.merged_event_properties())
    }

    fn new(as_of: &str, range: &'static str, records: Vec<Value>) -> Self {
        Self {
            records,
            cohorts: BTreeMap::new(),
            events: BTreeMap::new(),
            lexicon: json!({}),
            lookups: Vec::new(),
            as_of: millis(as_of),
            range,
        }
    }

    fn with_cohorts<const N: usize>(mut self, cohorts: [(&str, Value); N]) -> Self {
        self.cohorts = cohorts.map(|(name, cohort)| (name.to_owned(), cohort)).into();
        self
    }

    /// Section 5.0.
    pub fn alpha() -> Self {
        let records = vec![
            event("2024-01-01T09:00:00Z", "u1", "Play", json!({"genre": "rock", "mins": 10})),
            event("2024-01-01T10:00:00Z", "u1", "Play", json!({"genre": "jazz", "mins": 20})),
            event("2024-01-01T11:00:00Z", "u2", "Play", json!({"genre": "rock", "mins": 30})),
            event("2024-01-02T09:00:00Z", "u1", "Play", json!({"genre": "rock", "mins": 5})),
            event("2024-01-02T09:30:00Z", "u3", "Play", json!({"mins": "n/a"})),
            event("2024-01-02T10:00:00Z", "", "Play", json!({"genre": "rock", "mins": 7})),
            event("2024-01-03T12:00:00Z", "u2", "Buy", json!({"amount": 50})),
            event("2024-01-03T12:05:00Z", "u2", "Play", json!({"genre": "jazz", "mins": 15})),
            event("2024-01-08T08:00:00Z", "u3", "Play", json!({"genre": "Rock", "mins": 40})),
            event("2024-01-08T08:10:00Z", "u3", "Buy", json!({"amount": 20})),
        ];
        Self::new("2024-01-08T23:00:00Z", "2024-01-01 to 2024-01-08", records).with_cohorts([
            ("C1", json!({"all": [{"users": ["u1"]}]})),
            ("C2", json!({"all": [{"users": ["u1", "u2"]}]})),
            ("players", json!({"all": [{"did": {"event": "Play"}}]})),
        ])
    }

    /// The same with saved events, one of them under the name of a stored one.
    pub fn saved() -> Self {
        let jazz = json!({"event": "Play", "where": {"property": "genre", "equals": "jazz"}});
        let rock = json!({"event": "Play", "where": {"property": "genre", "equals": "rock"}});
        let set = json!({"event": "Play", "where": {"property": "genre", "is_set": true}});
        let events = [("Jazz", jazz), ("Rock or buy", json!([rock, "Buy"])), ("Play", set)];
        Self { events: events.map(|(name, event)| (name.to_owned(), event)).into(), ..Self::alpha() }
    }

    /// Events and properties that were sent under two names, which a lexicon merges (M-22).
    pub fn merged() -> Self {
        let records = vec![
            event("2024-01-01T09:00:00Z", "u1", "Play", json!({"genre": "rock", "mins": 10})),
            event("2024-01-01T10:00:00Z", "u1", "play", json!({"style": "jazz", "mins": 20})),
            event("2024-01-01T11:00:00Z", "u2", "play", json!({"style": "jazz", "genre": "folk"})),
            event("2024-01-01T12:00:00Z", "u2", "Play", json!({"style": "rock", "genre": null})),
            event("2024-01-01T13:00:00Z", "u3", "Buy", json!({"tags": ["a"], "labels": ["b"]})),
            event("2024-01-01T14:00:00Z", "u3", "Buy", json!({"labels": ["b", "c"]})),
        ];
        let lexicon = json!({
            "events": {"play": {"merged_into": "Play"}},
            "event_properties": {"style": {"merged_into": "genre"}, "labels": {"merged_into": "tags"}},
        });
        let fixture = Self::new("2024-01-02T00:00:00Z", "2024-01-01 to 2024-01-01", records);
        Self { lexicon, ..fixture }
    }

    /// Fixture LIST of section 5.6, the looked up values on the events themselves.
    pub fn list() -> Self {
        let items = |ids: &[&str]| {
            let row = |id: &str| match id {
                "P1" => ("pants", 100),
                "P2" => ("shirt", 54),
                "P3" => ("Shoes", 109),
                _ => ("music", 199),
            };
            let rows: Vec<_> = ids.iter().map(|id| row(id)).collect();
            let category: Vec<_> = rows.iter().map(|row| row.0).collect();
            let price: Vec<_> = rows.iter().map(|row| row.1).collect();
            json!({"ids": ids, "category": category, "price": price})
        };
        let records = vec![
            event("2024-01-01T10:00:00Z", "u1", "Purchase", items(&["P1", "P2", "P4"])),
            event("2024-01-01T11:00:00Z", "u2", "Purchase", items(&["P2", "P3", "P4"])),
            event("2024-01-01T12:00:00Z", "u3", "Purchase", items(&["P3", "P4"])),
            event(
                "2024-01-02T10:00:00Z",
                "u1",
                "Cart",
                json!({"cart": [{"b": "Puma", "p": 30}, {"b": "Adi", "p": 15}]}),
            ),
            event("2024-01-02T11:00:00Z", "u1", "Tag", json!({"tags": ["a", "a", "b"]})),
            event("2024-01-02T12:00:00Z", "u2", "Tag", json!({"tags": []})),
            event(
                "2024-01-02T13:00:00Z",
                "u2",
                "Place",
                json!({"geo": {"city": "Rome", "at": {"floor": 3}}}),
            ),
        ];
        Self::new("2024-01-02T23:00:00Z", "2024-01-01 to 2024-01-02", records)
    }

    /// Fixture LIST of section 5.6 with its table of items, and ids that the table does not have.
    pub fn looked_up() -> Self {
        let records = vec![
            event("2024-01-01T10:00:00Z", "u1", "Purchase", json!({"ids": ["P1", "P2", "P4"]})),
            event("2024-01-01T11:00:00Z", "u2", "Purchase", json!({"ids": ["P2", "P3", "P4"]})),
            event("2024-01-01T12:00:00Z", "u3", "Purchase", json!({"ids": ["P3", "P4"]})),
            event("2024-01-02T10:00:00Z", "u1", "Stray", json!({"ids": ["P1", "P9"]})),
            event("2024-01-02T11:00:00Z", "u1", "View", json!({"id": "P2"})),
            event("2024-01-02T12:00:00Z", "u2", "View", json!({"id": "P3"})),
            event("2024-01-02T13:00:00Z", "u2", "View", json!({"id": "P9"})),
            event("2024-01-02T14:00:00Z", "u2", "View", json!({})),
        ];
        let fixture = Self::new("2024-01-02T23:00:00Z", "2024-01-01 to 2024-01-02", records);
        Self { lookups: vec![items()], ..fixture }
    }

    /// The examples of K-50 and A-3, and of attribution, each with a user of its own.
    pub fn touched() -> Self {
        let mut records = Vec::new();
        let mut add = |user: &str, events: &[(&str, &str, Value)]| {
            let event =
                |(time, name, properties): &(&str, &str, Value)| event(time, user, name, properties.clone());
            records.extend(events.iter().map(event));
        };
        let none = || json!({});
        let src = |src: &str| json!({"src": src});
        add(
            "borrower",
            &[
                ("2024-05-01T00:00:00Z", "E", json!({"p": "a"})),
                ("2024-05-02T00:00:00Z", "E", none()),
                ("2024-05-03T00:00:00Z", "X", json!({"n": 2})),
                ("2024-05-08T00:00:00Z", "X", json!({"n": 7})),
                ("2024-05-08T00:00:00.001Z", "X", json!({"n": 7.5})),
            ],
        );
        // Of the same time, only an E that comes before counts (G-1).
        add(
            "same time",
            &[
                ("2024-05-01T00:00:00Z", "Y", none()),
                ("2024-05-01T00:00:00Z", "F", json!({"p": "b"})),
                ("2024-05-01T00:00:00Z", "Y", none()),
            ],
        );
        add(
            "reader",
            &[
                ("2024-05-01T10:00:00Z", "Page", none()),
                ("2024-05-01T10:00:05Z", "Page", none()),
                ("2024-05-01T10:01:05Z", "Page", none()),
            ],
        );
        add(
            "Jack",
            &[
                ("2024-04-30T10:00:00Z", "Visit", src("Instagram")),
                ("2024-05-01T10:00:00Z", "Buy", none()),
                ("2024-05-07T10:00:00Z", "Buy", json!({"amount": 30})),
                ("2024-05-09T10:00:00Z", "Visit", src("Facebook")),
                ("2024-05-10T10:00:00Z", "Buy", json!({"amount": 12})),
            ],
        );
        let order = ("2024-05-05T10:00:00Z", "Order", none());
        let (early, late) = ("2024-05-03T10:00:00Z", "2024-05-04T10:00:00Z");
        add("first", &[(early, "Visit", src("Google")), (late, "Visit", src("LinkedIn")), order.clone()]);
        add("second", &[(early, "Visit", src("Facebook")), (late, "Visit", src("Direct")), order.clone()]);
        add("third", &[(late, "Visit", src("Google")), order]);
        let decided = "2024-05-15T10:00:00Z";
        add(
            "slow",
            &[
                ("2024-05-01T10:00:00Z", "Visit", src("X")),
                ("2024-05-08T10:00:00Z", "Visit", src("Y")),
                (decided, "Visit", src("Z")),
                (decided, "Decide", none()),
            ],
        );
        add(
            "late",
            &[("2024-04-01T10:00:00Z", "Visit", src("X")), ("2024-05-02T10:00:00Z", "Return", none())],
        );
        add(
            "again",
            &[
                ("2024-05-01T10:00:00Z", "Visit", src("X")),
                ("2024-05-02T10:00:00Z", "Visit", src("Y")),
                ("2024-05-03T10:00:00Z", "Visit", src("X")),
                ("2024-05-04T10:00:00Z", "Share", json!({"src": "own"})),
            ],
        );
        let six = ["a", "b", "c", "d", "e", "f"].into_iter().enumerate();
        let six: Vec<_> =
            six.map(|(at, name)| (format!("2024-05-0{}T10:00:00Z", at + 1), src(name))).collect();
        let mut six: Vec<_> = six.iter().map(|(time, src)| (time.as_str(), "Visit", src.clone())).collect();
        six.push(("2024-05-09T10:00:00Z", "Sixth", none()));
        add("six", &six);
        Self::new("2024-05-31T12:00:00Z", "2024-05-01 to 2024-05-31", records)
    }

    /// The example of U-20 in section 2.6.
    pub fn planned() -> Self {
        let change = |time: &str, change: Value| {
            let mut record = json!({"$distinct_id": "u1", "$time": millis(time)});
            record.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
            record
        };
        let at = |time: &str| event(time, "u1", "Play", json!({}));
        let records = vec![
            change("2024-06-01T00:00:00Z", json!({"$set": {"plan": "pro"}})),
            change("2024-01-01T00:00:00Z", json!({"$set": {"plan": "free", "seats": 2}})),
            change("2024-03-01T00:00:00Z", json!({"$set": {"seats": 3}})),
            change("2024-09-01T00:00:00Z", json!({"$unset": ["plan"]})),
            at("2023-12-31T12:00:00Z"),
            at("2024-01-01T00:00:00Z"),
            at("2024-05-31T23:59:59.999Z"),
            at("2024-06-01T00:00:00Z"),
            at("2024-09-02T12:00:00Z"),
            event("2024-05-01T00:00:00Z", "u2", "Play", json!({})),
            event("2024-05-01T00:00:00Z", "", "Play", json!({})),
        ];
        Self::new("2024-12-01T12:00:00Z", "2023-12-01 to 2024-12-01", records)
    }

    /// One event a value of `p`, each with a name of its own in `id` (table P-10); and the five
    /// prices of D-28.
    pub fn values() -> Self {
        let values = [
            ("free", json!({"p": "free"})),
            ("Free", json!({"p": "Free"})),
            ("empty", json!({"p": ""})),
            ("null", json!({"p": null})),
            ("absent", json!({})),
            ("5", json!({"p": 5})),
            ("list", json!({"p": ["free", "pro"]})),
            ("empty list", json!({"p": []})),
            ("true", json!({"p": true})),
            ("false", json!({"p": false})),
        ];
        let mut records = Vec::new();
        for (id, mut properties) in values {
            properties["id"] = Value::from(id);
            records.push(event("2024-01-01T10:00:00Z", "u1", "Value", properties));
        }
        for properties in [
            json!({"price": 5}),
            json!({"price": "5"}),
            json!({"price": "abc"}),
            json!({"price": null}),
            json!({}),
        ] {
            records.push(event("2024-01-01T11:00:00Z", "u1", "Price", properties));
        }
        Self::new("2024-01-01T23:00:00Z", "2024-01-01 to 2024-01-01", records)
    }

    /// What the tables of section 5.11 put into ranges and groups.
    pub fn numbers() -> Self {
        let mut records = Vec::new();
        let mut add = |name: &str, values: Vec<Value>| {
            for (at, value) in values.into_iter().enumerate() {
                let properties = if value.is_null() { json!({}) } else { json!({"v": value}) };
                records.push(event("2024-01-01T10:00:00Z", &format!("u{at}"), name, properties));
            }
        };
        add("Hundred", (1..=100).map(Value::from).collect());
        add("Even", [49.0, 50.0, 59.9, 60.0, 99.0, 100.0].map(Value::from).to_vec());
        add("Varied", vec![json!(9.99), json!(10), json!(100), json!("x"), Value::Null]);
        add(
            "Lists",
            vec![json!([0, 0.5, 1, 1.5, 2, 5]), json!([7, "x", 8, 8.5, 10, 10.5, 1, 0.25]), json!([])],
        );
        add("Country", vec![json!("US"), json!("MX"), json!("FR"), Value::Null]);
        Self::new("2024-01-01T23:00:00Z", "2024-01-01 to 2024-01-01", records)
    }

    /// Worked examples of U-15 and U-31, and profiles for S-24.
    pub fn people() -> Self {
        let records = vec![
            event("2024-01-01T10:00:00Z", "u1", "Play", json!({})),
            json!({"$distinct_id": "u1", "$set": {"plan": "free", "age": 20}}),
            event("2024-01-05T10:00:00Z", "u1", "Play", json!({})),
            json!({"$distinct_id": "u1", "$set": {"plan": "pro"}}),
            json!({"$distinct_id": "u2", "$set": {"plan": "pro", "age": 40}}),
            json!({"$distinct_id": "u3", "$set": {"age": "old"}}),
            event("2024-01-02T10:00:00Z", "u1", "Work", json!({"company": "A"})),
            event("2024-01-02T11:00:00Z", "u2", "Work", json!({"company": ["A", "B"]})),
            event("2024-01-02T12:00:00Z", "u1", "Work", json!({})),
            event("2024-01-03T10:00:00Z", "u1", "Idle", json!({"company": [], "how": "empty"})),
            event("2024-01-03T11:00:00Z", "u1", "Idle", json!({"company": ["Z"], "how": "unknown"})),
            event("2024-01-03T12:00:00Z", "u1", "Idle", json!({"company": ["Z", "A"], "how": "one"})),
            json!({"$group_key": "company", "$group_id": "A", "$set": {"tier": "gold", "size": 10}}),
            json!({"$group_key": "company", "$group_id": "B", "$set": {"tier": "tin"}}),
        ];
        Self::new("2024-01-07T12:00:00Z", "2024-01-01 to 2024-01-07", records).with_cohorts([
            ("gold", json!({"group_key": "company", "all": [{"where": {"property": "group.company.tier", "equals": "gold"}}]})),
            ("workers", json!({"all": [{"did": {"event": "Work", "in": "last 7 days"}}]})),
        ])
    }

    /// Events at the edges of days and hours of zones.
    pub fn zones() -> Self {
        let times = [
            // Two days of D-50.
            "2024-01-01T02:00:00Z",
            "2024-01-01T09:00:00Z",
            // The days of G-6.
            "2024-03-10T04:59:00Z",
            "2024-03-10T05:00:00Z",
            "2024-03-11T03:59:00Z",
            "2024-03-11T04:00:00Z",
            "2024-11-03T05:30:00Z",
            "2024-11-03T06:30:00Z",
        ];
        let mut records: Vec<Value> = times.iter().map(|time| event(time, "u1", "Tick", json!({}))).collect();
        records.push(event(
            "2024-01-05T12:00:00Z",
            "u1",
            "Dated",
            json!({"d": "2024-01-05T23:30:00", "c": "2024-01-05"}),
        ));
        Self::new("2024-12-01T12:00:00Z", "2024-01-01 to 2024-12-01", records)
    }

    /// A tick a day from 1 February to 31 March 2024, more of them in March.
    pub fn months() -> Self {
        let day = |month: u32, day: u32| {
            event(&format!("2024-{month:02}-{day:02}T12:00:00Z"), "u1", "Tick", json!({}))
        };
        let mut records: Vec<Value> = (1..=29).map(|date| day(2, date)).collect();
        records.extend((1..=31).flat_map(|date| [day(3, date), day(3, date)]));
        Self::new("2024-04-15T12:00:00Z", "2024-03-01 to 2024-03-31", records)
    }

    /// The worked example of section 9.2.
    pub fn views() -> Self {
        let records = vec![
            event("2024-01-04T10:00:00Z", "u1", "View", json!({})),
            event("2024-01-04T11:00:00Z", "u1", "View", json!({})),
            event("2024-01-09T10:00:00Z", "u1", "View", json!({})),
            event("2024-01-03T10:00:00Z", "u2", "View", json!({})),
            event("2024-01-10T10:00:00Z", "u3", "View", json!({})),
            json!({"$distinct_id": "u4", "$set": {"plan": "pro"}, "$time": 1_704_067_200_000_i64}),
            event("2024-01-05T10:00:00Z", "", "View", json!({})),
        ];
        Self::new("2024-01-10T12:00:00Z", "2024-01-01 to 2024-01-10", records).with_cohorts([
            ("recent", json!({"all": [{"did": {"event": "View", "in": "last 7 days"}}]})),
            ("pro", json!({"all": [{"where": {"property": "user.plan", "equals": "pro"}}]})),
        ])
    }

    /// The users of the table of section 9.3.
    pub fn buyers() -> Self {
        let records = vec![
            event("2024-01-01T10:00:00Z", "u1", "Buy", json!({"amount": 50})),
            event("2024-01-02T10:00:00Z", "u1", "Buy", json!({"amount": 20})),
            event("2024-01-02T11:00:00Z", "u2", "Buy", json!({"amount": 50})),
            event("2024-01-03T10:00:00Z", "u1", "Watch", json!({})),
            event("2024-01-03T11:00:00Z", "u1", "Like", json!({})),
            event("2024-01-03T10:00:00Z", "u2", "Like", json!({})),
            event("2024-01-03T11:00:00Z", "u2", "Watch", json!({})),
            event("2024-01-03T10:00:00Z", "u3", "Watch", json!({})),
            event("2024-01-01T23:50:00Z", "u4", "Ping", json!({})),
            event("2024-01-02T00:10:00Z", "u4", "Ping", json!({})),
            event("2023-12-01T10:00:00Z", "u5", "Play", json!({})),
            event("2024-01-08T10:00:00Z", "u5", "Play", json!({})),
            event("2024-01-08T10:00:00Z", "u6", "Play", json!({})),
            json!({"event": "Seen", "properties": {"time": millis("2024-01-03T09:00:00Z"), "$device_id": "D7"}}),
            json!({"event": "Seen", "properties":
                {"time": millis("2024-01-03T10:00:00Z"), "$device_id": "D7", "$user_id": "u7"}}),
        ];
        Self::new("2024-01-10T12:00:00Z", "2024-01-01 to 2024-01-10", records).with_cohorts([
            ("A", json!({"all": [{"users": ["u1"]}]})),
            ("B", json!({"all": [{"users": ["u2"]}]})),
        ])
    }

    /// The examples of section 10, each with a user of its own who is also named in `who`.
    pub fn clock() -> Self {
        let mut records = Vec::new();
        let mut add = |who: &str, events: &[(&str, &str, Value)]| {
            for (time, name, properties) in events {
                let mut properties = properties.clone();
                properties["who"] = Value::from(who);
                records.push(event(&format!("2024-01-{time}Z"), who, name, properties));
            }
        };
        let none = || json!({});
        let id = |id: &str| json!({"id": id});
        add(
            "gap",
            &[
                ("02T13:00:00", "A", none()),
                ("02T13:10:00", "B", none()),
                ("02T13:50:00", "C", none()),
                ("02T14:10:00", "D", none()),
                ("02T14:25:00", "E", none()),
            ],
        );
        add(
            "midnight",
            &[
                ("02T23:30:00", "A", none()),
                ("02T23:50:00", "B", none()),
                ("03T00:05:00", "C", none()),
                ("03T00:10:00", "D", none()),
            ],
        );
        add("equal", &[("02T10:00:00", "A", none()), ("02T10:30:00", "B", none())]);
        add("longer", &[("02T10:00:00", "A", none()), ("02T10:30:00.001", "B", none())]);
        add("los angeles", &[("02T07:50:00", "A", none()), ("02T08:05:00", "B", none())]);
        add(
            "excluded",
            &[
                ("02T10:00:00", "A", none()),
                ("02T10:20:00", "$campaign_delivery", none()),
                ("02T10:40:00", "B", none()),
            ],
        );
        add(
            "open",
            &[
                ("02T23:15:00", "Login", none()),
                ("02T23:45:00", "B", none()),
                ("03T00:15:00", "Logout", none()),
            ],
        );
        add(
            "closed",
            &[
                ("02T10:00:00", "B", none()),
                ("02T11:00:00", "Login", none()),
                ("02T11:15:00", "Login", none()),
                ("02T11:45:00", "Logout", none()),
                ("02T12:15:00", "Logout", none()),
            ],
        );
        add(
            "same id",
            &[
                ("02T23:15:00", "A", id("456")),
                ("02T23:45:00", "B", id("456")),
                ("03T00:15:00", "C", id("456")),
                ("03T00:30:00", "D", id("456")),
            ],
        );
        add(
            "two ids",
            &[
                ("02T11:00:00", "A", id("123")),
                ("02T11:15:00", "B", id("456")),
                ("02T11:45:00", "C", id("456")),
                ("02T12:15:00", "D", id("456")),
            ],
        );
        add(
            "back again",
            &[
                ("02T11:00:00", "A", id("1")),
                ("02T11:15:00", "B", id("1")),
                ("02T11:30:00", "C", id("2")),
                ("02T11:45:00", "D", id("1")),
            ],
        );
        add(
            "without id",
            &[("02T11:00:00", "A", id("1")), ("02T11:15:00", "B", none()), ("02T11:45:00", "C", id("1"))],
        );
        add(
            "empty id",
            &[("02T11:00:00", "A", id("1")), ("02T11:15:00", "B", id("")), ("02T11:45:00", "C", id("1"))],
        );
        Self::new("2024-01-04T12:00:00Z", "2024-01-01 to 2024-01-04", records)
    }
}

fn millis(time: &str) -> i64 {
    DateTime::parse_from_rfc3339(time).unwrap().timestamp_millis()
}

fn event(time: &str, user: &str, name: &str, properties: Value) -> Value {
    let mut all = Map::new();
    all.insert("time".to_owned(), Value::from(millis(time)));
    all.insert("distinct_id".to_owned(), Value::from(user));
    all.extend(properties.as_object().unwrap().clone());
    json!({"event": name, "properties": all})
}

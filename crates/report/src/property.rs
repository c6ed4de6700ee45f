//! Which value of an event, or of who did it, is meant.

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize};

use crate::computed::{check_parts, check_per_user, check_window};
use crate::lookup::check_key;
use crate::text::{NoList, WordOr, Written, word_or};
use crate::{AttributionModel, EventSelector, PerUser, Period};

/// A property of the event, of its user, of a group, or computed from them.
///
/// Written as text: `"genre"` is a property of the event, `"user.plan"` one of the user's profile
/// (U-15), `"group.company_id.tier"` one of the profile of the group that the event's `company_id`
/// names (U-34). Written as an object it can say the rest: `{"event_property": "user.plan"}` is the
/// event's property of that very name, `{"sql": "price * quantity"}` an expression.
///
/// `"lookup.song_id.artist"` is the column `artist` of the lookup table kept for `song_id`. What an event
/// has from other events of its user is written as an object: `{"borrow": "plan", "from": "Sign up"}`,
/// `{"seconds_to_next": "Page view"}`, `{"per_user": "events", "event": "Play"}`,
/// `{"attributed": "utm_source", "model": "linear"}`.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[serde(untagged)]
#[schemars(with = "Written<Self>")]
pub enum Property {
    /// A property of the event; `a.b` reaches into an object unless a property has that name.
    Event {
        /// Its name.
        #[serde(rename = "event_property")]
        name: String,
    },
    /// A property of the user's profile, as it is now (U-15).
    User {
        /// Its name.
        #[serde(rename = "user_property")]
        name: String,
    },
    /// A property of a group's profile, as it is now.
    Group {
        /// The event's property that names the group (U-30).
        group_key: String,
        /// The name of the group's property.
        #[serde(rename = "group_property")]
        name: String,
    },
    /// A SQL expression over the columns of `events`, `user.NAME` and `group.KEY.NAME` (custom
    /// property, K-21).
    Sql {
        /// The expression.
        sql: String,
    },
    /// How many items the list has (D-25).
    ItemCount {
        /// The list.
        item_count: String,
    },
    /// What a lookup table says of the property's value, or of each item of its list (U-40, U-44).
    Lookup {
        /// The table; the one kept for the property if not said (U-42).
        #[serde(rename = "lookup", skip_serializing_if = "Option::is_none")]
        table: Option<String>,
        /// The property.
        of: Box<Property>,
        /// The column of the table.
        column: String,
    },
    /// A number that the user has in each bucket of the report, or in its whole range; of an attempt
    /// of a funnel between two of its steps, of retention in a time after the birth.
    PerUser {
        /// Which: how many events, or an aggregate of a property of them.
        per_user: Box<PerUser>,
        /// Of these events.
        event: Box<EventSelector>,
        /// In funnels: between the events of these two steps, the first is 1 (F-75).
        #[serde(skip_serializing_if = "Option::is_none")]
        between_steps: Option<[usize; 2]>,
        /// In retention: how long after the birth, the end included.
        #[serde(skip_serializing_if = "Option::is_none")]
        within: Option<Period>,
    },
    /// Of one of these events, the seconds to the user's next one.
    SecondsToNext {
        /// The events.
        seconds_to_next: Box<EventSelector>,
    },
    /// What the property was on the user's last of some events before (K-50).
    Borrowed {
        /// The property.
        borrow: Box<Property>,
        /// The events.
        from: Box<EventSelector>,
        /// How long before at most; 7 days if not said.
        #[serde(skip_serializing_if = "Option::is_none")]
        within: Option<Period>,
    },
    /// What the property was on the user's events before, as what led to this one. Filters look
    /// at the first or last value under the models `first` and `last`, else at all of them.
    Attributed {
        /// The property.
        attributed: Box<Property>,
        /// How credit is given, where events are split by it.
        model: AttributionModel,
        /// How long before at most; 30 days if not said.
        #[serde(skip_serializing_if = "Option::is_none")]
        within: Option<Period>,
        /// Only these events count; all that have the property if not said.
        #[serde(skip_serializing_if = "Option::is_none")]
        touchpoints: Option<Box<EventSelector>>,
        /// Whether touches of one value that follow each other are one, the last of them.
        #[serde(skip_serializing_if = "std::ops::Not::not")]
        collapse_repeats: bool,
    },
    /// A property of the user's profile as it was when the event happened (U-20).
    UserHistory {
        /// Its name.
        user_history: String,
    },
}

/// [`Property`] as an object.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct PropertyObject {
    /// A property of the event, whatever its name looks like.
    event_property: Option<String>,
    /// A property of the user's profile, as it is now.
    user_property: Option<String>,
    /// The event's property that names the group; with `group_property`.
    group_key: Option<String>,
    /// A property of the group's profile.
    group_property: Option<String>,
    /// A SQL expression over the columns of `events`, `user.NAME` and `group.KEY.NAME`.
    sql: Option<String>,
    /// How many items this list has.
    item_count: Option<String>,
    /// The lookup table, if not the one kept for the property; with `of` and `column`.
    lookup: Option<String>,
    /// The property that is looked up; with `column`.
    of: Option<Box<Property>>,
    /// The column of the lookup table.
    column: Option<String>,
    /// A number the user has in the time of the report: events, or an aggregate; with `event`.
    per_user: Option<Box<PerUser>>,
    /// The events that `per_user` is of.
    event: Option<Box<EventSelector>>,
    /// With `per_user`, in funnels: between the events of these two steps, the first is 1.
    between_steps: Option<[usize; 2]>,
    /// Of one of these events, the seconds to the user's next one.
    seconds_to_next: Option<Box<EventSelector>>,
    /// The property as it was on the user's last of some events before; with `from`.
    borrow: Option<Box<Property>>,
    /// The events that are borrowed from.
    from: Option<Box<EventSelector>>,
    /// How long before at most, with `borrow` and `attributed`; how long after the birth, with `per_user`
    /// in retention.
    within: Option<Period>,
    /// The property as it was on what led to the event.
    attributed: Option<Box<Property>>,
    /// With `attributed`: how credit is given; `last` if not said.
    model: Option<AttributionModel>,
    /// With `attributed`: only these events lead to others.
    touchpoints: Option<Box<EventSelector>>,
    /// With `attributed`: whether touches of one value that follow each other are one.
    collapse_repeats: Option<bool>,
    /// The property of the user's profile as it was when the event happened.
    user_history: Option<String>,
}

const KINDS: &str = "one of event_property, user_property, group_key with group_property, sql, item_count, \
                     of with column, per_user with event, seconds_to_next, borrow with from, attributed, \
                     user_history";

impl WordOr<'_> for Property {
    const EXPECTED: &'static str = "a property: its name, or an object";
    type Object = PropertyObject;
    type List = NoList;

    fn of_word(word: &str) -> Result<Self, String> {
        if let Some(name) = word.strip_prefix("user.") {
            return Ok(Self::User { name: name.to_owned() });
        }
        if let Some((of, column)) = word.strip_prefix("lookup.").and_then(|rest| rest.rsplit_once('.')) {
            let of = Box::new(Self::of_word(of)?);
            check_key(&of)?;
            return Ok(Self::Lookup { table: None, of, column: column.to_owned() });
        }
        if let Some((group_key, name)) = word.strip_prefix("group.").and_then(|rest| rest.split_once('.')) {
            return Ok(Self::Group { group_key: group_key.to_owned(), name: name.to_owned() });
        }
        if word.is_empty() {
            return Err("a property has a name".to_owned());
        }
        Ok(Self::Event { name: word.to_owned() })
    }

    fn of_object(object: PropertyObject) -> Result<Self, String> {
        let mut object = object;
        let mut found = Vec::new();
        found.extend(object.event_property.take().map(|name| Self::Event { name }));
        found.extend(object.user_property.take().map(|name| Self::User { name }));
        match (object.group_key.take(), object.group_property.take()) {
            (Some(group_key), Some(name)) => found.push(Self::Group { group_key, name }),
            (None, None) => {}
            _ => return Err("a group's property has both group_key and group_property".to_owned()),
        }
        found.extend(object.sql.take().map(|sql| Self::Sql { sql }));
        found.extend(object.item_count.take().map(|item_count| Self::ItemCount { item_count }));
        found.extend(object.looked_up()?);
        found.extend(object.computed()?);
        if found.len() > 1 {
            return Err(format!("a property is {KINDS}"));
        }
        found.pop().ok_or_else(|| format!("a property is {KINDS}"))
    }
}

impl PropertyObject {
    fn looked_up(&mut self) -> Result<Option<Property>, String> {
        match (self.of.take(), self.column.take(), self.lookup.take()) {
            (None, None, None) => Ok(None),
            (Some(of), Some(column), table) => {
                check_key(&of)?;
                Ok(Some(Property::Lookup { table, of, column }))
            }
            _ => Err("what is looked up has both of and column".to_owned()),
        }
    }

    fn computed(&mut self) -> Result<Option<Property>, String> {
        let mut found = Vec::new();
        let within = self.within.take();
        if let Some(within) = within {
            check_window("within", within)?;
        }
        let between_steps = self.between_steps.take();
        match (self.per_user.take(), self.event.take()) {
            (Some(per_user), Some(event)) => {
                check_per_user(&per_user)?;
                check_parts(None, Some(&event))?;
                found.push(Property::PerUser { per_user, event, between_steps, within });
            }
            (None, None) if between_steps.is_some() => {
                return Err("between_steps goes with per_user".to_owned());
            }
            (None, None) => {}
            _ => return Err("what each user has needs both per_user and event".to_owned()),
        }
        if let Some(seconds_to_next) = self.seconds_to_next.take() {
            check_parts(None, Some(&seconds_to_next))?;
            found.push(Property::SecondsToNext { seconds_to_next });
        }
        found.extend(self.user_history.take().map(|user_history| Property::UserHistory { user_history }));
        match (self.borrow.take(), self.from.take()) {
            (Some(borrow), Some(from)) => {
                check_parts(Some(&borrow), Some(&from))?;
                found.push(Property::Borrowed { borrow, from, within });
            }
            (None, None) => {}
            _ => return Err("what is borrowed has both borrow and from".to_owned()),
        }
        let model = self.model.take();
        let (touchpoints, collapse_repeats) = (self.touchpoints.take(), self.collapse_repeats.take());
        if let Some(attributed) = self.attributed.take() {
            check_parts(Some(&attributed), touchpoints.as_deref())?;
            found.push(Property::Attributed {
                attributed,
                model: model.unwrap_or_default(),
                within,
                touchpoints,
                collapse_repeats: collapse_repeats.unwrap_or(false),
            });
        } else if model.is_some() || touchpoints.is_some() || collapse_repeats.is_some() {
            return Err("model, touchpoints and collapse_repeats go with attributed".to_owned());
        } else if within.is_some()
            && !matches!(found[..], [Property::Borrowed { .. } | Property::PerUser { .. }])
        {
            return Err("within goes with borrow, attributed and per_user".to_owned());
        }
        match found.len() {
            0 | 1 => Ok(found.pop()),
            _ => Err(format!("a property is {KINDS}")),
        }
    }
}

impl<'de> Deserialize<'de> for Property {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        word_or(deserializer)
    }
}

impl Property {
    /// How it is called in results: what a person would write.
    pub fn label(&self) -> String {
        match self {
            Self::Event { name } => name.clone(),
            Self::User { name } => format!("user.{name}"),
            Self::Group { group_key, name } => format!("group.{group_key}.{name}"),
            Self::Sql { sql } => sql.clone(),
            Self::ItemCount { item_count } => format!("item_count({item_count})"),
            Self::Lookup { of, column, .. } => format!("lookup.{}.{column}", of.label()),
            Self::PerUser { per_user, event, between_steps: Some([from, to]), .. } => {
                format!("{} of {} between steps {from} and {to}", per_user.label(), event.label())
            }
            Self::PerUser { per_user, event, within: Some(within), .. } => {
                let (what, event) = (per_user.label(), event.label());
                format!("{what} of {event} within {} of birth", within.label())
            }
            Self::PerUser { per_user, event, .. } => {
                format!("{} per user of {}", per_user.label(), event.label())
            }
            Self::SecondsToNext { seconds_to_next } => format!("seconds to next {}", seconds_to_next.label()),
            Self::Borrowed { borrow, from, .. } => format!("{} of last {}", borrow.label(), from.label()),
            Self::Attributed { attributed, model, .. } => {
                format!("{} ({})", attributed.label(), model.name())
            }
            Self::UserHistory { user_history } => format!("history(user.{user_history})"),
        }
    }
}

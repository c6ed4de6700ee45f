//! What a report is asked of: the tables of a snapshot, a calendar, and now.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::ControlFlow;
use std::sync::{Arc, Mutex};

use arrow::array::{Array as _, AsArray as _, BooleanArray, ListBuilder, StringViewBuilder, UInt32Array};
use arrow::compute::{cast, take};
use arrow::datatypes::{DataType, FieldRef};
use datafusion::common::tree_node::{Transformed, TreeNode as _, TreeNodeRecursion};
use datafusion::common::{Column, DFSchema, ScalarValue};
use datafusion::datasource::provider_as_source;
use datafusion::execution::SessionState;
use datafusion::logical_expr::{Case, Expr, ExprSchemable as _, LogicalPlanBuilder, lit};
use datafusion::sql::sqlparser::ast::{Expr as SqlExpr, Ident, visit_expressions_mut};
use tallymark_event::PropertyCatalog;
use tallymark_event::columns::{EVENT, SEQUENCE, TIME, USER_ID};
use tallymark_report::{
    Calendar, CastType, Cohort, EventChoice, EventSelector, Filter, Instants, PerUser, Property, SESSION_END,
    SESSION_START, Scope,
};
use tallymark_users::ProfileKey;

use super::computed::{Computed, Window};
use super::convert::{self, TEXT};
use super::filter::{ITEM, utf8};
use super::insights::actors::FirstTimes;
use super::merged::{Merged, STORED_END, STORED_START};
use super::values::{Item, Values, first_set};
use crate::events_table::EventsTable;
use crate::functions::made::call;
use crate::lookups::Lookups;
use crate::resident::among::{UserIds, is_among};
use crate::tables::{DatasetTables, EVENTS, ProfilesTable};
use crate::{Error, Result};

/// All time there is.
pub(super) const EVER: Instants = Instants { from: i64::MIN / 2, to: i64::MAX, days: None };
/// The function that asks in a report's SQL whether the event's user is in a cohort.
pub(super) const COHORT: &str = "cohort";

/// What the names of profile columns begin with while SQL is read.
const OF_PROFILE: char = '\u{1}';
/// What profiles of users are called in SQL.
const USER: &str = "user";
/// What profiles of groups are called.
const GROUP: &str = "group";

/// Everything that expressions of a report are made from.
#[derive(Debug, Clone)]
pub(super) struct Asked {
    pub(super) state: SessionState,
    pub(super) tables: Arc<DatasetTables>,
    pub(super) calendar: Calendar,
    /// Now, in milliseconds (G-2).
    pub(super) as_of: i64,
    /// The members of the cohorts that the report names.
    pub(super) members: HashMap<String, Arc<UserIds>>,
    /// Names that "all events" leave out (M-20).
    pub(super) hidden_events: Arc<BTreeSet<String>>,
    /// What expressions are over: the events, or the profiles, which have no properties of events.
    pub(super) is_of_profiles: bool,
    /// Whether expressions are over numbers of attempts, in place of items (F-75).
    pub(super) is_of_attempts: bool,
    /// By which key those are groups who are asked about, where expressions are over profiles of
    /// groups; their ids are in place of those of users (C-21).
    pub(super) groups_of: Option<String>,
    /// The keys of cohorts of groups, by their names.
    pub(super) group_cohorts: Arc<BTreeMap<String, String>>,
    /// Conditions on lists of which breakdowns and measures see only what met them (P-32).
    pub(super) matching: Arc<Vec<Filter>>,
    /// Where in an item of a list the object is whose properties are meant (P-33).
    pub(super) object_at: Option<Vec<String>>,
    /// When who did something first (S-50), by what was asked.
    pub(super) first_times: Arc<Mutex<HashMap<String, FirstTimes>>>,
    /// Events and properties that are read as others (M-22).
    pub(super) merged: Arc<Merged>,
    /// Saved events by name (P-41).
    pub(super) saved_events: Arc<BTreeMap<String, EventSelector>>,
    /// The lookup tables.
    pub(super) lookups: Arc<Lookups>,
    /// What properties that come from other events are made from.
    pub(super) computed: Arc<Vec<(Property, Arc<Computed>)>>,
    /// The time that is measured, for what users do in it.
    pub(super) window: Option<Window>,
}

impl Asked {
    pub(super) fn new(
        state: SessionState,
        tables: Arc<DatasetTables>,
        scope: &Scope,
        now: i64,
    ) -> Result<Self> {
        let calendar = Calendar { zone: scope.zone()?, week_start: scope.week_start };
        let as_of = match &scope.as_of {
            Some(as_of) => calendar.end_of(as_of).map_err(|error| error.within("as_of"))?,
            None => now,
        };
        Ok(Self {
            state,
            tables,
            calendar,
            as_of,
            members: HashMap::new(),
            hidden_events: Arc::default(),
            is_of_profiles: false,
            is_of_attempts: false,
            groups_of: None,
            group_cohorts: Arc::default(),
            matching: Arc::default(),
            object_at: None,
            first_times: Arc::default(),
            merged: Arc::default(),
            saved_events: Arc::default(),
            lookups: Arc::default(),
            computed: Arc::default(),
            window: None,
        })
    }

    /// The same for expressions over profiles: of users, or of groups by a key.
    pub(super) fn of_profiles(&self, group_key: Option<&str>) -> Self {
        Self { is_of_profiles: true, groups_of: group_key.map(str::to_owned), ..self.clone() }
    }

    pub(super) fn events(&self) -> Arc<EventsTable> {
        self.tables.events()
    }

    pub(super) fn catalog(&self) -> &PropertyCatalog {
        &self.tables.snapshot().catalog
    }

    /// The events, to build on.
    pub(super) fn scan(&self) -> Result<LogicalPlanBuilder> {
        let events = self.events();
        LogicalPlanBuilder::scan(EVENTS, provider_as_source(events), None).map_err(plan_error)
    }

    /// Whether an event happened within a range, and not later than now (G-2).
    pub(super) fn within(&self, range: &Instants) -> Expr {
        let time = || column(TIME);
        let to = range.to.min(self.as_of.saturating_add(1));
        time().gt_eq(instant(range.from)).and(time().lt(instant(to)))
    }

    /// Whether an event is one of those selected; first times are not looked at.
    pub(super) fn selects(&self, selector: &EventSelector) -> Result<Expr> {
        let (plain, filtered): (Vec<_>, Vec<_>) =
            selector.any_of.iter().partition(|choice| choice.filter.is_none());
        let mut any = Vec::new();
        if !plain.is_empty() {
            any.push(self.named(&plain)?);
        }
        for choice in filtered {
            let named = self.named(&[choice])?;
            any.push(match &choice.filter {
                Some(filter) => named.and(self.filter(filter)?),
                None => named,
            });
        }
        Ok(any.into_iter().reduce(Expr::or).unwrap_or_else(|| lit(false)))
    }

    /// Whether an event is one of those named, whatever the filters of the choices: a saved event
    /// has filters of its own (P-41).
    pub(super) fn named(&self, choices: &[&EventChoice]) -> Result<Expr> {
        let (saved, stored): (Vec<_>, Vec<_>) =
            choices.iter().partition(|choice| self.saved_events.contains_key(&choice.event));
        let mut any = Vec::new();
        if !stored.is_empty() || saved.is_empty() {
            any.push(self.stored(&stored));
        }
        // The names in a saved event are those of stored ones.
        let of_stored = Self { saved_events: Arc::default(), ..self.clone() };
        for selector in saved.iter().filter_map(|choice| self.saved_events.get(&choice.event)) {
            any.push(of_stored.selects(selector)?);
        }
        Ok(any.into_iter().reduce(Expr::or).unwrap_or_else(|| lit(false)))
    }

    /// Whether an event is stored under one of these names, or read under one.
    fn stored(&self, choices: &[&EventChoice]) -> Expr {
        let event = || column(EVENT);
        let text = |name: &str| lit(ScalarValue::Utf8View(Some(name.to_owned())));
        if choices.iter().any(|choice| choice.is_all()) {
            let asked: Vec<&str> = choices.iter().map(|choice| choice.event.as_str()).collect();
            let hidden = self.hidden_events.iter().filter(|name| !asked.contains(&name.as_str()));
            // P-40: session events are none of them.
            let of_sessions = [SESSION_START, SESSION_END]
                .into_iter()
                .filter(|name| self.merged.has_session_events && !asked.contains(name));
            let hidden = hidden.map(String::as_str).chain(of_sessions);
            let hidden: Vec<Expr> = hidden.flat_map(|name| self.merged.stored_as(name)).map(text).collect();
            return if hidden.is_empty() { lit(true) } else { event().in_list(hidden, true) };
        }
        let names: Vec<&str> =
            choices.iter().flat_map(|choice| self.merged.stored_as(&choice.event)).collect();
        match &names[..] {
            [] => lit(false),
            [name] => event().eq(text(name)),
            _ => event().in_list(names.into_iter().map(text).collect(), false),
        }
    }

    /// Where an event is among those of one instant (G-1): that of an ordinary one is three times its
    /// sequence, so that a session can end just after it and another start just after that.
    pub(super) fn order(&self) -> Expr {
        let sequence = || column(SEQUENCE);
        if !self.merged.has_session_events {
            return sequence();
        }
        let is_it = |name: &str| Box::new(column(EVENT).eq(utf8(name)));
        let after = Case {
            expr: None,
            when_then_expr: vec![
                (is_it(STORED_END), Box::new(lit(1i64))),
                (is_it(STORED_START), Box::new(lit(2i64))),
            ],
            else_expr: Some(Box::new(lit(0i64))),
        };
        sequence() * lit(3i64) + Expr::Case(after)
    }

    /// The values of a property.
    pub(super) fn values(&self, property: &Property) -> Result<Values> {
        if let (Property::Event { name }, Some(object)) = (property, &self.object_at) {
            let path = object.iter().cloned().chain(name.split('.').map(str::to_owned));
            return Ok(Values::in_json(&column(ITEM), &path.collect::<Vec<_>>()));
        }
        Ok(match property {
            Property::Event { .. } if self.is_of_profiles => Values::default(),
            Property::Event { name } => {
                let stored = |name: &str| Ok(Values::of_property(self.catalog(), name, &column));
                let values = self.read_values(name, stored)?;
                match Values::of_system(name) {
                    Some(_) if values.is_unknown() && name == EVENT => {
                        Values { text: Some(self.event_name()), ..Values::default() }
                    }
                    Some(system) if values.is_unknown() => system,
                    _ => values,
                }
            }
            // U-35.
            Property::User { .. } if self.groups_of.is_some() => Values::default(),
            Property::User { name } => {
                let users = self.tables.users();
                let column = |lane: &str| profile_of_user(&users, lane);
                Values::of_property(users.catalog(), name, &column)
            }
            Property::Group { group_key, name } => {
                let groups = self.tables.groups();
                if self.groups_of.as_ref() == Some(group_key) {
                    let column = |lane: &str| profile_of_group(&groups, group_key, &column(USER_ID), lane);
                    return Ok(Values::of_property(groups.catalog(), name, &column));
                }
                let keys = self.group_keys(group_key)?;
                let no_text = || lit(ScalarValue::Utf8View(None));
                let scalar = keys.scalar_text().unwrap_or_else(no_text);
                let column = |lane: &str| profile_of_group(&groups, group_key, &scalar, lane);
                let mut values = Values::of_property(groups.catalog(), name, &column);
                if !keys.lists.is_empty() {
                    // U-35: one value for each group that is named.
                    let ids = self.items_as_text(&keys, no_text(), None, "")?;
                    values.lists.push((Item::Json, values_of_groups(&self.tables, group_key, name, ids)));
                }
                values
            }
            Property::Sql { sql } => {
                let expr = self.sql(sql)?;
                let schema = self.events_schema()?;
                let data_type = expr.get_type(&schema).map_err(plan_error)?;
                Values::of_expr(expr, &data_type)
            }
            Property::ItemCount { item_count } => {
                Self::item_count(self.values(&Property::Event { name: item_count.clone() })?)
            }
            Property::Lookup { table, of, column } => self.looked_up(table.as_deref(), of, column)?,
            Property::PerUser { .. }
            | Property::SecondsToNext { .. }
            | Property::Borrowed { .. }
            | Property::Attributed { .. }
            | Property::UserHistory { .. } => self.computed_values(property)?,
        })
    }

    /// How many items the list has (D-25).
    pub(super) fn item_count(values: Values) -> Values {
        let counts = values.lists.into_iter().map(|(_, list)| {
            call("item_count", DataType::Float64, vec![list], |args| {
                let lists = args[0].as_list::<i32>();
                let count = |row| lists.is_valid(row).then(|| f64::from(lists.value_length(row)));
                let counts = (0..lists.len()).map(count);
                Ok(Arc::new(counts.collect::<arrow::array::Float64Array>()))
            })
        });
        Values { number: first_set(counts), ..Values::default() }
    }

    /// What names the group of an event: a property of the event, else of its user (U-35).
    fn group_keys(&self, group_key: &str) -> Result<Values> {
        let of_event = self.values(&Property::Event { name: group_key.to_owned() })?;
        let of_user = self.values(&Property::User { name: group_key.to_owned() })?;
        // The user's is looked at where the event has none.
        let is_set = of_event.is_set();
        let otherwise = |value: Expr| {
            let when = (Box::new(is_set.clone().is_not_true()), Box::new(value));
            Expr::Case(Case { expr: None, when_then_expr: vec![when], else_expr: None })
        };
        let of_users = of_user.scalar_text().map(otherwise);
        let scalar = first_set(of_event.scalar_text().into_iter().chain(of_users));
        let lists_of_users = of_user.lists.into_iter().map(|(item, list)| (item, otherwise(list)));
        let lists = of_event.lists.into_iter().chain(lists_of_users).collect();
        Ok(Values { text: scalar, lists, ..Values::default() })
    }

    /// The different items of whichever list there is, turned into a type if one is said, else the
    /// scalar: a list of texts. With a `tag`, texts tell values of different types apart.
    pub(super) fn items_as_text(
        &self,
        values: &Values,
        scalar: Expr,
        to: Option<CastType>,
        tag: &str,
    ) -> Result<Expr> {
        let mut arguments = vec![scalar];
        let mut of_items = Vec::new();
        for (item, list) in &values.lists {
            arguments.push(list.clone());
            let of_item = Values::of_item(*item, column(ITEM)).cast_if(to, self.calendar);
            let text = if tag.is_empty() { of_item.scalar_text() } else { of_item.tagged() };
            let text = text.unwrap_or_else(|| lit(ScalarValue::Utf8View(None)));
            of_items.push(self.over_items(text, item.data_type())?);
        }
        Ok(call(format!("items({tag}, {to:?})"), convert::list_of_text(), arguments, move |args| {
            convert::distinct_items(args, &of_items)
        }))
    }

    pub(super) fn events_schema(&self) -> Result<DFSchema> {
        DFSchema::try_from(self.events().schema.as_ref().clone()).map_err(plan_error)
    }

    /// A SQL expression over the columns of `events`, `user.NAME`, `group.KEY.NAME` and
    /// `cohort('NAME')`.
    pub(super) fn sql(&self, sql: &str) -> Result<Expr> {
        let expr = self.parsed(sql)?;
        let (users, groups) = (self.tables.users(), self.tables.groups());
        let rewritten = expr.transform_up(|expr| {
            let Expr::Column(named) = &expr else {
                return Ok(match named_cohort(&expr) {
                    Some(name) => Transformed::yes(self.in_cohort(&name)),
                    None => Transformed::no(expr),
                });
            };
            if named.name == EVENT && self.merged.has_session_events {
                return Ok(Transformed::yes(Self::shown_event()));
            }
            Ok(match named.name.strip_prefix(OF_PROFILE).and_then(|name| name.split_once('.')) {
                Some((USER, lane)) => Transformed::yes(profile_of_user(&users, lane)),
                Some((_, rest)) => {
                    // The longest group key: names of properties have dots too.
                    let keys = self.group_keys_known();
                    let key = keys.into_iter().rev().find(|key| rest.starts_with(&format!("{key}.")));
                    let key = key.unwrap_or_default();
                    let of_key = match &self.groups_of {
                        Some(own) if own == key => Some(column(USER_ID)),
                        _ => self.group_keys(key).ok().and_then(|values| values.scalar_text()),
                    };
                    let of_key = of_key.unwrap_or_else(|| lit(ScalarValue::Utf8View(None)));
                    let lane = rest.get(key.len() + 1..).unwrap_or_default();
                    Transformed::yes(profile_of_group(&groups, key, &of_key, lane))
                }
                None => Transformed::no(expr),
            })
        });
        Ok(rewritten.map_err(plan_error)?.data)
    }

    fn group_keys_known(&self) -> BTreeSet<&str> {
        self.tables.snapshot().profiles.groups().map(|(key, _, _)| key).collect()
    }

    /// The expression as it is written. Columns of profiles have names that begin with
    /// [`OF_PROFILE`]: properties of events may be called the same.
    fn parsed(&self, sql: &str) -> Result<Expr> {
        let renamed = |names: &str, field: &FieldRef| {
            let name = format!("{OF_PROFILE}{names}.{}", field.name());
            Arc::new(field.as_ref().clone().with_name(name))
        };
        let mut fields: Vec<FieldRef> = self.events().schema.fields().iter().cloned().collect();
        fields.extend(self.tables.users().lane_fields().map(|field| renamed(USER, &field)));
        let groups = self.tables.groups();
        for key in self.group_keys_known() {
            fields.extend(groups.lane_fields().map(|field| renamed(&format!("{GROUP}.{key}"), &field)));
        }
        let schema = DFSchema::from_unqualified_fields(fields.into(), HashMap::new()).map_err(plan_error)?;
        let dialect = self.state.config().options().sql_parser.dialect;
        let mut written =
            self.state.sql_to_expr_with_alias(sql, &dialect).map_err(|source| Error::Parse { source })?;
        let _ = visit_expressions_mut(&mut written.expr, |expr| {
            if let SqlExpr::CompoundIdentifier(names) = expr
                && let [of, ..] = &names[..]
                && [USER, GROUP].contains(&of.value.as_str())
            {
                let name = names.iter().map(|name| name.value.as_str()).collect::<Vec<_>>().join(".");
                *expr = SqlExpr::Identifier(Ident::with_quote('"', format!("{OF_PROFILE}{name}")));
            }
            ControlFlow::<()>::Continue(())
        });
        let expr = self.state.create_logical_expr_from_sql_expr(written, &schema);
        expr.map_err(|source| match crate::statement::explained(source) {
            Error::UnknownColumn { name, suggestions } => {
                let plain = |name: String| name.trim_start_matches(OF_PROFILE).to_owned();
                let suggestions = suggestions.into_iter().map(plain).collect();
                Error::UnknownColumn { name: plain(name), suggestions }
            }
            other => other,
        })
    }

    /// The cohorts that a filter names, added to `names`.
    pub(super) fn cohorts_of(&self, filter: &Filter, names: &mut BTreeSet<String>) -> Result<()> {
        match filter {
            Filter::Sql(sql) => self.cohorts_of_sql(sql, names)?,
            Filter::List(filters) | Filter::All { all: filters } | Filter::Any { any: filters } => {
                filters.iter().try_for_each(|filter| self.cohorts_of(filter, names))?;
            }
            Filter::Not { not } => self.cohorts_of(not, names)?,
            // Objects are in no cohorts.
            Filter::ListContains(_) => {}
            Filter::InCohort { in_cohort: cohorts } | Filter::NotInCohort { not_in_cohort: cohorts } => {
                names.extend(cohorts.iter().cloned());
            }
            Filter::Condition(condition) => self.cohorts_of_property(&condition.property, names)?,
        }
        Ok(())
    }

    /// The cohorts that filters of events name, those of saved events among them.
    pub(super) fn cohorts_of_events(
        &self,
        selector: &EventSelector,
        names: &mut BTreeSet<String>,
    ) -> Result<()> {
        for choice in &selector.any_of {
            choice.filter.iter().try_for_each(|filter| self.cohorts_of(filter, names))?;
            let saved = self.saved_events.get(&choice.event).map(|saved| saved.any_of.as_slice());
            for choice in saved.unwrap_or_default() {
                choice.filter.iter().try_for_each(|filter| self.cohorts_of(filter, names))?;
            }
        }
        Ok(())
    }

    pub(super) fn cohorts_of_property(
        &self,
        property: &Property,
        names: &mut BTreeSet<String>,
    ) -> Result<()> {
        match property {
            Property::Sql { sql } => self.cohorts_of_sql(sql, names),
            Property::Event { .. }
            | Property::User { .. }
            | Property::Group { .. }
            | Property::ItemCount { .. }
            | Property::Lookup { .. }
            | Property::UserHistory { .. } => Ok(()),
            Property::PerUser { per_user, event, .. } => {
                if let PerUser::OfProperty { of, .. } = per_user.as_ref() {
                    self.cohorts_of_property(of, names)?;
                }
                self.cohorts_of_events(event, names)
            }
            Property::SecondsToNext { seconds_to_next } => self.cohorts_of_events(seconds_to_next, names),
            Property::Borrowed { borrow, from, .. } => {
                self.cohorts_of_property(borrow, names)?;
                self.cohorts_of_events(from, names)
            }
            Property::Attributed { attributed, touchpoints, .. } => {
                self.cohorts_of_property(attributed, names)?;
                touchpoints.iter().try_for_each(|events| self.cohorts_of_events(events, names))
            }
        }
    }

    pub(super) fn cohorts_of_sql(&self, sql: &str, names: &mut BTreeSet<String>) -> Result<()> {
        let found = self.parsed(sql)?.apply(|expr| {
            names.extend(named_cohort(expr));
            Ok(TreeNodeRecursion::Continue)
        });
        found.map(drop).map_err(plan_error)
    }

    /// Whether the event's user, or one of its groups, is in a cohort; null for nobody.
    pub(super) fn in_cohort(&self, name: &str) -> Expr {
        let members = self.members.get(name).cloned().unwrap_or_default();
        let called = format!("cohort({name})");
        match self.group_cohorts.get(name).filter(|key| self.groups_of.as_ref() != Some(key)) {
            None => is_among(called, members),
            // Without a property of that name there are no groups.
            Some(key) => match self.groups_by(key) {
                Ok(groups) => is_any_among(called, groups.label, members),
                Err(_) => lit(ScalarValue::Boolean(None)),
            },
        }
    }
}

/// Whether any of the groups is one of these, by an id or a list of them; null for none.
fn is_any_among(name: String, ids: Expr, members: Arc<UserIds>) -> Expr {
    call(name, DataType::Boolean, vec![ids], move |args| {
        if let DataType::List(_) = args[0].data_type() {
            let is_member =
                |ids: Vec<String>| (!ids.is_empty()).then(|| ids.iter().any(|id| members.contains(id)));
            let ids = convert::texts_of(&args[0])?.into_iter();
            return Ok(Arc::new(ids.map(is_member).collect::<BooleanArray>()));
        }
        let ids = cast(&args[0], &TEXT)?;
        let is_member = |id: Option<&str>| id.map(|id| members.contains(id));
        Ok(Arc::new(ids.as_string_view().iter().map(is_member).collect::<BooleanArray>()))
    })
}

/// `cohort('NAME')`.
fn named_cohort(expr: &Expr) -> Option<String> {
    let Expr::ScalarFunction(function) = expr else { return None };
    match &function.args[..] {
        [Expr::Literal(name, _)] if function.name() == COHORT => {
            name.try_as_str().flatten().map(str::to_owned)
        }
        _ => None,
    }
}

/// A column of the profiles, for each user.
fn profile_of_user(users: &Arc<ProfilesTable>, lane: &str) -> Expr {
    match users.lane_position(lane) {
        Some((at, _)) => users.value_at(at, column(USER_ID)),
        None => lit(ScalarValue::Null),
    }
}

/// A column of the profiles, for the group each `key` names.
fn profile_of_group(groups: &Arc<ProfilesTable>, group_key: &str, key: &Expr, lane: &str) -> Expr {
    let Some((column, data_type)) = groups.lane_position(lane) else {
        return lit(ScalarValue::Null);
    };
    let (groups, of_key) = (Arc::clone(groups), group_key.to_owned());
    call(format!("group.{group_key}.{lane}"), data_type, vec![key.clone()], move |args| {
        let ids = cast(&args[0], &TEXT)?;
        let rows = groups.rows_of_groups();
        let row = |id: Option<&str>| rows.get(&ProfilesTable::group_row_key(&of_key, id?)).copied();
        let rows: UInt32Array = ids.as_string_view().iter().map(row).collect();
        Ok(take(groups.array(column), &rows, None)?)
    })
}

/// What a property of each of the groups is that `ids` name: lists of JSON texts. Groups that have
/// none add no item.
fn values_of_groups(tables: &DatasetTables, group_key: &str, property: &str, ids: Expr) -> Expr {
    let snapshot = Arc::clone(tables.snapshot());
    let (group_key, property) = (group_key.to_owned(), property.to_owned());
    let name = format!("groups.{group_key}.{property}");
    call(name, convert::list_of_text(), vec![ids], move |args| {
        let mut lists = ListBuilder::new(StringViewBuilder::new());
        for ids in convert::texts_of(&args[0])? {
            let mut is_set = false;
            for id in &ids {
                let key = ProfileKey::Group { key: group_key.clone(), id: id.clone() };
                let value = snapshot.profiles.get(&key).and_then(|profile| profile.property(&property));
                if let Some(value) = value {
                    lists.values().append_value(value.to_string());
                    is_set = true;
                }
            }
            lists.append(is_set);
        }
        Ok(Arc::new(lists.finish()))
    })
}

/// An instant as SQL has it.
pub(super) fn instant(millis: i64) -> Expr {
    lit(ScalarValue::TimestampMillisecond(Some(millis), Some("UTC".into())))
}

/// A column by its name as it is written.
pub(super) fn column(name: &str) -> Expr {
    Expr::Column(Column::from_name(name))
}

/// What Arrow finds wrong in an answer.
pub(super) fn arrow_error(source: arrow::error::ArrowError) -> Error {
    Error::Run { source: source.into() }
}

/// What DataFusion finds wrong while an expression or a plan of a report is made.
pub(super) fn plan_error(source: datafusion::common::DataFusionError) -> Error {
    Error::Plan { source }
}

/// All cohorts there are, by name.
pub(super) type Cohorts = BTreeMap<String, Cohort>;

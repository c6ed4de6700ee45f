//! Records → columns: one block of input as an [`EventBatch`].
//!
//! A batch keeps the text it was parsed from and points into it: a string costs a 16-byte Arrow
//! view, is not copied and not hashed. Rows stand in order of ingestion; everything that must happen in
//! that order (identity, profiles) is kept aside as [`PeopleItem`]s.

use std::collections::HashMap;
use std::hash::{BuildHasher as _, RandomState};

use arrow::array::{StringViewArray, make_view};
use arrow::buffer::{Buffer, NullBuffer, ScalarBuffer};
use hashbrown::HashTable;
use tallymark_event::{Event, LaneKind, PropertyValue, Timestamp, ValueKinds};
use tallymark_users::{IdentityOp, IdentitySystem, ProfileUpdate, assign};

/// Buffer numbers in the views of a batch: the text parsed from, copies of what it holds only
/// escaped, and what we noted ourselves later.
const TEXT: u32 = 0;
const ARENA: u32 = 1;
const NOTES: u32 = 2;
/// How many buffers a batch has.
pub(crate) const BUFFERS: u32 = 3;

/// The property that tells why an event did not link (I-8).
pub(crate) const IDENTITY_FAILURE: &str = "$identity_failure_reason";

/// The property that names the user (I-1).
const USER_ID: &str = "$user_id";

/// Values of one type and the rows they belong to, ascending.
#[derive(Debug)]
pub(crate) struct Values<T> {
    pub(crate) rows: Vec<u32>,
    pub(crate) values: Vec<T>,
}

impl<T> Default for Values<T> {
    fn default() -> Self {
        Self { rows: Vec::new(), values: Vec::new() }
    }
}

impl<T> Values<T> {
    fn push(&mut self, row: u32, value: T) {
        self.rows.push(row);
        self.values.push(value);
    }
}

/// All values of one property in a batch, by type.
#[derive(Debug)]
pub(crate) struct PropertyValues {
    pub(crate) name: String,
    pub(crate) kinds: ValueKinds,
    pub(crate) bools: Values<bool>,
    pub(crate) ints: Values<i64>,
    pub(crate) floats: Values<f64>,
    /// Views into the batch's buffers.
    pub(crate) strings: Values<u128>,
    pub(crate) lists: Values<PropertyValue<'static>>,
    /// JSON text as views into the batch's buffers.
    pub(crate) json: Values<u128>,
    pub(crate) nulls: Vec<u32>,
}

impl PropertyValues {
    fn new(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            kinds: ValueKinds::default(),
            bools: Values::default(),
            ints: Values::default(),
            floats: Values::default(),
            strings: Values::default(),
            lists: Values::default(),
            json: Values::default(),
            nulls: Vec::new(),
        }
    }
}

impl PropertyValues {
    /// Whether the row has a value of any type.
    fn has(&self, row: u32) -> bool {
        [
            &self.bools.rows,
            &self.ints.rows,
            &self.floats.rows,
            &self.strings.rows,
            &self.lists.rows,
            &self.json.rows,
            &self.nulls,
        ]
        .iter()
        .any(|rows| rows.binary_search(&row).is_ok())
    }
}

/// Something about users, at its place among the records.
#[derive(Debug)]
pub(crate) struct PeopleItem {
    /// Its place among all records of the batch.
    pub(crate) ordinal: u32,
    pub(crate) change: PeopleItemChange,
}

/// What [`PeopleItem`] is about.
#[derive(Debug)]
pub(crate) enum PeopleItemChange {
    /// An identity operation, and the rows of the events that asked for it, at the place of the first.
    Identity { rows: Vec<u32>, op: IdentityOp },
    /// A profile or group update.
    Profile(ProfileUpdate),
}

/// A block of records as columns, rows in order of ingestion.
#[derive(Debug)]
pub struct EventBatch {
    /// When the block reached us.
    pub(crate) received_at: Timestamp,
    /// How many records the batch holds, updates among them: how many sequence numbers it takes.
    pub(crate) records: u32,
    /// The place of each event among the records.
    pub(crate) ordinals: Vec<u32>,
    pub(crate) times: Vec<i64>,
    pub(crate) names: StringViewArray,
    pub(crate) distinct_ids: StringViewArray,
    pub(crate) device_ids: StringViewArray,
    pub(crate) insert_ids: StringViewArray,
    /// Per row the position of its assigned id in `assigned`.
    pub(crate) assigned_codes: Vec<u32>,
    /// The distinct assigned ids of the batch (D-10).
    pub(crate) assigned: StringViewArray,
    pub(crate) properties: Vec<PropertyValues>,
    pub(crate) people: Vec<PeopleItem>,
    pub(crate) buffers: [Buffer; BUFFERS as usize],
    /// What stands in the buffer of notes, and where.
    notes: Vec<(&'static str, u32)>,
    bytes: usize,
}

impl EventBatch {
    /// How many events there are.
    pub fn events(&self) -> usize {
        self.times.len()
    }

    /// How many records there are: events, and profile and group updates.
    pub fn records(&self) -> usize {
        self.records as usize
    }

    /// About how much memory the batch takes.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Notes on an event why its ids were not linked (I-8), unless it was sent with a reason.
    pub(crate) fn note_identity_failure(&mut self, row: u32, reason: &'static str) {
        let known = self.notes.iter().position(|(note, _)| *note == reason);
        let offset = if let Some(at) = known {
            self.notes[at].1
        } else {
            let mut text = self.buffers[NOTES as usize].to_vec();
            let offset = text.len() as u32;
            text.extend_from_slice(reason.as_bytes());
            self.buffers[NOTES as usize] = Buffer::from_vec(text);
            self.notes.push((reason, offset));
            offset
        };
        let place = self.properties.iter().position(|values| values.name == IDENTITY_FAILURE);
        let place = place.unwrap_or_else(|| {
            self.properties.push(PropertyValues::new(IDENTITY_FAILURE));
            self.properties.len() - 1
        });
        let property = &mut self.properties[place];
        if !property.has(row) {
            property.kinds.observe(&PropertyValue::from(reason));
            let at = property.strings.rows.partition_point(|&other| other < row);
            property.strings.rows.insert(at, row);
            property.strings.values.insert(at, make_view(reason.as_bytes(), NOTES, offset));
        }
    }
}

/// Builds an [`EventBatch`] record by record.
#[derive(Debug)]
pub struct BatchBuilder {
    system: IdentitySystem,
    received_at: Timestamp,
    text: Buffer,
    arena: Vec<u8>,
    records: u32,
    ordinals: Vec<u32>,
    times: Vec<i64>,
    names: Vec<u128>,
    distinct_ids: Vec<u128>,
    device_ids: Optional,
    insert_ids: Optional,
    assigned_codes: Vec<u32>,
    assigned: Vec<u128>,
    assigned_index: HashTable<u32>,
    assigned_texts: Vec<Box<str>>,
    properties: Vec<PropertyValues>,
    property_index: HashTable<u32>,
    /// The properties of the last event in order: nearly always the next one's too.
    expected: Vec<u32>,
    /// By device, the users (as codes of assigned ids) it was linked to, and where in `people`.
    linked: HashMap<String, Vec<(u32, usize)>>,
    ignores_merges: bool,
    people: Vec<PeopleItem>,
    hasher: RandomState,
    owned_bytes: usize,
}

/// Views of which some are absent.
#[derive(Debug, Default)]
struct Optional {
    views: Vec<u128>,
    present: Vec<bool>,
}

impl Optional {
    fn push(&mut self, view: Option<u128>) {
        self.views.push(view.unwrap_or(0));
        self.present.push(view.is_some());
    }
}

impl BatchBuilder {
    /// A builder of records parsed from `text`, which arrived at `received_at`, under a dataset's
    /// identity system.
    pub fn new(text: Buffer, received_at: Timestamp, system: IdentitySystem) -> Self {
        let rows = text.len() / 256;
        Self {
            system,
            received_at,
            text,
            arena: Vec::new(),
            records: 0,
            ordinals: Vec::with_capacity(rows),
            times: Vec::with_capacity(rows),
            names: Vec::with_capacity(rows),
            distinct_ids: Vec::with_capacity(rows),
            device_ids: Optional::default(),
            insert_ids: Optional::default(),
            assigned_codes: Vec::with_capacity(rows),
            assigned: Vec::new(),
            assigned_index: HashTable::new(),
            assigned_texts: Vec::new(),
            properties: Vec::new(),
            property_index: HashTable::new(),
            expected: Vec::new(),
            linked: HashMap::new(),
            ignores_merges: false,
            people: Vec::new(),
            hasher: RandomState::new(),
            owned_bytes: 0,
        }
    }

    /// A builder of records that point into no text.
    pub fn without_text(received_at: Timestamp, system: IdentitySystem) -> Self {
        Self::new(Buffer::from_vec(Vec::<u8>::new()), received_at, system)
    }

    /// The same builder, for records of an endpoint where `$merge` has no effect (I-23).
    #[must_use]
    pub(crate) fn ignoring_merges(mut self, ignores_merges: bool) -> Self {
        self.ignores_merges = ignores_merges;
        self
    }

    /// How many records were added.
    pub fn records(&self) -> usize {
        self.records as usize
    }

    /// Adds an event.
    pub fn push_event(&mut self, event: &Event<'_>) {
        let row = self.times.len() as u32;
        let ids =
            assign(self.system, &event.distinct_id, event.device_id.as_deref(), event.user_id.as_deref());
        let assigned_code = self.intern_assigned(&ids.id);
        // With no distinct_id sent, the assigned one stands for it.
        let sent = if event.distinct_id.is_empty() { &ids.id } else { &event.distinct_id };
        let (name, distinct_id) = (self.view(&event.name), self.view(sent));
        let device_id = event.device_id.as_deref().filter(|id| !id.is_empty()).map(|id| self.view(id));
        let insert_id = event.insert_id.as_deref().map(|id| self.view(id));
        self.names.push(name);
        self.distinct_ids.push(distinct_id);
        self.device_ids.push(device_id);
        self.insert_ids.push(insert_id);
        self.assigned_codes.push(assigned_code);
        self.times.push(event.time.millis());
        self.ordinals.push(self.records);

        for (position, (name, value)) in event.properties.iter().enumerate() {
            self.push_property(row, position, name, value);
        }
        if let Some(user_id) = event.user_id.as_deref().filter(|id| !id.is_empty()) {
            let position = event.properties.len();
            self.push_property(row, position, USER_ID, &PropertyValue::from(user_id));
            // Keys of stored events are compared by it: it is text, whatever it looks like.
            let index = self.property(position, USER_ID);
            self.properties[index].kinds.date = None;
        }
        self.note_identity_op(row, event);
        self.records += 1;
    }

    /// Adds a profile or group update.
    pub fn push_update(&mut self, update: ProfileUpdate) {
        self.people.push(PeopleItem { ordinal: self.records, change: PeopleItemChange::Profile(update) });
        self.owned_bytes += 256;
        self.records += 1;
    }

    /// Notes what an event does to identity, in the dataset's system (I-4, I-21 … I-23).
    fn note_identity_op(&mut self, row: u32, event: &Event<'_>) {
        let ordinal = self.records;
        let item = |op| PeopleItem { ordinal, change: PeopleItemChange::Identity { rows: vec![row], op } };
        match self.system {
            IdentitySystem::None => {}
            IdentitySystem::Simplified => {
                let (Some(device_id), Some(user_id)) = (
                    event.device_id.as_deref().filter(|id| !id.is_empty()),
                    event.user_id.as_deref().filter(|id| !id.is_empty()),
                ) else {
                    return;
                };
                // SDKs send both ids on every event of a user who logged in: what comes of the first
                // comes of all.
                let user = self.assigned_codes[row as usize];
                let known =
                    self.linked.get(device_id).into_iter().flatten().find(|(linked, _)| *linked == user);
                if let Some(&(_, at)) = known {
                    if let PeopleItemChange::Identity { rows, .. } = &mut self.people[at].change {
                        rows.push(row);
                    }
                    return;
                }
                self.linked.entry(device_id.to_owned()).or_default().push((user, self.people.len()));
                self.people.push(item(IdentityOp::Link {
                    device_id: device_id.to_owned(),
                    user_id: user_id.to_owned(),
                }));
            }
            IdentitySystem::Original if self.ignores_merges && event.name == "$merge" => {}
            IdentitySystem::Original => self.people.extend(original_op(event).map(item)),
        }
    }

    fn push_property(&mut self, row: u32, position: usize, name: &str, value: &PropertyValue<'_>) {
        let index = self.property(position, name);
        let kind = self.properties[index].kinds.observe(value);
        match (value, kind) {
            (PropertyValue::Null, _) => self.properties[index].nulls.push(row),
            (PropertyValue::Bool(value), _) => self.properties[index].bools.push(row, *value),
            (PropertyValue::Int(value), _) => self.properties[index].ints.push(row, *value),
            (PropertyValue::Float(value), _) => self.properties[index].floats.push(row, *value),
            (PropertyValue::String(text), _) => {
                let view = self.view(text);
                self.properties[index].strings.push(row, view);
            }
            (PropertyValue::List(items), kind) if kind != LaneKind::Json => {
                self.owned_bytes += items.len() * size_of::<PropertyValue<'_>>();
                self.properties[index].lists.push(row, value.clone().into_owned());
            }
            (PropertyValue::List(_) | PropertyValue::Object(_), _) => {
                let view = self.copied_view(&value.to_string());
                self.properties[index].json.push(row, view);
            }
        }
    }

    /// The position of a property, found at once where the last event had it at the same place.
    fn property(&mut self, position: usize, name: &str) -> usize {
        if let Some(&expected) = self.expected.get(position)
            && self.properties[expected as usize].name == name
        {
            return expected as usize;
        }
        let Self { properties, property_index, hasher, .. } = self;
        let hash = hasher.hash_one(name);
        let index = *property_index
            .entry(
                hash,
                |&i| properties[i as usize].name == name,
                |&i| hasher.hash_one(&properties[i as usize].name),
            )
            .or_insert_with(|| properties.len() as u32)
            .get();
        if index as usize == properties.len() {
            properties.push(PropertyValues::new(name));
        }
        match self.expected.get_mut(position) {
            Some(slot) => *slot = index,
            None => self.expected.push(index),
        }
        index as usize
    }

    fn intern_assigned(&mut self, id: &str) -> u32 {
        let Self { assigned_index, assigned_texts, hasher, .. } = self;
        let hash = hasher.hash_one(id);
        let code = *assigned_index
            .entry(
                hash,
                |&i| &*assigned_texts[i as usize] == id,
                |&i| hasher.hash_one(&*assigned_texts[i as usize]),
            )
            .or_insert_with(|| assigned_texts.len() as u32)
            .get();
        if code as usize == assigned_texts.len() {
            assigned_texts.push(id.into());
            let view = self.view(id);
            self.assigned.push(view);
        }
        code
    }

    /// A view of a string: into the parsed text where it stands there, into the arena otherwise.
    fn view(&mut self, text: &str) -> u128 {
        let start = self.text.as_ptr().addr();
        match text.as_ptr().addr().checked_sub(start) {
            _ if text.len() <= 12 => make_view(text.as_bytes(), TEXT, 0),
            Some(offset) if offset + text.len() <= self.text.len() => {
                make_view(text.as_bytes(), TEXT, offset as u32)
            }
            _ => self.copied_view(text),
        }
    }

    fn copied_view(&mut self, text: &str) -> u128 {
        let offset = self.arena.len() as u32;
        if text.len() > 12 {
            self.arena.extend_from_slice(text.as_bytes());
        }
        make_view(text.as_bytes(), ARENA, offset)
    }

    /// The finished batch.
    pub fn finish(self) -> EventBatch {
        let bytes = self.text.len()
            + self.arena.len()
            + self.owned_bytes
            + self.times.len() * (2 * size_of::<u32>() + size_of::<i64>() + 4 * size_of::<u128>())
            + self.properties.iter().map(property_bytes).sum::<usize>();
        let buffers = [self.text, Buffer::from_vec(self.arena), Buffer::from_vec(Vec::<u8>::new())];
        EventBatch {
            received_at: self.received_at,
            records: self.records,
            ordinals: self.ordinals,
            times: self.times,
            names: string_views(self.names, &buffers, None),
            distinct_ids: string_views(self.distinct_ids, &buffers, None),
            device_ids: string_views(self.device_ids.views, &buffers, Some(self.device_ids.present)),
            insert_ids: string_views(self.insert_ids.views, &buffers, Some(self.insert_ids.present)),
            assigned_codes: self.assigned_codes,
            assigned: string_views(self.assigned, &buffers, None),
            properties: self.properties,
            people: self.people,
            buffers,
            notes: Vec::new(),
            bytes,
        }
    }
}

/// The identity operation of the original system's special events (I-21 … I-23).
fn original_op(event: &Event<'_>) -> Option<IdentityOp> {
    let text = |name: &str| event.property(name).and_then(PropertyValue::as_str).filter(|id| !id.is_empty());
    let sent_id = Some(&*event.distinct_id).filter(|id| !id.is_empty());
    match &*event.name {
        "$identify" => Some(IdentityOp::Identify {
            identified_id: text("$identified_id").or(sent_id)?.to_owned(),
            anon_id: text("$anon_id").or_else(|| text("$anon_distinct_id"))?.to_owned(),
        }),
        "$create_alias" => {
            Some(IdentityOp::Alias { distinct_id: sent_id?.to_owned(), alias: text("alias")?.to_owned() })
        }
        "$merge" => match event.property("$distinct_ids")? {
            PropertyValue::List(ids) => match ids.as_slice() {
                [PropertyValue::String(first), PropertyValue::String(second)] => {
                    Some(IdentityOp::Merge { first: first.to_string(), second: second.to_string() })
                }
                _ => None,
            },
            _ => None,
        },
        _ => None,
    }
}

fn property_bytes(values: &PropertyValues) -> usize {
    values.strings.rows.len() * 20
        + (values.ints.rows.len() + values.floats.rows.len()) * 12
        + values.bools.rows.len() * 5
        + values.lists.rows.len() * 36
        + values.json.rows.len() * 20
        + values.nulls.len() * 4
}

/// A string array over views and the buffers they point into.
pub(crate) fn string_views(
    views: Vec<u128>,
    buffers: &[Buffer],
    present: Option<Vec<bool>>,
) -> StringViewArray {
    let nulls = present.map(NullBuffer::from).filter(|nulls| nulls.null_count() > 0);
    views_with_nulls(views, buffers, nulls)
}

/// The same with the nulls as Arrow has them; the view of a null is 0.
pub(crate) fn views_with_nulls(
    views: Vec<u128>,
    buffers: &[Buffer],
    nulls: Option<NullBuffer>,
) -> StringViewArray {
    #[expect(
        unsafe_code,
        reason = "every view was made from a &str that stands in its buffer; checking all text again would cost as much as parsing it"
    )]
    // SAFETY: views come from `BatchBuilder::view` and its like only: valid UTF-8, offset and
    // length inside the numbered buffer, prefix copied from the same text. 0 is the empty string.
    unsafe {
        StringViewArray::new_unchecked(ScalarBuffer::from(views), buffers.to_vec(), nulls)
    }
}

//! Properties of the users' profiles as arrays by ordinal.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arrow::array::{Array, ArrayRef};
use tallymark_event::{LaneKind, PropertyCatalog, PropertyValue, catalog_of, lane_array};
use tallymark_users::Profiles;
use tokio::sync::OnceCell;

use crate::column::{Part, assemble};
use crate::resident::State;
use crate::{Error, Layout, Result, UserDirectory};

/// A column of the profiles, resident or about to be.
#[derive(Debug)]
pub(crate) struct ProfileSlot {
    pub(crate) property: String,
    kind: LaneKind,
    profiles: Arc<Profiles>,
    users: Arc<UserDirectory>,
    pub(crate) cell: OnceCell<ArrayRef>,
    pub(crate) used_at: AtomicU64,
}

impl ProfileSlot {
    pub(crate) fn bytes(&self) -> usize {
        self.cell.get().map_or(0, Array::get_array_memory_size)
    }

    fn is_of(&self, layout: &Layout, property: &str, kind: LaneKind) -> bool {
        self.property == property
            && self.kind == kind
            && Arc::ptr_eq(&self.profiles, &layout.snapshot.profiles)
            && Arc::ptr_eq(&self.users, &layout.users)
    }
}

impl State {
    fn profile_slot(&mut self, layout: &Layout, property: &str, kind: LaneKind) -> Arc<ProfileSlot> {
        if let Some(slot) = self.profile_columns.iter().find(|slot| slot.is_of(layout, property, kind)) {
            return Arc::clone(slot);
        }
        // Of other profiles, nobody asks for the same column again.
        self.profile_columns.retain(|slot| slot.property != property || slot.kind != kind);
        let slot = Arc::new(ProfileSlot {
            property: property.to_owned(),
            kind,
            profiles: Arc::clone(&layout.snapshot.profiles),
            users: Arc::clone(&layout.users),
            cell: OnceCell::new(),
            used_at: AtomicU64::new(0),
        });
        self.profile_columns.push(Arc::clone(&slot));
        slot
    }

    fn known_catalog(&self, profiles: &Arc<Profiles>) -> Option<Arc<PropertyCatalog>> {
        let (known, catalog) = self.profile_catalog.as_ref()?;
        Arc::ptr_eq(known, profiles).then(|| Arc::clone(catalog))
    }
}

/// See [`Layout::profile_column`].
pub(crate) async fn column(layout: &Layout, property: &str, kind: LaneKind) -> Result<ArrayRef> {
    let cache = &layout.cache;
    let slot = cache.state().profile_slot(layout, property, kind);
    slot.used_at.store(cache.budget.now(), Ordering::Relaxed);
    let mut is_new = false;
    let made = slot.cell.get_or_try_init(|| async {
        let known = cache.state().known_catalog(&slot.profiles);
        let (profiles, users) = (Arc::clone(&slot.profiles), Arc::clone(&slot.users));
        let property = property.to_owned();
        let work = move || {
            let catalog = known.unwrap_or_else(|| {
                Arc::new(catalog_of(profiles.users().map(|(_, profile)| &profile.properties)))
            });
            (values(&profiles, &catalog, &users, &property, kind), catalog)
        };
        let (array, catalog) = cache.pool.run(work).await?;
        cache.state().profile_catalog = Some((Arc::clone(&slot.profiles), catalog));
        is_new = true;
        array.map_err(|source| Error::Profiles { property: slot.property.clone(), source })
    });
    let array = Arc::clone(made.await?);
    let counter = if is_new { &cache.counters.loads } else { &cache.counters.hits };
    counter.fetch_add(1, Ordering::Relaxed);
    if is_new {
        let mut state = cache.state();
        if slot.bytes() > cache.budget.bytes {
            state.profile_columns.retain(|known| !Arc::ptr_eq(known, &slot));
        }
        state.bytes_max = state.bytes();
        drop(state);
        cache.budget.enforce();
    }
    Ok(array)
}

fn values(
    profiles: &Profiles,
    catalog: &PropertyCatalog,
    users: &UserDirectory,
    property: &str,
    kind: LaneKind,
) -> Result<ArrayRef, arrow::error::ArrowError> {
    let known = catalog.property(property).and_then(|property| property.lanes.first());
    let lane = known.and_then(|lane| {
        let id = catalog.lane(*lane).property;
        Some((id, catalog.find(id, kind)?))
    });
    let Some((id, lane)) = lane else {
        return assemble(&kind.data_type(), &[Part::Nulls(users.len())], None);
    };
    let mut by_user: Vec<Option<&PropertyValue<'static>>> = vec![None; users.len()];
    // Both are sorted by id.
    let mut from = 0;
    for (user, profile) in profiles.users() {
        from = users.first_not_below(from, user);
        if from == users.len() {
            break;
        }
        if users.id(from as u32) == user {
            let value = profile.property(property);
            by_user[from] = value.filter(|value| catalog.route(id, value) == Some(lane));
        }
    }
    assemble(&kind.data_type(), &[Part::Values(lane_array(kind, by_user.into_iter()))], None)
}

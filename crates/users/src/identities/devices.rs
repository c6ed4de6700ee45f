//! Simplified identity: devices link to users (I-4 … I-10).

use std::sync::Arc;

use super::Verdict;
use crate::shared::SharedMap;

/// What tells ids of devices from ids of users (I-10).
const DEVICE_PREFIX: &str = "$device:";

/// Every linked device (as `$device:…`) and its user.
///
/// The devices of a user form a chain, the one linked last first, so that they are found without
/// a list per user that each link would copy.
#[derive(Debug, Clone, Default)]
pub(super) struct Devices {
    devices: SharedMap<Arc<str>, Device>,
    /// Users with a linked device, and the device linked last.
    last_devices: SharedMap<Arc<str>, Arc<str>>,
}

#[derive(Debug, Clone)]
struct Device {
    user: Arc<str>,
    /// The device linked to the same user before this one.
    previous: Option<Arc<str>>,
}

impl Devices {
    pub(super) fn link(&mut self, device_id: &str, user_id: &str) -> Verdict {
        if device_id.is_empty() || user_id.is_empty() {
            return Verdict::Refused("a link needs a device id and a user id, neither empty");
        }
        // Otherwise the "user" would be a device, perhaps linked to another user itself (I-6, I-10).
        if user_id.starts_with(DEVICE_PREFIX) {
            return Verdict::Refused("a user id cannot start with `$device:`, which marks device ids");
        }
        match self.linked_user(device_id) {
            Some(linked) if linked == user_id => return Verdict::Unchanged,
            Some(_) => return Verdict::Refused("the device is linked to another user already"),
            None => {}
        }
        let device: Arc<str> = full_id(device_id).into();
        let (user, previous) = match self.last_devices.get_key_value(user_id) {
            Some((user, previous)) => (Arc::clone(user), Some(Arc::clone(previous))),
            None => (Arc::from(user_id), None),
        };
        self.last_devices.insert(Arc::clone(&user), Arc::clone(&device));
        self.devices.insert(Arc::clone(&device), Device { user: Arc::clone(&user), previous });
        Verdict::Joined { former: vec![device], canonical: user }
    }

    pub(super) fn linked_user(&self, device_id: &str) -> Option<&str> {
        self.devices.get(&*full_id(device_id)).map(|device| &*device.user)
    }

    pub(super) fn canonical<'a>(&'a self, id: &'a str) -> &'a str {
        // Only ids of devices are looked up: users are canonical (I-6).
        if !id.starts_with(DEVICE_PREFIX) {
            return id;
        }
        self.devices.get(id).map_or(id, |device| &device.user)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.devices.is_empty()
    }

    /// The user and their devices, in no meaningful order.
    pub(super) fn ids_of(&self, id: &str) -> Vec<String> {
        let user = self.canonical(id);
        let mut ids = vec![user.to_owned()];
        let mut next = self.last_devices.get(user);
        while let Some(device) = next {
            ids.push(device.to_string());
            next = self.devices.get(&**device).and_then(|device| device.previous.as_ref());
        }
        ids
    }

    /// All users and devices that are linked, and their canonical ids, in no meaningful order.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&str, &str)> + '_ {
        let devices = self.devices.iter().map(|(id, device)| (&**id, &*device.user));
        devices.chain(self.last_devices.iter().map(|(user, _)| (&**user, &**user)))
    }

    /// Forgets all ids of a user.
    pub(super) fn remove(&mut self, ids: &[String]) {
        for id in ids {
            self.devices.remove(&**id);
            self.last_devices.remove(&**id);
        }
    }
}

fn full_id(device_id: &str) -> String {
    format!("{DEVICE_PREFIX}{device_id}")
}

//! Which id an event is taken under.

use std::borrow::Cow;

use crate::IdentitySystem;

/// The ids of an event after assignment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Assigned<'a> {
    /// The id the event is taken under, before any merge (D-10); empty for nobody.
    pub id: Cow<'a, str>,
    /// The device, also where it was only in the `distinct_id` (I-3).
    pub device_id: Option<Cow<'a, str>>,
    /// The user, also where it was only the `distinct_id` (I-3).
    pub user_id: Option<Cow<'a, str>>,
}

/// Assigns the id of an event from what was sent.
///
/// Simplified identity follows I-2 and I-3; the other systems take `distinct_id` as it is.
/// Empty `device_id` and `user_id` count as not sent.
pub fn assign<'a>(
    system: IdentitySystem,
    distinct_id: &'a str,
    device_id: Option<&'a str>,
    user_id: Option<&'a str>,
) -> Assigned<'a> {
    let (device_id, user_id) = (device_id.filter(|id| !id.is_empty()), user_id.filter(|id| !id.is_empty()));
    let known = |device: Option<&'a str>, user: Option<&'a str>, id| Assigned {
        id,
        device_id: device.map(Cow::Borrowed),
        user_id: user.map(Cow::Borrowed),
    };
    match (system, user_id, device_id) {
        (IdentitySystem::Original | IdentitySystem::None, ..) => {
            known(device_id, user_id, Cow::Borrowed(distinct_id))
        }
        (IdentitySystem::Simplified, Some(user), _) => known(device_id, user_id, Cow::Borrowed(user)),
        (IdentitySystem::Simplified, None, Some(device)) => {
            // SDKs send the id they derived themselves; it needs no copy then.
            let id = match distinct_id.strip_prefix("$device:") {
                Some(sent) if sent == device => Cow::Borrowed(distinct_id),
                _ => Cow::Owned(format!("$device:{device}")),
            };
            known(device_id, None, id)
        }
        (IdentitySystem::Simplified, None, None) => match distinct_id.strip_prefix("$device:") {
            Some(device) => known(Some(device), None, Cow::Borrowed(distinct_id)),
            None if distinct_id.is_empty() => known(None, None, Cow::Borrowed("")),
            None => known(None, Some(distinct_id), Cow::Borrowed(distinct_id)),
        },
    }
}

//! A cache of tags in the memory of the isolate: a busy tag costs one query per second, not one per publish.
//!
//! Only the device of a one-device tag is cached, for at most [`LIFE`] from the start of the lookup. A change of such
//! a tag is answered after the same time, so it applies to every publish after that answer, in every isolate.
//! Tags with no device or with several are looked up each time.

use std::cell::RefCell;

use litemap::LiteMap;
use tagpost_core::id::{DeviceId, Tag};
use tagpost_core::time::Millis;

/// How long a tag is cached, in milliseconds.
pub(super) const LIFE: Millis = 1_000;

/// How many tags are cached at most.
const MAX_TAGS: usize = 1_000;

thread_local! {
    static RECENT: RefCell<Recent> = const { RefCell::new(Recent(LiteMap::new_vec())) };
}

/// The device of a tag, if it is cached.
pub(super) fn device_of(tag: &Tag, now: Millis) -> Option<DeviceId> {
    RECENT.with_borrow(|recent| recent.device_of(tag, now))
}

/// Caches the device of a tag, found by a lookup that began at `asked_at`.
pub(super) fn remember(tag: &Tag, devices: &[DeviceId], asked_at: Millis, now: Millis) {
    RECENT.with_borrow_mut(|recent| recent.remember(tag, devices, asked_at, now));
}

/// Each tag's device, and when its lookup began.
struct Recent(LiteMap<Tag, (DeviceId, Millis)>);

impl Recent {
    fn device_of(&self, tag: &Tag, now: Millis) -> Option<DeviceId> {
        let (device, asked_at) = self.0.get(tag)?;
        is_fresh(*asked_at, now).then(|| device.clone())
    }

    fn remember(&mut self, tag: &Tag, devices: &[DeviceId], asked_at: Millis, now: Millis) {
        let [device] = devices else {
            return;
        };
        if self.0.len() >= MAX_TAGS {
            self.0.retain(|_, (_, asked_at)| is_fresh(*asked_at, now));
        }
        if self.0.len() < MAX_TAGS {
            self.0.insert(tag.clone(), (device.clone(), asked_at));
        }
    }
}

/// An entry from the future does not count: the clock was set back since.
fn is_fresh(asked_at: Millis, now: Millis) -> bool {
    (asked_at..asked_at + LIFE).contains(&now)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn recent() -> Recent {
        Recent(LiteMap::new())
    }

    fn tag(name: &str) -> Tag {
        name.parse().unwrap()
    }

    fn device(name: &str) -> DeviceId {
        name.parse().unwrap()
    }

    #[test]
    fn a_tag_is_remembered_for_its_life_from_when_it_was_asked_for() {
        let mut recent = recent();
        recent.remember(&tag("kitchen"), &[device("cam")], 5_000, 5_400);
        let at = |now| recent.device_of(&tag("kitchen"), now);
        assert_eq!(at(5_000 + LIFE - 1), Some(device("cam")));
        assert_eq!(at(5_000 + LIFE), None);
        assert_eq!(at(4_999), None, "the clock was set back");
        assert_eq!(recent.device_of(&tag("attic"), 5_001), None);
    }

    #[test]
    fn a_tag_of_no_device_or_of_two_is_not_remembered() {
        let mut recent = recent();
        recent.remember(&tag("none"), &[], 0, 0);
        recent.remember(&tag("two"), &[device("a"), device("b")], 0, 0);
        assert!(recent.0.is_empty());
    }

    #[test]
    fn no_more_tags_than_allowed_are_remembered_and_old_ones_make_room() {
        let mut recent = recent();
        for n in 0..=MAX_TAGS {
            recent.remember(&tag(&format!("t{n}")), &[device("cam")], 0, 0);
        }
        assert_eq!(recent.0.len(), MAX_TAGS);
        assert_eq!(recent.device_of(&tag(&format!("t{MAX_TAGS}")), 0), None);
        recent.remember(&tag("new"), &[device("cam")], LIFE, LIFE);
        assert_eq!(recent.0.len(), 1);
        assert_eq!(recent.device_of(&tag("new"), LIFE), Some(device("cam")));
    }
}

//! Whether the device is connected, and since when it is not: it is away once that is long ago.

use serde::{Deserialize, Serialize};

use crate::time::Millis;

/// What is known of a device's connections.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Presence {
    /// It never had one.
    #[default]
    Unknown,
    /// It has one.
    Online,
    /// The last has ended, at this time.
    Offline(Millis),
    /// It is away, since this time.
    Away(Millis),
}

/// What has to be told, with the time when the last connection ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Change {
    Away(Millis),
    Back(Millis),
}

impl Presence {
    pub(super) fn is_default(self) -> bool {
        self == Self::default()
    }

    /// The device is connected now, or it is not. A mailbox that has failed meanwhile counts the absence from when it is
    /// open again.
    pub(super) fn note(&mut self, is_online: bool, away_after: u32, now: Millis) -> Option<Change> {
        let (next, change) = match (*self, is_online) {
            (Self::Away(since), true) => (Self::Online, Some(Change::Back(since))),
            (_, true) => (Self::Online, None),
            (Self::Online, false) => (Self::Offline(now), None),
            (Self::Offline(since), false) if self.away_at(away_after) <= Some(now) => {
                (Self::Away(since), Some(Change::Away(since)))
            }
            (same, false) => (same, None),
        };
        *self = next;
        change
    }

    /// When it will be away.
    pub(super) fn away_at(self, away_after: u32) -> Option<Millis> {
        match self {
            Self::Offline(since) => Some(since + i64::from(away_after) * 1000),
            Self::Unknown | Self::Online | Self::Away(_) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_is_away_once_an_absence_and_back_only_after_that() {
        let mut presence = Presence::default();
        let mut note = |is_online, now| presence.note(is_online, 60, now);
        assert_eq!(note(false, 0), None);
        assert_eq!(note(false, 100_000), None, "it was never there");
        assert_eq!(note(true, 200_000), None);
        assert_eq!(note(false, 210_000), None);
        assert_eq!(note(true, 220_000), None, "that was short");
        assert_eq!(note(false, 230_000), None);
        assert_eq!(note(false, 289_999), None);
        assert_eq!(note(false, 290_000), Some(Change::Away(230_000)));
        assert_eq!(note(false, 400_000), None);
        assert_eq!(note(true, 500_000), Some(Change::Back(230_000)));
        assert_eq!(note(true, 500_001), None);
    }

    #[test]
    fn only_an_absence_that_is_not_told_is_waited_for() {
        assert_eq!(Presence::Offline(5).away_at(1), Some(1_005));
        for presence in [Presence::Unknown, Presence::Online, Presence::Away(5)] {
            assert_eq!(presence.away_at(1), None);
        }
    }
}

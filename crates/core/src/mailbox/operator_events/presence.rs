//! Whether the device can be reached, and since when it cannot: it is away once that is long ago.

use serde::{Deserialize, Serialize};

use crate::time::Millis;

/// What is known of how the device could be reached.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Presence {
    /// It never could.
    #[default]
    Unknown,
    /// It can.
    Online,
    /// It cannot, since this time.
    Offline(Millis),
    /// It is away, since this time.
    Away(Millis),
}

/// Whether the device can be reached now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::mailbox) enum Reach {
    /// It can: over a connection, whose signs of life are known if there are keepalives, or at an address that takes
    /// what is posted.
    Online(Option<Life>),
    /// It cannot, since this time.
    Offline(Millis),
}

/// The signs of life of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::mailbox) struct Life {
    /// The last one.
    pub(in crate::mailbox) seen_at: Millis,
    /// When it will be no longer alive, without another one.
    pub(in crate::mailbox) silent_at: Millis,
}

impl Life {
    /// When it has to be looked at again, to miss a device that vanishes without a word.
    pub(super) fn check_at(self, away_after: u32) -> Millis {
        self.silent_at.max(self.seen_at + away_time(away_after))
    }
}

/// What has to be told, with the time since when it could not be reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Change {
    Away(Millis),
    Back(Millis),
}

impl Presence {
    pub(super) fn is_default(self) -> bool {
        self == Self::default()
    }

    /// The device can be reached now, or it cannot. A mailbox that has failed meanwhile counts the absence from when it
    /// is open again.
    pub(super) fn note(&mut self, reach: Reach, away_after: u32, now: Millis) -> Option<Change> {
        let was = *self;
        *self = match (was, reach) {
            (_, Reach::Online(_)) => Self::Online,
            (Self::Online, Reach::Offline(since)) => Self::Offline(since),
            (same, Reach::Offline(_)) => same,
        };
        match (was, *self) {
            (Self::Away(since), Self::Online) => Some(Change::Back(since)),
            (_, Self::Offline(since)) if self.away_at(away_after) <= Some(now) => {
                *self = Self::Away(since);
                Some(Change::Away(since))
            }
            _ => None,
        }
    }

    /// When it will be away.
    pub(super) fn away_at(self, away_after: u32) -> Option<Millis> {
        match self {
            Self::Offline(since) => Some(since + away_time(away_after)),
            Self::Unknown | Self::Online | Self::Away(_) => None,
        }
    }
}

/// In milliseconds.
fn away_time(away_after: u32) -> Millis {
    i64::from(away_after) * 1000
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONLINE: Reach = Reach::Online(None);

    #[test]
    fn a_device_is_away_once_an_absence_and_back_only_after_that() {
        let mut presence = Presence::default();
        let mut note = |reach, now| presence.note(reach, 60, now);
        assert_eq!(note(Reach::Offline(0), 0), None);
        let never = note(Reach::Offline(100_000), 100_000);
        assert_eq!(never, None, "it was never there");
        assert_eq!(note(ONLINE, 200_000), None);
        assert_eq!(note(Reach::Offline(210_000), 210_000), None);
        assert_eq!(note(ONLINE, 220_000), None, "that was short");
        assert_eq!(note(Reach::Offline(230_000), 230_000), None);
        assert_eq!(note(Reach::Offline(289_999), 289_999), None);
        let away = note(Reach::Offline(290_000), 290_000);
        assert_eq!(away, Some(Change::Away(230_000)));
        assert_eq!(note(Reach::Offline(400_000), 400_000), None);
        assert_eq!(note(ONLINE, 500_000), Some(Change::Back(230_000)));
        assert_eq!(note(ONLINE, 500_001), None);
    }

    #[test]
    fn a_device_that_has_long_been_silent_is_away_at_once() {
        let mut presence = Presence::Online;
        let changed = presence.note(Reach::Offline(10_000), 60, 75_000);
        assert_eq!(changed, Some(Change::Away(10_000)));
    }

    #[test]
    fn only_an_absence_that_is_not_told_is_waited_for() {
        assert_eq!(Presence::Offline(5).away_at(1), Some(1_005));
        for presence in [Presence::Unknown, Presence::Online, Presence::Away(5)] {
            assert_eq!(presence.away_at(1), None);
        }
    }
}

//! Bursts: of each type at most ten events a minute are told one by one, and the others are counted.

use serde::{Deserialize, Serialize};

use crate::id::DeviceId;
use crate::operator_event::{Kind, Summary};
use crate::time::Millis;

/// How many events of a type are told one by one within [`MINUTE`].
const MOST: u32 = 10;

/// In milliseconds.
const MINUTE: Millis = 60_000;

/// The last minute of each type of which there are events.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub(super) struct Bursts(Vec<(Kind, Burst)>);

/// A minute that begins with an event.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Burst {
    /// When it began.
    #[serde(rename = "at")]
    began_at: Millis,
    /// How many were told one by one.
    #[serde(rename = "n")]
    told: u32,
    /// How many were only counted, and when the first and the last of them happened.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    counted: Option<(u32, Millis, Millis)>,
}

impl Bursts {
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// An event of this type happens. Returns whether it is told by itself, for which there may be no room; if not, it
    /// is counted.
    pub(super) fn count(&mut self, kind: Kind, has_room: bool, now: Millis) -> bool {
        // What is over and has a summary to come goes on: there is no room for that.
        self.0
            .retain(|(_, burst)| burst.counted.is_some() || burst.ends_at(now) > now);
        let place = self.0.iter().position(|(known, _)| *known == kind);
        let place = place.unwrap_or_else(|| {
            let burst = Burst {
                began_at: now,
                told: 0,
                counted: None,
            };
            self.0.push((kind, burst));
            self.0.len() - 1
        });
        let Some((_, burst)) = self.0.get_mut(place) else {
            return false;
        };
        if has_room && burst.counted.is_none() && burst.told < MOST {
            burst.told += 1;
            return true;
        }
        let (count, since, _) = burst.counted.unwrap_or((0, now, now));
        burst.counted = Some((count.saturating_add(1), since, now));
        false
    }

    /// Takes a burst that is over, and whose other events were counted.
    pub(super) fn take_over(&mut self, now: Millis) -> Option<(Kind, Burst)> {
        let is_over = |burst: &Burst| burst.counted.is_some() && burst.ends_at(now) <= now;
        let place = self.0.iter().position(|(_, burst)| is_over(burst))?;
        Some(self.0.remove(place))
    }

    /// When the first burst ends that has a summary to come.
    pub(super) fn next_end(&self, now: Millis) -> Option<Millis> {
        let counted = self.0.iter().filter(|(_, burst)| burst.counted.is_some());
        counted.map(|(_, burst)| burst.ends_at(now)).min()
    }
}

impl Burst {
    /// A clock that was set back does not make it longer than a minute.
    fn ends_at(&self, now: Millis) -> Millis {
        self.began_at.min(now) + MINUTE
    }

    /// The summary of those that were counted.
    pub(super) fn summary<'a>(&self, device: &'a DeviceId) -> Summary<'a> {
        let (count, since, until) = self.counted.unwrap_or_default();
        Summary {
            device,
            count,
            since,
            until,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ten_of_a_type_a_minute_are_told_and_the_others_counted_until_it_is_over() {
        let mut bursts = Bursts::default();
        let told = (0..14).filter(|n| bursts.count(Kind::Away, true, 1_000 + n));
        assert_eq!(told.count(), 10);
        assert!(
            bursts.count(Kind::Back, true, 1_020),
            "another type is another burst"
        );
        assert_eq!(bursts.next_end(2_000), Some(61_000));
        assert!(bursts.take_over(60_999).is_none());
        let (kind, burst) = bursts.take_over(61_000).unwrap();
        assert_eq!((kind, burst.counted), (Kind::Away, Some((4, 1_010, 1_013))));
        assert!(bursts.take_over(61_000).is_none());
        assert!(bursts.count(Kind::Away, true, 61_000));
    }

    #[test]
    fn a_minute_without_a_burst_leaves_nothing_to_do() {
        let mut bursts = Bursts::default();
        assert!(bursts.count(Kind::Away, true, 0));
        assert_eq!(bursts.next_end(10), None);
        assert!(bursts.take_over(100_000).is_none());
        assert!(bursts.count(Kind::Back, true, 100_000));
        assert_eq!(bursts.0.len(), 1, "the first is forgotten");
    }

    #[test]
    fn what_there_is_no_room_for_is_counted() {
        let mut bursts = Bursts::default();
        assert!(!bursts.count(Kind::Away, false, 0));
        // Those after it would overtake it.
        assert!(!bursts.count(Kind::Away, true, 1));
        assert_eq!(bursts.take_over(60_000).unwrap().1.counted, Some((2, 0, 1)));
    }

    #[test]
    fn a_clock_that_was_set_back_makes_no_burst_longer() {
        let mut bursts = Bursts::default();
        assert!(!bursts.count(Kind::Away, false, 900_000));
        assert_eq!(bursts.next_end(10_000), Some(70_000));
    }
}

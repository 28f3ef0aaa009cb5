//! Who waits behind whom: for each device the messages that have not reached its mailbox, in line.
//!
//! The oldest of a line goes first. No line is empty. Not every message that waits is in its lines: see
//! [`super::backlog`]. Nothing here is written down: the jobs' rows say who is in line when the mailbox opens.

use std::collections::{BTreeMap, BTreeSet};

use crate::id::{DeviceId, MessageId};

/// The lines of a mailbox.
#[derive(Debug, Default)]
pub(super) struct DeviceQueues(BTreeMap<DeviceId, BTreeSet<MessageId>>);

impl DeviceQueues {
    /// The oldest message that waits for a device.
    pub(super) fn first(&self, device: &DeviceId) -> Option<MessageId> {
        self.0.get(device)?.first().copied()
    }

    /// A message gets in line for a device.
    pub(super) fn join(&mut self, id: MessageId, device: &DeviceId) {
        self.0.entry(device.clone()).or_default().insert(id);
    }

    /// A message leaves the line for a device.
    pub(super) fn leave(&mut self, id: MessageId, device: &DeviceId) {
        if let Some(line) = self.0.get_mut(device) {
            line.remove(&id);
            if line.is_empty() {
                self.0.remove(device);
            }
        }
    }

    /// Nothing waits any more.
    pub(super) fn clear(&mut self) {
        self.0.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn device(name: &str) -> DeviceId {
        name.parse().unwrap()
    }

    fn message(n: u64) -> MessageId {
        MessageId::next(&device("cam"), 1_800_000_000_000, None, n)
    }

    #[test]
    fn the_oldest_of_a_line_goes_first_whoever_joined_first() {
        let mut lines = DeviceQueues::default();
        let door = device("door");
        for n in [2, 1, 3] {
            lines.join(message(n), &door);
        }
        for n in 1..=3 {
            assert_eq!(lines.first(&door), Some(message(n)));
            lines.leave(message(n), &door);
        }
        assert_eq!(lines.first(&door), None);
    }

    #[test]
    fn a_message_leaves_the_line_for_one_device_and_stays_in_the_others() {
        let mut lines = DeviceQueues::default();
        let (door, lamp) = (device("door"), device("lamp"));
        lines.join(message(1), &door);
        lines.join(message(1), &lamp);
        lines.leave(message(1), &door);
        assert_eq!(lines.first(&door), None);
        assert_eq!(lines.first(&lamp), Some(message(1)));
    }

    #[test]
    fn a_line_that_all_have_left_takes_no_memory() {
        let mut lines = DeviceQueues::default();
        for name in ["door", "lamp"] {
            lines.join(message(1), &device(name));
        }
        // One that is not in line changes nothing.
        lines.leave(message(2), &device("door"));
        assert_eq!(lines.0.len(), 2);
        for name in ["door", "lamp"] {
            lines.leave(message(1), &device(name));
        }
        assert!(lines.0.is_empty());
    }
}

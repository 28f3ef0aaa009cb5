//! For each device, a queue of the messages that have not reached its mailbox.
//!
//! The oldest goes first. No queue is empty. Not every unreached message is in a queue: see [`super::backlog`]. The
//! queues are only in memory; they are rebuilt from the jobs' rows when the mailbox opens.

use std::collections::{BTreeMap, BTreeSet};

use crate::id::{DeviceId, MessageId};

/// The device queues of a mailbox.
#[derive(Debug, Default)]
pub(super) struct DeviceQueues(BTreeMap<DeviceId, BTreeSet<MessageId>>);

impl DeviceQueues {
    /// The oldest message that waits for a device.
    pub(super) fn first(&self, device: &DeviceId) -> Option<MessageId> {
        self.0.get(device)?.first().copied()
    }

    /// A message joins the queue of a device.
    pub(super) fn join(&mut self, id: MessageId, device: &DeviceId) {
        self.0.entry(device.clone()).or_default().insert(id);
    }

    /// A message leaves the queue of a device.
    pub(super) fn leave(&mut self, id: MessageId, device: &DeviceId) {
        if let Some(queue) = self.0.get_mut(device) {
            queue.remove(&id);
            if queue.is_empty() {
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
    fn the_oldest_message_of_a_queue_is_first_in_whatever_order_they_joined() {
        let mut queues = DeviceQueues::default();
        let door = device("door");
        for n in [2, 1, 3] {
            queues.join(message(n), &door);
        }
        for n in 1..=3 {
            assert_eq!(queues.first(&door), Some(message(n)));
            queues.leave(message(n), &door);
        }
        assert_eq!(queues.first(&door), None);
    }

    #[test]
    fn a_message_leaves_the_queue_of_one_device_and_stays_in_the_others() {
        let mut queues = DeviceQueues::default();
        let (door, lamp) = (device("door"), device("lamp"));
        queues.join(message(1), &door);
        queues.join(message(1), &lamp);
        queues.leave(message(1), &door);
        assert_eq!(queues.first(&door), None);
        assert_eq!(queues.first(&lamp), Some(message(1)));
    }

    #[test]
    fn an_empty_queue_takes_no_memory() {
        let mut queues = DeviceQueues::default();
        for name in ["door", "lamp"] {
            queues.join(message(1), &device(name));
        }
        // A message that is not in the queue changes nothing.
        queues.leave(message(2), &device("door"));
        assert_eq!(queues.0.len(), 2);
        for name in ["door", "lamp"] {
            queues.leave(message(1), &device(name));
        }
        assert!(queues.0.is_empty());
    }
}

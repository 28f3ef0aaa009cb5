//! Who waits behind whom: for each device the messages that have not reached its mailbox, in line.
//!
//! The oldest of a line goes first. No line is empty. Not every message that waits is in its lines: see
//! [`super::backlog`]. Nothing here is written down: the jobs' rows say who is in line when the mailbox opens.
//!
//! The lines stand by device in blocks, not in one flat map: the devices of two large tags may come in
//! between each other and leave one by one, and each would move all that are behind it.

use litemap::LiteMap;

use crate::id::{DeviceId, MessageId};

/// How many lines a block has at most.
const BLOCK: usize = 256;

/// The lines of a mailbox.
#[derive(Debug, Default)]
pub(super) struct Lines(Vec<Block>);

/// Lines next to each other, at least one.
type Block = LiteMap<DeviceId, Line>;

/// The messages that wait for one device.
type Line = LiteMap<MessageId, ()>;

impl Lines {
    /// The oldest message that waits for a device.
    pub(super) fn first(&self, device: &DeviceId) -> Option<MessageId> {
        let line: &Line = self.0.get(self.block(device))?.get(device)?;
        line.first().map(|(id, ())| *id)
    }

    /// A message gets in line for a device.
    pub(super) fn join(&mut self, id: MessageId, device: &DeviceId) {
        let at = self.block(device);
        if self.0.is_empty() {
            self.0.push(Block::new());
        }
        if let Some(block) = self.0.get_mut(at) {
            block.entry(device.clone()).or_default().insert(id, ());
            if block.len() > BLOCK {
                let mut lines = std::mem::take(block).into_tuple_vec();
                let second = lines.split_off(BLOCK / 2);
                *block = Block::from_sorted_store_unchecked(lines);
                self.0
                    .insert(at + 1, Block::from_sorted_store_unchecked(second));
            }
        }
    }

    /// A message leaves the line for a device.
    pub(super) fn leave(&mut self, id: MessageId, device: &DeviceId) {
        let at = self.block(device);
        let Some(block) = self.0.get_mut(at) else {
            return;
        };
        if let Some(line) = block.get_mut(device) {
            line.remove(&id);
            if line.is_empty() {
                block.remove(device);
            }
        }
        if block.is_empty() {
            self.0.remove(at);
        }
    }

    /// Nothing waits any more.
    pub(super) fn clear(&mut self) {
        self.0.clear();
    }

    /// The block that the line for a device is in, if there is one.
    fn block(&self, device: &DeviceId) -> usize {
        let starts_by = |block: &Block| block.first().is_some_and(|(first, _)| first <= device);
        self.0.partition_point(starts_by).saturating_sub(1)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use proptest::prelude::*;

    use super::*;

    fn device(n: usize) -> DeviceId {
        format!("d{n:05}").parse().unwrap()
    }

    fn message(n: u64) -> MessageId {
        MessageId::next(&device(0), 1_800_000_000_000, None, n)
    }

    /// The lines in a map of the standard library, by which those here are judged.
    #[derive(Default)]
    struct Model(BTreeMap<DeviceId, BTreeSet<MessageId>>);

    impl Model {
        fn leave(&mut self, id: MessageId, device: &DeviceId) {
            if let Some(line) = self.0.get_mut(device) {
                line.remove(&id);
                if line.is_empty() {
                    self.0.remove(device);
                }
            }
        }
    }

    fn same(lines: &Lines, model: &Model) {
        let blocks = lines.0.iter().flat_map(Block::iter);
        let seen = blocks.map(|(device, line)| (device, line.keys().collect::<Vec<_>>()));
        let expected = model.0.iter();
        let expected = expected.map(|(device, line)| (device, line.iter().collect::<Vec<_>>()));
        assert_eq!(seen.collect::<Vec<_>>(), expected.collect::<Vec<_>>());
        for (device, line) in &model.0 {
            assert_eq!(lines.first(device).as_ref(), line.first(), "{device}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn lines_are_joined_and_left_as_in_an_ordinary_map(
            events in prop::collection::vec((0..4_u64, 0..2_000_usize, 1..600_usize, 1..4_usize, any::<bool>()), 1..12),
        ) {
            let (mut lines, mut model) = (Lines::default(), Model::default());
            for (id, from, count, step, joins) in events {
                let id = message(id);
                for device in (from..).step_by(step).take(count).map(device) {
                    if joins {
                        lines.join(id, &device);
                        model.0.entry(device).or_default().insert(id);
                    } else {
                        lines.leave(id, &device);
                        model.leave(id, &device);
                    }
                }
                same(&lines, &model);
            }
        }
    }

    #[test]
    fn a_device_between_many_moves_one_block() {
        let mut lines = Lines::default();
        let count = 20_000;
        for (id, odd) in [(1, 0), (2, 1)] {
            for n in 0..count / 2 {
                lines.join(message(id), &device(2 * n + odd));
            }
        }
        let longest = lines.0.iter().map(LiteMap::len).max();
        assert!(longest <= Some(BLOCK), "a block of {longest:?}");
        let blocks = lines.0.len();
        assert!(blocks <= count / (BLOCK / 2), "{blocks} blocks");
        for n in 0..count {
            lines.leave(message(1 + n as u64 % 2), &device(n));
        }
        assert!(lines.0.is_empty(), "{} blocks are left", lines.0.len());
    }
}

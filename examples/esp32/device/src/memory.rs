//! What is known across connections.

use heapless::{Deque, String};

/// How many messages are remembered: more than the service ever has in flight to one device.
const MESSAGES: usize = 128;

/// What a device remembers while it is switched on.
#[derive(Default)]
pub struct Memory {
    /// The key of the ring that the service has not answered yet.
    pub(crate) ring: Option<u64>,
    /// The ids of the last messages, oldest first.
    seen: Deque<String<26>, MESSAGES>,
}

impl Memory {
    /// Whether a message comes for the first time, as far as is known.
    pub(crate) fn is_new(&mut self, id: &str) -> bool {
        if self.seen.iter().any(|seen| seen == id) {
            return false;
        }
        if self.seen.is_full() {
            self.seen.pop_front();
        }
        if let Ok(id) = id.try_into() {
            let _ = self.seen.push_back(id);
        }
        true
    }
}

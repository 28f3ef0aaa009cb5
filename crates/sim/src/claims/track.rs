//! What is known of each message and each delivery.

use tagpost_core::delivery::Delivery;
use tagpost_core::mailbox::ConnectionId;
use tagpost_core::plan::End;
use tagpost_core::plan::escalation::Taken;
use tagpost_core::time::Millis;

use super::attempts::Attempt;
use super::progress::Work;
use super::webhook::Pause;
use crate::world::Verdict;

/// A message.
#[derive(Debug, Default)]
pub(super) struct Published {
    pub(super) sender: usize,
    pub(super) op: u32,
    /// How many messages were handed over before it, by anyone.
    pub(super) order: usize,
    /// The same when it was last handed over.
    pub(super) last_order: usize,
    pub(super) size: u32,
    pub(super) expires_at: Millis,
    /// Its publish was answered.
    pub(super) answered: bool,
    /// It was in a row of its sender.
    pub(super) accepted: bool,
    /// Its sender was removed since.
    pub(super) void: bool,
    pub(super) devices: Vec<usize>,
    /// The steps of its escalation that were taken.
    pub(super) taken: Vec<Taken>,
    /// When it is to be handed over, if it is scheduled.
    pub(super) deliver_at: Option<Millis>,
    /// It is scheduled, and was handed over.
    pub(super) is_handed_over: bool,
    /// In which life of its sender's mailbox.
    pub(super) life: u32,
    /// How it ended without a delivery.
    pub(super) end: Option<End>,
}

/// In place of the device of a message without deliveries.
pub(super) const NOBODY: usize = usize::MAX;

impl Published {
    /// It expires at this time. A scheduled message that is handed over again may expire later than at first.
    pub(super) fn expire(&mut self, at: Millis) {
        self.expires_at = match self.is_handed_over && self.expires_at > 0 {
            true => self.expires_at.min(at),
            false => at,
        };
    }
}

/// A delivery.
#[derive(Debug, Default)]
pub(super) struct Track {
    pub(super) wire: Option<Wire>,
    pub(super) work: Work,
    /// How often it was posted to an address.
    pub(super) asked: u32,
    /// When the answer of the address counts as lost, if one may come.
    pub(super) asked_until: Option<Millis>,
    /// The address has failed it, and it was not sent since.
    pub(super) pause: Option<Pause>,
    /// A step of the escalation brought the message to the device.
    pub(super) by_step: bool,
    /// The device was told that it has ended, in this life of its mailbox.
    pub(super) withdrawn: Option<(u32, u32)>,
    pub(super) attempts: Vec<Attempt>,
    /// Its mailbox has heard its device answer for it.
    pub(super) answered: bool,
    /// When connections ended while it was alone in flight.
    pub(super) deaths: Vec<Millis>,
    /// It was first sent over a socket.
    pub(super) socket_first: bool,
    /// How often it may have timed out while the device was connected, before the current attempt.
    pub(super) time_outs: u32,
    /// It has reached the device over a socket.
    pub(super) heard: bool,
    /// When it was first seen in a row of the recipient.
    pub(super) stored_at: Option<Millis>,
    /// The terminal state that the recipient's mailbox stored.
    pub(super) settled: Option<String>,
    /// The terminal state that the sender was told or its mailbox stored.
    pub(super) end: Option<Delivery>,
    /// The publish's own answer carried it.
    pub(super) in_answer: bool,
    /// Its receipt reached the sender.
    pub(super) reported: bool,
    /// Its receipt passed its retention, and nobody fetched it.
    pub(super) lapsed: bool,
    pub(super) verdicts: Vec<Verdict>,
}

/// When a message was last sent.
#[derive(Debug, Clone, Copy)]
pub(super) struct Wire {
    pub(super) attempt: u32,
    pub(super) at: Millis,
    /// `None` for a poll and for an address.
    pub(super) connection: Option<ConnectionId>,
    /// To an address.
    pub(super) posted: bool,
    pub(super) losses: u32,
    pub(super) lives: u32,
}

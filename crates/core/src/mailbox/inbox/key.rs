//! The key of a row of the table `inbox`: its lane and urgency in one number, and its id.

use crate::id::MessageId;
use crate::message::{Lane, Message, Urgency};

/// The key of a row; its order is the order of delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Key {
    /// 0 for the highest urgency, or 4 if the sender is a channel.
    pub(super) rank: i64,
    pub(super) id: MessageId,
}

impl Key {
    pub(super) fn of(message: &Message) -> Self {
        let rank = match message.urgency {
            Urgency::High => 0,
            Urgency::Normal => 1,
            Urgency::Low => 2,
            Urgency::VeryLow => 3,
        };
        Self {
            rank: ranks(message.lane())[0] + rank,
            id: message.id,
        }
    }

    /// The urgency of its message.
    pub(super) fn urgency(&self) -> Urgency {
        let [first, _] = ranks(lane_of(self.rank));
        match self.rank - first {
            0 => Urgency::High,
            1 => Urgency::Normal,
            2 => Urgency::Low,
            _ => Urgency::VeryLow,
        }
    }

    /// Whether its message is of this lane.
    pub(super) fn is_of(&self, lane: Lane) -> bool {
        lane_of(self.rank) == lane
    }
}

/// The lane of a rank.
pub(super) fn lane_of(rank: i64) -> Lane {
    let [_, last] = ranks(Lane::Devices);
    if rank <= last {
        Lane::Devices
    } else {
        Lane::Channels
    }
}

/// The first and the last rank of a lane.
pub(super) fn ranks(lane: Lane) -> [i64; 2] {
    match lane {
        Lane::Devices => [0, 3],
        Lane::Channels => [4, 7],
    }
}

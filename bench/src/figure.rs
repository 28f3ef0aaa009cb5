//! The figures: each with its name, its unit and, if there is one, its target.

use serde::{Serialize, Serializer};

/// One figure. Several systems may have it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Figure {
    /// In the machine-readable results.
    pub(crate) id: &'static str,
    /// In the table.
    pub(crate) what: &'static str,
    pub(crate) unit: &'static str,
    pub(crate) target: Target,
}

/// What tagpost is to reach.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Target {
    None,
    /// Times the floor's.
    RatioAtLeast(f64),
    /// Times the floor's.
    RatioAtMost(f64),
    AtLeast(f64),
    AtMost(f64),
}

/// What has figures.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum System {
    Tagpost,
    Before,
    Floor,
    Empty,
    Mosquitto,
    Nats,
}

impl System {
    /// All, in the order of the table.
    pub(crate) const ALL: [Self; 6] = [
        Self::Tagpost,
        Self::Before,
        Self::Floor,
        Self::Mosquitto,
        Self::Nats,
        Self::Empty,
    ];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Tagpost => "tagpost",
            Self::Before => "before",
            Self::Floor => "floor",
            Self::Empty => "empty Worker",
            Self::Mosquitto => "Mosquitto",
            Self::Nats => "NATS JetStream",
        }
    }
}

impl Serialize for Figure {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.id)
    }
}

/// Declares figures.
macro_rules! figures {
    ($($name:ident = $id:literal, $what:literal, $unit:literal, $target:expr;)*) => {
        $(pub(crate) const $name: Figure = Figure { id: $id, what: $what, unit: $unit, target: $target };)*
    };
}

figures! {
    REQUESTS = "requests", "requests, nothing done for them", "/s", Target::None;
    CONFIRMED = "confirmed", "confirmed publishes", "/s", Target::RatioAtLeast(1.0);
    CONFIRMED_P50 = "confirmed_p50", "… publish → confirmed, p50", "ms", Target::None;
    CONFIRMED_P99 = "confirmed_p99", "… p99", "ms", Target::RatioAtMost(1.2);
    STEADY_P50 = "steady_p50", "at a steady 100/s, publish → confirmed, p50", "ms", Target::None;
    STEADY_P99 = "steady_p99", "… p99", "ms", Target::None;
    BUSY = "busy", "confirmed publishes, one sender, 64 in flight", "/s", Target::None;
    BUSY_P50 = "busy_p50", "… publish → confirmed, p50", "ms", Target::None;
    OFFLINE = "offline", "publishes to devices that are offline", "/s", Target::None;
    ENQUEUE_0 = "enqueue_0", "enqueue, nothing held", "ms", Target::None;
    ENQUEUE_SOME = "enqueue_some", "enqueue, 1,000 held", "ms", Target::None;
    ENQUEUE_MANY = "enqueue_many", "enqueue, 10,000 held", "ms", Target::None;
    ENQUEUE_RATIO = "enqueue_ratio", "… 10,000 held : nothing held", "×", Target::AtMost(1.2);
    DRAIN = "drain", "held messages drained, acknowledged one by one", "/s", Target::AtLeast(2000.0);
    ADDRESS_ONE = "address_one", "held messages posted to an address, one at a time", "/s", Target::None;
    ADDRESS_MANY = "address_many", "… 16 in flight", "/s", Target::AtLeast(200.0);
    PUSH = "push", "Web Push: messages acknowledged by their browsers", "/s", Target::RatioAtLeast(0.95);
    PUSH_P50 = "push_p50", "… push → acknowledged, p50", "ms", Target::None;
    PUSH_P99 = "push_p99", "… p99", "ms", Target::RatioAtMost(1.2);
    CONNECT = "connect", "connect → welcome, p50", "ms", Target::None;
    TAG_SMALL = "tag_small", "tag of 1,000 devices until the last ack; floor: 1,000 publishes", "s", Target::None;
    TAG_LARGE = "tag_large", "the largest tag until the last ack; floor: as many publishes", "s",
        Target::RatioAtMost(2.0);
    TAG_LARGE_KNOWN = "tag_large_known", "… until the sender's trace has them all", "s", Target::None;
    MEMORY = "memory", "memory of an idle device", "kB", Target::RatioAtMost(1.1);
    IDLE_EVENTS = "idle_events", "idle devices together: events in their objects", "", Target::AtMost(0.0);
    IDLE_ALARMS = "idle_alarms", "… alarms set", "", Target::AtMost(0.0);
    IDLE_WRITES = "idle_writes", "… rows written", "", Target::AtMost(0.0);
    COLD = "cold", "first publish after a start", "ms", Target::None;
    WARM = "warm", "… the tenth", "ms", Target::None;
}

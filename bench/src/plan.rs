//! The size of a run: a full one, or a quick smoke test.

use std::time::Duration;

/// The sizes and times of a run.
pub(crate) struct Plan {
    /// How often everything is measured.
    pub(crate) turns: usize,
    /// How often what takes many seconds is measured.
    pub(crate) long_turns: usize,
    /// How long a turn of load lasts.
    pub(crate) turn: Duration,
    /// What passes before that, uncounted.
    pub(crate) warm_up: Duration,
    /// Senders with a receiver each.
    pub(crate) pairs: usize,
    /// Publishes of one sender in flight.
    pub(crate) in_flight: usize,
    /// Publishes a second under the steady load.
    pub(crate) steady: f64,
    /// Messages held before an enqueue is timed.
    pub(crate) depths: [usize; 2],
    /// Messages held before they are posted to an address.
    pub(crate) pile: usize,
    /// Enqueues that are timed at each depth.
    pub(crate) enqueues: usize,
    /// Connections that are timed in a turn.
    pub(crate) connections: usize,
    /// Idle devices.
    pub(crate) idle: usize,
    /// How long they are watched.
    pub(crate) watch: Duration,
    /// How long the runtime takes until it lets an object sleep.
    pub(crate) until_asleep: Duration,
    /// Devices of the two tags.
    pub(crate) tags: [usize; 2],
}

impl Plan {
    pub(crate) fn whole() -> Self {
        Self {
            turns: 5,
            long_turns: 3,
            turn: Duration::from_secs(3),
            warm_up: Duration::from_millis(500),
            pairs: 20,
            in_flight: 64,
            steady: 100.0,
            depths: [1_000, 10_000],
            pile: 1_000,
            enqueues: 100,
            connections: 100,
            idle: 5_000,
            watch: Duration::from_secs(60),
            until_asleep: Duration::from_secs(15),
            tags: [1_000, 10_000],
        }
    }

    pub(crate) fn quick() -> Self {
        Self {
            turns: 2,
            long_turns: 1,
            turn: Duration::from_secs(1),
            warm_up: Duration::from_millis(200),
            depths: [100, 1_000],
            pile: 100,
            enqueues: 50,
            connections: 20,
            idle: 100,
            watch: Duration::from_secs(5),
            tags: [150, 300],
            ..Self::whole()
        }
    }
}

//! The choices made once per history: limits, fault rates, and how devices behave.

use fastrand::Rng;
use tagpost_core::limits::Limits;
use tagpost_core::time::Millis;

use super::pick;
use crate::plan::{Answers, Manner, Pile, Weather};

/// How far clocks are off where calls may be late: two of them differ by at most the time for which a
/// caller listens longer than its call lives.
const CLOCKS: Millis = 1_000;
/// How far they are off where calls are never late.
const WILD_CLOCKS: Millis = 300_000;

/// A page of SQLite, in bytes.
const PAGE: u64 = 4_096;
/// What the tables of a mailbox take before it has sent anything, in bytes.
const EMPTY: u64 = 14 * PAGE;

pub(super) fn limits(rng: &mut Rng, heavy: bool) -> Limits {
    let mut limits = Limits {
        ack_timeout: rng.u32(1..=5),
        max_attempts: rng.u32(1..=4),
        max_in_flight: rng.u32(1..=4),
        retention: *pick(rng, &[5, 60, 600, 3_600]),
        keepalive: *pick(rng, &[5, 30, 60]),
        ..Limits::default()
    };
    if heavy {
        limits.max_attempts = 10;
        limits.ack_timeout = 1;
        return limits;
    }
    match rng.u32(0..9) {
        0 => limits.max_held_messages = rng.u32(1..=4),
        1 => limits.max_held_bytes = rng.u64(40..=200),
        2 => (limits.publish_rate, limits.publish_burst) = (rng.u32(1..=3), rng.u32(1..=4)),
        3 => limits.max_queued_messages = rng.u32(1..=4),
        4 => limits.max_queued_bytes = rng.u64(300..=1_500),
        5 => limits.max_sent_bytes = EMPTY + PAGE * rng.u64(1..=6),
        _ => {}
    }
    limits
}

pub(super) fn weather(rng: &mut Rng) -> Weather {
    let mut weather = Weather {
        latency: *pick(rng, &[2, 20, 200]),
        ..Weather::FAIR
    };
    if rng.bool() {
        weather.slow = rng.u32(1..=300);
        weather.slow_by = *pick(rng, &[500, 3_000, 15_000]);
    }
    if rng.bool() {
        weather.lost_requests = rng.u32(1..=250);
    }
    if rng.bool() {
        weather.lost_answers = rng.u32(1..=250);
    }
    if rng.u32(0..3) == 0 {
        weather.late_alarms = rng.u32(1..=500);
        weather.late_by = *pick(rng, &[100, 5_000, 120_000]);
    }
    if rng.u32(0..3) == 0 {
        weather.twice = rng.u32(1..=500);
    }
    if rng.u32(0..4) == 0 {
        weather.repeated = rng.u32(1..=300);
    }
    if rng.u32(0..4) == 0 {
        weather.lingering = rng.u32(1..=500);
    }
    if rng.u32(0..4) == 0 {
        weather.stale = rng.u32(1..=500);
    }
    if rng.u32(0..3) > 0 {
        weather.knocks = rng.u32(1..=900);
    }
    if rng.bool() {
        weather.clocks = CLOCKS;
    } else if rng.u32(0..10) == 0 {
        // Clocks that are so far off do not tell a late call from one in time.
        weather = Weather {
            clocks: WILD_CLOCKS,
            slow: 0,
            ..weather
        };
    }
    weather
}

pub(super) fn manner(rng: &mut Rng) -> Manner {
    let answers = match rng.u32(0..32) {
        0..=6 => Answers::Promptly,
        7..=9 => Answers::Late(*pick(rng, &[500, 3_000, 30_000])),
        10 => Answers::Working(*pick(rng, &[500, 5_000, 60_000])),
        11..=14 => Answers::No,
        15..=16 => Answers::Never,
        17 => Answers::Working(*pick(rng, &[500, 5_000, 60_000])),
        18 => Answers::Deaf,
        19..=20 => Answers::Poisoned(rng.u32(2..=5)),
        _ => Answers::AsItComes,
    };
    Manner {
        answers,
        sees_receipts: rng.bool(),
        returns: rng.bool(),
    }
}

pub(super) fn pile(rng: &mut Rng) -> Pile {
    match rng.u32(0..4) {
        0 => Pile::Waiting(rng.u32(60..120)),
        1 => Pile::InFlight(rng.u32(60..120)),
        2 => Pile::Held(rng.u32(3_000..6_000)),
        _ => Pile::Queued(rng.u32(40..80), rng.u32(101..200)),
    }
}

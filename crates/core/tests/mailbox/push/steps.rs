//! What a history consists of.

use proptest::prelude::*;

/// Something that happens.
#[derive(Debug, Clone)]
pub(super) enum Step {
    /// A user agent connects; `knows` whether it says the id that it had.
    Connect {
        knows: bool,
    },
    Close,
    Register {
        channel: usize,
    },
    Unregister {
        channel: usize,
    },
    Push {
        channel: usize,
        ttl: u32,
        topic: bool,
        urgent: bool,
    },
    /// The user agent acknowledges its oldest unacknowledged message, or one that it has acknowledged.
    Ack {
        code: i64,
    },
    AckAgain,
    RemoveAll,
    Ring,
    Tick,
    Sleep,
    Pass {
        millis: i64,
    },
}

pub(super) fn steps() -> impl Strategy<Value = Vec<Step>> {
    let channel = 0..2_usize;
    let ttl = prop::sample::select(vec![0_u32, 1, 600]);
    let step = prop_oneof![
        3 => prop::bool::weighted(0.85).prop_map(|knows| Step::Connect { knows }),
        1 => Just(Step::Close),
        3 => channel.clone().prop_map(|channel| Step::Register { channel }),
        1 => channel.clone().prop_map(|channel| Step::Unregister { channel }),
        6 => (channel, ttl, any::<bool>(), any::<bool>())
            .prop_map(|(channel, ttl, topic, urgent)| Step::Push { channel, ttl, topic, urgent }),
        4 => prop::sample::select(vec![100_i64, 100, 100, 101, 102]).prop_map(|code| Step::Ack { code }),
        1 => Just(Step::AckAgain),
        1 => Just(Step::RemoveAll),
        1 => Just(Step::Ring),
        2 => Just(Step::Tick),
        2 => Just(Step::Sleep),
        3 => prop::sample::select(vec![1_i64, 150, 1_000, 5_000]).prop_map(|millis| Step::Pass { millis }),
    ];
    prop::collection::vec(step, 1..60)
}

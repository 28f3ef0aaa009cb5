//! Telling another object again that has not answered, or could not take what it was told: how long it has, and the
//! pauses. For the failures and the operator's events, which keep their own count of tries.

use crate::time::Millis;

/// How long the answer may take, in milliseconds. After that it is told again: the mailbox has crashed.
pub(super) const ANSWER_TIME: Millis = 30_000;

/// The pause after the first attempt that failed, in milliseconds. Each further one is twice as long.
const FIRST_PAUSE: Millis = 5_000;

/// The longest pause, in milliseconds.
pub(super) const LONGEST_PAUSE: Millis = 300_000;

/// The pause after this many tries.
pub(super) fn pause(tries: u32) -> Millis {
    let longer = 2_i64.saturating_pow(tries.saturating_sub(1));
    FIRST_PAUSE.saturating_mul(longer).min(LONGEST_PAUSE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pauses_grow_up_to_five_minutes() {
        let pauses: Vec<_> = (1..=9).map(|tries| pause(tries) / 1000).collect();
        assert_eq!(pauses, [5, 10, 20, 40, 80, 160, 300, 300, 300]);
        assert_eq!(pause(u32::MAX), LONGEST_PAUSE);
    }
}

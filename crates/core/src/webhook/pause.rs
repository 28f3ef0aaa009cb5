//! How long a message pauses before it is posted again.

use crate::time::Millis;

/// The pauses after the first failures, in milliseconds.
const PAUSES: [Millis; 5] = [5_000, 30_000, 120_000, 600_000, 1_800_000];

/// Every further pause, in milliseconds, before jitter; and the longest that an address may ask for.
const HOUR: Millis = 3_600_000;

/// The pause of a message, in milliseconds, after its `failed`th failure. `at_least` is the address's `Retry-After`, in
/// seconds, of which at most an hour is honoured. From the sixth failure on it is an hour, up to a tenth more or less, by
/// these random bits: otherwise all that failed together would be tried together, forever.
pub fn pause(failed: u32, at_least: Option<u32>, random: u64) -> Millis {
    let place = failed.saturating_sub(1) as usize;
    let pause = PAUSES.get(place).copied().unwrap_or_else(|| {
        let tenth = HOUR / 10;
        let spread = (random % (2 * tenth as u64 + 1)) as Millis;
        HOUR - tenth + spread
    });
    let at_least = i64::from(at_least.unwrap_or(0)) * 1000;
    pause.max(at_least.min(HOUR))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_an_hour_with_jitter() {
        let pauses: Vec<Millis> = (1..=5).map(|failed| pause(failed, None, 9)).collect();
        assert_eq!(pauses, [5_000, 30_000, 120_000, 600_000, 1_800_000]);
        let hourly = |random| pause(6, None, random);
        assert_eq!(hourly(0), HOUR - 360_000);
        assert_eq!(hourly(720_000), HOUR + 360_000);
        assert_eq!(hourly(720_001), HOUR - 360_000);
        assert!((0..1000).all(|n| (3_240_000..=3_960_000).contains(&hourly(u64::MAX / (n + 1)))));
        assert_eq!(pause(u32::MAX, None, 360_000), HOUR);
    }

    #[test]
    fn retry_after_is_a_minimum_and_at_most_an_hour_of_it_is_honoured() {
        assert_eq!(pause(1, Some(1), 0), 5_000);
        assert_eq!(pause(1, Some(60), 0), 60_000);
        assert_eq!(pause(2, Some(u32::MAX), 0), HOUR);
        assert_eq!(pause(6, Some(u32::MAX), 720_000), HOUR + 360_000);
    }
}

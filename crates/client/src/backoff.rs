//! How long to wait before the next attempt: exponential, with full jitter.
//!
//! After a deployment every device comes back; the jitter spreads them.

use std::time::Duration;

/// Pauses that grow with every failure.
#[derive(Debug, Clone)]
pub(crate) struct Backoff {
    first: Duration,
    longest: Duration,
    failures: u32,
}

impl Backoff {
    /// Pauses of at most `first`, then twice that, and so on up to `longest`.
    pub(crate) fn new(first: Duration, longest: Duration) -> Self {
        Self {
            first,
            longest,
            failures: 0,
        }
    }

    /// The pause after one more failure.
    pub(crate) fn next(&mut self) -> Duration {
        let doubled = self
            .first
            .saturating_mul(2_u32.saturating_pow(self.failures));
        self.failures = self.failures.saturating_add(1);
        doubled.min(self.longest).mul_f64(fraction())
    }

    /// Something worked: the next pause is a first one.
    pub(crate) fn reset(&mut self) {
        self.failures = 0;
    }
}

/// A random number from 0 to 1.
fn fraction() -> f64 {
    // A system that has no random numbers to give still gets a pause, if without jitter.
    getrandom::u32().map_or(1.0, |bits| f64::from(bits) / f64::from(u32::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_stay_below_a_bound_that_doubles_up_to_the_longest() {
        let (first, longest) = (Duration::from_millis(100), Duration::from_millis(1_500));
        let mut backoff = Backoff::new(first, longest);
        for bound in [100, 200, 400, 800, 1_500, 1_500] {
            let pause = backoff.next();
            assert!(
                pause <= Duration::from_millis(bound),
                "{pause:?} > {bound} ms"
            );
        }
        backoff.reset();
        assert!(backoff.next() <= first);
    }

    #[test]
    fn no_number_of_failures_is_too_many() {
        let longest = Duration::from_secs(30);
        let mut backoff = Backoff::new(Duration::from_millis(500), longest);
        assert!((0..10_000).all(|_| backoff.next() <= longest));
    }

    #[test]
    fn pauses_differ() {
        let second = Duration::from_secs(1);
        let mut backoff = Backoff::new(second, second);
        let pauses: std::collections::HashSet<_> = (0..20).map(|_| backoff.next()).collect();
        assert!(pauses.len() > 1, "{pauses:?}");
    }
}

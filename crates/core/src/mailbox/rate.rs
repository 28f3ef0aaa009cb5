//! How fast a device may publish: a token bucket.
//!
//! It lives in memory. A mailbox that slept starts with a full one, which it would have by then
//! anyway unless the burst takes longer to refill than a mailbox stays awake.

use crate::limits::Limits;
use crate::problem::{Code, Problem};
use crate::time::Millis;

/// The state of the bucket, in thousandths of a publish.
#[derive(Debug, Default)]
pub(super) struct Bucket {
    used: i64,
    at: Millis,
}

impl Bucket {
    /// Takes one publish out.
    ///
    /// # Errors
    /// `too_many_requests`, with the seconds until there is room again.
    pub(super) fn take(&mut self, limits: &Limits, now: Millis) -> Result<(), Problem> {
        let rate = i64::from(limits.publish_rate).max(1);
        // A publish refills in 1000 / rate milliseconds: `rate` thousandths a millisecond.
        let refilled = now.saturating_sub(self.at).max(0).saturating_mul(rate);
        self.used = self.used.saturating_sub(refilled).max(0);
        self.at = now;
        let room = i64::from(limits.publish_burst).max(1) * 1000;
        if self.used + 1000 > room {
            let seconds = (self.used + 1000 - room).div_euclid(rate * 1000) + 1;
            let mut problem = Problem::new(
                Code::TooManyRequests,
                format!(
                    "at most {rate} publishes a second, {} at once",
                    limits.publish_burst
                ),
            );
            problem.retry_after = u32::try_from(seconds).ok();
            return Err(problem);
        }
        self.used += 1000;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limits(rate: u32, burst: u32) -> Limits {
        Limits {
            publish_rate: rate,
            publish_burst: burst,
            ..Limits::default()
        }
    }

    #[test]
    fn a_burst_passes_and_the_next_publish_does_not() {
        let (mut bucket, limits) = (Bucket::default(), limits(2, 3));
        for _ in 0..3 {
            bucket.take(&limits, 10_000).unwrap();
        }
        let problem = bucket.take(&limits, 10_000).unwrap_err();
        assert_eq!(
            (problem.code, problem.retry_after),
            (Code::TooManyRequests, Some(1))
        );
    }

    #[test]
    fn the_rate_refills_what_was_used() {
        let (mut bucket, limits) = (Bucket::default(), limits(2, 1));
        bucket.take(&limits, 10_000).unwrap();
        assert!(bucket.take(&limits, 10_499).is_err());
        bucket.take(&limits, 10_500).unwrap();
    }

    #[test]
    fn a_clock_that_runs_backwards_refills_nothing() {
        let (mut bucket, limits) = (Bucket::default(), limits(1, 1));
        bucket.take(&limits, 10_000).unwrap();
        assert!(bucket.take(&limits, 0).is_err());
    }
}

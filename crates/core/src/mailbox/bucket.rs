//! Rate limits: token buckets.
//!
//! They are only in memory. After hibernation the buckets are full. They would be full by then anyway, unless a burst
//! takes longer to refill than a mailbox stays in memory.

use crate::limits::Limits;
use crate::problem::{Code, Problem};
use crate::time::Millis;

/// The state of a bucket, in thousandths.
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
        let (rate, burst) = (limits.publish_rate, limits.publish_burst);
        self.draw(1, rate, burst, now).map_err(|seconds| {
            let detail = format!("at most {rate} publishes a second, {burst} at once");
            too_many(detail, seconds)
        })
    }

    /// Takes `count` out of a bucket that holds `burst` and refills by `rate` a second.
    ///
    /// # Errors
    /// The seconds until there is room again; nothing is taken then.
    pub(super) fn draw(
        &mut self,
        count: u32,
        rate: u32,
        burst: u32,
        now: Millis,
    ) -> Result<(), i64> {
        let rate = i64::from(rate).max(1);
        // One token refills in 1000 / rate milliseconds: `rate` thousandths per millisecond.
        let refilled = now.saturating_sub(self.at).max(0).saturating_mul(rate);
        self.used = self.used.saturating_sub(refilled).max(0);
        self.at = now;
        let (count, room) = (i64::from(count) * 1000, i64::from(burst).max(1) * 1000);
        if self.used + count > room {
            return Err((self.used + count - room).div_euclid(rate * 1000) + 1);
        }
        self.used += count;
        Ok(())
    }
}

/// The problem of a request that has to wait this long.
pub(super) fn too_many(detail: String, seconds: i64) -> Problem {
    let mut problem = Problem::new(Code::TooManyRequests, detail);
    problem.retry_after = u32::try_from(seconds).ok();
    problem
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

    #[test]
    fn reads_may_ask_a_thousand_mailboxes_at_once_and_a_hundred_a_second() {
        let mut bucket = Bucket::default();
        let mut asks = |count, at| bucket.draw(count, 100, 1_000, at).is_ok();
        for _ in 0..20 {
            assert!(asks(50, 10_000));
        }
        assert!(!asks(1, 10_000));
        assert!(asks(0, 10_000), "a read that asks nobody");
        assert!(!asks(50, 10_499));
        assert!(asks(50, 10_500));
    }

    #[test]
    fn a_large_read_is_allowed_when_retry_after_is_over() {
        let mut bucket = Bucket::default();
        for _ in 0..10 {
            bucket.draw(100, 100, 1_000, 10_000).unwrap();
        }
        let seconds = bucket.draw(100, 100, 1_000, 10_000).unwrap_err();
        assert!(bucket.draw(100, 100, 1_000, 10_900).is_err());
        bucket
            .draw(100, 100, 1_000, 10_000 + seconds * 1_000)
            .unwrap();
    }
}

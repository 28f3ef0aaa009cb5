//! The directory's list of failed deliveries.
//!
//! It takes what a mailbox tells it, or fails: before that, or after, so that its answer is lost. A delivery that it
//! lists already is not added again.

use tagpost_core::failure::FailedDelivery;
use tagpost_core::mailbox::Input;
use tagpost_core::time::Millis;

use super::{Event, World};
use crate::chance::{chance, happens};
use crate::claims::Checked;

/// How long an answer takes at most. After that the Worker gives up.
const LATEST_ANSWER: Millis = 5_000;

impl World<'_> {
    /// A mailbox tells the directory of failures.
    pub(super) fn record(&mut self, object: usize, number: u64, failures: &[FailedDelivery]) {
        let host = &mut self.objects[object];
        host.under_way += 1;
        let life = host.life;
        let rng = &mut chance(self.plan.seed, &[38, self.next]);
        let latency = self.weather().latency;
        let (soon, later) = (rng.i64(1..=latency + 1), rng.i64(1..=LATEST_ANSWER));
        let fails = !self.healed && happens(rng, fails_of(self.plan.seed));
        let (is_listed, taken, delay) = match rng.u32(0..3) {
            _ if !fails => (true, true, soon),
            0 => (false, false, soon),
            1 => (false, false, later),
            _ => (true, false, LATEST_ANSWER),
        };
        self.note(|names| {
            let count = failures.len();
            format!(
                "{} tells of {count} failures with {number}: listed {is_listed}, taken {taken} in {delay} ms",
                names[object]
            )
        });
        if is_listed {
            failures
                .iter()
                .for_each(|failure| self.ledger.lists(object, failure));
        }
        let recorded = Event::Recorded {
            object,
            life,
            number,
            taken,
        };
        self.after(delay, recorded);
    }

    /// The directory has answered a mailbox that told it of failures.
    pub(super) fn recorded(
        &mut self,
        object: usize,
        life: u32,
        number: u64,
        taken: bool,
    ) -> Checked {
        if !self.is_answered(object, life) {
            return Ok(());
        }
        self.event(object, Input::Recorded { number, taken })
            .map(drop)
    }
}

/// How often the directory fails in a run, in per mille.
fn fails_of(seed: u64) -> u32 {
    let rng = &mut chance(seed, &[39]);
    match rng.u32(0..4) {
        0 => 0,
        1 => 1_000,
        _ => rng.u32(1..=900),
    }
}
